/* Access keys and bucket configurations through the public functions, over a real transport. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/include/catena.h"
#include "fake_cluster.h"

static struct fake_cluster *cluster;
static struct fake_knobs *knobs;
static struct catena_client *client;

static void setup(void)
{
    struct catena_options options = CATENA_OPTIONS_INIT;
    cluster = fake_cluster_new();
    knobs = fake_cluster_knobs(cluster);
    options.masters = fake_cluster_address(cluster);
    options.timeout_ms = 20000;
    ck_assert_msg(catena_open(&options, &client) == CATENA_OK, "%s", catena_error_text());
    ck_assert_int_eq(catena_bucket_create(client, "photos"), CATENA_OK);
}

static void teardown(void)
{
    catena_close(client);
    fake_cluster_free(cluster);
}

static void create(const char *id, const char *secret)
{
    const struct catena_grant grant = {"photos", CATENA_RIGHT_WRITE};
    ck_assert_msg(catena_access_key_create(client, id, secret, &grant, 1, NULL) == CATENA_OK, "%s",
                  catena_error_text());
}

static struct catena_access_keys get(bool with_secrets, uint64_t have_version)
{
    struct catena_access_keys keys;
    enum catena_status status = catena_access_keys_get(client, with_secrets, have_version, &keys);
    ck_assert_msg(status == CATENA_OK, "%s", catena_error_text());
    return keys;
}

START_TEST(a_key_has_a_secret_of_forty_characters_and_its_grants)
{
    const struct catena_grant grants[] = {{"photos", CATENA_RIGHT_READ},
                                          {"logs-*", CATENA_RIGHT_WRITE},
                                          {"photos", CATENA_RIGHT_OWNER}};
    struct catena_access_key first;
    struct catena_access_key second;
    ck_assert_int_eq(catena_access_key_create(client, "AKIA1", NULL, grants, 3, &first), CATENA_OK);
    ck_assert_int_eq(catena_access_key_create(client, "AKIA2", "", NULL, 0, &second), CATENA_OK);
    ck_assert_str_eq(first.id, "AKIA1");
    ck_assert_uint_eq(strlen(first.secret), 40);
    ck_assert_uint_eq(strspn(first.secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                           "0123456789"),
                      40);
    ck_assert_str_ne(first.secret, second.secret);
    ck_assert_uint_eq(first.grant_count, 2);
    ck_assert_str_eq(first.grants[0].bucket, "logs-*");
    ck_assert_str_eq(first.grants[1].bucket, "photos");
    ck_assert_int_eq(first.grants[1].right, CATENA_RIGHT_OWNER); /* the last one counts */
    ck_assert_uint_gt(first.created_ms, 0);
    struct catena_access_keys keys = get(true, 0);
    ck_assert_uint_eq(keys.count, 2);
    ck_assert_str_eq(keys.items[0].secret, first.secret);
    ck_assert_str_eq(keys.items[1].secret, second.secret);
    ck_assert_uint_eq(keys.items[0].grant_count, 2);
    catena_access_keys_release(&keys);
    keys = get(false, 0);
    ck_assert_str_eq(keys.items[0].secret, "");
    catena_access_keys_release(&keys);
    catena_access_key_release(&first);
    catena_access_key_release(&second);
    for (size_t i = 0; i < sizeof first.secret; i++)
        ck_assert_int_eq(first.secret[i], 0); /* overwritten */
}
END_TEST

START_TEST(misuse_is_refused_before_anything_is_sent)
{
    struct catena_access_key key;
    struct catena_grant bad = {"Photos", CATENA_RIGHT_READ};
    static struct catena_grant many[CATENA_GRANTS_MAX + 1];
    for (unsigned i = 0; i <= CATENA_GRANTS_MAX; i++) {
        (void)snprintf(many[i].bucket, sizeof many[i].bucket, "bucket-%u", i);
        many[i].right = CATENA_RIGHT_READ;
    }
    ck_assert_int_eq(catena_access_key_create(client, "no", NULL, NULL, 0, &key), CATENA_INVALID);
    ck_assert_int_eq(catena_access_key_create(client, "a b", NULL, NULL, 0, &key), CATENA_INVALID);
    ck_assert_int_eq(catena_access_key_create(client, NULL, NULL, NULL, 0, &key), CATENA_INVALID);
    ck_assert_int_eq(catena_access_key_create(client, "AKIA1", "short", NULL, 0, &key),
                     CATENA_INVALID);
    ck_assert_int_eq(catena_access_key_create(client, "AKIA1", NULL, NULL, 1, &key),
                     CATENA_INVALID);
    ck_assert_int_eq(catena_access_key_create(client, "AKIA1", NULL, &bad, 1, &key),
                     CATENA_INVALID);
    bad = (struct catena_grant){"photos", (enum catena_right)4};
    ck_assert_int_eq(catena_access_key_grant(client, "AKIA1", &bad, 1), CATENA_INVALID);
    ck_assert_int_eq(
        catena_access_key_create(client, "AKIA1", NULL, many, CATENA_GRANTS_MAX + 1, &key),
        CATENA_TOO_LARGE);
    ck_assert_int_eq(catena_access_key_rotate(client, "AKIA1", true, NULL), CATENA_INVALID);
    struct catena_access_keys keys = get(true, 0);
    ck_assert_uint_eq(keys.count, 0);
    ck_assert_uint_eq(keys.version, 0);
    catena_access_keys_release(&keys);
}
END_TEST

