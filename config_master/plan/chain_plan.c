#include "config_master/plan/chain_plan.h"

#include <string.h>

#include "base/contract.h"
#include "base/planted.h"

static bool member_equal(struct wire_member a, struct wire_member b)
{
    return a.node == b.node && a.incarnation == b.incarnation;
}

static int32_t row_index_of_node(const struct plan_row *row, uint32_t node)
{
    for (uint32_t i = 0; i < row->members_count; i++) {
        if (row->members[i].node == node)
            return (int32_t)i;
    }
    return -1;
}

static bool row_has_member(const struct plan_row *row, struct wire_member member)
{
    int32_t index = row_index_of_node(row, member.node);
    return index >= 0 && member_equal(row->members[index], member);
}

static const struct plan_node *find_node(const struct plan_input *input, uint32_t node)
{
    for (uint32_t i = 0; i < input->nodes_count; i++) {
        if (input->nodes[i].node == node)
            return &input->nodes[i];
    }
    return NULL;
}

/* R4: a member is alive only under the incarnation that the row names. */
static bool is_alive(const struct plan_input *input, struct wire_member member)
{
    const struct plan_node *known = find_node(input, member.node);
    return known != NULL && known->is_alive && known->incarnation == member.incarnation;
}

static uint32_t alive_count(const struct plan_input *input, const struct plan_row *row)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < row->members_count; i++) {
        if (is_alive(input, row->members[i]))
            count++;
    }
    return count;
}

static bool link_is_bad(const struct plan_input *input, uint32_t a, uint32_t b, bool only_cut)
{
    for (uint32_t i = 0; i < input->links_count; i++) {
        const struct plan_link *link = &input->links[i];
        bool same = (link->a == a && link->b == b) || (link->a == b && link->b == a);
        if (same && (link->is_cut || !only_cut))
            return true;
    }
    return false;
}

/* The active row as the next epoch: every step starts from it and changes one thing. */
static struct plan_row next_row(const struct plan_input *input)
{
    struct plan_row row = *input->active;
    uint64_t newest = row.epoch;
    if (input->decided != NULL && input->decided->epoch > newest)
        newest = input->decided->epoch;
    row.epoch = newest + 1;
    row.version = 0;
    return row;
}

static void serve_by_members(struct plan_row *row)
{
    memcpy(row->serving, row->members, sizeof(row->members));
    row->serving_count = row->members_count;
}

static void set_fences(const struct plan_input *input, struct plan_step *step)
{
    step->fences_count = 0;
    for (uint32_t i = 0; i < input->active->members_count; i++) {
        struct wire_member member = input->active->members[i];
        if (row_has_member(&step->row, member))
            continue;
        const struct plan_node *known = find_node(input, member.node);
        if (known != NULL && known->dead_through >= member.incarnation)
            continue;
        step->fences[step->fences_count++] = member;
    }
}

/* A decided row: `keep` of the members; the joiner stays if it is alive. Nobody enters it before it
 * is active, so the serving set stays. */
static void decide_removal(const struct plan_input *input, const struct wire_member *keep,
                           uint32_t keep_count, struct plan_step *step)
{
    PRE(keep_count > 0);
    step->kind = PLAN_REMOVE;
    step->row = next_row(input);
    memset(step->row.members, 0, sizeof(step->row.members));
    memcpy(step->row.members, keep, keep_count * sizeof(keep[0]));
    step->row.members_count = keep_count;
    step->row.frozen = false;
    if (input->decided != NULL)
        step->row.joiner = input->decided->joiner; /* what it left out stays out */
    if (step->row.joiner.node != 0 && !is_alive(input, step->row.joiner))
        step->row.joiner = (struct wire_member){0, 0};
    set_fences(input, step);
}

static void remove_dead(const struct plan_input *input, const struct plan_row *from,
                        struct plan_step *step)
{
    struct wire_member keep[BOUND_CHAIN_MEMBERS];
    uint32_t keep_count = 0;
    for (uint32_t i = 0; i < from->members_count; i++) {
        if (is_alive(input, from->members[i]))
            keep[keep_count++] = from->members[i];
    }
    decide_removal(input, keep, keep_count, step);
}

static void remove_one(const struct plan_input *input, uint32_t index, struct plan_step *step)
{
    struct wire_member keep[BOUND_CHAIN_MEMBERS];
    uint32_t keep_count = 0;
    for (uint32_t i = 0; i < input->active->members_count; i++) {
        if (i != index)
            keep[keep_count++] = input->active->members[i];
    }
    decide_removal(input, keep, keep_count, step);
}

/* The node of a serving member that came back under a higher incarnation with its disk intact;
 * incarnation 0 if it did not. */
static struct wire_member returned(const struct plan_input *input, struct wire_member serving)
{
    const struct plan_node *known = find_node(input, serving.node);
    bool may_start = known != NULL && known->is_alive && known->holds && !known->is_syncing &&
                     known->incarnation > serving.incarnation;
    return (struct wire_member){serving.node, may_start ? known->incarnation : 0};
}

