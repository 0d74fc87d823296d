/* Rows of the families META, OBJECTS, UPLOADS, SESSIONS and PURGE. The first byte of every value is
 * its format; decoders are bounded and refuse what they do not know. */
#include "chainnode/core/cn_internal.h"

#include "base/bytes.h"

enum {
    FORMAT = 1,
    FORMAT_PARTS = 2, /* of an object that was assembled from parts */
    STATE_BYTES = 1 + 16 + 8 + 8 + 8 + 1,
    OBJECT_FIXED_BYTES = 1 + 16 + 8 + 8 + 8 + 16 + 4 + 4 + 4,
    OBJECT_PARTS_BYTES = 4 + 16, /* more, in FORMAT_PARTS */
    UPLOAD_FIXED_BYTES = 1 + 8 + 4 + 4 + 8 + 8 + 4,
    SESSION_BYTES = 1 + 8 + 8 + 8,
    OUTCOME_BYTES = 1 + 4 + 16 + 16,
    PURGE_BYTES = 1 + 8,
    STATE_COMPLETE = 1,
    STATE_SYNCING = 2,
};

_Static_assert(8 + CN_KEY_BYTES_MAX + OBJECT_FIXED_BYTES + OBJECT_PARTS_BYTES +
                       (int)BOUND_META_BYTES + (int)BOUND_PARTS * WIRE_PART_BYTES_MAX <=
                   (int)BOUND_FRAME_PAYLOAD_BYTES,
               "the longest object row fits one range of a copy");

static void key_u8(struct cn_key *key, uint8_t value)
{
    key->bytes[key->length++] = value;
}

static void key_u32(struct cn_key *key, uint32_t value)
{
    bytes_put_u32(key->bytes + key->length, value);
    key->length += 4;
}

static void key_u64(struct cn_key *key, uint64_t value)
{
    bytes_put_u64(key->bytes + key->length, value);
    key->length += 8;
}

/* META is shared with the driver: this core's rows begin with "c/". */
struct cn_key cn_key_state(uint32_t chain)
{
    struct cn_key key = {.length = 0};
    key_u8(&key, 'c');
    key_u8(&key, '/');
    key_u32(&key, chain);
    return key;
}

struct cn_key cn_key_chain(uint32_t chain)
{
    struct cn_key key = {.length = 0};
    key_u32(&key, chain);
    return key;
}

struct cn_key cn_key_object(uint32_t chain, uint64_t bucket, struct slice name)
{
    PRE(name.length <= BOUND_KEY_BYTES);
    struct cn_key key = {.length = 0};
    key_u32(&key, chain);
    key_u64(&key, bucket);
    if (name.length > 0)
        memcpy(key.bytes + key.length, name.data, name.length);
    key.length += name.length;
    return key;
}

struct cn_key cn_key_upload(uint32_t chain, uint64_t high, uint64_t low)
{
    struct cn_key key = {.length = 0};
    key_u32(&key, chain);
    key_u64(&key, high);
    key_u64(&key, low);
    return key;
}

struct cn_key cn_key_chunk(uint32_t chain, uint64_t high, uint64_t low, uint32_t index)
{
    struct cn_key key = cn_key_upload(chain, high, low);
    key_u32(&key, index);
    return key;
}

void cn_chunk_key(uint32_t chain, uint64_t upload_high, uint64_t upload_low, uint32_t index,
                  uint8_t *key)
{
    struct cn_key row = cn_key_chunk(chain, upload_high, upload_low, index);
    POST(row.length == CN_CHUNK_KEY_BYTES);
    memcpy(key, row.bytes, row.length);
}

struct cn_key cn_key_session(uint32_t chain, uint64_t session)
{
    struct cn_key key = {.length = 0};
    key_u32(&key, chain);
    key_u64(&key, session);
    return key;
}

struct cn_key cn_key_outcome(uint32_t chain, uint64_t session, uint64_t seq)
{
    struct cn_key key = cn_key_session(chain, session);
    key_u64(&key, seq);
    return key;
}

struct cn_key cn_key_pending(uint32_t chain, uint64_t lsn)
{
    return cn_key_session(chain, lsn);
}

static struct origin get_origin(const uint8_t *in)
{
    return (struct origin){.epoch = bytes_get_u64(in), .lsn = bytes_get_u64(in + 8)};
}

static void put_origin(uint8_t *out, struct origin origin)
{
    bytes_put_u64(out, origin.epoch);
    bytes_put_u64(out + 8, origin.lsn);
}

bool cn_state_row_decode(struct slice value, struct cn_state_row *ret_row)
{
    if (value.length != STATE_BYTES || value.data[0] != FORMAT)
        return false;
    const uint8_t *in = value.data + 1;
    uint8_t flags = in[40];
    if ((flags & ~(STATE_COMPLETE | STATE_SYNCING)) != 0 || get_origin(in).lsn > CN_LSN_MAX)
        return false;
    *ret_row = (struct cn_state_row){
        .committed = get_origin(in),
        .digest = bytes_get_u64(in + 16),
        .session_floor = bytes_get_u64(in + 24),
        .epoch = bytes_get_u64(in + 32),
        .is_complete = (flags & STATE_COMPLETE) != 0,
        .is_syncing = (flags & STATE_SYNCING) != 0,
    };
    return true;
}

