#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io/file.h"
#include "base/text.h"
#include "tests/lib/temp_directory.h"

static char directory[100];
static char path[160];

/* ---- what was synced: the linker puts fsync in our hands (--wrap) ---- */

enum { SYNCED_MAX = 16 };

static ino_t synced[SYNCED_MAX];
static unsigned synced_count;
static int sync_errno;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
    struct stat status;
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_uint_lt(synced_count, SYNCED_MAX);
    synced[synced_count++] = status.st_ino;
    if (sync_errno == 0)
        return __real_fsync(fd);
    errno = sync_errno;
    return -1;
}

static bool is_synced(const char *name)
{
    struct stat status;
    ck_assert_int_eq(stat(name, &status), 0);
    bool found = false;
    for (unsigned i = 0; i < synced_count; i++)
        found = found || synced[i] == status.st_ino;
    return found;
}

static void setup(void)
{
    temp_directory_make(directory, sizeof directory);
    text_format(path, sizeof path, "%s/file", directory);
    synced_count = 0;
    sync_errno = 0;
}

static void teardown(void)
{
    temp_directory_remove(directory);
}

static void expect_contents(const char *contents)
{
    struct buf *found = NULL;
    ck_assert_int_eq(file_read(path, 1000, &found), ERR_OK);
    ck_assert(slice_equal(buf_slice(found), slice_of_text(contents)));
    buf_unref(found);
}

START_TEST(written_file_is_read_back_and_replaced)
{
    ck_assert_int_eq(file_write(path, slice_of_text("one")), ERR_OK);
    expect_contents("one");
    ck_assert_int_eq(file_write(path, slice_of_text("two, longer")), ERR_OK);
    expect_contents("two, longer");
    ck_assert_int_eq(file_write(path, slice_of_text("")), ERR_OK);
    expect_contents("");
}
END_TEST

START_TEST(absent_file_is_not_found)
{
    struct buf *found = NULL;
    ck_assert_int_eq(file_read(path, 1000, &found), ERR_NOT_FOUND);
    ck_assert_int_eq(file_write("/no/such/place/file", slice_of_text("x")), ERR_NOT_FOUND);
    ck_assert_ptr_null(found);
}
END_TEST

START_TEST(file_over_the_limit_is_too_large)
{
    static uint8_t bytes[10000];
    struct buf *found = NULL;
    ck_assert_int_eq(file_write(path, slice_of(bytes, sizeof bytes)), ERR_OK);
    ck_assert_int_eq(file_read(path, sizeof bytes - 1, &found), ERR_TOO_LARGE);
    ck_assert_int_eq(file_read(path, sizeof bytes, &found), ERR_OK);
    ck_assert_uint_eq(found->length, sizeof bytes);
    buf_unref(found);
}
END_TEST

START_TEST(directories_are_made_with_their_parents)
{
    char deep[128];
    text_format(deep, sizeof deep, "%s/a/b/c", directory);
    bool is_empty = false;
    ck_assert_int_eq(directory_is_empty(deep, &is_empty), ERR_NOT_FOUND);
    ck_assert_int_eq(directory_make(deep), ERR_OK);
    ck_assert_int_eq(directory_make(deep), ERR_OK);
    ck_assert_int_eq(directory_is_empty(deep, &is_empty), ERR_OK);
    ck_assert(is_empty);
    ck_assert_int_eq(directory_is_empty(directory, &is_empty), ERR_OK);
    ck_assert(!is_empty);
    ck_assert_int_eq(file_write(path, slice_of_text("x")), ERR_OK);
    ck_assert_int_eq(directory_make(path), ERR_EXISTS);
    ck_assert_int_eq(directory_make(""), ERR_INVALID);
}
END_TEST

START_TEST(name_of_a_made_directory_is_durable_at_every_level)
{
    char a[120];
    char b[120];
    char c[120];
    text_format(a, sizeof a, "%s/a", directory);
    text_format(b, sizeof b, "%s/a/b", directory);
    text_format(c, sizeof c, "%s/a/b/c", directory);
    ck_assert_int_eq(directory_make(a), ERR_OK);
    ck_assert(is_synced(directory));
    synced_count = 0;
    ck_assert_int_eq(directory_make(c), ERR_OK);
    ck_assert(is_synced(a));
    ck_assert(is_synced(b));
    ck_assert_uint_eq(synced_count, 2);
    ck_assert_int_eq(directory_make(c), ERR_OK);
    ck_assert_uint_eq(synced_count, 2);
}
END_TEST

START_TEST(directory_whose_name_cannot_be_synced_is_an_error)
{
    char made[120];
    text_format(made, sizeof made, "%s/made", directory);
    sync_errno = EIO;
    ck_assert_int_eq(directory_make(made), ERR_IO);
}
END_TEST

START_TEST(errno_is_translated)
{
    ck_assert_int_eq(err_of_errno(0), ERR_OK);
    ck_assert_int_eq(err_of_errno(ENOSPC), ERR_NO_SPACE);
    ck_assert_int_eq(err_of_errno(EACCES), ERR_ACCESS);
    ck_assert_int_eq(err_of_errno(EIO), ERR_IO);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file");
    TCase *tcase = tcase_create("file");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, written_file_is_read_back_and_replaced);
    tcase_add_test(tcase, absent_file_is_not_found);
    tcase_add_test(tcase, file_over_the_limit_is_too_large);
    tcase_add_test(tcase, directories_are_made_with_their_parents);
    tcase_add_test(tcase, name_of_a_made_directory_is_durable_at_every_level);
    tcase_add_test(tcase, directory_whose_name_cannot_be_synced_is_an_error);
    tcase_add_test(tcase, errno_is_translated);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
