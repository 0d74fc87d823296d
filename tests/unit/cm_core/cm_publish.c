/* Maps: deltas, complete maps in pages, watches. */
#include <check.h>
#include <stdlib.h>

#include "base/buf.h"
#include "tests/unit/cm_core/world.h"

static struct world world;
static uint64_t conn;

static void setup(void)
{
    world_init(&world);
    world_start(&world, 3, 4);
    conn = world_connect(&world, WIRE_ROLE_CLIENT, 0, 0);
}

static void teardown(void)
{
    world_release(&world);
}

static void watch(uint64_t have_version, uint32_t wait_ms)
{
    world.configs = 0;
    struct wire_message message = {.type = WIRE_WATCH};
    message.u.watch =
        (struct wire_watch){.request = 5, .have_version = have_version, .wait_ms = wait_ms};
    world_step(&world,
               &(struct cm_event){.kind = CM_EVENT_RECEIVE, .conn = conn, .message = &message});
}

static const struct wire_config *config(void)
{
    return &world.last_config.u.config;
}

START_TEST(a_watch_without_a_map_gets_everything_at_once)
{
    watch(0, 0);
    ck_assert_uint_eq(world.configs, 1);
    ck_assert_uint_eq(config()->request, 5);
    ck_assert_uint_eq(config()->from_version, 0);
    ck_assert_uint_eq(config()->rows_count, 4);
    ck_assert_uint_eq(config()->nodes_count, 3);
    ck_assert_uint_eq(config()->chain_count, 4);
    ck_assert(!config()->more);
}
END_TEST

START_TEST(a_watch_waits_for_a_change_and_gets_the_difference)
{
    uint64_t version = cm_core_state(world.core)->version;
    watch(version, 10000);
    ck_assert_uint_eq(world.configs, 0);
    world_admin(&world, conn, WIRE_ADMIN_BUCKET_CREATE, 0, 0, "photos", 0);
    ck_assert_uint_eq(world.last_config_conn, conn);
    ck_assert_uint_eq(config()->from_version, version);
    ck_assert_uint_gt(config()->version, version);
    ck_assert_uint_eq(config()->rows_count, 0);
    ck_assert_uint_eq(config()->buckets_count, 1);
    ck_assert(slice_equal(config()->buckets[0].name, slice_of_text("photos")));
}
END_TEST

START_TEST(a_watch_that_sees_no_change_ends_in_time)
{
    uint64_t version = cm_core_state(world.core)->version;
    watch(version, 300);
    world_run(&world, 250000);
    ck_assert_uint_eq(world.configs, 0);
    world_run(&world, 100000);
    ck_assert_uint_eq(world.configs, 1);
    ck_assert_uint_eq(config()->version, version);
    ck_assert_uint_eq(config()->from_version, version);
    ck_assert_uint_eq(config()->rows_count, 0);
}
END_TEST

START_TEST(a_follower_answers_watches_from_what_it_has_applied)
{
    world_take_over(&world);
    conn = world_connect(&world, WIRE_ROLE_CLIENT, 0, 0);
    watch(0, 0);
    ck_assert_uint_eq(config()->rows_count, 4);
}
END_TEST

START_TEST(too_many_watches_of_one_connection_are_refused)
{
    uint64_t version = cm_core_state(world.core)->version;
    for (int i = 0; i < 8; i++)
        watch(version, 60000);
    ck_assert_int_ne(world.last_reply.type, WIRE_REFUSED);
    watch(version, 60000);
    ck_assert_int_eq(world.last_reply.type, WIRE_REFUSED);
    ck_assert_uint_eq(world.last_reply.u.refused.err, ERR_BUSY);
}
END_TEST

