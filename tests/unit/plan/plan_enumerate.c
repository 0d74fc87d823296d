/* Every input for chains of one to four members: each combination of member states, decided row,
 * joiner, freeze, reports, grace and candidates. For each: the oracle agrees, the step is the one
 * that the state of the members demands, equal inputs give equal steps, and once everybody is
 * healed the planner brings the chain to full length without a further fault. */
#include <stdlib.h>

#include "base/contract.h"
#include "tests/unit/plan/plan_fixture.h"

enum { LENGTH_MAX = 4 };

enum joiner_case { JOINER_NONE, JOINER_COPYING, JOINER_SYNCED, JOINER_SYNCED_BEFORE, JOINER_DEAD };
enum freeze_case { FREEZE_NO, FREEZE_PENDING, FREEZE_DRAINED, FREEZE_ABANDONED };

struct counts {
    uint64_t inputs;
    uint64_t of_kind[PLAN_SETTINGS + 1];
    uint64_t healed;
};

static struct fixture f;
static struct counts counts;

static uint32_t alive_in(const struct plan_row *row)
{
    uint32_t alive = 0;
    for (uint32_t i = 0; i < row->members_count; i++) {
        const struct plan_node *node = &f.nodes[row->members[i].node - 1];
        alive += node->is_alive && node->incarnation == row->members[i].incarnation;
    }
    return alive;
}

static uint32_t returned_count(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < f.active.members_count; i++)
        count += f.nodes[f.active.members[i].node - 1].holds;
    return count;
}

/* What must happen, from the words of the rules. */
static void expect_kind(enum plan_kind kind)
{
    const struct plan_row *newest = f.input.decided != NULL ? &f.decided : &f.active;
    uint32_t alive = alive_in(newest);
    if (alive == 0 && f.input.decided != NULL && alive_in(&f.active) > 0) {
        FIXTURE_CHECK(kind == PLAN_REMOVE);
        FIXTURE_CHECK(f.step.row.members_count == alive_in(&f.active));
    } else if (alive == 0) {
        bool may = returned_count() > 0 &&
                   (f.input.grace_is_over || returned_count() == f.active.members_count);
        FIXTURE_CHECK(kind == (may ? PLAN_RESTART : PLAN_NONE));
    } else if (alive < newest->members_count) {
        FIXTURE_CHECK(kind == (PLAN_REMOVE));
        FIXTURE_CHECK(f.step.row.members_count == (alive));
    } else if (f.input.decided != NULL) {
        FIXTURE_CHECK(kind == (PLAN_ACTIVATE));
    } else {
        FIXTURE_CHECK(kind != PLAN_RESTART && kind != PLAN_ACTIVATE);
        FIXTURE_CHECK(ERGO(kind == PLAN_REMOVE, f.active.members_count > f.input.replicas));
    }
}

/* The world after all faults ended: everybody is alive; whoever held the chain still does. */
static void heal_nodes(void)
{
    for (uint32_t node = 1; node <= FIXTURE_NODES; node++) {
        struct plan_node *known = &f.nodes[node - 1];
        if (!known->is_alive && known->dead_through >= known->incarnation) {
            fixture_status(&f, node, STATUS_RETURNED_HOLDS);
            known->dead_through = fixture_member(node).incarnation;
        }
        known->is_alive = true;
    }
    f.input.grace_is_over = true;
    f.input.cancel_joiner = false;
    f.input.candidates_count = 0;
    for (uint32_t node = 1; node <= FIXTURE_NODES; node++)
        fixture_candidate(&f, node);
}

static bool somebody_can_go_on(void)
{
    bool decided = f.input.decided != NULL && alive_in(&f.decided) > 0;
    return decided || alive_in(&f.active) > 0 || returned_count() > 0;
}

static void apply_step(void)
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
    fixture_synced(&f, f.active.joiner.node != 0 ? f.active.epoch : 0);
    fixture_drained(&f, f.active.frozen ? f.active.epoch : 0);
}

/* The steps left over from before: reports of the old epoch stay as they are until one is applied.
 */
static void heal_reaches_full_length(void)
{
    heal_nodes();
    if (!somebody_can_go_on())
        return;
    if (f.input.decided == NULL && f.active.joiner.node != 0)
        fixture_synced(&f, f.active.epoch);
    if (f.input.decided == NULL && f.active.frozen)
        fixture_drained(&f, f.active.epoch);
    for (uint32_t steps = 0; fixture_plan(&f) != PLAN_NONE; steps++) {
        FIXTURE_CHECK(steps < 24);
        apply_step();
    }
    FIXTURE_CHECK(f.input.decided == NULL);
    FIXTURE_CHECK(f.active.members_count == (f.input.replicas));
    FIXTURE_CHECK(alive_in(&f.active) == (f.active.members_count));
    FIXTURE_CHECK(f.active.joiner.node == (0));
    FIXTURE_CHECK(!f.active.frozen);
    counts.healed++;
}

static void try_input(void)
{
    enum plan_kind kind = fixture_plan(&f);
    counts.inputs++;
    counts.of_kind[kind]++;
    expect_kind(kind);
    struct plan_step again;
    plan_next(&f.input, &again);
    FIXTURE_CHECK(again.kind == kind && again.row.epoch == f.step.row.epoch &&
                  again.row.joiner.node == f.step.row.joiner.node &&
                  fixture_digits(&again.row) == fixture_digits(&f.step.row) &&
                  fixture_fences(&again) == fixture_fences(&f.step));
}

