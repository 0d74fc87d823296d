/* Outgoing connections to numbered peers: dial on demand, redial with growing delay and jitter.
 *
 * A process sends to a peer only on the connection that it dialed itself; what the peer has to say
 * arrives on the peer's own connection, or (for request and answer) back on ours. Owned and called
 * by the transport's thread; feed it every transport event first. */
#ifndef CATENA_WIRE_TRANSPORT_LINKS_H
#define CATENA_WIRE_TRANSPORT_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/transport/transport.h"

struct links;

struct links_options {
    uint32_t tag_base; /* tags used: ((uint64_t)tag_base << 32) | peer */
    uint32_t dial_timeout_ms;
    uint32_t redial_min_ms;
    uint32_t redial_max_ms;
    uint64_t seed;
};

/* DOWN: an open link was lost, or an attempt failed. DOWN_REFUSED: an attempt was refused by the
 * peer's host: nothing listens there. Attempts report every time, so a peer that stays away is
 * reported again and again. */
enum links_change { LINKS_NOTHING, LINKS_UP, LINKS_DOWN, LINKS_DOWN_REFUSED };

struct links *links_new(struct transport *transport, const struct links_options *options);
void links_free(struct links *links);
/* The peer's address; a changed one closes the old connection. Starts dialing. */
void links_set(struct links *links, uint32_t peer, const char *address);
void links_remove(struct links *links, uint32_t peer);
/* False: not connected, the message is lost (legal for every protocol message). */
bool links_send(struct links *links, uint32_t peer, const struct wire_message *message);
bool links_is_up(const struct links *links, uint32_t peer);
/* Connection id of a peer that is up, else 0. */
uint64_t links_conn(const struct links *links, uint32_t peer);
/* Tells links about an event. True if the connection is one of ours; then *ret_peer and
 * *ret_change. */
bool links_on_event(struct links *links, const struct transport_event *event, uint64_t now_us,
                    uint32_t *ret_peer, enum links_change *ret_change);
/* Redials what is due; returns the next deadline (UINT64_MAX = none). */
uint64_t links_tick(struct links *links, uint64_t now_us);

#endif
