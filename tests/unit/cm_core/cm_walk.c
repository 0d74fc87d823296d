/* Random walks: nodes die with and without obituary, restart, fall silent, are cut off, lose their
 * disks; masters change. After each step nobody whom the active row does not name may believe that
 * it is the tail and hold a lease (S9, R28, R29, R31), and after the faults stop every chain comes
 * back to full length (L1). CM_WALK_SEED runs one seed and tells its story. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/prng.h"
#include "tests/unit/cm_core/world.h"

enum { NODES = 5, CHAINS = 8, SEEDS = 150 };

static struct world world;
static struct prng prng;
static uint64_t seed;

static void violated(const char *what, uint32_t node, uint32_t chain)
{
    if (getenv("CM_WALK_SEED") != NULL) {
        fprintf(stderr, "%s%s (node %u, chain %u)\n", text_cstr(&world.story), what, node, chain);
    }
    ck_abort_msg("seed %llu: %s (node %u, chain %u)", (unsigned long long)seed, what, node, chain);
}

/* S9 with what the nodes themselves believe. */
static void check_readers(void)
{
    const struct cm_state *state = cm_core_state(world.core);
    for (uint32_t i = 0; i < world.node_count; i++) {
        const struct world_node *node = &world.nodes[i];
        bool has_lease = world.now_us < node->lease_until_us &&
                         node->last_lease_map_version <= node->map_version;
        for (uint32_t c = 0; has_lease && c < state->chain_count; c++) {
            const struct plan_row *row = &state->chains[c].active;
            struct wire_member member = {.node = node->id, .incarnation = node->incarnation};
            if (node->is_tail[c] && node->epochs[c] < row->epoch &&
                cm_member_find(row->members, row->members_count, member) == row->members_count)
                violated("a removed tail can still answer reads", node->id, c);
        }
    }
}

static bool some_disks_are_safe(uint32_t wiped)
{
    /* At least one member of each serving set keeps its disk. */
    const struct cm_state *state = cm_core_state(world.core);
    for (uint32_t c = 0; c < state->chain_count; c++) {
        const struct cm_chain *chain = &state->chains[c];
        uint32_t others = 0;
        for (uint32_t i = 0; i < chain->active.serving_count; i++)
            others += chain->active.serving[i].node != wiped ? 1 : 0;
        if (others == 0 || chain->has_decided)
            return false;
        const struct cm_node *node = NULL;
        for (uint32_t i = 0; i < chain->active.serving_count; i++) {
            node = cm_state_node(state, chain->active.serving[i].node);
            if (node == NULL || node->disk_since > chain->active.serving[i].incarnation)
                return false;
        }
    }
    return true;
}

static void fault(void)
{
    struct world_node *node = &world.nodes[prng_below(&prng, world.node_count)];
    switch (prng_below(&prng, 10)) {
    case 0:
    case 1:
        if (node->conn != 0) {
            world_kill(&world, node->id);
            if (prng_once_in(&prng, 2))
                world_obituary(&world, node->id);
            else if (prng_once_in(&prng, 2))
                world_refuse(&world, node->id);
        }
        break;
    case 2:
    case 3:
    case 4:
        if (node->conn == 0) {
            if (prng_once_in(&prng, 4))
                node->boot = world_uuid((uint8_t)prng_below(&prng, 60));
            if (prng_once_in(&prng, 6) && some_disks_are_safe(node->id)) {
                world_say(&world, "* wipe node %u", node->id);
                node->disk = world_uuid((uint8_t)prng_between(&prng, 100, 250));
                memset(node->epochs, 0, sizeof node->epochs);
                memset(node->is_complete, 0, sizeof node->is_complete);
            }
            node->is_mute = node->is_cut = false;
            world_restart(&world, node->id);
        }
        break;
    case 5:
        node->is_mute = !node->is_mute;
        world_say(&world, "* node %u mute=%d", node->id, node->is_mute);
        break;
    case 6:
        node->is_cut = !node->is_cut;
        world_say(&world, "* node %u cut=%d", node->id, node->is_cut);
        break;
    case 7:
        node->deaf = !node->deaf;
        break;
    case 8:
        node->accuses = (uint32_t)prng_below(&prng, NODES + 1);
        break;
    default:
        if (prng_once_in(&prng, 3)) {
            world_say(&world, "* another master leads");
            world_take_over(&world);
            world_run(&world, prng_between(&prng, 1, 60) * 10000);
            world_become_leader(&world);
        }
        break;
    }
}

static void heal(void)
{
    world_say(&world, "* heal");
    for (uint32_t i = 0; i < world.node_count; i++) {
        struct world_node *node = &world.nodes[i];
        node->is_mute = node->is_cut = node->deaf = false;
        node->accuses = 0;
        if (node->conn == 0)
            world_restart(&world, node->id);
    }
}

static bool all_full(void)
{
    const struct cm_state *state = cm_core_state(world.core);
    for (uint32_t c = 0; c < state->chain_count; c++) {
        if (state->chains[c].has_decided || state->chains[c].active.members_count != 3 ||
            state->chains[c].active.joiner.node != 0)
            return false;
    }
    return true;
}

static void walk(uint64_t number)
{
    seed = number;
    prng_init(&prng, seed);
    world_init(&world);
    world.options.readmit_max_us = 4000000;
    world.options.settle_us = seed % 2 * 300000; /* swaps among the faults (R36) */
    cm_core_free(world.core);
    world.core = cm_core_new(&world.options, seed, world.now_us);
    world_start(&world, NODES, CHAINS);
    for (uint32_t i = 0; i < NODES; i++)
        world.nodes[i].syncs = true;
    for (int step = 0; step < 120; step++) {
        fault();
        check_readers();
        for (uint64_t pause = prng_below(&prng, 40); pause > 0; pause--) {
            world_run(&world, 10000);
            check_readers();
        }
    }
    heal();
    for (int i = 0; i < 4000 && !all_full(); i++) {
        world_run(&world, 10000);
        check_readers();
    }
    for (uint32_t c = 0; c < CHAINS && !all_full(); c++) {
        if (world_row(&world, c)->members_count != 3)
            violated("not at full length 40 s after the last fault", 0, c);
    }
    world_release(&world);
}

START_TEST(no_removed_tail_reads_and_all_chains_recover)
{
    walk((uint64_t)_i + 1);
}
END_TEST

int main(void)
{
    const char *one = getenv("CM_WALK_SEED");
    int from = one == NULL ? 0 : (int)strtol(one, NULL, 10) - 1;
    int to = one == NULL ? SEEDS : from + 1;
    Suite *suite = suite_create("cm_walk");
    TCase *tcase = tcase_create("walk");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, no_removed_tail_reads_and_all_chains_recover, from, to);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
