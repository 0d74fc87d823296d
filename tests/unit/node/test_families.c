/* The writer thread over a real store: order, survival of a restart, a disk that fails. */
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io/store_writer.h"
#include "chainnode/core/cn_core.h"
#include "chainnode/io/families.h"
#include "tests/unit/node/temp_dir.h"

enum { DEADLINE_MS = 60000 };

static char directory[64];
static struct kv_rocksdb *store;
static struct kv kv;
static struct store_writer *writer;
static int woken;

static enum err write_batches(void *context, const struct kv_batch *const *batches, size_t count,
                              bool sync)
{
    (void)context;
    return kv_rocksdb_write_many(store, batches, count, sync, NULL, 0);
}

static void wake(void *context)
{
    (void)context;
    uint64_t one = 1;
    (void)!write(woken, &one, sizeof one);
}

static void open_all(void)
{
    char text[256] = "";
    enum err err = families_open(directory, 8 << 20, 8 << 20, &store, text, sizeof text);
    ck_assert_msg(err == ERR_OK, "%s: %s", err_name(err), text);
    kv = kv_rocksdb_interface(store);
    const struct store_writer_options options = {
        .write = write_batches, .wake = wake, .group_bytes_max = 1 << 20, .group_batches_max = 16};
    writer = store_writer_new(&options);
}

static void close_all(void)
{
    store_writer_free(writer);
    kv_rocksdb_close(store);
    writer = NULL;
    store = NULL;
}

static void setup_directory(void)
{
    (void)snprintf(directory, sizeof directory, "/tmp/catena_families_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    woken = eventfd(0, EFD_CLOEXEC);
    ck_assert_int_ge(woken, 0);
}

static void setup(void)
{
    setup_directory();
    open_all();
}

static void teardown(void)
{
    close_all();
    (void)close(woken);
    temp_dir_remove(directory);
}

static void submit(uint64_t number, enum cn_family family, const char *value, struct buf *payload)
{
    uint8_t key[8];
    bytes_put_u64(key, number);
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, family, slice_of(key, sizeof key), slice_of_text(value), payload);
    store_writer_submit(writer, number, batch, true);
}

static void take(struct store_done *done, uint32_t count)
{
    for (uint32_t have = 0; have < count;) {
        have += store_writer_take(writer, done + have, count - have);
        if (have == count)
            return;
        struct pollfd waited = {.fd = woken, .events = POLLIN};
        ck_assert_int_eq(poll(&waited, 1, DEADLINE_MS), 1);
        uint64_t value;
        ck_assert_int_eq(read(woken, &value, sizeof value), sizeof value);
    }
}

static void assert_holds(uint64_t number, enum cn_family family, const char *expected)
{
    uint8_t key[8];
    bytes_put_u64(key, number);
    struct buf *value = NULL;
    ck_assert_int_eq(kv_get(&kv, family, slice_of(key, sizeof key), &value), ERR_OK);
    if (expected == NULL) {
        ck_assert_ptr_null(value);
        return;
    }
    ck_assert_ptr_nonnull(value);
    ck_assert(slice_equal(buf_slice(value), slice_of_text(expected)));
    buf_unref(value);
}

START_TEST(what_was_reported_stored_is_there_after_a_restart)
{
    static struct store_done done[200];
    for (uint64_t i = 1; i <= 200; i++)
        submit(i, i % 2 == 0 ? CN_FAMILY_PENDING : CN_FAMILY_OBJECTS, "value", NULL);
    take(done, 200);
    for (uint32_t i = 0; i < 200; i++) {
        ck_assert_uint_eq(done[i].token, i + 1);
        ck_assert_int_eq(done[i].err, ERR_OK);
    }
    close_all();
    open_all();
    for (uint64_t i = 1; i <= 200; i++)
        assert_holds(i, i % 2 == 0 ? CN_FAMILY_PENDING : CN_FAMILY_OBJECTS, "value");
    assert_holds(201, CN_FAMILY_OBJECTS, NULL);
}
END_TEST

START_TEST(later_batches_of_a_group_win)
{
    struct store_done done[50];
    for (uint64_t i = 0; i < 50; i++) {
        uint8_t key[8] = {0};
        char value[16];
        (void)snprintf(value, sizeof value, "%u", (unsigned)i);
        struct kv_batch *batch = kv_batch_new();
        kv_batch_put(batch, CN_FAMILY_META, slice_of(key, sizeof key), slice_of_text(value), NULL);
        store_writer_submit(writer, i, batch, true);
    }
    take(done, 50);
    assert_holds(0, CN_FAMILY_META, "49");
}
END_TEST

