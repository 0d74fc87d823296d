/* The inputs of chain_plan for chains of 1 to 5 members, on a grid.
 *
 * Varied, all combinations: the length; the wanted length (3, and the largest); for each member one
 * of six states (alive, suspect, proven dead, returned empty, half copied, with the chain on its
 * disk); the joiner (none, copying, synced, synced in an older epoch, dead); the freeze (no,
 * pending, drained, abandoned); the decided row (none, each proper subset that may remain, each
 * restart); whether the grace of R33 is over, whether there are candidates, whether a slow joiner
 * is to be cancelled. For chains that are two shorter than the longest also: who is to be evicted
 * (nobody, each member, the joiner), and settings that differ from the row (none, write floor,
 * any-replica flag, replicas).
 *
 * Not varied here: bad links. Every set of cut links among four members and a joiner is in
 * tests/unit/plan/plan_enumerate.c, remembered ones are single cases in plan_next.c. Orders: one,
 * the reverse. Candidates: nobody, or everybody in the order of their numbers.
 *
 * Left out by symmetry: members are numbered in chain order. The planner compares node numbers for
 * equality alone, so renaming the nodes renames the step. cancel_joiner is varied only where there
 * is a joiner: it is not read elsewhere. */
#include "tests/model/plan.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/contract.h"
#include "config_master/plan/chain_plan.h"
#include "config_master/plan/validate.h"

enum state { ALIVE, SUSPECT, DEAD, BACK_EMPTY, BACK_SYNCING, BACK_HOLDS, STATES };
enum joiner {
    JOINER_NONE,
    JOINER_COPYING,
    JOINER_SYNCED,
    JOINER_SYNCED_BEFORE,
    JOINER_DEAD,
    JOINERS
};
enum freeze { FREEZE_NO, FREEZE_PENDING, FREEZE_DRAINED, FREEZE_ABANDONED, FREEZES };
enum settings {
    SETTINGS_SAME,
    SETTINGS_WRITE_FLOOR,
    SETTINGS_ANY_REPLICA,
    SETTINGS_REPLICAS,
    SETTINGS
};
enum { NODES_MAX = PLAN_MEMBERS_MAX + 2, EPOCH = 7, FAIR_STEPS_MAX = 32 };

struct input {
    struct plan_row active;
    struct plan_row decided;
    struct plan_node nodes[NODES_MAX];
    uint32_t candidates[NODES_MAX];
    uint32_t order[BOUND_CHAIN_MEMBERS];
    struct plan_input input;
    struct plan_step step;
};

/* One point of the enumeration. */
struct point {
    uint32_t length;
    uint32_t replicas;
    uint32_t states;
    unsigned joiner;
    unsigned freeze;
    unsigned options; /* 1 grace over, 2 candidates, 4 cancel the joiner */
    uint32_t decide;
    uint32_t evict; /* 0: nobody */
    unsigned settings;
};

static struct input f;
static struct point at;
static struct plan_result *result;
static uint32_t longest;
static bool is_point; /* set by decide(): there is such an input */

static void fail(const char *why)
{
    result->is_violated = true;
    (void)snprintf(result->why, sizeof result->why,
                   "%s (length %u replicas %u states %u joiner %u freeze %u options %u decide %u "
                   "evict %u settings %u, step %s)",
                   why, at.length, at.replicas, at.states, at.joiner, at.freeze, at.options,
                   at.decide, at.evict, at.settings, plan_kind_name(f.step.kind));
}

static void expect(bool is_met, const char *what)
{
    if (!is_met && !result->is_violated)
        fail(what);
}

static struct wire_member first_life(uint32_t node)
{
    return (struct wire_member){node, 10u * node};
}

static struct wire_member second_life(uint32_t node)
{
    return (struct wire_member){node, 10u * node + 1};
}

