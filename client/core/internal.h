/* What the files of client/core/ share. Nobody else includes this.
 *
 * An operation moves by op_advance(): from the top it looks for what is missing (map, bucket id,
 * session, sequence number, predecessor, connection), notes what it waits for, or sends. Whatever
 * may end a wait calls op_wake(); the ready queue is worked off at the end of the step, so no
 * function of the core calls op_advance() from inside another operation's work. */
#ifndef CATENA_CLIENT_CORE_INTERNAL_H
#define CATENA_CLIENT_CORE_INTERNAL_H

#include "base/contract.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/map.h"
#include "base/prng.h"
#include "base/text.h"
#include "client/core/cl_core.h"

#define CL_NEVER UINT64_MAX

enum {
    CL_REASON_BYTES = 256,
    CL_CHAINS_GRACE_US = 3000000, /* how long an operation waits for a cluster without chains */
    CL_OPEN_GRACE_US = 3000000,   /* for the first map, once every master has failed */
    CL_INTERNAL_US = 10000000,    /* a session or bucket look-up is begun anew after this long */
    CL_WATCH_GAP_US = 100000,     /* least time between polls of one master that bring nothing */
    CL_FETCH_US = 1000000, /* a first, complete map is asked of another master after this at most */
    CL_NO_BUCKET_CHECKS = 5, /* how often a node's NO_BUCKET is checked with the leader */
    CL_CORRUPT_TRIES = 3,    /* reads of one inline value before CORRUPT is reported */
};

enum op_state {
    OP_READY,        /* in the ready queue */
    OP_WAIT_MAP,     /* no map, no chains or no row */
    OP_WAIT_BUCKET,  /* the bucket's id is being asked */
    OP_WAIT_SESSION, /* a session is being opened */
    OP_WAIT_LANE,    /* the window of outcomes of (session, chain) is full */
    OP_WAIT_ORDER,   /* an earlier chunk of the upload goes first */
    OP_WAIT_PEER,    /* target is not connected; 0 = any master (LIST, CHUNK: any node) */
    OP_WAIT_BACKOFF, /* until next_us */
    OP_WAIT_ANSWER,  /* sent; repeated at next_us */
    OP_ENDED,
};

/* Why the core itself submitted an operation. */
enum op_internal { OP_NOT_INTERNAL, OP_INTERNAL_SESSION, OP_INTERNAL_BUCKET };

/* BUCKET_DELETE's stages (R37); other kinds stay in STAGE_ONLY. */
enum op_stage { STAGE_ONLY, STAGE_MARK, STAGE_LOOK, STAGE_FINISH, STAGE_REVERT };

struct peer {
    uint32_t id;
    char address[BOUND_ADDRESS_BYTES + 1];
    bool is_dialed; /* a PEER effect is in force */
    bool is_up;
    bool has_failed; /* at least one attempt since the last success failed */
    enum err down_err;
    char down_text[160];
    struct list_node requests; /* struct request.by_peer */
    /* masters only */
    uint64_t watch_request; /* 0 = none outstanding */
    uint64_t watch_sent_us;
    uint64_t watch_next_us;
    uint64_t watch_have;
};

/* One copy of one message, answered or lost once. */
struct request {
    uint64_t id;
    struct op *op;
    struct peer *peer;
    uint64_t epoch; /* of the row it was routed by */
    uint32_t part;  /* LIST */
    struct list_node by_op;
    struct list_node by_peer;
};

/* (session, chain): numbers updates from 1 without holes (D4). */
struct lane {
    uint32_t chain;
    uint64_t session;
    uint64_t next_seq;
    bool is_current;          /* new updates of the chain use it */
    struct list_node ops;     /* struct op.lane_node: numbered and unanswered, in seq order */
    struct list_node waiting; /* struct op.lane_node: not numbered yet */
};

struct upload {
    uint64_t key;
    uint64_t high;
    uint64_t low;
    struct list_node ops; /* struct op.upload_node: STAGE, in index order */
};

struct bucket {
    char name[BOUND_BUCKET_NAME_MAX + 1];
    uint64_t id;
    uint64_t version;
    struct bucket *next; /* same hash */
};

struct list_part {
    struct peer *peer;
    struct wire_chain_at *chains;
    uint32_t chains_count;
    bool is_answered;
    bool is_dropped;
    struct wire_message reply; /* copy, when answered */
    uint32_t cursor;
};