/* R33. No member that could go on is alive. */
static void restart(const struct plan_input *input, struct plan_step *step)
{
    const struct plan_row *active = input->active;
    struct wire_member starter = {0, 0};
    bool starter_remains = false;
    uint32_t returned_count = 0;
    for (uint32_t i = 0; i < active->serving_count; i++) {
        struct wire_member one = returned(input, active->serving[i]);
        if (one.incarnation == 0)
            continue;
        returned_count++;
        bool remains = input->decided == NULL || row_has_member(input->decided, active->serving[i]);
        if (starter.node == 0 || (remains && !starter_remains)) {
            starter = one;
            starter_remains = remains;
        }
    }
    bool all_returned = returned_count == active->serving_count;
    if (starter.node == 0 || !(input->grace_is_over || all_returned))
        return;
    step->kind = PLAN_RESTART;
    step->row = next_row(input);
    memset(step->row.members, 0, sizeof(step->row.members));
    step->row.members[0] = starter;
    step->row.members_count = 1;
    step->row.joiner = (struct wire_member){0, 0};
    step->row.frozen = false;
    if (!PLANTED(R33_NOT_FENCED))
        set_fences(input, step);
}

static void plan_with_decided(const struct plan_input *input, struct plan_step *step)
{
    const struct plan_row *decided = input->decided;
    uint32_t alive = alive_count(input, decided);
    if (alive == 0 && alive_count(input, input->active) > 0) {
        /* Those that were to stay are dead, one that was to go is alive: nobody has entered the
         * decided row, so it is decided anew. */
        remove_dead(input, input->active, step);
    } else if (alive == 0) {
        restart(input, step);
    } else if (alive < decided->members_count) {
        remove_dead(input, decided, step); /* the union of both removals */
    } else {
        step->kind = PLAN_ACTIVATE;
        step->row = *decided;
        serve_by_members(&step->row);
        set_fences(input, step);
    }
}

/* Two neighbours that cannot talk: one has to go, never both, always the same one (checklist 14).
 * Not the tail where there is a choice: taking away one that was never a reader costs no lease. */
static bool remove_at_cut_link(const struct plan_input *input, struct plan_step *step)
{
    const struct plan_row *active = input->active;
    for (uint32_t i = 0; i + 1 < active->members_count; i++) {
        if (!link_is_bad(input, active->members[i].node, active->members[i + 1].node, true))
            continue;
        bool next_is_tail = i + 2 == active->members_count;
        remove_one(input, next_is_tail ? i : i + 1, step);
        return true;
    }
    return false;
}

/* How many members the chain should have now: one more while a member is being replaced. */
static uint32_t wanted_count(const struct plan_input *input)
{
    bool replacing = input->evict != 0 && row_index_of_node(input->active, input->evict) >= 0 &&
                     input->active->members_count <= input->replicas;
    return input->replicas + (replacing ? 1 : 0);
}

static bool joiner_is_hopeless(const struct plan_input *input)
{
    const struct plan_row *active = input->active;
    uint32_t tail = active->members[active->members_count - 1].node;
    if (PLANTED(R23_JOINER_NOT_CANCELLED))
        return false;
    return !is_alive(input, active->joiner) || input->cancel_joiner ||
           link_is_bad(input, tail, active->joiner.node, true) ||
           active->joiner.node == input->evict || active->members_count >= wanted_count(input);
}

static bool joiner_is_synced(const struct plan_input *input)
{
    const struct plan_row *active = input->active;
    return (input->synced.epoch == active->epoch || PLANTED(R22_SYNCED_IN_ANY_EPOCH)) &&
           member_equal(input->synced.sender, active->members[active->members_count - 1]);
}

static void cancel_or_append_joiner(const struct plan_input *input, struct plan_step *step)
{
    if (joiner_is_hopeless(input)) {
        step->kind = PLAN_CANCEL_JOINER;
        step->row = next_row(input);
        step->row.joiner = (struct wire_member){0, 0};
    } else if (joiner_is_synced(input) && !input->active->frozen) {
        step->kind = PLAN_APPEND;
        step->row = next_row(input);
        step->row.members[step->row.members_count++] = step->row.joiner;
        step->row.joiner = (struct wire_member){0, 0};
    }
}

/* True if `order` names exactly the members, in another order than the row. */
static bool order_is_wanted(const struct plan_input *input)
{
    const struct plan_row *active = input->active;
    if (input->order == NULL || input->order_count != active->members_count)
        return false;
    bool differs = false;
    for (uint32_t i = 0; i < input->order_count; i++) {
        if (row_index_of_node(active, input->order[i]) < 0)
            return false;
        for (uint32_t j = 0; j < i; j++) {
            if (input->order[j] == input->order[i])
                return false;
        }
        differs = differs || active->members[i].node != input->order[i];
    }
    return differs;
}

