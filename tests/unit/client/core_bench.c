#include "core_bench.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const struct slice master_addresses[] = {
    {(const uint8_t *)"10.0.0.1:1", 10},
    {(const uint8_t *)"10.0.0.2:1", 10},
};

uint32_t bench_master(uint32_t slot)
{
    return CL_PEER_MASTER | slot;
}

struct wire_row bench_row(struct wire_member *members, uint32_t chain, uint64_t epoch,
                          uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        members[i] = (struct wire_member){.node = (first + i) % 3 + 1, .incarnation = 1};
    return (struct wire_row){
        .chain = chain,
        .epoch = epoch,
        .version = epoch,
        .members = members,
        .members_count = count,
        .replicas = 3,
    };
}

uint32_t bench_chain_of(const char *key)
{
    return pl_hash(BENCH_BUCKET, slice_of_text(key), BENCH_CHAINS);
}

static void note_done(struct bench *bench, const struct cl_effect *effect)
{
    ck_assert_uint_lt(bench->done_count, BENCH_QUEUE);
    struct bench_done *done = &bench->done[bench->done_count++];
    done->op = effect->op;
    done->err = effect->result.err;
    text_format(done->text, sizeof done->text, "%s", effect->result.text);
    done->result = effect->result;
    for (uint32_t i = 0; i < effect->result.items_count && i < 64; i++)
        text_format(done->keys[i], sizeof done->keys[i], "%.*s",
                    (int)effect->result.items[i].key.length,
                    (const char *)effect->result.items[i].key.data);
    for (uint32_t i = 0; i < effect->result.parts_count && i < 64; i++)
        done->parts[i] = effect->result.parts[i].number;
    done->payload = buf_ref(effect->message.payload);
}

static void note_sent(struct bench *bench, const struct cl_effect *effect)
{
    ck_assert_uint_lt(bench->sent_count, BENCH_QUEUE);
    struct bench_sent *sent = &bench->sent[bench->sent_count++];
    sent->peer = effect->peer;
    sent->is_taken = false;
    wire_message_copy(&effect->message, &sent->message);
}

static void answer_sessions(struct bench *bench)
{
    for (uint32_t i = 0; i < bench->sent_count; i++) {
        struct bench_sent *sent = &bench->sent[i];
        if (bench->masters_mute || sent->is_taken || sent->message.type != WIRE_ADMIN ||
            sent->message.u.admin.op != WIRE_ADMIN_SESSION_OPEN)
            continue;
        sent->is_taken = true;
        answer_admin(bench, sent, ERR_OK, bench->session++, 0);
    }
}

void bench_step(struct bench *bench, struct cl_event *event)
{
    uint32_t connect[8];
    uint32_t connect_count = 0;
    event->now_us = bench->now_us;
    cl_core_step(bench->core, event, &bench->effects);
    for (uint32_t i = 0; i < bench->effects.count; i++) {
        const struct cl_effect *effect = &bench->effects.items[i];
        if (effect->kind == CL_EFFECT_SEND)
            note_sent(bench, effect);
        else if (effect->kind == CL_EFFECT_DONE)
            note_done(bench, effect);
        else {
            bench->peer_effects++;
            text_format(bench->last_address, sizeof bench->last_address, "%s", effect->address);
            bool is_node = (effect->peer & CL_PEER_MASTER) == 0;
            if (is_node && effect->address[0] != '\0' && !bench->nodes_stay_down)
                connect[connect_count++] = effect->peer;
        }
    }
    cl_effects_clear(&bench->effects);
    cl_core_check(bench->core);
    for (uint32_t i = 0; i < connect_count; i++)
        bench_up(bench, connect[i]);
    answer_sessions(bench);
}

void bench_tick(struct bench *bench)
{
    struct cl_event event = {.kind = CL_EVENT_TICK};
    bench_step(bench, &event);
}

void bench_advance(struct bench *bench, uint64_t us)
{
    uint64_t end = bench->now_us + us;
    for (int guard = 0; guard < 1000000; guard++) {
        uint64_t deadline = cl_core_deadline_us(bench->core);
        if (deadline > end)
            break;
        if (deadline > bench->now_us)
            bench->now_us = deadline;
        bench_tick(bench);
        ck_assert_msg(cl_core_deadline_us(bench->core) > bench->now_us, "the core spins");
    }
    bench->now_us = end;
    bench_tick(bench);
}

void bench_up(struct bench *bench, uint32_t peer)
{
    struct cl_event event = {.kind = CL_EVENT_PEER_UP, .peer = peer};
    bench_step(bench, &event);
}

