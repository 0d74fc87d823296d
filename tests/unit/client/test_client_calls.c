/* Opening, closing, asynchronous calls, threads, and what is said about misuse. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/include/catena.h"
#include "fake_cluster.h"

static struct fake_cluster *cluster;
static struct fake_knobs *knobs;

static void setup(void)
{
    cluster = fake_cluster_new();
    knobs = fake_cluster_knobs(cluster);
}

static void teardown(void)
{
    fake_cluster_free(cluster);
}

static struct catena_client *open_client(uint32_t requests_max)
{
    struct catena_options options = CATENA_OPTIONS_INIT;
    struct catena_client *client = NULL;
    options.masters = fake_cluster_address(cluster);
    options.timeout_ms = 20000;
    options.requests_max = requests_max;
    ck_assert_msg(catena_open(&options, &client) == CATENA_OK, "%s", catena_error_text());
    enum catena_status status = catena_bucket_create(client, "photos");
    ck_assert(status == CATENA_OK || status == CATENA_BUCKET_EXISTS);
    return client;
}

/* Counts callbacks; each waits for its own number. */
struct tally {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned done;
    unsigned ok;
    enum catena_status last;
    char text[256];
    uint64_t sum; /* of value bytes */
    struct catena_client *client;
};

static void tally_init(struct tally *tally)
{
    memset(tally, 0, sizeof *tally);
    pthread_mutex_init(&tally->mutex, NULL);
    pthread_cond_init(&tally->changed, NULL);
}

static void count(void *context, const struct catena_result *result)
{
    struct tally *tally = context;
    const uint8_t *value = result->value;
    pthread_mutex_lock(&tally->mutex);
    tally->done++;
    tally->ok += result->status == CATENA_OK;
    tally->last = result->status;
    (void)snprintf(tally->text, sizeof tally->text, "%s", result->error_text);
    for (size_t i = 0; i < result->value_length; i++)
        tally->sum += value[i];
    pthread_cond_signal(&tally->changed);
    pthread_mutex_unlock(&tally->mutex);
}

static void await(struct tally *tally, unsigned done)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    pthread_mutex_lock(&tally->mutex);
    while (tally->done < done)
        ck_assert_int_eq(pthread_cond_timedwait(&tally->changed, &tally->mutex, &until), 0);
    pthread_mutex_unlock(&tally->mutex);
}

/* Blocking calls of the same thread, and all calls of others, need no end of the batch. */
static void *put_blocking(void *context)
{
    enum catena_status status = catena_put(context, "photos", "other", 5, "\1", 1, NULL, NULL);
    return status == CATENA_OK ? context : NULL;
}

START_TEST(a_batch_holds_nothing_up_and_begins_at_its_end)
{
    struct catena_client *client = open_client(0);
    struct tally tally;
    tally_init(&tally);
    for (unsigned round = 1; round <= 50; round++) {
        pthread_t thread;
        void *succeeded = NULL;
        catena_batch_begin(client);
        for (unsigned i = 0; i < 10; i++)
            ck_assert_int_eq(
                catena_put_async(client, "photos", "k", 1, "\1", 1, NULL, count, &tally),
                CATENA_OK);
        if (round % 3 == 0)
            ck_assert_int_eq(catena_put(client, "photos", "own", 3, "\1", 1, NULL, NULL),
                             CATENA_OK);
        if (round % 3 == 1) {
            ck_assert_int_eq(pthread_create(&thread, NULL, put_blocking, client), 0);
            ck_assert_int_eq(pthread_join(thread, &succeeded), 0);
            ck_assert_ptr_nonnull(succeeded);
        }
        catena_batch_end(client);
        await(&tally, 10 * round);
    }
    ck_assert_uint_eq(tally.ok, 500);
    catena_batch_begin(client);
    catena_batch_end(client);
    catena_close(client);
}
END_TEST

/* What the callbacks of a round have left for its end. */
struct round {
    struct tally tally;
    unsigned open;   /* callbacks since the last end; the callbacks' */
    unsigned closed; /* guarded by the tally's mutex */
};

static void leave_open(void *context, const struct catena_result *result)
{
    struct round *round = context;
    round->open++;
    count(&round->tally, result);
}

static void close_round(void *context)
{
    struct round *round = context;
    pthread_mutex_lock(&round->tally.mutex);
    round->closed += round->open;
    round->open = 0;
    pthread_cond_signal(&round->tally.changed);
    pthread_mutex_unlock(&round->tally.mutex);
}

