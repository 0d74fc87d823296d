#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/io/store_writer.h"

enum { SEEN_MAX = 4096 };

/* A store that can be held at its door and told to fail. */
struct fake {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_held;
    bool is_inside; /* a write waits at the door */
    enum err fail_with;
    uint32_t fail_at_write; /* counted from 1; 0 = never */
    uint32_t writes;
    uint32_t syncs;
    uint32_t wakes;
    uint64_t seen[SEEN_MAX]; /* first key byte of each batch, in the order applied */
    uint32_t seen_count;
    uint32_t largest_group;
    uint32_t idles;
    uint32_t idles_wanted; /* until then there is more to do */
    enum err idle_err;
    uint32_t unreported; /* idle steps made while a written group waited to be reported */
};

static struct fake fake;
static struct store_writer *writer;

static enum err fake_write(void *context, const struct kv_batch *const *batches, size_t count,
                           bool sync)
{
    struct fake *f = context;
    (void)pthread_mutex_lock(&f->mutex);
    f->is_inside = true;
    (void)pthread_cond_broadcast(&f->changed);
    while (f->is_held)
        (void)pthread_cond_wait(&f->changed, &f->mutex);
    f->is_inside = false;
    f->writes++;
    f->syncs += sync ? 1 : 0;
    if (count > f->largest_group)
        f->largest_group = (uint32_t)count;
    enum err err = f->fail_at_write == f->writes ? f->fail_with : ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        uint64_t number = 0;
        memcpy(&number, batches[i]->ops[0].key.data, sizeof number);
        f->seen[f->seen_count++] = number;
    }
    (void)pthread_mutex_unlock(&f->mutex);
    return err;
}

static enum err fake_idle(void *context, bool *ret_more)
{
    struct fake *f = context;
    (void)pthread_mutex_lock(&f->mutex);
    f->idles++;
    *ret_more = f->idles < f->idles_wanted;
    f->unreported += f->wakes < f->writes ? 1 : 0;
    enum err err = f->idle_err;
    (void)pthread_cond_broadcast(&f->changed);
    (void)pthread_mutex_unlock(&f->mutex);
    return err;
}

/* A loop that always has the next batch ready: it is queued before this one is reported. */
static enum err endless_write(void *context, const struct kv_batch *const *batches, size_t count,
                              bool sync)
{
    struct fake *f = context;
    (void)batches;
    (void)sync;
    (void)pthread_mutex_lock(&f->mutex);
    f->writes++;
    bool is_over = f->idles >= f->idles_wanted;
    (void)pthread_mutex_unlock(&f->mutex);
    if (!is_over)
        store_writer_submit(writer, f->writes + count, kv_batch_new(), true);
    return ERR_OK;
}

static void fake_wake(void *context)
{
    struct fake *f = context;
    (void)pthread_mutex_lock(&f->mutex);
    f->wakes++;
    (void)pthread_cond_broadcast(&f->changed);
    (void)pthread_mutex_unlock(&f->mutex);
}

static void start_writing(enum err (*write)(void *context, const struct kv_batch *const *batches,
                                            size_t count, bool sync),
                          uint32_t group_batches_max, size_t group_bytes_max)
{
    const struct store_writer_options options = {
        .write = write,
        .idle = fake_idle,
        .idle_us = 1000,
        .wake = fake_wake,
        .context = &fake,
        .group_bytes_max = group_bytes_max,
        .group_batches_max = group_batches_max,
    };
    writer = store_writer_new(&options);
}

static void start_with(uint32_t group_batches_max, size_t group_bytes_max)
{
    start_writing(fake_write, group_batches_max, group_bytes_max);
}

static void setup(void)
{
    memset(&fake, 0, sizeof fake);
    (void)pthread_mutex_init(&fake.mutex, NULL);
    (void)pthread_cond_init(&fake.changed, NULL);
    start_with(64, 1 << 20);
}

static void teardown(void)
{
    store_writer_free(writer);
    writer = NULL;
}

static void hold(bool is_held)
{
    (void)pthread_mutex_lock(&fake.mutex);
    fake.is_held = is_held;
    (void)pthread_cond_broadcast(&fake.changed);
    (void)pthread_mutex_unlock(&fake.mutex);
}

