/* Heartbeats: admission (R4, checklist 36-39), leases (R28, R30, R31), the detector's evidence. */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/cm_core/world.h"

static struct world world;

static void setup(void)
{
    world_init(&world);
    world_start(&world, 3, 3);
}

static void teardown(void)
{
    world_release(&world);
}

/* The chain whose tail the node is. */
static uint32_t tail_chain(uint32_t node)
{
    for (uint32_t i = 0; i < 3; i++) {
        const struct plan_row *row = world_row(&world, i);
        if (row->members[row->members_count - 1].node == node)
            return i;
    }
    ck_abort_msg("tail of nothing");
    return 0;
}

START_TEST(leases_are_granted_only_while_the_leader_surely_leads)
{
    ck_assert(world_node(&world, 1)->last_lease);
    world.grants = false;
    world_run(&world, 200000);
    ck_assert(!world_node(&world, 1)->last_lease);
    world.grants = true;
    world_run(&world, 200000);
    ck_assert(world_node(&world, 1)->last_lease);
}
END_TEST

/* R28: the decided removal is not acknowledged: it could read on with the old row. */
START_TEST(no_lease_for_who_has_not_acknowledged_its_removal)
{
    struct world_node *node = world_node(&world, 3);
    uint32_t chain = tail_chain(3);
    node->deaf = true;
    node->is_mute = true;
    world_run(&world, 500000);
    ck_assert(cm_core_state(world.core)->chains[chain].has_decided);
    node->is_mute = false;
    world_run(&world, 200000);
    ck_assert(cm_core_state(world.core)->chains[chain].has_decided);
    ck_assert(!node->last_lease);
    world_run(&world, 1500000);
    ck_assert(!cm_core_state(world.core)->chains[chain].has_decided);
    ck_assert(node->last_lease);
    /* ... and only with a map that tells it so. */
    ck_assert_uint_ge(node->last_lease_map_version,
                      cm_state_node(cm_core_state(world.core), 3)->fence_version);
    ck_assert_uint_gt(node->last_lease_map_version, 0);
}
END_TEST

/* R29: who has acknowledged is not waited for. */
START_TEST(acknowledged_removal_is_active_before_the_lease_ends)
{
    struct world_node *node = world_node(&world, 3);
    uint32_t chain = tail_chain(3);
    node->is_mute = true;
    world_run(&world, 500000);
    ck_assert(cm_core_state(world.core)->chains[chain].has_decided);
    node->is_mute = false; /* it was told meanwhile */
    world_run(&world, 100000);
    ck_assert(!cm_core_state(world.core)->chains[chain].has_decided);
}
END_TEST

/* R29: a silent tail's lease is waited for, to the last microsecond. */
START_TEST(silent_tail_is_active_until_its_last_lease_has_run_out)
{
    uint32_t chain = tail_chain(3);
    struct world_node *node = world_node(&world, 3);
    uint64_t last_us = world.now_us; /* of its last heartbeat */
    node->is_mute = true;
    while (world_row(&world, chain)->members_count == 3)
        world_run(&world, 10000);
    ck_assert_uint_gt(world.now_us, last_us + 1001000);
    ck_assert_uint_le(world.now_us, last_us + 1100000);
}
END_TEST

/* R29: "it is no tail now" is not enough: it may have missed that. */
START_TEST(former_tail_that_missed_its_successor_is_waited_for)
{
    static struct world pair;
    world_init(&pair);
    world_start(&pair, 2, 1);
    uint32_t tail_id = world_row(&pair, 0)->members[1].node;
    struct world_node *tail = world_node(&pair, tail_id);
    world_node(&pair, 1)->syncs = world_node(&pair, 2)->syncs = true;
    world_add_node(&pair, 3);
    pair.holds_log = true;
    while (world_row(&pair, 0)->joiner.node != 3 || pair.queue_count == 0) {
        world_commit(&pair);
        world_run(&pair, 10000);
        ck_assert_uint_lt(pair.now_us, 20000000);
    }
    tail->deaf = true; /* before the append, which is in the queue, is committed */
    world_commit(&pair);
    pair.holds_log = false;
    ck_assert_uint_eq(world_row(&pair, 0)->members_count, 3);
    ck_assert(tail->is_tail[0]);
    uint64_t until_us = tail->lease_until_us;
    tail->is_mute = true;
    world_run(&pair, 600000);
    ck_assert(cm_core_state(pair.core)->chains[0].has_decided);
    while (world_row(&pair, 0)->members_count == 3)
        world_run(&pair, 10000);
    ck_assert_uint_ge(pair.now_us, until_us);
    world_release(&pair);
}
END_TEST

