/* Multipart uploads (D18): each step alone, and what it leaves on disk. */
#include <stdlib.h>

#include "base/hash.h"
#include "tests/scenario/chain/chain_assert.h"
#include "tests/scenario/chain/world_multi.h"

static struct world *world;
static const uint32_t one[] = {1, 0};
static const uint32_t both[] = {1, 2, 0};

static void set_up(void)
{
    world = world_new(3, 2);
    world_row_push(world, 0, "123", 0);
    world_row_push(world, 1, "123", 0);
    world_run(world);
    world_advance(world, 200000);
}

static void tear_down(void)
{
    world_free(world);
}

/* Upload 7 with part 1 "aaaa" (chunks 100) and part 2 "bb" (chunks 101). */
static void open_with_two_parts(void)
{
    uint64_t open = world_open(world, 0, "big", 7);
    uint64_t first = world_part(world, 0, "big", 7, 1, 100, "aaaa");
    uint64_t second = world_part(world, 0, "big", 7, 2, 101, "bb");
    world_run(world);
    assert_outcome(world, open, ERR_OK);
    assert_outcome(world, first, ERR_OK);
    assert_outcome(world, second, ERR_OK);
}

static void assert_rows(unsigned family, size_t count)
{
    for (uint32_t node = 1; node <= 3; node++)
        ck_assert_uint_eq(world_rows(world, node, family, 0), count);
}

static const struct wire_object *object_of(const char *key)
{
    world_advance(world, 300000);
    const struct wire_message *reply = world_reply(world, world_get(world, 0, key));
    ck_assert_ptr_nonnull(reply);
    if (reply->type == WIRE_REFUSED)
        ck_abort_msg("refused: %s", err_name((enum err)reply->u.refused.err));
    ck_assert_int_eq(reply->type, WIRE_OBJECT);
    ck_assert_int_eq(wire_manifest_check(buf_slice(reply->payload), reply->u.object.part_count,
                                         reply->u.object.size),
                     ERR_OK);
    return &reply->u.object;
}

static const struct wire_parts_listed *parts_of(uint64_t request)
{
    const struct wire_message *reply = world_reply(world, request);
    ck_assert_ptr_nonnull(reply);
    ck_assert_int_eq(reply->type, WIRE_PARTS_LISTED);
    return &reply->u.parts_listed;
}

START_TEST(an_object_appears_when_its_upload_is_completed)
{
    open_with_two_parts();
    assert_refused(world, world_get(world, 0, "big"), ERR_NO_KEY);
    uint64_t complete = world_complete(world, 0, "big", 7, both);
    world_run(world);
    assert_outcome(world, complete, ERR_OK);
    const struct wire_object *object = object_of("big");
    ck_assert_uint_eq(object->size, 6);
    ck_assert_uint_eq(object->part_count, 2);
    ck_assert_uint_eq(object->multi_low, 7);
    ck_assert_uint_eq(object->upload_low, 0);
    ck_assert(slice_equal(object->meta, slice_of_text("completed")));
    ck_assert_int_eq(origin_compare(object->version, updated(world, complete)->version), 0);
    assert_rows(CN_FAMILY_MULTI, 0);
    assert_rows(CN_FAMILY_UPLOADS, 0);
    assert_rows(CN_FAMILY_CHUNKS, 2);
    world_advance(world, 3000000);
    assert_rows(CN_FAMILY_CHUNKS, 2);
}
END_TEST

START_TEST(the_object_names_its_parts_in_order_and_its_checksum_covers_them)
{
    open_with_two_parts();
    world_complete(world, 0, "big", 7, both);
    world_run(world);
    for (unsigned round = 0; round < 2; round++) { /* from memory, from the row */
        const struct wire_message *reply = world_reply(world, world_get(world, 0, "big"));
        ck_assert_uint_eq(reply->u.object.checksum, checksum_bytes(buf_slice(reply->payload)));
        struct wire_manifest manifest = wire_manifest_of(buf_slice(reply->payload));
        struct wire_part part;
        ck_assert_int_eq(wire_manifest_next(&manifest, &part), ERR_OK);
        ck_assert_uint_eq(part.number, 1);
        ck_assert_uint_eq(part.upload_low, 100);
        ck_assert_uint_eq(part.checksum, checksum_bytes(slice_of_text("aaaa")));
        ck_assert(slice_equal(part.meta, slice_of_text("p")));
        ck_assert_int_eq(wire_manifest_next(&manifest, &part), ERR_OK);
        ck_assert_uint_eq(part.upload_low, 101);
        ck_assert_uint_eq(part.size, 2);
        world_advance(world, 400000);
    }
}
END_TEST

