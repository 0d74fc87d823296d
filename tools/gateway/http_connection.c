/* The life of one connection, on its loop's thread. */
#include <stdlib.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/http_engine.h"

/* ---- bytes that were read and not used ---- */

static void scratch_load(struct http_connection *connection)
{
    struct http_loop *loop = connection->loop;
    loop->scratch_begin = 0;
    loop->scratch_end = connection->pending_length;
    if (connection->pending != NULL)
        memcpy(loop->scratch, connection->pending, connection->pending_length);
    free(connection->pending);
    connection->pending = NULL;
    connection->pending_length = 0;
}

/* An idle connection keeps nothing. */
static void scratch_save(struct http_connection *connection)
{
    struct http_loop *loop = connection->loop;
    size_t length = loop->scratch_end - loop->scratch_begin;
    if (length == 0)
        return;
    connection->pending = (uint8_t *)gw_copy_bytes(loop->scratch + loop->scratch_begin, length);
    connection->pending_length = length;
}

static size_t scratch_length(const struct http_connection *connection)
{
    return connection->loop->scratch_end - connection->loop->scratch_begin;
}

/* A plain socket that gave less than asked for has no more until the next event says so; except its
 * end, which may have come in the same event. */
static enum http_wire_result read_wire(struct http_connection *connection, uint8_t *bytes,
                                       size_t size, size_t *ret_length)
{
    *ret_length = 0;
    if (connection->is_drained)
        return HTTP_WIRE_BLOCKED;
    enum http_wire_result result = http_wire_read(&connection->wire, bytes, size, ret_length);
    connection->is_drained = connection->wire.session == NULL && !connection->has_hung_up &&
                             result == HTTP_WIRE_DONE && *ret_length < size;
    return result;
}

/* Reads more behind what is there. */
static enum http_wire_result scratch_read(struct http_connection *connection)
{
    struct http_loop *loop = connection->loop;
    size_t length = scratch_length(connection);
    if (loop->scratch_begin > 0)
        memmove(loop->scratch, loop->scratch + loop->scratch_begin, length);
    loop->scratch_begin = 0;
    loop->scratch_end = length;
    if (length == HTTP_SCRATCH_BYTES)
        abort(); /* a head is shorter, and limited */
    enum http_wire_result result = read_wire(connection, loop->scratch + loop->scratch_end,
                                             HTTP_SCRATCH_BYTES - loop->scratch_end, &length);
    loop->scratch_end += length;
    return result;
}

/* ---- states: each step returns true to go on, false to wait ---- */

static void wait_until(struct http_connection *connection, uint64_t us)
{
    connection->deadline_us = connection->loop->now_us + us;
}

static uint64_t idle_us(const struct http_connection *connection)
{
    return (uint64_t)connection->loop->server->options.idle_seconds * 1000000;
}

static bool close_now(struct http_connection *connection)
{
    connection->state = HTTP_STATE_CLOSED;
    return false;
}

/* Closing with unread bytes would make the kernel send a reset, which may overtake the answer: the
 * rest is read and thrown away for a while. */
static bool linger(struct http_connection *connection)
{
    struct http_loop *loop = connection->loop;
    http_wire_end(&connection->wire);
    loop->scratch_begin = 0;
    loop->scratch_end = 0;
    connection->state = HTTP_STATE_LINGER;
    wait_until(connection, HTTP_LINGER_US);
    return true;
}

static bool next_request(struct http_connection *connection)
{
    if (connection->is_closing)
        return linger(connection);
    connection->state = HTTP_STATE_HEAD;
    connection->scanned = 0;
    wait_until(connection, idle_us(connection));
    return true;
}

/* It comes back through the loop's queue, and http_connection_resume. */
static void leave_loop(struct http_connection *connection)
{
    connection->state = HTTP_STATE_WORK;
    connection->scanned = 0;
}

static bool hand_over(struct http_connection *connection, void (*job)(struct http_exchange *))
{
    leave_loop(connection);
    job(connection->exchange); /* from here on the exchange is the worker's */
    return false;
}

