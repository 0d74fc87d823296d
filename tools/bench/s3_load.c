#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tools/bench/histogram.h"
#include "tools/bench/s3.h"

enum { EVENTS = 256, PATIENCE_MS = 60000, ERRORS_MAX = 1000 };

static const char empty_hash[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct slot {
    struct s3_exchange exchange;
    uint64_t started_ns;
    bool wants_write;
};

struct load {
    const struct bench_settings *settings;
    struct s3_target *target;
    enum bench_operation operation;
    uint64_t size_bytes;
    uint8_t *value;
    char hash[S3_HASH_TEXT_SIZE];
    struct slot *slots;
    int epoll;
    uint64_t end_ns;
    uint32_t next_key;
    uint32_t key_count;
    uint32_t running;
    uint64_t random;
    struct histogram histogram;
    struct bench_result *result;
};

static void note_error(struct bench_result *result, const char *what, unsigned status)
{
    if (result->errors++ == 0)
        (void)snprintf(result->first_error, sizeof result->first_error, "%s (status %u)", what,
                       status);
}

static void watch(struct load *load, struct slot *slot, int operation)
{
    struct epoll_event event = {
        .events = slot->wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN,
        .data = {.ptr = slot},
    };
    if (epoll_ctl(load->epoll, operation, slot->exchange.fd, &event) != 0) {
        (void)fprintf(stderr, "catena-bench: epoll: %s\n", strerror(errno));
        exit(1);
    }
}

static enum s3_progress push(struct load *load, struct slot *slot)
{
    bool before = slot->wants_write;
    enum s3_progress progress = s3_exchange_send(&slot->exchange, &slot->wants_write);
    if (progress == S3_GOES_ON && slot->wants_write != before)
        watch(load, slot, EPOLL_CTL_MOD);
    return progress;
}

static void start(struct load *load, struct slot *slot)
{
    char key[40];
    bool is_put = load->operation == BENCH_PUT;
    uint32_t number = is_put ? load->next_key++ % load->key_count
                             : (uint32_t)(bench_random(&load->random) % load->key_count);
    (void)snprintf(key, sizeof key, "s3-bench-%llu-%08u", (unsigned long long)load->size_bytes,
                   number);
    slot->started_ns = bench_now_ns();
    s3_exchange_begin(&slot->exchange, load->target, is_put ? "PUT" : "GET", key, "",
                      is_put ? load->value : NULL, load->size_bytes,
                      is_put ? load->hash : empty_hash);
}

static void stop(struct load *load, struct slot *slot)
{
    s3_exchange_release(&slot->exchange);
    slot->exchange.fd = -1;
    load->running--;
}

static void on_complete(struct load *load, struct slot *slot)
{
    const struct s3_exchange *exchange = &slot->exchange;
    if (exchange->status != 200) {
        note_error(load->result, "refused", exchange->status);
    } else if (load->operation == BENCH_GET && exchange->received != load->size_bytes) {
        note_error(load->result, "the value has another length", exchange->status);
    } else {
        histogram_add(&load->histogram, bench_now_ns() - slot->started_ns);
        load->result->operations++;
    }
}

static void fail(struct load *load, struct slot *slot)
{
    note_error(load->result, "the connection broke", 0);
    stop(load, slot);
}

/* The next request of a connection. Its answer takes a while: it is not looked for here. */
static void begin(struct load *load, struct slot *slot)
{
    start(load, slot);
    if (push(load, slot) == S3_BROKEN)
        fail(load, slot);
}

/* What an event is about. */
static void work(struct load *load, struct slot *slot)
{
    enum s3_progress progress = slot->wants_write ? push(load, slot) : S3_GOES_ON;
    if (progress == S3_GOES_ON)
        progress = s3_exchange_receive(&slot->exchange, NULL);
    if (progress == S3_BROKEN)
        fail(load, slot);
    if (progress != S3_COMPLETE)
        return;
    on_complete(load, slot);
    bool is_all_put =
        load->settings->once && load->operation == BENCH_PUT && load->next_key >= load->key_count;
    if (bench_now_ns() >= load->end_ns || load->result->errors >= ERRORS_MAX || is_all_put)
        stop(load, slot);
    else
        begin(load, slot);
}

static bool open_slots(struct load *load, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct slot *slot = &load->slots[i];
        int fd = s3_connect(load->target);
        if (fd < 0) {
            note_error(load->result, strerror(errno), 0);
            return false;
        }
        s3_exchange_init(&slot->exchange, fd);
        slot->wants_write = false;
        load->running++;
        watch(load, slot, EPOLL_CTL_ADD);
    }
    return true;
}