static void set_node(uint32_t node, enum state state)
{
    bool is_back = state >= BACK_EMPTY;
    f.nodes[node - 1] = (struct plan_node){
        .node = node,
        .incarnation = is_back ? second_life(node).incarnation : first_life(node).incarnation,
        .is_alive = is_back || state == ALIVE,
        .holds = state == BACK_HOLDS,
        .is_syncing = state == BACK_SYNCING,
        .dead_through = state == DEAD ? first_life(node).incarnation : 0,
    };
}

static void set_reports(uint64_t synced, uint64_t drained)
{
    f.input.synced = (struct plan_report){f.active.members[f.active.members_count - 1], synced};
    f.input.drained = (struct plan_report){f.active.members[0], drained};
    if (synced == 0)
        f.input.synced = (struct plan_report){{0}, 0};
    if (drained == 0)
        f.input.drained = (struct plan_report){{0}, 0};
}

static void add_candidates(void)
{
    f.input.candidates_count = 0;
    for (uint32_t node = 1; node <= NODES_MAX; node++)
        f.candidates[f.input.candidates_count++] = node;
}

static void begin_row(void)
{
    memset(&f, 0, sizeof f);
    f.active.chain = 3;
    f.active.epoch = EPOCH;
    f.active.members_count = at.length;
    f.active.write_floor = 1;
    f.active.replicas = at.replicas;
    for (uint32_t i = 0; i < at.length; i++)
        f.active.members[i] = first_life(i + 1);
    memcpy(f.active.serving, f.active.members, sizeof f.active.members);
    f.active.serving_count = at.length;
    f.input = (struct plan_input){
        .active = &f.active,
        .nodes = f.nodes,
        .nodes_count = NODES_MAX,
        .candidates = f.candidates,
        .write_floor = 1,
        .replicas = at.replicas,
        .grace_is_over = (at.options & 1u) != 0,
        .cancel_joiner = (at.options & 4u) != 0,
        .evict = at.evict,
    };
    if (at.settings == SETTINGS_WRITE_FLOOR)
        f.input.write_floor = 2;
    f.input.any_replica = at.settings == SETTINGS_ANY_REPLICA;
    if (at.settings == SETTINGS_REPLICAS)
        f.active.replicas = at.replicas + 1;
}

static void build(void)
{
    begin_row();
    uint32_t states = at.states;
    for (uint32_t node = 1; node <= NODES_MAX; node++) {
        set_node(node, node <= at.length ? (enum state)(states % STATES) : ALIVE);
        states = node <= at.length ? states / STATES : states;
    }
    uint32_t joiner = at.length + 1;
    if (at.joiner != JOINER_NONE)
        f.active.joiner = first_life(joiner);
    if (at.joiner == JOINER_DEAD)
        set_node(joiner, SUSPECT);
    uint64_t synced = at.joiner == JOINER_SYNCED          ? EPOCH
                      : at.joiner == JOINER_SYNCED_BEFORE ? EPOCH - 1
                                                          : 0;
    set_reports(synced, at.freeze == FREEZE_DRAINED ? EPOCH : 0);
    f.active.frozen = at.freeze != FREEZE_NO;
    if (at.freeze == FREEZE_PENDING || at.freeze == FREEZE_DRAINED) {
        for (uint32_t i = 0; i < at.length; i++)
            f.order[i] = at.length - i;
        f.input.order = f.order;
        f.input.order_count = at.length;
    }
    if ((at.options & 2u) != 0)
        add_candidates();
}

/* decide 0: none; then each proper subset that remains, as bits; then each restart. False: no more.
 */
static bool decide(void)
{
    uint32_t subsets = (1u << at.length) - 2;
    is_point = true;
    if (at.decide == 0)
        return true;
    uint32_t node = at.decide - subsets;
    bool is_restart = at.decide > subsets;
    if (is_restart && node > at.length)
        return false;
    is_point = !is_restart || f.nodes[node - 1].incarnation == second_life(node).incarnation;
    if (!is_point)
        return true; /* it has not returned: no such input */
    f.decided = f.active;
    f.decided.epoch = EPOCH + 1;
    f.decided.frozen = false;
    f.decided.members_count = 0;
    memset(f.decided.members, 0, sizeof f.decided.members);
    for (uint32_t i = 0; i < at.length && !is_restart; i++)
        if ((at.decide >> i & 1u) != 0)
            f.decided.members[f.decided.members_count++] = f.active.members[i];
    if (is_restart) {
        f.decided.joiner = (struct wire_member){0, 0};
        f.decided.members[f.decided.members_count++] = second_life(node);
    }
    f.input.decided = &f.decided;
    return true;
}

