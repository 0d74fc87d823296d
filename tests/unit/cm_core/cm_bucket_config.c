/* A bucket's configuration in the masters: replaced whole, by one of those who try. */
#include <check.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/text.h"
#include "tests/unit/cm_core/world.h"

static struct world world;
static uint64_t conn;

static void setup(void)
{
    world_init(&world);
    world_start(&world, 3, 4);
    conn = world_connect(&world, WIRE_ROLE_CLIENT, 0, 0);
    world_admin(&world, conn, WIRE_ADMIN_BUCKET_CREATE, 0, 0, "photos", 0);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
}

static void teardown(void)
{
    world_release(&world);
}

static uint64_t value(void)
{
    return world.last_reply.u.admin_reply.value;
}

static enum err put(const char *bucket, uint64_t version, struct slice document, uint64_t nonce)
{
    struct buf *payload = buf_copy(document);
    world_admin_payload(&world, conn, WIRE_ADMIN_BUCKET_CONFIG_PUT, version, 0, bucket, nonce,
                        payload);
    buf_unref(payload);
    return world_reply_err(&world);
}

static struct slice get(const char *bucket)
{
    world_admin(&world, conn, WIRE_ADMIN_BUCKET_CONFIG_GET, 0, 0, bucket, 0);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
    return buf_slice(world.last_reply.payload);
}

START_TEST(a_bucket_begins_without_one)
{
    ck_assert_uint_eq(get("photos").length, 0);
    ck_assert_uint_eq(value(), 0);
    world_admin(&world, conn, WIRE_ADMIN_BUCKET_CONFIG_GET, 0, 0, "nothing", 0);
    ck_assert_int_eq(world_reply_err(&world), ERR_NO_BUCKET);
    ck_assert_int_eq(put("nothing", 0, slice_of_text("x"), 0), ERR_NO_BUCKET);
    ck_assert_int_eq(put("No Bucket", 0, slice_of_text("x"), 0), ERR_INVALID);
}
END_TEST

START_TEST(of_two_writers_that_read_the_same_one_wins)
{
    ck_assert_int_eq(put("photos", 0, slice_of_text("one"), 0), ERR_OK);
    uint64_t first = value();
    ck_assert_uint_gt(first, 0);
    ck_assert_int_eq(put("photos", 0, slice_of_text("two"), 0), ERR_CONDITION);
    ck_assert_uint_eq(value(), first); /* what is there */
    ck_assert(slice_equal(get("photos"), slice_of_text("one")));
    ck_assert_uint_eq(value(), first);
    ck_assert_int_eq(put("photos", first, slice_of_text("two"), 0), ERR_OK);
    ck_assert_uint_gt(value(), first);
    ck_assert_int_eq(put("photos", first, slice_of_text("three"), 0), ERR_CONDITION);
    ck_assert(slice_equal(get("photos"), slice_of_text("two")));
}
END_TEST

START_TEST(a_retry_finds_its_own_success)
{
    ck_assert_int_eq(put("photos", 0, slice_of_text("one"), 60), ERR_OK);
    uint64_t version = value();
    ck_assert_int_eq(put("photos", 0, slice_of_text("one"), 60), ERR_OK);
    ck_assert_uint_eq(value(), version);
}
END_TEST

START_TEST(no_map_tells_of_it)
{
    uint64_t version = cm_core_state(world.core)->version;
    uint32_t configs = world.configs;
    static uint8_t document[BOUND_BUCKET_CONFIG_BYTES];
    ck_assert_int_eq(put("photos", 0, slice_of(document, sizeof document), 0), ERR_OK);
    world_run(&world, 300000);
    ck_assert_uint_eq(cm_core_state(world.core)->version, version);
    ck_assert_uint_eq(world.configs, configs);
}
END_TEST

START_TEST(a_document_has_a_limit)
{
    static uint8_t document[BOUND_BUCKET_CONFIG_BYTES + 1];
    ck_assert_int_eq(put("photos", 0, slice_of(document, sizeof document), 0), ERR_TOO_LARGE);
    ck_assert_int_eq(put("photos", 0, slice_of(document, sizeof document - 1), 0), ERR_OK);
    ck_assert_uint_eq(get("photos").length, BOUND_BUCKET_CONFIG_BYTES);
}
END_TEST

START_TEST(it_goes_with_the_bucket)
{
    ck_assert_int_eq(put("photos", 0, slice_of_text("one"), 0), ERR_OK);
    uint64_t version = value();
    world_run(&world, 300000);
    world_admin(&world, conn, WIRE_ADMIN_BUCKET_DELETE, 0, 0, "photos", 0);
    world_run(&world, 300000);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
    ck_assert_int_eq(put("photos", version, slice_of_text("two"), 0), ERR_BUCKET_DELETING);
    world_admin(&world, conn, WIRE_ADMIN_BUCKET_DELETE, 1, 0, "photos", 0);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
    ck_assert_uint_eq(cm_core_state(world.core)->configs_bytes, 0);
    world_admin(&world, conn, WIRE_ADMIN_BUCKET_CREATE, 0, 0, "photos", 0);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
    ck_assert_uint_eq(get("photos").length, 0);
    ck_assert_uint_eq(value(), 0);
    ck_assert_int_eq(put("photos", version, slice_of_text("two"), 0), ERR_CONDITION);
    cm_state_check(cm_core_state(world.core));
}
END_TEST

START_TEST(all_documents_together_have_a_limit)
{
    static uint8_t document[BOUND_BUCKET_CONFIG_BYTES];
    const uint32_t fit = BOUND_BUCKET_CONFIGS_BYTES / BOUND_BUCKET_CONFIG_BYTES;
    char name[32];
    for (uint32_t i = 0; i <= fit; i++) {
        text_format(name, sizeof name, "bucket-%u", i);
        world_admin(&world, conn, WIRE_ADMIN_BUCKET_CREATE, 0, 0, name, 0);
        ck_assert_int_eq(put(name, 0, slice_of(document, sizeof document), 0),
                         i < fit ? ERR_OK : ERR_TOO_LARGE);
    }
    /* A smaller one makes room. */
    (void)get("bucket-0");
    ck_assert_int_eq(put("bucket-0", value(), slice_of(document, 10), 0), ERR_OK);
    ck_assert_int_eq(put(name, 0, slice_of(document, 100), 0), ERR_OK);
    cm_state_check(cm_core_state(world.core));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cm_bucket_config");
    TCase *tcase = tcase_create("documents");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_bucket_begins_without_one);
    tcase_add_test(tcase, of_two_writers_that_read_the_same_one_wins);
    tcase_add_test(tcase, a_retry_finds_its_own_success);
    tcase_add_test(tcase, no_map_tells_of_it);
    tcase_add_test(tcase, a_document_has_a_limit);
    tcase_add_test(tcase, it_goes_with_the_bucket);
    tcase_add_test(tcase, all_documents_together_have_a_limit);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
