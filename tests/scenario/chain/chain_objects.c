/* Large values, listings and sessions (D2-D4, R11, R18). */
#include <stdlib.h>

#include "tests/scenario/chain/chain_assert.h"

static struct world *world;
static const struct origin none;

static void set_up(void)
{
    world = world_new(3, 3);
    for (uint32_t chain = 0; chain < 3; chain++)
        world_row_push(world, chain, "123", 0);
    world_run(world);
    world_advance(world, 200000);
}

static void tear_down(void)
{
    world_free(world);
}

/* ---- large values ---- */

static void upload_two(uint64_t upload)
{
    uint64_t first = world_stage(world, 0, "big", upload, 0, "aaaa");
    uint64_t second = world_stage(world, 0, "big", upload, 1, "bb");
    world_run(world);
    assert_outcome(world, first, ERR_OK);
    assert_outcome(world, second, ERR_OK);
}

START_TEST(a_large_value_appears_when_it_is_published)
{
    upload_two(7);
    assert_refused(world, world_get(world, 0, "big"), ERR_NO_KEY);
    uint64_t put = world_publish(world, 0, "big", 7, 2, 4, 6);
    world_run(world);
    assert_outcome(world, put, ERR_OK);
    const struct wire_message *reply = world_reply(world, world_get(world, 0, "big"));
    ck_assert_int_eq(reply->type, WIRE_OBJECT);
    ck_assert_uint_eq(reply->u.object.upload_low, 7);
    ck_assert_uint_eq(reply->u.object.chunk_count, 2);
    ck_assert_uint_eq(reply->u.object.size, 6);
    world_advance(world, 300000);
    for (uint32_t node = 1; node <= 3; node++) {
        uint8_t key[CN_CHUNK_KEY_BYTES];
        cn_chunk_key(0, 0, 7, 1, key);
        struct kv kv = kv_memory_interface(world->nodes[node].store);
        struct buf *row;
        ck_assert_int_eq(kv_get(&kv, CN_FAMILY_CHUNKS, slice_of(key, sizeof key), &row), ERR_OK);
        ck_assert_ptr_nonnull(row);
        ck_assert_uint_eq(row->length, 8 + 2);
        ck_assert_int_eq(memcmp(row->data + 8, "bb", 2), 0);
        buf_unref(row);
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_UPLOADS, 0), 0);
    }
}
END_TEST

START_TEST(a_gap_in_an_upload_is_refused)
{
    uint64_t gap = world_stage(world, 0, "big", 7, 1, "bb");
    world_run(world);
    assert_outcome(world, gap, ERR_UPLOAD_GONE);
    world_stage(world, 0, "big", 7, 0, "aaaa");
    uint64_t later = world_stage(world, 0, "big", 7, 2, "cc");
    world_run(world);
    assert_outcome(world, later, ERR_UPLOAD_ORDER);
    uint64_t put = world_publish(world, 0, "big", 7, 2, 4, 6);
    world_run(world);
    assert_outcome(world, put, ERR_UPLOAD_ORDER);
    assert_refused(world, world_get(world, 0, "big"), ERR_NO_KEY);
}
END_TEST

START_TEST(a_repeated_chunk_is_one_chunk)
{
    world->nodes[3].are_stores_held = true;
    uint64_t first = world_stage(world, 0, "big", 7, 0, "aaaa");
    uint64_t again = world_stage(world, 0, "big", 7, 0, "aaaa");
    world_run(world);
    assert_no_reply(world, again);
    world->nodes[3].are_stores_held = false;
    world_advance(world, 300000);
    assert_outcome(world, first, ERR_OK);
    assert_outcome(world, again, ERR_OK);
    uint64_t late = world_stage(world, 0, "big", 7, 0, "aaaa");
    assert_outcome(world, late, ERR_OK);
    ck_assert_uint_eq(world_view(world, 1, 0).applied.lsn, 1);
}
END_TEST