START_TEST(an_upload_may_be_completed_while_all_of_it_is_undecided)
{
    world->nodes[3].are_stores_held = true;
    uint64_t open = world_open(world, 0, "big", 7);
    uint64_t part = world_part(world, 0, "big", 7, 1, 100, "aaaa");
    uint64_t complete = world_complete(world, 0, "big", 7, one);
    uint64_t late = world_part(world, 0, "big", 7, 2, 101, "bb");
    world_run(world);
    assert_no_reply(world, complete);
    world->nodes[3].are_stores_held = false;
    world_advance(world, 300000);
    assert_outcome(world, open, ERR_OK);
    assert_outcome(world, part, ERR_OK);
    assert_outcome(world, complete, ERR_OK);
    assert_outcome(world, late, ERR_UPLOAD_GONE);
    ck_assert_uint_eq(object_of("big")->size, 4);
}
END_TEST

START_TEST(what_is_not_chosen_is_purged)
{
    open_with_two_parts();
    world_complete(world, 0, "big", 7, one);
    world_run(world);
    ck_assert_uint_eq(object_of("big")->size, 4);
    assert_rows(CN_FAMILY_CHUNKS, 2); /* who listed them may be reading */
    world_advance(world, 3000000);
    assert_rows(CN_FAMILY_CHUNKS, 1);
    assert_rows(CN_FAMILY_PURGE, 0);
}
END_TEST

START_TEST(a_replaced_part_is_purged_and_the_new_one_counts)
{
    open_with_two_parts();
    uint64_t again = world_part(world, 0, "big", 7, 1, 102, "ccc");
    world_run(world);
    assert_outcome(world, again, ERR_OK);
    world_advance(world, 3000000);
    assert_rows(CN_FAMILY_CHUNKS, 2);
    assert_rows(CN_FAMILY_UPLOADS, 0);
    world_complete(world, 0, "big", 7, both);
    world_run(world);
    ck_assert_uint_eq(object_of("big")->size, 5);
    world_advance(world, 3000000);
    assert_rows(CN_FAMILY_CHUNKS, 2);
}
END_TEST

START_TEST(a_part_replaced_while_undecided_is_purged_too)
{
    world->nodes[3].are_stores_held = true;
    world_open(world, 0, "big", 7);
    world_part(world, 0, "big", 7, 1, 100, "aaaa");
    world_part(world, 0, "big", 7, 1, 101, "bb");
    world_complete(world, 0, "big", 7, one);
    world_run(world);
    world->nodes[3].are_stores_held = false;
    world_run(world);
    ck_assert_uint_eq(object_of("big")->size, 2);
    world_advance(world, 3000000);
    assert_rows(CN_FAMILY_CHUNKS, 1);
    assert_rows(CN_FAMILY_MULTI, 0);
}
END_TEST

START_TEST(an_aborted_upload_leaves_nothing)
{
    open_with_two_parts();
    uint64_t close = world_close(world, 0, "big", 7);
    world_run(world);
    uint64_t part = world_part(world, 0, "big", 7, 3, 102, "c");
    uint64_t complete = world_complete(world, 0, "big", 7, both);
    uint64_t again = world_close(world, 0, "big", 7);
    world_abort(world, 0, "big", 102);
    world_run(world);
    assert_outcome(world, close, ERR_OK);
    assert_outcome(world, part, ERR_UPLOAD_GONE);
    assert_outcome(world, complete, ERR_UPLOAD_GONE);
    assert_outcome(world, again, ERR_UPLOAD_GONE);
    world_advance(world, 3000000);
    assert_rows(CN_FAMILY_CHUNKS, 0);
    assert_rows(CN_FAMILY_MULTI, 0);
    assert_rows(CN_FAMILY_UPLOADS, 0);
    assert_rows(CN_FAMILY_PURGE, 0);
}
END_TEST

