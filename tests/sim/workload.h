/* What the clients do, what they saw, and whether that is what a linearizable store may show. */
#ifndef CATENA_TESTS_SIM_WORKLOAD_H
#define CATENA_TESTS_SIM_WORKLOAD_H

#include "client/core/cl_core.h"
#include "tests/sim/sim.h"

struct workload_counts {
    uint64_t done;    /* updates that were acknowledged */
    uint64_t refused; /* conditions that did not hold */
    uint64_t unknown; /* no answer */
    uint64_t failed;  /* surely did not happen */
    uint64_t reads;
    uint64_t lists;
    uint64_t chunked;
    uint64_t abandoned; /* uploads that nobody finished */
    uint64_t buckets;   /* deleted, or refused because they were not empty */
};

struct workload *workload_new(struct world *world);
void workload_free(struct workload *workload);
/* Makes chains and the bucket; workload_is_ready() says when that is done. */
void workload_prepare(struct workload *workload);
bool workload_is_ready(const struct workload *workload);
void workload_begin(struct workload *workload);
void workload_end(struct workload *workload);
/* Nothing under way. */
bool workload_is_idle(const struct workload *workload);
/* Reads every key once more; these reads have to succeed. */
void workload_read_all(struct workload *workload);
/* One operation of a bucket's life, counted in the ledger. */
void workload_count(struct world *world, const struct cl_submit *submit, uint32_t chain,
                    uint64_t called_us);
void workload_note_bucket(struct workload *workload);
/* work_buckets.c: buckets that are made, filled by several clients and deleted (R37). */
void buckets_begin(struct workload *workload, struct world *world);
void buckets_end(void);
bool buckets_are_idle(void);
void buckets_release(void);
/* work_keys.c: access keys and a bucket's configuration (D20). */
void keys_begin(struct world *world);
void keys_end(void);
bool keys_are_idle(void);
void keys_release(void);
/* work_multi.c: multipart uploads, restamps and tokens (D18, D19), in two worlds of five. */
bool multi_is_on(const struct world *world);
void multi_begin(struct world *world);
void multi_end(void);
bool multi_is_idle(void);
void multi_read_all(void);
void multi_check(void);
void multi_release(void);
/* Checks every key's history. Fails the world when one is not linearizable. */
void workload_check(struct workload *workload);
const struct workload_counts *workload_counts(const struct workload *workload);

#endif