START_TEST(an_aborted_upload_is_gone_with_its_chunks)
{
    upload_two(7);
    uint64_t abort_request = world_abort(world, 0, "big", 7);
    uint64_t put = world_publish(world, 0, "big", 7, 2, 4, 6);
    world_advance(world, 300000);
    assert_outcome(world, abort_request, ERR_OK);
    assert_outcome(world, put, ERR_UPLOAD_GONE);
    for (uint32_t node = 1; node <= 3; node++)
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_CHUNKS, 0), 0);
}
END_TEST

START_TEST(a_late_chunk_of_a_published_upload_does_not_open_it_again)
{
    upload_two(7);
    world_publish(world, 0, "big", 7, 2, 4, 6);
    uint64_t early = world_stage(world, 0, "big", 7, 0, "aaaa");
    world_advance(world, 300000);
    uint64_t late = world_stage(world, 0, "big", 7, 0, "aaaa");
    uint64_t gone = world_abort(world, 0, "big", 7);
    world_advance(world, 300000);
    assert_outcome(world, early, ERR_OK);
    assert_outcome(world, late, ERR_OK);
    assert_outcome(world, gone, ERR_UPLOAD_GONE);
    ck_assert_uint_eq(world_rows(world, 1, CN_FAMILY_UPLOADS, 0), 0);
    ck_assert_uint_eq(world_rows(world, 1, CN_FAMILY_CHUNKS, 0), 2);
}
END_TEST

START_TEST(replaced_chunks_are_purged_after_the_grace)
{
    upload_two(7);
    world_publish(world, 0, "big", 7, 2, 4, 6);
    world_run(world);
    world_put(world, 0, "big", "small now");
    world_advance(world, 1000000);
    for (uint32_t node = 1; node <= 3; node++) {
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_CHUNKS, 0), 2);
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_PURGE, 0), 1);
    }
    world_advance(world, 3000000);
    for (uint32_t node = 1; node <= 3; node++) {
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_CHUNKS, 0), 0);
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_PURGE, 0), 0);
    }
    assert_value(world, world_get(world, 0, "big"), "small now");
}
END_TEST

static void flush_two(void)
{
    struct cn_event event = {.kind = CN_EVENT_FLUSH};
    world_event(world, 2, &event);
}

/* Node 2 writes slowly: two batches are always under way. */
static void slow_down_two(const char *more)
{
    world->nodes[2].are_stores_held = true;
    for (; *more != '\0'; more++) {
        char key[2] = {*more, '\0'};
        world_put(world, 0, key, "x");
        world_run(world);
    }
    ck_assert_uint_eq(world->nodes[2].tokens_count, 2);
}

static void assert_chunk_is_everywhere(void)
{
    world->nodes[2].are_stores_held = false;
    world_advance(world, 300000);
    for (uint32_t node = 1; node <= 3; node++) {
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_UPLOADS, 0), 1);
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_CHUNKS, 0), 1);
    }
}

/* It knows that the ABORT is committed, and has had no batch for it, when a late copy of the chunk
 * comes. */
START_TEST(a_chunk_that_follows_the_abort_of_its_upload_stays)
{
    uint64_t first = world_stage(world, 0, "big", 7, 0, "aaaa");
    world_advance(world, 300000);
    assert_outcome(world, first, ERR_OK);
    world->nodes[2].are_stores_held = true;
    uint64_t gone = world_abort(world, 0, "big", 7);
    world_run(world);
    slow_down_two("a");
    world_put(world, 0, "b", "x");
    world_run(world);
    world_complete_store(world, 2);
    flush_two(); /* "b" goes to the disk: no place for a third batch */
    ck_assert_uint_eq(world->nodes[2].tokens_count, 2);
    world_run(world);
    assert_outcome(world, gone, ERR_OK);
    ck_assert_uint_eq(world_rows(world, 1, CN_FAMILY_CHUNKS, 0), 0);
    ck_assert_uint_eq(world_rows(world, 2, CN_FAMILY_CHUNKS, 0), 1);
    world_stage(world, 0, "big", 7, 0, "aaaa");
    world_run(world);
    assert_chunk_is_everywhere();
}
END_TEST

