/* Drain and swap (R36) as the leader drives it: when, how many at a time, and what ends it. */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/cm_core/world.h"

enum { SETTLE_US = 2000000 };

static struct world world;

static void setup(void)
{
    world_init(&world);
    world.options.settle_us = SETTLE_US;
    cm_core_free(world.core);
    world.core = cm_core_new(&world.options, 7, world.now_us);
}

static void teardown(void)
{
    world_release(&world);
}

static uint32_t count_at(uint32_t node, bool heads)
{
    uint32_t count = 0;
    uint32_t chains = cm_core_state(world.core)->chain_count;
    for (uint32_t i = 0; i < chains; i++) {
        const struct plan_row *row = world_row(&world, i);
        count += row->members[heads ? 0 : row->members_count - 1].node == node;
    }
    return count;
}

static uint32_t count_frozen(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < cm_core_state(world.core)->chain_count; i++)
        count += world_row(&world, i)->frozen ? 1 : 0;
    return count;
}

static bool all_full(uint32_t replicas)
{
    const struct cm_state *state = cm_core_state(world.core);
    for (uint32_t i = 0; i < state->chain_count; i++) {
        if (state->chains[i].has_decided || state->chains[i].active.joiner.node != 0 ||
            state->chains[i].active.members_count != replicas)
            return false;
    }
    return true;
}

/* Node 3 dies, returns and joins everywhere as tail. */
static void start_unbalanced(uint32_t chains)
{
    world_start(&world, 3, chains);
    for (uint32_t i = 0; i < world.node_count; i++)
        world.nodes[i].syncs = true;
    world_kill(&world, 3);
    world_obituary(&world, 3);
    world_run(&world, 200000);
    world_restart(&world, 3);
    for (int i = 0; i < 1000 && !all_full(3); i++)
        world_run(&world, 10000);
    ck_assert(all_full(3));
    ck_assert_uint_eq(count_at(3, true), 0);
    ck_assert_uint_eq(count_at(3, false), chains);
}

static void set_rebalance(uint64_t value)
{
    uint64_t conn = world_connect(&world, WIRE_ROLE_CLIENT, 0, 0);
    world_admin(&world, conn, WIRE_ADMIN_SETTING_SET, value, 0, "rebalance-roles", 50 + value);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
}

START_TEST(roles_are_evened_out_after_a_return)
{
    start_unbalanced(6);
    text_clear(&world.story);
    world_say(&world, "* every chain is at full length, node 3 is tail of all");
    world_run(&world, SETTLE_US + 500000);
    ck_assert_uint_eq(count_frozen(), 0);
    for (uint32_t node = 1; node <= 3; node++) {
        ck_assert_uint_eq(count_at(node, true), 2);
        ck_assert_uint_eq(count_at(node, false), 2);
    }
    world_expect_golden(&world, "drain_and_swap");
}
END_TEST

START_TEST(nothing_is_swapped_before_the_settling_time)
{
    start_unbalanced(6);
    uint64_t epoch = world_row(&world, 0)->epoch;
    world_run(&world, SETTLE_US - 500000);
    ck_assert_uint_eq(count_at(3, false), 6);
    ck_assert_uint_eq(world_row(&world, 0)->epoch, epoch);
}
END_TEST

START_TEST(at_most_four_chains_are_frozen_at_a_time)
{
    start_unbalanced(24);
    for (uint32_t i = 0; i < world.node_count; i++)
        world.nodes[i].never_drains = true;
    uint32_t most = 0;
    for (int i = 0; i < 400; i++) {
        world_run(&world, 10000);
        uint32_t frozen = count_frozen();
        most = frozen > most ? frozen : most;
    }
    ck_assert_uint_eq(most, 4);
    for (uint32_t i = 0; i < world.node_count; i++)
        world.nodes[i].never_drains = false;
    world_run(&world, 30000000);
    for (uint32_t node = 1; node <= 3; node++) {
        ck_assert_uint_eq(count_at(node, true), 8);
        ck_assert_uint_eq(count_at(node, false), 8);
    }
}
END_TEST

/* R23: only an epoch ends the freeze, and it comes within the failure budget. */
START_TEST(chain_that_does_not_drain_is_unfrozen)
{
    start_unbalanced(6);
    for (uint32_t i = 0; i < world.node_count; i++)
        world.nodes[i].never_drains = true;
    while (count_frozen() == 0)
        world_run(&world, 10000);
    uint64_t frozen_us = world.now_us;
    uint32_t chain = 0;
    while (!world_row(&world, chain)->frozen)
        chain++;
    uint64_t epoch = world_row(&world, chain)->epoch;
    while (count_frozen() > 0)
        world_run(&world, 10000);
    ck_assert_uint_le(world.now_us, frozen_us + world.options.silence_us + 150000);
    ck_assert_uint_eq(world_row(&world, chain)->epoch, epoch + 1);
    ck_assert_uint_eq(count_at(3, false), 6);
    /* And is not tried again at once: the settling time doubles. */
    world_run(&world, 2 * SETTLE_US - 500000);
    ck_assert_uint_eq(world_row(&world, chain)->epoch, epoch + 1);
}
END_TEST

