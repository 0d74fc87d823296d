/* Tokens (D19): one effect for all requests that carry the same one. */
#include <stdlib.h>

#include "base/hash.h"
#include "tests/scenario/chain/chain_assert.h"
#include "tests/scenario/chain/world_multi.h"

static struct world *world;

enum { KEEP_US = 20000000 }; /* the world's */

static void set_up(void)
{
    world = world_new(4, 1);
    world_row_push(world, 0, "123", 0);
    world_run(world);
    world_advance(world, 200000);
}

static void tear_down(void)
{
    world_free(world);
}

/* Every request comes from a session of its own. */
static uint64_t put_with(uint64_t token, const char *key, const char *value, uint8_t condition)
{
    static uint64_t session = 100;
    struct wire_put put = {.key = slice_of_text(key),
                           .session = ++session,
                           .seq = 1,
                           .size = strlen(value),
                           .checksum = checksum_bytes(slice_of_text(value)),
                           .condition = condition,
                           .token_high = 1,
                           .token_low = token};
    return world_send_put(world, 0, put, buf_copy(slice_of_text(value)));
}

static void assert_same_version(uint64_t a, uint64_t b)
{
    assert_outcome(world, a, ERR_OK);
    assert_outcome(world, b, ERR_OK);
    ck_assert_int_eq(origin_compare(updated(world, a)->version, updated(world, b)->version), 0);
}

START_TEST(a_repeated_put_has_one_effect)
{
    uint64_t first = put_with(7, "key", "one", 0);
    world_run(world);
    uint64_t between = world_put(world, 0, "key", "two");
    world_run(world);
    assert_outcome(world, between, ERR_OK);
    uint64_t early = put_with(7, "key", "one", 0); /* in memory */
    world_advance(world, 300000);
    uint64_t late = put_with(7, "key", "other bytes", 0); /* in the row */
    world_run(world);
    assert_same_version(first, early);
    assert_same_version(first, late);
    assert_value(world, world_get(world, 0, "key"), "two");
}
END_TEST

START_TEST(a_repetition_waits_for_the_undecided_first)
{
    world->nodes[3].are_stores_held = true;
    uint64_t first = put_with(7, "key", "one", 0);
    uint64_t again = put_with(7, "key", "one", 0);
    world_run(world);
    assert_no_reply(world, again);
    world->nodes[3].are_stores_held = false;
    world_run(world);
    assert_same_version(first, again);
    ck_assert_uint_eq(world_view(world, 1, 0).applied.lsn, 1);
}
END_TEST

START_TEST(a_refusal_is_repeated_too)
{
    world_put(world, 0, "key", "there");
    uint64_t first = put_with(7, "key", "one", WIRE_CONDITION_ABSENT);
    world_delete(world, 0, "key");
    world_run(world);
    uint64_t again = put_with(7, "key", "one", WIRE_CONDITION_ABSENT);
    world_advance(world, 300000);
    uint64_t late = put_with(7, "key", "one", WIRE_CONDITION_ABSENT);
    world_run(world);
    assert_outcome(world, first, ERR_CONDITION);
    assert_outcome(world, again, ERR_CONDITION);
    assert_outcome(world, late, ERR_CONDITION);
    ck_assert_int_eq(origin_compare(updated(world, late)->current, updated(world, first)->current),
                     0);
    assert_refused(world, world_get(world, 0, "key"), ERR_NO_KEY);
}
END_TEST

START_TEST(what_failed_for_want_of_something_may_be_tried_again)
{
    struct wire_put put = {.key = slice_of_text("big"),
                           .size = 4,
                           .upload_low = 100,
                           .chunk_count = 1,
                           .chunk_bytes = 4,
                           .token_low = 7};
    uint64_t early = world_send_put(world, 0, put, NULL);
    world_stage(world, 0, "big", 100, 0, "aaaa");
    uint64_t again = world_send_put(world, 0, put, NULL);
    world_run(world);
    assert_outcome(world, early, ERR_UPLOAD_GONE);
    assert_outcome(world, again, ERR_OK);
}
END_TEST

START_TEST(tokens_of_other_keys_and_other_tokens_are_others)
{
    uint64_t first = put_with(7, "key", "one", 0);
    uint64_t other_key = put_with(7, "kez", "two", 0);
    uint64_t other_token = put_with(8, "key", "three", 0);
    world_advance(world, 300000);
    assert_outcome(world, first, ERR_OK);
    assert_outcome(world, other_key, ERR_OK);
    assert_outcome(world, other_token, ERR_OK);
    assert_value(world, world_get(world, 0, "key"), "three");
    assert_value(world, world_get(world, 0, "kez"), "two");
}
END_TEST

