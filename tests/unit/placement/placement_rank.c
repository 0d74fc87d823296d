#include "base/contract.h"
#include "tests/unit/placement/placement_fixture.h"

static struct pl_candidate candidate(uint32_t id, const char *zone, uint32_t weight, uint64_t load,
                                     bool has_data)
{
    return (struct pl_candidate){{id, slice_of_text(zone), weight}, load, has_data};
}

START_TEST(distinct_zones_come_first_then_data_then_load)
{
    struct pl_node members[2] = {{1, slice_of_text("a/1"), 1}, {2, slice_of_text("b/1"), 1}};
    struct pl_candidate candidates[] = {
        candidate(1, "a/1", 1, 0, true), /* a member */
        candidate(3, "a/1", 1, 0, true), /* shares a rack */
        candidate(4, "a/2", 1, 0, true), /* shares a room */
        candidate(5, "c/1", 1, 9, false), candidate(6, "c/1", 1, 2, false),
        candidate(7, "d/1", 1, 8, true),  candidate(8, "e/1", 0, 0, true), /* takes nothing */
    };
    static const uint32_t expected[] = {7, 6, 5, 4, 3};
    uint32_t ids[7];
    ck_assert_uint_eq(pl_rank_candidates(0, candidates, 7, members, 2, ids), 5);
    ck_assert_mem_eq(ids, expected, sizeof(expected));
}
END_TEST

START_TEST(load_is_relative_to_weight)
{
    struct pl_candidate candidates[] = {candidate(1, "", 100, 10, false),
                                        candidate(2, "", 400, 20, false)};
    uint32_t ids[2];
    ck_assert_uint_eq(pl_rank_candidates(0, candidates, 2, NULL, 0, ids), 2);
    ck_assert_uint_eq(ids[0], 2);
}
END_TEST

START_TEST(equals_are_spread_by_chain_and_do_not_depend_on_order)
{
    uint32_t first[5] = {0};
    for (uint32_t chain = 0; chain < 200; chain++) {
        struct pl_candidate forwards[4];
        struct pl_candidate backwards[4];
        for (uint32_t i = 0; i < 4; i++) {
            forwards[i] = candidate(i + 1, "", 1, 5, false);
            backwards[3 - i] = forwards[i];
        }
        uint32_t a[4];
        uint32_t b[4];
        ck_assert_uint_eq(pl_rank_candidates(chain, forwards, 4, NULL, 0, a), 4);
        ck_assert_uint_eq(pl_rank_candidates(chain, backwards, 4, NULL, 0, b), 4);
        ck_assert_mem_eq(a, b, sizeof(a));
        first[a[0]]++;
    }
    for (uint32_t id = 1; id <= 4; id++)
        ck_assert_uint_gt(first[id], 25);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rank");
    TCase *tcase = tcase_create("order");
    tcase_add_test(tcase, distinct_zones_come_first_then_data_then_load);
    tcase_add_test(tcase, load_is_relative_to_weight);
    tcase_add_test(tcase, equals_are_spread_by_chain_and_do_not_depend_on_order);
    suite_add_tcase(suite, tcase);
    return fixture_run(suite);
}