void cn_state_row_put(struct kv_batch *batch, uint32_t chain, const struct cn_state_row *row)
{
    uint8_t value[STATE_BYTES] = {FORMAT};
    put_origin(value + 1, row->committed);
    bytes_put_u64(value + 17, row->digest);
    bytes_put_u64(value + 25, row->session_floor);
    bytes_put_u64(value + 33, row->epoch);
    value[41] =
        (uint8_t)((row->is_complete ? STATE_COMPLETE : 0) | (row->is_syncing ? STATE_SYNCING : 0));
    struct cn_key key = cn_key_state(chain);
    kv_batch_put(batch, CN_FAMILY_META, cn_key_slice(&key), slice_of(value, sizeof value), NULL);
}

/* Does the rest of the row hold what it says? The parts of a manifest are judged where they are
 * used. */
static bool has_value(const struct cn_object_row *row, size_t length)
{
    if (row->part_count != 0)
        return row->part_count <= BOUND_PARTS && (row->upload_high | row->upload_low) == 0 &&
               length >= (size_t)row->part_count * WIRE_PART_FIXED_BYTES &&
               length <= (size_t)row->part_count * WIRE_PART_BYTES_MAX;
    bool is_inline = (row->upload_high | row->upload_low) == 0;
    return length == (is_inline ? row->size : 0);
}

bool cn_object_row_decode(struct slice value, struct cn_object_row *ret_row)
{
    if (value.length < OBJECT_FIXED_BYTES ||
        (value.data[0] != FORMAT && value.data[0] != FORMAT_PARTS))
        return false;
    bool has_parts = value.data[0] == FORMAT_PARTS;
    size_t fixed = OBJECT_FIXED_BYTES + (has_parts ? OBJECT_PARTS_BYTES : 0);
    const uint8_t *in = value.data + 1;
    uint32_t meta = bytes_get_u32(in + 64);
    if (meta > BOUND_META_BYTES || value.length < fixed + meta)
        return false;
    struct cn_object_row row = {
        .version = get_origin(in),
        .size = bytes_get_u64(in + 16),
        .checksum = bytes_get_u64(in + 24),
        .mtime_ms = bytes_get_u64(in + 32),
        .upload_high = bytes_get_u64(in + 40),
        .upload_low = bytes_get_u64(in + 48),
        .chunk_count = bytes_get_u32(in + 56),
        .chunk_bytes = bytes_get_u32(in + 60),
        .meta = slice_of(value.data + fixed, meta),
        .value_offset = fixed + (size_t)meta,
    };
    if (has_parts) {
        const uint8_t *more = value.data + OBJECT_FIXED_BYTES;
        row.part_count = bytes_get_u32(more);
        row.multi_high = bytes_get_u64(more + 4);
        row.multi_low = bytes_get_u64(more + 12);
    }
    if ((has_parts && row.part_count == 0) || !has_value(&row, value.length - row.value_offset))
        return false;
    *ret_row = row;
    return true;
}

void cn_object_row_put(struct kv_batch *batch, const struct cn_entry *entry)
{
    const struct wire_forward *f = &entry->f;
    uint8_t value[OBJECT_FIXED_BYTES + OBJECT_PARTS_BYTES + BOUND_META_BYTES];
    value[0] = f->part == 0 ? FORMAT : FORMAT_PARTS;
    put_origin(value + 1, f->origin);
    bytes_put_u64(value + 17, f->size);
    bytes_put_u64(value + 25, f->checksum);
    bytes_put_u64(value + 33, f->mtime_ms);
    bytes_put_u64(value + 41, f->upload_high);
    bytes_put_u64(value + 49, f->upload_low);
    bytes_put_u32(value + 57, f->chunk_count);
    bytes_put_u32(value + 61, f->chunk_bytes);
    bytes_put_u32(value + 65, (uint32_t)f->meta.length);
    size_t length = OBJECT_FIXED_BYTES;
    if (f->part != 0) {
        bytes_put_u32(value + length, f->part);
        bytes_put_u64(value + length + 4, f->multi_high);
        bytes_put_u64(value + length + 12, f->multi_low);
        length += OBJECT_PARTS_BYTES;
    }
    if (f->meta.length > 0)
        memcpy(value + length, f->meta.data, f->meta.length);
    struct cn_key key = cn_key_object(f->chain, f->bucket, f->key);
    kv_batch_put(batch, CN_FAMILY_OBJECTS, cn_key_slice(&key),
                 slice_of(value, length + f->meta.length), entry->payload);
}