START_TEST(of_complete_and_abort_in_a_race_the_first_ordered_wins)
{
    open_with_two_parts();
    world->nodes[3].are_stores_held = true;
    uint64_t close = world_close(world, 0, "big", 7);
    uint64_t complete = world_complete(world, 0, "big", 7, both);
    world_run(world);
    world->nodes[3].are_stores_held = false;
    world_advance(world, 300000);
    assert_outcome(world, close, ERR_OK);
    assert_outcome(world, complete, ERR_UPLOAD_GONE);
    assert_refused(world, world_get(world, 0, "big"), ERR_NO_KEY);
}
END_TEST

START_TEST(a_missing_or_other_part_stops_the_completion_and_nothing_else)
{
    open_with_two_parts();
    uint64_t missing = world_complete(world, 0, "big", 7, (const uint32_t[]){1, 3, 0});
    struct wire_put put = {.key = slice_of_text("big"), .multi_low = 7};
    struct wire_choice other = {.number = 1, .version = {.epoch = 1, .lsn = 999}};
    uint64_t wrong = world_complete_put(world, 0, put, &other, 1);
    uint64_t list = world_parts(world, 0, "big", 7, 0, 0);
    world_run(world);
    assert_outcome(world, missing, ERR_NO_PART);
    assert_outcome(world, wrong, ERR_NO_PART);
    const struct wire_parts_listed *parts = parts_of(list);
    ck_assert_uint_eq(parts->parts_count, 2);
    struct wire_choice right = {.number = 1, .version = parts->parts[0].version};
    uint64_t complete = world_complete_put(world, 0, put, &right, 1);
    world_run(world);
    assert_outcome(world, complete, ERR_OK);
}
END_TEST

START_TEST(a_completion_is_decided_by_its_condition)
{
    open_with_two_parts();
    uint64_t other = world_put(world, 0, "big", "other");
    world_run(world);
    struct wire_put put = {
        .key = slice_of_text("big"), .multi_low = 7, .condition = WIRE_CONDITION_ABSENT};
    struct wire_choice choice = {.number = 1};
    uint64_t refused = world_complete_put(world, 0, put, &choice, 1);
    world_run(world);
    assert_outcome(world, refused, ERR_CONDITION);
    ck_assert_int_eq(
        origin_compare(updated(world, refused)->current, updated(world, other)->version), 0);
    assert_value(world, world_get(world, 0, "big"), "other");
    put.condition = WIRE_CONDITION_MATCH;
    put.match = updated(world, other)->version;
    uint64_t taken = world_complete_put(world, 0, put, &choice, 1);
    world_run(world);
    assert_outcome(world, taken, ERR_OK);
    ck_assert_uint_eq(object_of("big")->part_count, 1);
}
END_TEST

START_TEST(a_completion_that_is_repeated_gets_its_own_outcome)
{
    open_with_two_parts();
    struct wire_put put = {.key = slice_of_text("big"), .multi_low = 7, .seq = 50};
    struct wire_choice choice = {.number = 1};
    uint64_t first = world_complete_put(world, 0, put, &choice, 1);
    world_run(world);
    uint64_t again = world_complete_put(world, 0, put, &choice, 1);
    world_advance(world, 300000);
    uint64_t later = world_complete_put(world, 0, put, &choice, 1);
    uint64_t stranger = world_complete(world, 0, "big", 7, one);
    world_run(world);
    struct origin version = updated(world, first)->version;
    ck_assert_int_eq(origin_compare(updated(world, again)->version, version), 0);
    ck_assert_int_eq(origin_compare(updated(world, later)->version, version), 0);
    assert_outcome(world, stranger, ERR_UPLOAD_GONE);
}
END_TEST

