/* Linearizable reads (dissertation 6.4; paper section 8) and leader leases (R31). */
#include <check.h>

#include "tests/unit/raft/single.h"

static struct single s;

static void setup(void)
{
    single_init(&s, 3);
}

static void teardown(void)
{
    single_release(&s);
}

static void read(uint64_t id)
{
    struct raft_event event = {.kind = RAFT_EVENT_READ, .id = id};
    single_step(&s, &event);
}

static void answered(uint32_t sender, uint64_t round)
{
    struct wire_message message = {.type = WIRE_RAFT_APPENDED};
    message.u.raft_appended = (struct wire_raft_appended){.term = raft_term(s.raft),
                                                          .sender = sender,
                                                          .success = true,
                                                          .match_index = raft_last_index(s.raft),
                                                          .round = round};
    single_receive(&s, &message);
}

START_TEST(a_follower_refuses_reads)
{
    read(9);
    ck_assert_int_eq(single_effect(&s, RAFT_EFFECT_READ_READY, 0)->err, ERR_NOT_LEADER);
}
END_TEST

START_TEST(a_read_waits_for_a_round_begun_after_it)
{
    single_lead(&s);
    answered(2, s.raft->round);
    uint64_t before = s.raft->round;
    read(9);
    ck_assert_uint_eq(s.raft->round, before + 1);
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_READ_READY), 0);
    answered(2, before);
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_READ_READY), 0);
    answered(2, before + 1);
    const struct raft_effect *ready = single_effect(&s, RAFT_EFFECT_READ_READY, 0);
    ck_assert_ptr_nonnull(ready);
    ck_assert_int_eq(ready->err, ERR_OK);
    ck_assert_uint_eq(ready->index, 2);
}
END_TEST

START_TEST(reads_that_arrive_during_a_round_share_the_next)
{
    single_lead(&s);
    answered(2, s.raft->round);
    read(1);
    uint64_t round = s.raft->round;
    read(2);
    read(3);
    ck_assert_uint_eq(s.raft->round, round);
    answered(3, round);
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_READ_READY), 1);
    ck_assert_uint_eq(s.raft->round, round + 1);
    answered(3, round + 1);
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_READ_READY), 2);
}
END_TEST

START_TEST(no_read_before_the_own_term_noop_is_committed)
{
    single_lead(&s);
    read(4);
    struct wire_message message = {.type = WIRE_RAFT_APPENDED};
    message.u.raft_appended = (struct wire_raft_appended){.term = raft_term(s.raft),
                                                          .sender = 2,
                                                          .success = true,
                                                          .match_index = 1,
                                                          .round = s.raft->round};
    single_receive(&s, &message);
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_READ_READY), 0);
    answered(2, s.raft->round);
    ck_assert_uint_eq(single_effect(&s, RAFT_EFFECT_READ_READY, 0)->index, 2);
}
END_TEST

/* A quorum has answered, but what the leaders before committed may not be applied here yet. */
START_TEST(no_lease_before_the_own_term_noop_is_applied)
{
    single_lead(&s);
    struct wire_message message = {.type = WIRE_RAFT_APPENDED};
    message.u.raft_appended = (struct wire_raft_appended){.term = raft_term(s.raft),
                                                          .sender = 2,
                                                          .success = true,
                                                          .match_index = 1,
                                                          .round = s.raft->round};
    single_receive(&s, &message);
    ck_assert_uint_eq(raft_lease_until_us(s.raft), 0);
    answered(2, s.raft->round);
    ck_assert_uint_gt(raft_lease_until_us(s.raft), s.now_us);
}
END_TEST

START_TEST(reads_fail_when_leadership_is_lost)
{
    single_lead(&s);
    read(4);
    single_append_from(&s, 2, 9, 1, 1, NULL, 0, 0);
    ck_assert_int_eq(single_effect(&s, RAFT_EFFECT_READ_READY, 0)->err, ERR_NOT_LEADER);
}
END_TEST

START_TEST(a_single_server_reads_at_once)
{
    single_release(&s);
    single_init(&s, 1);
    single_lead(&s);
    read(4);
    ck_assert_int_eq(single_effect(&s, RAFT_EFFECT_READ_READY, 0)->err, ERR_OK);
}
END_TEST

/* R31: the lease counts from the send time of the newest round that a quorum answered. */
START_TEST(the_lease_counts_from_the_send_time_of_the_answered_round)
{
    single_lead(&s);
    ck_assert_uint_eq(raft_lease_until_us(s.raft), 0); /* the no-op is not applied */
    uint64_t sent_us = s.now_us;
    uint64_t round = s.raft->round;
    s.now_us += 20000;
    answered(2, round);
    ck_assert_uint_eq(raft_lease_until_us(s.raft), sent_us + s.options.election_min_us);
    single_tick_at_deadline(&s);
    ck_assert_uint_eq(raft_lease_until_us(s.raft), sent_us + s.options.election_min_us);
    uint64_t next_us = s.now_us;
    answered(3, s.raft->round);
    ck_assert_uint_eq(raft_lease_until_us(s.raft), next_us + s.options.election_min_us);
    answered(2, round); /* an old answer takes nothing back and gives nothing */
    ck_assert_uint_eq(raft_lease_until_us(s.raft), next_us + s.options.election_min_us);
}
END_TEST

START_TEST(a_follower_and_a_forged_round_give_no_lease)
{
    ck_assert_uint_eq(raft_lease_until_us(s.raft), 0);
    single_lead(&s);
    answered(2, s.raft->round);
    uint64_t until_us = raft_lease_until_us(s.raft);
    s.now_us += 50000;
    answered(2, s.raft->round + 1000);
    ck_assert_uint_eq(raft_lease_until_us(s.raft), until_us);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("raft_read");
    TCase *tcase = tcase_create("reads");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_follower_refuses_reads);
    tcase_add_test(tcase, a_read_waits_for_a_round_begun_after_it);
    tcase_add_test(tcase, reads_that_arrive_during_a_round_share_the_next);
    tcase_add_test(tcase, no_read_before_the_own_term_noop_is_committed);
    tcase_add_test(tcase, no_lease_before_the_own_term_noop_is_applied);
    tcase_add_test(tcase, reads_fail_when_leadership_is_lost);
    tcase_add_test(tcase, a_single_server_reads_at_once);
    tcase_add_test(tcase, the_lease_counts_from_the_send_time_of_the_answered_round);
    tcase_add_test(tcase, a_follower_and_a_forged_round_give_no_lease);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
