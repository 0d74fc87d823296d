#include "tools/gateway/lifecycle_worker.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/http_time.h"
#include "tools/gateway/lifecycle.h"

enum { PAGE = 1000, FIRST_PASS_US = 5 * 1000 * 1000 };

/* The rules of one bucket. */
struct bucket_rules {
    char bucket[GW_BUCKET_SIZE];
    struct gw_lifecycle lifecycle;
};

struct gw_lifecycle_worker {
    struct gateway *gateway;
    uint64_t interval_us;
    uint64_t day_ms;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t is_ended;
    atomic_bool is_ending;
    struct bucket_rules *known; /* guarded */
    size_t known_count;
    atomic_uint_fast64_t passes;
    atomic_uint_fast64_t expired;
    atomic_uint_fast64_t aborted;
    atomic_uint_fast64_t failures;
};

/* ---- what is known ---- */

static struct bucket_rules *find(struct gw_lifecycle_worker *worker, const char *bucket)
{
    for (size_t i = 0; i < worker->known_count; i++) {
        if (strcmp(worker->known[i].bucket, bucket) == 0)
            return &worker->known[i];
    }
    return NULL;
}

static void forget(struct gw_lifecycle_worker *worker, struct bucket_rules *rules)
{
    gw_lifecycle_release(&rules->lifecycle);
    *rules = worker->known[--worker->known_count];
}

static struct bucket_rules *add(struct gw_lifecycle_worker *worker, const char *bucket)
{
    struct bucket_rules *known = gw_zalloc((worker->known_count + 1) * sizeof *known);
    if (worker->known_count > 0)
        memcpy(known, worker->known, worker->known_count * sizeof *known);
    free(worker->known);
    worker->known = known;
    struct bucket_rules *rules = &known[worker->known_count++];
    (void)text_format(rules->bucket, sizeof rules->bucket, "%s", bucket);
    return rules;
}

void gw_lifecycle_worker_note(struct gw_lifecycle_worker *worker, const char *bucket,
                              struct slice document)
{
    struct gw_lifecycle lifecycle = {0};
    const char *detail = NULL;
    bool has_rules =
        document.data != NULL && gw_lifecycle_from_xml(document, &lifecycle, &detail) == S3_OK;
    pthread_mutex_lock(&worker->mutex);
    struct bucket_rules *rules = find(worker, bucket);
    if (rules == NULL && has_rules)
        rules = add(worker, bucket);
    if (rules != NULL) {
        gw_lifecycle_release(&rules->lifecycle);
        rules->lifecycle = lifecycle;
    }
    if (rules != NULL && !has_rules)
        forget(worker, rules);
    else if (rules == NULL)
        gw_lifecycle_release(&lifecycle);
    pthread_mutex_unlock(&worker->mutex);
}

bool gw_lifecycle_worker_expiration(struct gw_lifecycle_worker *worker, const char *bucket,
                                    const char *key, size_t key_length, uint64_t size,
                                    uint64_t mtime_ms, const struct gw_tags *tags, struct text *out)
{
    const struct gw_lifecycle_object object = {
        .key = key, .key_length = key_length, .size = size, .mtime_ms = mtime_ms, .tags = tags};
    const struct gw_lifecycle_rule *rule = NULL;
    char date[GW_TIME_SIZE];
    pthread_mutex_lock(&worker->mutex);
    const struct bucket_rules *rules = find(worker, bucket);
    if (rules != NULL) {
        uint64_t end = gw_lifecycle_expiry(&rules->lifecycle, &object, worker->day_ms, &rule);
        if (rule != NULL) {
            text_append(out, "expiry-date=\"%s\", rule-id=\"", gw_http_time_format(end, date));
            gw_uri_encode(out, slice_of_text(rule->id), false);
            text_append(out, "\"");
        }
    }
    pthread_mutex_unlock(&worker->mutex);
    return rule != NULL;
}

/* ---- one bucket ---- */

static bool is_ending(struct gw_lifecycle_worker *worker)
{
    return atomic_load(&worker->is_ending);
}

static void log_done(const char *event, const char *bucket, const void *key, size_t key_length,
                     const char *rule)
{
    struct text line;
    char time[GW_TIME_SIZE];
    text_init(&line);
    text_append(&line, "time=%s level=info event=%s bucket=%s key=\"",
                gw_iso_time_format(gw_wall_ms(), time), event, bucket);
    text_append_escaped(&line, slice_of(key, key_length));
    text_append(&line, "\" rule=\"");
    text_append_escaped(&line, slice_of_text(rule));
    text_append(&line, "\"\n");
    ssize_t written = write(STDERR_FILENO, line.data, line.length);
    (void)written;
    text_release(&line);
}

