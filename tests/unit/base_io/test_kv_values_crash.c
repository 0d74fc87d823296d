/* Large values and processes that are killed, machines that lose power. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/prng.h"
#include "base/text.h"
#include "tests/unit/base_io/values_store.h"

/* ---- crashes ---- */

enum { CRASH_KEYS = 50, CRASH_ROUNDS = 12, COUNTER_FAMILY = 2 };

/* Step n puts or deletes keys that n decides, and the counter. */
static void crash_step(struct kv_batch *batch, unsigned step)
{
    struct prng prng;
    prng_init(&prng, step);
    char key[16];
    char end[16];
    unsigned ops = 1 + (unsigned)prng_below(&prng, 4);
    for (unsigned i = 0; i < ops; i++) {
        unsigned number = (unsigned)prng_below(&prng, CRASH_KEYS);
        unsigned dice = (unsigned)prng_below(&prng, 10);
        if (dice < 8)
            batch_put(batch, number, step, 3000 + (size_t)prng_below(&prng, 30000));
        else if (dice < 9)
            kv_batch_delete(batch, CHUNKS, key_of(number, key));
        else
            kv_batch_delete_range(batch, CHUNKS, key_of(number, key), key_of(number + 3, end));
    }
    kv_batch_put(batch, COUNTER_FAMILY, slice_of_text("step"), slice_of(&step, sizeof step), NULL);
}

static void crash_child(unsigned from, int report)
{
    struct kv_rocksdb *store = must_open();
    for (unsigned step = from;; step++) {
        struct kv_batch *batch = kv_batch_new();
        crash_step(batch, step);
        bool sync = step % 3 == 0;
        if (kv_rocksdb_write(store, batch, sync, NULL, 0) != ERR_OK)
            _exit(3);
        kv_batch_free(batch);
        if (write(report, &step, sizeof step) != sizeof step)
            _exit(4);
        bool more = false;
        if (step % 5 == 0 && kv_rocksdb_collect(store, STEP_BYTES, &more, NULL, 0) != ERR_OK)
            _exit(5);
    }
}

/* The versions that the keys have after so many steps, 0 = absent. */
static void crash_model(unsigned steps, unsigned *versions)
{
    memset(versions, 0, CRASH_KEYS * sizeof *versions);
    for (unsigned step = 1; step <= steps; step++) {
        struct kv_batch *batch = kv_batch_new();
        crash_step(batch, step);
        for (size_t i = 0; i + 1 < batch->count; i++) {
            const struct kv_op *op = &batch->ops[i];
            char digits[16] = {0};
            memcpy(digits, op->key.data, op->key.length);
            unsigned first = (unsigned)strtoul(digits, NULL, 10);
            unsigned count = op->kind == KV_OP_DELETE_RANGE ? 3 : 1;
            for (unsigned k = first; k < first + count && k < CRASH_KEYS; k++)
                versions[k] = op->kind == KV_OP_PUT ? step : 0;
        }
        kv_batch_free(batch);
    }
}

static unsigned last_step(struct kv_rocksdb *store)
{
    struct kv kv = kv_rocksdb_interface(store);
    struct buf *value = NULL;
    unsigned step = 0;
    ck_assert_int_eq(kv_get(&kv, COUNTER_FAMILY, slice_of_text("step"), &value), ERR_OK);
    if (value != NULL)
        memcpy(&step, value->data, sizeof step);
    buf_unref(value);
    return step;
}

/* Opens what a killed writer left, in a process of its own: a sanitizer does not follow threads
 * over the forks of the next round. Returns the steps that survived. */
static unsigned check_survivors(unsigned reported)
{
    int pipes[2];
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        struct kv_rocksdb *store = must_open();
        unsigned steps = last_step(store);
        ck_assert_uint_ge(steps, reported); /* a kill loses nothing that was written */
        ck_assert_uint_le(steps, reported + 1);
        unsigned versions[CRASH_KEYS];
        crash_model(steps, versions);
        for (unsigned i = 0; i < CRASH_KEYS; i++) {
            if (versions[i] == 0)
                expect_absent(store, i);
            else
                expect(store, i, versions[i]);
        }
        kv_rocksdb_close(store);
        (void)!write(pipes[1], &steps, sizeof steps);
        _exit(0);
    }
    close(pipes[1]);
    unsigned steps = 0;
    ck_assert_int_eq(read(pipes[0], &steps, sizeof steps), sizeof steps);
    close(pipes[0]);
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    return steps;
}

