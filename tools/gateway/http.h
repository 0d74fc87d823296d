/* The HTTP engine behind a small interface; http.c is the only file that knows libmicrohttpd.
 *
 * An exchange is one request and its response. Its life:
 *
 *   begin (engine's thread, must not block)
 *     -> check (worker; only if begin asked for it)     before "100 Continue"
 *     -> body, body, ..., body with is_end (worker)     one at a time, HTTP_BUFFER_BYTES at most
 *     -> produce, produce, ... (worker)                 for streamed responses
 *     -> finish (worker)                                always, once, also when the client left
 *
 * Whichever callback responds first decides; a body that still comes is read and thrown away, or,
 * when it is long, the connection is closed. While a worker has the exchange, its connection reads
 * and writes nothing: that is the back-pressure, and why no locks are needed. Memory: one buffer in
 * and one out, HTTP_BUFFER_BYTES each, made when needed. */
#ifndef CATENA_TOOLS_GATEWAY_HTTP_H
#define CATENA_TOOLS_GATEWAY_HTTP_H

#include "tools/gateway/pool.h"
#include "tools/gateway/request.h"

enum { HTTP_BUFFER_BYTES = 256 * 1024, HTTP_DISCARD_BYTES_MAX = 8 << 20 };

struct http_exchange;
struct http_server;

struct http_callbacks {
    void (*begin)(struct http_exchange *exchange);
    void (*check)(struct http_exchange *exchange);
    void (*body)(struct http_exchange *exchange, struct slice bytes, bool is_end);
    /* Up to size bytes of a streamed response. False: it cannot go on; the connection is cut. */
    bool (*produce)(struct http_exchange *exchange, uint8_t *bytes, size_t size,
                    size_t *ret_length);
    void (*finish)(struct http_exchange *exchange, bool is_complete);
};

struct http_options {
    const char *address; /* "host:port"; port 0 takes any */
    const struct http_callbacks *callbacks;
    void *context;
    struct gw_pool *pool;
    uint32_t threads;
    uint32_t connections_max;
    uint32_t connection_memory; /* bytes: bounds request line and headers */
    uint32_t idle_seconds;
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
/* Ends former generations (after a renewal) that have nothing left to do. Call now and then. */
void http_server_tidy(struct http_server *server);
/* No exchange may be under way. */
void http_server_free(struct http_server *server);

/* ---- exchanges ---- */
const struct gw_request *http_request(const struct http_exchange *exchange);
/* Of the server. */
void *http_server_context(const struct http_exchange *exchange);
/* The user's own, kept with the exchange. */
void http_set_context(struct http_exchange *exchange, void *context);
void *http_context(const struct http_exchange *exchange);
const char *http_peer(const struct http_exchange *exchange);
const char *http_target(const struct http_exchange *exchange); /* path and query as sent */
bool http_is_tls(const struct http_exchange *exchange);
/* Length from Content-Length; UINT64_MAX: chunked. */
uint64_t http_body_length(const struct http_exchange *exchange);
bool http_has_body(const struct http_exchange *exchange);
bool http_expects_continue(const struct http_exchange *exchange);
/* In begin: run check before anything of the body is asked for. */
void http_want_check(struct http_exchange *exchange);

/* Headers first, then one of the two. The body is copied; NULL and 0 for none. */
void http_add_header(struct http_exchange *exchange, const char *name, const char *value);
void http_respond(struct http_exchange *exchange, unsigned status, const void *body, size_t length);
/* length bytes come from produce. */
void http_respond_stream(struct http_exchange *exchange, unsigned status, uint64_t length);
/* For HEAD: no body, but this Content-Length. */
void http_respond_head(struct http_exchange *exchange, unsigned status, uint64_t length);
void http_close_after(struct http_exchange *exchange); /* Connection: close */
bool http_has_responded(const struct http_exchange *exchange);
unsigned http_status(const struct http_exchange *exchange);
uint64_t http_bytes_in(const struct http_exchange *exchange);
uint64_t http_bytes_out(const struct http_exchange *exchange);
uint64_t http_begun_us(const struct http_exchange *exchange); /* CLOCK_MONOTONIC */

#endif
