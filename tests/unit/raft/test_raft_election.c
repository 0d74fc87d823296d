/* Elections: Figure 2 (RequestVote, followers, candidates), sections 5.1, 5.2, 5.4.1; pre-vote and
 * check-quorum (dissertation 9.6, 6.2); R31. */
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

static const struct wire_raft_voted *answer(void)
{
    const struct wire_message *message = single_sent(&s, WIRE_RAFT_VOTED, 0);
    ck_assert_ptr_nonnull(message);
    return &message->u.raft_voted;
}

static void voted(uint32_t sender, uint64_t term, bool granted, bool is_prevote)
{
    struct wire_message message = {.type = WIRE_RAFT_VOTED};
    message.u.raft_voted = (struct wire_raft_voted){
        .term = term, .sender = sender, .granted = granted, .is_prevote = is_prevote};
    single_receive(&s, &message);
}

static void prevote_from(uint32_t sender, uint64_t term, uint64_t last_index, uint64_t last_term)
{
    struct wire_message message = {.type = WIRE_RAFT_VOTE};
    message.u.raft_vote = (struct wire_raft_vote){.term = term,
                                                  .sender = sender,
                                                  .last_index = last_index,
                                                  .last_term = last_term,
                                                  .is_prevote = true};
    single_receive(&s, &message);
}

static const uint64_t TWOS[] = {2, 2, 2, 2};

/* RequestVote rule 1, section 5.1. */
START_TEST(vote_of_an_older_term_is_refused)
{
    single_vote_from(&s, 2, 5, 1, 1);
    single_vote_from(&s, 3, 4, 9, 4);
    ck_assert(!answer()->granted);
    ck_assert_uint_eq(answer()->term, 5);
}
END_TEST

/* RequestVote rule 2, section 5.2. */
START_TEST(one_vote_per_term_and_the_same_again_for_the_same_candidate)
{
    single_vote_from(&s, 2, 2, 1, 1);
    ck_assert(answer()->granted);
    single_vote_from(&s, 3, 2, 1, 1);
    ck_assert(!answer()->granted);
    single_vote_from(&s, 2, 2, 1, 1);
    ck_assert(answer()->granted);
}
END_TEST

START_TEST(the_vote_survives_a_restart)
{
    single_vote_from(&s, 2, 2, 1, 1);
    single_restart(&s);
    s.raft->no_vote_until_us = 0;
    single_vote_from(&s, 3, 2, 1, 1);
    ck_assert(!answer()->granted);
    single_vote_from(&s, 2, 2, 1, 1);
    ck_assert(answer()->granted);
}
END_TEST

/* Figure 2: persistent state is updated before responding. */
START_TEST(a_vote_is_not_sent_before_it_is_durable)
{
    s.auto_store = false;
    single_vote_from(&s, 2, 2, 1, 1);
    ck_assert_ptr_null(single_sent(&s, WIRE_RAFT_VOTED, 0));
    single_stored(&s);
    ck_assert(answer()->granted);
}
END_TEST

/* Section 5.4.1. */
START_TEST(no_vote_for_a_log_that_is_behind)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 2, 0);
    s.raft->leader_heard_us = 0;
    single_vote_from(&s, 3, 3, 9, 1); /* longer, but of an older last term */
    ck_assert(!answer()->granted);
    ck_assert_uint_eq(raft_term(s.raft), 3); /* section 5.1: the term is taken over */
    single_vote_from(&s, 3, 4, 2, 2);        /* shorter */
    ck_assert(!answer()->granted);
    single_vote_from(&s, 3, 5, 3, 2); /* as long */
    ck_assert(answer()->granted);
}
END_TEST

START_TEST(a_shorter_log_of_a_later_term_is_more_up_to_date)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 2, 0);
    s.raft->leader_heard_us = 0;
    single_vote_from(&s, 3, 4, 2, 3);
    ck_assert(answer()->granted);
}
END_TEST