static uint32_t alive_in(const struct plan_row *row)
{
    uint32_t alive = 0;
    for (uint32_t i = 0; i < row->members_count; i++) {
        const struct plan_node *node = &f.nodes[row->members[i].node - 1];
        alive += node->is_alive && node->incarnation == row->members[i].incarnation ? 1u : 0u;
    }
    return alive;
}

static uint32_t returned(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < f.active.members_count; i++)
        count += f.nodes[f.active.members[i].node - 1].holds ? 1u : 0u;
    return count;
}

static enum plan_kind plan(void)
{
    const char *why = "";
    plan_next(&f.input, &f.step);
    if (!plan_validate(&f.input, &f.step, &why) && !result->is_violated)
        fail(why);
    return f.step.kind;
}

/* What must happen, from the words of the rules. */
static void expect_kind(enum plan_kind kind)
{
    const struct plan_row *newest = f.input.decided != NULL ? &f.decided : &f.active;
    uint32_t alive = alive_in(newest);
    if (alive == 0 && f.input.decided != NULL && alive_in(&f.active) > 0) {
        expect(kind == PLAN_REMOVE, "a removal that nobody survives is decided anew");
    } else if (alive == 0) {
        bool may =
            returned() > 0 && (f.input.grace_is_over || returned() == f.active.members_count);
        expect(kind == (may ? PLAN_RESTART : PLAN_NONE), "any member of the serving set restarts");
    } else if (alive < newest->members_count) {
        expect(kind == PLAN_REMOVE && f.step.row.members_count == alive, "the dead are removed");
    } else if (f.input.decided != NULL) {
        expect(kind == PLAN_ACTIVATE, "what is decided is activated");
    } else {
        expect(kind != PLAN_RESTART && kind != PLAN_ACTIVATE,
               "a chain that lives is not restarted");
        expect(kind != PLAN_REMOVE || f.active.members_count > f.input.replicas,
               "nobody leaves a chain that is not too long");
    }
}

static bool is_same_step(const struct plan_step *a, const struct plan_step *b)
{
    bool is_same = a->kind == b->kind && a->row.epoch == b->row.epoch &&
                   a->row.members_count == b->row.members_count &&
                   a->row.joiner.node == b->row.joiner.node && a->fences_count == b->fences_count;
    for (uint32_t i = 0; is_same && i < a->row.members_count; i++)
        is_same = a->row.members[i].node == b->row.members[i].node;
    for (uint32_t i = 0; is_same && i < a->fences_count; i++)
        is_same = a->fences[i].node == b->fences[i].node;
    return is_same;
}

/* ---- the fair end: all faults are over ---- */

static void heal_nodes(void)
{
    for (uint32_t node = 1; node <= NODES_MAX; node++) {
        struct plan_node *known = &f.nodes[node - 1];
        if (!known->is_alive && known->dead_through >= known->incarnation) {
            set_node(node, BACK_HOLDS);
            known->dead_through = first_life(node).incarnation;
        }
        known->is_alive = true;
    }
    f.input.grace_is_over = true;
    f.input.cancel_joiner = false;
    add_candidates();
}

static void take_step(void)
{
    if (f.step.kind == PLAN_REMOVE || f.step.kind == PLAN_RESTART) {
        f.decided = f.step.row;
        f.input.decided = &f.decided;
        return;
    }
    f.active = f.step.row;
    f.input.decided = NULL;
    for (uint32_t i = 0; i < f.active.members_count; i++) {
        struct plan_node *node = &f.nodes[f.active.members[i].node - 1];
        if (node->incarnation == f.active.members[i].incarnation)
            node->holds = false; /* it has a role now */
    }
    set_reports(f.active.joiner.node != 0 ? f.active.epoch : 0,
                f.active.frozen ? f.active.epoch : 0);
}

