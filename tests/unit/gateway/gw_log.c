/* The log goes to standard error: here it goes into a file. */
#include "tools/gateway/log.h"

#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/base/suite.h"

static int file;

static void setup(void)
{
    char path[] = "/tmp/catena-gw-log-XXXXXX";
    file = mkstemp(path);
    ck_assert(file >= 0 && unlink(path) == 0);
    ck_assert(dup2(file, STDERR_FILENO) >= 0);
}

static size_t written(void)
{
    return (size_t)lseek(file, 0, SEEK_END);
}

START_TEST(a_line_is_written_at_once)
{
    setup();
    gw_log_write(slice_of_text("one\n"));
    ck_assert_uint_eq(written(), 4);
}
END_TEST

START_TEST(lines_that_are_held_are_written_together_and_in_order)
{
    char text[32] = "";
    setup();
    gw_log_hold();
    gw_log_write(slice_of_text("one\n"));
    gw_log_write(slice_of_text("two\n"));
    ck_assert_uint_eq(written(), 0);
    gw_log_release();
    ck_assert_uint_eq(written(), 8);
    ck_assert(pread(file, text, sizeof text - 1, 0) == 8);
    ck_assert_str_eq(text, "one\ntwo\n");
    gw_log_write(slice_of_text("three\n"));
    ck_assert_uint_eq(written(), 14);
}
END_TEST

START_TEST(no_line_is_lost_or_out_of_order_when_many_are_held)
{
    static char line[GW_LOG_HELD_BYTES + 100];
    static char all[8 * sizeof line];
    setup();
    gw_log_hold();
    size_t wanted = 0;
    for (char c = 'a'; c <= 'e'; c++) { /* short ones, and one that is longer than what is held */
        size_t length = c == 'd' ? sizeof line : 7000;
        memset(line, c, length);
        line[length - 1] = '\n';
        gw_log_write(slice_of(line, length));
        wanted += length;
    }
    gw_log_release();
    ck_assert_uint_eq(written(), wanted);
    ck_assert(pread(file, all, sizeof all, 0) == (ssize_t)wanted);
    char last = 'a';
    for (size_t i = 0; i < wanted; i++) {
        ck_assert(all[i] == '\n' || all[i] >= last);
        last = all[i] == '\n' ? last : all[i];
    }
    ck_assert_int_eq(last, 'e');
}
END_TEST

START_TEST(what_is_quoted_cannot_end_its_quotes_or_its_line)
{
    struct text text;
    text_init(&text);
    gw_log_quote(&text, "a/b\"c\nd\\\xc3\xa4", 100);
    ck_assert_str_eq(text_cstr(&text), "a/b%22c\\x0ad\\x5c\\xc3\\xa4");
    text_clear(&text);
    gw_log_quote(&text, "abcdef", 3);
    ck_assert_str_eq(text_cstr(&text), "abc");
    text_clear(&text);
    gw_log_quote(&text, "", 3);
    ck_assert_str_eq(text_cstr(&text), "");
    text_release(&text);
}
END_TEST

SUITE_MAIN("gw_log", a_line_is_written_at_once,
           lines_that_are_held_are_written_together_and_in_order,
           no_line_is_lost_or_out_of_order_when_many_are_held,
           what_is_quoted_cannot_end_its_quotes_or_its_line)