START_TEST(lower_incarnation_is_refused)
{
    struct world_node *node = world_node(&world, 2);
    world_kill(&world, 2);
    world_restart(&world, 2);
    world_run(&world, 500000);
    ck_assert_uint_eq(cm_state_node(cm_core_state(world.core), 2)->incarnation, 2);
    struct world_node old = *node;
    old.incarnation = 1;
    old.conn = world_connect(&world, WIRE_ROLE_NODE, 2, 1);
    struct world_node now = *node;
    *node = old;
    world_beat(&world, node);
    ck_assert_int_eq(node->last_err, ERR_DUPLICATE_ID);
    node->disk = world_uuid(123);
    world_beat(&world, node);
    ck_assert_int_eq(node->last_err, ERR_WRONG_DISK);
    *node = now;
}
END_TEST

/* R4: the same disk on the same boot proves the old incarnation dead; another boot does not. */
START_TEST(restart_on_the_same_boot_proves_death)
{
    uint32_t chain = tail_chain(2);
    world_kill(&world, 2);
    world_restart(&world, 2);
    world_run(&world, 20000);
    ck_assert_uint_eq(world_row(&world, chain)->members_count, 2);
}
END_TEST

START_TEST(restart_on_another_boot_waits_for_the_lease)
{
    uint32_t chain = tail_chain(2);
    world_kill(&world, 2);
    world_node(&world, 2)->boot = world_uuid(78);
    world_restart(&world, 2);
    world_run(&world, 300000);
    ck_assert(cm_core_state(world.core)->chains[chain].has_decided);
    ck_assert_uint_eq(world_row(&world, chain)->members_count, 3);
    world_run(&world, 1000000);
    ck_assert_uint_eq(world_row(&world, chain)->members_count, 2);
}
END_TEST

/* The first process is paused; its disk comes up on another host and starts twice there. That the
 * second process is dead says nothing about the first. */
START_TEST(restart_after_a_move_does_not_prove_the_first_process_dead)
{
    uint32_t chain = tail_chain(2);
    world_kill(&world, 2);
    world_node(&world, 2)->boot = world_uuid(78);
    world_restart(&world, 2);
    world_kill(&world, 2);
    world_restart(&world, 2);
    world_run(&world, 300000);
    ck_assert(cm_core_state(world.core)->chains[chain].has_decided);
    ck_assert_uint_eq(world_row(&world, chain)->members_count, 3);
    world_run(&world, 1000000);
    ck_assert_uint_eq(world_row(&world, chain)->members_count, 2);
    /* Nobody names the first one any more: proofs count again. */
    for (uint32_t i = 0; i < world.node_count; i++)
        world.nodes[i].syncs = true;
    for (int i = 0; i < 300 && world_row(&world, chain)->members_count < 3; i++)
        world_run(&world, 10000);
    ck_assert_uint_eq(world_row(&world, chain)->members[2].node, 2);
    world_kill(&world, 2);
    world_restart(&world, 2);
    world_run(&world, 20000);
    ck_assert_uint_eq(world_row(&world, chain)->members_count, 2);
}
END_TEST

START_TEST(copied_disk_is_refused_while_the_original_lives)
{
    struct world_node *twin = &world.nodes[world.node_count++];
    *twin = *world_node(&world, 2);
    twin->incarnation = 2;
    twin->pid = 4711;
    twin->conn = world_connect(&world, WIRE_ROLE_NODE, 2, 2);
    world_run(&world, 1000000);
    ck_assert_int_eq(twin->last_err, ERR_DUPLICATE_ID);
    ck_assert_int_eq(world.nodes[1].last_err, ERR_OK);
    /* The same incarnation from another process, too. */
    twin->incarnation = 1;
    twin->conn = world_connect(&world, WIRE_ROLE_NODE, 2, 1);
    world_beat(&world, twin);
    ck_assert_int_eq(twin->last_err, ERR_DUPLICATE_ID);
}
END_TEST

/* Its process was killed, its connection holds heartbeats back and delivers them one by one. */
static void hear_last_words(struct world_node *dead, struct world_node *node)
{
    for (int i = 0; i < 40; i++) {
        world_beat(&world, dead);
        world_run(&world, 100000);
        ck_assert_uint_eq(cm_state_node(cm_core_state(world.core), 2)->incarnation, 1);
        ck_assert_int_eq(node->last_err, ERR_NOT_READY);
    }
}

