/* Every message that Catena's processes exchange: one list.
 *
 * The lists below drive the structs, the enum, the CBOR codec (wire/codec/), the trace printer,
 * deep copies (wire/message.c), the round-trip tests and the fuzzers. To add a message, add one
 * field list and one line in WIRE_MESSAGES; to extend one, append a field at its end (receivers
 * skip what they do not know and read missing trailing fields as zero). Numbers and field order
 * never change.
 *
 * Field kinds: U8 U32 U64 BOOL; UUID (16 bytes); ORIGIN (struct origin); BYTES(name, bytes_max);
 * STRUCT(name, struct); ARRAY(name, struct, count_max). A message may carry one raw payload
 * besides. */
#ifndef CATENA_WIRE_MESSAGES_H
#define CATENA_WIRE_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bounds.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/uuid.h"

#define WIRE_VERSION 1u

/* Identity of an update (protocol rule R2): the epoch of the head that accepted it and its lsn.
 * Also the version of an object. Compared lexicographically; {0, 0} means none. */
struct origin {
    uint64_t epoch;
    uint64_t lsn;
};

static inline int origin_compare(struct origin a, struct origin b)
{
    if (a.epoch != b.epoch)
        return a.epoch < b.epoch ? -1 : 1;
    return a.lsn < b.lsn ? -1 : (a.lsn > b.lsn ? 1 : 0);
}

static inline bool origin_is_none(struct origin a)
{
    return a.epoch == 0 && a.lsn == 0;
}

enum wire_role { WIRE_ROLE_CLIENT, WIRE_ROLE_NODE, WIRE_ROLE_MASTER };

enum wire_condition {
    WIRE_CONDITION_NONE,
    WIRE_CONDITION_ABSENT, /* If-None-Match: * */
    WIRE_CONDITION_MATCH,  /* version equals `match` */
    WIRE_CONDITION_EXISTS, /* If-Match: * */
};

/* Kinds of chain entries (what a FORWARD carries). */
enum wire_entry_kind {
    WIRE_ENTRY_PUT,            /* publish an object: inline payload or the chunks of an upload */
    WIRE_ENTRY_DELETE,         /* delete an object */
    WIRE_ENTRY_STAGE,          /* one chunk of an upload; payload is the chunk */
    WIRE_ENTRY_ABORT,          /* drop an upload and its chunks */
    WIRE_ENTRY_EXPIRE_SESSION, /* forget a session; raises the chain's session floor (R11) */
    WIRE_ENTRY_NOTE,           /* no effect on objects (used to carry a refusal's outcome, R10) */
    WIRE_ENTRY_OPEN,           /* a multipart upload begins */
    WIRE_ENTRY_PART,           /* a staged upload becomes a part of a multipart upload */
    WIRE_ENTRY_CLOSE,          /* a multipart upload and its parts are dropped */
};

/* What a PUT does (D18). */
enum wire_put_step {
    WIRE_PUT_VALUE,    /* publishes the payload or the chunks of an upload */
    WIRE_PUT_OPEN,     /* begins the multipart upload `multi` */
    WIRE_PUT_PART,     /* makes the chunks of an upload part `part` of `multi`; replaces the part */
    WIRE_PUT_COMPLETE, /* publishes the chosen parts of `multi`; the payload names them
                          (wire/manifest.h) */
    WIRE_PUT_RESTAMP,  /* the same bytes with other metadata, as a new version */
};

enum wire_node_state { WIRE_NODE_ALIVE, WIRE_NODE_SUSPECT, WIRE_NODE_DOWN };
enum wire_bucket_state { WIRE_BUCKET_ACTIVE, WIRE_BUCKET_DELETING, WIRE_BUCKET_GONE };

/* What a chain report tells the master (flags). */
enum {
    WIRE_REPORT_SYNCED = 1u,   /* sender is tail; its joiner is synced in this epoch (R22) */
    WIRE_REPORT_DRAINED = 2u,  /* sender is head of a frozen chain; nothing is pending (R36) */
    WIRE_REPORT_HALTED = 4u,   /* divergence alarm (R27) */
    WIRE_REPORT_HOLDS = 8u,    /* the sender's disk holds this chain complete as a former member, no
                                  role   now: may start or rejoin (R24, R33) */
    WIRE_REPORT_SYNCING = 16u, /* the sender's disk holds this chain half-synced: never a starter */
    WIRE_REPORT_DAMAGED =
        32u, /* the sender cannot read a row: its copy to the joiner waits (D21) */
};

