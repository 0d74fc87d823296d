/* Single-server membership changes (dissertation, chapter 4; R32) and lost disks. */
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

static void change(uint64_t id, const uint32_t *servers, uint32_t count)
{
    struct raft_configuration configuration = {.count = count};
    for (uint32_t i = 0; i < count; i++)
        configuration.servers[i] = (struct raft_server){.id = servers[i], .address = "host:1"};
    struct raft_event event = {
        .kind = RAFT_EVENT_CHANGE, .id = id, .configuration = &configuration};
    single_step(&s, &event);
}

static enum err outcome(uint64_t id)
{
    const struct raft_effect *effect = single_effect(&s, RAFT_EFFECT_PROPOSED, 0);
    ck_assert_ptr_nonnull(effect);
    ck_assert_uint_eq(effect->id, id);
    return effect->err;
}

static void lead_with_noop(void)
{
    single_lead(&s);
    single_appended_from(&s, 2, 2);
}

/* R32. */
START_TEST(no_change_before_an_own_term_commit)
{
    single_append_from(&s, 2, 2, 1, 1, NULL, 0, 1); /* the configuration itself is committed */
    single_lead(&s);
    ck_assert_uint_eq(raft_commit_index(s.raft), 1);
    change(1, (uint32_t[]){1, 2}, 2);
    ck_assert_int_eq(outcome(1), ERR_NOT_READY);
    single_appended_from(&s, 2, 2);
    change(2, (uint32_t[]){1, 2}, 2);
    ck_assert_uint_eq(raft_configuration(s.raft)->count, 2);
}
END_TEST

START_TEST(one_change_at_a_time)
{
    lead_with_noop();
    change(1, (uint32_t[]){1, 2}, 2);
    change(2, (uint32_t[]){1}, 1);
    ck_assert_int_eq(outcome(2), ERR_NOT_READY);
    single_appended_from(&s, 2, 3);
    ck_assert_int_eq(outcome(1), ERR_OK);
    change(3, (uint32_t[]){1}, 1);
    ck_assert_uint_eq(raft_configuration(s.raft)->count, 1);
}
END_TEST

START_TEST(changes_of_more_or_less_than_one_server_are_invalid)
{
    lead_with_noop();
    change(1, (uint32_t[]){1, 2, 3}, 3);
    ck_assert_int_eq(outcome(1), ERR_INVALID);
    change(2, (uint32_t[]){1}, 1);
    ck_assert_int_eq(outcome(2), ERR_INVALID);
    change(3, (uint32_t[]){1, 2, 4}, 3);
    ck_assert_int_eq(outcome(3), ERR_INVALID);
    change(4, NULL, 0);
    ck_assert_int_eq(outcome(4), ERR_INVALID);
    ck_assert_uint_eq(raft_last_index(s.raft), 2);
}
END_TEST

START_TEST(a_follower_refuses_changes)
{
    change(1, (uint32_t[]){1, 2}, 2);
    ck_assert_int_eq(outcome(1), ERR_NOT_LEADER);
}
END_TEST

START_TEST(a_removal_is_in_use_from_the_moment_it_is_in_the_log)
{
    lead_with_noop();
    change(1, (uint32_t[]){1, 2}, 2);
    ck_assert_uint_eq(single_effect(&s, RAFT_EFFECT_CONFIGURATION, 0)->configuration.count, 2);
    ck_assert_ptr_nonnull(single_sent(&s, WIRE_RAFT_APPEND, 3)); /* the removed one hears of it */
    single_appended_from(&s, 3, 3);                              /* and counts no more */
    ck_assert_uint_eq(raft_commit_index(s.raft), 2);
    single_appended_from(&s, 2, 3);
    ck_assert_uint_eq(raft_commit_index(s.raft), 3);
}
END_TEST

START_TEST(an_added_server_catches_up_before_it_counts)
{
    lead_with_noop();
    change(1, (uint32_t[]){1, 2, 3, 4}, 4);
    ck_assert_uint_eq(raft_configuration(s.raft)->count, 3);
    ck_assert_uint_eq(raft_joiner(s.raft)->id, 4);
    single_rejected_from(&s, 4, 0, 1); /* empty, as it should be */
    ck_assert(!raft_lost_disk(s.raft, 4));
    single_appended_from(&s, 4, 0);
    single_appended_from(&s, 4, 1);
    ck_assert_uint_eq(raft_configuration(s.raft)->count, 3);
    single_appended_from(&s, 4, 2);
    ck_assert_uint_eq(raft_configuration(s.raft)->count, 4);
    ck_assert_ptr_null(raft_joiner(s.raft));
    single_appended_from(&s, 4, 3);
    ck_assert_uint_eq(raft_commit_index(s.raft), 2); /* three of four are needed */
    single_appended_from(&s, 3, 3);
    ck_assert_int_eq(outcome(1), ERR_OK);
}
END_TEST

