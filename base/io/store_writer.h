/* The thread that writes the core's batches to the store, in order, with group commit.
 *
 * Batches are taken first in, first out. While one write is at the disk the next ones queue up;
 * they are then written as one, with one fsync if any of them asks for it. Each batch is reported
 * done exactly once and in order (the core's driver contract).
 *
 * A failed write is never retried: what the disk holds after it is not known (the kernel may have
 * dropped the dirty pages and report the next fsync as good). The error is latched: that batch and
 * every later one is reported with it and nothing more is written, so what survives is always a
 * prefix of what was submitted. ERR_NO_SPACE is reported as such, everything else as ERR_DISK_LOST;
 * the process has to stop after either.
 *
 * While nothing is queued the store may put itself in order: `idle`, in steps that are small enough
 * for a batch to wait for. Where something is always queued, it waits for one now and then: what is
 * never idle would never be put in order.
 *
 * Threads: submit and take belong to the loop thread; `write`, `idle` and `wake` are called on the
 * writer's own thread. */
#ifndef CATENA_BASE_IO_STORE_WRITER_H
#define CATENA_BASE_IO_STORE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/kv.h"

struct store_writer;

struct store_writer_options {
    /* Applies the batches in order, as one atomic write. */
    enum err (*write)(void *context, const struct kv_batch *const *batches, size_t count,
                      bool sync);
    /* Nothing was queued for idle_us, or ten times as long has passed without a step: one step of
     * whatever the store has to do. *ret_more: call again after the same time, else not before the
     * next write. An error counts as a failed write. NULL: nothing to do ever. */
    enum err (*idle)(void *context, bool *ret_more);
    uint64_t idle_us;
    /* Something was reported done: make the loop call store_writer_take. */
    void (*wake)(void *context);
    void *context;
    size_t group_bytes_max; /* a group stops growing at this size */
    uint32_t group_batches_max;
};

struct store_done {
    uint64_t token;
    enum err err;
};

struct store_writer_stats {
    uint64_t batches;
    uint64_t writes; /* groups */
    uint64_t syncs;
    uint64_t bytes;
};

struct store_writer *store_writer_new(const struct store_writer_options *options);
/* Writes what is queued, joins the thread. Reports not taken are dropped. NULL is allowed. */
void store_writer_free(struct store_writer *writer);
/* Takes the batch. */
void store_writer_submit(struct store_writer *writer, uint64_t token, struct kv_batch *batch,
                         bool sync);
/* Moves up to max reports into done, oldest first; returns how many. */
uint32_t store_writer_take(struct store_writer *writer, struct store_done *done, uint32_t max);
struct store_writer_stats store_writer_stats(struct store_writer *writer);

#endif
