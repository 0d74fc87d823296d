/* Random walks of the planner over a small model of who holds what: one chain, six nodes, writes,
 * crashes, restarts, wrong suspicions, lost disks, delayed knowledge of rows.
 *
 * The model keeps to the node's rules: commit at the tail only of what every member of its row has
 * made durable in that epoch (R7), a joiner is declared synced by R22, a former member drops its
 * undecided entries only when a row names it as joiner (R24). The master may act on wrong
 * suspicions but waits for the fences. Checked after each step: every disk in the last serving set
 * holds every acknowledged write; nobody outside the active row is a reader; and at the end of each
 * walk everything heals and the chain gets back to full length. */
#include <stdlib.h>

#include "base/prng.h"
#include "tests/unit/plan/plan_fixture.h"

enum { NODES = 6, LOG_MAX = 4000, WALKS = 800, STEPS = 20000, REPLICAS = 3 };

struct model_node {
    bool up;
    uint64_t incarnation;
    uint32_t log[LOG_MAX];
    uint32_t durable;   /* entries of log; all are durable */
    uint32_t committed; /* known committed */
    bool has_chain;     /* the disk holds the chain complete */
    bool is_copying;    /* the disk holds half of it */
    bool lost_disk;     /* and no chain on it since */
    uint64_t epoch;     /* row that this incarnation has entered, 0 none */
    struct plan_row row;
    uint32_t inherited;
    uint64_t mark_epoch; /* newest durable mark that it sent: also a dead one's is in flight */
    uint32_t mark;
    bool handover; /* tail: commits nothing that the joiner lacks (phase 2) */
    bool lease;
    bool suspected; /* by the master, rightly or not */
    uint64_t dead_through;
};

static struct {
    struct prng prng;
    struct model_node nodes[NODES + 1];
    struct plan_row active;
    struct plan_row decided;
    bool has_decided;
    struct plan_report synced;
    struct plan_report drained;
    uint32_t order[REPLICAS];
    bool wants_order;
    bool grace_is_over;
    uint32_t history[LOG_MAX];
    uint32_t acknowledged;
    uint32_t next_write;
    uint64_t calm; /* one fault in so many is carried out */
    uint64_t steps_of_kind[PLAN_SETTINGS + 1];
} w;

static struct model_node *node_of(struct wire_member member)
{
    return &w.nodes[member.node];
}

static bool in_row(const struct plan_row *row, uint32_t node, uint64_t incarnation)
{
    for (uint32_t i = 0; i < row->members_count; i++) {
        if (row->members[i].node == node && row->members[i].incarnation == incarnation)
            return true;
    }
    return false;
}

static bool is_tail(uint32_t n)
{
    const struct model_node *node = &w.nodes[n];
    return node->up && node->epoch > 0 &&
           node->row.members[node->row.members_count - 1].node == n &&
           in_row(&node->row, n, node->incarnation);
}

static bool is_joiner(uint32_t n)
{
    const struct model_node *node = &w.nodes[n];
    return node->up && node->epoch > 0 && node->row.joiner.node == n &&
           node->row.joiner.incarnation == node->incarnation;
}

static void check_world(void)
{
    for (uint32_t i = 0; i < w.active.serving_count; i++) {
        const struct model_node *node = node_of(w.active.serving[i]);
        if (node->lost_disk)
            continue;
        FIXTURE_CHECK(node->has_chain);
        FIXTURE_CHECK(node->durable >= w.acknowledged);
        FIXTURE_CHECK(memcmp(node->log, w.history, w.acknowledged * sizeof(w.history[0])) == 0);
    }
    for (uint32_t n = 1; n <= NODES; n++) {
        if (is_tail(n) && w.nodes[n].lease && w.nodes[n].committed >= w.nodes[n].inherited)
            FIXTURE_CHECK(w.nodes[n].committed == w.acknowledged);
    }
}

static void learn(uint32_t n)
{
    struct model_node *node = &w.nodes[n];
    if (!node->up || node->epoch >= w.active.epoch)
        return;
    node->epoch = w.active.epoch;
    node->row = w.active;
    node->handover = false;
    bool is_member = in_row(&w.active, n, node->incarnation);
    if (is_joiner(n)) {
        node->durable = node->committed; /* R24: undecided entries go; then the copy replaces all */
        node->has_chain = false;
        node->is_copying = true;
    } else if (is_member) {
        FIXTURE_CHECK(node->has_chain && !node->is_copying);
    } else {
        node->epoch = 0;
        node->lease = false;
        return;
    }
    node->inherited = node->durable;
    node->lease = is_member;
}

