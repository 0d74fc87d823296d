/* Inside the chain node's core: its state, and who offers what to whom.
 *
 * Not an interface: only files of this directory include it. Each block of prototypes names the
 * file that holds them. Positions of a chain, always in this order (cn_core_check asserts it):
 *
 *   trimmed <= settled <= apply_emitted <= committed <= durable <= written <= applied
 *
 * Entries in (trimmed, applied] are in memory. `settled` is what the store reported applied to the
 * objects family; `written` has left in a batch; `durable` was reported stored. A serving member
 * trims up to settled; the tail keeps more while its joiner may need it again (R21). */
#ifndef CATENA_CHAINNODE_CORE_CN_INTERNAL_H
#define CATENA_CHAINNODE_CORE_CN_INTERNAL_H

#include "base/contract.h"
#include "base/list.h"
#include "base/map.h"
#include "base/planted.h"
#include "base/prng.h"
#include "chainnode/core/cn_core.h"
#include "chainnode/core/cn_rows.h"

enum {
    CN_STORES_MAX = 2,             /* batches in flight: more only makes groups smaller */
    CN_SYNC_WINDOW = 4,            /* ranges under way to a joiner */
    CN_SYNC_RANGE_BYTES = 524288,  /* rows of one range; one larger row travels alone */
    CN_SYNC_HANDOVER_ENTRIES = 64, /* lag of the joiner at which phase 2 begins */
    CN_SYNC_RETAIN_ENTRIES = 8192, /* a joiner that lags more starts its copy again */
    CN_SYNC_RETAIN_BYTES = 33554432,
    CN_LOG_ENTRIES_MAX = 16384, /* in memory per chain, above what any head admits */
    CN_BEATS = 64,              /* heartbeats whose send time is remembered (R30) */
    CN_CONFIG_PAGES = 512,
    CN_UPLOADS_WATCHED = 65536,
};

/* A copy of a wire row that owns its arrays. */
struct cn_row {
    uint64_t epoch; /* 0: not known */
    uint64_t version;
    struct wire_member members[BOUND_CHAIN_MEMBERS];
    uint32_t members_count;
    struct wire_member serving[BOUND_CHAIN_MEMBERS];
    uint32_t serving_count;
    struct wire_member joiner;
    bool frozen;
    bool any_replica;
    uint32_t write_floor;
    uint32_t replicas;
};

/* Who waits for an entry to commit. */
struct cn_waiter {
    struct cn_waiter *next;
    uint64_t conn;
    uint64_t request;
};

enum cn_index_kind {
    CN_INDEX_KEY,
    CN_INDEX_UPLOAD,
    CN_INDEX_SESSION,
    CN_INDEX_MULTI,
    CN_INDEX_TOKEN,
    CN_INDEX_COUNT
};

/* One update: as it travels (`f`, its slices point behind the struct) and what is known of it. */
struct cn_entry {
    struct wire_forward f;
    struct buf *payload;                    /* inline value or chunk */
    uint32_t bytes;                         /* counted against the bounds */
    uint64_t digest;                        /* of the history up to here; set when committed */
    struct cn_waiter *waiters;              /* owned */
    struct cn_entry *older[CN_INDEX_COUNT]; /* next in the index with the same hash */
    uint64_t hash[CN_INDEX_COUNT];
    bool is_indexed[CN_INDEX_COUNT];
    struct cn_entry *next_dead;
};

struct cn_session {
    uint64_t id;
    struct cn_session_state applied;
    struct cn_session_state accepted;
};

struct cn_sync_message {
    struct wire_sync_items items; /* from, to point into `bounds` */
    struct buf *payload;
    uint8_t *bounds;
};