START_TEST(removed_buckets_and_nodes_are_told_in_deltas)
{
    world_admin(&world, conn, WIRE_ADMIN_BUCKET_CREATE, 0, 0, "photos", 0);
    uint64_t version = cm_core_state(world.core)->version;
    world_run(&world, 200000);
    world_admin(&world, conn, WIRE_ADMIN_BUCKET_DELETE, 0, 0, "photos", 0);
    world_run(&world, 200000);
    world_admin(&world, conn, WIRE_ADMIN_BUCKET_DELETE, 1, 0, "photos", 0);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
    world_kill(&world, 2);
    world_obituary(&world, 2);
    world_run(&world, 100000);
    world_admin(&world, conn, WIRE_ADMIN_NODE_REMOVE, 2, 0, "", 0);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
    watch(version, 0);
    ck_assert_uint_eq(config()->buckets_count, 1);
    ck_assert_uint_eq(config()->buckets[0].state, WIRE_BUCKET_GONE);
    bool is_told = false;
    for (uint32_t i = 0; i < config()->nodes_count; i++)
        is_told =
            is_told || (config()->nodes[i].node == 2 && config()->nodes[i].address.length == 0);
    ck_assert(is_told);
    watch(0, 0);
    ck_assert_uint_eq(config()->buckets_count, 0);
    ck_assert_uint_eq(config()->nodes_count, 2);
}
END_TEST

/* R28: nobody but the removed member hears of a decided row. */
START_TEST(decided_rows_are_never_published)
{
    uint64_t version = cm_core_state(world.core)->version;
    world_node(&world, 3)->is_mute = true;
    world_run(&world, 500000);
    ck_assert(!list_is_empty(&cm_core_state(world.core)->decided_chains));
    watch(0, 0);
    for (uint32_t i = 0; i < config()->rows_count; i++) {
        const struct cm_chain *chain = &cm_core_state(world.core)->chains[config()->rows[i].chain];
        ck_assert_uint_eq(config()->rows[i].epoch, chain->active.epoch);
    }
    watch(version, 0);
    for (uint32_t i = 0; i < config()->rows_count; i++)
        ck_assert(!cm_core_state(world.core)->chains[config()->rows[i].chain].has_decided);
}
END_TEST

/* A push that got lost is noticed by the version in the heartbeats. */
START_TEST(a_node_that_fell_behind_is_told_again)
{
    struct world_node *node = world_node(&world, 2);
    node->map_version = 1;
    world_run(&world, 300000);
    ck_assert_uint_eq(node->map_version, 1); /* not with every heartbeat */
    world_run(&world, 600000);
    ck_assert_uint_eq(node->map_version, cm_core_state(world.core)->version);
}
END_TEST

START_TEST(a_big_map_comes_in_pages_and_complete)
{
    static struct world big;
    world_init(&big);
    world_become_leader(&big);
    for (uint32_t i = 1; i <= 3; i++)
        world_add_node(&big, i);
    world_run(&big, 500000);
    uint64_t client = world_connect(&big, WIRE_ROLE_CLIENT, 0, 0);
    world_admin(&big, client, WIRE_ADMIN_INIT_CHAINS, 65536, 3, "", 1);
    ck_assert_int_eq(world_reply_err(&big), ERR_OK);
    uint64_t version = cm_core_state(big.core)->version;
    world_run(&big, 300000);
    /* 128 pages of 512 rows to each of three nodes, not all in one step. */
    ck_assert_uint_ge(big.configs, 3 * 128);
    for (uint32_t i = 1; i <= 3; i++)
        ck_assert_uint_ge(world_node(&big, i)->map_version, version);
    world_kill(&big, 2);
    world_obituary(&big, 2);
    world_run(&big, 1000000); /* R31 */
    for (uint32_t i = 0; i < 65536; i += 997)
        ck_assert_uint_eq(world_row(&big, i)->members_count, 2);
    world_release(&big);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cm_publish");
    TCase *tcase = tcase_create("publish");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_watch_without_a_map_gets_everything_at_once);
    tcase_add_test(tcase, a_watch_waits_for_a_change_and_gets_the_difference);
    tcase_add_test(tcase, a_watch_that_sees_no_change_ends_in_time);
    tcase_add_test(tcase, a_follower_answers_watches_from_what_it_has_applied);
    tcase_add_test(tcase, too_many_watches_of_one_connection_are_refused);
    tcase_add_test(tcase, removed_buckets_and_nodes_are_told_in_deltas);
    tcase_add_test(tcase, decided_rows_are_never_published);
    tcase_add_test(tcase, a_node_that_fell_behind_is_told_again);
    tcase_add_test(tcase, a_big_map_comes_in_pages_and_complete);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
