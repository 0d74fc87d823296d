#include "base/map.h"

#include "base/prng.h"
#include "tests/unit/base/suite.h"

START_TEST(empty_map_answers)
{
    struct map map;
    map_init(&map);
    size_t cursor = 0;
    ck_assert_ptr_null(map_get(&map, 1));
    ck_assert_ptr_null(map_remove(&map, 1));
    ck_assert_ptr_null(map_next(&map, &cursor, NULL));
    map_release(&map);
}
END_TEST

START_TEST(replacing_returns_the_old_value)
{
    struct map map;
    map_init(&map);
    int a;
    int b;
    ck_assert_ptr_null(map_put(&map, 0, &a));
    ck_assert_ptr_eq(map_put(&map, 0, &b), &a);
    ck_assert_uint_eq(map.count, 1);
    ck_assert_ptr_eq(map_remove(&map, 0), &b);
    ck_assert_uint_eq(map.count, 0);
    map_release(&map);
}
END_TEST

/* Against a plain array as the model: few keys, so that removals shift long probe runs. */
static void compare_with_model(uint64_t seed, uint64_t key_count, uint64_t stride)
{
    static char values[4096];
    void *model[512] = {0};
    struct map map;
    struct prng prng;
    map_init(&map);
    prng_init(&prng, seed);
    size_t count = 0;
    for (unsigned step = 0; step < 20000; step++) {
        uint64_t key = prng_below(&prng, key_count);
        void *value = &values[prng_below(&prng, sizeof values)];
        switch (prng_below(&prng, 3)) {
        case 0:
            ck_assert_ptr_eq(map_put(&map, key * stride, value), model[key]);
            count += model[key] == NULL;
            model[key] = value;
            break;
        case 1:
            ck_assert_ptr_eq(map_remove(&map, key * stride), model[key]);
            count -= model[key] != NULL;
            model[key] = NULL;
            break;
        default:
            ck_assert_ptr_eq(map_get(&map, key * stride), model[key]);
            break;
        }
        ck_assert_uint_eq(map.count, count);
    }
    size_t cursor = 0;
    size_t seen = 0;
    uint64_t key;
    for (void *value; (value = map_next(&map, &cursor, &key)) != NULL; seen++)
        ck_assert_ptr_eq(value, model[key / stride]);
    ck_assert_uint_eq(seen, count);
    map_release(&map);
}

START_TEST(random_operations_agree_with_a_model)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        compare_with_model(seed, 12, 1);
        compare_with_model(seed, 512, 1);
        compare_with_model(seed, 300, 0x100000000u);
    }
}
END_TEST

START_TEST(iteration_order_does_not_depend_on_addresses)
{
    struct map left;
    struct map right;
    map_init(&left);
    map_init(&right);
    static char values[200];
    for (uint64_t key = 0; key < 100; key++) {
        (void)map_put(&left, key * 7, &values[key]);
        (void)map_put(&right, key * 7, &values[199 - key]);
    }
    size_t left_cursor = 0;
    size_t right_cursor = 0;
    uint64_t left_key = 0;
    uint64_t right_key = 0;
    while (map_next(&left, &left_cursor, &left_key) != NULL) {
        ck_assert_ptr_nonnull(map_next(&right, &right_cursor, &right_key));
        ck_assert_uint_eq(left_key, right_key);
    }
    map_release(&left);
    map_release(&right);
}
END_TEST

SUITE_MAIN("base_map", empty_map_answers, replacing_returns_the_old_value,
           random_operations_agree_with_a_model, iteration_order_does_not_depend_on_addresses)
