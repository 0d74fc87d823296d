/* The HTTP engine: HTTP/1.1 over TCP or TLS, on a few threads with epoll. http_engine.h says how it
 * is made.
 *
 * An exchange is one request and its response. Its life:
 *
 *   begin (engine's thread, must not block)
 *     -> check (worker; only if begin asked for it)     before "100 Continue"
 *     -> body, body, ..., body with is_end (worker)     one at a time, HTTP_BUFFER_BYTES at most
 *     or start ... resume (engine's thread)             instead of body, for short ones
 *     -> produce, produce, ... (worker)                 for streamed responses
 *     -> finish (worker)                                always, once, also when the client left
 *
 * or refuse, instead of begin or after it, when the engine cannot take the request. Whichever
 * callback responds first decides; a body that still comes is read and thrown away, or, when it is
 * long, the answer is sent at once and the connection closed. While a worker has the exchange, its
 * connection reads nothing: that is the back-pressure, and why no locks are needed. Memory: one
 * buffer in, of HTTP_BUFFER_BYTES, made when needed, and the answer or what produce lent of it; a
 * connection without a request holds no buffer at all. */
#ifndef CATENA_TOOLS_GATEWAY_HTTP_H
#define CATENA_TOOLS_GATEWAY_HTTP_H

#include "tools/gateway/http_head.h"
#include "tools/gateway/pool.h"

enum {
    HTTP_BUFFER_BYTES = 256 * 1024,
    HTTP_DISCARD_BYTES_MAX = 8 << 20,
    HTTP_HEAD_BYTES_MAX = 64 * 1024,
    HTTP_SHORT_BYTES = 16 * 1024, /* bodies that may do without a worker */
};

struct http_exchange;
struct http_server;

struct http_callbacks {
    void (*begin)(struct http_exchange *exchange);
    void (*check)(struct http_exchange *exchange);
    void (*body)(struct http_exchange *exchange, struct slice bytes, bool is_end);
    /* May be NULL. Instead of body, where the whole of it is there and short (or there is none);
     * must not block. True: it has responded, or http_continue will be called once, on any thread,
     * which brings resume. False: body is called, as if nothing had been. */
    bool (*start)(struct http_exchange *exchange, struct slice bytes);
    /* After http_continue; must not block. True: it has responded, completely, and finish will not
     * block either. False: body is called, with the same bytes, and goes on. */
    bool (*resume)(struct http_exchange *exchange);
    /* The next bytes of a streamed response, at most HTTP_BUFFER_BYTES; they stay until the next
     * call, or finish. False: it cannot go on; the connection is cut. */
    bool (*produce)(struct http_exchange *exchange, const uint8_t **ret_bytes, size_t *ret_length);
    void (*finish)(struct http_exchange *exchange, bool is_complete);
    /* May be NULL. On each thread of the engine, around what it does between two waits: what these
     * requests cause can be handed on together. */
    void (*enter)(void *context);
    void (*leave)(void *context);
    /* Has to respond, without blocking. Before begin (engine's thread; the request may be empty),
     * or on a worker while the body comes. The connection ends with the answer. */
    void (*refuse)(struct http_exchange *exchange, enum http_refusal refusal);
};

struct http_options {
    const char *address; /* "host:port"; port 0 takes any */
    const struct http_callbacks *callbacks;
    void *context;
    struct gw_pool *pool;
    uint32_t threads;
    uint32_t connections_max;
    uint32_t head_bytes_max; /* request line and headers; at most HTTP_HEAD_BYTES_MAX */
    uint32_t idle_seconds;   /* nothing moves: closed */
    const char *certificate; /* PEM text; NULL = no TLS */
    const char *private_key;
};

/* NULL: error says why. */
struct http_server *http_server_new(const struct http_options *options, struct text *error);
/* "host:port" as bound. */
const char *http_server_address(const struct http_server *server);
/* New connections get the new certificate; old ones end with their next response. False: the old
 * one stays. */
bool http_server_renew(struct http_server *server, const char *certificate, const char *private_key,
                       struct text *error);
/* Refuses new connections, ends each connection with its next response. */
void http_server_drain(struct http_server *server);
uint32_t http_server_active(const struct http_server *server); /* exchanges under way */
/* Cuts what is under way. NULL is allowed. */
void http_server_free(struct http_server *server);

/* ---- exchanges ---- */
const struct gw_request *http_request(const struct http_exchange *exchange);
/* Of the server. */
void *http_server_context(const struct http_exchange *exchange);
/* The user's own, kept with the exchange. */
void http_set_context(struct http_exchange *exchange, void *context);
void *http_context(const struct http_exchange *exchange);
const char *http_peer(const struct http_exchange *exchange);
/* Length from Content-Length; UINT64_MAX: chunked. */
uint64_t http_body_length(const struct http_exchange *exchange);
bool http_has_body(const struct http_exchange *exchange);
bool http_expects_continue(const struct http_exchange *exchange);
/* In begin: run check before anything of the body is asked for. */
void http_want_check(struct http_exchange *exchange);

/* Any thread, after start has returned true or while it runs. */
void http_continue(struct http_exchange *exchange);
/* The same for one that continues many: the engine's threads are woken by http_wake_continued,
 * which has to follow on the same thread. */
void http_continue_many(struct http_exchange *exchange);
void http_wake_continued(void);

/* Headers first, then one of the two. The body is copied; NULL and 0 for none. */
void http_add_header(struct http_exchange *exchange, const char *name, const char *value);
/* Forgets those that were added: another answer takes the place of the one they were for. */
void http_clear_headers(struct http_exchange *exchange);
void http_respond(struct http_exchange *exchange, unsigned status, const void *body, size_t length);
/* The same with a malloc()ed body that becomes the exchange's. */
void http_respond_owned(struct http_exchange *exchange, unsigned status, uint8_t *body,
                        size_t length);
/* length bytes come from produce. */
void http_respond_stream(struct http_exchange *exchange, unsigned status, uint64_t length);
/* For HEAD: no body, but this Content-Length. */
void http_respond_head(struct http_exchange *exchange, unsigned status, uint64_t length);
void http_close_after(struct http_exchange *exchange); /* Connection: close */
bool http_has_responded(const struct http_exchange *exchange);
unsigned http_status(const struct http_exchange *exchange);
uint64_t http_bytes_in(const struct http_exchange *exchange);
uint64_t http_bytes_out(const struct http_exchange *exchange);
uint64_t http_begun_us(const struct http_exchange *exchange); /* as http_now_us */
uint64_t http_now_us(void);                                   /* CLOCK_MONOTONIC */

#endif
