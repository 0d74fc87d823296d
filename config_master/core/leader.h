/* The core's inside: the replicated state, and the leader's own books beside it.
 *
 * Everything here but `state` and the obituaries is forgotten when leadership changes. The parts:
 * detector.c (who is alive), beat.c (heartbeats, registration, leases), planner.c (facts ->
 * chain_plan -> commands), publish.c (maps to nodes and watchers), admin.c and op_*.c
 * (administrative requests), core.c (events). Internal to config_master/core. */
#ifndef CATENA_CONFIG_MASTER_CORE_LEADER_H
#define CATENA_CONFIG_MASTER_CORE_LEADER_H

#include "base/map.h"
#include "base/prng.h"
#include "config_master/core/cm_core.h"
#include "config_master/core/cm_state.h"
#include "placement/placement.h"

enum {
    CM_WATCHES = 4096,
    CM_REQUESTS = 1024,
    CM_ACCUSATIONS = 4096,
    CM_PAGE_ROWS = 512,
    CM_PAGE_NODES = 256,
    CM_PAGE_BUCKETS = 512,
    CM_PAGES_PER_STEP = 32,
    CM_KEYS_PAGE_BYTES = 524288, /* of access keys in one reply */
    CM_SEEN = BOUND_CHAIN_MEMBERS + 2,
    CM_CANDIDATES = 8,
    CM_SWAPS = 4, /* chains that change their order at the same time */
};

/* Another process that claims a node's id while the known one may live. */
struct cm_pretender {
    uint64_t incarnation; /* 0: none */
    struct uuid disk;
    uint64_t last_us;
    uint64_t challenge; /* new when this one was first heard */
    bool is_refused;    /* told so */
};

/* What the leader knows about one node. */
struct cm_live {
    uint32_t node;
    uint64_t obituary;           /* this incarnation is proven dead; kept across terms (R29) */
    uint64_t incarnation;        /* that beats */
    uint64_t conn;               /* 0: none */
    uint64_t beat_us;            /* newest heartbeat in this term, 0: none */
    uint64_t lease_end_us;       /* no lease of that incarnation can be valid after this */
    uint64_t older_lease_end_us; /* the same for all older ones */
    uint64_t map_version;        /* installed, as it says */
    uint64_t echo;               /* highest challenge that it has heard, as it says */
    uint64_t behind_since_us;    /* it lacks a map that was pushed, 0: no */
    bool refused;                /* its host refused a connection since the newest heartbeat */
    bool accused;                /* most of its neighbours hear nothing from it */
    bool was_alive;              /* the verdict at the last judgement */
    bool is_reported;            /* a full report has come in */
    uint32_t failures;
    uint64_t alive_since_us;
    uint64_t readmit_us; /* no new copies there before this */
    uint64_t space_total;
    uint64_t space_free;
    bool is_full;          /* it refuses puts */
    uint64_t space_due_us; /* not written down again before */
    uint64_t registering;  /* proposal id of its registration, 0: none */
    uint64_t registering_incarnation;
    uint64_t state_proposal; /* proposal id of a NODE_STATE, 0: none */
    uint32_t joins;          /* copies with this node at either end (scratch of the planner) */
    uint32_t load;           /* memberships (scratch of the planner) */
    struct cm_pretender pretender;
};

/* What one node last said about one chain. */
struct cm_seen {
    struct wire_member member; /* node 0: free */
    uint64_t epoch;            /* entered: acknowledges that row (R29) */
    uint32_t flags;            /* WIRE_REPORT_* */
    uint64_t applied;          /* lsn: end of what its disk holds */
    uint64_t committed;
    uint64_t digest;
};

/* The leader's book of one chain. */
struct cm_chain_book {
    uint64_t proposal;          /* id of the change under way, 0: none */
    uint64_t gather_since_us;   /* the first returner was seen (R33), 0: none */
    uint64_t decided_challenge; /* new when the newest decision was made; 0: this leader found it */
    uint64_t decided_version;   /* no map of before that decision is newer */
    bool is_dirty;              /* in the planner's queue */
    bool was_refused;           /* the log did not take its change: planned again a little later */
    bool awaits_beat;           /* the decided row waits for a heartbeat of one of its members */
    uint64_t told;              /* newest committed position that a member told this leader (R34) */
    uint64_t told_digest;
    uint64_t told_epoch;
    char alarm[128]; /* why a member halted the chain, or whose history differs (R27) */
    struct cm_seen seen[CM_SEEN];
};

