/* The writer thread over a store whose N-th write fails, for N = 1, 2, 3 ... until none does: what
 * is reported done is on the disk, what is on the disk is a prefix, and nothing follows a failure.
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/contract.h"
#include "base/io/store_writer.h"
#include "tests/lib/kv_memory.h"

enum { BATCHES = 24 };

struct disk {
    struct kv_memory *store;
    uint64_t writes;
    uint64_t fail_at;
    enum err err;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t wakes;
};

static enum err disk_write(void *context, const struct kv_batch *const *batches, size_t count,
                           bool sync)
{
    struct disk *disk = context;
    if (++disk->writes == disk->fail_at)
        return disk->err;
    for (size_t i = 0; i < count; i++)
        if (kv_memory_apply(disk->store, batches[i]) != ERR_OK)
            return ERR_IO;
    if (sync)
        kv_memory_sync(disk->store);
    return ERR_OK;
}

static void disk_wake(void *context)
{
    struct disk *disk = context;
    (void)pthread_mutex_lock(&disk->mutex);
    disk->wakes++;
    (void)pthread_cond_signal(&disk->changed);
    (void)pthread_mutex_unlock(&disk->mutex);
}

static void submit(struct store_writer *writer, uint64_t number)
{
    uint8_t key[8];
    bytes_put_u64(key, number);
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, 0, slice_of(key, sizeof key), slice_of_text("value"), NULL);
    store_writer_submit(writer, number, batch, number % 3 == 0);
}

static void take_all(struct disk *disk, struct store_writer *writer, struct store_done *done)
{
    uint32_t taken = 0;
    while (taken < BATCHES) {
        (void)pthread_mutex_lock(&disk->mutex);
        while (disk->wakes == 0)
            (void)pthread_cond_wait(&disk->changed, &disk->mutex);
        disk->wakes = 0;
        (void)pthread_mutex_unlock(&disk->mutex);
        taken += store_writer_take(writer, done + taken, BATCHES - taken);
    }
}

static bool has_key(struct disk *disk, uint64_t number)
{
    uint8_t key[8];
    bytes_put_u64(key, number);
    struct kv kv = kv_memory_interface(disk->store);
    struct buf *value = NULL;
    ck_assert_int_eq(kv_get(&kv, 0, slice_of(key, sizeof key), &value), ERR_OK);
    bool has = value != NULL;
    buf_unref(value);
    return has;
}

/* _i: the error and the size of groups. */
START_TEST(a_failure_at_any_write_ends_the_story_there)
{
    static const enum err errs[] = {ERR_NO_SPACE, ERR_IO, ERR_CORRUPT};
    uint32_t group = _i % 2 == 0 ? 1 : 4;
    for (uint64_t n = 1;; n++) {
        ck_assert_uint_le(n, BATCHES + 1);
        struct disk disk = {.store = kv_memory_new(1), .fail_at = n, .err = errs[_i / 2]};
        (void)pthread_mutex_init(&disk.mutex, NULL);
        (void)pthread_cond_init(&disk.changed, NULL);
        const struct store_writer_options options = {.write = disk_write,
                                                     .wake = disk_wake,
                                                     .context = &disk,
                                                     .group_bytes_max = 1 << 20,
                                                     .group_batches_max = group};
        struct store_writer *writer = store_writer_new(&options);
        for (uint64_t number = 1; number <= BATCHES; number++)
            submit(writer, number);
        struct store_done done[BATCHES];
        take_all(&disk, writer, done);
        store_writer_free(writer);
        bool has_failed = false;
        for (uint32_t i = 0; i < BATCHES; i++) {
            ck_assert_uint_eq(done[i].token, i + 1);
            if (done[i].err == ERR_OK) {
                ck_assert(!has_failed); /* nothing is done after a failure */
            } else {
                ck_assert_int_eq(done[i].err,
                                 disk.err == ERR_NO_SPACE ? ERR_NO_SPACE : ERR_DISK_LOST);
                has_failed = true;
            }
            ck_assert(has_key(&disk, i + 1) == (done[i].err == ERR_OK));
        }
        ck_assert(has_failed == (disk.writes >= n));
        ck_assert(!has_failed || disk.writes == n); /* never tried again */
        kv_memory_free(disk.store);
        (void)pthread_mutex_destroy(&disk.mutex);
        (void)pthread_cond_destroy(&disk.changed);
        if (!has_failed)
            break;
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fault_writer");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, a_failure_at_any_write_ends_the_story_there, 0, 6);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
