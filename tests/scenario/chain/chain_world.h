/* A small world for chain node cores: several of them over memory stores, a scripted master and
 * clients, every message and every STORED under the test's control. One thread, no real time.
 *
 * world_run() delivers everything that is allowed to move, in order, until nothing moves. What a
 * test wants to hold back it holds: stores of a node, links, pushes of the master. */
#ifndef CATENA_TESTS_SCENARIO_CHAIN_CHAIN_WORLD_H
#define CATENA_TESTS_SCENARIO_CHAIN_CHAIN_WORLD_H

#include "base/prng.h"
#include "base/text.h"
#include "chainnode/core/cn_core.h"
#include "tests/lib/kv_memory.h"

enum {
    WORLD_NODES = 6, /* numbered from 1 */
    WORLD_CHAINS = 8,
    WORLD_STORES = 8,
    WORLD_BUCKET = 1,
};

struct world_message {
    uint32_t from;
    uint64_t incarnation;
    uint32_t to;
    struct wire_message message;
};

struct world_reply {
    uint64_t conn;
    struct wire_message message;
};

struct world_node {
    uint32_t id;
    struct world *world;
    uint64_t incarnation;
    struct kv_memory *store;
    struct kv kv;         /* what the core was given */
    struct cn_core *core; /* NULL: not running */
    uint64_t tokens[WORLD_STORES];
    bool is_sync[WORLD_STORES];
    uint32_t tokens_count;
    bool are_stores_held;
    bool is_paused;    /* SIGSTOP: takes no events */
    bool is_deaf;      /* the master's pushes do not reach it */
    bool is_beat_lost; /* heartbeats and their replies are lost */
    uint64_t beats_unanswered;
    uint64_t map_version; /* as it reported */
    bool says_full;       /* the same */
    bool is_flush_due;
    enum err halted;
    uint64_t lease_until_us; /* latest the master granted, by its own clock */
    uint32_t links_reported;
    uint32_t link_reported_peer;
    uint64_t syncs_sent;
};

struct world_row {
    uint64_t epoch;
    uint64_t version;
    struct wire_member members[BOUND_CHAIN_MEMBERS];
    uint32_t members_count;
    struct wire_member joiner;
    bool frozen;
    uint32_t write_floor;
    bool is_synced; /* reported in this epoch */
    bool is_drained;
    bool is_halted;
    bool is_damaged; /* as its tail said last */
};

struct world {
    uint64_t now_us;
    struct world_node nodes[WORLD_NODES + 1];
    struct world_row rows[WORLD_CHAINS];
    uint32_t chains;
    uint64_t version;
    uint8_t bucket_state;
    bool are_leases_off;
    uint64_t lease_us;

    struct world_message *queue;
    size_t queue_count;
    size_t queue_capacity;
    bool is_link_cut[WORLD_NODES + 1][WORLD_NODES + 1];
    /* Called for each message before delivery; false loses it. */
    bool (*filter)(struct world *world, const struct world_message *message, void *context);
    void *filter_context;
    /* Called for each heartbeat that reached the master; true: the test answers it itself. */
    bool (*on_beat)(struct world *world, uint32_t node, const struct wire_heartbeat *beat,
                    void *context);
    void *on_beat_context;

    struct world_reply *replies;
    size_t replies_count;
    size_t replies_capacity;
    uint64_t next_request;
    uint64_t session;
    uint64_t seq[WORLD_CHAINS];

    struct text story;  /* trace lines of all nodes */
    struct text alarms; /* what a person must hear of, of all nodes */
    bool is_telling;
    struct prng prng;
    bool is_shuffled; /* messages move in random order, some twice */
    uint32_t loss_in; /* one in so many is lost, 0 = none */
    uint64_t delivered;
};

struct world *world_new(uint32_t nodes, uint32_t chains);
void world_free(struct world *world);
void world_start(struct world *world, uint32_t node);
/* Stops it; of the batches that were not synced `keep` survive (SIZE_MAX: all, a kill -9). */
void world_crash(struct world *world, uint32_t node, size_t keep);
void world_restart(struct world *world, uint32_t node);

/* A new epoch of the chain: members in order, joiner 0 = none. Current incarnations. Not pushed. */
void world_row(struct world *world, uint32_t chain, const uint32_t *members, uint32_t count,
               uint32_t joiner);
/* Pushes the whole configuration to one node, or to all that listen. */
void world_push(struct world *world, uint32_t node);
void world_push_all(struct world *world);
void world_row_push(struct world *world, uint32_t chain, const char *members, uint32_t joiner);
void world_decided(struct world *world, uint32_t chain, uint32_t node);

/* Delivers messages and completes stores until nothing moves. */
void world_run(struct world *world);
/* Moves time in small steps, with ticks and heartbeats. */
void world_advance(struct world *world, uint64_t us);
bool world_step_message(struct world *world); /* the next one; false: none */
void world_complete_store(struct world *world, uint32_t node);
void world_flush(struct world *world);
size_t world_count_messages(const struct world *world, enum wire_type type);
void world_event(struct world *world, uint32_t node, struct cn_event *event);
void world_lose_messages(struct world *world); /* all that are under way */

/* Clients. Each returns the request number; `seq` 0 takes the next one of the world's session. */
uint64_t world_put_at(struct world *world, uint32_t node, uint32_t chain, uint64_t session,
                      uint64_t seq, const char *key, const char *value, uint8_t condition,
                      struct origin match);
uint64_t world_put(struct world *world, uint32_t chain, const char *key, const char *value);
uint64_t world_delete(struct world *world, uint32_t chain, const char *key);
uint64_t world_get_at(struct world *world, uint32_t node, uint32_t chain, const char *key);
uint64_t world_get(struct world *world, uint32_t chain, const char *key);
uint64_t world_stage(struct world *world, uint32_t chain, const char *key, uint64_t upload,
                     uint32_t index, const char *bytes);
uint64_t world_publish(struct world *world, uint32_t chain, const char *key, uint64_t upload,
                       uint32_t chunks, uint32_t chunk_bytes, uint64_t size);
uint64_t world_abort(struct world *world, uint32_t chain, const char *key, uint64_t upload);
uint64_t world_list(struct world *world, uint32_t node, const char *prefix, const char *after,
                    const char *delimiter, uint32_t limit);
void world_client(struct world *world, uint32_t node, uint64_t conn, struct wire_message *message);
/* The reply to a request, or NULL. */
const struct wire_message *world_reply(const struct world *world, uint64_t request);
void world_forget_replies(struct world *world);

struct cn_chain_view world_view(const struct world *world, uint32_t node, uint32_t chain);
uint32_t world_head(const struct world *world, uint32_t chain);
uint32_t world_tail(const struct world *world, uint32_t chain);
/* Rows of one family of one chain are the same on both nodes. */
bool world_same_rows(const struct world *world, uint32_t chain, uint32_t a, uint32_t b);
size_t world_rows(const struct world *world, uint32_t node, unsigned family, uint32_t chain);
void world_check(const struct world *world);

#endif
