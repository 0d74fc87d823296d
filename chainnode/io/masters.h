/* The node's side of talking to the configuration masters.
 *
 * Keeps a link to every master and finds the one that leads: a heartbeat goes to the master whose
 * last reply carried a lease; when that is too long ago, or the link broke, it goes to all of them:
 * the leader answers, the others refuse with a hint. A heartbeat is sent at most once to each
 * master, so a refusal can only move it on to one that has not had it yet; the reply counts from
 * the time at which the core made it (R30), so a later hop is safe. This finds a new leader within
 * one heartbeat of its election.
 *
 * What masters push (CONFIG, BEAT_REPLY, DECIDED) arrives on these links; the caller hands it to
 * the core. */
#ifndef CATENA_CHAINNODE_IO_MASTERS_H
#define CATENA_CHAINNODE_IO_MASTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/transport/links.h"

struct masters;

struct masters_options {
    const char *addresses[BOUND_MASTERS];
    uint32_t count;
    uint64_t heartbeat_us;
    uint32_t tag_base;
    uint64_t seed;
};

/* What an event meant. */
enum masters_news {
    MASTERS_NOT_OURS, /* the event is of another connection */
    MASTERS_NOTHING,
    MASTERS_MESSAGE,       /* hand event->message to the core */
    MASTERS_WRONG_CLUSTER, /* a master refused us or is of another cluster: event->text */
};

struct masters *masters_new(struct transport *transport, const struct masters_options *options);
void masters_free(struct masters *masters);
/* Sends a heartbeat to the leader, or to everyone while nobody is known to lead. */
void masters_send(struct masters *masters, const struct wire_message *message, uint64_t now_us);
enum masters_news masters_on_event(struct masters *masters, const struct transport_event *event,
                                   uint64_t now_us);
uint64_t masters_tick(struct masters *masters, uint64_t now_us);
/* The address of the master believed to lead, or NULL. */
const char *masters_leader(const struct masters *masters);

#endif