START_TEST(last_words_of_a_dead_process_do_not_refuse_the_next_one)
{
    struct world_node *node = world_node(&world, 2);
    struct world_node dead = *node;
    world_restart(&world, 2);
    hear_last_words(&dead, node);
    world_run(&world, 500000);
    ck_assert_uint_eq(cm_state_node(cm_core_state(world.core), 2)->incarnation, 2);
    ck_assert_int_eq(node->last_err, ERR_OK);
}
END_TEST

START_TEST(last_words_of_a_dead_process_do_not_refuse_the_next_one_on_another_disk)
{
    struct world_node *node = world_node(&world, 2);
    struct world_node dead = *node;
    node->disk = world_uuid(99);
    world_restart(&world, 2);
    hear_last_words(&dead, node);
    world_disconnect(&world, dead.conn);
    world_run(&world, 200000);
    ck_assert_uint_eq(cm_state_node(cm_core_state(world.core), 2)->incarnation, 2);
    ck_assert_int_eq(node->last_err, ERR_OK);
}
END_TEST

/* What the known process echoes was drawn before the other one spoke: it proves nothing. */
START_TEST(an_answer_to_an_earlier_challenge_is_no_proof_of_life)
{
    struct world_node *node = world_node(&world, 2);
    struct world_node *twin = &world.nodes[world.node_count++];
    *twin = *node;
    twin->incarnation = 2;
    twin->conn = world_connect(&world, WIRE_ROLE_NODE, 2, 2);
    world_run(&world, 300000);
    ck_assert_int_eq(twin->last_err, ERR_DUPLICATE_ID);
    ck_assert_uint_ne(node->challenge, 0);
    world_disconnect(&world, twin->conn);
    world.node_count--;
    struct world_node dead = *node;
    node->incarnation = 2; /* the next start is the third life */
    world_restart(&world, 2);
    hear_last_words(&dead, node);
}
END_TEST

START_TEST(heartbeat_for_another_id_than_the_hello_is_refused)
{
    struct world_node *node = world_node(&world, 1);
    uint64_t conn = node->conn;
    node->conn = world_connect(&world, WIRE_ROLE_NODE, 7, 1);
    world_beat(&world, node);
    ck_assert_int_eq(world_reply_err(&world), ERR_PROTOCOL);
    node->conn = world_connect(&world, WIRE_ROLE_CLIENT, 1, 1);
    world_beat(&world, node);
    ck_assert_int_eq(world_reply_err(&world), ERR_PROTOCOL);
    node->conn = conn;
}
END_TEST

/* A firewall refuses, too: removal starts at once, but the lease is waited for. */
START_TEST(refused_connection_starts_a_removal_but_proves_nothing)
{
    uint32_t chain = tail_chain(1);
    world_refuse(&world, 1); /* it is connected itself: no evidence */
    ck_assert(!cm_core_state(world.core)->chains[chain].has_decided);
    world_kill(&world, 1);
    world_refuse(&world, 1);
    ck_assert(cm_core_state(world.core)->chains[chain].has_decided);
    world_run(&world, 500000);
    ck_assert(cm_core_state(world.core)->chains[chain].has_decided);
    world_run(&world, 700000);
    ck_assert(!cm_core_state(world.core)->chains[chain].has_decided);
}
END_TEST

START_TEST(obituary_after_a_refused_connection_ends_the_wait)
{
    uint32_t chain = tail_chain(1);
    world_kill(&world, 1);
    world_refuse(&world, 1);
    ck_assert(cm_core_state(world.core)->chains[chain].has_decided);
    world_obituary(&world, 1);
    ck_assert(!cm_core_state(world.core)->chains[chain].has_decided);
}
END_TEST

/* Simulator seed 100002790: node 3 has lost its power and its disk, but its last heartbeats are
 * still under way. Alone in an active row it would be what the chain waits for, while the others'
 * disks hold everything. */
