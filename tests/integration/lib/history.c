#include "tests/integration/lib/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void history_init(struct history *history)
{
    *history = (struct history){0};
    (void)pthread_mutex_init(&history->lock, NULL);
}

void history_release(struct history *history)
{
    (void)pthread_mutex_destroy(&history->lock);
    free(history->ops);
}

void history_add(struct history *history, const struct history_op *op)
{
    (void)pthread_mutex_lock(&history->lock);
    if (history->count == history->capacity) {
        history->capacity = history->capacity == 0 ? 4096 : history->capacity * 2;
        history->ops = realloc(history->ops, history->capacity * sizeof *history->ops);
        if (history->ops == NULL)
            abort();
    }
    history->ops[history->count++] = *op;
    (void)pthread_mutex_unlock(&history->lock);
}

static int compare_versions(struct catena_version a, struct catena_version b)
{
    if (a.epoch != b.epoch)
        return a.epoch < b.epoch ? -1 : 1;
    return a.lsn < b.lsn ? -1 : (a.lsn > b.lsn ? 1 : 0);
}

static bool is_write(const struct history_op *op)
{
    return op->kind != HISTORY_GET;
}

/* Whether the operation saw or made a version: a get of nothing stands at version 0.0. */
static bool has_version(const struct history_op *op)
{
    return op->status == CATENA_OK || (op->kind == HISTORY_GET && op->status == CATENA_NO_KEY);
}

static int by_key_version(const void *left, const void *right)
{
    const struct history_op *a = left;
    const struct history_op *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    int order = compare_versions(a->version, b->version);
    if (order != 0)
        return order;
    return (int)is_write(b) - (int)is_write(a); /* the write of a version first, then its reads */
}

struct report {
    size_t violations;
};

static void violation(struct report *report, const char *what, const struct history_op *a,
                      const struct history_op *b)
{
    if (report->violations++ >= 10)
        return;
    printf("violation: %s: key %" PRIu32 ": kind %d version %" PRIu64 ".%" PRIu64 " value %" PRIu64
           " [%" PRIu64 ", %" PRIu64 "] against kind %d version %" PRIu64 ".%" PRIu64
           " value %" PRIu64 " [%" PRIu64 ", %" PRIu64 "]\n",
           what, a->key, (int)a->kind, a->version.epoch, a->version.lsn, a->value, a->start_us,
           a->end_us, (int)b->kind, b->version.epoch, b->version.lsn, b->value, b->start_us,
           b->end_us);
}

/* One key's operations in version order. `latest_start` over the versions before must not be later
 * than the end of any operation at a higher version: walk down from the highest version keeping the
 * earliest end; an operation that started after the end of one with a higher version went back in
 * time. */
static void check_key(struct report *report, const struct history_op *ops, size_t count)
{
    const struct history_op *earliest = NULL;
    size_t i = count;
    while (i > 0) {
        size_t group_end = i;
        size_t group = i - 1;
        while (group > 0 && compare_versions(ops[group - 1].version, ops[i - 1].version) == 0)
            group--;
        for (size_t k = group; k < group_end; k++)
            if (earliest != NULL && ops[k].start_us > earliest->end_us)
                violation(report, "an older version after a newer one was seen", &ops[k], earliest);
        const struct history_op *first = &ops[group];
        for (size_t k = group; k < group_end; k++) {
            if (k > group && is_write(&ops[k]))
                violation(report, "two writes with one version", &ops[k], first);
            if (ops[k].value != first->value)
                violation(report, "one version with two values", &ops[k], first);
            if (is_write(first) && !is_write(&ops[k]) && ops[k].end_us < first->start_us)
                violation(report, "read before it was written", &ops[k], first);
        }
        if (group > 0)
            for (size_t k = group; k < group_end; k++)
                if (ops[k].kind == HISTORY_PUT_IF_VERSION &&
                    compare_versions(ops[group - 1].version, ops[k].expected) > 0)
                    violation(report, "a conditional put won over a newer version", &ops[k],
                              &ops[group - 1]);
        for (size_t k = group; k < group_end; k++)
            if (earliest == NULL || ops[k].end_us < earliest->end_us)
                earliest = &ops[k];
        i = group;
    }
}

static int by_value(const void *left, const void *right)
{
    const struct history_op *a = *(const struct history_op *const *)left;
    const struct history_op *b = *(const struct history_op *const *)right;
    return a->value < b->value ? -1 : (a->value > b->value ? 1 : 0);
}

/* A write that was reported as surely not done must never be read. */
static void check_refused(struct report *report, const struct history *history)
{
    const struct history_op **refused = calloc(history->count + 1, sizeof *refused);
    if (refused == NULL)
        abort();
    size_t count = 0;
    for (size_t i = 0; i < history->count; i++) {
        const struct history_op *op = &history->ops[i];
        if (is_write(op) && op->status != CATENA_OK && op->status != CATENA_OUTCOME_UNKNOWN)
            refused[count++] = op;
    }
    qsort(refused, count, sizeof(const struct history_op *), by_value);
    for (size_t i = 0; i < history->count; i++) {
        const struct history_op *op = &history->ops[i];
        if (is_write(op) || op->status != CATENA_OK)
            continue;
        const struct history_op **found =
            bsearch(&op, refused, count, sizeof(const struct history_op *), by_value);
        if (found != NULL)
            violation(report, "a write that was reported as refused was read", op, *found);
    }
    free(refused);
}

size_t history_check(const struct history *history)
{
    struct report report = {0};
    struct history_op *ops = calloc(history->count + 1, sizeof *ops);
    if (ops == NULL)
        abort();
    size_t count = 0;
    for (size_t i = 0; i < history->count; i++)
        if (has_version(&history->ops[i]))
            ops[count++] = history->ops[i];
    qsort(ops, count, sizeof *ops, by_key_version);
    for (size_t i = 0; i < count;) {
        size_t end = i;
        while (end < count && ops[end].key == ops[i].key)
            end++;
        check_key(&report, &ops[i], end - i);
        i = end;
    }
    free(ops);
    check_refused(&report, history);
    return report.violations;
}

size_t history_count(const struct history *history, enum history_kind kind,
                     enum catena_status status)
{
    size_t count = 0;
    for (size_t i = 0; i < history->count; i++)
        if (history->ops[i].kind == kind && history->ops[i].status == status)
            count++;
    return count;
}