/* At the tail: the copy to the joiner. */
struct cn_source {
    bool is_begun;
    bool is_accepted; /* the joiner has answered the BEGIN */
    uint64_t sync;
    struct origin base;
    uint64_t base_digest;
    uint64_t session_floor;
    struct cn_sync_message window[CN_SYNC_WINDOW]; /* by number % CN_SYNC_WINDOW */
    uint64_t next_number;
    uint64_t acked_number;
    unsigned step; /* index in the order of families */
    uint8_t cursor[CN_KEY_BYTES_MAX];
    size_t cursor_length;
    bool is_all_sent;
    bool is_bulk_durable;
    bool is_handover; /* phase 2: nothing commits that the joiner does not hold (R21) */
    bool is_synced;   /* cannot be taken back (R23) */
    bool is_full;     /* the joiner reached its reserve: it is sent nothing before handover */
    bool is_damaged;  /* the copy ended at a row that cannot be read here: `step`, `cursor` */
    uint64_t sent;    /* lsn forwarded live */
    struct origin acked;
    uint64_t durable;
    uint64_t progress_us; /* its position advanced, or nothing was owed */
    uint64_t resent_us;   /* live entries were sent again */
    uint64_t range_us;    /* a range was acknowledged, or was sent again */
    uint64_t marked_committed;
};

enum cn_target_state {
    CN_TARGET_NONE,
    CN_TARGET_SETTLING, /* own earlier batches are still under way */
    CN_TARGET_READY,    /* announced, no copy begun */
    CN_TARGET_COPYING,
    CN_TARGET_DONE, /* every row is durable here */
};

/* At the joiner. */
struct cn_target {
    enum cn_target_state state;
    uint64_t sync;
    uint64_t received; /* number handed to the store */
    uint64_t durable;  /* number durable */
    uint64_t as_of;    /* live entries above are not applied yet */
    struct cn_sync_message queue[CN_SYNC_WINDOW];
    bool is_queued[CN_SYNC_WINDOW];
    bool is_range_in_flight;
    bool is_last_received;
    uint64_t told_committed;
    bool ack_due;
};

/* The neighbour below, in this epoch. */
struct cn_successor {
    bool is_known; /* it told its position in this epoch (R20) */
    struct origin acked;
    uint64_t sent;
    uint64_t marked_stable;
    uint64_t heard_us;
    uint64_t progress_us; /* acked advanced, or nothing was owed */
    uint64_t resent_us;
    bool is_full;
};

/* The neighbour above. */
struct cn_predecessor {
    uint64_t heard_us;
    uint64_t owed_since_us; /* 0: owes nothing */
    uint64_t acked_committed;
    uint64_t acked_durable; /* joiner only */
    bool acked_full;
    uint64_t resend_lsn;
    uint64_t resend_us;
};

struct cn_chain {
    uint32_t id;
    struct cn_row row; /* newest active one */
    uint64_t epoch;    /* entered, or left by DECIDED: never goes back (R5) */
    enum cn_role role;
    bool is_halted;
    const char *halt_why; /* static text, for the alarm */
    bool is_load_wanted;  /* named as a member, earlier batches still under way */

    bool is_on_disk; /* a state row exists or is being written */
    bool is_complete;
    bool is_syncing;
    bool is_state_dirty;
    bool is_reset_wanted; /* drop the pending rows in the next batch (R24) */

    struct cn_entry **ring; /* entry of lsn at lsn & (capacity - 1) */
    uint32_t ring_capacity;
    uint64_t generation; /* completions from before a reset are ignored (R3) */
    struct origin trimmed;
    struct origin settled;
    uint64_t settled_digest;
    uint64_t apply_emitted;
    uint64_t committed;
    uint64_t digest; /* at committed */
    uint64_t durable;
    uint64_t written;
    struct origin applied;
    uint64_t inherited;
    uint64_t predecessor_stable; /* learnt in this epoch (R7) */
    uint64_t uncommitted_bytes;
    uint64_t bytes; /* of all entries in memory */

    struct map sessions;        /* id -> struct cn_session */
    uint32_t sessions_accepted; /* count of accepted.exists */
    bool are_sessions_accepted; /* `accepted` states are maintained: the head */
    uint64_t token_floor;       /* at the head: chosen so far (D19) */
    uint64_t session_floor;     /* applied */
    uint64_t session_floor_accepted;

    struct cn_successor successor;
    struct cn_predecessor predecessor;
    struct cn_source source;
    struct cn_target target;
    bool mark_due;
    bool ack_due;
    bool resend_due;
    uint64_t quiet_beats; /* idle rounds since something was said */
    uint64_t push_us;     /* newer row sent to a stale peer */
    uint64_t ask_us;      /* row asked for */