void bench_down(struct bench *bench, uint32_t peer)
{
    struct cl_event event = {
        .kind = CL_EVENT_PEER_DOWN, .peer = peer, .err = ERR_UNREACHABLE, .text = "refused"};
    bench_step(bench, &event);
}

void bench_receive(struct bench *bench, uint32_t peer, struct wire_message *message)
{
    struct cl_event event = {.kind = CL_EVENT_RECEIVE, .peer = peer, .message = message};
    bench_step(bench, &event);
}

struct bench *bench_new_bare(void)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct cl_options options = {.masters = master_addresses, .masters_count = 2};
    bench->sent = calloc(BENCH_QUEUE, sizeof *bench->sent);
    bench->done = calloc(BENCH_QUEUE, sizeof *bench->done);
    bench->now_us = 1000000;
    bench->session = 100;
    bench->core = cl_core_new(&options, 1, bench->now_us);
    cl_effects_init(&bench->effects);
    return bench;
}

static void send_first_map(struct bench *bench)
{
    struct wire_member members[BENCH_CHAINS][3];
    struct wire_row rows[BENCH_CHAINS];
    struct wire_node_info nodes[3] = {0};
    struct wire_bucket_info bucket = {
        .bucket = BENCH_BUCKET,
        .name = slice_of_text("photos"),
        .state = WIRE_BUCKET_ACTIVE,
        .version = 5,
    };
    static const char *const addresses[] = {"10.0.1.1:1", "10.0.1.2:1", "10.0.1.3:1"};
    for (uint32_t i = 0; i < BENCH_CHAINS; i++)
        rows[i] = bench_row(members[i], i, BENCH_EPOCH, i, 3);
    for (uint32_t i = 0; i < 3; i++) {
        nodes[i].node = i + 1;
        nodes[i].incarnation = 1;
        nodes[i].address = slice_of_text(addresses[i]);
    }
    struct bench_sent *watch = expect_sent(bench, WIRE_WATCH);
    struct wire_message message = {.type = WIRE_CONFIG};
    message.u.config = (struct wire_config){
        .request = watch->message.u.watch.request,
        .version = BENCH_EPOCH,
        .cluster = {.bytes = {1, 2, 3}},
        .chain_count = BENCH_CHAINS,
        .replicas = 3,
        .rows = rows,
        .rows_count = BENCH_CHAINS,
        .nodes = nodes,
        .nodes_count = 3,
        .buckets = &bucket,
        .buckets_count = 1,
    };
    bench_receive(bench, watch->peer, &message);
}

struct bench *bench_new(void)
{
    struct bench *bench = bench_new_bare();
    bench_tick(bench);
    bench_up(bench, bench_master(0));
    bench_up(bench, bench_master(1));
    send_first_map(bench);
    ck_assert(cl_core_map(bench->core)->is_installed);
    return bench;
}

void bench_free(struct bench *bench)
{
    for (uint32_t i = 0; i < bench->sent_count; i++)
        wire_message_release(&bench->sent[i].message);
    for (uint32_t i = 0; i < bench->done_count; i++)
        buf_unref(bench->done[i].payload);
    cl_effects_release(&bench->effects);
    cl_core_free(bench->core);
    free(bench->sent);
    free(bench->done);
    free(bench);
}

void bench_submit(struct bench *bench, struct cl_submit submit)
{
    if (submit.deadline_us == 0)
        submit.deadline_us = bench->now_us + 30000000;
    if (submit.bucket.length == 0 && submit.kind != CL_OP_ADMIN)
        submit.bucket = slice_of_text("photos");
    struct cl_event event = {.kind = CL_EVENT_SUBMIT, .submit = &submit};
    bench_step(bench, &event);
}

void bench_put(struct bench *bench, uint64_t op, const char *key)
{
    struct buf *payload = buf_copy(slice_of_text("value"));
    bench_submit(bench, (struct cl_submit){.kind = CL_OP_PUT,
                                           .op = op,
                                           .key = slice_of_text(key),
                                           .payload = payload,
                                           .size = payload->length,
                                           .checksum = checksum_bytes(buf_slice(payload))});
    buf_unref(payload);
}

void bench_get(struct bench *bench, uint64_t op, const char *key)
{
    bench_submit(bench, (struct cl_submit){.kind = CL_OP_GET, .op = op, .key = slice_of_text(key)});
}

struct bench_sent *expect_sent(struct bench *bench, enum wire_type type)
{
    for (uint32_t i = 0; i < bench->sent_count; i++) {
        struct bench_sent *sent = &bench->sent[i];
        if (!sent->is_taken && sent->message.type == type) {
            sent->is_taken = true;
            return sent;
        }
    }
    ck_abort_msg("no %s was sent", wire_type_name(type));
    return NULL;
}

