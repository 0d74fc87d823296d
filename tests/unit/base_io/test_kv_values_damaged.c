/* kv_rocksdb over a value log with bit rot: who walks the rows sees it, and may go past it. */
#include <stdlib.h>

#include "base/text.h"
#include "tests/lib/temp_directory.h"
#include "tests/unit/base_io/values_store.h"

enum { ROWS = 8, DAMAGED = 3 };

/* Rows 0 to ROWS - 1, all in one segment; the value of DAMAGED is overwritten in the file. */
static struct kv_rocksdb *open_damaged(void)
{
    struct kv_rocksdb *store = must_open();
    put_many(store, 0, ROWS, 1);
    kv_rocksdb_close(store);
    char values[256];
    text_format(values, sizeof values, "%s/values", directory);
    long inside = (long)(VALUE_BYTES + 64) * DAMAGED + VALUE_BYTES / 2;
    ck_assert_uint_eq(temp_directory_damage(values, ".seg", inside), 1);
    return must_open();
}

static struct kv_iterator *walk_to_damage(const struct kv *kv)
{
    struct kv_iterator *rows = kv_iterate(kv, CHUNKS, slice_of(NULL, 0), slice_of(NULL, 0));
    struct slice key;
    struct slice value;
    unsigned version;
    for (unsigned i = 0; i < DAMAGED; i++) {
        ck_assert(!kv_iterator_pass_damaged(kv, rows, &key));
        ck_assert(kv->ops->iterator_next(rows, &key, &value));
        ck_assert(is_whole(i, value, &version));
    }
    return rows;
}

START_TEST(who_does_not_ask_stops_at_a_damaged_value_with_an_error)
{
    struct kv_rocksdb *store = open_damaged();
    struct kv kv = kv_rocksdb_interface(store);
    struct kv_iterator *rows = walk_to_damage(&kv);
    struct slice key;
    struct slice value;
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(!kv.ops->iterator_next(rows, &key, &value));
        ck_assert_int_eq(kv.ops->iterator_err(rows), ERR_CORRUPT);
    }
    kv.ops->iterator_seek(rows, slice_of_text("000005")); /* it stays known */
    ck_assert(!kv.ops->iterator_next(rows, &key, &value));
    ck_assert_int_eq(kv.ops->iterator_err(rows), ERR_CORRUPT);
    kv.ops->iterator_free(rows);
    kv_rocksdb_close(store);
}
END_TEST

START_TEST(a_damaged_value_is_told_by_its_key_and_passed)
{
    struct kv_rocksdb *store = open_damaged();
    struct kv kv = kv_rocksdb_interface(store);
    struct kv_iterator *rows = walk_to_damage(&kv);
    struct slice key;
    struct slice value;
    char name[16];
    unsigned version;
    ck_assert(!kv.ops->iterator_next(rows, &key, &value));
    ck_assert(kv_iterator_pass_damaged(&kv, rows, &key));
    ck_assert(slice_equal(key, key_of(DAMAGED, name)));
    ck_assert_int_eq(kv.ops->iterator_err(rows), ERR_OK);
    ck_assert(!kv_iterator_pass_damaged(&kv, rows, &key)); /* once */
    for (unsigned i = DAMAGED + 1; i < ROWS; i++) {
        ck_assert(kv.ops->iterator_next(rows, &key, &value));
        ck_assert(slice_equal(key, key_of(i, name)) && is_whole(i, value, &version));
    }
    ck_assert(!kv.ops->iterator_next(rows, &key, &value));
    ck_assert(!kv_iterator_pass_damaged(&kv, rows, &key)); /* the end is no damage */
    ck_assert_int_eq(kv.ops->iterator_err(rows), ERR_OK);
    kv.ops->iterator_free(rows);
    kv_rocksdb_close(store);
}
END_TEST

START_TEST(a_damaged_value_is_replaced_by_a_put_and_removed_by_a_delete)
{
    struct kv_rocksdb *store = open_damaged();
    struct buf *value = NULL;
    ck_assert_int_eq(get(store, DAMAGED, &value), ERR_CORRUPT);
    put(store, DAMAGED, 2, VALUE_BYTES);
    expect(store, DAMAGED, 2);
    kv_rocksdb_close(store);
    remove_directory();
    new_directory();
    store = open_damaged();
    struct kv_batch *batch = kv_batch_new();
    char name[16];
    kv_batch_delete(batch, CHUNKS, key_of(DAMAGED, name));
    must_write(store, batch, true);
    expect_absent(store, DAMAGED);
    kv_rocksdb_close(store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kv_values_damaged");
    TCase *tests = tcase_create("kv_values_damaged");
    tcase_add_checked_fixture(tests, new_directory, remove_directory);
    tcase_add_test(tests, who_does_not_ask_stops_at_a_damaged_value_with_an_error);
    tcase_add_test(tests, a_damaged_value_is_told_by_its_key_and_passed);
    tcase_add_test(tests, a_damaged_value_is_replaced_by_a_put_and_removed_by_a_delete);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
