#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "chainnode/io/reclaimer.h"

enum { FAMILY = 2, OTHER = 1 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint32_t passes;
static struct reclaimer *reclaimer;

static void reclaim(void *context)
{
    (void)context;
    (void)pthread_mutex_lock(&mutex);
    passes++;
    (void)pthread_cond_signal(&changed);
    (void)pthread_mutex_unlock(&mutex);
}

static void start_with(uint64_t period_us)
{
    const struct reclaimer_options options = {
        .reclaim = reclaim, .family = FAMILY, .period_us = period_us};
    reclaimer = reclaimer_new(&options);
}

static void teardown(void)
{
    reclaimer_free(reclaimer);
}

static void note(enum kv_op_kind kind, unsigned family)
{
    struct kv_batch *batch = kv_batch_new();
    struct slice key = slice_of_text("a");
    if (kind == KV_OP_PUT)
        kv_batch_put(batch, family, key, key, NULL);
    else if (kind == KV_OP_DELETE_RANGE)
        kv_batch_delete_range(batch, family, key, slice_of_text("b"));
    else
        kv_batch_delete(batch, family, key);
    const struct kv_batch *const batches[] = {batch};
    reclaimer_note(reclaimer, batches, 1);
    kv_batch_free(batch);
}

static void wait_for_passes(uint32_t count)
{
    (void)pthread_mutex_lock(&mutex);
    while (passes < count)
        (void)pthread_cond_wait(&changed, &mutex);
    (void)pthread_mutex_unlock(&mutex);
}

START_TEST(each_round_of_deletes_is_followed_by_a_pass)
{
    start_with(1000);
    note(KV_OP_DELETE_RANGE, FAMILY);
    wait_for_passes(1);
    note(KV_OP_DELETE, FAMILY);
    wait_for_passes(2);
}
END_TEST

START_TEST(puts_and_other_families_cause_no_pass)
{
    start_with(1000);
    for (unsigned i = 0; i < 100; i++) {
        note(KV_OP_PUT, FAMILY);
        note(KV_OP_DELETE_RANGE, OTHER);
    }
    /* The next delete's pass is the first one. */
    note(KV_OP_DELETE_RANGE, FAMILY);
    wait_for_passes(1);
    reclaimer_free(reclaimer);
    reclaimer = NULL;
    ck_assert_uint_eq(passes, 1);
}
END_TEST

START_TEST(stopping_does_not_wait_for_the_period)
{
    start_with(3600000000ull);
    note(KV_OP_DELETE_RANGE, FAMILY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reclaimer");
    TCase *tcase = tcase_create("reclaimer");
    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_add_test(tcase, each_round_of_deletes_is_followed_by_a_pass);
    tcase_add_test(tcase, puts_and_other_families_cause_no_pass);
    tcase_add_test(tcase, stopping_does_not_wait_for_the_period);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
