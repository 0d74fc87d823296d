#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io/process.h"
#include "tests/unit/base/suite.h"

START_TEST(process_that_runs_is_not_ending)
{
    ck_assert(!process_is_ending(getpid()));
}
END_TEST

START_TEST(stopped_process_is_not_ending_and_a_killed_one_is)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        for (;;)
            pause();
    siginfo_t info;
    ck_assert_int_eq(kill(child, SIGSTOP), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WSTOPPED | WNOWAIT), 0);
    ck_assert(!process_is_ending(child));
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    ck_assert(process_is_ending(child));
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert(process_is_ending(child));
}
END_TEST

SUITE_MAIN("process", process_that_runs_is_not_ending,
           stopped_process_is_not_ending_and_a_killed_one_is)
