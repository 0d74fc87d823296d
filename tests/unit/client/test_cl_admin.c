/* Calls to the leader; bucket names; deleting a bucket (R37); the retry budget. */
#include "core_bench.h"

static void refuse_with_leader(struct bench *b, const struct bench_sent *sent, const char *address)
{
    struct wire_message message = {.type = WIRE_REFUSED};
    message.u.refused = (struct wire_refused){
        .request = sent->message.u.admin.request,
        .err = ERR_NOT_LEADER,
        .leader = 2,
        .leader_address = slice_of_text(address),
    };
    bench_receive(b, sent->peer, &message);
}

static void admin(struct bench *b, uint64_t op, uint32_t what)
{
    bench_submit(b, (struct cl_submit){.kind = CL_OP_ADMIN, .op = op, .admin_op = what});
}

START_TEST(a_hint_leads_to_the_leader_with_the_same_nonce)
{
    struct bench *b = bench_new();
    admin(b, 1, WIRE_ADMIN_INIT_CHAINS);
    struct bench_sent *first = expect_sent(b, WIRE_ADMIN);
    refuse_with_leader(b, first, first->peer == bench_master(0) ? "10.0.0.2:1" : "10.0.0.1:1");
    bench_advance(b, 5000);
    struct bench_sent *second = expect_sent(b, WIRE_ADMIN);
    ck_assert_uint_ne(second->peer, first->peer);
    ck_assert_uint_eq(second->message.u.admin.nonce, first->message.u.admin.nonce);
    answer_admin(b, second, ERR_OK, 0, 0);
    (void)expect_done(b, 1, ERR_OK);
    admin(b, 2, WIRE_ADMIN_STATUS); /* remembered */
    ck_assert_uint_eq(expect_sent(b, WIRE_ADMIN)->peer, second->peer);
    bench_free(b);
}
END_TEST

START_TEST(a_leader_at_an_unknown_address_is_dialed)
{
    struct bench *b = bench_new();
    admin(b, 1, WIRE_ADMIN_STATUS);
    refuse_with_leader(b, expect_sent(b, WIRE_ADMIN), "10.0.0.3:1");
    bench_tick(b);
    ck_assert_str_eq(b->last_address, "10.0.0.3:1");
    bench_up(b, bench_master(2));
    bench_advance(b, 500000);
    struct bench_sent *last = expect_sent(b, WIRE_ADMIN);
    while (count_sent(b, WIRE_ADMIN) > 0)
        last = expect_sent(b, WIRE_ADMIN);
    ck_assert_uint_eq(last->peer, bench_master(2));
    bench_free(b);
}
END_TEST

START_TEST(without_a_leader_the_masters_are_asked_in_turn)
{
    struct bench *b = bench_new();
    admin(b, 1, WIRE_ADMIN_STATUS);
    struct bench_sent *first = expect_sent(b, WIRE_ADMIN);
    answer_refused(b, first, ERR_NO_LEADER, NULL);
    bench_advance(b, 10000);
    struct bench_sent *second = expect_sent(b, WIRE_ADMIN);
    ck_assert_uint_ne(first->peer, second->peer);
    bench_free(b);
}
END_TEST

START_TEST(a_refusal_by_the_leader_is_reported_with_its_text)
{
    struct bench *b = bench_new();
    admin(b, 1, WIRE_ADMIN_NODE_REMOVE);
    struct bench_sent *sent = expect_sent(b, WIRE_ADMIN);
    struct wire_message message = {.type = WIRE_ADMIN_REPLY};
    message.u.admin_reply = (struct wire_admin_reply){.request = sent->message.u.admin.request,
                                                      .err = ERR_INVALID,
                                                      .text = slice_of_text("node 9 is alive")};
    bench_receive(b, sent->peer, &message);
    ck_assert(strstr(expect_done(b, 1, ERR_INVALID)->text, "node 9 is alive") != NULL);
    bench_free(b);
}
END_TEST

