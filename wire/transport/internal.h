/* Shared by the files of this folder; nobody else includes it.
 *
 * Threads. The owner's thread calls the public functions. nng's threads run the callbacks
 * (conn_on_received, conn_on_sent, on_dialed, on_accepted). Any thread may post.
 *
 * Locks, in the order in which they may be taken: conn.lock, transport.lock, inbox.lock. No
 * callback of nng runs inside a call that we make to nng, so calling nng under conn.lock is safe.
 *
 * Ends. An nng object is never freed in its own callback, and a stream is never closed with I/O in
 * flight (nng 1.5.2 has uses after free there). Whoever ends a connection marks it, cancels its
 * operations and hands it to the owner as a chore; the owner stops the operations (which waits for
 * callbacks), then frees the stream. The memory goes with the last reference. */
#ifndef CATENA_WIRE_TRANSPORT_INTERNAL_H
#define CATENA_WIRE_TRANSPORT_INTERNAL_H

#include <nng/nng.h>
#include <nng/supplemental/util/platform.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "wire/transport/frame.h"
#include "wire/transport/inbox.h"
#include "wire/transport/transport.h"

enum {
    HELLO_TIMEOUT_MS = 5000,        /* of an accepted connection */
    SEND_TIMEOUT_MS = 30000,        /* not one byte taken for so long: the peer is gone */
    LINGER_TIMEOUT_MS = 1000,       /* to deliver what was queued before a close */
    HELLO_HEADER_BYTES_MAX = 4096,  /* before the hello is checked */
    INBOX_CONN_BYTES_MAX = 8 << 20, /* received and not yet taken by the owner: stop reading */
    INBOX_TOTAL_BYTES_MAX = 64 << 20,
    INBOX_CONN_BYTES_MIN = 64 << 10, /* a connection may have this much even then */
};

/*        dialed or accepted
 *              |
 *           HELLO ----------------.
 *              | valid hello      |
 *            OPEN --------------. |
 *              | close with     | | error, close with
 *              | bytes queued   | | nothing queued
 *           LINGER -------------+-'
 *                               v
 *                            ENDED -> chore: stop, free the stream
 * OPENED is reported on entering OPEN; CLOSED on leaving it; FAILED on leaving HELLO otherwise, if
 * dialed. */
enum conn_state { CONN_HELLO, CONN_OPEN, CONN_LINGER, CONN_ENDED };

struct conn {
    atomic_uint references; /* map, dirty list, inbox items, posting threads */
    struct transport *transport;
    uint64_t id;
    uint64_t tag;
    bool is_dialed;
    nng_stream *stream;
    nng_aio *receiving;
    nng_aio *sending;
    struct frame_reader reader; /* the receiving callback's alone */
    struct inbox_batch batch;   /* the same */
    nng_time hello_deadline_ms; /* of nng_clock() */
    atomic_size_t inbox_bytes;  /* received, not yet taken by the owner */
    atomic_bool is_paused;      /* not receiving until the owner takes messages */

    pthread_mutex_t lock; /* all below */
    enum conn_state state;
    struct frame_writer writer;
    bool is_sending; /* a send is in flight */
    bool is_dirty;   /* on the owner's list of connections to flush */
    struct conn *next_dirty;
    struct conn *next_dead; /* transport.lock */
};

struct dial {
    struct transport *transport;
    nng_stream_dialer *dialer;
    nng_aio *aio;
    uint64_t tag;
    nng_time deadline_ms;
    struct dial *next; /* all dials (transport.lock) */
    bool is_done;      /* the callback has run: a chore */
};

struct listener {
    struct transport *transport;
    nng_stream_listener *listener;
    nng_aio *aio;
    bool is_resting; /* the aio sleeps after an error */
    struct listener *next;
};

struct transport {
    struct inbox inbox;
    void (*arrived)(void *context);
    void *arrived_context;
    uint64_t queue_bytes_max;
    uint32_t connections_max;
    uint32_t frame_payload_bytes_max;
    atomic_size_t inbox_bytes;
    struct conn *dirty; /* the owner's alone */

    pthread_mutex_t lock; /* all below */
    struct wire_message hello;
    struct map conns; /* id -> conn */
    uint64_t next_id;
    uint32_t accepted; /* connections that count against connections_max */
    struct conn *dead;
    struct dial *dials;
    struct listener *listeners;
    bool is_closing;
};

/* transport.c */
/* A thread of nng received something and holds no lock. */
void transport_arrived(struct transport *transport);

/* conn.c: life and sending */
struct conn *conn_ref(struct conn *conn);
void conn_unref(struct conn *conn);
/* Takes the stream over, in both cases. False: the transport is closing or full. */
bool conn_start(struct transport *transport, nng_stream *stream, bool is_dialed, uint64_t tag,
                nng_time hello_deadline_ms);
/* Under conn.lock. Queues; does not send. False and ended: the queue is full. */
bool conn_queue(struct conn *conn, const struct wire_message *message);
/* Under conn.lock. Sends if nothing is in flight. */
void conn_send(struct conn *conn);
/* Under conn.lock. The connection ends now; reported if it was not yet. */
void conn_end(struct conn *conn, enum err err, const char *text);
/* Under conn.lock. Ends once the queue is sent; reported now. */
void conn_end_after_sending(struct conn *conn, enum err err, const char *text);
/* The owner: stops the operations of an ended connection and frees its stream. */
void conn_bury(struct conn *conn);

/* receive.c */
void conn_receive(struct conn *conn);  /* under conn.lock */
void conn_on_received(void *argument); /* callback */
/* The owner took an item of that many bytes. */
void conn_credit(struct conn *conn, size_t bytes);

/* dial.c, listen.c */
void dial_free(struct dial *dial);
void listener_free(struct listener *listener);
/* "host:port" or "tcp://host:port" to a URL; false if neither. */
bool address_to_url(const char *address, char *url, size_t size);

/* nng_err.c: the translation of nng's numbers. */
enum err err_of_nng(int number);
const char *text_of_nng(int number);

#endif
