/* What the files of the Raft core share. Private to config_master/raft. */
#ifndef CATENA_CONFIG_MASTER_RAFT_INTERNAL_H
#define CATENA_CONFIG_MASTER_RAFT_INTERNAL_H

#include "base/contract.h"
#include "base/prng.h"
#include "config_master/raft/raft.h"

enum {
    RAFT_PEERS_MAX = BOUND_MASTERS + 1, /* the configuration and one joiner */
    RAFT_INFLIGHT_MAX = 64,
    RAFT_ROUNDS_KEPT = 256,              /* send times of the newest rounds */
    RAFT_CONFIGURATION_BYTES_MAX = 8192, /* encoded; the bound of its wire field */
    RAFT_UNCOMMITTED_MAX = 65536,        /* entries; beyond, PROPOSE is refused as BUSY */
    RAFT_CATCH_UP_TIMEOUTS = 20,         /* of election_max without progress: the change fails */
};

#define RAFT_SNAPSHOT_BYTES_MAX ((uint64_t)1 << 30)
/* Terms, indexes and rounds that no cluster lives to see: a peer that names a higher one is broken.
 * Rows may hold what was counted on from there; nothing overflows. */
#define RAFT_NUMBER_MAX (UINT64_MAX >> 2)
#define RAFT_STORED_NUMBER_MAX (UINT64_MAX >> 1)

struct raft_entry {
    uint64_t term;
    enum raft_entry_kind kind;
    struct buf *data; /* owned reference or NULL */
};

/* Entries (base, base + count]. The entry at `base` itself is gone, but its term is known; base is
 * at most the snapshot's index, so that slow followers need no snapshot at once. */
struct raft_log {
    uint64_t base_index;
    uint64_t base_term;
    struct raft_entry *entries;
    uint64_t count;
    uint64_t capacity;
};

struct raft_snapshot {
    uint64_t index; /* 0: none */
    uint64_t term;
    struct raft_configuration configuration; /* in use at index */
    struct buf *data;
};

/* How entries flow to a peer: PROBE asks where its log ends, PIPELINE sends without waiting,
 * SNAPSHOT sends chunks. */
enum raft_flow { RAFT_FLOW_PROBE, RAFT_FLOW_PIPELINE, RAFT_FLOW_SNAPSHOT };

struct raft_peer {
    uint32_t id;
    enum raft_flow flow;
    bool is_member;  /* false: a joiner that catches up before it is added */
    bool lost_disk;  /* a member that reports an empty log: refused until re-added */
    bool probe_sent; /* PROBE: one question at a time, repeated by heartbeats */
    uint64_t next;   /* index of the next entry to send */
    uint64_t match;  /* highest index known durable there */
    uint64_t acked_round;
    uint64_t acked_sent_us;      /* when that round was sent */
    uint64_t since_round;        /* answers to rounds up to this one are of an earlier life of that
                                    server, before it was removed and added again: not heard */
    uint64_t member_since_round; /* empty-log reports of later rounds are no stale messages */
    uint64_t inflight_last[RAFT_INFLIGHT_MAX]; /* last index of each message in flight, ascending */
    uint32_t inflight_start;
    uint32_t inflight_count;
    struct raft_snapshot snapshot; /* SNAPSHOT: what is being sent; owns its data */
    uint64_t snapshot_acked;       /* bytes */
    uint64_t snapshot_sent_us;
};

struct raft_proposal {
    uint64_t id;
    uint64_t index;
};

struct raft_read {
    uint64_t id;
    uint64_t index; /* 0: not known before the own-term no-op commits */
    uint64_t round; /* the first round begun after the read arrived */
};

/* A message that waits until the batch `token` is stored. Only kinds without slices wait. */
struct raft_deferred {
    uint64_t token;
    uint32_t to;
    struct wire_message message;
};

/* A batch handed to the store and not yet reported. */
struct raft_write {
    uint64_t token;
    uint64_t last_index; /* the log is durable up to here once stored; lowered by truncation */
};

enum raft_change_phase { RAFT_CHANGE_NONE, RAFT_CHANGE_CATCH_UP };

struct raft_change {
    enum raft_change_phase phase;
    uint64_t id;
    struct raft_configuration configuration;
    struct raft_server joiner;
    uint64_t target_index;
    uint64_t deadline_us; /* moved by progress */
    uint64_t best_match;  /* progress seen so far: entries, then snapshot bytes */
    uint64_t best_bytes;
};

struct raft_transfer {
    bool active;
    bool sent; /* TimeoutNow left in this term: no lease any more (R31) */
    uint64_t id;
    uint32_t target;
    uint64_t deadline_us;
};

struct raft_incoming {
    uint64_t index;
    uint64_t term;
    uint64_t total;
    uint64_t received;
    struct buf *data; /* NULL: nothing is being received */
};

struct raft {
    struct raft_options options;
    struct prng prng;
    uint64_t hold_us; /* election_min and a margin for clocks that run at different rates */

