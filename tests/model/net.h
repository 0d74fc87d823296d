/* The network of a model: one queue for each direction between two ends, and the messages that a
 * fault took out of their queue.
 *
 * A queue is a connection: in order, nothing lost. What a real network does besides (loss,
 * repetition, delay past later messages, past an epoch, past a restart) costs a fault: a message,
 * or a copy of it, goes to limbo, from where it may arrive at any later moment or never. Lives in
 * heap 0. Messages are copied into the receiver's heap before they are handed over. */
#ifndef CATENA_TESTS_MODEL_NET_H
#define CATENA_TESTS_MODEL_NET_H

#include "wire/messages.h"

enum { NET_ENDS = 5, NET_LIMBO_MAX = 4 };

struct net_message {
    struct net_message *next;    /* in its queue */
    struct wire_message message; /* owned */
    uint64_t hash;               /* of everything in it, sender and receiver too */
    uint64_t incarnation;        /* of the sender */
    uint8_t from;
    uint8_t to;
};

struct net_queue {
    struct net_message *oldest; /* owned */
    uint32_t count;
};

struct net {
    struct net_queue queues[NET_ENDS][NET_ENDS]; /* from, to */
    struct net_message *limbo[NET_LIMBO_MAX];    /* owned */
    uint32_t limbo_count;
    uint32_t queued;
};

/* In heap 0. Ends are numbered from 0. */
void net_send(struct net *net, unsigned from, uint64_t incarnation, unsigned to,
              const struct wire_message *message);
/* Takes the oldest of a queue, or one out of limbo; the caller frees it, in heap 0. */
struct net_message *net_take(struct net *net, unsigned from, unsigned to);
struct net_message *net_take_limbo(struct net *net, unsigned index);
void net_free(struct net_message *entry);
void net_delay(struct net *net, unsigned from, unsigned to);
void net_repeat(struct net *net, unsigned from, unsigned to);
/* Everything under way to that end is lost; limbo is not. */
void net_cut_to(struct net *net, unsigned to);
void net_forget_limbo(struct net *net);
uint64_t net_fingerprint(const struct net *net, uint64_t hash);
/* A copy that shares nothing with the original, in the heap that is entered. */
void net_copy(const struct wire_message *message, struct wire_message *ret_copy);

#endif
