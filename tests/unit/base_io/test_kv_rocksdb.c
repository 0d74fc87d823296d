#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io/file.h"
#include "base/io/kv_rocksdb.h"
#include "base/text.h"
#include "tests/lib/kv_conformance.h"
#include "tests/lib/temp_directory.h"

static char root[128];
static char directory[160];

static const struct kv_rocksdb_family families[] = {
    {.name = "objects", .bloom_bits = 10, .compress = true},
    {.name = "chunks", .blob_min_bytes = 4096, .write_buffer_bytes = 8 << 20},
    {.name = "state", .write_buffer_bytes = 1 << 20},
};

static enum err open_store(struct kv_rocksdb **ret_store, bool create, unsigned count, char *text,
                           size_t size)
{
    const struct kv_rocksdb_options options = {
        .directory = directory,
        .families = families,
        .family_count = count,
        .create = create,
    };
    return kv_rocksdb_open(&options, ret_store, text, size);
}

static void new_directory(void)
{
    temp_directory_make(root, sizeof root);
    text_format(directory, sizeof directory, "%s/db", root);
}

static void remove_directory(void)
{
    temp_directory_remove(root);
}

static struct kv_rocksdb *must_open(bool create)
{
    struct kv_rocksdb *store = NULL;
    char text[300] = "";
    enum err err = open_store(&store, create, KV_CONFORMANCE_FAMILIES, text, sizeof text);
    ck_assert_msg(err == ERR_OK, "%s: %s", err_name(err), text);
    return store;
}

/* ---- conformance ---- */

static void *rocksdb_open_empty(void)
{
    new_directory();
    return must_open(true);
}

static struct kv rocksdb_interface(void *store)
{
    return kv_rocksdb_interface(store);
}

static enum err rocksdb_write_synced(void *store, const struct kv_batch *batch)
{
    char text[300];
    return kv_rocksdb_write(store, batch, true, text, sizeof text);
}

static void *rocksdb_reopen(void *store)
{
    kv_rocksdb_close(store);
    return must_open(false);
}

static void rocksdb_close_and_remove(void *store)
{
    kv_rocksdb_close(store);
    remove_directory();
}

static const struct kv_conformance rocksdb_implementation = {
    .open = rocksdb_open_empty,
    .interface = rocksdb_interface,
    .write = rocksdb_write_synced,
    .reopen = rocksdb_reopen,
    .close = rocksdb_close_and_remove,
};

/* ---- what only RocksDB does ---- */

static enum err write_one(struct kv_rocksdb *store, unsigned family, const char *key,
                          struct buf *payload, char *text, size_t size)
{
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, family, slice_of_text(key), slice_of_text("v"), payload);
    enum err err = kv_rocksdb_write(store, batch, true, text, size);
    kv_batch_free(batch);
    return err;
}

START_TEST(absent_database_is_not_found_unless_made)
{
    struct kv_rocksdb *store = NULL;
    char text[300] = "";
    ck_assert_int_eq(open_store(&store, false, 3, text, sizeof text), ERR_NOT_FOUND);
    ck_assert_ptr_null(store);
    ck_assert_str_ne(text, "");
    kv_rocksdb_close(must_open(true));
    kv_rocksdb_close(must_open(false));
}
END_TEST

/* Our own calls, not those of RocksDB (--wrap). */
static ino_t last_synced;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
    struct stat status;
    ck_assert_int_eq(fstat(fd, &status), 0);
    last_synced = status.st_ino;
    return __real_fsync(fd);
}

START_TEST(name_of_a_made_database_is_durable)
{
    struct stat status;
    ck_assert_int_eq(stat(root, &status), 0);
    kv_rocksdb_close(must_open(true));
    ck_assert(last_synced == status.st_ino);
}
END_TEST

START_TEST(database_under_a_file_is_refused_with_a_text)
{
    struct kv_rocksdb *store = NULL;
    char text[300] = "";
    ck_assert_int_eq(file_write(directory, slice_of_text("in the way")), ERR_OK);
    ck_assert_int_eq(open_store(&store, true, 3, text, sizeof text), ERR_EXISTS);
    ck_assert_msg(strstr(text, directory) != NULL, "%s", text);
}
END_TEST

/* What RocksDB says that it was opened with. */
static struct buf *options_file(void)
{
    struct buf *contents = NULL;
    DIR *entries = opendir(directory);
    ck_assert_ptr_nonnull(entries);
    for (struct dirent *entry; contents == NULL && (entry = readdir(entries)) != NULL;) {
        char path[500];
        if (strncmp(entry->d_name, "OPTIONS-", 8) != 0)
            continue;
        text_format(path, sizeof path, "%s/%s", directory, entry->d_name);
        ck_assert_int_eq(file_read(path, 1 << 20, &contents), ERR_OK);
    }
    closedir(entries);
    ck_assert_ptr_nonnull(contents);
    return contents;
}

