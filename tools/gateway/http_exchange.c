/* One request and its answer. */
#include <stdlib.h>
#include <time.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/http_engine.h"
#include "tools/gateway/http_time.h"

enum { PUMP_ROUNDS = 16, USUAL_HEADERS_BYTES = 500 };

/* Out of memory: there is no good way on. */
static void must(bool is_good)
{
    if (!is_good)
        abort();
}

uint64_t http_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static const struct http_callbacks *callbacks(const struct http_exchange *exchange)
{
    return exchange->server->options.callbacks;
}

struct http_exchange *http_exchange_new(struct http_connection *connection, const void *head,
                                        size_t length)
{
    struct http_exchange *exchange = gw_zalloc(sizeof *exchange);
    exchange->server = connection->loop->server;
    exchange->connection = connection;
    exchange->head_bytes = gw_copy_bytes(head, length);
    exchange->begun_us = connection->loop->now_us;
    memcpy(exchange->peer, connection->peer, sizeof exchange->peer);
    text_init(&exchange->response_headers);
    text_init(&exchange->response_body);
    text_reserve(&exchange->response_headers, USUAL_HEADERS_BYTES);
    exchange->refusal = http_head_parse(exchange->head_bytes, length, &exchange->head);
    atomic_fetch_add(&exchange->server->active, 1);
    connection->exchange = exchange;
    return exchange;
}

static void exchange_free(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    text_release(&exchange->response_headers);
    text_release(&exchange->response_body);
    free(exchange->head_bytes);
    free(exchange->in);
    text_release(&exchange->out);
    free(exchange);
    atomic_fetch_sub(&server->active, 1); /* the last touch: the server may be freed now */
}

size_t http_exchange_room(struct http_exchange *exchange)
{
    if (exchange->in == NULL) {
        uint64_t length = exchange->head.body_length;
        exchange->in_capacity = length < HTTP_BUFFER_BYTES ? (size_t)length : HTTP_BUFFER_BYTES;
        exchange->in = malloc(exchange->in_capacity);
        must(exchange->in != NULL);
    }
    return exchange->in_capacity - exchange->in_length;
}

/* ---- the answer ---- */

