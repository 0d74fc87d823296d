#include "tools/catena/pool.h"

#include "tests/unit/base/suite.h"

START_TEST(count_is_bounded)
{
    struct pool pool;
    pool_init(&pool, 2, UINT64_MAX);
    ck_assert(pool_enter(&pool, 1));
    ck_assert(pool_enter(&pool, 1));
    ck_assert(!pool_enter(&pool, 1));
    pool_leave(&pool, 1);
    ck_assert(pool_enter(&pool, 1));
}
END_TEST

START_TEST(bytes_are_bounded)
{
    struct pool pool;
    pool_init(&pool, 100, 10);
    ck_assert(pool_enter(&pool, 6));
    ck_assert(!pool_enter(&pool, 6));
    pool_shrink(&pool, 3);
    ck_assert(pool_enter(&pool, 6));
}
END_TEST

START_TEST(piece_larger_than_the_pool_goes_alone)
{
    struct pool pool;
    pool_init(&pool, 100, 10);
    ck_assert(pool_enter(&pool, 100));
    ck_assert(!pool_enter(&pool, 0));
    pool_leave(&pool, 100);
    ck_assert(pool_is_empty(&pool, 0));
}
END_TEST

static void *leave_all(void *context)
{
    struct pool *pool = context;
    for (unsigned i = 0; i < 1000; i++)
        pool_leave(pool, 1);
    return NULL;
}

START_TEST(end_is_noticed_across_threads)
{
    struct pool pool;
    pthread_t thread;
    pool_init(&pool, 1000, UINT64_MAX);
    for (unsigned i = 0; i < 1000; i++)
        ck_assert(pool_enter(&pool, 1));
    ck_assert(!pool_is_empty(&pool, 1));
    ck_assert_int_eq(pthread_create(&thread, NULL, leave_all, &pool), 0);
    ck_assert(pool_is_empty(&pool, 30000));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(pool.bytes, 0);
}
END_TEST

SUITE_MAIN("cli_pool", count_is_bounded, bytes_are_bounded, piece_larger_than_the_pool_goes_alone,
           end_is_noticed_across_threads)
