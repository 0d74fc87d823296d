#include "tests/unit/placement/placement_fixture.h"

static struct fixture_nodes f;
static uint32_t members[BOUND_CHAINS * 4];
static uint32_t again[BOUND_CHAINS * 4];
static struct pl_balance balance;

static void generate(uint32_t replicas, uint32_t chains)
{
    pl_generate(f.nodes, f.count, replicas, chains, members);
    pl_balance(f.nodes, f.count, replicas, chains, members, &balance);
    uint32_t length = replicas < f.count ? replicas : f.count;
    ck_assert(fixture_rows_are_sound(members, chains, replicas, length, f.count));
}

/* Counts every role, not only head and tail. */
static void expect_equal_roles(uint32_t replicas, uint32_t chains, uint32_t slack)
{
    for (uint32_t role = 0; role < replicas; role++) {
        uint32_t held[BOUND_NODES + 1] = {0};
        for (uint32_t c = 0; c < chains; c++)
            held[members[(size_t)c * replicas + role]]++;
        uint32_t least = UINT32_MAX;
        uint32_t most = 0;
        for (uint32_t id = 1; id <= f.count; id++) {
            least = held[id] < least ? held[id] : least;
            most = held[id] > most ? held[id] : most;
        }
        ck_assert_uint_le(most - least, slack);
    }
}

/* What no difference in weight or zone excuses: each node holds its roles equally often. */
static void expect_fair_roles(uint32_t replicas, uint32_t chains)
{
    static uint32_t held[BOUND_NODES + 1][BOUND_CHAIN_MEMBERS];
    memset(held, 0, sizeof(held));
    for (uint32_t slot = 0; slot < chains * replicas; slot++)
        held[members[slot]][slot % replicas]++;
    for (uint32_t id = 1; id <= f.count; id++) {
        for (uint32_t i = 0; i < replicas; i++) {
            for (uint32_t j = 0; j < replicas; j++)
                ck_assert_uint_le(held[id][i], held[id][j] + 1);
        }
    }
}

START_TEST(three_servers_give_the_textbook_rotation)
{
    static const uint32_t expected[9] = {1, 2, 3, 2, 3, 1, 3, 1, 2};
    fixture_nodes_init(&f, 3, 0);
    generate(3, 3);
    ck_assert_mem_eq(members, expected, sizeof(expected));
}
END_TEST

START_TEST(whole_rounds_give_every_role_equally)
{
    for (uint32_t n = 3; n <= 64; n++) {
        for (uint32_t rounds = 1; rounds <= 4; rounds++) {
            fixture_nodes_init(&f, n, 0);
            generate(3, n * rounds);
            expect_equal_roles(3, n * rounds, 0);
        }
    }
}
END_TEST

START_TEST(any_number_of_chains_is_balanced_to_within_one)
{
    for (uint32_t n = 1; n <= 64; n++) {
        for (uint32_t replicas = 1; replicas <= 4; replicas++) {
            fixture_nodes_init(&f, n, 0);
            generate(replicas, 64);
            ck_assert_uint_le(balance.members_max - balance.members_min, 1);
            ck_assert_uint_le(balance.heads_max - balance.heads_min, 1);
            ck_assert_uint_le(balance.tails_max - balance.tails_min, 1);
        }
    }
}
END_TEST

START_TEST(fewer_servers_than_replicas_give_short_rows)
{
    fixture_nodes_init(&f, 1, 0);
    generate(3, 8);
    ck_assert_uint_eq(members[0], 1);
    ck_assert_uint_eq(members[1], 0);
    fixture_nodes_init(&f, 2, 0);
    generate(3, 8);
    ck_assert_uint_eq(balance.heads_min, 4);
    ck_assert_uint_eq(balance.tails_max, 4);
    fixture_nodes_init(&f, 3, 0);
    f.nodes[1].weight = 0;
    pl_generate(f.nodes, 3, 3, 8, members);
    ck_assert(fixture_rows_are_sound(members, 8, 3, 2, 3));
    for (uint32_t i = 0; i < 3; i++)
        f.nodes[i].weight = 0;
    pl_generate(f.nodes, 3, 3, 8, members);
    ck_assert(fixture_rows_are_sound(members, 8, 3, 0, 3));
}
END_TEST

START_TEST(zones_are_never_shared_while_there_are_enough)
{
    for (uint32_t n = 3; n <= 64; n++) {
        for (uint32_t zones = 3; zones <= 7 && zones <= n; zones++) {
            fixture_nodes_init(&f, n, zones);
            generate(3, 64);
            ck_assert_uint_eq(balance.zone_conflicts, 0);
            expect_fair_roles(3, 64);
        }
    }
}
END_TEST

START_TEST(equal_zones_keep_exact_roles)
{
    fixture_nodes_init(&f, 12, 4);
    generate(3, 48);
    ck_assert_uint_eq(balance.zone_conflicts, 0);
    expect_equal_roles(3, 48, 0);
}
END_TEST