/* `from` hears nothing from `to`, its neighbour in a chain (checklist 14, 15). */
struct cm_accusation {
    uint32_t from;
    uint32_t to;
    uint64_t first_us;
    uint64_t last_us;
};

/* A chain whose members change roles: frozen, drained, permuted (R36). */
struct cm_swap {
    uint32_t chain;
    uint32_t order[BOUND_CHAIN_MEMBERS]; /* wanted, head first */
    uint32_t order_count;
    uint64_t since_us;
};

/* A map on its way to one connection, page by page. */
struct cm_stream {
    bool is_open;
    uint64_t request; /* of the watch; 0 = push */
    uint64_t version;
    uint32_t page; /* next */
    uint32_t next_chain;
    uint32_t last_node;                          /* sent; ids and names, not positions: */
    char last_bucket[BOUND_BUCKET_NAME_MAX + 1]; /* elements may go meanwhile */
};

struct cm_conn {
    uint64_t conn;
    enum wire_role role;
    uint32_t id;
    uint64_t incarnation;
    bool is_node;          /* its heartbeats are accepted: gets pushes */
    uint64_t sent_version; /* the newest map sent */
    struct cm_stream stream;
};

struct cm_watch {
    uint64_t conn;
    uint64_t request;
    uint64_t have_version;
    uint64_t deadline_us;
};

enum cm_request_stage {
    CM_STAGE_START,
    CM_STAGE_PROPOSED, /* waits for PROPOSED */
    CM_STAGE_READING,  /* waits for READ_READY */
    CM_STAGE_CHANGING, /* waits for CHANGED */
    CM_STAGE_HEADS,    /* a bucket is marked; waits for all heads (R37) */
};

/* An administrative request under way. */
struct cm_request {
    struct list_node link;
    uint64_t id;
    uint64_t conn;
    uint64_t request;
    enum wire_admin_op op;
    uint64_t a;
    uint64_t b;
    uint64_t nonce;
    uint64_t wall_ms;
    enum cm_request_stage stage;
    uint64_t deadline_us;
    uint64_t bucket;         /* HEADS */
    uint64_t marked_version; /* HEADS */
    struct buf *payload;     /* owned; may hold a secret */
    uint32_t name_length;
    uint32_t text_length;
    uint8_t name[BOUND_NAME_BYTES + 1];
    uint8_t text[BOUND_ADDRESS_BYTES + 1];
};

/* A bucket in state deleting, as the leader sees it. */
struct cm_deletion {
    uint64_t bucket;
    uint64_t marked_version;
    uint64_t revert_us;      /* its client has vanished by then */
    uint64_t agreed_version; /* map version when all heads had acknowledged, 0: not yet */
    uint64_t proposal;
};

