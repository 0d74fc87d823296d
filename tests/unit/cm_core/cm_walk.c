/* Random walks: nodes die with and without obituary, restart, fall silent, are cut off, lose their
 * disks, come up elsewhere while the old process is paused; masters change. After each step nobody
 * whom the active row does not name may believe that it is the tail and hold a lease (S9, R28, R29,
 * R31), and after the faults stop every chain comes back to full length (L1). CM_WALK_SEED runs one
 * seed and tells its story. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/prng.h"
#include "tests/unit/cm_core/world.h"

enum { NODES = 5, CHAINS = 8, SEEDS = 150, GHOSTS = 4 };

static struct world world;
static struct prng prng;
static uint64_t seed;
static uint64_t updates[CHAINS];
static struct world_node ghosts[GHOSTS]; /* paused processes whose id and disk went on elsewhere */
static uint32_t ghosts_count;
static uint32_t moves;
static uint32_t strikes[CM_BAD_LINKS];
static uint64_t struck_us[CM_BAD_LINKS];
static uint32_t joiners[CHAINS];

static void violated(const char *what, uint32_t node, uint32_t chain)
{
    if (getenv("CM_WALK_SEED") != NULL) {
        fprintf(stderr, "%s%s (node %u, chain %u)\n", text_cstr(&world.story), what, node, chain);
    }
    ck_abort_msg("seed %llu: %s (node %u, chain %u)", (unsigned long long)seed, what, node, chain);
}

/* S9 with what the node itself believes. */
static void check_reader(const struct world_node *node)
{
    const struct cm_state *state = cm_core_state(world.core);
    bool has_lease =
        world.now_us < node->lease_until_us && node->last_lease_map_version <= node->map_version;
    for (uint32_t c = 0; has_lease && c < state->chain_count; c++) {
        const struct plan_row *row = &state->chains[c].active;
        struct wire_member member = {.node = node->id, .incarnation = node->incarnation};
        if (node->is_tail[c] && node->epochs[c] < row->epoch &&
            cm_member_find(row->members, row->members_count, member) == row->members_count)
            violated("a removed tail can still answer reads", node->id, c);
    }
}

/* R33, R34: a disk that is not the one that served, or went back in time, starts nothing. */
static void check_disk(const struct world_node *node)
{
    const struct cm_state *state = cm_core_state(world.core);
    struct wire_member member = {.node = node->id, .incarnation = node->incarnation};
    for (uint32_t c = 0; c < state->chain_count; c++) {
        const struct plan_row *row = &state->chains[c].active;
        if (node->is_unfit[c] &&
            cm_member_find(row->members, row->members_count, member) < row->members_count)
            violated("a disk that does not hold the chain is a member", node->id, c);
    }
}

/* R35: two that cannot talk are not made neighbours again and again. */
static void check_links(void)
{
    const struct cm_state *state = cm_core_state(world.core);
    for (uint32_t i = 0; i < CM_BAD_LINKS; i++) {
        if (state->bad_links[i].strikes != strikes[i])
            struck_us[i] = world.now_us;
        strikes[i] = state->bad_links[i].strikes;
    }
    for (uint32_t c = 0; c < state->chain_count; c++) {
        const struct plan_row *row = &state->chains[c].active;
        uint32_t joiner = row->joiner.node;
        uint32_t tail = row->members[row->members_count - 1].node;
        bool is_new = joiner != 0 && joiner != joiners[c];
        joiners[c] = joiner;
        const struct cm_bad_link *link = is_new ? cm_state_bad_link(state, tail, joiner) : NULL;
        if (link != NULL && world.now_us < struck_us[link - state->bad_links] +
                                               world.options.readmit_min_us - 20000)
            violated("joins behind a tail that it could not reach a moment ago", joiner, c);
    }
}

static void check_all(void)
{
    for (uint32_t i = 0; i < world.node_count; i++) {
        check_reader(&world.nodes[i]);
        check_disk(&world.nodes[i]);
    }
    for (uint32_t i = 0; i < ghosts_count; i++)
        check_reader(&ghosts[i]);
    check_links();
}