START_TEST(heartbeats_of_before_the_decision_activate_nothing)
{
    struct world_node *node = world_node(&world, 3);
    node->is_cut = true;
    world_kill(&world, 1);
    world_kill(&world, 2);
    world_obituary(&world, 1);
    world_obituary(&world, 2);
    world_run(&world, 10000);
    ck_assert(cm_core_state(world.core)->chains[0].has_decided);
    for (int i = 0; i < 3; i++) {
        world_beat(&world, node);
        world_run(&world, 10000);
        ck_assert(cm_core_state(world.core)->chains[0].has_decided);
    }
    node->is_cut = false; /* it is alive after all */
    world_run(&world, 200000);
    ck_assert(!cm_core_state(world.core)->chains[0].has_decided);
    ck_assert_uint_eq(world_row(&world, 0)->members[0].node, 3);
}
END_TEST

/* R37: its map stays unacknowledged, so it is not the map that shows that it is alive. */
START_TEST(an_echo_is_enough_to_activate)
{
    struct world_node *node = world_node(&world, 3);
    node->deaf = true;
    world_kill(&world, 1);
    world_kill(&world, 2);
    world_obituary(&world, 1);
    world_obituary(&world, 2);
    ck_assert(cm_core_state(world.core)->chains[0].has_decided);
    world_run(&world, 200000);
    ck_assert(!cm_core_state(world.core)->chains[0].has_decided);
}
END_TEST

START_TEST(new_leader_gives_one_lease_of_grace)
{
    struct world_node *node = world_node(&world, 3);
    world_take_over(&world);
    node->is_mute = true;
    world_become_leader(&world);
    world_run(&world, 900000);
    ck_assert(!cm_core_state(world.core)->chains[0].has_decided);
    world_run(&world, 300000);
    ck_assert_int_eq(cm_state_node(cm_core_state(world.core), 3)->state, WIRE_NODE_DOWN);
}
END_TEST

START_TEST(pause_of_the_master_itself_is_no_silence)
{
    world.now_us += 5000000; /* the process was stopped; the nodes' heartbeats wait in sockets */
    world_step(&world, &(struct cm_event){.kind = CM_EVENT_TICK});
    ck_assert(list_is_empty(&cm_core_state(world.core)->decided_chains));
    world_run(&world, 1000000);
    ck_assert(list_is_empty(&cm_core_state(world.core)->decided_chains));
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_uint_eq(world_row(&world, i)->epoch, 1);
}
END_TEST

START_TEST(obituary_before_leadership_is_remembered)
{
    world_take_over(&world);
    world_obituary(&world, 3);
    world_node(&world, 3)->conn = 0;
    world_become_leader(&world);
    world_run(&world, 20000);
    ck_assert_int_eq(cm_state_node(cm_core_state(world.core), 3)->state, WIRE_NODE_DOWN);
    ck_assert(cm_core_state(world.core)->chains[0].has_decided);
    world_run(&world, 1400000); /* R31 */
    ck_assert(!cm_core_state(world.core)->chains[0].has_decided);
}
END_TEST

START_TEST(flapping_node_waits_longer_each_time)
{
    for (uint32_t i = 0; i < 3; i++)
        world_node(&world, i + 1)->syncs = true;
    uint64_t last_us = 0;
    for (int round = 0; round < 4; round++) {
        world_kill(&world, 2);
        world_obituary(&world, 2);
        world_run(&world, 100000);
        world_restart(&world, 2);
        uint64_t start_us = world.now_us;
        while (world_row(&world, 0)->members_count < 3)
            world_run(&world, 10000);
        ck_assert_uint_gt(world.now_us - start_us, last_us + 100000);
        last_us = world.now_us - start_us;
    }
}
END_TEST

START_TEST(slow_node_is_evicted_when_two_neighbours_complain)
{
    /* 1 and 2 hear nothing from 3, which hears them. */
    world_node(&world, 1)->accuses = 3;
    world_node(&world, 2)->accuses = 3;
    world_run(&world, 1000000);
    for (uint32_t i = 0; i < 3; i++) {
        const struct plan_row *row = world_row(&world, i);
        ck_assert_uint_eq(row->members_count, 2);
        for (uint32_t j = 0; j < 2; j++)
            ck_assert_uint_ne(row->members[j].node, 3);
    }
}
END_TEST