static void judge_object(struct gw_lifecycle_worker *worker, const char *bucket,
                         const struct gw_lifecycle *lifecycle, const struct catena_list_item *item)
{
    const struct gw_lifecycle_rule *rule = NULL;
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct gw_meta meta;
    gw_meta_decode(slice_of(item->meta, item->meta_length), item->checksum, item->version.epoch,
                   item->version.lsn, &meta);
    struct gw_lifecycle_object object = {.key = item->key,
                                         .key_length = item->key_length,
                                         .size = item->size,
                                         .mtime_ms = item->mtime_ms,
                                         .tags = &meta.tags};
    uint64_t end = gw_lifecycle_expiry(lifecycle, &object, worker->day_ms, &rule);
    gw_meta_release(&meta);
    if (end > gw_wall_ms())
        return;
    options.condition = CATENA_IF_VERSION; /* what was written meanwhile is another object */
    options.version = item->version;
    enum catena_status status =
        catena_delete(worker->gateway->client, bucket, item->key, item->key_length, &options, NULL);
    if (status == CATENA_OK) {
        atomic_fetch_add(&worker->expired, 1);
        log_done("lifecycle_expired", bucket, item->key, item->key_length, rule->id);
    } else if (status != CATENA_CONDITION_FAILED && status != CATENA_NO_KEY) {
        atomic_fetch_add(&worker->failures, 1);
    }
}

static void expire_objects(struct gw_lifecycle_worker *worker, const char *bucket,
                           const struct gw_lifecycle *lifecycle, struct slice prefix)
{
    enum catena_status (*list_page)(struct catena_client *, const char *, const void *, size_t,
                                    const void *, size_t, const char *, uint32_t,
                                    struct catena_list *) =
        gw_lifecycle_needs_tags(lifecycle) ? catena_list_with_meta : catena_list;
    char after[GW_KEY_BYTES_MAX + 1];
    size_t after_length = 0;
    bool is_more = true;
    while (is_more && !is_ending(worker)) {
        struct catena_list list = {0};
        if (list_page(worker->gateway->client, bucket, prefix.data, prefix.length,
                      after_length == 0 ? NULL : after, after_length, NULL, PAGE,
                      &list) != CATENA_OK) {
            atomic_fetch_add(&worker->failures, 1);
            return;
        }
        for (size_t i = 0; i < list.count && !is_ending(worker); i++)
            judge_object(worker, bucket, lifecycle, &list.items[i]);
        is_more = list.truncated && list.count > 0;
        if (is_more && list.items[list.count - 1].key_length <= GW_KEY_BYTES_MAX) {
            after_length = list.items[list.count - 1].key_length;
            memcpy(after, list.items[list.count - 1].key, after_length);
        } else {
            is_more = false;
        }
        catena_list_release(&list);
    }
}

static void abort_uploads(struct gw_lifecycle_worker *worker, const char *bucket,
                          const struct gw_lifecycle *lifecycle, struct slice prefix)
{
    struct catena_client *client = worker->gateway->client;
    char after[GW_KEY_BYTES_MAX + 1];
    size_t after_length = 0;
    struct catena_upload_id after_upload = {0};
    bool is_more = true;
    while (is_more && !is_ending(worker)) {
        struct catena_upload_list list = {0};
        if (catena_multipart_list(client, bucket, prefix.data, prefix.length,
                                  after_length == 0 ? NULL : after, after_length, after_upload,
                                  NULL, PAGE, &list) != CATENA_OK) {
            atomic_fetch_add(&worker->failures, 1);
            return;
        }
        for (size_t i = 0; i < list.count && !is_ending(worker); i++) {
            const struct catena_upload_item *item = &list.items[i];
            if (gw_lifecycle_abortion(lifecycle, item->key, item->key_length, item->created_ms,
                                      worker->day_ms) > gw_wall_ms())
                continue;
            enum catena_status status =
                catena_multipart_abort(client, bucket, item->key, item->key_length, item->upload);
            if (status == CATENA_OK) {
                atomic_fetch_add(&worker->aborted, 1);
                log_done("lifecycle_aborted", bucket, item->key, item->key_length, "");
            } else if (status != CATENA_NO_UPLOAD) {
                atomic_fetch_add(&worker->failures, 1);
            }
        }
        is_more = list.truncated && list.count > 0 &&
                  list.items[list.count - 1].key_length <= GW_KEY_BYTES_MAX;
        if (is_more) {
            const struct catena_upload_item *last = &list.items[list.count - 1];
            after_length = last->key_length;
            memcpy(after, last->key, after_length);
            after_upload = last->upload;
        }
        catena_upload_list_release(&list);
    }
}