    /* Persistent (Figure 2), as of the last emitted batch. */
    uint64_t term;
    uint32_t vote;
    struct raft_log log;
    struct raft_snapshot snapshot;

    /* Storage. */
    struct kv_batch *batch; /* rows of this step, NULL when none */
    uint64_t next_token;    /* of the batch being filled */
    uint64_t stored_token;
    uint64_t hard_token; /* batch that holds the newest term and vote */
    uint64_t durable_index;
    struct raft_write *writes;
    uint32_t writes_count;
    uint32_t writes_capacity;
    struct raft_deferred *deferred;
    uint32_t deferred_count;
    uint32_t deferred_capacity;

    /* Volatile. */
    uint64_t now_us;
    bool started; /* the first step has told RESTORE and CONFIGURATION */
    bool halted;
    enum raft_role role;
    uint32_t leader;
    uint64_t commit;
    uint64_t applied;
    bool snapshot_asked;
    struct raft_configuration configuration; /* in use: the newest in the log, committed or not */
    uint64_t configuration_index;            /* its entry; 0: from the snapshot or none */
    uint64_t election_deadline_us;
    uint64_t leader_heard_us; /* 0: never */
    uint64_t no_vote_until_us;
    uint32_t votes[BOUND_MASTERS]; /* ids that granted the (pre-)vote of this role */
    uint32_t votes_count;
    bool is_transfer; /* this candidacy was asked for by TimeoutNow */
    struct raft_incoming incoming;

    /* Leader. */
    struct raft_peer peers[RAFT_PEERS_MAX];
    uint32_t peers_count;
    uint64_t leader_since_us;
    uint64_t term_start_index;  /* of the own-term no-op */
    uint64_t term_start_commit; /* when this term began */
    uint64_t round;
    uint64_t round_sent_us[RAFT_ROUNDS_KEPT];
    uint64_t heartbeat_deadline_us;
    struct raft_proposal *proposals;
    uint32_t proposals_count;
    uint32_t proposals_capacity;
    struct raft_read *reads;
    uint32_t reads_count;
    uint32_t reads_capacity;
    struct raft_change change;
    struct raft_transfer transfer;

    /* Last told by ROLE. */
    enum raft_role told_role;
    uint32_t told_leader;
    uint64_t told_term;

    uint64_t refused_messages;
    struct raft_effects *effects; /* of the step in progress, else NULL */
};

#define RAFT_TRACE(raft, ...) TRACE(&(raft)->options.trace, __VA_ARGS__)

/* log.c */
void raft_log_release(struct raft_log *log);
uint64_t raft_log_last_index(const struct raft_log *log);
uint64_t raft_log_last_term(const struct raft_log *log);
/* True if the term of the entry at index is known: base <= index <= last. */
bool raft_log_has(const struct raft_log *log, uint64_t index);
uint64_t raft_log_term(const struct raft_log *log, uint64_t index);
const struct raft_entry *raft_log_at(const struct raft_log *log, uint64_t index);
void raft_log_push(struct raft_log *log, uint64_t term, enum raft_entry_kind kind,
                   struct buf *data);
/* Drops the entries from index on. */
void raft_log_cut(struct raft_log *log, uint64_t index);
/* Drops the entries up to index, whose term stays known. */
void raft_log_compact(struct raft_log *log, uint64_t index);
/* Drops everything; the log continues after (index, term). */
void raft_log_reset(struct raft_log *log, uint64_t index, uint64_t term);

/* storage.c: the meaning of every row. */
enum err raft_storage_load(struct raft *raft, const struct kv *kv);
void raft_storage_write_hard(struct raft *raft);
void raft_storage_write_entry(struct raft *raft, uint64_t index);
void raft_storage_delete_entries(struct raft *raft, uint64_t from, uint64_t to);
void raft_storage_write_snapshot(struct raft *raft);
/* Emits the rows of this step as one STORE. */
void raft_storage_flush(struct raft *raft);
void raft_storage_stored(struct raft *raft, uint64_t token);
/* Token of the batch that makes everything written so far durable. */
uint64_t raft_storage_token(const struct raft *raft);
/* Encodes into out[RAFT_CONFIGURATION_BYTES_MAX]; returns the length. */
size_t raft_configuration_encode(const struct raft_configuration *configuration, uint8_t *out);
/* False when the bytes are no configuration. */
bool raft_configuration_decode(struct slice bytes, struct raft_configuration *ret_configuration);

/* raft.c */
struct raft_effect *raft_emit(struct raft *raft, enum raft_effect_kind kind);
void raft_halt(struct raft *raft, const char *text);
void raft_emit_role(struct raft *raft);
void raft_emit_proposed(struct raft *raft, uint64_t id, enum err err, uint64_t index);
/* Sends once the batch `token` is stored: now, if it is. */
void raft_send_when_stored(struct raft *raft, uint64_t token, uint32_t to,
                           const struct wire_message *message);
