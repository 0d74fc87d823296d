#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io/clock.h"
#include "base/io/directory_lock.h"
#include "base/text.h"
#include "tests/lib/temp_directory.h"

static char directory[100];

static void setup(void)
{
    temp_directory_make(directory, sizeof directory);
}

static void teardown(void)
{
    temp_directory_remove(directory);
}

START_TEST(second_lock_is_refused_and_names_directory_and_process)
{
    struct directory_lock *lock = NULL;
    struct directory_lock *second = NULL;
    char text[300] = "";
    ck_assert_int_eq(directory_lock_take(directory, &lock, text, sizeof text), ERR_OK);
    ck_assert_int_eq(directory_lock_take(directory, &second, text, sizeof text), ERR_BUSY);
    char pid[32];
    text_format(pid, sizeof pid, "process %d", (int)getpid());
    ck_assert_ptr_nonnull(strstr(text, directory));
    ck_assert_ptr_nonnull(strstr(text, pid));
    ck_assert_ptr_null(second);
    directory_lock_free(lock);
    ck_assert_int_eq(directory_lock_take(directory, &lock, text, sizeof text), ERR_OK);
    directory_lock_free(lock);
    directory_lock_free(NULL);
}
END_TEST

START_TEST(lock_of_a_killed_process_is_free_again)
{
    int pipes[2];
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t child = fork();
    struct directory_lock *lock = NULL;
    char text[300] = "";
    if (child == 0) {
        enum err err = directory_lock_take(directory, &lock, text, sizeof text);
        (void)!write(pipes[1], &err, sizeof err);
        for (;;)
            pause();
    }
    enum err err = ERR_INTERNAL;
    ck_assert_int_eq(read(pipes[0], &err, sizeof err), sizeof err);
    ck_assert_int_eq(err, ERR_OK);
    ck_assert_int_eq(directory_lock_take(directory, &lock, text, sizeof text), ERR_BUSY);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_int_eq(directory_lock_take(directory, &lock, text, sizeof text), ERR_OK);
    directory_lock_free(lock);
}
END_TEST

/* An owner that is dead to the world while its files are still open: what a killed process is
 * while one of its threads is in an fsync. Here the child's own child holds the open file. */
static pid_t zombie_owner(int *ret_gate)
{
    int taken[2];
    int gate[2];
    ck_assert_int_eq(pipe(taken), 0);
    ck_assert_int_eq(pipe(gate), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct directory_lock *lock = NULL;
        char text[300] = "";
        enum err err = directory_lock_take(directory, &lock, text, sizeof text);
        if (fork() == 0) {
            char byte = 0;
            close(gate[1]);
            (void)!read(gate[0], &byte, 1); /* until the test closes its end */
            _exit(0);
        }
        (void)!write(taken[1], &err, sizeof err);
        _exit(0);
    }
    enum err err = ERR_INTERNAL;
    ck_assert_int_eq(read(taken[0], &err, sizeof err), sizeof err);
    ck_assert_int_eq(err, ERR_OK);
    siginfo_t info;
    ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    close(gate[0]);
    close(taken[0]);
    close(taken[1]);
    *ret_gate = gate[1];
    return child;
}

START_TEST(dying_owner_is_waited_for)
{
    int gate = -1;
    int answer[2];
    pid_t owner = zombie_owner(&gate);
    ck_assert_int_eq(pipe(answer), 0);
    pid_t taker = fork();
    ck_assert_int_ge(taker, 0);
    if (taker == 0) {
        struct directory_lock *lock = NULL;
        char text[300] = "";
        close(gate);
        enum err err = directory_lock_take(directory, &lock, text, sizeof text);
        (void)!write(answer[1], &err, sizeof err);
        _exit(0);
    }
    struct pollfd wait = {.fd = answer[0], .events = POLLIN};
    ck_assert_msg(poll(&wait, 1, 300) == 0, "did not wait");
    close(gate);
    enum err err = ERR_INTERNAL;
    ck_assert_int_eq(read(answer[0], &err, sizeof err), sizeof err);
    ck_assert_int_eq(err, ERR_OK);
    ck_assert_int_eq(waitpid(owner, NULL, 0), owner);
    ck_assert_int_eq(waitpid(taker, NULL, 0), taker);
}
END_TEST

START_TEST(dying_owner_is_not_waited_for_without_end)
{
    int gate = -1;
    pid_t child = zombie_owner(&gate);
    struct directory_lock *lock = NULL;
    char text[300] = "";
    uint64_t begun_us = clock_monotonic_us();
    ck_assert_int_eq(directory_lock_take(directory, &lock, text, sizeof text), ERR_BUSY);
    ck_assert_uint_ge(clock_monotonic_us() - begun_us, DIRECTORY_LOCK_DYING_MS * 1000ull);
    ck_assert_ptr_nonnull(strstr(text, directory));
    close(gate);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

START_TEST(lock_in_an_absent_directory_says_so)
{
    struct directory_lock *lock = NULL;
    char text[300] = "";
    ck_assert_int_eq(directory_lock_take("/no/such/place", &lock, text, sizeof text),
                     ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(text, "/no/such/place"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("directory_lock");
    TCase *tcase = tcase_create("directory_lock");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, second_lock_is_refused_and_names_directory_and_process);
    tcase_add_test(tcase, lock_of_a_killed_process_is_free_again);
    tcase_add_test(tcase, dying_owner_is_waited_for);
    tcase_add_test(tcase, dying_owner_is_not_waited_for_without_end);
    tcase_add_test(tcase, lock_in_an_absent_directory_says_so);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
