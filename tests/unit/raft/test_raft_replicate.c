/* The leader: Figure 2 (rules for leaders), sections 5.3, 5.4.2, 8; pipelining and back-off. */
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

static const struct wire_raft_append *sent_to(uint32_t to)
{
    const struct wire_message *message = single_sent(&s, WIRE_RAFT_APPEND, to);
    return message == NULL ? NULL : &message->u.raft_append;
}

static const uint64_t TWOS[] = {2, 2, 2, 2, 2, 2, 2, 2};

/* Section 8 (and 5.2: the first heartbeat comes at once). */
START_TEST(a_new_leader_sends_a_noop_of_its_term_at_once)
{
    single_lead(&s);
    ck_assert_uint_eq(raft_last_index(s.raft), 2);
    ck_assert_int_eq(raft_log_at(&s.raft->log, 2)->kind, RAFT_ENTRY_NOOP);
    for (uint32_t to = 2; to <= 3; to++) {
        ck_assert_ptr_nonnull(sent_to(to));
        ck_assert_uint_eq(sent_to(to)->previous_index, 1);
        ck_assert_uint_eq(sent_to(to)->entries_count, 1);
        ck_assert_uint_eq(sent_to(to)->entries[0].term, 2);
    }
}
END_TEST

START_TEST(heartbeats_repeat_while_idle)
{
    single_lead(&s);
    single_appended_from(&s, 2, 2);
    for (int i = 0; i < 3; i++) {
        uint64_t round = s.raft->round;
        single_advance(&s, s.options.heartbeat_us);
        ck_assert_uint_eq(sent_to(2)->entries_count, 0);
        ck_assert_uint_eq(sent_to(2)->round, round + 1);
        single_appended_from(&s, 2, 2);
    }
}
END_TEST

/* Leaders, section 5.3: respond after the entry is applied. */
START_TEST(a_command_is_answered_when_it_is_applied_and_not_before)
{
    single_lead(&s);
    single_appended_from(&s, 2, 2);
    single_propose(&s, 77);
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_PROPOSED), 0);
    single_appended_from(&s, 2, 3);
    ck_assert_uint_eq(single_effect(&s, RAFT_EFFECT_APPLY, 0)->index, 3);
    const struct raft_effect *proposed = single_effect(&s, RAFT_EFFECT_PROPOSED, 0);
    ck_assert_ptr_nonnull(proposed);
    ck_assert_uint_eq(proposed->id, 77);
    ck_assert_int_eq(proposed->err, ERR_OK);
    ck_assert(single_effect(&s, RAFT_EFFECT_APPLY, 0) < proposed);
}
END_TEST

START_TEST(a_follower_refuses_commands)
{
    single_propose(&s, 5);
    ck_assert_int_eq(single_effect(&s, RAFT_EFFECT_PROPOSED, 0)->err, ERR_NOT_LEADER);
    ck_assert_uint_eq(raft_last_index(s.raft), 1);
}
END_TEST

START_TEST(a_command_too_large_for_a_frame_is_refused)
{
    single_lead(&s);
    struct buf *data = buf_new(RAFT_COMMAND_BYTES_MAX + 1);
    struct raft_event event = {.kind = RAFT_EVENT_PROPOSE, .id = 5, .data = data};
    single_step(&s, &event);
    buf_unref(data);
    ck_assert_int_eq(single_effect(&s, RAFT_EFFECT_PROPOSED, 0)->err, ERR_TOO_LARGE);
}
END_TEST

START_TEST(lost_leadership_leaves_the_outcome_unknown)
{
    single_lead(&s);
    single_propose(&s, 6);
    single_append_from(&s, 2, 3, 1, 1, NULL, 0, 0);
    ck_assert_int_eq(single_effect(&s, RAFT_EFFECT_PROPOSED, 0)->err, ERR_OUTCOME_UNKNOWN);
}
END_TEST