    uint32_t stores_in_flight;
    struct list_node parked; /* struct cn_read */
    struct list_node active; /* in core->active while it has a role */
    struct list_node dirty;  /* in core->dirty while FLUSH has work */

    uint64_t report_version;
    uint64_t report_sent;
    uint64_t report_sent_beat;
    uint64_t report_acked;
};

struct cn_read {
    struct list_node node;
    uint64_t conn;
    struct wire_message message; /* copy */
};

/* A listing waits until what was committed at its arrival is settled in every chain (D2). */
struct cn_list {
    struct list_node node;
    uint64_t conn;
    struct wire_message message; /* LIST or PARTS_LIST */
    const struct wire_chain_at *chains;
    uint32_t chains_count;
    struct wire_chain_at one; /* the chain of a PARTS_LIST */
    uint64_t *targets;        /* lsn for each chain */
};

struct cn_store_chain {
    struct cn_chain *chain;
    uint64_t generation;
    uint64_t written;
    uint64_t apply_emitted;
    uint64_t sync_number; /* range in this batch, 0 = none */
};

struct cn_store {
    uint64_t token;
    struct cn_store_chain *chains;
    uint32_t count;
    uint32_t capacity;
};

struct cn_peer {
    uint32_t node;
    uint64_t incarnation;
    uint8_t *address;
    size_t address_length;
    bool is_wanted;
    bool is_announced;
    bool is_up;
    bool is_refused;
};

struct cn_bucket {
    uint64_t bucket;
    uint8_t state;
};

struct cn_purge {
    struct list_node node;
    uint32_t chain;
    uint64_t upload_high;
    uint64_t upload_low;
    uint64_t lsn; /* of the entry that gave the chunks away */
    uint64_t due_us;
};

struct cn_upload_watch {
    struct cn_upload_watch *next; /* same hash */
    uint32_t chain;
    uint64_t upload_high;
    uint64_t upload_low;
    uint64_t lsn;
    uint64_t since_us;
    uint64_t round;
};

struct cn_arena;

struct cn_core {
    struct cn_options options;
    uint8_t *strings; /* copies of address and zone */
    struct kv kv;
    struct prng prng;
    bool is_dead; /* a HALT was emitted */
    uint64_t now_us;
    uint64_t wall_ms;
    struct cn_effects *effects; /* of the running step */
    struct cn_arena *arena;     /* what emitted messages point at; emptied by the next step */
    struct cn_entry *dead;      /* entries freed by the next step */

    struct map chains; /* id -> struct cn_chain */
    struct list_node active;
    struct list_node dirty;
    struct map keys[CN_INDEX_COUNT]; /* hash -> newest struct cn_entry */
    uint64_t bytes;                  /* of all entries in memory */

    struct map peers;
    bool are_peers_stale;
    struct map buckets;
    uint32_t buckets_deleting;
    uint64_t map_version; /* installed */
    uint64_t map_version_reported;
    struct wire_message *pages; /* of a CONFIG that is not complete yet */
    uint32_t pages_count;

    struct cn_store stores[CN_STORES_MAX]; /* oldest first */
    uint32_t stores_count;
    uint64_t next_token;

    struct list_node lists;
    uint32_t parked_count;
    struct list_node purges; /* in the order they fall due */
    struct map upload_watches;
    uint32_t upload_watches_count;
    uint64_t upload_round;

    bool is_full;
    uint64_t space_total;
    uint64_t space_free;

    uint64_t beat;
    uint64_t beat_sent_us[CN_BEATS];
    uint64_t challenge; /* highest of a master: each heartbeat echoes it */
    bool is_full_report_wanted;
    bool is_beat_wanted;
    uint64_t lease_until_us; /* granted under a map that is installed */
    uint64_t lease_waiting_until_us;
    uint64_t lease_waiting_map;
    uint64_t next_beat_us;
    uint64_t last_beat_us;
    uint64_t next_idle_us;
    uint64_t next_uploads_us;
    uint64_t sync_counter;
    uint64_t dropped; /* messages refused as malformed or out of place */
};

