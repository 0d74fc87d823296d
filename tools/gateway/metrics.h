/* Counters for Prometheus. Any thread; atomics only. */
#ifndef CATENA_TOOLS_GATEWAY_METRICS_H
#define CATENA_TOOLS_GATEWAY_METRICS_H

#include "tools/gateway/route.h"

struct gw_metrics;

struct gw_metrics *gw_metrics_new(void);
void gw_metrics_free(struct gw_metrics *metrics);
/* One request has ended. status 0: the client left before an answer. */
void gw_metrics_note(struct gw_metrics *metrics, enum gw_operation operation, unsigned status,
                     uint64_t duration_us, uint64_t bytes_in, uint64_t bytes_out);
void gw_metrics_print(const struct gw_metrics *metrics, uint32_t in_flight, struct text *out);

#endif
