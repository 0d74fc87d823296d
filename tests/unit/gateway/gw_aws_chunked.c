#include "tools/gateway/aws_chunked.h"

#include <stdlib.h>

#include "tests/unit/base/suite.h"
#include "tools/gateway/encode.h"

static struct sigv4_chunks chain_from(const char *seed)
{
    struct sigv4 sigv4 = {
        .date = "20130524", .region = "us-east-1", .timestamp = "20130524T000000Z"};
    struct sigv4_chunks chain;
    memcpy(sigv4.signature, seed, SIGV4_HEX_SIZE);
    sigv4_chunks_begin(&sigv4, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &chain);
    return chain;
}

/* Feeds pieces of `step` bytes; returns the last event and counts decoded bytes. */
static enum aws_chunked_event feed(struct aws_chunked *decoder, struct slice input, size_t step,
                                   struct text *out)
{
    enum aws_chunked_event event = AWS_CHUNKED_MORE;
    for (size_t at = 0; at < input.length; at += step) {
        size_t length = input.length - at < step ? input.length - at : step;
        uint8_t *copy = malloc(length); /* so that a sanitizer sees reading beyond */
        memcpy(copy, input.data + at, length);
        struct slice piece = slice_of(copy, length);
        do {
            struct slice data = {0};
            event = aws_chunked_next(decoder, &piece, &data);
            text_append_bytes(out, data);
        } while (event == AWS_CHUNKED_DATA || (event == AWS_CHUNKED_END && piece.length > 0));
        free(copy);
        if (event == AWS_CHUNKED_BAD)
            return event;
    }
    return event;
}

static void append_example(struct text *body, const char *first, const char *second,
                           const char *last, const char *trailer)
{
    static char a[65536];
    memset(a, 'a', sizeof a);
    text_append(body, "10000;chunk-signature=%s\r\n", first);
    text_append_bytes(body, slice_of(a, sizeof a));
    text_append(body, "\r\n400;chunk-signature=%s\r\n", second);
    text_append_bytes(body, slice_of(a, 1024));
    text_append(body, "\r\n0;chunk-signature=%s\r\n%s\r\n", last, trailer);
}

static enum aws_chunked_event run_example(struct text *body, const char *seed, bool has_trailer,
                                          size_t step, size_t *ret_length)
{
    struct sigv4_chunks chain = chain_from(seed);
    struct aws_chunked decoder;
    struct text out;
    text_init(&out);
    aws_chunked_init(&decoder, &chain, has_trailer);
    enum aws_chunked_event event = feed(&decoder, slice_of(body->data, body->length), step, &out);
    *ret_length = out.length;
    aws_chunked_release(&decoder);
    text_release(&out);
    return event;
}

static const char seed_chunks[] =
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
#define CHUNK_1 "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
#define CHUNK_2 "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"
#define CHUNK_3 "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"

/* "Transferring Payload in Multiple Chunks" of the S3 API reference. */
START_TEST(signed_chunks_of_the_reference_verify)
{
    static const size_t steps[] = {1, 7, 1000, 65536, 1000000};
    for (size_t i = 0; i < 5; i++) {
        struct text body;
        size_t length = 0;
        text_init(&body);
        append_example(&body, CHUNK_1, CHUNK_2, CHUNK_3, "");
        ck_assert_int_eq(run_example(&body, seed_chunks, false, steps[i], &length),
                         AWS_CHUNKED_END);
        ck_assert_uint_eq(length, 65536 + 1024);
        body.data[70000 - 70000 % 7 - 4000] ^= 1; /* a byte of the first chunk */
        ck_assert_int_eq(run_example(&body, seed_chunks, false, steps[i], &length),
                         AWS_CHUNKED_BAD);
        text_release(&body);
    }
}
END_TEST

START_TEST(a_chunk_that_was_left_out_breaks_the_chain)
{
    struct text body;
    size_t length = 0;
    text_init(&body);
    text_append(&body, "0;chunk-signature=" CHUNK_3 "\r\n\r\n");
    ck_assert_int_eq(run_example(&body, seed_chunks, false, 100, &length), AWS_CHUNKED_BAD);
    text_release(&body);
}
END_TEST

/* The example with a trailer, "Signature calculations for trailing headers". */
START_TEST(signed_trailer_of_the_reference_verifies)
{
    static const char seed[] = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
    struct text body;
    size_t length = 0;
    text_init(&body);
    append_example(&body, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                   "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                   "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
                   "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:"
                   "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n");
    ck_assert_int_eq(run_example(&body, seed, true, 4096, &length), AWS_CHUNKED_END);
    ck_assert_uint_eq(length, 65536 + 1024);
    char *value = strstr(body.data, "sOO8");
    *value = 't';
    ck_assert_int_eq(run_example(&body, seed, true, 4096, &length), AWS_CHUNKED_BAD);
    text_release(&body);
}
END_TEST

static enum aws_chunked_event run_unsigned(const char *body, bool has_trailer, size_t step,
                                           char *ret_data, size_t size, enum s3_error *ret_error,
                                           char *ret_trailer)
{
    struct aws_chunked decoder;
    struct text out;
    text_init(&out);
    aws_chunked_init(&decoder, NULL, has_trailer);
    enum aws_chunked_event event = feed(&decoder, slice_of_text(body), step, &out);
    (void)text_format(ret_data, size, "%s", text_cstr(&out));
    *ret_error = decoder.error;
    const char *trailer = aws_chunked_trailer(&decoder, "x-amz-checksum-crc32");
    (void)text_format(ret_trailer, 64, "%s", trailer == NULL ? "" : trailer);
    aws_chunked_release(&decoder);
    text_release(&out);
    return event;
}

