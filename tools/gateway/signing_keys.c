#include "tools/gateway/signing_keys.h"

#include <pthread.h>
#include <stdlib.h>

#include "tools/gateway/encode.h"

enum { PLACES = 64 };

struct place {
    const char *secret; /* NULL: free */
    char date[9];
    char region[65];
    uint8_t key[32];
};

struct gw_signing_keys {
    pthread_mutex_t mutex;
    struct place places[PLACES];
};

struct gw_signing_keys *gw_signing_keys_new(void)
{
    struct gw_signing_keys *keys = gw_zalloc(sizeof *keys);
    pthread_mutex_init(&keys->mutex, NULL);
    return keys;
}

void gw_signing_keys_free(struct gw_signing_keys *keys)
{
    if (keys == NULL)
        return;
    explicit_bzero(keys->places, sizeof keys->places);
    pthread_mutex_destroy(&keys->mutex);
    free(keys);
}

/* Each secret has one place: two that fall on the same take turns. */
static struct place *place_of(struct gw_signing_keys *keys, const char *secret)
{
    uintptr_t number = (uintptr_t)secret / 16; /* malloc()ed */
    return &keys->places[(number ^ number / PLACES) % PLACES];
}

static bool is_for(const struct place *place, const char *secret, const char *date,
                   const char *region)
{
    return place->secret == secret && strcmp(place->date, date) == 0 &&
           strcmp(place->region, region) == 0;
}

bool gw_signing_keys_find(struct gw_signing_keys *keys, const char *secret, const char *date,
                          const char *region, uint8_t ret_key[32])
{
    pthread_mutex_lock(&keys->mutex);
    const struct place *place = place_of(keys, secret);
    bool is_known = is_for(place, secret, date, region);
    if (is_known)
        memcpy(ret_key, place->key, sizeof place->key);
    pthread_mutex_unlock(&keys->mutex);
    return is_known;
}

void gw_signing_keys_keep(struct gw_signing_keys *keys, const char *secret, const char *date,
                          const char *region, const uint8_t key[32])
{
    size_t date_length = strlen(date);
    size_t region_length = strlen(region);
    pthread_mutex_lock(&keys->mutex);
    struct place *place = place_of(keys, secret);
    explicit_bzero(place, sizeof *place);
    if (date_length < sizeof place->date && region_length < sizeof place->region) {
        place->secret = secret;
        memcpy(place->date, date, date_length);
        memcpy(place->region, region, region_length);
        memcpy(place->key, key, sizeof place->key);
    }
    pthread_mutex_unlock(&keys->mutex);
}
