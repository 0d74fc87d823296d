/* A chain and what is known about its nodes, in few words: for tests of config_master/plan. Node n
 * serves under incarnation 10 n; a node that came back has incarnation 10 n + 1. */
#ifndef CATENA_TESTS_UNIT_PLAN_PLAN_FIXTURE_H
#define CATENA_TESTS_UNIT_PLAN_PLAN_FIXTURE_H

#include <check.h>
#include <string.h>

#include "config_master/plan/chain_plan.h"
#include "config_master/plan/validate.h"

/* ck_assert writes to a pipe each time; this only when it fails. For loops of millions. */
#define FIXTURE_CHECK(condition)                                                                   \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("%s", #condition);                                                        \
    } while (0)

enum { FIXTURE_NODES = 6 };

enum fixture_status {
    STATUS_ALIVE,            /* under the incarnation of the row */
    STATUS_SUSPECT,          /* not heard of; may be alive */
    STATUS_DEAD,             /* proven dead */
    STATUS_RETURNED_EMPTY,   /* alive, higher incarnation, no data */
    STATUS_RETURNED_SYNCING, /* alive, higher incarnation, half a copy */
    STATUS_RETURNED_HOLDS,   /* alive, higher incarnation, chain complete on disk */
    STATUS_COUNT
};

struct fixture {
    struct plan_row active;
    struct plan_row decided;
    struct plan_node nodes[FIXTURE_NODES];
    struct plan_link links[16];
    uint32_t candidates[FIXTURE_NODES];
    uint32_t order[BOUND_CHAIN_MEMBERS];
    struct plan_input input;
    struct plan_step step;
};

static inline struct wire_member fixture_member(uint32_t node)
{
    return (struct wire_member){node, 10u * node};
}

static inline struct wire_member fixture_returned(uint32_t node)
{
    return (struct wire_member){node, 10u * node + 1};
}

static inline void fixture_status(struct fixture *f, uint32_t node, enum fixture_status status)
{
    struct plan_node *known = &f->nodes[node - 1];
    bool is_back = status == STATUS_RETURNED_EMPTY || status == STATUS_RETURNED_SYNCING ||
                   status == STATUS_RETURNED_HOLDS;
    *known = (struct plan_node){
        .node = node,
        .incarnation =
            is_back ? fixture_returned(node).incarnation : fixture_member(node).incarnation,
        .is_alive = is_back || status == STATUS_ALIVE,
        .holds = status == STATUS_RETURNED_HOLDS,
        .is_syncing = status == STATUS_RETURNED_SYNCING,
        .dead_through = status == STATUS_DEAD ? fixture_member(node).incarnation : 0,
    };
}

static inline void fixture_serve(struct plan_row *row)
{
    memcpy(row->serving, row->members, sizeof(row->members));
    row->serving_count = row->members_count;
}

/* An active chain 1..length in epoch 7 of wanted length `replicas`; nodes 1..6 alive, no candidate.
 */
static inline void fixture_init(struct fixture *f, uint32_t length, uint32_t replicas)
{
    memset(f, 0, sizeof(*f));
    f->active.chain = 3;
    f->active.epoch = 7;
    f->active.members_count = length;
    for (uint32_t i = 0; i < length; i++)
        f->active.members[i] = fixture_member(i + 1);
    fixture_serve(&f->active);
    f->active.write_floor = 1;
    f->active.replicas = replicas;
    for (uint32_t node = 1; node <= FIXTURE_NODES; node++)
        fixture_status(f, node, STATUS_ALIVE);
    f->input = (struct plan_input){
        .active = &f->active,
        .nodes = f->nodes,
        .nodes_count = FIXTURE_NODES,
        .links = f->links,
        .candidates = f->candidates,
        .write_floor = 1,
        .replicas = replicas,
    };
}

static inline void fixture_candidate(struct fixture *f, uint32_t node)
{
    f->candidates[f->input.candidates_count++] = node;
}

static inline void fixture_link(struct fixture *f, uint32_t a, uint32_t b, bool is_cut)
{
    f->links[f->input.links_count++] = (struct plan_link){a, b, is_cut};
}

/* A removal decided in epoch 8 that keeps the members whose bit (node - 1) is set. */
static inline void fixture_decide(struct fixture *f, uint32_t keep_bits)
{
    f->decided = f->active;
    f->decided.epoch = f->active.epoch + 1;
    f->decided.frozen = false;
    f->decided.members_count = 0;
    memset(f->decided.members, 0, sizeof(f->decided.members));
    for (uint32_t i = 0; i < f->active.members_count; i++) {
        if ((keep_bits >> (f->active.members[i].node - 1)) & 1u)
            f->decided.members[f->decided.members_count++] = f->active.members[i];
    }
    f->input.decided = &f->decided;
}

/* A restart decided in epoch 8 with that returned node. */
static inline void fixture_decide_restart(struct fixture *f, uint32_t node)
{
    fixture_decide(f, 0);
    f->decided.joiner = (struct wire_member){0, 0};
    f->decided.members[0] = fixture_returned(node);
    f->decided.members_count = 1;
}

static inline void fixture_synced(struct fixture *f, uint64_t epoch)
{
    f->input.synced.sender = f->active.members[f->active.members_count - 1];
    f->input.synced.epoch = epoch;
}

static inline void fixture_drained(struct fixture *f, uint64_t epoch)
{
    f->input.drained.sender = f->active.members[0];
    f->input.drained.epoch = epoch;
}

/* Plans and has the oracle agree. */
static inline enum plan_kind fixture_plan(struct fixture *f)
{
    const char *why = "";
    plan_next(&f->input, &f->step);
    if (!plan_validate(&f->input, &f->step, &why))
        ck_abort_msg("%s: %s", plan_kind_name(f->step.kind), why);
    return f->step.kind;
}

/* The members of a row as a number with one decimal digit per node, head first: 132. */
static inline uint32_t fixture_digits(const struct plan_row *row)
{
    uint32_t digits = 0;
    for (uint32_t i = 0; i < row->members_count; i++)
        digits = 10 * digits + row->members[i].node;
    return digits;
}

static inline uint32_t fixture_fences(const struct plan_step *step)
{
    uint32_t digits = 0;
    for (uint32_t i = 0; i < step->fences_count; i++)
        digits = 10 * digits + step->fences[i].node;
    return digits;
}

#endif
