/* Updates and reads through a chain that stays as it is (R6-R9, R14, D1-D5). */
#include <stdlib.h>

#include "base/hash.h"
#include "tests/scenario/chain/chain_assert.h"

static struct world *world;

static void set_up(void)
{
    world = world_new(3, 1);
    world_row_push(world, 0, "123", 0);
    world_run(world);
    world_advance(world, 200000);
}

static void tear_down(void)
{
    world_free(world);
}

START_TEST(a_put_is_read_back_at_the_tail)
{
    uint64_t put = world_put(world, 0, "key", "value");
    ck_assert_ptr_null(world_reply(world, put));
    world_run(world);
    const struct wire_updated *reply = updated(world, put);
    ck_assert_uint_eq(reply->outcome, ERR_OK);
    ck_assert_uint_eq(reply->version.epoch, 1);
    ck_assert_uint_eq(reply->version.lsn, 1);
    ck_assert_uint_eq(reply->replicas_durable, 3);
    uint64_t get = world_get(world, 0, "key");
    assert_value(world, get, "value");
    world_advance(world, 300000);
    for (uint32_t node = 1; node <= 3; node++) {
        ck_assert_uint_eq(world_view(world, node, 0).committed, 1);
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_OBJECTS, 0), 1);
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_PENDING, 0), 0);
        ck_assert(world_view(world, node, 0).digest == world_view(world, 1, 0).digest);
    }
    ck_assert(world_same_rows(world, 0, 1, 2));
    ck_assert(world_same_rows(world, 0, 1, 3));
}
END_TEST

START_TEST(nothing_is_acknowledged_before_it_is_durable_on_every_member)
{
    for (uint32_t slow = 1; slow <= 3; slow++) {
        world->nodes[slow].are_stores_held = true;
        uint64_t put = world_put(world, 0, "key", "value");
        world_advance(world, 300000);
        ck_assert_ptr_null(world_reply(world, put));
        uint64_t get = world_get(world, 0, "key");
        if (slow == 1)
            assert_refused(world, get, ERR_NO_KEY);
        world->nodes[slow].are_stores_held = false;
        world_run(world);
        ck_assert_uint_eq(updated(world, put)->outcome, ERR_OK);
    }
}
END_TEST

static bool lose_type(struct world *w, const struct world_message *message, void *context)
{
    (void)w;
    enum wire_type *type = context;
    if (message->message.type != *type)
        return true;
    *type = WIRE_NONE; /* the first one only */
    return false;
}

START_TEST(a_lost_message_of_any_kind_is_recovered_without_new_traffic)
{
    enum wire_type types[] = {WIRE_FORWARD, WIRE_MARK, WIRE_ACK};
    for (size_t i = 0; i < 3; i++) {
        enum wire_type type = types[i];
        world->filter = lose_type;
        world->filter_context = &type;
        uint64_t put = world_put(world, 0, "key", "value");
        world_advance(world, 500000);
        ck_assert_int_eq(type, WIRE_NONE);
        ck_assert_uint_eq(updated(world, put)->outcome, ERR_OK);
        world->filter = NULL;
    }
}
END_TEST

START_TEST(a_gap_is_requested_again)
{
    enum wire_type type = WIRE_FORWARD;
    world->filter = lose_type;
    world->filter_context = &type;
    uint64_t first = world_put(world, 0, "a", "1");
    uint64_t second = world_put(world, 0, "b", "2");
    world_run(world); /* no time passes: the second one reveals the gap */
    ck_assert_uint_eq(updated(world, first)->version.lsn, 1);
    ck_assert_uint_eq(updated(world, second)->version.lsn, 2);
}
END_TEST

START_TEST(messages_in_any_order_and_twice_give_one_history)
{
    world->is_shuffled = true;
    uint64_t puts[40];
    for (unsigned i = 0; i < 40; i++)
        puts[i] = world_put(world, 0, i % 2 ? "a" : "b", "x");
    world_advance(world, 3000000);
    world->is_shuffled = false;
    world_advance(world, 1000000);
    for (unsigned i = 0; i < 40; i++)
        ck_assert_uint_eq(updated(world, puts[i])->version.lsn, i + 1);
    ck_assert(world_same_rows(world, 0, 1, 3));
}
END_TEST