START_TEST(rocksdb_is_told_to_write_nothing_by_itself_after_a_failed_write)
{
    static const char *const lines[] = {"max_bgerror_resume_count=0\n",
                                        "info_log_level=FATAL_LEVEL\n"};
    kv_rocksdb_close(must_open(true));
    struct buf *options = options_file();
    for (unsigned i = 0; i < 2; i++)
        ck_assert_msg(memmem(options->data, options->length, lines[i], strlen(lines[i])) != NULL,
                      "%s", lines[i]);
    buf_unref(options);
}
END_TEST

START_TEST(second_opening_is_busy)
{
    struct kv_rocksdb *first = must_open(true);
    struct kv_rocksdb *second = NULL;
    char text[300] = "";
    ck_assert_int_eq(open_store(&second, false, 3, text, sizeof text), ERR_BUSY);
    kv_rocksdb_close(first);
}
END_TEST

START_TEST(database_with_other_families_is_not_ours)
{
    kv_rocksdb_close(must_open(true));
    struct kv_rocksdb *store = NULL;
    char text[300] = "";
    ck_assert_int_eq(open_store(&store, false, 2, text, sizeof text), ERR_NOT_OURS);
}
END_TEST

START_TEST(several_batches_are_one_atomic_write)
{
    struct kv_rocksdb *store = must_open(true);
    struct kv_batch *batches[2] = {kv_batch_new(), kv_batch_new()};
    kv_batch_put(batches[0], 0, slice_of_text("a"), slice_of_text("1"), NULL);
    kv_batch_delete(batches[1], 0, slice_of_text("a"));
    kv_batch_put(batches[1], 2, slice_of_text("b"), slice_of_text("2"), NULL);
    char text[300];
    ck_assert_int_eq(kv_rocksdb_write_many(store, (const struct kv_batch *const *)batches, 2, true,
                                           text, sizeof text),
                     ERR_OK);
    struct kv kv = kv_rocksdb_interface(store);
    struct buf *value = NULL;
    ck_assert_int_eq(kv_get(&kv, 0, slice_of_text("a"), &value), ERR_OK);
    ck_assert_ptr_null(value);
    ck_assert_int_eq(kv_get(&kv, 2, slice_of_text("b"), &value), ERR_OK);
    ck_assert_ptr_nonnull(value);
    buf_unref(value);
    kv_batch_free(batches[0]);
    kv_batch_free(batches[1]);
    kv_rocksdb_close(store);
}
END_TEST

START_TEST(synced_write_survives_kill)
{
    int pipes[2];
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        struct kv_rocksdb *store = must_open(true);
        struct buf *payload = buf_new(100000);
        memset(payload->data, 7, payload->length);
        char text[300];
        enum err err = write_one(store, 1, "blob", payload, text, sizeof text);
        (void)!write(pipes[1], &err, sizeof err);
        for (;;)
            pause();
    }
    enum err err = ERR_INTERNAL;
    ck_assert_int_eq(read(pipes[0], &err, sizeof err), sizeof err);
    ck_assert_int_eq(err, ERR_OK);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    struct kv_rocksdb *store = must_open(false);
    struct kv kv = kv_rocksdb_interface(store);
    struct buf *value = NULL;
    ck_assert_int_eq(kv_get(&kv, 1, slice_of_text("blob"), &value), ERR_OK);
    ck_assert_ptr_nonnull(value);
    ck_assert_uint_eq(value->length, 100001);
    ck_assert_int_eq(value->data[100000], 7);
    buf_unref(value);
    kv_rocksdb_close(store);
}
END_TEST

START_TEST(blobs_survive_flush_compaction_and_range_delete)
{
    struct kv_rocksdb *store = must_open(true);
    struct buf *payload = buf_new(20000);
    memset(payload->data, 7, payload->length);
    char text[300];
    for (unsigned i = 0; i < 50; i++) {
        char key[16];
        text_format(key, sizeof key, "%u/%02u", i % 2, i);
        ck_assert_int_eq(write_one(store, 1, key, payload, text, sizeof text), ERR_OK);
    }
    buf_unref(payload);
    ck_assert_int_eq(kv_rocksdb_flush(store, text, sizeof text), ERR_OK);
    struct kv_batch *batch = kv_batch_new();
    kv_batch_delete_range(batch, 1, slice_of_text("0"), slice_of_text("1"));
    ck_assert_int_eq(kv_rocksdb_write(store, batch, true, text, sizeof text), ERR_OK);
    kv_batch_free(batch);
    kv_rocksdb_compact(store, 1, slice_of(NULL, 0), slice_of(NULL, 0));
    struct kv kv = kv_rocksdb_interface(store);
    struct kv_iterator *iterator = kv_iterate(&kv, 1, slice_of(NULL, 0), slice_of(NULL, 0));
    struct slice key;
    struct slice value;
    unsigned count = 0;
    while (kv.ops->iterator_next(iterator, &key, &value)) {
        ck_assert_int_eq(key.data[0], '1');
        ck_assert_uint_eq(value.length, 20001);
        count++;
    }
    ck_assert_int_eq(kv.ops->iterator_err(iterator), ERR_OK);
    ck_assert_uint_eq(count, 25);
    kv.ops->iterator_free(iterator);
    ck_assert_uint_gt(kv_rocksdb_property(store, 1, "rocksdb.total-blob-file-size"), 25 * 20000);
    ck_assert_uint_eq(kv_rocksdb_property(store, 1, "rocksdb.no-such-thing"), 0);
    kv_rocksdb_close(store);
}
END_TEST