START_TEST(opening_twice_is_opening_once)
{
    uint64_t first = world_open(world, 0, "big", 7);
    uint64_t again = world_open(world, 0, "big", 7);
    world_run(world);
    world_part(world, 0, "big", 7, 1, 100, "aaaa");
    world_advance(world, 300000);
    uint64_t later = world_open(world, 0, "big", 7);
    world_run(world);
    assert_outcome(world, first, ERR_OK);
    assert_outcome(world, again, ERR_OK);
    assert_outcome(world, later, ERR_OK);
    world_advance(world, 300000);
    assert_rows(CN_FAMILY_MULTI, 2);
    uint64_t complete = world_complete(world, 0, "big", 7, one);
    world_run(world);
    uint64_t over = world_open(world, 0, "big", 7);
    world_advance(world, 300000);
    uint64_t settled = world_open(world, 0, "big", 7);
    world_run(world);
    assert_outcome(world, complete, ERR_OK);
    assert_outcome(world, over, ERR_UPLOAD_GONE);
    assert_outcome(world, settled, ERR_UPLOAD_GONE);
}
END_TEST

START_TEST(the_same_id_under_another_key_is_another_upload)
{
    open_with_two_parts();
    world_open(world, 0, "other", 7);
    uint64_t stranger = world_part(world, 0, "other", 7, 1, 110, "x");
    uint64_t close = world_close(world, 0, "other", 7);
    uint64_t list = world_parts(world, 0, "big", 7, 0, 0);
    world_advance(world, 300000);
    assert_outcome(world, stranger, ERR_OK);
    assert_outcome(world, close, ERR_OK);
    ck_assert_uint_eq(parts_of(list)->parts_count, 2);
}
END_TEST

START_TEST(a_part_takes_only_chunks_that_are_there)
{
    world_open(world, 0, "big", 7);
    struct wire_put put = {.key = slice_of_text("big"),
                           .step = WIRE_PUT_PART,
                           .multi_low = 7,
                           .part = 1,
                           .size = 4,
                           .upload_low = 100,
                           .chunk_count = 1,
                           .chunk_bytes = 4};
    uint64_t none = world_send_put(world, 0, put, NULL);
    world_stage(world, 0, "other", 100, 0, "aaaa");
    uint64_t foreign = world_send_put(world, 0, put, NULL);
    world_stage(world, 0, "big", 101, 0, "aaaa");
    put.upload_low = 101;
    put.size = 5;
    put.chunk_bytes = 5;
    uint64_t longer = world_send_put(world, 0, put, NULL);
    put.size = 4;
    put.chunk_bytes = 4;
    uint64_t right = world_send_put(world, 0, put, NULL);
    put.part = 2;
    uint64_t twice = world_send_put(world, 0, put, NULL);
    world_run(world);
    assert_outcome(world, none, ERR_UPLOAD_GONE);
    assert_outcome(world, foreign, ERR_UPLOAD_GONE);
    assert_outcome(world, longer, ERR_UPLOAD_ORDER);
    assert_outcome(world, right, ERR_OK);
    assert_outcome(world, twice, ERR_UPLOAD_GONE);
}
END_TEST

START_TEST(an_empty_part_is_a_part)
{
    world_open(world, 0, "big", 7);
    uint64_t part = world_part(world, 0, "big", 7, 1, 0, "");
    uint64_t complete = world_complete(world, 0, "big", 7, one);
    world_run(world);
    assert_outcome(world, part, ERR_OK);
    assert_outcome(world, complete, ERR_OK);
    ck_assert_uint_eq(object_of("big")->size, 0);
    ck_assert_uint_eq(object_of("big")->part_count, 1);
}
END_TEST

START_TEST(a_late_chunk_of_a_part_does_not_open_its_upload_again)
{
    open_with_two_parts();
    uint64_t early = world_stage(world, 0, "big", 100, 0, "aaaa");
    world_complete(world, 0, "big", 7, both);
    world_advance(world, 300000);
    uint64_t late = world_stage(world, 0, "big", 100, 0, "aaaa");
    world_advance(world, 300000);
    assert_outcome(world, early, ERR_OK);
    assert_outcome(world, late, ERR_OK);
    assert_rows(CN_FAMILY_UPLOADS, 0);
    for (unsigned i = 0; i < 30; i++)
        world_advance(world, 1000000); /* nothing is taken for abandoned */
    assert_rows(CN_FAMILY_CHUNKS, 2);
}
END_TEST

