/* The configuration master's core: replicated cluster state, and what its leader does about it.
 *
 * Two halves in one deterministic machine. *State* (cm_state.h): nodes, chains, buckets, sessions,
 * settings; changed only by APPLY events, the same on every master. *Leader* (leader-local, never
 * replicated): failure detector, planner around chain_plan, leases, watches. It proposes commands
 * and never changes the state itself. It knows nothing of Raft but the facts in its events;
 * config_master/server joins the two. Rules: protocol.md R1, R4, R5, R28-R31, R33-R35, R37. */
#ifndef CATENA_CONFIG_MASTER_CORE_CM_CORE_H
#define CATENA_CONFIG_MASTER_CORE_CM_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/trace.h"
#include "wire/messages.h"

struct cm_core;
struct cm_state;

/* All in microseconds. cm_options_check() verifies the relations: heartbeat * 3 <= silence,
 * election_max < lease, drift small. */
struct cm_options {
    uint32_t id;
    struct uuid cluster;
    uint64_t heartbeat_us;     /* what nodes are told to do: 100 ms */
    uint64_t silence_us;       /* a node silent this long is suspected: 400 ms */
    uint64_t lease_us;         /* 1 s */
    uint64_t election_min_us;  /* 300 ms: as the Raft core's */
    uint32_t drift_ppm;        /* clock rate error allowed for, 1,000 */
    uint64_t restart_grace_us; /* gathering returners before a whole-chain restart: 500 ms (R33) */
    uint64_t readmit_min_us; /* flapping: first re-admission delay, doubles up to readmit_max_us */
    uint64_t readmit_max_us;
    uint32_t joins_per_node_max; /* concurrent copies with one node at either end */
    uint32_t page_rows;          /* of a map that comes in pages; 0: CM_PAGE_ROWS. At most that. */
    uint64_t settle_us; /* a cluster that was whole and quiet for this long has its roles balanced
                           (R36); 0: never */
    struct trace trace;
};

enum err cm_options_check(const struct cm_options *options, const char **ret_why);

enum cm_event_kind {
    CM_EVENT_TICK,
    CM_EVENT_CONNECTED, /* conn, hello: a node, client or supervisor connected and was validated */
    CM_EVENT_DISCONNECTED,    /* conn; refused: the peer's host refused (only a hint) */
    CM_EVENT_RECEIVE,         /* conn, message */
    CM_EVENT_APPLY,           /* index, data: a committed command */
    CM_EVENT_RESTORE,         /* index, data: snapshot replaces the state */
    CM_EVENT_ROLE,            /* is_leader, leader, term, since_us */
    CM_EVENT_PROPOSED,        /* id, err, index */
    CM_EVENT_READ_READY,      /* id, err */
    CM_EVENT_SNAPSHOT_WANTED, /* answer with a SNAPSHOT effect */
    CM_EVENT_MASTERS,      /* masters: configuration and reachability for status, address hints */
    CM_EVENT_CHANGED,      /* id, err: outcome of a MASTERS_CHANGE or TRANSFER effect */
    CM_EVENT_NODE_REFUSED, /* id = node: a connection to its address was refused (hint, not proof)
                            */
};

struct cm_event {
    enum cm_event_kind kind;
    uint64_t now_us;         /* CLOCK_BOOTTIME; read after the message was received */
    uint64_t lease_until_us; /* raft_lease_until_us() at this moment: leases only below it (R31) */
    uint64_t conn;
    const struct wire_hello *hello;
    const struct wire_message *message;
    uint64_t index;
    struct buf *data;
    bool is_leader;
    uint32_t leader;
    uint64_t term;
    uint64_t since_us;
    uint64_t id;
    enum err err;
    const struct wire_master_info *masters;
    uint32_t masters_count;
};

enum cm_effect_kind {
    CM_EFFECT_SEND,           /* conn, message */
    CM_EFFECT_CLOSE,          /* conn */
    CM_EFFECT_PROPOSE,        /* id, data: a command for the log */
    CM_EFFECT_READ,           /* id: confirm leadership, then READ_READY */
    CM_EFFECT_SNAPSHOT,       /* index, data */
    CM_EFFECT_MASTERS_CHANGE, /* id, target, add, address */
    CM_EFFECT_TRANSFER,       /* id, target */
    CM_EFFECT_PROBE, /* id = node, address: try to connect; report NODE_REFUSED if refused */
    CM_EFFECT_HALT,  /* text */
};

struct cm_effect {
    enum cm_effect_kind kind;
    uint64_t conn;
    struct wire_message message;
    uint64_t id;
    uint64_t index;
    struct buf *data; /* owned reference */
    uint32_t target;
    bool add;
    struct slice address;
    const char *text;
};

struct cm_effects {
    struct cm_effect *items;
    uint32_t count;
    uint32_t capacity;
};

void cm_effects_init(struct cm_effects *effects);
void cm_effects_clear(struct cm_effects *effects);
void cm_effects_release(struct cm_effects *effects);

struct cm_core *cm_core_new(const struct cm_options *options, uint64_t seed, uint64_t now_us);
void cm_core_free(struct cm_core *core);
void cm_core_step(struct cm_core *core, const struct cm_event *event, struct cm_effects *effects);
uint64_t cm_core_deadline_us(const struct cm_core *core);
void cm_core_check(const struct cm_core *core);
/* For status, tests and the simulator's oracles: the replicated state, read-only. */
const struct cm_state *cm_core_state(const struct cm_core *core);

#endif