START_TEST(failed_write_to_the_log_is_an_error_not_a_success)
{
    /* A file that may not grow: the write to the log fails in the middle. */
    struct kv_rocksdb *store = must_open(true);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    ck_assert_int_eq(sigaction(SIGXFSZ, &ignore, NULL), 0);
    struct rlimit old;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit limit = {.rlim_cur = 100000, .rlim_max = old.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct buf *payload = buf_new(300000);
    memset(payload->data, 7, payload->length);
    char text[300] = "";
    enum err err = write_one(store, 2, "k", payload, text, sizeof text);
    buf_unref(payload);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    ck_assert_int_eq(err, ERR_DISK_LOST);
    ck_assert_str_ne(text, "");
    kv_rocksdb_close(store);
}
END_TEST

START_TEST(damaged_table_is_corrupt_not_wrong_data)
{
    struct kv_rocksdb *store = must_open(true);
    char text[300] = "";
    struct buf *payload = buf_new(3000);
    memset(payload->data, 7, payload->length);
    ck_assert_int_eq(write_one(store, 2, "key", payload, text, sizeof text), ERR_OK);
    buf_unref(payload);
    ck_assert_int_eq(kv_rocksdb_flush(store, text, sizeof text), ERR_OK);
    kv_rocksdb_close(store);
    ck_assert_uint_gt(temp_directory_damage(directory, ".sst", 1000), 0);
    store = must_open(false);
    struct kv kv = kv_rocksdb_interface(store);
    struct buf *value = NULL;
    ck_assert_int_eq(kv_get(&kv, 2, slice_of_text("key"), &value), ERR_CORRUPT);
    ck_assert_ptr_null(value);
    struct kv_iterator *iterator = kv_iterate(&kv, 2, slice_of(NULL, 0), slice_of(NULL, 0));
    struct slice key;
    struct slice row;
    ck_assert(!kv.ops->iterator_next(iterator, &key, &row));
    ck_assert_int_eq(kv.ops->iterator_err(iterator), ERR_CORRUPT);
    kv.ops->iterator_free(iterator);
    kv_rocksdb_close(store);
}
END_TEST

START_TEST(messages_are_translated)
{
    ck_assert_int_eq(kv_rocksdb_err(NULL, ERR_IO), ERR_OK);
    ck_assert_int_eq(
        kv_rocksdb_err("IO error: No space left on device: While appending", ERR_DISK_LOST),
        ERR_NO_SPACE);
    ck_assert_int_eq(kv_rocksdb_err("IO error: Input/output error: While fsync", ERR_DISK_LOST),
                     ERR_DISK_LOST);
    ck_assert_int_eq(kv_rocksdb_err("IO error: Input/output error: While pread", ERR_IO), ERR_IO);
    ck_assert_int_eq(kv_rocksdb_err("Corruption: block checksum mismatch", ERR_IO), ERR_CORRUPT);
    ck_assert_int_eq(kv_rocksdb_err("Invalid argument: Column families not opened: x", ERR_IO),
                     ERR_NOT_OURS);
    ck_assert_int_eq(kv_rocksdb_err("something new", ERR_DISK_LOST), ERR_DISK_LOST);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kv_rocksdb");
    kv_conformance_add(suite, &rocksdb_implementation);
    TCase *tcase = tcase_create("rocksdb");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, new_directory, remove_directory);
    tcase_add_test(tcase, absent_database_is_not_found_unless_made);
    tcase_add_test(tcase, name_of_a_made_database_is_durable);
    tcase_add_test(tcase, database_under_a_file_is_refused_with_a_text);
    tcase_add_test(tcase, rocksdb_is_told_to_write_nothing_by_itself_after_a_failed_write);
    tcase_add_test(tcase, second_opening_is_busy);
    tcase_add_test(tcase, database_with_other_families_is_not_ours);
    tcase_add_test(tcase, several_batches_are_one_atomic_write);
    tcase_add_test(tcase, synced_write_survives_kill);
    tcase_add_test(tcase, blobs_survive_flush_compaction_and_range_delete);
    tcase_add_test(tcase, failed_write_to_the_log_is_an_error_not_a_success);
    tcase_add_test(tcase, damaged_table_is_corrupt_not_wrong_data);
    tcase_add_test(tcase, messages_are_translated);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