START_TEST(a_joiner_that_does_not_catch_up_is_given_up)
{
    lead_with_noop();
    change(1, (uint32_t[]){1, 2, 3, 4}, 4);
    bool is_answered = false;
    for (int i = 0; i < 200 && !is_answered; i++) {
        single_tick_at_deadline(&s);
        is_answered = single_effect(&s, RAFT_EFFECT_PROPOSED, 0) != NULL;
        if (!is_answered)
            single_appended_from(&s, 2, 2);
    }
    ck_assert(is_answered);
    ck_assert_int_eq(outcome(1), ERR_TIMEOUT);
    ck_assert_ptr_null(raft_joiner(s.raft));
    ck_assert_ptr_null(raft_peer_find(s.raft, 4));
}
END_TEST

START_TEST(answers_of_an_earlier_life_do_not_count_for_a_joiner)
{
    lead_with_noop();
    uint64_t old_round = s.raft->round;
    change(1, (uint32_t[]){1, 2, 3, 4}, 4);
    struct wire_message message = {.type = WIRE_RAFT_APPENDED};
    message.u.raft_appended = (struct wire_raft_appended){
        .term = 2, .sender = 4, .success = true, .match_index = 2, .round = old_round};
    single_receive(&s, &message);
    ck_assert_uint_eq(raft_match_index(s.raft, 4), 0);
    ck_assert_uint_eq(raft_configuration(s.raft)->count, 3);
}
END_TEST

START_TEST(a_truncated_configuration_is_rolled_back)
{
    lead_with_noop();
    change(1, (uint32_t[]){1, 2}, 2);
    ck_assert_uint_eq(raft_configuration(s.raft)->count, 2);
    static const uint64_t threes[] = {3};
    single_append_from(&s, 2, 3, 2, 2, threes, 1, 0);
    ck_assert_uint_eq(raft_configuration(s.raft)->count, 3);
    ck_assert_uint_eq(single_effect(&s, RAFT_EFFECT_CONFIGURATION, 0)->configuration.count, 3);
    single_restart(&s);
    ck_assert_uint_eq(raft_configuration(s.raft)->count, 3);
}
END_TEST

START_TEST(a_removed_leader_leads_until_the_commit_and_hands_over)
{
    lead_with_noop();
    single_appended_from(&s, 3, 2);
    change(1, (uint32_t[]){2, 3}, 2);
    ck_assert_int_eq(raft_role(s.raft), RAFT_LEADER);
    single_appended_from(&s, 2, 3);
    ck_assert_int_eq(raft_role(s.raft), RAFT_LEADER); /* its own copy does not count */
    single_appended_from(&s, 3, 3);
    ck_assert_int_eq(raft_role(s.raft), RAFT_FOLLOWER);
    ck_assert_int_eq(outcome(1), ERR_OK);
    ck_assert_ptr_nonnull(single_sent(&s, WIRE_RAFT_TIMEOUT_NOW, 0));
    single_advance(&s, 10000000);
    ck_assert_int_eq(raft_role(s.raft), RAFT_FOLLOWER); /* and stands for nothing any more */
}
END_TEST

static uint32_t wanted;
static uint64_t request;

static bool has_members(struct cluster *cluster)
{
    uint32_t leader = cluster_leader(cluster);
    return leader != 0 && cluster_is_converged(cluster) &&
           raft_configuration(cluster_server(cluster, leader)->raft)->count == wanted;
}

static bool is_answered(struct cluster *cluster)
{
    enum err err = ERR_OK;
    return cluster_is_answered(cluster, request, &err);
}

START_TEST(a_cluster_grows_from_one_to_seven_and_back_to_one)
{
    struct cluster *cluster = cluster_new(5, 1);
    for (uint32_t id = 2; id <= CLUSTER_SERVERS; id++)
        cluster_start(cluster, id);
    ck_assert(cluster_run_until(cluster, cluster_has_leader, 5000000));
    for (int i = 0; i < 60; i++)
        (void)cluster_propose(cluster, 1);
    for (wanted = 2; wanted <= CLUSTER_SERVERS; wanted++) {
        (void)cluster_change(cluster, cluster_leader(cluster), wanted, true);
        ck_assert(cluster_run_until(cluster, has_members, 5000000));
    }
    for (wanted = CLUSTER_SERVERS - 1; wanted >= 1; wanted--) {
        (void)cluster_change(cluster, cluster_leader(cluster), cluster_leader(cluster), false);
        ck_assert(cluster_run_until(cluster, has_members, 5000000));
    }
    cluster_free(cluster);
}
END_TEST

static enum err cluster_outcome(struct cluster *cluster)
{
    enum err err = ERR_OK;
    ck_assert(cluster_run_until(cluster, is_answered, 1000000));
    (void)cluster_is_answered(cluster, request, &err);
    return err;
}

