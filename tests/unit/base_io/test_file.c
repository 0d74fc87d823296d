#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io/file.h"
#include "base/text.h"
#include "tests/lib/temp_directory.h"

static char directory[100];
static char path[160];

static void setup(void)
{
    temp_directory_make(directory, sizeof directory);
    text_format(path, sizeof path, "%s/file", directory);
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
    tcase_add_test(tcase, errno_is_translated);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
