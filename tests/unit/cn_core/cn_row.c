/* Configuration: pages, deltas, rows from peers. */
#include <check.h>
#include <stdlib.h>

#include "tests/scenario/chain/chain_assert.h"

static struct world *world;

static void set_up(void)
{
    world = world_new(2, 2);
}

static void tear_down(void)
{
    world_free(world);
}

static void page(uint64_t from, uint64_t version, uint32_t chain, uint64_t epoch, uint32_t number,
                 bool more)
{
    struct wire_member me = {.node = 1, .incarnation = 1};
    struct wire_row row = {.chain = chain, .epoch = epoch, .members = &me, .members_count = 1};
    struct wire_message message = {.type = WIRE_CONFIG};
    message.u.config = (struct wire_config){.from_version = from,
                                            .version = version,
                                            .cluster = {.bytes = {1, 2, 3}},
                                            .rows = &row,
                                            .rows_count = 1,
                                            .more = more,
                                            .page = number};
    struct cn_event event = {.kind = CN_EVENT_RECEIVE_MASTER, .message = &message};
    world_event(world, 1, &event);
}

static void config(uint64_t from, uint64_t version, uint32_t chain, uint64_t epoch, bool more)
{
    page(from, version, chain, epoch, 0, more);
}

static uint64_t epoch_of(uint32_t chain)
{
    return world_view(world, 1, chain).epoch;
}

START_TEST(a_map_in_pages_is_installed_with_its_last_page)
{
    config(0, 5, 0, 1, true);
    ck_assert_uint_eq(epoch_of(0), 0);
    page(0, 5, 1, 1, 1, false);
    ck_assert_uint_eq(epoch_of(0), 1);
    ck_assert_uint_eq(epoch_of(1), 1);
}
END_TEST

/* A lease counts on the whole of the map (R30): half of it would let it be used with older rows. */
START_TEST(a_page_without_those_before_it_is_no_map)
{
    page(0, 5, 1, 1, 1, false);
    ck_assert_uint_eq(epoch_of(1), 0);
    page(0, 5, 0, 1, 0, true);
    page(0, 5, 1, 1, 2, false);
    ck_assert_uint_eq(epoch_of(0), 0);
    ck_assert_uint_eq(epoch_of(1), 0);
}
END_TEST

START_TEST(a_late_page_of_another_leader_spoils_nothing)
{
    page(0, 5, 0, 1, 0, true);
    page(0, 6, 0, 2, 0, true);
    page(0, 5, 1, 1, 1, false); /* the last one of the leader before */
    ck_assert_uint_eq(epoch_of(0), 0);
    ck_assert_uint_eq(epoch_of(1), 0);
    page(0, 6, 1, 2, 1, false);
    ck_assert_uint_eq(epoch_of(0), 2);
    ck_assert_uint_eq(epoch_of(1), 2);
}
END_TEST

START_TEST(pages_of_another_version_are_not_mixed_in)
{
    config(0, 5, 0, 1, true);
    config(0, 6, 1, 1, false);
    ck_assert_uint_eq(epoch_of(0), 0);
    ck_assert_uint_eq(epoch_of(1), 1);
}
END_TEST

START_TEST(a_delta_needs_the_version_that_it_starts_from)
{
    config(0, 5, 0, 1, false);
    config(6, 7, 0, 2, false);
    ck_assert_uint_eq(epoch_of(0), 1);
    config(5, 6, 0, 2, false);
    ck_assert_uint_eq(epoch_of(0), 2);
    config(5, 6, 0, 3, false); /* a late copy */
    ck_assert_uint_eq(epoch_of(0), 2);
}
END_TEST

START_TEST(a_delta_from_an_older_map_is_taken_unless_it_brings_nothing_new)
{
    config(0, 5, 0, 2, false);
    config(3, 5, 0, 3, false);
    ck_assert_uint_eq(epoch_of(0), 2);
    config(3, 6, 0, 3, false);
    ck_assert_uint_eq(epoch_of(0), 3);
}
END_TEST

/* Simulator seed 880985416. A head does not acknowledge the map in which a bucket is being deleted
 * while a put into it is undecided (R37), and the master knows of no other map than the
 * acknowledged one to count a delta from. If the head cannot use it, it never hears of the row that
 * would end its epoch, and the put is undecided for ever. */
