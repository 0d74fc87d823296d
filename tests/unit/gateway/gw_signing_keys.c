#include "tools/gateway/signing_keys.h"

#include <string.h>

#include "tests/unit/base/suite.h"

static const uint8_t one[32] = {1, 2, 3};
static const uint8_t other[32] = {9, 8, 7};

START_TEST(a_key_is_found_under_its_secret_date_and_region_only)
{
    static const char secret[16] = "secret";
    static const char same[16] = "secret"; /* another one with the same text */
    struct gw_signing_keys *keys = gw_signing_keys_new();
    uint8_t key[32];
    ck_assert(!gw_signing_keys_find(keys, secret, "20130524", "us-east-1", key));
    gw_signing_keys_keep(keys, secret, "20130524", "us-east-1", one);
    ck_assert(gw_signing_keys_find(keys, secret, "20130524", "us-east-1", key));
    ck_assert_mem_eq(key, one, sizeof key);
    ck_assert(!gw_signing_keys_find(keys, secret, "20130525", "us-east-1", key));
    ck_assert(!gw_signing_keys_find(keys, secret, "20130524", "us-east-2", key));
    ck_assert(!gw_signing_keys_find(keys, secret, "20130524", "us-east-", key));
    ck_assert(!gw_signing_keys_find(keys, same, "20130524", "us-east-1", key));
    gw_signing_keys_free(keys);
}
END_TEST

START_TEST(the_next_day_takes_the_place_of_the_last)
{
    static const char secret[16] = "secret";
    struct gw_signing_keys *keys = gw_signing_keys_new();
    uint8_t key[32];
    gw_signing_keys_keep(keys, secret, "20130524", "us-east-1", one);
    gw_signing_keys_keep(keys, secret, "20130525", "us-east-1", other);
    ck_assert(!gw_signing_keys_find(keys, secret, "20130524", "us-east-1", key));
    ck_assert(gw_signing_keys_find(keys, secret, "20130525", "us-east-1", key));
    ck_assert_mem_eq(key, other, sizeof key);
    gw_signing_keys_free(keys);
}
END_TEST

START_TEST(what_does_not_fit_is_not_kept)
{
    static const char secret[16] = "secret";
    char region[100];
    struct gw_signing_keys *keys = gw_signing_keys_new();
    uint8_t key[32];
    memset(region, 'r', sizeof region - 1);
    region[sizeof region - 1] = '\0';
    gw_signing_keys_keep(keys, secret, "20130524", "us-east-1", one);
    gw_signing_keys_keep(keys, secret, "20130524", region, other);
    ck_assert(!gw_signing_keys_find(keys, secret, "20130524", region, key));
    gw_signing_keys_keep(keys, secret, "201305241", "us-east-1", other);
    ck_assert(!gw_signing_keys_find(keys, secret, "201305241", "us-east-1", key));
    gw_signing_keys_free(keys);
}
END_TEST

SUITE_MAIN("gw_signing_keys", a_key_is_found_under_its_secret_date_and_region_only,
           the_next_day_takes_the_place_of_the_last, what_does_not_fit_is_not_kept)
