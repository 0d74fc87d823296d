#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench.h"
#include "tools/bench/histogram.h"

enum { PAGE_KEYS = 1000 };

struct load;

struct slot {
    struct load *load;
    uint64_t started_ns;
    uint32_t key;
};

/* Callbacks run on the library's threads, one at a time: they own everything here but `running` and
 * `ended`. */
struct load {
    const struct bench_settings *settings;
    struct catena_client *client;
    enum bench_operation operation;
    uint64_t size_bytes;
    uint8_t *value;
    struct slot *slots;
    uint64_t end_ns;
    uint32_t next_key;
    uint32_t key_count;
    uint64_t random;
    struct histogram histogram;
    struct bench_result *result;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint32_t running;
};

static void on_done(void *context, const struct catena_result *done);

static void note_error(struct bench_result *result, enum catena_status status, const char *text)
{
    if (result->errors++ == 0)
        (void)snprintf(result->first_error, sizeof result->first_error, "%s: %s",
                       catena_status_name(status), text == NULL ? "" : text);
}

/* Called with the mutex held. False: no operation was started. */
static bool start(struct load *load, struct slot *slot)
{
    char key[32];
    slot->key = load->operation == BENCH_PUT
                    ? load->next_key++ % load->key_count
                    : (uint32_t)(bench_random(&load->random) % load->key_count);
    int length = snprintf(key, sizeof key, "bench-%llu-%08u", (unsigned long long)load->size_bytes,
                          slot->key);
    slot->started_ns = bench_now_ns();
    enum catena_status status =
        load->operation == BENCH_PUT
            ? catena_put_async(load->client, load->settings->bucket, key, (size_t)length,
                               load->value, load->size_bytes, NULL, on_done, slot)
            : catena_get_async(load->client, load->settings->bucket, key, (size_t)length, NULL,
                               on_done, slot);
    if (status != CATENA_OK)
        note_error(load->result, status, catena_error_text());
    return status == CATENA_OK;
}

static void on_done(void *context, const struct catena_result *done)
{
    struct slot *slot = context;
    struct load *load = slot->load;
    uint64_t now_ns = bench_now_ns();
    (void)pthread_mutex_lock(&load->mutex);
    if (done->status != CATENA_OK) {
        note_error(load->result, done->status, done->error_text);
    } else if (load->operation == BENCH_GET && done->value_length != load->size_bytes) {
        note_error(load->result, CATENA_CORRUPT, "the value has another length");
    } else {
        histogram_add(&load->histogram, now_ns - slot->started_ns);
        load->result->operations++;
    }
    bool is_all_put =
        load->settings->once && load->operation == BENCH_PUT && load->next_key >= load->key_count;
    bool go_on = now_ns < load->end_ns && load->result->errors < 1000 && !is_all_put;
    if (!go_on || !start(load, slot)) {
        load->running--;
        (void)pthread_cond_signal(&load->changed);
    }
    (void)pthread_mutex_unlock(&load->mutex);
}

void bench_finish(const struct histogram *histogram, uint64_t started_ns,
                  struct bench_result *result)
{
    result->seconds = (double)(bench_now_ns() - started_ns) / 1e9;
    result->operations_per_second = (double)result->operations / result->seconds;
    result->megabytes_per_second = result->operations_per_second * (double)result->size_bytes / 1e6;
    result->p50_us = (double)histogram_quantile(histogram, 0.50) / 1e3;
    result->p99_us = (double)histogram_quantile(histogram, 0.99) / 1e3;
    result->maximum_us = (double)histogram->maximum / 1e3;
}

void bench_load(const struct bench_settings *settings, struct catena_client *client,
                enum bench_operation operation, uint64_t size_bytes, uint32_t inflight,
                uint32_t *existing, struct bench_result *result)
{
    struct load *load = bench_alloc(sizeof *load);
    load->settings = settings;
    load->client = client;
    load->operation = operation;
    load->size_bytes = size_bytes;
    load->key_count = operation == BENCH_PUT ? settings->keys : *existing;
    load->value = bench_alloc(size_bytes + 1);
    bench_fill(load->value, size_bytes, 1);
    load->result = result;
    result->size_bytes = size_bytes;
    result->inflight = inflight;
    load->slots = bench_alloc(inflight * sizeof *load->slots);
    (void)pthread_mutex_init(&load->mutex, NULL);
    (void)pthread_cond_init(&load->changed, NULL);
    uint64_t started_ns = bench_now_ns();
    load->end_ns = started_ns + settings->duration_us * 1000;
    (void)pthread_mutex_lock(&load->mutex);
    for (uint32_t i = 0; i < inflight; i++) {
        load->slots[i].load = load;
        if (start(load, &load->slots[i]))
            load->running++;
    }
    while (load->running > 0)
        (void)pthread_cond_wait(&load->changed, &load->mutex);
    (void)pthread_mutex_unlock(&load->mutex);
    bench_finish(&load->histogram, started_ns, result);
    if (operation == BENCH_PUT)
        *existing =
            result->operations < settings->keys ? (uint32_t)result->operations : settings->keys;
    (void)pthread_cond_destroy(&load->changed);
    (void)pthread_mutex_destroy(&load->mutex);
    free(load->slots);
    free(load->value);
    free(load);
}

void bench_list(const struct bench_settings *settings, struct catena_client *client,
                struct bench_result *result)
{
    struct histogram *histogram = bench_alloc(sizeof *histogram);
    struct catena_list page = {0};
    char *after = NULL;
    size_t after_length = 0;
    result->inflight = 1;
    uint64_t started_ns = bench_now_ns();
    uint64_t end_ns = started_ns + settings->duration_us * 1000;
    while (result->errors == 0 && bench_now_ns() < end_ns) {
        uint64_t began_ns = bench_now_ns();
        enum catena_status status = catena_list_with_meta(client, settings->bucket, "", 0, after,
                                                          after_length, NULL, PAGE_KEYS, &page);
        if (status != CATENA_OK) {
            note_error(result, status, catena_error_text());
            break;
        }
        histogram_add(histogram, bench_now_ns() - began_ns);
        result->operations += page.count;
        free(after);
        after = NULL;
        after_length = 0;
        if (page.truncated && page.count > 0) {
            after_length = page.items[page.count - 1].key_length;
            after = bench_alloc(after_length);
            memcpy(after, page.items[page.count - 1].key, after_length);
        }
        catena_list_release(&page);
    }
    bench_finish(histogram, started_ns, result);
    free(after);
    free(histogram);
}