START_TEST(the_next_head_knows_the_tokens)
{
    uint64_t settled = put_with(7, "key", "one", 0);
    world_advance(world, 300000);
    world->nodes[3].are_stores_held = true;
    uint64_t pending = put_with(8, "key", "two", 0);
    world_run(world);
    assert_no_reply(world, pending);
    world_crash(world, 1, 0);
    world_row_push(world, 0, "23", 0);
    world->nodes[3].are_stores_held = false;
    world_advance(world, 300000);
    uint64_t first = put_with(7, "key", "one", 0);
    uint64_t second = put_with(8, "key", "two", 0);
    world_run(world);
    assert_same_version(settled, first);
    assert_outcome(world, second, ERR_OK);
    ck_assert_uint_eq(updated(world, second)->version.lsn, 2);
    ck_assert_uint_eq(world_view(world, 2, 0).applied.lsn, 2);
}
END_TEST

START_TEST(a_first_that_was_lost_with_its_head_had_no_effect)
{
    world->is_link_cut[1][2] = true;
    uint64_t lost = put_with(7, "key", "one", 0);
    world_run(world);
    assert_no_reply(world, lost);
    world_crash(world, 1, 0);
    world_row_push(world, 0, "23", 0);
    world_advance(world, 300000);
    uint64_t again = put_with(7, "key", "one", 0);
    world_run(world);
    assert_outcome(world, again, ERR_OK);
    assert_value(world, world_get(world, 0, "key"), "one");
}
END_TEST

START_TEST(a_joiner_gets_the_tokens)
{
    uint64_t first = put_with(7, "key", "one", 0);
    world_run(world);
    world_row_push(world, 0, "123", 4);
    for (unsigned i = 0; i < 100 && !world->rows[0].is_synced; i++)
        world_advance(world, 50000);
    world_row_push(world, 0, "1234", 0);
    world_advance(world, 300000);
    for (uint32_t node = 1; node <= 3; node++)
        world_crash(world, node, 0);
    world_row_push(world, 0, "4", 0);
    world_advance(world, 300000);
    uint64_t again = put_with(7, "key", "one", 0);
    world_run(world);
    assert_same_version(first, again);
}
END_TEST

static void assert_token_rows(size_t count)
{
    for (uint32_t node = 1; node <= 3; node++)
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_TOKENS, 0), 2 * count);
}

START_TEST(tokens_are_forgotten_when_they_are_old)
{
    for (uint64_t token = 1; token <= 10; token++)
        put_with(token, "key", "one", 0);
    world_advance(world, 300000);
    assert_token_rows(10);
    world_advance(world, KEEP_US);
    uint64_t again = put_with(3, "key", "again", 0); /* late, but nothing has come since */
    world_run(world);
    ck_assert_uint_eq(updated(world, again)->version.lsn, 3);
    put_with(11, "key", "two", 0); /* takes four with it */
    world_advance(world, 300000);
    assert_token_rows(7);
    put_with(12, "key", "two", 0);
    put_with(13, "key", "two", 0);
    world_advance(world, 300000);
    assert_token_rows(3);
    uint64_t fresh = put_with(3, "key", "three", 0);
    world_advance(world, 300000);
    ck_assert_uint_eq(updated(world, fresh)->version.lsn, 14);
    assert_value(world, world_get(world, 0, "key"), "three");
    assert_token_rows(4);
}
END_TEST

START_TEST(every_step_may_carry_a_token)
{
    struct wire_put open = {
        .key = slice_of_text("big"), .step = WIRE_PUT_OPEN, .multi_low = 7, .token_low = 1};
    world_send_put(world, 0, open, NULL);
    world_part(world, 0, "big", 7, 1, 100, "aaaa");
    struct wire_put complete = {.key = slice_of_text("big"), .multi_low = 7, .token_low = 2};
    struct wire_choice choice = {.number = 1};
    uint64_t first = world_complete_put(world, 0, complete, &choice, 1);
    uint64_t again = world_complete_put(world, 0, complete, &choice, 1);
    world_advance(world, 300000);
    uint64_t late = world_complete_put(world, 0, complete, &choice, 1);
    uint64_t opened = world_send_put(world, 0, open, NULL);
    struct wire_put restamp = {
        .key = slice_of_text("big"), .step = WIRE_PUT_RESTAMP, .keep_mtime = true, .token_low = 3};
    uint64_t stamped = world_send_put(world, 0, restamp, NULL);
    uint64_t stamped_again = world_send_put(world, 0, restamp, NULL);
    world_run(world);
    assert_same_version(first, again);
    assert_same_version(first, late);
    assert_outcome(world, opened, ERR_OK);
    assert_same_version(stamped, stamped_again);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain_tokens");
    TCase *tests = tcase_create("chain_tokens");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_repeated_put_has_one_effect);
    tcase_add_test(tests, a_repetition_waits_for_the_undecided_first);
    tcase_add_test(tests, a_refusal_is_repeated_too);
    tcase_add_test(tests, what_failed_for_want_of_something_may_be_tried_again);
    tcase_add_test(tests, tokens_of_other_keys_and_other_tokens_are_others);
    tcase_add_test(tests, the_next_head_knows_the_tokens);
    tcase_add_test(tests, a_first_that_was_lost_with_its_head_had_no_effect);
    tcase_add_test(tests, a_joiner_gets_the_tokens);
    tcase_add_test(tests, tokens_are_forgotten_when_they_are_old);
    tcase_add_test(tests, every_step_may_carry_a_token);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