enum wire_admin_op {
    WIRE_ADMIN_INIT_CHAINS = 1,      /* a = chains, b = replicas */
    WIRE_ADMIN_SESSION_OPEN = 2,     /* -> value = session id */
    WIRE_ADMIN_BUCKET_CREATE = 3,    /* name -> value = bucket id */
    WIRE_ADMIN_BUCKET_DELETE = 4,    /* name; replies when gone or reverted */
    WIRE_ADMIN_BUCKET_GET = 5,       /* name -> value = bucket id; linearizable */
    WIRE_ADMIN_BUCKET_LIST = 6,      /* name = start after -> buckets; linearizable */
    WIRE_ADMIN_STATUS = 7,           /* -> status fields */
    WIRE_ADMIN_MASTER_ADD = 8,       /* a = id, text = address */
    WIRE_ADMIN_MASTER_REMOVE = 9,    /* a = id, b = uuid_tag of its disk in STATUS; 0: any */
    WIRE_ADMIN_TRANSFER_LEADER = 10, /* a = id, 0 = any */
    WIRE_ADMIN_NODE_REMOVE = 11,     /* a = id: decommission, only when it is down or drained */
    WIRE_ADMIN_CHAIN_FORGET =
        12, /* a = chain, b = node: the operator declares the last serving set lost
               and restarts from what this node holds; says what may be lost */
    WIRE_ADMIN_SETTING_SET = 13, /* name, a = value */
    /* Access keys; payloads as in wire/access_key.h, so that no secret is in a field (fields are
     * printed). Changes -> value = version of the table. */
    WIRE_ADMIN_KEY_CREATE = 14, /* name = id; payload = a record: secret, grants */
    WIRE_ADMIN_KEY_ROTATE = 15, /* name = id, a = keep the old secret; payload = a record: secret */
    WIRE_ADMIN_KEY_GRANT = 16,  /* name = id; payload = a record: grants to set, NONE removes */
    WIRE_ADMIN_KEY_REVOKE = 17, /* name = id */
    WIRE_ADMIN_KEY_LIST = 18,   /* name = start after, a = with secrets, b = version that the caller
                                   has -> value = version; payload = records, none if it is b;
                                   linearizable */
    /* A bucket's configuration: bytes that mean nothing to the masters. */
    WIRE_ADMIN_BUCKET_CONFIG_GET = 19, /* name -> value = version, 0 = none; payload = document;
                                          linearizable */
    WIRE_ADMIN_BUCKET_CONFIG_PUT = 20  /* name, a = version that it replaces; payload = document ->
                                          value = version; CONDITION: another one is there */
};

/* ---- structs inside messages: F(kind, name, ...) ---- */

/* R1, R4: a member is a node and the incarnation that serves. */
#define WIRE_FIELDS_member(F) F(U32, node, 0) F(U64, incarnation, 0)

/* A chain's configuration (R1). Joiner node 0 = none. `version` is the Raft index of its last
 * change. */
#define WIRE_FIELDS_row(F)                                                                         \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0)                                                                               \
    F(U64, version, 0)                                                                             \
    F(ARRAY, members, member, BOUND_CHAIN_MEMBERS)                                                 \
    F(STRUCT, joiner, member)                                                                      \
    F(BOOL, frozen, 0)                                                                             \
    F(BOOL, any_replica, 0)                                                                        \
    F(U32, write_floor, 0)                                                                         \
    F(U32, replicas, 0)                            /* full length wanted */                        \
    F(ARRAY, serving, member, BOUND_CHAIN_MEMBERS) /* last serving set */

#define WIRE_FIELDS_node_info(F)                                                                   \
    F(U32, node, 0)                                                                                \
    F(U64, incarnation, 0)                                                                         \
    F(UUID, disk, 0)                                                                               \
    F(BYTES, address, BOUND_ADDRESS_BYTES)                                                         \
    F(BYTES, zone, BOUND_NAME_BYTES)                                                               \
    F(U32, weight, 0)                                                                              \
    F(U32, pid, 0)                                                                                 \
    F(U8, state, 0) /* enum wire_node_state */                                                     \
    F(U64, version, 0)                                                                             \
    F(U64, space_total, 0) /* bytes */                                                             \
    F(U64, space_free, 0)  /* bytes */

#define WIRE_FIELDS_master_info(F)                                                                 \
    F(U32, master, 0)                                                                              \
    F(BYTES, address, BOUND_ADDRESS_BYTES)                                                         \
    F(UUID, disk, 0)                                                                               \
    F(BOOL, is_leader, 0)                                                                          \
    F(BOOL, reachable, 0)                                                                          \
    F(U64, match_index, 0)                                                                         \
    F(U32, pid, 0)

#define WIRE_FIELDS_bucket_info(F)                                                                 \
    F(U64, bucket, 0)                                                                              \
    F(BYTES, name, BOUND_BUCKET_NAME_MAX)                                                          \
    F(U8, state, 0) /* enum wire_bucket_state */                                                   \
    F(U64, created_ms, 0)                                                                          \
    F(U64, version, 0)

#define WIRE_FIELDS_chain_at(F) F(U32, chain, 0) F(U64, epoch, 0)