/* R35: the complaints end with the neighbourhood; what they were about does not. */
START_TEST(cut_link_is_avoided_for_a_while)
{
    world_release(&world);
    world_init(&world);
    world.options.readmit_min_us = 5000000;
    cm_core_free(world.core);
    world.core = cm_core_new(&world.options, 7, world.now_us);
    world_start(&world, 3, 1);
    for (uint32_t i = 0; i < world.node_count; i++)
        world.nodes[i].syncs = true;
    uint32_t middle = world_row(&world, 0)->members[1].node;
    uint32_t tail = world_row(&world, 0)->members[2].node;
    world_node(&world, middle)->accuses = tail;
    world_node(&world, tail)->accuses = middle;
    for (int i = 0; i < 300 && world_row(&world, 0)->members_count == 3; i++)
        world_run(&world, 10000);
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 2);
    world_node(&world, middle)->accuses = 0;
    world_node(&world, tail)->accuses = 0;
    world_run(&world, 4000000);
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 2);
    ck_assert_uint_eq(world_row(&world, 0)->joiner.node, 0);
    world_run(&world, 2000000);
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 3);
}
END_TEST

START_TEST(complaints_about_the_old_process_do_not_count_against_the_new_one)
{
    world_node(&world, 1)->accuses = 3;
    world_node(&world, 2)->accuses = 3;
    world_run(&world, 300000);
    world_kill(&world, 3);
    world_obituary(&world, 3);
    world_run(&world, 100000);
    world_restart(&world, 3);
    world_node(&world, 1)->accuses = 0;
    world_node(&world, 2)->accuses = 0;
    for (int i = 0; i < 30; i++) {
        world_run(&world, 10000);
        ck_assert_int_eq(cm_state_node(cm_core_state(world.core), 3)->state, WIRE_NODE_ALIVE);
    }
}
END_TEST

START_TEST(complaint_about_a_dead_neighbour_does_not_evict_the_living_one)
{
    /* 3 dies without an obituary; its neighbours complain before the master notices. */
    world_node(&world, 1)->accuses = 3;
    world_node(&world, 3)->is_mute = true;
    world_run(&world, 2000000);
    for (uint32_t i = 0; i < 3; i++) {
        const struct plan_row *row = world_row(&world, i);
        ck_assert_uint_eq(row->members_count, 2);
    }
    ck_assert_uint_eq(cm_core_state(world.core)->bad_link_count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cm_beat");
    TCase *tcase = tcase_create("beat");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, leases_are_granted_only_while_the_leader_surely_leads);
    tcase_add_test(tcase, no_lease_for_who_has_not_acknowledged_its_removal);
    tcase_add_test(tcase, acknowledged_removal_is_active_before_the_lease_ends);
    tcase_add_test(tcase, silent_tail_is_active_until_its_last_lease_has_run_out);
    tcase_add_test(tcase, former_tail_that_missed_its_successor_is_waited_for);
    tcase_add_test(tcase, lower_incarnation_is_refused);
    tcase_add_test(tcase, restart_on_the_same_boot_proves_death);
    tcase_add_test(tcase, restart_on_another_boot_waits_for_the_lease);
    tcase_add_test(tcase, restart_after_a_move_does_not_prove_the_first_process_dead);
    tcase_add_test(tcase, copied_disk_is_refused_while_the_original_lives);
    tcase_add_test(tcase, last_words_of_a_dead_process_do_not_refuse_the_next_one);
    tcase_add_test(tcase, last_words_of_a_dead_process_do_not_refuse_the_next_one_on_another_disk);
    tcase_add_test(tcase, an_answer_to_an_earlier_challenge_is_no_proof_of_life);
    tcase_add_test(tcase, heartbeat_for_another_id_than_the_hello_is_refused);
    tcase_add_test(tcase, refused_connection_starts_a_removal_but_proves_nothing);
    tcase_add_test(tcase, obituary_after_a_refused_connection_ends_the_wait);
    tcase_add_test(tcase, heartbeats_of_before_the_decision_activate_nothing);
    tcase_add_test(tcase, an_echo_is_enough_to_activate);
    tcase_add_test(tcase, new_leader_gives_one_lease_of_grace);
    tcase_add_test(tcase, pause_of_the_master_itself_is_no_silence);
    tcase_add_test(tcase, obituary_before_leadership_is_remembered);
    tcase_add_test(tcase, flapping_node_waits_longer_each_time);
    tcase_add_test(tcase, slow_node_is_evicted_when_two_neighbours_complain);
    tcase_add_test(tcase, cut_link_is_avoided_for_a_while);
    tcase_add_test(tcase, complaints_about_the_old_process_do_not_count_against_the_new_one);
    tcase_add_test(tcase, complaint_about_a_dead_neighbour_does_not_evict_the_living_one);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
