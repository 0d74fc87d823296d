/* The cluster's replicated state: what the Raft log's commands build, the same on every master.
 *
 * What it is: nodes, chains, buckets, access keys, counters, settings, and the answers already
 * given to administrative requests. What it is not: liveness, leases, connections, clocks
 * (leader-local, see leader.h). It changes only in cm_state_apply() and cm_state_restore(); both
 * are pure functions of their input, so masters that applied the same commands hold the same bytes
 * (snapshot.c).
 *
 * Versions: `version` is the Raft index of the last change to the published map (active rows,
 * nodes, buckets); each element carries the index of its own last change, and sits in a list
 * ordered by it, so a delta is a walk from the newest end. A decided row (R28), a bucket's
 * configuration and the access keys are no part of the published map. */
#ifndef CATENA_CONFIG_MASTER_CORE_CM_STATE_H
#define CATENA_CONFIG_MASTER_CORE_CM_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bounds.h"
#include "base/list.h"
#include "base/uuid.h"
#include "config_master/core/command.h"
#include "wire/access_key.h"
#include "wire/messages.h"

enum {
    CM_NONCES = 4096,     /* answers remembered; the oldest is forgotten first */
    CM_TOMBSTONES = 1024, /* removed buckets and nodes told in deltas */
    CM_BAD_LINKS = 1024,  /* pairs remembered; the least recently changed is forgotten first */
    CM_SETTINGS = 16,
    CM_ANSWER_TEXT_BYTES = 160,
};

struct cm_node {
    struct list_node change; /* in cm_state.node_changes */
    uint32_t id;
    uint64_t incarnation; /* the newest registered */
    uint64_t dead_below;  /* every lower incarnation is proven dead, or no member (R4) */
    uint64_t disk_since;  /* first incarnation on the present disk: older members' data are gone */
    /* Leases must not be used with a map below this: it tells of a removal of this node (R28). */
    uint64_t fence_version;
    struct uuid disk;
    struct uuid boot;
    char address[BOUND_ADDRESS_BYTES + 1];
    char zone[BOUND_NAME_BYTES + 1];
    uint32_t weight;
    uint32_t pid;
    enum wire_node_state state;
    uint64_t space_total; /* about: for status, no change of the map */
    uint64_t space_free;
    uint64_t version;
};

struct cm_chain {
    struct list_node change; /* in cm_state.chain_changes */
    struct plan_row active;
    /* For each active member: the last epoch in which it was a reader (tail, or any member while
     * any-replica reads were on), 0 = never. R29 compares it with the epoch acknowledged. */
    uint64_t reader_epochs[BOUND_CHAIN_MEMBERS];
    /* R34: some member had committed this far, so each member of the serving set had it on its disk
     * (R8). A disk that returns with less, or with another digest there, went back in time. */
    uint64_t mark;
    uint64_t mark_digest;
    uint64_t mark_since;           /* what was said in older epochs counts no more: CHAIN_FORGET */
    struct list_node decided_link; /* in cm_state.decided_chains */
    bool has_decided;
    struct plan_row decided; /* published to nobody but the members that it removes (R28) */
};

struct cm_bucket {
    struct list_node change; /* in cm_state.bucket_changes */
    uint64_t id;             /* never used twice (R37) */
    char name[BOUND_BUCKET_NAME_MAX + 1];
    enum wire_bucket_state state;
    uint64_t created_ms;
    uint64_t version;
    /* Configuration: bytes that mean nothing here; no part of the published map (D20). */
    uint8_t *config;
    uint32_t config_length;
    uint64_t config_version; /* index of its last change, 0 = there is none */
};

/* An access key: its record (wire/access_key.h), which begins with its id. */
struct cm_key {
    uint8_t *record;
    uint32_t length;
};

/* Something that was in the map and is not any more. */
struct cm_tombstone {
    uint64_t version;
    uint64_t bucket; /* 0: a node */
    uint32_t node;
    char name[BOUND_BUCKET_NAME_MAX + 1];
};

/* What an administrative request was answered. */
struct cm_answer {
    uint64_t nonce;
    enum err err;
    uint64_t value;
    uint64_t version;
    char text[CM_ANSWER_TEXT_BYTES];
};

/* Two nodes that could not talk (R35); low < high. */
struct cm_bad_link {
    uint32_t low;
    uint32_t high;
    uint32_t strikes;
    uint64_t version;
};

struct cm_setting {
    char name[32];
    uint64_t value;
};

struct cm_state {
    struct uuid cluster;
    uint64_t applied; /* index of the last command applied */
    uint64_t version;
    uint64_t head_version; /* index of the last change of any chain's head (R37) */
    uint32_t replicas;
    uint32_t chain_count;
    struct cm_chain *chains;         /* [chain_count] */
    struct list_node decided_chains; /* with a decided row, oldest decision first */
    uint32_t node_count;
    struct cm_node *nodes[BOUND_NODES]; /* ascending id */
    uint32_t bucket_count;
    uint32_t bucket_capacity;
    struct cm_bucket **buckets; /* ascending name */
    uint64_t last_bucket;
    uint64_t configs_bytes; /* of all buckets' configurations */
    uint32_t key_count;
    uint32_t key_capacity;
    struct cm_key *keys;   /* ascending id */
    uint64_t keys_bytes;   /* of all records */
    uint64_t keys_version; /* index of the last change of any key, 0 = never any */
    uint64_t last_session;
    struct list_node chain_changes;
    struct list_node node_changes;
    struct list_node bucket_changes;
    uint32_t tombstone_count;
    struct cm_tombstone tombstones[CM_TOMBSTONES]; /* ascending version */
    uint64_t tombstone_floor; /* removals at or below this version may be forgotten */
    uint32_t answer_count;
    uint32_t answer_next; /* where the next answer goes */
    struct cm_answer answers[CM_NONCES];
    uint32_t bad_link_count;
    struct cm_bad_link bad_links[CM_BAD_LINKS];
    uint32_t setting_count;
    struct cm_setting settings[CM_SETTINGS];
};

