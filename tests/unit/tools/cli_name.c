#include "tools/catena/name.h"

#include <string.h>

#include "tests/unit/base/suite.h"

static const struct cli cli = {.is_quiet = true};

START_TEST(bucket_and_key_are_split_at_the_first_slash)
{
    static const char *const forms[] = {"photos/a/b", "catena:photos/a/b", "//photos/a/b"};
    for (size_t i = 0; i < 3; i++) {
        struct name name;
        ck_assert_int_eq(name_parse(&cli, forms[i], true, &name), CLI_OK);
        ck_assert_str_eq(name.bucket, "photos");
        ck_assert_str_eq(name.key, "a/b");
        ck_assert_uint_eq(name.key_length, 3);
        ck_assert_int_eq(name_is_marked(forms[i]), i > 0);
    }
}
END_TEST

START_TEST(bucket_alone_is_enough_where_no_key_is_needed)
{
    struct name name;
    ck_assert_int_eq(name_parse(&cli, "photos", false, &name), CLI_OK);
    ck_assert_uint_eq(name.key_length, 0);
    ck_assert_int_eq(name_parse(&cli, "photos/", false, &name), CLI_OK);
    ck_assert_uint_eq(name.key_length, 0);
    ck_assert_int_eq(name_parse(&cli, "photos", true, &name), CLI_USAGE);
    ck_assert_int_eq(name_parse(&cli, "photos/", true, &name), CLI_USAGE);
}
END_TEST

START_TEST(bad_names_are_refused)
{
    struct name name;
    char long_key[1100];
    memset(long_key, 'k', sizeof long_key);
    memcpy(long_key, "b/", 2);
    long_key[2 + 1024] = '\0';
    ck_assert_int_eq(name_parse(&cli, long_key, true, &name), CLI_OK);
    long_key[2 + 1024] = 'k';
    long_key[2 + 1025] = '\0';
    ck_assert_int_eq(name_parse(&cli, long_key, true, &name), CLI_USAGE);
    ck_assert_int_eq(name_parse(&cli, "b/\xff", true, &name), CLI_USAGE);
    ck_assert_int_eq(name_parse(&cli, "b/\xed\xa0\x80", true, &name), CLI_USAGE);
    ck_assert_int_eq(name_parse(&cli, "", false, &name), CLI_USAGE);
    ck_assert_int_eq(name_parse(&cli, "/key", true, &name), CLI_USAGE);
    ck_assert_int_eq(name_parse(&cli, "catena:", false, &name), CLI_USAGE);
    char long_bucket[80];
    memset(long_bucket, 'b', sizeof long_bucket);
    long_bucket[64] = '\0';
    ck_assert_int_eq(name_parse(&cli, long_bucket, false, &name), CLI_USAGE);
}
END_TEST

START_TEST(last_part_is_what_a_file_is_called)
{
    ck_assert_str_eq(name_last_part("a/b/c.txt"), "c.txt");
    ck_assert_str_eq(name_last_part("c.txt"), "c.txt");
    ck_assert_str_eq(name_last_part("a/b/"), "b/");
    ck_assert_str_eq(name_last_part(""), "");
}
END_TEST

START_TEST(control_characters_do_not_reach_the_terminal)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    name_print(out, "a\n\x1b[1m\\\xc3\xa4", 9);
    (void)fclose(out);
    ck_assert_str_eq(text, "a\\x0a\\x1b[1m\\x5c\xc3\xa4");
    free(text);
}
END_TEST

START_TEST(amounts_are_readable)
{
    char out[SHOW_SIZE];
    ck_assert_str_eq(show_bytes(0, out), "0 B");
    ck_assert_str_eq(show_bytes(1023, out), "1023 B");
    ck_assert_str_eq(show_bytes(1536, out), "1.5 KiB");
    ck_assert_str_eq(show_bytes(1073741824, out), "1.0 GiB");
    ck_assert_str_eq(show_bytes(UINT64_MAX, out), "16.0 EiB");
    ck_assert_str_eq(show_time(0, out), "1970-01-01 00:00:00Z");
}
END_TEST

START_TEST(directory_ends_with_one_slash)
{
    static const char *const pairs[][2] = {
        {"bkt/dir", "dir/"}, {"bkt/dir/", "dir/"}, {"bkt/", ""}, {"bkt", ""}, {"bkt/a/b", "a/b/"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct name name;
        char *key = NULL;
        ck_assert_int_eq(name_parse(&cli, pairs[i][0], false, &name), CLI_OK);
        name_make_directory(&name, &key);
        ck_assert_str_eq(name.key, pairs[i][1]);
        ck_assert_uint_eq(name.key_length, strlen(pairs[i][1]));
        free(key);
    }
}
END_TEST

SUITE_MAIN("cli_name", bucket_and_key_are_split_at_the_first_slash,
           bucket_alone_is_enough_where_no_key_is_needed, bad_names_are_refused,
           last_part_is_what_a_file_is_called, control_characters_do_not_reach_the_terminal,
           amounts_are_readable, directory_ends_with_one_slash)
