/* Access keys in the masters, as clients and gateways see them. */
#include <check.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/text.h"
#include "tests/unit/cm_core/world.h"
#include "wire/access_key.h"

static struct world world;
static uint64_t conn;

static void setup(void)
{
    world_init(&world);
    world_start(&world, 3, 4);
    conn = world_connect(&world, WIRE_ROLE_CLIENT, 0, 0);
}

static void teardown(void)
{
    world_release(&world);
}

static uint64_t value(void)
{
    return world.last_reply.u.admin_reply.value;
}

static struct wire_access_key with_secret(const char *secret)
{
    return (struct wire_access_key){.secret = slice_of_text(secret), .created_ms = 77};
}

static void add_grant(struct wire_access_key *record, const char *bucket, enum wire_right right)
{
    struct wire_grant grant = {slice_of_text(bucket), right};
    ck_assert(wire_grant_set(record, &grant));
}

static enum err change(enum wire_admin_op op, const char *id, uint64_t a,
                       const struct wire_access_key *record, uint64_t nonce)
{
    struct buf *payload = NULL;
    if (record != NULL) {
        payload = buf_new(wire_access_key_size(record));
        (void)wire_access_key_put(record, payload->data);
    }
    world_admin_payload(&world, conn, op, a, 0, id, nonce, payload);
    buf_unref(payload);
    return world_reply_err(&world);
}

static enum err create(const char *id, const char *secret, uint64_t nonce)
{
    struct wire_access_key record = with_secret(secret);
    add_grant(&record, "photos", WIRE_RIGHT_WRITE);
    return change(WIRE_ADMIN_KEY_CREATE, id, 0, &record, nonce);
}

/* The one key after `after`, from a listing with secrets. */
static struct wire_access_key listed(const char *after)
{
    struct wire_access_key key = {0};
    world_admin(&world, conn, WIRE_ADMIN_KEY_LIST, 1, 0, after, 0);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
    struct slice rest = buf_slice(world.last_reply.payload);
    ck_assert(wire_access_key_take(&rest, &key));
    return key;
}

START_TEST(a_key_is_created_once_and_a_retry_finds_its_own)
{
    ck_assert_int_eq(create("AKIA1", "first-secret", 90), ERR_OK);
    uint64_t version = value();
    ck_assert_uint_gt(version, 0);
    ck_assert_int_eq(create("AKIA1", "first-secret", 90), ERR_OK);
    ck_assert_uint_eq(value(), version);
    ck_assert_int_eq(create("AKIA1", "other-secret", 91), ERR_EXISTS);
    struct wire_access_key key = listed("");
    ck_assert(slice_equal(key.id, slice_of_text("AKIA1")));
    ck_assert(slice_equal(key.secret, slice_of_text("first-secret")));
    ck_assert_uint_eq(key.created_ms, 77);
    ck_assert_uint_eq(key.grant_count, 1);
    ck_assert_uint_eq(value(), version); /* of the table */
}
END_TEST