void raft_send(struct raft *raft, uint32_t to, const struct wire_message *message);
void raft_refuse(struct raft *raft, const struct wire_message *message, const char *why);

/* election.c */
void raft_election_reset_deadline(struct raft *raft);
void raft_election_tick(struct raft *raft);
void raft_election_stored(struct raft *raft);
/* Follower of term (>= ours); leader 0 = unknown. Ends whatever role there was. */
void raft_become_follower(struct raft *raft, uint64_t term, uint32_t leader);
void raft_receive_vote(struct raft *raft, const struct wire_message *message);
void raft_receive_voted(struct raft *raft, const struct wire_message *message);
/* Shared by append and snapshot: false if the message is of an older term or contradicts what is
 * known (then it is answered or the core halted). Else the sender is our leader. */
bool raft_accept_leader(struct raft *raft, uint64_t term, uint32_t sender);

/* replicate.c: the leader's side. */
void raft_leader_begin(struct raft *raft);
void raft_leader_end(struct raft *raft);
void raft_leader_tick(struct raft *raft);
void raft_leader_stored(struct raft *raft);
uint64_t raft_leader_deadline_us(const struct raft *raft);
/* Appends an entry of this term, sends it on; returns its index. */
uint64_t raft_leader_append(struct raft *raft, enum raft_entry_kind kind, struct buf *data);
/* The same for an entry whose outcome is told under id. */
void raft_leader_propose(struct raft *raft, uint64_t id, enum raft_entry_kind kind,
                         struct buf *data);
void raft_begin_round(struct raft *raft);
void raft_send_entries(struct raft *raft, struct raft_peer *peer, bool heartbeat);
void raft_broadcast(struct raft *raft, bool heartbeat);
void raft_peer_init(struct raft *raft, struct raft_peer *peer, uint32_t id, bool is_member);
void raft_peer_note_round(struct raft *raft, struct raft_peer *peer, uint64_t round);
void raft_peer_set_match(struct raft *raft, struct raft_peer *peer, uint64_t match);
void raft_receive_appended(struct raft *raft, const struct wire_message *message);
struct raft_peer *raft_peer_find(struct raft *raft, uint32_t id);
/* The highest value that a quorum of the configuration has reached. */
enum raft_measure { RAFT_MEASURE_MATCH, RAFT_MEASURE_ROUND, RAFT_MEASURE_SENT };
uint64_t raft_quorum(const struct raft *raft, enum raft_measure measure);
/* Of a leader: has it answered what was sent within the shortest election time-out (as for R31)? */
bool raft_is_answering(const struct raft *raft, uint32_t id);
void raft_leader_advance_commit(struct raft *raft);

/* follow.c: the follower's side, and what both do with committed entries. */
void raft_receive_append(struct raft *raft, const struct wire_message *message);
void raft_advance_commit(struct raft *raft, uint64_t commit);

/* snapshot.c */
void raft_snapshot_taken(struct raft *raft, uint64_t index, struct buf *data);
void raft_snapshot_begin_send(struct raft *raft, struct raft_peer *peer);
void raft_snapshot_send_chunk(struct raft *raft, struct raft_peer *peer);
void raft_receive_snapshot(struct raft *raft, const struct wire_message *message);
void raft_receive_snapshot_ack(struct raft *raft, const struct wire_message *message);
void raft_incoming_release(struct raft *raft);

/* membership.c */
bool raft_configuration_has(const struct raft_configuration *configuration, uint32_t id);
bool raft_is_member(const struct raft *raft, uint32_t id);
uint32_t raft_quorum_size(const struct raft *raft);
/* Takes the newest configuration of the log into use (after append, truncation, restore). */
void raft_membership_update(struct raft *raft);
/* The configuration in use at a committed index. */
void raft_membership_at(const struct raft *raft, uint64_t index,
                        struct raft_configuration *ret_configuration);
void raft_membership_change(struct raft *raft, uint64_t id,
                            const struct raft_configuration *configuration);
void raft_membership_progress(struct raft *raft);
void raft_membership_tick(struct raft *raft);
void raft_membership_committed(struct raft *raft);
void raft_membership_abort(struct raft *raft, enum err err);

/* transfer.c */
void raft_transfer_begin(struct raft *raft, uint64_t id, uint32_t target);
void raft_transfer_progress(struct raft *raft);
void raft_transfer_tick(struct raft *raft);
void raft_transfer_end(struct raft *raft, enum err err);
void raft_receive_timeout_now(struct raft *raft, const struct wire_message *message);
void raft_send_timeout_now(struct raft *raft, uint32_t to);
void raft_start_transfer_election(struct raft *raft); /* election.c */

/* read.c */
void raft_read_begin(struct raft *raft, uint64_t id);
void raft_read_progress(struct raft *raft);
void raft_read_abort(struct raft *raft);

#endif
