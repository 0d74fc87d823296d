/* catena-bench: how fast a cluster is, beside what the machine can do in the same minute.
 *
 * Each measurement fills one `struct bench_result`; report.c prints them. Uses the public client
 * library only. */
#ifndef CATENA_TOOLS_BENCH_BENCH_H
#define CATENA_TOOLS_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/io/args.h"
#include "client/include/catena.h"
#include "tools/bench/histogram.h"

enum { BENCH_STREAMS_MAX = 64 };

struct bench_settings {
    const char *masters;
    const char *bucket;
    const char *only; /* comma-separated names of measurements; "" = all */
    const char *directory;
    const char *s3; /* HOST:PORT of a gateway; "" = none */
    uint64_t size_bytes;
    uint64_t stream_bytes;
    uint64_t large_bytes;
    uint64_t file_bytes;
    uint64_t duration_us;
    uint32_t inflight;
    uint32_t keys;
    uint32_t streams;
    bool json;
    bool once; /* puts end when each key was put */
};

struct bench_result {
    const char *name;
    const char *what; /* one phrase for the table */
    uint64_t size_bytes;
    uint32_t inflight;
    uint64_t operations;
    uint64_t errors;
    double seconds;
    double operations_per_second;
    double megabytes_per_second; /* 10^6 bytes */
    double p50_us;
    double p99_us;
    double maximum_us;
    char first_error[256];
};

uint64_t bench_now_ns(void);
/* Memory, or the end of the program with a clear line. */
void *bench_alloc(size_t bytes);
/* splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). */
uint64_t bench_random(uint64_t *state);
/* Repeatable bytes that do not compress. */
void bench_fill(uint8_t *bytes, uint64_t length, uint64_t seed);

/* Which measurements run (wanted.c). */
bool bench_is_wanted(const struct bench_settings *settings, const char *name);
bool bench_needs_cluster(const struct bench_settings *settings);
/* False: settings->only names something that does not exist or cannot be measured alone; why goes
 * to the text. */
bool bench_only_is_good(const struct bench_settings *settings, char *ret_text, size_t size);

/* Load of single operations (load.c). `puts`: how many of the keys exist afterwards. */
enum bench_operation { BENCH_PUT, BENCH_GET };
void bench_load(const struct bench_settings *settings, struct catena_client *client,
                enum bench_operation operation, uint64_t size_bytes, uint32_t inflight,
                uint32_t *existing, struct bench_result *result);

/* All keys of the bucket, again and again, in pages of 1,000; an operation is a key. */
void bench_list(const struct bench_settings *settings, struct catena_client *client,
                struct bench_result *result);
/* Rates and quantiles of what has ended now; operations and size_bytes are set. */
void bench_finish(const struct histogram *histogram, uint64_t started_ns,
                  struct bench_result *result);

/* Streams of large values (stream.c): several at once, each of stream_bytes. */
void bench_stream_put(const struct bench_settings *settings, struct catena_client *client,
                      struct bench_result *result);
void bench_stream_get(const struct bench_settings *settings, struct catena_client *client,
                      struct bench_result *result);

/* The machine (baseline.c). */
void bench_disk_sequential(const struct bench_settings *settings, struct bench_result *result);
void bench_disk_sync(const struct bench_settings *settings, struct bench_result *result);
void bench_tcp_echo(const struct bench_settings *settings, struct bench_result *result);

/* report.c */
void bench_report_text(const struct bench_result *results, uint32_t count, struct text *text);
void bench_report_json(const struct bench_settings *settings, const struct bench_result *results,
                       uint32_t count, struct text *text);

#endif
