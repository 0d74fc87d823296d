/* Which buckets there are. The masters are asked; an answer of yes may be remembered for a moment
 * where the operation itself checks again. */
#include <stdlib.h>

#include "tools/gateway/gateway.h"

static int compare_bucket(const void *name, const void *bucket)
{
    return strcmp(name, ((const struct catena_bucket *)bucket)->name);
}

static bool is_there(const struct catena_bucket *buckets, size_t count, const char *name)
{
    return count > 0 && bsearch(name, buckets, count, sizeof *buckets, compare_bucket) != NULL;
}

enum catena_status gateway_bucket_exists(struct gateway *gateway, const char *bucket,
                                         uint64_t max_age_us, bool *ret_exists)
{
    struct gw_bucket_cache *cache = &gateway->cache;
    uint64_t now = gw_monotonic_us();
    pthread_mutex_lock(&cache->mutex);
    bool is_known = cache->fetched_us != 0 && now - cache->fetched_us <= max_age_us &&
                    is_there(cache->buckets, cache->count, bucket);
    pthread_mutex_unlock(&cache->mutex);
    *ret_exists = true;
    if (is_known)
        return CATENA_OK;
    struct catena_bucket *buckets = NULL;
    size_t count = 0;
    enum catena_status status = catena_bucket_list(gateway->client, &buckets, &count);
    if (status != CATENA_OK)
        return status;
    *ret_exists = is_there(buckets, count, bucket);
    pthread_mutex_lock(&cache->mutex);
    struct catena_bucket *old = cache->buckets;
    cache->buckets = buckets;
    cache->count = count;
    cache->fetched_us = now; /* when it was asked, not when it was answered */
    pthread_mutex_unlock(&cache->mutex);
    free(old);
    return CATENA_OK;
}