static bool begin_send(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    connection->state = HTTP_STATE_SEND;
    if (exchange->send_begun_us == 0)
        exchange->send_begun_us = connection->loop->now_us;
    wait_until(connection, idle_us(connection));
    return true;
}

static bool step_handshake(struct http_connection *connection)
{
    switch (http_wire_handshake(&connection->wire)) {
    case HTTP_WIRE_DONE:
        return next_request(connection);
    case HTTP_WIRE_BLOCKED:
        return false;
    case HTTP_WIRE_ENDED:
    case HTTP_WIRE_FAILED:
        break;
    }
    return close_now(connection);
}

/* In the first minute anything goes; then a client that trickles loses its place. */
static bool is_trickle(const struct http_connection *connection, uint64_t begun_us, uint64_t bytes)
{
    uint64_t elapsed = connection->loop->now_us - begun_us;
    return elapsed > HTTP_SLOW_AFTER_US && bytes < elapsed / 1000000 * HTTP_SLOW_BYTES_PER_SECOND;
}

static bool reads_too_slowly(const struct http_connection *connection)
{
    const struct http_exchange *exchange = connection->exchange;
    return is_trickle(connection, exchange->send_begun_us, exchange->bytes_sent);
}

static bool step_send(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    uint64_t before = exchange->bytes_sent;
    switch (http_exchange_send(exchange)) {
    case HTTP_SEND_DONE:
        connection->is_closing = exchange->is_closing;
        http_exchange_end(exchange, true);
        return next_request(connection);
    case HTTP_SEND_BLOCKED:
        if (reads_too_slowly(connection))
            break;
        if (exchange->bytes_sent > before)
            wait_until(connection, idle_us(connection));
        return false;
    case HTTP_SEND_EMPTY:
        return hand_over(connection, http_exchange_pump);
    case HTTP_SEND_FAILED:
        break;
    }
    return close_now(connection);
}

static bool step_linger(struct http_connection *connection)
{
    struct http_loop *loop = connection->loop;
    size_t length = 0;
    enum http_wire_result result =
        http_wire_discard(&connection->wire, loop->scratch, HTTP_SCRATCH_BYTES, &length);
    if (result == HTTP_WIRE_DONE)
        return true;
    return result == HTTP_WIRE_BLOCKED ? false : close_now(connection);
}

/* ---- body ---- */

/* While the exchange is the loop's: the engine itself refuses. */
static bool refuse(struct http_connection *connection, enum http_refusal refusal)
{
    struct http_exchange *exchange = connection->exchange;
    exchange->refusal = refusal;
    exchange->is_closing = true;
    if (exchange->has_responded) /* the earlier answer stands */
        return begin_send(connection);
    return hand_over(connection, http_exchange_refuse);
}

/* True: the request needs no worker for now. */
static bool is_started(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    const struct http_callbacks *callbacks = connection->loop->server->options.callbacks;
    if (callbacks->start == NULL || exchange->has_been_taken ||
        exchange->in_length > HTTP_SHORT_BYTES)
        return false;
    leave_loop(connection);
    exchange->is_light = callbacks->start(exchange, slice_of(exchange->in, exchange->in_length));
    return exchange->is_light;
}

static bool body_ended(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    exchange->has_body_ended = true;
    if (exchange->has_responded)
        return begin_send(connection);
    if (!is_started(connection))
        return hand_over(connection, http_exchange_take);
    return exchange->has_responded ? begin_send(connection) : false;
}

static bool continued(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    if (connection->loop->server->options.callbacks->resume(exchange))
        return begin_send(connection);
    exchange->is_light = false;
    return hand_over(connection, http_exchange_take);
}

/* Room for body bytes; those of a refused request go over the scratch only. */
static bool is_discarding(const struct http_exchange *exchange)
{
    return exchange->has_responded;
}

static void keep(struct http_exchange *exchange, struct slice bytes)
{
    exchange->bytes_in += bytes.length;
    if (is_discarding(exchange))
        return;
    memcpy(exchange->in + exchange->in_length, bytes.data, bytes.length);
    exchange->in_length += bytes.length;
}

