#include "tools/gateway/http_head.h"

#include <stdlib.h>

#include "tests/unit/base/suite.h"
#include "tools/gateway/encode.h"

static struct http_head head;
static char *kept;

static enum http_refusal parse(const char *text)
{
    free(kept);
    kept = gw_copy(text);
    return http_head_parse(kept, strlen(kept), &head);
}

static void refused(const char *text, enum http_refusal refusal)
{
    ck_assert_msg(parse(text) == refusal, "%s", text);
    ck_assert_str_eq(head.request.method, "");
    ck_assert_str_eq(head.request.path, "");
    ck_assert_ptr_null(gw_header(&head.request, "host"));
}

START_TEST(a_head_is_taken_apart)
{
    ck_assert_int_eq(parse("PUT /b/a%20b?x=1&y HTTP/1.1\r\nHost: h:80\r\nX-A:  two words \t\r\n"
                           "Content-Length: 12\r\nEmpty:\r\n\r\n"),
                     HTTP_GOOD);
    ck_assert_str_eq(head.request.method, "PUT");
    ck_assert_str_eq(head.request.path, "/b/a%20b");
    ck_assert_str_eq(head.request.query, "x=1&y");
    ck_assert_str_eq(gw_header(&head.request, "x-a"), "two words");
    ck_assert_str_eq(gw_header(&head.request, "empty"), "");
    ck_assert(head.has_body);
    ck_assert_uint_eq(head.body_length, 12);
    ck_assert(!head.wants_close);
    ck_assert(!head.expects_continue);
}
END_TEST

START_TEST(the_end_of_a_head_is_found_however_it_arrives)
{
    const char *text = "GET / HTTP/1.1\r\nHost: h\r\n\r\nbody";
    for (size_t step = 1; step < 8; step++) {
        size_t scanned = 0;
        size_t found = 0;
        enum http_refusal refusal;
        for (size_t length = step; length <= strlen(text) && found == 0; length += step) {
            found = http_head_length((const uint8_t *)text, length, &scanned, &refusal);
            ck_assert_int_eq(refusal, HTTP_GOOD);
        }
        ck_assert_uint_eq(found, strlen(text) - 4);
    }
    size_t scanned = 0;
    enum http_refusal refusal;
    const char *bare = "GET / HTTP/1.1\nHost: h\n\n";
    ck_assert_uint_eq(http_head_length((const uint8_t *)bare, strlen(bare), &scanned, &refusal), 0);
    ck_assert_int_eq(refusal, HTTP_BAD);
}
END_TEST