START_TEST(unsigned_chunks_with_a_trailer_are_decoded)
{
    char data[64];
    char trailer[64];
    enum s3_error error;
    for (size_t step = 1; step < 60; step += 3) {
        ck_assert_int_eq(run_unsigned("5\r\nhello\r\n7\r\n, world\r\n0\r\n"
                                      "X-Amz-Checksum-CRC32: NhCmhg== \r\n\r\n",
                                      true, step, data, sizeof data, &error, trailer),
                         AWS_CHUNKED_END);
        ck_assert_str_eq(data, "hello, world");
        ck_assert_str_eq(trailer, "NhCmhg==");
    }
    ck_assert_int_eq(run_unsigned("0\r\n\r\n", true, 9, data, sizeof data, &error, trailer),
                     AWS_CHUNKED_END);
    ck_assert_str_eq(data, "");
}
END_TEST

/* "name:value LF CR LF", as minio-go writes it; the same bytes are signed in either form. */
START_TEST(a_line_feed_that_ends_a_trailer_before_its_line_end_is_left_out)
{
    static const char seed[] = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
    struct text body;
    size_t decoded = 0;
    char data[64];
    char trailer[64];
    enum s3_error error;
    text_init(&body);
    append_example(&body, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                   "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                   "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
                   "x-amz-checksum-crc32c:sOO8/Q==\n\r\nx-amz-trailer-signature:"
                   "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n");
    ck_assert_int_eq(run_example(&body, seed, true, 4096, &decoded), AWS_CHUNKED_END);
    text_release(&body);
    for (size_t step = 1; step < 50; step++) {
        ck_assert_int_eq(run_unsigned("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\n\r\n\r\n",
                                      true, step, data, sizeof data, &error, trailer),
                         AWS_CHUNKED_END);
        ck_assert_str_eq(trailer, "NhCmhg==");
    }
}
END_TEST

START_TEST(damaged_framing_is_refused)
{
    static const struct {
        const char *body;
        enum s3_error error;
    } cases[] = {
        {"5\nhello\r\n0\r\n\r\n", S3_InvalidRequest},
        {"5\r\nhello\n0\r\n\r\n", S3_InvalidRequest},
        {"5\r\nhelloo\r\n0\r\n\r\n", S3_InvalidRequest},
        {"x\r\nhello\r\n0\r\n\r\n", S3_InvalidRequest},
        {"\r\n", S3_InvalidRequest},
        {"-5\r\nhello\r\n", S3_InvalidRequest},
        {"ffffffffffffffff\r\n", S3_InvalidRequest},
        {"0\r\nno colon\r\n\r\n", S3_MalformedTrailerError},
        {"0\r\n:empty\r\n\r\n", S3_MalformedTrailerError},
        {"0\r\nx-amz-checksum-crc32:a\n\n", S3_MalformedTrailerError},
        {"0\r\nx-amz-checksum-crc32:a\nb:c\r\n\r\n", S3_MalformedTrailerError},
        {"0\r\n\n\r\n\r\n", S3_MalformedTrailerError},
        {"0\n\r\n\r\n", S3_InvalidRequest},
        {"0\r\n\r\nmore", S3_IncompleteBody},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char data[64];
        char trailer[64];
        enum s3_error error;
        ck_assert_int_eq(run_unsigned(cases[i].body, true, 3, data, sizeof data, &error, trailer),
                         AWS_CHUNKED_BAD);
        ck_assert_int_eq(error, cases[i].error);
    }
}
END_TEST

START_TEST(a_stream_that_is_cut_never_ends)
{
    static const char body[] = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AA==\r\n\r\n";
    for (size_t length = 1; length < sizeof body - 1; length++) {
        char cut[sizeof body] = {0};
        char data[64];
        char trailer[64];
        enum s3_error error;
        memcpy(cut, body, length);
        ck_assert_int_eq(run_unsigned(cut, true, 100, data, sizeof data, &error, trailer),
                         AWS_CHUNKED_MORE);
    }
}
END_TEST

START_TEST(lines_and_trailers_are_bounded)
{
    struct aws_chunked decoder;
    struct text body;
    struct text out;
    text_init(&body);
    text_init(&out);
    text_append(&body, "5;");
    for (int i = 0; i < 2000; i++)
        text_append(&body, "x");
    aws_chunked_init(&decoder, NULL, false);
    ck_assert_int_eq(feed(&decoder, slice_of(body.data, body.length), 100, &out), AWS_CHUNKED_BAD);
    aws_chunked_release(&decoder);
    text_clear(&body);
    text_append(&body, "0\r\n");
    for (int i = 0; i < 20; i++)
        text_append(&body, "a%d:b\r\n", i);
    aws_chunked_init(&decoder, NULL, true);
    ck_assert_int_eq(feed(&decoder, slice_of(body.data, body.length), 100, &out), AWS_CHUNKED_BAD);
    ck_assert_int_eq(decoder.error, S3_MalformedTrailerError);
    aws_chunked_release(&decoder);
    text_release(&body);
    text_release(&out);
}
END_TEST

SUITE_MAIN("gw_aws_chunked", signed_chunks_of_the_reference_verify,
           a_chunk_that_was_left_out_breaks_the_chain, signed_trailer_of_the_reference_verifies,
           unsigned_chunks_with_a_trailer_are_decoded,
           a_line_feed_that_ends_a_trailer_before_its_line_end_is_left_out,
           damaged_framing_is_refused, a_stream_that_is_cut_never_ends,
           lines_and_trailers_are_bounded)
