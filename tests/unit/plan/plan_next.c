/* The planner's decisions, one claim each. */
#include <stdlib.h>

#include "tests/unit/plan/plan_fixture.h"

static struct fixture f;

START_TEST(healthy_full_chain_is_left_alone)
{
    fixture_init(&f, 3, 3);
    fixture_candidate(&f, 4);
    ck_assert_int_eq(fixture_plan(&f), PLAN_NONE);
}
END_TEST

START_TEST(suspected_member_is_removed_and_fenced)
{
    fixture_init(&f, 3, 3);
    fixture_status(&f, 3, STATUS_SUSPECT);
    ck_assert_int_eq(fixture_plan(&f), PLAN_REMOVE);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 12);
    ck_assert_uint_eq(fixture_fences(&f.step), 3);
    ck_assert_uint_eq(f.step.row.epoch, 8);
    ck_assert_uint_eq(f.step.row.serving_count, 3);
}
END_TEST

START_TEST(proven_death_needs_no_fence)
{
    fixture_init(&f, 3, 3);
    fixture_status(&f, 1, STATUS_DEAD);
    ck_assert_int_eq(fixture_plan(&f), PLAN_REMOVE);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 23);
    ck_assert_uint_eq(f.step.fences_count, 0);
}
END_TEST

START_TEST(restarted_member_is_removed_although_its_node_lives)
{
    fixture_init(&f, 3, 3);
    fixture_status(&f, 2, STATUS_RETURNED_HOLDS);
    ck_assert_int_eq(fixture_plan(&f), PLAN_REMOVE);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 13);
    /* A higher incarnation alone is no proof of death (R4). */
    ck_assert_uint_eq(fixture_fences(&f.step), 2);
}
END_TEST

START_TEST(unknown_node_counts_as_dead)
{
    fixture_init(&f, 3, 3);
    f.input.nodes_count = 2;
    ck_assert_int_eq(fixture_plan(&f), PLAN_REMOVE);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 12);
}
END_TEST

START_TEST(decided_removal_is_activated_while_its_members_live)
{
    fixture_init(&f, 3, 3);
    fixture_status(&f, 1, STATUS_SUSPECT);
    fixture_decide(&f, 6);
    ck_assert_int_eq(fixture_plan(&f), PLAN_ACTIVATE);
    ck_assert_uint_eq(f.step.row.epoch, 8);
    ck_assert_uint_eq(fixture_fences(&f.step), 1);
    ck_assert_uint_eq(f.step.row.serving_count, 2);
}
END_TEST

START_TEST(member_that_is_decided_out_stays_out_though_it_lives)
{
    fixture_init(&f, 3, 3);
    fixture_decide(&f, 6);
    ck_assert_int_eq(fixture_plan(&f), PLAN_ACTIVATE);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 23);
    ck_assert_uint_eq(fixture_fences(&f.step), 1);
}
END_TEST

START_TEST(second_death_widens_the_decided_removal)
{
    fixture_init(&f, 3, 3);
    fixture_status(&f, 2, STATUS_SUSPECT);
    fixture_decide(&f, 6);
    ck_assert_int_eq(fixture_plan(&f), PLAN_REMOVE);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 3);
    ck_assert_uint_eq(f.step.row.epoch, 9);
    ck_assert_uint_eq(fixture_fences(&f.step), 12);
}
END_TEST

START_TEST(member_that_was_to_go_stays_when_those_that_remain_are_dead)
{
    fixture_init(&f, 3, 3);
    fixture_status(&f, 3, STATUS_SUSPECT);
    fixture_decide(&f, 4);
    ck_assert_int_eq(fixture_plan(&f), PLAN_REMOVE);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 12);
    ck_assert_uint_eq(f.step.row.epoch, 9);
    ck_assert_uint_eq(fixture_fences(&f.step), 3);
    ck_assert_uint_eq(f.step.row.serving_count, 3);
    /* One that came back is no member that goes on. */
    fixture_status(&f, 1, STATUS_RETURNED_HOLDS);
    fixture_status(&f, 2, STATUS_RETURNED_HOLDS);
    ck_assert_int_eq(fixture_plan(&f), PLAN_NONE);
}
END_TEST

