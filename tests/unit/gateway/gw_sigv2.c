#include "tools/gateway/sigv2.h"

#include <stdlib.h>

#include "tests/unit/base/suite.h"

/* "Query String Request Authentication Alternative" of "Signing and Authenticating REST Requests".
 */
START_TEST(query_example_of_the_reference_verifies)
{
    struct gw_request request = {.method = "GET",
                                 .path = "/photos/puppy.jpg",
                                 .query = "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature="
                                          "NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620"};
    struct gw_query query;
    struct text text;
    ck_assert(gw_query_parse(request.query, &query));
    ck_assert(sigv2_is_presigned(&query));
    text_init(&text);
    sigv2_string_to_sign(&request, &query, "/johnsmith/photos/puppy.jpg", "1175139620", &text);
    ck_assert_str_eq(text_cstr(&text), "GET\n\n\n1175139620\n/johnsmith/photos/puppy.jpg");
    text_release(&text);
    const char *secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    ck_assert(sigv2_verify(&request, &query, "/johnsmith/photos/puppy.jpg", secret));
    ck_assert(!sigv2_verify(&request, &query, "/johnsmith/photos/puppy.jpe", secret));
    ck_assert(!sigv2_verify(&request, &query, "/johnsmith/photos/puppy.jpg", "x"));
    gw_query_release(&query);
}
END_TEST

START_TEST(headers_and_sub_resources_are_part_of_it)
{
    const struct gw_header headers[] = {
        {"Content-Type", "text/plain"}, {"X-Amz-Meta-B", "2"}, {"x-amz-acl", "private"}};
    struct gw_request request = {
        .method = "PUT",
        .path = "/b/k",
        .query = "",
        .headers = headers,
        .header_count = 3,
    };
    struct gw_query query;
    struct text text;
    ck_assert(gw_query_parse("x-id=1&uploads&response-expires=a%20b&acl", &query));
    text_init(&text);
    sigv2_string_to_sign(&request, &query, "/b/k", "1", &text);
    ck_assert_str_eq(text_cstr(&text), "PUT\n\ntext/plain\n1\nx-amz-acl:private\nx-amz-meta-b:2\n"
                                       "/b/k?acl&response-expires=a b&uploads");
    text_release(&text);
    gw_query_release(&query);
}
END_TEST

SUITE_MAIN("gw_sigv2", query_example_of_the_reference_verifies,
           headers_and_sub_resources_are_part_of_it)
