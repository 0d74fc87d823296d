/* Joiners: empty and returned nodes, copy, handover, append (R21-R26). */
#include <stdlib.h>

#include "tests/scenario/chain/chain_assert.h"

static struct world *world;
static const struct origin none;

static void set_up(void)
{
    world = world_new(4, 1);
    world_row_push(world, 0, "12", 0);
    world_run(world);
    world_advance(world, 200000);
}

static void tear_down(void)
{
    world_free(world);
}

static void put_many(unsigned from, unsigned to, const char *value)
{
    for (unsigned i = from; i < to; i++) {
        char key[32];
        (void)text_format(key, sizeof key, "key%04u", i);
        uint64_t put = world_put(world, 0, key, value);
        if (i % 50 == 49)
            world_run(world);
        (void)put;
    }
    world_run(world);
}

static bool join_ends(uint32_t joiner, const char *then)
{
    for (unsigned i = 0; i < 200 && !world->rows[0].is_synced; i++)
        world_advance(world, 50000);
    if (!world->rows[0].is_synced)
        return false;
    world_row_push(world, 0, then, 0);
    world_advance(world, 300000);
    return world_view(world, joiner, 0).role == CN_ROLE_TAIL;
}

static void assert_all_equal(uint32_t a, uint32_t b)
{
    world_advance(world, 600000);
    struct cn_chain_view left = world_view(world, a, 0);
    struct cn_chain_view right = world_view(world, b, 0);
    ck_assert_uint_eq(left.committed, right.committed);
    ck_assert_uint_eq(left.committed, left.applied.lsn);
    ck_assert(left.digest == right.digest);
    ck_assert(world_same_rows(world, 0, a, b));
}

static bool loses_marks(struct world *of, const struct world_message *message, void *context)
{
    (void)of;
    (void)context;
    return message->message.type != WIRE_MARK;
}

START_TEST(an_empty_node_joins)
{
    put_many(0, 300, "value");
    world_row_push(world, 0, "12", 3);
    ck_assert(join_ends(3, "123"));
    assert_value(world, world_get(world, 0, "key0123"), "value");
    assert_all_equal(1, 3);
    ck_assert_uint_eq(world_rows(world, 3, CN_FAMILY_OBJECTS, 0), 300);
    uint64_t put = world_put(world, 0, "more", "x");
    world_run(world);
    ck_assert_uint_eq(updated(world, put)->replicas_durable, 3);
}
END_TEST

START_TEST(a_node_joins_while_clients_write)
{
    char big[4001];
    memset(big, 'b', 4000);
    big[4000] = '\0';
    put_many(0, 700, big); /* several ranges */
    world_row_push(world, 0, "12", 3);
    for (unsigned i = 0; i < 100 && !world->rows[0].is_synced; i++) {
        char key[32];
        (void)text_format(key, sizeof key, "key%04u", (i * 37) % 900);
        world_put(world, 0, key, "live");
        (void)text_format(key, sizeof key, "key%04u", (i * 53) % 700);
        world_delete(world, 0, key);
        world_flush(world);
        for (unsigned step = 0; step < 5; step++)
            (void)world_step_message(world);
        world_advance(world, 10000);
    }
    ck_assert_uint_gt(world->nodes[2].syncs_sent, 5);
    ck_assert(join_ends(3, "123"));
    assert_all_equal(1, 3);
    assert_all_equal(2, 3);
}
END_TEST

START_TEST(a_join_survives_loss_and_reordering)
{
    put_many(0, 200, "value");
    world_row_push(world, 0, "12", 3);
    world->is_shuffled = true;
    world->loss_in = 5;
    for (unsigned i = 0; i < 60 && !world->rows[0].is_synced; i++) {
        char key[32];
        (void)text_format(key, sizeof key, "key%04u", (i * 37) % 300);
        world_put(world, 0, key, "live");
        world_delete(world, 0, "key0007");
        world_advance(world, 100000);
    }
    world->is_shuffled = false;
    world->loss_in = 0;
    ck_assert(join_ends(3, "123"));
    assert_all_equal(2, 3);
}
END_TEST