START_TEST(what_has_to_happen_first_is_waited_for_and_named)
{
    struct bench *b = bench_new();
    bench_submit(b, (struct cl_submit){.kind = CL_OP_ADMIN,
                                       .op = 1,
                                       .admin_op = WIRE_ADMIN_NODE_REMOVE,
                                       .deadline_us = b->now_us + 500000});
    uint32_t asked = 0;
    for (unsigned i = 0; i < 100 && b->done_count == 0; i++) {
        while (count_sent(b, WIRE_ADMIN) > 0) {
            struct bench_sent *sent = expect_sent(b, WIRE_ADMIN);
            struct wire_message message = {.type = WIRE_ADMIN_REPLY};
            message.u.admin_reply =
                (struct wire_admin_reply){.request = sent->message.u.admin.request,
                                          .err = ERR_BUSY,
                                          .text = slice_of_text("node 9 is alive; stop it")};
            bench_receive(b, sent->peer, &message);
            asked++;
        }
        bench_advance(b, 10000);
    }
    ck_assert_uint_gt(asked, 1);
    const char *text = expect_done(b, 1, ERR_BUSY)->text;
    ck_assert_msg(strstr(text, "node 9 is alive; stop it; nothing was changed") != NULL, "%s",
                  text);
    ck_assert_msg(strstr(text, "overloaded") == NULL && strstr(text, "too many") == NULL, "%s",
                  text);
    bench_free(b);
}
END_TEST

START_TEST(an_unknown_bucket_is_asked_once_of_the_leader)
{
    struct bench *b = bench_new();
    for (uint64_t op = 1; op <= 3; op++)
        bench_submit(b, (struct cl_submit){.kind = CL_OP_GET,
                                           .op = op,
                                           .bucket = slice_of_text("music"),
                                           .key = slice_of_text("cat")});
    struct bench_sent *ask = expect_sent(b, WIRE_ADMIN);
    ck_assert_uint_eq(ask->message.u.admin.op, WIRE_ADMIN_BUCKET_GET);
    expect_nothing_sent(b, WIRE_ADMIN);
    answer_admin(b, ask, ERR_OK, 8, 500);
    ck_assert_uint_eq(count_sent(b, WIRE_GET), 3);
    struct bench_sent *get = expect_sent(b, WIRE_GET);
    ck_assert_uint_eq(get->message.u.get.bucket, 8);
    ck_assert_uint_eq(get->message.u.get.map_version, 500); /* nodes that are older must wait */
    bench_free(b);
}
END_TEST

START_TEST(a_bucket_that_the_leader_does_not_know_ends_all_who_wait)
{
    struct bench *b = bench_new();
    for (uint64_t op = 1; op <= 2; op++)
        bench_submit(b, (struct cl_submit){.kind = CL_OP_STAT,
                                           .op = op,
                                           .bucket = slice_of_text("music"),
                                           .key = slice_of_text("cat")});
    answer_admin(b, expect_sent(b, WIRE_ADMIN), ERR_NO_BUCKET, 0, 0);
    (void)expect_done(b, 1, ERR_NO_BUCKET);
    ck_assert(strstr(expect_done(b, 2, ERR_NO_BUCKET)->text, "stat music/cat") != NULL);
    bench_free(b);
}
END_TEST

START_TEST(a_recreated_bucket_is_found_under_its_new_id)
{
    struct bench *b = bench_new();
    bench_put(b, 1, "cat");
    struct bench_sent *put = expect_sent(b, WIRE_PUT);
    answer_refused(b, put, ERR_NO_BUCKET, NULL);
    bench_advance(b, 10000);
    struct bench_sent *ask = expect_sent(b, WIRE_ADMIN);
    ck_assert_uint_eq(ask->message.u.admin.op, WIRE_ADMIN_BUCKET_GET);
    answer_admin(b, ask, ERR_OK, 9, 600);
    struct bench_sent *again = expect_sent(b, WIRE_PUT);
    ck_assert_uint_eq(again->message.u.put.bucket, 9);
    ck_assert_uint_eq(again->message.u.put.chain, pl_hash(9, slice_of_text("cat"), BENCH_CHAINS));
    bench_free(b);
}
END_TEST

START_TEST(create_bucket_makes_it_known)
{
    struct bench *b = bench_new();
    bench_submit(b, (struct cl_submit){
                        .kind = CL_OP_BUCKET_CREATE, .op = 1, .bucket = slice_of_text("music")});
    struct bench_sent *create = expect_sent(b, WIRE_ADMIN);
    bench_advance(b, 1500000);
    struct bench_sent *again = expect_sent(b, WIRE_ADMIN);
    ck_assert_uint_eq(again->message.u.admin.nonce, create->message.u.admin.nonce);
    answer_admin(b, again, ERR_OK, 8, 500);
    (void)expect_done(b, 1, ERR_OK);
    bench_submit(b, (struct cl_submit){.kind = CL_OP_GET,
                                       .op = 2,
                                       .bucket = slice_of_text("music"),
                                       .key = slice_of_text("cat")});
    ck_assert_uint_eq(expect_sent(b, WIRE_GET)->message.u.get.bucket, 8);
    bench_free(b);
}
END_TEST

