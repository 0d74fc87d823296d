/* Sessions, lanes, floors (R11, D4). */
#include "core_bench.h"

/* Keys that share a chain: "kN" for the N of the result. */
static void keys_of_one_chain(char keys[][16], unsigned count)
{
    uint32_t chain = bench_chain_of("k0");
    unsigned found = 0;
    for (unsigned i = 0; found < count; i++) {
        char key[16];
        text_format(key, sizeof key, "k%u", i);
        if (bench_chain_of(key) == chain)
            memcpy(keys[found++], key, sizeof key);
    }
}

START_TEST(a_session_is_opened_once_at_the_first_update)
{
    struct bench *b = bench_new();
    b->masters_mute = true;
    bench_get(b, 9, "x");
    expect_nothing_sent(b, WIRE_ADMIN);
    bench_put(b, 1, "a");
    bench_put(b, 2, "b");
    struct bench_sent *open = expect_sent(b, WIRE_ADMIN);
    ck_assert_uint_eq(open->message.u.admin.op, WIRE_ADMIN_SESSION_OPEN);
    expect_nothing_sent(b, WIRE_ADMIN);
    expect_nothing_sent(b, WIRE_PUT);
    answer_admin(b, open, ERR_OK, 55, 0);
    ck_assert_uint_eq(expect_sent(b, WIRE_PUT)->message.u.put.session, 55);
    ck_assert_uint_eq(expect_sent(b, WIRE_PUT)->message.u.put.session, 55);
    bench_free(b);
}
END_TEST

START_TEST(numbers_are_dense_and_the_floor_follows_the_oldest_open_one)
{
    struct bench *b = bench_new();
    static char keys[4][16];
    keys_of_one_chain(keys, 4);
    struct bench_sent *sent[4];
    for (unsigned i = 0; i < 3; i++) {
        bench_put(b, i + 1, keys[i]);
        sent[i] = expect_sent(b, WIRE_PUT);
        ck_assert_uint_eq(sent[i]->message.u.put.seq, i + 1);
        ck_assert_uint_eq(sent[i]->message.u.put.seq_floor, 1);
    }
    answer_updated(b, sent[1], ERR_OK);
    bench_put(b, 9, keys[3]);
    ck_assert_uint_eq(expect_sent(b, WIRE_PUT)->message.u.put.seq_floor, 1);
    answer_updated(b, sent[0], ERR_OK);
    bench_put(b, 10, keys[3]);
    struct bench_sent *last = expect_sent(b, WIRE_PUT);
    ck_assert_uint_eq(last->message.u.put.seq, 5);
    ck_assert_uint_eq(last->message.u.put.seq_floor, 3);
    bench_free(b);
}
END_TEST

START_TEST(no_more_than_the_window_of_numbers_is_open)
{
    struct bench *b = bench_new();
    static char keys[BOUND_SESSION_WINDOW + 2][16];
    static struct bench_sent *sent[BOUND_SESSION_WINDOW];
    keys_of_one_chain(keys, BOUND_SESSION_WINDOW + 2);
    for (unsigned i = 0; i < BOUND_SESSION_WINDOW + 2; i++)
        bench_put(b, i + 1, keys[i]);
    for (unsigned i = 0; i < BOUND_SESSION_WINDOW; i++)
        sent[i] = expect_sent(b, WIRE_PUT);
    expect_nothing_sent(b, WIRE_PUT);
    answer_updated(b, sent[1], ERR_OK); /* not the oldest: the window does not move */
    expect_nothing_sent(b, WIRE_PUT);
    answer_updated(b, sent[0], ERR_OK);
    ck_assert_uint_eq(count_sent(b, WIRE_PUT), 2);
    (void)expect_sent(b, WIRE_PUT);
    ck_assert_uint_eq(expect_sent(b, WIRE_PUT)->message.u.put.seq, BOUND_SESSION_WINDOW + 2);
    bench_free(b);
}
END_TEST

START_TEST(chains_are_numbered_independently)
{
    struct bench *b = bench_new();
    char other[16] = "";
    for (unsigned i = 0; other[0] == '\0'; i++) {
        char key[16];
        text_format(key, sizeof key, "o%u", i);
        if (bench_chain_of(key) != bench_chain_of("k0"))
            memcpy(other, key, sizeof other);
    }
    bench_put(b, 1, "k0");
    bench_put(b, 2, other);
    ck_assert_uint_eq(expect_sent(b, WIRE_PUT)->message.u.put.seq, 1);
    ck_assert_uint_eq(expect_sent(b, WIRE_PUT)->message.u.put.seq, 1);
    bench_free(b);
}
END_TEST

