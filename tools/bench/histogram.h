/* Latencies in buckets whose width grows with the value: 1/64 relative error, no allocation. */
#ifndef CATENA_TOOLS_BENCH_HISTOGRAM_H
#define CATENA_TOOLS_BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 6, HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) << 6 };

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t maximum;
};

void histogram_add(struct histogram *histogram, uint64_t value);
/* The value that `fraction` of all values do not exceed; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double fraction);

#endif
