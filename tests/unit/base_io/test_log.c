#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io/log.h"

static int pipes[2];

static void setup(void)
{
    ck_assert_int_eq(pipe(pipes), 0);
    log_set_fd(pipes[1]);
}

static void teardown(void)
{
    log_set_fd(-1);
    log_set_level(LOG_LEVEL_INFO);
    close(pipes[0]);
    close(pipes[1]);
}

static const char *read_log(void)
{
    static char text[65536];
    ssize_t got = read(pipes[0], text, sizeof text - 1);
    ck_assert_int_gt(got, 0);
    text[got] = '\0';
    return text;
}

START_TEST(line_has_time_level_event_and_fields)
{
    log_info("listening", "address=%s node=%u", "127.0.0.1:7000", 3u);
    const char *line = read_log();
    ck_assert_ptr_nonnull(
        strstr(line, "Z level=info event=listening address=127.0.0.1:7000 node=3\n"));
    /* time=2026-01-31T12:00:00.123Z */
    ck_assert_int_eq(strncmp(line, "time=2", 6), 0);
    ck_assert_int_eq(line[15], 'T');
    ck_assert_int_eq(line[24], '.');
    ck_assert_int_eq(line[28], 'Z');
}
END_TEST

START_TEST(event_without_fields_has_no_trailing_blank)
{
    log_event(LOG_LEVEL_WARNING, "stopping");
    ck_assert_ptr_nonnull(strstr(read_log(), " level=warning event=stopping\n"));
}
END_TEST

START_TEST(lines_above_the_level_are_dropped)
{
    log_debug("hidden", "a=%d", 1);
    log_set_level(LOG_LEVEL_ERROR);
    log_warning("hidden", "a=%d", 1);
    log_event(LOG_LEVEL_INFO, "hidden");
    log_error("shown", "a=%d", 1);
    const char *text = read_log();
    ck_assert_ptr_null(strstr(text, "hidden"));
    ck_assert_ptr_nonnull(strstr(text, "event=shown"));
}
END_TEST

START_TEST(value_with_a_newline_stays_on_its_line)
{
    log_info("refused", "text=\"%s\"", "one\ntime=2026 level=error event=forged\x1b[2J");
    const char *text = read_log();
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    ck_assert_ptr_null(strchr(text, '\x1b'));
}
END_TEST

START_TEST(quote_escapes_what_could_pose_as_a_key)
{
    char array[64];
    ck_assert_str_eq(log_quote(slice_of_text("a \"b\"\\\n"), array, sizeof array),
                     "\"a \\x22b\\x22\\x5c\\x0a\"");
    ck_assert_str_eq(log_quote(slice_of_text(""), array, sizeof array), "\"\"");
    ck_assert_str_eq(log_quote(slice_of_text("abcdefghijkl"), array, 12), "\"abcdef\"");
    ck_assert_str_eq(log_quote(slice_of_text("abc"), array, 3), "\"\"");
}
END_TEST

START_TEST(level_names_are_parsed)
{
    enum log_level level = LOG_LEVEL_INFO;
    ck_assert(log_level_parse("debug", &level));
    ck_assert_int_eq(level, LOG_LEVEL_DEBUG);
    ck_assert(!log_level_parse("loud", &level));
    ck_assert_int_eq(level, LOG_LEVEL_DEBUG);
}
END_TEST

static void *write_lines(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < 100; i++)
        log_info("thread", "value=%s", "0123456789012345678901234567890123456789");
    return NULL;
}

START_TEST(lines_of_several_threads_do_not_mix)
{
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines, NULL), 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    static char all[65536];
    size_t used = 0;
    unsigned lines = 0;
    while (lines < 400) {
        const char *text = read_log();
        for (const char *at = text; *at != '\0'; at++)
            lines += *at == '\n' ? 1 : 0;
        ck_assert_uint_lt(used + strlen(text), sizeof all);
        memcpy(all + used, text, strlen(text) + 1);
        used += strlen(text);
    }
    const char *end = strchr(all, '\n');
    size_t length = (size_t)(end - all) + 1;
    for (size_t at = 0; at < used; at += length)
        ck_assert_int_eq(strncmp(all + at, "time=", 5), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tcase = tcase_create("log");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, line_has_time_level_event_and_fields);
    tcase_add_test(tcase, event_without_fields_has_no_trailing_blank);
    tcase_add_test(tcase, lines_above_the_level_are_dropped);
    tcase_add_test(tcase, value_with_a_newline_stays_on_its_line);
    tcase_add_test(tcase, quote_escapes_what_could_pose_as_a_key);
    tcase_add_test(tcase, level_names_are_parsed);
    tcase_add_test(tcase, lines_of_several_threads_do_not_mix);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
