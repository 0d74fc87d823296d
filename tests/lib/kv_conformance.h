/* One suite for every implementation of base/kv.h. */
#ifndef CATENA_TESTS_LIB_KV_CONFORMANCE_H
#define CATENA_TESTS_LIB_KV_CONFORMANCE_H

#include <check.h>

#include "base/kv.h"

enum { KV_CONFORMANCE_FAMILIES = 3 };

struct kv_conformance {
    /* An empty store with KV_CONFORMANCE_FAMILIES families. */
    void *(*open)(void);
    struct kv (*interface)(void *store);
    /* Applies and syncs; the batch stays the caller's. */
    enum err (*write)(void *store, const struct kv_batch *batch);
    /* Stops in an orderly way or not, and opens the same data again; returns the store. */
    void *(*reopen)(void *store);
    void (*close)(void *store);
};

/* Adds the cases to the suite. One implementation per program. */
void kv_conformance_add(Suite *suite, const struct kv_conformance *implementation);

#endif
