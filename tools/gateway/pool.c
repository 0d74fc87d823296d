#include "tools/gateway/pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "tools/gateway/encode.h"

struct gw_pool {
    pthread_mutex_t mutex;
    pthread_cond_t is_filled;
    struct gw_job *first;
    struct gw_job *last;
    bool is_ending;
    pthread_t *threads;
    uint32_t thread_count;
};

static struct gw_job *take(struct gw_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    while (pool->first == NULL && !pool->is_ending)
        pthread_cond_wait(&pool->is_filled, &pool->mutex);
    struct gw_job *job = pool->first;
    if (job != NULL) {
        pool->first = job->next;
        if (pool->first == NULL)
            pool->last = NULL;
    }
    pthread_mutex_unlock(&pool->mutex);
    return job;
}

static void *work(void *context)
{
    struct gw_pool *pool = context;
    struct gw_job *job;
    while ((job = take(pool)) != NULL)
        job->run(job);
    return NULL;
}

struct gw_pool *gw_pool_new(uint32_t threads)
{
    struct gw_pool *pool = gw_zalloc(sizeof *pool);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->is_filled, NULL);
    pool->threads = gw_zalloc(threads * sizeof *pool->threads);
    for (uint32_t i = 0; i < threads; i++) {
        if (pthread_create(&pool->threads[i], NULL, work, pool) != 0) {
            gw_pool_free(pool);
            return NULL;
        }
        pool->thread_count++;
    }
    return pool;
}

void gw_pool_submit(struct gw_pool *pool, struct gw_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&pool->mutex);
    if (pool->last == NULL)
        pool->first = job;
    else
        pool->last->next = job;
    pool->last = job;
    pthread_cond_signal(&pool->is_filled);
    pthread_mutex_unlock(&pool->mutex);
}

void gw_pool_free(struct gw_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->is_ending = true;
    pthread_cond_broadcast(&pool->is_filled);
    pthread_mutex_unlock(&pool->mutex);
    for (uint32_t i = 0; i < pool->thread_count; i++)
        (void)pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->is_filled);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->threads);
    free(pool);
}