/* One unit of replication work at one node. */
static void replicate(uint32_t n)
{
    struct model_node *node = &w.nodes[n];
    if (!node->up || node->epoch == 0)
        return;
    const struct plan_row *row = &node->row;
    uint32_t from = is_joiner(n) ? row->members[row->members_count - 1].node : 0;
    for (uint32_t i = 1; i < row->members_count; i++) {
        if (row->members[i].node == n)
            from = row->members[i - 1].node;
    }
    if (from == 0) {
        if (!row->frozen && node->durable < LOG_MAX && prng_once_in(&w.prng, 3))
            node->log[node->durable++] = ++w.next_write;
    } else {
        const struct model_node *source = &w.nodes[from];
        if (!source->up || source->epoch != node->epoch)
            return;
        if (is_joiner(n)) { /* a copy replaces what differs, from the first entry on */
            uint32_t same = 0;
            while (same < node->durable && node->log[same] == source->log[same])
                same++;
            node->durable = same;
        }
        if (node->durable < source->durable) {
            node->log[node->durable] = source->log[node->durable];
            node->durable++;
        }
    }
    node->mark_epoch = node->epoch;
    node->mark = node->durable;
}

static void commit(uint32_t n)
{
    struct model_node *node = &w.nodes[n];
    if (!is_tail(n))
        return;
    uint32_t stable = node->durable;
    for (uint32_t i = 0; i < node->row.members_count; i++) {
        const struct model_node *member = node_of(node->row.members[i]);
        uint32_t mark = member->mark_epoch == node->epoch ? member->mark : 0;
        stable = mark < stable ? mark : stable;
    }
    const struct model_node *joiner = node_of(node->row.joiner);
    if (node->row.joiner.node != 0 && node->handover) {
        uint32_t mark = joiner->mark_epoch == node->epoch ? joiner->mark : 0;
        stable = mark < stable ? mark : stable;
    }
    if (stable <= node->committed)
        return;
    node->committed++;
    if (node->committed > w.acknowledged) {
        w.history[w.acknowledged++] = node->log[node->committed - 1];
        FIXTURE_CHECK(w.acknowledged == node->committed);
    }
    FIXTURE_CHECK(w.history[node->committed - 1] == node->log[node->committed - 1]);
}

static void hear_commit(uint32_t n)
{
    struct model_node *node = &w.nodes[n];
    if (!node->up || node->epoch == 0)
        return;
    const struct model_node *tail = node_of(node->row.members[node->row.members_count - 1]);
    bool same = tail->epoch == node->epoch;
    for (uint32_t i = 0; same && i < node->durable && i < tail->committed; i++)
        same = node->log[i] == tail->log[i];
    if (same && node->committed < tail->committed && node->committed < node->durable)
        node->committed++;
}

static void report(uint32_t n)
{
    struct model_node *node = &w.nodes[n];
    if (is_tail(n) && node->row.joiner.node != 0) {
        struct model_node *joiner = node_of(node->row.joiner);
        uint32_t need = node->committed > node->inherited ? node->committed : node->inherited;
        if (!node->handover) {
            node->handover = true;
        } else if (joiner->mark_epoch == node->epoch && joiner->mark >= need &&
                   joiner->incarnation == node->row.joiner.incarnation) {
            w.synced = (struct plan_report){{n, node->incarnation}, node->epoch};
            /* The joiner has noted on its disk that the copy is complete before it tells the tail:
             * it may be appended and die before it learns of that, as the last one that is left. */
            joiner->has_chain = true;
            joiner->lost_disk = false;
            joiner->is_copying = false;
        }
    }
    if (node->up && node->epoch > 0 && node->row.frozen && node->row.members[0].node == n &&
        node->committed == node->durable)
        w.drained = (struct plan_report){{n, node->incarnation}, node->epoch};
}

