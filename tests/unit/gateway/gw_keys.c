#include "tools/gateway/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/base/suite.h"

static const char file[] = "# comment\n"
                           "\n"
                           "key AKIA1 secret-number-one *:owner   # all\n"
                           "key AKIA2 secret-number-two photos:read logs-*:write photos-x:owner\n"
                           "key AKIA3 secret-number-three\n";

START_TEST(rights_are_per_bucket)
{
    struct gw_keys *keys = NULL;
    struct text error;
    text_init(&error);
    ck_assert(gw_keys_parse(slice_of_text(file), &keys, &error));
    const struct gw_key *key = gw_keys_find(keys, "AKIA2");
    ck_assert_ptr_nonnull(key);
    ck_assert_str_eq(gw_key_secret(key, 0), "secret-number-two");
    ck_assert_int_eq(gw_key_right(key, "photos"), GW_RIGHT_READ);
    ck_assert_int_eq(gw_key_right(key, "photos-x"), GW_RIGHT_OWNER);
    ck_assert_int_eq(gw_key_right(key, "photos-y"), GW_RIGHT_NONE);
    ck_assert_int_eq(gw_key_right(key, "logs-1"), GW_RIGHT_WRITE);
    ck_assert_int_eq(gw_key_right(gw_keys_find(keys, "AKIA1"), "any"), GW_RIGHT_OWNER);
    ck_assert_int_eq(gw_key_right(gw_keys_find(keys, "AKIA3"), "any"), GW_RIGHT_NONE);
    ck_assert_ptr_null(gw_keys_find(keys, "AKIA"));
    ck_assert_ptr_null(gw_keys_find(keys, ""));
    gw_keys_free(keys);
    text_release(&error);
}
END_TEST

START_TEST(keys_of_the_masters_have_both_secrets_until_the_old_one_ends)
{
    struct catena_grant grants[] = {{"photos", CATENA_RIGHT_OWNER}, {"logs-*", CATENA_RIGHT_READ}};
    struct catena_access_key items[] = {
        {.id = "AKIA1", .secret = "first-secret", .grants = grants, .grant_count = 2},
        {.id = "AKIA2", .secret = "second-secret", .old_secret = "the-one-before"},
        {.id = "AKIA3"}}; /* listed without its secret */
    const struct catena_access_keys table = {.items = items, .count = 3};
    struct gw_keys *keys = gw_keys_of_masters(&table);
    const struct gw_key *key = gw_keys_find(keys, "AKIA1");
    ck_assert_str_eq(gw_key_secret(key, 0), "first-secret");
    ck_assert_ptr_null(gw_key_secret(key, 1));
    ck_assert_int_eq(gw_key_right(key, "photos"), GW_RIGHT_OWNER);
    ck_assert_int_eq(gw_key_right(key, "logs-7"), GW_RIGHT_READ);
    ck_assert_int_eq(gw_key_right(key, "music"), GW_RIGHT_NONE);
    key = gw_keys_find(keys, "AKIA2");
    ck_assert_str_eq(gw_key_secret(key, 0), "second-secret");
    ck_assert_str_eq(gw_key_secret(key, 1), "the-one-before");
    ck_assert_ptr_null(gw_key_secret(key, 2));
    ck_assert_ptr_null(gw_keys_find(keys, "AKIA3"));
    ck_assert_ptr_null(gw_keys_find(keys, NULL));
    gw_keys_free(keys);
}
END_TEST

START_TEST(every_key_of_many_is_found)
{
    static struct catena_access_key items[1000];
    const struct catena_access_keys table = {.items = items, .count = 1000};
    for (unsigned i = 0; i < 1000; i++) {
        (void)text_format(items[i].id, sizeof items[i].id, "KEY-%u", i);
        (void)text_format(items[i].secret, sizeof items[i].secret, "secret-%u", i);
    }
    struct gw_keys *keys = gw_keys_of_masters(&table);
    for (unsigned i = 0; i < 1000; i++)
        ck_assert_str_eq(gw_key_secret(gw_keys_find(keys, items[i].id), 0), items[i].secret);
    ck_assert_ptr_null(gw_keys_find(keys, "KEY-1000"));
    gw_keys_free(keys);
}
END_TEST

START_TEST(bad_lines_are_refused_without_showing_a_secret)
{
    static const char *const bad[] = {"AKIA s3cr3t-s3cr3t",
                                      "key AKIA",
                                      "key AKIA s3cr3t-s3cr3t photos",
                                      "key AKIA s3cr3t-s3cr3t photos:admin",
                                      "key AKIA s3cr3t",
                                      "key A s3cr3t-s3cr3t\nkey A s3cr3t-s3cr3t",
                                      "key AKIA s3cr3t-s3cr3t :read"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gw_keys *keys = NULL;
        struct text error;
        text_init(&error);
        ck_assert(!gw_keys_parse(slice_of_text(bad[i]), &keys, &error));
        ck_assert_ptr_nonnull(strstr(text_cstr(&error), "line "));
        ck_assert_ptr_null(strstr(text_cstr(&error), "s3cr3t"));
        text_release(&error);
    }
}
END_TEST

START_TEST(a_file_that_others_can_read_is_refused)
{
    char path[] = "/tmp/gw-keys-XXXXXX";
    int fd = mkstemp(path);
    struct gw_keys *keys = NULL;
    struct text error;
    text_init(&error);
    ck_assert_int_eq(write(fd, file, strlen(file)), (ssize_t)strlen(file));
    close(fd);
    ck_assert(gw_keys_load(path, &keys, &error));
    gw_keys_free(keys);
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert(!gw_keys_load(path, &keys, &error));
    ck_assert_ptr_nonnull(strstr(text_cstr(&error), "chmod 600"));
    unlink(path);
    text_clear(&error);
    ck_assert(!gw_keys_load(path, &keys, &error));
    ck_assert_ptr_nonnull(strstr(text_cstr(&error), path));
    text_release(&error);
}
END_TEST

SUITE_MAIN("gw_keys", rights_are_per_bucket,
           keys_of_the_masters_have_both_secrets_until_the_old_one_ends, every_key_of_many_is_found,
           bad_lines_are_refused_without_showing_a_secret, a_file_that_others_can_read_is_refused)