START_TEST(row_that_nobody_can_enter_is_not_activated)
{
    fixture_init(&f, 3, 3);
    for (uint32_t node = 1; node <= 3; node++)
        fixture_status(&f, node, STATUS_SUSPECT);
    fixture_decide(&f, 4);
    ck_assert_int_eq(fixture_plan(&f), PLAN_NONE);
    fixture_status(&f, 3, STATUS_ALIVE);
    ck_assert_int_eq(fixture_plan(&f), PLAN_ACTIVATE);
}
END_TEST

START_TEST(dead_chain_keeps_its_members_and_waits)
{
    fixture_init(&f, 3, 3);
    fixture_candidate(&f, 4);
    f.input.grace_is_over = true;
    for (uint32_t node = 1; node <= 3; node++)
        fixture_status(&f, node, STATUS_DEAD);
    ck_assert_int_eq(fixture_plan(&f), PLAN_NONE);
    fixture_status(&f, 1, STATUS_RETURNED_EMPTY);
    fixture_status(&f, 2, STATUS_RETURNED_SYNCING);
    ck_assert_int_eq(fixture_plan(&f), PLAN_NONE);
}
END_TEST

START_TEST(any_serving_member_that_returns_restarts_the_chain)
{
    for (uint32_t back = 1; back <= 3; back++) {
        fixture_init(&f, 3, 3);
        for (uint32_t node = 1; node <= 3; node++)
            fixture_status(&f, node, STATUS_SUSPECT);
        fixture_status(&f, back, STATUS_RETURNED_HOLDS);
        ck_assert_int_eq(fixture_plan(&f), PLAN_NONE); /* grace */
        f.input.grace_is_over = true;
        ck_assert_int_eq(fixture_plan(&f), PLAN_RESTART);
        ck_assert_uint_eq(fixture_digits(&f.step.row), back);
        ck_assert_uint_eq(f.step.row.members[0].incarnation, fixture_returned(back).incarnation);
        ck_assert_uint_eq(fixture_fences(&f.step), 123);
        ck_assert_uint_eq(f.step.row.serving_count, 3);
    }
}
END_TEST

START_TEST(restart_needs_no_grace_when_all_are_back)
{
    fixture_init(&f, 3, 3);
    for (uint32_t node = 1; node <= 3; node++)
        fixture_status(&f, node, STATUS_RETURNED_HOLDS);
    ck_assert_int_eq(fixture_plan(&f), PLAN_RESTART);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 1);
}
END_TEST

START_TEST(restart_prefers_those_that_remain_but_takes_any)
{
    fixture_init(&f, 3, 3);
    f.input.grace_is_over = true;
    fixture_status(&f, 1, STATUS_RETURNED_HOLDS);
    fixture_status(&f, 2, STATUS_SUSPECT);
    fixture_status(&f, 3, STATUS_RETURNED_HOLDS);
    fixture_decide(&f, 4);
    ck_assert_int_eq(fixture_plan(&f), PLAN_RESTART);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 3);
    ck_assert_uint_eq(f.step.row.epoch, 9);
    fixture_status(&f, 3, STATUS_SUSPECT);
    ck_assert_int_eq(fixture_plan(&f), PLAN_RESTART);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 1);
}
END_TEST

START_TEST(starter_that_dies_before_activation_is_replaced)
{
    fixture_init(&f, 3, 3);
    f.input.grace_is_over = true;
    fixture_status(&f, 1, STATUS_SUSPECT);
    fixture_status(&f, 2, STATUS_RETURNED_HOLDS);
    fixture_status(&f, 3, STATUS_SUSPECT);
    fixture_decide_restart(&f, 1);
    ck_assert_int_eq(fixture_plan(&f), PLAN_RESTART);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 2);
    ck_assert_uint_eq(f.step.row.epoch, 9);
}
END_TEST

