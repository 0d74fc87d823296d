/* The oracle refuses each kind of illegal step: without this, agreement between planner and oracle
 * would prove nothing. Every test starts from a legal step and breaks one thing. */
#include <stdlib.h>

#include "tests/unit/plan/plan_fixture.h"

static struct fixture f;

static void expect_refused(void)
{
    const char *why = NULL;
    ck_assert(!plan_validate(&f.input, &f.step, &why));
    ck_assert_ptr_nonnull(why);
}

static void removal_of_3(void)
{
    fixture_init(&f, 3, 3);
    fixture_status(&f, 3, STATUS_SUSPECT);
    ck_assert_int_eq(fixture_plan(&f), PLAN_REMOVE);
}

static void append_of_4(void)
{
    fixture_init(&f, 2, 3);
    f.active.joiner = fixture_member(4);
    fixture_synced(&f, 7);
    ck_assert_int_eq(fixture_plan(&f), PLAN_APPEND);
}

static void restart_of_2(void)
{
    fixture_init(&f, 3, 3);
    for (uint32_t node = 1; node <= 3; node++)
        fixture_status(&f, node, STATUS_SUSPECT);
    fixture_status(&f, 2, STATUS_RETURNED_HOLDS);
    f.input.grace_is_over = true;
    ck_assert_int_eq(fixture_plan(&f), PLAN_RESTART);
}

static void permutation(void)
{
    fixture_init(&f, 3, 3);
    f.active.frozen = true;
    f.order[0] = 2;
    f.order[1] = 1;
    f.order[2] = 3;
    f.input.order = f.order;
    f.input.order_count = 3;
    fixture_drained(&f, 7);
    ck_assert_int_eq(fixture_plan(&f), PLAN_PERMUTE);
}

START_TEST(epoch_that_is_not_the_next_is_refused)
{
    removal_of_3();
    f.step.row.epoch = 7;
    expect_refused();
    f.step.row.epoch = 9;
    expect_refused();
}
END_TEST

START_TEST(removal_of_every_live_member_is_refused)
{
    removal_of_3();
    f.step.row.members[0] = fixture_member(3);
    f.step.row.members_count = 1;
    expect_refused();
    f.step.row.members_count = 0;
    expect_refused();
}
END_TEST

START_TEST(removal_that_adds_or_reorders_is_refused)
{
    removal_of_3();
    f.step.row.members[1] = fixture_member(4);
    expect_refused();
    removal_of_3();
    f.step.row.members[0] = fixture_member(2);
    f.step.row.members[1] = fixture_member(1);
    expect_refused();
    removal_of_3();
    f.step.row.members[0] = fixture_returned(1);
    expect_refused();
}
END_TEST

START_TEST(removal_without_a_fence_is_refused)
{
    removal_of_3();
    f.step.fences_count = 0;
    expect_refused();
}
END_TEST

START_TEST(removal_that_shrinks_the_serving_set_early_is_refused)
{
    removal_of_3();
    fixture_serve(&f.step.row);
    expect_refused();
}
END_TEST

START_TEST(return_of_a_member_that_is_decided_out_is_refused)
{
    fixture_init(&f, 4, 4);
    fixture_status(&f, 2, STATUS_SUSPECT);
    fixture_decide(&f, 14);
    ck_assert_int_eq(fixture_plan(&f), PLAN_REMOVE);
    f.step.row.members[0] = fixture_member(1);
    f.step.row.members[1] = fixture_member(3);
    f.step.row.members_count = 2;
    expect_refused();
}
END_TEST

START_TEST(append_without_a_fitting_report_is_refused)
{
    append_of_4();
    f.input.synced.epoch = 6;
    expect_refused();
    append_of_4();
    f.input.synced.sender = f.active.members[0];
    expect_refused();
    append_of_4();
    f.input.synced = (struct plan_report){{0, 0}, 0};
    expect_refused();
}
END_TEST

START_TEST(append_elsewhere_or_of_another_is_refused)
{
    append_of_4();
    f.step.row.members[2] = fixture_member(2);
    f.step.row.members[1] = fixture_member(4);
    fixture_serve(&f.step.row);
    expect_refused();
    append_of_4();
    f.step.row.members[2] = fixture_member(5);
    fixture_serve(&f.step.row);
    expect_refused();
    append_of_4();
    f.step.row.members[2] = fixture_returned(4);
    fixture_serve(&f.step.row);
    expect_refused();
}
END_TEST

START_TEST(append_under_a_decided_removal_is_refused)
{
    append_of_4();
    struct plan_step step = f.step;
    fixture_decide(&f, 1);
    f.step = step;
    f.step.row.epoch = 9;
    expect_refused();
}
END_TEST

START_TEST(starter_must_have_served_and_hold_everything)
{
    restart_of_2();
    f.nodes[1].holds = false;
    expect_refused();
    restart_of_2();
    f.nodes[1].is_syncing = true;
    expect_refused();
    restart_of_2();
    f.nodes[1].is_alive = false;
    expect_refused();
    restart_of_2();
    fixture_status(&f, 4, STATUS_RETURNED_HOLDS);
    f.step.row.members[0] = fixture_returned(4);
    expect_refused();
    restart_of_2();
    f.active.serving[1] = fixture_member(5);
    f.step.row.serving[1] = fixture_member(5);
    expect_refused();
}
END_TEST