START_TEST(what_is_there_or_not_there_has_its_own_status)
{
    struct catena_access_key key;
    const struct catena_grant grant = {"photos", CATENA_RIGHT_READ};
    ck_assert_int_eq(catena_access_key_rotate(client, "AKIA1", true, &key), CATENA_NO_ACCESS_KEY);
    ck_assert_int_eq(catena_access_key_grant(client, "AKIA1", &grant, 1), CATENA_NO_ACCESS_KEY);
    ck_assert_int_eq(catena_access_key_revoke(client, "AKIA1"), CATENA_NO_ACCESS_KEY);
    create("AKIA1", "secret-number-one");
    ck_assert_int_eq(catena_access_key_create(client, "AKIA1", NULL, NULL, 0, &key), CATENA_EXISTS);
    ck_assert_ptr_nonnull(strstr(catena_error_text(), "AKIA1"));
    ck_assert_int_eq(catena_access_key_revoke(client, "AKIA1"), CATENA_OK);
    ck_assert_int_eq(catena_access_key_revoke(client, "AKIA1"), CATENA_NO_ACCESS_KEY);
}
END_TEST

START_TEST(a_lost_answer_does_not_undo_or_repeat_a_change)
{
    struct catena_access_key key;
    atomic_store(&knobs->mute_admins, 1);
    create("AKIA1", "secret-number-one"); /* the second copy finds the first's success */
    atomic_store(&knobs->mute_admins, 1);
    ck_assert_int_eq(catena_access_key_rotate(client, "AKIA1", true, &key), CATENA_OK);
    struct catena_access_keys keys = get(true, 0);
    ck_assert_str_eq(keys.items[0].secret, key.secret);
    ck_assert_str_eq(keys.items[0].old_secret, "secret-number-one");
    catena_access_keys_release(&keys);
    catena_access_key_release(&key);
    atomic_store(&knobs->mute_admins, 1);
    ck_assert_int_eq(catena_access_key_revoke(client, "AKIA1"), CATENA_OK);
}
END_TEST

START_TEST(grants_are_changed_one_by_one)
{
    const struct catena_grant changes[] = {{"photos", CATENA_RIGHT_NONE},
                                           {"music", CATENA_RIGHT_OWNER}};
    create("AKIA1", "secret-number-one");
    ck_assert_int_eq(catena_access_key_grant(client, "AKIA1", changes, 2), CATENA_OK);
    struct catena_access_keys keys = get(false, 0);
    ck_assert_uint_eq(keys.items[0].grant_count, 1);
    ck_assert_str_eq(keys.items[0].grants[0].bucket, "music");
    catena_access_keys_release(&keys);
}
END_TEST

START_TEST(nothing_comes_when_nothing_has_changed)
{
    create("AKIA1", "secret-number-one");
    struct catena_access_keys keys = get(true, 0);
    uint64_t version = keys.version;
    ck_assert_uint_gt(version, 0);
    catena_access_keys_release(&keys);
    keys = get(true, version);
    ck_assert_uint_eq(keys.count, 0);
    ck_assert_uint_eq(keys.version, version);
    ck_assert_int_eq(catena_access_key_revoke(client, "AKIA1"), CATENA_OK);
    keys = get(true, version);
    ck_assert_uint_eq(keys.count, 0);
    ck_assert_uint_gt(keys.version, version); /* so there are none any more */
}
END_TEST

