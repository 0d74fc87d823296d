/* Bounds what is in flight: so many asynchronous operations, so many bytes. Thread-safe. */
#ifndef CATENA_TOOLS_CATENA_POOL_H
#define CATENA_TOOLS_CATENA_POOL_H

#include <pthread.h>

#include "tools/catena/cli.h"

struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned count;
    unsigned count_max;
    uint64_t bytes;
    uint64_t bytes_max;
};

void pool_init(struct pool *pool, unsigned count_max, uint64_t bytes_max);
/* Waits for room (a single piece larger than bytes_max goes alone) and takes it. False: the wait
 * ended after about a tenth of a second without room, so that the caller can look after Ctrl-C and
 * the progress bar and ask again. */
bool pool_enter(struct pool *pool, uint64_t bytes);
void pool_leave(struct pool *pool, uint64_t bytes);
/* Gives back bytes of a piece that stays in. */
void pool_shrink(struct pool *pool, uint64_t bytes);
/* Waits up to that long for nothing to be in flight. */
bool pool_is_empty(struct pool *pool, unsigned wait_ms);
/* Waits for any change, or a tenth of a second. */
void pool_wait(struct pool *pool);

#endif
