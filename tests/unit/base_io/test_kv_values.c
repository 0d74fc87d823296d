/* kv_rocksdb with values in the value log: the suite of every store, space, failures, readers. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/prng.h"
#include "base/text.h"
#include "tests/lib/temp_directory.h"
#include "tests/unit/base_io/values_store.h"

/* ---- conformance ---- */

static void *open_empty(void)
{
    new_directory();
    return must_open();
}

static struct kv interface(void *store)
{
    return kv_rocksdb_interface(store);
}

static enum err write_synced(void *store, const struct kv_batch *batch)
{
    return kv_rocksdb_write(store, batch, true, NULL, 0);
}

static void *close_and_open(void *store)
{
    kv_rocksdb_close(store);
    return must_open();
}

static void close_and_remove(void *store)
{
    kv_rocksdb_close(store);
    remove_directory();
}

static const struct kv_conformance implementation = {
    .open = open_empty,
    .interface = interface,
    .write = write_synced,
    .reopen = close_and_open,
    .close = close_and_remove,
};

/* ---- tests ---- */

START_TEST(large_values_are_not_in_rocksdb)
{
    struct kv_rocksdb *store = must_open();
    put_many(store, 0, 50, 1);
    ck_assert_int_eq(kv_rocksdb_flush(store, NULL, 0), ERR_OK);
    ck_assert_uint_lt(kv_rocksdb_property(store, CHUNKS, "rocksdb.live-sst-files-size"), 20000);
    struct kv_rocksdb_values values = kv_rocksdb_values(store);
    ck_assert_uint_ge(values.live_bytes, 50 * VALUE_BYTES);
    ck_assert_uint_lt(values.live_bytes, 50 * (VALUE_BYTES + 100));
    ck_assert_uint_eq(values.live_bytes, values.bytes);
    kv_rocksdb_close(store);
}
END_TEST

START_TEST(plain_and_external_rows_are_walked_together)
{
    struct kv_rocksdb *store = must_open();
    for (unsigned i = 0; i < 40; i++)
        put(store, i, 1, i % 2 == 0 ? VALUE_BYTES + i : i);
    store = close_and_open(store);
    struct kv kv = kv_rocksdb_interface(store);
    struct kv_iterator *rows =
        kv_iterate(&kv, CHUNKS, slice_of_text("000005"), slice_of_text("000035"));
    struct slice key;
    struct slice value;
    for (unsigned i = 5; i < 35; i++) {
        unsigned version = 0;
        ck_assert(kv.ops->iterator_next(rows, &key, &value));
        ck_assert(is_whole(i, value, &version));
        ck_assert_uint_eq(value.length, sizeof version + (i % 2 == 0 ? VALUE_BYTES + i : i));
    }
    ck_assert(!kv.ops->iterator_next(rows, &key, &value));
    kv.ops->iterator_seek(rows, slice_of_text("000020"));
    ck_assert(kv.ops->iterator_next(rows, &key, &value));
    ck_assert(slice_equal(key, slice_of_text("000020")));
    ck_assert_int_eq(kv.ops->iterator_err(rows), ERR_OK);
    kv.ops->iterator_free(rows);
    kv_rocksdb_close(store);
}
END_TEST

START_TEST(deleted_values_give_their_space_back)
{
    struct kv_rocksdb *store = must_open();
    put_many(store, 0, 60, 1);
    struct kv_batch *batch = kv_batch_new();
    char key[16];
    for (unsigned i = 0; i < 30; i++)
        kv_batch_delete(batch, CHUNKS, key_of(i, key));
    kv_batch_delete(batch, CHUNKS, slice_of_text("000003")); /* twice: counted once */
    kv_batch_delete_range(batch, CHUNKS, slice_of_text("000000"), slice_of_text("000010"));
    must_write(store, batch, true);
    collect_all(store);
    struct kv_rocksdb_values values = kv_rocksdb_values(store);
    ck_assert_uint_ge(values.live_bytes, 30 * VALUE_BYTES);
    ck_assert_uint_lt(values.live_bytes, 30 * (VALUE_BYTES + 100));
    ck_assert_uint_le(values.bytes, 2 * values.live_bytes + SEGMENT_BYTES);
    for (unsigned i = 0; i < 30; i++)
        expect_absent(store, i);
    for (unsigned i = 30; i < 60; i++)
        expect(store, i, 1);
    kv_rocksdb_close(store);
}
END_TEST