struct cm_core {
    struct cm_options options;
    struct prng prng;
    struct cm_state *state;
    struct cm_effects *effects; /* of the step under way */
    uint64_t now_us;
    uint64_t lease_until_us;
    uint64_t last_step_us;
    uint64_t last_tick_us;
    bool is_leader;
    bool is_halted;
    uint32_t leader;
    uint64_t term;
    uint32_t challenges; /* of this term, see cm_challenge_new() */
    uint64_t since_us;
    uint64_t grace_until_us;     /* silence is not judged before (checklist 34) */
    uint64_t next_id;            /* of proposals and reads: never reused */
    struct map lives;            /* node id -> struct cm_live */
    struct map conns;            /* conn -> struct cm_conn */
    struct cm_chain_book *books; /* [state->chain_count] */
    uint32_t book_count;
    uint32_t dirty_count;
    uint32_t *dirty;           /* chains in the planner's queue */
    bool short_due;            /* short chains have to be looked at again */
    bool nodes_dirty;          /* a verdict differs from the published node state */
    uint64_t plan_wake_us;     /* some chain waits for this instant; UINT64_MAX: none */
    uint32_t inflight;         /* planner proposals under way */
    bool heads_due;            /* some head may have acknowledged a newer map (R37) */
    struct pl_step *swap_plan; /* changes of order that are still to be made, or NULL */
    uint32_t swap_plan_count;
    uint32_t swap_plan_next;
    struct cm_swap swaps[CM_SWAPS];
    uint32_t swap_count;
    uint32_t swap_failures;  /* frozen chains that did not drain, since the last one that did */
    uint64_t quiet_since_us; /* nothing but swaps has changed since */
    uint64_t marks_due_us;   /* marks are not written down again before (R34) */
    uint32_t marks_next;     /* chain to begin with */
    uint64_t marks_proposal; /* id, 0: none */
    struct cm_accusation accusations[CM_ACCUSATIONS];
    uint32_t accusation_count;
    uint64_t link_learnt_us[CM_BAD_LINKS]; /* of state->bad_links: when its last strike was seen */
    struct cm_watch watches[CM_WATCHES];
    uint32_t watch_count;
    struct list_node requests;
    uint32_t request_count;
    struct cm_deletion *deletions;
    uint32_t deletion_count;
    uint32_t deletion_capacity;
    bool streams_open;
    bool push_due;
    uint64_t watch_due_us; /* some parked watch is due then */
    struct wire_master_info masters[BOUND_MASTERS];
    char master_addresses[BOUND_MASTERS][BOUND_ADDRESS_BYTES + 1];
    uint32_t masters_count;
};