START_TEST(a_head_that_does_not_acknowledge_its_map_hears_of_the_next_row)
{
    world_row_push(world, 0, "12", 0);
    world_advance(world, 300000);
    world->is_link_cut[1][2] = true;
    uint64_t put = world_put(world, 0, "key", "value");
    uint64_t acknowledged = world->version;
    world->bucket_state = WIRE_BUCKET_DELETING;
    world->version++;
    world_push(world, 1);
    world_advance(world, 300000);
    ck_assert_uint_eq(world->nodes[1].map_version, acknowledged);
    config(acknowledged, world->version + 1, 0, epoch_of(0) + 1, false);
    world_run(world);
    ck_assert_int_eq(world_view(world, 1, 0).role, CN_ROLE_SINGLE);
    assert_outcome(world, put, ERR_OK);
}
END_TEST

START_TEST(epochs_never_go_back)
{
    config(0, 5, 0, 7, false);
    config(0, 6, 0, 3, false);
    ck_assert_uint_eq(epoch_of(0), 7);
}
END_TEST

static void assert_row_is_refused(struct wire_row *row)
{
    struct wire_message message = {.type = WIRE_ROWS};
    message.u.rows = (struct wire_rows){.rows = row, .rows_count = 1};
    struct cn_event event = {
        .kind = CN_EVENT_RECEIVE_NODE, .node = 2, .incarnation = 1, .message = &message};
    world_event(world, 1, &event);
    ck_assert_uint_eq(epoch_of(0), 0);
}

START_TEST(rows_that_make_no_sense_are_refused)
{
    struct wire_member twice[2] = {{.node = 1, .incarnation = 1}, {.node = 1, .incarnation = 1}};
    struct wire_row row = {.chain = 0, .epoch = 1, .members = twice, .members_count = 2};
    assert_row_is_refused(&row);
    row.members_count = 1;
    row.joiner = twice[0]; /* joins itself */
    assert_row_is_refused(&row);
    row.joiner.node = 0;
    row.epoch = 0;
    assert_row_is_refused(&row);
    row.epoch = 1;
    row.chain = BOUND_CHAINS;
    assert_row_is_refused(&row);
    row.chain = 0;
    twice[0].node = 0;
    assert_row_is_refused(&row);
}
END_TEST

START_TEST(a_peer_with_a_newer_row_is_asked_and_the_row_is_taken)
{
    world_row(world, 0, (uint32_t[]){1, 2}, 2, 0);
    world_push(world, 1);
    world_run(world); /* node 2 was told nothing by the master, but its head says MARK */
    ck_assert_int_eq(world_view(world, 2, 0).role, CN_ROLE_TAIL);
}
END_TEST

/* Simulator seed 238991. Peers relay rows but not buckets: the head of the new row may not have
 * heard that a bucket is being deleted, or is gone, because the master was told so by the heads of
 * before (R37). */
START_TEST(a_head_that_knows_its_row_from_a_peer_admits_nothing_before_the_map)
{
    world_row_push(world, 0, "12", 0);
    world_advance(world, 300000);
    uint64_t put = world_put(world, 0, "key", "value");
    world_advance(world, 300000);
    assert_outcome(world, put, ERR_OK);
    world->nodes[2].is_deaf = true;
    world->bucket_state = WIRE_BUCKET_DELETING;
    world_row(world, 0, (uint32_t[]){2, 1}, 2, 0);
    world_push_all(world);
    world_advance(world, 1000000);
    ck_assert_int_eq(world_view(world, 2, 0).role, CN_ROLE_HEAD);
    assert_refused(world, world_put(world, 0, "key", "late"), ERR_NOT_READY);
    world->nodes[2].is_deaf = false;
    world_push(world, 2);
    world_advance(world, 300000);
    world->seq[0]--;
    assert_refused(world, world_put(world, 0, "key", "late"), ERR_BUCKET_DELETING);
    world->seq[0]--;
    uint64_t gone = world_delete(world, 0, "key");
    world_run(world);
    assert_outcome(world, gone, ERR_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cn_row");
    TCase *tests = tcase_create("cn_row");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_map_in_pages_is_installed_with_its_last_page);
    tcase_add_test(tests, pages_of_another_version_are_not_mixed_in);
    tcase_add_test(tests, a_page_without_those_before_it_is_no_map);
    tcase_add_test(tests, a_late_page_of_another_leader_spoils_nothing);
    tcase_add_test(tests, a_delta_needs_the_version_that_it_starts_from);
    tcase_add_test(tests, a_delta_from_an_older_map_is_taken_unless_it_brings_nothing_new);
    tcase_add_test(tests, a_head_that_does_not_acknowledge_its_map_hears_of_the_next_row);
    tcase_add_test(tests, epochs_never_go_back);
    tcase_add_test(tests, rows_that_make_no_sense_are_refused);
    tcase_add_test(tests, a_peer_with_a_newer_row_is_asked_and_the_row_is_taken);
    tcase_add_test(tests, a_head_that_knows_its_row_from_a_peer_admits_nothing_before_the_map);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
