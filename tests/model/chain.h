/* The chain model: three real node cores over memory stores, one master, two clients, one key.
 *
 * The cores are the shipped ones (chainnode/core), and every row comes from the shipped planner
 * (config_master/plan), checked by its oracle. The master around it is explicit: it knows of a
 * death at once (an obituary), of a removal only after the wait of R28 and R29, and grants leases
 * at once.
 *
 * Time is not counted. Between any two events of a node all its timers and gaps have run out; a
 * lease lasts until the master's wait for it is over: then the node's clock jumps past it. What a
 * paused process would miss it misses by not being chosen. */
#ifndef CATENA_TESTS_MODEL_CHAIN_H
#define CATENA_TESTS_MODEL_CHAIN_H

#include "chainnode/core/cn_internal.h"
#include "config_master/plan/chain_plan.h"
#include "config_master/plan/validate.h"
#include "tests/lib/kv_memory.h"
#include "tests/model/explore.h"
#include "tests/model/heap.h"
#include "tests/model/net.h"

enum {
    NODES = 3,   /* numbered from 1; end n - 1 of the network */
    CLIENTS = 2, /* numbered from 0; end NODES + c of the network */
    CLIENT_OPS = 2,
    OPS_MAX = CLIENTS * CLIENT_OPS + 1, /* and the reading at the end */
    STORES = 4,
    ROWS_KEPT = 24,
    LOG_MAX = 24,
    CHAIN = 0,
    BUCKET = 1,
};

enum fault {
    FAULT_CRASH,   /* one process; of what it had not synced each prefix may survive */
    FAULT_POWER,   /* all at once; each keeps all or nothing of what was not synced */
    FAULT_SUSPECT, /* the master takes a living member for dead */
    FAULT_DELAY,   /* one message: lost, or much too late */
    FAULT_REPEAT,  /* one message arrives twice, the second at any time */
    FAULT_RETRY,   /* a client sends again before it has heard */
    FAULT_COUNT
};

/* Where the search begins: its first forty choices may not be what it is about. */
enum beginning {
    BEGIN_WHOLE,    /* a chain at rest */
    BEGIN_HANDOVER, /* two members and a joiner that holds all; the master has heard so */
    BEGIN_RETURNED, /* the tail committed a put, died before anybody heard, and joins again */
    BEGIN_COPIED,   /* and its copy is complete, but for that put, which is lost so far */
    BEGIN_COUNT
};

struct chain_settings {
    enum beginning beginning;
    char scripts[CLIENTS][CLIENT_OPS + 1]; /* p put, c put if absent, d delete, g get */
    unsigned faults;
    unsigned kinds;  /* bits of enum fault */
    unsigned joins;  /* rows with a joiner that the search may make; the fair end makes more */
    unsigned length; /* members of the first row */
    unsigned ticks;  /* idle ticks while something is under way; they are free in a quiet network */
    bool is_lazy;    /* FLUSH is a choice of its own, so events gather in batches */
};
extern struct chain_settings chain_settings;

/* ---- a node, in its own heap ---- */
struct node {
    uint32_t id;
    uint64_t incarnation;
    uint64_t now_us;
    struct kv_memory *store;
    struct kv kv;
    struct cn_core *core; /* NULL: not running */
    uint64_t tokens[STORES];
    bool is_sync[STORES];
    uint32_t tokens_count;
    /* Digests of the disk: what is durable, and after each batch that is not. */
    uint64_t durable;
    uint64_t unsynced[STORES * 2];
    uint32_t unsynced_count;
    bool is_flush_due;
    uint64_t fingerprint;
};

/* ---- everything else, in heap 0 ---- */
enum op_state { OP_WAITING, OP_CALLED, OP_RETURNED };

struct op {
    uint8_t client;
    char kind;
    uint8_t value; /* of a put; what a get returned (0: none) */
    uint8_t state;
    uint8_t err;    /* returned: 0, CONDITION or NO_KEY */
    uint16_t after; /* operations that had returned when this one was called */
};

enum client_state { CLIENT_READY, CLIENT_SENT, CLIENT_REFUSED };

