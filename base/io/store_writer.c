#include "base/io/store_writer.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/io/clock.h"
#include "base/list.h"

/* With batches coming closer together than idle_us, a step is made this many times as seldom: one
 * of a node moves up to 4 MiB and syncs twice, and most of the thread's time is the batches'. */
enum { BUSY_TIMES = 10 };

struct job {
    struct list_node node;
    uint64_t token;
    struct kv_batch *batch;
    bool sync;
    enum err err;
};

struct store_writer {
    struct store_writer_options options;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct list_node queued; /* jobs not yet taken by the thread */
    struct list_node done;   /* jobs reported and not yet taken by the loop */
    bool is_stopping;
    bool has_idle_work;    /* the thread's own: `idle` is to be called */
    uint64_t idle_late_us; /* the thread's own: then at the latest, with batches queued */
    enum err latched;      /* the thread's own: the first failure, for ever */
    struct store_writer_stats stats;
};

struct group {
    struct list_node jobs;
    const struct kv_batch **batches; /* group_batches_max places */
    size_t count;
    size_t bytes;
    bool sync;
};

/* Called with the mutex held. */
static void group_fill(struct store_writer *writer, struct group *group)
{
    list_init(&group->jobs);
    group->count = 0;
    group->bytes = 0;
    group->sync = false;
    while (!list_is_empty(&writer->queued) && group->count < writer->options.group_batches_max) {
        struct job *job = CONTAINER_OF(list_first(&writer->queued), struct job, node);
        if (group->count > 0 && group->bytes + job->batch->bytes > writer->options.group_bytes_max)
            break;
        list_remove(&job->node);
        list_append(&group->jobs, &job->node);
        group->batches[group->count++] = job->batch;
        group->bytes += job->batch->bytes;
        group->sync = group->sync || job->sync;
    }
}

static void expect_idle_work(struct store_writer *writer)
{
    writer->has_idle_work = true;
    writer->idle_late_us = clock_monotonic_us() + BUSY_TIMES * writer->options.idle_us;
}

/* Called without the mutex. */
static void idle_step(struct store_writer *writer)
{
    bool has_more = false;
    if (writer->options.idle(writer->options.context, &has_more) != ERR_OK)
        writer->latched = ERR_DISK_LOST;
    writer->has_idle_work = false;
    if (has_more)
        expect_idle_work(writer);
}

static bool idle_step_is_late(const struct store_writer *writer)
{
    return writer->has_idle_work && writer->latched == ERR_OK &&
           clock_monotonic_us() >= writer->idle_late_us;
}

static enum err group_write(struct store_writer *writer, struct group *group)
{
    if (writer->latched != ERR_OK)
        return writer->latched;
    enum err err =
        writer->options.write(writer->options.context, group->batches, group->count, group->sync);
    if (err != ERR_OK)
        writer->latched = err == ERR_NO_SPACE ? ERR_NO_SPACE : ERR_DISK_LOST;
    if (writer->options.idle != NULL && !writer->has_idle_work)
        expect_idle_work(writer);
    return writer->latched;
}

static void group_finish(struct group *group, enum err err)
{
    LIST_FOREACH (node, &group->jobs) {
        struct job *job = CONTAINER_OF(node, struct job, node);
        kv_batch_free(job->batch);
        job->batch = NULL;
        job->err = err;
    }
}

static struct timespec after(uint64_t period_us)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t nanoseconds = (uint64_t)until.tv_nsec + period_us % 1000000 * 1000;
    until.tv_sec += (time_t)(period_us / 1000000 + nanoseconds / 1000000000);
    until.tv_nsec = (long)(nanoseconds % 1000000000);
    return until;
}

/* Called with the mutex held; waits until something is queued or it is time to stop. */
static void wait_for_jobs(struct store_writer *writer)
{
    while (list_is_empty(&writer->queued) && !writer->is_stopping) {
        if (!writer->has_idle_work || writer->latched != ERR_OK) {
            (void)pthread_cond_wait(&writer->changed, &writer->mutex);
            continue;
        }
        struct timespec until = after(writer->options.idle_us);
        int timed_out = 0;
        while (list_is_empty(&writer->queued) && !writer->is_stopping && timed_out != ETIMEDOUT)
            timed_out = pthread_cond_timedwait(&writer->changed, &writer->mutex, &until);
        if (timed_out != ETIMEDOUT)
            continue;
        (void)pthread_mutex_unlock(&writer->mutex);
        idle_step(writer);
        (void)pthread_mutex_lock(&writer->mutex);
    }
}

