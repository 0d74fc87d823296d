/* Access keys as bytes: what clients and masters exchange as payloads, and what the masters keep.
 *
 * A record is canonical: equal keys have equal bytes. Grants are in ascending order of their
 * buckets, each bucket once. Decoding trusts nothing and allocates nothing.
 *
 * Format: u8 length, id; u8 length, secret; u8 length, old secret; u64 created_ms; u8 count of
 * grants, each u8 right, u8 length, bucket. Big-endian.
 *
 * Secrets travel in these payloads only: message fields are printed in traces, payloads never. */
#ifndef CATENA_WIRE_ACCESS_KEY_H
#define CATENA_WIRE_ACCESS_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bounds.h"
#include "base/slice.h"

enum wire_right { WIRE_RIGHT_NONE, WIRE_RIGHT_READ, WIRE_RIGHT_WRITE, WIRE_RIGHT_OWNER };

struct wire_grant {
    struct slice bucket; /* a name, or "*", or the beginning of a name and "*" */
    enum wire_right right;
};

struct wire_access_key {
    struct slice id;
    struct slice secret;     /* empty: not told */
    struct slice old_secret; /* empty: none */
    uint64_t created_ms;
    struct wire_grant grants[BOUND_GRANTS];
    uint32_t grant_count;
};

/* 3 to 128 of A-Z a-z 0-9 . _ - */
bool wire_access_key_id_is_valid(struct slice id);
/* 8 to 128 printable ASCII characters without blanks. */
bool wire_secret_is_valid(struct slice secret);
bool wire_grant_bucket_is_valid(struct slice bucket);

/* Bytes of the record. Every part is valid, or empty where that has a meaning. */
size_t wire_access_key_size(const struct wire_access_key *key);
/* Writes so many bytes; returns the end. */
uint8_t *wire_access_key_put(const struct wire_access_key *key, uint8_t *out);
/* Takes one record off *rest; its slices point there. False: that is no record; *rest and *ret_key
 * are undefined. An id or secret may be empty (a request that has none); what is there is valid. */
bool wire_access_key_take(struct slice *rest, struct wire_access_key *ret_key);

/* The bytes are exactly one record. */
bool wire_access_key_read(struct slice bytes, struct wire_access_key *ret_key);

/* Puts a grant at its place, or changes the right of one that is there; NONE is kept as such. The
 * slice is shared. False: there are BOUND_GRANTS already. */
bool wire_grant_set(struct wire_access_key *key, const struct wire_grant *grant);
/* The same for several, each bucket once; NONE removes. False: too many would be left; *key is
 * undefined. */
bool wire_grants_merge(struct wire_access_key *key, const struct wire_grant *changes,
                       uint32_t count);

#endif
