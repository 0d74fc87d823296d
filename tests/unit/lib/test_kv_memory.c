#include <stdlib.h>

#include "base/prng.h"
#include "base/text.h"
#include "tests/lib/kv_conformance.h"
#include "tests/lib/kv_memory.h"

/* ---- conformance ---- */

static void *memory_open(void)
{
    return kv_memory_new(KV_CONFORMANCE_FAMILIES);
}

static struct kv memory_interface(void *store)
{
    return kv_memory_interface(store);
}

static enum err memory_write(void *store, const struct kv_batch *batch)
{
    enum err err = kv_memory_apply(store, batch);
    kv_memory_sync(store);
    return err;
}

static void *memory_reopen(void *store)
{
    kv_memory_crash(store, 0);
    return store;
}

static void memory_close(void *store)
{
    kv_memory_free(store);
}

static const struct kv_conformance memory_implementation = {
    .open = memory_open,
    .interface = memory_interface,
    .write = memory_write,
    .reopen = memory_reopen,
    .close = memory_close,
};

/* ---- what only the memory store does ---- */

static void apply_put(struct kv_memory *store, const char *key, const char *value)
{
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, 0, slice_of_text(key), slice_of_text(value), NULL);
    ck_assert_int_eq(kv_memory_apply(store, batch), ERR_OK);
    kv_batch_free(batch);
}

static bool holds(struct kv_memory *store, const char *key, const char *value)
{
    struct kv kv = kv_memory_interface(store);
    struct buf *found = NULL;
    ck_assert_int_eq(kv_get(&kv, 0, slice_of_text(key), &found), ERR_OK);
    bool equal = found != NULL && slice_equal(buf_slice(found), slice_of_text(value));
    buf_unref(found);
    return equal;
}

START_TEST(unsynced_batches_are_visible_and_lost_by_a_crash)
{
    struct kv_memory *store = kv_memory_new(1);
    apply_put(store, "a", "1");
    kv_memory_sync(store);
    apply_put(store, "a", "2");
    apply_put(store, "b", "2");
    ck_assert(holds(store, "a", "2"));
    ck_assert_uint_eq(kv_memory_unsynced(store), 2);
    kv_memory_crash(store, 0);
    ck_assert(holds(store, "a", "1"));
    ck_assert_uint_eq(kv_memory_count(store, 0), 1);
    kv_memory_free(store);
}
END_TEST

START_TEST(crash_keeps_the_chosen_prefix)
{
    struct kv_memory *store = kv_memory_new(1);
    for (unsigned i = 0; i < 5; i++) {
        char key[8];
        apply_put(store, text_format(key, sizeof key, "%u", i), "v");
    }
    kv_memory_crash(store, 3);
    ck_assert_uint_eq(kv_memory_count(store, 0), 3);
    ck_assert(holds(store, "2", "v"));
    ck_assert(!holds(store, "3", "v"));
    kv_memory_crash(store, 9);
    ck_assert_uint_eq(kv_memory_count(store, 0), 3);
    kv_memory_free(store);
}
END_TEST

START_TEST(sync_oldest_makes_only_those_durable)
{
    struct kv_memory *store = kv_memory_new(1);
    apply_put(store, "a", "1");
    apply_put(store, "b", "1");
    apply_put(store, "c", "1");
    kv_memory_sync_oldest(store, 2);
    ck_assert_uint_eq(kv_memory_unsynced(store), 1);
    kv_memory_crash(store, 0);
    ck_assert(holds(store, "b", "1"));
    ck_assert(!holds(store, "c", "1"));
    kv_memory_free(store);
}
END_TEST

START_TEST(clone_lives_on_its_own)
{
    struct kv_memory *store = kv_memory_new(1);
    apply_put(store, "a", "1");
    struct kv_memory *clone = kv_memory_clone(store);
    ck_assert(kv_memory_equal(store, clone));
    ck_assert(kv_memory_digest(store) == kv_memory_digest(clone));
    apply_put(store, "a", "2");
    ck_assert(!kv_memory_equal(store, clone));
    ck_assert(kv_memory_digest(store) != kv_memory_digest(clone));
    kv_memory_wipe(store);
    ck_assert_uint_eq(kv_memory_count(store, 0), 0);
    ck_assert(holds(clone, "a", "1"));
    kv_memory_free(store);
    kv_memory_free(clone);
}
END_TEST

START_TEST(injected_faults_hit_once_at_their_number)
{
    struct kv_memory *store = kv_memory_new(1);
    struct kv kv = kv_memory_interface(store);
    struct buf *value = NULL;
    kv_memory_fail_get(store, 2, ERR_CORRUPT);
    ck_assert_int_eq(kv_get(&kv, 0, slice_of_text("a"), &value), ERR_OK);
    ck_assert_int_eq(kv_get(&kv, 0, slice_of_text("a"), &value), ERR_CORRUPT);
    ck_assert_int_eq(kv_get(&kv, 0, slice_of_text("a"), &value), ERR_OK);
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, 0, slice_of_text("a"), slice_of_text("1"), NULL);
    kv_memory_fail_apply(store, 1, ERR_NO_SPACE);
    ck_assert_int_eq(kv_memory_apply(store, batch), ERR_NO_SPACE);
    ck_assert_uint_eq(kv_memory_count(store, 0), 0);
    ck_assert_int_eq(kv_memory_apply(store, batch), ERR_OK);
    ck_assert(holds(store, "a", "1"));
    kv_batch_free(batch);
    kv_memory_free(store);
}
END_TEST

START_TEST(bit_rot_changes_one_value)
{
    struct kv_memory *store = kv_memory_new(1);
    apply_put(store, "a", "1");
    ck_assert(kv_memory_corrupt(store, 0, slice_of_text("a"), 0));
    ck_assert(holds(store, "a", "0"));
    ck_assert(!kv_memory_corrupt(store, 0, slice_of_text("b"), 0));
    kv_memory_free(store);
}
END_TEST

START_TEST(single_delete_of_a_key_put_twice_is_caught)
{
    struct kv_memory *store = kv_memory_new(1);
    apply_put(store, "a", "1");
    apply_put(store, "a", "2");
    struct kv_batch *batch = kv_batch_new();
    kv_batch_single_delete(batch, 0, slice_of_text("a"));
    (void)kv_memory_apply(store, batch);
}
END_TEST

START_TEST(iterator_outlives_a_crash)
{
    struct kv_memory *store = kv_memory_new(1);
    struct kv kv = kv_memory_interface(store);
    apply_put(store, "a", "1");
    struct kv_iterator *iterator = kv_iterate(&kv, 0, slice_of(NULL, 0), slice_of(NULL, 0));
    kv_memory_crash(store, 0);
    struct slice key;
    struct slice value;
    ck_assert(kv.ops->iterator_next(iterator, &key, &value));
    kv.ops->iterator_free(iterator);
    kv_memory_free(store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kv_memory");
    kv_conformance_add(suite, &memory_implementation);
    TCase *tcase = tcase_create("faults");
    tcase_add_test(tcase, unsynced_batches_are_visible_and_lost_by_a_crash);
    tcase_add_test(tcase, crash_keeps_the_chosen_prefix);
    tcase_add_test(tcase, sync_oldest_makes_only_those_durable);
    tcase_add_test(tcase, clone_lives_on_its_own);
    tcase_add_test(tcase, injected_faults_hit_once_at_their_number);
    tcase_add_test(tcase, bit_rot_changes_one_value);
    tcase_add_test_raise_signal(tcase, single_delete_of_a_key_put_twice_is_caught, 6);
    tcase_add_test(tcase, iterator_outlives_a_crash);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