START_TEST(restart_beside_a_live_member_is_refused)
{
    restart_of_2();
    fixture_status(&f, 3, STATUS_ALIVE);
    expect_refused();
}
END_TEST

START_TEST(restart_under_the_old_incarnation_is_refused)
{
    restart_of_2();
    f.nodes[1].incarnation = fixture_member(2).incarnation;
    f.step.row.members[0] = fixture_member(2);
    expect_refused();
}
END_TEST

START_TEST(restart_fences_every_old_member)
{
    restart_of_2();
    f.step.fences_count = 2;
    expect_refused();
}
END_TEST

START_TEST(permutation_without_drain_is_refused)
{
    permutation();
    f.input.drained.epoch = 6;
    expect_refused();
    permutation();
    f.active.frozen = false;
    expect_refused();
    permutation();
    f.step.kind = PLAN_UNFREEZE;
    expect_refused();
}
END_TEST

START_TEST(permutation_that_loses_a_member_is_refused)
{
    permutation();
    f.step.row.members_count = 2;
    fixture_serve(&f.step.row);
    expect_refused();
}
END_TEST

START_TEST(activation_of_another_row_is_refused)
{
    fixture_init(&f, 3, 3);
    fixture_decide(&f, 6);
    ck_assert_int_eq(fixture_plan(&f), PLAN_ACTIVATE);
    struct plan_step legal = f.step;
    f.step.row.epoch = 9;
    expect_refused();
    f.step = legal;
    f.step.row.members_count = 1;
    fixture_serve(&f.step.row);
    expect_refused();
    f.step = legal;
    f.input.decided = NULL;
    expect_refused();
}
END_TEST

START_TEST(activation_without_a_live_member_is_refused)
{
    fixture_init(&f, 3, 3);
    fixture_decide(&f, 6);
    ck_assert_int_eq(fixture_plan(&f), PLAN_ACTIVATE);
    fixture_status(&f, 2, STATUS_SUSPECT);
    fixture_status(&f, 3, STATUS_RETURNED_HOLDS);
    expect_refused();
}
END_TEST

START_TEST(joiner_that_is_dead_or_second_is_refused)
{
    fixture_init(&f, 2, 3);
    fixture_candidate(&f, 4);
    ck_assert_int_eq(fixture_plan(&f), PLAN_ADD_JOINER);
    fixture_status(&f, 4, STATUS_SUSPECT);
    expect_refused();
    fixture_status(&f, 4, STATUS_ALIVE);
    f.active.joiner = fixture_member(5);
    expect_refused();
}
END_TEST

START_TEST(a_node_twice_in_a_row_is_refused)
{
    append_of_4();
    f.step.row.members[1] = f.step.row.members[0];
    expect_refused();
    fixture_init(&f, 2, 3);
    fixture_candidate(&f, 4);
    ck_assert_int_eq(fixture_plan(&f), PLAN_ADD_JOINER);
    f.step.row.joiner = fixture_member(1);
    expect_refused();
}
END_TEST

START_TEST(two_changes_in_one_step_are_refused)
{
    append_of_4();
    f.step.row.any_replica = true;
    expect_refused();
    append_of_4();
    f.step.row.joiner = fixture_member(5);
    expect_refused();
    fixture_init(&f, 2, 3);
    fixture_candidate(&f, 4);
    ck_assert_int_eq(fixture_plan(&f), PLAN_ADD_JOINER);
    f.step.row.frozen = true;
    expect_refused();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("validate");
    TCase *tcase = tcase_create("refusals");
    tcase_add_test(tcase, epoch_that_is_not_the_next_is_refused);
    tcase_add_test(tcase, removal_of_every_live_member_is_refused);
    tcase_add_test(tcase, removal_that_adds_or_reorders_is_refused);
    tcase_add_test(tcase, removal_without_a_fence_is_refused);
    tcase_add_test(tcase, removal_that_shrinks_the_serving_set_early_is_refused);
    tcase_add_test(tcase, return_of_a_member_that_is_decided_out_is_refused);
    tcase_add_test(tcase, append_without_a_fitting_report_is_refused);
    tcase_add_test(tcase, append_elsewhere_or_of_another_is_refused);
    tcase_add_test(tcase, append_under_a_decided_removal_is_refused);
    tcase_add_test(tcase, starter_must_have_served_and_hold_everything);
    tcase_add_test(tcase, restart_beside_a_live_member_is_refused);
    tcase_add_test(tcase, restart_under_the_old_incarnation_is_refused);
    tcase_add_test(tcase, restart_fences_every_old_member);
    tcase_add_test(tcase, permutation_without_drain_is_refused);
    tcase_add_test(tcase, permutation_that_loses_a_member_is_refused);
    tcase_add_test(tcase, activation_of_another_row_is_refused);
    tcase_add_test(tcase, activation_without_a_live_member_is_refused);
    tcase_add_test(tcase, joiner_that_is_dead_or_second_is_refused);
    tcase_add_test(tcase, a_node_twice_in_a_row_is_refused);
    tcase_add_test(tcase, two_changes_in_one_step_are_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