#define WIRE_FIELDS_list_item(F)                                                                   \
    F(BYTES, key, BOUND_KEY_BYTES)                                                                 \
    F(U64, size, 0)                                                                                \
    F(ORIGIN, version, 0)                                                                          \
    F(U64, mtime_ms, 0)                                                                            \
    F(U64, checksum, 0)                                                                            \
    F(BYTES, meta, BOUND_META_BYTES) /* LIST with want_meta */                                     \
    F(U32, part_count, 0)                                                                          \
    F(U64, multi_high, 0) /* LIST of multipart uploads: which */                                   \
    F(U64, multi_low, 0)

/* A part of a multipart upload that is not complete yet. */
#define WIRE_FIELDS_part_item(F)                                                                   \
    F(U32, number, 0)                                                                              \
    F(U64, size, 0)                                                                                \
    F(U64, checksum, 0)                                                                            \
    F(ORIGIN, version, 0)                                                                          \
    F(U64, mtime_ms, 0)                                                                            \
    F(BYTES, meta, BOUND_PART_META_BYTES)

#define WIRE_FIELDS_chain_report(F)                                                                \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0) /* epoch the sender has entered: acknowledges the row (R29) */                \
    F(ORIGIN, applied, 0)                                                                          \
    F(U64, committed, 0) /* lsn */                                                                 \
    F(U64, digest, 0)    /* of the committed history, see chainnode/core */                        \
    F(U32, flags, 0)     /* WIRE_REPORT_* */                                                       \
    F(BYTES, alarm, 128) /* HALTED: why */

/* A member complains about a chain neighbour: sends or acks do not get through (checklist 14, 15).
 */
#define WIRE_FIELDS_link_report(F)                                                                 \
    F(U32, chain, 0) F(U64, epoch, 0) F(U32, peer, 0) F(U64, silent_ms, 0) F(BOOL, refused, 0)

#define WIRE_FIELDS_raft_entry(F)                                                                  \
    F(U64, term, 0) F(U8, kind, 0) F(BYTES, data, BOUND_FRAME_HEADER_BYTES)

/* ---- messages ---- */

/* First on every connection, both ways. */
#define WIRE_FIELDS_hello(F)                                                                       \
    F(U32, wire_version, 0)                                                                        \
    F(UUID, cluster, 0) /* zero: a client that does not know yet */                                \
    F(U8, role, 0)      /* enum wire_role */                                                       \
    F(U32, id, 0)                                                                                  \
    F(U64, incarnation, 0)                                                                         \
    F(UUID, disk, 0)                                                                               \
    F(BYTES, software, BOUND_NAME_BYTES)

/* A negative answer to any request, and (request 0) the last word before a connection is closed. */
#define WIRE_FIELDS_refused(F)                                                                     \
    F(U64, request, 0)                                                                             \
    F(U32, err, 0) /* enum err */                                                                  \
    F(BYTES, text, 1024)                                                                           \
    F(ARRAY, rows, row, 1) /* the newer row, when that is the reason */                            \
    F(U32, leader, 0)      /* NOT_LEADER: who to ask, 0 = unknown */                               \
    F(BYTES, leader_address, BOUND_ADDRESS_BYTES)

/* client -> head */
#define WIRE_FIELDS_put(F)                                                                         \
    F(U64, request, 0)                                                                             \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0)                                                                               \
    F(U64, map_version, 0)                                                                         \
    F(U64, session, 0)                                                                             \
    F(U64, seq, 0)                                                                                 \
    F(U64, seq_floor, 0) /* every seq below is answered: its outcome may be forgotten */           \
    F(U64, bucket, 0)                                                                              \
    F(BYTES, key, BOUND_KEY_BYTES)                                                                 \
    F(U8, condition, 0) /* enum wire_condition */                                                  \
    F(ORIGIN, match, 0)                                                                            \
    F(U64, size, 0)                                                                                \
    F(U64, checksum, 0) /* XXH3-64 of the whole value */                                           \
    F(BYTES, meta, BOUND_META_BYTES)                                                               \
    F(U64, upload_high, 0) /* both zero: the payload is the value */                               \
    F(U64, upload_low, 0)                                                                          \
    F(U32, chunk_count, 0)                                                                         \
    F(U32, chunk_bytes, 0) /* size of all chunks but the last */                                   \
    F(U8, step, 0)         /* enum wire_put_step */                                                \
    F(U64, multi_high, 0)  /* OPEN, PART, COMPLETE: the multipart upload, chosen by the client */  \
    F(U64, multi_low, 0)                                                                           \
    F(U32, part, 0)        /* PART: its number, from 1; COMPLETE: how many are chosen */           \
    F(BOOL, keep_mtime, 0) /* RESTAMP: mtime_ms stays */                                           \
    F(U64, token_high, 0)  /* not zero: one effect for all requests with this token (D19) */       \
    F(U64, token_low, 0)

#define WIRE_FIELDS_delete(F)                                                                      \
    F(U64, request, 0)                                                                             \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0)                                                                               \
    F(U64, map_version, 0)                                                                         \
    F(U64, session, 0)                                                                             \
    F(U64, seq, 0)                                                                                 \
    F(U64, seq_floor, 0)                                                                           \
    F(U64, bucket, 0)                                                                              \
    F(BYTES, key, BOUND_KEY_BYTES)                                                                 \
    F(U8, condition, 0)                                                                            \
    F(ORIGIN, match, 0)                                                                            \
    F(U64, multi_high, 0) /* not zero: drops this multipart upload, not the object */              \
    F(U64, multi_low, 0)

