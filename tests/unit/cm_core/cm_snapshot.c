/* The replicated state: the same commands give the same bytes, snapshots are complete, and bad ones
 * are refused. */
#include <check.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/prng.h"
#include "tests/unit/cm_core/world.h"

static struct world world;

/* Two access keys, of which one has rotated, and the configuration of a bucket. */
static void add_documents(uint64_t conn)
{
    static const char secret[] = "\0\010password\0\0\0\0\0\0\0\0\0\1\1\1*"; /* wire/access_key.h */
    struct buf *record = buf_copy(slice_of(secret, sizeof secret - 1));
    world_admin_payload(&world, conn, WIRE_ADMIN_KEY_CREATE, 0, 0, "KEY-b", 21, record);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
    world_admin_payload(&world, conn, WIRE_ADMIN_KEY_CREATE, 0, 0, "KEY-a", 22, record);
    world_admin_payload(&world, conn, WIRE_ADMIN_KEY_ROTATE, 1, 0, "KEY-b", 23, record);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
    world_admin_payload(&world, conn, WIRE_ADMIN_BUCKET_CONFIG_PUT, 0, 0, "photos", 24, record);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
    buf_unref(record);
}

/* A state with something of everything: nodes down, a decided row, a joiner, buckets in each
 * state, tombstones, bad links, answers, settings, access keys, a configuration. */
static void setup(void)
{
    world_init(&world);
    world_start(&world, 4, 16);
    uint64_t conn = world_connect(&world, WIRE_ROLE_CLIENT, 0, 0);
    world_admin(&world, conn, WIRE_ADMIN_BUCKET_CREATE, 0, 0, "photos", 11);
    add_documents(conn);
    world_admin(&world, conn, WIRE_ADMIN_BUCKET_CREATE, 0, 0, "music", 12);
    world_admin(&world, conn, WIRE_ADMIN_BUCKET_CREATE, 0, 0, "music", 13);
    world_admin(&world, conn, WIRE_ADMIN_BUCKET_DELETE, 0, 0, "music", 14);
    world_run(&world, 300000);
    world_admin(&world, conn, WIRE_ADMIN_BUCKET_DELETE, 1, 0, "music", 15);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
    world_admin(&world, conn, WIRE_ADMIN_BUCKET_DELETE, 0, 0, "photos", 16);
    world_admin(&world, conn, WIRE_ADMIN_SETTING_SET, 2, 0, "write-floor", 17);
    world_admin(&world, conn, WIRE_ADMIN_SESSION_OPEN, 0, 0, "", 18);
    world_node(&world, 1)->accuses = 2;
    world_node(&world, 2)->accuses = 1;
    world_run(&world, 800000);
    world_node(&world, 4)->is_mute = true;
    world_run(&world, 600000);
    const struct cm_state *state = cm_core_state(world.core);
    ck_assert_uint_eq(state->key_count, 2);
    ck_assert_uint_gt(state->configs_bytes, 0);
    ck_assert_uint_gt(state->bad_link_count, 0);
    ck_assert_uint_gt(state->tombstone_count, 0);
    ck_assert(!list_is_empty(&state->decided_chains));
}

static void teardown(void)
{
    world_release(&world);
}

START_TEST(the_same_commands_give_the_same_bytes)
{
    struct cm_state *other = cm_state_new(&world.options.cluster);
    for (uint64_t i = 1; i <= world.index; i++) {
        if (world.log[i] != NULL)
            ck_assert_int_eq(cm_state_apply(other, i, buf_slice(world.log[i]), NULL), ERR_OK);
    }
    struct buf *a = cm_state_snapshot(cm_core_state(world.core));
    struct buf *b = cm_state_snapshot(other);
    ck_assert(slice_equal(buf_slice(a), buf_slice(b)));
    buf_unref(a);
    buf_unref(b);
    cm_state_free(other);
}
END_TEST