/* effects.c */
void *cn_arena_alloc(struct cn_core *core, size_t bytes);
struct slice cn_arena_keep(struct cn_core *core, struct slice bytes); /* a copy */
void cn_arena_reset(struct cn_core *core);
void cn_arena_release(struct cn_core *core);
struct cn_effect *cn_effect_add(struct cn_core *core, enum cn_effect_kind kind);
struct wire_message *cn_send_node(struct cn_core *core, uint32_t node, enum wire_type type);
struct wire_message *cn_send_master(struct cn_core *core, enum wire_type type);
struct wire_message *cn_reply(struct cn_core *core, uint64_t conn, enum wire_type type);
/* REFUSED; with the row of `chain` when it is not NULL and known. */
void cn_refuse(struct cn_core *core, uint64_t conn, uint64_t request, enum err err,
               const struct cn_chain *chain, const char *text);
void cn_halt(struct cn_core *core, enum err err, const char *text);
/* A person must hear of it, whether anybody listens to the trace or not. */
void cn_alarm(const struct cn_core *core, const struct cn_chain *chain, const char *kind,
              const char *what);
/* The store failed to read: the disk is lost (checklist 40). */
void cn_disk_failed(struct cn_core *core, enum err err);

/* row.c */
void cn_row_to_wire(struct cn_core *core, const struct cn_chain *chain, struct wire_row *ret_row);
bool cn_member_is_me(const struct cn_core *core, const struct wire_member *member);
/* Index of this node's incarnation among the members, or -1. */
int cn_row_my_index(const struct cn_core *core, const struct cn_row *row);
const struct wire_member *cn_predecessor_of(const struct cn_core *core,
                                            const struct cn_chain *chain);
const struct wire_member *cn_successor_of(const struct cn_core *core, const struct cn_chain *chain);
bool cn_event_is_from(const struct cn_event *event, const struct wire_member *member);
void cn_recv_config(struct cn_core *core, const struct wire_message *message);
void cn_recv_rows(struct cn_core *core, const struct wire_rows *rows);
void cn_recv_row_ask(struct cn_core *core, uint32_t node, const struct wire_row_ask *ask);
void cn_recv_decided(struct cn_core *core, const struct wire_decided *decided);
void cn_push_row(struct cn_core *core, struct cn_chain *chain, uint32_t node);
void cn_ask_row(struct cn_core *core, struct cn_chain *chain, uint32_t node);
/* OK, NO_BUCKET, BUCKET_DELETING, or NOT_READY when the client's map is newer than ours. */
enum err cn_bucket_state(const struct cn_core *core, uint64_t bucket, uint64_t map_version);
struct cn_peer *cn_peer(struct cn_core *core, uint32_t node);
void cn_peers_refresh(struct cn_core *core);
void cn_config_pages_drop(struct cn_core *core);

/* chain.c */
struct cn_chain *cn_chain_get(const struct cn_core *core, uint32_t id);
struct cn_chain *cn_chain_make(struct cn_core *core, uint32_t id);
void cn_chain_free(struct cn_core *core, struct cn_chain *chain);
void cn_chain_touch(struct cn_core *core, struct cn_chain *chain);
void cn_chain_changed(struct cn_chain *chain); /* its report */
bool cn_is_serving(const struct cn_chain *chain);
bool cn_is_head(const struct cn_chain *chain);
bool cn_is_tail(const struct cn_chain *chain);
const char *cn_role_name(enum cn_role role);
/* The row in chain->row is newer than the epoch entered: take the role that it gives (R4-R20). */
void cn_enter_epoch(struct cn_core *core, struct cn_chain *chain);
/* Leaves without a newer active row: DECIDED (R28). */
void cn_leave(struct cn_core *core, struct cn_chain *chain, uint64_t epoch);
void cn_chain_halt(struct cn_core *core, struct cn_chain *chain, const char *why);
void cn_chain_stored(struct cn_core *core, struct cn_chain *chain);

/* chain_report.c */
void cn_chain_report(const struct cn_core *core, const struct cn_chain *chain,
                     struct wire_chain_report *ret_report);
bool cn_chain_has_report(const struct cn_chain *chain);

/* load.c */
enum err cn_load(struct cn_core *core);
/* Reads the state row and the end of the pending rows again: what the disk holds. */
enum err cn_load_summary(struct cn_core *core, struct cn_chain *chain);
/* Brings the pending rows into memory (R33). */
enum err cn_load_log(struct cn_core *core, struct cn_chain *chain);

