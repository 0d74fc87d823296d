#include "tests/unit/base_io/values_store.h"

#include "base/prng.h"
#include "base/text.h"
#include "tests/lib/kv_conformance.h"
#include "tests/lib/temp_directory.h"

static char root[128];
char directory[160];
const struct value_log_system *fake_system;

const struct kv_rocksdb_family families[KV_CONFORMANCE_FAMILIES] = {
    {.name = "objects", .bloom_bits = 10, .external_min_bytes = 64},
    {.name = "chunks", .bloom_bits = 10, .external_min_bytes = 4096},
    {.name = "state", .write_buffer_bytes = 1 << 20},
};

enum err open_with(const struct kv_rocksdb_family *list, struct kv_rocksdb **ret_store, char *text,
                   size_t size)
{
    const struct kv_rocksdb_options options = {
        .directory = directory,
        .families = list,
        .family_count = KV_CONFORMANCE_FAMILIES,
        .create = true,
        .segment_bytes = SEGMENT_BYTES,
        .system = fake_system,
    };
    return kv_rocksdb_open(&options, ret_store, text, size);
}

struct kv_rocksdb *must_open(void)
{
    struct kv_rocksdb *store = NULL;
    char text[300] = "";
    enum err err = open_with(families, &store, text, sizeof text);
    ck_assert_msg(err == ERR_OK, "%s: %s", err_name(err), text);
    return store;
}

void new_directory(void)
{
    fake_system = NULL;
    temp_directory_make(root, sizeof root);
    text_format(directory, sizeof directory, "%s/db", root);
}

void remove_directory(void)
{
    temp_directory_remove(root);
}

struct slice key_of(unsigned number, char *array)
{
    return slice_of_text(text_format(array, 16, "%06u", number));
}

/* The bytes of a value tell its number and version everywhere. */
static struct buf *value_of(unsigned number, unsigned version, size_t length)
{
    struct buf *value = buf_new(length);
    struct prng prng;
    prng_init(&prng, ((uint64_t)version << 32) + number);
    for (size_t i = 0; i < length; i += 8) {
        uint64_t word = prng_next(&prng);
        memcpy(value->data + i, &word, length - i < 8 ? length - i : 8);
    }
    return value;
}

void batch_put(struct kv_batch *batch, unsigned number, unsigned version, size_t length)
{
    char key[16];
    struct buf *value = value_of(number, version, length);
    kv_batch_put(batch, CHUNKS, key_of(number, key), slice_of(&version, sizeof version), value);
    buf_unref(value);
}

void must_write(struct kv_rocksdb *store, struct kv_batch *batch, bool sync)
{
    char text[300] = "";
    enum err err = kv_rocksdb_write(store, batch, sync, text, sizeof text);
    ck_assert_msg(err == ERR_OK, "%s: %s", err_name(err), text);
    kv_batch_free(batch);
}

void put(struct kv_rocksdb *store, unsigned number, unsigned version, size_t length)
{
    struct kv_batch *batch = kv_batch_new();
    batch_put(batch, number, version, length);
    must_write(store, batch, true);
}

void put_many(struct kv_rocksdb *store, unsigned from, unsigned to, unsigned version)
{
    for (unsigned i = from; i < to; i++)
        put(store, i, version, VALUE_BYTES);
}

bool is_whole(unsigned number, struct slice found, unsigned *ret_version)
{
    if (found.length < sizeof *ret_version)
        return false;
    memcpy(ret_version, found.data, sizeof *ret_version);
    size_t length = found.length - sizeof *ret_version;
    struct buf *value = value_of(number, *ret_version, length);
    bool same = slice_equal(slice_of(found.data + sizeof *ret_version, length), buf_slice(value));
    buf_unref(value);
    return same;
}

enum err get(struct kv_rocksdb *store, unsigned number, struct buf **ret_value)
{
    struct kv kv = kv_rocksdb_interface(store);
    char key[16];
    return kv_get(&kv, CHUNKS, key_of(number, key), ret_value);
}

void expect(struct kv_rocksdb *store, unsigned number, unsigned version)
{
    struct buf *value = NULL;
    ck_assert_int_eq(get(store, number, &value), ERR_OK);
    ck_assert_ptr_nonnull(value);
    unsigned found = 0;
    ck_assert(is_whole(number, buf_slice(value), &found));
    ck_assert_uint_eq(found, version);
    buf_unref(value);
}

void expect_absent(struct kv_rocksdb *store, unsigned number)
{
    struct buf *value = NULL;
    ck_assert_int_eq(get(store, number, &value), ERR_OK);
    ck_assert_ptr_null(value);
}

void collect_all(struct kv_rocksdb *store)
{
    bool more = true;
    for (unsigned step = 0; more; step++) {
        ck_assert_uint_lt(step, 10000);
        ck_assert_int_eq(kv_rocksdb_collect(store, STEP_BYTES, &more, NULL, 0), ERR_OK);
    }
}