static void crash(uint32_t n)
{
    struct model_node *node = &w.nodes[n];
    if (!node->up)
        return;
    node->up = false;
    node->epoch = 0;
    node->lease = false;
    if (prng_once_in(&w.prng, 2))
        node->committed = (uint32_t)prng_below(&w.prng, node->committed + 1u); /* a lower bound */
    if (prng_once_in(&w.prng, 2)) {
        node->dead_through = node->incarnation; /* obituary */
        node->suspected = true;
    }
}

static void restart(uint32_t n)
{
    struct model_node *node = &w.nodes[n];
    if (node->up)
        return;
    if (prng_once_in(&w.prng, 4))
        node->dead_through = node->incarnation; /* proof by disk, lock and boot id */
    node->up = true;
    node->incarnation++;
    node->suspected = prng_once_in(&w.prng, 2);
}

/* A disk is lost only while another one of the last serving set has the chain and the master does
 * not take the node for alive (it could make it the last member): what happens after the last copy
 * is gone is the operator's decision, not the planner's. */
static void lose_disk(uint32_t n)
{
    struct model_node *node = &w.nodes[n];
    bool another = false;
    for (uint32_t i = 0; i < w.active.serving_count; i++) {
        const struct model_node *other = node_of(w.active.serving[i]);
        another = another || (w.active.serving[i].node != n && other->has_chain);
    }
    if (node->up || !node->suspected || !another)
        return;
    node->durable = node->committed = 0;
    node->has_chain = node->is_copying = false;
    node->lost_disk = true;
}

static void fill_input(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    for (uint32_t n = 1; n <= NODES; n++) {
        const struct model_node *node = &w.nodes[n];
        bool has_role =
            in_row(&w.active, n, node->incarnation) ||
            (w.active.joiner.node == n && w.active.joiner.incarnation == node->incarnation);
        f->nodes[n - 1] = (struct plan_node){
            .node = n,
            .incarnation = node->incarnation,
            .is_alive = !node->suspected,
            .holds = node->up && node->has_chain && !has_role,
            .is_syncing = node->is_copying,
            .dead_through = node->dead_through,
        };
        fixture_candidate(f, n);
    }
    f->input.active = &w.active;
    f->input.decided = w.has_decided ? &w.decided : NULL;
    f->input.nodes = f->nodes;
    f->input.nodes_count = NODES;
    f->input.candidates = f->candidates;
    f->input.synced = w.synced;
    f->input.drained = w.drained;
    f->input.grace_is_over = w.grace_is_over;
    f->input.order = w.wants_order ? w.order : NULL;
    f->input.order_count = REPLICAS;
    f->input.any_replica = w.active.any_replica;
    f->input.write_floor = w.active.write_floor;
    f->input.replicas = REPLICAS;
}

static enum plan_kind master_acts(void)
{
    static struct fixture f;
    uint32_t candidates = 0;
    fill_input(&f);
    f.input.candidates_count = candidates;
    for (uint32_t i = 0, start = (uint32_t)prng_below(&w.prng, NODES); i < NODES; i++)
        fixture_candidate(&f, (start + i) % NODES + 1);
    enum plan_kind kind = fixture_plan(&f);
    w.steps_of_kind[kind]++;
    switch (kind) {
    case PLAN_NONE:
        return kind;
    case PLAN_REMOVE:
    case PLAN_RESTART:
        w.decided = f.step.row;
        w.has_decided = true;
        return kind;
    case PLAN_ACTIVATE:
        for (uint32_t i = 0; i < f.step.fences_count; i++) {
            if (node_of(f.step.fences[i])->incarnation == f.step.fences[i].incarnation)
                node_of(f.step.fences[i])->lease = false;
        }
        break;
    case PLAN_CANCEL_JOINER:
    case PLAN_APPEND:
    case PLAN_ADD_JOINER:
    case PLAN_FREEZE:
    case PLAN_PERMUTE:
    case PLAN_UNFREEZE:
    case PLAN_SETTINGS:
        break;
    }
    w.active = f.step.row;
    w.has_decided = false;
    return kind;
}

/* R28: only the one that leaves is told of a decided row. */
static void tell_decided(uint32_t n)
{
    struct model_node *node = &w.nodes[n];
    if (w.has_decided && node->up && node->epoch > 0 && in_row(&w.active, n, node->incarnation) &&
        !in_row(&w.decided, n, node->incarnation)) {
        node->epoch = 0;
        node->lease = false;
    }
}

