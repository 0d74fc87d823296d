/* The map cache and its polls: complete maps, deltas, pages. */
#include "core_bench.h"

static void page(struct bench *b, const struct bench_sent *watch, uint64_t from, uint64_t version,
                 const struct wire_row *row, uint32_t number, bool more)
{
    struct wire_message message = {.type = WIRE_CONFIG};
    message.u.config = (struct wire_config){
        .request = watch->message.u.watch.request,
        .from_version = from,
        .version = version,
        .cluster = {.bytes = {1, 2, 3}},
        .chain_count = BENCH_CHAINS,
        .replicas = 3,
        .rows = row,
        .rows_count = row == NULL ? 0 : 1,
        .more = more,
        .page = number,
    };
    bench_receive(b, watch->peer, &message);
}

static void config(struct bench *b, const struct bench_sent *watch, uint64_t from, uint64_t version,
                   const struct wire_row *row, bool more)
{
    page(b, watch, from, version, row, 0, more);
}

START_TEST(one_master_is_asked_for_the_first_map)
{
    struct bench *b = bench_new_bare();
    bench_tick(b);
    ck_assert_uint_eq(b->peer_effects, 2);
    bench_up(b, bench_master(0));
    bench_up(b, bench_master(1));
    struct bench_sent *watch = expect_sent(b, WIRE_WATCH);
    ck_assert_uint_eq(watch->message.u.watch.have_version, 0);
    expect_nothing_sent(b, WIRE_WATCH);
    bench_advance(b, 100000);
    expect_nothing_sent(b, WIRE_WATCH);
    bench_advance(b, 100000); /* it does not answer: the other one, soon */
    ck_assert_uint_ne(expect_sent(b, WIRE_WATCH)->peer, watch->peer);
    bench_free(b);
}
END_TEST

START_TEST(a_slow_network_gets_its_first_map_too)
{
    struct bench *b = bench_new_bare();
    bench_tick(b);
    bench_up(b, bench_master(0));
    struct bench_sent *watch = NULL;
    for (int tries = 0; tries < 4; tries++) {
        bench_advance(b, 900000); /* the answer takes that long: in the end it is waited for */
        while (count_sent(b, WIRE_WATCH) > 0)
            watch = expect_sent(b, WIRE_WATCH);
    }
    ck_assert_ptr_nonnull(watch);
    bench_advance(b, 1000000);
    while (count_sent(b, WIRE_WATCH) > 0)
        watch = expect_sent(b, WIRE_WATCH);
    bench_advance(b, 10000);
    expect_nothing_sent(b, WIRE_WATCH);
    config(b, watch, 0, BENCH_EPOCH, NULL, false);
    ck_assert(cl_core_map(b->core)->is_installed);
    bench_free(b);
}
END_TEST

START_TEST(then_every_master_holds_a_poll_for_what_is_newer)
{
    struct bench *b = bench_new();
    ck_assert_uint_eq(count_sent(b, WIRE_WATCH), 2);
    struct bench_sent *one = expect_sent(b, WIRE_WATCH);
    struct bench_sent *two = expect_sent(b, WIRE_WATCH);
    ck_assert_uint_ne(one->peer, two->peer);
    ck_assert_uint_eq(one->message.u.watch.have_version, BENCH_EPOCH);
    ck_assert_uint_eq(two->message.u.watch.have_version, BENCH_EPOCH);
    bench_free(b);
}
END_TEST

START_TEST(a_delta_changes_only_what_it_names)
{
    struct bench *b = bench_new();
    struct wire_member members[3];
    struct wire_row row = bench_row(members, 2, BENCH_EPOCH + 5, 0, 2);
    bench_install_row(b, &row, BENCH_EPOCH + 5);
    const struct cl_map *map = cl_core_map(b->core);
    ck_assert_uint_eq(map->version, BENCH_EPOCH + 5);
    ck_assert_uint_eq(map->rows[2].epoch, BENCH_EPOCH + 5);
    ck_assert_uint_eq(map->rows[2].members_count, 2);
    ck_assert_uint_eq(map->rows[3].epoch, BENCH_EPOCH);
    ck_assert_uint_eq(map->nodes.count, 3);
    bench_free(b);
}
END_TEST

START_TEST(a_delta_that_begins_after_our_map_is_not_applied)
{
    struct bench *b = bench_new();
    struct wire_member members[3];
    struct wire_row row = bench_row(members, 2, BENCH_EPOCH + 5, 0, 2);
    config(b, expect_sent(b, WIRE_WATCH), BENCH_EPOCH + 2, BENCH_EPOCH + 5, &row, false);
    ck_assert_uint_eq(cl_core_map(b->core)->version, BENCH_EPOCH);
    ck_assert_uint_eq(cl_core_map(b->core)->rows[2].epoch, BENCH_EPOCH);
    bench_free(b);
}
END_TEST

