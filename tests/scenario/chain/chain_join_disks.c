/* Joins over disks that are not as they should be: rows that cannot be read, at the joiner and at
 * the source, and a joiner that reaches its reserve of space. */
#include <stdlib.h>

#include "base/bytes.h"
#include "tests/scenario/chain/chain_assert.h"

static struct world *world;

static void set_up(void)
{
    world = world_new(4, 2);
    world_row_push(world, 0, "12", 0);
    world_row_push(world, 1, "12", 0);
    world_run(world);
    world_advance(world, 200000);
}

static void tear_down(void)
{
    world_free(world);
}

static bool is_synced_soon(uint32_t chain)
{
    for (unsigned i = 0; i < 200 && !world->rows[chain].is_synced; i++)
        world_advance(world, 50000);
    return world->rows[chain].is_synced;
}

static bool join_ends(uint32_t chain, uint32_t joiner, const char *then)
{
    if (!is_synced_soon(chain))
        return false;
    world_row_push(world, chain, then, 0);
    world_advance(world, 300000);
    return world_view(world, joiner, chain).role == CN_ROLE_TAIL;
}

static void put_many(unsigned from, unsigned to, const char *value)
{
    for (unsigned i = from; i < to; i++) {
        char key[32];
        (void)text_format(key, sizeof key, "key%05u", i);
        (void)world_put(world, 0, key, value);
        if (i % 50 == 49)
            world_run(world);
    }
    world_run(world);
}

static struct kv_iterator *chunks_of(uint32_t node, uint32_t chain, struct kv *ret_kv)
{
    uint8_t from[4];
    uint8_t to[4];
    bytes_put_u32(from, chain);
    bytes_put_u32(to, chain + 1);
    *ret_kv = kv_memory_interface(world->nodes[node].store);
    return kv_iterate(ret_kv, CN_FAMILY_CHUNKS, slice_of(from, 4), slice_of(to, 4));
}

/* The same chunks with the same bytes, all readable. */
static unsigned assert_same_chunks(uint32_t chain, uint32_t a, uint32_t b)
{
    struct kv kv[2];
    struct kv_iterator *rows[2] = {chunks_of(a, chain, &kv[0]), chunks_of(b, chain, &kv[1])};
    unsigned count = 0;
    for (bool has_more = true; has_more;) {
        struct slice key[2];
        struct slice value[2];
        has_more = kv[0].ops->iterator_next(rows[0], &key[0], &value[0]);
        ck_assert(kv[1].ops->iterator_next(rows[1], &key[1], &value[1]) == has_more);
        if (!has_more)
            break;
        ck_assert(slice_equal(key[0], key[1]) && slice_equal(value[0], value[1]));
        count++;
    }
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(kv[i].ops->iterator_err(rows[i]), ERR_OK);
        kv[i].ops->iterator_free(rows[i]);
    }
    return count;
}

static void assert_all_equal(uint32_t chain, uint32_t a, uint32_t b)
{
    world_advance(world, 600000);
    struct cn_chain_view left = world_view(world, a, chain);
    struct cn_chain_view right = world_view(world, b, chain);
    ck_assert_uint_eq(left.committed, right.committed);
    ck_assert_uint_eq(left.committed, left.applied.lsn);
    ck_assert(left.digest == right.digest);
    ck_assert(world_same_rows(world, chain, a, b));
    (void)assert_same_chunks(chain, a, b);
}

static void damage(uint32_t node, uint32_t chain, uint64_t upload, uint32_t index)
{
    uint8_t key[CN_CHUNK_KEY_BYTES];
    cn_chunk_key(chain, 0, upload, index, key);
    ck_assert(
        kv_memory_damage(world->nodes[node].store, CN_FAMILY_CHUNKS, slice_of(key, sizeof key)));
}

/* Two large objects, uploads 77 and 78 of two chunks each. */
static void put_large(uint32_t chain)
{
    world_stage(world, chain, "large", 77, 0, "aaaa");
    world_stage(world, chain, "large", 77, 1, "bb");
    world_stage(world, chain, "other", 78, 0, "cccc");
    world_stage(world, chain, "other", 78, 1, "dd");
    world_run(world);
    uint64_t large = world_publish(world, chain, "large", 77, 2, 4, 6);
    uint64_t other = world_publish(world, chain, "other", 78, 2, 4, 6);
    world_advance(world, 300000);
    assert_outcome(world, large, ERR_OK);
    assert_outcome(world, other, ERR_OK);
}

/* The source cannot read a chunk of this upload: node 3 does not get its copy. */
static void hold_copy(uint64_t upload)
{
    put_large(0);
    damage(2, 0, upload, 0);
    world_row_push(world, 0, "12", 3);
    world_advance(world, 2000000);
    ck_assert(!world->rows[0].is_synced);
}