START_TEST(a_returned_node_keeps_what_is_equal_and_nothing_deleted_comes_back)
{
    world_row_push(world, 0, "12", 3);
    ck_assert(join_ends(3, "123"));
    put_many(0, 100, "value");
    world->nodes[3].are_stores_held = false;
    world_put(world, 0, "lost", "undecided");
    world_flush(world);
    (void)world_step_message(world);
    (void)world_step_message(world);
    world_crash(world, 3, SIZE_MAX);
    world_row_push(world, 0, "12", 0);
    world_advance(world, 300000);
    for (unsigned i = 0; i < 100; i += 3) {
        char key[32];
        (void)text_format(key, sizeof key, "key%04u", i);
        world_delete(world, 0, key);
    }
    world_put(world, 0, "key0001", "changed");
    world_run(world);
    world_restart(world, 3);
    world_advance(world, 300000);
    ck_assert_int_eq(world_view(world, 3, 0).role, CN_ROLE_NONE);
    ck_assert_uint_ge(world_view(world, 3, 0).applied.lsn, 100); /* kept until told (R24) */
    world_row_push(world, 0, "12", 3);
    world_run(world);
    ck_assert(join_ends(3, "123"));
    assert_all_equal(2, 3);
    assert_refused(world, world_get(world, 0, "key0003"), ERR_NO_KEY);
    assert_value(world, world_get(world, 0, "key0001"), "changed");
    assert_value(world, world_get(world, 0, "key0002"), "value");
}
END_TEST

START_TEST(undecided_entries_are_dropped_only_when_told_to_join)
{
    world->nodes[2].are_stores_held = true;
    world_put(world, 0, "key", "undecided");
    world_run(world);
    world_crash(world, 1, SIZE_MAX);
    world_restart(world, 1);
    ck_assert_uint_eq(world_rows(world, 1, CN_FAMILY_PENDING, 0), 1);
    ck_assert_uint_eq(world_view(world, 1, 0).applied.lsn, 1);
    world->nodes[2].are_stores_held = false;
    world_row_push(world, 0, "2", 0);
    world_advance(world, 300000);
    ck_assert_uint_eq(world_rows(world, 1, CN_FAMILY_PENDING, 0), 1);
    world_row_push(world, 0, "2", 1);
    world_flush(world);
    ck_assert_uint_eq(world_rows(world, 1, CN_FAMILY_PENDING, 0), 0);
    ck_assert(world_view(world, 1, 0).is_syncing);
    ck_assert(join_ends(1, "21"));
    ck_assert(!world_view(world, 1, 0).is_syncing);
    assert_all_equal(2, 1);
}
END_TEST

START_TEST(in_handover_nothing_commits_that_the_joiner_does_not_hold)
{
    put_many(0, 20, "value");
    world_row_push(world, 0, "12", 3);
    for (unsigned i = 0; i < 100 && !world->rows[0].is_synced; i++)
        world_advance(world, 20000);
    ck_assert(world->rows[0].is_synced);
    world->nodes[3].are_stores_held = true;
    uint64_t put = world_put(world, 0, "key", "value");
    world_advance(world, 500000);
    assert_no_reply(world, put); /* R21, and the tail does not give up (R23) */
    ck_assert_uint_eq(world_view(world, 2, 0).committed, 20);
    world_row_push(world, 0, "12", 0); /* the joiner is cancelled: an epoch */
    world_advance(world, 300000);
    assert_outcome(world, put, ERR_OK);
}
END_TEST

START_TEST(synced_waits_for_what_the_tail_inherited)
{
    world->is_link_cut[1][2] = true; /* no marks: nothing can be decided */
    world_put(world, 0, "key", "value");
    world_flush(world);
    world->is_link_cut[1][2] = false;
    (void)world_step_message(world);
    world->is_link_cut[1][2] = true;
    world_run(world);
    world_row_push(world, 0, "12", 3);
    world->is_link_cut[2][3] = true;
    world_advance(world, 300000);
    ck_assert(!world->rows[0].is_synced);
    world->is_link_cut[2][3] = false;
    for (unsigned i = 0; i < 100 && !world->rows[0].is_synced; i++)
        world_advance(world, 20000);
    ck_assert(world->rows[0].is_synced); /* R22 */
    ck_assert_uint_ge(world_view(world, 3, 0).durable, world_view(world, 2, 0).inherited);
}
END_TEST

START_TEST(any_epoch_change_starts_the_copy_again)
{
    put_many(0, 100, "value");
    world_row_push(world, 0, "12", 3);
    world_flush(world);
    for (unsigned i = 0; i < 12; i++) {
        (void)world_step_message(world);
        world_flush(world);
        for (uint32_t node = 1; node <= 3; node++)
            world_complete_store(world, node);
    }
    world_crash(world, 1, SIZE_MAX);
    world_row_push(world, 0, "2", 3); /* the head died half-way */
    ck_assert(join_ends(3, "23"));
    assert_all_equal(2, 3);
    assert_value(world, world_get(world, 0, "key0042"), "value");
}
END_TEST