/* One chunk of an upload; chunks of one upload arrive in index order (any may be repeated). */
#define WIRE_FIELDS_stage(F)                                                                       \
    F(U64, request, 0)                                                                             \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0)                                                                               \
    F(U64, map_version, 0)                                                                         \
    F(U64, bucket, 0)                                                                              \
    F(BYTES, key, BOUND_KEY_BYTES)                                                                 \
    F(U64, upload_high, 0)                                                                         \
    F(U64, upload_low, 0)                                                                          \
    F(U32, index, 0)                                                                               \
    F(U64, checksum, 0)

#define WIRE_FIELDS_abort(F)                                                                       \
    F(U64, request, 0)                                                                             \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0)                                                                               \
    F(U64, map_version, 0)                                                                         \
    F(U64, bucket, 0)                                                                              \
    F(BYTES, key, BOUND_KEY_BYTES)                                                                 \
    F(U64, upload_high, 0)                                                                         \
    F(U64, upload_low, 0)

/* head -> client, when the entry is committed: the one outcome of (session, seq). */
#define WIRE_FIELDS_updated(F)                                                                     \
    F(U64, request, 0)                                                                             \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0)                                                                               \
    F(U32, outcome, 0)    /* enum err: OK, CONDITION, NO_KEY, UPLOAD_GONE, UPLOAD_ORDER ... */     \
    F(ORIGIN, version, 0) /* OK: of the new object */                                              \
    F(ORIGIN, current, 0) /* CONDITION: the version that was there, none = absent */               \
    F(U32, replicas_durable, 0)

/* client -> tail: object and, if inline, its value. */
#define WIRE_FIELDS_get(F)                                                                         \
    F(U64, request, 0)                                                                             \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0)                                                                               \
    F(U64, map_version, 0)                                                                         \
    F(U64, bucket, 0)                                                                              \
    F(BYTES, key, BOUND_KEY_BYTES)                                                                 \
    F(BOOL, want_value, 0)

#define WIRE_FIELDS_object(F)                                                                      \
    F(U64, request, 0)                                                                             \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0)                                                                               \
    F(ORIGIN, version, 0)                                                                          \
    F(U64, size, 0)                                                                                \
    F(U64, checksum, 0)                                                                            \
    F(U64, mtime_ms, 0)                                                                            \
    F(BYTES, meta, BOUND_META_BYTES)                                                               \
    F(U64, upload_high, 0)                                                                         \
    F(U64, upload_low, 0)                                                                          \
    F(U32, chunk_count, 0)                                                                         \
    F(U32, chunk_bytes, 0)                                                                         \
    F(U32, part_count, 0) /* not zero: the payload is a manifest (wire/manifest.h) */              \
    F(U64, multi_high, 0) /* the multipart upload that it came from */                             \
    F(U64, multi_low, 0)

/* client -> any member: an immutable chunk named by an object reply. Needs no lease. */
#define WIRE_FIELDS_chunk_get(F)                                                                   \
    F(U64, request, 0)                                                                             \
    F(U32, chain, 0)                                                                               \
    F(U64, upload_high, 0)                                                                         \
    F(U64, upload_low, 0)                                                                          \
    F(U32, index, 0)

#define WIRE_FIELDS_chunk(F) F(U64, request, 0) F(U32, index, 0) F(U64, checksum, 0)

/* client -> node: ordered listing over those chains of the bucket whose tail the node is. */
#define WIRE_FIELDS_list(F)                                                                        \
    F(U64, request, 0)                                                                             \
    F(U64, map_version, 0)                                                                         \
    F(U64, bucket, 0)                                                                              \
    F(BYTES, prefix, BOUND_KEY_BYTES)                                                              \
    F(BYTES, start_after, BOUND_KEY_BYTES)                                                         \
    F(BYTES, delimiter, 16) /* empty: none; else groups are folded into one item with size 0 */    \
    F(U32, limit, 0)                                                                               \
    F(ARRAY, chains, chain_at, BOUND_CHAINS)                                                       \
    F(BOOL, want_meta, 0)                                                                          \
    F(BOOL, uploads, 0)   /* multipart uploads by (key, id) instead of objects */                  \
    F(U64, after_high, 0) /* uploads: start after this id of start_after */                        \
    F(U64, after_low, 0)

#define WIRE_FIELDS_listed(F)                                                                      \
    F(U64, request, 0)                                                                             \
    F(ARRAY, chains, chain_at, BOUND_CHAINS) /* scanned, checked after the scan (R18) */           \
    F(ARRAY, items, list_item, BOUND_LIST_ITEMS)                                                   \
    F(BOOL, truncated, 0) /* more follows the last item */

