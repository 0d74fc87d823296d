#include "tools/gateway/lifecycle.h"

#include "tests/unit/base/suite.h"
#include "tools/gateway/encode.h"

#define RULES(content) "<LifecycleConfiguration>" content "</LifecycleConfiguration>"
#define RULE(content) RULES("<Rule>" content "</Rule>")
#define ON "<Status>Enabled</Status>"
#define ALL "<Filter/>"
#define DAYS(n) "<Expiration><Days>" #n "</Days></Expiration>"
#define ABORT(n)                                                                                   \
    "<AbortIncompleteMultipartUpload><DaysAfterInitiation>" #n                                     \
    "</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
#define TAG(key, value) "<Tag><Key>" key "</Key><Value>" value "</Value></Tag>"

enum { DAY = 86400000 };

static struct gw_lifecycle lifecycle;
static const char *detail;

static enum s3_error read_rules(const char *document)
{
    gw_lifecycle_release(&lifecycle);
    detail = NULL;
    return gw_lifecycle_from_xml(slice_of_text(document), &lifecycle, &detail);
}

static void refused(const char *document, enum s3_error error)
{
    ck_assert_msg(read_rules(document) == error, "%s", document);
}

static uint64_t expiry_of(const char *key, uint64_t size, uint64_t mtime_ms,
                          const struct gw_tags *tags)
{
    const struct gw_lifecycle_object object = {
        .key = key, .key_length = strlen(key), .size = size, .mtime_ms = mtime_ms, .tags = tags};
    return gw_lifecycle_expiry(&lifecycle, &object, DAY, NULL);
}

START_TEST(rules_go_there_and_back)
{
    struct text first;
    struct text second;
    text_init(&first);
    text_init(&second);
    ck_assert_int_eq(
        read_rules(RULES("<Rule><ID>old</ID><Prefix>logs/</Prefix>" ON DAYS(
            3) "</Rule>"
               "<Rule><Filter><And><Prefix>a&amp;b</Prefix>" TAG("k", "v") TAG(
                   "k2", "") "<ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And></Filter>"
                             "<Status>Disabled</Status>"
                             "<Expiration><Date>2030-01-01T00:00:00.000Z</Date></Expiration></Rule>"
                             "<Rule>" ALL ON ABORT(7) "</Rule>")),
        S3_OK);
    gw_lifecycle_to_xml(&lifecycle, &first);
    ck_assert_int_eq(read_rules(text_cstr(&first)), S3_OK);
    ck_assert_uint_eq(lifecycle.count, 3);
    ck_assert_str_eq(lifecycle.rules[0].id, "old");
    ck_assert_str_eq(lifecycle.rules[1].prefix, "a&b");
    ck_assert_uint_eq(lifecycle.rules[1].tags.count, 2);
    ck_assert_uint_eq(lifecycle.rules[1].expire_date_ms, 1893456000000ull);
    ck_assert(!lifecycle.rules[1].is_enabled);
    ck_assert_uint_eq(lifecycle.rules[2].abort_days, 7);
    gw_lifecycle_to_xml(&lifecycle, &second);
    ck_assert_str_eq(text_cstr(&first), text_cstr(&second));
    text_release(&first);
    text_release(&second);
}
END_TEST

