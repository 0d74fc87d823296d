/* The thread that gives the disk space of deleted chunks back.
 *
 * Deleting chunks only marks them: their bytes lie in blob files until those are rewritten. The
 * reclaimer does that some time after deletes (never without), at most once in a period, so that it
 * costs a store without deletes nothing. */
#ifndef CATENA_CHAINNODE_IO_RECLAIMER_H
#define CATENA_CHAINNODE_IO_RECLAIMER_H

#include <stddef.h>
#include <stdint.h>

#include "base/kv.h"

struct reclaimer;

struct reclaimer_options {
    void (*reclaim)(void *context); /* on the reclaimer's own thread */
    void *context;
    unsigned family; /* whose deletes count */
    uint64_t period_us;
};

struct reclaimer *reclaimer_new(const struct reclaimer_options *options);
/* Joins; a pass that runs is waited for. NULL is allowed. */
void reclaimer_free(struct reclaimer *reclaimer);
/* Looks for deletes in what was written. From any one thread. */
void reclaimer_note(struct reclaimer *reclaimer, const struct kv_batch *const *batches,
                    size_t count);

#endif
