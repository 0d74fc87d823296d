/* RESTAMP (D18): other metadata and a new version over the same bytes. */
#include <stdlib.h>

#include "tests/scenario/chain/chain_assert.h"
#include "tests/scenario/chain/world_multi.h"

static struct world *world;

static void set_up(void)
{
    world = world_new(3, 1);
    world_row_push(world, 0, "123", 0);
    world_run(world);
    world_advance(world, 200000);
}

static void tear_down(void)
{
    world_free(world);
}

static const struct wire_message *read_key(const char *key)
{
    const struct wire_message *reply = world_reply(world, world_get(world, 0, key));
    ck_assert_ptr_nonnull(reply);
    ck_assert_int_eq(reply->type, WIRE_OBJECT);
    return reply;
}

static void assert_chunks(size_t count)
{
    world_advance(world, 3000000);
    for (uint32_t node = 1; node <= 3; node++) {
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_CHUNKS, 0), count);
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_PURGE, 0), 0);
    }
}

START_TEST(an_inline_value_keeps_its_bytes)
{
    uint64_t put = world_put(world, 0, "key", "value");
    uint64_t early = world_restamp(world, 0, "key", "new", false); /* of what is undecided */
    world_run(world);
    assert_outcome(world, early, ERR_OK);
    world_advance(world, 300000);
    uint64_t late = world_restamp(world, 0, "key", "newest", false); /* of the row */
    world_run(world);
    assert_outcome(world, late, ERR_OK);
    const struct wire_message *reply = read_key("key");
    ck_assert(slice_equal(buf_slice(reply->payload), slice_of_text("value")));
    ck_assert(slice_equal(reply->u.object.meta, slice_of_text("newest")));
    ck_assert_int_eq(origin_compare(reply->u.object.version, updated(world, late)->version), 0);
    ck_assert_int_gt(origin_compare(updated(world, early)->version, updated(world, put)->version),
                     0);
    world_advance(world, 300000);
    assert_value(world, world_get(world, 0, "key"), "value");
}
END_TEST

START_TEST(chunks_are_not_purged)
{
    world_stage(world, 0, "big", 100, 0, "aaaa");
    world_stage(world, 0, "big", 100, 1, "bb");
    world_publish(world, 0, "big", 100, 2, 4, 6);
    world_restamp(world, 0, "big", "one", false);
    world_advance(world, 300000);
    world_restamp(world, 0, "big", "two", false);
    world_advance(world, 300000);
    const struct wire_object *object = &read_key("big")->u.object;
    ck_assert_uint_eq(object->upload_low, 100);
    ck_assert_uint_eq(object->chunk_count, 2);
    ck_assert_uint_eq(object->size, 6);
    assert_chunks(2);
    world_put(world, 0, "big", "small");
    world_run(world);
    assert_chunks(0);
}
END_TEST

START_TEST(an_assembled_value_stays_assembled)
{
    world_open(world, 0, "big", 7);
    world_part(world, 0, "big", 7, 1, 100, "aaaa");
    world_part(world, 0, "big", 7, 2, 101, "bb");
    world_complete(world, 0, "big", 7, (const uint32_t[]){1, 2, 0});
    world_restamp(world, 0, "big", "one", false);
    world_advance(world, 300000);
    uint64_t last = world_restamp(world, 0, "big", "two", false);
    world_run(world);
    assert_outcome(world, last, ERR_OK);
    const struct wire_message *reply = read_key("big");
    ck_assert_uint_eq(reply->u.object.part_count, 2);
    ck_assert_uint_eq(reply->u.object.multi_low, 7);
    ck_assert_int_eq(wire_manifest_check(buf_slice(reply->payload), 2, 6), ERR_OK);
    assert_chunks(2);
    world_delete(world, 0, "big");
    world_run(world);
    assert_chunks(0);
}
END_TEST

START_TEST(what_is_not_there_cannot_be_restamped)
{
    uint64_t none = world_restamp(world, 0, "key", "m", false);
    world_put(world, 0, "key", "value");
    world_delete(world, 0, "key");
    uint64_t gone = world_restamp(world, 0, "key", "m", false);
    world_run(world);
    assert_outcome(world, none, ERR_NO_KEY);
    assert_outcome(world, gone, ERR_NO_KEY);
}
END_TEST

START_TEST(the_condition_decides)
{
    uint64_t put = world_put(world, 0, "key", "value");
    world_run(world);
    struct wire_put restamp = {.key = slice_of_text("key"),
                               .step = WIRE_PUT_RESTAMP,
                               .meta = slice_of_text("new"),
                               .condition = WIRE_CONDITION_MATCH,
                               .match = updated(world, put)->version};
    uint64_t first = world_send_put(world, 0, restamp, NULL);
    uint64_t second = world_send_put(world, 0, restamp, NULL);
    world_run(world);
    assert_outcome(world, first, ERR_OK);
    assert_outcome(world, second, ERR_CONDITION);
    ck_assert_int_eq(
        origin_compare(updated(world, second)->current, updated(world, first)->version), 0);
}
END_TEST

START_TEST(the_time_is_kept_when_that_is_wanted)
{
    world_put(world, 0, "key", "value");
    world_run(world);
    uint64_t before = read_key("key")->u.object.mtime_ms;
    world_advance(world, 1000000);
    world_restamp(world, 0, "key", "m", true);
    world_run(world);
    ck_assert_uint_eq(read_key("key")->u.object.mtime_ms, before);
    world_restamp(world, 0, "key", "m", false);
    world_run(world);
    ck_assert_uint_gt(read_key("key")->u.object.mtime_ms, before);
}
END_TEST

START_TEST(a_restamp_survives_the_head)
{
    world_stage(world, 0, "big", 100, 0, "aaaa");
    world_publish(world, 0, "big", 100, 1, 4, 4);
    world_run(world);
    world->nodes[3].are_stores_held = true;
    uint64_t restamp = world_restamp(world, 0, "big", "new", false);
    world_run(world);
    assert_no_reply(world, restamp);
    world_crash(world, 1, 0);
    world->nodes[3].are_stores_held = false;
    world_row_push(world, 0, "23", 0);
    world_advance(world, 3000000);
    const struct wire_object *object = &read_key("big")->u.object;
    ck_assert(slice_equal(object->meta, slice_of_text("new")));
    ck_assert_uint_eq(object->upload_low, 100);
    ck_assert_uint_eq(world_rows(world, 2, CN_FAMILY_CHUNKS, 0), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain_restamp");
    TCase *tests = tcase_create("chain_restamp");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, an_inline_value_keeps_its_bytes);
    tcase_add_test(tests, chunks_are_not_purged);
    tcase_add_test(tests, an_assembled_value_stays_assembled);
    tcase_add_test(tests, what_is_not_there_cannot_be_restamped);
    tcase_add_test(tests, the_condition_decides);
    tcase_add_test(tests, the_time_is_kept_when_that_is_wanted);
    tcase_add_test(tests, a_restamp_survives_the_head);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