static void wait_until_inside(void)
{
    (void)pthread_mutex_lock(&fake.mutex);
    while (!fake.is_inside)
        (void)pthread_cond_wait(&fake.changed, &fake.mutex);
    (void)pthread_mutex_unlock(&fake.mutex);
}

/* As fast as the store is idle; the test's own time limit is the deadline. */
static void wait_for_idles(uint32_t count)
{
    (void)pthread_mutex_lock(&fake.mutex);
    while (fake.idles < count)
        (void)pthread_cond_wait(&fake.changed, &fake.mutex);
    (void)pthread_mutex_unlock(&fake.mutex);
}

static void submit(uint64_t number, bool sync)
{
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, 0, slice_of(&number, sizeof number), slice_of_text("value"), NULL);
    store_writer_submit(writer, number, batch, sync);
}

/* Waits for `count` reports; the test's own time limit is the deadline. */
static void take(struct store_done *done, uint32_t count)
{
    uint32_t have = 0;
    while (have < count) {
        (void)pthread_mutex_lock(&fake.mutex);
        uint32_t wakes = fake.wakes;
        (void)pthread_mutex_unlock(&fake.mutex);
        uint32_t more = store_writer_take(writer, done + have, count - have);
        have += more;
        (void)pthread_mutex_lock(&fake.mutex);
        while (more == 0 && fake.wakes == wakes)
            (void)pthread_cond_wait(&fake.changed, &fake.mutex);
        (void)pthread_mutex_unlock(&fake.mutex);
    }
}

START_TEST(batches_are_applied_and_reported_in_order)
{
    static struct store_done done[1000];
    for (uint64_t i = 1; i <= 1000; i++)
        submit(i, i % 3 == 0);
    take(done, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        ck_assert_uint_eq(done[i].token, i + 1);
        ck_assert_int_eq(done[i].err, ERR_OK);
        ck_assert_uint_eq(fake.seen[i], i + 1);
    }
}
END_TEST

START_TEST(what_queues_up_behind_a_write_is_one_group_with_one_sync)
{
    struct store_done done[11];
    hold(true);
    submit(1, true);
    wait_until_inside();
    for (uint64_t i = 2; i <= 11; i++)
        submit(i, true);
    hold(false);
    take(done, 11);
    ck_assert_uint_eq(fake.writes, 2);
    ck_assert_uint_eq(fake.syncs, 2);
    ck_assert_uint_eq(fake.largest_group, 10);
    struct store_writer_stats stats = store_writer_stats(writer);
    ck_assert_uint_eq(stats.batches, 11);
    ck_assert_uint_eq(stats.syncs, 2);
}
END_TEST

START_TEST(a_group_without_a_wish_to_sync_is_not_synced)
{
    struct store_done done[1];
    submit(1, false);
    take(done, 1);
    ck_assert_uint_eq(fake.syncs, 0);
}
END_TEST

START_TEST(one_wish_to_sync_syncs_the_group)
{
    struct store_done done[4];
    hold(true);
    submit(1, false);
    wait_until_inside();
    submit(2, false);
    submit(3, true);
    submit(4, false);
    hold(false);
    take(done, 4);
    ck_assert_uint_eq(fake.writes, 2);
    ck_assert_uint_eq(fake.syncs, 1);
}
END_TEST

START_TEST(groups_are_bounded)
{
    struct store_done done[21];
    store_writer_free(writer);
    start_with(4, 1 << 20);
    hold(true);
    submit(1, true);
    wait_until_inside();
    for (uint64_t i = 2; i <= 21; i++)
        submit(i, true);
    hold(false);
    take(done, 21);
    ck_assert_uint_eq(fake.largest_group, 4);
    ck_assert_uint_eq(fake.writes, 6);
}
END_TEST

START_TEST(a_batch_larger_than_a_group_is_written_alone)
{
    struct store_done done[3];
    store_writer_free(writer);
    start_with(64, 1);
    for (uint64_t i = 1; i <= 3; i++)
        submit(i, true);
    take(done, 3);
    ck_assert_uint_eq(fake.writes, 3);
}
END_TEST