START_TEST(large_chunks_come_back_from_the_value_log)
{
    struct store_done done[32];
    struct buf *payload = buf_new(1 << 20);
    memset(payload->data, 'x', payload->length);
    for (uint64_t i = 1; i <= 32; i++)
        submit(i, CN_FAMILY_CHUNKS, "checksum", payload);
    take(done, 32);
    ck_assert_int_eq(kv_rocksdb_flush(store, NULL, 0), ERR_OK);
    close_all();
    open_all();
    for (uint64_t i = 1; i <= 32; i++) {
        uint8_t key[8];
        bytes_put_u64(key, i);
        struct buf *value = NULL;
        ck_assert_int_eq(kv_get(&kv, CN_FAMILY_CHUNKS, slice_of(key, sizeof key), &value), ERR_OK);
        ck_assert_ptr_nonnull(value);
        ck_assert_uint_eq(value->length, 8 + payload->length);
        ck_assert_int_eq(memcmp(value->data + 8, payload->data, payload->length), 0);
        buf_unref(value);
    }
    buf_unref(payload);
}
END_TEST

/* The writer has nothing to write meanwhile. */
static void collect_all(void)
{
    bool has_more = true;
    while (has_more)
        ck_assert_int_eq(kv_rocksdb_collect(store, 4 << 20, &has_more, NULL, 0), ERR_OK);
}

START_TEST(deleted_chunks_give_their_space_back_and_the_others_stay)
{
    enum { CHUNKS = 200, KEPT_EVERY = 10 };
    static struct store_done done[CHUNKS];
    struct buf *payload = buf_new(1 << 20);
    memset(payload->data, 'x', payload->length);
    for (uint64_t i = 0; i < CHUNKS; i++)
        submit(i, CN_FAMILY_CHUNKS, "checksum", payload);
    take(done, CHUNKS);
    buf_unref(payload);
    ck_assert_uint_ge(kv_rocksdb_values(store).bytes, (uint64_t)CHUNKS << 20);
    struct kv_batch *batch = kv_batch_new();
    for (uint64_t i = 0; i < CHUNKS; i += KEPT_EVERY) {
        uint8_t from[8];
        uint8_t to[8];
        bytes_put_u64(from, i + 1);
        bytes_put_u64(to, i + KEPT_EVERY);
        kv_batch_delete_range(batch, CN_FAMILY_CHUNKS, slice_of(from, 8), slice_of(to, 8));
    }
    store_writer_submit(writer, 1, batch, true);
    take(done, 1);
    collect_all();
    ck_assert_uint_lt(kv_rocksdb_values(store).bytes, (uint64_t)(2 * CHUNKS / KEPT_EVERY + 8)
                                                          << 20);
    for (uint64_t i = 0; i < CHUNKS; i++) {
        uint8_t key[8];
        bytes_put_u64(key, i);
        struct buf *value = NULL;
        ck_assert_int_eq(kv_get(&kv, CN_FAMILY_CHUNKS, slice_of(key, sizeof key), &value), ERR_OK);
        ck_assert_int_eq(value != NULL, i % KEPT_EVERY == 0);
        buf_unref(value);
    }
}
END_TEST

/* What the process does whose disk fails: files may not grow any more, the log cannot be written.
 * It ends without closing the store, as the daemon does. */
static _Noreturn void run_on_failing_disk(void)
{
    struct store_done done[3];
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    open_all();
    submit(1, CN_FAMILY_OBJECTS, "before", NULL);
    take(done, 1);
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGXFSZ, &ignore, NULL);
    limit.rlim_cur = 1;
    int failed = setrlimit(RLIMIT_FSIZE, &limit);
    submit(2, CN_FAMILY_OBJECTS, "lost", NULL);
    take(done + 1, 1);
    limit.rlim_cur = RLIM_INFINITY;
    failed |= setrlimit(RLIMIT_FSIZE, &limit);
    /* The disk is well again; the writer stays dead. */
    submit(3, CN_FAMILY_OBJECTS, "refused", NULL);
    take(done + 2, 1);
    bool as_promised =
        failed == 0 && done[0].err == ERR_OK && done[1].err != ERR_OK && done[2].err == done[1].err;
    _exit(as_promised ? 0 : 1);
}

START_TEST(a_disk_that_fails_ends_the_writer_and_a_restart_has_the_prefix)
{
    pid_t child = fork(); /* before there is any thread */
    ck_assert_int_ge(child, 0);
    if (child == 0)
        run_on_failing_disk();
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    open_all();
    assert_holds(1, CN_FAMILY_OBJECTS, "before");
    assert_holds(3, CN_FAMILY_OBJECTS, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("families");
    TCase *tcase = tcase_create("families");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, what_was_reported_stored_is_there_after_a_restart);
    tcase_add_test(tcase, later_batches_of_a_group_win);
    tcase_add_test(tcase, large_chunks_come_back_from_the_value_log);
    tcase_add_test(tcase, deleted_chunks_give_their_space_back_and_the_others_stay);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("failing_disk");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup_directory, teardown);
    tcase_add_test(tcase, a_disk_that_fails_ends_the_writer_and_a_restart_has_the_prefix);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
