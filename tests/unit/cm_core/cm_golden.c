/* Golden stories: what the master decides in each reconfiguration, line by line. After a wanted
 * change: CATENA_GOLDEN_REWRITE=1 ctest -R cm_golden, and read the difference. */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/cm_core/world.h"

static struct world world;

static void setup(void)
{
    world_init(&world);
}

static void teardown(void)
{
    world_release(&world);
}

static void let_all_sync(void)
{
    for (uint32_t i = 0; i < world.node_count; i++)
        world.nodes[i].syncs = true;
}

START_TEST(death_with_obituary_waits_for_no_lease)
{
    world_start(&world, 3, 3);
    world_kill(&world, 2);
    uint64_t before_us = world.now_us;
    world_obituary(&world, 2);
    world_run(&world, 20000); /* two commits and a heartbeat of who stays */
    ck_assert_uint_le(world.now_us, before_us + 20000);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_uint_eq(world_row(&world, i)->members_count, 2);
    world_run(&world, 300000);
    world_expect_golden(&world, "death_with_obituary");
}
END_TEST

START_TEST(silence_is_removed_at_once_and_activated_after_the_lease)
{
    world_start(&world, 3, 3);
    world_say(&world, "* node 3 falls silent");
    world_node(&world, 3)->is_mute = true;
    world_run(&world, 2000000);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_uint_eq(world_row(&world, i)->members_count, 2);
    world_expect_golden(&world, "silence");
}
END_TEST

START_TEST(join_and_append_after_restart)
{
    world_start(&world, 3, 2);
    let_all_sync();
    world_kill(&world, 1);
    world_obituary(&world, 1);
    world_run(&world, 200000);
    world_restart(&world, 1);
    world_run(&world, 2500000);
    for (uint32_t i = 0; i < 2; i++)
        ck_assert_uint_eq(world_row(&world, i)->members_count, 3);
    world_expect_golden(&world, "join_and_append");
}
END_TEST

/* All die before the first death is repaired: any of them may start the chain (R33). */
START_TEST(whole_chain_restarts_from_any_member)
{
    world_start(&world, 3, 1);
    let_all_sync();
    for (uint32_t id = 1; id <= 3; id++)
        world_kill(&world, id);
    for (uint32_t id = 1; id <= 3; id++)
        world_obituary(&world, id);
    world_run(&world, 1000000);
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 3);
    uint32_t tail = world_row(&world, 0)->members[2].node;
    world_restart(&world, tail);
    world_run(&world, 1000000);
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 1);
    ck_assert_uint_eq(world_row(&world, 0)->members[0].node, tail);
    for (uint32_t id = 1; id <= 3; id++) {
        if (id != tail)
            world_restart(&world, id);
    }
    world_run(&world, 3000000);
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 3);
    world_expect_golden(&world, "restart_whole_chain");
}
END_TEST

START_TEST(last_member_restarts_its_chain)
{
    world_start(&world, 3, 1);
    let_all_sync();
    for (uint32_t id = 1; id <= 3; id++) {
        world_kill(&world, id);
        world_obituary(&world, id);
        world_run(&world, 20000);
    }
    world_run(&world, 300000);
    ck_assert_uint_ge(world_row(&world, 0)->members_count, 1);
    world_restart(&world, 3);
    world_run(&world, 300000);
    world_restart(&world, 2);
    world_run(&world, 4000000);
    world_restart(&world, 1);
    world_run(&world, 6000000);
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 3);
    world_expect_golden(&world, "restart_last_member");
}
END_TEST

START_TEST(new_leader_repeats_the_wait_of_a_decided_removal)
{
    world_start(&world, 3, 3);
    world_say(&world, "* node 3 falls silent");
    world_node(&world, 3)->is_mute = true;
    world_run(&world, 700000);
    ck_assert(cm_core_state(world.core)->chains[0].has_decided ||
              cm_core_state(world.core)->chains[1].has_decided);
    world_say(&world, "* another master leads");
    world_take_over(&world);
    world_become_leader(&world);
    uint64_t since_us = world.now_us;
    while (cm_core_state(world.core)->decided_chains.next !=
           &cm_core_state(world.core)->decided_chains) {
        world_run(&world, 10000);
        ck_assert_uint_lt(world.now_us, since_us + 3000000);
    }
    ck_assert_uint_ge(world.now_us, since_us + 1301300); /* R31 */
    world_expect_golden(&world, "leader_change_in_removal");
}
END_TEST

START_TEST(duplicate_id_is_refused_while_the_known_one_lives)
{
    world_start(&world, 3, 1);
    world_say(&world, "* another process claims id 2 with another disk");
    struct world_node *twin = &world.nodes[world.node_count++];
    *twin = (struct world_node){.id = 2,
                                .incarnation = 9,
                                .disk = world_uuid(200),
                                .boot = world_uuid(78),
                                .pid = 1,
                                .is_full = true};
    twin->conn = world_connect(&world, WIRE_ROLE_NODE, 2, 9);
    world_run(&world, 1000000);
    ck_assert_int_eq(twin->last_err, ERR_DUPLICATE_ID);
    ck_assert(!twin->last_lease);
    ck_assert_uint_eq(cm_state_node(cm_core_state(world.core), 2)->incarnation, 1);
    ck_assert(world_node(&world, 2)->last_lease);
    world_expect_golden(&world, "duplicate_id");
}
END_TEST

START_TEST(wiped_disk_comes_back_as_an_empty_node)
{
    world_start(&world, 3, 1);
    let_all_sync();
    world_kill(&world, 2);
    world_obituary(&world, 2);
    struct world_node *node = world_node(&world, 2);
    node->disk = world_uuid(150);
    memset(node->epochs, 0, sizeof node->epochs);
    memset(node->is_complete, 0, sizeof node->is_complete);
    world_run(&world, 100000);
    world_restart(&world, 2);
    world_run(&world, 2000000);
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 3);
    world_expect_golden(&world, "wiped_disk");
}
END_TEST

START_TEST(cut_link_evicts_one_end_and_is_remembered)
{
    world_start(&world, 4, 1);
    let_all_sync();
    const struct plan_row *row = world_row(&world, 0);
    uint32_t head = row->members[0].node;
    uint32_t middle = row->members[1].node;
    world_node(&world, head)->accuses = middle;
    world_node(&world, middle)->accuses = head;
    world_say(&world, "* the link between %u and %u is cut", head, middle);
    world_run(&world, 1500000);
    world_node(&world, head)->accuses = 0;
    world_node(&world, middle)->accuses = 0;
    world_run(&world, 2000000);
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 3);
    ck_assert_ptr_nonnull(cm_state_bad_link(cm_core_state(world.core), head, middle));
    world_expect_golden(&world, "cut_link");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cm_golden");
    TCase *tcase = tcase_create("stories");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, death_with_obituary_waits_for_no_lease);
    tcase_add_test(tcase, silence_is_removed_at_once_and_activated_after_the_lease);
    tcase_add_test(tcase, join_and_append_after_restart);
    tcase_add_test(tcase, whole_chain_restarts_from_any_member);
    tcase_add_test(tcase, last_member_restarts_its_chain);
    tcase_add_test(tcase, new_leader_repeats_the_wait_of_a_decided_removal);
    tcase_add_test(tcase, duplicate_id_is_refused_while_the_known_one_lives);
    tcase_add_test(tcase, wiped_disk_comes_back_as_an_empty_node);
    tcase_add_test(tcase, cut_link_evicts_one_end_and_is_remembered);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