/* ---- effects.c ---- */
struct cm_effect *cm_emit(struct cm_core *core, enum cm_effect_kind kind);
/* An empty message of that type to a connection, to be filled. */
struct wire_message *cm_emit_message(struct cm_core *core, uint64_t conn, enum wire_type type);
/* Memory that lives as long as the message. */
void *cm_message_alloc(struct wire_message *message, size_t bytes);
struct slice cm_message_format(struct wire_message *message, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* REFUSED with NOT_LEADER and who to ask. */
void cm_refuse_not_leader(struct cm_core *core, uint64_t conn, uint64_t request);
/* Proposes the entry in the writer (released); returns its id. */
uint64_t cm_propose(struct cm_core *core, struct cm_writer *writer);

/* ---- detector.c ---- */
struct cm_live *cm_live(struct cm_core *core, uint32_t node);     /* NULL when unknown */
struct cm_live *cm_live_add(struct cm_core *core, uint32_t node); /* NULL when there are too many */
/* Clock drift allowed for: the longest that `us` on another machine's clock can last on ours. */
uint64_t cm_with_drift(const struct cm_core *core, uint64_t us);
bool cm_is_alive(const struct cm_core *core, uint32_t node);
/* Judges every node; changed verdicts mark chains. is_tick: silence is judged too. */
void cm_detector_judge(struct cm_core *core, bool is_tick);
void cm_detector_judge_node(struct cm_core *core, const struct cm_node *node, bool is_tick);
/* Another incarnation beats from now on: what was granted to the older ones is kept apart. */
void cm_live_begin(struct cm_live *live, uint64_t incarnation);
/* Its registration is applied: the heartbeat that asked for it was its first. */
void cm_detector_registered(struct cm_core *core, const struct cm_node *node);
void cm_detector_refused(struct cm_core *core, uint32_t node);
void cm_detector_disconnected(struct cm_core *core, uint32_t node, uint64_t conn);
void cm_detector_obituary(struct cm_core *core, uint64_t conn,
                          const struct wire_obituary *obituary);
void cm_detector_accuse(struct cm_core *core, uint32_t from, const struct wire_link_report *report);
/* R35: reported now. */
bool cm_link_is_cut(const struct cm_core *core, uint32_t a, uint32_t b);
/* R35: cut before, and its growing delay is not over. */
bool cm_link_is_remembered(const struct cm_core *core, uint32_t a, uint32_t b);
uint64_t cm_detector_deadline_us(const struct cm_core *core);
/* Forgets what belongs to a term. */
void cm_detector_reset(struct cm_core *core);
/* The instant after which no lease of that member can be valid (R29, R31). */
uint64_t cm_lease_end_us(const struct cm_core *core, struct wire_member member);
/* R4, R29: the highest incarnation, up to that of the member, which is proven dead. */
uint64_t cm_dead_through(const struct cm_core *core, struct wire_member member);

/* ---- beat.c ---- */
/* A number that nobody has seen: who echoes it has heard from this leader since, and so was alive.
 * A heartbeat's arrival shows less: it may have been under way for long. */
uint64_t cm_challenge_new(struct cm_core *core);
bool cm_has_answered(const struct cm_live *live, uint64_t challenge);
void cm_beat(struct cm_core *core, struct cm_conn *conn, const struct wire_heartbeat *beat);

/* ---- planner.c ---- */
void cm_planner_mark(struct cm_core *core, uint32_t chain);
void cm_planner_mark_node(struct cm_core *core, uint32_t node);
void cm_planner_mark_all(struct cm_core *core);
/* Chains that lack members: something may have become possible. */
void cm_planner_mark_short(struct cm_core *core);
void cm_planner_report(struct cm_core *core, struct wire_member sender,
                       const struct wire_chain_report *report);
/* A heartbeat of that member came: decided rows that it is to serve in may wait for it. */
void cm_planner_heard(struct cm_core *core, struct wire_member member);
/* The epoch of the chain that this member has acknowledged in this term, 0: none. */
uint64_t cm_planner_acknowledged(const struct cm_core *core, uint32_t chain,
                                 struct wire_member member);
void cm_planner_run(struct cm_core *core);
void cm_planner_tick(struct cm_core *core);
void cm_planner_proposed(struct cm_core *core, uint64_t id, enum err err);
void cm_planner_row_changed(struct cm_core *core, uint32_t chain, unsigned change_kind);
/* Books for the chains of the state; forgets what belongs to a term. */
void cm_planner_reset(struct cm_core *core);
void cm_send_decided(struct cm_core *core, const struct cm_chain *chain, uint32_t only_node);

/* ---- swap.c ---- */
/* The order that the chain is to get, or NULL. */
const uint32_t *cm_swap_order(const struct cm_core *core, uint32_t chain, uint32_t *ret_count);
/* A row is decided or active: a swap has made a step, or something else goes on. */
void cm_swap_row_changed(struct cm_core *core, uint32_t chain, bool is_decided);
/* The cluster changes: what is frozen is unfrozen, the rest is planned anew when it is quiet. */
void cm_swap_disturbed(struct cm_core *core);
void cm_swap_tick(struct cm_core *core);
void cm_swap_reset(struct cm_core *core);

/* ---- marks.c ---- */
/* A member of the active row says how far it has committed. */
void cm_marks_told(struct cm_core *core, struct wire_member sender,
                   const struct wire_chain_report *report);
/* R34: what returned shows less than its chain had committed, or another history. */
bool cm_marks_is_rolled_back(const struct cm_core *core, uint32_t chain,
                             const struct cm_seen *seen);
void cm_marks_tick(struct cm_core *core);
void cm_marks_proposed(struct cm_core *core, uint64_t id);
void cm_marks_reset(struct cm_core *core);

/* ---- alarms.c ---- */
/* A member of the active row has halted the chain, or two of them differ (R27). */
bool cm_chain_is_halted(const struct cm_core *core, uint32_t chain);
struct text;
/* What an operator has to know now, a sentence for each; nothing when all is well. */
void cm_alarms_print(const struct cm_core *core, struct text *text);

/* ---- publish.c ---- */
void cm_publish_changed(struct cm_core *core);
void cm_publish_run(struct cm_core *core);
void cm_watch_start(struct cm_core *core, struct cm_conn *conn, const struct wire_watch *watch);
void cm_watch_forget(struct cm_core *core, uint64_t conn);
uint64_t cm_publish_deadline_us(const struct cm_core *core);

/* ---- admin.c ---- */
void cm_admin_start(struct cm_core *core, uint64_t conn, const struct wire_message *message);
/* Every request is forgotten without an answer: the core ends. */
void cm_admin_release(struct cm_core *core);
/* False: not the id of a request. */
bool cm_admin_proposed(struct cm_core *core, uint64_t id, enum err err);
void cm_admin_read_ready(struct cm_core *core, uint64_t id, enum err err);
void cm_admin_changed(struct cm_core *core, uint64_t id, enum err err);
void cm_admin_forget(struct cm_core *core, uint64_t conn);
/* Leadership is lost: every request is answered. */
void cm_admin_reset(struct cm_core *core);
void cm_admin_tick(struct cm_core *core);
uint64_t cm_admin_deadline_us(const struct cm_core *core);
struct slice cm_request_name(const struct cm_request *request);
struct slice cm_request_text(const struct cm_request *request);
/* Each of these answers or moves the request on; after a reply it is gone. */
void cm_request_reply(struct cm_core *core, struct cm_request *request, enum err err,
                      uint64_t value, uint64_t version, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* Emits ADMIN_REPLY with that outcome for the caller to extend; the request is gone. */
struct wire_message *cm_request_answer(struct cm_core *core, struct cm_request *request);
void cm_request_propose(struct cm_core *core, struct cm_request *request, struct cm_item *item);
void cm_request_read(struct cm_core *core, struct cm_request *request);

/* ---- op_*.c ---- */
void cm_op_init_chains(struct cm_core *core, struct cm_request *request);
void cm_op_session_open(struct cm_core *core, struct cm_request *request);
void cm_op_bucket_create(struct cm_core *core, struct cm_request *request);
void cm_op_bucket_delete(struct cm_core *core, struct cm_request *request);
void cm_op_bucket_marked(struct cm_core *core, struct cm_request *request,
                         const struct cm_answer *answer);
/* A bucket was marked, finished or reverted: keeps the book of deletions. */
void cm_op_bucket_delete_note(struct cm_core *core, uint64_t bucket);
/* Answers requests whose heads have all acknowledged. */
void cm_op_bucket_delete_heads(struct cm_core *core);
/* Reverts deletions whose client has vanished. */
void cm_op_bucket_delete_tick(struct cm_core *core);
void cm_op_bucket_delete_reset(struct cm_core *core);
void cm_op_bucket_delete_proposed(struct cm_core *core, uint64_t id);
uint64_t cm_op_bucket_delete_deadline_us(const struct cm_core *core);
void cm_op_bucket_get(struct cm_core *core, struct cm_request *request);
void cm_op_bucket_get_ready(struct cm_core *core, struct cm_request *request);
void cm_op_bucket_list(struct cm_core *core, struct cm_request *request);
void cm_op_bucket_list_ready(struct cm_core *core, struct cm_request *request);
void cm_op_status(struct cm_core *core, uint64_t conn, const struct wire_admin *admin);
void cm_op_master_add(struct cm_core *core, struct cm_request *request);
void cm_op_master_remove(struct cm_core *core, struct cm_request *request);
void cm_op_transfer_leader(struct cm_core *core, struct cm_request *request);
void cm_op_node_remove(struct cm_core *core, struct cm_request *request);
void cm_op_chain_forget(struct cm_core *core, struct cm_request *request);
void cm_op_setting_set(struct cm_core *core, struct cm_request *request);
void cm_op_key_change(struct cm_core *core, struct cm_request *request);
void cm_op_key_list(struct cm_core *core, struct cm_request *request);
void cm_op_key_list_ready(struct cm_core *core, struct cm_request *request);
void cm_op_bucket_config_get(struct cm_core *core, struct cm_request *request);
void cm_op_bucket_config_get_ready(struct cm_core *core, struct cm_request *request);
void cm_op_bucket_config_put(struct cm_core *core, struct cm_request *request);
/* True for 3..63 of a-z 0-9 . - that begin and end with a letter or digit. */
bool cm_bucket_name_is_valid(struct slice name);

#endif
