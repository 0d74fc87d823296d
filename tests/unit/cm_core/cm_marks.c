/* Disks that went back in time (R34, S13), halted chains (R27), and what status says of both. */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/cm_core/world.h"

static struct world world;

static void setup(void)
{
    world_init(&world);
}

static void teardown(void)
{
    world_release(&world);
}

/* Every member has committed that far; one history, one digest for each position. */
static void commit(uint32_t chain, uint64_t committed)
{
    for (uint32_t i = 0; i < world.node_count; i++) {
        world.nodes[i].applied[chain] = committed;
        world.nodes[i].committed[chain] = committed;
        world.nodes[i].digests[chain] = committed * 1000 + 7;
    }
}

static void start(void)
{
    world_start(&world, 3, 1);
    for (uint32_t i = 0; i < world.node_count; i++)
        world.nodes[i].syncs = true;
    commit(0, 500);
    world_run(&world, 2500000);
    text_clear(&world.story);
}

static void kill_all(void)
{
    for (uint32_t id = 1; id <= 3; id++)
        world_kill(&world, id);
    for (uint32_t id = 1; id <= 3; id++)
        world_obituary(&world, id);
    world_run(&world, 500000);
}

static void roll_back(uint32_t id, uint64_t committed)
{
    struct world_node *node = world_node(&world, id);
    world_say(&world, "* the disk of node %u goes back to %llu", id, (unsigned long long)committed);
    node->applied[0] = node->committed[0] = committed;
    node->digests[0] = committed * 1000 + 7;
}

static bool tells(const char *what)
{
    return strstr(text_cstr(&world.story), what) != NULL;
}

static bool status_says(const char *what)
{
    uint64_t conn = world_connect(&world, WIRE_ROLE_CLIENT, 0, 0);
    world_admin(&world, conn, WIRE_ADMIN_STATUS, 0, 0, "", 0);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
    struct slice text = world.last_reply.u.admin_reply.text;
    char copy[1100];
    text_format(copy, sizeof copy, "%.*s", (int)text.length, (const char *)text.data);
    return what[0] == 0 ? text.length == 0 : strstr(copy, what) != NULL;
}

static const struct cm_chain *chain_of(uint32_t chain)
{
    return &cm_core_state(world.core)->chains[chain];
}

START_TEST(marks_are_written_down_slowly_and_only_while_updates_flow)
{
    start();
    ck_assert_uint_eq(chain_of(0)->mark, 500);
    ck_assert_uint_eq(chain_of(0)->mark_digest, 500007);
    uint64_t index = world.index;
    for (uint64_t i = 1; i <= 100; i++) { /* ten seconds under load */
        commit(0, 500 + i);
        world_run(&world, 100000);
    }
    ck_assert_uint_ge(world.index, index + 4);
    ck_assert_uint_le(world.index, index + 6);
    world_run(&world, 3000000);
    index = world.index;
    world_run(&world, 10000000);
    ck_assert_uint_eq(world.index, index);
    ck_assert_uint_eq(chain_of(0)->mark, 600);
    ck_assert(status_says(""));
}
END_TEST

START_TEST(rolled_back_disk_does_not_start_and_a_good_one_does_later)
{
    start();
    kill_all();
    roll_back(1, 300);
    world_restart(&world, 1);
    world_run(&world, 3000000);
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 3); /* nothing started */
    ck_assert(tells("disk-rolled-back chain=0 node=1"));
    ck_assert(status_says("node 1 went back in time in chain 0"));
    ck_assert(status_says("waits for a member"));
    world_restart(&world, 2);
    world_run(&world, 1000000);
    ck_assert_uint_eq(world_row(&world, 0)->members[0].node, 2);
    /* The other joins by a full copy, like an empty disk. */
    for (int i = 0; i < 500 && world_row(&world, 0)->members_count < 2; i++)
        world_run(&world, 10000);
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 2);
    ck_assert_uint_eq(world_row(&world, 0)->members[1].node, 1);
    ck_assert(status_says(""));
}
END_TEST