START_TEST(each_callback_is_followed_by_the_end_of_its_round)
{
    struct round round = {0};
    struct catena_options options = CATENA_OPTIONS_INIT;
    struct catena_client *client = NULL;
    struct timespec until;
    tally_init(&round.tally);
    options.masters = fake_cluster_address(cluster);
    options.round_ended = close_round;
    options.round_context = &round;
    ck_assert_int_eq(catena_open(&options, &client), CATENA_OK);
    ck_assert_int_eq(catena_bucket_create(client, "photos"), CATENA_OK);
    for (unsigned i = 0; i < 300; i++)
        ck_assert_int_eq(
            catena_put_async(client, "photos", "k", 1, "\1", 1, NULL, leave_open, &round),
            CATENA_OK);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    pthread_mutex_lock(&round.tally.mutex);
    while (round.closed < 300)
        ck_assert_int_eq(pthread_cond_timedwait(&round.tally.changed, &round.tally.mutex, &until),
                         0);
    pthread_mutex_unlock(&round.tally.mutex);
    ck_assert_uint_eq(round.tally.ok, 300);
    /* Those that closing cancels too. */
    atomic_store(&knobs->mute_puts, 10);
    for (unsigned i = 0; i < 10; i++)
        ck_assert_int_eq(
            catena_put_async(client, "photos", "k", 1, "\1", 1, NULL, leave_open, &round),
            CATENA_OK);
    catena_close(client);
    ck_assert_uint_eq(round.closed, 310);
}
END_TEST

START_TEST(asynchronous_calls_call_back_once_each)
{
    struct catena_client *client = open_client(0);
    struct tally tally;
    char key[16];
    tally_init(&tally);
    for (unsigned i = 0; i < 500; i++) {
        (void)snprintf(key, sizeof key, "k%u", i);
        ck_assert_int_eq(
            catena_put_async(client, "photos", key, strlen(key), "\1", 1, NULL, count, &tally),
            CATENA_OK);
    }
    await(&tally, 500);
    ck_assert_uint_eq(tally.ok, 500);
    for (unsigned i = 0; i < 500; i++) {
        (void)snprintf(key, sizeof key, "k%u", i);
        ck_assert_int_eq(catena_get_async(client, "photos", key, strlen(key), NULL, count, &tally),
                         CATENA_OK);
    }
    await(&tally, 1000);
    ck_assert_uint_eq(tally.ok, 1000);
    ck_assert_uint_eq(tally.sum, 500);
    ck_assert_int_eq(catena_stat_async(client, "photos", "k1", 2, NULL, count, &tally), CATENA_OK);
    ck_assert_int_eq(catena_delete_async(client, "photos", "none", 4, NULL, count, &tally),
                     CATENA_OK);
    await(&tally, 1002);
    catena_close(client);
    ck_assert_uint_eq(tally.done, 1002);
}
END_TEST

START_TEST(large_values_go_asynchronously_too)
{
    struct catena_client *client = open_client(0);
    struct tally tally;
    size_t length = 20000000;
    uint8_t *bytes = malloc(length);
    uint64_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (uint8_t)(i * 7 >> 3);
        sum += bytes[i];
    }
    tally_init(&tally);
    atomic_store(&knobs->busy_stages, 2);
    ck_assert_int_eq(
        catena_put_async(client, "photos", "film", 4, bytes, length, NULL, count, &tally),
        CATENA_OK);
    await(&tally, 1);
    ck_assert_msg(tally.ok == 1, "%s", tally.text);
    ck_assert_int_eq(catena_get_async(client, "photos", "film", 4, NULL, count, &tally), CATENA_OK);
    await(&tally, 2);
    ck_assert_msg(tally.ok == 2, "%s", tally.text);
    ck_assert_uint_eq(tally.sum, sum);
    free(bytes);
    catena_close(client);
}
END_TEST

START_TEST(a_failed_large_put_calls_back_and_cleans_up)
{
    struct catena_client *client = open_client(0);
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct tally tally;
    uint8_t *bytes = calloc(1, 3000000);
    options.condition = CATENA_IF_EXISTS;
    tally_init(&tally);
    ck_assert_int_eq(
        catena_put_async(client, "photos", "film", 4, bytes, 3000000, &options, count, &tally),
        CATENA_OK);
    await(&tally, 1);
    ck_assert_int_eq(tally.last, CATENA_CONDITION_FAILED);
    ck_assert_uint_eq(atomic_load(&knobs->aborts), 1);
    free(bytes);
    catena_close(client);
}
END_TEST

