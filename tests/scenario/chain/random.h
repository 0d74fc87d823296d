/* Random lives of chains: what the files of chain_random share.
 *
 * random_clients.c what clients ask, with maps of their own that may be old; random_check.c what
 * answers and members may say; random_master.c a simple correct master; chain_random.c the weather
 * and the lives. */
#ifndef CATENA_TESTS_SCENARIO_CHAIN_RANDOM_H
#define CATENA_TESTS_SCENARIO_CHAIN_RANDOM_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/contract.h"
#include "tests/scenario/chain/chain_world.h"

enum {
    NODES = 5,
    CHAINS = 2,
    KEYS = 3,
    CLIENTS = 8,
    OPS = 20000,
    ATTEMPTS = OPS * 4,
    LATE = 64,    /* requests that take their time */
    ANCIENT = 16, /* requests that come once more at the very end */
    FRAMES = 48,  /* messages between nodes that come once more later */
    BEATS = 64,   /* answers to heartbeats under way */
    PAST = 1024,
    CHUNKS = 3, /* of an upload, at most */
};

enum op_kind { OP_PUT, OP_CREATE, OP_MATCH, OP_DELETE, OP_UPLOAD, OP_GET, OP_LIST, OP_KINDS };

struct op {
    enum op_kind kind;
    uint32_t chain;
    uint32_t key;
    uint64_t session;
    uint64_t seq;
    struct origin match; /* OP_MATCH */
    uint32_t chunks;     /* OP_UPLOAD */
    uint32_t staged;     /* of them answered */
    struct origin floor; /* newest version known of the key when it was first sent */
    bool is_floor_absent;
    bool is_sent;
    bool is_done;
    bool is_unknown; /* its session is gone: it may have happened */
    bool has_version;
    struct origin version; /* of the update */
};

struct attempt {
    uint64_t request;
    uint32_t op;
    uint32_t node;
    uint32_t stage;      /* 0, or 1 + index of the chunk */
    uint64_t arrived_us; /* the newest copy */
    struct origin floors[KEYS];
    bool are_absent[KEYS];
};

struct key_state {
    struct origin floor; /* newest version acknowledged or read */
    bool is_absent;      /* that version is a delete */
};

/* A row as a client knows it. */
struct client_row {
    uint64_t epoch;
    uint32_t head;
    uint32_t tail;
};

struct client {
    uint32_t op; /* 0 = none */
    uint64_t retry_us;
    uint64_t session;
    uint64_t seqs[CHAINS];
    struct client_row rows[CHAINS];
};

struct late {
    uint32_t node;
    struct wire_message message;
};

struct removal {
    uint32_t node; /* 0 = none */
    uint64_t until_us;
};

struct held_beat {
    uint32_t node;
    uint64_t due_us;
    struct wire_beat_reply reply;
};

/* One in so many, from the seed. */
struct weather {
    uint32_t fault_in;
    uint32_t late_in;
    uint32_t stale_in; /* a client asks under the map it has, although there is a newer one */
    uint32_t store_in;
    uint32_t flush_in;
    uint32_t swap_in;
    uint32_t suspect_in;
    uint32_t push_in;
    uint32_t replay_in;
    uint32_t observe_in;
    uint64_t beat_delay_us;
    bool is_flood;  /* every update in a session of its own */
    bool is_sparse; /* many reconfigurations, few updates, and those come late (R3) */
    uint32_t write_floor;
};

/* Who was in a row, for as many epochs as a life has. */
struct past_row {
    struct wire_member members[BOUND_CHAIN_MEMBERS];
    uint32_t members_count;
};

struct history {
    struct world *world;
    struct prng prng;
    struct weather weather;
    struct op ops[OPS];
    uint32_t ops_count;
    struct attempt attempts[ATTEMPTS];
    uint32_t attempts_count;
    struct key_state keys[CHAINS][KEYS];
    struct client clients[CLIENTS];
    uint64_t last_session;
    struct late late[LATE];
    uint32_t late_count;
    struct late ancient[ANCIENT];
    uint32_t ancient_count;
    struct world_message frames[FRAMES];
    uint32_t frames_count;
    struct held_beat beats[BEATS];
    uint32_t beats_count;
    struct removal removals[CHAINS];
    uint64_t heard_us[NODES + 1]; /* last heartbeat at the master */
    uint64_t restart_us[NODES + 1];
    uint64_t resume_us[NODES + 1];
    uint64_t apart_us[NODES + 1]; /* cut off from nodes and master until then; clients reach it */
    uint64_t deaf_us[NODES + 1];
    uint64_t stall_us[NODES + 1];  /* its disk answers nothing until then */
    uint64_t lapsed_us[NODES + 1]; /* when it was last surely without a lease */
    uint64_t split_us[NODES + 1];  /* cut off from nodes, not from the master */
    uint32_t left_node;            /* the last that was removed */
    uint32_t clogged_node;
    uint64_t clogged_until_us;
    uint64_t committed[CHAINS]; /* by anybody, ever; and the history up to there */
    uint64_t digest[CHAINS];
    struct past_row past[CHAINS][PAST]; /* by epoch */
    uint64_t epochs_seen[NODES + 1][CHAINS];
    uint64_t durable[NODES + 1][CHAINS]; /* as it said before it crashed; 0 = nothing to hold */
    uint64_t reads_checked;
    uint64_t lists_checked;
    uint64_t writes_acked;
    uint64_t uploads_acked;
    uint64_t epochs;
    bool is_calm;
    uint64_t seed;
    uint64_t next_master_us;
};

extern struct history *h;

/* Prints the seed, what is wrong and, if asked for, the story; ends the test. */
void random_fail(void);

#define EXPECT(condition, ...)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "seed %llu: ", (unsigned long long)h->seed);                           \
            fprintf(stderr, __VA_ARGS__);                                                          \
            random_fail();                                                                         \
        }                                                                                          \
    } while (0)

static inline uint64_t below(uint64_t bound)
{
    return prng_below(&h->prng, bound);
}

static inline bool once_in(uint32_t n)
{
    return n != 0 && below(n) == 0;
}

/* random_clients.c */
void client_step(uint32_t index);
void observer_step(void);
void clients_forget_row(uint32_t chain);
void send_attempt(uint32_t index, const struct client_row *row, bool is_final);
void deliver_late(void);
void deliver_ancient(void);
bool clients_are_idle(void);

/* random_check.c */
void note_arrival(const struct wire_message *message);
void note_lapses(void);
void check_replies(void);
void check_members(void);
void note_row(uint32_t chain); /* a new one */
void check_durable_before_crash(uint32_t node);
void check_durable_after_start(uint32_t node);
void check_histories(void);
void check_chunks(uint32_t node);

/* random_master.c */
void master_step(void);
void master_deliver_beats(void);
bool master_on_beat(struct world *world, uint32_t node, const struct wire_heartbeat *beat,
                    void *context);

#endif