/* Whatever is on it, it is not the disk that served (checklist 37). */
START_TEST(another_disk_under_the_same_id_does_not_start)
{
    start();
    kill_all();
    world_node(&world, 1)->disk = world_uuid(200);
    world_restart(&world, 1);
    world_run(&world, 3000000);
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 3); /* nothing started */
    world_restart(&world, 2);
    world_run(&world, 1000000);
    ck_assert_uint_eq(world_row(&world, 0)->members[0].node, 2);
}
END_TEST

START_TEST(same_position_with_another_history_does_not_start)
{
    start();
    kill_all();
    world_node(&world, 1)->digests[0] = 1;
    world_restart(&world, 1);
    world_run(&world, 3000000);
    ck_assert(tells("disk-rolled-back chain=0 node=1"));
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 3);
}
END_TEST

/* The persisted committed mark is lazy (R8): what counts is what the disk holds. */
START_TEST(lazy_committed_mark_is_no_rollback)
{
    start();
    kill_all();
    world_node(&world, 1)->committed[0] = 450;
    world_node(&world, 1)->digests[0] = 450007;
    world_restart(&world, 1);
    world_run(&world, 3000000);
    ck_assert(!tells("disk-rolled-back"));
    ck_assert_uint_eq(world_row(&world, 0)->members[0].node, 1);
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 1);
}
END_TEST

START_TEST(all_rolled_back_waits_for_the_operator)
{
    start();
    kill_all();
    for (uint32_t id = 1; id <= 3; id++) {
        roll_back(id, 200 + id);
        world_restart(&world, id);
    }
    world_run(&world, 10000000);
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 3);
    ck_assert_uint_eq(world_row(&world, 0)->epoch, 1);
    ck_assert(status_says("chain-restart-from"));
    uint64_t conn = world_connect(&world, WIRE_ROLE_CLIENT, 0, 0);
    world_admin(&world, conn, WIRE_ADMIN_CHAIN_FORGET, 0, 3, "", 9);
    ck_assert_int_eq(world_reply_err(&world), ERR_OK);
    world_run(&world, 200000);
    ck_assert_uint_eq(world_row(&world, 0)->members[0].node, 3);
    for (int i = 0; i < 1000 && world_row(&world, 0)->members_count < 3; i++)
        world_run(&world, 10000);
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 3);
    /* What was given up counts no more: the chain may start again from less than the old mark. */
    ck_assert_uint_gt(chain_of(0)->mark_since, 1);
    commit(0, 210);
    world_run(&world, 2500000);
    ck_assert_uint_eq(chain_of(0)->mark, 210);
    kill_all();
    world_restart(&world, 1);
    world_run(&world, 1000000);
    ck_assert_uint_eq(world_row(&world, 0)->members[0].node, 1);
}
END_TEST

START_TEST(another_leader_recognises_it_by_the_replicated_mark)
{
    start();
    kill_all();
    world_take_over(&world);
    world_become_leader(&world);
    roll_back(2, 499);
    world_restart(&world, 2);
    world_run(&world, 4000000);
    ck_assert(tells("disk-rolled-back chain=0 node=2"));
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 3);
}
END_TEST

/* It was removed while others went on: having less is what everybody expects. */
/* Simulator seed 400003221: leaders that follow each other fast would leave no mark at all. */
START_TEST(a_new_leader_writes_its_first_marks_when_every_node_has_beaten)
{
    start();
    commit(0, 700);
    world_take_over(&world);
    for (uint32_t id = 1; id <= 3; id++) {
        world_node(&world, id)->conn = world_connect(&world, WIRE_ROLE_NODE, id, 1);
        world_node(&world, id)->is_full = true;
    }
    world_become_leader(&world);
    world_run(&world, 400000);
    ck_assert_uint_eq(chain_of(0)->mark, 700);
}
END_TEST