START_TEST(half_synced_joiner_never_starts)
{
    fixture_init(&f, 1, 3);
    f.active.joiner = fixture_member(2);
    f.input.grace_is_over = true;
    fixture_status(&f, 1, STATUS_DEAD);
    fixture_status(&f, 2, STATUS_RETURNED_HOLDS);
    ck_assert_int_eq(fixture_plan(&f), PLAN_NONE);
}
END_TEST

START_TEST(short_chain_gets_the_best_candidate)
{
    fixture_init(&f, 2, 3);
    fixture_candidate(&f, 2); /* a member */
    fixture_candidate(&f, 5);
    fixture_candidate(&f, 4);
    fixture_status(&f, 5, STATUS_SUSPECT);
    ck_assert_int_eq(fixture_plan(&f), PLAN_ADD_JOINER);
    ck_assert_uint_eq(f.step.row.joiner.node, 4);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 12);
}
END_TEST

START_TEST(candidate_that_cannot_talk_to_the_tail_is_passed_over)
{
    fixture_init(&f, 2, 3);
    fixture_candidate(&f, 4);
    fixture_link(&f, 4, 2, false);
    ck_assert_int_eq(fixture_plan(&f), PLAN_NONE);
    fixture_candidate(&f, 5);
    ck_assert_int_eq(fixture_plan(&f), PLAN_ADD_JOINER);
    ck_assert_uint_eq(f.step.row.joiner.node, 5);
}
END_TEST

START_TEST(joiner_is_appended_only_when_synced_in_this_epoch)
{
    fixture_init(&f, 2, 3);
    f.active.joiner = fixture_member(4);
    ck_assert_int_eq(fixture_plan(&f), PLAN_NONE);
    fixture_synced(&f, 6);
    ck_assert_int_eq(fixture_plan(&f), PLAN_NONE);
    fixture_synced(&f, 8);
    ck_assert_int_eq(fixture_plan(&f), PLAN_NONE);
    fixture_synced(&f, 7);
    f.input.synced.sender = f.active.members[0];
    ck_assert_int_eq(fixture_plan(&f), PLAN_NONE);
    fixture_synced(&f, 7);
    ck_assert_int_eq(fixture_plan(&f), PLAN_APPEND);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 124);
    ck_assert_uint_eq(f.step.row.joiner.node, 0);
    ck_assert_uint_eq(f.step.row.serving_count, 3);
}
END_TEST

START_TEST(dead_slow_or_cut_off_joiner_is_cancelled)
{
    for (int cause = 0; cause < 3; cause++) {
        fixture_init(&f, 2, 3);
        f.active.joiner = fixture_member(4);
        fixture_synced(&f, 7);
        if (cause == 0)
            fixture_status(&f, 4, STATUS_SUSPECT);
        if (cause == 1)
            f.input.cancel_joiner = true;
        if (cause == 2)
            fixture_link(&f, 2, 4, true);
        ck_assert_int_eq(fixture_plan(&f), PLAN_CANCEL_JOINER);
        ck_assert_uint_eq(f.step.row.joiner.node, 0);
    }
}
END_TEST

START_TEST(removal_keeps_a_live_joiner_and_drops_a_dead_one)
{
    fixture_init(&f, 3, 4);
    f.active.joiner = fixture_member(4);
    fixture_status(&f, 3, STATUS_SUSPECT);
    ck_assert_int_eq(fixture_plan(&f), PLAN_REMOVE);
    ck_assert_uint_eq(f.step.row.joiner.node, 4);
    fixture_status(&f, 4, STATUS_SUSPECT);
    ck_assert_int_eq(fixture_plan(&f), PLAN_REMOVE);
    ck_assert_uint_eq(f.step.row.joiner.node, 0);
}
END_TEST

