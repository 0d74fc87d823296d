#include "tools/gateway/encode.h"

#include <stdlib.h>

#include "tests/unit/base/suite.h"
#include "tools/gateway/request.h"
#include "tools/gateway/s3_error.h"

static void check_encoded(const char *raw, bool keep_slash, const char *wanted)
{
    struct text text;
    text_init(&text);
    gw_uri_encode(&text, slice_of_text(raw), keep_slash);
    ck_assert_str_eq(text_cstr(&text), wanted);
    text_clear(&text);
    ck_assert(gw_uri_decode(&text, slice_of_text(wanted), false));
    ck_assert_str_eq(text_cstr(&text), raw);
    text_release(&text);
}

START_TEST(percent_encoding_goes_there_and_back)
{
    check_encoded("aZ09-._~", false, "aZ09-._~");
    check_encoded("a b+c&d", false, "a%20b%2Bc%26d");
    check_encoded("a//b/..", true, "a//b/..");
    check_encoded("a/b", false, "a%2Fb");
    check_encoded("\xc3\xa9\n\"", false, "%C3%A9%0A%22");
}
END_TEST

START_TEST(broken_escapes_are_refused)
{
    static const char *const bad[] = {"%", "%1", "a%", "%g0", "%0g", "%%20"};
    for (size_t i = 0; i < 6; i++) {
        struct text text;
        text_init(&text);
        ck_assert(!gw_uri_decode(&text, slice_of_text(bad[i]), false));
        text_release(&text);
    }
}
END_TEST

/* RFC 4648, section 10. */
START_TEST(base64_of_the_rfc)
{
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const encoded[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                          "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t i = 0; i < 7; i++) {
        char text[16];
        uint8_t bytes[8];
        size_t length = 99;
        gw_base64_encode((const uint8_t *)plain[i], strlen(plain[i]), text);
        ck_assert_str_eq(text, encoded[i]);
        ck_assert(gw_base64_decode(encoded[i], bytes, sizeof bytes, &length));
        ck_assert_uint_eq(length, strlen(plain[i]));
        ck_assert_mem_eq(bytes, plain[i], length);
    }
}
END_TEST

START_TEST(bad_base64_is_refused)
{
    static const char *const bad[] = {"Z", "Zg", "Zg=", "Z===", "====", "Zg=a", "Zm 9", "Zm9v\n"};
    uint8_t bytes[8];
    size_t length;
    for (size_t i = 0; i < 8; i++)
        ck_assert_msg(!gw_base64_decode(bad[i], bytes, sizeof bytes, &length), "%s", bad[i]);
    ck_assert(!gw_base64_decode("Zm9vYmFyZm9v", bytes, sizeof bytes, &length));
}
END_TEST

START_TEST(hexadecimal_is_exact_in_length)
{
    uint8_t bytes[2];
    char text[5];
    ck_assert(gw_hex_decode("0aFf", bytes, 2));
    gw_hex_encode(bytes, 2, text);
    ck_assert_str_eq(text, "0aff");
    ck_assert(!gw_hex_decode("0aF", bytes, 2));
    ck_assert(!gw_hex_decode("0aFf0", bytes, 2));
    ck_assert(!gw_hex_decode("0aFg", bytes, 2));
}
END_TEST

START_TEST(numbers_refuse_signs_blanks_and_overflow)
{
    uint64_t value;
    ck_assert(gw_parse_u64("18446744073709551615", &value) && value == UINT64_MAX);
    ck_assert(!gw_parse_u64("18446744073709551616", &value));
    ck_assert(!gw_parse_u64("", &value));
    ck_assert(!gw_parse_u64("-1", &value));
    ck_assert(!gw_parse_u64("+1", &value));
    ck_assert(!gw_parse_u64(" 1", &value));
    ck_assert(!gw_parse_u64("1x", &value));
}
END_TEST

