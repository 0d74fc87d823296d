/* The threads that answer CHUNK_GET: bulk reads that never pass through the core.
 *
 * A chunk is immutable and named by (chain, upload, index), so any member may serve it without a
 * lease. Every chunk is compared with its checksum before it leaves: a mismatch is refused with
 * ERR_CORRUPT, counted, and told to the owner; a chunk that is not there is ERR_UPLOAD_GONE (its
 * object was replaced or deleted meanwhile: the client asks for the object again). The queue is
 * bounded; beyond it the answer is ERR_BUSY, given by the caller.
 *
 * Threads: submit from the loop; `reply` and `corrupt` are called on the readers' threads. */
#ifndef CATENA_CHAINNODE_IO_CHUNK_READER_H
#define CATENA_CHAINNODE_IO_CHUNK_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/kv.h"
#include "wire/messages.h"

struct chunk_reader;

struct chunk_reader_options {
    const struct kv *kv; /* reads from several threads at once */
    /* Sends; the message stays the reader's. */
    void (*reply)(void *context, uint64_t conn, const struct wire_message *message);
    void (*corrupt)(void *context, const struct wire_chunk_get *request, enum err err);
    void *context;
    uint32_t threads;
    uint32_t queue_max;
};

struct chunk_reader_stats {
    uint64_t served;
    uint64_t bytes;
    uint64_t missing;
    uint64_t corrupt;
    uint64_t busy;
};

struct chunk_reader *chunk_reader_new(const struct chunk_reader_options *options);
/* Drops what is queued, joins. NULL is allowed. */
void chunk_reader_free(struct chunk_reader *reader);
/* False: the queue is full. */
bool chunk_reader_submit(struct chunk_reader *reader, uint64_t conn,
                         const struct wire_chunk_get *request);
struct chunk_reader_stats chunk_reader_stats(struct chunk_reader *reader);

#endif