struct list_scan {
    struct list_part *parts;
    uint32_t parts_count;
    uint8_t *covered; /* per chain: 0 open, 1 asked, 2 answered */
    uint32_t chain_count;
    uint32_t answered;            /* parts */
    struct wire_list_item *items; /* merged; they point into the replies */
    uint32_t items_count;
};

struct op {
    struct cl_submit in; /* slices point into `memory` */
    char *memory;
    enum op_internal internal;
    enum op_stage stage;
    enum op_state state;
    struct list_node node;  /* core->ops, in submission order */
    struct list_node ready; /* core->ready */
    struct list_node requests;
    uint64_t submitted_us;
    uint64_t next_us;
    uint32_t target;    /* peer waited for or asked last; 0 = none */
    uint32_t attempts;  /* copies sent, all in all */
    uint32_t unsettled; /* copies whose fate is not known: not surely refused */
    uint32_t failures;  /* in a row, for the backoff */
    uint32_t checks;    /* NO_BUCKET */
    uint32_t tries;     /* CHUNK: rounds begun anew; GET: corrupt answers */
    /* CHUNK: bit i is member i of the row of chunk_epoch */
    uint64_t chunk_epoch;
    uint32_t asked;   /* in this round */
    uint32_t damaged; /* it said so, or its bytes did not match */
    uint32_t absent;  /* it does not have it */
    bool is_unpaid;   /* the coming retry costs a token of the budget */
    uint32_t chain;
    bool is_routed;
    uint64_t bucket_id;
    uint64_t bucket_version;
    uint64_t nonce;
    struct lane *lane;
    struct list_node lane_node;
    uint64_t seq; /* 0 = none */
    struct upload *upload;
    struct list_node upload_node;
    struct list_scan *scan;
    enum err verdict; /* BUCKET_DELETE: what to report after REVERT */
    enum err last_err;
    bool has_words; /* last_reason quotes more than the error's own sentence */
    char last_reason[CL_REASON_BYTES];
    char *text; /* of the failure, once ended */
};

struct cl_core {
    struct cl_options options;
    struct prng prng;
    uint64_t now_us;
    struct cl_effects *effects; /* of the running step */
    const struct wire_message *message;
    struct cl_stats stats;

    struct cl_map map;
    struct wire_message *pages; /* copies of CONFIG messages until the last of a version */
    uint32_t pages_count;
    uint32_t pages_capacity;
    uint64_t pages_request;
    uint32_t fetches_in_vain; /* polls given up */
    uint64_t wanted_version;  /* the map is known to have got at least this new */
    struct map buckets;       /* hash -> struct bucket */

    struct peer *masters[CL_MASTERS_MAX];
    uint32_t masters_count;
    uint32_t master_cursor; /* next one to try without a leader */
    struct peer *leader;    /* NULL = unknown */
    struct map peers;       /* nodes: id -> struct peer */

    uint64_t next_request;
    struct map requests; /* id -> struct request */
    struct map ops_by_number;
    struct list_node ops;
    struct list_node ready;
    struct list_node grave; /* ended; freed when the next step begins */
    uint32_t ops_count;
    uint64_t deadline_us; /* no timer is due before this */

    uint64_t session; /* 0 = none */
    struct op *session_op;
    struct map lanes;   /* chain -> the current lane */
    struct map uploads; /* key -> struct upload */
    uint32_t lanes_count;

    uint64_t budget; /* thousandths of a retry */
    uint64_t budget_us;
};

/* core.c */
struct cl_effect *effect_push(struct cl_core *core, enum cl_effect_kind kind);
void timer_note(struct cl_core *core, uint64_t at_us);

/* map.c */
const struct cl_row *map_row(const struct cl_core *core, uint32_t chain);
/* Highest epoch heard of (R19). */
void map_note_epoch(struct cl_core *core, uint32_t chain, uint64_t epoch);
/* Installs the rows of a refusal that are newer than ours; true if one was. */
bool map_install_rows(struct cl_core *core, const struct wire_row *rows, uint32_t count);
void map_receive_config(struct cl_core *core, struct peer *peer, const struct wire_config *config);
void map_drop_pages(struct cl_core *core);
void map_release_all(struct cl_core *core);

