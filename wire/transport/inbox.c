#include "wire/transport/inbox.h"

#include <errno.h>
#include <time.h>

#include "base/contract.h"

enum { CAPACITY_KEPT = 4096 };

struct inbox_item *inbox_batch_add(struct inbox_batch *batch)
{
    if (batch->count == batch->capacity) {
        batch->capacity = batch->capacity == 0 ? 16 : batch->capacity * 2;
        batch->items = mem_realloc(batch->items, batch->capacity * sizeof *batch->items);
    }
    struct inbox_item *item = &batch->items[batch->count++];
    memset(item, 0, offsetof(struct inbox_item, event.text));
    item->event.text[0] = '\0';
    return item;
}

void inbox_batch_release(struct inbox_batch *batch)
{
    mem_free(batch->items);
    memset(batch, 0, sizeof *batch);
}

void inbox_init(struct inbox *inbox)
{
    memset(inbox, 0, sizeof *inbox);
    pthread_condattr_t attributes;
    int failed = pthread_mutex_init(&inbox->lock, NULL);
    failed |= pthread_condattr_init(&attributes);
    /* Waits must not follow a clock that people set. */
    failed |= pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    failed |= pthread_cond_init(&inbox->changed, &attributes);
    failed |= pthread_condattr_destroy(&attributes);
    INVARIANT(failed == 0);
}

void inbox_release(struct inbox *inbox)
{
    INVARIANT(inbox->arriving.count == 0 && inbox->taken_next == inbox->taken.count);
    inbox_batch_release(&inbox->arriving);
    inbox_batch_release(&inbox->taken);
    pthread_cond_destroy(&inbox->changed);
    pthread_mutex_destroy(&inbox->lock);
}

/* Call under the lock. Only a sleeping owner costs a system call. */
static void alert(struct inbox *inbox)
{
    if (!inbox->is_waiting)
        return;
    inbox->is_waiting = false;
    pthread_cond_signal(&inbox->changed);
}

/* Most items are messages, which have no text: leave the unused tail alone. */
static void copy_item(struct inbox_item *to, const struct inbox_item *from)
{
    bool has_text = from->event.text[0] != '\0';
    memcpy(to, from, has_text ? sizeof *to : offsetof(struct inbox_item, event.text) + 1);
}

void inbox_push(struct inbox *inbox, struct inbox_batch *batch)
{
    if (batch->count == 0)
        return;
    pthread_mutex_lock(&inbox->lock);
    for (size_t i = 0; i < batch->count; i++)
        copy_item(inbox_batch_add(&inbox->arriving), &batch->items[i]);
    if (!inbox->is_quiet)
        alert(inbox);
    pthread_mutex_unlock(&inbox->lock);
    batch->count = 0;
}

void inbox_wake(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->lock);
    inbox->is_woken = true;
    alert(inbox);
    pthread_mutex_unlock(&inbox->lock);
}

void inbox_add_chore(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->lock);
    inbox->has_chores = true;
    alert(inbox);
    pthread_mutex_unlock(&inbox->lock);
}

static struct timespec deadline_after(uint64_t timeout_us)
{
    /* Far enough to be for ever, near enough not to overflow. */
    const uint64_t year_us = UINT64_C(31536000000000);
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    if (timeout_us > year_us)
        timeout_us = year_us;
    at.tv_sec += (time_t)(timeout_us / 1000000);
    at.tv_nsec += (long)(timeout_us % 1000000) * 1000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

/* The owner has taken all that it had. */
static void forget_taken(struct inbox *inbox)
{
    inbox->taken.count = 0;
    inbox->taken_next = 0;
    if (inbox->taken.capacity > CAPACITY_KEPT)
        inbox_batch_release(&inbox->taken); /* after a burst */
}

/* Under the lock. What has arrived becomes the owner's. */
static bool swap(struct inbox *inbox)
{
    if (inbox->arriving.count == 0)
        return false;
    struct inbox_batch empty = inbox->taken;
    inbox->taken = inbox->arriving;
    inbox->arriving = empty;
    return true;
}

bool inbox_look(struct inbox *inbox)
{
    if (inbox->taken_next < inbox->taken.count)
        return true;
    forget_taken(inbox);
    pthread_mutex_lock(&inbox->lock);
    bool has_items = swap(inbox);
    pthread_mutex_unlock(&inbox->lock);
    return has_items;
}

enum inbox_result inbox_sleep(struct inbox *inbox, uint64_t timeout_us)
{
    struct timespec deadline = deadline_after(timeout_us);
    int waited = 0;
    pthread_mutex_lock(&inbox->lock);
    while (waited != ETIMEDOUT && !inbox->is_woken && !inbox->has_chores) {
        inbox->is_waiting = true;
        waited = pthread_cond_timedwait(&inbox->changed, &inbox->lock, &deadline);
        inbox->is_waiting = false;
    }
    enum inbox_result result = inbox->has_chores ? INBOX_CHORES
                               : inbox->is_woken ? INBOX_WOKEN
                                                 : INBOX_TIMEOUT;
    inbox->has_chores = false;
    inbox->is_woken = false;
    pthread_mutex_unlock(&inbox->lock);
    return result;
}

enum inbox_result inbox_wait(struct inbox *inbox, uint64_t timeout_us)
{
    if (inbox->taken_next < inbox->taken.count)
        return INBOX_ITEMS;
    forget_taken(inbox);
    struct timespec deadline = {0};
    if (timeout_us > 0)
        deadline = deadline_after(timeout_us);
    enum inbox_result result = INBOX_TIMEOUT;
    int waited = 0;
    pthread_mutex_lock(&inbox->lock);
    while (timeout_us > 0 && waited != ETIMEDOUT && inbox->arriving.count == 0 &&
           !inbox->is_woken && !inbox->has_chores) {
        inbox->is_waiting = true;
        waited = pthread_cond_timedwait(&inbox->changed, &inbox->lock, &deadline);
        inbox->is_waiting = false;
    }
    if (inbox->has_chores) {
        inbox->has_chores = false;
        result = INBOX_CHORES;
    } else if (swap(inbox)) {
        inbox->is_woken = false;
        result = INBOX_ITEMS;
    } else if (inbox->is_woken) {
        inbox->is_woken = false;
        result = INBOX_WOKEN;
    }
    pthread_mutex_unlock(&inbox->lock);
    return result;
}

struct inbox_item *inbox_take(struct inbox *inbox)
{
    if (inbox->taken_next == inbox->taken.count)
        return NULL;
    return &inbox->taken.items[inbox->taken_next++];
}