static void pass_over_bucket(struct gw_lifecycle_worker *worker, const char *bucket)
{
    struct gw_bucket_config *config = NULL;
    struct gw_lifecycle lifecycle = {0};
    const char *detail = NULL;
    const char *prefix = "";
    enum catena_status status = gw_bucket_config_load(worker->gateway, bucket, 0, &config);
    if (status != CATENA_OK) {
        if (status != CATENA_NO_BUCKET)
            atomic_fetch_add(&worker->failures, 1);
        return;
    }
    struct slice document = gw_bucket_config_section(config, GW_SECTION_LIFECYCLE);
    gw_lifecycle_worker_note(worker, bucket, document);
    if (document.data != NULL && gw_lifecycle_from_xml(document, &lifecycle, &detail) == S3_OK) {
        size_t length = gw_lifecycle_common_prefix(&lifecycle, &prefix);
        if (gw_lifecycle_expires(&lifecycle))
            expire_objects(worker, bucket, &lifecycle, slice_of(prefix, length));
        if (gw_lifecycle_aborts(&lifecycle))
            abort_uploads(worker, bucket, &lifecycle, slice_of(prefix, length));
    }
    gw_lifecycle_release(&lifecycle);
    gw_bucket_config_drop(config);
}

/* ---- passes ---- */

static bool is_listed(const struct catena_bucket *buckets, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(buckets[i].name, name) == 0)
            return true;
    }
    return false;
}

static void forget_deleted(struct gw_lifecycle_worker *worker, const struct catena_bucket *buckets,
                           size_t count)
{
    pthread_mutex_lock(&worker->mutex);
    for (size_t i = 0; i < worker->known_count;) {
        if (is_listed(buckets, count, worker->known[i].bucket))
            i++;
        else
            forget(worker, &worker->known[i]);
    }
    pthread_mutex_unlock(&worker->mutex);
}

static void pass(struct gw_lifecycle_worker *worker)
{
    struct catena_bucket *buckets = NULL;
    size_t count = 0;
    if (catena_bucket_list(worker->gateway->client, &buckets, &count) != CATENA_OK) {
        atomic_fetch_add(&worker->failures, 1);
        return;
    }
    forget_deleted(worker, buckets, count);
    for (size_t i = 0; i < count && !is_ending(worker); i++)
        pass_over_bucket(worker, buckets[i].name);
    free(buckets);
    atomic_fetch_add(&worker->passes, 1);
}

static void wait_us(struct gw_lifecycle_worker *worker, uint64_t us)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(us / 1000000);
    until.tv_nsec += (long)(us % 1000000) * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&worker->mutex);
    int result = 0;
    while (!is_ending(worker) && result == 0)
        result = pthread_cond_timedwait(&worker->is_ended, &worker->mutex, &until);
    pthread_mutex_unlock(&worker->mutex);
}

static void *run(void *context)
{
    struct gw_lifecycle_worker *worker = context;
    uint64_t first = worker->interval_us < FIRST_PASS_US ? worker->interval_us : FIRST_PASS_US;
    wait_us(worker, first);
    while (!is_ending(worker)) {
        pass(worker);
        wait_us(worker, worker->interval_us);
    }
    return NULL;
}

struct gw_lifecycle_worker *gw_lifecycle_worker_new(struct gateway *gateway, uint64_t interval_us,
                                                    uint64_t day_ms)
{
    struct gw_lifecycle_worker *worker = gw_zalloc(sizeof *worker);
    pthread_condattr_t clock;
    worker->gateway = gateway;
    worker->interval_us = interval_us;
    worker->day_ms = day_ms;
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&worker->is_ended, &clock);
    pthread_condattr_destroy(&clock);
    if (interval_us > 0 && pthread_create(&worker->thread, NULL, run, worker) != 0) {
        worker->interval_us = 0;
        gw_lifecycle_worker_free(worker);
        return NULL;
    }
    return worker;
}

void gw_lifecycle_worker_free(struct gw_lifecycle_worker *worker)
{
    if (worker == NULL)
        return;
    pthread_mutex_lock(&worker->mutex);
    atomic_store(&worker->is_ending, true);
    pthread_cond_broadcast(&worker->is_ended);
    pthread_mutex_unlock(&worker->mutex);
    if (worker->interval_us > 0)
        (void)pthread_join(worker->thread, NULL);
    while (worker->known_count > 0)
        forget(worker, &worker->known[0]);
    free(worker->known);
    pthread_cond_destroy(&worker->is_ended);
    pthread_mutex_destroy(&worker->mutex);
    free(worker);
}

static void print_counter(struct text *out, const char *name, const char *help,
                          const atomic_uint_fast64_t *counter)
{
    text_append(out, "# HELP catena_gateway_lifecycle_%s %s\n", name, help);
    text_append(out, "# TYPE catena_gateway_lifecycle_%s counter\n", name);
    text_append(out, "catena_gateway_lifecycle_%s %llu\n", name,
                (unsigned long long)atomic_load((atomic_uint_fast64_t *)(uintptr_t)counter));
}

void gw_lifecycle_worker_print(const struct gw_lifecycle_worker *worker, struct text *out)
{
    print_counter(out, "passes_total", "Passes over all buckets.", &worker->passes);
    print_counter(out, "expired_total", "Objects deleted by a rule.", &worker->expired);
    print_counter(out, "aborted_total", "Uploads aborted by a rule.", &worker->aborted);
    print_counter(out, "failures_total", "What a pass could not do; the next tries again.",
                  &worker->failures);
}