static void start_another(void *context, const struct catena_result *result)
{
    struct tally *tally = context;
    ck_assert_int_eq(result->status, CATENA_OK);
    ck_assert_int_eq(catena_stat(tally->client, "photos", "k", 1, NULL, NULL), CATENA_INVALID);
    ck_assert(strstr(catena_error_text(), "blocking") != NULL);
    ck_assert_int_eq(catena_get_async(tally->client, "photos", "k", 1, NULL, count, tally),
                     CATENA_OK);
}

START_TEST(a_callback_may_start_calls_but_not_block)
{
    struct catena_client *client = open_client(0);
    struct tally tally;
    tally_init(&tally);
    tally.client = client;
    ck_assert_int_eq(
        catena_put_async(client, "photos", "k", 1, "\5", 1, NULL, start_another, &tally),
        CATENA_OK);
    await(&tally, 1);
    ck_assert_uint_eq(tally.sum, 5);
    catena_close(client);
}
END_TEST

START_TEST(closing_ends_what_is_under_way)
{
    struct catena_client *client = open_client(0);
    struct tally gets, puts;
    tally_init(&gets);
    tally_init(&puts);
    ck_assert_int_eq(catena_put(client, "photos", "k", 1, "v", 1, NULL, NULL), CATENA_OK);
    atomic_store(&knobs->slow_gets, 100);
    atomic_store(&knobs->mute_puts, 100);
    ck_assert_int_eq(catena_get_async(client, "photos", "k", 1, NULL, count, &gets), CATENA_OK);
    ck_assert_int_eq(catena_put_async(client, "photos", "k", 1, "w", 1, NULL, count, &puts),
                     CATENA_OK);
    ck_assert(fake_cluster_await(cluster, &knobs->slow_gets, 100));
    ck_assert(fake_cluster_await(cluster, &knobs->mute_puts, 100));
    catena_close(client);
    ck_assert_uint_eq(gets.done, 1);
    ck_assert_int_eq(gets.last, CATENA_CANCELLED);
    ck_assert_uint_eq(puts.done, 1);
    ck_assert_int_eq(puts.last, CATENA_OUTCOME_UNKNOWN);
}
END_TEST

START_TEST(no_more_than_requests_max_are_in_flight)
{
    struct catena_client *client = open_client(2);
    struct tally tally;
    tally_init(&tally);
    ck_assert_int_eq(catena_put(client, "photos", "k", 1, "v", 1, NULL, NULL), CATENA_OK);
    atomic_store(&knobs->slow_gets, 2);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(catena_get_async(client, "photos", "k", 1, NULL, count, &tally),
                         CATENA_OK);
    ck_assert_int_eq(catena_get_async(client, "photos", "k", 1, NULL, count, &tally), CATENA_BUSY);
    ck_assert(strstr(catena_error_text(), "2 operations") != NULL);
    /* A blocking one waits for its turn (the gets are repeated and answered after a second). */
    ck_assert_int_eq(catena_stat(client, "photos", "k", 1, NULL, NULL), CATENA_OK);
    await(&tally, 2);
    ck_assert_uint_eq(tally.ok, 2);
    catena_close(client);
}
END_TEST

struct worker {
    pthread_t thread;
    struct catena_client *client;
    unsigned number;
    unsigned failures;
};

static void *work(void *context)
{
    struct worker *worker = context;
    char key[32], value[64];
    for (unsigned i = 0; i < 100; i++) {
        void *got = NULL;
        size_t length = 0;
        (void)snprintf(key, sizeof key, "w%u/%u", worker->number, i);
        (void)snprintf(value, sizeof value, "value of %s", key);
        bool is_good = catena_put(worker->client, "photos", key, strlen(key), value, strlen(value),
                                  NULL, NULL) == CATENA_OK &&
                       catena_get(worker->client, "photos", key, strlen(key), NULL, &got, &length,
                                  NULL) == CATENA_OK &&
                       length == strlen(value) && memcmp(got, value, length) == 0;
        worker->failures += !is_good;
        free(got);
        /* Each thread has its own error text. */
        (void)snprintf(key, sizeof key, "none%u", worker->number);
        is_good =
            catena_stat(worker->client, "photos", key, strlen(key), NULL, NULL) == CATENA_NO_KEY &&
            strstr(catena_error_text(), key) != NULL;
        worker->failures += !is_good;
    }
    return NULL;
}

