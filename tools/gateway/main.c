/* catena-gateway: S3 over HTTP and HTTPS for a Catena cluster. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/io/daemon.h"
#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/http_time.h"
#include "tools/gateway/keys_refresh.h"
#include "tools/gateway/lifecycle_worker.h"

enum {
    ADMIN_THREADS = 1,
    ADMIN_WORKERS = 2,
    ADMIN_CONNECTIONS = 64,
    PEM_BYTES_MAX = 1 << 20,
    KEPT_BYTES = 4 << 20,
    PROCESSORS_PER_ARENA = 4,
};

struct options {
    const char *masters;
    const char *listen;
    const char *admin_listen;
    const char *keys;
    const char *certificate;
    const char *private_key;
    const char *region;
    const char *domain;
    const char *acl_mode;
    bool is_region_strict;
    bool is_access_logged;
    uint32_t workers;
    uint32_t threads;
    uint32_t connections;
    uint32_t requests;
    uint32_t ready_fd;
    uint64_t head_bytes;
    uint64_t window;
    uint64_t timeout_us;
    uint64_t idle_us;
    uint64_t drain_us;
    uint64_t lifecycle_interval_us;
    uint64_t lifecycle_day_us;
    uint64_t keys_max_age_us;
};

struct daemon {
    struct options options;
    struct gateway gateway;
    struct gw_keys_refresh *keys_refresh;
    struct gw_pool *pool;
    struct gw_pool *admin_pool;
    struct http_server *server;
    struct http_server *admin;
};

static void say(const char *level, const char *event, const char *detail)
{
    char time[GW_TIME_SIZE];
    (void)fprintf(stderr, "time=%s level=%s event=%s %s\n", gw_iso_time_format(gw_wall_ms(), time),
                  level, event, detail);
}

static enum args_outcome read_options(struct options *options, int argc, char **argv,
                                      struct args *args, struct text *text)
{
    const struct args_option table[] = {
        {"masters", ARGS_STRING, &options->masters, "", 0, 4096, false, "HOST:PORT,...",
         "where the masters are; default: the environment's CATENA_MASTERS"},
        {"keys", ARGS_STRING, &options->keys, "", 0, 4096, false, "FILE",
         "access keys beside those that the masters keep; only its owner may read it"},
        {"keys-max-age", ARGS_DURATION, &options->keys_max_age_us, "60s", 2000000, 3600000000,
         false, NULL, "while the masters do not answer, their keys count so long; then 503"},
        {"listen", ARGS_STRING, &options->listen, "127.0.0.1:8333", 1, 255, false, "HOST:PORT",
         "where clients connect; port 0 takes any"},
        {"admin-listen", ARGS_STRING, &options->admin_listen, "127.0.0.1:8334", 0, 255, false,
         "HOST:PORT", "health and metrics, without keys; empty: none"},
        {"tls-cert", ARGS_STRING, &options->certificate, "", 0, 4096, false, "FILE",
         "certificate chain (PEM): HTTPS instead of HTTP; read again on SIGHUP"},
        {"tls-key", ARGS_STRING, &options->private_key, "", 0, 4096, false, "FILE",
         "its private key (PEM)"},
        {"region", ARGS_STRING, &options->region, "us-east-1", 1, 64, false, "NAME",
         "what clients are told"},
        {"region-strict", ARGS_BOOL, &options->is_region_strict, "false", 0, 0, false, NULL,
         "refuse signatures for another region"},
        {"domain", ARGS_STRING, &options->domain, "", 0, 255, false, "NAME",
         "BUCKET.NAME in Host names a bucket (virtual-host style)"},
        {"acl-mode", ARGS_STRING, &options->acl_mode, "ignore", 1, 16, false,
         "ignore|reject|owners",
         "canned ACLs: accepted without granting anything, refused, or owners of a bucket may make "
         "it public-read"},
        {"access-log", ARGS_BOOL, &options->is_access_logged, "true", 0, 0, false, NULL,
         "a line for each request on standard error"},
        {"workers", ARGS_U32, &options->workers, "64", 1, 1024, false, NULL,
         "threads that talk to the cluster"},
        {"threads", ARGS_U32, &options->threads, "0", 0, 64, false, NULL,
         "threads that serve sockets; 0: one for two processors"},
        {"connections", ARGS_U32, &options->connections, "12000", 8, 1000000, false, NULL,
         "at most so many at once"},
        {"requests", ARGS_U32, &options->requests, "2048", 1, 1000000, false, NULL,
         "under way at once; more get 503 SlowDown"},
        {"head-max", ARGS_SIZE, &options->head_bytes, "32KiB", 4096, HTTP_HEAD_BYTES_MAX, false,
         NULL, "request line and headers together"},
        {"window", ARGS_SIZE, &options->window, "4MiB", 1048576, 67108864, false, NULL,
         "in flight to the cluster for each large object"},
        {"timeout", ARGS_DURATION, &options->timeout_us, "10s", 100000, 0, false, NULL,
         "of each operation on the cluster; then 503 SlowDown"},
        {"idle", ARGS_DURATION, &options->idle_us, "120s", 1000000, 3600000000, false, NULL,
         "a connection on which nothing moves is closed"},
        {"drain", ARGS_DURATION, &options->drain_us, "30s", 0, 3600000000, false, NULL,
         "after SIGTERM requests under way have so long to end"},
        {"lifecycle-interval", ARGS_DURATION, &options->lifecycle_interval_us, "1h", 0, 0, false,
         NULL,
         "between two passes over the lifecycle rules of all buckets; 0: none by this gateway"},
        {"lifecycle-day", ARGS_DURATION, &options->lifecycle_day_us, "24h", 1000000, 86400000000,
         false, NULL, "what a day of a lifecycle rule is; shorter only in tests"},
        {"ready-fd", ARGS_U32, &options->ready_fd, "0", 0, 1024, false, "FD",
         "a line is written there when requests are served; 0: none"},
    };
    const struct args_spec spec = {
        .program = "catena-gateway",
        .version = "0.1.0",
        .summary = "serves a Catena cluster over S3",
        .has_config = true,
        .footer = "SIGHUP reads keys and certificate again. SIGTERM finishes what is under way and "
                  "ends.",
        .options = table,
        .option_count = sizeof table / sizeof table[0],
    };
    return args_parse(&spec, argc, argv, args, text);
}

/* NULL: error says why. The caller frees. */
static char *read_pem(const char *path, struct text *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *content = gw_zalloc(PEM_BYTES_MAX + 1);
    size_t length = 0;
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && length < PEM_BYTES_MAX) {
        got = read(fd, content + length, PEM_BYTES_MAX - length);
        length += got > 0 ? (size_t)got : 0;
    }
    if (got < 0)
        text_append(error, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (got < 0) {
        free(content);
        return NULL;
    }
    return content;
}