START_TEST(bad_requests_are_refused_and_change_nothing)
{
    struct wire_access_key none = {0};
    ck_assert_int_eq(create("no", "long-enough", 0), ERR_INVALID);
    ck_assert_int_eq(create("with blank", "long-enough", 0), ERR_INVALID);
    ck_assert_int_eq(change(WIRE_ADMIN_KEY_CREATE, "AKIA1", 0, &none, 0), ERR_INVALID);
    ck_assert_int_eq(change(WIRE_ADMIN_KEY_CREATE, "AKIA1", 0, NULL, 0), ERR_INVALID);
    ck_assert_int_eq(change(WIRE_ADMIN_KEY_ROTATE, "AKIA1", 0, &none, 0), ERR_INVALID);
    none.secret = slice_of_text("short");
    ck_assert_int_eq(change(WIRE_ADMIN_KEY_CREATE, "AKIA1", 0, &none, 0), ERR_INVALID);
    struct wire_access_key good = with_secret("long-enough");
    ck_assert_int_eq(change(WIRE_ADMIN_KEY_ROTATE, "AKIA1", 0, &good, 0), ERR_NOT_FOUND);
    ck_assert_int_eq(change(WIRE_ADMIN_KEY_GRANT, "AKIA1", 0, &good, 0), ERR_NOT_FOUND);
    ck_assert_int_eq(change(WIRE_ADMIN_KEY_REVOKE, "AKIA1", 0, NULL, 0), ERR_NOT_FOUND);
    struct buf *junk = buf_copy(slice_of_text("\x05junk that is no record"));
    world_admin_payload(&world, conn, WIRE_ADMIN_KEY_CREATE, 0, 0, "AKIA1", 0, junk);
    ck_assert_int_eq(world_reply_err(&world), ERR_INVALID);
    world_admin_payload(&world, conn, WIRE_ADMIN_SESSION_OPEN, 0, 0, "", 0, junk);
    ck_assert_int_eq(world_reply_err(&world), ERR_TOO_LARGE); /* takes no payload */
    buf_unref(junk);
    ck_assert_uint_eq(cm_core_state(world.core)->key_count, 0);
    ck_assert_uint_eq(cm_core_state(world.core)->keys_version, 0);
}
END_TEST

START_TEST(rotation_keeps_the_old_secret_only_when_told)
{
    ck_assert_int_eq(create("AKIA1", "first-secret", 0), ERR_OK);
    struct wire_access_key second = with_secret("second-secret");
    ck_assert_int_eq(change(WIRE_ADMIN_KEY_ROTATE, "AKIA1", 1, &second, 95), ERR_OK);
    struct wire_access_key key = listed("");
    ck_assert(slice_equal(key.secret, slice_of_text("second-secret")));
    ck_assert(slice_equal(key.old_secret, slice_of_text("first-secret")));
    ck_assert_uint_eq(key.grant_count, 1);
    ck_assert_uint_eq(key.created_ms, 77);
    /* Again with the same nonce: the secret before is not lost. */
    ck_assert_int_eq(change(WIRE_ADMIN_KEY_ROTATE, "AKIA1", 1, &second, 95), ERR_OK);
    ck_assert(slice_equal(listed("").old_secret, slice_of_text("first-secret")));
    struct wire_access_key third = with_secret("third-secret");
    ck_assert_int_eq(change(WIRE_ADMIN_KEY_ROTATE, "AKIA1", 0, &third, 0), ERR_OK);
    key = listed("");
    ck_assert(slice_equal(key.secret, slice_of_text("third-secret")));
    ck_assert_uint_eq(key.old_secret.length, 0);
}
END_TEST

START_TEST(grants_are_set_changed_and_taken_away)
{
    ck_assert_int_eq(create("AKIA1", "first-secret", 0), ERR_OK);
    struct wire_access_key changes = {0};
    add_grant(&changes, "logs-*", WIRE_RIGHT_READ);
    add_grant(&changes, "photos", WIRE_RIGHT_NONE);
    ck_assert_int_eq(change(WIRE_ADMIN_KEY_GRANT, "AKIA1", 0, &changes, 0), ERR_OK);
    struct wire_access_key key = listed("");
    ck_assert_uint_eq(key.grant_count, 1);
    ck_assert(slice_equal(key.grants[0].bucket, slice_of_text("logs-*")));
    ck_assert(slice_equal(key.secret, slice_of_text("first-secret")));
    struct wire_access_key many = {0};
    static char names[BOUND_GRANTS][16];
    for (unsigned i = 0; i < BOUND_GRANTS; i++)
        add_grant(&many, text_format(names[i], sizeof names[i], "bucket-%u", i), WIRE_RIGHT_READ);
    ck_assert_int_eq(change(WIRE_ADMIN_KEY_GRANT, "AKIA1", 0, &many, 0), ERR_TOO_LARGE);
    ck_assert_uint_eq(listed("").grant_count, 1);
}
END_TEST