START_TEST(nothing_joins_while_a_removal_is_decided)
{
    fixture_init(&f, 3, 4);
    fixture_candidate(&f, 5);
    f.active.joiner = fixture_member(4);
    fixture_synced(&f, 7);
    fixture_decide(&f, 3);
    ck_assert_int_eq(fixture_plan(&f), PLAN_ACTIVATE);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 12);
    ck_assert_uint_eq(f.step.row.joiner.node, 4);
}
END_TEST

START_TEST(one_end_of_a_cut_link_goes_never_both)
{
    fixture_init(&f, 3, 3);
    fixture_link(&f, 2, 1, true);
    ck_assert_int_eq(fixture_plan(&f), PLAN_REMOVE);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 13);
    fixture_init(&f, 3, 3);
    fixture_link(&f, 2, 3, true);
    ck_assert_int_eq(fixture_plan(&f), PLAN_REMOVE);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 13);
    fixture_init(&f, 2, 3);
    fixture_link(&f, 1, 2, true);
    ck_assert_int_eq(fixture_plan(&f), PLAN_REMOVE);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 2);
}
END_TEST

START_TEST(remembered_or_distant_bad_links_remove_nobody)
{
    fixture_init(&f, 3, 3);
    fixture_link(&f, 1, 2, false);
    fixture_link(&f, 1, 3, true);
    ck_assert_int_eq(fixture_plan(&f), PLAN_NONE);
}
END_TEST

START_TEST(wanted_order_is_reached_through_freeze_and_drain)
{
    fixture_init(&f, 3, 3);
    f.order[0] = 3;
    f.order[1] = 1;
    f.order[2] = 2;
    f.input.order = f.order;
    f.input.order_count = 3;
    ck_assert_int_eq(fixture_plan(&f), PLAN_FREEZE);
    f.active = f.step.row;
    ck_assert_int_eq(fixture_plan(&f), PLAN_NONE);
    fixture_drained(&f, 7);
    ck_assert_int_eq(fixture_plan(&f), PLAN_NONE);
    fixture_drained(&f, 8);
    ck_assert_int_eq(fixture_plan(&f), PLAN_PERMUTE);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 312);
    ck_assert(!f.step.row.frozen);
    f.active = f.step.row;
    ck_assert_int_eq(fixture_plan(&f), PLAN_NONE);
}
END_TEST

START_TEST(frozen_chain_without_an_order_is_unfrozen)
{
    fixture_init(&f, 3, 3);
    f.active.frozen = true;
    ck_assert_int_eq(fixture_plan(&f), PLAN_UNFREEZE);
    ck_assert(!f.step.row.frozen);
}
END_TEST

START_TEST(order_that_is_no_permutation_is_ignored)
{
    static const uint32_t wrong[3][3] = {{1, 2, 4}, {1, 1, 2}, {3, 2, 2}};
    for (int i = 0; i < 3; i++) {
        fixture_init(&f, 3, 3);
        f.input.order = wrong[i];
        f.input.order_count = 3;
        ck_assert_int_eq(fixture_plan(&f), PLAN_NONE);
    }
}
END_TEST

START_TEST(removal_unfreezes)
{
    fixture_init(&f, 3, 3);
    f.active.frozen = true;
    fixture_drained(&f, 7);
    fixture_status(&f, 2, STATUS_SUSPECT);
    ck_assert_int_eq(fixture_plan(&f), PLAN_REMOVE);
    ck_assert(!f.step.row.frozen);
}
END_TEST

START_TEST(evicted_member_leaves_after_its_replacement_came)
{
    fixture_init(&f, 3, 3);
    f.input.evict = 2;
    ck_assert_int_eq(fixture_plan(&f), PLAN_NONE); /* nobody to replace it */
    fixture_candidate(&f, 4);
    ck_assert_int_eq(fixture_plan(&f), PLAN_ADD_JOINER);
    f.active = f.step.row;
    fixture_synced(&f, 8);
    ck_assert_int_eq(fixture_plan(&f), PLAN_APPEND);
    f.active = f.step.row;
    ck_assert_int_eq(fixture_plan(&f), PLAN_REMOVE);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 134);
}
END_TEST

