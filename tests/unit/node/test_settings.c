#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "chainnode/io/settings.h"

static struct node_settings settings;
static struct text text;

static void setup(void)
{
    text_init(&text);
}

static void teardown(void)
{
    node_settings_release(&settings);
    text_release(&text);
}

/* The options that are always needed, and one more. */
static enum args_outcome parse(const char *masters, const char *more)
{
    char *argv[] = {(char *)"catena-node", (char *)"--id=1", (char *)"--dir=/d",
                    (char *)"--masters",   (char *)masters,  (char *)more};
    return node_settings_parse(more == NULL ? 5 : 6, argv, &settings, &text);
}

static void assert_bad(const char *masters, const char *more, const char *says)
{
    ck_assert_int_eq(parse(masters, more), ARGS_BAD);
    ck_assert_msg(strstr(text_cstr(&text), says) != NULL, "\"%s\" lacks \"%s\"", text_cstr(&text),
                  says);
    node_settings_release(&settings);
    text_clear(&text);
}

START_TEST(masters_are_split)
{
    ck_assert_int_eq(parse("a:1,b:22,[::1]:333", NULL), ARGS_RUN);
    ck_assert_uint_eq(settings.master_count, 3);
    ck_assert_str_eq(settings.masters[0], "a:1");
    ck_assert_str_eq(settings.masters[1], "b:22");
    ck_assert_str_eq(settings.masters[2], "[::1]:333");
    ck_assert_uint_eq(settings.heartbeat_us, 100000);
    ck_assert_uint_eq(settings.neighbour_us, 400000);
    ck_assert(uuid_is_zero(&settings.cluster));
    ck_assert_int_eq(settings.level, LOG_LEVEL_INFO);
}
END_TEST

START_TEST(bad_addresses_are_refused)
{
    assert_bad("a", NULL, "\"a\" is not HOST:PORT");
    assert_bad("a:1,", NULL, "\"\" is not HOST:PORT");
    assert_bad("a:99999", NULL, "is not HOST:PORT");
    assert_bad(":5", NULL, "is not HOST:PORT");
    assert_bad("a:1,a:2,a:3,a:4,a:5,a:6,a:7,a:8", NULL, "more than 7 addresses");
    assert_bad("a:1", "--listen=nowhere", "--listen: \"nowhere\" is not HOST:PORT");
    assert_bad("a:1", "--advertise=nowhere", "--advertise");
}
END_TEST

START_TEST(cluster_is_a_uuid)
{
    assert_bad("a:1", "--cluster=12", "\"12\" is not a UUID");
    ck_assert_int_eq(parse("a:1", "--cluster=aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"), ARGS_RUN);
    ck_assert_uint_eq(settings.cluster.bytes[15], 0xaa);
}
END_TEST

START_TEST(log_level_is_one_of_four)
{
    assert_bad("a:1", "--log-level=loud", "\"loud\" is not");
    ck_assert_int_eq(parse("a:1", "--log-level=debug"), ARGS_RUN);
    ck_assert_int_eq(settings.level, LOG_LEVEL_DEBUG);
}
END_TEST

START_TEST(id_directory_and_masters_are_required)
{
    char *argv[] = {(char *)"catena-node", (char *)"--dir=/d"};
    ck_assert_int_eq(node_settings_parse(2, argv, &settings, &text), ARGS_BAD);
    ck_assert_ptr_nonnull(strstr(text_cstr(&text), "--id is required"));
}
END_TEST

START_TEST(example_file_is_valid)
{
    char *argv[] = {(char *)"catena-node", (char *)"--config", (char *)EXAMPLE_FILE};
    enum args_outcome outcome = node_settings_parse(3, argv, &settings, &text);
    ck_assert_msg(outcome == ARGS_RUN, "%s", text_cstr(&text));
    ck_assert_uint_eq(settings.master_count, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings");
    TCase *tcase = tcase_create("settings");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, masters_are_split);
    tcase_add_test(tcase, bad_addresses_are_refused);
    tcase_add_test(tcase, cluster_is_a_uuid);
    tcase_add_test(tcase, log_level_is_one_of_four);
    tcase_add_test(tcase, id_directory_and_masters_are_required);
    tcase_add_test(tcase, example_file_is_valid);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