static void want_order(void)
{
    w.wants_order = prng_once_in(&w.prng, 2) && w.active.members_count == REPLICAS;
    for (uint32_t i = 0; i < REPLICAS && w.wants_order; i++)
        w.order[i] = w.active.members[(i + 1) % REPLICAS].node;
}

static void random_step(void)
{
    uint32_t n = (uint32_t)prng_between(&w.prng, 1, NODES);
    uint64_t draw = prng_below(&w.prng, 1000);
    bool is_fault = (draw >= 900 && draw < 936) || (draw >= 975 && draw < 977);
    if (is_fault && !prng_once_in(&w.prng, w.calm))
        return;
    if (draw < 300)
        replicate(n);
    else if (draw < 500)
        commit(n);
    else if (draw < 600)
        hear_commit(n);
    else if (draw < 700)
        learn(n);
    else if (draw < 780)
        report(n);
    else if (draw < 900)
        (void)master_acts();
    else if (draw < 920)
        w.nodes[n].suspected = w.nodes[n].up ? prng_once_in(&w.prng, 3) : true;
    else if (draw < 932)
        crash(n);
    else if (draw < 936)
        for (uint32_t all = 1; all <= NODES; all++)
            crash(all);
    else if (draw < 975)
        restart(n);
    else if (draw < 977)
        lose_disk(n);
    else if (draw < 985)
        tell_decided(n);
    else if (draw < 990)
        want_order();
    else
        w.grace_is_over = prng_once_in(&w.prng, 2);
    check_world();
}

static bool is_whole(void)
{
    bool whole = !w.has_decided && w.active.members_count == REPLICAS &&
                 w.active.joiner.node == 0 && !w.active.frozen;
    for (uint32_t i = 0; whole && i < REPLICAS; i++) {
        const struct model_node *node = node_of(w.active.members[i]);
        whole = node->up && node->epoch == w.active.epoch;
    }
    return whole;
}

static void heal(void)
{
    w.wants_order = false;
    w.grace_is_over = true;
    for (uint32_t round = 0; !is_whole(); round++) {
        FIXTURE_CHECK(round < 20000);
        for (uint32_t n = 1; n <= NODES; n++) {
            restart(n);
            w.nodes[n].suspected = false;
            learn(n);
            for (int i = 0; i < 4; i++)
                replicate(n);
            commit(n);
            hear_commit(n);
            report(n);
        }
        (void)master_acts();
        check_world();
    }
}

static void walk(uint64_t seed)
{
    memset(&w, 0, sizeof(w));
    prng_init(&w.prng, seed);
    w.calm = prng_between(&w.prng, 1, 20);
    w.active = (struct plan_row){
        .chain = 1, .epoch = 1, .members_count = REPLICAS, .replicas = REPLICAS, .write_floor = 1};
    for (uint32_t n = 1; n <= NODES; n++)
        w.nodes[n] = (struct model_node){.up = true, .incarnation = 1};
    for (uint32_t i = 0; i < REPLICAS; i++)
        w.active.members[i] = (struct wire_member){i + 1, 1};
    fixture_serve(&w.active);
    for (uint32_t n = 1; n <= REPLICAS; n++)
        w.nodes[n].has_chain = true;
    for (int step = 0; step < STEPS; step++)
        random_step();
    heal();
}

START_TEST(no_acknowledged_write_is_lost_and_healed_chains_are_full)
{
    uint64_t kinds[PLAN_SETTINGS + 1] = {0};
    uint64_t acknowledged = 0;
    for (uint64_t seed = 1; seed <= WALKS; seed++) {
        walk(seed);
        acknowledged += w.acknowledged;
        for (int kind = 0; kind <= PLAN_SETTINGS; kind++)
            kinds[kind] += w.steps_of_kind[kind];
    }
    for (int kind = 0; kind < PLAN_SETTINGS; kind++)
        ck_assert_msg(kinds[kind] > 0, "%s never came up", plan_kind_name((enum plan_kind)kind));
    ck_assert_uint_gt(acknowledged, WALKS * 50);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan_walk");
    TCase *tcase = tcase_create("walks");
    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, no_acknowledged_write_is_lost_and_healed_chains_are_full);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
