/* Inside the chain node's core: the meaning of every row on disk, as cn_core.h lists the families.
 * rows_codec.c, rows_multi.c, rows_token.c, rows_log.c. */
#ifndef CATENA_CHAINNODE_CORE_CN_ROWS_H
#define CATENA_CHAINNODE_CORE_CN_ROWS_H

#include "chainnode/core/cn_core.h"
#include "wire/manifest.h"

struct cn_entry;

/* No history gets there: a row or a peer that names a higher lsn is refused, and one more never
 * overflows. */
#define CN_LSN_MAX (UINT64_MAX >> 1)

/* The longest row key: of a part of a multipart upload. */
enum { CN_KEY_BYTES_MAX = 12 + BOUND_KEY_BYTES + 1 + 16 + 4 };

/* What a session row says, in memory. `applied` as the rows on disk (and batches under way) say;
 * `accepted` with every pending entry on top, kept at the head only. */
struct cn_session_state {
    bool exists;
    uint64_t floor;
    uint64_t last_lsn;
    uint64_t max_seq;
};

struct cn_key {
    uint8_t bytes[CN_KEY_BYTES_MAX];
    size_t length;
};

struct cn_state_row {
    struct origin committed;
    uint64_t digest;
    uint64_t session_floor;
    uint64_t epoch;
    bool is_complete;
    bool is_syncing;
};

struct cn_object_row {
    struct origin version;
    uint64_t size;
    uint64_t checksum;
    uint64_t mtime_ms;
    uint64_t upload_high;
    uint64_t upload_low;
    uint32_t chunk_count;
    uint32_t chunk_bytes;
    uint32_t part_count; /* not zero: the value is a manifest */
    uint64_t multi_high;
    uint64_t multi_low;
    struct slice meta;
    size_t value_offset; /* of the inline value or manifest in the row */
};

struct cn_multi_key {
    uint64_t bucket;
    struct slice name; /* points into name_bytes */
    uint64_t high;
    uint64_t low;
    uint32_t number; /* 0: the upload itself */
    uint8_t name_bytes[BOUND_KEY_BYTES];
};

struct cn_multi_row {
    struct origin version; /* of the OPEN */
    uint64_t mtime_ms;
    uint64_t map_version; /* of the head that took it */
    struct slice meta;
};

struct cn_part {
    struct wire_part part;
    struct origin version;
    uint64_t mtime_ms;
};

/* The parts of one upload by number; in the core's arena. */
struct cn_parts {
    uint32_t highest; /* the highest number among them; 0: there is none */
    const struct cn_part *items[BOUND_PARTS + 1];
};

struct cn_upload_row {
    uint64_t bucket;
    struct slice key;
    uint32_t count; /* chunks staged */
    uint32_t chunk_bytes;
    uint64_t bytes;
    uint64_t lsn;
};

struct cn_outcome_row {
    uint32_t outcome;
    struct origin version;
    struct origin current;
};

struct cn_token_age {
    uint64_t lsn;
    uint64_t ms;
    uint64_t high;
    uint64_t low;
    uint64_t key_hash;
};

static inline struct slice cn_key_slice(const struct cn_key *key)
{
    return slice_of(key->bytes, key->length);
}

struct cn_key cn_key_state(uint32_t chain);
struct cn_key cn_key_chain(uint32_t chain);
struct cn_key cn_key_object(uint32_t chain, uint64_t bucket, struct slice key);
struct cn_key cn_key_upload(uint32_t chain, uint64_t high, uint64_t low);
struct cn_key cn_key_chunk(uint32_t chain, uint64_t high, uint64_t low, uint32_t index);
struct cn_key cn_key_session(uint32_t chain, uint64_t session);
struct cn_key cn_key_outcome(uint32_t chain, uint64_t session, uint64_t seq);
struct cn_key cn_key_pending(uint32_t chain, uint64_t lsn);

/* Where the uploads of names >= name begin. */
struct cn_key cn_key_multi_name(uint32_t chain, uint64_t bucket, struct slice name);
struct cn_key cn_key_multi(uint32_t chain, uint64_t bucket, struct slice name, uint64_t high,
                           uint64_t low);
/* Number 0: before all parts; UINT32_MAX: after the upload and all its parts. */
struct cn_key cn_key_part(uint32_t chain, uint64_t bucket, struct slice name, uint64_t high,
                          uint64_t low, uint32_t number);
bool cn_multi_key_decode(struct slice key, struct cn_multi_key *ret_key);

struct cn_key cn_key_token(uint32_t chain, uint64_t high, uint64_t low, uint64_t key_hash,
                           uint64_t lsn);
struct cn_key cn_key_token_age(uint32_t chain, uint64_t lsn);
bool cn_token_row_decode(struct slice value, struct cn_outcome_row *ret_row);
bool cn_token_age_decode(struct slice key, struct slice value, struct cn_token_age *ret_age);
struct cn_token_age cn_token_age_of(const struct wire_forward *f);
void cn_token_rows_put(struct kv_batch *batch, const struct wire_forward *f);
bool cn_multi_row_decode(struct slice value, struct cn_multi_row *ret_row);
void cn_multi_row_put(struct kv_batch *batch, const struct cn_entry *entry);
/* The metadata points into value. */
bool cn_part_row_decode(struct slice value, struct cn_part *ret_part);
void cn_part_row_put(struct kv_batch *batch, const struct cn_entry *entry);
struct cn_part cn_part_of(const struct wire_forward *f);
bool cn_state_row_decode(struct slice value, struct cn_state_row *ret_row);
void cn_state_row_put(struct kv_batch *batch, uint32_t chain, const struct cn_state_row *row);
bool cn_object_row_decode(struct slice value, struct cn_object_row *ret_row);
void cn_object_row_put(struct kv_batch *batch, const struct cn_entry *entry);
bool cn_upload_row_decode(struct slice value, struct cn_upload_row *ret_row);
void cn_upload_row_put(struct kv_batch *batch, const struct cn_entry *entry);
bool cn_session_row_decode(struct slice value, struct cn_session_state *ret_row);
void cn_session_row_put(struct kv_batch *batch, uint32_t chain, uint64_t session,
                        const struct cn_session_state *row);
bool cn_outcome_row_decode(struct slice value, struct cn_outcome_row *ret_row);
void cn_outcome_row_put(struct kv_batch *batch, const struct cn_entry *entry);
bool cn_purge_row_decode(struct slice value, uint64_t *ret_lsn);
void cn_purge_row_put(struct kv_batch *batch, uint32_t chain, uint64_t high, uint64_t low,
                      uint64_t lsn);
/* Slices point into value; *ret_payload_offset is where an inline value begins. */
bool cn_pending_row_decode(struct slice key, struct slice value, struct wire_forward *ret_f,
                           size_t *ret_payload_offset);
void cn_pending_row_put(struct kv_batch *batch, const struct cn_entry *entry);

#endif
