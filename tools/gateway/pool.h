/* A fixed number of threads that run jobs in the order they come: what may block (calls of the
 * client library) runs here, never on the threads that serve sockets. The queue is intrusive and
 * bounded by the number of jobs that exist. */
#ifndef CATENA_TOOLS_GATEWAY_POOL_H
#define CATENA_TOOLS_GATEWAY_POOL_H

#include <stdbool.h>
#include <stdint.h>

struct gw_job {
    void (*run)(struct gw_job *job);
    struct gw_job *next; /* the pool's */
};

struct gw_pool;

/* NULL if the threads cannot be started. */
struct gw_pool *gw_pool_new(uint32_t threads);
/* The job may be submitted again from its own run(). Any thread. */
void gw_pool_submit(struct gw_pool *pool, struct gw_job *job);
/* Runs what is queued, then ends the threads. NULL is allowed. */
void gw_pool_free(struct gw_pool *pool);

#endif
