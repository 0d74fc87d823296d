/* The HTTP engine's reading: request heads and chunked bodies, in one piece and in many. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tools/gateway/http_head.h"

/* The whole in pieces of that length: the head's end has to be found at the same place. */
static void find_in_pieces(struct slice bytes, size_t piece, size_t found,
                           enum http_refusal refusal)
{
    size_t scanned = 0;
    for (size_t length = 0; length < bytes.length;) {
        enum http_refusal now;
        length = length + piece < bytes.length ? length + piece : bytes.length;
        size_t end = http_head_length(bytes.data, length, &scanned, &now);
        if (end > 0 || now != HTTP_GOOD) {
            PRE(end == found && now == refusal);
            return;
        }
    }
    PRE(found == 0 && refusal == HTTP_GOOD);
}

static bool is_clean(const char *text)
{
    return strpbrk(text, "\r\n") == NULL;
}

/* What was understood, written plainly, is understood the same. */
static void write_again(const struct http_head *head)
{
    struct text text;
    struct http_head again;
    const struct gw_request *request = &head->request;
    text_init(&text);
    text_append(&text, "%s %s%s%s HTTP/1.%d\r\n", request->method, request->path,
                request->query[0] == '\0' ? "" : "?", request->query, head->is_version_0 ? 0 : 1);
    for (size_t i = 0; i < request->header_count; i++) {
        PRE(is_clean(request->headers[i].name) && is_clean(request->headers[i].value));
        text_append(&text, "%s: %s\r\n", request->headers[i].name, request->headers[i].value);
    }
    text_append(&text, "\r\n");
    PRE(http_head_parse(text.data, text.length, &again) == HTTP_GOOD);
    PRE(strcmp(again.request.method, request->method) == 0 &&
        strcmp(again.request.path, request->path) == 0 &&
        strcmp(again.request.query, request->query) == 0 &&
        again.request.header_count == request->header_count);
    PRE(again.body_length == head->body_length && again.has_body == head->has_body &&
        again.wants_close == head->wants_close);
    text_release(&text);
}

static void try_head(struct slice bytes)
{
    struct http_head *head = malloc(sizeof *head);
    enum http_refusal refusal;
    size_t scanned = 0;
    size_t length = http_head_length(bytes.data, bytes.length, &scanned, &refusal);
    for (size_t piece = 1; piece < 6; piece++)
        find_in_pieces(bytes, piece, length, refusal);
    char *copy = malloc(bytes.length + 1);
    PRE(head != NULL && copy != NULL);
    size_t given = length > 0 ? length : bytes.length; /* also what no head ends */
    memcpy(copy, bytes.data, given);
    copy[given] = '\0';
    if (http_head_parse(copy, given, head) == HTTP_GOOD)
        write_again(head);
    else
        PRE(head->request.method[0] == '\0' && !head->has_body);
    free(copy);
    free(head);
}

static enum http_chunks_event decode(struct slice bytes, size_t piece, size_t data_max,
                                     struct text *out)
{
    struct http_chunks chunks = {0};
    enum http_chunks_event event = HTTP_CHUNKS_MORE;
    text_clear(out);
    for (size_t at = 0; at < bytes.length; at += piece) {
        size_t length = at + piece < bytes.length ? piece : bytes.length - at;
        struct slice input = slice_of(bytes.data + at, length);
        struct slice data;
        while ((event = http_chunks_next(&chunks, &input, data_max, &data)) == HTTP_CHUNKS_DATA) {
            PRE(data.length > 0 && data.length <= data_max);
            text_append_bytes(out, data);
        }
        if (event != HTTP_CHUNKS_MORE)
            return event;
        PRE(input.length == 0);
    }
    return event;
}

static void try_chunks(struct slice bytes)
{
    struct text whole;
    struct text pieces;
    text_init(&whole);
    text_init(&pieces);
    enum http_chunks_event event = decode(bytes, bytes.length + 1, SIZE_MAX, &whole);
    for (size_t piece = 1; piece < 4; piece++) {
        PRE(decode(bytes, piece, piece + 1, &pieces) == event);
        PRE(slice_equal(slice_of(whole.data, whole.length), slice_of(pieces.data, pieces.length)));
    }
    PRE(whole.length <= bytes.length);
    text_release(&whole);
    text_release(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice rest = slice_of(data + 1, size - 1);
    if (data[0] % 2 == 0)
        try_head(rest);
    else
        try_chunks(rest);
    return 0;
}