START_TEST(a_joiner_that_dies_half_way_is_no_starter)
{
    put_many(0, 100, "value");
    world_row_push(world, 0, "12", 3);
    world_flush(world);
    for (unsigned i = 0; i < 8; i++) {
        (void)world_step_message(world);
        world_flush(world);
        world_complete_store(world, 3);
    }
    world_crash(world, 3, SIZE_MAX);
    world_restart(world, 3);
    ck_assert(world_view(world, 3, 0).is_syncing);
    world_row_push(world, 0, "12", 0);
    world_advance(world, 100000);
    world_row_push(world, 0, "12", 3);
    ck_assert(join_ends(3, "123"));
    assert_all_equal(2, 3);
}
END_TEST

START_TEST(a_member_named_without_a_complete_copy_halts)
{
    put_many(0, 10, "value");
    world->is_link_cut[2][3] = true;
    world_row_push(world, 0, "12", 3);
    world_advance(world, 200000);
    world_row_push(world, 0, "123", 0); /* a master that forgot R22 */
    world_advance(world, 200000);
    ck_assert(world_view(world, 3, 0).is_halted);
    ck_assert_int_eq(world_view(world, 3, 0).role, CN_ROLE_NONE);
}
END_TEST

START_TEST(a_retry_after_a_join_finds_its_outcome_at_the_joiner)
{
    uint64_t first = world_put_at(world, 1, 0, 40, 1, "key", "value", WIRE_CONDITION_ABSENT, none);
    world_run(world);
    assert_outcome(world, first, ERR_OK);
    world_row_push(world, 0, "12", 3);
    ck_assert(join_ends(3, "123"));
    world_crash(world, 1, 0);
    world_crash(world, 2, 0);
    world_row_push(world, 0, "3", 0);
    world_advance(world, 300000);
    uint64_t retry = world_put_at(world, 3, 0, 40, 1, "key", "value", WIRE_CONDITION_ABSENT, none);
    world_run(world);
    assert_outcome(world, retry, ERR_OK);
    ck_assert_uint_eq(updated(world, retry)->version.lsn, 1);
}
END_TEST

START_TEST(a_copy_carries_the_session_floor)
{
    for (uint64_t session = 1; session <= BOUND_SESSIONS_PER_CHAIN + 1; session++) {
        world_put_at(world, 1, 0, session, 1, "key", "v", WIRE_CONDITION_NONE, none);
        if (session % 64 == 0)
            world_run(world);
    }
    world_advance(world, 300000);
    world_row_push(world, 0, "12", 3);
    ck_assert(join_ends(3, "123"));
    ck_assert_uint_eq(world_view(world, 3, 0).session_floor, 1);
    world_crash(world, 1, 0);
    world_crash(world, 2, 0);
    world_row_push(world, 0, "3", 0);
    world_advance(world, 300000);
    uint64_t late = world_put_at(world, 3, 0, 1, 1, "key", "v", WIRE_CONDITION_NONE, none);
    assert_refused(world, late, ERR_SESSION_EXPIRED);
}
END_TEST

START_TEST(chunks_and_open_uploads_join_too)
{
    world_stage(world, 0, "big", 77, 0, "aaaa");
    world_stage(world, 0, "big", 77, 1, "bb");
    world_run(world);
    world_publish(world, 0, "big", 77, 2, 4, 6);
    world_stage(world, 0, "open", 78, 0, "cccc");
    world_run(world);
    world_row_push(world, 0, "12", 3);
    for (unsigned i = 0; i < 6; i++) {
        world_flush(world);
        (void)world_step_message(world);
    }
    uint64_t live = world_stage(world, 0, "open", 78, 1, "dddd"); /* beside the copy */
    ck_assert(join_ends(3, "123"));
    assert_outcome(world, live, ERR_OK);
    ck_assert_uint_eq(world_rows(world, 3, CN_FAMILY_CHUNKS, 0), 4);
    world_crash(world, 1, 0);
    world_crash(world, 2, 0);
    world_row_push(world, 0, "3", 0);
    world_advance(world, 300000);
    uint64_t put = world_publish(world, 0, "open", 78, 2, 4, 8);
    world_run(world);
    assert_outcome(world, put, ERR_OK);
}
END_TEST

/* Simulator seed 400003475. A node alone starts its chain again with an undecided chunk; the upload
 * is dropped, and the chunk's row with it, before the joiner was sent the chunk. */
