#include "wire/manifest.h"

#include "base/bytes.h"
#include "base/contract.h"

void wire_choice_encode(const struct wire_choice *choice, uint8_t *out)
{
    bytes_put_u32(out, choice->number);
    bytes_put_u64(out + 4, choice->version.epoch);
    bytes_put_u64(out + 12, choice->version.lsn);
}

struct wire_choice wire_choice_at(struct slice choices, uint32_t index)
{
    size_t offset = (size_t)index * WIRE_CHOICE_BYTES;
    PRE(offset + WIRE_CHOICE_BYTES <= choices.length);
    const uint8_t *in = choices.data + offset;
    return (struct wire_choice){
        .number = bytes_get_u32(in),
        .version = {.epoch = bytes_get_u64(in + 4), .lsn = bytes_get_u64(in + 12)},
    };
}

enum err wire_choices_check(struct slice choices, uint32_t count)
{
    if (count == 0 || count > BOUND_PARTS || choices.length != (size_t)count * WIRE_CHOICE_BYTES)
        return ERR_INVALID;
    uint32_t last = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = wire_choice_at(choices, i).number;
        if (number <= last || number > BOUND_PARTS)
            return ERR_INVALID;
        last = number;
    }
    return ERR_OK;
}

size_t wire_part_encode(const struct wire_part *part, uint8_t *out)
{
    PRE(part->meta.length <= BOUND_PART_META_BYTES);
    bytes_put_u32(out, part->number);
    bytes_put_u64(out + 4, part->upload_high);
    bytes_put_u64(out + 12, part->upload_low);
    bytes_put_u32(out + 20, part->chunk_count);
    bytes_put_u32(out + 24, part->chunk_bytes);
    bytes_put_u64(out + 28, part->size);
    bytes_put_u64(out + 36, part->checksum);
    out[44] = (uint8_t)part->meta.length;
    if (part->meta.length > 0)
        memcpy(out + WIRE_PART_FIXED_BYTES, part->meta.data, part->meta.length);
    return WIRE_PART_FIXED_BYTES + part->meta.length;
}

struct wire_manifest wire_manifest_of(struct slice bytes)
{
    return (struct wire_manifest){.rest = bytes};
}

/* Do the chunks make up the size? */
static bool is_sound(const struct wire_part *part)
{
    if ((part->upload_high | part->upload_low) == 0)
        return part->size == 0 && part->chunk_count == 0 && part->chunk_bytes == 0;
    if (part->chunk_bytes == 0 || part->chunk_bytes > BOUND_CHUNK_BYTES || part->size == 0)
        return false;
    uint64_t count = (part->size - 1) / part->chunk_bytes + 1;
    return count == part->chunk_count && count <= BOUND_CHUNKS;
}

enum err wire_manifest_next(struct wire_manifest *manifest, struct wire_part *ret_part)
{
    const uint8_t *in = manifest->rest.data;
    size_t length = manifest->rest.length;
    if (length == 0)
        return ERR_NOT_FOUND;
    if (length < WIRE_PART_FIXED_BYTES || in[44] > BOUND_PART_META_BYTES ||
        length < WIRE_PART_FIXED_BYTES + (size_t)in[44])
        return ERR_CORRUPT;
    struct wire_part part = {
        .number = bytes_get_u32(in),
        .upload_high = bytes_get_u64(in + 4),
        .upload_low = bytes_get_u64(in + 12),
        .chunk_count = bytes_get_u32(in + 20),
        .chunk_bytes = bytes_get_u32(in + 24),
        .size = bytes_get_u64(in + 28),
        .checksum = bytes_get_u64(in + 36),
        .meta = slice_of(in + WIRE_PART_FIXED_BYTES, in[44]),
    };
    if (part.number <= manifest->last || part.number > BOUND_PARTS || !is_sound(&part) ||
        part.size > UINT64_MAX - manifest->size)
        return ERR_CORRUPT;
    size_t used = WIRE_PART_FIXED_BYTES + part.meta.length;
    manifest->rest = slice_of(in + used, length - used);
    manifest->last = part.number;
    manifest->count++;
    manifest->size += part.size;
    *ret_part = part;
    return ERR_OK;
}

enum err wire_manifest_check(struct slice bytes, uint32_t count, uint64_t size)
{
    struct wire_manifest manifest = wire_manifest_of(bytes);
    struct wire_part part;
    enum err err;
    while ((err = wire_manifest_next(&manifest, &part)) == ERR_OK)
        continue;
    if (err != ERR_NOT_FOUND || count == 0 || manifest.count != count || manifest.size != size)
        return ERR_CORRUPT;
    return ERR_OK;
}
