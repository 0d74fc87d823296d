/* System calls that fail, or a process that dies, at the N-th call, for N = 1, 2, 3 ... until the
 * operation goes through: afterwards a file holds its old or its new content, never a part.
 *
 * The calls are taken over by the linker (--wrap): only those of our own objects count. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/contract.h"
#include "base/io/file.h"
#include "base/io/identity.h"
#include "base/io/ready.h"
#include "base/text.h"
#include "tests/lib/temp_directory.h"

enum { CALLS_MAX = 200, EXIT_KILLED = 77 };
enum mode { MODE_FAIL, MODE_FAIL_SHORT, MODE_KILL };

static unsigned calls;
static unsigned fail_at; /* 0: never */
static int fail_errno;
static enum mode mode;
static bool has_hit;

/* True when this call must fail; errno is set. */
static bool hits(void)
{
    calls++;
    if (fail_at == 0 || calls != fail_at)
        return false;
    has_hit = true;
    if (mode == MODE_KILL)
        _exit(EXIT_KILLED);
    errno = fail_errno;
    return true;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *bytes, size_t length);
ssize_t __wrap_write(int fd, const void *bytes, size_t length);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_close(int fd);
int __wrap_close(int fd);

int __wrap_open(const char *path, int flags, ...)
{
    mode_t permissions = 0;
    if ((flags & O_CREAT) != 0) {
        va_list arguments;
        va_start(arguments, flags);
        permissions = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    return hits() ? -1 : __real_open(path, flags, permissions);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t length)
{
    if (!hits())
        return __real_write(fd, bytes, length);
    if (mode != MODE_FAIL_SHORT || length < 2)
        return -1;
    /* Half of it gets there, the next call finds the disk full. */
    fail_at++;
    return __real_write(fd, bytes, length / 2);
}

int __wrap_fsync(int fd)
{
    return hits() ? -1 : __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
    return hits() ? -1 : __real_rename(from, to);
}

int __wrap_close(int fd)
{
    if (!hits())
        return __real_close(fd);
    (void)__real_close(fd); /* the descriptor is gone whatever close() says */
    errno = fail_errno;
    return -1;
}

static void arm(unsigned n, int number, enum mode how)
{
    calls = 0;
    has_hit = false;
    fail_at = n;
    fail_errno = number;
    mode = how;
}

static void disarm(void)
{
    fail_at = 0;
}

/* ---- a file ---- */

static char directory[256];
static char path[512];
static char old_content[300];
static char new_content[9000];

static void setup(void)
{
    disarm();
    temp_directory_make(directory, sizeof directory);
    text_format(path, sizeof path, "%s/file", directory);
    memset(old_content, 'o', sizeof old_content);
    memset(new_content, 'n', sizeof new_content);
}

static void teardown(void)
{
    disarm();
    temp_directory_remove(directory);
}

/* True: new; false: old. Anything else fails the test. */
static bool is_new(bool was_there)
{
    struct buf *contents = NULL;
    enum err err = file_read(path, 1 << 20, &contents);
    if (!was_there && err == ERR_NOT_FOUND)
        return false;
    ck_assert_int_eq(err, ERR_OK);
    bool is_the_new = slice_equal(buf_slice(contents), slice_of(new_content, sizeof new_content));
    ck_assert(is_the_new || (was_there && slice_equal(buf_slice(contents),
                                                      slice_of(old_content, sizeof old_content))));
    buf_unref(contents);
    return is_the_new;
}

static void put_old(bool is_there)
{
    if (is_there)
        ck_assert_int_eq(file_write(path, slice_of(old_content, sizeof old_content)), ERR_OK);
    else
        (void)unlink(path);
}

struct fault_case {
    int number;
    enum mode mode;
    bool was_there;
};

static const struct fault_case cases[] = {
    {EIO, MODE_FAIL, true},          {ENOSPC, MODE_FAIL, true},        {EIO, MODE_FAIL, false},
    {ENOSPC, MODE_FAIL_SHORT, true}, {ENOSPC, MODE_FAIL_SHORT, false},
};

START_TEST(a_failed_replacement_leaves_the_old_or_the_new_file)
{
    const struct fault_case *fault = &cases[_i];
    unsigned failures = 0;
    for (unsigned n = 1; n < CALLS_MAX; n++) {
        put_old(fault->was_there);
        arm(n, fault->number, fault->mode);
        enum err err = file_write(path, slice_of(new_content, sizeof new_content));
        bool was_hit = has_hit;
        disarm();
        bool has_new = is_new(fault->was_there);
        /* OK is a promise. An error is none: the last steps may have failed after the rename. */
        if (err == ERR_OK)
            ck_assert(has_new);
        failures += err != ERR_OK ? 1 : 0;
        if (!was_hit)
            break;
        ck_assert(n + 1 < CALLS_MAX);
    }
    ck_assert_uint_ge(failures, 4); /* open, write, fsync, rename at least */
}
END_TEST

START_TEST(a_process_that_dies_while_replacing_leaves_the_old_or_the_new_file)
{
    unsigned deaths = 0;
    bool has_old = false;
    bool has_new = false;
    for (unsigned n = 1; n < CALLS_MAX; n++) {
        put_old(_i != 0);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            arm(n, EIO, MODE_KILL);
            _exit(file_write(path, slice_of(new_content, sizeof new_content)) == ERR_OK ? 0 : 1);
        }
        int status = 0;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFEXITED(status));
        *(is_new(_i != 0) ? &has_new : &has_old) = true;
        if (WEXITSTATUS(status) == 0)
            break;
        ck_assert_int_eq(WEXITSTATUS(status), EXIT_KILLED);
        deaths++;
    }
    ck_assert_uint_ge(deaths, 5);
    ck_assert(has_old && has_new);
    /* What a death left beside the file is no obstacle. */
    ck_assert_int_eq(file_write(path, slice_of(new_content, sizeof new_content)), ERR_OK);
    ck_assert(is_new(true));
}
END_TEST

