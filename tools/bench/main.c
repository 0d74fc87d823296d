#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/bench/bench.h"
#include "tools/bench/s3.h"

enum { RESULTS_MAX = 24, PUT_LARGE_INFLIGHT = 8 };

uint64_t bench_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void *bench_alloc(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (memory == NULL) {
        (void)fprintf(stderr, "catena-bench: out of memory (%zu bytes)\n", bytes);
        exit(1);
    }
    return memory;
}

uint64_t bench_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void bench_fill(uint8_t *bytes, uint64_t length, uint64_t seed)
{
    for (uint64_t i = 0; i < length; i += sizeof(uint64_t)) {
        uint64_t word = bench_random(&seed);
        memcpy(bytes + i, &word, length - i < sizeof word ? (size_t)(length - i) : sizeof word);
    }
}

struct bench {
    struct bench_settings settings;
    struct catena_client *client;
    struct s3_target target;
    struct bench_result results[RESULTS_MAX];
    uint32_t count;
};

/* NULL: not asked for. */
static struct bench_result *next_result(struct bench *bench, const char *name, const char *what)
{
    if (!bench_is_wanted(&bench->settings, name))
        return NULL;
    struct bench_result *result = &bench->results[bench->count++];
    *result = (struct bench_result){.name = name, .what = what};
    if (!bench->settings.json)
        (void)fprintf(stderr, "running %s: %s\n", name, what);
    return result;
}

static void run_machine(struct bench *bench)
{
    struct bench_result *result;
    if ((result = next_result(bench, "disk-write", "sequential write, fdatasync at the end")))
        bench_disk_sequential(&bench->settings, result);
    if ((result = next_result(bench, "disk-sync", "append 64 KiB, fdatasync each")))
        bench_disk_sync(&bench->settings, result);
    if ((result = next_result(bench, "tcp-echo", "64 bytes over loopback, one at a time")))
        bench_tcp_echo(&bench->settings, result);
}

/* Each load through the gateway comes right after the same load through the library. */
static void run_s3(struct bench *bench, const struct bench_settings *s, const char *name,
                   const char *what, enum bench_operation operation, uint64_t size_bytes,
                   uint32_t inflight, uint32_t *existing)
{
    struct bench_result *result;
    if (s->s3[0] == '\0' || (operation == BENCH_GET && *existing == 0))
        return;
    if ((result = next_result(bench, name, what)))
        s3_load(s, &bench->target, operation, size_bytes, inflight, existing, result);
}

static void run_small(struct bench *bench)
{
    const struct bench_settings *s = &bench->settings;
    struct bench_result *result;
    uint32_t existing = 0;
    uint32_t s3_existing = 0;
    if ((result = next_result(bench, "put", "puts, durable on every replica")))
        bench_load(s, bench->client, BENCH_PUT, s->size_bytes, s->inflight, &existing, result);
    run_s3(bench, s, "s3-put", "the same through the gateway", BENCH_PUT, s->size_bytes,
           s->inflight, &s3_existing);
    if (existing > 0 && (result = next_result(bench, "get", "gets of what was put")))
        bench_load(s, bench->client, BENCH_GET, s->size_bytes, s->inflight, &existing, result);
    run_s3(bench, s, "s3-get", "the same through the gateway", BENCH_GET, s->size_bytes,
           s->inflight, &s3_existing);
    if ((result = next_result(bench, "list", "keys listed, with metadata, in pages of 1,000")))
        bench_list(s, bench->client, result);
    if (s->s3[0] != '\0' &&
        (result = next_result(bench, "s3-list", "the same through the gateway")))
        s3_list(s, &bench->target, result);
    if ((result = next_result(bench, "put-single", "puts, one at a time")))
        bench_load(s, bench->client, BENCH_PUT, s->size_bytes, 1, &existing, result);
    if (existing > 0 && (result = next_result(bench, "get-single", "gets, one at a time")))
        bench_load(s, bench->client, BENCH_GET, s->size_bytes, 1, &existing, result);
}

