#include "tools/catena/pool.h"

#include <time.h>

enum { WAIT_MS = 100 };

void pool_init(struct pool *pool, unsigned count_max, uint64_t bytes_max)
{
    *pool = (struct pool){.count_max = count_max, .bytes_max = bytes_max};
    (void)pthread_mutex_init(&pool->mutex, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&pool->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

static struct timespec deadline_after(unsigned wait_ms)
{
    struct timespec deadline;
    (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    deadline.tv_sec += (time_t)(wait_ms / 1000) + deadline.tv_nsec / 1000000000;
    deadline.tv_nsec %= 1000000000;
    return deadline;
}

static bool has_room(const struct pool *pool, uint64_t bytes)
{
    if (pool->count == 0)
        return true;
    return pool->count < pool->count_max && pool->bytes + bytes <= pool->bytes_max;
}

bool pool_enter(struct pool *pool, uint64_t bytes)
{
    struct timespec deadline = deadline_after(WAIT_MS);
    (void)pthread_mutex_lock(&pool->mutex);
    while (!has_room(pool, bytes))
        if (pthread_cond_timedwait(&pool->changed, &pool->mutex, &deadline) != 0)
            break;
    bool is_in = has_room(pool, bytes);
    if (is_in) {
        pool->count++;
        pool->bytes += bytes;
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    return is_in;
}

void pool_leave(struct pool *pool, uint64_t bytes)
{
    (void)pthread_mutex_lock(&pool->mutex);
    pool->count--;
    pool->bytes -= bytes;
    (void)pthread_cond_broadcast(&pool->changed);
    (void)pthread_mutex_unlock(&pool->mutex);
}

void pool_shrink(struct pool *pool, uint64_t bytes)
{
    (void)pthread_mutex_lock(&pool->mutex);
    pool->bytes -= bytes;
    (void)pthread_cond_broadcast(&pool->changed);
    (void)pthread_mutex_unlock(&pool->mutex);
}

bool pool_is_empty(struct pool *pool, unsigned wait_ms)
{
    struct timespec deadline = deadline_after(wait_ms);
    (void)pthread_mutex_lock(&pool->mutex);
    while (pool->count > 0)
        if (pthread_cond_timedwait(&pool->changed, &pool->mutex, &deadline) != 0)
            break;
    bool is_empty = pool->count == 0;
    (void)pthread_mutex_unlock(&pool->mutex);
    return is_empty;
}

void pool_wait(struct pool *pool)
{
    struct timespec deadline = deadline_after(WAIT_MS);
    (void)pthread_mutex_lock(&pool->mutex);
    (void)pthread_cond_timedwait(&pool->changed, &pool->mutex, &deadline);
    (void)pthread_mutex_unlock(&pool->mutex);
}