START_TEST(of_32_racing_creates_exactly_one_wins)
{
    uint64_t puts[32];
    struct origin none = {0};
    for (unsigned i = 0; i < 32; i++)
        puts[i] = world_put_at(world, 1, 0, 100 + i, 1, "race", "x", WIRE_CONDITION_ABSENT, none);
    world_run(world);
    unsigned winners = 0;
    for (unsigned i = 0; i < 32; i++) {
        const struct wire_updated *reply = updated(world, puts[i]);
        winners += reply->outcome == ERR_OK ? 1u : 0u;
        if (reply->outcome != ERR_OK) {
            ck_assert_uint_eq(reply->outcome, ERR_CONDITION);
            ck_assert_uint_eq(reply->current.lsn, 1);
        }
    }
    ck_assert_uint_eq(winners, 1);
}
END_TEST

START_TEST(conditions_see_pending_updates_and_match_versions)
{
    world->nodes[3].are_stores_held = true;
    uint64_t put = world_put(world, 0, "key", "one");
    struct origin version = {.epoch = 1, .lsn = 1};
    uint64_t good = world_put_at(world, 1, 0, 9, 1, "key", "two", WIRE_CONDITION_MATCH, version);
    uint64_t bad = world_put_at(world, 1, 0, 9, 2, "key", "three", WIRE_CONDITION_MATCH, version);
    uint64_t absent = world_put_at(world, 1, 0, 9, 3, "other", "x", WIRE_CONDITION_EXISTS, version);
    world->nodes[3].are_stores_held = false;
    world_run(world);
    ck_assert_uint_eq(updated(world, put)->outcome, ERR_OK);
    ck_assert_uint_eq(updated(world, good)->outcome, ERR_OK);
    ck_assert_uint_eq(updated(world, bad)->outcome, ERR_CONDITION);
    ck_assert_uint_eq(updated(world, bad)->current.lsn, 2);
    ck_assert_uint_eq(updated(world, absent)->outcome, ERR_CONDITION);
    ck_assert_uint_eq(updated(world, absent)->current.lsn, 0);
}
END_TEST

START_TEST(a_delete_removes_the_row_and_deleting_nothing_says_so)
{
    world_put(world, 0, "key", "value");
    world_run(world);
    uint64_t gone = world_delete(world, 0, "key");
    uint64_t again = world_delete(world, 0, "key");
    world_run(world);
    ck_assert_uint_eq(updated(world, gone)->outcome, ERR_OK);
    ck_assert_uint_eq(updated(world, again)->outcome, ERR_NO_KEY);
    assert_refused(world, world_get(world, 0, "key"), ERR_NO_KEY);
    world_advance(world, 300000);
    for (uint32_t node = 1; node <= 3; node++)
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_OBJECTS, 0), 0);
    uint64_t put = world_put(world, 0, "key", "again"); /* versions never go back (S4) */
    world_run(world);
    ck_assert_uint_eq(updated(world, put)->version.lsn, 4);
}
END_TEST

START_TEST(a_retry_gets_the_first_outcome)
{
    struct origin none = {0};
    uint64_t first = world_put_at(world, 1, 0, 5, 1, "k", "v", WIRE_CONDITION_ABSENT, none);
    uint64_t early = world_put_at(world, 1, 0, 5, 1, "k", "v", WIRE_CONDITION_ABSENT, none);
    ck_assert_ptr_null(world_reply(world, early));
    world_run(world);
    uint64_t memory = world_put_at(world, 1, 0, 5, 1, "k", "v", WIRE_CONDITION_ABSENT, none);
    world_advance(world, 1000000);
    uint64_t row = world_put_at(world, 1, 0, 5, 1, "k", "v", WIRE_CONDITION_ABSENT, none);
    uint64_t all[] = {first, early, memory, row};
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_eq(updated(world, all[i])->outcome, ERR_OK);
        ck_assert_uint_eq(updated(world, all[i])->version.lsn, 1);
    }
    uint64_t other = world_put_at(world, 1, 0, 5, 2, "k", "v", WIRE_CONDITION_ABSENT, none);
    world_run(world);
    ck_assert_uint_eq(updated(world, other)->outcome, ERR_CONDITION);
}
END_TEST

