/* Random walks: servers that answer anything, at any time, or nothing. Whatever happens, every
 * operation ends exactly once and the invariants hold after each step. */
#include "core_bench.h"

#include <stdlib.h>

#include "base/prng.h"

enum { STEPS = 6000, SEEDS = 20 };

struct walk {
    struct bench *b;
    struct prng prng;
    uint64_t next_op;
    uint64_t version;
    uint64_t epochs[BENCH_CHAINS];
    uint64_t believed[BENCH_CHAINS]; /* newest epoch of an answer that ended a read */
    uint32_t next_index;             /* of the upload under way */
    uint64_t upload;
};

static struct slice random_key(struct walk *w, char *key)
{
    text_format(key, 16, "k%llu", (unsigned long long)prng_below(&w->prng, 40));
    return slice_of_text(key);
}

static void submit_something(struct walk *w)
{
    static const enum cl_op_kind kinds[] = {
        CL_OP_PUT,   CL_OP_PUT,   CL_OP_DELETE, CL_OP_GET,           CL_OP_GET,
        CL_OP_STAT,  CL_OP_STAGE, CL_OP_STAGE,  CL_OP_LIST,          CL_OP_CHUNK,
        CL_OP_ADMIN, CL_OP_ABORT, CL_OP_MAP,    CL_OP_BUCKET_DELETE, CL_OP_BUCKET_CREATE};
    static const char *const buckets[] = {"photos", "photos", "photos", "music"};
    char key[16];
    struct cl_submit submit = {
        .kind = kinds[prng_below(&w->prng, ARRAY_COUNT(kinds))],
        .op = w->next_op++,
        .key = random_key(w, key),
        .bucket = slice_of_text(buckets[prng_below(&w->prng, ARRAY_COUNT(buckets))]),
        .deadline_us = w->b->now_us + prng_between(&w->prng, 1, 5000000),
    };
    if (submit.kind == CL_OP_STAGE) {
        if (w->next_index == 0 || prng_once_in(&w->prng, 6)) {
            w->upload++;
            w->next_index = 0;
        }
        submit.upload_low = w->upload;
        submit.index = w->next_index++;
        submit.bucket = slice_of_text("photos");
        submit.key = slice_of_text("film");
    }
    if (submit.kind == CL_OP_PUT)
        submit.checksum = checksum_bytes(slice_of(NULL, 0));
    if (submit.kind == CL_OP_CHUNK || submit.kind == CL_OP_ABORT)
        submit.upload_low = 9;
    if (submit.kind == CL_OP_ADMIN)
        submit.admin_op = WIRE_ADMIN_INIT_CHAINS;
    if (submit.kind == CL_OP_MAP)
        submit.version = w->version + prng_below(&w->prng, 2);
    if (submit.kind == CL_OP_LIST)
        submit.key = slice_of(NULL, 0);
    bench_submit(w->b, submit);
}

static struct bench_sent *random_sent(struct walk *w)
{
    uint32_t open[64];
    uint32_t count = 0;
    for (uint32_t i = w->b->sent_count; i > 0 && count < 64; i--)
        if (!w->b->sent[i - 1].is_taken)
            open[count++] = i - 1;
    return count == 0 ? NULL : &w->b->sent[open[prng_below(&w->prng, count)]];
}

/* R19: a read never ends with an answer of an older epoch than the one before. */
static void answer_read(struct walk *w, const struct bench_sent *sent)
{
    uint32_t chain = sent->message.u.get.chain;
    uint64_t epoch = w->epochs[chain] - prng_below(&w->prng, 2);
    uint32_t before = w->b->done_count;
    answer_object(w->b, sent, epoch, "v");
    bool is_believed = w->b->done_count > before && w->b->done[before].err == ERR_OK;
    ck_assert_msg(!is_believed || epoch >= w->believed[chain],
                  "a read of epoch %llu after one of epoch %llu", (unsigned long long)epoch,
                  (unsigned long long)w->believed[chain]);
    if (is_believed)
        w->believed[chain] = epoch;
}

static void answer_well(struct walk *w, const struct bench_sent *sent)
{
    struct wire_message message = {0};
    switch ((unsigned)sent->message.type) {
    case WIRE_PUT:
    case WIRE_DELETE:
    case WIRE_STAGE:
    case WIRE_ABORT:
        answer_updated(w->b, sent, prng_once_in(&w->prng, 5) ? ERR_CONDITION : ERR_OK);
        break;
    case WIRE_GET:
        answer_read(w, sent);
        break;
    case WIRE_LIST:
        message.type = WIRE_LISTED;
        message.u.listed.request = sent->message.u.list.request;
        message.u.listed.chains = sent->message.u.list.chains;
        message.u.listed.chains_count =
            sent->message.u.list.chains_count - (uint32_t)prng_once_in(&w->prng, 8);
        bench_receive(w->b, sent->peer, &message);
        break;
    case WIRE_CHUNK_GET:
        message.type = WIRE_CHUNK;
        message.u.chunk.request = sent->message.u.chunk_get.request;
        message.u.chunk.checksum = checksum_bytes(slice_of(NULL, 0)) + prng_below(&w->prng, 2);
        bench_receive(w->b, sent->peer, &message);
        break;
    case WIRE_ADMIN:
        answer_admin(w->b, sent, ERR_OK, prng_between(&w->prng, 7, 9), w->version);
        break;
    default:
        break;
    }
}

