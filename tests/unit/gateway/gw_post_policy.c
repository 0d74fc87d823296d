#include "tools/gateway/post_policy.h"

#include "tests/unit/base/suite.h"
#include "tools/gateway/encode.h"

#define END "\"expiration\":\"2030-01-01T00:00:00.000Z\""
#define NOW 1700000000000ull /* 2023 */
#define POLICY(conditions) "{" END ",\"conditions\":[{\"bucket\":\"b\"}," conditions "]}"

static const struct gw_header fields[] = {
    {"Key", "user/${filename}"},     {"acl", "private"}, {"x-amz-meta-a", "1"},
    {"X-Amz-Signature", "whatever"}, {"policy", "it"},   {"x-ignore-me", "x"},
};
#define OTHERS "{\"acl\":\"private\"},[\"starts-with\",\"$x-amz-meta-a\",\"\"]"

static struct gw_post_policy policy;
static const char *detail;

static enum s3_error check_fields(const char *json, const struct gw_header *form, size_t count)
{
    char *base64 = gw_zalloc(4 * strlen(json) / 3 + 8);
    gw_base64_encode((const uint8_t *)json, strlen(json), base64);
    detail = NULL;
    enum s3_error error =
        gw_post_policy_check(base64, form, count, "b", "user/me.txt", NOW, &policy, &detail);
    free(base64);
    ck_assert_msg(error == S3_OK || detail != NULL, "%s", json);
    return error;
}

static enum s3_error check(const char *json)
{
    return check_fields(json, fields, sizeof fields / sizeof fields[0]);
}

START_TEST(a_policy_that_mentions_all_is_obeyed)
{
    ck_assert_int_eq(check(POLICY(OTHERS ",[\"eq\",\"$key\",\"user/me.txt\"]")), S3_OK);
    ck_assert_uint_eq(policy.length_min, 0);
    ck_assert(policy.length_max == UINT64_MAX);
    ck_assert_int_eq(check(POLICY(OTHERS ",[\"STARTS-with\",\"$KEY\",\"user/\"],"
                                         "[\"content-length-range\",10,\"20\"]")),
                     S3_OK);
    ck_assert_uint_eq(policy.length_min, 10);
    ck_assert_uint_eq(policy.length_max, 20);
}
END_TEST

START_TEST(conditions_that_do_not_hold_are_denied)
{
    ck_assert_int_eq(check(POLICY(OTHERS ",[\"eq\",\"$key\",\"user/other\"]")), S3_AccessDenied);
    ck_assert_int_eq(check(POLICY(OTHERS ",[\"eq\",\"$key\",\"user/\"]")), S3_AccessDenied);
    ck_assert_int_eq(check(POLICY(OTHERS ",[\"starts-with\",\"$key\",\"users\"]")),
                     S3_AccessDenied);
    ck_assert_int_eq(check(POLICY(OTHERS ",{\"key\":\"user/me.txt\"},{\"absent\":\"\"}")),
                     S3_AccessDenied);
    ck_assert_int_eq(check("{" END ",\"conditions\":[{\"bucket\":\"other\"},"
                           "{\"key\":\"user/me.txt\"}," OTHERS "]}"),
                     S3_AccessDenied);
}
END_TEST

START_TEST(a_field_that_is_sent_twice_has_to_hold_twice)
{
    const struct gw_header twice[] = {
        {"key", "user/${filename}"}, {"x-amz-meta-a", "1"}, {"X-Amz-Meta-A", "2"}};
    const char *exact = POLICY("[\"starts-with\",\"$key\",\"\"],{\"x-amz-meta-a\":\"1\"}");
    const char *any =
        POLICY("[\"starts-with\",\"$key\",\"user/\"],[\"starts-with\",\"$x-amz-meta-a\",\"\"]");
    ck_assert_int_eq(check_fields(exact, twice, 2), S3_OK);
    ck_assert_int_eq(check_fields(exact, twice, 3), S3_AccessDenied);
    ck_assert_int_eq(check_fields(any, twice, 3), S3_OK);
}
END_TEST

START_TEST(the_form_may_name_the_bucket_of_the_request)
{
    const struct gw_header right[] = {{"key", "user/me.txt"}, {"bucket", "b"}};
    const struct gw_header wrong[] = {{"key", "user/me.txt"}, {"bucket", "c"}};
    const char *json = POLICY("{\"key\":\"user/me.txt\"}");
    const char *any = "{" END ",\"conditions\":[[\"starts-with\",\"$bucket\",\"\"],"
                      "{\"key\":\"user/me.txt\"}]}";
    ck_assert_int_eq(check_fields(json, right, 2), S3_OK);
    ck_assert_int_eq(check_fields(json, wrong, 2), S3_AccessDenied);
    ck_assert_int_eq(check_fields(any, right, 2), S3_OK);
    ck_assert_int_eq(check_fields(any, wrong, 2), S3_AccessDenied);
}
END_TEST

START_TEST(what_the_policy_does_not_mention_is_denied)
{
    ck_assert_int_eq(check(POLICY(OTHERS)), S3_AccessDenied); /* key */
    ck_assert_int_eq(check(POLICY("{\"key\":\"user/me.txt\"},{\"acl\":\"private\"}")),
                     S3_AccessDenied);
    ck_assert_int_eq(check("{" END ",\"conditions\":[{\"key\":\"user/me.txt\"}," OTHERS "]}"),
                     S3_AccessDenied); /* bucket */
}
END_TEST

START_TEST(expired_policies_are_denied)
{
    ck_assert_int_eq(check("{\"expiration\":\"2020-01-01T00:00:00Z\",\"conditions\":[]}"),
                     S3_AccessDenied);
}
END_TEST

START_TEST(invalid_policies_are_refused)
{
    static const char *const bad[] = {
        "",
        "nonsense",
        "[]",
        "{}",
        "{" END "}",
        "{\"conditions\":[]}",
        "{\"expiration\":5,\"conditions\":[]}",
        "{\"expiration\":\"soon\",\"conditions\":[]}",
        "{" END ",\"conditions\":{}}",
        POLICY("5"),
        POLICY("{}"),
        POLICY("{\"a\":\"b\",\"c\":\"d\"}"),
        POLICY("{\"a\":5}"),
        POLICY("[\"eq\",\"$key\"]"),
        POLICY("[\"eq\",\"key\",\"x\"]"),
        POLICY("[\"ends-with\",\"$key\",\"x\"]"),
        POLICY("[\"content-length-range\",-1,5]"),
        POLICY("[\"content-length-range\",0.5,5]"),
        POLICY("[\"content-length-range\",1,null]"),
        POLICY("{\"key\":\"user/me.txt\"}") "trailing",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(check(bad[i]) == S3_InvalidPolicyDocument, "%s", bad[i]);
    ck_assert_int_eq(gw_post_policy_check("no base64!", fields, 0, "b", "k", NOW, &policy, &detail),
                     S3_InvalidPolicyDocument);
}
END_TEST

SUITE_MAIN("gw_post_policy", a_policy_that_mentions_all_is_obeyed,
           conditions_that_do_not_hold_are_denied, a_field_that_is_sent_twice_has_to_hold_twice,
           the_form_may_name_the_bucket_of_the_request, what_the_policy_does_not_mention_is_denied,
           expired_policies_are_denied, invalid_policies_are_refused)
