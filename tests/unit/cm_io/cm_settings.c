#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_master/io/settings.h"

static struct master_settings settings;
static struct text text;

static void setup(void)
{
    text_init(&text);
}

static void teardown(void)
{
    master_settings_release(&settings);
    text_release(&text);
}

static const char uuid_flag[] = "--cluster=6a3c1d1e-8a50-4c25-9d1f-2f1b8f3a7c10";

/* --id 2 and --dir, and up to three more. */
static enum args_outcome parse(const char *a, const char *b, const char *c)
{
    char *argv[6] = {(char *)"catena-master", (char *)"--id=2", (char *)"--dir=/d"};
    int argc = 3;
    const char *const more[] = {a, b, c};
    for (size_t i = 0; i < 3; i++) {
        if (more[i] != NULL)
            argv[argc++] = (char *)more[i];
    }
    return master_settings_parse(argc, argv, &settings, &text);
}

static void assert_bad(const char *a, const char *b, const char *c, const char *says)
{
    ck_assert_int_eq(parse(a, b, c), ARGS_BAD);
    ck_assert_msg(strstr(text_cstr(&text), says) != NULL, "\"%s\" lacks \"%s\"", text_cstr(&text),
                  says);
    master_settings_release(&settings);
    text_clear(&text);
}

START_TEST(defaults_are_consistent)
{
    ck_assert_int_eq(parse(NULL, NULL, NULL), ARGS_RUN);
    struct cm_options cm;
    master_settings_cm(&settings, &cm);
    ck_assert_uint_eq(cm.lease_us, 1000000);
    ck_assert_uint_eq(cm.id, 2);
    ck_assert_uint_eq(cm.settle_us, 5000000);
    struct raft_options raft;
    master_settings_raft(&settings, &raft);
    ck_assert_uint_eq(raft.election_min_us, cm.election_min_us);
    ck_assert_uint_eq(raft.id, 2);
}
END_TEST

START_TEST(founders_are_sorted_and_name_this_master)
{
    ck_assert_int_eq(parse("--bootstrap", uuid_flag, "--masters=3=c:3,1=a:1,2=[::1]:2"), ARGS_RUN);
    ck_assert_uint_eq(settings.founders.count, 3);
    ck_assert_uint_eq(settings.founders.servers[0].id, 1);
    ck_assert_str_eq(settings.founders.servers[1].address, "[::1]:2");
    ck_assert_uint_eq(settings.founders.servers[2].id, 3);
}
END_TEST

START_TEST(bad_founders_are_refused)
{
    assert_bad("--bootstrap", uuid_flag, "--masters=1=a:1", "does not name this master");
    assert_bad("--bootstrap", uuid_flag, "--masters=2=a:1,2=b:1", "is not ID=HOST:PORT");
    assert_bad("--bootstrap", uuid_flag, "--masters=2", "is not ID=HOST:PORT");
    assert_bad("--bootstrap", uuid_flag, "--masters=0=a:1", "is not ID=HOST:PORT");
    assert_bad("--bootstrap", uuid_flag, "--masters=2=a", "is not ID=HOST:PORT");
    assert_bad("--bootstrap", uuid_flag,
               "--masters=1=a:1,2=a:2,3=a:3,4=a:4,5=a:5,6=a:6,7=a:7,8=a:8", "more than 7");
    assert_bad("--bootstrap", uuid_flag, NULL, "needs --masters");
    assert_bad("--bootstrap", "--masters=2=a:1", NULL, "need --cluster");
    assert_bad("--bootstrap", "--join", uuid_flag, "exclude each other");
}
END_TEST

START_TEST(bad_addresses_and_uuids_are_refused)
{
    assert_bad("--listen=nowhere", NULL, NULL, "--listen: \"nowhere\" is not HOST:PORT");
    assert_bad("--advertise=:5", NULL, NULL, "--advertise");
    assert_bad("--cluster=12", NULL, NULL, "\"12\" is not a UUID");
    assert_bad("--cluster=00000000-0000-0000-0000-000000000000", NULL, NULL, "is not a UUID");
    assert_bad("--log-level=loud", NULL, NULL, "\"loud\" is not");
    assert_bad("--nonsense", NULL, NULL, "--nonsense");
}
END_TEST

START_TEST(times_that_break_the_protocol_are_refused)
{
    assert_bad("--lease=300ms", NULL, NULL, "election");
    assert_bad("--election-max=2s", NULL, NULL, "--election-max");
    assert_bad("--election-min=700ms", NULL, NULL, "--election-max is below");
    assert_bad("--silence=200ms", NULL, NULL, "three heartbeats");
    assert_bad("--raft-heartbeat=200ms", NULL, NULL, "--raft-heartbeat");
    assert_bad("--readmit-max=100ms", NULL, NULL, "re-admission");
}
END_TEST

START_TEST(example_file_is_valid_and_shows_the_defaults)
{
    char *argv[] = {(char *)"catena-master", (char *)"--config", (char *)EXAMPLE_FILE};
    enum args_outcome outcome = master_settings_parse(3, argv, &settings, &text);
    ck_assert_msg(outcome == ARGS_RUN, "%s", text_cstr(&text));
    ck_assert_uint_eq(settings.founders.count, 3);
    master_settings_release(&settings);
    text_clear(&text);
    /* The usage lists every option with its default; the example shows it as `# name = value`. */
    char *help[] = {(char *)"catena-master", (char *)"--help"};
    ck_assert_int_eq(master_settings_parse(2, help, &settings, &text), ARGS_HELP);
    FILE *file = fopen(EXAMPLE_FILE, "r");
    ck_assert_ptr_nonnull(file);
    char line[512];
    uint32_t keys = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        const char *name = line[0] == '#' && line[1] == ' ' ? line + 2 : line;
        size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz-");
        if (length == 0 || length > 60 || strncmp(name + length, " = ", 3) != 0)
            continue;
        char flag[80];
        text_format(flag, sizeof flag, "--%.*s", (int)length, name);
        ck_assert_msg(strstr(text_cstr(&text), flag) != NULL, "%s is no option", flag);
        keys++;
    }
    fclose(file);
    ck_assert_uint_eq(keys, 24);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cm_settings");
    TCase *tcase = tcase_create("settings");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, defaults_are_consistent);
    tcase_add_test(tcase, founders_are_sorted_and_name_this_master);
    tcase_add_test(tcase, bad_founders_are_refused);
    tcase_add_test(tcase, bad_addresses_and_uuids_are_refused);
    tcase_add_test(tcase, times_that_break_the_protocol_are_refused);
    tcase_add_test(tcase, example_file_is_valid_and_shows_the_defaults);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