static size_t room_of(struct http_exchange *exchange)
{
    return is_discarding(exchange) ? HTTP_SCRATCH_BYTES : http_exchange_room(exchange);
}

static enum http_chunks_event take_chunks(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    struct http_loop *loop = connection->loop;
    struct slice input = slice_of(loop->scratch + loop->scratch_begin, scratch_length(connection));
    struct slice data;
    size_t room = room_of(exchange);
    enum http_chunks_event event = HTTP_CHUNKS_MORE;
    while (room > 0 &&
           (event = http_chunks_next(&exchange->chunks, &input, room, &data)) == HTTP_CHUNKS_DATA) {
        keep(exchange, data);
        room = room_of(exchange);
    }
    loop->scratch_begin = loop->scratch_end - input.length;
    return event;
}

static void take_plain(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    struct http_loop *loop = connection->loop;
    size_t length = scratch_length(connection);
    size_t room = room_of(exchange);
    uint64_t rest = exchange->head.body_length - exchange->bytes_in;
    length = length < room ? length : room;
    length = length < rest ? length : (size_t)rest;
    keep(exchange, slice_of(loop->scratch + loop->scratch_begin, length));
    loop->scratch_begin += length;
}

/* Straight to where they belong, not over the scratch. */
static enum http_wire_result read_plain(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    size_t room = room_of(exchange);
    uint64_t rest = exchange->head.body_length - exchange->bytes_in;
    size_t length = 0;
    bool is_thrown = is_discarding(exchange);
    uint8_t *place = is_thrown ? connection->loop->scratch : exchange->in + exchange->in_length;
    enum http_wire_result result =
        read_wire(connection, place, room < rest ? room : (size_t)rest, &length);
    exchange->bytes_in += length;
    if (!is_thrown)
        exchange->in_length += length;
    return result;
}

static bool sends_too_slowly(const struct http_connection *connection)
{
    const struct http_exchange *exchange = connection->exchange;
    return is_trickle(connection, exchange->begun_us, exchange->bytes_in);
}

/* What was taken may complete something. True in *ret_is_settled: *ret_goes_on is the answer. */
static bool settle_body(struct http_connection *connection, enum http_chunks_event event,
                        bool *ret_goes_on)
{
    struct http_exchange *exchange = connection->exchange;
    bool is_chunked = exchange->head.body_length == UINT64_MAX;
    if (event == HTTP_CHUNKS_BAD)
        *ret_goes_on = refuse(connection, HTTP_BAD);
    else if (is_chunked ? event == HTTP_CHUNKS_END
                        : exchange->bytes_in == exchange->head.body_length)
        *ret_goes_on = body_ended(connection);
    else if (is_discarding(exchange) && exchange->bytes_in > HTTP_DISCARD_BYTES_MAX)
        *ret_goes_on = begin_send(connection); /* enough: answered now, and closed */
    else if (!is_discarding(exchange) && http_exchange_room(exchange) == 0)
        *ret_goes_on = hand_over(connection, http_exchange_take);
    else if (sends_too_slowly(connection))
        *ret_goes_on = refuse(connection, HTTP_TIMED_OUT);
    else
        return false;
    return true;
}

static bool step_body(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    bool is_chunked = exchange->head.body_length == UINT64_MAX;
    bool goes_on = false;
    enum http_chunks_event event = HTTP_CHUNKS_MORE;
    enum http_wire_result result = HTTP_WIRE_DONE;
    if (scratch_length(connection) > 0) {
        if (is_chunked)
            event = take_chunks(connection);
        else
            take_plain(connection);
        if (settle_body(connection, event, &goes_on))
            return goes_on;
    }
    if (is_chunked) {
        result = scratch_read(connection);
    } else {
        result = read_plain(connection);
        if (result == HTTP_WIRE_DONE && settle_body(connection, event, &goes_on))
            return goes_on;
    }
    if (result == HTTP_WIRE_DONE)
        wait_until(connection, idle_us(connection));
    if (result == HTTP_WIRE_ENDED)
        return refuse(connection, HTTP_CUT);
    return result == HTTP_WIRE_FAILED ? close_now(connection) : result == HTTP_WIRE_DONE;
}

