#include "chainnode/io/families.h"

#include "base/contract.h"
#include "base/text.h"
#include "chainnode/core/cn_core.h"

enum {
    BLOOM_BITS = 10,
    EXTERNAL_BYTES_MIN = 16384,
    SMALL_BUFFER_BYTES = 1 << 20,
    BUFFERS_PER_FAMILY = 2, /* one fills while the other is written out */
};

/* Of the memory for write buffers, in hundredths; the families that are missing here are small. */
enum { SHARE_OBJECTS = 20, SHARE_CHUNKS = 14, SHARE_PENDING = 54, SHARE_SESSIONS = 6 };

static uint64_t share(uint64_t write_buffer_bytes, uint64_t hundredths)
{
    uint64_t bytes = write_buffer_bytes / BUFFERS_PER_FAMILY * hundredths / 100;
    return bytes < SMALL_BUFFER_BYTES ? SMALL_BUFFER_BYTES : bytes;
}

enum err families_open(const char *directory, uint64_t cache_bytes, uint64_t write_buffer_bytes,
                       struct kv_rocksdb **ret_store, char *ret_text, size_t text_size)
{
    /* Objects and sessions are looked up by keys that are often absent: filters. So are chunks, by
     * each put: their bytes live in the value log (D10), and what a put replaces there is garbage.
     * Pending rows die young: most never reach a table. */
    const struct kv_rocksdb_family families[CN_FAMILY_COUNT] = {
        [CN_FAMILY_META] = {.name = "meta", .write_buffer_bytes = SMALL_BUFFER_BYTES},
        [CN_FAMILY_OBJECTS] = {.name = "objects",
                               .bloom_bits = BLOOM_BITS,
                               .write_buffer_bytes = share(write_buffer_bytes, SHARE_OBJECTS)},
        [CN_FAMILY_CHUNKS] = {.name = "chunks",
                              .bloom_bits = BLOOM_BITS,
                              .external_min_bytes = EXTERNAL_BYTES_MIN,
                              .write_buffer_bytes = share(write_buffer_bytes, SHARE_CHUNKS)},
        [CN_FAMILY_UPLOADS] = {.name = "uploads", .write_buffer_bytes = SMALL_BUFFER_BYTES},
        [CN_FAMILY_SESSIONS] = {.name = "sessions",
                                .bloom_bits = BLOOM_BITS,
                                .write_buffer_bytes = share(write_buffer_bytes, SHARE_SESSIONS)},
        [CN_FAMILY_PENDING] = {.name = "pending",
                               .write_buffer_bytes = share(write_buffer_bytes, SHARE_PENDING)},
        [CN_FAMILY_PURGE] = {.name = "purge", .write_buffer_bytes = SMALL_BUFFER_BYTES},
        [CN_FAMILY_MULTI] = {.name = "multi", .write_buffer_bytes = SMALL_BUFFER_BYTES},
        [CN_FAMILY_TOKENS] = {.name = "tokens", .write_buffer_bytes = SMALL_BUFFER_BYTES},
    };
    struct text path;
    text_init(&path);
    text_append(&path, "%s/store", directory);
    const struct kv_rocksdb_options options = {
        .directory = text_cstr(&path),
        .families = families,
        .family_count = CN_FAMILY_COUNT,
        .create = true,
        .cache_bytes = cache_bytes,
    };
    enum err err = kv_rocksdb_open(&options, ret_store, ret_text, text_size);
    text_release(&path);
    return err;
}
