/* Leadership transfer by TimeoutNow (dissertation 3.10); no lease afterwards (R31). */
#include <check.h>

#include "tests/unit/raft/cluster.h"
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

static void transfer(uint64_t id, uint32_t target)
{
    struct raft_event event = {.kind = RAFT_EVENT_TRANSFER, .id = id, .target = target};
    single_step(&s, &event);
}

static enum err outcome(uint64_t id)
{
    const struct raft_effect *effect = single_effect(&s, RAFT_EFFECT_PROPOSED, 0);
    ck_assert_ptr_nonnull(effect);
    ck_assert_uint_eq(effect->id, id);
    return effect->err;
}

static void timeout_now(uint32_t sender, uint64_t term)
{
    struct wire_message message = {.type = WIRE_RAFT_TIMEOUT_NOW};
    message.u.raft_timeout_now = (struct wire_raft_timeout_now){.term = term, .sender = sender};
    single_receive(&s, &message);
}

START_TEST(an_up_to_date_target_is_told_at_once_and_the_lease_ends)
{
    single_lead(&s);
    single_appended_from(&s, 2, 2);
    ck_assert_uint_gt(raft_lease_until_us(s.raft), s.now_us);
    transfer(1, 2);
    ck_assert_ptr_nonnull(single_sent(&s, WIRE_RAFT_TIMEOUT_NOW, 2));
    ck_assert_uint_eq(raft_lease_until_us(s.raft), 0);
    single_appended_from(&s, 3, 2);
    ck_assert_uint_eq(raft_lease_until_us(s.raft), 0);
    single_vote_from(&s, 3, 3, 9, 2); /* not the transfer's: still held off */
    ck_assert_int_eq(raft_role(s.raft), RAFT_LEADER);
}
END_TEST

START_TEST(a_target_that_is_behind_catches_up_first)
{
    single_lead(&s);
    single_appended_from(&s, 2, 2);
    transfer(1, 3);
    ck_assert_ptr_null(single_sent(&s, WIRE_RAFT_TIMEOUT_NOW, 0));
    ck_assert_uint_gt(raft_lease_until_us(s.raft), 0);
    single_appended_from(&s, 3, 2);
    ck_assert_ptr_nonnull(single_sent(&s, WIRE_RAFT_TIMEOUT_NOW, 3));
}
END_TEST

START_TEST(target_0_is_the_most_up_to_date_follower)
{
    single_lead(&s);
    single_appended_from(&s, 3, 2);
    transfer(1, 0);
    ck_assert_ptr_nonnull(single_sent(&s, WIRE_RAFT_TIMEOUT_NOW, 3));
}
END_TEST

START_TEST(no_commands_are_taken_during_a_transfer)
{
    single_lead(&s);
    single_appended_from(&s, 2, 2);
    transfer(1, 2);
    single_propose(&s, 2);
    ck_assert_int_eq(outcome(2), ERR_NOT_LEADER);
}
END_TEST

START_TEST(a_transfer_is_done_when_a_later_term_begins)
{
    single_lead(&s);
    single_appended_from(&s, 2, 2);
    transfer(1, 2);
    single_append_from(&s, 2, 3, 2, 2, NULL, 0, 0);
    ck_assert_int_eq(outcome(1), ERR_OK);
    ck_assert_uint_eq(raft_leader(s.raft), 2);
}
END_TEST

START_TEST(a_target_that_never_catches_up_ends_the_transfer_not_the_term)
{
    single_lead(&s);
    single_appended_from(&s, 2, 2);
    transfer(1, 3);
    enum err err = ERR_OK;
    for (int i = 0; i < 12 && err == ERR_OK; i++) {
        single_tick_at_deadline(&s);
        if (single_effect(&s, RAFT_EFFECT_PROPOSED, 0) != NULL)
            err = outcome(1);
        else
            single_appended_from(&s, 2, 2);
    }
    ck_assert_int_eq(err, ERR_TIMEOUT);
    ck_assert_int_eq(raft_role(s.raft), RAFT_LEADER);
    single_appended_from(&s, 2, 2);
    single_propose(&s, 3);
    ck_assert_uint_eq(raft_last_index(s.raft), 3);
}
END_TEST