struct pems {
    char *certificate;
    char *private_key;
};

static bool read_pems(const struct options *options, struct pems *pems, struct text *error)
{
    *pems = (struct pems){0};
    if (options->certificate[0] == '\0')
        return true;
    pems->certificate = read_pem(options->certificate, error);
    if (pems->certificate != NULL)
        pems->private_key = read_pem(options->private_key, error);
    return pems->private_key != NULL;
}

static void release_pems(struct pems *pems)
{
    free(pems->certificate);
    if (pems->private_key != NULL)
        explicit_bzero(pems->private_key, strlen(pems->private_key));
    free(pems->private_key);
}

static bool check_options(const struct options *options, struct text *error)
{
    bool has_certificate = options->certificate[0] != '\0';
    if (has_certificate != (options->private_key[0] != '\0'))
        text_append(error, "--tls-cert and --tls-key belong together");
    else if (strcmp(options->acl_mode, "ignore") != 0 && strcmp(options->acl_mode, "reject") != 0 &&
             strcmp(options->acl_mode, "owners") != 0)
        text_append(error, "--acl-mode is ignore, reject or owners");
    return error->length == 0;
}

static bool open_cluster(struct daemon *daemon, struct text *error)
{
    const struct options *options = &daemon->options;
    struct catena_options client = CATENA_OPTIONS_INIT;
    client.masters = options->masters[0] == '\0' ? NULL : options->masters;
    client.timeout_ms = (uint32_t)(options->timeout_us / 1000);
    client.window_bytes = (uint32_t)options->window;
    client.requests_max = 4096;
    client.round_ended = gateway_round_ended;
    if (catena_open(&client, &daemon->gateway.client) == CATENA_OK)
        return true;
    text_append(error, "%s", catena_error_text());
    return false;
}