START_TEST(a_revoked_key_is_gone_and_its_name_is_free)
{
    ck_assert_int_eq(create("AKIA1", "first-secret", 0), ERR_OK);
    uint64_t version = value();
    ck_assert_int_eq(change(WIRE_ADMIN_KEY_REVOKE, "AKIA1", 0, NULL, 96), ERR_OK);
    ck_assert_uint_gt(value(), version);
    ck_assert_int_eq(change(WIRE_ADMIN_KEY_REVOKE, "AKIA1", 0, NULL, 96), ERR_OK);
    ck_assert_int_eq(change(WIRE_ADMIN_KEY_REVOKE, "AKIA1", 0, NULL, 97), ERR_NOT_FOUND);
    world_admin(&world, conn, WIRE_ADMIN_KEY_LIST, 1, 0, "", 0);
    ck_assert_ptr_null(world.last_reply.payload);
    ck_assert_uint_gt(value(), version);
    ck_assert_int_eq(create("AKIA1", "other-secret", 0), ERR_OK);
    ck_assert(slice_equal(listed("").secret, slice_of_text("other-secret")));
}
END_TEST

START_TEST(a_listing_has_secrets_only_when_asked_and_nothing_when_nothing_is_new)
{
    ck_assert_int_eq(create("AKIA1", "first-secret", 0), ERR_OK);
    struct wire_access_key second = with_secret("second-secret");
    ck_assert_int_eq(change(WIRE_ADMIN_KEY_ROTATE, "AKIA1", 1, &second, 0), ERR_OK);
    uint64_t version = value();
    world_admin(&world, conn, WIRE_ADMIN_KEY_LIST, 0, 0, "", 0);
    struct wire_access_key key;
    ck_assert(wire_access_key_read(buf_slice(world.last_reply.payload), &key));
    ck_assert_uint_eq(key.secret.length, 0);
    ck_assert_uint_eq(key.old_secret.length, 0);
    ck_assert_uint_eq(key.grant_count, 1);
    world_admin(&world, conn, WIRE_ADMIN_KEY_LIST, 1, version, "", 0);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
    ck_assert_ptr_null(world.last_reply.payload);
    ck_assert_uint_eq(value(), version);
    world_admin(&world, conn, WIRE_ADMIN_KEY_LIST, 1, version - 1, "", 0);
    ck_assert_ptr_nonnull(world.last_reply.payload);
}
END_TEST

START_TEST(a_listing_goes_on_after_a_name_and_comes_in_pages)
{
    /* 400 keys of 2.8 KiB: more than one page. */
    static char names[40][BOUND_GRANT_BUCKET_BYTES + 1];
    struct wire_access_key record = with_secret("some-secret");
    for (unsigned i = 0; i < 40; i++) {
        memset(names[i], 'b', BOUND_GRANT_BUCKET_BYTES - 2);
        names[i][0] = (char)('a' + i / 10);
        names[i][1] = (char)('a' + i % 10);
        add_grant(&record, names[i], WIRE_RIGHT_READ);
    }
    char id[16];
    for (unsigned i = 0; i < 400; i++)
        ck_assert_int_eq(
            change(WIRE_ADMIN_KEY_CREATE, text_format(id, sizeof id, "K%03u", i), 0, &record, 0),
            ERR_OK);
    char after[16] = "";
    unsigned seen = 0;
    unsigned pages = 0;
    bool more = true;
    while (more) {
        world_admin(&world, conn, WIRE_ADMIN_KEY_LIST, 1, 0, after, 0);
        struct slice rest = buf_slice(world.last_reply.payload);
        ck_assert_uint_le(rest.length, 524288);
        while (rest.length > 0) {
            struct wire_access_key key;
            ck_assert(wire_access_key_take(&rest, &key));
            text_format(after, sizeof after, "K%03u", seen++);
            ck_assert(slice_equal(key.id, slice_of_text(after)));
        }
        more = world.last_reply.u.admin_reply.truncated;
        pages++;
    }
    ck_assert_uint_eq(seen, 400);
    ck_assert_uint_gt(pages, 1);
}
END_TEST