START_TEST(bad_rules_are_refused)
{
    refused("", S3_MalformedXML);
    refused(RULES(""), S3_MalformedXML);
    refused(RULES("<Other/>"), S3_MalformedXML);
    refused(RULE(ALL DAYS(1)), S3_MalformedXML);                       /* no status */
    refused(RULE(ON DAYS(1)), S3_MalformedXML);                        /* no filter */
    refused(RULE(ALL "<Prefix/>" ON DAYS(1)), S3_MalformedXML);        /* both forms */
    refused(RULE(ALL "<Status>on</Status>" DAYS(1)), S3_MalformedXML); /* what status? */
    refused(RULE(ALL ON), S3_InvalidRequest);                          /* no action */
    refused(RULE(ALL ON "<Expiration/>"), S3_MalformedXML);            /* when? */
    refused(RULE(ALL ON DAYS(0)), S3_InvalidArgument);
    refused(RULE(ALL ON DAYS(-1)), S3_InvalidArgument);
    refused(RULE(ALL ON DAYS(1.5)), S3_InvalidArgument);
    refused(RULE(ALL ON ABORT(0)), S3_InvalidArgument);
    refused(RULE(ALL ON "<Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration>"),
            S3_InvalidArgument);
    refused(RULE(ALL ON "<Expiration><Date>someday</Date></Expiration>"), S3_MalformedXML);
    refused(RULE(ALL ON "<Expiration><Days>1</Days><Date>2030-01-01</Date></Expiration>"),
            S3_MalformedXML);
    refused(RULE("<Filter><Prefix>a</Prefix>" TAG("k", "v") "</Filter>" ON DAYS(1)),
            S3_MalformedXML); /* more than one without And */
    refused(RULE("<Filter>" TAG("k", "v") "</Filter>" ON ABORT(1)), S3_InvalidRequest);
    refused(RULE("<Filter><Tag><Key>k</Key></Tag></Filter>" ON DAYS(1)), S3_MalformedXML);
    refused(RULE(ALL ON DAYS(1) "<Surprise/>"), S3_MalformedXML);
    refused(
        RULES("<Rule><ID>a</ID>" ALL ON DAYS(1) "</Rule><Rule><ID>a</ID>" ALL ON DAYS(2) "</Rule>"),
        S3_InvalidArgument);
}
END_TEST

START_TEST(what_cannot_be_done_is_not_accepted)
{
    refused(RULE(ALL ON "<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass>"
                        "</Transition>"),
            S3_NotImplemented);
    refused(RULE(ALL ON DAYS(1) "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>"
                                "</NoncurrentVersionExpiration>"),
            S3_NotImplemented);
    refused(RULE(ALL ON "<Expiration><ExpiredObjectDeleteMarker>true"
                        "</ExpiredObjectDeleteMarker></Expiration>"),
            S3_NotImplemented);
    ck_assert_ptr_nonnull(detail);
}
END_TEST

START_TEST(long_ids_and_many_rules_are_refused)
{
    struct text text;
    text_init(&text);
    text_append(&text, "<LifecycleConfiguration><Rule><ID>");
    for (int i = 0; i < 256; i++)
        text_append(&text, "a");
    text_append(&text, "</ID>" ALL ON DAYS(1) "</Rule></LifecycleConfiguration>");
    refused(text_cstr(&text), S3_InvalidArgument);
    text_clear(&text);
    text_append(&text, "<LifecycleConfiguration>");
    for (int i = 0; i < GW_LIFECYCLE_RULES_MAX; i++)
        text_append(&text, "<Rule>" ALL ON DAYS(1) "</Rule>");
    struct text more;
    text_init(&more);
    text_append(&more, "%s<Rule>" ALL ON DAYS(1) "</Rule></LifecycleConfiguration>",
                text_cstr(&text));
    text_append(&text, "</LifecycleConfiguration>");
    ck_assert_int_eq(read_rules(text_cstr(&text)), S3_OK);
    ck_assert_uint_eq(lifecycle.count, GW_LIFECYCLE_RULES_MAX);
    refused(text_cstr(&more), S3_InvalidRequest);
    text_release(&more);
    text_release(&text);
}
END_TEST

/* A day is over at midnight: the object may stay up to a day longer, never shorter. */
START_TEST(days_end_at_the_next_midnight)
{
    ck_assert_int_eq(read_rules(RULE(ALL ON DAYS(2))), S3_OK);
    ck_assert_uint_eq(expiry_of("k", 1, 10ull * DAY, NULL), 12ull * DAY);
    ck_assert_uint_eq(expiry_of("k", 1, 10ull * DAY + 1, NULL), 13ull * DAY);
    ck_assert_uint_eq(expiry_of("k", 1, 11ull * DAY - 1, NULL), 13ull * DAY);
    const struct gw_lifecycle_object object = {.key = "k", .key_length = 1, .mtime_ms = 5000};
    ck_assert_uint_eq(gw_lifecycle_expiry(&lifecycle, &object, 1000, NULL),
                      7000); /* a test's day */
}
END_TEST