static const char *reason_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {206, "Partial Content"},
        {303, "See Other"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {416, "Range Not Satisfiable"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return status < 400 ? "Done" : "Refused";
}

static bool is_without_body(const struct http_exchange *exchange)
{
    return strcmp(exchange->head.request.method, "HEAD") == 0 || exchange->status == 204 ||
           exchange->status == 304;
}

static void append_head(struct http_exchange *exchange, struct text *out)
{
    struct timespec now;
    char date[GW_TIME_SIZE];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    text_reserve(out, sizeof date + 200 + exchange->response_headers.length +
                          exchange->response_body.length);
    text_append(out, "HTTP/1.1 %u %s\r\nDate: %s\r\n", exchange->status,
                reason_of(exchange->status),
                gw_http_time_format((uint64_t)now.tv_sec * 1000, date));
    text_append_bytes(out,
                      slice_of(exchange->response_headers.data, exchange->response_headers.length));
    if (exchange->status != 204 && exchange->status != 304)
        text_append(out, "Content-Length: %llu\r\n", (unsigned long long)exchange->response_length);
    text_append_bytes(out,
                      slice_of_text(exchange->is_closing ? "Connection: close\r\n\r\n" : "\r\n"));
}

/* The head goes out together with the first bytes of the body. */
static void prepare(struct http_exchange *exchange)
{
    struct text *out = &exchange->out;
    struct http_server *server = exchange->server;
    exchange->is_closing = exchange->is_closing || exchange->head.wants_close ||
                           !exchange->has_body_ended || atomic_load(&server->is_draining) ||
                           exchange->connection->generation != atomic_load(&server->generation);
    append_head(exchange, out);
    exchange->response_head_length = out->length;
    bool has_body = !is_without_body(exchange);
    if (has_body && !exchange->is_streamed)
        text_append_bytes(out,
                          slice_of(exchange->response_body.data, exchange->response_body.length));
    exchange->out_rest = has_body && exchange->is_streamed ? exchange->response_length : 0;
    exchange->is_produce_due = exchange->out_rest > 0;
}

/* is_last: nothing follows at once, so the kernel need not wait for more. */
static enum http_wire_result send_some(struct http_exchange *exchange, const void *bytes,
                                       size_t length, bool is_last, size_t *ret_written)
{
    enum http_wire_result result =
        http_wire_write(&exchange->connection->wire, bytes, length, is_last, ret_written);
    exchange->bytes_sent += *ret_written;
    return result;
}

enum http_send http_exchange_send(struct http_exchange *exchange)
{
    enum http_wire_result result = HTTP_WIRE_DONE;
    size_t written = 0;
    if (exchange->out.length == 0)
        prepare(exchange);
    if (exchange->is_produce_due)
        return HTTP_SEND_EMPTY;
    while (result == HTTP_WIRE_DONE && exchange->out_sent < exchange->out.length) {
        result = send_some(exchange, exchange->out.data + exchange->out_sent,
                           exchange->out.length - exchange->out_sent, exchange->piece_length == 0,
                           &written);
        exchange->out_sent += written;
    }
    while (result == HTTP_WIRE_DONE && exchange->piece_length > 0) {
        result = send_some(exchange, exchange->piece, exchange->piece_length, true, &written);
        exchange->piece += written;
        exchange->piece_length -= written;
    }
    if (result != HTTP_WIRE_DONE)
        return result == HTTP_WIRE_BLOCKED ? HTTP_SEND_BLOCKED : HTTP_SEND_FAILED;
    exchange->is_produce_due = exchange->out_rest > 0;
    return exchange->is_produce_due ? HTTP_SEND_EMPTY : HTTP_SEND_DONE;
}

static bool produce(struct http_exchange *exchange)
{
    const uint8_t *bytes = NULL;
    size_t length = 0;
    if (!callbacks(exchange)->produce(exchange, &bytes, &length) || length == 0 ||
        length > exchange->out_rest)
        return false;
    exchange->piece = bytes;
    exchange->piece_length = length;
    exchange->out_rest -= length;
    exchange->is_produce_due = false;
    return true;
}

/* ---- jobs ---- */

static struct http_exchange *exchange_of(struct gw_job *job)
{
    return (struct http_exchange *)(void *)job;
}

static void submit(struct http_exchange *exchange, void (*run)(struct gw_job *job))
{
    exchange->job.run = run;
    gw_pool_submit(exchange->server->options.pool, &exchange->job);
}

static void give_back(struct http_exchange *exchange, enum http_outcome outcome)
{
    struct http_connection *connection = exchange->connection;
    connection->outcome = outcome;
    http_loop_give(connection->loop, connection);
}

static void run_finish(struct gw_job *job)
{
    struct http_exchange *exchange = exchange_of(job);
    callbacks(exchange)->finish(exchange, exchange->is_complete);
    exchange_free(exchange);
}

void http_exchange_end(struct http_exchange *exchange, bool is_complete)
{
    exchange->connection->exchange = NULL;
    exchange->connection = NULL;
    exchange->is_complete = is_complete;
    if (exchange->is_light)
        run_finish(&exchange->job);
    else
        submit(exchange, run_finish);
}

/* Sends what the socket takes, and produces more: a worker stays with a fast client for a while,
 * and then lets the others have their turn. */
static void run_pump(struct gw_job *job)
{
    struct http_exchange *exchange = exchange_of(job);
    struct http_connection *connection = exchange->connection;
    for (int i = 0; i < PUMP_ROUNDS; i++) {
        enum http_send sent = http_exchange_send(exchange);
        if (sent == HTTP_SEND_EMPTY && produce(exchange))
            continue;
        if (sent == HTTP_SEND_BLOCKED) {
            give_back(exchange, HTTP_OUTCOME_BLOCKED);
        } else if (sent == HTTP_SEND_DONE) { /* the next request need not wait for our finish */
            exchange->is_complete = true;
            connection->is_closing = exchange->is_closing;
            connection->exchange = NULL;
            give_back(exchange, HTTP_OUTCOME_SENT);
            exchange->connection = NULL;
            run_finish(job);
        } else {
            give_back(exchange, HTTP_OUTCOME_FAILED);
        }
        return;
    }
    submit(exchange, run_pump);
}

static void run_check(struct gw_job *job)
{
    struct http_exchange *exchange = exchange_of(job);
    callbacks(exchange)->check(exchange);
    give_back(exchange, HTTP_OUTCOME_CHECKED);
}

static void run_take(struct gw_job *job)
{
    struct http_exchange *exchange = exchange_of(job);
    bool is_end = exchange->has_body_ended;
    exchange->has_been_taken = true;
    callbacks(exchange)->body(exchange, slice_of(exchange->in, exchange->in_length), is_end);
    exchange->in_length = 0;
    if (is_end || exchange->has_responded) {
        free(exchange->in);
        exchange->in = NULL;
    }
    if (is_end && exchange->has_responded)
        run_pump(job);
    else
        give_back(exchange, is_end ? HTTP_OUTCOME_FAILED : HTTP_OUTCOME_TAKEN);
}

static void run_refuse(struct gw_job *job)
{
    struct http_exchange *exchange = exchange_of(job);
    exchange->is_closing = true;
    callbacks(exchange)->refuse(exchange, exchange->refusal);
    run_pump(job);
}

void http_exchange_check(struct http_exchange *exchange)
{
    submit(exchange, run_check);
}

void http_exchange_take(struct http_exchange *exchange)
{
    submit(exchange, run_take);
}

void http_exchange_refuse(struct http_exchange *exchange)
{
    submit(exchange, run_refuse);
}

void http_continue(struct http_exchange *exchange)
{
    give_back(exchange, HTTP_OUTCOME_CONTINUED);
}

void http_continue_many(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    connection->outcome = HTTP_OUTCOME_CONTINUED;
    http_loop_give_later(connection->loop, connection);
}

void http_exchange_pump(struct http_exchange *exchange)
{
    submit(exchange, run_pump);
}

/* ---- seen from outside ---- */

const struct gw_request *http_request(const struct http_exchange *exchange)
{
    return &exchange->head.request;
}

void *http_server_context(const struct http_exchange *exchange)
{
    return exchange->server->options.context;
}

void http_set_context(struct http_exchange *exchange, void *context)
{
    exchange->context = context;
}

void *http_context(const struct http_exchange *exchange)
{
    return exchange->context;
}

const char *http_peer(const struct http_exchange *exchange)
{
    return exchange->peer;
}

uint64_t http_body_length(const struct http_exchange *exchange)
{
    return exchange->head.body_length;
}

bool http_has_body(const struct http_exchange *exchange)
{
    return exchange->head.has_body;
}

bool http_expects_continue(const struct http_exchange *exchange)
{
    return exchange->head.expects_continue;
}

void http_want_check(struct http_exchange *exchange)
{
    exchange->wants_check = true;
}

/* What would end its line early is left out: no answer may be split by what a client stored. */
void http_add_header(struct http_exchange *exchange, const char *name, const char *value)
{
    if (!gw_is_token(name) || strpbrk(value, "\r\n") != NULL)
        return;
    struct text *out = &exchange->response_headers;
    text_append_bytes(out, slice_of_text(name));
    text_append_bytes(out, slice_of_text(": "));
    text_append_bytes(out, slice_of_text(value));
    text_append_bytes(out, slice_of_text("\r\n"));
}

void http_clear_headers(struct http_exchange *exchange)
{
    text_clear(&exchange->response_headers);
}

static void respond(struct http_exchange *exchange, unsigned status, uint64_t length)
{
    exchange->has_responded = true;
    exchange->status = status;
    exchange->response_length = length;
}

void http_respond(struct http_exchange *exchange, unsigned status, const void *body, size_t length)
{
    if (length > 0)
        text_append_bytes(&exchange->response_body, slice_of(body, length));
    respond(exchange, status, length);
}

void http_respond_owned(struct http_exchange *exchange, unsigned status, uint8_t *body,
                        size_t length)
{
    exchange->response_body =
        (struct text){.data = (char *)body, .length = length, .capacity = length};
    respond(exchange, status, length);
}

void http_respond_stream(struct http_exchange *exchange, unsigned status, uint64_t length)
{
    exchange->is_streamed = true;
    respond(exchange, status, length);
}

void http_respond_head(struct http_exchange *exchange, unsigned status, uint64_t length)
{
    http_respond_stream(exchange, status, length); /* never read for HEAD */
}

void http_close_after(struct http_exchange *exchange)
{
    exchange->is_closing = true;
}

bool http_has_responded(const struct http_exchange *exchange)
{
    return exchange->has_responded;
}

unsigned http_status(const struct http_exchange *exchange)
{
    return exchange->status;
}

uint64_t http_bytes_in(const struct http_exchange *exchange)
{
    return exchange->bytes_in;
}

uint64_t http_bytes_out(const struct http_exchange *exchange)
{
    size_t head = exchange->response_head_length;
    return exchange->bytes_sent > head ? exchange->bytes_sent - head : 0;
}

uint64_t http_begun_us(const struct http_exchange *exchange)
{
    return exchange->begun_us;
}