/* ---- head ---- */

static bool begin_body(struct http_connection *connection)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct http_exchange *exchange = connection->exchange;
    if (exchange->head.expects_continue && !exchange->has_responded &&
        scratch_length(connection) == 0) {
        /* Everything before was sent: so few bytes always fit, or the connection is broken. */
        size_t written = 0;
        enum http_wire_result result =
            http_wire_write(&connection->wire, interim, sizeof interim - 1, true, &written);
        if (result != HTTP_WIRE_DONE || written != sizeof interim - 1)
            return close_now(connection);
    }
    if (!exchange->head.has_body)
        return body_ended(connection);
    connection->state = HTTP_STATE_BODY;
    wait_until(connection, idle_us(connection));
    return true;
}

/* After begin and check: answered, or the body may come. A short body of a refused request is read
 * first, so that the connection stays usable. */
static bool after_headers(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    const struct http_head *head = &exchange->head;
    if (!exchange->has_responded)
        return begin_body(connection);
    if (!head->has_body) {
        exchange->has_body_ended = true;
        return begin_send(connection);
    }
    bool is_short = head->body_length <= HTTP_DISCARD_BYTES_MAX || head->body_length == UINT64_MAX;
    if (is_short && !head->expects_continue && !exchange->is_closing)
        return begin_body(connection);
    return begin_send(connection);
}

static bool begin_exchange(struct http_connection *connection, const uint8_t *bytes, size_t length)
{
    struct http_exchange *exchange = http_exchange_new(connection, bytes, length);
    const struct http_callbacks *callbacks = connection->loop->server->options.callbacks;
    if (exchange->refusal != HTTP_GOOD) {
        exchange->is_closing = true;
        callbacks->refuse(exchange, exchange->refusal);
        return begin_send(connection);
    }
    callbacks->begin(exchange);
    if (exchange->wants_check && !exchange->has_responded)
        return hand_over(connection, http_exchange_check);
    return after_headers(connection);
}

/* The head itself is no request. */
static bool refuse_head(struct http_connection *connection, enum http_refusal refusal)
{
    struct http_exchange *exchange = http_exchange_new(connection, "", 0);
    const struct http_callbacks *callbacks = connection->loop->server->options.callbacks;
    exchange->is_closing = true;
    exchange->refusal = refusal;
    callbacks->refuse(exchange, refusal);
    return begin_send(connection);
}

static void skip_empty_lines(struct http_loop *loop)
{
    while (loop->scratch_end - loop->scratch_begin >= 2 &&
           memcmp(loop->scratch + loop->scratch_begin, "\r\n", 2) == 0)
        loop->scratch_begin += 2;
}

static bool step_head(struct http_connection *connection)
{
    struct http_loop *loop = connection->loop;
    enum http_refusal refusal;
    if (connection->scanned == 0)
        skip_empty_lines(loop);
    const uint8_t *bytes = loop->scratch + loop->scratch_begin;
    size_t before = connection->scanned;
    size_t length =
        http_head_length(bytes, scratch_length(connection), &connection->scanned, &refusal);
    size_t limit = loop->server->options.head_bytes_max;
    if (refusal != HTTP_GOOD)
        return refuse_head(connection, refusal);
    if (length > limit || (length == 0 && scratch_length(connection) > limit))
        return refuse_head(connection, HTTP_HEAD_TOO_LARGE);
    if (length > 0) {
        loop->scratch_begin += length;
        connection->scanned = 0;
        return begin_exchange(connection, bytes, length);
    }
    if (before == 0 && connection->scanned > 0)
        wait_until(connection, HTTP_HEAD_US); /* for the whole of it */
    enum http_wire_result result = scratch_read(connection);
    if (result == HTTP_WIRE_BLOCKED || result == HTTP_WIRE_DONE)
        return result == HTTP_WIRE_DONE;
    return close_now(connection);
}

/* ---- events ---- */