START_TEST(a_failed_read_is_an_error_and_not_an_empty_file)
{
    put_old(true);
    arm(1, EIO, MODE_FAIL);
    struct buf *contents = NULL;
    ck_assert_int_eq(file_read(path, 1 << 20, &contents), ERR_IO);
    ck_assert_ptr_null(contents);
}
END_TEST

/* ---- the identity of a directory ---- */

static const struct uuid cluster = {{0xca, 1}};

/* One start of a process; 0 = it could not. */
static uint64_t start_once(enum err *ret_err)
{
    struct identity *identity = NULL;
    char text[1024] = "";
    *ret_err = identity_open(directory, "node", 3, &cluster, &identity, text, sizeof text);
    if (*ret_err != ERR_OK) {
        ck_assert_uint_gt(strlen(text), 0);
        return 0;
    }
    *ret_err = identity_start(identity, 1000, text, sizeof text);
    uint64_t incarnation = *ret_err == ERR_OK ? identity->incarnation : 0;
    if (*ret_err != ERR_OK)
        ck_assert_uint_gt(strlen(text), 0);
    identity_close(identity);
    return incarnation;
}

/* Starts that fail at every call, on a directory that has served (_i) and on a fresh one: no
 * incarnation is told twice (R4), and the next start works. */
START_TEST(a_start_that_fails_at_any_call_is_followed_by_one_that_works)
{
    static const int numbers[] = {EIO, ENOSPC, EIO, ENOSPC};
    unsigned failures = 0;
    uint64_t newest = 0;
    enum err err = ERR_OK;
    if (_i >= 2)
        newest = start_once(&err);
    for (unsigned n = 1; n < CALLS_MAX; n++) {
        arm(n, numbers[_i], MODE_FAIL);
        uint64_t told = start_once(&err);
        bool was_hit = has_hit;
        disarm();
        ck_assert(err != ERR_OK || told > newest);
        newest = told > newest ? told : newest;
        failures += err != ERR_OK ? 1 : 0;
        told = start_once(&err);
        ck_assert_int_eq(err, ERR_OK);
        ck_assert_uint_gt(told, newest);
        newest = told;
        if (!was_hit)
            break;
        ck_assert(n + 1 < CALLS_MAX);
        if (_i < 2) { /* fresh again */
            temp_directory_remove(directory);
            temp_directory_make(directory, sizeof directory);
            newest = 0;
        }
    }
    ck_assert_uint_ge(failures, 4);
}
END_TEST

START_TEST(a_start_that_dies_at_any_call_is_followed_by_one_that_works)
{
    unsigned deaths = 0;
    uint64_t newest = 0;
    enum err err = ERR_OK;
    for (unsigned n = 1; n < CALLS_MAX; n++) {
        if (_i == 0) {
            temp_directory_remove(directory);
            temp_directory_make(directory, sizeof directory);
            newest = 0;
        }
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            arm(n, EIO, MODE_KILL);
            _exit(start_once(&err) != 0 ? 0 : 1);
        }
        int status = 0;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFEXITED(status));
        uint64_t told = start_once(&err);
        ck_assert_int_eq(err, ERR_OK);
        ck_assert_uint_gt(told, newest);
        newest = told;
        if (WEXITSTATUS(status) == 0)
            break;
        ck_assert_int_eq(WEXITSTATUS(status), EXIT_KILLED);
        deaths++;
    }
    ck_assert_uint_ge(deaths, 5);
}
END_TEST

START_TEST(readiness_is_announced_whole_or_not_at_all)
{
    char ready[512];
    static const char line[] = "ready role=node id=3 pid=1";
    text_format(ready, sizeof ready, "%s/ready", directory);
    unsigned failures = 0;
    for (unsigned n = 1; n < CALLS_MAX; n++) {
        ready_clear(directory);
        arm(n, ENOSPC, MODE_FAIL);
        enum err err = ready_announce(directory, 0, line);
        bool was_hit = has_hit;
        disarm();
        struct buf *contents = NULL;
        enum err read = file_read(ready, 4096, &contents);
        ck_assert(read == ERR_OK || (read == ERR_NOT_FOUND && err != ERR_OK));
        if (read == ERR_OK)
            ck_assert(slice_starts_with(buf_slice(contents), slice_of_text(line)));
        buf_unref(contents);
        failures += err != ERR_OK ? 1 : 0;
        if (!was_hit)
            break;
    }
    ck_assert_uint_ge(failures, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fault_files");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, a_failed_replacement_leaves_the_old_or_the_new_file, 0,
                        (int)ARRAY_COUNT(cases));
    tcase_add_loop_test(tcase, a_process_that_dies_while_replacing_leaves_the_old_or_the_new_file,
                        0, 2);
    tcase_add_test(tcase, a_failed_read_is_an_error_and_not_an_empty_file);
    tcase_add_loop_test(tcase, a_start_that_fails_at_any_call_is_followed_by_one_that_works, 0, 4);
    tcase_add_loop_test(tcase, a_start_that_dies_at_any_call_is_followed_by_one_that_works, 0, 2);
    tcase_add_test(tcase, readiness_is_announced_whole_or_not_at_all);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