static void set_full(uint32_t node, bool is_full)
{
    struct cn_event event = {.kind = CN_EVENT_SPACE, .is_full = is_full};
    world_event(world, node, &event);
}

/* Node 3 was a member and had everything; the chain goes on without it. */
static void lose_member(void)
{
    world_row_push(world, 0, "12", 3);
    ck_assert(join_ends(0, 3, "123"));
    put_large(0);
    world_crash(world, 3, SIZE_MAX);
    world_row_push(world, 0, "12", 0);
    world_advance(world, 300000);
}

static void bring_back(void)
{
    world_restart(world, 3);
    world_row_push(world, 0, "12", 3);
    ck_assert(join_ends(0, 3, "123"));
    ck_assert_int_eq(world->nodes[3].halted, ERR_OK);
}

static bool loses_marks_to_3(struct world *of, const struct world_message *message, void *context)
{
    (void)of;
    (void)context;
    return message->message.type != WIRE_MARK || message->to != 3;
}

static bool has_alarmed(const char *words)
{
    return strstr(text_cstr(&world->alarms), words) != NULL;
}

/* ---- rows that cannot be read ---- */

START_TEST(a_returned_node_gets_the_chunk_that_it_cannot_read)
{
    lose_member();
    damage(3, 0, 77, 1);
    bring_back();
    ck_assert_uint_eq(assert_same_chunks(0, 2, 3), 4);
    assert_all_equal(0, 2, 3);
    ck_assert(has_alarmed("n3: chain 0 epoch 5: DAMAGED: family chunks, upload "
                          "0000000000000000000000000000004d chunk 1"));
}
END_TEST

START_TEST(a_returned_node_deletes_the_chunks_that_it_cannot_read_and_nobody_has)
{
    lose_member();
    damage(3, 0, 77, 0); /* before rows that stay */
    damage(3, 0, 78, 1); /* the last one of the range */
    world_delete(world, 0, "large");
    world_delete(world, 0, "other");
    world_stage(world, 0, "new", 79, 0, "eeee");
    world_run(world);
    world_publish(world, 0, "new", 79, 1, 4, 4);
    world_advance(world, 5000000); /* beyond the grace */
    ck_assert_uint_eq(world_rows(world, 2, CN_FAMILY_CHUNKS, 0), 1);
    bring_back();
    ck_assert_uint_eq(assert_same_chunks(0, 2, 3), 1);
    assert_all_equal(0, 2, 3);
}
END_TEST

START_TEST(a_source_that_cannot_read_a_chunk_holds_that_copy_and_serves_on)
{
    put_large(0);
    put_large(1);
    damage(2, 0, 77, 1);
    world_row_push(world, 0, "12", 3);
    world_row_push(world, 1, "12", 3);
    ck_assert(join_ends(1, 3, "123"));
    world_advance(world, 3000000);
    ck_assert_int_eq(world->nodes[2].halted, ERR_OK);
    ck_assert(!world->rows[0].is_synced);
    ck_assert(world_view(world, 3, 0).is_syncing);
    ck_assert(!world->rows[0].is_halted);
    ck_assert(has_alarmed("n2: chain 0 epoch 2: DAMAGED: family chunks, upload "
                          "0000000000000000000000000000004d chunk 1"));
    uint64_t put = world_put(world, 0, "key", "value");
    world_advance(world, 50000);
    assert_outcome(world, put, ERR_OK);
    assert_value(world, world_get(world, 0, "key"), "value");
    ck_assert_uint_eq(world_reply(world, world_get(world, 0, "other"))->u.object.upload_low, 78);
}
END_TEST

START_TEST(a_joiner_whose_copy_is_held_does_not_complain_of_its_source)
{
    put_large(0);
    damage(2, 0, 77, 0);
    world_row_push(world, 0, "12", 3);
    uint64_t put = 0;
    world->filter = loses_marks_to_3; /* live entries of which it does not hear the end */
    for (unsigned i = 0; i < 400; i++) {
        if (i % 4 == 0)
            put = world_put(world, 0, "key", "value");
        world_flush(world);
        (void)world_step_message(world);
        for (uint32_t node = 1; node <= 3; node++)
            world_complete_store(world, node);
    }
    ck_assert_uint_gt(world_view(world, 3, 0).applied.lsn, world_view(world, 3, 0).committed);
    world->filter = NULL;
    world_advance(world, 3000000);
    assert_outcome(world, put, ERR_OK);
    ck_assert_uint_eq(world->nodes[3].links_reported, 0);
    ck_assert_uint_eq(world->nodes[2].links_reported, 0);
    ck_assert(!world->rows[0].is_synced);
}
END_TEST