static void run(struct load *load, uint32_t inflight)
{
    struct epoll_event events[EVENTS];
    for (uint32_t i = 0; i < inflight; i++)
        begin(load, &load->slots[i]);
    while (load->running > 0) {
        int count = epoll_wait(load->epoll, events, EVENTS, PATIENCE_MS);
        if (count == 0) {
            note_error(load->result, "no answer for a minute", 0);
            return;
        }
        for (int i = 0; i < count; i++)
            work(load, events[i].data.ptr);
    }
}

void s3_load(const struct bench_settings *settings, struct s3_target *target,
             enum bench_operation operation, uint64_t size_bytes, uint32_t inflight,
             uint32_t *existing, struct bench_result *result)
{
    struct load *load = bench_alloc(sizeof *load);
    *load = (struct load){
        .settings = settings,
        .target = target,
        .operation = operation,
        .size_bytes = size_bytes,
        .value = bench_alloc(size_bytes + 1),
        .slots = bench_alloc(inflight * sizeof *load->slots),
        .key_count = operation == BENCH_PUT ? settings->keys : *existing,
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .result = result,
    };
    for (uint32_t i = 0; i < inflight; i++)
        load->slots[i].exchange.fd = -1;
    bench_fill(load->value, size_bytes, 1);
    s3_hash(target, load->value, size_bytes, load->hash);
    result->size_bytes = size_bytes;
    result->inflight = inflight;
    bool is_open = open_slots(load, inflight);
    uint64_t started_ns = bench_now_ns();
    load->end_ns = started_ns + settings->duration_us * 1000;
    if (is_open)
        run(load, inflight);
    bench_finish(&load->histogram, started_ns, result);
    if (operation == BENCH_PUT)
        *existing =
            result->operations < settings->keys ? (uint32_t)result->operations : settings->keys;
    for (uint32_t i = 0; i < inflight; i++)
        if (load->slots[i].exchange.fd >= 0)
            s3_exchange_release(&load->slots[i].exchange);
    (void)close(load->epoll);
    free(load->slots);
    free(load->value);
    free(load);
}

/* ---- listing ---- */

static bool exchange_once(struct s3_exchange *exchange, struct text *answer)
{
    bool wants_write = true;
    enum s3_progress progress = S3_GOES_ON;
    answer->length = 0;
    while (progress == S3_GOES_ON) {
        struct pollfd wait = {.fd = exchange->fd, .events = POLLIN};
        if (wants_write)
            progress = s3_exchange_send(exchange, &wants_write);
        if (wants_write)
            wait.events |= POLLOUT;
        if (progress == S3_GOES_ON && poll(&wait, 1, PATIENCE_MS) != 1)
            return false;
        if (progress == S3_GOES_ON)
            progress = s3_exchange_receive(exchange, answer);
    }
    return progress == S3_COMPLETE;
}

/* Writes the token of the next page, percent-encoded, to query; false at the end. */
static bool next_query(const char *answer, char *query, size_t size)
{
    static const char element[] = "<NextContinuationToken>";
    const char *token = strstr(answer, element);
    size_t at = (size_t)snprintf(query, size, "continuation-token=");
    if (token == NULL)
        return false;
    for (token += sizeof element - 1; *token != '<' && *token != '\0' && at + 32 < size; token++)
        at += (size_t)(strchr("+/=", *token) != NULL
                           ? snprintf(query + at, size - at, "%%%02X", (unsigned char)*token)
                           : snprintf(query + at, size - at, "%c", *token));
    (void)snprintf(query + at, size - at, "&list-type=2");
    return true;
}

static uint64_t count_keys(const char *answer)
{
    uint64_t count = 0;
    for (const char *at = answer; (at = strstr(at, "<Key>")) != NULL; at += 5)
        count++;
    return count;
}

void s3_list(const struct bench_settings *settings, struct s3_target *target,
             struct bench_result *result)
{
    char query[4096] = "list-type=2";
    struct histogram *histogram = bench_alloc(sizeof *histogram);
    struct s3_exchange exchange;
    struct text answer;
    text_init(&answer);
    s3_exchange_init(&exchange, s3_connect(target));
    result->inflight = 1;
    uint64_t started_ns = bench_now_ns();
    uint64_t end_ns = started_ns + settings->duration_us * 1000;
    while (result->errors == 0 && bench_now_ns() < end_ns) {
        uint64_t began_ns = bench_now_ns();
        s3_exchange_begin(&exchange, target, "GET", NULL, query, NULL, 0, empty_hash);
        if (exchange.fd < 0 || !exchange_once(&exchange, &answer) || exchange.status != 200) {
            note_error(result, "the listing broke", exchange.status);
            break;
        }
        histogram_add(histogram, bench_now_ns() - began_ns);
        result->operations += count_keys(text_cstr(&answer));
        if (!next_query(text_cstr(&answer), query, sizeof query))
            (void)snprintf(query, sizeof query, "list-type=2");
    }
    bench_finish(histogram, started_ns, result);
    s3_exchange_release(&exchange);
    text_release(&answer);
    free(histogram);
}