START_TEST(fewer_replicas_shorten_the_chain_before_the_tail)
{
    fixture_init(&f, 3, 3);
    f.input.replicas = 2;
    ck_assert_int_eq(fixture_plan(&f), PLAN_REMOVE);
    ck_assert_uint_eq(fixture_digits(&f.step.row), 13);
}
END_TEST

START_TEST(changed_settings_are_an_epoch_of_their_own)
{
    fixture_init(&f, 2, 2);
    f.input.any_replica = true;
    f.input.write_floor = 2;
    f.input.replicas = 3;
    fixture_candidate(&f, 4);
    ck_assert_int_eq(fixture_plan(&f), PLAN_SETTINGS);
    ck_assert(f.step.row.any_replica);
    ck_assert_uint_eq(f.step.row.write_floor, 2);
    ck_assert_uint_eq(f.step.row.replicas, 3);
    ck_assert_uint_eq(f.step.row.joiner.node, 0);
    f.active = f.step.row;
    ck_assert_int_eq(fixture_plan(&f), PLAN_ADD_JOINER);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain_plan");
    TCase *tcase = tcase_create("steps");
    tcase_add_test(tcase, healthy_full_chain_is_left_alone);
    tcase_add_test(tcase, suspected_member_is_removed_and_fenced);
    tcase_add_test(tcase, proven_death_needs_no_fence);
    tcase_add_test(tcase, restarted_member_is_removed_although_its_node_lives);
    tcase_add_test(tcase, unknown_node_counts_as_dead);
    tcase_add_test(tcase, decided_removal_is_activated_while_its_members_live);
    tcase_add_test(tcase, member_that_is_decided_out_stays_out_though_it_lives);
    tcase_add_test(tcase, second_death_widens_the_decided_removal);
    tcase_add_test(tcase, member_that_was_to_go_stays_when_those_that_remain_are_dead);
    tcase_add_test(tcase, row_that_nobody_can_enter_is_not_activated);
    tcase_add_test(tcase, dead_chain_keeps_its_members_and_waits);
    tcase_add_test(tcase, any_serving_member_that_returns_restarts_the_chain);
    tcase_add_test(tcase, restart_needs_no_grace_when_all_are_back);
    tcase_add_test(tcase, restart_prefers_those_that_remain_but_takes_any);
    tcase_add_test(tcase, starter_that_dies_before_activation_is_replaced);
    tcase_add_test(tcase, half_synced_joiner_never_starts);
    tcase_add_test(tcase, short_chain_gets_the_best_candidate);
    tcase_add_test(tcase, candidate_that_cannot_talk_to_the_tail_is_passed_over);
    tcase_add_test(tcase, joiner_is_appended_only_when_synced_in_this_epoch);
    tcase_add_test(tcase, dead_slow_or_cut_off_joiner_is_cancelled);
    tcase_add_test(tcase, removal_keeps_a_live_joiner_and_drops_a_dead_one);
    tcase_add_test(tcase, nothing_joins_while_a_removal_is_decided);
    tcase_add_test(tcase, one_end_of_a_cut_link_goes_never_both);
    tcase_add_test(tcase, remembered_or_distant_bad_links_remove_nobody);
    tcase_add_test(tcase, wanted_order_is_reached_through_freeze_and_drain);
    tcase_add_test(tcase, frozen_chain_without_an_order_is_unfrozen);
    tcase_add_test(tcase, order_that_is_no_permutation_is_ignored);
    tcase_add_test(tcase, removal_unfreezes);
    tcase_add_test(tcase, evicted_member_leaves_after_its_replacement_came);
    tcase_add_test(tcase, fewer_replicas_shorten_the_chain_before_the_tail);
    tcase_add_test(tcase, changed_settings_are_an_epoch_of_their_own);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
