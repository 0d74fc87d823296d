/* A configuration master's core in a small world: a log that commits at once (or when told),
 * storage nodes that behave, and the story that the core tells, as text.
 *
 * Nodes are scripted: world_beats() lets all living ones send a heartbeat. A node installs what it
 * is pushed, leaves a chain when it is told that its removal is decided, declares its joiner synced
 * when told to, and reports every chain. */
#ifndef CATENA_TESTS_UNIT_CM_CORE_WORLD_H
#define CATENA_TESTS_UNIT_CM_CORE_WORLD_H

#include "base/map.h"
#include "base/text.h"
#include "config_master/core/cm_core.h"
#include "config_master/core/cm_state.h"

enum { WORLD_NODES = 8, WORLD_CHAINS = 64, WORLD_QUEUE = 256 };

struct world_node {
    uint32_t id;
    uint64_t incarnation;
    struct uuid disk;
    struct uuid boot;
    uint32_t pid;
    uint64_t conn; /* 0: not connected */
    bool is_mute;  /* connected, sends nothing */
    bool is_full;  /* the next heartbeat is a full report */
    bool is_cut;   /* nothing gets through in either direction, no connection breaks */
    bool syncs;    /* declares joiners synced as soon as it is their tail */
    bool deaf;     /* maps and DECIDED do not arrive; replies to heartbeats do */
    uint64_t beat;
    uint64_t challenge; /* highest that it was told */
    uint64_t map_version;
    uint32_t page;                 /* of a map that comes in pages: the next */
    uint64_t epochs[WORLD_CHAINS]; /* entered; 0 = no role ever */
    bool in_chain[WORLD_CHAINS];
    bool is_tail[WORLD_CHAINS];     /* by the row that it has entered */
    bool is_drained[WORLD_CHAINS];  /* as head of a frozen row: nothing is pending */
    uint64_t applied[WORLD_CHAINS]; /* what its disk holds: positions, digest at committed */
    uint64_t committed[WORLD_CHAINS];
    uint64_t digests[WORLD_CHAINS];
    bool is_halted[WORLD_CHAINS];
    bool is_damaged[WORLD_CHAINS]; /* it cannot read a row that it has to copy */
    bool has_no_space;
    bool never_drains;              /* something is always pending */
    bool is_complete[WORLD_CHAINS]; /* its disk has the chain as a member had it */
    bool is_unfit[WORLD_CHAINS];    /* so it says, but the disk is another or an older one */
    uint64_t lease_until_us;        /* as it counts itself */
    bool is_beat_due;               /* it has installed a map and says so at once */
    bool is_synced[WORLD_CHAINS];   /* as tail, with a joiner */
    uint32_t accuses;               /* node id, 0 none: in each heartbeat, for every shared chain */
    enum err last_err;              /* of the newest BEAT_REPLY */
    char last_text[256];
    bool last_lease;
    uint64_t last_lease_map_version;
};

struct world_proposal {
    uint64_t id;
    struct buf *data;
};

struct world {
    struct cm_core *core;
    struct cm_options options;
    struct cm_effects effects;
    uint64_t now_us;
    uint64_t grid_us; /* world_run goes from one multiple of 10 ms to the next */
    uint64_t index;
    uint64_t term;
    bool is_leader;
    bool grants;       /* the Raft lease holds */
    bool is_beating;   /* inside a heartbeat that news have brought */
    bool holds_log;    /* proposals wait for world_commit() */
    bool holds_reads;  /* leadership is not confirmed */
    struct text story; /* what happened, since the last world_story() */
    struct world_node nodes[WORLD_NODES];
    uint32_t node_count;
    uint64_t next_conn;
    struct world_proposal queue[WORLD_QUEUE];
    uint32_t queue_count;
    uint64_t reads[WORLD_QUEUE]; /* READ effects not answered */
    uint32_t reads_count;
    struct buf *log[4096]; /* every committed command, by index */
    struct buf *snapshot;
    uint64_t change_id; /* newest MASTERS_CHANGE or TRANSFER */
    bool is_halted;
    struct wire_message last_reply;  /* newest ADMIN_REPLY or REFUSED; owned */
    struct wire_message last_config; /* newest CONFIG to last_config_conn; owned */
    uint64_t last_config_conn;
    uint32_t configs;
};

struct uuid world_uuid(uint8_t number);
void world_init(struct world *world);
void world_release(struct world *world);

/* One event through the core; runs what it asks for. */
void world_step(struct world *world, struct cm_event *event);
/* Time goes by in steps of 10 ms with the ticks that are due; living nodes send heartbeats every
 * 100 ms. */
void world_run(struct world *world, uint64_t us);
void world_become_leader(struct world *world);
void world_lose_leader(struct world *world);
/* A core that has only the log: another master takes over. Connections are gone. */
void world_take_over(struct world *world);
void world_commit(struct world *world);

uint64_t world_connect(struct world *world, enum wire_role role, uint32_t id, uint64_t incarnation);
void world_disconnect(struct world *world, uint64_t conn);
struct world_node *world_node(struct world *world, uint32_t id);
struct world_node *world_add_node(struct world *world, uint32_t id);
void world_beat(struct world *world, struct world_node *node);
void world_kill(struct world *world, uint32_t id); /* the process dies; its connection drops */
/* A new incarnation on the same disk and host: it has no role, its disk holds its chains. */
void world_restart(struct world *world, uint32_t id);
void world_obituary(struct world *world, uint32_t id);
void world_refuse(struct world *world, uint32_t id);

/* Sends ADMIN on a connection; the answer is in last_reply. */
void world_admin(struct world *world, uint64_t conn, enum wire_admin_op op, uint64_t a, uint64_t b,
                 const char *name, uint64_t nonce);
/* The same with bytes beside the fields; the caller keeps its reference. */
void world_admin_payload(struct world *world, uint64_t conn, enum wire_admin_op op, uint64_t a,
                         uint64_t b, const char *name, uint64_t nonce, struct buf *payload);
enum err world_reply_err(const struct world *world);
/* Three nodes, that many chains; the story so far is forgotten. */
void world_start(struct world *world, uint32_t nodes, uint32_t chains);
const struct plan_row *world_row(const struct world *world, uint32_t chain);
/* "1 2 3" or "1 2 +3" with a joiner. */
const char *world_members(const struct world *world, uint32_t chain, char *out, size_t size);
void world_say(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Compares the story with golden/NAME.txt, or writes that file when CATENA_GOLDEN_REWRITE is set.
 */
void world_expect_golden(struct world *world, const char *name);

#endif