START_TEST(a_chunk_that_follows_the_purge_of_its_upload_stays)
{
    uint64_t first = world_stage(world, 0, "big", 7, 0, "aaaa");
    world_publish(world, 0, "big", 7, 1, 4, 4);
    world_put(world, 0, "big", "small now");
    world_advance(world, 1000000);
    assert_outcome(world, first, ERR_OK);
    slow_down_two("ab");
    world_advance(world, 3000000); /* the grace is over */
    ck_assert_uint_eq(world_rows(world, 1, CN_FAMILY_CHUNKS, 0), 0);
    ck_assert_uint_eq(world_rows(world, 2, CN_FAMILY_CHUNKS, 0), 1);
    world_stage(world, 0, "big", 7, 0, "aaaa");
    world_run(world);
    assert_chunk_is_everywhere();
}
END_TEST

START_TEST(abandoned_uploads_are_collected_by_the_head)
{
    upload_two(7);
    world_advance(world, 8000000);
    ck_assert_uint_eq(world_rows(world, 3, CN_FAMILY_UPLOADS, 0), 1);
    world_advance(world, 12000000);
    for (uint32_t node = 1; node <= 3; node++) {
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_UPLOADS, 0), 0);
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_CHUNKS, 0), 0);
    }
}
END_TEST

START_TEST(staged_chunks_survive_a_whole_chain_restart)
{
    upload_two(7);
    uint64_t pending = world_stage(world, 0, "open", 8, 0, "cccc");
    world_flush(world);
    world_complete_store(world, 1);
    world_lose_messages(world);
    for (uint32_t node = 1; node <= 3; node++)
        world_crash(world, node, 0);
    assert_no_reply(world, pending);
    world_restart(world, 1);
    world_row_push(world, 0, "1", 0);
    world_advance(world, 200000);
    uint64_t put = world_publish(world, 0, "big", 7, 2, 4, 6);
    uint64_t second = world_publish(world, 0, "open", 8, 1, 4, 4);
    world_run(world);
    assert_outcome(world, put, ERR_OK);
    assert_outcome(world, second, ERR_OK);
}
END_TEST

/* ---- listings ---- */

static void assert_list(uint64_t request, const char *expected, bool is_truncated)
{
    const struct wire_message *reply = world_reply(world, request);
    ck_assert_ptr_nonnull(reply);
    ck_assert_int_eq(reply->type, WIRE_LISTED);
    struct text found;
    text_init(&found);
    for (uint32_t i = 0; i < reply->u.listed.items_count; i++) {
        text_append_bytes(&found, reply->u.listed.items[i].key);
        text_append(&found, " ");
    }
    ck_assert_str_eq(text_cstr(&found), expected);
    ck_assert_int_eq(reply->u.listed.truncated, is_truncated);
    ck_assert_uint_eq(reply->u.listed.chains_count, world->chains);
    text_release(&found);
}

static void put_tree(void)
{
    static const char *const keys[] = {"a",  "b/1", "b/2",   "b/c/3", "b/c/4",
                                       "b0", "c/x", "c/y/z", "d",     "e/"};
    for (uint32_t i = 0; i < 10; i++)
        world_put(world, i % 3, keys[i], "v");
    world_run(world);
}

START_TEST(a_listing_merges_all_chains_in_key_order)
{
    put_tree();
    uint64_t all = world_list(world, 3, "", "", "", 0);
    world_run(world);
    assert_list(all, "a b/1 b/2 b/c/3 b/c/4 b0 c/x c/y/z d e/ ", false);
    uint64_t prefix = world_list(world, 3, "b/", "", "", 0);
    uint64_t after = world_list(world, 3, "b/", "b/2", "", 0);
    uint64_t page = world_list(world, 3, "", "a", "", 3);
    uint64_t nothing = world_list(world, 3, "zzz", "", "", 3);
    uint64_t beyond = world_list(world, 3, "b/", "c", "", 3);
    world_run(world);
    assert_list(prefix, "b/1 b/2 b/c/3 b/c/4 ", false);
    assert_list(after, "b/c/3 b/c/4 ", false);
    assert_list(page, "b/1 b/2 b/c/3 ", true);
    assert_list(nothing, "", false);
    assert_list(beyond, "", false);
}
END_TEST