static void answer_parts(struct bench *b, const char *key)
{
    while (count_sent(b, WIRE_LIST) > 0) {
        struct bench_sent *list = expect_sent(b, WIRE_LIST);
        struct wire_list_item item = {.version = {.epoch = 1, .lsn = 1}};
        struct wire_message message = {.type = WIRE_LISTED};
        if (key != NULL)
            item.key = slice_of_text(key);
        message.u.listed = (struct wire_listed){
            .request = list->message.u.list.request,
            .chains = list->message.u.list.chains,
            .chains_count = list->message.u.list.chains_count,
            .items = &item,
            .items_count = key == NULL ? 0 : 1,
        };
        bench_receive(b, list->peer, &message);
        key = NULL;
    }
}

static struct bench_sent *begin_delete(struct bench *b)
{
    bench_submit(b, (struct cl_submit){.kind = CL_OP_BUCKET_DELETE, .op = 1});
    struct bench_sent *mark = expect_sent(b, WIRE_ADMIN);
    ck_assert_uint_eq(mark->message.u.admin.op, WIRE_ADMIN_BUCKET_DELETE);
    ck_assert_uint_eq(mark->message.u.admin.a, 0);
    expect_nothing_sent(b, WIRE_LIST); /* not before the heads are fenced */
    answer_admin(b, mark, ERR_OK, BENCH_BUCKET, 700);
    return mark;
}

START_TEST(an_empty_bucket_is_marked_looked_at_and_finished)
{
    struct bench *b = bench_new();
    struct bench_sent *mark = begin_delete(b);
    ck_assert_uint_eq(count_sent(b, WIRE_LIST), 3);
    answer_parts(b, NULL);
    struct bench_sent *finish = expect_sent(b, WIRE_ADMIN);
    ck_assert_uint_eq(finish->message.u.admin.a, 1);
    ck_assert_uint_ne(finish->message.u.admin.nonce, mark->message.u.admin.nonce);
    expect_not_done(b, 1);
    answer_admin(b, finish, ERR_OK, 0, 701);
    (void)expect_done(b, 1, ERR_OK);
    bench_get(b, 2, "cat"); /* forgotten: the leader is asked */
    ck_assert_uint_eq(expect_sent(b, WIRE_ADMIN)->message.u.admin.op, WIRE_ADMIN_BUCKET_GET);
    bench_free(b);
}
END_TEST

START_TEST(a_bucket_with_an_object_is_reverted)
{
    struct bench *b = bench_new();
    (void)begin_delete(b);
    answer_parts(b, "cat");
    struct bench_sent *revert = expect_sent(b, WIRE_ADMIN);
    ck_assert_uint_eq(revert->message.u.admin.a, 2);
    answer_admin(b, revert, ERR_OK, 0, 701);
    (void)expect_done(b, 1, ERR_BUCKET_NOT_EMPTY);
    bench_free(b);
}
END_TEST

START_TEST(a_deletion_whose_look_is_void_begins_again)
{
    struct bench *b = bench_new();
    struct bench_sent *mark = begin_delete(b);
    answer_parts(b, NULL);
    struct bench_sent *finish = expect_sent(b, WIRE_ADMIN);
    answer_admin(b, finish, ERR_NOT_READY, 0, 0); /* a chain has another head */
    bench_advance(b, 10000);
    struct bench_sent *again = expect_sent(b, WIRE_ADMIN);
    ck_assert_uint_eq(again->message.u.admin.a, 0);
    ck_assert_uint_ne(again->message.u.admin.nonce, mark->message.u.admin.nonce);
    answer_admin(b, again, ERR_OK, BENCH_BUCKET, 800);
    ck_assert_uint_eq(count_sent(b, WIRE_LIST), 3); /* looked at anew */
    bench_free(b);
}
END_TEST