/* watch.c */
void watch_tick(struct cl_core *core);
void watch_answered(struct cl_core *core, struct peer *peer, bool was_news);

/* bucket.c */
struct bucket *bucket_find(const struct cl_core *core, struct slice name);
void bucket_put(struct cl_core *core, struct slice name, uint64_t id, uint64_t version);
void bucket_remove(struct cl_core *core, struct slice name, uint64_t version);
/* Drops what a complete map of `version` does not name: call before adding its buckets. */
void bucket_drop_older(struct cl_core *core, uint64_t version);
/* Sets op->bucket_id, or starts to ask for it and returns false. */
bool bucket_resolve(struct cl_core *core, struct op *op);
void bucket_answered(struct cl_core *core, struct op *asker, enum err err,
                     const struct wire_admin_reply *reply);
void bucket_release_all(struct cl_core *core);

/* session.c */
/* Gives op a lane and a number; false: it waits (state is set). */
bool session_number(struct cl_core *core, struct op *op);
uint64_t session_floor(const struct op *op);
/* The op's number is answered or given up. */
void session_leave(struct cl_core *core, struct op *op);
/* The chain does not know the lane's session any more: later updates use another one. */
void session_expired(struct cl_core *core, struct lane *lane);
void session_opened(struct cl_core *core, enum err err, const struct wire_admin_reply *reply);
void session_release_all(struct cl_core *core);

/* peer.c */
struct peer *peer_node(struct cl_core *core, uint32_t node);
struct peer *peer_find(const struct cl_core *core, uint32_t id);
struct peer *peer_master_at(struct cl_core *core, struct slice address);
/* Makes sure that it is dialed; true if it is up. */
bool peer_want(struct cl_core *core, struct peer *peer);
void peer_up(struct cl_core *core, uint32_t id);
void peer_down(struct cl_core *core, uint32_t id, enum err err, const char *text);
/* A node's address may have changed with the map. */
void peer_readdress(struct cl_core *core);
/* "node 2 (127.0.0.1:7002)". Returns text. */
char *peer_describe(const struct cl_core *core, uint32_t id, char *text, size_t size);
void peer_release_all(struct cl_core *core);

/* op.c */
void op_submit(struct cl_core *core, const struct cl_submit *submit);
struct op *op_start_internal(struct cl_core *core, enum op_internal internal,
                             const struct cl_submit *submit);
void op_cancel(struct cl_core *core, uint64_t number);
void op_wake(struct cl_core *core, struct op *op);
void op_wait(struct op *op, enum op_state state);
void op_run_ready(struct cl_core *core);
void op_tick(struct cl_core *core);
bool op_is_update(const struct op *op);
bool op_has_session(const struct op *op);
bool op_is_keyed(const struct op *op);
bool op_is_read(const struct op *op);
bool op_names_multi(const struct op *op);
uint64_t op_map_version(const struct cl_core *core, const struct op *op);
bool op_asks_leader(const struct op *op);
bool op_asks_list(const struct op *op);
/* Ends the operation: DONE (or the internal continuation). The result is copied, text made here. */
void op_end(struct cl_core *core, struct op *op, const struct cl_result *result,
            struct buf *payload);
