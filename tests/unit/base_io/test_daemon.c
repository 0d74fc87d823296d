/* base/io/daemon.c */
#include <check.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/io/daemon.h"

static int pipe_ends[2];

static void wake(void *context)
{
    (void)context;
    ck_assert_int_eq(write(pipe_ends[1], "w", 1), 1);
}

static void await_wake(void)
{
    char byte = 0;
    ck_assert_int_eq(read(pipe_ends[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'w');
}

static void setup(void)
{
    ck_assert_int_eq(pipe(pipe_ends), 0);
}

static void teardown(void)
{
    (void)close(pipe_ends[0]);
    (void)close(pipe_ends[1]);
}

START_TEST(a_signal_asks_to_stop_and_wakes)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    atomic_bool asked = false;
    struct daemon_stop stop;
    daemon_stop_start(&stop, &asked);
    daemon_stop_attach(&stop, wake, NULL);
    ck_assert(!atomic_load(&asked));
    ck_assert_int_eq(kill(getpid(), numbers[_i]), 0);
    await_wake();
    ck_assert(atomic_load(&asked));
    daemon_stop_attach(&stop, NULL, NULL);
    daemon_stop_end(&stop);
}
END_TEST

START_TEST(a_signal_before_anything_can_be_woken_is_not_lost)
{
    atomic_bool asked = false;
    struct daemon_stop stop;
    daemon_stop_start(&stop, &asked);
    ck_assert_int_eq(kill(getpid(), SIGTERM), 0);
    ck_assert_int_eq(pthread_join(stop.thread, NULL), 0); /* it has run */
    ck_assert(atomic_load(&asked));
}
END_TEST

START_TEST(it_ends_without_a_signal)
{
    atomic_bool asked = false;
    struct daemon_stop stop;
    daemon_stop_start(&stop, &asked);
    daemon_stop_end(&stop);
}
END_TEST

START_TEST(a_closed_pipe_is_an_error_and_not_the_end)
{
    atomic_bool asked = false;
    struct daemon_stop stop;
    daemon_stop_start(&stop, &asked);
    (void)close(pipe_ends[0]);
    pipe_ends[0] = -1;
    ck_assert_int_eq(write(pipe_ends[1], "x", 1), -1);
    daemon_stop_end(&stop);
}
END_TEST

START_TEST(the_limit_of_files_is_raised_to_the_hard_one)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    daemon_files_limit_raise();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_eq(limit.rlim_cur, limit.rlim_max);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("daemon");
    TCase *tcase = tcase_create("daemon");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, a_signal_asks_to_stop_and_wakes, 0, 3);
    tcase_add_test(tcase, a_signal_before_anything_can_be_woken_is_not_lost);
    tcase_add_test(tcase, it_ends_without_a_signal);
    tcase_add_test(tcase, a_closed_pipe_is_an_error_and_not_the_end);
    tcase_add_test(tcase, the_limit_of_files_is_raised_to_the_hard_one);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
