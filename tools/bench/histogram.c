#include "tools/bench/histogram.h"

/* Values below 64 have a bucket each; above, a power of two is cut into 64. */
static unsigned bucket_of(uint64_t value)
{
    if (value < (1u << HISTOGRAM_SUB_BITS))
        return (unsigned)value;
    unsigned top = 63u - (unsigned)__builtin_clzll(value);
    unsigned shift = top - HISTOGRAM_SUB_BITS;
    unsigned within = (unsigned)(value >> shift) & ((1u << HISTOGRAM_SUB_BITS) - 1);
    return ((shift + 1) << HISTOGRAM_SUB_BITS) + within;
}

/* The largest value of a bucket. */
static uint64_t bucket_end(unsigned bucket)
{
    if (bucket < (1u << HISTOGRAM_SUB_BITS))
        return bucket;
    unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t within = (bucket & ((1u << HISTOGRAM_SUB_BITS) - 1)) + (1u << HISTOGRAM_SUB_BITS);
    return ((within + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->counts[bucket_of(value)]++;
    histogram->count++;
    if (value > histogram->maximum)
        histogram->maximum = value;
}

uint64_t histogram_quantile(const struct histogram *histogram, double fraction)
{
    if (histogram->count == 0)
        return 0;
    uint64_t wanted = (uint64_t)(fraction * (double)histogram->count);
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen > wanted) {
            uint64_t end = bucket_end(i);
            return end < histogram->maximum ? end : histogram->maximum;
        }
    }
    return histogram->maximum;
}
