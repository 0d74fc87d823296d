/* The chain node's core: the replication protocol of protocol.md (R1-R27, R36) for all chains of
 * one node.
 *
 * What it is: a deterministic machine that owns every protocol decision and the meaning of every
 * row on disk. What it is not: a network, a disk, a clock, or the path of bulk payload (chunk reads
 * are the driver's: chunks are immutable). One thread steps it.
 *
 * Driver contract (design): events in order; effects run in array order; each STORE is reported by
 * one STORED, in order; FLUSH ends each drained batch of events and is when the core emits the
 * STORE and the coalesced marks and acks of the batch; `now_us` is read *after* the events of a
 * batch were received, so that a pause of the process before the clock was read ends the lease, and
 * a pause after it is harmless (R14). Messages of nodes and masters may come twice, late and out of
 * order; a PUT or DELETE of a client as often as the client has sent it, over whatever connection,
 * and no more: what is refused before it is ordered leaves no trace that could tell a second copy
 * (cl_core.h). The core asks for nothing between steps: after every batch of
 * events, and after a TICK, send FLUSH. Effects point into the core's memory until its next step.
 * After HALT every step does nothing. */
#ifndef CATENA_CHAINNODE_CORE_CN_CORE_H
#define CATENA_CHAINNODE_CORE_CN_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/kv.h"
#include "base/trace.h"
#include "wire/messages.h"

struct cn_core;

/* Families of the node's store. Every key but META's begins with the chain (u32, big-endian). */
enum cn_family {
    CN_FAMILY_META,     /* node identity (the driver's), chain member states ("c/" + chain u32) */
    CN_FAMILY_OBJECTS,  /* chain, bucket u64, key -> committed object record (+ inline value) */
    CN_FAMILY_CHUNKS,   /* chain, upload high u64, low u64, index u32 -> checksum u64, bytes */
    CN_FAMILY_UPLOADS,  /* chain, upload -> open upload */
    CN_FAMILY_SESSIONS, /* chain, session u64 [, seq u64] -> session row [, outcome] (R11) */
    CN_FAMILY_PENDING,  /* chain, lsn u64 -> entry accepted and not yet applied (R13) */
    CN_FAMILY_PURGE, /* chain, upload -> chunks no longer referenced, to be deleted after a grace */
    CN_FAMILY_MULTI, /* chain, bucket u64, key, id [, number] -> multipart upload [, part] (D18) */
    CN_FAMILY_TOKENS, /* chain, token, key's hash, lsn -> outcome; chain, lsn -> token (D19) */
    CN_FAMILY_COUNT
};

struct cn_options {
    uint32_t node;
    uint64_t incarnation; /* grows at every start; persisted by the driver before the core starts */
    struct uuid cluster;
    struct uuid disk;
    struct uuid boot;
    struct slice address; /* advertised; copied */
    struct slice zone;
    uint32_t weight;
    uint32_t pid;
    uint64_t heartbeat_us;      /* 100 ms */
    uint64_t idle_us;           /* marks and acks repeated this often when idle (R9): 100 ms */
    uint64_t neighbour_us;      /* a neighbour owing an answer for this long is reported: 400 ms */
    uint64_t upload_idle_us;    /* an upload without a new chunk for this long is aborted: 24 h */
    uint64_t purge_grace_us;    /* unreferenced chunks stay readable this long: 60 s */
    uint64_t pending_bytes_max; /* per node; BOUND_NODE_PENDING_BYTES */
    uint32_t sessions_max;      /* per chain; 0 = BOUND_SESSIONS_PER_CHAIN */
    uint64_t token_keep_ms;     /* a token is remembered this long (D19); 0 = an hour */
    struct trace trace;
    struct trace alarm; /* what a person must hear of; in the trace too */
};