/* entry.c */
struct cn_entry *cn_entry_new(const struct wire_forward *f, struct buf *payload);
/* Does an entry from outside name what its kind needs, and carry what it names? */
bool cn_entry_names_are_sound(const struct wire_forward *f);
bool cn_entry_payload_is_sound(const struct wire_forward *f, struct slice payload);
struct cn_entry *cn_entry_at(const struct cn_chain *chain, uint64_t lsn);
void cn_entry_append(struct cn_core *core, struct cn_chain *chain, struct cn_entry *entry);
void cn_entry_add_waiter(struct cn_entry *entry, uint64_t conn, uint64_t request);
void cn_entries_trim(struct cn_core *core, struct cn_chain *chain);
void cn_entries_drop(struct cn_core *core, struct cn_chain *chain);
void cn_entries_bury(struct cn_core *core);
void cn_entries_forget_conn(struct cn_core *core, uint64_t conn);
/* The chain holds exactly the history that ends in `at`, nothing in memory. */
void cn_entries_reset(struct cn_core *core, struct cn_chain *chain, struct origin at,
                      uint64_t digest);

/* index.c */
void cn_index_add(struct cn_core *core, struct cn_entry *entry);
void cn_index_remove(struct cn_core *core, struct cn_entry *entry);
/* Newest PUT or DELETE of the key with lsn <= limit, or NULL. */
struct cn_entry *cn_index_key(const struct cn_core *core, const struct cn_chain *chain,
                              uint64_t bucket, struct slice key, uint64_t limit);
/* Newest STAGE, ABORT, PART or publishing PUT of the upload with lsn <= limit, or NULL. */
struct cn_entry *cn_index_upload(const struct cn_core *core, const struct cn_chain *chain,
                                 uint64_t high, uint64_t low, uint64_t limit);
struct cn_entry *cn_index_stage(const struct cn_core *core, const struct cn_chain *chain,
                                uint64_t high, uint64_t low, uint32_t index);
struct cn_entry *cn_index_session(const struct cn_core *core, const struct cn_chain *chain,
                                  uint64_t session, uint64_t seq);
/* Newest OPEN, PART, CLOSE or completing PUT of the multipart upload that `f` names, with
 * lsn <= limit, or NULL; and the one before. */
struct cn_entry *cn_index_multi(const struct cn_core *core, const struct cn_chain *chain,
                                const struct wire_forward *f, uint64_t limit);
struct cn_entry *cn_index_multi_before(const struct cn_entry *entry);
/* Newest remembered entry with the token and key of `f`, or NULL. */
struct cn_entry *cn_index_token(const struct cn_core *core, const struct cn_chain *chain,
                                const struct wire_forward *f);

/* session_table.c, session.c */
struct cn_session *cn_session_get(struct cn_core *core, struct cn_chain *chain, uint64_t id);
void cn_sessions_clear(struct cn_chain *chain);
/* Loads every session row and lays the pending entries over it: a new head (R11). */
enum err cn_sessions_accept(struct cn_core *core, struct cn_chain *chain);
void cn_sessions_end(struct cn_chain *chain);
void cn_session_accepted(struct cn_core *core, struct cn_chain *chain,
                         const struct wire_forward *f);
void cn_session_apply(struct cn_core *core, struct cn_chain *chain, const struct cn_entry *entry,
                      struct kv_batch *batch);
void cn_session_settled(struct cn_chain *chain, const struct cn_entry *entry);
struct cn_admission;
/* True: the update is new. False: it was answered, refused, or waits with its first copy. */
bool cn_session_is_new(struct cn_core *core, struct cn_chain *chain,
                       const struct cn_admission *admission);
void cn_session_evict(struct cn_core *core, struct cn_chain *chain, uint64_t keep);
/* Another copy of `entry` gets its outcome, at once or when it is committed. */
void cn_answer_with(struct cn_core *core, struct cn_chain *chain,
                    const struct cn_admission *admission, struct cn_entry *entry);