START_TEST(a_delimiter_folds_groups_and_pages_go_over_them)
{
    put_tree();
    uint64_t top = world_list(world, 3, "", "", "/", 0);
    uint64_t inside = world_list(world, 3, "b/", "", "/", 0);
    uint64_t first = world_list(world, 3, "", "", "/", 2);
    uint64_t second = world_list(world, 3, "", "b/", "/", 2);
    uint64_t third = world_list(world, 3, "", "c/", "/", 2);
    world_run(world);
    assert_list(top, "a b/ b0 c/ d e/ ", false);
    assert_list(inside, "b/1 b/2 b/c/ ", false);
    assert_list(first, "a b/ ", true);
    assert_list(second, "b0 c/ ", true);
    assert_list(third, "d e/ ", false);
}
END_TEST

START_TEST(a_listing_waits_until_what_is_committed_is_in_the_rows)
{
    world_put(world, 1, "key", "v");
    for (unsigned i = 0; i < 40 && world_view(world, 3, 1).committed == 0; i++) {
        (void)world_step_message(world);
        world_flush(world);
        for (uint32_t node = 1; node <= 3; node++)
            if (node != 3 || world_view(world, 3, 1).durable == 0)
                world_complete_store(world, node);
        world_flush(world);
    }
    ck_assert_uint_eq(world_view(world, 3, 1).committed, 1);
    world->nodes[3].are_stores_held = true;
    uint64_t list = world_list(world, 3, "", "", "", 0);
    world_run(world);
    assert_no_reply(world, list);
    world->nodes[3].are_stores_held = false;
    world_run(world);
    assert_list(list, "key ", false);
}
END_TEST

START_TEST(a_listing_is_refused_when_one_chain_is_elsewhere)
{
    put_tree();
    assert_refused(world, world_list(world, 2, "", "", "", 0), ERR_WRONG_ROLE);
    world_row_push(world, 1, "132", 0);
    world_advance(world, 200000);
    uint64_t list = world_list(world, 3, "", "", "", 0);
    assert_refused(world, list, ERR_WRONG_ROLE);
    ck_assert_uint_eq(world_reply(world, list)->u.refused.rows[0].chain, 1);
}
END_TEST

START_TEST(a_listing_during_a_change_is_complete_or_an_error)
{
    put_tree();
    world_advance(world, 300000);
    world->nodes[3].are_stores_held = true;
    world_put(world, 2, "zz", "v");
    world_run(world);
    world->nodes[3].are_stores_held = false;
    world_complete_store(world, 3);
    world->nodes[3].are_stores_held = true;
    world_run(world);
    uint64_t list = world_list(world, 3, "", "", "", 0);
    assert_no_reply(world, list);
    world_row_push(world, 2, "12", 0);
    world_run(world);
    assert_refused(world, list, ERR_WRONG_EPOCH);
}
END_TEST

START_TEST(unknown_buckets_are_refused)
{
    struct wire_message message = {.type = WIRE_GET};
    message.u.get = (struct wire_get){
        .request = 500, .epoch = 1, .bucket = 99, .key = slice_of_text("k"), .map_version = 1};
    world_client(world, 3, 1, &message);
    assert_refused(world, 500, ERR_NO_BUCKET);
    message = (struct wire_message){.type = WIRE_GET};
    message.u.get = (struct wire_get){
        .request = 501, .epoch = 1, .bucket = 99, .key = slice_of_text("k"), .map_version = 1000};
    world_client(world, 3, 1, &message);
    assert_refused(world, 501, ERR_NOT_READY);
}
END_TEST

/* ---- sessions ---- */

START_TEST(answered_updates_are_forgotten_and_a_late_copy_is_refused)
{
    for (uint64_t seq = 1; seq <= 150; seq++) {
        world->seq[0] = seq - 1;
        uint64_t put = world_put(world, 0, "key", "v");
        world_run(world);
        assert_outcome(world, put, ERR_OK);
    }
    world_advance(world, 300000);
    uint64_t late = world_put_at(world, 1, 0, 1, 10, "key", "old", WIRE_CONDITION_NONE, none);
    assert_refused(world, late, ERR_OUTCOME_UNKNOWN);
    ck_assert_uint_eq(world_rows(world, 2, CN_FAMILY_SESSIONS, 0), 1 + 101);
    uint64_t far = world_put_at(world, 1, 0, 2, 1000, "key", "v", WIRE_CONDITION_NONE, none);
    world_run(world);
    assert_outcome(world, far, ERR_OK); /* its floor moved with it */
}
END_TEST