/* client -> tail: the parts of a multipart upload, by number. */
#define WIRE_FIELDS_parts_list(F)                                                                  \
    F(U64, request, 0)                                                                             \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0)                                                                               \
    F(U64, map_version, 0)                                                                         \
    F(U64, bucket, 0)                                                                              \
    F(BYTES, key, BOUND_KEY_BYTES)                                                                 \
    F(U64, multi_high, 0)                                                                          \
    F(U64, multi_low, 0)                                                                           \
    F(U32, after, 0) /* number */                                                                  \
    F(U32, limit, 0)

#define WIRE_FIELDS_parts_listed(F)                                                                \
    F(U64, request, 0)                                                                             \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0)                                                                               \
    F(U64, mtime_ms, 0) /* of the upload's beginning */                                            \
    F(BYTES, meta, BOUND_META_BYTES)                                                               \
    F(ARRAY, parts, part_item, BOUND_LIST_ITEMS)                                                   \
    F(BOOL, truncated, 0)

/* predecessor -> successor (and tail -> joiner): one update (R2, R6). `epoch` is the message epoch.
 */
#define WIRE_FIELDS_forward(F)                                                                     \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0)                                                                               \
    F(ORIGIN, origin, 0)                                                                           \
    F(ORIGIN, previous, 0)                                                                         \
    F(U8, kind, 0) /* enum wire_entry_kind */                                                      \
    F(U64, session, 0)                                                                             \
    F(U64, seq, 0)                                                                                 \
    F(U64, seq_floor, 0)                                                                           \
    F(U32, outcome, 0) /* enum err, fixed by the head */                                           \
    F(ORIGIN, current, 0)                                                                          \
    F(U64, bucket, 0)                                                                              \
    F(BYTES, key, BOUND_KEY_BYTES)                                                                 \
    F(U64, size, 0)                                                                                \
    F(U64, checksum, 0)                                                                            \
    F(U64, mtime_ms, 0)                                                                            \
    F(BYTES, meta, BOUND_META_BYTES)                                                               \
    F(U64, upload_high, 0)                                                                         \
    F(U64, upload_low, 0)                                                                          \
    F(U32, chunk_count, 0) /* PUT: chunks of the upload; STAGE: index of this one */               \
    F(U32, chunk_bytes, 0)                                                                         \
    F(U64, multi_high, 0) /* OPEN, PART, CLOSE, and a PUT whose payload is a manifest */           \
    F(U64, multi_low, 0)                                                                           \
    F(U32, part, 0) /* PART: number; PUT: how many parts its payload lists */                      \
    F(U64, token_high, 0)                                                                          \
    F(U64, token_low, 0)                                                                           \
    F(U64, map_version, 0) /* OPEN: the head's; a map as new that lacks the bucket: it is gone */  \
    F(U64, token_ms, 0)    /* with a token: the head's clock */                                    \
    F(U64, token_floor, 0) /* not zero: tokens of entries below are forgotten */

/* predecessor -> successor: everything up to `stable` is durable from the head to the sender (R7,
 * R9). */
#define WIRE_FIELDS_mark(F)                                                                        \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0)                                                                               \
    F(ORIGIN, applied, 0)                                                                          \
    F(U64, stable, 0)                                                                              \
    F(BOOL, halted, 0) /* the sender has halted the chain (R27) */

/* successor -> predecessor, joiner -> tail (R8, R9, R20, R21): cumulative. */
#define WIRE_FIELDS_ack(F)                                                                         \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0)                                                                               \
    F(ORIGIN, applied, 0)                                                                          \
    F(U64, durable, 0)                                                                             \
    F(U64, committed, 0)                                                                           \
    F(BOOL, resend, 0) /* something is missing after `applied`: send it again */                   \
    F(BOOL, full, 0)   /* the sender or a member below it has reached its disk reserve */          \
    F(U64, sync, 0)    /* joiner: the copy that these positions belong to, else 0 */               \
    F(U64, digest, 0)  /* of the history up to `committed` (R27); 0: not told */                   \
    F(BOOL, halted, 0) /* the sender has halted the chain (R27) */

/* tail -> joiner: a copy begins (R21, R24). Sync messages match both incarnations (R3). */
#define WIRE_FIELDS_sync_begin(F)                                                                  \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0)                                                                               \
    F(U64, source_incarnation, 0)                                                                  \
    F(U64, target_incarnation, 0)                                                                  \
    F(U64, sync, 0)    /* number of this copy */                                                   \
    F(ORIGIN, base, 0) /* live entries follow this one */                                          \
    F(U64, digest, 0)  /* of the history up to base */                                             \
    F(U64, session_floor, 0)