START_TEST(an_assembled_object_goes_with_all_its_chunks)
{
    open_with_two_parts();
    world_complete(world, 0, "big", 7, both);
    world_advance(world, 300000);
    uint64_t removal = world_delete(world, 0, "big");
    world_advance(world, 300000);
    assert_outcome(world, removal, ERR_OK);
    assert_rows(CN_FAMILY_PURGE, 2);
    world_advance(world, 3000000);
    assert_rows(CN_FAMILY_CHUNKS, 0);
    assert_rows(CN_FAMILY_OBJECTS, 0);
}
END_TEST

START_TEST(an_upload_that_nobody_touches_stays)
{
    open_with_two_parts();
    for (unsigned i = 0; i < 60; i++)
        world_advance(world, 1000000);
    uint64_t complete = world_complete(world, 0, "big", 7, both);
    world_run(world);
    assert_outcome(world, complete, ERR_OK);
}
END_TEST

START_TEST(an_upload_goes_with_its_bucket)
{
    open_with_two_parts();
    world->bucket_state = WIRE_BUCKET_GONE;
    world->version++;
    world_push_all(world);
    world_advance(world, 500000);
    assert_rows(CN_FAMILY_MULTI, 0);
    world_advance(world, 3000000);
    assert_rows(CN_FAMILY_CHUNKS, 0);
    assert_rows(CN_FAMILY_PURGE, 0);
}
END_TEST

START_TEST(a_bucket_that_is_being_deleted_takes_no_step_but_an_abort)
{
    open_with_two_parts();
    world->bucket_state = WIRE_BUCKET_DELETING;
    world->version++;
    world_push_all(world);
    world_run(world);
    assert_refused(world, world_open(world, 0, "big", 8), ERR_BUCKET_DELETING);
    assert_refused(world, world_complete(world, 0, "big", 7, both), ERR_BUCKET_DELETING);
    assert_refused(world, world_restamp(world, 0, "big", "m", false), ERR_BUCKET_DELETING);
    uint64_t close = world_close(world, 0, "big", 7);
    world_run(world);
    assert_outcome(world, close, ERR_OK);
}
END_TEST

START_TEST(a_full_disk_refuses_every_step_but_an_abort)
{
    open_with_two_parts();
    struct cn_event full = {.kind = CN_EVENT_SPACE, .is_full = true};
    world_event(world, 3, &full);
    world_run(world);
    assert_refused(world, world_open(world, 0, "big", 8), ERR_NO_SPACE);
    assert_refused(world, world_part(world, 0, "big", 7, 3, 0, ""), ERR_NO_SPACE);
    assert_refused(world, world_complete(world, 0, "big", 7, both), ERR_NO_SPACE);
    uint64_t close = world_close(world, 0, "big", 7);
    world_run(world);
    assert_outcome(world, close, ERR_OK);
}
END_TEST

/* With the longest metadata, so that the manifest is as long as it can be. */
START_TEST(ten_thousand_parts_make_one_object)
{
    uint8_t meta[BOUND_PART_META_BYTES] = {0};
    world_open(world, 0, "big", 7);
    struct wire_choice *choices = mem_calloc(BOUND_PARTS, sizeof *choices);
    for (uint32_t number = 1; number <= BOUND_PARTS; number++) {
        choices[number - 1].number = number;
        struct wire_put put = {.key = slice_of_text("big"),
                               .step = WIRE_PUT_PART,
                               .multi_low = 7,
                               .part = number,
                               .size = 1,
                               .upload_low = 100 + number,
                               .chunk_count = 1,
                               .chunk_bytes = 1,
                               .meta = slice_of(meta, sizeof meta)};
        world_stage(world, 0, "big", put.upload_low, 0, "x");
        uint64_t part = world_send_put(world, 0, put, NULL);
        if (number % 100 != 0)
            continue;
        world_run(world);
        assert_outcome(world, part, ERR_OK);
        world_forget_replies(world);
    }
    struct wire_put put = {.key = slice_of_text("big"), .multi_low = 7};
    uint64_t complete = world_complete_put(world, 0, put, choices, BOUND_PARTS);
    mem_free(choices);
    world_run(world);
    assert_outcome(world, complete, ERR_OK);
    ck_assert_uint_eq(object_of("big")->part_count, BOUND_PARTS);
    ck_assert_uint_eq(object_of("big")->size, BOUND_PARTS);
    assert_rows(CN_FAMILY_MULTI, 0);
    assert_rows(CN_FAMILY_CHUNKS, BOUND_PARTS);
    world_delete(world, 0, "big");
    world_advance(world, 3000000);
    assert_rows(CN_FAMILY_CHUNKS, 0);
    assert_rows(CN_FAMILY_PURGE, 0);
}
END_TEST

