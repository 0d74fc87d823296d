#include "base/prng.h"
#include "tests/unit/placement/placement_fixture.h"

enum { CHAINS_MAX = 4096, STEPS_MAX = 20000 };

static struct fixture_nodes f;
static uint32_t members[BOUND_CHAINS * 3];
static struct pl_step steps[STEPS_MAX];
static struct pl_balance balance;

/* Carries one step out on the map; false if it does not fit it. */
static bool apply(const struct pl_step *step, uint32_t replicas)
{
    uint32_t *row = members + (size_t)step->chain * replicas;
    if (step->kind == PL_STEP_MOVE) {
        uint32_t kept = 0;
        bool found = false;
        for (uint32_t i = 0; i < replicas; i++) {
            if (row[i] == step->to)
                return false;
            found = found || row[i] == step->from;
            if (row[i] != step->from)
                row[kept++] = row[i];
        }
        row[replicas - 1] = step->to;
        return found && kept == replicas - 1;
    }
    for (uint32_t i = 0; i < replicas; i++) {
        bool among = false;
        for (uint32_t j = 0; j < replicas; j++)
            among = among || step->order[j] == row[i];
        if (!among)
            return false;
    }
    memcpy(row, step->order, replicas * sizeof(uint32_t));
    return true;
}

struct result {
    uint32_t moves;
    uint32_t orders;
    uint32_t least;
};

/* slack_percent: moves allowed above what the counts demand. */
static struct result rebalance_within(uint32_t replicas, uint32_t chains, uint32_t slack_percent)
{
    struct result result = {0, 0, 0};
    uint32_t count =
        pl_rebalance(f.nodes, f.count, replicas, chains, members, steps, STEPS_MAX, &result.least);
    ck_assert_uint_le(count, STEPS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        ck_assert(apply(&steps[i], replicas));
        result.moves += steps[i].kind == PL_STEP_MOVE;
        result.orders += steps[i].kind == PL_STEP_ORDER;
    }
    pl_balance(f.nodes, f.count, replicas, chains, members, &balance);
    ck_assert(fixture_rows_are_sound(members, chains, replicas, replicas, BOUND_NODES));
    ck_assert_uint_le(result.moves, (result.least * (100 + slack_percent) + 99) / 100);
    uint32_t rest = 0;
    ck_assert_uint_eq(pl_rebalance(f.nodes, f.count, replicas, chains, members, steps, 0, &rest),
                      0);
    return result;
}

static struct result rebalance(uint32_t replicas, uint32_t chains)
{
    return rebalance_within(replicas, chains, 5);
}

static void expect_balanced(void)
{
    ck_assert_uint_le(balance.heads_max - balance.heads_min, 1);
    ck_assert_uint_le(balance.tails_max - balance.tails_min, 1);
    ck_assert_uint_le(balance.members_max - balance.members_min, 1);
}

START_TEST(generated_map_needs_no_step)
{
    for (uint32_t n = 3; n <= 64; n++) {
        fixture_nodes_init(&f, n, 0);
        pl_generate(f.nodes, n, 3, 64, members);
        struct result result = rebalance(3, 64);
        ck_assert_uint_eq(result.moves + result.orders, 0);
    }
}
END_TEST

START_TEST(new_server_gets_its_share_and_nothing_else_moves)
{
    for (uint32_t n = 3; n <= 40; n++) {
        fixture_nodes_init(&f, n, 0);
        pl_generate(f.nodes, n, 3, 128, members);
        fixture_nodes_init(&f, n + 1, 0);
        struct result result = rebalance(3, 128);
        ck_assert_uint_le(result.moves, 3 * 128 / (n + 1) + 1);
        ck_assert_uint_ge(result.moves, 3 * 128 / (n + 1));
        expect_balanced();
    }
}
END_TEST

START_TEST(leaving_server_is_emptied)
{
    for (uint32_t n = 4; n <= 40; n++) {
        fixture_nodes_init(&f, n, 0);
        pl_generate(f.nodes, n, 3, 128, members);
        uint32_t held = 0;
        for (uint32_t i = 0; i < 3 * 128; i++)
            held += members[i] == n;
        if (n % 2 == 0)
            f.nodes[n - 1].weight = 0; /* told to leave */
        else
            f.count = n - 1; /* gone for good */
        struct result result = rebalance(3, 128);
        ck_assert_uint_le(result.moves, (held * 105 + 99) / 100);
        expect_balanced();
        for (uint32_t i = 0; i < 3 * 128; i++)
            ck_assert_uint_ne(members[i], n);
    }
}
END_TEST

START_TEST(roles_alone_are_mended_without_a_move)
{
    /* After a rolling restart every server that came back is tail everywhere (checklist 32). */
    fixture_nodes_init(&f, 6, 0);
    pl_generate(f.nodes, 6, 3, 60, members);
    for (uint32_t c = 0; c < 60; c++) {
        for (uint32_t i = 0; i < 2; i++) {
            if (members[c * 3 + i] <= 2) {
                uint32_t tail = members[c * 3 + 2];
                members[c * 3 + 2] = members[c * 3 + i];
                members[c * 3 + i] = tail;
            }
        }
    }
    struct result result = rebalance(3, 60);
    ck_assert_uint_eq(result.moves, 0);
    ck_assert_uint_gt(result.orders, 0);
    ck_assert_uint_lt(result.orders, 40);
    expect_balanced();
}
END_TEST