/* One range of rows of one family, in key order; the payload packs them (chainnode/core/sync). */
#define WIRE_FIELDS_sync_items(F)                                                                  \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0)                                                                               \
    F(U64, source_incarnation, 0)                                                                  \
    F(U64, target_incarnation, 0)                                                                  \
    F(U64, sync, 0)                                                                                \
    F(U64, number, 0) /* of this message, from 1 */                                                \
    F(U8, family, 0)                                                                               \
    F(BYTES, from, 2048) /* the range that the rows cover completely */                            \
    F(BYTES, to, 2048)                                                                             \
    F(ORIGIN, as_of, 0) /* source's position at reading: what an absence means (R25) */            \
    F(BOOL, last, 0)

#define WIRE_FIELDS_sync_ack(F)                                                                    \
    F(U32, chain, 0)                                                                               \
    F(U64, epoch, 0)                                                                               \
    F(U64, source_incarnation, 0)                                                                  \
    F(U64, target_incarnation, 0)                                                                  \
    F(U64, sync, 0)                                                                                \
    F(U64, number, 0) /* durable up to this one; 0 = ready to begin */

/* Any process -> one with an older row: active rows only (R5, R28). */
#define WIRE_FIELDS_rows(F) F(ARRAY, rows, row, BOUND_ROWS_PER_MESSAGE)
/* Asks a peer for its row of a chain (R3: "makes the receiver fetch the row first"). */
#define WIRE_FIELDS_row_ask(F) F(U32, chain, 0)

/* node -> leading master */
#define WIRE_FIELDS_heartbeat(F)                                                                   \
    F(U32, node, 0)                                                                                \
    F(U64, incarnation, 0)                                                                         \
    F(UUID, disk, 0)                                                                               \
    F(UUID, boot, 0) /* host boot id (R4) */                                                       \
    F(BYTES, address, BOUND_ADDRESS_BYTES)                                                         \
    F(BYTES, zone, BOUND_NAME_BYTES)                                                               \
    F(U32, weight, 0)                                                                              \
    F(U32, pid, 0)                                                                                 \
    F(U64, beat, 0)        /* number: the reply is matched to it (R30) */                          \
    F(U64, map_version, 0) /* installed */                                                         \
    F(U64, space_total, 0)                                                                         \
    F(U64, space_free, 0)                                                                          \
    F(BOOL, full_report, 0) /* chains lists every chain on the disk; else only what changed */     \
    F(ARRAY, chains, chain_report, BOUND_CHAINS)                                                   \
    F(ARRAY, links, link_report, 1024)                                                             \
    F(U64, echo, 0)     /* highest `challenge` of a reply to this incarnation */                   \
    F(BOOL, is_full, 0) /* the disk's reserve is reached: puts that need its space are refused */

#define WIRE_FIELDS_beat_reply(F)                                                                  \
    F(U64, beat, 0)                                                                                \
    F(U64, incarnation, 0) /* of the node it is meant for */                                       \
    F(U32, err, 0)         /* OK; DUPLICATE_ID, WRONG_DISK, WRONG_CLUSTER: stop and say so */      \
    F(BYTES, text, 1024)                                                                           \
    F(BOOL, lease, 0)                                                                              \
    F(U64, lease_ms, 0)          /* counts from the send time of heartbeat `beat` */               \
    F(U64, lease_map_version, 0) /* usable only with an installed map at least this new (R30) */   \
    F(BOOL, want_full_report, 0)                                                                   \
    F(U64, challenge, 0) /* to be echoed: who does was alive when it was new */

/* leading master -> node (push), any master -> client (watch reply). A delta from from_version. */
#define WIRE_FIELDS_config(F)                                                                      \
    F(U64, request, 0)      /* of the watch, 0 = push */                                           \
    F(U64, from_version, 0) /* 0: complete, replaces everything */                                 \
    F(U64, version, 0)                                                                             \
    F(UUID, cluster, 0)                                                                            \
    F(U32, chain_count, 0)                                                                         \
    F(U32, replicas, 0)                                                                            \
    F(ARRAY, rows, row, BOUND_ROWS_PER_MESSAGE)                                                    \
    F(ARRAY, nodes, node_info, BOUND_NODES)                                                        \
    F(ARRAY, buckets, bucket_info, BOUND_ROWS_PER_MESSAGE)                                         \
    F(ARRAY, masters, master_info, BOUND_MASTERS)                                                  \
    F(BOOL, more, 0) /* further messages of the same version follow; install only after the last   \
                      */                                                                           \
    F(U32, page, 0)  /* place among them, from 0: only all of them in order are a map */

/* leading master -> a removed member only: the removal is decided (R28). It leaves the chain at
 * once. */
#define WIRE_FIELDS_decided(F) F(STRUCT, row, row)

/* supervisor -> masters: that process is dead, seen by waitpid on its own host (R4, R29). */
#define WIRE_FIELDS_obituary(F) F(U64, request, 0) F(U32, node, 0) F(U64, incarnation, 0)
#define WIRE_FIELDS_obituary_reply(F) F(U64, request, 0)

/* client -> any master */
#define WIRE_FIELDS_watch(F)                                                                       \
    F(U64, request, 0)                                                                             \
    F(U64, have_version, 0) /* 0: send everything */                                               \
    F(U32, wait_ms, 0)      /* answer when the version is newer, or after this long */

