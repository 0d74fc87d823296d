/* Rows of the family PENDING: entries accepted and not yet applied (D1). An inline value follows
 * the record; a chunk's bytes are in the family CHUNKS (D3). */
#include "chainnode/core/cn_internal.h"

#include "base/bytes.h"

enum {
    FORMAT = 1,
    FORMAT_MORE = 2, /* with what only few entries have */
    KEY_BYTES = 4 + 8,
    FIXED_BYTES = 2 + 8 + 16 + 24 + 4 + 16 + 8 + 24 + 16 + 8 + 4 + 4,
    MORE_BYTES = 16 + 4 + 16 + 8 + 16,
};

struct reader {
    const uint8_t *at;
};

static uint32_t read_u32(struct reader *reader)
{
    uint32_t value = bytes_get_u32(reader->at);
    reader->at += 4;
    return value;
}

static uint64_t read_u64(struct reader *reader)
{
    uint64_t value = bytes_get_u64(reader->at);
    reader->at += 8;
    return value;
}

static struct origin read_origin(struct reader *reader)
{
    struct origin origin = {.epoch = read_u64(reader)};
    origin.lsn = read_u64(reader);
    return origin;
}

static bool has_more(const struct wire_forward *f)
{
    return (f->multi_high | f->multi_low | f->part | f->token_high | f->token_low | f->map_version |
            f->token_ms | f->token_floor) != 0;
}

static void read_more(struct reader *reader, struct wire_forward *f)
{
    f->multi_high = read_u64(reader);
    f->multi_low = read_u64(reader);
    f->part = read_u32(reader);
    f->token_high = read_u64(reader);
    f->token_low = read_u64(reader);
    f->map_version = read_u64(reader);
    f->token_ms = read_u64(reader);
    f->token_floor = read_u64(reader);
}

bool cn_pending_row_decode(struct slice key, struct slice value, struct wire_forward *ret_f,
                           size_t *ret_payload_offset)
{
    if (key.length != KEY_BYTES || value.length < FIXED_BYTES ||
        (value.data[0] != FORMAT && value.data[0] != FORMAT_MORE) ||
        value.data[1] > WIRE_ENTRY_CLOSE)
        return false;
    size_t fixed = FIXED_BYTES + (value.data[0] == FORMAT_MORE ? MORE_BYTES : 0);
    struct reader reader = {.at = value.data + 2};
    struct wire_forward f = {.chain = bytes_get_u32(key.data), .kind = value.data[1]};
    f.origin.epoch = read_u64(&reader);
    f.origin.lsn = bytes_get_u64(key.data + 4);
    f.previous = read_origin(&reader);
    f.session = read_u64(&reader);
    f.seq = read_u64(&reader);
    f.seq_floor = read_u64(&reader);
    f.outcome = read_u32(&reader);
    f.current = read_origin(&reader);
    f.bucket = read_u64(&reader);
    f.size = read_u64(&reader);
    f.checksum = read_u64(&reader);
    f.mtime_ms = read_u64(&reader);
    f.upload_high = read_u64(&reader);
    f.upload_low = read_u64(&reader);
    f.chunk_count = read_u32(&reader);
    f.chunk_bytes = read_u32(&reader);
    uint32_t key_length = read_u32(&reader);
    uint32_t meta_length = read_u32(&reader);
    if (key_length > BOUND_KEY_BYTES || meta_length > BOUND_META_BYTES ||
        value.length < fixed + key_length + meta_length || !err_is_valid(f.outcome))
        return false;
    if (fixed > FIXED_BYTES)
        read_more(&reader, &f);
    if (has_more(&f) != (fixed > FIXED_BYTES)) /* an entry has one image */
        return false;
    f.key = slice_of(reader.at, key_length);
    f.meta = slice_of(reader.at + key_length, meta_length);
    size_t offset = fixed + (size_t)key_length + meta_length;
    bool is_chunk = f.kind == WIRE_ENTRY_STAGE; /* its bytes have a row of their own */
    struct slice payload = slice_of(value.data + offset, value.length - offset);
    if (f.origin.lsn > CN_LSN_MAX || f.previous.lsn + 1 != f.origin.lsn ||
        !cn_entry_names_are_sound(&f) ||
        (is_chunk ? payload.length != 0 : !cn_entry_payload_is_sound(&f, payload)))
        return false;
    *ret_f = f;
    *ret_payload_offset = offset;
    return true;
}

struct writer {
    uint8_t *at;
};

static void write_u32(struct writer *writer, uint32_t value)
{
    bytes_put_u32(writer->at, value);
    writer->at += 4;
}

static void write_u64(struct writer *writer, uint64_t value)
{
    bytes_put_u64(writer->at, value);
    writer->at += 8;
}

static void write_bytes(struct writer *writer, struct slice bytes)
{
    if (bytes.length > 0)
        memcpy(writer->at, bytes.data, bytes.length);
    writer->at += bytes.length;
}

static void write_more(struct writer *writer, const struct wire_forward *f)
{
    write_u64(writer, f->multi_high);
    write_u64(writer, f->multi_low);
    write_u32(writer, f->part);
    write_u64(writer, f->token_high);
    write_u64(writer, f->token_low);
    write_u64(writer, f->map_version);
    write_u64(writer, f->token_ms);
    write_u64(writer, f->token_floor);
}

void cn_pending_row_put(struct kv_batch *batch, const struct cn_entry *entry)
{
    const struct wire_forward *f = &entry->f;
    uint8_t value[FIXED_BYTES + MORE_BYTES + BOUND_KEY_BYTES + BOUND_META_BYTES];
    value[0] = has_more(f) ? FORMAT_MORE : FORMAT;
    value[1] = f->kind;
    struct writer writer = {.at = value + 2};
    write_u64(&writer, f->origin.epoch);
    write_u64(&writer, f->previous.epoch);
    write_u64(&writer, f->previous.lsn);
    write_u64(&writer, f->session);
    write_u64(&writer, f->seq);
    write_u64(&writer, f->seq_floor);
    write_u32(&writer, f->outcome);
    write_u64(&writer, f->current.epoch);
    write_u64(&writer, f->current.lsn);
    write_u64(&writer, f->bucket);
    write_u64(&writer, f->size);
    write_u64(&writer, f->checksum);
    write_u64(&writer, f->mtime_ms);
    write_u64(&writer, f->upload_high);
    write_u64(&writer, f->upload_low);
    write_u32(&writer, f->chunk_count);
    write_u32(&writer, f->chunk_bytes);
    write_u32(&writer, (uint32_t)f->key.length);
    write_u32(&writer, (uint32_t)f->meta.length);
    INVARIANT(writer.at == value + FIXED_BYTES);
    if (has_more(f))
        write_more(&writer, f);
    write_bytes(&writer, f->key);
    write_bytes(&writer, f->meta);
    struct cn_key key = cn_key_pending(f->chain, f->origin.lsn);
    kv_batch_put(batch, CN_FAMILY_PENDING, cn_key_slice(&key),
                 slice_of(value, (size_t)(writer.at - value)),
                 f->kind == WIRE_ENTRY_PUT ? entry->payload : NULL);
}