/* A term without leases is of no use: the leader does not stay in it. */
START_TEST(a_leader_whose_target_does_not_stand_steps_down)
{
    single_lead(&s);
    single_appended_from(&s, 2, 2);
    transfer(1, 2);
    for (int i = 0; i < 12 && raft_role(s.raft) == RAFT_LEADER; i++) {
        single_tick_at_deadline(&s);
        if (raft_role(s.raft) == RAFT_LEADER)
            single_appended_from(&s, 3, 2);
    }
    ck_assert_int_eq(raft_role(s.raft), RAFT_FOLLOWER);
    ck_assert_int_eq(outcome(1), ERR_TIMEOUT);
}
END_TEST

START_TEST(strangers_and_followers_are_refused)
{
    transfer(1, 2);
    ck_assert_int_eq(outcome(1), ERR_NOT_LEADER);
    single_lead(&s);
    transfer(2, 9);
    ck_assert_int_eq(outcome(2), ERR_NOT_FOUND);
}
END_TEST

START_TEST(timeout_now_makes_a_candidate_without_prevote)
{
    single_append_from(&s, 2, 2, 1, 1, NULL, 0, 0);
    timeout_now(2, 2);
    ck_assert_int_eq(raft_role(s.raft), RAFT_CANDIDATE);
    const struct wire_message *vote = single_sent(&s, WIRE_RAFT_VOTE, 3);
    ck_assert_ptr_nonnull(vote);
    ck_assert(vote->u.raft_vote.is_transfer);
    ck_assert(!vote->u.raft_vote.is_prevote);
    ck_assert_uint_eq(vote->u.raft_vote.term, 3);
}
END_TEST

START_TEST(timeout_now_of_another_term_or_server_is_refused)
{
    single_append_from(&s, 2, 2, 1, 1, NULL, 0, 0);
    timeout_now(2, 1);
    timeout_now(3, 2);
    timeout_now(2, 9);
    ck_assert_int_eq(raft_role(s.raft), RAFT_FOLLOWER);
    ck_assert_uint_eq(raft_term(s.raft), 2);
    ck_assert_uint_eq(raft_refused_messages(s.raft), 3);
}
END_TEST

static uint32_t expected;

static bool expected_leads(struct cluster *cluster)
{
    return cluster_leader(cluster) == expected && cluster_has_leader(cluster);
}

START_TEST(leadership_goes_round_a_cluster_quickly)
{
    struct cluster *cluster = cluster_new(21, 5);
    ck_assert(cluster_run_until(cluster, cluster_has_leader, 5000000));
    for (int i = 0; i < 10; i++) {
        uint32_t leader = cluster_leader(cluster);
        expected = 1 + leader % 5;
        (void)cluster_propose(cluster, leader);
        (void)cluster_transfer(cluster, leader, expected);
        /* Far below an election time-out. */
        ck_assert(cluster_run_until(cluster, expected_leads, 100000));
    }
    cluster_free(cluster);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("raft_transfer");
    TCase *tcase = tcase_create("transfer");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_up_to_date_target_is_told_at_once_and_the_lease_ends);
    tcase_add_test(tcase, a_target_that_is_behind_catches_up_first);
    tcase_add_test(tcase, target_0_is_the_most_up_to_date_follower);
    tcase_add_test(tcase, no_commands_are_taken_during_a_transfer);
    tcase_add_test(tcase, a_transfer_is_done_when_a_later_term_begins);
    tcase_add_test(tcase, a_target_that_never_catches_up_ends_the_transfer_not_the_term);
    tcase_add_test(tcase, a_leader_whose_target_does_not_stand_steps_down);
    tcase_add_test(tcase, strangers_and_followers_are_refused);
    tcase_add_test(tcase, timeout_now_makes_a_candidate_without_prevote);
    tcase_add_test(tcase, timeout_now_of_another_term_or_server_is_refused);
    tcase_add_test(tcase, leadership_goes_round_a_cluster_quickly);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