/* token.c: one effect for all requests with one token (D19) */
bool cn_token_is_remembered(const struct wire_forward *f);
uint64_t cn_token_of_key(const struct wire_forward *f);
/* True: nothing is known of it. False: it was answered, or waits with the first. */
bool cn_token_is_new(struct cn_core *core, struct cn_chain *chain,
                     const struct cn_admission *admission);
/* At admission: when, and which older ones are forgotten with it. */
void cn_token_stamp(struct cn_core *core, struct cn_chain *chain, struct wire_forward *f);
void cn_token_apply(struct cn_core *core, const struct cn_chain *chain,
                    const struct cn_entry *entry, struct kv_batch *batch);

/* recv_put.c: admission at the head */
struct cn_admission {
    uint64_t conn;
    uint64_t request;
    uint64_t epoch;
    uint64_t map_version;
    struct wire_forward f; /* being filled */
    uint8_t condition;
    struct origin match;
    uint64_t mtime_ms;   /* 0: now */
    struct buf *payload; /* borrowed */
};

struct cn_object_state {
    bool exists;
    struct origin version;
    uint64_t size;
    uint64_t checksum;
    uint64_t mtime_ms;
    uint64_t upload_high;
    uint64_t upload_low;
    uint32_t chunk_count;
    uint32_t chunk_bytes;
    uint32_t part_count;
    uint64_t multi_high;
    uint64_t multi_low;
    struct buf *payload; /* owned: inline value or manifest */
};

struct cn_upload_state {
    bool is_open;
    bool is_published; /* by an update in memory */
    uint64_t bucket;
    struct slice key;
    uint32_t count;
    uint32_t chunk_bytes;
    uint64_t bytes;
    uint64_t lsn;
    struct buf *backing; /* owned: key may point into it */
};

void cn_recv_put(struct cn_core *core, const struct cn_event *event);
void cn_recv_delete(struct cn_core *core, const struct cn_event *event);
void cn_recv_stage(struct cn_core *core, const struct cn_event *event);
void cn_recv_abort(struct cn_core *core, const struct cn_event *event);
/* The chain, if this node may consider the update as its head; else it was refused. */
struct cn_chain *cn_admit_chain(struct cn_core *core, const struct cn_admission *admission);
/* Freeze, floor, space, windows, bucket. `is_growing`: needs space. */
bool cn_admit_room(struct cn_core *core, struct cn_chain *chain,
                   const struct cn_admission *admission, bool is_growing);
bool cn_admit_key(struct cn_core *core, const struct cn_admission *admission);
enum err cn_condition(const struct cn_admission *admission, const struct cn_object_state *newest);
/* May a head order something of its own now, that no client asked for? */
bool cn_may_admit_own(const struct cn_chain *chain);
/* Gives the entry its origin, keeps it, forwards it; the client waits. conn 0: nobody waits. */
void cn_admit(struct cn_core *core, struct cn_chain *chain, struct cn_admission *admission);
/* State of a key after every entry with lsn <= limit. */
enum err cn_object_state(struct cn_core *core, const struct cn_chain *chain, uint64_t bucket,
                         struct slice key, uint64_t limit, struct cn_object_state *ret_state);
void cn_object_state_of(const struct cn_entry *entry, struct cn_object_state *ret_state);
void cn_object_state_release(struct cn_object_state *state);
enum err cn_check_upload(struct cn_core *core, const struct cn_chain *chain,
                         const struct wire_forward *f);

/* recv_multipart.c: the outcome of a step of a multipart upload (D18), fixed at the head */
enum err cn_decide_open(struct cn_core *core, const struct cn_chain *chain,
                        struct cn_admission *admission, const struct cn_object_state *newest);
enum err cn_decide_part(struct cn_core *core, const struct cn_chain *chain,
                        const struct cn_admission *admission, const struct cn_object_state *newest);
/* OK: *ret_manifest is owned by the caller and replaces the payload. */
enum err cn_decide_complete(struct cn_core *core, const struct cn_chain *chain,
                            struct cn_admission *admission, const struct cn_object_state *newest,
                            struct buf **ret_manifest);
enum err cn_decide_restamp(struct cn_admission *admission, const struct cn_object_state *newest,
                           bool keep_mtime);

