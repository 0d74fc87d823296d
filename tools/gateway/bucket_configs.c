/* Bucket configurations from the masters, and what this gateway remembers of them. */
#include <pthread.h>
#include <stdlib.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"

enum { SLOTS = 512 }; /* buckets, by a hash of the name; the newest keeps the place */

/* ---- what is remembered ---- */

struct slot {
    char bucket[GW_BUCKET_SIZE];
    bool is_known;
    struct gw_bucket_config *config; /* NULL: there was no such bucket */
    uint64_t asked_us;               /* answers to earlier questions do not count */
};

struct gw_bucket_configs {
    pthread_mutex_t mutex;
    struct slot slots[SLOTS];
};

struct gw_bucket_configs *gw_bucket_configs_new(void)
{
    struct gw_bucket_configs *configs = gw_zalloc(sizeof *configs);
    pthread_mutex_init(&configs->mutex, NULL);
    return configs;
}

void gw_bucket_configs_free(struct gw_bucket_configs *configs)
{
    if (configs == NULL)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        gw_bucket_config_drop(configs->slots[i].config);
    pthread_mutex_destroy(&configs->mutex);
    free(configs);
}

static struct slot *slot_of(struct gw_bucket_configs *configs, const char *bucket)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *c = bucket; *c != '\0'; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    return &configs->slots[hash % SLOTS];
}

/* True if it is known well enough; *ret_config NULL: no such bucket. */
static bool recall(struct gw_bucket_configs *configs, const char *bucket, uint64_t max_age_us,
                   struct gw_bucket_config **ret_config)
{
    pthread_mutex_lock(&configs->mutex);
    const struct slot *slot = slot_of(configs, bucket);
    bool is_known = max_age_us > 0 && slot->is_known && strcmp(slot->bucket, bucket) == 0 &&
                    gw_monotonic_us() - slot->asked_us <= max_age_us;
    if (is_known)
        *ret_config = gw_bucket_config_ref(slot->config);
    pthread_mutex_unlock(&configs->mutex);
    return is_known;
}

/* An answer to an earlier question does not replace that to a later one. */
static void remember(struct gw_bucket_configs *configs, const char *bucket, uint64_t asked_us,
                     struct gw_bucket_config *config)
{
    pthread_mutex_lock(&configs->mutex);
    struct slot *slot = slot_of(configs, bucket);
    struct gw_bucket_config *old = NULL;
    if (strcmp(slot->bucket, bucket) != 0 || slot->asked_us <= asked_us) {
        old = slot->config;
        (void)text_format(slot->bucket, sizeof slot->bucket, "%s", bucket);
        slot->config = gw_bucket_config_ref(config);
        slot->is_known = true;
        slot->asked_us = asked_us;
    }
    pthread_mutex_unlock(&configs->mutex);
    gw_bucket_config_drop(old);
}

/* It has changed: what was asked before now is not to be remembered, even if it is answered later.
 */
static void forget(struct gw_bucket_configs *configs, const char *bucket)
{
    pthread_mutex_lock(&configs->mutex);
    struct slot *slot = slot_of(configs, bucket);
    struct gw_bucket_config *old = slot->config;
    (void)text_format(slot->bucket, sizeof slot->bucket, "%s", bucket);
    slot->config = NULL;
    slot->is_known = false;
    slot->asked_us = gw_monotonic_us();
    pthread_mutex_unlock(&configs->mutex);
    gw_bucket_config_drop(old);
}

/* ---- from and to the masters ---- */

enum catena_status gw_bucket_config_load(struct gateway *gateway, const char *bucket,
                                         uint64_t max_age_us, struct gw_bucket_config **ret_config)
{
    struct gw_bucket_config *config = NULL;
    if (recall(gateway->bucket_configs, bucket, max_age_us, &config)) {
        *ret_config = config;
        return config == NULL ? CATENA_NO_BUCKET : CATENA_OK;
    }
    uint64_t asked_us = gw_monotonic_us();
    enum catena_status status = gw_bucket_config_fetch(gateway->client, bucket, &config);
    if (status == CATENA_OK || status == CATENA_NO_BUCKET)
        remember(gateway->bucket_configs, bucket, asked_us, config);
    if (status == CATENA_OK)
        *ret_config = config;
    return status;
}

enum catena_status gw_bucket_config_update(struct gateway *gateway, const char *bucket,
                                           enum gw_section section, const void *bytes,
                                           size_t length)
{
    enum catena_status status =
        gw_bucket_config_change(gateway->client, bucket, section, bytes, length);
    forget(gateway->bucket_configs, bucket);
    return status;
}
