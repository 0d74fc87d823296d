#include "chainnode/io/reclaimer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/buf.h"
#include "base/contract.h"

struct reclaimer {
    struct reclaimer_options options;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_stopping;
    atomic_bool has_deletes;
};

static struct timespec after(uint64_t period_us)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t nanoseconds = (uint64_t)until.tv_nsec + period_us % 1000000 * 1000;
    until.tv_sec += (time_t)(period_us / 1000000 + nanoseconds / 1000000000);
    until.tv_nsec = (long)(nanoseconds % 1000000000);
    return until;
}

static void *reclaimer_run(void *argument)
{
    struct reclaimer *reclaimer = argument;
    (void)pthread_mutex_lock(&reclaimer->mutex);
    while (!reclaimer->is_stopping) {
        struct timespec until = after(reclaimer->options.period_us);
        while (!reclaimer->is_stopping &&
               pthread_cond_timedwait(&reclaimer->changed, &reclaimer->mutex, &until) == 0) {
        }
        if (reclaimer->is_stopping || !atomic_exchange(&reclaimer->has_deletes, false))
            continue;
        (void)pthread_mutex_unlock(&reclaimer->mutex);
        reclaimer->options.reclaim(reclaimer->options.context);
        (void)pthread_mutex_lock(&reclaimer->mutex);
    }
    (void)pthread_mutex_unlock(&reclaimer->mutex);
    return NULL;
}

struct reclaimer *reclaimer_new(const struct reclaimer_options *options)
{
    struct reclaimer *reclaimer = mem_calloc(1, sizeof *reclaimer);
    reclaimer->options = *options;
    pthread_condattr_t attributes;
    int failed = pthread_mutex_init(&reclaimer->mutex, NULL);
    failed |= pthread_condattr_init(&attributes);
    failed |= pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    failed |= pthread_cond_init(&reclaimer->changed, &attributes);
    failed |= pthread_condattr_destroy(&attributes);
    failed |= pthread_create(&reclaimer->thread, NULL, reclaimer_run, reclaimer);
    PRE(failed == 0);
    return reclaimer;
}

void reclaimer_free(struct reclaimer *reclaimer)
{
    if (reclaimer == NULL)
        return;
    (void)pthread_mutex_lock(&reclaimer->mutex);
    reclaimer->is_stopping = true;
    (void)pthread_cond_signal(&reclaimer->changed);
    (void)pthread_mutex_unlock(&reclaimer->mutex);
    (void)pthread_join(reclaimer->thread, NULL);
    (void)pthread_cond_destroy(&reclaimer->changed);
    (void)pthread_mutex_destroy(&reclaimer->mutex);
    mem_free(reclaimer);
}

void reclaimer_note(struct reclaimer *reclaimer, const struct kv_batch *const *batches,
                    size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < batches[i]->count; k++) {
            const struct kv_op *op = &batches[i]->ops[k];
            if (op->kind != KV_OP_PUT && op->family == reclaimer->options.family) {
                atomic_store(&reclaimer->has_deletes, true);
                return;
            }
        }
    }
}