/* The leader writes in parallel with its followers and counts itself only when durable. */
START_TEST(the_leader_counts_itself_in_only_when_durable)
{
    single_lead(&s);
    single_appended_from(&s, 2, 2);
    s.auto_store = false;
    single_propose(&s, 1);
    ck_assert_uint_eq(sent_to(2)->entries_count, 1); /* sent before it is stored */
    single_appended_from(&s, 2, 3);
    ck_assert_uint_eq(raft_commit_index(s.raft), 2);
    single_stored(&s);
    ck_assert_uint_eq(raft_commit_index(s.raft), 3);
}
END_TEST

START_TEST(two_followers_commit_without_the_leaders_disk)
{
    single_lead(&s);
    single_appended_from(&s, 2, 2);
    s.auto_store = false;
    single_propose(&s, 1);
    single_appended_from(&s, 2, 3);
    single_appended_from(&s, 3, 3);
    ck_assert_uint_eq(raft_commit_index(s.raft), 3);
}
END_TEST

/* Section 5.4.2: entries of an older term are not committed by counting. */
START_TEST(an_entry_of_an_older_term_is_not_committed_by_counting)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 2, 0);
    single_lead(&s);
    ck_assert_uint_eq(raft_last_index(s.raft), 4);
    single_appended_from(&s, 2, 3);
    single_appended_from(&s, 3, 3); /* on all three now */
    ck_assert_uint_eq(raft_commit_index(s.raft), 0);
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_APPLY), 0);
    single_appended_from(&s, 2, 4); /* its own no-op: everything below is committed with it */
    ck_assert_uint_eq(raft_commit_index(s.raft), 4);
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_APPLY), 2);
}
END_TEST

/* Section 5.3: nextIndex goes back until the logs agree, here a term at a time. */
START_TEST(a_rejection_makes_the_leader_go_back_to_the_conflicting_term)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 6, 0);
    single_lead(&s);
    single_rejected_from(&s, 2, 0, 4); /* its log ends at 3 */
    ck_assert_uint_eq(sent_to(2)->previous_index, 3);
    ck_assert_uint_eq(sent_to(2)->entries_count, 0); /* a question first */
    single_appended_from(&s, 2, 3);
    ck_assert_uint_eq(sent_to(2)->previous_index, 3);
    ck_assert_uint_eq(sent_to(2)->entries_count, 5);
    single_rejected_from(&s, 3, 1, 1); /* it has many entries of term 1; we have one */
    ck_assert_uint_eq(sent_to(3)->previous_index, 1);
}
END_TEST

START_TEST(a_late_rejection_does_not_go_below_what_matches)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 6, 0);
    single_lead(&s);
    single_appended_from(&s, 2, 8);
    single_rejected_from(&s, 2, 0, 4);
    ck_assert_uint_gt(raft_peer_find(s.raft, 2)->next, 8);
    ck_assert_uint_eq(raft_match_index(s.raft, 2), 8);
}
END_TEST

START_TEST(appends_are_pipelined_up_to_the_window)
{
    single_lead(&s);
    for (uint64_t id = 1; id <= 6; id++) {
        single_propose(&s, id);
        /* The no-op took one place of four. */
        ck_assert_int_eq(sent_to(2) != NULL, id <= 3);
    }
    single_appended_from(&s, 2, 2);
    ck_assert_uint_eq(sent_to(2)->entries_count, 3); /* what waited leaves in one message */
}
END_TEST

START_TEST(messages_stay_within_their_limits)
{
    s.raft->options.append_entries_max = 3;
    single_append_from(&s, 2, 2, 1, 1, TWOS, 8, 0);
    single_lead(&s);
    single_rejected_from(&s, 2, 0, 2);
    single_appended_from(&s, 2, 1);
    ck_assert_uint_eq(sent_to(2)->entries_count, 3);
    s.raft->options.append_entries_max = 16;
    s.raft->options.append_bytes_max = 40; /* 17 bytes each */
    single_rejected_from(&s, 3, 0, 2);
    single_appended_from(&s, 3, 1);
    ck_assert_uint_eq(sent_to(3)->entries_count, 2);
}
END_TEST

START_TEST(an_acknowledgement_beyond_the_log_is_refused)
{
    single_lead(&s);
    single_appended_from(&s, 2, 99);
    ck_assert_uint_eq(raft_refused_messages(s.raft), 1);
    ck_assert_uint_eq(raft_commit_index(s.raft), 0);
}
END_TEST