/* All servers, section 5.1. */
START_TEST(a_higher_term_makes_any_server_a_follower)
{
    single_lead(&s);
    struct wire_message message = {.type = WIRE_RAFT_APPENDED};
    message.u.raft_appended = (struct wire_raft_appended){.term = 9, .sender = 2};
    single_receive(&s, &message);
    ck_assert_int_eq(raft_role(s.raft), RAFT_FOLLOWER);
    ck_assert_uint_eq(raft_term(s.raft), 9);
    ck_assert_uint_eq(raft_leader(s.raft), 0);
}
END_TEST

/* Followers, section 5.2, with pre-vote before. */
START_TEST(a_follower_that_hears_nothing_asks_for_prevotes_without_a_new_term)
{
    single_tick_at_deadline(&s);
    ck_assert_int_eq(raft_role(s.raft), RAFT_PRECANDIDATE);
    ck_assert_uint_eq(raft_term(s.raft), 1);
    for (uint32_t to = 2; to <= 3; to++) {
        const struct wire_message *message = single_sent(&s, WIRE_RAFT_VOTE, to);
        ck_assert_ptr_nonnull(message);
        ck_assert(message->u.raft_vote.is_prevote);
        ck_assert_uint_eq(message->u.raft_vote.term, 2);
        ck_assert_uint_eq(message->u.raft_vote.last_index, 1);
    }
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_STORE), 0);
}
END_TEST

START_TEST(hearing_a_leader_puts_the_election_off)
{
    uint64_t deadline_us = raft_deadline_us(s.raft);
    s.now_us = deadline_us - 1;
    single_append_from(&s, 2, 2, 1, 1, NULL, 0, 0);
    ck_assert_uint_ge(raft_deadline_us(s.raft), s.now_us + s.options.election_min_us);
    ck_assert_uint_le(raft_deadline_us(s.raft), s.now_us + s.options.election_max_us);
    single_advance(&s, 1);
    ck_assert_int_eq(raft_role(s.raft), RAFT_FOLLOWER);
}
END_TEST

/* Candidates, section 5.2. */
START_TEST(a_candidate_has_a_new_term_and_its_own_durable_vote_before_it_asks)
{
    single_tick_at_deadline(&s);
    s.auto_store = false;
    voted(2, 2, true, true);
    ck_assert_int_eq(raft_role(s.raft), RAFT_CANDIDATE);
    ck_assert_uint_eq(raft_term(s.raft), 2);
    ck_assert_ptr_null(single_sent(&s, WIRE_RAFT_VOTE, 0));
    single_stored(&s);
    ck_assert(!single_sent(&s, WIRE_RAFT_VOTE, 2)->u.raft_vote.is_prevote);
    ck_assert_ptr_nonnull(single_sent(&s, WIRE_RAFT_VOTE, 3));
}
END_TEST

START_TEST(votes_of_a_majority_make_a_leader)
{
    single_tick_at_deadline(&s);
    voted(2, 2, true, true);
    voted(3, 2, false, false);
    ck_assert_int_eq(raft_role(s.raft), RAFT_CANDIDATE);
    voted(2, 2, true, false);
    ck_assert_int_eq(raft_role(s.raft), RAFT_LEADER);
    ck_assert_uint_eq(single_effect(&s, RAFT_EFFECT_ROLE, 0)->role, RAFT_LEADER);
}
END_TEST

START_TEST(votes_of_other_terms_strangers_or_twice_do_not_count)
{
    single_release(&s);
    single_init(&s, 5);
    single_tick_at_deadline(&s);
    voted(2, 2, true, true);
    voted(2, 2, true, true);
    voted(7, 2, true, true);
    ck_assert_int_eq(raft_role(s.raft), RAFT_PRECANDIDATE);
    voted(3, 2, true, true);
    ck_assert_int_eq(raft_role(s.raft), RAFT_CANDIDATE);
    voted(2, 2, true, false);
    voted(2, 2, true, false);
    voted(7, 2, true, false);
    voted(4, 1, true, false);
    voted(5, 2, true, true); /* a late pre-vote is no vote */
    ck_assert_int_eq(raft_role(s.raft), RAFT_CANDIDATE);
}
END_TEST

