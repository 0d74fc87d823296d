/* Inside the HTTP engine: what http_exchange.c, http_connection.c, http_loop.c and http_server.c
 * share. Nobody else includes this.
 *
 *   http_server.c      listens, starts the loops, renews certificates, drains
 *   http_loop.c        a thread with epoll: which connection can go on, which one is too late
 *   http_connection.c  the life of one connection: head, body, answer, next
 *   http_exchange.c    one request and its answer: what callbacks see, and the jobs of workers
 *   http_head.c, http_tls.c  bytes to heads and chunks; sockets and TLS
 *
 * A connection belongs to one loop for life. Its states:
 *
 *   HANDSHAKE -> HEAD -> BODY <-> WORK -> SEND -> HEAD (keep-alive)
 *                                              -> LINGER -> closed
 *
 * In WORK a worker (or whoever will call http_continue) has the exchange: the loop only notes
 * events, and looks again when the connection comes back through the loop's queue. All other fields
 * of a connection are the loop's alone. Sockets are edge-triggered and registered once, so whoever
 * gets a connection back first tries, then waits. */
#ifndef CATENA_TOOLS_GATEWAY_HTTP_ENGINE_H
#define CATENA_TOOLS_GATEWAY_HTTP_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "tools/gateway/http.h"
#include "tools/gateway/http_head.h"
#include "tools/gateway/http_tls.h"

enum {
    HTTP_SCRATCH_BYTES = 128 * 1024,
    HTTP_HANDSHAKE_US = 30 * 1000 * 1000,
    HTTP_HEAD_US = 30 * 1000 * 1000,  /* from the first byte of a head to its last */
    HTTP_LINGER_US = 5 * 1000 * 1000, /* for the client to read a last answer */
    HTTP_SLOW_AFTER_US = 60 * 1000 * 1000,
    HTTP_SLOW_BYTES_PER_SECOND = 1024,
};

struct http_loop {
    struct http_server *server;
    pthread_t thread;
    bool is_started;
    int epoll_fd;
    int wake_fd;
    bool is_listening; /* the listening socket is in this loop's epoll */
    atomic_bool is_stopping;
    uint64_t now_us;
    struct http_connection *connections; /* a list, in any order */
    pthread_mutex_t mutex;
    struct http_connection *returned; /* guarded: new ones, and those that workers give back */
    bool is_waiting;                  /* guarded: only then it has to be woken */
    bool is_wake_due;                 /* guarded: some thread will wake it, from its list: */
    struct http_loop *next_due;
    /* Bytes that were read and not used yet, of the connection that is being advanced. */
    uint8_t *scratch;
    size_t scratch_begin;
    size_t scratch_end;
};

enum { HTTP_LOOPS_MAX = 64 };

struct http_server {
    struct http_options options;
    char address[288];
    int fd; /* listening; -1 after draining began (the first loop's thread closes it) */
    atomic_bool is_draining;
    atomic_uint active;
    atomic_uint wakes_due; /* loops that a thread will still wake */
    atomic_uint connections;
    pthread_mutex_t mutex; /* of tls */
    struct http_tls *tls;
    atomic_uint generation; /* grows with every renewal */
    struct http_loop loops[HTTP_LOOPS_MAX];
    uint32_t loop_count;
    uint32_t next_loop; /* of the accepting thread */
};

enum http_state {
    HTTP_STATE_HANDSHAKE,
    HTTP_STATE_HEAD,
    HTTP_STATE_BODY,
    HTTP_STATE_WORK,
    HTTP_STATE_SEND,
    HTTP_STATE_LINGER,
    HTTP_STATE_CLOSED,
};

/* What a worker says when it gives a connection back. */
enum http_outcome {
    HTTP_OUTCOME_CHECKED,
    HTTP_OUTCOME_TAKEN,   /* a piece of the body; perhaps answered */
    HTTP_OUTCOME_BLOCKED, /* the answer waits for the socket */
    HTTP_OUTCOME_SENT,
    HTTP_OUTCOME_CONTINUED, /* by http_continue */
    HTTP_OUTCOME_FAILED,
};