static void run_large(struct bench *bench)
{
    struct bench_settings s = bench->settings;
    struct bench_result *result;
    uint32_t existing = 0;
    uint32_t s3_existing = 0;
    s.keys = 32;
    if ((result = next_result(bench, "put-large", "large puts, 8 at once")))
        bench_load(&s, bench->client, BENCH_PUT, s.large_bytes, PUT_LARGE_INFLIGHT, &existing,
                   result);
    run_s3(bench, &s, "s3-put-large", "the same through the gateway", BENCH_PUT, s.large_bytes,
           PUT_LARGE_INFLIGHT, &s3_existing);
    if (existing > 0 && (result = next_result(bench, "get-large", "large gets, 8 at once")))
        bench_load(&s, bench->client, BENCH_GET, s.large_bytes, PUT_LARGE_INFLIGHT, &existing,
                   result);
    run_s3(bench, &s, "s3-get-large", "the same through the gateway", BENCH_GET, s.large_bytes,
           PUT_LARGE_INFLIGHT, &s3_existing);
    if ((result = next_result(bench, "stream-put", "files streamed in")))
        bench_stream_put(&bench->settings, bench->client, result);
    if ((result = next_result(bench, "stream-get", "the same files streamed out, compared")))
        bench_stream_get(&bench->settings, bench->client, result);
}

static bool open_cluster(struct bench *bench)
{
    struct catena_options options = CATENA_OPTIONS_INIT;
    options.masters = bench->settings.masters[0] == '\0' ? NULL : bench->settings.masters;
    options.requests_max = bench->settings.inflight + 64;
    if (catena_open(&options, &bench->client) != CATENA_OK) {
        (void)fprintf(stderr, "catena-bench: %s\n", catena_error_text());
        return false;
    }
    enum catena_status status = catena_bucket_create(bench->client, bench->settings.bucket);
    if (status != CATENA_OK && status != CATENA_BUCKET_EXISTS) {
        (void)fprintf(stderr, "catena-bench: %s\n", catena_error_text());
        return false;
    }
    return true;
}

