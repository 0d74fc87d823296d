#include "tools/gateway/cors.h"

#include "tests/unit/base/suite.h"

#define RULE(content) "<CORSConfiguration><CORSRule>" content "</CORSRule></CORSConfiguration>"
#define MINIMAL "<AllowedOrigin>http://a</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"

static struct gw_cors cors;
static const char *detail;

static enum s3_error read_rules(const char *document)
{
    detail = NULL;
    return gw_cors_from_xml(slice_of_text(document), &cors, &detail);
}

static void refused(const char *document, enum s3_error error)
{
    ck_assert_msg(read_rules(document) == error, "%s", document);
    gw_cors_release(&cors);
}

static const char *found(const char *origin, const char *method, const char *headers)
{
    bool is_any;
    const struct gw_cors_rule *rule = gw_cors_find(&cors, origin, method, headers, &is_any);
    return rule == NULL ? "none" : is_any ? "any" : rule->id == NULL ? "" : rule->id;
}

START_TEST(a_configuration_goes_there_and_back)
{
    struct text first;
    struct text second;
    text_init(&first);
    text_init(&second);
    ck_assert_int_eq(
        read_rules("<CORSConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                   "<CORSRule><ID>one &amp; only</ID>" MINIMAL "<AllowedMethod>PUT</AllowedMethod>"
                   "<AllowedHeader>x-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>"
                   "<MaxAgeSeconds>30</MaxAgeSeconds></CORSRule>"
                   "<CORSRule>" MINIMAL "</CORSRule></CORSConfiguration>"),
        S3_OK);
    gw_cors_to_xml(&cors, &first);
    gw_cors_release(&cors);
    ck_assert_int_eq(read_rules(text_cstr(&first)), S3_OK);
    ck_assert_uint_eq(cors.count, 2);
    ck_assert_str_eq(cors.rules[0].id, "one & only");
    ck_assert_uint_eq(cors.rules[0].max_age_seconds, 30);
    ck_assert(!cors.rules[1].has_max_age);
    gw_cors_to_xml(&cors, &second);
    ck_assert_str_eq(text_cstr(&first), text_cstr(&second));
    gw_cors_release(&cors);
    text_release(&first);
    text_release(&second);
}
END_TEST

START_TEST(bad_configurations_are_refused)
{
    struct text many;
    text_init(&many);
    refused("", S3_MalformedXML);
    refused("<CORSConfiguration/>", S3_MalformedXML);
    refused("<CORSConfiguration><Other/></CORSConfiguration>", S3_MalformedXML);
    refused(RULE(""), S3_MalformedXML);
    refused(RULE("<AllowedOrigin>http://a</AllowedOrigin>"), S3_MalformedXML);
    refused(RULE("<AllowedMethod>GET</AllowedMethod>"), S3_MalformedXML);
    refused(RULE(MINIMAL "<Other>x</Other>"), S3_MalformedXML);
    refused(RULE(MINIMAL "<AllowedMethod>PATCH</AllowedMethod>"), S3_InvalidRequest);
    refused(RULE(MINIMAL "<AllowedMethod>get</AllowedMethod>"), S3_InvalidRequest);
    refused(RULE(MINIMAL "<AllowedOrigin>http://*.*</AllowedOrigin>"), S3_InvalidRequest);
    refused(RULE(MINIMAL "<AllowedHeader>*a*</AllowedHeader>"), S3_InvalidRequest);
    refused(RULE(MINIMAL "<ExposeHeader>x-*</ExposeHeader>"), S3_InvalidRequest);
    refused(RULE(MINIMAL "<MaxAgeSeconds>soon</MaxAgeSeconds>"), S3_MalformedXML);
    refused(RULE(MINIMAL "<ExposeHeader>a\nb</ExposeHeader>"), S3_MalformedXML);
    text_append(&many, "<CORSConfiguration>");
    for (int i = 0; i <= GW_CORS_RULES_MAX; i++)
        text_append(&many, "<CORSRule>" MINIMAL "</CORSRule>");
    text_append(&many, "</CORSConfiguration>");
    refused(text_cstr(&many), S3_InvalidRequest);
    ck_assert_ptr_nonnull(detail);
    text_release(&many);
}
END_TEST

START_TEST(the_first_rule_that_allows_it_is_found)
{
    ck_assert_int_eq(
        read_rules("<CORSConfiguration>"
                   "<CORSRule><ID>exact</ID>" MINIMAL "</CORSRule>"
                   "<CORSRule><ID>sub</ID><AllowedOrigin>https://*.example.com</AllowedOrigin>"
                   "<AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader>"
                   "<AllowedHeader>Content-Type</AllowedHeader></CORSRule>"
                   "<CORSRule><ID>any</ID><AllowedOrigin>*</AllowedOrigin>"
                   "<AllowedMethod>HEAD</AllowedMethod></CORSRule></CORSConfiguration>"),
        S3_OK);
    ck_assert_str_eq(found("http://a", "GET", NULL), "exact");
    ck_assert_str_eq(found("http://a", "PUT", NULL), "none");
    ck_assert_str_eq(found("HTTP://A", "GET", NULL), "none"); /* origins are compared exactly */
    ck_assert_str_eq(found("http://a", "GET", "x-other"), "none");
    ck_assert_str_eq(found("http://a", "GET", ""), "exact");
    ck_assert_str_eq(found("https://w.example.com", "PUT", "X-AMZ-date, content-type"), "sub");
    ck_assert_str_eq(found("https://w.example.com", "PUT", "x-amz-date,other"), "none");
    ck_assert_str_eq(found("https://example.com", "PUT", NULL), "none");
    ck_assert_str_eq(found("https://.example.com", "PUT", NULL), "sub");
    ck_assert_str_eq(found("null", "HEAD", NULL), "any");
    gw_cors_release(&cors);
}
END_TEST

SUITE_MAIN("gw_cors", a_configuration_goes_there_and_back, bad_configurations_are_refused,
           the_first_rule_that_allows_it_is_found)
