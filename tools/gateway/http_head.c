#include "tools/gateway/http_head.h"

#include "tools/gateway/encode.h"

/* ---- where the head ends ---- */

size_t http_head_length(const uint8_t *bytes, size_t length, size_t *scanned,
                        enum http_refusal *ret_refusal)
{
    *ret_refusal = HTTP_GOOD;
    while (*scanned < length) {
        const uint8_t *feed = memchr(bytes + *scanned, '\n', length - *scanned);
        if (feed == NULL) {
            *scanned = length;
            return 0;
        }
        size_t at = (size_t)(feed - bytes);
        *scanned = at + 1;
        if (at == 0 || bytes[at - 1] != '\r') {
            *ret_refusal = HTTP_BAD;
            return 0;
        }
        if (at >= 3 && bytes[at - 2] == '\n')
            return at + 1;
    }
    return 0;
}

/* ---- characters (RFC 9110, 5.6.2) ---- */

static bool is_in_value(uint8_t c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool is_in_target(uint8_t c)
{
    return c > 0x20 && c != 0x7f;
}

/* ---- request line ---- */

/* Ends the word at the blank; returns what follows it, or NULL. */
static char *cut_word(char *begin, bool (*is_good)(uint8_t c))
{
    char *end = begin;
    while (is_good((uint8_t)*end))
        end++;
    if (end == begin || *end != ' ')
        return NULL;
    *end = '\0';
    return end + 1;
}

static enum http_refusal take_version(const char *text, struct http_head *head)
{
    if (!gw_starts_with(text, "HTTP/") || text[5] < '0' || text[5] > '9' || text[6] != '.' ||
        text[7] < '0' || text[7] > '9' || text[8] != '\0')
        return HTTP_BAD;
    if (text[5] != '1')
        return HTTP_VERSION_UNSUPPORTED;
    head->is_version_0 = text[7] == '0';
    return HTTP_GOOD;
}

/* "http://host/path" becomes "/path"; the authority has to be that of Host, which is signed. */
static char *strip_authority(char *target, struct slice *ret_authority)
{
    size_t scheme = gw_starts_with_ignoring_case(target, "http://")    ? 7
                    : gw_starts_with_ignoring_case(target, "https://") ? 8
                                                                       : 0;
    if (scheme == 0)
        return target;
    char *authority = target + scheme;
    size_t length = strcspn(authority, "/?");
    *ret_authority = slice_of(authority, length);
    return authority + length;
}

static enum http_refusal take_request_line(char *line, struct http_head *head,
                                           struct slice *ret_authority)
{
    char *target = cut_word(line, gw_is_token_byte);
    char *version = target == NULL ? NULL : cut_word(target, is_in_target);
    if (version == NULL)
        return HTTP_BAD;
    enum http_refusal refusal = take_version(version, head);
    if (refusal != HTTP_GOOD)
        return refusal;
    char *path = strip_authority(target, ret_authority);
    char *question = strchr(path, '?');
    head->request.query = "";
    if (question != NULL) {
        *question = '\0';
        head->request.query = question + 1;
    }
    bool is_absolute = path != target;
    if (*path == '\0' && is_absolute)
        path = (char *)(uintptr_t) "/";
    if (*path != '/' && strcmp(path, "*") != 0)
        return HTTP_BAD;
    head->request.method = line;
    head->request.path = path;
    return HTTP_GOOD;
}

/* ---- headers ---- */

static enum http_refusal take_header(char *line, struct http_head *head)
{
    char *colon = line;
    while (gw_is_token_byte((uint8_t)*colon))
        colon++;
    if (colon == line || *colon != ':')
        return HTTP_BAD; /* a folded line begins with a blank and ends here too */
    *colon = '\0';
    char *value = colon + 1;
    value += strspn(value, " \t");
    char *end = value;
    while (is_in_value((uint8_t)*end))
        end++;
    if (*end != '\0')
        return HTTP_BAD;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = '\0';
    if (head->request.header_count == HTTP_HEADERS_MAX)
        return HTTP_HEAD_TOO_LARGE;
    head->headers[head->request.header_count++] = (struct gw_header){.name = line, .value = value};
    return HTTP_GOOD;
}

static bool has_list_token(const char *list, const char *token)
{
    size_t length = strlen(token);
    for (;;) {
        list += strspn(list, ", \t");
        if (*list == '\0')
            return false;
        size_t word = strcspn(list, ", \t");
        if (word == length && gw_starts_with_ignoring_case(list, token))
            return true;
        list += word;
    }
}

static enum http_refusal check_host(const struct http_head *head, struct slice authority)
{
    size_t hosts = gw_header_count(&head->request, "host");
    if (hosts > 1 || (hosts == 0 && !head->is_version_0))
        return HTTP_BAD;
    if (authority.data == NULL || hosts == 0)
        return HTTP_GOOD;
    const char *host = gw_header(&head->request, "host");
    bool is_same = strlen(host) == authority.length &&
                   gw_starts_with_ignoring_case((const char *)authority.data, host);
    return is_same ? HTTP_GOOD : HTTP_BAD;
}

/* What could be read in two ways is refused. */
static enum http_refusal take_framing(struct http_head *head)
{
    const struct gw_request *request = &head->request;
    size_t lengths = gw_header_count(request, "content-length");
    size_t codings = gw_header_count(request, "transfer-encoding");
    if (lengths + codings > 1)
        return HTTP_BAD;
    if (codings == 1) {
        head->has_body = true;
        head->body_length = UINT64_MAX;
        bool is_chunked =
            gw_is_equal_ignoring_case(gw_header(request, "transfer-encoding"), "chunked");
        return is_chunked && !head->is_version_0 ? HTTP_GOOD : HTTP_BAD;
    }
    if (lengths == 1 && (!gw_parse_u64(gw_header(request, "content-length"), &head->body_length) ||
                         head->body_length == UINT64_MAX))
        return HTTP_BAD;
    head->has_body = head->body_length > 0;
    return HTTP_GOOD;
}

static enum http_refusal parse(char *bytes, size_t length, struct http_head *head)
{
    struct slice authority = {0};
    enum http_refusal refusal = HTTP_GOOD;
    size_t at = 0;
    while (refusal == HTTP_GOOD && at + 2 < length) { /* the empty line stays */
        char *line = bytes + at;
        char *feed = memchr(line, '\n', length - at);
        if (feed == NULL || feed == line || feed[-1] != '\r')
            return HTTP_BAD;
        feed[-1] = '\0';
        if (strlen(line) != (size_t)(feed - line) - 1)
            return HTTP_BAD; /* a NUL inside */
        refusal = at == 0 ? take_request_line(line, head, &authority) : take_header(line, head);
        at = (size_t)(feed - bytes) + 1;
    }
    if (refusal == HTTP_GOOD)
        refusal = head->request.method == NULL ? HTTP_BAD : check_host(head, authority);
    return refusal == HTTP_GOOD ? take_framing(head) : refusal;
}

enum http_refusal http_head_parse(char *bytes, size_t length, struct http_head *head)
{
    memset(head, 0, sizeof *head);
    head->request.headers = head->headers;
    enum http_refusal refusal = parse(bytes, length, head);
    if (refusal != HTTP_GOOD) {
        head->request =
            (struct gw_request){.method = "", .path = "", .query = "", .headers = head->headers};
        head->has_body = false;
        head->body_length = 0;
        return refusal;
    }
    const char *expect = gw_header(&head->request, "expect");
    /* For a body of no bytes too: some clients wait for it, or take the answer for the interim one
     * and the next answer for lost (botocore). */
    bool may_expect = head->has_body || gw_header(&head->request, "content-length") != NULL;
    head->expects_continue = may_expect && !head->is_version_0 && expect != NULL &&
                             gw_is_equal_ignoring_case(expect, "100-continue");
    head->wants_close = head->is_version_0;
    for (size_t i = 0; i < head->request.header_count; i++) {
        if (gw_is_equal_ignoring_case(head->headers[i].name, "connection") &&
            has_list_token(head->headers[i].value, "close"))
            head->wants_close = true;
    }
    return HTTP_GOOD;
}

/* ---- chunks (RFC 9112, 7.1) ---- */

enum {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_FEED, /* after the CR of the size's line */
    CHUNK_DATA,
    CHUNK_DATA_RETURN,
    CHUNK_DATA_FEED,
    CHUNK_TRAILER_BEGIN,
    CHUNK_TRAILER,
    CHUNK_TRAILER_FEED,
    CHUNK_LAST_FEED,
    CHUNK_ENDED,
};

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_size(struct http_chunks *chunks, uint8_t c)
{
    int digit = hex_digit(c);
    if (digit >= 0) {
        if (++chunks->digits > 15)
            return false;
        chunks->rest = chunks->rest * 16 + (uint64_t)digit;
        return true;
    }
    chunks->state = c == ';' ? CHUNK_EXTENSION : CHUNK_SIZE_FEED;
    return chunks->digits > 0 && (c == ';' || c == '\r');
}

static void begin_chunk(struct http_chunks *chunks)
{
    *chunks = (struct http_chunks){.state = CHUNK_SIZE};
}

/* One byte that is not data. False: malformed. */
static bool take_byte(struct http_chunks *chunks, uint8_t c)
{
    bool is_trailer = chunks->state >= CHUNK_TRAILER_BEGIN;
    if (++chunks->line > (is_trailer ? HTTP_TRAILER_BYTES_MAX : HTTP_CHUNK_LINE_MAX))
        return false;
    switch (chunks->state) {
    case CHUNK_SIZE:
        return take_size(chunks, c);
    case CHUNK_EXTENSION:
        chunks->state = c == '\r' ? CHUNK_SIZE_FEED : CHUNK_EXTENSION;
        return c == '\r' || is_in_value(c);
    case CHUNK_SIZE_FEED:
        chunks->state = chunks->rest > 0 ? CHUNK_DATA : CHUNK_TRAILER_BEGIN;
        chunks->line = 0;
        return c == '\n';
    case CHUNK_DATA_RETURN:
        chunks->state = CHUNK_DATA_FEED;
        return c == '\r';
    case CHUNK_DATA_FEED:
        begin_chunk(chunks);
        return c == '\n';
    case CHUNK_TRAILER_BEGIN: /* trailers are read and forgotten */
        chunks->state = c == '\r' ? CHUNK_LAST_FEED : CHUNK_TRAILER;
        return c == '\r' || gw_is_token_byte(c);
    case CHUNK_TRAILER:
        chunks->state = c == '\r' ? CHUNK_TRAILER_FEED : CHUNK_TRAILER;
        return c == '\r' || is_in_value(c);
    case CHUNK_TRAILER_FEED:
        chunks->state = CHUNK_TRAILER_BEGIN;
        return c == '\n';
    case CHUNK_LAST_FEED:
        chunks->state = CHUNK_ENDED;
        return c == '\n';
    default:
        return false;
    }
}

enum http_chunks_event http_chunks_next(struct http_chunks *chunks, struct slice *input,
                                        size_t data_max, struct slice *ret_data)
{
    while (input->length > 0 && chunks->state != CHUNK_ENDED) {
        if (chunks->state == CHUNK_DATA) {
            size_t length = input->length < data_max ? input->length : data_max;
            length = length < chunks->rest ? length : (size_t)chunks->rest;
            *ret_data = slice_of(input->data, length);
            *input = slice_of(input->data + length, input->length - length);
            chunks->rest -= length;
            if (chunks->rest == 0)
                chunks->state = CHUNK_DATA_RETURN;
            return HTTP_CHUNKS_DATA;
        }
        uint8_t c = *input->data;
        *input = slice_of(input->data + 1, input->length - 1);
        if (!take_byte(chunks, c))
            return HTTP_CHUNKS_BAD;
    }
    return chunks->state == CHUNK_ENDED ? HTTP_CHUNKS_END : HTTP_CHUNKS_MORE;
}