START_TEST(the_rule_that_ends_first_counts)
{
    const struct gw_lifecycle_rule *rule = NULL;
    const struct gw_lifecycle_object object = {.key = "a/b", .key_length = 3, .mtime_ms = 0};
    ck_assert_int_eq(
        read_rules(RULES("<Rule><ID>long</ID>" ALL ON DAYS(
            9) "</Rule>"
               "<Rule><ID>short</ID><Prefix>a/</Prefix>" ON DAYS(
                   2) "</Rule>"
                      "<Rule><ID>off</ID>" ALL "<Status>Disabled</Status>" DAYS(1) "</Rule>")),
        S3_OK);
    ck_assert_uint_eq(gw_lifecycle_expiry(&lifecycle, &object, DAY, &rule), 2ull * DAY);
    ck_assert_str_eq(rule->id, "short");
    ck_assert_uint_eq(expiry_of("b", 0, 0, NULL), 9ull * DAY);
}
END_TEST

START_TEST(every_part_of_a_filter_has_to_hold)
{
    struct gw_tags tags = {0};
    ck_assert_int_eq(read_rules(RULE("<Filter><And><Prefix>p</Prefix>" TAG(
                         "k", "v") "<ObjectSizeGreaterThan>10</ObjectSizeGreaterThan>"
                                   "<ObjectSizeLessThan>20</ObjectSizeLessThan></And></Filter>" ON
                                   "<Expiration><Date>2000-01-01</Date></Expiration>")),
                     S3_OK);
    gw_tags_add(&tags, slice_of_text("other"), slice_of_text("x"));
    ck_assert(expiry_of("p1", 15, 0, &tags) == UINT64_MAX);
    gw_tags_add(&tags, slice_of_text("k"), slice_of_text("v"));
    ck_assert_uint_eq(expiry_of("p1", 15, 0, &tags), 946684800000ull);
    ck_assert(expiry_of("q1", 15, 0, &tags) == UINT64_MAX);
    ck_assert(expiry_of("p1", 10, 0, &tags) == UINT64_MAX);
    ck_assert(expiry_of("p1", 20, 0, &tags) == UINT64_MAX);
    ck_assert(expiry_of("p1", 15, 0, NULL) == UINT64_MAX);
    ck_assert(gw_lifecycle_needs_tags(&lifecycle));
    gw_tags_release(&tags);
}
END_TEST

START_TEST(uploads_have_rules_of_their_own)
{
    ck_assert_int_eq(read_rules(RULES("<Rule><Prefix>a</Prefix>" ON ABORT(
                         3) "</Rule>"
                            "<Rule><Prefix>b</Prefix>" ON DAYS(1) "</Rule>")),
                     S3_OK);
    ck_assert_uint_eq(gw_lifecycle_abortion(&lifecycle, "ax", 2, 0, DAY), 3ull * DAY);
    ck_assert(gw_lifecycle_abortion(&lifecycle, "bx", 2, 0, DAY) == UINT64_MAX);
    ck_assert(expiry_of("ax", 1, 0, NULL) == UINT64_MAX);
    ck_assert(gw_lifecycle_expires(&lifecycle) && gw_lifecycle_aborts(&lifecycle));
    ck_assert(!gw_lifecycle_needs_tags(&lifecycle));
}
END_TEST

START_TEST(only_keys_that_may_be_meant_are_listed)
{
    const char *prefix;
    ck_assert_int_eq(
        read_rules(RULES("<Rule><Prefix>logs/old</Prefix>" ON DAYS(
            1) "</Rule>"
               "<Rule><Prefix>logs/other</Prefix>" ON DAYS(
                   1) "</Rule>"
                      "<Rule><Prefix>x</Prefix><Status>Disabled</Status>" DAYS(1) "</Rule>")),
        S3_OK);
    ck_assert_uint_eq(gw_lifecycle_common_prefix(&lifecycle, &prefix), 6);
    ck_assert(gw_starts_with(prefix, "logs/o"));
    ck_assert_int_eq(read_rules(RULES("<Rule><Prefix>logs/</Prefix>" ON DAYS(
                         1) "</Rule>"
                            "<Rule>" ALL ON ABORT(1) "</Rule>")),
                     S3_OK);
    ck_assert_uint_eq(gw_lifecycle_common_prefix(&lifecycle, &prefix), 0);
}
END_TEST

SUITE_MAIN("gw_lifecycle", rules_go_there_and_back, bad_rules_are_refused,
           what_cannot_be_done_is_not_accepted, long_ids_and_many_rules_are_refused,
           days_end_at_the_next_midnight, the_rule_that_ends_first_counts,
           every_part_of_a_filter_has_to_hold, uploads_have_rules_of_their_own,
           only_keys_that_may_be_meant_are_listed)