START_TEST(a_chunk_whose_upload_was_dropped_since_is_sent_to_the_joiner)
{
    world_row_push(world, 0, "1", 0);
    world_run(world);
    world_stage(world, 0, "large", 7, 0, "bytes");
    world_flush(world); /* its row is on the disk, nothing more */
    while (world->nodes[1].tokens_count > 0)
        world_complete_store(world, 1);
    world_crash(world, 1, SIZE_MAX);
    world_restart(world, 1);
    world->nodes[1].are_stores_held = true; /* what it takes over is committed, not yet applied */
    world->is_link_cut[1][3] = true;        /* the joiner announces itself, and hears nothing */
    world_row_push(world, 0, "1", 3);
    world_run(world);
    uint64_t dropped = world_abort(world, 0, "large", 7);
    world->nodes[1].are_stores_held = false;
    world_advance(world, 50000);
    assert_outcome(world, dropped, ERR_OK);
    ck_assert_uint_eq(world_rows(world, 1, CN_FAMILY_CHUNKS, 0), 0);
    world->is_link_cut[1][3] = false;
    ck_assert(join_ends(3, "13"));
    ck_assert_int_eq(world->nodes[1].halted, ERR_OK);
    assert_all_equal(1, 3);
}
END_TEST

/* Simulator seed 64072. The copy is complete and holds orders to purge that are ahead of what the
 * joiner has applied; the power goes. The grace passes before its chain is started again, and the
 * undecided chunks must still be there. */
START_TEST(what_pending_rows_name_is_not_purged_before_they_are_applied)
{
    world_row_push(world, 0, "1", 0);
    world_run(world);
    world->is_link_cut[1][3] = true; /* the joiner announces itself, and hears nothing */
    world_row_push(world, 0, "1", 3);
    world_run(world);
    world->nodes[1].are_stores_held = true; /* applied and visible, not reported stored */
    world_stage(world, 0, "large", 7, 0, "bytes");
    world_publish(world, 0, "large", 7, 1, 5, 5);
    world_put(world, 0, "large", "small now");
    for (unsigned i = 0; i < 6; i++) {
        world_flush(world);
        if (world_view(world, 1, 0).committed < 3)
            world_complete_store(world, 1);
    }
    ck_assert_uint_eq(world_view(world, 1, 0).committed, 3);
    ck_assert_uint_eq(world_rows(world, 1, CN_FAMILY_PURGE, 0), 1);
    world->filter = loses_marks;
    world->is_link_cut[1][3] = false;
    for (unsigned i = 0; i < 200 && world_rows(world, 3, CN_FAMILY_PURGE, 0) == 0; i++)
        world_advance(world, 10000);
    world_advance(world, 300000);
    ck_assert_uint_eq(world_rows(world, 3, CN_FAMILY_PENDING, 0), 3);
    ck_assert_uint_eq(world_rows(world, 3, CN_FAMILY_CHUNKS, 0), 1);
    world_crash(world, 1, 0);
    world_crash(world, 3, SIZE_MAX);
    world_restart(world, 3);
    world_advance(world, 5000000); /* beyond the grace */
    world_row_push(world, 0, "3", 0);
    world_advance(world, 300000);
    ck_assert_int_eq(world->nodes[3].halted, ERR_OK);
    ck_assert_uint_eq(world_view(world, 3, 0).committed, 3);
    assert_value(world, world_get(world, 0, "large"), "small now");
    world_advance(world, 5000000);
    ck_assert_uint_eq(world_rows(world, 3, CN_FAMILY_CHUNKS, 0), 0);
}
END_TEST

/* The source's rows may show more than what was reported stored there. Applying an older update
 * over a newer row would purge the chunks of the newer one. */
START_TEST(an_older_live_update_leaves_a_newer_copied_row_alone)
{
    world_stage(world, 0, "big", 71, 0, "aaaa");
    world_stage(world, 0, "big", 72, 0, "bbbb");
    world_advance(world, 300000);
    world_publish(world, 0, "big", 71, 1, 4, 4);
    world_publish(world, 0, "big", 72, 1, 4, 4);
    for (unsigned i = 0; i < 60 && world_view(world, 2, 0).committed < 4; i++) {
        world_flush(world);
        (void)world_step_message(world);
        world_complete_store(world, 1);
        if (world_view(world, 2, 0).durable < 4)
            world_complete_store(world, 2);
    }
    ck_assert_uint_eq(world_view(world, 2, 0).committed, 4);
    world->nodes[2].are_stores_held = true; /* applied and visible, not reported stored */
    world_flush(world);
    world_row_push(world, 0, "12", 3);
    world_run(world);
    world->nodes[2].are_stores_held = false;
    ck_assert(join_ends(3, "123"));
    world_advance(world, 5000000); /* beyond the grace */
    ck_assert_uint_eq(world_rows(world, 3, CN_FAMILY_CHUNKS, 0), 1);
    ck_assert_uint_eq(world_rows(world, 1, CN_FAMILY_CHUNKS, 0), 1);
    ck_assert_uint_eq(world_reply(world, world_get(world, 0, "big"))->u.object.upload_low, 72);
    assert_all_equal(2, 3);
}
END_TEST

