/* Events on their way from nng's threads to the owner's thread. */
#ifndef CATENA_WIRE_TRANSPORT_INBOX_H
#define CATENA_WIRE_TRANSPORT_INBOX_H

#include <pthread.h>

#include "wire/transport/transport.h"

struct conn;

struct inbox_item {
    struct conn *conn; /* owned reference or NULL; who is credited with `bytes` when it is taken */
    size_t bytes;
    struct transport_event event;
};

struct inbox_batch {
    struct inbox_item *items;
    size_t count;
    size_t capacity;
};

struct inbox {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct inbox_batch arriving; /* under lock */
    bool is_quiet;               /* fixed: items do not end a wait */
    bool is_waiting;             /* under lock: the owner sleeps */
    bool is_woken;               /* under lock: end the wait */
    bool has_chores;             /* under lock: the owner has something to clean up */
    struct inbox_batch taken;    /* the owner's alone */
    size_t taken_next;
};

enum inbox_result { INBOX_ITEMS, INBOX_WOKEN, INBOX_CHORES, INBOX_TIMEOUT };

/* A free slot at the end of a batch, zeroed but for its text. */
struct inbox_item *inbox_batch_add(struct inbox_batch *batch);
void inbox_batch_release(struct inbox_batch *batch);

void inbox_init(struct inbox *inbox);
/* Empty by then. */
void inbox_release(struct inbox *inbox);
/* Moves the items of the batch (it is empty afterwards) behind what is there. */
void inbox_push(struct inbox *inbox, struct inbox_batch *batch);
void inbox_wake(struct inbox *inbox);
/* Ends a wait with INBOX_CHORES. */
void inbox_add_chore(struct inbox *inbox);
/* The owner: waits until there is an item, up to timeout_us. */
enum inbox_result inbox_wait(struct inbox *inbox, uint64_t timeout_us);
/* Takes what has arrived, without waiting and whatever else there is. */
bool inbox_look(struct inbox *inbox);
/* Waits for inbox_wake(), a chore or the end of the time, whatever has arrived: from any one
 * thread, which need not be the owner. */
enum inbox_result inbox_sleep(struct inbox *inbox, uint64_t timeout_us);
/* The next item or NULL; valid until the next call of inbox_wait() or inbox_look(). */
struct inbox_item *inbox_take(struct inbox *inbox);

#endif