/* multipart.c */
enum err cn_multi_is_open(struct cn_core *core, const struct cn_chain *chain,
                          const struct wire_forward *f, bool *ret_open);
/* The part f->part of the upload that `f` names, after every entry with lsn <= limit; NOT_FOUND. */
enum err cn_part_state(struct cn_core *core, const struct cn_chain *chain,
                       const struct wire_forward *f, uint64_t limit, struct cn_part *ret_part);
enum err cn_parts_collect(struct cn_core *core, const struct cn_chain *chain,
                          const struct wire_forward *f, uint64_t limit,
                          struct cn_parts **ret_parts);
enum err cn_multi_watch(struct cn_core *core, struct cn_chain *chain);

/* recv_forward.c, recv_mark.c, ack.c, positions.c */
void cn_recv_forward(struct cn_core *core, const struct cn_event *event);
void cn_recv_mark(struct cn_core *core, const struct cn_event *event);
void cn_recv_ack(struct cn_core *core, const struct cn_event *event);
/* The chain if the message's epoch is exactly ours; otherwise the peer was told, or asked (R3). */
struct cn_chain *cn_match_epoch(struct cn_core *core, const struct cn_event *event, uint32_t id,
                                uint64_t epoch);
void cn_ask_resend(struct cn_core *core, struct cn_chain *chain);
void cn_forward_one(struct cn_core *core, struct cn_chain *chain, uint32_t node, uint64_t lsn);
void cn_forward_pump(struct cn_core *core, struct cn_chain *chain);
void cn_positions_send(struct cn_core *core, struct cn_chain *chain);
uint64_t cn_stable(const struct cn_chain *chain);
/* Tells both neighbours that this member has halted the chain: none of them goes on (R27). */
void cn_halted_tell(struct cn_core *core, struct cn_chain *chain);
/* The digest of the history up to lsn (<= durable), if it is still known; 0: not. */
uint64_t cn_digest_at(const struct cn_chain *chain, uint64_t lsn);
/* Nothing is under way and the neighbours know it. */
bool cn_is_quiet(const struct cn_chain *chain);

/* commit.c, apply.c */
void cn_commit_to(struct cn_core *core, struct cn_chain *chain, uint64_t lsn);
void cn_progress(struct cn_core *core, struct cn_chain *chain);
void cn_waiters_refuse(struct cn_core *core, struct cn_chain *chain);
void cn_updated(struct cn_core *core, const struct cn_chain *chain, uint64_t conn, uint64_t request,
                uint32_t outcome, struct origin version, struct origin current);
void cn_apply(struct cn_core *core, struct cn_chain *chain, struct cn_entry *entry,
              struct kv_batch *batch);

/* store.c */
/* The bytes of a STAGE entry into the chunks family. */
void cn_chunk_write(const struct cn_entry *entry, struct kv_batch *batch);
void cn_flush(struct cn_core *core);
void cn_recv_stored(struct cn_core *core, const struct cn_event *event);
bool cn_has_writes(const struct cn_core *core, const struct cn_chain *chain);

/* read.c, list.c, list_merge.c, list_parts.c */
void cn_recv_get(struct cn_core *core, const struct cn_event *event);
/* LIST and PARTS_LIST. */
void cn_recv_list(struct cn_core *core, const struct cn_event *event);
bool cn_lease_is_valid(const struct cn_core *core);
/* OK if this node may answer a strong read of the chain at that epoch now (R14). */
enum err cn_read_authority(const struct cn_core *core, const struct cn_chain *chain,
                           uint64_t epoch);
void cn_reads_retry(struct cn_core *core, struct cn_chain *chain);
void cn_reads_refuse(struct cn_core *core, struct cn_chain *chain, enum err err);
void cn_reads_forget_conn(struct cn_core *core, uint64_t conn);
void cn_reads_expire(struct cn_core *core);
void cn_lists_retry(struct cn_core *core);
void cn_lists_free(struct cn_core *core);
void cn_lists_forget_conn(struct cn_core *core, uint64_t conn);
enum err cn_list_scan(struct cn_core *core, const struct wire_list *list,
                      struct wire_list_item *items, uint32_t limit, uint32_t *ret_count,
                      bool *ret_truncated);
