/* Histories of operations on real clusters, and the check that they are linearizable.
 *
 * Every object version is a place in its key's total order (versions strictly increase for ever),
 * and every written value names its writer. So a history is linearizable if and only if, per key,
 * the order of versions agrees with real time and every read returned the value that was written
 * under the version it reports. That is a sort instead of a search. Operations with an unknown
 * outcome may or may not appear. */
#ifndef CATENA_TESTS_INTEGRATION_HISTORY_H
#define CATENA_TESTS_INTEGRATION_HISTORY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/include/catena.h"

enum history_kind { HISTORY_PUT, HISTORY_PUT_IF_VERSION, HISTORY_PUT_IF_ABSENT, HISTORY_GET };

struct history_op {
    enum history_kind kind;
    uint32_t key;
    uint64_t start_us;
    uint64_t end_us;
    enum catena_status status;
    struct catena_version version;  /* put, get: of the object */
    struct catena_version expected; /* PUT_IF_VERSION */
    uint64_t value;                 /* written or read; 0 = nothing there */
};

struct history {
    pthread_mutex_t lock;
    struct history_op *ops;
    size_t count;
    size_t capacity;
};

uint64_t now_us(void);
void history_init(struct history *history);
void history_release(struct history *history);
void history_add(struct history *history, const struct history_op *op);
/* Prints each violation found (at most ten) and returns how many there were. */
size_t history_check(const struct history *history);
size_t history_count(const struct history *history, enum history_kind kind,
                     enum catena_status status);

#endif