START_TEST(an_append_of_the_new_leader_makes_a_candidate_a_follower)
{
    single_tick_at_deadline(&s);
    voted(2, 2, true, true);
    single_append_from(&s, 3, 2, 1, 1, NULL, 0, 0);
    ck_assert_int_eq(raft_role(s.raft), RAFT_FOLLOWER);
    ck_assert_uint_eq(raft_leader(s.raft), 3);
}
END_TEST

START_TEST(a_candidate_that_times_out_starts_over)
{
    single_tick_at_deadline(&s);
    voted(2, 2, true, true);
    single_tick_at_deadline(&s);
    ck_assert_int_eq(raft_role(s.raft), RAFT_PRECANDIDATE);
    ck_assert_uint_eq(raft_term(s.raft), 2);
    ck_assert_uint_eq(single_sent(&s, WIRE_RAFT_VOTE, 2)->u.raft_vote.term, 3);
}
END_TEST

START_TEST(time_outs_are_spread_over_the_whole_range)
{
    uint64_t low = UINT64_MAX;
    uint64_t high = 0;
    for (int i = 0; i < 200; i++) {
        single_append_from(&s, 2, 2, 1, 1, NULL, 0, 0);
        uint64_t wait_us = raft_deadline_us(s.raft) - s.now_us;
        low = wait_us < low ? wait_us : low;
        high = wait_us > high ? wait_us : high;
    }
    ck_assert_uint_ge(low, 300000);
    ck_assert_uint_lt(low, 330000);
    ck_assert_uint_gt(high, 570000);
    ck_assert_uint_le(high, 600000);
}
END_TEST

/* Pre-vote: nothing changes at the voter. */
START_TEST(a_prevote_changes_neither_term_nor_vote)
{
    prevote_from(2, 7, 1, 1);
    ck_assert(answer()->granted);
    ck_assert_uint_eq(answer()->term, 7);
    ck_assert_uint_eq(raft_term(s.raft), 1);
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_STORE), 0);
    prevote_from(3, 7, 1, 1);
    ck_assert(answer()->granted);
    prevote_from(3, 1, 1, 1);
    ck_assert(!answer()->granted);
}
END_TEST

/* Leader stickiness, on which leases rest (R31). */
START_TEST(no_vote_while_a_leader_is_heard_but_for_its_transfer)
{
    single_append_from(&s, 2, 2, 1, 1, NULL, 0, 0);
    s.now_us += s.options.election_min_us;
    prevote_from(3, 3, 9, 2);
    ck_assert(!answer()->granted);
    single_vote_from(&s, 3, 3, 9, 2);
    ck_assert(!answer()->granted);
    ck_assert_uint_eq(raft_term(s.raft), 2); /* held off: not even the term changes */
    struct wire_message message = {.type = WIRE_RAFT_VOTE};
    message.u.raft_vote = (struct wire_raft_vote){
        .term = 3, .sender = 3, .last_index = 9, .last_term = 2, .is_transfer = true};
    single_receive(&s, &message);
    ck_assert(answer()->granted);
}
END_TEST

START_TEST(a_leader_is_not_deposed_by_a_vote_of_a_higher_term)
{
    single_lead(&s);
    single_vote_from(&s, 3, 9, 9, 8);
    ck_assert(!answer()->granted);
    ck_assert_int_eq(raft_role(s.raft), RAFT_LEADER);
}
END_TEST