START_TEST(the_least_recently_used_session_expires_everywhere)
{
    for (uint64_t session = 1; session <= BOUND_SESSIONS_PER_CHAIN; session++) {
        world_put_at(world, 1, 0, session, 1, "key", "v", WIRE_CONDITION_NONE, none);
        if (session % 64 == 0)
            world_run(world);
    }
    world_put_at(world, 1, 0, 1, 2, "key", "v", WIRE_CONDITION_NONE, none); /* 2 is oldest now */
    world_run(world);
    uint64_t one_more = world_put_at(world, 1, 0, 5000, 1, "key", "v", WIRE_CONDITION_NONE, none);
    world_advance(world, 300000);
    assert_outcome(world, one_more, ERR_OK);
    uint64_t expired = world_put_at(world, 1, 0, 2, 1, "key", "v", WIRE_CONDITION_NONE, none);
    assert_refused(world, expired, ERR_SESSION_EXPIRED);
    uint64_t kept = world_put_at(world, 1, 0, 1, 2, "key", "v", WIRE_CONDITION_NONE, none);
    assert_outcome(world, kept, ERR_OK);
    ck_assert_uint_eq(world_rows(world, 3, CN_FAMILY_SESSIONS, 0),
                      2 * BOUND_SESSIONS_PER_CHAIN + 1);
    ck_assert(world_same_rows(world, 0, 1, 3));
    world_crash(world, 1, 0); /* the next head knows the floor, too */
    world_row_push(world, 0, "23", 0);
    world_advance(world, 300000);
    expired = world_put_at(world, 2, 0, 2, 1, "key", "v", WIRE_CONDITION_NONE, none);
    assert_refused(world, expired, ERR_SESSION_EXPIRED);
    for (uint32_t node = 2; node <= 3; node++)
        world_crash(world, node, 0);
    world_restart(world, 3);
    world_row_push(world, 0, "3", 0); /* and so does a disk */
    world_advance(world, 300000);
    expired = world_put_at(world, 3, 0, 2, 1, "key", "v", WIRE_CONDITION_NONE, none);
    assert_refused(world, expired, ERR_SESSION_EXPIRED);
    kept = world_put_at(world, 3, 0, 1, 2, "key", "v", WIRE_CONDITION_NONE, none);
    assert_outcome(world, kept, ERR_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain_objects");
    TCase *tests = tcase_create("chain_objects");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_large_value_appears_when_it_is_published);
    tcase_add_test(tests, a_gap_in_an_upload_is_refused);
    tcase_add_test(tests, a_repeated_chunk_is_one_chunk);
    tcase_add_test(tests, an_aborted_upload_is_gone_with_its_chunks);
    tcase_add_test(tests, a_late_chunk_of_a_published_upload_does_not_open_it_again);
    tcase_add_test(tests, replaced_chunks_are_purged_after_the_grace);
    tcase_add_test(tests, a_chunk_that_follows_the_abort_of_its_upload_stays);
    tcase_add_test(tests, a_chunk_that_follows_the_purge_of_its_upload_stays);
    tcase_add_test(tests, abandoned_uploads_are_collected_by_the_head);
    tcase_add_test(tests, staged_chunks_survive_a_whole_chain_restart);
    tcase_add_test(tests, a_listing_merges_all_chains_in_key_order);
    tcase_add_test(tests, a_delimiter_folds_groups_and_pages_go_over_them);
    tcase_add_test(tests, a_listing_waits_until_what_is_committed_is_in_the_rows);
    tcase_add_test(tests, a_listing_is_refused_when_one_chain_is_elsewhere);
    tcase_add_test(tests, a_listing_during_a_change_is_complete_or_an_error);
    tcase_add_test(tests, unknown_buckets_are_refused);
    tcase_add_test(tests, answered_updates_are_forgotten_and_a_late_copy_is_refused);
    tcase_add_test(tests, the_least_recently_used_session_expires_everywhere);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
