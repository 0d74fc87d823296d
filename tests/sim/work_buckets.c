/* Buckets that come and go under load (R37). One client makes a bucket, others put into it, the
 * first deletes it, all at once. A put that was acknowledged and a deletion that was confirmed
 * cannot both be: the bucket had a key that nobody deleted. Names are never used again. */
#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/hash.h"
#include "tests/sim/workload.h"

enum {
    PUTTERS = 6,
    DEADLINE_US = 4000000,
    PAUSE_MAX_US = 400000,
    DELETE_TRIES = 3,
    RACE_MAX_US = 30000, /* about as long as a deletion takes */
};

struct part {
    struct cl_submit submit;
    uint64_t called_us;
    char key[16];
    bool is_planned; /* in this round */
};

/* One round at a time; the world holds no pointer to memory that goes away. */
static struct {
    struct world *world;
    struct workload *workload;
    bool is_running;
    uint32_t round;
    uint32_t under_way;
    char name[16];
    struct buf *bytes; /* what every put writes */
    struct part owner;
    struct part putters[PUTTERS];
    uint32_t acknowledged; /* puts that were, and whose key nobody deleted */
    uint32_t tries;
    bool is_deleted;
} buckets;

static void owner_done(void *context, const struct cl_effect *effect);
static void next_round(struct world *world, void *subject, uint64_t number);

static uint64_t draw(uint64_t low, uint64_t high)
{
    return prng_between(&buckets.world->work_prng, low, high);
}

static struct sim_process *a_client(void)
{
    return process_find(buckets.world, SIM_CLIENT,
                        (uint32_t)draw(1, buckets.world->options.clients));
}

static void submit(struct part *part, struct sim_process *client, sim_done *done)
{
    part->submit.bucket = slice_of_text(buckets.name);
    part->submit.deadline_us = DEADLINE_US;
    part->submit.wall_ms = 1;
    part->called_us = buckets.world->now_us;
    buckets.under_way++;
    sim_client_submit(client, &part->submit, done, part);
}

static void ended(struct part *part, const struct cl_effect *effect)
{
    buckets.under_way--;
    workload_count(buckets.world, &part->submit, effect->result.chain, part->called_us);
}

/* Both are known now: can they be true? */
static void judge(void)
{
    if (buckets.is_deleted && buckets.acknowledged > 0)
        world_fail(buckets.world, "bucket %s was deleted with %u acknowledged keys in it",
                   buckets.name, buckets.acknowledged);
}

static void round_ends(void)
{
    if (buckets.under_way == 0 && buckets.is_running)
        world_plan(buckets.world, draw(1000, PAUSE_MAX_US), next_round, NULL, 0);
}

static void put_done(void *context, const struct cl_effect *effect)
{
    ended(context, effect);
    world_trace(buckets.world, "bucket %s: put %s", buckets.name, err_name(effect->result.err));
    if (effect->result.err == ERR_OK)
        buckets.acknowledged++;
    judge();
    round_ends();
}

static void begin_put(struct world *world, void *subject, uint64_t number)
{
    (void)number;
    struct part *part = subject;
    buckets.under_way--;
    if (!buckets.is_running || world->failed)
        return;
    part->submit = (struct cl_submit){.kind = CL_OP_PUT,
                                      .key = slice_of_text(part->key),
                                      .payload = buckets.bytes,
                                      .size = buckets.bytes->length,
                                      .checksum = checksum_bytes(buf_slice(buckets.bytes))};
    submit(part, a_client(), put_done);
}

static void plan(sim_action *action, struct part *part, uint64_t max_us)
{
    buckets.under_way++; /* the plan counts: the round is not over */
    part->is_planned = true;
    world_plan(buckets.world, draw(1, max_us), action, part, 0);
}

/* Half of those that have not put yet. */
static void plan_puts(uint64_t max_us)
{
    for (uint32_t i = 0; i < PUTTERS; i++) {
        if (!buckets.putters[i].is_planned && draw(0, 1) == 0)
            plan(begin_put, &buckets.putters[i], max_us);
    }
}

static void begin_delete(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    (void)number;
    buckets.under_way--;
    if (!buckets.is_running || world->failed)
        return;
    plan_puts(RACE_MAX_US);
    buckets.owner.submit = (struct cl_submit){.kind = CL_OP_BUCKET_DELETE};
    submit(&buckets.owner, a_client(), owner_done);
}

static void owner_done(void *context, const struct cl_effect *effect)
{
    struct part *part = context;
    ended(part, effect);
    enum err err = effect->result.err;
    bool is_create = part->submit.kind == CL_OP_BUCKET_CREATE;
    world_trace(buckets.world, "bucket %s: %s %s", buckets.name, is_create ? "create" : "delete",
                err_name(err));
    if (is_create && err == ERR_OK) {
        plan_puts(200000);
        plan(begin_delete, part, 200000);
    } else if (!is_create) {
        workload_note_bucket(buckets.workload);
        buckets.is_deleted = err == ERR_OK;
        judge();
        if (err != ERR_OK && err != ERR_NO_BUCKET && ++buckets.tries < DELETE_TRIES)
            plan(begin_delete, part, 200000);
    }
    round_ends();
}

static void next_round(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    (void)number;
    if (!buckets.is_running || world->failed || buckets.world != world || buckets.under_way > 0)
        return;
    buckets.round++;
    text_format(buckets.name, sizeof buckets.name, "b-%u", buckets.round);
    buckets.acknowledged = 0;
    buckets.tries = 0;
    buckets.is_deleted = false;
    for (uint32_t i = 0; i < PUTTERS; i++)
        buckets.putters[i].is_planned = false;
    buckets.owner.submit = (struct cl_submit){.kind = CL_OP_BUCKET_CREATE};
    submit(&buckets.owner, a_client(), owner_done);
}

void buckets_release(void)
{
    buf_unref(buckets.bytes);
    memset(&buckets, 0, sizeof buckets);
}

void buckets_begin(struct workload *workload, struct world *world)
{
    buckets_release();
    buckets.world = world;
    buckets.workload = workload;
    buckets.is_running = true;
    buckets.bytes = buf_copy(slice_of_text("what every put writes"));
    for (uint32_t i = 0; i < PUTTERS; i++)
        text_format(buckets.putters[i].key, sizeof buckets.putters[i].key, "k-%u", i);
    world_plan(world, draw(1000, PAUSE_MAX_US), next_round, NULL, 0);
}

void buckets_end(void)
{
    buckets.is_running = false;
}

bool buckets_are_idle(void)
{
    return buckets.under_way == 0;
}
