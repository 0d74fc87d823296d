#include "tools/gateway/keys_refresh.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/http_time.h"

enum { REFRESH_EVERY_US = 1000000 };

struct gw_keys_refresh {
    struct gateway *gateway;
    uint64_t version; /* of the table that is in force */
    bool has_failed;  /* since it was last current: said once */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t stopping_cond;
    bool is_stopping; /* guarded by mutex */
};

/* One line, written at once. Never a secret. */
static void say(const char *level, const char *event, const struct text *detail)
{
    struct text line;
    char time[GW_TIME_SIZE];
    text_init(&line);
    text_append(&line, "time=%s level=%s event=%s %s\n", gw_iso_time_format(gw_wall_ms(), time),
                level, event, text_cstr(detail));
    ssize_t written = write(STDERR_FILENO, line.data, line.length);
    (void)written; /* a log that cannot be written stops nothing */
    text_release(&line);
}

static void install(struct gw_keys_refresh *refresh, const struct catena_access_keys *table)
{
    struct text detail;
    text_init(&detail);
    gateway_keys_replace(refresh->gateway, GW_KEYS_OF_MASTERS, gw_keys_of_masters(table));
    refresh->version = table->version;
    text_append(&detail, "version=%llu keys=%zu", (unsigned long long)table->version, table->count);
    say("info", "keys_changed", &detail);
    text_release(&detail);
}

static void note_failure(struct gw_keys_refresh *refresh)
{
    if (refresh->has_failed)
        return;
    refresh->has_failed = true;
    struct text detail;
    text_init(&detail);
    text_append(&detail, "error=\"");
    text_append_escaped(&detail, slice_of_text(catena_error_text()));
    text_append(&detail, "\"");
    say("warning", "keys_not_refreshed", &detail);
    text_release(&detail);
}

static void ask(struct gw_keys_refresh *refresh)
{
    struct gateway *gateway = refresh->gateway;
    struct catena_access_keys table = {0};
    uint64_t asked_us = gw_monotonic_us(); /* the answer is at least as new as the question */
    if (catena_access_keys_get(gateway->client, true, refresh->version, &table) != CATENA_OK) {
        note_failure(refresh);
        return;
    }
    if (table.version != refresh->version)
        install(refresh, &table);
    catena_access_keys_release(&table);
    refresh->has_failed = false;
    atomic_store(&gateway->keys_asked_us, asked_us);
}

static void *run(void *context)
{
    struct gw_keys_refresh *refresh = context;
    pthread_mutex_lock(&refresh->mutex);
    uint64_t next_us = gw_monotonic_us() + REFRESH_EVERY_US;
    while (!refresh->is_stopping) {
        struct timespec until = {.tv_sec = (time_t)(next_us / 1000000),
                                 .tv_nsec = (long)(next_us % 1000000) * 1000};
        if (gw_monotonic_us() < next_us) {
            (void)pthread_cond_timedwait(&refresh->stopping_cond, &refresh->mutex, &until);
            continue;
        }
        next_us = gw_monotonic_us() + REFRESH_EVERY_US;
        pthread_mutex_unlock(&refresh->mutex);
        ask(refresh);
        pthread_mutex_lock(&refresh->mutex);
    }
    pthread_mutex_unlock(&refresh->mutex);
    return NULL;
}

static void refresh_free(struct gw_keys_refresh *refresh)
{
    pthread_cond_destroy(&refresh->stopping_cond);
    pthread_mutex_destroy(&refresh->mutex);
    free(refresh);
}

struct gw_keys_refresh *gw_keys_refresh_start(struct gateway *gateway)
{
    struct gw_keys_refresh *refresh = gw_zalloc(sizeof *refresh);
    pthread_condattr_t monotonic;
    refresh->gateway = gateway;
    pthread_mutex_init(&refresh->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&refresh->stopping_cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
    ask(refresh);
    if (pthread_create(&refresh->thread, NULL, run, refresh) != 0) {
        refresh_free(refresh);
        return NULL;
    }
    return refresh;
}

void gw_keys_refresh_stop(struct gw_keys_refresh *refresh)
{
    if (refresh == NULL)
        return;
    pthread_mutex_lock(&refresh->mutex);
    refresh->is_stopping = true;
    pthread_cond_signal(&refresh->stopping_cond);
    pthread_mutex_unlock(&refresh->mutex);
    pthread_join(refresh->thread, NULL);
    refresh_free(refresh);
}

bool gw_keys_are_current(struct gateway *gateway)
{
    uint64_t asked_us = atomic_load(&gateway->keys_asked_us);
    return asked_us != 0 && gw_monotonic_us() - asked_us <= gateway->config.keys_max_age_us;
}
