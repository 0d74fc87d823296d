/* Rows of the family MULTI (D18): a multipart upload, and behind it its parts by number.
 *
 * Key: chain, bucket, the object's key with every byte one higher, a zero byte, id [, number u32].
 * So uploads sort by (key, id), and one range holds an upload with its parts. Keys are UTF-8 and
 * may contain a zero byte but never 0xff, hence the shift: nothing of a key sorts below its end. */
#include "base/bytes.h"
#include "chainnode/core/cn_internal.h"

enum {
    FORMAT = 1,
    NAME_OFFSET = 12, /* chain u32, bucket u64 */
    ID_BYTES = 16,
    NUMBER_BYTES = 4,
    UPLOAD_FIXED_BYTES = 1 + 16 + 8 + 8 + 4,
    PART_FIXED_BYTES = 1 + 16 + 8, /* and the part as a manifest has it */
};

_Static_assert(NAME_OFFSET + (int)BOUND_KEY_BYTES + 1 + ID_BYTES + NUMBER_BYTES <= CN_KEY_BYTES_MAX,
               "the key of a part fits");

/* Bounds of a listing may hold any byte; 0xff stays, above all that is stored. */
struct cn_key cn_key_multi_name(uint32_t chain, uint64_t bucket, struct slice name)
{
    struct cn_key key = cn_key_object(chain, bucket, name);
    for (size_t at = NAME_OFFSET; at < key.length; at++)
        if (key.bytes[at] != 0xff)
            key.bytes[at]++;
    return key;
}

struct cn_key cn_key_multi(uint32_t chain, uint64_t bucket, struct slice name, uint64_t high,
                           uint64_t low)
{
    struct cn_key key = cn_key_multi_name(chain, bucket, name);
    key.bytes[key.length++] = 0;
    bytes_put_u64(key.bytes + key.length, high);
    bytes_put_u64(key.bytes + key.length + 8, low);
    key.length += ID_BYTES;
    return key;
}

struct cn_key cn_key_part(uint32_t chain, uint64_t bucket, struct slice name, uint64_t high,
                          uint64_t low, uint32_t number)
{
    struct cn_key key = cn_key_multi(chain, bucket, name, high, low);
    bytes_put_u32(key.bytes + key.length, number);
    key.length += NUMBER_BYTES;
    return key;
}

bool cn_multi_key_decode(struct slice key, struct cn_multi_key *ret_key)
{
    if (key.length < NAME_OFFSET)
        return false;
    size_t length = 0;
    while (NAME_OFFSET + length < key.length && key.data[NAME_OFFSET + length] != 0)
        length++;
    if (length == 0 || length > BOUND_KEY_BYTES)
        return false;
    size_t id_offset = NAME_OFFSET + length + 1;
    bool is_part = key.length == id_offset + ID_BYTES + NUMBER_BYTES;
    if (!is_part && key.length != id_offset + ID_BYTES)
        return false;
    const uint8_t *id = key.data + id_offset;
    ret_key->bucket = bytes_get_u64(key.data + 4);
    ret_key->high = bytes_get_u64(id);
    ret_key->low = bytes_get_u64(id + 8);
    ret_key->number = is_part ? bytes_get_u32(id + ID_BYTES) : 0;
    for (size_t at = 0; at < length; at++)
        ret_key->name_bytes[at] = (uint8_t)(key.data[NAME_OFFSET + at] - 1);
    ret_key->name = slice_of(ret_key->name_bytes, length);
    return !is_part || (ret_key->number != 0 && ret_key->number <= BOUND_PARTS);
}

bool cn_multi_row_decode(struct slice value, struct cn_multi_row *ret_row)
{
    if (value.length < UPLOAD_FIXED_BYTES || value.data[0] != FORMAT)
        return false;
    const uint8_t *in = value.data + 1;
    uint32_t meta = bytes_get_u32(in + 32);
    if (meta > BOUND_META_BYTES || value.length - UPLOAD_FIXED_BYTES != meta)
        return false;
    *ret_row = (struct cn_multi_row){
        .version = {.epoch = bytes_get_u64(in), .lsn = bytes_get_u64(in + 8)},
        .mtime_ms = bytes_get_u64(in + 16),
        .map_version = bytes_get_u64(in + 24),
        .meta = slice_of(value.data + UPLOAD_FIXED_BYTES, meta),
    };
    return true;
}

void cn_multi_row_put(struct kv_batch *batch, const struct cn_entry *entry)
{
    const struct wire_forward *f = &entry->f;
    uint8_t value[UPLOAD_FIXED_BYTES + BOUND_META_BYTES] = {FORMAT};
    bytes_put_u64(value + 1, f->origin.epoch);
    bytes_put_u64(value + 9, f->origin.lsn);
    bytes_put_u64(value + 17, f->mtime_ms);
    bytes_put_u64(value + 25, f->map_version);
    bytes_put_u32(value + 33, (uint32_t)f->meta.length);
    if (f->meta.length > 0)
        memcpy(value + UPLOAD_FIXED_BYTES, f->meta.data, f->meta.length);
    struct cn_key key = cn_key_multi(f->chain, f->bucket, f->key, f->multi_high, f->multi_low);
    kv_batch_put(batch, CN_FAMILY_MULTI, cn_key_slice(&key),
                 slice_of(value, UPLOAD_FIXED_BYTES + f->meta.length), NULL);
}

bool cn_part_row_decode(struct slice value, struct cn_part *ret_part)
{
    if (value.length < PART_FIXED_BYTES || value.data[0] != FORMAT)
        return false;
    const uint8_t *in = value.data + 1;
    struct slice rest = slice_of(value.data + PART_FIXED_BYTES, value.length - PART_FIXED_BYTES);
    struct wire_manifest one = wire_manifest_of(rest);
    if (wire_manifest_next(&one, &ret_part->part) != ERR_OK || one.rest.length != 0)
        return false;
    ret_part->version = (struct origin){.epoch = bytes_get_u64(in), .lsn = bytes_get_u64(in + 8)};
    ret_part->mtime_ms = bytes_get_u64(in + 16);
    return true;
}

struct cn_part cn_part_of(const struct wire_forward *f)
{
    return (struct cn_part){
        .part = {.number = f->part,
                 .upload_high = f->upload_high,
                 .upload_low = f->upload_low,
                 .chunk_count = f->chunk_count,
                 .chunk_bytes = f->chunk_bytes,
                 .size = f->size,
                 .checksum = f->checksum,
                 .meta = f->meta},
        .version = f->origin,
        .mtime_ms = f->mtime_ms,
    };
}

void cn_part_row_put(struct kv_batch *batch, const struct cn_entry *entry)
{
    const struct wire_forward *f = &entry->f;
    uint8_t value[PART_FIXED_BYTES + WIRE_PART_BYTES_MAX] = {FORMAT};
    bytes_put_u64(value + 1, f->origin.epoch);
    bytes_put_u64(value + 9, f->origin.lsn);
    bytes_put_u64(value + 17, f->mtime_ms);
    struct cn_part part = cn_part_of(f);
    size_t length = PART_FIXED_BYTES + wire_part_encode(&part.part, value + PART_FIXED_BYTES);
    struct cn_key key =
        cn_key_part(f->chain, f->bucket, f->key, f->multi_high, f->multi_low, f->part);
    kv_batch_put(batch, CN_FAMILY_MULTI, cn_key_slice(&key), slice_of(value, length), NULL);
}