START_TEST(a_held_copy_goes_on_when_the_damaged_chunk_is_gone)
{
    hold_copy(78);
    ck_assert(world->rows[0].is_damaged); /* the masters know */
    uint64_t deleted = world_delete(world, 0, "other");
    world_advance(world, 100000);
    assert_outcome(world, deleted, ERR_OK);
    ck_assert(join_ends(0, 3, "123")); /* after the grace */
    ck_assert(!world->rows[0].is_damaged);
    ck_assert_int_eq(world->nodes[2].halted, ERR_OK);
    ck_assert_uint_eq(assert_same_chunks(0, 2, 3), 2);
    assert_all_equal(0, 2, 3);
}
END_TEST

START_TEST(another_source_completes_the_copy_that_one_had_to_hold)
{
    hold_copy(77);
    world_crash(world, 2, SIZE_MAX); /* the operator stops it */
    world_row_push(world, 0, "1", 3);
    ck_assert(join_ends(0, 3, "13"));
    world_restart(world, 2);
    world_row_push(world, 0, "13", 2);
    ck_assert(join_ends(0, 2, "132"));
    ck_assert_uint_eq(assert_same_chunks(0, 1, 2), 4); /* and is whole again */
    assert_all_equal(0, 1, 2);
}
END_TEST

START_TEST(a_held_copy_keeps_no_log_for_its_joiner)
{
    hold_copy(77);
    uint64_t before = world_view(world, 3, 0).applied.lsn;
    put_many(0, 1000, "value");
    world_advance(world, 300000);
    ck_assert_uint_eq(world_view(world, 3, 0).applied.lsn, before);
    ck_assert_uint_ge(world_view(world, 2, 0).committed, 1000);
    ck_assert_uint_eq(world_rows(world, 3, CN_FAMILY_PENDING, 0), 0);
    world_delete(world, 0, "large");
    ck_assert(join_ends(0, 3, "123"));
    assert_all_equal(0, 2, 3);
}
END_TEST

START_TEST(a_late_copy_of_a_damaged_chunk_is_answered_as_staged)
{
    put_large(0);
    damage(1, 0, 77, 0);
    uint64_t late = world_stage(world, 0, "large", 77, 0, "aaaa");
    world_advance(world, 100000);
    ck_assert_int_eq(world->nodes[1].halted, ERR_OK);
    assert_outcome(world, late, ERR_OK);
    ck_assert_uint_eq(world_rows(world, 1, CN_FAMILY_UPLOADS, 0), 0); /* not opened again */
}
END_TEST

/* ---- a joiner without space ---- */

static const char *big_value(void)
{
    static char big[4001];
    memset(big, 'b', 4000);
    return big;
}

START_TEST(a_full_joiner_takes_no_rows_and_goes_on_by_itself)
{
    put_many(0, 700, big_value()); /* several ranges */
    set_full(3, true);
    world_row_push(world, 0, "12", 3);
    world_advance(world, 2000000);
    ck_assert_uint_eq(world_rows(world, 3, CN_FAMILY_OBJECTS, 0), 0);
    ck_assert_uint_le(world->nodes[2].syncs_sent, 8); /* not again and again */
    ck_assert(!world->rows[0].is_synced);
    ck_assert(world->nodes[3].says_full && !world->nodes[2].says_full);
    uint64_t put = world_put(world, 0, "key", "value"); /* the chain goes on without it */
    world_advance(world, 50000);
    assert_outcome(world, put, ERR_OK);
    set_full(3, false);
    ck_assert(join_ends(0, 3, "123"));
    ck_assert(!world->nodes[3].says_full);
    assert_all_equal(0, 2, 3);
}
END_TEST

START_TEST(a_joiner_that_gets_full_half_way_takes_no_more)
{
    put_many(0, 1500, big_value());
    world_row_push(world, 0, "12", 3);
    for (unsigned i = 0; i < 1000 && world_rows(world, 3, CN_FAMILY_OBJECTS, 0) < 300; i++) {
        world_flush(world);
        (void)world_step_message(world);
        for (uint32_t node = 1; node <= 3; node++)
            world_complete_store(world, node);
    }
    set_full(3, true);
    world_advance(world, 1000000);
    size_t rows = world_rows(world, 3, CN_FAMILY_OBJECTS, 0);
    ck_assert_uint_ge(rows, 300);
    ck_assert_uint_lt(rows, 1000);
    put_many(2000, 2500, "live");
    world_advance(world, 1000000);
    ck_assert_uint_eq(world_view(world, 2, 0).committed, 2000);
    ck_assert_uint_le(world_rows(world, 3, CN_FAMILY_PENDING, 0), 64); /* on the way by then */
    ck_assert_uint_eq(world_rows(world, 3, CN_FAMILY_OBJECTS, 0), rows);
    set_full(3, false);
    ck_assert(join_ends(0, 3, "123"));
    assert_all_equal(0, 2, 3);
}
END_TEST

