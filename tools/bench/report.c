#include <sys/resource.h>

#include "tools/bench/bench.h"

static uint64_t resident_maximum_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

void bench_report_text(const struct bench_result *results, uint32_t count, struct text *text)
{
    text_append(text, "%-14s %10s %8s %10s %11s %9s %9s %9s %7s  %s\n", "measurement", "bytes",
                "inflight", "ops/s", "MB/s", "p50 us", "p99 us", "max us", "errors", "what");
    for (uint32_t i = 0; i < count; i++) {
        const struct bench_result *r = &results[i];
        text_append(text, "%-14s %10llu %8u %10.0f %11.1f %9.0f %9.0f %9.0f %7llu  %s\n", r->name,
                    (unsigned long long)r->size_bytes, r->inflight, r->operations_per_second,
                    r->megabytes_per_second, r->p50_us, r->p99_us, r->maximum_us,
                    (unsigned long long)r->errors, r->what);
        if (r->errors > 0)
            text_append(text, "  first error: %s\n", r->first_error);
    }
    text_append(text, "client memory at most: %llu MiB\n",
                (unsigned long long)(resident_maximum_bytes() >> 20));
}

void bench_report_json(const struct bench_settings *settings, const struct bench_result *results,
                       uint32_t count, struct text *text)
{
    text_append(text,
                "{\"seconds\":%.3f,\"keys\":%u,\"client_memory_bytes_max\":%llu,\"results\":[",
                (double)settings->duration_us / 1e6, settings->keys,
                (unsigned long long)resident_maximum_bytes());
    for (uint32_t i = 0; i < count; i++) {
        const struct bench_result *r = &results[i];
        text_append(text,
                    "%s{\"name\":\"%s\",\"bytes\":%llu,\"inflight\":%u,\"operations\":%llu,"
                    "\"errors\":%llu,\"seconds\":%.3f,\"operations_per_second\":%.1f,"
                    "\"megabytes_per_second\":%.2f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
                    "\"max_us\":%.1f,\"first_error\":\"",
                    i == 0 ? "" : ",", r->name, (unsigned long long)r->size_bytes, r->inflight,
                    (unsigned long long)r->operations, (unsigned long long)r->errors, r->seconds,
                    r->operations_per_second, r->megabytes_per_second, r->p50_us, r->p99_us,
                    r->maximum_us);
        text_append_json(text, slice_of_text(r->first_error));
        text_append(text, "\"}");
    }
    text_append(text, "]}\n");
}