static enum args_outcome parse(int argc, char *const *argv, struct bench_settings *s,
                               struct args *args, struct text *text)
{
    const struct args_option options[] = {
        {.name = "masters",
         .kind = ARGS_STRING,
         .value = &s->masters,
         .initial = "",
         .value_name = "HOST:PORT,...",
         .help = "addresses of the masters; default: CATENA_MASTERS"},
        {.name = "bucket",
         .kind = ARGS_STRING,
         .value = &s->bucket,
         .initial = "bench",
         .help = "bucket to use; created when missing"},
        {.name = "only",
         .kind = ARGS_STRING,
         .value = &s->only,
         .initial = "",
         .value_name = "NAME,...",
         .help = "of disk-write disk-sync tcp-echo put get put-single get-single\n"
                 "put-large get-large stream-put stream-get list;\n"
                 "with --s3 s3-put s3-get s3-put-large s3-get-large s3-list"},
        {.name = "s3",
         .kind = ARGS_STRING,
         .value = &s->s3,
         .initial = "",
         .value_name = "HOST:PORT",
         .help =
             "a gateway (HTTP) to compare with; keys: AWS_ACCESS_KEY_ID and _SECRET_ACCESS_KEY"},
        {.name = "size",
         .kind = ARGS_SIZE,
         .value = &s->size_bytes,
         .initial = "1KiB",
         .maximum = 256u << 20,
         .help = "of a value in put and get"},
        {.name = "inflight",
         .kind = ARGS_U32,
         .value = &s->inflight,
         .initial = "64",
         .minimum = 1,
         .maximum = 65536,
         .help = "operations at once in put and get"},
        {.name = "seconds",
         .kind = ARGS_DURATION,
         .value = &s->duration_us,
         .initial = "5s",
         .minimum = 100000,
         .maximum = 3600000000u,
         .help = "length of each load"},
        {.name = "keys",
         .kind = ARGS_U32,
         .value = &s->keys,
         .initial = "10000",
         .minimum = 1,
         .maximum = 100000000,
         .help = "different keys in put and get"},
        {.name = "large-size",
         .kind = ARGS_SIZE,
         .value = &s->large_bytes,
         .initial = "4MiB",
         .minimum = 1,
         .maximum = 256u << 20,
         .help = "of a value in put-large and get-large"},
        {.name = "stream-size",
         .kind = ARGS_SIZE,
         .value = &s->stream_bytes,
         .initial = "1GiB",
         .minimum = 1,
         .help = "of a file in stream-put and stream-get"},
        {.name = "streams",
         .kind = ARGS_U32,
         .value = &s->streams,
         .initial = "1",
         .minimum = 1,
         .maximum = BENCH_STREAMS_MAX,
         .help = "files at once"},
        {.name = "dir",
         .kind = ARGS_STRING,
         .value = &s->directory,
         .initial = ".",
         .minimum = 1,
         .help = "where the disk is measured"},
        {.name = "file-size",
         .kind = ARGS_SIZE,
         .value = &s->file_bytes,
         .initial = "512MiB",
         .minimum = 1 << 20,
         .help = "written in disk-write"},
        {.name = "once",
         .kind = ARGS_BOOL,
         .value = &s->once,
         .initial = "false",
         .help = "puts end early, when each key was put"},
        {.name = "json",
         .kind = ARGS_BOOL,
         .value = &s->json,
         .initial = "false",
         .help = "print one JSON object"},
    };
    const struct args_spec spec = {
        .program = "catena-bench",
        .version = "0.1.0",
        .summary = "measures a Catena cluster, and the machine beside it",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .footer = "Exit status: 0 all measured, 1 an operation failed, 2 bad options.",
    };
    return args_parse(&spec, argc, argv, args, text);
}

static int run(struct bench *bench)
{
    struct text error;
    char complaint[160];
    if (!bench_only_is_good(&bench->settings, complaint, sizeof complaint)) {
        (void)fprintf(stderr, "catena-bench: %s\n", complaint);
        return ARGS_EXIT_USAGE;
    }
    text_init(&error);
    if (bench->settings.s3[0] != '\0' &&
        !s3_target_init(&bench->target, bench->settings.s3, bench->settings.bucket, &error)) {
        (void)fprintf(stderr, "catena-bench: %s\n", text_cstr(&error));
        text_release(&error);
        return ARGS_EXIT_USAGE;
    }
    text_release(&error);
    run_machine(bench);
    if (bench_needs_cluster(&bench->settings)) {
        if (!open_cluster(bench))
            return 1;
        run_small(bench);
        run_large(bench);
        s3_target_release(&bench->target);
        catena_close(bench->client);
    }
    struct text text;
    text_init(&text);
    if (bench->settings.json)
        bench_report_json(&bench->settings, bench->results, bench->count, &text);
    else
        bench_report_text(bench->results, bench->count, &text);
    (void)fputs(text_cstr(&text), stdout);
    text_release(&text);
    uint64_t errors = 0;
    for (uint32_t i = 0; i < bench->count; i++)
        errors += bench->results[i].errors;
    return errors == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct args args;
    struct text text;
    text_init(&text);
    enum args_outcome outcome = parse(argc, argv, &bench.settings, &args, &text);
    int status = 0;
    if (outcome == ARGS_RUN) {
        status = run(&bench);
    } else {
        (void)fprintf(outcome == ARGS_HELP ? stdout : stderr, "%s\n", text_cstr(&text));
        status = outcome == ARGS_HELP ? 0 : ARGS_EXIT_USAGE;
    }
    args_release(&args);
    text_release(&text);
    return status;
}
