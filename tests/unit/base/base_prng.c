#include "base/prng.h"

#include "tests/unit/base/suite.h"

/* The authors' reference implementation of xoshiro256** gives these for the state 1, 2, 3, 4. */
START_TEST(vectors_are_those_of_the_reference)
{
    static const uint64_t expected[] = {11520u, 0u, 1509978240u, 1215971899390074240u};
    struct prng prng = {{1, 2, 3, 4}};
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(prng_next(&prng), expected[i]);
}
END_TEST

/* splitmix64 of seed 0, as its reference gives it. */
START_TEST(seeding_is_splitmix64)
{
    struct prng prng;
    prng_init(&prng, 0);
    ck_assert_uint_eq(prng.state[0], 0xe220a8397b1dcdafu);
    ck_assert_uint_eq(prng.state[1], 0x6e789e6aa1b965f4u);
    ck_assert_uint_eq(prng.state[2], 0x06c45d188009454fu);
    ck_assert_uint_eq(prng.state[3], 0xf88bb8a8724c81ecu);
}
END_TEST

START_TEST(same_seed_same_sequence)
{
    struct prng a;
    struct prng b;
    prng_init(&a, 42);
    prng_init(&b, 42);
    for (unsigned i = 0; i < 1000; i++)
        ck_assert_uint_eq(prng_next(&a), prng_next(&b));
}
END_TEST

START_TEST(draws_stay_in_bounds_and_reach_them)
{
    struct prng prng;
    prng_init(&prng, 7);
    bool low_seen = false;
    bool high_seen = false;
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t draw = prng_between(&prng, 10, 14);
        ck_assert_uint_ge(draw, 10);
        ck_assert_uint_le(draw, 14);
        low_seen = low_seen || draw == 10;
        high_seen = high_seen || draw == 14;
        ck_assert_uint_eq(prng_below(&prng, 1), 0);
    }
    ck_assert(low_seen && high_seen);
    (void)prng_between(&prng, 0, UINT64_MAX);
    ck_assert_uint_eq(prng_between(&prng, 5, 5), 5);
}
END_TEST

/* A plain remainder would draw the lower half of this range twice as often. */
START_TEST(large_bounds_are_unbiased)
{
    struct prng prng;
    prng_init(&prng, 8);
    uint64_t bound = (UINT64_MAX / 3) * 2;
    unsigned low = 0;
    for (unsigned i = 0; i < 10000; i++)
        low += prng_below(&prng, bound) < bound / 2;
    ck_assert_uint_gt(low, 4700);
    ck_assert_uint_lt(low, 5300);
}
END_TEST

START_TEST(once_in_n_is_once_in_n)
{
    struct prng prng;
    prng_init(&prng, 9);
    unsigned hits = 0;
    for (unsigned i = 0; i < 10000; i++)
        hits += prng_once_in(&prng, 10);
    ck_assert_uint_gt(hits, 850);
    ck_assert_uint_lt(hits, 1150);
}
END_TEST

SUITE_MAIN("base_prng", vectors_are_those_of_the_reference, seeding_is_splitmix64,
           same_seed_same_sequence, draws_stay_in_bounds_and_reach_them, large_bounds_are_unbiased,
           once_in_n_is_once_in_n)