void op_fail(struct cl_core *core, struct op *op, enum err err);
void op_bury(struct cl_core *core);
void op_release_all(struct cl_core *core);
void op_note_reason(struct op *op, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* explain.c */
void explain(const struct cl_core *core, const struct op *op, enum err err, char *text,
             size_t size);

/* route.c */
void op_advance(struct cl_core *core, struct op *op);
/* Where the op should go under the present map; 0 = nowhere yet. */
uint32_t route_target(const struct cl_core *core, const struct op *op);
/* No first map came for a while. */
void route_map_overdue(struct cl_core *core, struct op *op);
/* Ops whose target moved are sent again at once. */
void route_map_changed(struct cl_core *core);
struct request *request_new(struct cl_core *core, struct op *op, struct peer *peer);
void request_free(struct cl_core *core, struct request *request);
/* Emits the message as a new copy of op to its peer. */
void request_send(struct cl_core *core, struct op *op, struct peer *peer, uint64_t epoch,
                  uint32_t part, struct wire_message *message);

/* retry.c */
/* Tries again after a jittered, growing delay; one token of the budget if `costs`. */
void retry_later(struct cl_core *core, struct op *op, bool costs);
/* The delay is over: goes on if the budget allows. */
void retry_now(struct cl_core *core, struct op *op);
/* A copy was refused: decide between retry and end. */
void retry_refused(struct cl_core *core, struct request *request, enum err err, struct slice text,
                   bool has_newer_row);
void retry_lost(struct cl_core *core, struct request *request, enum err err);
void retry_timed_out(struct cl_core *core, struct op *op);
void retry_earn(struct cl_core *core);
uint64_t retry_attempt_us(const struct cl_core *core, const struct op *op);
/* True for refusals that are only given before an update is admitted. */
bool retry_is_surely_refused(enum err err);

/* op_chunk.c */
/* Whom to ask: members not asked in this round first, from the tail on; NULL: nobody who may have
 * it is connected (they are dialed). */
struct peer *chunk_choose(struct cl_core *core, struct op *op, const struct cl_row *row);
/* The op repeats itself to members that were asked before, and this one was not. */
bool chunk_wants(const struct cl_core *core, const struct op *op, const struct peer *peer);
/* The member whose answer is awaited has left the chain. */
bool chunk_lost_its_server(const struct cl_core *core, const struct op *op);
/* Ends the op if no member is left; else, if this was the answer that it waits for, goes on. */
void chunk_refused(struct cl_core *core, struct op *op, uint32_t node, enum err err,
                   bool is_awaited);
/* "; node 2 (127.0.0.1:7002): damaged" for each member. */
void chunk_explain(const struct cl_core *core, const struct op *op, struct text *text);

/* op_update.c, op_get.c, op_parts.c, op_list.c, op_admin.c, op_bucket_delete.c */
void update_fill(struct cl_core *core, struct op *op, const struct cl_row *row,
                 struct wire_message *message);
void update_receive(struct cl_core *core, struct request *request,
                    const struct wire_updated *updated);
/* May this STAGE go now? (Its predecessor was sent to the same peer.) */
bool update_may_stage(const struct op *op, uint32_t target);
/* After a STAGE failed: those behind it wait for it again. */
void update_hold_later_stages(struct op *op);
/* After a STAGE was sent or ended: the next one may go. */
void update_release_next_stage(struct cl_core *core, struct op *op);
void upload_enter(struct cl_core *core, struct op *op);
void upload_leave(struct cl_core *core, struct op *op);
void get_fill(struct cl_core *core, struct op *op, const struct cl_row *row,
              struct wire_message *message);
void get_receive_object(struct cl_core *core, struct request *request,
                        const struct wire_message *message);
void get_receive_chunk(struct cl_core *core, struct request *request,
                       const struct wire_message *message);
void parts_fill(struct cl_core *core, struct op *op, const struct cl_row *row,
                struct wire_message *message);
void parts_receive(struct cl_core *core, struct request *request,
                   const struct wire_parts_listed *listed);
void list_advance(struct cl_core *core, struct op *op);
void list_receive(struct cl_core *core, struct request *request,
                  const struct wire_message *message);
/* Part of a scan failed: its chains are open again. */
void list_reopen(struct op *op, uint32_t part);
void list_reopen_all(struct op *op);
/* Some chain is not asked at the moment. */
bool list_has_open(const struct op *op);
/* Parts whose chains have another tail or epoch now are reopened; true if there is reason to go on.
 */
bool list_map_changed(struct cl_core *core, struct op *op);
void list_release(struct op *op);
void admin_advance(struct cl_core *core, struct op *op);
void admin_receive(struct cl_core *core, struct request *request,
                   const struct wire_message *message);
/* A master says that it does not lead. */
void admin_not_leader(struct cl_core *core, struct peer *peer, uint32_t leader,
                      struct slice leader_address);
void bucket_delete_answered(struct cl_core *core, struct op *op,
                            const struct wire_admin_reply *reply);
void bucket_delete_listed(struct cl_core *core, struct op *op, bool is_empty);
/* The master says that the steps so far are void (NOT_READY). */
void bucket_delete_void(struct cl_core *core, struct op *op);
/* The deadline came while the bucket is marked: take the mark back, best effort. */
void bucket_delete_give_up(struct cl_core *core, struct op *op);

#endif
