#include "tests/integration/lib/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

char *workload_key(uint32_t key, char *text)
{
    (void)snprintf(text, 16, "key-%03u", key % 1000u);
    return text;
}

void workload_fill(uint64_t value, void *bytes)
{
    for (size_t i = 0; i < WORKLOAD_VALUE_BYTES / sizeof value; i++)
        memcpy((char *)bytes + i * sizeof value, &value, sizeof value);
}

uint64_t workload_parse(const void *bytes, size_t length)
{
    uint64_t value = 0;
    char whole[WORKLOAD_VALUE_BYTES];
    if (length != sizeof whole)
        return UINT64_MAX;
    memcpy(&value, bytes, sizeof value);
    workload_fill(value, whole);
    return memcmp(whole, bytes, sizeof whole) == 0 ? value : UINT64_MAX;
}

static bool is_expected(enum catena_status status)
{
    return status == CATENA_OK || status == CATENA_CONDITION_FAILED || status == CATENA_NO_KEY;
}

static enum catena_status do_put(struct workload *workload, const char *key,
                                 struct catena_version expected, struct history_op *op)
{
    char bytes[WORKLOAD_VALUE_BYTES];
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct catena_info info = {0};
    if (op->kind == HISTORY_PUT_IF_VERSION)
        options.condition = CATENA_IF_VERSION;
    else if (op->kind == HISTORY_PUT_IF_ABSENT)
        options.condition = CATENA_IF_ABSENT;
    options.version = expected;
    op->expected = expected;
    op->value = atomic_fetch_add(&workload->next_value, 1u);
    workload_fill(op->value, bytes);
    enum catena_status status = catena_put(workload->client, workload->bucket, key, strlen(key),
                                           bytes, sizeof bytes, &options, &info);
    op->version = info.version;
    catena_info_release(&info);
    return status;
}

static enum catena_status do_get(struct workload *workload, const char *key, struct history_op *op)
{
    void *bytes = NULL;
    size_t length = 0;
    struct catena_info info = {0};
    enum catena_status status = catena_get(workload->client, workload->bucket, key, strlen(key),
                                           NULL, &bytes, &length, &info);
    if (status == CATENA_OK) {
        op->value = workload_parse(bytes, length);
        op->version = info.version;
        if (op->value == UINT64_MAX)
            test_fail("%s/%s: a torn value of %zu bytes was read", workload->bucket, key, length);
    }
    free(bytes);
    catena_info_release(&info);
    return status;
}

enum catena_status workload_op(struct workload *workload, enum history_kind kind, uint32_t key,
                               struct catena_version expected, struct history_op *ret_op)
{
    char text[16];
    (void)workload_key(key, text);
    struct history_op op = {.kind = kind, .key = key};
    op.start_us = now_us();
    op.status =
        kind == HISTORY_GET ? do_get(workload, text, &op) : do_put(workload, text, expected, &op);
    op.end_us = now_us();
    history_add(&workload->history, &op);
    if (!is_expected(op.status) && atomic_fetch_add(&workload->unexpected, 1u) < 10)
        printf("note: %s %s: %s: %s\n", kind == HISTORY_GET ? "get" : "put", text,
               catena_status_name(op.status), catena_error_text());
    if (ret_op != NULL)
        *ret_op = op;
    return op.status;
}

/* xorshift64*: each thread draws from its own state. */
static uint32_t draw(uint64_t *state, uint32_t bound)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * 0x2545f4914f6cdd1du) >> 33) % bound;
}

static void *work(void *argument)
{
    struct workload *workload = argument;
    uint64_t seed = 17u + atomic_fetch_add(&workload->threads_started, 1u) * 7919u;
    struct catena_version seen[WORKLOAD_KEYS] = {{0}};
    while (!atomic_load(&workload->stop)) {
        uint32_t key = draw(&seed, WORKLOAD_KEYS);
        unsigned dice = draw(&seed, 4);
        enum history_kind kind =
            dice < 2 ? HISTORY_PUT : (dice == 2 ? HISTORY_PUT_IF_VERSION : HISTORY_GET);
        if (kind == HISTORY_PUT_IF_VERSION && seen[key].epoch == 0)
            kind = HISTORY_PUT_IF_ABSENT;
        struct history_op op;
        if (workload_op(workload, kind, key, seen[key], &op) == CATENA_OK)
            seen[key] = op.version;
    }
    return NULL;
}