START_TEST(nonsense_is_refused)
{
    struct wire_put put = {.key = slice_of_text("big"), .step = WIRE_PUT_PART, .multi_low = 7};
    assert_refused(world, world_send_put(world, 0, put, NULL), ERR_INVALID); /* part 0 */
    put.part = BOUND_PARTS + 1;
    assert_refused(world, world_send_put(world, 0, put, NULL), ERR_INVALID);
    put.part = 1;
    put.size = 1; /* no chunks */
    assert_refused(world, world_send_put(world, 0, put, NULL), ERR_INVALID);
    put.step = WIRE_PUT_RESTAMP + 1;
    assert_refused(world, world_send_put(world, 0, put, NULL), ERR_INVALID);
    put = (struct wire_put){.key = slice_of_text("big"), .step = WIRE_PUT_OPEN};
    assert_refused(world, world_send_put(world, 0, put, NULL), ERR_INVALID); /* no id */
    struct wire_choice falling[] = {{.number = 2}, {.number = 1}};
    put = (struct wire_put){.key = slice_of_text("big"), .multi_low = 7};
    assert_refused(world, world_complete_put(world, 0, put, falling, 2), ERR_INVALID);
    put.multi_low = 0;
    put.step = WIRE_PUT_VALUE;
    put.part = 1;
    assert_refused(world, world_send_put(world, 0, put, NULL), ERR_INVALID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain_multipart");
    TCase *tests = tcase_create("chain_multipart");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, an_object_appears_when_its_upload_is_completed);
    tcase_add_test(tests, the_object_names_its_parts_in_order_and_its_checksum_covers_them);
    tcase_add_test(tests, an_upload_may_be_completed_while_all_of_it_is_undecided);
    tcase_add_test(tests, what_is_not_chosen_is_purged);
    tcase_add_test(tests, a_replaced_part_is_purged_and_the_new_one_counts);
    tcase_add_test(tests, a_part_replaced_while_undecided_is_purged_too);
    tcase_add_test(tests, an_aborted_upload_leaves_nothing);
    tcase_add_test(tests, of_complete_and_abort_in_a_race_the_first_ordered_wins);
    tcase_add_test(tests, a_missing_or_other_part_stops_the_completion_and_nothing_else);
    tcase_add_test(tests, a_completion_is_decided_by_its_condition);
    tcase_add_test(tests, a_completion_that_is_repeated_gets_its_own_outcome);
    tcase_add_test(tests, opening_twice_is_opening_once);
    tcase_add_test(tests, the_same_id_under_another_key_is_another_upload);
    tcase_add_test(tests, a_part_takes_only_chunks_that_are_there);
    tcase_add_test(tests, an_empty_part_is_a_part);
    tcase_add_test(tests, a_late_chunk_of_a_part_does_not_open_its_upload_again);
    tcase_add_test(tests, an_assembled_object_goes_with_all_its_chunks);
    tcase_add_test(tests, an_upload_that_nobody_touches_stays);
    tcase_add_test(tests, an_upload_goes_with_its_bucket);
    tcase_add_test(tests, a_bucket_that_is_being_deleted_takes_no_step_but_an_abort);
    tcase_add_test(tests, a_full_disk_refuses_every_step_but_an_abort);
    tcase_add_test(tests, nonsense_is_refused);
    tcase_add_test(tests, ten_thousand_parts_make_one_object);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