START_TEST(positions_of_an_earlier_copy_count_for_nothing)
{
    put_many(0, 20, "value");
    world_row_push(world, 0, "12", 3);
    for (unsigned i = 0; i < 12; i++) {
        world_flush(world);
        (void)world_step_message(world);
        world_complete_store(world, 3);
    }
    struct wire_message again = {.type = WIRE_SYNC_ACK}; /* a late announcement: a new copy */
    again.u.sync_ack =
        (struct wire_sync_ack){.epoch = 2, .source_incarnation = 1, .target_incarnation = 1};
    struct cn_event event = {
        .kind = CN_EVENT_RECEIVE_NODE, .node = 3, .incarnation = 1, .message = &again};
    world_event(world, 2, &event);
    for (unsigned i = 0; i < 100 && !world->rows[0].is_synced; i++)
        world_advance(world, 20000);
    ck_assert(world->rows[0].is_synced);
    world->is_link_cut[2][3] = true;
    uint64_t put = world_put(world, 0, "key", "value");
    world_run(world);
    assert_no_reply(world, put);
    struct wire_message ack = {.type = WIRE_ACK};
    ack.u.ack = (struct wire_ack){
        .epoch = 2, .applied = {.epoch = 2, .lsn = 21}, .durable = 21, .committed = 20, .sync = 1};
    event.message = &ack;
    world_event(world, 2, &event);
    world_run(world);
    assert_no_reply(world, put);
    world->is_link_cut[2][3] = false;
    world_advance(world, 500000);
    assert_outcome(world, put, ERR_OK);
}
END_TEST

START_TEST(a_joiner_that_lags_too_far_starts_its_copy_again)
{
    put_many(0, 20, "value");
    world->is_link_cut[2][3] = true; /* it can announce itself, but hears nothing */
    world_row_push(world, 0, "12", 3);
    world_advance(world, 200000);
    for (unsigned i = 0; i < 9000; i++) {
        world_put(world, 0, "hot", "v");
        if (i % 300 == 299)
            world_run(world);
    }
    world_run(world);
    ck_assert_uint_eq(world_view(world, 2, 0).committed, 9020); /* no write waits for it (L2) */
    world->is_link_cut[2][3] = false;
    ck_assert(join_ends(3, "123"));
    assert_all_equal(2, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain_join");
    TCase *tests = tcase_create("chain_join");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, an_empty_node_joins);
    tcase_add_test(tests, a_node_joins_while_clients_write);
    tcase_add_test(tests, a_join_survives_loss_and_reordering);
    tcase_add_test(tests, a_returned_node_keeps_what_is_equal_and_nothing_deleted_comes_back);
    tcase_add_test(tests, undecided_entries_are_dropped_only_when_told_to_join);
    tcase_add_test(tests, in_handover_nothing_commits_that_the_joiner_does_not_hold);
    tcase_add_test(tests, synced_waits_for_what_the_tail_inherited);
    tcase_add_test(tests, any_epoch_change_starts_the_copy_again);
    tcase_add_test(tests, a_joiner_that_dies_half_way_is_no_starter);
    tcase_add_test(tests, a_member_named_without_a_complete_copy_halts);
    tcase_add_test(tests, a_retry_after_a_join_finds_its_outcome_at_the_joiner);
    tcase_add_test(tests, a_copy_carries_the_session_floor);
    tcase_add_test(tests, chunks_and_open_uploads_join_too);
    tcase_add_test(tests, a_chunk_whose_upload_was_dropped_since_is_sent_to_the_joiner);
    tcase_add_test(tests, what_pending_rows_name_is_not_purged_before_they_are_applied);
    tcase_add_test(tests, an_older_live_update_leaves_a_newer_copied_row_alone);
    tcase_add_test(tests, positions_of_an_earlier_copy_count_for_nothing);
    tcase_add_test(tests, a_joiner_that_lags_too_far_starts_its_copy_again);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