/* Lets a writer begin at a step and kills it somewhere later; returns the last step it reported. */
static unsigned write_and_kill(unsigned from, struct prng *prng)
{
    int pipes[2];
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0)
        crash_child(from, pipes[1]);
    close(pipes[1]);
    unsigned reported = from - 1;
    unsigned until = from + (unsigned)prng_below(prng, 60);
    while (reported < until)
        ck_assert_int_eq(read(pipes[0], &reported, sizeof reported), sizeof reported);
    for (volatile uint64_t spin = prng_below(prng, 2000000); spin > 0; spin--) {
    }
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    while (read(pipes[0], &reported, sizeof reported) == sizeof reported) {
    }
    close(pipes[0]);
    return reported;
}

START_TEST(killed_writer_leaves_a_prefix_whose_pointers_resolve)
{
    struct prng prng;
    prng_init(&prng, (uint64_t)getpid());
    unsigned from = 1;
    for (unsigned round = 0; round < CRASH_ROUNDS; round++)
        from = check_survivors(write_and_kill(from, &prng)) + 1;
}
END_TEST

/* ---- power cuts: what was not synced is gone ---- */

enum { TRACKED_MAX = 8192 };

/* How far each segment file was written and synced, by inode; shared with the writer. */
struct tracked {
    uint64_t inode;
    uint64_t written;
    uint64_t synced;
};

static struct tracked *tracked;

static struct tracked *track(int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        abort();
    for (struct tracked *t = tracked; t < tracked + TRACKED_MAX; t++) {
        if (t->inode == 0 || t->inode == status.st_ino) {
            t->inode = status.st_ino;
            return t;
        }
    }
    abort();
}

static ssize_t tracked_pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
    ssize_t length = pwritev(fd, pieces, count, offset);
    struct tracked *t = track(fd);
    if (offset == 0) /* a new file; the inode may be one that was used before */
        t->written = t->synced = 0;
    if (length > 0)
        t->written = (uint64_t)offset + (uint64_t)length;
    return length;
}

static int tracked_fdatasync(int fd)
{
    struct tracked *t = track(fd);
    uint64_t written = t->written;
    int status = fdatasync(fd);
    t->synced = written;
    return status;
}

static const struct value_log_system tracking = {.pwritev = tracked_pwritev,
                                                 .fdatasync = tracked_fdatasync};

/* What was not synced reads as zeros, as blocks do that were only reserved. */
static void lose_unsynced(int fd)
{
    uint64_t synced = track(fd)->synced;
    ck_assert_int_eq(ftruncate(fd, (off_t)synced), 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)synced + 100000), 0);
}

/* Files that an earlier life left are on the disk for good. */
static void note_synced(int fd)
{
    struct stat status;
    ck_assert_int_eq(fstat(fd, &status), 0);
    track(fd)->synced = (uint64_t)status.st_size;
}

static void each_segment(void (*visit)(int fd))
{
    char path[400];
    text_format(path, sizeof path, "%s/values", directory);
    DIR *values = opendir(path);
    ck_assert_ptr_nonnull(values);
    for (struct dirent *entry; (entry = readdir(values)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        int fd = openat(dirfd(values), entry->d_name, O_RDWR | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        visit(fd);
        close(fd);
    }
    closedir(values);
}

START_TEST(pointers_name_only_what_was_synced)
{
    tracked = mmap(NULL, TRACKED_MAX * sizeof *tracked, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(tracked != MAP_FAILED);
    struct prng prng;
    prng_init(&prng, (uint64_t)getpid());
    unsigned from = 1;
    for (unsigned round = 0; round < CRASH_ROUNDS; round++) {
        fake_system = &tracking;
        unsigned reported = write_and_kill(from, &prng);
        fake_system = NULL;
        each_segment(lose_unsynced);
        from = check_survivors(reported) + 1;
        memset(tracked, 0, TRACKED_MAX * sizeof *tracked);
        each_segment(note_synced);
    }
    (void)munmap(tracked, TRACKED_MAX * sizeof *tracked);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kv_values_crash");
    TCase *tcase = tcase_create("crash");
    tcase_set_timeout(tcase, 200);
    tcase_add_checked_fixture(tcase, new_directory, remove_directory);
    tcase_add_test(tcase, killed_writer_leaves_a_prefix_whose_pointers_resolve);
    tcase_add_test(tcase, pointers_name_only_what_was_synced);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