START_TEST(status_is_asked_of_the_leader_when_a_follower_answered)
{
    struct bench *b = bench_new();
    struct bench_sent *watch = expect_sent(b, WIRE_WATCH);
    struct wire_master_info masters[2] = {
        {.master = 1, .address = slice_of_text("10.0.0.1:1")},
        {.master = 2, .address = slice_of_text("10.0.0.2:1")},
    };
    struct wire_message message = {.type = WIRE_CONFIG};
    message.u.config = (struct wire_config){.request = watch->message.u.watch.request,
                                            .from_version = BENCH_EPOCH,
                                            .version = BENCH_EPOCH + 1,
                                            .cluster = {.bytes = {1, 2, 3}},
                                            .chain_count = BENCH_CHAINS,
                                            .masters = masters,
                                            .masters_count = 2};
    bench_receive(b, watch->peer, &message);
    admin(b, 1, WIRE_ADMIN_STATUS);
    struct bench_sent *first = expect_sent(b, WIRE_ADMIN);
    uint32_t follower = first->peer == bench_master(0) ? 1 : 2;
    struct wire_message reply = {.type = WIRE_ADMIN_REPLY};
    reply.u.admin_reply = (struct wire_admin_reply){
        .request = first->message.u.admin.request, .value = follower, .leader = 3 - follower};
    bench_receive(b, first->peer, &reply);
    expect_not_done(b, 1);
    struct bench_sent *second = expect_sent(b, WIRE_ADMIN);
    ck_assert_uint_ne(second->peer, first->peer);
    reply.u.admin_reply.request = second->message.u.admin.request;
    reply.u.admin_reply.value = 3 - follower;
    bench_receive(b, second->peer, &reply);
    (void)expect_done(b, 1, ERR_OK);
    bench_free(b);
}
END_TEST

START_TEST(a_deletion_that_runs_out_of_time_takes_its_mark_back)
{
    struct bench *b = bench_new();
    (void)begin_delete(b);
    bench_advance(b, 31000000); /* no tail answers */
    (void)expect_done(b, 1, ERR_TIMEOUT);
    struct bench_sent *revert = expect_sent(b, WIRE_ADMIN);
    ck_assert_uint_eq(revert->message.u.admin.a, 2);
    bench_free(b);
}
END_TEST

START_TEST(retries_stay_within_the_budget)
{
    struct bench *b = bench_new();
    uint64_t before = cl_core_stats(b->core)->sent;
    char key[16];
    for (uint64_t op = 1; op <= 500; op++) {
        text_format(key, sizeof key, "k%llu", (unsigned long long)op);
        bench_get(b, op, key);
    }
    /* An overloaded cluster refuses everything for five seconds. */
    uint64_t end_us = b->now_us + 5000000;
    while (b->now_us < end_us) {
        for (uint32_t i = 0; i < b->sent_count; i++)
            if (!b->sent[i].is_taken && b->sent[i].message.type == WIRE_GET) {
                b->sent[i].is_taken = true;
                answer_refused(b, &b->sent[i], ERR_BUSY, NULL);
            }
        for (uint32_t i = 0; i < b->sent_count; i++) /* all are taken: make room */
            wire_message_release(&b->sent[i].message);
        b->sent_count = 0;
        bench_advance(b, 10000);
    }
    uint64_t sent = cl_core_stats(b->core)->sent - before;
    ck_assert_uint_le(sent, 500 + 2000 + 5 * 500 + 500); /* first tries, burst, refill, slack */
    ck_assert_uint_gt(cl_core_stats(b->core)->budget_waits, 0);
    bench_free(b);
}
END_TEST

START_TEST(too_many_operations_are_refused_at_once)
{
    static const struct slice master = {(const uint8_t *)"10.0.0.1:1", 10};
    struct cl_options options = {.masters = &master, .masters_count = 1, .ops_max = 2};
    struct bench *b = bench_new_bare();
    cl_core_free(b->core);
    b->core = cl_core_new(&options, 1, b->now_us);
    bench_get(b, 1, "a");
    bench_get(b, 2, "b");
    bench_get(b, 3, "c");
    (void)expect_done(b, 3, ERR_BUSY);
    expect_not_done(b, 1);
    bench_free(b);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_hint_leads_to_the_leader_with_the_same_nonce,
        a_leader_at_an_unknown_address_is_dialed,
        without_a_leader_the_masters_are_asked_in_turn,
        a_refusal_by_the_leader_is_reported_with_its_text,
        what_has_to_happen_first_is_waited_for_and_named,
        an_unknown_bucket_is_asked_once_of_the_leader,
        a_bucket_that_the_leader_does_not_know_ends_all_who_wait,
        a_recreated_bucket_is_found_under_its_new_id,
        create_bucket_makes_it_known,
        an_empty_bucket_is_marked_looked_at_and_finished,
        a_bucket_with_an_object_is_reverted,
        a_deletion_whose_look_is_void_begins_again,
        status_is_asked_of_the_leader_when_a_follower_answered,
        a_deletion_that_runs_out_of_time_takes_its_mark_back,
        retries_stay_within_the_budget,
        too_many_operations_are_refused_at_once,
    };
    return bench_run("cl_admin", tests, ARRAY_COUNT(tests));
}
