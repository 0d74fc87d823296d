#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io/args.h"

struct values {
    const char *listen;
    uint32_t id;
    uint64_t count;
    uint64_t heartbeat_us;
    uint64_t cache_bytes;
    bool single;
};

static struct values values;
static struct args args;
static struct text text;
static char path[64];

static const struct args_option options[] = {
    {.name = "id",
     .kind = ARGS_U32,
     .value = &values.id,
     .minimum = 1,
     .maximum = 1000,
     .help = "number"},
    {.name = "listen",
     .kind = ARGS_STRING,
     .value = &values.listen,
     .initial = "127.0.0.1:0",
     .minimum = 1,
     .maximum = 30,
     .value_name = "HOST:PORT",
     .help = "address"},
    {.name = "count", .kind = ARGS_U64, .value = &values.count, .initial = "7", .help = "count"},
    {.name = "heartbeat",
     .kind = ARGS_DURATION,
     .value = &values.heartbeat_us,
     .initial = "100ms",
     .minimum = 1000,
     .maximum = 10000000,
     .help = "period"},
    {.name = "cache",
     .kind = ARGS_SIZE,
     .value = &values.cache_bytes,
     .initial = "64MiB",
     .help = "cache"},
    {.name = "single",
     .kind = ARGS_BOOL,
     .value = &values.single,
     .initial = "false",
     .help = "one process"},
};

static const struct args_option required[] = {
    {.name = "id", .kind = ARGS_U32, .value = &values.id, .is_required = true, .help = "number"},
};

static const struct args_spec spec = {
    .program = "test-daemon",
    .version = "1.2.3",
    .summary = "tests options",
    .operands = "FILE",
    .operands_max = 1,
    .has_config = true,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
};

static void setup(void)
{
    values = (struct values){0};
    text_init(&text);
    (void)snprintf(path, sizeof path, "/tmp/catena_args_XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
}

static void teardown(void)
{
    args_release(&args);
    text_release(&text);
    (void)unlink(path);
}

static void write_file(const char *content)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    (void)fputs(content, file);
    (void)fclose(file);
}

/* Up to five arguments after the program's name; NULL ends. */
static enum args_outcome parse(const char *a, const char *b, const char *c, const char *d,
                               const char *e)
{
    char *argv[7] = {(char *)"test-daemon"};
    const char *const given[] = {a, b, c, d, e};
    int argc = 1;
    for (int i = 0; i < 5 && given[i] != NULL; i++)
        argv[argc++] = (char *)given[i];
    args_release(&args);
    text_clear(&text);
    return args_parse(&spec, argc, argv, &args, &text);
}

static void assert_says(const char *part)
{
    ck_assert_msg(strstr(text_cstr(&text), part) != NULL, "\"%s\" lacks \"%s\"", text_cstr(&text),
                  part);
}

START_TEST(defaults_hold_without_arguments)
{
    ck_assert_int_eq(parse(NULL, NULL, NULL, NULL, NULL), ARGS_RUN);
    ck_assert_str_eq(values.listen, "127.0.0.1:0");
    ck_assert_uint_eq(values.count, 7);
    ck_assert_uint_eq(values.heartbeat_us, 100000);
    ck_assert_uint_eq(values.cache_bytes, 64u << 20);
    ck_assert(!values.single);
    ck_assert_str_eq(text_cstr(&text), "");
}
END_TEST

START_TEST(flags_take_both_forms)
{
    ck_assert_int_eq(parse("--id", "3", "--heartbeat=1s", "--single", "file"), ARGS_RUN);
    ck_assert_uint_eq(values.id, 3);
    ck_assert_uint_eq(values.heartbeat_us, 1000000);
    ck_assert(values.single);
    ck_assert_uint_eq(args.operand_count, 1);
    ck_assert_str_eq(args.operands[0], "file");
}
END_TEST

START_TEST(last_flag_wins)
{
    ck_assert_int_eq(parse("--id=3", "--id=4", "--single", "--single=false", NULL), ARGS_RUN);
    ck_assert_uint_eq(values.id, 4);
    ck_assert(!values.single);
}
END_TEST

START_TEST(flags_win_over_the_file_wherever_config_stands)
{
    write_file("# comment\n\n id = 5   # five\nlisten=host:1\ncache = 4KiB\n  single = yes\n");
    ck_assert_int_eq(parse("--id=9", "--config", path, NULL, NULL), ARGS_RUN);
    ck_assert_uint_eq(values.id, 9);
    ck_assert_str_eq(values.listen, "host:1");
    ck_assert_uint_eq(values.cache_bytes, 4096);
    ck_assert(values.single);
}
END_TEST

START_TEST(hash_inside_a_value_is_no_comment)
{
    write_file("listen = a#b\n");
    ck_assert_int_eq(parse("--config", path, NULL, NULL, NULL), ARGS_RUN);
    ck_assert_str_eq(values.listen, "a#b");
}
END_TEST

START_TEST(file_errors_name_file_and_line)
{
    static const char *const bad[][2] = {
        {"id = 1\nwhat = 2\n", ":2: unknown key \"what\""},
        {"id = x\n", ":1: id: \"x\" is not a number"},
        {"\n\nid = 5000\n", ":3: id: must be between 1 and 1000"},
        {"id 5\n", ":1: expected \"key = value\""},
        {"id = 1\nid = 2\n", ":2: the key \"id\" stands here a second time"},
        {"heartbeat = 5\n", ":1: heartbeat: \"5\" is not a duration"},
        {"single = maybe\n", ":1: single: \"maybe\" is not true or false"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_file(bad[i][0]);
        ck_assert_int_eq(parse("--config", path, NULL, NULL, NULL), ARGS_BAD);
        assert_says(path);
        assert_says(bad[i][1]);
    }
}
END_TEST

START_TEST(a_line_without_end_is_refused)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < 5000; i++)
        (void)fputc('a', file);
    (void)fclose(file);
    ck_assert_int_eq(parse("--config", path, NULL, NULL, NULL), ARGS_BAD);
    assert_says("longer than");
}
END_TEST