/* Simulator seeds 68306 and 70265: one server is gone, and a late order removes another one. */
START_TEST(a_removal_that_leaves_too_few_servers_that_answer_is_refused)
{
    struct cluster *cluster = cluster_new(13, 3);
    ck_assert(cluster_run_until(cluster, cluster_has_leader, 5000000));
    uint32_t leader = cluster_leader(cluster);
    uint32_t gone = 1 + leader % 3;
    uint32_t healthy = 1 + gone % 3;
    (void)cluster_propose(cluster, leader);
    cluster_run(cluster, 1000000);
    cluster_crash(cluster, gone);
    cluster_run(cluster, 1000000);
    ck_assert_uint_eq(cluster_leader(cluster), leader);
    request = cluster_change(cluster, leader, healthy, false);
    ck_assert_int_eq(cluster_outcome(cluster), ERR_UNREACHABLE);
    request = cluster_change(cluster, leader, leader, false);
    ck_assert_int_eq(cluster_outcome(cluster), ERR_UNREACHABLE);
    ck_assert_uint_eq(raft_configuration(cluster_server(cluster, leader)->raft)->count, 3);
    request = cluster_change(cluster, leader, gone, false); /* the right one */
    wanted = 2;
    ck_assert(cluster_run_until(cluster, has_members, 1000000));
    cluster_free(cluster);
}
END_TEST

START_TEST(a_wiped_member_is_refused_until_it_is_removed_and_added)
{
    struct cluster *cluster = cluster_new(9, 3);
    ck_assert(cluster_run_until(cluster, cluster_has_leader, 5000000));
    uint32_t leader = cluster_leader(cluster);
    uint32_t lost = 1 + leader % 3;
    (void)cluster_propose(cluster, leader);
    cluster_run(cluster, 1000000);
    cluster_crash(cluster, lost);
    cluster_wipe(cluster, lost);
    cluster_start(cluster, lost);
    cluster_run(cluster, 3000000);
    leader = cluster_leader(cluster);
    ck_assert(raft_lost_disk(cluster_server(cluster, leader)->raft, lost));
    ck_assert_uint_eq(raft_last_index(cluster_server(cluster, lost)->raft), 0);
    request = cluster_change(cluster, leader, lost, false);
    ck_assert(cluster_run_until(cluster, is_answered, 3000000));
    request = cluster_change(cluster, leader, lost, true);
    ck_assert(cluster_run_until(cluster, is_answered, 3000000));
    wanted = 3;
    ck_assert(cluster_run_until(cluster, has_members, 3000000));
    cluster_free(cluster);
}
END_TEST

/* With two of three gone for good, the wiped one may not help the last to lead. */
START_TEST(a_wiped_member_does_not_vote)
{
    struct cluster *cluster = cluster_new(11, 3);
    ck_assert(cluster_run_until(cluster, cluster_has_leader, 5000000));
    uint32_t leader = cluster_leader(cluster);
    uint32_t lost = 1 + leader % 3;
    uint32_t lagging = 1 + lost % 3;
    cluster_isolate(cluster, lagging, true);
    request = cluster_propose(cluster, leader);
    ck_assert(cluster_run_until(cluster, is_answered, 1000000));
    cluster_crash(cluster, leader);
    cluster_crash(cluster, lost);
    cluster_wipe(cluster, lost);
    cluster_start(cluster, lost);
    cluster_heal(cluster);
    cluster_run(cluster, 20000000);
    ck_assert_uint_eq(cluster_leader(cluster), 0);
    cluster_start(cluster, leader); /* with it back there are two again */
    ck_assert(cluster_run_until(cluster, cluster_has_leader, 5000000));
    ck_assert_uint_eq(cluster_leader(cluster), leader);
    cluster_free(cluster);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("raft_membership");
    TCase *tcase = tcase_create("changes");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, no_change_before_an_own_term_commit);
    tcase_add_test(tcase, one_change_at_a_time);
    tcase_add_test(tcase, changes_of_more_or_less_than_one_server_are_invalid);
    tcase_add_test(tcase, a_follower_refuses_changes);
    tcase_add_test(tcase, a_removal_is_in_use_from_the_moment_it_is_in_the_log);
    tcase_add_test(tcase, a_removal_that_leaves_too_few_servers_that_answer_is_refused);
    tcase_add_test(tcase, an_added_server_catches_up_before_it_counts);
    tcase_add_test(tcase, a_joiner_that_does_not_catch_up_is_given_up);
    tcase_add_test(tcase, answers_of_an_earlier_life_do_not_count_for_a_joiner);
    tcase_add_test(tcase, a_truncated_configuration_is_rolled_back);
    tcase_add_test(tcase, a_removed_leader_leads_until_the_commit_and_hands_over);
    tcase_add_test(tcase, a_cluster_grows_from_one_to_seven_and_back_to_one);
    tcase_add_test(tcase, a_wiped_member_is_refused_until_it_is_removed_and_added);
    tcase_add_test(tcase, a_wiped_member_does_not_vote);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