START_TEST(deleted_range_leaves_no_segment)
{
    struct kv_rocksdb *store = must_open();
    put_many(store, 0, 60, 1);
    struct kv_batch *batch = kv_batch_new();
    batch_put(batch, 60, 1, VALUE_BYTES); /* put and deleted in one batch */
    kv_batch_delete_range(batch, CHUNKS, slice_of_text("000010"), slice_of_text("000020"));
    kv_batch_delete_range(batch, CHUNKS, slice_of_text("000000"), slice_of_text("000070"));
    must_write(store, batch, false);
    collect_all(store);
    struct kv_rocksdb_values values = kv_rocksdb_values(store);
    ck_assert_uint_eq(values.live_bytes, 0);
    ck_assert_uint_eq(values.segments, 0);
    kv_rocksdb_close(store);
}
END_TEST

START_TEST(overwritten_values_are_collected_while_writing)
{
    struct kv_rocksdb *store = must_open();
    for (unsigned version = 1; version <= 12; version++)
        put_many(store, 0, 40, version);
    struct kv_rocksdb_values values = kv_rocksdb_values(store);
    ck_assert_uint_le(values.bytes, 2 * values.live_bytes + 3 * SEGMENT_BYTES);
    for (unsigned i = 0; i < 40; i++)
        expect(store, i, 12);
    store = close_and_open(store);
    for (unsigned i = 0; i < 40; i++)
        expect(store, i, 12);
    ck_assert_uint_eq(kv_rocksdb_values(store).live_bytes, values.live_bytes);
    kv_rocksdb_close(store);
}
END_TEST

START_TEST(collection_moves_what_is_live)
{
    struct kv_rocksdb *store = must_open();
    put_many(store, 0, 120, 1);
    for (unsigned i = 0; i < 120; i++) {
        char key[16];
        struct kv_batch *batch = kv_batch_new();
        if (i % 4 != 0)
            kv_batch_delete(batch, CHUNKS, key_of(i, key));
        must_write(store, batch, false);
    }
    ck_assert_uint_eq(kv_rocksdb_values(store).collected_bytes, 0);
    collect_all(store);
    struct kv_rocksdb_values values = kv_rocksdb_values(store);
    ck_assert_uint_gt(values.collected_bytes, 20 * VALUE_BYTES);
    ck_assert_uint_lt(values.bytes, values.live_bytes + SEGMENT_BYTES);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 120; i += 4)
            expect(store, i, 1);
        store = close_and_open(store);
    }
    kv_rocksdb_close(store);
}
END_TEST

START_TEST(iterator_keeps_its_snapshot_while_segments_go)
{
    struct kv_rocksdb *store = must_open();
    put_many(store, 0, 60, 1);
    struct kv kv = kv_rocksdb_interface(store);
    struct kv_iterator *rows = kv_iterate(&kv, CHUNKS, slice_of(NULL, 0), slice_of(NULL, 0));
    struct kv_batch *batch = kv_batch_new();
    kv_batch_delete_range(batch, CHUNKS, slice_of_text("000000"), slice_of_text("000060"));
    must_write(store, batch, true);
    put_many(store, 60, 100, 1);
    bool more = false;
    ck_assert_int_eq(kv_rocksdb_collect(store, STEP_BYTES, &more, NULL, 0), ERR_OK);
    ck_assert(more);
    struct slice key;
    struct slice value;
    for (unsigned i = 0; i < 60; i++) {
        unsigned version = 0;
        ck_assert(kv.ops->iterator_next(rows, &key, &value));
        ck_assert(is_whole(i, value, &version));
    }
    ck_assert(!kv.ops->iterator_next(rows, &key, &value));
    kv.ops->iterator_free(rows);
    collect_all(store);
    ck_assert_uint_eq(kv_rocksdb_values(store).bytes, kv_rocksdb_values(store).live_bytes);
    kv_rocksdb_close(store);
}
END_TEST

START_TEST(damaged_value_is_corrupt_for_get_and_iterator)
{
    struct kv_rocksdb *store = must_open();
    put(store, 1, 1, VALUE_BYTES);
    char values[200];
    text_format(values, sizeof values, "%s/values", directory);
    ck_assert_uint_eq(temp_directory_damage(values, ".seg", 7000), 1);
    struct buf *value = NULL;
    ck_assert_int_eq(get(store, 1, &value), ERR_CORRUPT);
    ck_assert_ptr_null(value);
    struct kv kv = kv_rocksdb_interface(store);
    struct kv_iterator *rows = kv_iterate(&kv, CHUNKS, slice_of(NULL, 0), slice_of(NULL, 0));
    struct slice key;
    struct slice row;
    ck_assert(!kv.ops->iterator_next(rows, &key, &row));
    ck_assert_int_eq(kv.ops->iterator_err(rows), ERR_CORRUPT);
    kv.ops->iterator_free(rows);
    kv_rocksdb_close(store);
}
END_TEST

