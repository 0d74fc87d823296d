#include "base/trace.h"

#include <string.h>

#include "tests/unit/base/suite.h"

static char last[2048];
static unsigned lines;

static void remember(void *context, const char *line)
{
    ck_assert_ptr_eq(context, last);
    ck_assert_uint_lt(strlen(line), sizeof last);
    memcpy(last, line, strlen(line) + 1);
    lines++;
}

static int evaluated(void)
{
    lines += 100;
    return 0;
}

START_TEST(line_reaches_the_sink)
{
    struct trace trace = {remember, last};
    TRACE(&trace, "chain=%d role=%s", 7, "tail");
    ck_assert_str_eq(last, "chain=7 role=tail");
    ck_assert_uint_eq(lines, 1);
}
END_TEST

START_TEST(without_a_sink_nothing_is_formatted)
{
    struct trace trace = {NULL, NULL};
    TRACE(&trace, "%d", evaluated());
    trace_line(&trace, "%d", 1);
    ck_assert_uint_eq(lines, 0);
}
END_TEST

START_TEST(long_line_is_cut)
{
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct trace trace = {remember, last};
    TRACE(&trace, "%s", text);
    ck_assert_uint_eq(strlen(last), 1023);
}
END_TEST

SUITE_MAIN("base_trace", line_reaches_the_sink, without_a_sink_nothing_is_formatted,
           long_line_is_cut)