START_TEST(node_that_missed_updates_is_no_rollback)
{
    start();
    world_kill(&world, 2);
    world_obituary(&world, 2);
    world_run(&world, 200000);
    for (uint32_t id = 1; id <= 3; id += 2)
        world_node(&world, id)->applied[0] = world_node(&world, id)->committed[0] = 900;
    world_run(&world, 2500000);
    world_restart(&world, 2);
    world_run(&world, 2000000);
    ck_assert(!tells("disk-rolled-back"));
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 3);
    ck_assert(status_says(""));
}
END_TEST

START_TEST(snapshot_carries_the_marks)
{
    start();
    struct buf *bytes = cm_state_snapshot(cm_core_state(world.core));
    struct cm_state *state = NULL;
    ck_assert_int_eq(
        cm_state_restore(buf_slice(bytes), &world.options.cluster, world.index, &state), ERR_OK);
    ck_assert_uint_eq(state->chains[0].mark, 500);
    ck_assert_uint_eq(state->chains[0].mark_digest, 500007);
    cm_state_free(state);
    buf_unref(bytes);
}
END_TEST

/* D21: what only a person can mend is shown, and no longer than it lasts. */
START_TEST(damage_and_full_disks_are_shown)
{
    start();
    const struct plan_row *row = world_row(&world, 0);
    struct world_node *tail = world_node(&world, row->members[2].node);
    struct world_node *head = world_node(&world, row->members[0].node);
    ck_assert(status_says(""));
    tail->is_damaged[0] = true;
    head->has_no_space = true;
    world_run(&world, 200000);
    ck_assert(status_says("cannot read something of chain 0"));
    ck_assert(status_says("refuses puts"));
    world_kill(&world, head->id); /* a dead node refuses nothing */
    world_run(&world, 3000000);
    ck_assert(!status_says("refuses puts"));
    tail->is_damaged[0] = false;
    world_run(&world, 200000);
    ck_assert(status_says(""));
}
END_TEST

/* R27: nobody is taken out for the silence of a member that halted, and status says why. */
START_TEST(halted_chain_is_shown_and_left_as_it_is)
{
    start();
    const struct plan_row *row = world_row(&world, 0);
    uint32_t middle = row->members[1].node;
    world_node(&world, middle)->is_halted[0] = true;
    world_run(&world, 200000);
    ck_assert(tells("why=histories differ"));
    ck_assert(status_says("is halted by node"));
    ck_assert(status_says("histories differ"));
    world_node(&world, row->members[0].node)->accuses = middle;
    world_node(&world, row->members[2].node)->accuses = middle;
    world_run(&world, 3000000);
    ck_assert_uint_eq(world_row(&world, 0)->members_count, 3);
    ck_assert(cm_core_state(world.core)->nodes[middle - 1]->state == WIRE_NODE_ALIVE);
}
END_TEST

START_TEST(members_that_commit_different_histories_are_told_of)
{
    start();
    commit(0, 600);
    world_node(&world, 3)->digests[0] = 1;
    world_run(&world, 300000);
    ck_assert(tells("histories-differ chain=0"));
    ck_assert(status_says("Members of chain 0 differ"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cm_marks");
    TCase *tcase = tcase_create("marks");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, marks_are_written_down_slowly_and_only_while_updates_flow);
    tcase_add_test(tcase, rolled_back_disk_does_not_start_and_a_good_one_does_later);
    tcase_add_test(tcase, another_disk_under_the_same_id_does_not_start);
    tcase_add_test(tcase, same_position_with_another_history_does_not_start);
    tcase_add_test(tcase, lazy_committed_mark_is_no_rollback);
    tcase_add_test(tcase, all_rolled_back_waits_for_the_operator);
    tcase_add_test(tcase, another_leader_recognises_it_by_the_replicated_mark);
    tcase_add_test(tcase, a_new_leader_writes_its_first_marks_when_every_node_has_beaten);
    tcase_add_test(tcase, node_that_missed_updates_is_no_rollback);
    tcase_add_test(tcase, snapshot_carries_the_marks);
    tcase_add_test(tcase, halted_chain_is_shown_and_left_as_it_is);
    tcase_add_test(tcase, damage_and_full_disks_are_shown);
    tcase_add_test(tcase, members_that_commit_different_histories_are_told_of);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