START_TEST(bad_requests_are_refused)
{
    struct origin none = {0};
    char long_key[BOUND_KEY_BYTES + 2];
    memset(long_key, 'k', sizeof long_key);
    long_key[BOUND_KEY_BYTES + 1] = '\0';
    assert_refused(world, world_put(world, 0, long_key, "v"), ERR_TOO_LARGE);
    assert_refused(world, world_put(world, 0, "", "v"), ERR_INVALID);
    assert_refused(world, world_put(world, 0, "\xff\xfe", "v"), ERR_BAD_UTF8);
    assert_refused(world, world_put_at(world, 1, 0, 0, 1, "k", "v", 0, none), ERR_INVALID);
    assert_refused(world, world_put_at(world, 1, 0, 1, 0, "k", "v", 0, none), ERR_INVALID);
    assert_refused(world, world_put_at(world, 1, 0, 1, 1, "k", "v", 9, none), ERR_INVALID);
    assert_refused(world, world_put_at(world, 2, 0, 1, 1, "k", "v", 0, none), ERR_WRONG_ROLE);
}
END_TEST

START_TEST(a_damaged_value_is_refused_by_the_head)
{
    struct wire_message message = {.type = WIRE_PUT, .payload = buf_copy(slice_of_text("value"))};
    message.u.put = (struct wire_put){.request = 77,
                                      .epoch = 1,
                                      .session = 1,
                                      .seq = 1,
                                      .bucket = WORLD_BUCKET,
                                      .key = slice_of_text("k"),
                                      .size = 5,
                                      .checksum = 12345};
    world_client(world, 1, 1, &message);
    assert_refused(world, 77, ERR_CORRUPT);
    ck_assert_uint_eq(world_view(world, 1, 0).applied.lsn, 0);
}
END_TEST

static bool damage_forward(struct world *w, const struct world_message *message, void *context)
{
    (void)w;
    bool *is_done = context;
    if (message->message.type != WIRE_FORWARD || *is_done)
        return true;
    *is_done = true;
    ((struct world_message *)(uintptr_t)message)->message.u.forward.checksum ^= 1;
    return true;
}

START_TEST(a_forward_that_was_damaged_is_asked_for_again)
{
    bool is_done = false;
    world->filter = damage_forward;
    world->filter_context = &is_done;
    uint64_t put = world_put(world, 0, "k", "v");
    world_run(world);
    ck_assert(is_done);
    ck_assert_uint_eq(updated(world, put)->outcome, ERR_OK);
    ck_assert(world_same_rows(world, 0, 1, 3));
}
END_TEST

START_TEST(a_full_disk_refuses_puts_and_lets_deletes_work)
{
    world_put(world, 0, "k", "v");
    world_run(world);
    for (uint32_t full = 1; full <= 3; full++) { /* any member's disk counts */
        struct cn_event event = {.kind = CN_EVENT_SPACE, .is_full = true};
        world_event(world, full, &event);
        world_run(world);
        assert_refused(world, world_put(world, 0, "k2", "v"), ERR_NO_SPACE);
        world->seq[0]--;
        uint64_t gone = world_delete(world, 0, "k");
        world_run(world);
        ck_assert_uint_eq(updated(world, gone)->outcome, full == 1 ? ERR_OK : ERR_NO_KEY);
        event = (struct cn_event){.kind = CN_EVENT_SPACE, .is_full = false};
        world_event(world, full, &event);
        world_run(world);
    }
    uint64_t put = world_put(world, 0, "k2", "v");
    world_run(world);
    ck_assert_uint_eq(updated(world, put)->outcome, ERR_OK);
}
END_TEST

START_TEST(only_what_was_reported_stored_is_durable)
{
    world->nodes[1].are_stores_held = true;
    world_put(world, 0, "a", "1");
    world_flush(world);
    world_put(world, 0, "b", "2");
    world_flush(world);
    world_put(world, 0, "c", "3");
    world_flush(world); /* two batches are under way: this one waits (group commit) */
    ck_assert_uint_eq(world->nodes[1].tokens_count, 2);
    world_complete_store(world, 1);
    ck_assert_uint_eq(world_view(world, 1, 0).durable, 1);
    world_flush(world);
    world_complete_store(world, 1);
    ck_assert_uint_eq(world_view(world, 1, 0).durable, 2);
    world_complete_store(world, 1);
    ck_assert_uint_eq(world_view(world, 1, 0).durable, 3);
}
END_TEST

