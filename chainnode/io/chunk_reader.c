#include "chainnode/io/chunk_reader.h"

#include <pthread.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/contract.h"
#include "base/hash.h"
#include "chainnode/core/cn_core.h"

enum { CHECKSUM_BYTES = 8, THREADS_MAX = 64 };

struct request {
    uint64_t conn;
    struct wire_chunk_get get;
};

struct chunk_reader {
    struct chunk_reader_options options;
    pthread_t threads[THREADS_MAX];
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct request *ring; /* queue_max places */
    uint32_t first;
    uint32_t count;
    bool is_stopping;
    struct chunk_reader_stats stats;
};

static enum err chunk_read(struct chunk_reader *reader, const struct wire_chunk_get *get,
                           struct buf **ret_row)
{
    uint8_t key[CN_CHUNK_KEY_BYTES];
    cn_chunk_key(get->chain, get->upload_high, get->upload_low, get->index, key);
    struct buf *row = NULL;
    enum err err = kv_get(reader->options.kv, CN_FAMILY_CHUNKS, slice_of(key, sizeof key), &row);
    if (err != ERR_OK)
        return err;
    if (row == NULL)
        return ERR_UPLOAD_GONE;
    if (row->length < CHECKSUM_BYTES ||
        bytes_get_u64(row->data) !=
            checksum_bytes(slice_of(row->data + CHECKSUM_BYTES, row->length - CHECKSUM_BYTES))) {
        buf_unref(row);
        return ERR_CORRUPT;
    }
    *ret_row = row;
    return ERR_OK;
}

static void refuse(struct chunk_reader *reader, const struct request *request, enum err err)
{
    struct wire_message message = {.type = WIRE_REFUSED};
    message.u.refused.request = request->get.request;
    message.u.refused.err = err;
    message.u.refused.text = slice_of_text(err_text(err));
    reader->options.reply(reader->options.context, request->conn, &message);
}

static void count(struct chunk_reader *reader, enum err err, size_t bytes)
{
    (void)pthread_mutex_lock(&reader->mutex);
    if (err == ERR_OK)
        reader->stats.served++;
    else if (err == ERR_UPLOAD_GONE)
        reader->stats.missing++;
    else
        reader->stats.corrupt++;
    reader->stats.bytes += bytes;
    (void)pthread_mutex_unlock(&reader->mutex);
}

static void serve(struct chunk_reader *reader, const struct request *request)
{
    struct buf *row = NULL;
    enum err err = chunk_read(reader, &request->get, &row);
    count(reader, err, err == ERR_OK ? row->length - CHECKSUM_BYTES : 0);
    if (err != ERR_OK) {
        if (err != ERR_UPLOAD_GONE)
            reader->options.corrupt(reader->options.context, &request->get, err);
        refuse(reader, request, err);
        return;
    }
    struct wire_message message = {.type = WIRE_CHUNK};
    message.u.chunk.request = request->get.request;
    message.u.chunk.index = request->get.index;
    message.u.chunk.checksum = bytes_get_u64(row->data);
    message.payload = buf_view(row, CHECKSUM_BYTES, row->length - CHECKSUM_BYTES);
    reader->options.reply(reader->options.context, request->conn, &message);
    buf_unref(message.payload);
    buf_unref(row);
}

static void *reader_run(void *argument)
{
    struct chunk_reader *reader = argument;
    (void)pthread_mutex_lock(&reader->mutex);
    for (;;) {
        while (reader->count == 0 && !reader->is_stopping)
            (void)pthread_cond_wait(&reader->changed, &reader->mutex);
        if (reader->is_stopping)
            break;
        struct request request = reader->ring[reader->first];
        reader->first = (reader->first + 1) % reader->options.queue_max;
        reader->count--;
        (void)pthread_mutex_unlock(&reader->mutex);
        serve(reader, &request);
        (void)pthread_mutex_lock(&reader->mutex);
    }
    (void)pthread_mutex_unlock(&reader->mutex);
    return NULL;
}

struct chunk_reader *chunk_reader_new(const struct chunk_reader_options *options)
{
    PRE(options->threads > 0 && options->threads <= THREADS_MAX);
    PRE(options->queue_max > 0);
    struct chunk_reader *reader = mem_calloc(1, sizeof *reader);
    reader->options = *options;
    reader->ring = mem_calloc(options->queue_max, sizeof *reader->ring);
    int failed = pthread_mutex_init(&reader->mutex, NULL);
    failed |= pthread_cond_init(&reader->changed, NULL);
    for (uint32_t i = 0; i < options->threads; i++)
        failed |= pthread_create(&reader->threads[i], NULL, reader_run, reader);
    PRE(failed == 0);
    return reader;
}

void chunk_reader_free(struct chunk_reader *reader)
{
    if (reader == NULL)
        return;
    (void)pthread_mutex_lock(&reader->mutex);
    reader->is_stopping = true;
    (void)pthread_cond_broadcast(&reader->changed);
    (void)pthread_mutex_unlock(&reader->mutex);
    for (uint32_t i = 0; i < reader->options.threads; i++)
        (void)pthread_join(reader->threads[i], NULL);
    (void)pthread_cond_destroy(&reader->changed);
    (void)pthread_mutex_destroy(&reader->mutex);
    mem_free(reader->ring);
    mem_free(reader);
}

bool chunk_reader_submit(struct chunk_reader *reader, uint64_t conn,
                         const struct wire_chunk_get *request)
{
    (void)pthread_mutex_lock(&reader->mutex);
    bool has_room = reader->count < reader->options.queue_max;
    if (has_room) {
        uint32_t place = (reader->first + reader->count) % reader->options.queue_max;
        reader->ring[place] = (struct request){.conn = conn, .get = *request};
        reader->count++;
        (void)pthread_cond_signal(&reader->changed);
    } else {
        reader->stats.busy++;
    }
    (void)pthread_mutex_unlock(&reader->mutex);
    return has_room;
}

struct chunk_reader_stats chunk_reader_stats(struct chunk_reader *reader)
{
    (void)pthread_mutex_lock(&reader->mutex);
    struct chunk_reader_stats stats = reader->stats;
    (void)pthread_mutex_unlock(&reader->mutex);
    return stats;
}
