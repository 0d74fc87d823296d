#include "tools/gateway/condition.h"

#include "tests/unit/base/suite.h"

START_TEST(etags_match_with_and_without_quotes_and_in_lists)
{
    ck_assert(gw_etag_matches("\"abc\"", "abc"));
    ck_assert(gw_etag_matches("abc", "abc"));
    ck_assert(gw_etag_matches("W/\"abc\"", "abc"));
    ck_assert(gw_etag_matches("\"x\", \"abc\"", "abc"));
    ck_assert(gw_etag_matches("x,abc", "abc"));
    ck_assert(gw_etag_matches("*", "abc"));
    ck_assert(!gw_etag_matches("", "abc"));
    ck_assert(!gw_etag_matches("\"ab\"", "abc"));
    ck_assert(!gw_etag_matches("\"abcd\"", "abc"));
    ck_assert(!gw_etag_matches("\"abc", "ab"));
}
END_TEST

#define OLD "Sat, 01 Jan 2000 00:00:00 GMT" /* 946684800 */
#define NEW "Mon, 01 Jan 2001 00:00:00 GMT"
enum { BETWEEN = 960000000 };

static enum s3_error check(const char *match, const char *none, const char *since,
                           const char *until)
{
    struct gw_read_conditions conditions = {match, none, since, until};
    return gw_read_conditions_check(&conditions, "e", BETWEEN * 1000ull);
}

START_TEST(precedence_is_that_of_http)
{
    ck_assert_int_eq(check(NULL, NULL, NULL, NULL), S3_OK);
    ck_assert_int_eq(check("e", NULL, NULL, NULL), S3_OK);
    ck_assert_int_eq(check("x", NULL, NULL, NULL), S3_PreconditionFailed);
    ck_assert_int_eq(check(NULL, "e", NULL, NULL), S3_NotModified);
    ck_assert_int_eq(check(NULL, "x", NULL, NULL), S3_OK);
    ck_assert_int_eq(check(NULL, NULL, NEW, NULL), S3_NotModified);
    ck_assert_int_eq(check(NULL, NULL, OLD, NULL), S3_OK);
    ck_assert_int_eq(check(NULL, NULL, NULL, OLD), S3_PreconditionFailed);
    ck_assert_int_eq(check(NULL, NULL, NULL, NEW), S3_OK);
    /* If-Match that holds overrides If-Unmodified-Since; If-None-Match overrides
     * If-Modified-Since. */
    ck_assert_int_eq(check("e", NULL, NULL, OLD), S3_OK);
    ck_assert_int_eq(check(NULL, "x", NEW, NULL), S3_OK);
    ck_assert_int_eq(check("x", "e", NULL, NULL), S3_PreconditionFailed);
    ck_assert_int_eq(check(NULL, NULL, "nonsense", "nonsense"), S3_OK);
}
END_TEST

START_TEST(last_modified_has_the_resolution_of_a_second)
{
    struct gw_read_conditions conditions = {.if_modified_since = OLD};
    ck_assert_int_eq(gw_read_conditions_check(&conditions, "e", 946684800999ull), S3_NotModified);
    ck_assert_int_eq(gw_read_conditions_check(&conditions, "e", 946684801000ull), S3_OK);
}
END_TEST

START_TEST(a_range_is_kept_for_the_same_object_only)
{
    const uint64_t mtime_ms = 784111777123; /* Sun, 06 Nov 1994 08:49:37 GMT */
    ck_assert(gw_if_range_holds("\"abc\"", "abc", mtime_ms));
    ck_assert(gw_if_range_holds("abc", "abc", mtime_ms));
    ck_assert(gw_if_range_holds("Sun, 06 Nov 1994 08:49:37 GMT", "abc", mtime_ms));
    ck_assert(!gw_if_range_holds("\"abd\"", "abc", mtime_ms));
    ck_assert(!gw_if_range_holds("\"abcd\"", "abc", mtime_ms));
    ck_assert(!gw_if_range_holds("\"abc", "abc", mtime_ms));
    ck_assert(!gw_if_range_holds("W/\"abc\"", "abc", mtime_ms));
    ck_assert(!gw_if_range_holds("*", "abc", mtime_ms));
    ck_assert(!gw_if_range_holds("", "abc", mtime_ms));
    ck_assert(!gw_if_range_holds("Sun, 06 Nov 1994 08:49:36 GMT", "abc", mtime_ms));
    ck_assert(!gw_if_range_holds("Sun, 06 Nov 1994 08:49:38 GMT", "abc", mtime_ms));
}
END_TEST

SUITE_MAIN("gw_condition", a_range_is_kept_for_the_same_object_only,
           etags_match_with_and_without_quotes_and_in_lists, precedence_is_that_of_http,
           last_modified_has_the_resolution_of_a_second)