#define WIRE_FIELDS_admin(F)                                                                       \
    F(U64, request, 0)                                                                             \
    F(U32, op, 0) /* enum wire_admin_op */                                                         \
    F(U64, a, 0)                                                                                   \
    F(U64, b, 0)                                                                                   \
    F(BYTES, name, BOUND_NAME_BYTES)                                                               \
    F(BYTES, text, 4096)                                                                           \
    F(U64, nonce, 0) /* same nonce, same effect: a retried create finds its own success */         \
    F(U64, wall_ms, 0)

#define WIRE_FIELDS_admin_reply(F)                                                                 \
    F(U64, request, 0)                                                                             \
    F(U32, err, 0)                                                                                 \
    F(BYTES, text, 1024)                                                                           \
    F(U64, value, 0)                                                                               \
    F(U64, version, 0)                                                                             \
    F(BOOL, truncated, 0)                                                                          \
    F(ARRAY, buckets, bucket_info, BOUND_ROWS_PER_MESSAGE)                                         \
    F(ARRAY, masters, master_info, BOUND_MASTERS)                                                  \
    F(U64, term, 0)                                                                                \
    F(U32, leader, 0)

/* master <-> master: Raft (Ongaro's dissertation; config_master/raft). `sender` is the master id.
 */
#define WIRE_FIELDS_raft_vote(F)                                                                   \
    F(U64, term, 0)                                                                                \
    F(U32, sender, 0)                                                                              \
    F(U64, last_index, 0)                                                                          \
    F(U64, last_term, 0)                                                                           \
    F(BOOL, is_prevote, 0)                                                                         \
    F(BOOL, is_transfer, 0) /* started by TimeoutNow: voters do not hold it off */

#define WIRE_FIELDS_raft_voted(F)                                                                  \
    F(U64, term, 0) F(U32, sender, 0) F(BOOL, granted, 0) F(BOOL, is_prevote, 0)

#define WIRE_FIELDS_raft_append(F)                                                                 \
    F(U64, term, 0)                                                                                \
    F(U32, sender, 0)                                                                              \
    F(U64, previous_index, 0)                                                                      \
    F(U64, previous_term, 0)                                                                       \
    F(U64, commit, 0)                                                                              \
    F(U64, round, 0) /* of leadership confirmation, echoed: read index and leases (R31) */         \
    F(ARRAY, entries, raft_entry, 4096)

#define WIRE_FIELDS_raft_appended(F)                                                               \
    F(U64, term, 0)                                                                                \
    F(U32, sender, 0)                                                                              \
    F(BOOL, success, 0)                                                                            \
    F(U64, match_index, 0)    /* success: durable up to here */                                    \
    F(U64, conflict_term, 0)  /* failure: term of the conflicting entry, 0 = log too short */      \
    F(U64, conflict_index, 0) /* failure: first index of that term, or last index + 1 */           \
    F(U64, round, 0)

#define WIRE_FIELDS_raft_snapshot(F)                                                               \
    F(U64, term, 0)                                                                                \
    F(U32, sender, 0)                                                                              \
    F(U64, last_index, 0)                                                                          \
    F(U64, last_term, 0)                                                                           \
    F(BYTES, configuration, 8192)                                                                  \
    F(U64, offset, 0) /* of the payload in the snapshot */                                         \
    F(U64, total, 0)                                                                               \
    F(BOOL, last, 0)                                                                               \
    F(U64, round, 0)

#define WIRE_FIELDS_raft_snapshot_ack(F)                                                           \
    F(U64, term, 0) F(U32, sender, 0) F(U64, last_index, 0) F(U64, received, 0) F(U64, round, 0)

#define WIRE_FIELDS_raft_timeout_now(F) F(U64, term, 0) F(U32, sender, 0)

/* X(name, NAME, number) */
#define WIRE_STRUCTS(X)                                                                            \
    X(member)                                                                                      \
    X(row)                                                                                         \
    X(node_info)                                                                                   \
    X(master_info)                                                                                 \
    X(bucket_info)                                                                                 \
    X(chain_at)                                                                                    \
    X(list_item)                                                                                   \
    X(part_item)                                                                                   \
    X(chain_report)                                                                                \
    X(link_report)                                                                                 \
    X(raft_entry)