/* What a chain whose members are all there commits while nobody looks. */
static void commit_updates(void)
{
    const struct cm_state *state = cm_core_state(world.core);
    for (uint32_t c = 0; c < state->chain_count; c++) {
        const struct plan_row *row = &state->chains[c].active;
        bool are_there = true;
        for (uint32_t i = 0; i < row->members_count; i++) {
            const struct world_node *node = world_node(&world, row->members[i].node);
            are_there = are_there && node->conn != 0 && !node->is_cut && node->in_chain[c] &&
                        node->incarnation == row->members[i].incarnation &&
                        node->epochs[c] == row->epoch;
        }
        if (!are_there)
            continue;
        updates[c]++;
        for (uint32_t i = 0; i < row->members_count; i++) {
            struct world_node *node = world_node(&world, row->members[i].node);
            node->applied[c] = node->committed[c] = updates[c];
            node->digests[c] = updates[c] * 1000 + 7;
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
        for (uint32_t i = 0; i < chain->active.serving_count; i++) {
            uint32_t other = chain->active.serving[i].node;
            others += other != wiped && !world_node(&world, other)->is_unfit[c] ? 1 : 0;
        }
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

/* Empty, another one that holds something, or the same as it was long ago. */
static void lose_disk(struct world_node *node)
{
    const struct cm_state *state = cm_core_state(world.core);
    uint64_t how = prng_below(&prng, 3);
    world_say(&world, "* node %u loses its disk, way %u", node->id, (unsigned)how);
    if (how < 2)
        node->disk = world_uuid((uint8_t)prng_between(&prng, 100, 250));
    if (how == 0) {
        memset(node->epochs, 0, sizeof node->epochs);
        memset(node->is_complete, 0, sizeof node->is_complete);
    }
    for (uint32_t c = 0; c < state->chain_count; c++) {
        if (how == 2) {
            node->applied[c] = node->committed[c] = node->applied[c] / 2;
            node->digests[c] = node->applied[c] * 1000 + 7;
        }
        node->is_unfit[c] =
            node->is_unfit[c] || how < 2 || node->applied[c] < state->chains[c].mark;
    }
}

/* Its process is paused, and the disk comes up on another host (R4): the pause may end. */
static void move(struct world_node *node)
{
    ghosts[ghosts_count++ % GHOSTS] = *node;
    if (ghosts_count > GHOSTS)
        ghosts_count = GHOSTS;
    world_say(&world, "* node %u is paused, its disk goes on elsewhere", node->id);
    world_disconnect(&world, node->conn);
    node->boot = world_uuid((uint8_t)(60 + moves++ % 40)); /* no host that it was on before */
    node->is_mute = node->is_cut = node->deaf = false;
    world_restart(&world, node->id);
}

static void cut_power(void)
{
    world_say(&world, "* power cut");
    for (uint32_t i = 0; i < world.node_count; i++) {
        if (world.nodes[i].conn != 0)
            world_kill(&world, world.nodes[i].id);
    }
}

static void fault(void)
{
    struct world_node *node = &world.nodes[prng_below(&prng, world.node_count)];
    switch (prng_below(&prng, 11)) {
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
            if (prng_once_in(&prng, 6) && some_disks_are_safe(node->id))
                lose_disk(node);
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
    case 9:
        if (prng_once_in(&prng, 4))
            cut_power();
        else if (node->conn != 0 && prng_once_in(&prng, 2))
            move(node);
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
    memset(updates, 0, sizeof updates);
    memset(strikes, 0, sizeof strikes);
    memset(joiners, 0, sizeof joiners);
    ghosts_count = moves = 0;
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
        check_all();
        commit_updates();
        for (uint64_t pause = prng_below(&prng, 40); pause > 0; pause--) {
            world_run(&world, 10000);
            check_all();
        }
    }
    heal();
    for (int i = 0; i < 4000 && !all_full(); i++) {
        world_run(&world, 10000);
        check_all();
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
