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
    ck_assert_str_eq(gw_key_secret(key), "secret-number-two");
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

SUITE_MAIN("gw_keys", rights_are_per_bucket, bad_lines_are_refused_without_showing_a_secret,
           a_file_that_others_can_read_is_refused)
