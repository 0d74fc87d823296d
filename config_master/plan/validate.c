#include "config_master/plan/validate.h"

#include <string.h>

#include "base/contract.h"

/* What changed from the row that a step must start from to the row that it proposes. */
struct change {
    uint32_t kept;        /* members of both */
    uint32_t added;       /* members of the new row only */
    uint32_t removed;     /* members of the old row only */
    bool order_is_kept;   /* the kept ones are in the old order */
    bool joiner_appended; /* the only added one is the old joiner, and it is last */
    bool joiner_kept;
    bool joiner_dropped;
    bool joiner_added;
    bool settings_kept;
};

static int32_t position(const struct wire_member *list, uint32_t count, struct wire_member member)
{
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].node == member.node && list[i].incarnation == member.incarnation)
            return (int32_t)i;
    }
    return -1;
}

static bool lists_equal(const struct wire_member *a, uint32_t a_count, const struct wire_member *b,
                        uint32_t b_count)
{
    if (a_count != b_count)
        return false;
    for (uint32_t i = 0; i < a_count; i++) {
        if (position(&b[i], 1, a[i]) != 0)
            return false;
    }
    return true;
}

static struct change compare(const struct plan_row *old, const struct plan_row *new)
{
    struct change change = {.order_is_kept = true};
    int32_t last = -1;
    for (uint32_t i = 0; i < new->members_count; i++) {
        int32_t at = position(old->members, old->members_count, new->members[i]);
        if (at < 0) {
            change.added++;
            continue;
        }
        change.kept++;
        change.order_is_kept = change.order_is_kept && at > last;
        last = at;
    }
    change.removed = old->members_count - change.kept;
    bool had = old->joiner.node != 0;
    bool has = new->joiner.node != 0;
    change.joiner_kept = position(&old->joiner, 1, new->joiner) == 0;
    change.joiner_dropped = had && !has;
    change.joiner_added = !had && has;
    change.joiner_appended = had && !has && change.added == 1 &&
                             new->members_count == old->members_count + 1 &&
                             position(&new->members[new->members_count - 1], 1, old->joiner) == 0;
    change.settings_kept = old->any_replica == new->any_replica &&
                           old->write_floor == new->write_floor && old->replicas == new->replicas;
    return change;
}

static const struct plan_node *knowledge(const struct plan_input *input, uint32_t node)
{
    const struct plan_node *found = NULL;
    for (uint32_t i = 0; i < input->nodes_count && found == NULL; i++)
        found = input->nodes[i].node == node ? &input->nodes[i] : NULL;
    return found;
}

static bool lives(const struct plan_input *input, struct wire_member member)
{
    const struct plan_node *node = knowledge(input, member.node);
    return node != NULL && node->is_alive && node->incarnation == member.incarnation;
}

static bool any_lives(const struct plan_input *input, const struct plan_row *row)
{
    bool any = false;
    for (uint32_t i = 0; i < row->members_count; i++)
        any = any || lives(input, row->members[i]);
    return any;
}

/* S7, R1: true of every row whatever the step. */
static const char *judge_row(const struct plan_row *row)
{
    if (row->members_count == 0 || row->members_count > BOUND_CHAIN_MEMBERS)
        return "a row has 1 to 8 members";
    for (uint32_t i = 0; i < row->members_count; i++) {
        if (row->members[i].node == 0 || row->members[i].incarnation == 0)
            return "a member names a node and its incarnation (R4)";
        if (row->members[i].node == row->joiner.node)
            return "a joiner is no member (S8)";
        for (uint32_t j = i + 1; j < row->members_count; j++) {
            if (row->members[i].node == row->members[j].node)
                return "a node is at most once in a row (S7)";
        }
    }
    return NULL;
}