START_TEST(a_failed_write_is_never_retried_and_ends_everything)
{
    struct store_done done[5];
    fake.fail_at_write = 2;
    fake.fail_with = ERR_IO;
    submit(1, true);
    take(done, 1);
    ck_assert_int_eq(done[0].err, ERR_OK);
    submit(2, true);
    take(done, 1);
    ck_assert_int_eq(done[0].err, ERR_DISK_LOST);
    /* The disk works again; we do not. */
    for (uint64_t i = 3; i <= 7; i++)
        submit(i, true);
    take(done, 5);
    for (uint32_t i = 0; i < 5; i++) {
        ck_assert_uint_eq(done[i].token, i + 3);
        ck_assert_int_eq(done[i].err, ERR_DISK_LOST);
    }
    ck_assert_uint_eq(fake.writes, 2);
    ck_assert_uint_eq(fake.seen_count, 1);
}
END_TEST

START_TEST(no_space_is_told_as_such_and_keeps_the_prefix)
{
    struct store_done done[2];
    fake.fail_at_write = 1;
    fake.fail_with = ERR_NO_SPACE;
    submit(1, true);
    submit(2, true);
    take(done, 2);
    ck_assert_int_eq(done[0].err, ERR_NO_SPACE);
    ck_assert_int_eq(done[1].err, ERR_NO_SPACE);
    ck_assert_uint_eq(fake.seen_count, 0);
}
END_TEST

START_TEST(idle_store_is_asked_until_nothing_is_left_to_do)
{
    struct store_done done[1];
    store_writer_free(writer);
    fake.idles = 0;
    fake.idles_wanted = 5;
    start_with(64, 1 << 20);
    wait_for_idles(5);
    submit(1, true);
    take(done, 1);
    wait_for_idles(6);
    store_writer_free(writer);
    writer = NULL;
    ck_assert_uint_eq(fake.idles, 6);
}
END_TEST

START_TEST(store_that_is_never_idle_gets_its_idle_steps_too)
{
    store_writer_free(writer);
    fake.idles = 0;
    fake.idles_wanted = 1;
    start_writing(endless_write, 64, 1 << 20);
    wait_for_idles(1); /* there may be something left from before the start */
    (void)pthread_mutex_lock(&fake.mutex);
    fake.idles_wanted = 4;
    (void)pthread_mutex_unlock(&fake.mutex);
    submit(1, true);
    wait_for_idles(4);
    store_writer_free(writer);
    writer = NULL;
    ck_assert_uint_gt(fake.writes, 4);
    ck_assert_uint_eq(fake.unreported, 0);
}
END_TEST

START_TEST(failed_idle_step_is_a_lost_disk)
{
    struct store_done done[1];
    store_writer_free(writer);
    fake.idles = 0;
    fake.idle_err = ERR_IO;
    start_with(64, 1 << 20);
    wait_for_idles(1);
    submit(1, true);
    take(done, 1);
    ck_assert_int_eq(done[0].err, ERR_DISK_LOST);
    ck_assert_uint_eq(fake.seen_count, 0);
}
END_TEST

START_TEST(stopping_writes_what_is_queued)
{
    hold(true);
    submit(1, true);
    wait_until_inside();
    for (uint64_t i = 2; i <= 20; i++)
        submit(i, false);
    hold(false);
    store_writer_free(writer);
    writer = NULL;
    ck_assert_uint_eq(fake.seen_count, 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_writer");
    TCase *tcase = tcase_create("store_writer");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, batches_are_applied_and_reported_in_order);
    tcase_add_test(tcase, what_queues_up_behind_a_write_is_one_group_with_one_sync);
    tcase_add_test(tcase, a_group_without_a_wish_to_sync_is_not_synced);
    tcase_add_test(tcase, one_wish_to_sync_syncs_the_group);
    tcase_add_test(tcase, groups_are_bounded);
    tcase_add_test(tcase, a_batch_larger_than_a_group_is_written_alone);
    tcase_add_test(tcase, a_failed_write_is_never_retried_and_ends_everything);
    tcase_add_test(tcase, no_space_is_told_as_such_and_keeps_the_prefix);
    tcase_add_test(tcase, idle_store_is_asked_until_nothing_is_left_to_do);
    tcase_add_test(tcase, store_that_is_never_idle_gets_its_idle_steps_too);
    tcase_add_test(tcase, failed_idle_step_is_a_lost_disk);
    tcase_add_test(tcase, stopping_writes_what_is_queued);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