struct http_connection {
    struct http_loop *loop;
    struct http_connection *next; /* in the loop's list; so is previous */
    struct http_connection *previous;
    bool is_known; /* the loop has it in its list */
    struct http_connection *next_returned;
    struct http_wire wire;
    enum http_state state;
    enum http_outcome outcome;
    bool is_closing;  /* after this answer */
    bool is_drained;  /* nothing to read before the next event */
    bool has_hung_up; /* the client sends no more than what is there */
    unsigned generation;
    uint64_t deadline_us;
    uint8_t *pending; /* read and not used, while nobody advances it; NULL if none */
    size_t pending_length;
    size_t scanned; /* of a head that is not complete */
    struct http_exchange *exchange;
    char peer[48];
};

struct http_exchange {
    struct gw_job job; /* the one thing that is under way on a worker; the first member */
    struct http_server *server;
    struct http_connection *connection; /* NULL once finishing began */
    struct http_head head;
    char *head_bytes;
    char peer[48];
    void *context;
    bool wants_check;
    bool has_body_ended;
    bool has_been_taken; /* a worker had a piece of the body */
    bool is_light;       /* no worker has it: finish runs where it ends */
    bool is_complete;
    enum http_refusal refusal; /* for the refuse callback */
    struct http_chunks chunks;
    uint64_t begun_us;
    uint64_t bytes_in;
    uint64_t bytes_sent; /* with the head */
    uint64_t send_begun_us;
    uint8_t *in;
    size_t in_length;
    size_t in_capacity;
    /* the answer */
    bool has_responded;
    bool is_streamed;
    bool is_closing;
    unsigned status;
    uint64_t response_length;
    struct text response_headers;
    struct text response_body;
    size_t response_head_length;
    struct text out; /* the head, and the body unless it is streamed */
    size_t out_sent;
    const uint8_t *piece; /* of a stream, lent by produce: what is not sent of it */
    size_t piece_length;
    uint64_t out_rest;   /* of a stream: bytes that produce still owes */
    bool is_produce_due; /* before anything else is sent */
};

/* ---- http_exchange.c ---- */
/* Copies the head. */
struct http_exchange *http_exchange_new(struct http_connection *connection, const void *head,
                                        size_t length);
/* Room for at least one more byte of body; returns how many fit. */
size_t http_exchange_room(struct http_exchange *exchange);
enum http_send {
    HTTP_SEND_DONE,
    HTTP_SEND_BLOCKED,
    HTTP_SEND_EMPTY, /* the next piece is to be produced */
    HTTP_SEND_FAILED,
};
/* As much as the socket takes. By whoever has the exchange. */
enum http_send http_exchange_send(struct http_exchange *exchange);
/* Jobs; the connection is in WORK. */
void http_exchange_check(struct http_exchange *exchange);
void http_exchange_take(struct http_exchange *exchange);
void http_exchange_refuse(struct http_exchange *exchange);
void http_exchange_pump(struct http_exchange *exchange);
/* Takes it from the connection; finish runs on a worker. */
void http_exchange_end(struct http_exchange *exchange, bool is_complete);

/* ---- http_connection.c: the loop's thread ---- */
/* Takes fd. NULL: no memory for TLS; fd is closed. */
struct http_connection *http_connection_new(struct http_server *server, int fd, const char *peer);
void http_connection_begin(struct http_connection *connection);
/* Its socket is ready for something. Goes on as far as possible; it may be freed afterwards. */
void http_connection_event(struct http_connection *connection, bool has_hung_up);
/* A worker gave it back. */
void http_connection_resume(struct http_connection *connection);
/* Its deadline is over. */
void http_connection_expire(struct http_connection *connection);
/* Not in WORK. Cuts whatever is under way, and frees. */
void http_connection_free(struct http_connection *connection);

/* ---- http_loop.c ---- */
bool http_loop_start(struct http_loop *loop, struct http_server *server);
/* Closes its connections and joins its thread. */
void http_loop_stop(struct http_loop *loop);
void http_loop_wake(struct http_loop *loop);
/* Any thread. */
void http_loop_give(struct http_loop *loop, struct http_connection *connection);
/* The loop is woken by http_wake_continued on this thread. */
void http_loop_give_later(struct http_loop *loop, struct http_connection *connection);

#endif
