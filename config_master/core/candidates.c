#include "config_master/core/candidates.h"

#include "base/contract.h"
#include "placement/placement.h"

static void count(struct cm_core *core, struct wire_member member, bool is_copy)
{
    struct cm_live *live = member.node == 0 ? NULL : cm_live(core, member.node);
    if (live == NULL)
        return;
    live->load++;
    live->joins += is_copy ? 1 : 0;
}

void cm_candidates_begin(struct cm_core *core)
{
    size_t cursor = 0;
    struct cm_live *live;
    while ((live = map_next(&core->lives, &cursor, NULL)) != NULL) {
        live->load = 0;
        live->joins = 0;
    }
    for (uint32_t i = 0; i < core->state->chain_count; i++) {
        const struct plan_row *row = &core->state->chains[i].active;
        bool has_joiner = row->joiner.node != 0;
        for (uint32_t j = 0; j < row->members_count; j++)
            count(core, row->members[j], has_joiner && j + 1 == row->members_count);
        count(core, row->joiner, has_joiner);
    }
}

void cm_candidates_count_join(struct cm_core *core, const struct plan_row *row)
{
    PRE(row->joiner.node != 0);
    struct cm_live *tail = cm_live(core, row->members[row->members_count - 1].node);
    if (tail != NULL)
        tail->joins++;
    count(core, row->joiner, true);
}

/* Alive as far as we heard ourselves, past its re-admission delay, and with room for a copy. */
static bool may_join(const struct cm_core *core, const struct cm_node *node,
                     const struct cm_live *live)
{
    return live != NULL && live->was_alive && live->beat_us != 0 && live->is_reported &&
           live->incarnation == node->incarnation && core->now_us >= live->readmit_us &&
           live->joins < core->options.joins_per_node_max;
}

static struct pl_node to_placement(const struct cm_node *node)
{
    return (struct pl_node){
        .id = node->id, .zone = slice_of_text(node->zone), .weight = node->weight};
}

static bool reports_data(const struct cm_core *core, uint32_t chain, const struct cm_node *node)
{
    for (uint32_t i = 0; i < CM_SEEN; i++) {
        const struct cm_seen *seen = &core->books[chain].seen[i];
        if (seen->member.node == node->id && seen->member.incarnation == node->incarnation)
            return (seen->flags & WIRE_REPORT_HOLDS) != 0 &&
                   !cm_marks_is_rolled_back(core, chain, seen);
    }
    return false;
}

uint32_t cm_candidates(struct cm_core *core, const struct plan_row *row, uint32_t *ret_nodes,
                       uint32_t most)
{
    struct cm_state *state = core->state;
    uint32_t tail_id = row->members[row->members_count - 1].node;
    const struct cm_live *tail = cm_live(core, tail_id);
    if (tail == NULL || tail->joins >= core->options.joins_per_node_max)
        return 0;
    struct pl_node members[BOUND_CHAIN_MEMBERS];
    uint32_t members_count = 0;
    for (uint32_t i = 0; i < row->members_count; i++) {
        const struct cm_node *node = cm_state_node(state, row->members[i].node);
        if (node != NULL)
            members[members_count++] = to_placement(node);
    }
    _Static_assert(sizeof(struct pl_candidate) < 128, "candidates of all nodes fit the stack");
    struct pl_candidate candidates[BOUND_NODES];
    uint32_t ids[BOUND_NODES];
    uint32_t candidates_count = 0;
    for (uint32_t i = 0; i < state->node_count; i++) {
        const struct cm_node *node = state->nodes[i];
        const struct cm_live *live = cm_live(core, node->id);
        if (!may_join(core, node, live) || cm_link_is_cut(core, tail_id, node->id) ||
            cm_link_is_remembered(core, tail_id, node->id))
            continue;
        candidates[candidates_count++] =
            (struct pl_candidate){.node = to_placement(node),
                                  .load = live->load,
                                  .has_data = reports_data(core, row->chain, node)};
    }
    uint32_t ranked =
        pl_rank_candidates(row->chain, candidates, candidates_count, members, members_count, ids);
    uint32_t taken = ranked < most ? ranked : most;
    memcpy(ret_nodes, ids, taken * sizeof ids[0]);
    return taken;
}