/* UPLOAD_GONE: there is no such upload. */
enum err cn_parts_scan(struct cn_core *core, const struct wire_parts_list *list, uint32_t limit,
                       struct wire_parts_listed *ret_listed);

/* sync_source.c, sync_target.c, sync_rows.c */
void cn_source_end(struct cn_chain *chain);
void cn_source_pump(struct cn_core *core, struct cn_chain *chain);
void cn_source_idle(struct cn_core *core, struct cn_chain *chain);
void cn_source_progress(struct cn_core *core, struct cn_chain *chain);
void cn_source_ack(struct cn_core *core, struct cn_chain *chain, const struct wire_ack *ack);
/* The joiner has no space and may be left waiting: nothing depends on it yet. */
bool cn_source_is_waiting(const struct cn_chain *chain);
void cn_recv_sync_ack(struct cn_core *core, const struct cn_event *event);
void cn_target_begin(struct cn_core *core, struct cn_chain *chain);
void cn_target_end(struct cn_core *core, struct cn_chain *chain);
void cn_target_ready(struct cn_core *core, struct cn_chain *chain);
void cn_target_idle(struct cn_core *core, struct cn_chain *chain);
void cn_target_mark(struct cn_core *core, struct cn_chain *chain, const struct wire_mark *mark);
void cn_target_progress(struct cn_core *core, struct cn_chain *chain);
void cn_target_send(struct cn_core *core, struct cn_chain *chain);
/* A range is here and may be written now. */
bool cn_target_has_range(const struct cn_core *core, const struct cn_chain *chain);
/* Writes the next range into the batch; returns its number, or 0. */
uint64_t cn_target_write(struct cn_core *core, struct cn_chain *chain, struct kv_batch *batch);
void cn_target_range_stored(struct cn_core *core, struct cn_chain *chain, uint64_t number);
/* Live entries up to here may be applied to the rows copied so far. */
uint64_t cn_target_apply_limit(const struct cn_chain *chain);
void cn_recv_sync_begin(struct cn_core *core, const struct cn_event *event);
void cn_recv_sync_items(struct cn_core *core, const struct cn_event *event);
void cn_sync_message_release(struct cn_sync_message *message);
/* Packs rows of [cursor, end) of a family. Sets *ret_next to where it stopped (empty: the end).
 * ERR_CORRUPT with *ret_next: the row there is the first one, and its value cannot be read. */
enum err cn_sync_pack(struct cn_core *core, unsigned family, struct slice from, struct slice to,
                      struct buf **ret_rows, struct cn_key *ret_next);
/* Walks packed rows; false when they are malformed. */
struct cn_sync_cursor {
    struct slice rest;
};
bool cn_sync_next(struct cn_sync_cursor *cursor, struct slice *ret_key, struct slice *ret_value);
bool cn_sync_is_valid(const struct wire_sync_items *items, struct slice rows);
unsigned cn_sync_family(unsigned step); /* CN_FAMILY_COUNT after the last */
/* An alarm: the value of a row cannot be read. `then`: what is done about it. */
void cn_sync_damage(const struct cn_core *core, const struct cn_chain *chain, unsigned family,
                    struct slice key, const char *then);

/* heartbeat.c, idle.c, upload.c */
void cn_heartbeat_tick(struct cn_core *core);
void cn_recv_beat_reply(struct cn_core *core, const struct wire_beat_reply *reply);
void cn_lease_installed(struct cn_core *core);
void cn_idle_tick(struct cn_core *core);
void cn_idle_chain(struct cn_core *core, struct cn_chain *chain, bool is_forced);
enum err cn_upload_state(struct cn_core *core, const struct cn_chain *chain, uint64_t high,
                         uint64_t low, struct cn_upload_state *ret_state);
void cn_upload_state_release(struct cn_upload_state *state);
void cn_uploads_tick(struct cn_core *core);
void cn_uploads_free(struct cn_core *core);
bool cn_purge_key(struct slice key, uint64_t *ret_high, uint64_t *ret_low);
void cn_purge_add(struct cn_core *core, uint32_t chain, uint64_t high, uint64_t low, uint64_t lsn);
bool cn_purge_is_due(const struct cn_core *core);
void cn_purge_write(struct cn_core *core, struct kv_batch *batch);

#endif