START_TEST(a_long_table_comes_in_pages_of_one_version)
{
    char id[16];
    for (unsigned i = 0; i < 150; i++) {
        (void)snprintf(id, sizeof id, "KEY-%03u", i);
        create(id, "secret-number-one");
    }
    atomic_store(&knobs->keys_per_page, 7);
    atomic_store(&knobs->torn_lists, 2); /* KEY-000 and KEY-001 go while we read */
    struct catena_access_keys keys = get(true, 0);
    ck_assert_uint_eq(atomic_load(&knobs->torn_lists), 0);
    ck_assert_uint_eq(keys.count, 148);
    for (unsigned i = 0; i < 148; i++) {
        (void)snprintf(id, sizeof id, "KEY-%03u", i + 2);
        ck_assert_str_eq(keys.items[i].id, id);
    }
    catena_access_keys_release(&keys);
}
END_TEST

/* ---- configurations ---- */

START_TEST(a_document_is_replaced_only_by_who_has_read_it)
{
    void *document = (void *)"";
    size_t length = 1;
    uint64_t version = 1;
    ck_assert_int_eq(catena_bucket_config_get(client, "photos", &document, &length, &version),
                     CATENA_OK);
    ck_assert_ptr_null(document);
    ck_assert_uint_eq(length, 0);
    ck_assert_uint_eq(version, 0);
    uint64_t first = 0;
    ck_assert_int_eq(catena_bucket_config_put(client, "photos", "one", 3, 0, &first), CATENA_OK);
    ck_assert_uint_gt(first, 0);
    ck_assert_int_eq(catena_bucket_config_put(client, "photos", "two", 3, 0, NULL),
                     CATENA_CONDITION_FAILED);
    ck_assert_int_eq(catena_bucket_config_get(client, "photos", &document, &length, &version),
                     CATENA_OK);
    ck_assert_uint_eq(length, 3);
    ck_assert_mem_eq(document, "one", 3);
    ck_assert_uint_eq(version, first);
    free(document);
    ck_assert_int_eq(catena_bucket_config_put(client, "photos", NULL, 0, first, &version),
                     CATENA_OK);
    ck_assert_uint_gt(version, first);
    ck_assert_int_eq(catena_bucket_config_get(client, "nothing", &document, &length, &version),
                     CATENA_NO_BUCKET);
    ck_assert_int_eq(catena_bucket_config_put(client, "nothing", "x", 1, 0, NULL),
                     CATENA_NO_BUCKET);
}
END_TEST

START_TEST(the_largest_document_goes_there_and_back)
{
    static uint8_t sent[CATENA_BUCKET_CONFIG_MAX + 1];
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (uint8_t)(i * 7);
    void *document = NULL;
    size_t length = 0;
    uint64_t version = 0;
    ck_assert_int_eq(catena_bucket_config_put(client, "photos", sent, sizeof sent, 0, NULL),
                     CATENA_TOO_LARGE);
    ck_assert_int_eq(catena_bucket_config_put(client, "photos", sent, sizeof sent - 1, 0, NULL),
                     CATENA_OK);
    ck_assert_int_eq(catena_bucket_config_get(client, "photos", &document, &length, &version),
                     CATENA_OK);
    ck_assert_uint_eq(length, CATENA_BUCKET_CONFIG_MAX);
    ck_assert_mem_eq(document, sent, length);
    free(document);
}
END_TEST

START_TEST(a_lost_answer_to_a_change_is_no_lost_race)
{
    uint64_t version = 0;
    atomic_store(&knobs->mute_admins, 1);
    ck_assert_int_eq(catena_bucket_config_put(client, "photos", "one", 3, 0, &version), CATENA_OK);
    ck_assert_uint_gt(version, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_keys");
    TCase *tcase = tcase_create("keys");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_key_has_a_secret_of_forty_characters_and_its_grants);
    tcase_add_test(tcase, misuse_is_refused_before_anything_is_sent);
    tcase_add_test(tcase, what_is_there_or_not_there_has_its_own_status);
    tcase_add_test(tcase, a_lost_answer_does_not_undo_or_repeat_a_change);
    tcase_add_test(tcase, grants_are_changed_one_by_one);
    tcase_add_test(tcase, nothing_comes_when_nothing_has_changed);
    tcase_add_test(tcase, a_long_table_comes_in_pages_of_one_version);
    tcase_add_test(tcase, a_document_is_replaced_only_by_who_has_read_it);
    tcase_add_test(tcase, the_largest_document_goes_there_and_back);
    tcase_add_test(tcase, a_lost_answer_to_a_change_is_no_lost_race);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