START_TEST(a_store_that_fails_ends_the_process)
{
    world->nodes[2].are_stores_held = true;
    world_put(world, 0, "k", "v");
    world_run(world);
    struct cn_event event = {
        .kind = CN_EVENT_STORED, .token = world->nodes[2].tokens[0], .err = ERR_IO};
    world_event(world, 2, &event);
    ck_assert_int_eq(world->nodes[2].halted, ERR_DISK_LOST);
}
END_TEST

START_TEST(windows_are_bounded_and_busy_is_said)
{
    world->nodes[3].are_stores_held = true;
    unsigned busy = 0;
    struct origin none = {0};
    for (unsigned i = 0; i < BOUND_CHAIN_PENDING_ENTRIES + 10; i++) {
        uint64_t put = world_put_at(world, 1, 0, 1000 + i, 1, "k", "v", 0, none);
        const struct wire_message *reply = world_reply(world, put);
        busy += reply != NULL ? 1u : 0u;
        if (reply != NULL)
            assert_refused(world, put, ERR_BUSY);
    }
    ck_assert_uint_eq(busy, 10);
    world->nodes[3].are_stores_held = false;
    world_run(world);
    ck_assert_uint_eq(world_view(world, 1, 0).committed, BOUND_CHAIN_PENDING_ENTRIES);
}
END_TEST

START_TEST(reads_need_the_tail_its_epoch_and_a_lease)
{
    world_put(world, 0, "k", "v");
    world_run(world);
    assert_refused(world, world_get_at(world, 1, 0, "k"), ERR_WRONG_ROLE);
    assert_refused(world, world_get_at(world, 2, 0, "k"), ERR_WRONG_ROLE);
    world->rows[0].epoch = 0;
    uint64_t old = world_get(world, 0, "k");
    assert_refused(world, old, ERR_WRONG_EPOCH);
    ck_assert_uint_eq(world_reply(world, old)->u.refused.rows_count, 1);
    ck_assert_uint_eq(world_reply(world, old)->u.refused.rows[0].epoch, 1);
    world->rows[0].epoch = 2;
    assert_refused(world, world_get(world, 0, "k"), ERR_NOT_READY);
    world->rows[0].epoch = 1;
    assert_value(world, world_get(world, 0, "k"), "v");
    world->are_leases_off = true;
    world_advance(world, 1200000);
    assert_refused(world, world_get(world, 0, "k"), ERR_NO_LEASE);
}
END_TEST

START_TEST(a_client_that_left_is_not_answered)
{
    uint64_t put = world_put(world, 0, "k", "v");
    struct cn_event event = {.kind = CN_EVENT_CLIENT_GONE, .conn = 1};
    world_event(world, 1, &event);
    world_run(world);
    ck_assert_ptr_null(world_reply(world, put));
    assert_value(world, world_get(world, 0, "k"), "v");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain_update");
    TCase *tests = tcase_create("chain_update");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_put_is_read_back_at_the_tail);
    tcase_add_test(tests, nothing_is_acknowledged_before_it_is_durable_on_every_member);
    tcase_add_test(tests, a_lost_message_of_any_kind_is_recovered_without_new_traffic);
    tcase_add_test(tests, a_gap_is_requested_again);
    tcase_add_test(tests, messages_in_any_order_and_twice_give_one_history);
    tcase_add_test(tests, of_32_racing_creates_exactly_one_wins);
    tcase_add_test(tests, conditions_see_pending_updates_and_match_versions);
    tcase_add_test(tests, a_delete_removes_the_row_and_deleting_nothing_says_so);
    tcase_add_test(tests, a_retry_gets_the_first_outcome);
    tcase_add_test(tests, bad_requests_are_refused);
    tcase_add_test(tests, a_damaged_value_is_refused_by_the_head);
    tcase_add_test(tests, a_forward_that_was_damaged_is_asked_for_again);
    tcase_add_test(tests, a_full_disk_refuses_puts_and_lets_deletes_work);
    tcase_add_test(tests, only_what_was_reported_stored_is_durable);
    tcase_add_test(tests, a_store_that_fails_ends_the_process);
    tcase_add_test(tests, windows_are_bounded_and_busy_is_said);
    tcase_add_test(tests, reads_need_the_tail_its_epoch_and_a_lease);
    tcase_add_test(tests, a_client_that_left_is_not_answered);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
