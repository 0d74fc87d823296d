#include "placement/internal.h"
#include "tests/unit/placement/placement_fixture.h"

static uint32_t shared(const char *a, const char *b)
{
    return pl_zone_shared(slice_of_text(a), slice_of_text(b));
}

START_TEST(shared_levels_are_whole_components_from_the_left)
{
    ck_assert_uint_eq(shared("", ""), 0);
    ck_assert_uint_eq(shared("a", ""), 0);
    ck_assert_uint_eq(shared("a", "b"), 0);
    ck_assert_uint_eq(shared("a", "a"), 1);
    ck_assert_uint_eq(shared("a", "ab"), 0);
    ck_assert_uint_eq(shared("a/r1", "a/r2"), 1);
    ck_assert_uint_eq(shared("a/r1", "a/r1"), 2);
    ck_assert_uint_eq(shared("a/r1", "b/r1"), 0);
    ck_assert_uint_eq(shared("a", "a/r1"), 1);
}
END_TEST

static uint32_t domains_of(const char *const *zones, uint32_t count, uint32_t wanted,
                           uint32_t *ret_domains)
{
    struct pl_node nodes[8];
    for (uint32_t i = 0; i < count; i++)
        nodes[i] = (struct pl_node){i + 1, slice_of_text(zones[i]), 1};
    return pl_zone_domains(nodes, count, wanted, ret_domains);
}

START_TEST(widest_level_with_enough_domains_is_taken)
{
    static const char *const zones[] = {"a/1", "a/2", "b/1", "b/2", "c/1", "c/2"};
    uint32_t domains[8];
    ck_assert_uint_eq(domains_of(zones, 6, 3, domains), 3);
    ck_assert_uint_eq(domains[0], domains[1]);
    ck_assert_uint_ne(domains[1], domains[2]);
    ck_assert_uint_eq(domains_of(zones, 6, 4, domains), 6);
    ck_assert_uint_ne(domains[0], domains[1]);
    /* Two rooms are too few for three members: racks are kept apart then. */
    ck_assert_uint_eq(domains_of(zones, 4, 3, domains), 4);
    /* Nothing suffices: each node stands for itself. */
    static const char *const one[] = {"a", "a", "a"};
    ck_assert_uint_eq(domains_of(one, 3, 2, domains), 3);
}
END_TEST

START_TEST(nodes_without_a_zone_share_nothing)
{
    static const char *const zones[] = {"", "", "a", "a"};
    uint32_t domains[8];
    ck_assert_uint_eq(domains_of(zones, 4, 3, domains), 3);
    ck_assert_uint_ne(domains[0], domains[1]);
    ck_assert_uint_eq(domains[2], domains[3]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("zone");
    TCase *tcase = tcase_create("paths");
    tcase_add_test(tcase, shared_levels_are_whole_components_from_the_left);
    tcase_add_test(tcase, widest_level_with_enough_domains_is_taken);
    tcase_add_test(tcase, nodes_without_a_zone_share_nothing);
    suite_add_tcase(suite, tcase);
    return fixture_run(suite);
}