START_TEST(many_threads_share_a_client)
{
    struct worker workers[16];
    struct catena_client *client = open_client(0);
    for (unsigned i = 0; i < 16; i++) {
        workers[i] = (struct worker){.client = client, .number = i};
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 16; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        ck_assert_uint_eq(workers[i].failures, 0);
    }
    catena_close(client);
}
END_TEST

START_TEST(opening_without_reachable_masters_names_them)
{
    struct catena_options options = CATENA_OPTIONS_INIT;
    struct catena_client *client = NULL;
    struct timespec begin, end;
    options.masters = "127.0.0.1:1,127.0.0.1:2";
    clock_gettime(CLOCK_MONOTONIC, &begin);
    ck_assert_int_eq(catena_open(&options, &client), CATENA_UNREACHABLE);
    clock_gettime(CLOCK_MONOTONIC, &end);
    ck_assert(strstr(catena_error_text(), "127.0.0.1:1: ") != NULL);
    ck_assert(strstr(catena_error_text(), "127.0.0.1:2: ") != NULL);
    ck_assert_int_lt(end.tv_sec - begin.tv_sec, 10); /* not the whole default of 30 s */
    ck_assert_ptr_null(client);
}
END_TEST

START_TEST(opening_with_bad_options_says_which)
{
    struct catena_options options = CATENA_OPTIONS_INIT;
    struct catena_client *client = NULL;
    static const char *const bad[] = {
        "", ",", "host", "host:", "host:0", "host:99999", ":5", "a:1,b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        options.masters = bad[i];
        ck_assert_msg(catena_open(&options, &client) == CATENA_INVALID, "%s", bad[i]);
        ck_assert_uint_gt(strlen(catena_error_text()), 10);
    }
    (void)unsetenv("CATENA_MASTERS");
    options.masters = NULL;
    ck_assert_int_eq(catena_open(&options, &client), CATENA_INVALID);
    ck_assert(strstr(catena_error_text(), "CATENA_MASTERS") != NULL);
    (void)setenv("CATENA_MASTERS", fake_cluster_address(cluster), 1);
    ck_assert_int_eq(catena_open(&options, &client), CATENA_OK);
    catena_close(client);
    options.struct_size = 3;
    ck_assert_int_eq(catena_open(&options, &client), CATENA_INVALID);
    catena_close(NULL);
}
END_TEST

START_TEST(a_cluster_without_chains_opens_and_can_be_initialised)
{
    struct catena_options options = CATENA_OPTIONS_INIT;
    struct catena_client *client = NULL;
    atomic_store(&knobs->bare, 1);
    options.masters = fake_cluster_address(cluster);
    ck_assert_int_eq(catena_open(&options, &client), CATENA_OK);
    ck_assert_int_eq(catena_bucket_create(client, "photos"), CATENA_OK);
    ck_assert_int_eq(catena_stat(client, "photos", "k", 1, NULL, NULL), CATENA_UNREACHABLE);
    ck_assert(strstr(catena_error_text(), "no chains") != NULL);
    ck_assert_int_eq(catena_admin_init_chains(client, 4, 2), CATENA_OK);
    catena_close(client);
    ck_assert_int_eq(catena_open(&options, &client), CATENA_OK);
    ck_assert_int_eq(catena_stat(client, "photos", "k", 1, NULL, NULL), CATENA_NO_KEY);
    catena_close(client);
}
END_TEST