static bool step(struct http_connection *connection)
{
    switch (connection->state) {
    case HTTP_STATE_HANDSHAKE:
        return step_handshake(connection);
    case HTTP_STATE_HEAD:
        return step_head(connection);
    case HTTP_STATE_BODY:
        return step_body(connection);
    case HTTP_STATE_SEND:
        return step_send(connection);
    case HTTP_STATE_LINGER:
        return step_linger(connection);
    case HTTP_STATE_WORK:
    case HTTP_STATE_CLOSED:
        break;
    }
    return false;
}

static void run(struct http_connection *connection, bool goes_on)
{
    while (goes_on)
        goes_on = step(connection);
    scratch_save(connection);
    if (connection->state == HTTP_STATE_CLOSED)
        http_connection_free(connection);
}

static void advance(struct http_connection *connection)
{
    if (connection->state == HTTP_STATE_WORK)
        return;
    scratch_load(connection);
    run(connection, true);
}

void http_connection_event(struct http_connection *connection, bool has_hung_up)
{
    connection->is_drained = false;
    connection->has_hung_up = connection->has_hung_up || has_hung_up;
    advance(connection);
}

void http_connection_begin(struct http_connection *connection)
{
    wait_until(connection, HTTP_HANDSHAKE_US);
    advance(connection);
}

static bool goes_on_after(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    switch (connection->outcome) {
    case HTTP_OUTCOME_CHECKED:
        return after_headers(connection);
    case HTTP_OUTCOME_TAKEN:
        /* Answered in the middle: a rest that is known to be long is not waited for. */
        if (exchange->has_responded && exchange->head.body_length != UINT64_MAX &&
            exchange->head.body_length - exchange->bytes_in > HTTP_DISCARD_BYTES_MAX)
            return begin_send(connection);
        connection->state = HTTP_STATE_BODY;
        wait_until(connection, idle_us(connection));
        return true;
    case HTTP_OUTCOME_BLOCKED:
        return begin_send(connection);
    case HTTP_OUTCOME_SENT:
        return next_request(connection);
    case HTTP_OUTCOME_CONTINUED:
        return continued(connection);
    case HTTP_OUTCOME_FAILED:
        break;
    }
    return close_now(connection);
}

void http_connection_resume(struct http_connection *connection)
{
    scratch_load(connection);
    run(connection, goes_on_after(connection));
}

void http_connection_expire(struct http_connection *connection)
{
    bool is_body = connection->state == HTTP_STATE_BODY;
    bool is_head = connection->state == HTTP_STATE_HEAD && connection->pending != NULL;
    if (!is_body && !is_head) {
        http_connection_free(connection);
        return;
    }
    scratch_load(connection);
    run(connection,
        is_body ? refuse(connection, HTTP_TIMED_OUT) : refuse_head(connection, HTTP_TIMED_OUT));
}

struct http_connection *http_connection_new(struct http_server *server, int fd, const char *peer)
{
    struct http_connection *connection = gw_zalloc(sizeof *connection);
    connection->generation = atomic_load(&server->generation);
    (void)text_format(connection->peer, sizeof connection->peer, "%s", peer);
    pthread_mutex_lock(&server->mutex);
    bool is_open = http_wire_open(&connection->wire, fd, server->tls);
    pthread_mutex_unlock(&server->mutex);
    if (!is_open) {
        http_wire_close(&connection->wire);
        free(connection);
        return NULL;
    }
    atomic_fetch_add(&server->connections, 1);
    return connection;
}

void http_connection_free(struct http_connection *connection)
{
    struct http_server *server = connection->loop->server;
    if (connection->state == HTTP_STATE_WORK)
        abort(); /* a worker has it */
    if (connection->exchange != NULL)
        http_exchange_end(connection->exchange, false);
    if (connection->is_known) {
        struct http_connection **link = connection->previous == NULL
                                            ? &connection->loop->connections
                                            : &connection->previous->next;
        *link = connection->next;
        if (connection->next != NULL)
            connection->next->previous = connection->previous;
    }
    http_wire_close(&connection->wire);
    free(connection->pending);
    free(connection);
    atomic_fetch_sub(&server->connections, 1);
}