static void heal(void)
{
    heal_nodes();
    bool is_decided_alive = f.input.decided != NULL && alive_in(&f.decided) > 0;
    if (!is_decided_alive && alive_in(&f.active) == 0 && returned() == 0)
        return;
    if (f.input.decided == NULL)
        set_reports(f.active.joiner.node != 0 ? f.active.epoch : f.input.synced.epoch,
                    f.active.frozen ? f.active.epoch : f.input.drained.epoch);
    uint32_t steps = 0;
    while (!result->is_violated && plan() != PLAN_NONE) {
        expect(++steps < FAIR_STEPS_MAX, "a healed chain comes to rest");
        take_step();
    }
    result->steps += steps;
    result->healed++;
    expect(f.input.decided == NULL && f.active.members_count == f.input.replicas &&
               alive_in(&f.active) == f.active.members_count && f.active.joiner.node == 0 &&
               !f.active.frozen,
           "a healed chain reaches its full length");
    expect(f.active.write_floor == f.input.write_floor &&
               f.active.any_replica == f.input.any_replica && f.active.replicas == f.input.replicas,
           "a healed chain has the settings");
    for (uint32_t i = 0; i < f.active.members_count; i++)
        expect(f.active.members[i].node != at.evict, "who is evicted leaves a healed chain");
}

static void try_point(void)
{
    enum plan_kind kind = plan();
    struct plan_step again;
    result->inputs++;
    expect_kind(kind);
    plan_next(&f.input, &again);
    expect(is_same_step(&f.step, &again), "equal inputs give equal steps");
    if ((at.options & 3u) == 3u && !result->is_violated)
        heal();
}

static double now_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* All of one assignment of states to the members, under one wish of the operator. */
static void try_wish(void)
{
    for (at.joiner = JOINER_NONE; at.joiner < JOINERS; at.joiner++)
        for (at.freeze = FREEZE_NO; at.freeze < FREEZES; at.freeze++)
            for (at.options = 0; at.options < (at.joiner == JOINER_NONE ? 4u : 8u); at.options++)
                for (at.decide = 0;; at.decide++) {
                    build();
                    if (!decide())
                        break;
                    if (is_point)
                        try_point();
                    if (result->is_violated)
                        return;
                }
}

static void try_states(void)
{
    bool has_wishes = at.length + 2 <= longest;
    for (at.evict = 0; at.evict <= (has_wishes ? at.length + 1 : 0); at.evict++)
        for (at.settings = 0; at.settings < (has_wishes ? SETTINGS : 1u); at.settings++) {
            try_wish();
            if (result->is_violated)
                return;
        }
}

static bool try_length(uint32_t length_max, double until)
{
    uint32_t combinations = 1;
    for (uint32_t i = 0; i < at.length; i++)
        combinations *= STATES;
    for (unsigned wanted = 0; wanted < (length_max == 3 ? 1u : 2u); wanted++) {
        at.replicas = wanted == 0 ? 3 : length_max;
        for (at.states = 0; at.states < combinations; at.states++) {
            if (until > 0 && now_seconds() > until)
                return false;
            try_states();
            if (result->is_violated)
                return false;
        }
    }
    return true;
}

void plan_enumerate(uint32_t length_max, double budget_seconds, struct plan_result *ret_result)
{
    PRE(length_max >= 3 && length_max <= PLAN_MEMBERS_MAX);
    *ret_result = (struct plan_result){.is_complete = true};
    result = ret_result;
    longest = length_max;
    double begun = now_seconds();
    double until = budget_seconds > 0 ? begun + budget_seconds : 0;
    for (at.length = 1; at.length <= length_max && ret_result->is_complete; at.length++)
        ret_result->is_complete = try_length(length_max, until);
    ret_result->seconds = now_seconds() - begun;
}