START_TEST(death_in_a_frozen_chain_takes_the_normal_way)
{
    start_unbalanced(3);
    for (uint32_t i = 0; i < world.node_count; i++)
        world.nodes[i].never_drains = true;
    while (count_frozen() == 0)
        world_run(&world, 10000);
    uint32_t chain = 0;
    while (!world_row(&world, chain)->frozen)
        chain++;
    world_kill(&world, 3);
    world_obituary(&world, 3);
    world_run(&world, 100000);
    ck_assert_uint_eq(count_frozen(), 0);
    ck_assert_uint_eq(world_row(&world, chain)->members_count, 2);
}
END_TEST

/* R29: the former tail of a permuted row is waited for until it has acknowledged that row. */
START_TEST(former_tail_that_is_deaf_is_removed_only_after_its_lease)
{
    start_unbalanced(6);
    for (uint32_t i = 0; i < world.node_count; i++)
        world.nodes[i].never_drains = true;
    while (count_frozen() == 0)
        world_run(&world, 10000);
    uint32_t chain = 0;
    while (!world_row(&world, chain)->frozen)
        chain++;
    world_node(&world, 3)->deaf = true;
    for (uint32_t i = 0; i < world.node_count; i++)
        world.nodes[i].never_drains = false;
    while (world_row(&world, chain)->frozen)
        world_run(&world, 10000);
    const struct plan_row *row = world_row(&world, chain);
    ck_assert_uint_ne(row->members[2].node, 3);
    ck_assert(world_node(&world, 3)->is_tail[chain]); /* as it still believes */
    world_node(&world, 3)->is_mute = true;
    uint64_t lease_us = world_node(&world, 3)->lease_until_us;
    ck_assert_uint_gt(lease_us, world.now_us + world.options.silence_us);
    while (world_row(&world, chain)->members_count == 3)
        world_run(&world, 10000);
    ck_assert_uint_ge(world.now_us, lease_us);
}
END_TEST

START_TEST(setting_turns_it_off_and_on)
{
    start_unbalanced(6);
    set_rebalance(0);
    world_run(&world, 3 * SETTLE_US);
    ck_assert_uint_eq(count_at(3, false), 6);
    set_rebalance(1);
    world_run(&world, SETTLE_US + 500000);
    ck_assert_uint_eq(count_at(3, false), 2);
}
END_TEST

START_TEST(turning_it_off_unfreezes_what_is_under_way)
{
    start_unbalanced(6);
    for (uint32_t i = 0; i < world.node_count; i++)
        world.nodes[i].never_drains = true;
    while (count_frozen() == 0)
        world_run(&world, 10000);
    set_rebalance(0);
    world_run(&world, 20000);
    ck_assert_uint_eq(count_frozen(), 0);
    world_run(&world, 10 * SETTLE_US);
    ck_assert_uint_eq(count_at(3, false), 6);
}
END_TEST

START_TEST(new_leader_unfreezes_and_plans_anew)
{
    start_unbalanced(6);
    for (uint32_t i = 0; i < world.node_count; i++)
        world.nodes[i].never_drains = true;
    while (count_frozen() == 0)
        world_run(&world, 10000);
    world_take_over(&world);
    world_become_leader(&world);
    for (uint32_t i = 0; i < world.node_count; i++)
        world.nodes[i].never_drains = false;
    world_run(&world, 100000);
    ck_assert_uint_eq(count_frozen(), 0);
    ck_assert_uint_eq(count_at(3, false), 6);
    world_run(&world, SETTLE_US + 500000);
    ck_assert_uint_eq(count_at(3, false), 2);
}
END_TEST

START_TEST(balanced_cluster_is_left_alone)
{
    world_start(&world, 3, 9);
    ck_assert(all_full(3));
    world_run(&world, 3 * SETTLE_US);
    for (uint32_t i = 0; i < 9; i++)
        ck_assert_uint_eq(world_row(&world, i)->epoch, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cm_swap");
    TCase *tcase = tcase_create("swap");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, roles_are_evened_out_after_a_return);
    tcase_add_test(tcase, nothing_is_swapped_before_the_settling_time);
    tcase_add_test(tcase, at_most_four_chains_are_frozen_at_a_time);
    tcase_add_test(tcase, chain_that_does_not_drain_is_unfrozen);
    tcase_add_test(tcase, death_in_a_frozen_chain_takes_the_normal_way);
    tcase_add_test(tcase, former_tail_that_is_deaf_is_removed_only_after_its_lease);
    tcase_add_test(tcase, setting_turns_it_off_and_on);
    tcase_add_test(tcase, turning_it_off_unfreezes_what_is_under_way);
    tcase_add_test(tcase, new_leader_unfreezes_and_plans_anew);
    tcase_add_test(tcase, balanced_cluster_is_left_alone);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