START_TEST(a_snapshot_holds_everything)
{
    struct buf *bytes = cm_state_snapshot(cm_core_state(world.core));
    struct cm_state *restored = NULL;
    ck_assert_int_eq(
        cm_state_restore(buf_slice(bytes), &world.options.cluster, world.index, &restored), ERR_OK);
    cm_state_check(restored);
    struct buf *again = cm_state_snapshot(restored);
    ck_assert(slice_equal(buf_slice(bytes), buf_slice(again)));
    buf_unref(again);
    buf_unref(bytes);
    cm_state_free(restored);
}
END_TEST

START_TEST(a_restored_state_goes_on_like_the_original)
{
    struct buf *bytes = cm_state_snapshot(cm_core_state(world.core));
    uint64_t at = world.index;
    world_run(&world, 3000000);
    ck_assert_uint_gt(world.index, at);
    struct cm_state *restored = NULL;
    ck_assert_int_eq(cm_state_restore(buf_slice(bytes), &world.options.cluster, at, &restored),
                     ERR_OK);
    for (uint64_t i = at + 1; i <= world.index; i++)
        ck_assert_int_eq(cm_state_apply(restored, i, buf_slice(world.log[i]), NULL), ERR_OK);
    struct buf *a = cm_state_snapshot(cm_core_state(world.core));
    struct buf *b = cm_state_snapshot(restored);
    ck_assert(slice_equal(buf_slice(a), buf_slice(b)));
    buf_unref(a);
    buf_unref(b);
    buf_unref(bytes);
    cm_state_free(restored);
}
END_TEST

START_TEST(truncated_and_flipped_snapshots_are_refused_or_sound)
{
    struct buf *bytes = cm_state_snapshot(cm_core_state(world.core));
    struct cm_state *state = NULL;
    for (size_t length = 0; length < bytes->length; length++) {
        struct buf *cut = buf_copy(slice_of(bytes->data, length));
        ck_assert_int_ne(
            cm_state_restore(buf_slice(cut), &world.options.cluster, world.index, &state), ERR_OK);
        buf_unref(cut);
    }
    struct prng prng;
    prng_init(&prng, 3);
    for (int round = 0; round < 3000; round++) {
        struct buf *bad = buf_copy(buf_slice(bytes));
        bad->data[prng_below(&prng, bad->length)] ^= (uint8_t)prng_between(&prng, 1, 255);
        if (cm_state_restore(buf_slice(bad), &world.options.cluster, world.index, &state) == ERR_OK)
            cm_state_free(state);
        buf_unref(bad);
    }
    buf_unref(bytes);
}
END_TEST

/* Format, cluster and applied index come before them. */
START_TEST(a_snapshot_that_contradicts_itself_is_corrupt)
{
    enum { VERSION_AT = 1 + 16 + 8, REPLICAS_AT = VERSION_AT + 16 };
    const struct cm_state *state = cm_core_state(world.core);
    struct cm_state *restored = NULL;
    struct buf *future = cm_state_snapshot(state);
    future->data[VERSION_AT] = 0xff; /* later than the index of its last command */
    ck_assert_int_eq(
        cm_state_restore(buf_slice(future), &world.options.cluster, world.index, &restored),
        ERR_CORRUPT);
    buf_unref(future);
    struct buf *without = cm_state_snapshot(state);
    memset(without->data + REPLICAS_AT, 0, 4);
    ck_assert_int_eq(
        cm_state_restore(buf_slice(without), &world.options.cluster, world.index, &restored),
        ERR_CORRUPT);
    buf_unref(without);
    ck_assert_ptr_null(restored);
}
END_TEST

START_TEST(a_snapshot_of_the_release_before_still_loads)
{
    enum { KEYS_HEAD = 8 + 4, CONFIGS_HEAD = 4, NAME = 6 };
    const struct cm_state *state = cm_core_state(world.core);
    size_t tail = KEYS_HEAD + CONFIGS_HEAD + state->keys_bytes + 2u * state->key_count +
                  (2 + NAME + 8 + 4) + state->configs_bytes;
    struct buf *bytes = cm_state_snapshot(state);
    ck_assert_uint_eq(bytes->data[0], 3);
    bytes->data[0] = 2;
    bytes->length -= tail; /* it ended there */
    struct cm_state *restored = NULL;
    ck_assert_int_eq(
        cm_state_restore(buf_slice(bytes), &world.options.cluster, world.index, &restored), ERR_OK);
    cm_state_check(restored);
    ck_assert_uint_eq(restored->key_count, 0);
    ck_assert_uint_eq(restored->keys_version, 0);
    ck_assert_uint_eq(restored->configs_bytes, 0);
    ck_assert_uint_eq(restored->answer_count, state->answer_count);
    /* And what has neither is written as that release did. */
    struct buf *again = cm_state_snapshot(restored);
    ck_assert(slice_equal(buf_slice(bytes), buf_slice(again)));
    buf_unref(again);
    buf_unref(bytes);
    cm_state_free(restored);
}
END_TEST