enum cn_event_kind {
    CN_EVENT_TICK,
    CN_EVENT_RECEIVE_NODE,   /* node, incarnation (of the sender's hello), message */
    CN_EVENT_RECEIVE_CLIENT, /* conn, message: PUT, DELETE, STAGE, ABORT, GET, LIST,
                                PARTS_LIST */
    CN_EVENT_RECEIVE_MASTER, /* message: BEAT_REPLY, CONFIG, DECIDED, REFUSED */
    CN_EVENT_CLIENT_GONE,    /* conn */
    CN_EVENT_NODE_UP,        /* node: our connection to it is established (resend marks, R9) */
    CN_EVENT_NODE_DOWN,      /* node; refused: its host refused the connection */
    CN_EVENT_STORED, /* token, err: OK; NO_SPACE (nothing of the batch was applied); else HALT
                        follows */
    CN_EVENT_SPACE,  /* space_total, space_free, is_full: reserve reached, refuse puts */
    CN_EVENT_FLUSH,
};

struct cn_event {
    enum cn_event_kind kind;
    uint64_t now_us;  /* CLOCK_BOOTTIME */
    uint64_t wall_ms; /* for mtime only, never for an order */
    uint32_t node;
    uint64_t incarnation;
    uint64_t conn;
    const struct wire_message *message;
    bool refused;
    uint64_t token;
    enum err err;
    uint64_t space_total;
    uint64_t space_free;
    bool is_full;
};

enum cn_effect_kind {
    CN_EFFECT_SEND_NODE,   /* node, message */
    CN_EFFECT_SEND_MASTER, /* message: to whichever master leads */
    CN_EFFECT_REPLY,       /* conn, message */
    CN_EFFECT_STORE,       /* token, batch, sync */
    CN_EFFECT_PEER, /* node, address: where it can be reached (new or changed; empty = gone) */
    CN_EFFECT_HALT, /* err, text: say so and exit */
};

struct cn_effect {
    enum cn_effect_kind kind;
    uint32_t node;
    uint64_t conn;
    struct wire_message message;
    uint64_t token;
    struct kv_batch *batch; /* owned by the effect until the driver takes it and sets NULL */
    bool sync;              /* fsync before STORED */
    struct slice address;
    enum err err;
    const char *text;
};

struct cn_effects {
    struct cn_effect *items;
    uint32_t count;
    uint32_t capacity;
};

void cn_effects_init(struct cn_effects *effects);
void cn_effects_clear(struct cn_effects *effects);
void cn_effects_release(struct cn_effects *effects);

/* Loads chain states from kv. ERR_CORRUPT when a row cannot be decoded. */
enum err cn_core_new(const struct cn_options *options, uint64_t seed, uint64_t now_us,
                     const struct kv *kv, struct cn_core **ret_core);
void cn_core_free(struct cn_core *core);
void cn_core_step(struct cn_core *core, const struct cn_event *event, struct cn_effects *effects);
uint64_t cn_core_deadline_us(const struct cn_core *core);
void cn_core_check(const struct cn_core *core);

/* The key of a chunk row, for the driver's chunk reads. key has CN_CHUNK_KEY_BYTES. The row's value
 * is the checksum (u64, big-endian) and then the bytes. */
enum { CN_CHUNK_KEY_BYTES = 24 };
void cn_chunk_key(uint32_t chain, uint64_t upload_high, uint64_t upload_low, uint32_t index,
                  uint8_t *key);

/* Read-only view of one chain, for oracles in tests and the simulator. */
enum cn_role {
    CN_ROLE_NONE,
    CN_ROLE_HEAD,
    CN_ROLE_MIDDLE,
    CN_ROLE_TAIL,
    CN_ROLE_SINGLE,
    CN_ROLE_JOINER
};

struct cn_chain_view {
    enum cn_role role;
    uint64_t epoch;
    struct origin applied;
    uint64_t durable;       /* lsn */
    uint64_t stable;        /* lsn */
    uint64_t committed;     /* lsn */
    uint64_t inherited;     /* lsn */
    uint64_t digest;        /* of the committed history */
    uint64_t session_floor; /* R11 */
    uint32_t pending_count;
    bool is_halted;
    bool is_syncing;
};

bool cn_core_view(const struct cn_core *core, uint32_t chain, struct cn_chain_view *ret_view);

/* A number for everything that decides what the core does next, disk excepted: for models that
 * explore states (tests/model). Equal states give equal numbers, whatever their history. Of clocks
 * it takes only whether the lease is valid now, so it tells states apart only where every timer and
 * gap has run out between two steps. Uploads and listings are not in it. */
uint64_t cn_core_fingerprint(const struct cn_core *core, uint64_t seed);

#endif
