/* Leases are matched to their own heartbeat (R30); a refused node stops and says why. */
#include <check.h>
#include <stdlib.h>

#include "tests/scenario/chain/chain_assert.h"

static struct world *world;

static void set_up(void)
{
    world = world_new(1, 1);
    world->are_leases_off = true;
    world_row_push(world, 0, "1", 0);
    world_advance(world, 300000);
}

static void tear_down(void)
{
    world_free(world);
}

static void reply(uint64_t beat, uint64_t incarnation, uint32_t err, uint64_t lease_ms)
{
    struct wire_message message = {.type = WIRE_BEAT_REPLY};
    message.u.beat_reply = (struct wire_beat_reply){.beat = beat,
                                                    .incarnation = incarnation,
                                                    .err = err,
                                                    .lease = lease_ms > 0,
                                                    .lease_ms = lease_ms,
                                                    .lease_map_version = 1,
                                                    .text = slice_of_text("because")};
    struct cn_event event = {.kind = CN_EVENT_RECEIVE_MASTER, .message = &message};
    world_event(world, 1, &event);
}

START_TEST(a_lease_counts_from_the_send_time_of_its_heartbeat)
{
    world->nodes[1].is_beat_lost = true;
    reply(1, 1, ERR_OK, 250); /* the first beat was sent at least 250 ms ago */
    assert_refused(world, world_get(world, 0, "key"), ERR_NO_LEASE);
    reply(1, 1, ERR_OK, 10000);
    assert_refused(world, world_get(world, 0, "key"), ERR_NO_KEY);
    world_advance(world, 10000000);
    assert_refused(world, world_get(world, 0, "key"), ERR_NO_LEASE);
}
END_TEST

START_TEST(replies_for_others_or_for_unknown_beats_grant_nothing)
{
    reply(1, 2, ERR_OK, 10000);  /* another incarnation's */
    reply(99, 1, ERR_OK, 10000); /* never sent */
    reply(0, 1, ERR_OK, 10000);
    assert_refused(world, world_get(world, 0, "key"), ERR_NO_LEASE);
}
END_TEST

START_TEST(a_duplicate_id_or_a_wrong_disk_or_cluster_halts_with_a_text)
{
    enum err errs[] = {ERR_DUPLICATE_ID, ERR_WRONG_DISK, ERR_WRONG_CLUSTER};
    for (unsigned i = 0; i < 3; i++) {
        reply(1, 2, errs[i], 0); /* meant for another */
        ck_assert_int_eq(world->nodes[1].halted, ERR_OK);
        reply(1, 1, errs[i], 0);
        ck_assert_int_eq(world->nodes[1].halted, errs[i]);
        tear_down();
        set_up();
    }
}
END_TEST

static uint64_t echoed;

static bool note_echo(struct world *at, uint32_t node, const struct wire_heartbeat *beat,
                      void *context)
{
    (void)at;
    (void)node;
    (void)context;
    echoed = beat->echo;
    return false;
}

START_TEST(the_highest_challenge_to_this_incarnation_is_echoed)
{
    world->on_beat = note_echo;
    struct wire_message message = {.type = WIRE_BEAT_REPLY};
    message.u.beat_reply = (struct wire_beat_reply){.beat = 1, .incarnation = 2, .challenge = 77};
    struct cn_event event = {.kind = CN_EVENT_RECEIVE_MASTER, .message = &message};
    world_event(world, 1, &event);
    world_advance(world, 200000);
    ck_assert_uint_eq(echoed, 0);
    message.u.beat_reply.incarnation = 1;
    world_event(world, 1, &event);
    message.u.beat_reply.challenge = 76; /* late */
    world_event(world, 1, &event);
    world_advance(world, 200000);
    ck_assert_uint_eq(echoed, 77);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cn_heartbeat");
    TCase *tests = tcase_create("cn_heartbeat");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_lease_counts_from_the_send_time_of_its_heartbeat);
    tcase_add_test(tests, replies_for_others_or_for_unknown_beats_grant_nothing);
    tcase_add_test(tests, a_duplicate_id_or_a_wrong_disk_or_cluster_halts_with_a_text);
    tcase_add_test(tests, the_highest_challenge_to_this_incarnation_is_echoed);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
