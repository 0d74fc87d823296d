#include "tools/gateway/metrics.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "tools/gateway/encode.h"

enum { CLASSES = 6, BUCKETS = 12 };

static const uint64_t bounds_us[BUCKETS] = {500,   1000,   2500,   5000,    10000,   25000,
                                            50000, 100000, 250000, 1000000, 5000000, 30000000};

struct counters {
    atomic_uint_fast64_t by_class[CLASSES]; /* status / 100; 0 = no answer */
    atomic_uint_fast64_t at_most[BUCKETS];
    atomic_uint_fast64_t total_us;
    atomic_uint_fast64_t count;
};

struct gw_metrics {
    struct counters operations[GW_OPERATION_COUNT];
    atomic_uint_fast64_t bytes_in;
    atomic_uint_fast64_t bytes_out;
};

struct gw_metrics *gw_metrics_new(void)
{
    return gw_zalloc(sizeof(struct gw_metrics));
}

void gw_metrics_free(struct gw_metrics *metrics)
{
    free(metrics);
}

void gw_metrics_note(struct gw_metrics *metrics, enum gw_operation operation, unsigned status,
                     uint64_t duration_us, uint64_t bytes_in, uint64_t bytes_out)
{
    struct counters *counters = &metrics->operations[operation];
    unsigned class = status / 100 < CLASSES ? status / 100 : 0;
    atomic_fetch_add(&counters->by_class[class], 1);
    atomic_fetch_add(&counters->count, 1);
    atomic_fetch_add(&counters->total_us, duration_us);
    for (unsigned i = 0; i < BUCKETS; i++) {
        if (duration_us <= bounds_us[i]) {
            atomic_fetch_add(&counters->at_most[i], 1);
            break;
        }
    }
    atomic_fetch_add(&metrics->bytes_in, bytes_in);
    atomic_fetch_add(&metrics->bytes_out, bytes_out);
}

static unsigned long long value(const atomic_uint_fast64_t *counter)
{
    return (unsigned long long)atomic_load((atomic_uint_fast64_t *)(uintptr_t)counter);
}

static void print_operation(const struct counters *counters, const char *name, struct text *out)
{
    unsigned long long sum = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        sum += value(&counters->at_most[i]);
        text_append(out, "catena_gateway_request_seconds_bucket{operation=\"%s\",le=\"%g\"} %llu\n",
                    name, (double)bounds_us[i] / 1e6, sum);
    }
    text_append(out, "catena_gateway_request_seconds_bucket{operation=\"%s\",le=\"+Inf\"} %llu\n",
                name, value(&counters->count));
    text_append(out, "catena_gateway_request_seconds_sum{operation=\"%s\"} %.6f\n", name,
                (double)value(&counters->total_us) / 1e6);
    text_append(out, "catena_gateway_request_seconds_count{operation=\"%s\"} %llu\n", name,
                value(&counters->count));
}

void gw_metrics_print(const struct gw_metrics *metrics, uint32_t in_flight, struct text *out)
{
    static const char *const classes[CLASSES] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    text_append(out, "# HELP catena_gateway_requests_total Requests by operation and status.\n"
                     "# TYPE catena_gateway_requests_total counter\n");
    for (unsigned i = 0; i < GW_OPERATION_COUNT; i++) {
        for (unsigned j = 0; j < CLASSES; j++) {
            unsigned long long count = value(&metrics->operations[i].by_class[j]);
            if (count > 0)
                text_append(out,
                            "catena_gateway_requests_total{operation=\"%s\",status=\"%s\"} %llu\n",
                            gw_operation_name((enum gw_operation)i), classes[j], count);
        }
    }
    text_append(out, "# HELP catena_gateway_request_seconds Time from the request line to the end "
                     "of the answer.\n"
                     "# TYPE catena_gateway_request_seconds histogram\n");
    for (unsigned i = 0; i < GW_OPERATION_COUNT; i++) {
        if (value(&metrics->operations[i].count) > 0)
            print_operation(&metrics->operations[i], gw_operation_name((enum gw_operation)i), out);
    }
    text_append(out,
                "# HELP catena_gateway_received_bytes_total Bytes of request bodies.\n"
                "# TYPE catena_gateway_received_bytes_total counter\n"
                "catena_gateway_received_bytes_total %llu\n"
                "# HELP catena_gateway_sent_bytes_total Bytes of response bodies.\n"
                "# TYPE catena_gateway_sent_bytes_total counter\n"
                "catena_gateway_sent_bytes_total %llu\n"
                "# HELP catena_gateway_requests_in_flight Requests under way.\n"
                "# TYPE catena_gateway_requests_in_flight gauge\n"
                "catena_gateway_requests_in_flight %u\n",
                value(&metrics->bytes_in), value(&metrics->bytes_out), in_flight);
}