static void set_joiner(enum joiner_case joiner)
{
    if (joiner == JOINER_NONE)
        return;
    f.active.joiner = fixture_member(5);
    if (joiner == JOINER_DEAD)
        fixture_status(&f, 5, STATUS_SUSPECT);
    if (joiner == JOINER_SYNCED)
        fixture_synced(&f, f.active.epoch);
    if (joiner == JOINER_SYNCED_BEFORE)
        fixture_synced(&f, f.active.epoch - 1);
}

static void set_freeze(enum freeze_case freeze)
{
    if (freeze == FREEZE_NO)
        return;
    f.active.frozen = true;
    if (freeze != FREEZE_ABANDONED) {
        for (uint32_t i = 0; i < f.active.members_count; i++)
            f.order[i] = f.active.members[f.active.members_count - 1 - i].node;
        f.input.order = f.order;
        f.input.order_count = f.active.members_count;
    }
    if (freeze == FREEZE_DRAINED)
        fixture_drained(&f, f.active.epoch);
}

/* decide: 0 none; then each proper non-empty subset that remains; then each restart. False when
 * there is none of that number. */
static bool set_decided(uint32_t length, uint32_t decide)
{
    uint32_t subsets = (1u << length) - 2;
    if (decide == 0)
        return true;
    if (decide <= subsets) {
        fixture_decide(&f, decide);
        return true;
    }
    uint32_t node = decide - subsets;
    if (node > length || f.nodes[node - 1].incarnation != fixture_returned(node).incarnation)
        return node <= length;
    fixture_decide_restart(&f, node);
    return true;
}

static void build(uint32_t length, uint32_t replicas, uint32_t statuses, enum joiner_case joiner,
                  enum freeze_case freeze, unsigned options)
{
    fixture_init(&f, length, replicas);
    for (uint32_t node = 1; node <= length; node++) {
        fixture_status(&f, node, (enum fixture_status)(statuses % STATUS_COUNT));
        statuses /= STATUS_COUNT;
    }
    set_joiner(joiner);
    set_freeze(freeze);
    f.input.grace_is_over = (options & 1u) != 0;
    if ((options & 2u) != 0) {
        for (uint32_t node = 1; node <= FIXTURE_NODES; node++)
            fixture_candidate(&f, node);
    }
}

static void enumerate_length(uint32_t length, uint32_t replicas)
{
    uint32_t combinations = 1;
    for (uint32_t i = 0; i < length; i++)
        combinations *= STATUS_COUNT;
    for (uint32_t statuses = 0; statuses < combinations; statuses++)
        for (int joiner = JOINER_NONE; joiner <= JOINER_DEAD; joiner++)
            for (int freeze = FREEZE_NO; freeze <= FREEZE_ABANDONED; freeze++)
                for (unsigned options = 0; options < 4; options++)
                    for (uint32_t decide = 0;; decide++) {
                        build(length, replicas, statuses, (enum joiner_case)joiner,
                              (enum freeze_case)freeze, options);
                        if (!set_decided(length, decide))
                            break;
                        try_input();
                        if (options == 3)
                            heal_reaches_full_length();
                    }
}

START_TEST(every_input_up_to_four_members_has_a_legal_answer)
{
    memset(&counts, 0, sizeof(counts));
    for (uint32_t length = 1; length <= LENGTH_MAX; length++) {
        enumerate_length(length, 3);
        enumerate_length(length, LENGTH_MAX);
    }
    for (int kind = PLAN_NONE; kind < PLAN_SETTINGS; kind++)
        ck_assert_msg(ERGO(kind != PLAN_FREEZE, counts.of_kind[kind] > 0), "%s never came up",
                      plan_kind_name((enum plan_kind)kind));
    ck_assert_uint_gt(counts.inputs, 1000000);
    ck_assert_uint_gt(counts.healed, 100000);
}
END_TEST

/* Each set of cut links between four nodes and a joiner: at most one member leaves at a time, and
 * never the last. */
START_TEST(every_set_of_cut_links_leaves_a_chain_that_works)
{
    static const uint32_t ends[10][2] = {{1, 2}, {1, 3}, {1, 4}, {2, 3}, {2, 4},
                                         {3, 4}, {1, 5}, {2, 5}, {3, 5}, {4, 5}};
    for (uint32_t length = 1; length <= LENGTH_MAX; length++) {
        for (uint32_t set = 0; set < 1024; set++) {
            fixture_init(&f, length, LENGTH_MAX);
            f.active.joiner = length < LENGTH_MAX ? fixture_member(5) : f.active.joiner;
            for (uint32_t i = 0; i < 10; i++) {
                if ((set >> i) & 1u)
                    fixture_link(&f, ends[i][0], ends[i][1], true);
            }
            for (uint32_t steps = 0; fixture_plan(&f) != PLAN_NONE; steps++) {
                ck_assert_uint_lt(steps, 12);
                ck_assert_uint_ge(f.step.row.members_count + 1, f.active.members_count);
                apply_step();
                if (f.active.joiner.node != 0)
                    fixture_synced(&f, 0);
            }
            for (uint32_t i = 0; i + 1 < f.active.members_count; i++) {
                for (uint32_t l = 0; l < f.input.links_count; l++)
                    ck_assert(!(f.links[l].a == f.active.members[i].node &&
                                f.links[l].b == f.active.members[i + 1].node));
            }
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan_enumerate");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, every_input_up_to_four_members_has_a_legal_answer);
    tcase_add_test(tcase, every_set_of_cut_links_leaves_a_chain_that_works);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