START_TEST(commit_is_told_to_followers_at_once)
{
    single_lead(&s);
    single_appended_from(&s, 2, 2);
    ck_assert_uint_eq(sent_to(3)->commit, 2);
}
END_TEST

/* A member's log is never empty: one that is has lost its disk. */
START_TEST(a_member_with_an_empty_log_lost_its_disk_and_gets_nothing)
{
    single_lead(&s);
    single_rejected_from(&s, 2, 0, 1);
    ck_assert(raft_lost_disk(s.raft, 2));
    ck_assert(!raft_lost_disk(s.raft, 3));
    single_appended_from(&s, 3, 2);
    single_propose(&s, 1);
    ck_assert_ptr_null(sent_to(2));
    single_advance(&s, s.options.heartbeat_us);
    ck_assert_uint_eq(sent_to(2)->entries_count, 0);
    ck_assert_uint_eq(sent_to(2)->previous_index, 0);
    single_appended_from(&s, 2, 0);
    ck_assert(raft_lost_disk(s.raft, 2));
}
END_TEST

/* Figure 8: S1 leads in an old term, S5 overwrites, S1 comes back; no committed entry is lost. */
START_TEST(figure_8_loses_no_committed_entry)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct cluster *cluster = cluster_new(seed, 5);
        for (int turn = 0; turn < 12; turn++) {
            ck_assert(cluster_run_until(cluster, cluster_has_leader, 10000000));
            uint32_t leader = cluster_leader(cluster);
            /* The leader reaches one other server only with its last entries, then dies. */
            uint32_t friend = 1 + leader % 5;
            for (uint32_t id = 1; id <= 5; id++)
                if (id != leader && id != friend)
                    cluster_cut(cluster, leader, id, true);
            (void)cluster_propose(cluster, leader);
            (void)cluster_propose(cluster, leader);
            cluster_run(cluster, 5000);
            cluster_crash(cluster, leader);
            if (turn % 2 == 0) {
                cluster_heal(cluster);
                cluster_run(cluster, prng_below(&cluster->prng, 800000));
                cluster_start(cluster, leader);
            } else {
                cluster_start(cluster, leader);
                cluster_run(cluster, prng_below(&cluster->prng, 800000));
                cluster_heal(cluster);
            }
            cluster_check_logs(cluster);
        }
        ck_assert(cluster_run_until(cluster, cluster_is_converged, 10000000));
        cluster_free(cluster);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("raft_replicate");
    TCase *tcase = tcase_create("leader");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_new_leader_sends_a_noop_of_its_term_at_once);
    tcase_add_test(tcase, heartbeats_repeat_while_idle);
    tcase_add_test(tcase, a_command_is_answered_when_it_is_applied_and_not_before);
    tcase_add_test(tcase, a_follower_refuses_commands);
    tcase_add_test(tcase, a_command_too_large_for_a_frame_is_refused);
    tcase_add_test(tcase, lost_leadership_leaves_the_outcome_unknown);
    tcase_add_test(tcase, the_leader_counts_itself_in_only_when_durable);
    tcase_add_test(tcase, two_followers_commit_without_the_leaders_disk);
    tcase_add_test(tcase, an_entry_of_an_older_term_is_not_committed_by_counting);
    tcase_add_test(tcase, a_rejection_makes_the_leader_go_back_to_the_conflicting_term);
    tcase_add_test(tcase, a_late_rejection_does_not_go_below_what_matches);
    tcase_add_test(tcase, appends_are_pipelined_up_to_the_window);
    tcase_add_test(tcase, messages_stay_within_their_limits);
    tcase_add_test(tcase, an_acknowledgement_beyond_the_log_is_refused);
    tcase_add_test(tcase, commit_is_told_to_followers_at_once);
    tcase_add_test(tcase, a_member_with_an_empty_log_lost_its_disk_and_gets_nothing);
    tcase_add_test(tcase, figure_8_loses_no_committed_entry);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