static void permute_or_unfreeze(const struct plan_input *input, struct plan_step *step)
{
    const struct plan_row *active = input->active;
    bool is_drained = input->drained.epoch == active->epoch &&
                      member_equal(input->drained.sender, active->members[0]);
    bool wanted = order_is_wanted(input);
    if (wanted && !is_drained)
        return;
    step->kind = wanted ? PLAN_PERMUTE : PLAN_UNFREEZE;
    step->row = next_row(input);
    step->row.frozen = false;
    if (!wanted)
        return;
    for (uint32_t i = 0; i < active->members_count; i++)
        step->row.members[i] = active->members[row_index_of_node(active, input->order[i])];
}

static bool add_joiner(const struct plan_input *input, struct plan_step *step)
{
    const struct plan_row *active = input->active;
    uint32_t tail = active->members[active->members_count - 1].node;
    for (uint32_t i = 0; i < input->candidates_count; i++) {
        const struct plan_node *known = find_node(input, input->candidates[i]);
        if (known == NULL || !known->is_alive || known->node == input->evict ||
            row_index_of_node(active, known->node) >= 0 ||
            link_is_bad(input, tail, known->node, false))
            continue;
        step->kind = PLAN_ADD_JOINER;
        step->row = next_row(input);
        if (PLANTED(R1_JOINER_IN_SAME_EPOCH))
            step->row.epoch = active->epoch;
        step->row.joiner = (struct wire_member){known->node, known->incarnation};
        return true;
    }
    return false;
}

static void remove_surplus(const struct plan_input *input, struct plan_step *step)
{
    const struct plan_row *active = input->active;
    int32_t evicted = input->evict == 0 ? -1 : row_index_of_node(active, input->evict);
    /* Not the tail: see remove_at_cut_link. */
    remove_one(input, evicted >= 0 ? (uint32_t)evicted : active->members_count - 2, step);
}

static bool settings_differ(const struct plan_input *input)
{
    const struct plan_row *active = input->active;
    return active->any_replica != input->any_replica || active->write_floor != input->write_floor ||
           active->replicas != input->replicas;
}

/* Every member is alive and reaches its neighbours. */
static void plan_healthy(const struct plan_input *input, struct plan_step *step)
{
    const struct plan_row *active = input->active;
    if (active->joiner.node != 0) {
        cancel_or_append_joiner(input, step);
        if (step->kind != PLAN_NONE)
            return;
    }
    if (active->frozen) {
        permute_or_unfreeze(input, step);
        return;
    }
    if (active->joiner.node != 0)
        return; /* any other change would be a new epoch and begin the copy again */
    if (active->members_count > input->replicas) {
        remove_surplus(input, step);
    } else if (settings_differ(input)) {
        step->kind = PLAN_SETTINGS;
        step->row = next_row(input);
        step->row.any_replica = input->any_replica;
        step->row.write_floor = input->write_floor;
        step->row.replicas = input->replicas;
    } else if (active->members_count < wanted_count(input) && add_joiner(input, step)) {
        return;
    } else if (order_is_wanted(input)) {
        step->kind = PLAN_FREEZE;
        step->row = next_row(input);
        step->row.frozen = true;
    }
}

void plan_next(const struct plan_input *input, struct plan_step *ret_step)
{
    const struct plan_row *active = input->active;
    PRE(active->epoch > 0 && active->members_count > 0 && active->serving_count > 0);
    PRE(active->members_count <= BOUND_CHAIN_MEMBERS);
    PRE(input->replicas >= 1 && input->replicas < BOUND_CHAIN_MEMBERS);
    PRE(input->decided == NULL ||
        (input->decided->epoch > active->epoch && input->decided->members_count > 0));

    memset(ret_step, 0, sizeof(*ret_step));
    if (input->decided != NULL) {
        plan_with_decided(input, ret_step);
        return;
    }
    uint32_t alive = alive_count(input, active);
    if (alive == 0) {
        restart(input, ret_step);
    } else if (alive < active->members_count) {
        remove_dead(input, active, ret_step);
    } else if (!remove_at_cut_link(input, ret_step)) {
        plan_healthy(input, ret_step);
        if (ret_step->kind != PLAN_NONE && ret_step->kind != PLAN_REMOVE)
            serve_by_members(&ret_step->row);
    }
}

const char *plan_kind_name(enum plan_kind kind)
{
    static const char *const names[] = {"NONE",          "REMOVE",   "RESTART",    "ACTIVATE",
                                        "CANCEL_JOINER", "APPEND",   "ADD_JOINER", "FREEZE",
                                        "PERMUTE",       "UNFREEZE", "SETTINGS"};
    return (unsigned)kind < ARRAY_COUNT(names) ? names[kind] : "UNKNOWN";
}