START_TEST(an_expired_session_is_renewed_when_only_that_copy_was_sent)
{
    struct bench *b = bench_new();
    bench_put(b, 1, "cat");
    struct bench_sent *first = expect_sent(b, WIRE_PUT);
    answer_refused(b, first, ERR_SESSION_EXPIRED, NULL);
    bench_advance(b, 100000);
    struct bench_sent *second = expect_sent(b, WIRE_PUT);
    ck_assert_uint_gt(second->message.u.put.session, first->message.u.put.session);
    ck_assert_uint_eq(second->message.u.put.seq, 1);
    answer_updated(b, second, ERR_OK);
    (void)expect_done(b, 1, ERR_OK);
    ck_assert_uint_eq(cl_core_stats(b->core)->sessions, 2);
    bench_free(b);
}
END_TEST

START_TEST(an_expired_session_is_renewed_after_sure_refusals)
{
    struct bench *b = bench_new();
    bench_put(b, 1, "cat");
    answer_refused(b, expect_sent(b, WIRE_PUT), ERR_BUSY, NULL);
    bench_advance(b, 100000);
    answer_refused(b, expect_sent(b, WIRE_PUT), ERR_SESSION_EXPIRED, NULL);
    bench_advance(b, 100000);
    answer_updated(b, expect_sent(b, WIRE_PUT), ERR_OK);
    (void)expect_done(b, 1, ERR_OK);
    bench_free(b);
}
END_TEST

START_TEST(an_expired_session_with_another_copy_about_is_unknown)
{
    struct bench *b = bench_new();
    bench_put(b, 1, "cat");
    (void)expect_sent(b, WIRE_PUT);
    bench_advance(b, 1500000);
    struct bench_sent *second = expect_sent(b, WIRE_PUT);
    answer_updated(b, second, ERR_SESSION_EXPIRED);
    (void)expect_done(b, 1, ERR_OUTCOME_UNKNOWN);
    bench_put(b, 2, "cat"); /* later updates use a new session */
    ck_assert_uint_gt(expect_sent(b, WIRE_PUT)->message.u.put.session,
                      second->message.u.put.session);
    bench_free(b);
}
END_TEST

START_TEST(other_chains_keep_a_session_that_one_chain_forgot)
{
    struct bench *b = bench_new();
    char other[16] = "";
    for (unsigned i = 0; other[0] == '\0'; i++) {
        char key[16];
        text_format(key, sizeof key, "o%u", i);
        if (bench_chain_of(key) != bench_chain_of("k0"))
            memcpy(other, key, sizeof other);
    }
    bench_put(b, 1, other);
    struct bench_sent *there = expect_sent(b, WIRE_PUT);
    answer_updated(b, there, ERR_OK);
    bench_put(b, 2, "k0");
    answer_refused(b, expect_sent(b, WIRE_PUT), ERR_SESSION_EXPIRED, NULL);
    bench_advance(b, 100000);
    answer_updated(b, expect_sent(b, WIRE_PUT), ERR_OK);
    bench_put(b, 3, other);
    struct bench_sent *again = expect_sent(b, WIRE_PUT);
    ck_assert_uint_eq(again->message.u.put.session, there->message.u.put.session);
    ck_assert_uint_eq(again->message.u.put.seq, 2);
    bench_free(b);
}
END_TEST

START_TEST(an_update_given_up_does_not_hold_the_floor)
{
    struct bench *b = bench_new();
    static char keys[2][16];
    keys_of_one_chain(keys, 2);
    bench_put(b, 1, keys[0]);
    (void)expect_sent(b, WIRE_PUT);
    struct cl_event cancel = {.kind = CL_EVENT_CANCEL, .op = 1};
    bench_step(b, &cancel);
    bench_put(b, 2, keys[1]);
    struct bench_sent *sent = expect_sent(b, WIRE_PUT);
    ck_assert_uint_eq(sent->message.u.put.seq, 2);
    ck_assert_uint_eq(sent->message.u.put.seq_floor, 2);
    bench_free(b);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_session_is_opened_once_at_the_first_update,
        numbers_are_dense_and_the_floor_follows_the_oldest_open_one,
        no_more_than_the_window_of_numbers_is_open,
        chains_are_numbered_independently,
        an_expired_session_is_renewed_when_only_that_copy_was_sent,
        an_expired_session_is_renewed_after_sure_refusals,
        an_expired_session_with_another_copy_about_is_unknown,
        other_chains_keep_a_session_that_one_chain_forgot,
        an_update_given_up_does_not_hold_the_floor,
    };
    return bench_run("cl_session", tests, ARRAY_COUNT(tests));
}