START_TEST(bad_arguments_are_refused_before_anything_is_sent)
{
    struct catena_client *client = open_client(0);
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    char longer[1025];
    void *value;
    size_t length;
    memset(longer, 'k', sizeof longer);
    ck_assert_int_eq(catena_put(client, "photos", longer, 1025, "v", 1, NULL, NULL),
                     CATENA_INVALID);
    ck_assert(strstr(catena_error_text(), "1025") != NULL);
    ck_assert_int_eq(catena_put(client, "photos", longer, 1024, "v", 1, NULL, NULL), CATENA_OK);
    ck_assert_int_eq(catena_put(client, "photos", "", 0, "v", 1, NULL, NULL), CATENA_INVALID);
    ck_assert_int_eq(catena_put(client, "photos", "\xc3\x28", 2, "v", 1, NULL, NULL),
                     CATENA_INVALID);
    ck_assert(strstr(catena_error_text(), "UTF-8") != NULL);
    ck_assert_int_eq(catena_get(client, NULL, "k", 1, NULL, &value, &length, NULL), CATENA_INVALID);
    ck_assert_int_eq(catena_get(client, "Photos", "k", 1, NULL, &value, &length, NULL),
                     CATENA_INVALID);
    ck_assert_int_eq(catena_get(client, "photos", "k", 1, NULL, NULL, &length, NULL),
                     CATENA_INVALID);
    options.meta = longer;
    options.meta_length = 8193;
    ck_assert_int_eq(catena_put(client, "photos", "k", 1, "v", 1, &options, NULL),
                     CATENA_TOO_LARGE);
    options.struct_size = 1;
    ck_assert_int_eq(catena_put(client, "photos", "k", 1, "v", 1, &options, NULL), CATENA_INVALID);
    ck_assert_int_eq(catena_put_async(client, "photos", "k", 1, "v", 1, NULL, NULL, NULL),
                     CATENA_INVALID);
    catena_close(client);
}
END_TEST

START_TEST(versions_are_written_and_read)
{
    char text[CATENA_VERSION_TEXT_SIZE];
    struct catena_version version = {.epoch = UINT64_MAX, .lsn = UINT64_MAX};
    static const char *const bad[] = {"",     "1",    "1.",  ".1",   "1.2.3",
                                      "-1.2", "1. 2", "a.b", "1.2 ", "18446744073709551616.1"};
    ck_assert_str_eq(catena_version_format(version, text),
                     "18446744073709551615.18446744073709551615");
    ck_assert(catena_version_parse("3.14", &version));
    ck_assert_uint_eq(version.epoch, 3);
    ck_assert_uint_eq(version.lsn, 14);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!catena_version_parse(bad[i], &version), "%s", bad[i]);
    ck_assert_uint_eq(version.lsn, 14);
}
END_TEST

START_TEST(every_status_has_a_name_and_a_sentence)
{
    for (int i = CATENA_OK; i <= CATENA_EXISTS; i++) {
        ck_assert(strncmp(catena_status_name((enum catena_status)i), "CATENA_", 7) == 0);
        ck_assert_uint_gt(strlen(catena_status_text((enum catena_status)i)), 5);
    }
    ck_assert_str_eq(catena_status_name(CATENA_NO_KEY), "CATENA_NO_KEY");
    ck_assert_str_eq(catena_status_name(CATENA_OUTCOME_UNKNOWN), "CATENA_OUTCOME_UNKNOWN");
    ck_assert_str_eq(catena_status_name((enum catena_status)999), "CATENA_UNKNOWN");
}
END_TEST

START_TEST(an_order_to_remove_a_master_names_its_disk)
{
    struct catena_client *client = open_client(0);
    ck_assert_int_eq(catena_admin_master_remove(client, 1), CATENA_OK);
    ck_assert_int_eq(catena_admin_master_remove(client, 2), CATENA_CONDITION_FAILED);
    ck_assert(strstr(catena_error_text(), "look again") != NULL);
    ck_assert_int_eq(catena_admin_master_remove(NULL, 1), CATENA_INVALID);
    catena_close(client);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_batch_holds_nothing_up_and_begins_at_its_end,
        each_callback_is_followed_by_the_end_of_its_round,
        asynchronous_calls_call_back_once_each,
        large_values_go_asynchronously_too,
        a_failed_large_put_calls_back_and_cleans_up,
        a_callback_may_start_calls_but_not_block,
        closing_ends_what_is_under_way,
        no_more_than_requests_max_are_in_flight,
        many_threads_share_a_client,
        opening_without_reachable_masters_names_them,
        opening_with_bad_options_says_which,
        a_cluster_without_chains_opens_and_can_be_initialised,
        bad_arguments_are_refused_before_anything_is_sent,
        versions_are_written_and_read,
        every_status_has_a_name_and_a_sentence,
        an_order_to_remove_a_master_names_its_disk,
    };
    Suite *suite = suite_create("client_calls");
    TCase *cases = tcase_create("client_calls");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