static const char *judge_fences(const struct plan_input *input, const struct plan_step *step)
{
    for (uint32_t i = 0; i < input->active->members_count; i++) {
        struct wire_member member = input->active->members[i];
        const struct plan_node *node = knowledge(input, member.node);
        bool leaves = position(step->row.members, step->row.members_count, member) < 0;
        bool proven = node != NULL && node->dead_through >= member.incarnation;
        bool fenced = position(step->fences, step->fences_count, member) >= 0;
        if (leaves && !proven && !fenced)
            return "the lease of a member that leaves is waited for (R29)";
        if (fenced && !leaves)
            return "a member that stays is not fenced";
    }
    return NULL;
}

static const char *judge_remove(const struct plan_input *input, const struct plan_step *step)
{
    /* As long as somebody of a decided row lives, who was to go stays out. */
    bool stands = input->decided != NULL && any_lives(input, input->decided);
    const struct plan_row *from = stands ? input->decided : input->active;
    struct change change = compare(from, &step->row);
    struct change of_active = compare(input->active, &step->row);
    if (change.added > 0 || of_active.added > 0)
        return "a removal adds nobody (S8)";
    if (change.removed == 0)
        return "a removal removes somebody";
    if (!change.order_is_kept)
        return "a removal keeps the order (S8)";
    if (!change.joiner_kept && !change.joiner_dropped)
        return "a removal adds no joiner (S8)";
    if (!any_lives(input, &step->row))
        return "the last live member that holds all acknowledged writes stays (S8)";
    if (!change.settings_kept || step->row.frozen)
        return "a removal unfreezes and changes no setting";
    return NULL;
}

static const char *judge_restart(const struct plan_input *input, const struct plan_step *step)
{
    const struct plan_row *serving = input->active;
    if (step->row.members_count != 1 || step->row.joiner.node != 0 || step->row.frozen)
        return "a chain restarts with one member (R33)";
    if (any_lives(input, input->active) ||
        (input->decided != NULL && any_lives(input, input->decided)))
        return "a chain restarts only when no member can go on (R33)";
    struct wire_member starter = step->row.members[0];
    const struct plan_node *node = knowledge(input, starter.node);
    if (!lives(input, starter) || !node->holds || node->is_syncing)
        return "the starter is alive and has the chain complete on its disk (R33)";
    bool served = false;
    for (uint32_t i = 0; i < serving->serving_count; i++) {
        served = served || (serving->serving[i].node == starter.node &&
                            serving->serving[i].incarnation < starter.incarnation);
    }
    if (!served)
        return "the starter was of the last serving set and came back (R33)";
    if (!compare(input->active, &step->row).settings_kept)
        return "a restart changes no setting";
    return NULL;
}

static const char *judge_activate(const struct plan_input *input, const struct plan_step *step)
{
    const struct plan_row *decided = input->decided;
    if (decided == NULL)
        return "only a decided row is activated (R28)";
    struct change change = compare(decided, &step->row);
    bool same = change.added == 0 && change.removed == 0 && change.order_is_kept &&
                change.joiner_kept && change.settings_kept && decided->frozen == step->row.frozen &&
                decided->epoch == step->row.epoch;
    if (!same)
        return "the row that is activated is the one that was decided (R28)";
    if (!any_lives(input, decided))
        return "a row that nobody can enter would shrink the last serving set";
    return NULL;
}

static const char *judge_append(const struct plan_input *input, const struct plan_step *step)
{
    const struct plan_row *active = input->active;
    struct change change = compare(active, &step->row);
    if (!change.joiner_appended || change.removed > 0 || !change.order_is_kept)
        return "an append adds the joiner as last member and nothing else (S8)";
    struct wire_member tail = active->members[active->members_count - 1];
    if (input->synced.epoch != active->epoch || position(&tail, 1, input->synced.sender) != 0)
        return "the tail has declared the joiner synced in exactly this epoch (R22)";
    if (active->frozen || step->row.frozen || !change.settings_kept)
        return "an append changes nothing else";
    return NULL;
}

