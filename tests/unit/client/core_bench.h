/* A client core on a bench: the test plays network and servers.
 *
 * Every SEND is copied into `sent`; expect_sent() takes the oldest of a type. Every DONE is copied
 * into `done`. Nodes connect at once unless `nodes_stay_down`. cl_core_check() runs after each
 * step. The cluster: masters 0 and 1, nodes 1..3, chain c = nodes (c, c+1, c+2) mod 3 + 1, epoch
 * 10, bucket "photos" = 7. */
#ifndef CATENA_TESTS_UNIT_CLIENT_CORE_BENCH_H
#define CATENA_TESTS_UNIT_CLIENT_CORE_BENCH_H

#include <check.h>

#include "base/contract.h"
#include "base/hash.h"
#include "base/text.h"
#include "client/core/cl_core.h"
#include "placement/placement.h"

enum { BENCH_QUEUE = 4096, BENCH_CHAINS = 6, BENCH_EPOCH = 10, BENCH_BUCKET = 7 };

struct bench_sent {
    uint32_t peer;
    struct wire_message message; /* copy */
    bool is_taken;
};

struct bench_done {
    uint64_t op;
    enum err err;
    char text[CL_TEXT_BYTES];
    struct cl_result result; /* pointers NULL */
    struct buf *payload;
    char keys[64][64];  /* of a listing */
    uint32_t parts[64]; /* numbers, of a list of parts */
    bool is_taken;
};

struct bench {
    struct cl_core *core;
    struct cl_effects effects;
    uint64_t now_us;
    bool nodes_stay_down;
    bool is_up[8]; /* nodes */
    struct bench_sent *sent;
    uint32_t sent_count;
    struct bench_done *done;
    uint32_t done_count;
    uint64_t session;  /* next one that the master gives */
    bool masters_mute; /* SESSION_OPEN is not answered by itself */
    uint32_t peer_effects;
    char last_address[256];
};

/* A core that knows the map. */
struct bench *bench_new(void);
/* A core before its first tick. */
struct bench *bench_new_bare(void);
void bench_free(struct bench *bench);

void bench_step(struct bench *bench, struct cl_event *event);
void bench_tick(struct bench *bench);
/* Moves the clock, ticking at every deadline on the way. */
void bench_advance(struct bench *bench, uint64_t us);
void bench_up(struct bench *bench, uint32_t peer);
void bench_down(struct bench *bench, uint32_t peer);
void bench_receive(struct bench *bench, uint32_t peer, struct wire_message *message);
uint32_t bench_master(uint32_t slot);

/* Submits with a deadline of 30 s unless set; fills in the bucket "photos" unless set. */
void bench_submit(struct bench *bench, struct cl_submit submit);
void bench_put(struct bench *bench, uint64_t op, const char *key);
void bench_get(struct bench *bench, uint64_t op, const char *key);

/* The oldest message of that type not taken yet; fails the test if there is none. */
struct bench_sent *expect_sent(struct bench *bench, enum wire_type type);
/* How many of that type are not taken. */
uint32_t count_sent(const struct bench *bench, enum wire_type type);
void expect_nothing_sent(const struct bench *bench, enum wire_type type);
struct bench_done *expect_done(struct bench *bench, uint64_t op, enum err err);
void expect_not_done(const struct bench *bench, uint64_t op);

/* Answers. */
void answer_updated(struct bench *bench, const struct bench_sent *sent, enum err outcome);
void answer_refused(struct bench *bench, const struct bench_sent *sent, enum err err,
                    const struct wire_row *row);
void answer_object(struct bench *bench, const struct bench_sent *sent, uint64_t epoch,
                   const char *value);
void answer_admin(struct bench *bench, const struct bench_sent *sent, enum err err, uint64_t value,
                  uint64_t version);

uint32_t bench_chain_of(const char *key);
/* Members first..first+count-1 of the ring of nodes 1..3. */
struct wire_row bench_row(struct wire_member *members, uint32_t chain, uint64_t epoch,
                          uint32_t first, uint32_t count);
/* Installs a row by answering an outstanding poll with a delta. */
void bench_install_row(struct bench *bench, const struct wire_row *row, uint64_t version);

/* Each test file makes its suite with this. */
int bench_run(const char *name, const TTest *const *tests, unsigned count);

#endif
