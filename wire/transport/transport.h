/* Framed messages over nng byte streams: the one interface between drivers and the network.
 *
 * A frame is u32 header bytes, u32 payload bytes (both big-endian), the CBOR header, the raw
 * payload. nng's own threads do the I/O; they hand whole decoded messages to an inbox. The owner's
 * single thread drains the inbox, sends, and flushes. Many small frames leave in one write. nng's
 * sockets (REQ, SUB ...) are not used: see docs/decisions.md.
 *
 * Hello: both sides send HELLO first. The transport checks the wire version and, unless one side's
 * is zero, the cluster UUID; a mismatch is answered by REFUSED with the reason and the connection
 * closes. OPENED is reported after a valid hello was received. */
#ifndef CATENA_WIRE_TRANSPORT_TRANSPORT_H
#define CATENA_WIRE_TRANSPORT_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/messages.h"

struct transport;

struct transport_options {
    struct wire_hello hello;  /* ours; slices copied; wire_version 0 means WIRE_VERSION */
    uint32_t connections_max; /* accepted ones; more are closed at once */
    uint64_t queue_bytes_max; /* per connection: a peer that does not read is closed beyond it, and
                                 after 30 s without taking one byte */
    uint32_t frame_payload_bytes_max;
    /* NULL: the owner is one thread, which waits in transport_wait(). Otherwise any thread may be
     * the owner for a while, under a lock of the caller's: this is called by a thread that received
     * messages, which holds no lock and may well take them itself. It must neither block nor tend.
     * Of connections that end transport_sleep() tells too. */
    void (*arrived)(void *context);
    void *arrived_context;
};

enum transport_event_kind {
    TRANSPORT_OPENED,  /* conn, hello in message, is_dialed, tag */
    TRANSPORT_MESSAGE, /* conn, message */
    TRANSPORT_CLOSED,  /* conn, tag, err, text: once for each OPENED */
    TRANSPORT_FAILED,  /* tag, err, refused, text: a dial did not reach OPENED */
};

struct transport_event {
    enum transport_event_kind kind;
    uint64_t conn; /* never reused */
    uint64_t tag;  /* the dialer's own number for it, in every kind; 0 for accepted connections */
    bool is_dialed;
    bool refused; /* connection refused by the host */
    enum err err; /* CLOSED: UNREACHABLE the peer or the network, CANCELLED this side, BUSY the
                     queue limit, TIMEOUT, or what was wrong with a frame. FAILED: also
                     WRONG_VERSION, WRONG_CLUSTER, or what the peer's REFUSED said */
    struct wire_message message; /* OPENED, MESSAGE: owned, release it. Else WIRE_NONE: harmless to
                                    release */
    char text[160];              /* CLOSED, FAILED: for people */
};

struct transport *transport_new(const struct transport_options *options);
/* Closes everything, drains all I/O, drops events that were not taken. No thread posts any more. */
void transport_free(struct transport *transport);
/* address: "host:port" or "tls+tcp://..." later. Port 0 binds any; *ret_bound gets "host:port". */
enum err transport_listen(struct transport *transport, const char *address, char *ret_bound,
                          size_t bound_size, char *ret_text, size_t text_size);
/* Starts a connection attempt; the result is an OPENED or FAILED event with that tag, within
 * timeout_ms (> 0) including the hello. One attempt: retrying is the caller's (see
 * wire/transport/links.h). */
void transport_dial(struct transport *transport, const char *address, uint64_t tag,
                    uint32_t timeout_ms);
/* Encodes and queues; what is queued leaves at transport_flush(). Takes its own reference to the
 * payload; the message stays the caller's. False: the message is lost, because the connection is
 * unknown or closed, or the message exceeds a bound of the wire. */
bool transport_send(struct transport *transport, uint64_t conn, const struct wire_message *message);
void transport_flush(struct transport *transport);
/* Ends the connection: what is queued to send still leaves, for up to a second; messages that were
 * received before may still be in the inbox, CLOSED comes behind them. */
void transport_close(struct transport *transport, uint64_t conn);
/* Moves up to `max` events into `events`; returns how many. Waits up to timeout_us (0 = no wait,
 * UINT64_MAX = for ever) while there is none. Returns early (maybe 0) after transport_wake(), and
 * when it had connections to clean up: connections that ended are freed here, so an owner comes by.
 */
uint32_t transport_wait(struct transport *transport, struct transport_event *events, uint32_t max,
                        uint64_t timeout_us);
/* With `arrived`, in place of transport_wait(). The owner: up to `max` events that are there. */
uint32_t transport_take(struct transport *transport, struct transport_event *events, uint32_t max);
/* The same owner, but no thread that is inside `arrived`: frees connections that ended, as
 * transport_wait() does. */
void transport_tend(struct transport *transport);
/* One thread, which need not be the owner: sleeps until transport_wake(), until there is something
 * to tend or a dial failed, or the time is over. */
void transport_sleep(struct transport *transport, uint64_t timeout_us);
/* Ends a wait; from any thread. */
void transport_wake(struct transport *transport);
/* Thread-safe form of send + flush, for reader threads that answer bulk reads. */
bool transport_post(struct transport *transport, uint64_t conn, const struct wire_message *message);
/* Replaces our hello's incarnation or cluster for later connections. */
void transport_set_hello(struct transport *transport, const struct wire_hello *hello);

#endif