static void change_map(struct walk *w, struct bench_sent *watch)
{
    struct wire_member members[3];
    uint32_t chain = (uint32_t)prng_below(&w->prng, BENCH_CHAINS);
    w->version++;
    struct wire_row row =
        bench_row(members, chain, ++w->epochs[chain], (uint32_t)prng_below(&w->prng, 3),
                  (uint32_t)prng_between(&w->prng, 1, 3));
    struct wire_message message = {.type = WIRE_CONFIG};
    message.u.config = (struct wire_config){
        .request = watch->message.u.watch.request,
        .from_version = watch->message.u.watch.have_version,
        .version = w->version,
        .cluster = {.bytes = {1, 2, 3}},
        .chain_count = BENCH_CHAINS,
        .rows = &row,
        .rows_count = 1,
        .more = prng_once_in(&w->prng, 4),
    };
    bench_receive(w->b, watch->peer, &message);
}

static void answer_something(struct walk *w)
{
    struct bench_sent *sent = random_sent(w);
    if (sent == NULL)
        return;
    sent->is_taken = !prng_once_in(&w->prng, 10); /* else it will be answered twice */
    if (sent->message.type == WIRE_WATCH) {
        change_map(w, sent);
        return;
    }
    if (!prng_once_in(&w->prng, 3)) {
        answer_well(w, sent);
        return;
    }
    enum err err = (enum err)prng_between(&w->prng, 0, ERR_COUNT + 1);
    struct wire_member members[3];
    uint32_t chain = (uint32_t)prng_below(&w->prng, BENCH_CHAINS);
    bool has_row = prng_once_in(&w->prng, 3);
    struct wire_row row = bench_row(members, chain, w->epochs[chain] + (has_row ? 1 : 0),
                                    (uint32_t)prng_below(&w->prng, 3), 2);
    w->epochs[chain] += has_row ? 1 : 0;
    answer_refused(w->b, sent, err, has_row ? &row : NULL);
}

static void step(struct walk *w)
{
    struct cl_event event = {.kind = CL_EVENT_CANCEL};
    uint32_t node = (uint32_t)prng_between(&w->prng, 1, 3);
    uint32_t master = bench_master((uint32_t)prng_below(&w->prng, 2));
    switch (prng_below(&w->prng, 12)) {
    case 0:
    case 1:
    case 2:
        submit_something(w);
        break;
    case 3:
        bench_down(w->b, node);
        break;
    case 4:
        bench_up(w->b, node);
        break;
    case 5:
        if (prng_once_in(&w->prng, 4))
            bench_down(w->b, master);
        break;
    case 6:
        bench_up(w->b, master);
        break;
    case 7:
        bench_advance(w->b, prng_below(&w->prng, 300000));
        break;
    case 8:
        event.op = prng_below(&w->prng, w->next_op + 1);
        if (prng_once_in(&w->prng, 8))
            bench_step(w->b, &event);
        break;
    default:
        answer_something(w);
        break;
    }
}

/* Keeps the bench's queues short. */
static void compact(struct bench *b)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < b->sent_count; i++) {
        bool is_old = b->sent_count > BENCH_QUEUE / 2 && i < b->sent_count / 2;
        if (b->sent[i].is_taken || is_old)
            wire_message_release(&b->sent[i].message);
        else
            b->sent[kept++] = b->sent[i];
    }
    b->sent_count = kept;
}

static void walk(uint64_t seed)
{
    struct walk w = {.b = bench_new(), .next_op = 1, .version = BENCH_EPOCH};
    uint8_t *ended = mem_calloc(STEPS + 2, 1);
    uint64_t ended_count = 0;
    prng_init(&w.prng, seed);
    for (uint32_t i = 0; i < BENCH_CHAINS; i++)
        w.epochs[i] = BENCH_EPOCH;
    for (int i = 0; i <= STEPS; i++) {
        if (i < STEPS)
            step(&w);
        else
            bench_advance(w.b, 60000000); /* past every deadline */
        for (uint32_t d = 0; d < w.b->done_count; d++) {
            uint64_t op = w.b->done[d].op;
            ck_assert_msg(op < w.next_op && !ended[op], "seed %llu: op %llu ended twice",
                          (unsigned long long)seed, (unsigned long long)op);
            ended[op] = 1;
            ended_count++;
            buf_unref(w.b->done[d].payload);
        }
        w.b->done_count = 0;
        compact(w.b);
    }
    ck_assert_msg(ended_count == w.next_op - 1, "seed %llu: %llu of %llu operations ended",
                  (unsigned long long)seed, (unsigned long long)ended_count,
                  (unsigned long long)(w.next_op - 1));
    mem_free(ended);
    bench_free(w.b);
}

START_TEST(every_operation_ends_exactly_once_whatever_servers_do)
{
    const char *one = getenv("CL_SEED");
    uint64_t first = one == NULL ? 1 : strtoull(one, NULL, 10);
    for (uint64_t seed = first; seed < first + (one == NULL ? SEEDS : 1); seed++)
        walk(seed);
}
END_TEST

START_TEST(the_same_seed_takes_the_same_steps)
{
    uint64_t sent[2];
    for (int i = 0; i < 2; i++) {
        struct walk w = {.b = bench_new(), .next_op = 1, .version = BENCH_EPOCH};
        prng_init(&w.prng, 77);
        for (uint32_t c = 0; c < BENCH_CHAINS; c++)
            w.epochs[c] = BENCH_EPOCH;
        for (int s = 0; s < 1000; s++)
            step(&w);
        const struct cl_stats *stats = cl_core_stats(w.b->core);
        sent[i] = stats->sent * 1000003u + stats->retries * 1009u + cl_core_deadline_us(w.b->core);
        bench_free(w.b);
    }
    ck_assert_uint_eq(sent[0], sent[1]);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_operation_ends_exactly_once_whatever_servers_do,
        the_same_seed_takes_the_same_steps,
    };
    return bench_run("cl_random", tests, ARRAY_COUNT(tests));
}