uint32_t count_sent(const struct bench *bench, enum wire_type type)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < bench->sent_count; i++)
        count += !bench->sent[i].is_taken && bench->sent[i].message.type == type;
    return count;
}

void expect_nothing_sent(const struct bench *bench, enum wire_type type)
{
    ck_assert_msg(count_sent(bench, type) == 0, "%s was sent", wire_type_name(type));
}

struct bench_done *expect_done(struct bench *bench, uint64_t op, enum err err)
{
    for (uint32_t i = 0; i < bench->done_count; i++) {
        struct bench_done *done = &bench->done[i];
        if (done->op != op || done->is_taken)
            continue;
        ck_assert_msg(done->err == err, "op %llu ended with %s (%s), not %s",
                      (unsigned long long)op, err_name(done->err), done->text, err_name(err));
        done->is_taken = true;
        return done;
    }
    ck_abort_msg("op %llu has not ended", (unsigned long long)op);
    return NULL;
}

void expect_not_done(const struct bench *bench, uint64_t op)
{
    for (uint32_t i = 0; i < bench->done_count; i++)
        ck_assert_msg(bench->done[i].op != op || bench->done[i].is_taken,
                      "op %llu ended with %s (%s)", (unsigned long long)op,
                      err_name(bench->done[i].err), bench->done[i].text);
}

void answer_updated(struct bench *bench, const struct bench_sent *sent, enum err outcome)
{
    struct wire_message message = {.type = WIRE_UPDATED};
    message.u.updated = (struct wire_updated){
        .request = wire_message_request(&sent->message),
        .epoch = BENCH_EPOCH,
        .outcome = (uint32_t)outcome,
        .version = {.epoch = BENCH_EPOCH, .lsn = 77},
        .current = {.epoch = BENCH_EPOCH, .lsn = 66},
        .replicas_durable = 3,
    };
    if (sent->message.type == WIRE_PUT)
        message.u.updated.chain = sent->message.u.put.chain;
    bench_receive(bench, sent->peer, &message);
}

void answer_refused(struct bench *bench, const struct bench_sent *sent, enum err err,
                    const struct wire_row *row)
{
    struct wire_message message = {.type = WIRE_REFUSED};
    message.u.refused = (struct wire_refused){
        .request = wire_message_request(&sent->message),
        .err = (uint32_t)err,
        .rows = row,
        .rows_count = row == NULL ? 0 : 1,
    };
    bench_receive(bench, sent->peer, &message);
}

void answer_object(struct bench *bench, const struct bench_sent *sent, uint64_t epoch,
                   const char *value)
{
    struct wire_message message = {.type = WIRE_OBJECT};
    struct slice bytes = slice_of_text(value);
    message.u.object = (struct wire_object){
        .request = sent->message.u.get.request,
        .chain = sent->message.u.get.chain,
        .epoch = epoch,
        .version = {.epoch = 3, .lsn = 4},
        .size = bytes.length,
        .checksum = checksum_bytes(bytes),
    };
    message.payload = sent->message.u.get.want_value ? buf_copy(bytes) : NULL;
    bench_receive(bench, sent->peer, &message);
    buf_unref(message.payload);
}

void answer_admin(struct bench *bench, const struct bench_sent *sent, enum err err, uint64_t value,
                  uint64_t version)
{
    struct wire_message message = {.type = WIRE_ADMIN_REPLY};
    message.u.admin_reply = (struct wire_admin_reply){
        .request = sent->message.u.admin.request,
        .err = (uint32_t)err,
        .value = value,
        .version = version,
    };
    bench_receive(bench, sent->peer, &message);
}

void bench_install_row(struct bench *bench, const struct wire_row *row, uint64_t version)
{
    struct bench_sent *watch = expect_sent(bench, WIRE_WATCH);
    struct wire_message message = {.type = WIRE_CONFIG};
    message.u.config = (struct wire_config){
        .request = watch->message.u.watch.request,
        .from_version = watch->message.u.watch.have_version,
        .version = version,
        .cluster = {.bytes = {1, 2, 3}},
        .chain_count = BENCH_CHAINS,
        .replicas = 3,
        .rows = row,
        .rows_count = row == NULL ? 0 : 1,
    };
    bench_receive(bench, watch->peer, &message);
}

int bench_run(const char *name, const TTest *const *tests, unsigned count)
{
    Suite *suite = suite_create(name);
    TCase *cases = tcase_create(name);
    tcase_set_timeout(cases, 60);
    for (unsigned i = 0; i < count; i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
