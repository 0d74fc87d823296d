/* Routing by the map, redirection by newer rows, failover. */
#include "core_bench.h"

START_TEST(a_get_goes_to_the_tail)
{
    struct bench *b = bench_new();
    bench_get(b, 1, "cat");
    struct bench_sent *get = expect_sent(b, WIRE_GET);
    ck_assert_uint_eq(get->peer, (bench_chain_of("cat") + 2) % 3 + 1);
    answer_object(b, get, BENCH_EPOCH, "meow");
    struct bench_done *done = expect_done(b, 1, ERR_OK);
    ck_assert_uint_eq(done->payload->length, 4);
    ck_assert_uint_eq(done->result.version.lsn, 4);
    bench_free(b);
}
END_TEST

START_TEST(wrong_epoch_installs_the_row_and_redirects_at_once)
{
    struct bench *b = bench_new();
    struct wire_member members[3];
    uint32_t chain = bench_chain_of("cat");
    bench_get(b, 1, "cat");
    struct wire_row row = bench_row(members, chain, BENCH_EPOCH + 1, chain, 2);
    answer_refused(b, expect_sent(b, WIRE_GET), ERR_WRONG_EPOCH, &row);
    struct bench_sent *again = expect_sent(b, WIRE_GET); /* no time has passed */
    ck_assert_uint_eq(again->peer, members[1].node);
    ck_assert_uint_eq(again->message.u.get.epoch, BENCH_EPOCH + 1);
    ck_assert_uint_eq(cl_core_map(b->core)->rows[chain].epoch, BENCH_EPOCH + 1);
    bench_free(b);
}
END_TEST

START_TEST(wrong_epoch_without_a_newer_row_waits_a_little)
{
    struct bench *b = bench_new();
    bench_get(b, 1, "cat");
    answer_refused(b, expect_sent(b, WIRE_GET), ERR_WRONG_EPOCH, NULL);
    expect_nothing_sent(b, WIRE_GET);
    bench_advance(b, 2000);
    ck_assert_uint_eq(count_sent(b, WIRE_GET), 1);
    bench_free(b);
}
END_TEST

START_TEST(a_row_never_goes_back)
{
    struct bench *b = bench_new();
    struct wire_member members[3];
    uint32_t chain = bench_chain_of("cat");
    bench_get(b, 1, "cat");
    struct wire_row row = bench_row(members, chain, BENCH_EPOCH - 1, chain + 1, 3);
    answer_refused(b, expect_sent(b, WIRE_GET), ERR_WRONG_EPOCH, &row);
    ck_assert_uint_eq(cl_core_map(b->core)->rows[chain].epoch, BENCH_EPOCH);
    bench_free(b);
}
END_TEST

START_TEST(a_dead_head_is_left_as_soon_as_the_map_says_so)
{
    struct bench *b = bench_new();
    struct wire_member members[3];
    uint32_t chain = bench_chain_of("cat");
    bench_put(b, 1, "cat");
    struct bench_sent *put = expect_sent(b, WIRE_PUT);
    b->nodes_stay_down = true;
    bench_down(b, put->peer);
    bench_advance(b, 100000);
    expect_nothing_sent(b, WIRE_PUT); /* nobody to ask: no storm */
    struct wire_row row = bench_row(members, chain, BENCH_EPOCH + 1, chain + 1, 2);
    b->nodes_stay_down = false;
    bench_install_row(b, &row, BENCH_EPOCH + 1);
    struct bench_sent *again = expect_sent(b, WIRE_PUT);
    ck_assert_uint_eq(again->peer, members[0].node);
    ck_assert_uint_eq(again->message.u.put.seq, put->message.u.put.seq);
    answer_updated(b, again, ERR_OK);
    (void)expect_done(b, 1, ERR_OK);
    bench_free(b);
}
END_TEST

START_TEST(an_unanswered_put_moves_with_the_head)
{
    struct bench *b = bench_new();
    struct wire_member members[3];
    uint32_t chain = bench_chain_of("cat");
    bench_put(b, 1, "cat"); /* the head is paused: it neither answers nor closes */
    (void)expect_sent(b, WIRE_PUT);
    struct wire_row row = bench_row(members, chain, BENCH_EPOCH + 1, chain + 1, 2);
    bench_install_row(b, &row, BENCH_EPOCH + 1);
    ck_assert_uint_eq(expect_sent(b, WIRE_PUT)->peer, members[0].node);
    bench_free(b);
}
END_TEST

START_TEST(a_put_stays_when_only_the_tail_changed)
{
    struct bench *b = bench_new();
    struct wire_member members[3];
    uint32_t chain = bench_chain_of("cat");
    bench_put(b, 1, "cat");
    (void)expect_sent(b, WIRE_PUT);
    struct wire_row row = bench_row(members, chain, BENCH_EPOCH + 1, chain, 2);
    bench_install_row(b, &row, BENCH_EPOCH + 1);
    expect_nothing_sent(b, WIRE_PUT);
    bench_free(b);
}
END_TEST

START_TEST(an_operation_without_chains_ends_early_with_advice)
{
    struct bench *b = bench_new_bare();
    bench_tick(b);
    bench_up(b, bench_master(0));
    struct bench_sent *watch = expect_sent(b, WIRE_WATCH);
    struct wire_message message = {.type = WIRE_CONFIG};
    message.u.config =
        (struct wire_config){.request = watch->message.u.watch.request, .version = 1};
    bench_receive(b, watch->peer, &message);
    bench_put(b, 1, "cat");
    bench_advance(b, 3500000);
    struct bench_done *done = expect_done(b, 1, ERR_NOT_READY);
    ck_assert(strstr(done->text, "no chains") != NULL);
    bench_free(b);
}
END_TEST

START_TEST(bad_arguments_are_refused_with_a_reason)
{
    struct bench *b = bench_new();
    char longer[BOUND_KEY_BYTES + 1];
    memset(longer, 'k', sizeof longer);
    bench_submit(
        b, (struct cl_submit){.kind = CL_OP_GET, .op = 1, .key = slice_of(longer, sizeof longer)});
    ck_assert(strstr(expect_done(b, 1, ERR_INVALID)->text, "1024") != NULL);
    bench_submit(b, (struct cl_submit){.kind = CL_OP_GET, .op = 2, .key = slice_of("\xff\xfe", 2)});
    (void)expect_done(b, 2, ERR_BAD_UTF8);
    bench_submit(b, (struct cl_submit){.kind = CL_OP_GET,
                                       .op = 3,
                                       .bucket = slice_of_text("Bad_Name"),
                                       .key = slice_of_text("k")});
    (void)expect_done(b, 3, ERR_INVALID);
    expect_nothing_sent(b, WIRE_GET);
    bench_submit(b, (struct cl_submit){.kind = CL_OP_GET,
                                       .op = 4,
                                       .key = slice_of(longer, BOUND_KEY_BYTES)}); /* the limit */
    ck_assert_uint_eq(count_sent(b, WIRE_GET), 1);
    bench_free(b);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_get_goes_to_the_tail,
        wrong_epoch_installs_the_row_and_redirects_at_once,
        wrong_epoch_without_a_newer_row_waits_a_little,
        a_row_never_goes_back,
        a_dead_head_is_left_as_soon_as_the_map_says_so,
        an_unanswered_put_moves_with_the_head,
        a_put_stays_when_only_the_tail_changed,
        an_operation_without_chains_ends_early_with_advice,
        bad_arguments_are_refused_with_a_reason,
    };
    return bench_run("cl_route", tests, ARRAY_COUNT(tests));
}