START_TEST(queries_are_split_and_decoded)
{
    struct gw_query query;
    ck_assert(gw_query_parse("uploads&prefix=a%2Fb&x=&y=1+2&&z=a=b", &query));
    ck_assert_uint_eq(query.count, 5);
    ck_assert(gw_query_has(&query, "uploads"));
    ck_assert(!query.parameters[0].has_value);
    ck_assert_str_eq(gw_query_get(&query, "prefix"), "a/b");
    ck_assert_str_eq(gw_query_get(&query, "x"), "");
    ck_assert_str_eq(gw_query_get(&query, "y"), "1 2");
    ck_assert_str_eq(gw_query_get(&query, "z"), "a=b");
    ck_assert_ptr_null(gw_query_get(&query, "w"));
    gw_query_release(&query);
    ck_assert(!gw_query_parse("a=%zz", &query));
    gw_query_release(&query);
    ck_assert(!gw_query_parse("a=%00", &query));
    gw_query_release(&query);
}
END_TEST

START_TEST(parameters_of_a_signed_url_become_headers)
{
    const struct gw_header sent[] = {{"Host", "h"}, {"X-Amz-Meta-Both", "header"}};
    struct gw_request request = {
        .method = "PUT", .path = "/b/k", .query = "", .headers = sent, .header_count = 2};
    struct gw_request hoisted;
    struct gw_query query;
    ck_assert(
        gw_query_parse("X-Amz-Algorithm=a&X-Amz-Content-Sha256=b&x-amz-checksum-crc32=AAAAAA=="
                       "&x-amz-checksum-algorithm=CRC32&x-amz-meta-a=b%20c&x-id=PutObject"
                       "&x-amz-meta-both=parameter&x-amz-sdk-checksum-algorithm=CRC32",
                       &query));
    ck_assert(gw_query_hoist(&query, &request, &hoisted));
    ck_assert_str_eq(hoisted.path, "/b/k");
    ck_assert_str_eq(gw_header(&hoisted, "host"), "h");
    ck_assert_str_eq(gw_header(&hoisted, "x-amz-meta-a"), "b c");
    ck_assert_str_eq(gw_header(&hoisted, "x-amz-meta-both"), "header");
    ck_assert_uint_eq(gw_header_count(&hoisted, "x-amz-meta-both"), 1);
    ck_assert_str_eq(gw_header(&hoisted, "x-amz-checksum-algorithm"), "CRC32");
    ck_assert_ptr_null(gw_header(&hoisted, "x-amz-checksum-crc32"));
    ck_assert_ptr_null(gw_header(&hoisted, "x-amz-algorithm"));
    ck_assert_ptr_null(gw_header(&hoisted, "x-amz-content-sha256"));
    ck_assert_ptr_null(gw_header(&hoisted, "x-id"));
    gw_query_release(&query);
    ck_assert(gw_query_parse("x-amz-meta-a=b%0d%0aX-Other:%20c", &query));
    ck_assert(!gw_query_hoist(&query, &request, &hoisted));
    gw_query_release(&query);
    ck_assert(gw_query_parse("x-amz-meta-a%20b=c", &query));
    ck_assert(!gw_query_hoist(&query, &request, &hoisted));
    gw_query_release(&query);
}
END_TEST

START_TEST(secrets_compare_by_all_their_bytes)
{
    ck_assert(gw_secret_equal("abc", "abc"));
    ck_assert(!gw_secret_equal("abc", "abd"));
    ck_assert(!gw_secret_equal("abc", "abcd"));
    ck_assert(gw_secret_equal("", ""));
}
END_TEST

START_TEST(errors_carry_the_names_of_s3)
{
    ck_assert_str_eq(s3_error_code(S3_NoSuchKey), "NoSuchKey");
    ck_assert_uint_eq(s3_error_status(S3_NoSuchKey), 404);
    ck_assert_uint_eq(s3_error_status(S3_PreconditionFailed), 412);
    ck_assert_uint_eq(s3_error_status(S3_NotImplemented), 501);
    ck_assert_uint_eq(s3_error_status(S3_SlowDown), 503);
    ck_assert(strlen(s3_error_message(S3_InternalError)) > 0);
}
END_TEST

SUITE_MAIN("gw_encode", percent_encoding_goes_there_and_back, broken_escapes_are_refused,
           base64_of_the_rfc, bad_base64_is_refused, hexadecimal_is_exact_in_length,
           numbers_refuse_signs_blanks_and_overflow, queries_are_split_and_decoded,
           parameters_of_a_signed_url_become_headers, secrets_compare_by_all_their_bytes,
           errors_carry_the_names_of_s3)
