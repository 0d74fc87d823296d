/* A steady load of puts, conditional puts and gets from several threads, recorded as a history. */
#ifndef CATENA_TESTS_INTEGRATION_WORKLOAD_H
#define CATENA_TESTS_INTEGRATION_WORKLOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/integration/lib/cluster.h"
#include "tests/integration/lib/history.h"

enum { WORKLOAD_KEYS = 48, WORKLOAD_THREADS = 8, WORKLOAD_VALUE_BYTES = 512 };

struct workload {
    struct catena_client *client; /* borrowed */
    const char *bucket;
    struct history history;
    atomic_bool stop;
    atomic_uint_fast64_t next_value;
    atomic_uint_fast64_t unexpected; /* failures that no fault of the test explains */
    atomic_uint threads_started;
    pthread_t threads[WORKLOAD_THREADS];
};

/* "key-NNN"; text has 16 bytes. */
char *workload_key(uint32_t key, char *text);
/* A value names its writer: the number, repeated over WORKLOAD_VALUE_BYTES. */
void workload_fill(uint64_t value, void *bytes);
/* The number in a value, or UINT64_MAX if the bytes are not one whole value. */
uint64_t workload_parse(const void *bytes, size_t length);

void workload_start(struct workload *workload, struct catena_client *client, const char *bucket);
/* Stops the threads, reads every key once more, and checks. Ends the test on any violation. */
void workload_finish(struct workload *workload);
void workload_release(struct workload *workload);
/* Performs one operation and records it. */
enum catena_status workload_op(struct workload *workload, enum history_kind kind, uint32_t key,
                               struct catena_version expected, struct history_op *ret_op);

/* One put in flight at a time on one key: what a user sees as an outage. */
struct prober {
    struct workload *workload;
    uint32_t key;
    pthread_t thread;
    atomic_bool stop;
    atomic_uint_fast64_t last_ok_us;
    atomic_uint_fast64_t longest_gap_us; /* since prober_reset */
};
void prober_start(struct prober *prober, struct workload *workload, uint32_t key);
void prober_reset(struct prober *prober);
/* Waits until a put that started after since_us succeeded; the longest gap since the reset, in us.
 */
uint64_t prober_wait(struct prober *prober, uint64_t since_us, uint32_t seconds);
void prober_stop(struct prober *prober);

#endif
