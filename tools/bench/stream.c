#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench.h"

enum { PIECE_BYTES = 1 << 20 };

struct worker {
    const struct bench_settings *settings;
    struct catena_client *client;
    uint32_t number;
    uint64_t bytes;
    enum catena_status status;
    char error[256];
    pthread_t thread;
};

static size_t worker_key(const struct worker *worker, char *key, size_t size)
{
    return (size_t)snprintf(key, size, "bench-stream-%u", worker->number);
}

static void note(struct worker *worker, enum catena_status status)
{
    worker->status = status;
    if (status != CATENA_OK)
        (void)snprintf(worker->error, sizeof worker->error, "%s: %s", catena_status_name(status),
                       catena_error_text());
}

static void *run_put(void *argument)
{
    struct worker *worker = argument;
    char key[64];
    size_t key_length = worker_key(worker, key, sizeof key);
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    options.timeout_ms = 600000;
    uint8_t *piece = bench_alloc(PIECE_BYTES);
    bench_fill(piece, PIECE_BYTES, worker->number + 1);
    struct catena_put_stream *stream = NULL;
    note(worker, catena_put_stream_open(worker->client, worker->settings->bucket, key, key_length,
                                        &options, &stream));
    uint64_t left = worker->settings->stream_bytes;
    while (worker->status == CATENA_OK && left > 0) {
        size_t length = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        note(worker, catena_put_stream_write(stream, piece, length));
        left -= length;
        worker->bytes += length;
    }
    if (worker->status == CATENA_OK)
        note(worker, catena_put_stream_commit(stream, NULL));
    else
        catena_put_stream_abort(stream);
    free(piece);
    return NULL;
}

static void *run_get(void *argument)
{
    struct worker *worker = argument;
    char key[64];
    size_t key_length = worker_key(worker, key, sizeof key);
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    options.timeout_ms = 600000;
    uint8_t *expected = bench_alloc(PIECE_BYTES);
    uint8_t *piece = bench_alloc(PIECE_BYTES);
    bench_fill(expected, PIECE_BYTES, worker->number + 1);
    struct catena_get_stream *stream = NULL;
    note(worker, catena_get_stream_open(worker->client, worker->settings->bucket, key, key_length,
                                        0, UINT64_MAX, &options, &stream, NULL));
    size_t length = 1;
    while (worker->status == CATENA_OK && length > 0) {
        size_t place = (size_t)(worker->bytes % PIECE_BYTES);
        note(worker, catena_get_stream_read(stream, piece, PIECE_BYTES - place, &length));
        if (worker->status == CATENA_OK && memcmp(piece, expected + place, length) != 0) {
            worker->status = CATENA_CORRUPT;
            (void)snprintf(worker->error, sizeof worker->error, "other bytes came back");
        }
        worker->bytes += worker->status == CATENA_OK ? length : 0;
    }
    if (worker->status == CATENA_OK && worker->bytes != worker->settings->stream_bytes) {
        worker->status = CATENA_CORRUPT;
        (void)snprintf(worker->error, sizeof worker->error, "another length came back");
    }
    catena_get_stream_close(stream);
    free(expected);
    free(piece);
    return NULL;
}

static void run(const struct bench_settings *settings, struct catena_client *client,
                void *(*body)(void *), struct bench_result *result)
{
    struct worker workers[BENCH_STREAMS_MAX] = {{0}};
    uint64_t started_ns = bench_now_ns();
    for (uint32_t i = 0; i < settings->streams; i++) {
        workers[i] = (struct worker){.settings = settings, .client = client, .number = i};
        if (pthread_create(&workers[i].thread, NULL, body, &workers[i]) != 0) {
            (void)fprintf(stderr, "catena-bench: cannot create a thread\n");
            exit(1);
        }
    }
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < settings->streams; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        bytes += workers[i].bytes;
        if (workers[i].status == CATENA_OK)
            result->operations++;
        else if (result->errors++ == 0)
            memcpy(result->first_error, workers[i].error, sizeof result->first_error);
    }
    result->seconds = (double)(bench_now_ns() - started_ns) / 1e9;
    result->size_bytes = settings->stream_bytes;
    result->inflight = settings->streams;
    result->operations_per_second = (double)result->operations / result->seconds;
    result->megabytes_per_second = (double)bytes / 1e6 / result->seconds;
}

void bench_stream_put(const struct bench_settings *settings, struct catena_client *client,
                      struct bench_result *result)
{
    run(settings, client, run_put, result);
}

void bench_stream_get(const struct bench_settings *settings, struct catena_client *client,
                      struct bench_result *result)
{
    run(settings, client, run_get, result);
}