START_TEST(rows_of_another_format_are_refused)
{
    static const struct kv_rocksdb_family old[] = {
        {.name = "objects"}, {.name = "chunks", .blob_min_bytes = 4096}, {.name = "state"}};
    struct kv_rocksdb *store = NULL;
    char text[300] = "";
    ck_assert_int_eq(open_with(old, &store, text, sizeof text), ERR_OK);
    put(store, 1, 1, VALUE_BYTES);
    kv_rocksdb_close(store);
    store = NULL;
    ck_assert_int_eq(open_with(families, &store, text, sizeof text), ERR_NOT_OURS);
    ck_assert_ptr_null(store);
    ck_assert_msg(strstr(text, "chunks") != NULL && strstr(text, "empty directory") != NULL, "%s",
                  text);
    remove_directory();
    new_directory();
    kv_rocksdb_close(must_open());
    ck_assert_int_eq(open_with(old, &store, text, sizeof text), ERR_NOT_OURS);
    ck_assert_ptr_null(store);
}
END_TEST

/* ---- a disk that fails ---- */

static int write_errno;
static int sync_errno;

static ssize_t faulty_pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
    if (write_errno == 0)
        return pwritev(fd, pieces, count, offset);
    errno = write_errno;
    return -1;
}

static int faulty_fdatasync(int fd)
{
    if (sync_errno == 0)
        return fdatasync(fd);
    errno = sync_errno;
    return -1;
}

static const struct value_log_system faulty = {.pwritev = faulty_pwritev,
                                               .fdatasync = faulty_fdatasync};

static enum err try_put(struct kv_rocksdb *store, unsigned number)
{
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, 2, slice_of_text("beside"), slice_of_text("x"), NULL);
    batch_put(batch, number, 1, VALUE_BYTES);
    char text[300] = "";
    enum err err = kv_rocksdb_write(store, batch, true, text, sizeof text);
    ck_assert(err == ERR_OK || text[0] != '\0');
    kv_batch_free(batch);
    return err;
}

static bool has_beside(struct kv_rocksdb *store)
{
    struct kv kv = kv_rocksdb_interface(store);
    struct buf *value = NULL;
    ck_assert_int_eq(kv_get(&kv, 2, slice_of_text("beside"), &value), ERR_OK);
    buf_unref(value);
    return value != NULL;
}

START_TEST(full_disk_applies_nothing_and_deletes_still_work)
{
    fake_system = &faulty;
    write_errno = 0;
    sync_errno = 0;
    struct kv_rocksdb *store = must_open();
    put_many(store, 0, 40, 1);
    write_errno = ENOSPC;
    ck_assert_int_eq(try_put(store, 100), ERR_NO_SPACE);
    ck_assert(!has_beside(store));
    expect_absent(store, 100);
    struct kv_batch *batch = kv_batch_new();
    kv_batch_delete_range(batch, CHUNKS, slice_of_text("000000"), slice_of_text("000035"));
    must_write(store, batch, true);
    bool more = true;
    ck_assert_int_eq(kv_rocksdb_collect(store, STEP_BYTES, &more, NULL, 0), ERR_OK);
    ck_assert_uint_lt(kv_rocksdb_values(store).segments, 3);
    write_errno = 0;
    ck_assert_int_eq(try_put(store, 100), ERR_OK);
    ck_assert(has_beside(store));
    expect(store, 100, 1);
    for (unsigned i = 35; i < 40; i++)
        expect(store, i, 1);
    kv_rocksdb_close(store);
}
END_TEST

START_TEST(failed_sync_loses_the_disk_and_applies_nothing)
{
    fake_system = &faulty;
    write_errno = 0;
    sync_errno = EIO;
    struct kv_rocksdb *store = must_open();
    ck_assert_int_eq(try_put(store, 1), ERR_DISK_LOST);
    sync_errno = 0;
    ck_assert_int_eq(try_put(store, 1), ERR_DISK_LOST);
    ck_assert(!has_beside(store));
    kv_rocksdb_close(store);
    fake_system = NULL;
    store = must_open();
    expect_absent(store, 1);
    ck_assert_uint_eq(kv_rocksdb_values(store).segments, 0);
    kv_rocksdb_close(store);
}
END_TEST

