/* A row whose value cannot be read: no range of a copy goes over it. */
#include <check.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "chainnode/core/cn_internal.h"
#include "tests/lib/kv_memory.h"

enum { CHAIN = 3, ROWS = 6, DAMAGED = 2 };

static struct kv_memory *store;
static struct kv kv;
static struct cn_core *core;

static struct cn_key key_of(unsigned number)
{
    return cn_key_chunk(CHAIN, 0, number, 0);
}

static void set_up(void)
{
    store = kv_memory_new(CN_FAMILY_COUNT);
    kv = kv_memory_interface(store);
    struct cn_options options = {.node = 1, .incarnation = 1, .heartbeat_us = 1, .idle_us = 1};
    ck_assert_int_eq(cn_core_new(&options, 1, 1, &kv, &core), ERR_OK);
    struct kv_batch *batch = kv_batch_new();
    for (unsigned i = 0; i < ROWS; i++) {
        struct cn_key key = key_of(i);
        kv_batch_put(batch, CN_FAMILY_CHUNKS, cn_key_slice(&key), slice_of_text("value"), NULL);
    }
    ck_assert_int_eq(kv_memory_apply(store, batch), ERR_OK);
    kv_batch_free(batch);
    struct cn_key key = key_of(DAMAGED);
    ck_assert(kv_memory_damage(store, CN_FAMILY_CHUNKS, cn_key_slice(&key)));
}

static void tear_down(void)
{
    cn_core_free(core);
    kv_memory_free(store);
}

static enum err pack(const struct cn_key *from, struct buf **ret_rows, struct cn_key *ret_next)
{
    struct cn_key end = cn_key_chain(CHAIN + 1);
    return cn_sync_pack(core, CN_FAMILY_CHUNKS, cn_key_slice(from), cn_key_slice(&end), ret_rows,
                        ret_next);
}

static unsigned count(struct buf *rows)
{
    struct cn_sync_cursor cursor = {.rest = buf_slice(rows)};
    struct slice key;
    struct slice value;
    unsigned number = 0;
    while (cn_sync_next(&cursor, &key, &value))
        number++;
    buf_unref(rows);
    return number;
}

START_TEST(a_range_ends_before_a_damaged_row)
{
    struct cn_key from = cn_key_chain(CHAIN);
    struct cn_key damaged = key_of(DAMAGED);
    struct cn_key next;
    struct buf *rows;
    ck_assert_int_eq(pack(&from, &rows, &next), ERR_OK);
    ck_assert(slice_equal(cn_key_slice(&next), cn_key_slice(&damaged)));
    ck_assert_uint_eq(count(rows), DAMAGED);
}
END_TEST

START_TEST(a_damaged_row_is_never_the_first_of_a_range)
{
    struct cn_key damaged = key_of(DAMAGED);
    struct cn_key next;
    struct buf *rows = NULL;
    ck_assert_int_eq(pack(&damaged, &rows, &next), ERR_CORRUPT);
    ck_assert(slice_equal(cn_key_slice(&next), cn_key_slice(&damaged)));
    ck_assert_ptr_null(rows);
}
END_TEST

START_TEST(a_row_that_was_put_again_is_packed_again)
{
    struct cn_key from = cn_key_chain(CHAIN);
    struct cn_key key = key_of(DAMAGED);
    struct cn_key next;
    struct buf *rows;
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, CN_FAMILY_CHUNKS, cn_key_slice(&key), slice_of_text("again"), NULL);
    ck_assert_int_eq(kv_memory_apply(store, batch), ERR_OK);
    kv_batch_free(batch);
    ck_assert_int_eq(pack(&from, &rows, &next), ERR_OK);
    ck_assert_uint_eq(next.length, 0);
    ck_assert_uint_eq(count(rows), ROWS);
}
END_TEST

/* What makes no sense as a row is not the damage that a copy may wait for. */
START_TEST(a_row_with_an_impossible_key_is_no_damaged_value)
{
    uint8_t key[CN_KEY_BYTES_MAX + 1] = {0};
    bytes_put_u32(key, CHAIN);
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, CN_FAMILY_CHUNKS, slice_of(key, sizeof key), slice_of_text("v"), NULL);
    ck_assert_int_eq(kv_memory_apply(store, batch), ERR_OK);
    kv_batch_free(batch);
    struct cn_key from = cn_key_chain(CHAIN);
    struct cn_key next;
    struct buf *rows;
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(pack(&from, &rows, &next), ERR_CORRUPT);
        ck_assert_uint_eq(next.length, 0);
        ck_assert(kv_memory_damage(store, CN_FAMILY_CHUNKS, slice_of(key, sizeof key)));
    }
}
END_TEST

START_TEST(who_does_not_ask_stops_at_a_damaged_row_with_an_error)
{
    struct kv_iterator *rows =
        kv_iterate(&kv, CN_FAMILY_CHUNKS, slice_of(NULL, 0), slice_of(NULL, 0));
    struct slice key;
    struct slice value;
    for (unsigned i = 0; i < DAMAGED; i++)
        ck_assert(kv.ops->iterator_next(rows, &key, &value));
    for (unsigned i = 0; i < 2; i++) {
        ck_assert(!kv.ops->iterator_next(rows, &key, &value));
        ck_assert_int_eq(kv.ops->iterator_err(rows), ERR_CORRUPT);
    }
    kv.ops->iterator_free(rows);
    struct cn_key damaged = key_of(DAMAGED);
    struct buf *found = NULL;
    ck_assert_int_eq(kv_get(&kv, CN_FAMILY_CHUNKS, cn_key_slice(&damaged), &found), ERR_CORRUPT);
    ck_assert_ptr_null(found);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cn_sync_damage");
    TCase *tests = tcase_create("cn_sync_damage");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_range_ends_before_a_damaged_row);
    tcase_add_test(tests, a_damaged_row_is_never_the_first_of_a_range);
    tcase_add_test(tests, a_row_that_was_put_again_is_packed_again);
    tcase_add_test(tests, a_row_with_an_impossible_key_is_no_damaged_value);
    tcase_add_test(tests, who_does_not_ask_stops_at_a_damaged_row_with_an_error);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