START_TEST(pages_are_installed_together_after_the_last)
{
    struct bench *b = bench_new();
    struct wire_member members[2][3];
    struct wire_row one = bench_row(members[0], 1, BENCH_EPOCH + 5, 0, 2);
    struct wire_row two = bench_row(members[1], 2, BENCH_EPOCH + 5, 0, 2);
    struct bench_sent *watch = expect_sent(b, WIRE_WATCH);
    config(b, watch, BENCH_EPOCH, BENCH_EPOCH + 5, &one, true);
    ck_assert_uint_eq(cl_core_map(b->core)->rows[1].epoch, BENCH_EPOCH);
    page(b, watch, BENCH_EPOCH, BENCH_EPOCH + 5, &two, 1, false);
    ck_assert_uint_eq(cl_core_map(b->core)->rows[1].epoch, BENCH_EPOCH + 5);
    ck_assert_uint_eq(cl_core_map(b->core)->rows[2].epoch, BENCH_EPOCH + 5);
    bench_free(b);
}
END_TEST

START_TEST(a_page_without_those_before_it_is_no_map)
{
    struct bench *b = bench_new();
    struct wire_member members[3];
    struct wire_row one = bench_row(members, 1, BENCH_EPOCH + 5, 0, 2);
    struct bench_sent *watch = expect_sent(b, WIRE_WATCH);
    page(b, watch, BENCH_EPOCH, BENCH_EPOCH + 5, &one, 1, false);
    ck_assert_uint_eq(cl_core_map(b->core)->rows[1].epoch, BENCH_EPOCH);
    ck_assert_uint_eq(cl_core_map(b->core)->version, BENCH_EPOCH);
    bench_advance(b, 1000000);
    watch = expect_sent(b, WIRE_WATCH); /* it is asked for again */
    config(b, watch, BENCH_EPOCH, BENCH_EPOCH + 5, &one, false);
    ck_assert_uint_eq(cl_core_map(b->core)->rows[1].epoch, BENCH_EPOCH + 5);
    bench_free(b);
}
END_TEST

START_TEST(pages_of_a_lost_connection_are_forgotten)
{
    struct bench *b = bench_new();
    struct wire_member members[3];
    struct wire_row one = bench_row(members, 1, BENCH_EPOCH + 5, 0, 2);
    struct bench_sent *watch = expect_sent(b, WIRE_WATCH);
    config(b, watch, BENCH_EPOCH, BENCH_EPOCH + 5, &one, true);
    bench_down(b, watch->peer);
    bench_up(b, watch->peer);
    struct bench_sent *other = expect_sent(b, WIRE_WATCH);
    config(b, other, BENCH_EPOCH, BENCH_EPOCH + 6, NULL, false);
    ck_assert_uint_eq(cl_core_map(b->core)->rows[1].epoch, BENCH_EPOCH);
    ck_assert_uint_eq(cl_core_map(b->core)->version, BENCH_EPOCH + 6);
    bench_free(b);
}
END_TEST

START_TEST(an_answer_to_no_poll_is_ignored)
{
    struct bench *b = bench_new();
    struct wire_member members[3];
    struct wire_row row = bench_row(members, 2, BENCH_EPOCH + 5, 0, 2);
    struct bench_sent forged = *expect_sent(b, WIRE_WATCH);
    forged.message.u.watch.request = 424242;
    config(b, &forged, BENCH_EPOCH, BENCH_EPOCH + 5, &row, false);
    ck_assert_uint_eq(cl_core_map(b->core)->version, BENCH_EPOCH);
    bench_free(b);
}
END_TEST

START_TEST(the_map_of_another_cluster_is_refused)
{
    struct bench *b = bench_new();
    struct bench_sent *watch = expect_sent(b, WIRE_WATCH);
    struct wire_message message = {.type = WIRE_CONFIG};
    message.u.config = (struct wire_config){.request = watch->message.u.watch.request,
                                            .version = 999,
                                            .cluster = {.bytes = {9}},
                                            .chain_count = BENCH_CHAINS};
    bench_receive(b, watch->peer, &message);
    ck_assert_uint_eq(cl_core_map(b->core)->version, BENCH_EPOCH);
    ck_assert_uint_eq(cl_core_stats(b->core)->nonsense, 1);
    bench_free(b);
}
END_TEST

