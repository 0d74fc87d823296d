/* chainnode/io/space.c */
#include <check.h>

#include "chainnode/io/space.h"

enum { MIB = 1 << 20 };

static struct space of_256_mib(void)
{
    struct space space;
    space_init(&space, 64 * MIB);
    space_take(&space, 0, 256 * MIB, 256 * MIB, 0);
    return space;
}

START_TEST(a_look_is_wanted_at_once_and_then_every_second)
{
    struct space space;
    space_init(&space, 0);
    ck_assert(space_wants_look(&space, 5));
    space_take(&space, 5, 100, 100, 0);
    ck_assert(!space_wants_look(&space, 5 + SPACE_PERIOD_US - 1));
    ck_assert(space_wants_look(&space, 5 + SPACE_PERIOD_US));
}
END_TEST

START_TEST(a_look_is_wanted_after_each_step_of_bytes)
{
    struct space space = of_256_mib();
    space_submitted(&space, SPACE_STEP_BYTES - 1);
    ck_assert(!space_wants_look(&space, 1));
    space_submitted(&space, 1);
    ck_assert(space_wants_look(&space, 1));
    space_missed(&space, 1);
    ck_assert(!space_wants_look(&space, 1));
}
END_TEST

/* A disk that takes 200 MiB within a second is stopped at its reserve, not a second later. */
START_TEST(a_fast_writer_does_not_run_through_the_reserve)
{
    struct space space = of_256_mib();
    uint64_t used = 0;
    while (!space.is_full && used < 256 * MIB) {
        space_submitted(&space, MIB);
        used += MIB;
        if (space_wants_look(&space, 1))
            space_take(&space, 1, 256 * MIB, 256 * MIB - used, used);
    }
    ck_assert_uint_eq(used, 193 * MIB);
}
END_TEST

START_TEST(what_is_queued_counts_as_used)
{
    struct space space = of_256_mib();
    space_submitted(&space, 200 * MIB);
    space_take(&space, 1, 256 * MIB, 256 * MIB, 0);
    ck_assert(space.is_full);
    ck_assert_uint_eq(space.free_bytes, 56 * MIB);
    space_submitted(&space, 100 * MIB);
    space_take(&space, 2, 256 * MIB, 56 * MIB, 200 * MIB);
    ck_assert_uint_eq(space.free_bytes, 0);
}
END_TEST

START_TEST(freed_space_is_seen)
{
    struct space space = of_256_mib();
    space_take(&space, 1, 256 * MIB, 63 * MIB, 0);
    ck_assert(space.is_full);
    space_take(&space, 2, 256 * MIB, 64 * MIB, 0);
    ck_assert(!space.is_full);
}
END_TEST

START_TEST(the_reserve_is_two_percent_and_at_most_256_mib)
{
    struct space space;
    space_init(&space, 0);
    space_take(&space, 1, 1000 * (uint64_t)MIB, 500 * (uint64_t)MIB, 0);
    ck_assert_uint_eq(space_reserve_bytes(&space), 20 * MIB);
    space_take(&space, 2, 1000000 * (uint64_t)MIB, 500 * (uint64_t)MIB, 0);
    ck_assert_uint_eq(space_reserve_bytes(&space), 256 * MIB);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("space");
    TCase *tcase = tcase_create("space");
    tcase_add_test(tcase, a_look_is_wanted_at_once_and_then_every_second);
    tcase_add_test(tcase, a_look_is_wanted_after_each_step_of_bytes);
    tcase_add_test(tcase, a_fast_writer_does_not_run_through_the_reserve);
    tcase_add_test(tcase, what_is_queued_counts_as_used);
    tcase_add_test(tcase, freed_space_is_seen);
    tcase_add_test(tcase, the_reserve_is_two_percent_and_at_most_256_mib);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
