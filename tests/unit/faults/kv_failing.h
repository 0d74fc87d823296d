/* A store that cannot be read any more from the N-th read on: a get, an iterator's step.
 *
 * Wraps another one. Once it has failed it goes on failing, as a broken disk does. */
#ifndef CATENA_TESTS_UNIT_FAULTS_KV_FAILING_H
#define CATENA_TESTS_UNIT_FAULTS_KV_FAILING_H

#include "base/kv.h"

struct kv_failing {
    struct kv inner;
    uint64_t reads;
    uint64_t fail_at; /* counted from 1; 0 = never */
    enum err err;
    bool has_failed; /* an error was told to the reader */
};

/* Valid as long as *failing and the store behind it. */
struct kv kv_failing_interface(struct kv_failing *failing);

#endif
