/* The worked examples of the S3 API reference: "Authenticating Requests (AWS Signature Version 4)".
 */
#include "tools/gateway/sigv4.h"

#include <stdlib.h>

#include "tests/unit/base/suite.h"
#include "tools/gateway/http_time.h"

static const char secret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
static const char empty_hash[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
enum { NOW = 1369353600 }; /* 20130524T000000Z */

#define CREDENTIAL                                                                                 \
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"

struct example {
    struct gw_header headers[12];
    size_t count;
    struct gw_request request;
    struct gw_query query;
    struct sigv4 sigv4;
    const char *detail;
};

static void header(struct example *example, const char *name, const char *value)
{
    example->headers[example->count++] = (struct gw_header){name, value};
}

static enum s3_error parse_at(struct example *example, const char *method, const char *path,
                              const char *query, int64_t now)
{
    example->request = (struct gw_request){.method = method,
                                           .path = path,
                                           .query = query,
                                           .headers = example->headers,
                                           .header_count = example->count};
    gw_query_release(&example->query);
    ck_assert(gw_query_parse(query, &example->query));
    enum s3_error error =
        sigv4_parse(&example->request, &example->query, now, &example->sigv4, &example->detail);
    if (!example->sigv4.is_presigned) /* otherwise the names of the headers are in there */
        gw_query_release(&example->query);
    return error;
}

static void begin(struct example *example, const char *hash, const char *authorization)
{
    *example = (struct example){0};
    header(example, "Host", "examplebucket.s3.amazonaws.com");
    header(example, "x-amz-date", "20130524T000000Z");
    if (hash != NULL)
        header(example, "x-amz-content-sha256", hash);
    header(example, "Authorization", authorization);
}

START_TEST(get_object_of_the_reference_verifies)
{
    struct example e;
    begin(&e, empty_hash,
          CREDENTIAL "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature="
                     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    header(&e, "Range", "bytes=0-9");
    ck_assert_int_eq(parse_at(&e, "GET", "/test.txt", "", NOW), S3_OK);
    ck_assert_str_eq(e.sigv4.access_key, "AKIAIOSFODNN7EXAMPLE");
    ck_assert_str_eq(e.sigv4.region, "us-east-1");
    ck_assert_int_eq(e.sigv4.payload, SIGV4_PAYLOAD_SHA256);
    ck_assert(sigv4_verify(&e.request, &e.sigv4, secret));
    ck_assert(!sigv4_verify(&e.request, &e.sigv4, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEx"));
    e.request.path = "/test.txu";
    ck_assert(!sigv4_verify(&e.request, &e.sigv4, secret));
}
END_TEST

START_TEST(put_object_of_the_reference_verifies)
{
    struct example e;
    begin(&e, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
          CREDENTIAL "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
                     "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    header(&e, "Date", "Fri, 24 May 2013 00:00:00 GMT");
    header(&e, "x-amz-storage-class", "REDUCED_REDUNDANCY");
    ck_assert_int_eq(parse_at(&e, "PUT", "/test%24file.text", "", NOW), S3_OK);
    ck_assert(sigv4_verify(&e.request, &e.sigv4, secret));
    /* The same resource, escaped otherwise. */
    e.request.path = "/test$file.text";
    ck_assert(sigv4_verify(&e.request, &e.sigv4, secret));
}
END_TEST

START_TEST(sub_resource_and_list_of_the_reference_verify)
{
    struct example e;
    begin(&e, empty_hash,
          CREDENTIAL "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature="
                     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    ck_assert_int_eq(parse_at(&e, "GET", "/", "lifecycle", NOW), S3_OK);
    ck_assert(sigv4_verify(&e.request, &e.sigv4, secret));
    begin(&e, empty_hash,
          CREDENTIAL "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature="
                     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    ck_assert_int_eq(parse_at(&e, "GET", "/", "prefix=J&max-keys=2", NOW), S3_OK);
    ck_assert(sigv4_verify(&e.request, &e.sigv4, secret));
    e.request.query = "prefix=J&max-keys=3";
    ck_assert(!sigv4_verify(&e.request, &e.sigv4, secret));
}
END_TEST

#define PRESIGNED                                                                                  \
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-" \
    "1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature="  \
    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404&X-Amz-Expires="

START_TEST(presigned_url_of_the_reference_verifies_until_it_expires)
{
    struct example e = {0};
    header(&e, "Host", "examplebucket.s3.amazonaws.com");
    ck_assert_int_eq(parse_at(&e, "GET", "/test.txt", PRESIGNED "86400", NOW + 86400), S3_OK);
    ck_assert(e.sigv4.is_presigned);
    ck_assert_int_eq(e.sigv4.payload, SIGV4_PAYLOAD_UNSIGNED);
    ck_assert(sigv4_verify(&e.request, &e.sigv4, secret));
    ck_assert_int_eq(parse_at(&e, "GET", "/test.txt", PRESIGNED "86400", NOW + 86401),
                     S3_AccessDenied);
    ck_assert_int_eq(parse_at(&e, "GET", "/test.txt", PRESIGNED "0", NOW),
                     S3_AuthorizationQueryParametersError);
    ck_assert_int_eq(parse_at(&e, "GET", "/test.txt", PRESIGNED "604801", NOW),
                     S3_AuthorizationQueryParametersError);
    gw_query_release(&e.query);
}
END_TEST

START_TEST(clock_skew_of_more_than_a_quarter_of_an_hour_is_refused)
{
    struct example e;
    const char *authorization =
        CREDENTIAL "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature="
                   "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
    begin(&e, empty_hash, authorization);
    ck_assert_int_eq(parse_at(&e, "GET", "/", "lifecycle", NOW + 900), S3_OK);
    ck_assert_int_eq(parse_at(&e, "GET", "/", "lifecycle", NOW - 900), S3_OK);
    ck_assert_int_eq(parse_at(&e, "GET", "/", "lifecycle", NOW + 901), S3_RequestTimeTooSkewed);
    ck_assert_int_eq(parse_at(&e, "GET", "/", "lifecycle", NOW - 901), S3_RequestTimeTooSkewed);
}
END_TEST

START_TEST(unsigned_amz_headers_and_a_missing_hash_are_refused)
{
    struct example e;
    const char *authorization =
        CREDENTIAL "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=00";
    begin(&e, empty_hash, authorization);
    header(&e, "X-Amz-Meta-Sneaked-In", "1");
    ck_assert_int_eq(parse_at(&e, "GET", "/", "", NOW), S3_AccessDenied);
    begin(&e, NULL, authorization);
    ck_assert_int_eq(parse_at(&e, "GET", "/", "", NOW), S3_InvalidRequest);
    begin(&e, "nonsense", authorization);
    ck_assert_int_eq(parse_at(&e, "GET", "/", "", NOW), S3_InvalidArgument);
    begin(&e, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", authorization);
    ck_assert_int_eq(parse_at(&e, "GET", "/", "", NOW), S3_NotImplemented);
    begin(&e, empty_hash, CREDENTIAL "SignedHeaders=x-amz-content-sha256;x-amz-date,Signature=00");
    ck_assert_int_eq(parse_at(&e, "GET", "/", "", NOW), S3_AccessDenied);
}
END_TEST

START_TEST(malformed_headers_are_refused)
{
    static const char *const bad[] = {
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/s3/aws4_request",
        "AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/ec2/aws4_request,SignedHeaders=host,"
        "Signature=00",
        "AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/s3/aws5,SignedHeaders=host,Signature=00",
        "AWS4-HMAC-SHA256 Credential=20130524/us-east-1/s3/aws4_request,SignedHeaders=host,"
        "Signature=00",
        "AWS4-HMAC-SHA256 Credential=/20130524/us-east-1/s3/aws4_request,SignedHeaders=host,"
        "Signature=00",
        "AWS4-HMAC-SHA256 Credential=a/2013/us-east-1/s3/aws4_request,SignedHeaders=host,"
        "Signature=00",
        "AWS4-HMAC-SHA256 Nonsense=1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct example e;
        begin(&e, empty_hash, bad[i]);
        ck_assert_int_eq(parse_at(&e, "GET", "/", "", NOW), S3_AuthorizationHeaderMalformed);
    }
}
END_TEST

START_TEST(canonical_form_trims_sorts_and_encodes)
{
    struct example e = {0};
    struct text text;
    header(&e, "HOST", " a.example ");
    header(&e, "x-amz-a", "  one   two ");
    header(&e, "X-AMZ-A", "three");
    e.request = (struct gw_request){.method = "PUT",
                                    .path = "/b/a%20b/%c3%a9//../~:@",
                                    .query = "b=2&a=&x-id=PutObject&a=1%2F&uploads&b=1",
                                    .headers = e.headers,
                                    .header_count = e.count};
    e.sigv4.signed_headers = slice_of_text("host;x-amz-a");
    memcpy(e.sigv4.content_sha256, "UNSIGNED-PAYLOAD", 17);
    text_init(&text);
    sigv4_canonical_request(&e.request, &e.sigv4, false, &text);
    ck_assert_str_eq(text_cstr(&text), "PUT\n/b/a%20b/%C3%A9//../~%3A%40\n"
                                       "a=&a=1%2F&b=1&b=2&uploads=&x-id=PutObject\n"
                                       "host:a.example\nx-amz-a:one two,three\n\n"
                                       "host;x-amz-a\nUNSIGNED-PAYLOAD");
    text_release(&text);
}
END_TEST

/* As many as the 2 KiB of user metadata may have, and one that is as long as they. */
START_TEST(names_of_signed_headers_are_not_limited_in_number_or_length)
{
    struct example e;
    struct text authorization;
    struct text canonical;
    char name[2000] = "x-amz-meta-";
    text_init(&authorization);
    text_init(&canonical);
    memset(name + strlen(name), 'n', sizeof name - 1 - strlen(name));
    text_append(&authorization, CREDENTIAL "SignedHeaders=host;x-amz-content-sha256;x-amz-date");
    for (int i = 0; i < 100; i++)
        text_append(&authorization, ";x-amz-meta-a-long-name-%d", i);
    text_append(&authorization, ";%s,Signature=00", name);
    begin(&e, empty_hash, text_cstr(&authorization));
    header(&e, "X-Amz-Meta-A-Long-Name-99", "ninety-nine");
    header(&e, name, "long");
    ck_assert_int_eq(parse_at(&e, "PUT", "/a", "", NOW), S3_OK);
    sigv4_canonical_request(&e.request, &e.sigv4, false, &canonical);
    ck_assert_ptr_nonnull(strstr(text_cstr(&canonical), "x-amz-meta-a-long-name-99:ninety-nine\n"));
    ck_assert_ptr_nonnull(strstr(text_cstr(&canonical), "nnn:long\n"));
    text_release(&authorization);
    text_release(&canonical);
}
END_TEST

SUITE_MAIN("gw_sigv4", get_object_of_the_reference_verifies, put_object_of_the_reference_verifies,
           sub_resource_and_list_of_the_reference_verify,
           presigned_url_of_the_reference_verifies_until_it_expires,
           clock_skew_of_more_than_a_quarter_of_an_hour_is_refused,
           unsigned_amz_headers_and_a_missing_hash_are_refused, malformed_headers_are_refused,
           canonical_form_trims_sorts_and_encodes,
           names_of_signed_headers_are_not_limited_in_number_or_length)