#define WIRE_MESSAGES(X)                                                                           \
    X(hello, HELLO, 1)                                                                             \
    X(refused, REFUSED, 2)                                                                         \
    X(put, PUT, 10)                                                                                \
    X(delete, DELETE, 11)                                                                          \
    X(stage, STAGE, 12)                                                                            \
    X(abort, ABORT, 13)                                                                            \
    X(updated, UPDATED, 14)                                                                        \
    X(get, GET, 15)                                                                                \
    X(object, OBJECT, 16)                                                                          \
    X(chunk_get, CHUNK_GET, 17)                                                                    \
    X(chunk, CHUNK, 18)                                                                            \
    X(list, LIST, 19)                                                                              \
    X(listed, LISTED, 20)                                                                          \
    X(parts_list, PARTS_LIST, 21)                                                                  \
    X(parts_listed, PARTS_LISTED, 22)                                                              \
    X(forward, FORWARD, 30)                                                                        \
    X(mark, MARK, 31)                                                                              \
    X(ack, ACK, 32)                                                                                \
    X(sync_begin, SYNC_BEGIN, 33)                                                                  \
    X(sync_items, SYNC_ITEMS, 34)                                                                  \
    X(sync_ack, SYNC_ACK, 35)                                                                      \
    X(rows, ROWS, 36)                                                                              \
    X(row_ask, ROW_ASK, 37)                                                                        \
    X(heartbeat, HEARTBEAT, 40)                                                                    \
    X(beat_reply, BEAT_REPLY, 41)                                                                  \
    X(config, CONFIG, 42)                                                                          \
    X(decided, DECIDED, 43)                                                                        \
    X(obituary, OBITUARY, 44)                                                                      \
    X(obituary_reply, OBITUARY_REPLY, 45)                                                          \
    X(watch, WATCH, 46)                                                                            \
    X(admin, ADMIN, 47)                                                                            \
    X(admin_reply, ADMIN_REPLY, 48)                                                                \
    X(raft_vote, RAFT_VOTE, 60)                                                                    \
    X(raft_voted, RAFT_VOTED, 61)                                                                  \
    X(raft_append, RAFT_APPEND, 62)                                                                \
    X(raft_appended, RAFT_APPENDED, 63)                                                            \
    X(raft_snapshot, RAFT_SNAPSHOT, 64)                                                            \
    X(raft_snapshot_ack, RAFT_SNAPSHOT_ACK, 65)                                                    \
    X(raft_timeout_now, RAFT_TIMEOUT_NOW, 66)

enum wire_type {
    WIRE_NONE = 0,
#define X(name, NAME, number) WIRE_##NAME = number,
    WIRE_MESSAGES(X)
#undef X
};

/* Struct definitions from the lists. */
#define WIRE_DECLARE_U8(name, ...) uint8_t name;
#define WIRE_DECLARE_U32(name, ...) uint32_t name;
#define WIRE_DECLARE_U64(name, ...) uint64_t name;
#define WIRE_DECLARE_BOOL(name, ...) bool name;
#define WIRE_DECLARE_UUID(name, ...) struct uuid name;
#define WIRE_DECLARE_ORIGIN(name, ...) struct origin name;
#define WIRE_DECLARE_BYTES(name, ...) struct slice name;
#define WIRE_DECLARE_STRUCT(name, type) struct wire_##type name;
#define WIRE_DECLARE_ARRAY(name, type, max)                                                        \
    const struct wire_##type *name;                                                                \
    uint32_t name##_count;
#define WIRE_DECLARE_FIELD(kind, ...) WIRE_DECLARE_##kind(__VA_ARGS__)

#define X(name)                                                                                    \
    struct wire_##name {                                                                           \
        WIRE_FIELDS_##name(WIRE_DECLARE_FIELD)                                                     \
    };
WIRE_STRUCTS(X)
#undef X
#define X(name, NAME, number)                                                                      \
    struct wire_##name {                                                                           \
        WIRE_FIELDS_##name(WIRE_DECLARE_FIELD)                                                     \
    };
WIRE_MESSAGES(X)
#undef X

/* A message. Slices and arrays inside point either into `backing` (decoded and copied messages own
 * it) or, for a message that a core just emitted, into the core's memory: such a one is valid until
 * the next step of that core, and has to be encoded or copied before. */
struct wire_message {
    enum wire_type type;
    union {
#define X(name, NAME, number) struct wire_##name name;
        WIRE_MESSAGES(X)
#undef X
    } u;
    struct buf *payload;          /* owned reference or NULL */
    struct wire_backing *backing; /* owned or NULL */
};

/* Releases payload and backing. The struct itself belongs to the caller. */
void wire_message_release(struct wire_message *message);
/* Deep copy: owns its backing, shares the payload. */
void wire_message_copy(const struct wire_message *message, struct wire_message *ret_copy);
/* "PUT"; "UNKNOWN" outside the list. */
const char *wire_type_name(unsigned type);
bool wire_type_is_valid(unsigned type);
/* The request id for messages that have one, else 0. */
uint64_t wire_message_request(const struct wire_message *message);

struct text;
/* One readable line: "PUT request=1 chain=3 ... payload=1024B". Never payload bytes. */
void wire_message_print(const struct wire_message *message, struct text *text);

/* Bump memory for what a message points at. */
struct wire_backing *wire_backing_new(size_t bytes_hint);
void *wire_backing_alloc(struct wire_backing *backing, size_t bytes);
/* Keeps a reference to the buffer until the backing is freed. */
void wire_backing_keep(struct wire_backing *backing, struct buf *buf);
void wire_backing_free(struct wire_backing *backing);

#endif
