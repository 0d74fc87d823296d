#include "tests/lib/chunk_census.h"

#include "base/bytes.h"
#include "base/text.h"
#include "chainnode/core/cn_internal.h"

struct upload {
    struct upload *next; /* same hash */
    uint64_t high;
    uint64_t low;
    uint32_t chunks;
    uint32_t found;
    bool is_purged; /* some may be gone */
};

struct census {
    const struct kv *kv;
    uint32_t chain;
    struct map uploads;
    struct cn_multi_key open; /* the multipart upload whose parts come next */
    struct text *fault;
};

static uint64_t hash_of(uint64_t high, uint64_t low)
{
    return high * 0x9e3779b97f4a7c15u ^ low;
}

static struct upload *find(const struct census *census, uint64_t high, uint64_t low)
{
    struct upload *at = map_get(&census->uploads, hash_of(high, low));
    while (at != NULL && (at->high != high || at->low != low))
        at = at->next;
    return at;
}

static void complain(struct census *census, const char *what, uint64_t high, uint64_t low)
{
    if (census->fault->length == 0)
        text_append(census->fault, "upload %016llx%016llx: %s", (unsigned long long)high,
                    (unsigned long long)low, what);
}

static struct upload *name(struct census *census, uint64_t high, uint64_t low, uint32_t chunks)
{
    struct upload *upload = find(census, high, low);
    if (upload != NULL) {
        complain(census, "is named twice", high, low);
        return upload;
    }
    upload = mem_calloc(1, sizeof *upload);
    *upload = (struct upload){.high = high, .low = low, .chunks = chunks};
    upload->next = map_put(&census->uploads, hash_of(high, low), upload);
    return upload;
}

static bool name_object(struct census *census, struct slice value)
{
    struct cn_object_row row;
    if (!cn_object_row_decode(value, &row))
        return false;
    if (row.chunk_count > 0)
        (void)name(census, row.upload_high, row.upload_low, row.chunk_count);
    if (row.part_count == 0)
        return true;
    struct wire_manifest manifest =
        wire_manifest_of(slice_of(value.data + row.value_offset, value.length - row.value_offset));
    struct wire_part part;
    enum err err;
    while ((err = wire_manifest_next(&manifest, &part)) == ERR_OK)
        if (part.chunk_count > 0)
            (void)name(census, part.upload_high, part.upload_low, part.chunk_count);
    return err == ERR_NOT_FOUND && manifest.count == row.part_count;
}

static bool name_part(struct census *census, struct slice key, struct slice value)
{
    struct cn_multi_key at;
    struct cn_part part;
    if (!cn_multi_key_decode(key, &at))
        return false;
    if (at.number == 0) {
        census->open = at;
        return true;
    }
    if (at.high != census->open.high || at.low != census->open.low)
        complain(census, "has a part and is not open", at.high, at.low);
    if (!cn_part_row_decode(value, &part))
        return false;
    if (part.part.chunk_count > 0)
        (void)name(census, part.part.upload_high, part.part.upload_low, part.part.chunk_count);
    return true;
}

static bool name_row(struct census *census, unsigned family, struct slice key, struct slice value)
{
    struct cn_upload_row upload;
    if (family == CN_FAMILY_OBJECTS)
        return name_object(census, value);
    if (family == CN_FAMILY_MULTI)
        return name_part(census, key, value);
    uint64_t high = bytes_get_u64(key.data + 4);
    uint64_t low = bytes_get_u64(key.data + 12);
    if (family == CN_FAMILY_PURGE) {
        name(census, high, low, 0)->is_purged = true;
        return true;
    }
    if (!cn_upload_row_decode(value, &upload))
        return false;
    (void)name(census, high, low, upload.count);
    return true;
}

static bool find_chunk(struct census *census, unsigned family, struct slice key, struct slice value)
{
    (void)family;
    (void)value;
    uint64_t high = bytes_get_u64(key.data + 4);
    uint64_t low = bytes_get_u64(key.data + 12);
    struct upload *upload = find(census, high, low);
    if (upload == NULL)
        complain(census, "its chunks belong to nobody", high, low);
    else if (!upload->is_purged && bytes_get_u32(key.data + 20) >= upload->chunks)
        complain(census, "has more chunks than it should", high, low);
    else
        upload->found++;
    return true;
}

static void walk(struct census *census, unsigned family,
                 bool (*visit)(struct census *, unsigned, struct slice, struct slice))
{
    struct cn_key from = cn_key_chain(census->chain);
    struct cn_key to = cn_key_chain(census->chain + 1);
    struct kv_iterator *rows =
        kv_iterate(census->kv, family, cn_key_slice(&from), cn_key_slice(&to));
    struct slice key;
    struct slice value;
    while (census->kv->ops->iterator_next(rows, &key, &value))
        if (!visit(census, family, key, value))
            complain(census, "a row cannot be decoded, family", 0, family);
    census->kv->ops->iterator_free(rows);
}

bool chunk_census(const struct kv *kv, uint32_t chain, struct text *ret_fault)
{
    static const unsigned families[] = {CN_FAMILY_OBJECTS, CN_FAMILY_UPLOADS, CN_FAMILY_MULTI,
                                        CN_FAMILY_PURGE};
    struct census census = {.kv = kv, .chain = chain, .fault = ret_fault};
    map_init(&census.uploads);
    for (unsigned i = 0; i < ARRAY_COUNT(families); i++)
        walk(&census, families[i], name_row);
    walk(&census, CN_FAMILY_CHUNKS, find_chunk);
    size_t cursor = 0;
    struct upload *upload;
    while ((upload = map_next(&census.uploads, &cursor, NULL)) != NULL) {
        while (upload != NULL) {
            struct upload *next = upload->next;
            if (!upload->is_purged && upload->found != upload->chunks)
                complain(&census, "lacks a chunk", upload->high, upload->low);
            mem_free(upload);
            upload = next;
        }
    }
    map_release(&census.uploads);
    return ret_fault->length == 0;
}
