/* Drain and swap (R36), driven by the leader: after repairs, heads and tails are evened out.
 *
 * When the cluster was whole and quiet for the settling time, placement says which chains should
 * have another order of members. At most CM_SWAPS of them at a time are given to chain_plan, which
 * freezes the chain, waits for the head's "drained", and permutes. All of it is leader-local: a new
 * leader finds at most a few frozen chains and no wish to change their order, so it unfreezes them.
 *
 * A chain that does not drain within the failure budget is unfrozen by an epoch change (R23).
 * Anything else that happens (a death, a return, a setting) ends the plan; failures in a frozen
 * chain follow the normal removal. */
#include "base/buf.h"
#include "base/contract.h"
#include "config_master/core/leader.h"

enum { FAILURES_MAX = 8 }; /* doublings of the settling time */

void cm_swap_reset(struct cm_core *core)
{
    mem_free(core->swap_plan);
    core->swap_plan = NULL;
    core->swap_plan_count = 0;
    core->swap_plan_next = 0;
    core->swap_count = 0;
    core->swap_failures = 0;
    core->quiet_since_us = core->now_us;
}

const uint32_t *cm_swap_order(const struct cm_core *core, uint32_t chain, uint32_t *ret_count)
{
    *ret_count = 0;
    for (uint32_t i = 0; i < core->swap_count; i++) {
        if (core->swaps[i].chain != chain)
            continue;
        *ret_count = core->swaps[i].order_count;
        return core->swaps[i].order;
    }
    return NULL;
}

/* A frozen chain without a wanted order is unfrozen by the planner. */
static void forget_plan(struct cm_core *core)
{
    uint32_t count = core->swap_count;
    core->swap_count = 0;
    core->swap_plan_count = 0;
    core->swap_plan_next = 0;
    for (uint32_t i = 0; i < count; i++)
        cm_planner_mark(core, core->swaps[i].chain);
}

void cm_swap_disturbed(struct cm_core *core)
{
    if (!core->is_leader)
        return;
    core->quiet_since_us = core->now_us;
    forget_plan(core);
}

/* R35: no two nodes that could not talk are made neighbours. */
static bool has_bad_neighbours(const struct cm_core *core, const uint32_t *order, uint32_t count)
{
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (cm_link_is_cut(core, order[i], order[i + 1]) ||
            cm_link_is_remembered(core, order[i], order[i + 1]))
            return true;
    }
    return false;
}

static void start_some(struct cm_core *core)
{
    while (core->swap_count < CM_SWAPS && core->swap_plan_next < core->swap_plan_count) {
        const struct pl_step *step = &core->swap_plan[core->swap_plan_next++];
        uint32_t count = core->state->chains[step->chain].active.members_count;
        if (has_bad_neighbours(core, step->order, count))
            continue;
        struct cm_swap *swap = &core->swaps[core->swap_count++];
        *swap =
            (struct cm_swap){.chain = step->chain, .order_count = count, .since_us = core->now_us};
        memcpy(swap->order, step->order, count * sizeof swap->order[0]);
        cm_planner_mark(core, step->chain);
    }
    if (core->swap_count == 0 && core->swap_plan_count > 0) {
        TRACE(&core->options.trace, "roles-balanced");
        core->swap_plan_count = 0;
        core->swap_plan_next = 0;
        core->quiet_since_us = core->now_us;
    }
}

static bool is_in_order(const struct plan_row *row, const struct cm_swap *swap)
{
    for (uint32_t i = 0; i < swap->order_count; i++) {
        if (i >= row->members_count || row->members[i].node != swap->order[i])
            return false;
    }
    return true;
}

void cm_swap_row_changed(struct cm_core *core, uint32_t chain, bool is_decided)
{
    const struct plan_row *row = &core->state->chains[chain].active;
    for (uint32_t i = 0; i < core->swap_count && !is_decided; i++) {
        struct cm_swap *swap = &core->swaps[i];
        if (swap->chain != chain)
            continue;
        if (row->frozen)
            return;
        if (!is_in_order(row, swap))
            break;
        *swap = core->swaps[--core->swap_count];
        core->swap_failures = 0;
        start_some(core);
        return;
    }
    cm_swap_disturbed(core);
}

/* At full length, every member alive, nothing under way. */
static bool chain_is_whole(const struct cm_core *core, const struct cm_chain *chain)
{
    const struct plan_row *row = &chain->active;
    if (chain->has_decided || row->joiner.node != 0 || row->frozen ||
        row->members_count != core->state->replicas || row->replicas != core->state->replicas ||
        core->books[row->chain].proposal != 0 || cm_chain_is_halted(core, row->chain))
        return false;
    for (uint32_t i = 0; i < row->members_count; i++) {
        const struct cm_node *node = cm_state_node(core->state, row->members[i].node);
        if (node == NULL || node->incarnation != row->members[i].incarnation ||
            !cm_is_alive(core, node->id))
            return false;
    }
    return true;
}

static bool cluster_is_whole(const struct cm_core *core)
{
    for (uint32_t i = 0; i < core->state->chain_count; i++) {
        if (!chain_is_whole(core, &core->state->chains[i]))
            return false;
    }
    return core->state->chain_count > 0;
}

static void make_plan(struct cm_core *core)
{
    uint32_t replicas = core->state->replicas;
    uint32_t chains = core->state->chain_count;
    uint32_t *members = mem_alloc((size_t)chains * replicas * sizeof *members);
    for (uint32_t i = 0; i < chains; i++) {
        for (uint32_t j = 0; j < replicas; j++)
            members[(size_t)i * replicas + j] = core->state->chains[i].active.members[j].node;
    }
    if (core->swap_plan == NULL)
        core->swap_plan = mem_alloc((size_t)chains * sizeof *core->swap_plan);
    core->swap_plan_next = 0;
    core->swap_plan_count = pl_reorder(replicas, chains, members, core->swap_plan, chains);
    mem_free(members);
    if (core->swap_plan_count > 0)
        TRACE(&core->options.trace, "roles-rebalance chains=%u", core->swap_plan_count);
    start_some(core);
}

/* The failure budget: an update that waits for a frozen chain waits no longer than for a dead
 * member to be noticed. */
static bool any_is_overdue(const struct cm_core *core)
{
    for (uint32_t i = 0; i < core->swap_count; i++) {
        if (core->now_us < core->swaps[i].since_us + core->options.silence_us)
            continue;
        TRACE(&core->options.trace, "swap-abandoned chain=%u", core->swaps[i].chain);
        return true;
    }
    return false;
}

void cm_swap_tick(struct cm_core *core)
{
    bool is_wanted =
        core->options.settle_us != 0 && cm_state_setting(core->state, "rebalance-roles", 1) != 0;
    if (core->swap_count > 0) {
        if (any_is_overdue(core)) {
            core->swap_failures += core->swap_failures < FAILURES_MAX ? 1 : 0;
            cm_swap_disturbed(core);
        }
        return;
    }
    if (!is_wanted ||
        core->now_us < core->quiet_since_us + (core->options.settle_us << core->swap_failures))
        return;
    core->quiet_since_us = core->now_us;
    if (cluster_is_whole(core))
        make_plan(core);
}