/* Steps that leave the set of members alone. */
static const char *judge_same_members(const struct plan_input *input, const struct plan_step *step)
{
    const struct plan_row *active = input->active;
    const struct plan_row *row = &step->row;
    struct change change = compare(active, row);
    if (change.added > 0 || change.removed > 0)
        return "this step changes no membership (S8)";
    bool is_drained = active->frozen && input->drained.epoch == active->epoch &&
                      position(&active->members[0], 1, input->drained.sender) == 0;
    if (!change.order_is_kept && !(step->kind == PLAN_PERMUTE && is_drained))
        return "only drained members are permuted (S8, R36)";
    uint32_t changes = (change.order_is_kept ? 0u : 1u) + (change.joiner_kept ? 0u : 1u) +
                       (change.settings_kept ? 0u : 1u);
    bool froze = !active->frozen && row->frozen;
    bool unfroze = active->frozen && !row->frozen;
    switch (step->kind) {
    case PLAN_CANCEL_JOINER:
        return change.joiner_dropped && changes == 1 && !froze && !unfroze ? NULL
                                                                           : "cancels the joiner";
    case PLAN_ADD_JOINER:
        if (!change.joiner_added || changes != 1 || froze || active->frozen)
            return "registers one joiner and nothing else";
        return lives(input, row->joiner) ? NULL : "a joiner is alive";
    case PLAN_FREEZE:
        return froze && changes == 0 ? NULL : "freezes and nothing else";
    case PLAN_UNFREEZE:
        return unfroze && changes == 0 ? NULL : "unfreezes and nothing else";
    case PLAN_PERMUTE:
        return unfroze && !change.order_is_kept && changes == 1 ? NULL : "permutes and unfreezes";
    case PLAN_SETTINGS:
        return !change.settings_kept && changes == 1 && !froze && !unfroze ? NULL
                                                                           : "changes settings";
    case PLAN_NONE:
    case PLAN_REMOVE:
    case PLAN_RESTART:
    case PLAN_ACTIVATE:
    case PLAN_APPEND:
        break;
    }
    return "no such step";
}

static const char *judge_serving(const struct plan_input *input, const struct plan_step *step)
{
    const struct plan_row *row = &step->row;
    bool is_decided = step->kind == PLAN_REMOVE || step->kind == PLAN_RESTART;
    bool right = is_decided ? lists_equal(row->serving, row->serving_count, input->active->serving,
                                          input->active->serving_count)
                            : lists_equal(row->serving, row->serving_count, row->members,
                                          row->members_count);
    return right ? NULL : "the last serving set is that of the newest active row";
}

static const char *judge(const struct plan_input *input, const struct plan_step *step)
{
    const char *why = judge_row(&step->row);
    if (why != NULL)
        return why;
    if (step->row.chain != input->active->chain)
        return "a step is about one chain";
    uint64_t newest = input->decided != NULL ? input->decided->epoch : input->active->epoch;
    if (step->kind != PLAN_ACTIVATE && step->row.epoch != newest + 1)
        return "every change is a new epoch, one above the newest (R1)";
    why = judge_serving(input, step);
    if (why != NULL)
        return why;
    switch (step->kind) {
    case PLAN_REMOVE:
        why = judge_remove(input, step);
        return why != NULL ? why : judge_fences(input, step);
    case PLAN_RESTART:
        why = judge_restart(input, step);
        return why != NULL ? why : judge_fences(input, step);
    case PLAN_ACTIVATE:
        why = judge_activate(input, step);
        return why != NULL ? why : judge_fences(input, step);
    case PLAN_APPEND:
    case PLAN_CANCEL_JOINER:
    case PLAN_ADD_JOINER:
    case PLAN_FREEZE:
    case PLAN_PERMUTE:
    case PLAN_UNFREEZE:
    case PLAN_SETTINGS:
        if (input->decided != NULL)
            return "while a removal is decided nothing else changes (R28)";
        return step->kind == PLAN_APPEND ? judge_append(input, step)
                                         : judge_same_members(input, step);
    case PLAN_NONE:
        break;
    }
    return "no such step";
}

bool plan_validate(const struct plan_input *input, const struct plan_step *step,
                   const char **ret_why)
{
    if (step->kind == PLAN_NONE)
        return true;
    const char *why = judge(input, step);
    if (why != NULL)
        *ret_why = why;
    return why == NULL;
}