START_TEST(a_rotation_whose_two_copies_are_both_committed_happens_once)
{
    ck_assert_int_eq(create("AKIA1", "first-secret", 0), ERR_OK);
    struct wire_access_key second = with_secret("second-secret");
    struct buf *payload = buf_new(wire_access_key_size(&second));
    (void)wire_access_key_put(&second, payload->data);
    world.holds_log = true;
    world_admin_payload(&world, conn, WIRE_ADMIN_KEY_ROTATE, 1, 0, "AKIA1", 70, payload);
    world_admin_payload(&world, conn, WIRE_ADMIN_KEY_ROTATE, 1, 0, "AKIA1", 70, payload);
    ck_assert_int_eq(world.last_reply.type, WIRE_NONE);
    world.holds_log = false;
    world_commit(&world);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
    struct wire_access_key key = listed("");
    ck_assert(slice_equal(key.secret, slice_of_text("second-secret")));
    ck_assert(slice_equal(key.old_secret, slice_of_text("first-secret")));
    buf_unref(payload);
}
END_TEST

START_TEST(a_listing_is_answered_only_after_leadership_is_confirmed)
{
    ck_assert_int_eq(create("AKIA1", "first-secret", 0), ERR_OK);
    world.holds_reads = true;
    world_admin(&world, conn, WIRE_ADMIN_KEY_LIST, 1, 0, "", 0);
    ck_assert_int_eq(world.last_reply.type, WIRE_NONE);
    world_lose_leader(&world);
    ck_assert_int_eq(world_reply_err(&world), ERR_NOT_LEADER);
    world_admin(&world, conn, WIRE_ADMIN_KEY_LIST, 1, 0, "", 0);
    ck_assert_int_eq(world_reply_err(&world), ERR_NOT_LEADER);
    ck_assert_ptr_null(world.last_reply.payload);
}
END_TEST

START_TEST(no_secret_is_told_in_the_story_the_answers_or_a_printed_message)
{
    ck_assert_int_eq(create("AKIA1", "first-secret", 98), ERR_OK);
    ck_assert_int_eq(create("AKIA1", "other-secret", 99), ERR_EXISTS);
    ck_assert_ptr_null(strstr(text_cstr(&world.story), "secret"));
    const struct cm_state *state = cm_core_state(world.core);
    for (uint32_t i = 0; i < state->answer_count; i++)
        ck_assert_ptr_null(strstr(state->answers[i].text, "first-secret"));
    (void)listed("");
    struct text text;
    text_init(&text);
    wire_message_print(&world.last_reply, &text);
    ck_assert_ptr_null(strstr(text_cstr(&text), "first-secret"));
    ck_assert_ptr_nonnull(strstr(text_cstr(&text), "payload="));
    text_release(&text);
}
END_TEST

/* ---- limits, on the state alone ---- */

static struct cm_answer apply_create(struct cm_state *state, uint64_t index, const char *id,
                                     const struct wire_access_key *record)
{
    struct buf *bytes = buf_new(wire_access_key_size(record));
    (void)wire_access_key_put(record, bytes->data);
    struct cm_item item = {.kind = CM_ITEM_KEY_CREATE, .nonce = index};
    item.u.key.id = slice_of_text(id);
    item.u.key.record = buf_slice(bytes);
    struct cm_writer writer;
    cm_writer_init(&writer);
    cm_command_begin(&writer);
    cm_command_append(&writer, &item);
    ck_assert_int_eq(cm_state_apply(state, index, slice_of(writer.data, writer.length), NULL),
                     ERR_OK);
    cm_writer_release(&writer);
    buf_unref(bytes);
    const struct cm_answer *answer = cm_state_answer(state, index);
    ck_assert_ptr_nonnull(answer);
    return *answer;
}