/* ---- readers beside the writing thread ---- */

enum { READERS = 3, READ_KEYS = 30 };

struct readers {
    struct kv_rocksdb *store;
    atomic_bool is_stopping;
    atomic_uint wrong;
    atomic_uint reads;
};

static void *read_until_stopped(void *argument)
{
    struct readers *readers = argument;
    struct kv kv = kv_rocksdb_interface(readers->store);
    for (unsigned i = 0; !atomic_load(&readers->is_stopping); i++) {
        unsigned version = 0;
        struct buf *value = NULL;
        if (get(readers->store, i % READ_KEYS, &value) != ERR_OK ||
            (value != NULL && !is_whole(i % READ_KEYS, buf_slice(value), &version)))
            atomic_fetch_add(&readers->wrong, 1);
        buf_unref(value);
        atomic_fetch_add(&readers->reads, 1);
        if (i % 20 != 0)
            continue;
        struct kv_iterator *rows = kv_iterate(&kv, CHUNKS, slice_of(NULL, 0), slice_of(NULL, 0));
        struct slice key;
        struct slice row;
        while (kv.ops->iterator_next(rows, &key, &row)) {
            char digits[16] = {0};
            memcpy(digits, key.data, key.length);
            if (!is_whole((unsigned)strtoul(digits, NULL, 10), row, &version))
                atomic_fetch_add(&readers->wrong, 1);
        }
        if (kv.ops->iterator_err(rows) != ERR_OK)
            atomic_fetch_add(&readers->wrong, 1);
        kv.ops->iterator_free(rows);
    }
    return NULL;
}

START_TEST(readers_find_every_value_while_segments_are_collected)
{
    struct readers readers = {.store = must_open()};
    pthread_t threads[READERS];
    for (unsigned i = 0; i < READERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_until_stopped, &readers), 0);
    struct prng prng;
    prng_init(&prng, 5);
    for (unsigned step = 1; step <= 500 || atomic_load(&readers.reads) < 200; step++) {
        struct kv_batch *batch = kv_batch_new();
        char key[16];
        batch_put(batch, (unsigned)prng_below(&prng, READ_KEYS), step, VALUE_BYTES);
        if (step % 4 == 0)
            kv_batch_delete(batch, CHUNKS, key_of((unsigned)prng_below(&prng, READ_KEYS), key));
        must_write(readers.store, batch, step % 2 == 0);
        bool more = false;
        ck_assert_int_eq(kv_rocksdb_collect(readers.store, STEP_BYTES, &more, NULL, 0), ERR_OK);
    }
    atomic_store(&readers.is_stopping, true);
    for (unsigned i = 0; i < READERS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(atomic_load(&readers.wrong), 0);
    collect_all(readers.store);
    struct kv_rocksdb_values values = kv_rocksdb_values(readers.store);
    ck_assert_uint_gt(values.collected_bytes, 0);
    ck_assert_uint_le(values.bytes, 2 * values.live_bytes + 2 * SEGMENT_BYTES);
    kv_rocksdb_close(readers.store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kv_values");
    kv_conformance_add(suite, &implementation);
    TCase *tcase = tcase_create("values");
    tcase_set_timeout(tcase, 200);
    tcase_add_checked_fixture(tcase, new_directory, remove_directory);
    tcase_add_test(tcase, large_values_are_not_in_rocksdb);
    tcase_add_test(tcase, plain_and_external_rows_are_walked_together);
    tcase_add_test(tcase, deleted_values_give_their_space_back);
    tcase_add_test(tcase, deleted_range_leaves_no_segment);
    tcase_add_test(tcase, overwritten_values_are_collected_while_writing);
    tcase_add_test(tcase, collection_moves_what_is_live);
    tcase_add_test(tcase, iterator_keeps_its_snapshot_while_segments_go);
    tcase_add_test(tcase, damaged_value_is_corrupt_for_get_and_iterator);
    tcase_add_test(tcase, rows_of_another_format_are_refused);
    tcase_add_test(tcase, full_disk_applies_nothing_and_deletes_still_work);
    tcase_add_test(tcase, failed_sync_loses_the_disk_and_applies_nothing);
    tcase_add_test(tcase, readers_find_every_value_while_segments_are_collected);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