struct cm_state *cm_state_new(const struct uuid *cluster);
void cm_state_free(struct cm_state *state);
/* Overwrites the secrets; for cm_state_free(). */
void cm_state_release_keys(struct cm_state *state);

/* What a command did, told while it is applied: for traces and for the leader's books. */
struct cm_observer {
    /* kind 0: an initial row. */
    void (*on_row)(void *context, uint32_t chain, unsigned change_kind);
    void (*on_node)(void *context, uint32_t node, bool is_registered); /* newly */
    void (*on_link)(void *context, uint32_t link);                     /* position in bad_links */
    void (*on_setting)(void *context);
    void (*on_bucket)(void *context, uint64_t bucket);
    void *context;
};

/* Applies one command at a Raft index. ERR_CORRUPT, or ERR_UNSUPPORTED for another format, when it
 * cannot be decoded (nothing is changed):
 * a newer software's command, or a broken log; the process must stop. */
enum err cm_state_apply(struct cm_state *state, uint64_t index, struct slice command,
                        const struct cm_observer *observer);

/* The whole state as bytes, and back. Restore gives a state that cm_state_check() accepts, or
 * ERR_CORRUPT, ERR_UNSUPPORTED (another format) or ERR_WRONG_CLUSTER and nothing. */
struct buf *cm_state_snapshot(const struct cm_state *state);
enum err cm_state_restore(struct slice bytes, const struct uuid *cluster, uint64_t index,
                          struct cm_state **ret_state);
/* NULL, or the first fact that does not hold. */
const char *cm_state_problem(const struct cm_state *state);
/* Asserts that there is none. */
void cm_state_check(const struct cm_state *state);

/* ---- look-ups; NULL when absent ---- */
struct cm_node *cm_state_node(const struct cm_state *state, uint32_t id);
struct cm_bucket *cm_state_bucket(const struct cm_state *state, struct slice name);
struct cm_bucket *cm_state_bucket_by_id(const struct cm_state *state, uint64_t id);
/* Index of the first bucket whose name is greater. */
uint32_t cm_state_bucket_after(const struct cm_state *state, struct slice name);
const struct cm_key *cm_state_key(const struct cm_state *state, struct slice id);
/* Index of the first key whose id is greater. */
uint32_t cm_state_key_after(const struct cm_state *state, struct slice id);
struct slice cm_key_id(const struct cm_key *key);
/* Position of the first node whose id is greater. */
uint32_t cm_state_node_after(const struct cm_state *state, uint32_t id);
const struct cm_answer *cm_state_answer(const struct cm_state *state, uint64_t nonce);
const struct cm_bad_link *cm_state_bad_link(const struct cm_state *state, uint32_t a, uint32_t b);
uint64_t cm_state_setting(const struct cm_state *state, const char *name, uint64_t otherwise);
/* The position of a member in the list, or count. Compares node and incarnation (R4). */
uint32_t cm_member_find(const struct wire_member *members, uint32_t count,
                        struct wire_member member);
static inline bool cm_member_equal(struct wire_member a, struct wire_member b)
{
    return a.node == b.node && a.incarnation == b.incarnation;
}

/* ---- changes, for the apply functions only ---- */
struct cm_node *cm_state_add_node(struct cm_state *state, uint32_t id);
void cm_state_remove_node(struct cm_state *state, struct cm_node *node, uint64_t index);
void cm_state_touch_node(struct cm_state *state, struct cm_node *node, uint64_t index);
struct cm_bucket *cm_state_add_bucket(struct cm_state *state, struct slice name);
void cm_state_remove_bucket(struct cm_state *state, struct cm_bucket *bucket, uint64_t index);
void cm_state_touch_bucket(struct cm_state *state, struct cm_bucket *bucket, uint64_t index);
/* False: over BOUND_BUCKET_CONFIGS_BYTES; nothing is changed. */
bool cm_state_set_bucket_config(struct cm_state *state, struct cm_bucket *bucket,
                                struct slice config, uint64_t index);
/* Adds the key, or replaces the one with that id. False: over BOUND_ACCESS_KEYS or
 * BOUND_ACCESS_KEYS_BYTES; nothing is changed. */
bool cm_state_put_key(struct cm_state *state, const struct wire_access_key *key, uint64_t index);
void cm_state_remove_key(struct cm_state *state, const struct cm_key *key, uint64_t index);
void cm_state_touch_chain(struct cm_state *state, struct cm_chain *chain, uint64_t index);
void cm_state_init_chains(struct cm_state *state, uint32_t count);
void cm_state_add_answer(struct cm_state *state, const struct cm_answer *answer);
/* Returns its position in bad_links; a and b differ. */
uint32_t cm_state_strike_link(struct cm_state *state, uint32_t a, uint32_t b, uint64_t index);
bool cm_state_set_setting(struct cm_state *state, struct slice name, uint64_t value);

/* One wire view of each element; slices and arrays point into the state. */
void cm_node_to_wire(const struct cm_node *node, struct wire_node_info *ret_wire);
void cm_bucket_to_wire(const struct cm_bucket *bucket, struct wire_bucket_info *ret_wire);

#endif
