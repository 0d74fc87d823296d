/* The client's core: routing, retries, sessions and the map cache of libcatena.
 *
 * What it is: a deterministic machine that turns operations (put this, list that) into messages for
 * the right server, repeats them when servers fail, and says at the end what is known about the
 * outcome. What it is not: a network, a clock, a thread, a cutter of large values into chunks
 * (client/io/ does that with STAGE and CHUNK operations). One thread steps it; the same object code
 * runs under client/io/ and in the simulator.
 *
 * Promises
 *  - Every submitted operation ends with exactly one DONE.
 *  - Every copy of an update carries the same (session, seq): it runs at most once (R11, D4).
 *  - An update that ends with anything but OK, OUTCOME_UNKNOWN or a committed outcome (CONDITION,
 *    NO_KEY ...) did not happen and never will: each copy that was ever sent was refused before
 *    admission. A copy that was lost with its connection was not: it may still be in an inbox of
 *    the server, and run later.
 *  - A read is never answered from an epoch older than one this client has seen (R19), a listing
 *    covers every chain once or fails (R18).
 *
 * Driver contract: call step with a TICK right after cl_core_new and then at every deadline;
 * effects run in array order; a message in an effect is valid until the next step, and the event's
 * message must stay valid until the effects of its step are executed (results point into it). SEND
 * may be lost when the peer is not connected any more. After PEER_DOWN no message of the old
 * connection is reported.
 *
 * The server gets each SEND at most once, if late: one byte stream carries it, and no driver sends
 * it again. This core makes all further copies of an update and counts them; what it reports as
 * "did not happen" rests on that count. */
#ifndef CATENA_CLIENT_CORE_CL_CORE_H
#define CATENA_CLIENT_CORE_CL_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/trace.h"
#include "client/core/cl_map.h"
#include "wire/messages.h"

struct cl_core;

/* Peers are numbered: a node by its id, a master by this bit and its slot. */
#define CL_PEER_MASTER 0x80000000u

enum { CL_MASTERS_MAX = 24, CL_TEXT_BYTES = 1024 };

struct cl_options {
    const struct slice *masters; /* addresses, copied; at least one */
    uint32_t masters_count;
    uint32_t ops_max;            /* operations in flight; more end at once with BUSY; 0 = 65,536 */
    uint64_t attempt_us;         /* first time-out of one copy, doubles up to four times; 0 = 1 s */
    uint64_t attempt_bulk_us;    /* the same for STAGE and CHUNK; 0 = 3 s */
    uint64_t backoff_min_us;     /* 0 = 2 ms */
    uint64_t backoff_max_us;     /* 0 = 200 ms */
    uint32_t retries_per_second; /* refill of the retry budget; 0 = 500 */
    uint32_t retries_burst;      /* its size; 0 = 2,000 */
    uint32_t watch_ms; /* a long poll is answered after this long at the latest; 0 = 10 s */
    struct trace trace;
};

enum cl_op_kind {
    CL_OP_PUT,    /* bucket, key, token; by `step` (D18):
                     VALUE    condition, match, meta, size, checksum; payload, or upload and chunks
                     OPEN     multi, meta
                     PART     multi, part, meta, size, checksum; upload and chunks, none if empty
                     COMPLETE multi, condition, match, meta; payload = choices (wire/manifest.h),
                              part = how many, checksum of the payload, size 0
                     RESTAMP  condition, match, meta, keep_mtime */
    CL_OP_DELETE, /* bucket, key, condition, match; multi not zero: drops that multipart upload */
    CL_OP_STAGE,  /* bucket, key, upload, index, payload, checksum; submitted in index order */
    CL_OP_ABORT,  /* bucket, key, upload */
    CL_OP_GET,    /* bucket, key */
    CL_OP_STAT,   /* bucket, key */
    CL_OP_CHUNK,  /* chain, upload, index, size = bytes that the chunk must have */
    CL_OP_LIST,   /* bucket, key = prefix, start_after, delimiter, limit, want_meta; `uploads`: of
                     multipart uploads by (key, id), after (start_after, after_multi) */
    CL_OP_PARTS_LIST,    /* bucket, key, multi, part = list those after this number, limit */
    CL_OP_BUCKET_CREATE, /* bucket, wall_ms */
    CL_OP_BUCKET_DELETE, /* bucket, wall_ms: marks, looks, then finishes or reverts (R37) */
    CL_OP_ADMIN, /* admin_op, a, b, bucket = name, text, wall_ms, payload: one call to the leading
                    master */
    CL_OP_MAP,   /* done when a map of at least `version` is installed */
};
enum { CL_OP_KINDS = CL_OP_MAP + 1 };