START_TEST(a_zone_takes_at_most_one_member_per_chain)
{
    /* Zone z0 has 8 of 10 servers: it still may hold one copy of each chain only. */
    fixture_nodes_init(&f, 10, 0);
    for (uint32_t i = 0; i < 10; i++) {
        (void)snprintf(f.zones[i], sizeof(f.zones[i]), "z%u", i < 8 ? 0 : i - 7);
        f.nodes[i].zone = slice_of_text(f.zones[i]);
    }
    generate(3, 64);
    ck_assert_uint_eq(balance.zone_conflicts, 0);
    ck_assert_uint_eq(balance.members_max, 64);
    expect_fair_roles(3, 64);
    ck_assert_uint_eq(balance.members_min, 8);
}
END_TEST

START_TEST(racks_are_kept_apart_where_rooms_are_too_few)
{
    fixture_nodes_init(&f, 8, 0);
    for (uint32_t i = 0; i < 8; i++) {
        (void)snprintf(f.zones[i], sizeof(f.zones[i]), "room%u/rack%u", i / 4, i / 2);
        f.nodes[i].zone = slice_of_text(f.zones[i]);
    }
    generate(3, 64);
    for (uint32_t c = 0; c < 64; c++) {
        for (uint32_t i = 0; i < 3; i++) {
            for (uint32_t j = 0; j < i; j++)
                ck_assert_uint_ne((members[c * 3 + i] - 1) / 2, (members[c * 3 + j] - 1) / 2);
        }
    }
}
END_TEST

START_TEST(members_follow_weights)
{
    fixture_nodes_init(&f, 6, 0);
    f.nodes[0].weight = 200;
    f.nodes[5].weight = 50;
    generate(3, 650);
    uint32_t held[7] = {0};
    for (uint32_t i = 0; i < 650 * 3; i++)
        held[members[i]]++;
    ck_assert_uint_eq(held[1], 600);
    ck_assert_uint_eq(held[2], 300);
    ck_assert_uint_eq(held[6], 150);
    uint32_t heads = 0;
    for (uint32_t c = 0; c < 650; c++)
        heads += members[c * 3] == 1;
    ck_assert_uint_eq(heads, 200);
}
END_TEST

START_TEST(same_input_gives_the_same_map_in_any_order)
{
    fixture_nodes_init(&f, 29, 5);
    pl_generate(f.nodes, f.count, 3, 100, members);
    for (uint32_t i = 0; i < f.count / 2; i++) {
        struct pl_node node = f.nodes[i];
        f.nodes[i] = f.nodes[f.count - 1 - i];
        f.nodes[f.count - 1 - i] = node;
    }
    pl_generate(f.nodes, f.count, 3, 100, again);
    ck_assert_mem_eq(members, again, 300 * sizeof(uint32_t));
}
END_TEST

START_TEST(repair_of_one_server_is_spread_over_all_others)
{
    fixture_nodes_init(&f, 13, 0);
    generate(3, 26);
    ck_assert_uint_eq(balance.pair_min, 1);
    ck_assert_uint_eq(balance.pair_max, 1);
    fixture_nodes_init(&f, 10, 5);
    generate(3, 640);
    ck_assert_uint_gt(balance.pair_max, 0);
}
END_TEST

START_TEST(a_thousand_servers_are_placed)
{
    fixture_nodes_init(&f, 1000, 0);
    generate(3, 1000);
    expect_equal_roles(3, 1000, 0);
    fixture_nodes_init(&f, 1000, 20);
    generate(3, 65536);
    ck_assert_uint_eq(balance.zone_conflicts, 0);
    expect_equal_roles(3, 65536, 1);
    ck_assert_uint_le(balance.members_max - balance.members_min, 1);
    fixture_nodes_init(&f, 1000, 7); /* zones of different size */
    generate(3, 4096);
    ck_assert_uint_eq(balance.zone_conflicts, 0);
    expect_equal_roles(3, 4096, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("generate");
    TCase *tcase = tcase_create("maps");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, three_servers_give_the_textbook_rotation);
    tcase_add_test(tcase, whole_rounds_give_every_role_equally);
    tcase_add_test(tcase, any_number_of_chains_is_balanced_to_within_one);
    tcase_add_test(tcase, fewer_servers_than_replicas_give_short_rows);
    tcase_add_test(tcase, zones_are_never_shared_while_there_are_enough);
    tcase_add_test(tcase, equal_zones_keep_exact_roles);
    tcase_add_test(tcase, a_zone_takes_at_most_one_member_per_chain);
    tcase_add_test(tcase, racks_are_kept_apart_where_rooms_are_too_few);
    tcase_add_test(tcase, members_follow_weights);
    tcase_add_test(tcase, same_input_gives_the_same_map_in_any_order);
    tcase_add_test(tcase, repair_of_one_server_is_spread_over_all_others);
    tcase_add_test(tcase, a_thousand_servers_are_placed);
    suite_add_tcase(suite, tcase);
    return fixture_run(suite);
}