START_TEST(a_poll_that_brings_nothing_is_not_repeated_at_once)
{
    struct bench *b = bench_new();
    struct bench_sent *one = expect_sent(b, WIRE_WATCH);
    (void)expect_sent(b, WIRE_WATCH);
    config(b, one, BENCH_EPOCH, BENCH_EPOCH, NULL, false);
    expect_nothing_sent(b, WIRE_WATCH);
    bench_advance(b, 150000);
    ck_assert_uint_eq(count_sent(b, WIRE_WATCH), 1);
    bench_free(b);
}
END_TEST

START_TEST(impossible_rows_and_nodes_are_counted_and_dropped)
{
    struct bench *b = bench_new();
    struct wire_row row = {.chain = 2, .epoch = BENCH_EPOCH + 5}; /* no members */
    config(b, expect_sent(b, WIRE_WATCH), BENCH_EPOCH, BENCH_EPOCH + 5, &row, false);
    ck_assert_uint_eq(cl_core_map(b->core)->rows[2].epoch, BENCH_EPOCH);
    ck_assert_uint_eq(cl_core_stats(b->core)->nonsense, 1);
    row.chain = 4000000; /* no such chain */
    config(b, expect_sent(b, WIRE_WATCH), BENCH_EPOCH, BENCH_EPOCH + 6, &row, false);
    ck_assert_uint_eq(cl_core_map(b->core)->version, BENCH_EPOCH + 6);
    bench_free(b);
}
END_TEST

START_TEST(a_node_that_moved_is_dialed_at_its_new_address)
{
    struct bench *b = bench_new();
    bench_get(b, 1, "cat");
    uint32_t tail = expect_sent(b, WIRE_GET)->peer;
    struct bench_sent *watch = expect_sent(b, WIRE_WATCH);
    struct wire_node_info node = {
        .node = tail, .incarnation = 2, .address = slice_of_text("10.9.9.9:9")};
    struct wire_message message = {.type = WIRE_CONFIG};
    message.u.config = (struct wire_config){.request = watch->message.u.watch.request,
                                            .from_version = BENCH_EPOCH,
                                            .version = BENCH_EPOCH + 1,
                                            .cluster = {.bytes = {1, 2, 3}},
                                            .chain_count = BENCH_CHAINS,
                                            .nodes = &node,
                                            .nodes_count = 1};
    bench_receive(b, watch->peer, &message);
    ck_assert_str_eq(b->last_address, "10.9.9.9:9");
    bench_advance(b, 10000);
    ck_assert_uint_eq(expect_sent(b, WIRE_GET)->peer, tail);
    bench_free(b);
}
END_TEST

START_TEST(waiting_for_a_map_version_ends_when_it_is_there)
{
    struct bench *b = bench_new();
    bench_submit(b, (struct cl_submit){.kind = CL_OP_MAP, .op = 1, .version = BENCH_EPOCH});
    (void)expect_done(b, 1, ERR_OK);
    bench_submit(b, (struct cl_submit){.kind = CL_OP_MAP, .op = 2, .version = BENCH_EPOCH + 1});
    expect_not_done(b, 2);
    bench_install_row(b, NULL, BENCH_EPOCH + 1);
    (void)expect_done(b, 2, ERR_OK);
    bench_free(b);
}
END_TEST

START_TEST(unreachable_masters_are_named_soon)
{
    struct bench *b = bench_new_bare();
    bench_tick(b);
    bench_submit(b, (struct cl_submit){.kind = CL_OP_MAP, .op = 1});
    bench_down(b, bench_master(0));
    bench_advance(b, 5000000);
    expect_not_done(b, 1); /* one was not heard of yet */
    bench_down(b, bench_master(1));
    bench_advance(b, 4000000);
    struct bench_done *done = expect_done(b, 1, ERR_UNREACHABLE);
    ck_assert(strstr(done->text, "10.0.0.1:1: refused") != NULL);
    ck_assert(strstr(done->text, "10.0.0.2:1: refused") != NULL);
    bench_free(b);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        one_master_is_asked_for_the_first_map,
        a_slow_network_gets_its_first_map_too,
        then_every_master_holds_a_poll_for_what_is_newer,
        a_delta_changes_only_what_it_names,
        a_delta_that_begins_after_our_map_is_not_applied,
        pages_are_installed_together_after_the_last,
        a_page_without_those_before_it_is_no_map,
        pages_of_a_lost_connection_are_forgotten,
        an_answer_to_no_poll_is_ignored,
        the_map_of_another_cluster_is_refused,
        a_poll_that_brings_nothing_is_not_repeated_at_once,
        impossible_rows_and_nodes_are_counted_and_dropped,
        a_node_that_moved_is_dialed_at_its_new_address,
        waiting_for_a_map_version_ends_when_it_is_there,
        unreachable_masters_are_named_soon,
    };
    return bench_run("cl_map", tests, ARRAY_COUNT(tests));
}