struct client {
    uint8_t state;
    uint8_t next; /* operation of its script */
    uint8_t count;
    uint8_t target; /* node it was sent to */
    uint8_t target_incarnation;
    uint8_t epoch; /* of the row that it used */
};

/* A row without the rest of its array. */
struct small_row {
    uint8_t epoch; /* 0: none */
    uint8_t version;
    uint8_t members_count;
    uint8_t serving_count;
    uint8_t members[NODES];
    uint8_t incarnations[NODES];
    uint8_t serving[NODES];
    uint8_t serving_incarnations[NODES];
    uint8_t joiner;
    uint8_t joiner_incarnation;
    bool frozen;
};

struct known_node {
    uint8_t incarnation;
    uint8_t dead_through;
    bool is_alive;
    bool holds;
    bool is_syncing;
    uint8_t pushed; /* oldest version that may still reach it */
    bool is_decided_sent;
    struct small_row decided; /* on its way to this node */
};

struct master {
    struct small_row active;
    struct small_row decided; /* epoch 0: none */
    uint8_t version;
    uint8_t synced_epoch;
    uint8_t synced_node;
    struct small_row rows[ROWS_KEPT]; /* by version */
    struct known_node nodes[NODES + 1];
    uint8_t joins_left;
};

struct committed {
    uint64_t digest;
    uint8_t session;
    uint8_t seq;
};

struct world {
    struct net net;
    struct master master;
    struct client clients[CLIENTS];
    struct op ops[OPS_MAX];
    uint8_t ops_count;
    uint8_t faults_left;
    uint8_t ticks_left;
    uint8_t committed_max;
    struct committed committed[LOG_MAX]; /* by lsn: what any node has known committed */
    bool is_ending;                      /* the fair end: no budget counts */
};

extern struct world *world;
extern struct node *nodes[NODES + 1];
extern bool chain_is_telling;

/* Sink of the cores' own story. */
void chain_trace(void *context, const char *line);
void chain_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* chain_node.c */
void node_create(uint32_t id);
void node_start(uint32_t id); /* a new process on its disk; its first heartbeat */
void node_crash(uint32_t id, size_t keep);
/* Steps the core with one event, then what the driver owes: effects, replies, FLUSH. */
void node_event(uint32_t id, struct cn_event *event);
void node_flush(uint32_t id);
void node_stored(uint32_t id);
void node_idle(uint32_t id); /* R9 */
void node_beat(uint32_t id);
void node_expire_lease(uint32_t id);
bool node_is_beat_useful(uint32_t id);
/* NULL: not running or no chain. */
struct cn_chain *node_chain(uint32_t id);
bool node_is_lease_valid(uint32_t id);

/* chain_master.c */
void master_begin(void);
struct wire_beat_reply master_hear(const struct node *node, const struct wire_heartbeat *beat);
/* What the planner wants next; PLAN_NONE: nothing. */
enum plan_kind master_plan(struct plan_step *ret_step);
void master_step(void);
void master_suspect(uint32_t node);
void master_died(uint32_t node);
bool master_may_suspect(uint32_t node);
void master_push(uint32_t node, bool is_newest);
void master_send_decided(uint32_t node);
bool row_has(const struct small_row *row, uint32_t node, uint64_t incarnation);
uint64_t master_fingerprint(uint64_t hash);

/* chain_client.c */
void client_begin(void);
void client_call(unsigned client);
void client_send(unsigned client);
bool client_may_call(unsigned client);
bool client_may_send(unsigned client, bool is_quiet);
bool clients_are_done(void);
/* The core answered connection `client` + 1. */
void client_hear(unsigned client, const struct node *node, const struct wire_message *reply);
uint64_t client_fingerprint(uint64_t hash);
/* The request that such a client would send, into a message in the heap that is entered. */
void client_request(unsigned op, struct wire_message *ret_message);

/* chain_model.c */
void deliver(unsigned from, unsigned to); /* the oldest message, if there is one */
void deliver_all(void);                   /* until nothing is under way */

/* chain_begin.c */
void chain_begin(void);

/* chain_check.c: the promises S1-S11, after each event of a node */
void check_node(uint32_t id);
void check_update_reply(const struct node *node, const struct op *op);
void check_read_reply(const struct node *node, const struct op *op);
void check_history(void);
void check_healed(void);

#endif