START_TEST(a_full_joiner_that_lags_too_far_begins_again_when_it_has_space)
{
    put_many(0, 100, "value");
    set_full(3, true);
    world_row_push(world, 0, "12", 3);
    world_advance(world, 500000);
    for (unsigned i = 0; i < 20000; i++) {
        world_put(world, 0, "hot", "v");
        if (i % 300 == 299)
            world_run(world);
    }
    world_advance(world, 300000);
    ck_assert_uint_eq(world_view(world, 2, 0).committed, 20100); /* no write waits for it */
    ck_assert_uint_le(world_rows(world, 3, CN_FAMILY_PENDING, 0), 1000);
    ck_assert_uint_eq(world_rows(world, 3, CN_FAMILY_OBJECTS, 0), 0);
    set_full(3, false);
    ck_assert(join_ends(0, 3, "123"));
    assert_all_equal(0, 2, 3);
}
END_TEST

START_TEST(a_full_joiner_is_not_handed_over_to)
{
    put_many(0, 20, "value");
    world->nodes[3].are_stores_held = true;
    world_row_push(world, 0, "12", 3);
    for (unsigned i = 0; i < 50; i++) { /* up to the last range, taken and not reported stored */
        world_advance(world, 10000);
        if (world_rows(world, 3, CN_FAMILY_OBJECTS, 0) < 20)
            world_complete_store(world, 3);
    }
    set_full(3, true);
    world->nodes[3].are_stores_held = false;
    world_advance(world, 1000000);
    ck_assert(!world->rows[0].is_synced);
    uint64_t put = world_put(world, 0, "key", "value");
    world_advance(world, 100000);
    assert_outcome(world, put, ERR_OK);
    set_full(3, false);
    ck_assert(join_ends(0, 3, "123"));
    assert_all_equal(0, 2, 3);
}
END_TEST

START_TEST(a_joiner_that_gets_full_in_handover_holds_nobody_up)
{
    put_many(0, 20, "value");
    world_row_push(world, 0, "12", 3);
    ck_assert(is_synced_soon(0));
    set_full(3, true);
    world_advance(world, 300000);
    uint64_t put = world_put(world, 0, "key", "value"); /* R21: at the joiner too */
    world_advance(world, 300000);
    assert_outcome(world, put, ERR_OK);
    ck_assert_uint_eq(world_view(world, 3, 0).durable, 21);
    ck_assert_uint_eq(world->nodes[2].links_reported, 0);
    ck_assert(join_ends(0, 3, "123"));
    uint64_t refused = world_put(world, 0, "key", "value"); /* a member, and full: as ever */
    world_run(world);
    assert_refused(world, refused, ERR_NO_SPACE);
}
END_TEST

START_TEST(a_joiner_that_has_space_again_is_not_reported_as_silent)
{
    put_many(0, 20, "value");
    set_full(3, true);
    world_row_push(world, 0, "12", 3);
    world_advance(world, 500000);
    put_many(100, 140, "live");
    world_advance(world, 3000000);
    set_full(3, false);
    ck_assert(join_ends(0, 3, "123"));
    ck_assert_uint_eq(world->nodes[2].links_reported, 0);
    assert_all_equal(0, 2, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain_join_disks");
    TCase *tests = tcase_create("chain_join_disks");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_returned_node_gets_the_chunk_that_it_cannot_read);
    tcase_add_test(tests, a_returned_node_deletes_the_chunks_that_it_cannot_read_and_nobody_has);
    tcase_add_test(tests, a_source_that_cannot_read_a_chunk_holds_that_copy_and_serves_on);
    tcase_add_test(tests, a_joiner_whose_copy_is_held_does_not_complain_of_its_source);
    tcase_add_test(tests, a_held_copy_goes_on_when_the_damaged_chunk_is_gone);
    tcase_add_test(tests, another_source_completes_the_copy_that_one_had_to_hold);
    tcase_add_test(tests, a_held_copy_keeps_no_log_for_its_joiner);
    tcase_add_test(tests, a_late_copy_of_a_damaged_chunk_is_answered_as_staged);
    tcase_add_test(tests, a_full_joiner_takes_no_rows_and_goes_on_by_itself);
    tcase_add_test(tests, a_joiner_that_gets_full_half_way_takes_no_more);
    tcase_add_test(tests, a_full_joiner_that_lags_too_far_begins_again_when_it_has_space);
    tcase_add_test(tests, a_full_joiner_is_not_handed_over_to);
    tcase_add_test(tests, a_joiner_that_gets_full_in_handover_holds_nobody_up);
    tcase_add_test(tests, a_joiner_that_has_space_again_is_not_reported_as_silent);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