START_TEST(a_snapshot_of_another_cluster_is_refused)
{
    struct buf *bytes = cm_state_snapshot(cm_core_state(world.core));
    struct uuid other = world_uuid(1);
    struct cm_state *state = NULL;
    ck_assert_int_eq(cm_state_restore(buf_slice(bytes), &other, world.index, &state),
                     ERR_WRONG_CLUSTER);
    buf_unref(bytes);
}
END_TEST

START_TEST(a_change_planned_from_an_old_row_is_ignored)
{
    struct cm_state *state = NULL;
    struct buf *bytes = cm_state_snapshot(cm_core_state(world.core));
    ck_assert_int_eq(
        cm_state_restore(buf_slice(bytes), &world.options.cluster, world.index, &state), ERR_OK);
    struct cm_change change = {.kind = CM_CHANGE_SET, .chain = 0, .row = state->chains[0].active};
    change.expected_epoch = state->chains[0].active.epoch - 1;
    change.row.epoch = state->chains[0].active.epoch + 1;
    struct cm_item item = {.kind = CM_ITEM_ROWS};
    item.u.rows.changes = &change;
    item.u.rows.count = 1;
    struct cm_writer writer;
    cm_writer_init(&writer);
    cm_command_begin(&writer);
    cm_command_append(&writer, &item);
    uint64_t version = state->version;
    ck_assert_int_eq(
        cm_state_apply(state, world.index + 1, slice_of(writer.data, writer.length), NULL), ERR_OK);
    ck_assert_uint_eq(state->version, version);
    ck_assert_uint_eq(state->chains[0].active.epoch, change.expected_epoch + 1);
    cm_writer_release(&writer);
    buf_unref(bytes);
    cm_state_free(state);
}
END_TEST

START_TEST(the_core_answers_snapshot_and_restore_events)
{
    world_step(&world, &(struct cm_event){.kind = CM_EVENT_SNAPSHOT_WANTED, .index = world.index});
    ck_assert_ptr_nonnull(world.snapshot);
    struct buf *snapshot = buf_ref(world.snapshot);
    world_lose_leader(&world);
    world_step(&world, &(struct cm_event){
                           .kind = CM_EVENT_RESTORE, .index = world.index, .data = snapshot});
    ck_assert(!world.is_halted);
    struct buf *again = cm_state_snapshot(cm_core_state(world.core));
    ck_assert(slice_equal(buf_slice(snapshot), buf_slice(again)));
    buf_unref(again);
    snapshot->data[0] = 77;
    world_step(&world, &(struct cm_event){
                           .kind = CM_EVENT_RESTORE, .index = world.index, .data = snapshot});
    ck_assert(world.is_halted);
    buf_unref(snapshot);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cm_snapshot");
    TCase *tcase = tcase_create("snapshot");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_same_commands_give_the_same_bytes);
    tcase_add_test(tcase, a_snapshot_holds_everything);
    tcase_add_test(tcase, a_restored_state_goes_on_like_the_original);
    tcase_add_test(tcase, truncated_and_flipped_snapshots_are_refused_or_sound);
    tcase_add_test(tcase, a_snapshot_that_contradicts_itself_is_corrupt);
    tcase_add_test(tcase, a_snapshot_of_the_release_before_still_loads);
    tcase_add_test(tcase, a_snapshot_of_another_cluster_is_refused);
    tcase_add_test(tcase, a_change_planned_from_an_old_row_is_ignored);
    tcase_add_test(tcase, the_core_answers_snapshot_and_restore_events);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