START_TEST(what_can_be_read_in_two_ways_is_refused)
{
    refused("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x3\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0b"
            "chunked\r\n\r\n",
            HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\r\nX-A: a\r\n b\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1\r\n Host: h\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\r\nX: a\x7f\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\r\nnocolon\r\n\r\n", HTTP_BAD);
}
END_TEST

START_TEST(request_lines_are_strict)
{
    refused("nonsense\r\n\r\n", HTTP_BAD);
    refused("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1 \r\nHost: h\r\n\r\n", HTTP_BAD);
    refused("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", HTTP_BAD);
    refused("GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", HTTP_BAD);
    refused("GET path HTTP/1.1\r\nHost: h\r\n\r\n", HTTP_BAD);
    refused("GET / http/1.1\r\nHost: h\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/11\r\nHost: h\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/2.0\r\nHost: h\r\n\r\n", HTTP_VERSION_UNSUPPORTED);
    refused("\r\n", HTTP_BAD);
    refused("", HTTP_BAD);
}
END_TEST

START_TEST(a_nul_byte_is_refused)
{
    char text[] = "GET / HTTP/1.1\r\nHost: h\r\nX: a_b\r\n\r\n";
    text[29] = '\0';
    ck_assert_int_eq(http_head_parse(text, sizeof text - 1, &head), HTTP_BAD);
}
END_TEST

START_TEST(exactly_one_host_is_needed)
{
    refused("GET / HTTP/1.1\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", HTTP_BAD);
    ck_assert_int_eq(parse("GET / HTTP/1.0\r\n\r\n"), HTTP_GOOD);
    ck_assert(head.wants_close);
}
END_TEST

START_TEST(an_absolute_target_has_to_name_the_host)
{
    ck_assert_int_eq(parse("GET http://h:1/a?q HTTP/1.1\r\nHost: H:1\r\n\r\n"), HTTP_GOOD);
    ck_assert_str_eq(head.request.path, "/a");
    ck_assert_str_eq(head.request.query, "q");
    ck_assert_int_eq(parse("GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_GOOD);
    ck_assert_str_eq(head.request.path, "/");
    ck_assert_str_eq(head.request.query, "q");
    ck_assert_int_eq(parse("GET https://h HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_GOOD);
    ck_assert_str_eq(head.request.path, "/");
    refused("GET http://h/ HTTP/1.1\r\nHost: other\r\n\r\n", HTTP_BAD);
    refused("GET http://h/ HTTP/1.1\r\nHost: hh\r\n\r\n", HTTP_BAD);
}
END_TEST

START_TEST(connection_and_expect_are_seen)
{
    ck_assert_int_eq(parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive , Close\r\n\r\n"),
                     HTTP_GOOD);
    ck_assert(head.wants_close);
    ck_assert_int_eq(parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: closed\r\n\r\n"), HTTP_GOOD);
    ck_assert(!head.wants_close);
    ck_assert_int_eq(
        parse("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n"),
        HTTP_GOOD);
    ck_assert(head.expects_continue);
    ck_assert_int_eq(parse("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n"), HTTP_GOOD);
    ck_assert(!head.expects_continue); /* there is nothing to ask for */
    ck_assert_int_eq(
        parse("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"),
        HTTP_GOOD);
    ck_assert(head.expects_continue); /* botocore waits for it */
    ck_assert(!head.has_body);
}
END_TEST

START_TEST(headers_are_counted)
{
    struct text text;
    text_init(&text);
    text_append(&text, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < HTTP_HEADERS_MAX; i++)
        text_append(&text, "X-%d: %d\r\n", i, i);
    text_append(&text, "\r\n");
    refused(text_cstr(&text), HTTP_HEAD_TOO_LARGE);
    text_release(&text);
}
END_TEST

/* Feeds pieces of that length; returns the last event, and what was decoded in out. */
static enum http_chunks_event decode(const char *text, size_t piece, struct text *out)
{
    struct http_chunks chunks = {0};
    enum http_chunks_event event = HTTP_CHUNKS_MORE;
    size_t length = strlen(text);
    text_clear(out);
    for (size_t at = 0; at < length && event != HTTP_CHUNKS_END && event != HTTP_CHUNKS_BAD;
         at += piece) {
        struct slice input = slice_of(text + at, at + piece < length ? piece : length - at);
        struct slice data;
        while ((event = http_chunks_next(&chunks, &input, 3, &data)) == HTTP_CHUNKS_DATA)
            text_append_bytes(out, data);
    }
    return event;
}

START_TEST(chunks_are_decoded_in_pieces_of_any_length)
{
    struct text out;
    text_init(&out);
    for (size_t piece = 1; piece < 40; piece++) {
        ck_assert_int_eq(decode("5\r\nhello\r\n00a;name=\"x\"\r\n, world of\r\n0\r\nX-T: v\r\n\r\n",
                                piece, &out),
                         HTTP_CHUNKS_END);
        ck_assert_str_eq(text_cstr(&out), "hello, world of");
        ck_assert_int_eq(decode("0\r\n\r\n", piece, &out), HTTP_CHUNKS_END);
        ck_assert_int_eq(decode("5\r\nhell", piece, &out), HTTP_CHUNKS_MORE);
    }
    text_release(&out);
}
END_TEST

START_TEST(chunks_that_can_be_read_in_two_ways_are_refused)
{
    static const char *const bad[] = {
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\n",
        "5\r\nhello\r\n0\r\n\n",
        "\r\n",
        "-5\r\nhello\r\n",
        "0x5\r\nhello\r\n",
        " 5\r\nhello\r\n",
        "5 \r\nhello\r\n",
        "5\r\nhelloo\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n",
        "5;a\rb\r\nhello\r\n",
        "5\rXhello\r\n0\r\n\r\n",
        "0\r\nX: a\nY: b\r\n\r\n",
        "0\r\n X: a\r\n\r\n",
        "1000000000000000\r\n",
        ";x\r\n\r\n",
    };
    struct text out;
    text_init(&out);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (size_t piece = 1; piece < 4; piece++)
            ck_assert_msg(decode(bad[i], piece, &out) == HTTP_CHUNKS_BAD, "%zu", i);
    }
    text_release(&out);
}
END_TEST

START_TEST(long_chunk_lines_are_refused)
{
    struct text text;
    struct text out;
    text_init(&text);
    text_init(&out);
    text_append(&text, "5;");
    for (int i = 0; i < HTTP_CHUNK_LINE_MAX; i++)
        text_append(&text, "x");
    ck_assert_int_eq(decode(text_cstr(&text), 100, &out), HTTP_CHUNKS_BAD);
    text_clear(&text);
    text_append(&text, "0\r\n");
    for (int i = 0; i < HTTP_TRAILER_BYTES_MAX / 8 + 1; i++)
        text_append(&text, "X: abc\r\n");
    ck_assert_int_eq(decode(text_cstr(&text), 100, &out), HTTP_CHUNKS_BAD);
    text_release(&text);
    text_release(&out);
}
END_TEST

SUITE_MAIN("gw_http_head", a_head_is_taken_apart, the_end_of_a_head_is_found_however_it_arrives,
           what_can_be_read_in_two_ways_is_refused, request_lines_are_strict, a_nul_byte_is_refused,
           exactly_one_host_is_needed, an_absolute_target_has_to_name_the_host,
           connection_and_expect_are_seen, headers_are_counted,
           chunks_are_decoded_in_pieces_of_any_length,
           chunks_that_can_be_read_in_two_ways_are_refused, long_chunk_lines_are_refused)