/* R31. */
START_TEST(a_voter_that_starts_grants_no_vote_for_one_election_timeout)
{
    single_restart(&s);
    single_advance(&s, 0);
    s.now_us += s.options.election_min_us;
    prevote_from(2, 2, 1, 1);
    ck_assert(!answer()->granted);
    single_vote_from(&s, 2, 2, 1, 1);
    ck_assert(!answer()->granted);
    s.now_us += s.options.election_min_us / 32;
    single_vote_from(&s, 2, 2, 1, 1);
    ck_assert(answer()->granted);
}
END_TEST

START_TEST(a_server_that_waits_to_be_added_neither_stands_nor_votes)
{
    single_release(&s);
    single_init(&s, 0);
    ck_assert_uint_eq(raft_term(s.raft), 0);
    single_advance(&s, 10000000);
    ck_assert_int_eq(raft_role(s.raft), RAFT_FOLLOWER);
    ck_assert_uint_eq(raft_deadline_us(s.raft), UINT64_MAX);
    single_vote_from(&s, 2, 2, 5, 1);
    ck_assert(!answer()->granted);
    prevote_from(2, 2, 5, 1);
    ck_assert(!answer()->granted);
}
END_TEST

START_TEST(a_single_server_elects_itself)
{
    single_release(&s);
    single_init(&s, 1);
    single_tick_at_deadline(&s);
    ck_assert_int_eq(raft_role(s.raft), RAFT_LEADER);
    ck_assert_uint_eq(raft_commit_index(s.raft), 2);
}
END_TEST

/* Check-quorum. */
START_TEST(a_leader_that_a_quorum_does_not_answer_steps_down)
{
    single_lead(&s);
    for (int i = 0; i < 8; i++) {
        single_tick_at_deadline(&s);
        single_appended_from(&s, 2, raft_last_index(s.raft));
    }
    ck_assert_int_eq(raft_role(s.raft), RAFT_LEADER);
    for (int i = 0; i < 8; i++)
        single_tick_at_deadline(&s);
    ck_assert_int_ne(raft_role(s.raft), RAFT_LEADER);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("raft_election");
    TCase *tcase = tcase_create("votes");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, vote_of_an_older_term_is_refused);
    tcase_add_test(tcase, one_vote_per_term_and_the_same_again_for_the_same_candidate);
    tcase_add_test(tcase, the_vote_survives_a_restart);
    tcase_add_test(tcase, a_vote_is_not_sent_before_it_is_durable);
    tcase_add_test(tcase, no_vote_for_a_log_that_is_behind);
    tcase_add_test(tcase, a_shorter_log_of_a_later_term_is_more_up_to_date);
    tcase_add_test(tcase, a_higher_term_makes_any_server_a_follower);
    tcase_add_test(tcase, a_follower_that_hears_nothing_asks_for_prevotes_without_a_new_term);
    tcase_add_test(tcase, hearing_a_leader_puts_the_election_off);
    tcase_add_test(tcase, a_candidate_has_a_new_term_and_its_own_durable_vote_before_it_asks);
    tcase_add_test(tcase, votes_of_a_majority_make_a_leader);
    tcase_add_test(tcase, votes_of_other_terms_strangers_or_twice_do_not_count);
    tcase_add_test(tcase, an_append_of_the_new_leader_makes_a_candidate_a_follower);
    tcase_add_test(tcase, a_candidate_that_times_out_starts_over);
    tcase_add_test(tcase, time_outs_are_spread_over_the_whole_range);
    tcase_add_test(tcase, a_prevote_changes_neither_term_nor_vote);
    tcase_add_test(tcase, no_vote_while_a_leader_is_heard_but_for_its_transfer);
    tcase_add_test(tcase, a_leader_is_not_deposed_by_a_vote_of_a_higher_term);
    tcase_add_test(tcase, a_voter_that_starts_grants_no_vote_for_one_election_timeout);
    tcase_add_test(tcase, a_server_that_waits_to_be_added_neither_stands_nor_votes);
    tcase_add_test(tcase, a_single_server_elects_itself);
    tcase_add_test(tcase, a_leader_that_a_quorum_does_not_answer_steps_down);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