START_TEST(missing_file_is_an_error)
{
    ck_assert_int_eq(parse("--config", "/nonexistent/file", NULL, NULL, NULL), ARGS_BAD);
    assert_says("/nonexistent/file");
}
END_TEST

START_TEST(bad_flags_are_refused)
{
    static const char *const bad[][3] = {
        {"--what", NULL, "unknown option --what"},
        {"--what=3", NULL, "unknown option --what"},
        {"-x", NULL, "unknown option -x"},
        {"--id", NULL, "a value is missing after --id"},
        {"--id", "-1", "--id: \"-1\" is not a number"},
        {"--id", "0", "--id: must be between 1 and 1000"},
        {"--id", "99999999999999999999", "is not a number"},
        {"--listen", "0123456789012345678901234567890", "must be between 1 and 30 bytes long"},
        {"--listen=", NULL, "must be between 1 and 30 bytes long"},
        {"--heartbeat", "11s", "--heartbeat: must be between 1ms and 10s"},
        {"--cache", "5XB", "is not a size"},
        {"--single=7", NULL, "is not true or false"},
        {"one", "two", "unexpected argument \"two\""},
        {"--config", NULL, "a file name is missing after --config"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(parse(bad[i][0], bad[i][1], NULL, NULL, NULL) == ARGS_BAD, "%s", bad[i][0]);
        assert_says(bad[i][2]);
    }
}
END_TEST

START_TEST(double_dash_and_single_dash_are_operands)
{
    ck_assert_int_eq(parse("--", "--id", NULL, NULL, NULL), ARGS_RUN);
    ck_assert_str_eq(args.operands[0], "--id");
    ck_assert_int_eq(parse("-", NULL, NULL, NULL, NULL), ARGS_RUN);
    ck_assert_str_eq(args.operands[0], "-");
}
END_TEST

START_TEST(help_and_version_print_and_do_not_run)
{
    ck_assert_int_eq(parse("--help", NULL, NULL, NULL, NULL), ARGS_HELP);
    assert_says("usage: test-daemon [OPTION]... FILE");
    assert_says("--heartbeat TIME");
    assert_says("(default 100ms)");
    assert_says("--config FILE");
    ck_assert_int_eq(parse("--version", NULL, NULL, NULL, NULL), ARGS_HELP);
    ck_assert_str_eq(text_cstr(&text), "test-daemon 1.2.3\n");
}
END_TEST

START_TEST(required_option_must_be_given)
{
    struct args_spec with_required = spec;
    with_required.options = required;
    with_required.option_count = 1;
    char *argv[] = {(char *)"test-daemon", NULL, NULL};
    ck_assert_int_eq(args_parse(&with_required, 1, argv, &args, &text), ARGS_BAD);
    assert_says("--id is required");
    args_release(&args);
    text_clear(&text);
    write_file("id = 4\n");
    char config[80];
    (void)snprintf(config, sizeof config, "--config=%s", path);
    argv[1] = config;
    ck_assert_int_eq(args_parse(&with_required, 2, argv, &args, &text), ARGS_RUN);
    ck_assert_uint_eq(values.id, 4);
}
END_TEST

START_TEST(units_are_exact_and_overflow_is_refused)
{
    uint64_t v = 42;
    ck_assert(args_parse_duration("250us", &v) && v == 250);
    ck_assert(args_parse_duration("5m", &v) && v == 300000000);
    ck_assert(args_parse_duration("24h", &v) && v == 86400000000ull);
    ck_assert(args_parse_duration("0", &v) && v == 0);
    ck_assert(!args_parse_duration("1.5s", &v));
    ck_assert(!args_parse_duration("s", &v));
    ck_assert(!args_parse_duration("99999999999999d", &v));
    ck_assert(args_parse_size("2GiB", &v) && v == 2ull << 30);
    ck_assert(args_parse_size("1TiB", &v) && v == 1ull << 40);
    ck_assert(args_parse_size("3MB", &v) && v == 3000000);
    ck_assert(!args_parse_size("99999999999TiB", &v));
    ck_assert(!args_parse_size(" 1", &v));
    ck_assert(args_parse_u64("18446744073709551615", &v) && v == UINT64_MAX);
    ck_assert(!args_parse_u64("18446744073709551616", &v));
    ck_assert(!args_parse_u64("", &v));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("args");
    TCase *tcase = tcase_create("args");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, defaults_hold_without_arguments);
    tcase_add_test(tcase, flags_take_both_forms);
    tcase_add_test(tcase, last_flag_wins);
    tcase_add_test(tcase, flags_win_over_the_file_wherever_config_stands);
    tcase_add_test(tcase, hash_inside_a_value_is_no_comment);
    tcase_add_test(tcase, file_errors_name_file_and_line);
    tcase_add_test(tcase, a_line_without_end_is_refused);
    tcase_add_test(tcase, missing_file_is_an_error);
    tcase_add_test(tcase, bad_flags_are_refused);
    tcase_add_test(tcase, double_dash_and_single_dash_are_operands);
    tcase_add_test(tcase, help_and_version_print_and_do_not_run);
    tcase_add_test(tcase, required_option_must_be_given);
    tcase_add_test(tcase, units_are_exact_and_overflow_is_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