static bool load_keys(struct daemon *daemon, struct text *error)
{
    struct gw_keys *keys = NULL;
    if (daemon->options.keys[0] == '\0')
        return true; /* those of the masters alone */
    if (!gw_keys_load(daemon->options.keys, &keys, error))
        return false;
    gateway_keys_replace(&daemon->gateway, GW_KEYS_OF_FILE, keys);
    return true;
}

static void init_gateway(struct daemon *daemon)
{
    struct gateway *gateway = &daemon->gateway;
    const struct options *options = &daemon->options;
    gateway->config = (struct gw_config){
        .region = options->region,
        .domain = options->domain[0] == '\0' ? NULL : options->domain,
        .is_region_strict = options->is_region_strict,
        .is_acl_rejected = strcmp(options->acl_mode, "reject") == 0,
        .is_public_allowed = strcmp(options->acl_mode, "owners") == 0,
        .keys_max_age_us = options->keys_max_age_us,
        .is_access_logged = options->is_access_logged,
        .is_tls = options->certificate[0] != '\0',
        .requests_max = options->requests,
    };
    pthread_mutex_init(&gateway->keys_mutex, NULL);
    pthread_mutex_init(&gateway->cache.mutex, NULL);
    gateway->metrics = gw_metrics_new();
    gateway->bucket_configs = gw_bucket_configs_new();
    static const struct catena_access_keys none = {0};
    for (unsigned source = 0; source < GW_KEY_SOURCES; source++) /* until they are known */
        gateway_keys_replace(gateway, (enum gw_key_source)source, gw_keys_of_masters(&none));
    (void)getrandom(&gateway->id_base, sizeof gateway->id_base, 0);
}

/* The other half is for the library's threads and the workers: more of ours would only make more
 * changes between threads. */
static uint32_t usual_threads(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (processors < 4)
        return 1;
    return processors < 128 ? (uint32_t)processors / 2 : 64;
}

static bool start(struct daemon *daemon, struct text *error)
{
    const struct options *options = &daemon->options;
    struct pems pems;
    if (!check_options(options, error) || !load_keys(daemon, error) || !open_cluster(daemon, error))
        return false;
    daemon->keys_refresh = gw_keys_refresh_start(&daemon->gateway);
    daemon->pool = gw_pool_new(options->workers);
    daemon->admin_pool = gw_pool_new(ADMIN_WORKERS);
    daemon->gateway.lifecycle = gw_lifecycle_worker_new(
        &daemon->gateway, options->lifecycle_interval_us, options->lifecycle_day_us / 1000);
    if (daemon->pool == NULL || daemon->admin_pool == NULL || daemon->keys_refresh == NULL ||
        daemon->gateway.lifecycle == NULL) {
        text_append(error, "cannot start threads");
        return false;
    }
    struct http_options http = {
        .address = options->listen,
        .callbacks = &gw_service,
        .context = &daemon->gateway,
        .pool = daemon->pool,
        .threads = options->threads == 0 ? usual_threads() : options->threads,
        .connections_max = options->connections,
        .head_bytes_max = (uint32_t)options->head_bytes,
        .idle_seconds = (uint32_t)(options->idle_us / 1000000),
    };
    if (read_pems(options, &pems, error)) {
        http.certificate = pems.certificate;
        http.private_key = pems.private_key;
        daemon->server = http_server_new(&http, error);
    }
    release_pems(&pems);
    if (daemon->server == NULL || options->admin_listen[0] == '\0')
        return daemon->server != NULL;
    http.address = options->admin_listen;
    http.callbacks = &gw_admin;
    http.pool = daemon->admin_pool;
    http.threads = ADMIN_THREADS;
    http.connections_max = ADMIN_CONNECTIONS;
    http.certificate = NULL;
    http.private_key = NULL;
    daemon->admin = http_server_new(&http, error);
    return daemon->admin != NULL;
}

static void announce(struct daemon *daemon)
{
    struct text line;
    text_init(&line);
    text_append(&line, "role=gateway pid=%ld address=%s scheme=%s admin=%s", (long)getpid(),
                http_server_address(daemon->server),
                daemon->options.certificate[0] == '\0' ? "http" : "https",
                daemon->admin == NULL ? "none" : http_server_address(daemon->admin));
    say("info", "ready", text_cstr(&line));
    if (daemon->options.ready_fd != 0) {
        (void)dprintf((int)daemon->options.ready_fd, "ready %s\n", text_cstr(&line));
        (void)close((int)daemon->options.ready_fd);
    }
    text_release(&line);
}