START_TEST(there_are_at_most_ten_thousand_keys)
{
    struct uuid cluster = world_uuid(99);
    struct cm_state *state = cm_state_new(&cluster);
    struct wire_access_key record = with_secret("some-secret");
    char id[16];
    uint64_t index = 1;
    for (unsigned i = 0; i < BOUND_ACCESS_KEYS; i++) {
        /* In an order that is not that of the names. */
        text_format(id, sizeof id, "K%05u", i * 7919 % BOUND_ACCESS_KEYS);
        ck_assert_int_eq(apply_create(state, index++, id, &record).err, ERR_OK);
    }
    ck_assert_int_eq(apply_create(state, index++, "one-more", &record).err, ERR_TOO_LARGE);
    ck_assert_uint_eq(state->key_count, BOUND_ACCESS_KEYS);
    cm_state_check(state);
    struct buf *bytes = cm_state_snapshot(state);
    struct cm_state *restored = NULL;
    ck_assert_int_eq(cm_state_restore(buf_slice(bytes), &cluster, index, &restored), ERR_OK);
    ck_assert_uint_eq(restored->key_count, BOUND_ACCESS_KEYS);
    buf_unref(bytes);
    cm_state_free(restored);
    cm_state_free(state);
}
END_TEST

START_TEST(all_keys_together_have_a_limit_in_bytes)
{
    static char names[BOUND_GRANTS][BOUND_GRANT_BUCKET_BYTES + 1];
    struct uuid cluster = world_uuid(99);
    struct cm_state *state = cm_state_new(&cluster);
    struct wire_access_key record = with_secret("some-secret");
    for (unsigned i = 0; i < BOUND_GRANTS; i++) {
        memset(names[i], 'b', BOUND_GRANT_BUCKET_BYTES - 2);
        names[i][0] = (char)('a' + i / 10);
        names[i][1] = (char)('a' + i % 10);
        add_grant(&record, names[i], WIRE_RIGHT_READ);
    }
    char id[16];
    uint64_t index = 1;
    enum err err = ERR_OK;
    while (err == ERR_OK && index < BOUND_ACCESS_KEYS) {
        text_format(id, sizeof id, "K%05u", (unsigned)index);
        err = apply_create(state, index++, id, &record).err;
    }
    ck_assert_int_eq(err, ERR_TOO_LARGE);
    ck_assert_uint_le(state->keys_bytes, BOUND_ACCESS_KEYS_BYTES);
    ck_assert_uint_gt(state->keys_bytes, BOUND_ACCESS_KEYS_BYTES - 8192);
    cm_state_check(state);
    cm_state_free(state);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cm_keys");
    TCase *tcase = tcase_create("keys");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_key_is_created_once_and_a_retry_finds_its_own);
    tcase_add_test(tcase, bad_requests_are_refused_and_change_nothing);
    tcase_add_test(tcase, rotation_keeps_the_old_secret_only_when_told);
    tcase_add_test(tcase, grants_are_set_changed_and_taken_away);
    tcase_add_test(tcase, a_revoked_key_is_gone_and_its_name_is_free);
    tcase_add_test(tcase, a_listing_has_secrets_only_when_asked_and_nothing_when_nothing_is_new);
    tcase_add_test(tcase, a_listing_goes_on_after_a_name_and_comes_in_pages);
    tcase_add_test(tcase, a_rotation_whose_two_copies_are_both_committed_happens_once);
    tcase_add_test(tcase, a_listing_is_answered_only_after_leadership_is_confirmed);
    tcase_add_test(tcase, no_secret_is_told_in_the_story_the_answers_or_a_printed_message);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("limits");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, there_are_at_most_ten_thousand_keys);
    tcase_add_test(tcase, all_keys_together_have_a_limit_in_bytes);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
