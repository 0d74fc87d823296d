#include "base/contract.h"
#include "tests/unit/placement/placement_fixture.h"

static struct pl_blocks blocks;

/* The balance that design section 4 gives for its known blocks. */
START_TEST(known_blocks_reach_their_published_balance)
{
    static const struct {
        uint32_t nodes, pair_min, pair_max;
    } published[] = {{5, 3, 3},  {6, 2, 3},  {7, 1, 1},  {8, 1, 2},  {9, 3, 3},  {10, 1, 2},
                     {11, 3, 3}, {12, 1, 2}, {13, 1, 1}, {19, 1, 1}, {25, 1, 1}, {31, 1, 1}};
    for (size_t i = 0; i < ARRAY_COUNT(published); i++) {
        pl_blocks_find(published[i].nodes, 3, PL_BLOCKS_MAX, 1, &blocks);
        ck_assert_uint_eq(blocks.pair_min, published[i].pair_min);
        ck_assert_uint_eq(blocks.pair_max, published[i].pair_max);
    }
}
END_TEST

static void expect_sound(uint32_t modulus)
{
    ck_assert_uint_ge(blocks.count, 1);
    for (uint32_t b = 0; b < blocks.count; b++) {
        ck_assert_uint_eq(blocks.offsets[b][0], 0);
        for (uint32_t i = 0; i < blocks.replicas; i++) {
            ck_assert_uint_lt(blocks.offsets[b][i], blocks.nodes);
            for (uint32_t j = 0; j < i; j++) {
                ck_assert_uint_ne(blocks.offsets[b][i], blocks.offsets[b][j]);
                if (modulus > 1)
                    ck_assert_uint_ne(blocks.offsets[b][i] % modulus,
                                      blocks.offsets[b][j] % modulus);
            }
        }
    }
}

/* Counts the pairs of the rotated rows one by one. */
static void count_pairs(uint32_t *ret_min, uint32_t *ret_max)
{
    static uint32_t pairs[64 * 64];
    memset(pairs, 0, sizeof(pairs));
    uint32_t n = blocks.nodes;
    for (uint32_t b = 0; b < blocks.count; b++) {
        for (uint32_t s = 0; s < n; s++) {
            for (uint32_t i = 0; i < blocks.replicas; i++) {
                for (uint32_t j = 0; j < blocks.replicas; j++)
                    pairs[(s + blocks.offsets[b][i]) % n * n + (s + blocks.offsets[b][j]) % n]++;
            }
        }
    }
    *ret_min = UINT32_MAX;
    *ret_max = 0;
    for (uint32_t a = 0; a < n; a++) {
        for (uint32_t b = 0; b < a; b++) {
            *ret_min = pairs[a * n + b] < *ret_min ? pairs[a * n + b] : *ret_min;
            *ret_max = pairs[a * n + b] > *ret_max ? pairs[a * n + b] : *ret_max;
        }
    }
}

START_TEST(searched_blocks_are_sound_and_their_balance_is_true)
{
    for (uint32_t replicas = 2; replicas <= 5; replicas++) {
        for (uint32_t nodes = replicas; nodes <= 64; nodes++) {
            pl_blocks_find(nodes, replicas, 40, 1, &blocks);
            expect_sound(1);
            uint32_t pair_min = 0;
            uint32_t pair_max = 0;
            count_pairs(&pair_min, &pair_max);
            ck_assert_uint_eq(blocks.pair_min, pair_min);
            ck_assert_uint_eq(blocks.pair_max, pair_max);
            /* One server's repair is spread over all others. */
            ck_assert_uint_ge(pair_min, 1);
            ck_assert_uint_le(pair_max, 3 * pair_min);
        }
    }
}
END_TEST

START_TEST(blocks_respect_the_modulus)
{
    for (uint32_t zones = 3; zones <= 8; zones++) {
        for (uint32_t each = 1; each <= 6; each++) {
            pl_blocks_find(zones * each, 3, 12, zones, &blocks);
            expect_sound(zones);
        }
    }
}
END_TEST

START_TEST(search_is_deterministic)
{
    static struct pl_blocks again;
    pl_blocks_find(61, 4, 10, 1, &blocks);
    pl_blocks_find(61, 4, 10, 1, &again);
    ck_assert_mem_eq(&blocks, &again, sizeof(blocks));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("blocks");
    TCase *tcase = tcase_create("blocks");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, known_blocks_reach_their_published_balance);
    tcase_add_test(tcase, searched_blocks_are_sound_and_their_balance_is_true);
    tcase_add_test(tcase, blocks_respect_the_modulus);
    tcase_add_test(tcase, search_is_deterministic);
    suite_add_tcase(suite, tcase);
    return fixture_run(suite);
}
