#include "tests/unit/base/suite.h"
#include "tools/catena/cli.h"
#include "tools/catena/condition.h"

static const struct cli cli = {.is_quiet = true};

START_TEST(numbers_are_whole_and_bounded)
{
    uint64_t value = 7;
    ck_assert(cli_parse_u64("0", 10, &value));
    ck_assert_uint_eq(value, 0);
    ck_assert(cli_parse_u64("18446744073709551615", UINT64_MAX, &value));
    ck_assert_uint_eq(value, UINT64_MAX);
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "1x", "0x1", "11", "18446744073709551616"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!cli_parse_u64(bad[i], 10, &value), "%s", bad[i]);
}
END_TEST

START_TEST(durations_have_units)
{
    static const struct {
        const char *text;
        uint32_t ms;
    } good[] = {{"30", 30000}, {"2.5", 2500}, {"500ms", 500},  {"2s", 2000},
                {"1m", 60000}, {"0.001", 1},  {"1.5m", 90000}, {"1.2345", 1234}};
    uint32_t ms = 0;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_msg(cli_parse_duration_ms(good[i].text, &ms), "%s", good[i].text);
        ck_assert_uint_eq(ms, good[i].ms);
    }
    static const char *const bad[] = {"",    "0",  "0ms", "-1",       "s",
                                      "1h",  "1.", "x1",  "99999999", "99999999999999999999",
                                      "1 s", "ms"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!cli_parse_duration_ms(bad[i], &ms), "%s", bad[i]);
}
END_TEST

START_TEST(conditions_are_told_apart)
{
    struct catena_op_options op = CATENA_OP_OPTIONS_INIT;
    ck_assert_int_eq(condition_parse(&cli, NULL, NULL, &op), CLI_OK);
    ck_assert_int_eq(op.condition, CATENA_ALWAYS);
    ck_assert_int_eq(condition_parse(&cli, "*", NULL, &op), CLI_OK);
    ck_assert_int_eq(op.condition, CATENA_IF_ABSENT);
    ck_assert_int_eq(condition_parse(&cli, NULL, "*", &op), CLI_OK);
    ck_assert_int_eq(op.condition, CATENA_IF_EXISTS);
    ck_assert_int_eq(condition_parse(&cli, NULL, "3.17", &op), CLI_OK);
    ck_assert_int_eq(op.condition, CATENA_IF_VERSION);
    ck_assert_uint_eq(op.version.epoch, 3);
    ck_assert_uint_eq(op.version.lsn, 17);
}
END_TEST

START_TEST(malformed_conditions_are_refused)
{
    struct catena_op_options op = CATENA_OP_OPTIONS_INIT;
    ck_assert_int_eq(condition_parse(&cli, "*", "*", &op), CLI_USAGE);
    ck_assert_int_eq(condition_parse(&cli, "3.17", NULL, &op), CLI_USAGE);
    ck_assert_int_eq(condition_parse(&cli, NULL, "three", &op), CLI_USAGE);
    ck_assert_int_eq(condition_parse(&cli, NULL, "3.", &op), CLI_USAGE);
}
END_TEST

/* Documented numbers: scripts depend on them. */
START_TEST(every_status_has_its_exit_code)
{
    ck_assert_int_eq(cli_exit_of(CATENA_OK), 0);
    ck_assert_int_eq(cli_exit_of(CATENA_INTERNAL), 1);
    ck_assert_int_eq(cli_exit_of(CATENA_INVALID), 2);
    ck_assert_int_eq(cli_exit_of(CATENA_NO_KEY), 3);
    ck_assert_int_eq(cli_exit_of(CATENA_NO_BUCKET), 3);
    ck_assert_int_eq(cli_exit_of(CATENA_CONDITION_FAILED), 4);
    ck_assert_int_eq(cli_exit_of(CATENA_BUCKET_EXISTS), 4);
    ck_assert_int_eq(cli_exit_of(CATENA_OUTCOME_UNKNOWN), 5);
    ck_assert_int_eq(cli_exit_of(CATENA_TIMEOUT), 6);
    ck_assert_int_eq(cli_exit_of(CATENA_UNREACHABLE), 6);
    ck_assert_int_eq(cli_exit_of(CATENA_NO_SPACE), 7);
    ck_assert_int_eq(cli_exit_of(CATENA_CORRUPT), 8);
}
END_TEST

SUITE_MAIN("cli_options", numbers_are_whole_and_bounded, durations_have_units,
           conditions_are_told_apart, malformed_conditions_are_refused,
           every_status_has_its_exit_code)
