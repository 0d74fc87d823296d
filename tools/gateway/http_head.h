/* The head of an HTTP/1.1 request and the chunks of its body: what arrives as bytes, taken apart.
 * Pure.
 *
 * Strict where two readers could differ (request smuggling behind a proxy): lines end with CR LF
 * and nothing else, no folded headers, no blank before the colon, one framing only, one Host. */
#ifndef CATENA_TOOLS_GATEWAY_HTTP_HEAD_H
#define CATENA_TOOLS_GATEWAY_HTTP_HEAD_H

#include "tools/gateway/request.h"

enum { HTTP_HEADERS_MAX = 128, HTTP_CHUNK_LINE_MAX = 1024, HTTP_TRAILER_BYTES_MAX = 8192 };

/* Why the engine itself refuses a request. */
enum http_refusal {
    HTTP_GOOD,
    HTTP_BAD,                 /* not HTTP/1.1, or ambiguous */
    HTTP_HEAD_TOO_LARGE,      /* longer than the server's limit, or too many headers */
    HTTP_VERSION_UNSUPPORTED, /* HTTP, but not 1.0 or 1.1 */
    HTTP_TIMED_OUT,           /* the client stopped sending */
    HTTP_CUT,                 /* the client ended before the body did */
};

/* A view into the bytes that were parsed, which are changed (NULs). */
struct http_head {
    struct gw_request request;
    struct gw_header headers[HTTP_HEADERS_MAX];
    bool is_version_0; /* HTTP/1.0 */
    bool has_body;
    uint64_t body_length; /* UINT64_MAX: chunked */
    bool expects_continue;
    bool wants_close;
};

/* The length of the head, up to and with its empty line, at the beginning of bytes; 0 while it is
 * not complete. *scanned: bytes that were looked at before (0 at first). A line that does not end
 * with CR LF: HTTP_BAD in *ret_refusal. */
size_t http_head_length(const uint8_t *bytes, size_t length, size_t *scanned,
                        enum http_refusal *ret_refusal);
/* bytes: a whole head of that length, kept as long as the head is used. On refusal the head's
 * request is empty but usable. */
enum http_refusal http_head_parse(char *bytes, size_t length, struct http_head *head);

/* Transfer-Encoding: chunked. Zero it to begin. */
struct http_chunks {
    int state;
    uint64_t rest; /* of the chunk */
    size_t line;   /* bytes of the line so far; of all trailers at the end */
    unsigned digits;
};
enum http_chunks_event {
    HTTP_CHUNKS_MORE, /* all input was used */
    HTTP_CHUNKS_DATA, /* *ret_data: decoded bytes */
    HTTP_CHUNKS_END,
    HTTP_CHUNKS_BAD,
};
/* Takes from the front of *input; at most data_max bytes of data at once. */
enum http_chunks_event http_chunks_next(struct http_chunks *chunks, struct slice *input,
                                        size_t data_max, struct slice *ret_data);

#endif