void workload_start(struct workload *workload, struct catena_client *client, const char *bucket)
{
    *workload = (struct workload){.client = client, .bucket = bucket};
    history_init(&workload->history);
    atomic_store(&workload->next_value, 1u);
    for (size_t i = 0; i < WORKLOAD_THREADS; i++)
        if (pthread_create(&workload->threads[i], NULL, work, workload) != 0)
            test_fail("pthread_create");
}

void workload_finish(struct workload *workload)
{
    atomic_store(&workload->stop, true);
    for (size_t i = 0; i < WORKLOAD_THREADS; i++)
        (void)pthread_join(workload->threads[i], NULL);
    for (uint32_t key = 0; key < WORKLOAD_KEYS; key++) {
        enum catena_status status =
            workload_op(workload, HISTORY_GET, key, (struct catena_version){0, 0}, NULL);
        if (status != CATENA_OK && status != CATENA_NO_KEY)
            test_fail("key %u cannot be read at the end: %s", key, catena_error_text());
    }
    const struct history *history = &workload->history;
    printf("history: %zu operations, %zu puts, %zu conditional puts won, %zu refused, %zu gets, "
           "%zu of unknown outcome\n",
           history->count, history_count(history, HISTORY_PUT, CATENA_OK),
           history_count(history, HISTORY_PUT_IF_VERSION, CATENA_OK),
           history_count(history, HISTORY_PUT_IF_VERSION, CATENA_CONDITION_FAILED),
           history_count(history, HISTORY_GET, CATENA_OK),
           history_count(history, HISTORY_PUT, CATENA_OUTCOME_UNKNOWN) +
               history_count(history, HISTORY_PUT_IF_VERSION, CATENA_OUTCOME_UNKNOWN));
    size_t violations = history_check(history);
    if (violations > 0)
        test_fail("%zu violations of linearizability", violations);
    uint64_t unexpected = atomic_load(&workload->unexpected);
    if (unexpected > 0)
        test_fail("%llu operations failed although the client had time to retry",
                  (unsigned long long)unexpected);
}

void workload_release(struct workload *workload)
{
    history_release(&workload->history);
}

static void *probe(void *argument)
{
    struct prober *prober = argument;
    while (!atomic_load(&prober->stop)) {
        uint64_t start = now_us();
        if (workload_op(prober->workload, HISTORY_PUT, prober->key, (struct catena_version){0, 0},
                        NULL) != CATENA_OK)
            continue;
        uint64_t now = now_us();
        uint64_t last = atomic_load(&prober->last_ok_us);
        if (last != 0 && now - last > atomic_load(&prober->longest_gap_us))
            atomic_store(&prober->longest_gap_us, now - last);
        (void)start;
        atomic_store(&prober->last_ok_us, now);
    }
    return NULL;
}

void prober_start(struct prober *prober, struct workload *workload, uint32_t key)
{
    *prober = (struct prober){.workload = workload, .key = key};
    if (pthread_create(&prober->thread, NULL, probe, prober) != 0)
        test_fail("pthread_create");
}

void prober_reset(struct prober *prober)
{
    atomic_store(&prober->longest_gap_us, 0u);
}

uint64_t prober_wait(struct prober *prober, uint64_t since_us, uint32_t seconds)
{
    uint64_t deadline = now_us() + (uint64_t)seconds * 1000000u;
    struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};
    while (now_us() < deadline) {
        if (atomic_load(&prober->last_ok_us) > since_us)
            return atomic_load(&prober->longest_gap_us);
        (void)nanosleep(&pause, NULL);
    }
    test_fail("no put succeeded for %u s", seconds);
}

void prober_stop(struct prober *prober)
{
    atomic_store(&prober->stop, true);
    (void)pthread_join(prober->thread, NULL);
}