/* Keys and certificate; each keeps its old state if the new one is not good. */
static void reload(struct daemon *daemon)
{
    struct text error;
    text_init(&error);
    if (load_keys(daemon, &error) && daemon->options.keys[0] != '\0')
        say("info", "keys_reloaded", "");
    if (error.length == 0 && daemon->options.certificate[0] != '\0') {
        struct pems pems;
        if (read_pems(&daemon->options, &pems, &error) &&
            http_server_renew(daemon->server, pems.certificate, pems.private_key, &error))
            say("info", "certificate_reloaded", "");
        release_pems(&pems);
    }
    if (error.length > 0)
        say("error", "reload_failed", text_cstr(&error));
    text_release(&error);
}

static void drain(struct daemon *daemon)
{
    uint64_t end = gw_monotonic_us() + daemon->options.drain_us;
    say("info", "draining", "");
    atomic_store(&daemon->gateway.is_draining, true);
    http_server_drain(daemon->server);
    while (http_server_active(daemon->server) > 0 && gw_monotonic_us() < end) {
        struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
        (void)nanosleep(&pause, NULL);
    }
    if (http_server_active(daemon->server) > 0) {
        say("warning", "drain_timeout", "requests under way are cut");
        _exit(1);
    }
}

static void serve(struct daemon *daemon, const sigset_t *signals)
{
    for (;;) {
        struct timespec second = {.tv_sec = 1};
        int number = sigtimedwait(signals, NULL, &second);
        if (number == SIGHUP)
            reload(daemon);
        else if (number == SIGTERM || number == SIGINT)
            return;
    }
}

static void stop(struct daemon *daemon)
{
    struct gateway *gateway = &daemon->gateway;
    http_server_free(daemon->server);
    http_server_free(daemon->admin);
    gw_pool_free(daemon->pool);
    gw_pool_free(daemon->admin_pool);
    gw_keys_refresh_stop(daemon->keys_refresh);
    gw_lifecycle_worker_free(gateway->lifecycle);
    catena_close(gateway->client);
    for (unsigned source = 0; source < GW_KEY_SOURCES; source++)
        gateway_keys_drop(gateway->keys[source]);
    gw_metrics_free(gateway->metrics);
    gw_bucket_configs_free(gateway->bucket_configs);
    free(gateway->cache.buckets);
}

/* By default glibc gives buffers like ours back to the kernel with every request and faults them in
 * again with the next: a quarter of the rate of large objects. */
static void keep_memory(void)
{
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    (void)mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
    /* One thread receives a piece of a value, another frees it: with an arena for each, all of them
     * would hold what one could use again. */
    long arenas = sysconf(_SC_NPROCESSORS_ONLN) / PROCESSORS_PER_ARENA;
    (void)mallopt(M_ARENA_MAX, arenas > 1 ? (int)arenas : 1);
}

int main(int argc, char **argv)
{
    static struct daemon daemon;
    struct args args;
    struct text text;
    sigset_t signals;
    text_init(&text);
    enum args_outcome outcome = read_options(&daemon.options, argc, argv, &args, &text);
    if (outcome != ARGS_RUN) {
        (void)fprintf(outcome == ARGS_HELP ? stdout : stderr, "%s%s", text_cstr(&text),
                      outcome == ARGS_HELP ? "" : "\n");
        text_release(&text);
        args_release(&args);
        return outcome == ARGS_HELP ? 0 : ARGS_EXIT_USAGE;
    }
    /* Before any thread starts: only this one sees them. */
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    daemon_files_limit_raise();
    keep_memory();
    init_gateway(&daemon);
    bool is_good = start(&daemon, &text);
    if (is_good) {
        announce(&daemon);
        serve(&daemon, &signals);
        drain(&daemon);
        stop(&daemon);
        say("info", "stopped", "");
    } else {
        (void)fprintf(stderr, "catena-gateway: %s\n", text_cstr(&text));
    }
    text_release(&text);
    args_release(&args);
    return is_good ? 0 : 1;
}