START_TEST(shared_zones_are_left_when_that_becomes_possible)
{
    fixture_nodes_init(&f, 4, 2);
    pl_generate(f.nodes, 4, 3, 32, members); /* two zones: shared by necessity */
    pl_balance(f.nodes, 4, 3, 32, members, &balance);
    ck_assert_uint_gt(balance.zone_conflicts, 0);
    fixture_nodes_init(&f, 6, 3);
    for (uint32_t i = 0; i < 6; i++) {
        (void)snprintf(f.zones[i], sizeof(f.zones[i]), "z%u", i < 4 ? i % 2 : 2);
        f.nodes[i].zone = slice_of_text(f.zones[i]);
    }
    (void)rebalance(3, 32);
    ck_assert_uint_eq(balance.zone_conflicts, 0);
    ck_assert_uint_le(balance.members_max - balance.members_min, 1);
}
END_TEST

START_TEST(short_rows_are_left_alone)
{
    fixture_nodes_init(&f, 5, 0);
    pl_generate(f.nodes, 5, 3, 10, members);
    members[5] = 0;
    uint32_t least = 0;
    uint32_t count = pl_rebalance(f.nodes, 5, 3, 10, members, steps, STEPS_MAX, &least);
    for (uint32_t i = 0; i < count; i++)
        ck_assert_uint_ne(steps[i].chain, 1);
}
END_TEST

START_TEST(steps_may_be_taken_one_at_a_time)
{
    fixture_nodes_init(&f, 7, 0);
    pl_generate(f.nodes, 7, 3, 70, members);
    fixture_nodes_init(&f, 9, 0);
    uint32_t least = 0;
    uint32_t first_least = 0;
    uint32_t moves = 0;
    uint32_t taken = 0;
    (void)pl_rebalance(f.nodes, 9, 3, 70, members, steps, 1, &first_least);
    while (pl_rebalance(f.nodes, 9, 3, 70, members, steps, 1, &least) > 0) {
        ck_assert(apply(&steps[0], 3));
        moves += steps[0].kind == PL_STEP_MOVE;
        ck_assert_uint_lt(taken++, 400);
    }
    ck_assert_uint_le(moves, (first_least * 105 + 99) / 100);
    pl_balance(f.nodes, 9, 3, 70, members, &balance);
    expect_balanced();
}
END_TEST

START_TEST(random_changes_of_the_cluster_stay_balanced)
{
    struct prng prng;
    prng_init(&prng, 4);
    for (uint32_t round = 0; round < 200; round++) {
        uint32_t n = (uint32_t)prng_between(&prng, 6, 24);
        fixture_nodes_init(&f, n, round % 2 == 0 ? 0 : (uint32_t)prng_between(&prng, 4, 6));
        pl_generate(f.nodes, n, 3, 96, members);
        for (uint32_t i = 0; i < 2; i++)
            f.nodes[prng_below(&prng, n)].weight = 0;
        /* A zone that every chain needs forces exchanges that the counts do not show. */
        (void)rebalance_within(3, 96, round % 2 == 0 ? 5 : 50);
        ck_assert_uint_eq(balance.zone_conflicts, 0);
    }
}
END_TEST

START_TEST(wide_zones_cost_no_extra_move)
{
    for (uint32_t leaver = 1; leaver <= 24; leaver++) {
        fixture_nodes_init(&f, 24, 8);
        pl_generate(f.nodes, 24, 3, 96, members);
        f.nodes[leaver - 1].weight = 0;
        (void)rebalance(3, 96);
        ck_assert_uint_eq(balance.zone_conflicts, 0);
        expect_balanced();
    }
}
END_TEST

START_TEST(a_thousand_servers_and_all_chains)
{
    fixture_nodes_init(&f, 999, 0);
    pl_generate(f.nodes, 999, 3, BOUND_CHAINS, members);
    fixture_nodes_init(&f, 1000, 0);
    struct result result = rebalance(3, BOUND_CHAINS);
    ck_assert_uint_le(result.moves, 3 * BOUND_CHAINS / 1000 + 1);
    expect_balanced();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rebalance");
    TCase *tcase = tcase_create("plans");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, generated_map_needs_no_step);
    tcase_add_test(tcase, new_server_gets_its_share_and_nothing_else_moves);
    tcase_add_test(tcase, leaving_server_is_emptied);
    tcase_add_test(tcase, roles_alone_are_mended_without_a_move);
    tcase_add_test(tcase, shared_zones_are_left_when_that_becomes_possible);
    tcase_add_test(tcase, short_rows_are_left_alone);
    tcase_add_test(tcase, steps_may_be_taken_one_at_a_time);
    tcase_add_test(tcase, random_changes_of_the_cluster_stay_balanced);
    tcase_add_test(tcase, wide_zones_cost_no_extra_move);
    tcase_add_test(tcase, a_thousand_servers_and_all_chains);
    suite_add_tcase(suite, tcase);
    return fixture_run(suite);
}