static void *writer_run(void *argument)
{
    struct store_writer *writer = argument;
    struct group group;
    group.batches = mem_calloc(writer->options.group_batches_max, sizeof(struct kv_batch *));
    (void)pthread_mutex_lock(&writer->mutex);
    for (;;) {
        wait_for_jobs(writer);
        if (list_is_empty(&writer->queued))
            break;
        group_fill(writer, &group);
        (void)pthread_mutex_unlock(&writer->mutex);
        enum err err = group_write(writer, &group);
        group_finish(&group, err);
        (void)pthread_mutex_lock(&writer->mutex);
        writer->stats.batches += group.count;
        writer->stats.bytes += group.bytes;
        writer->stats.writes++;
        writer->stats.syncs += group.sync ? 1 : 0;
        LIST_FOREACH_SAFE (node, &group.jobs) {
            list_remove(node);
            list_append(&writer->done, node);
        }
        (void)pthread_mutex_unlock(&writer->mutex);
        writer->options.wake(writer->options.context);
        if (idle_step_is_late(writer))
            idle_step(writer);
        (void)pthread_mutex_lock(&writer->mutex);
    }
    (void)pthread_mutex_unlock(&writer->mutex);
    mem_free(group.batches);
    return NULL;
}

struct store_writer *store_writer_new(const struct store_writer_options *options)
{
    PRE(options->write != NULL && options->wake != NULL);
    PRE(options->group_batches_max > 0);
    struct store_writer *writer = mem_calloc(1, sizeof *writer);
    writer->options = *options;
    list_init(&writer->queued);
    list_init(&writer->done);
    /* There may be something left from before the start. */
    if (options->idle != NULL)
        expect_idle_work(writer);
    pthread_condattr_t attributes;
    int failed = pthread_mutex_init(&writer->mutex, NULL);
    failed |= pthread_condattr_init(&attributes);
    failed |= pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    failed |= pthread_cond_init(&writer->changed, &attributes);
    failed |= pthread_condattr_destroy(&attributes);
    failed |= pthread_create(&writer->thread, NULL, writer_run, writer);
    PRE(failed == 0);
    return writer;
}

void store_writer_free(struct store_writer *writer)
{
    if (writer == NULL)
        return;
    (void)pthread_mutex_lock(&writer->mutex);
    writer->is_stopping = true;
    (void)pthread_cond_signal(&writer->changed);
    (void)pthread_mutex_unlock(&writer->mutex);
    (void)pthread_join(writer->thread, NULL);
    LIST_FOREACH_SAFE (node, &writer->done) {
        list_remove(node);
        mem_free(CONTAINER_OF(node, struct job, node));
    }
    (void)pthread_cond_destroy(&writer->changed);
    (void)pthread_mutex_destroy(&writer->mutex);
    mem_free(writer);
}

void store_writer_submit(struct store_writer *writer, uint64_t token, struct kv_batch *batch,
                         bool sync)
{
    PRE(batch != NULL);
    struct job *job = mem_calloc(1, sizeof *job);
    job->token = token;
    job->batch = batch;
    job->sync = sync;
    (void)pthread_mutex_lock(&writer->mutex);
    PRE(!writer->is_stopping);
    list_append(&writer->queued, &job->node);
    (void)pthread_cond_signal(&writer->changed);
    (void)pthread_mutex_unlock(&writer->mutex);
}

uint32_t store_writer_take(struct store_writer *writer, struct store_done *done, uint32_t max)
{
    uint32_t count = 0;
    (void)pthread_mutex_lock(&writer->mutex);
    while (count < max && !list_is_empty(&writer->done)) {
        struct job *job = CONTAINER_OF(list_first(&writer->done), struct job, node);
        list_remove(&job->node);
        done[count++] = (struct store_done){.token = job->token, .err = job->err};
        mem_free(job);
    }
    (void)pthread_mutex_unlock(&writer->mutex);
    return count;
}

struct store_writer_stats store_writer_stats(struct store_writer *writer)
{
    (void)pthread_mutex_lock(&writer->mutex);
    struct store_writer_stats stats = writer->stats;
    (void)pthread_mutex_unlock(&writer->mutex);
    return stats;
}