bool cn_upload_row_decode(struct slice value, struct cn_upload_row *ret_row)
{
    if (value.length < UPLOAD_FIXED_BYTES || value.data[0] != FORMAT)
        return false;
    const uint8_t *in = value.data + 1;
    uint32_t key_length = bytes_get_u32(in + 32);
    if (key_length > BOUND_KEY_BYTES || value.length - UPLOAD_FIXED_BYTES != key_length)
        return false;
    *ret_row = (struct cn_upload_row){
        .bucket = bytes_get_u64(in),
        .count = bytes_get_u32(in + 8),
        .chunk_bytes = bytes_get_u32(in + 12),
        .bytes = bytes_get_u64(in + 16),
        .lsn = bytes_get_u64(in + 24),
        .key = slice_of(value.data + UPLOAD_FIXED_BYTES, key_length),
    };
    return true;
}

/* A staged chunk carries in `size` the bytes of the upload so far, itself included, and in
 * `chunk_bytes` the length of the first chunk: the row follows from the newest entry alone. */
void cn_upload_row_put(struct kv_batch *batch, const struct cn_entry *entry)
{
    const struct wire_forward *f = &entry->f;
    uint8_t value[UPLOAD_FIXED_BYTES + BOUND_KEY_BYTES];
    value[0] = FORMAT;
    bytes_put_u64(value + 1, f->bucket);
    bytes_put_u32(value + 9, f->chunk_count + 1);
    bytes_put_u32(value + 13, f->chunk_bytes);
    bytes_put_u64(value + 17, f->size);
    bytes_put_u64(value + 25, f->origin.lsn);
    bytes_put_u32(value + 33, (uint32_t)f->key.length);
    if (f->key.length > 0)
        memcpy(value + UPLOAD_FIXED_BYTES, f->key.data, f->key.length);
    struct cn_key key = cn_key_upload(f->chain, f->upload_high, f->upload_low);
    kv_batch_put(batch, CN_FAMILY_UPLOADS, cn_key_slice(&key),
                 slice_of(value, UPLOAD_FIXED_BYTES + f->key.length), NULL);
}

bool cn_session_row_decode(struct slice value, struct cn_session_state *ret_row)
{
    if (value.length != SESSION_BYTES || value.data[0] != FORMAT)
        return false;
    *ret_row = (struct cn_session_state){
        .exists = true,
        .floor = bytes_get_u64(value.data + 1),
        .last_lsn = bytes_get_u64(value.data + 9),
        .max_seq = bytes_get_u64(value.data + 17),
    };
    return true;
}

void cn_session_row_put(struct kv_batch *batch, uint32_t chain, uint64_t session,
                        const struct cn_session_state *row)
{
    uint8_t value[SESSION_BYTES] = {FORMAT};
    bytes_put_u64(value + 1, row->floor);
    bytes_put_u64(value + 9, row->last_lsn);
    bytes_put_u64(value + 17, row->max_seq);
    struct cn_key key = cn_key_session(chain, session);
    kv_batch_put(batch, CN_FAMILY_SESSIONS, cn_key_slice(&key), slice_of(value, sizeof value),
                 NULL);
}

bool cn_outcome_row_decode(struct slice value, struct cn_outcome_row *ret_row)
{
    if (value.length != OUTCOME_BYTES || value.data[0] != FORMAT)
        return false;
    uint32_t outcome = bytes_get_u32(value.data + 1);
    if (!err_is_valid(outcome))
        return false;
    *ret_row = (struct cn_outcome_row){
        .outcome = outcome,
        .version = get_origin(value.data + 5),
        .current = get_origin(value.data + 21),
    };
    return true;
}

void cn_outcome_row_put(struct kv_batch *batch, const struct cn_entry *entry)
{
    const struct wire_forward *f = &entry->f;
    struct origin none = {0};
    uint8_t value[OUTCOME_BYTES] = {FORMAT};
    bytes_put_u32(value + 1, f->outcome);
    put_origin(value + 5, f->outcome == ERR_OK ? f->origin : none);
    put_origin(value + 21, f->current);
    struct cn_key key = cn_key_outcome(f->chain, f->session, f->seq);
    kv_batch_put(batch, CN_FAMILY_SESSIONS, cn_key_slice(&key), slice_of(value, sizeof value),
                 NULL);
}

bool cn_purge_row_decode(struct slice value, uint64_t *ret_lsn)
{
    if (value.length != PURGE_BYTES || value.data[0] != FORMAT)
        return false;
    *ret_lsn = bytes_get_u64(value.data + 1);
    return true;
}

void cn_purge_row_put(struct kv_batch *batch, uint32_t chain, uint64_t high, uint64_t low,
                      uint64_t lsn)
{
    uint8_t value[PURGE_BYTES] = {FORMAT};
    bytes_put_u64(value + 1, lsn);
    struct cn_key key = cn_key_upload(chain, high, low);
    kv_batch_put(batch, CN_FAMILY_PURGE, cn_key_slice(&key), slice_of(value, sizeof value), NULL);
}