/* Everything is copied (payload: referenced). Fields that a kind does not name are ignored. */
struct cl_submit {
    enum cl_op_kind kind;
    uint64_t op; /* the caller's number: not 0, not in use */
    uint64_t deadline_us;
    struct slice bucket; /* name */
    struct slice key;
    enum wire_condition condition;
    struct origin match;
    struct slice meta;
    struct buf *payload;
    uint64_t size;     /* bytes */
    uint64_t checksum; /* XXH3-64 */
    uint64_t upload_high;
    uint64_t upload_low;
    uint32_t chunk_count;
    uint32_t chunk_bytes;
    uint32_t index;
    uint32_t chain;
    enum wire_put_step step;
    uint64_t multi_high;
    uint64_t multi_low;
    uint32_t part;
    bool keep_mtime;
    uint64_t token_high; /* both zero: none (D19) */
    uint64_t token_low;
    struct slice start_after;
    struct slice delimiter;
    uint32_t limit;
    bool want_meta;
    bool uploads;
    uint64_t after_multi_high; /* both zero: after all uploads of start_after */
    uint64_t after_multi_low;
    uint32_t admin_op; /* enum wire_admin_op */
    uint64_t a;
    uint64_t b;
    struct slice text;
    uint64_t wall_ms;
    uint64_t version;
};

enum cl_event_kind {
    CL_EVENT_TICK,
    CL_EVENT_PEER_UP,   /* peer: a connection to it is established */
    CL_EVENT_PEER_DOWN, /* peer, err, text: it ended, or an attempt failed */
    CL_EVENT_RECEIVE,   /* peer, message */
    CL_EVENT_SUBMIT,    /* submit */
    CL_EVENT_CANCEL, /* op: ends with CANCELLED or OUTCOME_UNKNOWN; unknown numbers are ignored */
};

struct cl_event {
    enum cl_event_kind kind;
    uint64_t now_us; /* monotonic */
    uint32_t peer;
    enum err err;
    const char *text; /* may be NULL */
    const struct wire_message *message;
    const struct cl_submit *submit;
    uint64_t op;
};

struct cl_result {
    enum err err;
    const char *text; /* "" when OK: what happened, to which object, what to do */
    struct origin version;
    struct origin current; /* CONDITION: what was there */
    uint64_t size;
    uint64_t checksum;
    uint64_t mtime_ms;
    uint32_t replicas_durable;
    uint32_t chain;
    struct slice meta;
    uint64_t upload_high; /* both zero: inline */
    uint64_t upload_low;
    uint32_t chunk_count;
    uint32_t chunk_bytes;
    uint32_t
        part_count; /* GET, STAT: not zero: assembled; GET: the payload is a checked manifest */
    uint64_t multi_high; /* the multipart upload that it came from */
    uint64_t multi_low;
    const struct wire_list_item *items;
    uint32_t items_count;
    const struct wire_part_item *parts; /* PARTS_LIST; meta and mtime_ms are the upload's */
    uint32_t parts_count;
    bool truncated;
    const struct wire_admin_reply *admin; /* ADMIN, BUCKET_CREATE: the answer; else NULL. A payload
                                             that came with it is the effect's. */
};

enum cl_effect_kind {
    CL_EFFECT_PEER, /* peer, address: connect and stay connected; empty address: forget it */
    CL_EFFECT_SEND, /* peer, message */
    CL_EFFECT_DONE, /* op, result; message.payload: the value or chunk (owned by the effect) */
};

struct cl_effect {
    enum cl_effect_kind kind;
    uint32_t peer;
    const char *address;
    struct wire_message message;
    uint64_t op;
    struct cl_result result;
};

struct cl_effects {
    struct cl_effect *items;
    uint32_t count;
    uint32_t capacity;
};

void cl_effects_init(struct cl_effects *effects);
void cl_effects_clear(struct cl_effects *effects);
void cl_effects_release(struct cl_effects *effects);

/* Counters, for tests and `status`. */
struct cl_stats {
    uint64_t sent;
    uint64_t retries;
    uint64_t budget_waits; /* retries put off because the budget was empty */
    uint64_t stale_reads;  /* answers refused by R19 */
    uint64_t nonsense;     /* messages that broke the protocol, ignored */
    uint64_t sessions;     /* opened */
};

struct cl_core *cl_core_new(const struct cl_options *options, uint64_t seed, uint64_t now_us);
void cl_core_free(struct cl_core *core);
void cl_core_step(struct cl_core *core, const struct cl_event *event, struct cl_effects *effects);
/* When the next TICK is wanted; may be earlier than needed, never later. UINT64_MAX = never. */
uint64_t cl_core_deadline_us(const struct cl_core *core);
void cl_core_check(const struct cl_core *core);
const struct cl_map *cl_core_map(const struct cl_core *core);
const struct cl_stats *cl_core_stats(const struct cl_core *core);
/* "127.0.0.1:7001: connection refused; ..." for every master, for the error of a failed open.
 * Returns text. True in *ret_all_failed when no master is up and each was tried and failed. */
char *cl_core_masters_text(const struct cl_core *core, char *text, size_t size,
                           bool *ret_all_failed);

#endif
