#include <check.h>
#include <stdlib.h>

#include "base/io/clock.h"
#include "base/io/host.h"

START_TEST(clocks_do_not_go_back)
{
    uint64_t boot_us = clock_boot_us();
    uint64_t monotonic_us = clock_monotonic_us();
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t next = clock_boot_us();
        ck_assert_uint_ge(next, boot_us);
        boot_us = next;
        next = clock_monotonic_us();
        ck_assert_uint_ge(next, monotonic_us);
        monotonic_us = next;
    }
    ck_assert_uint_ge(clock_boot_us(), monotonic_us);
    ck_assert_uint_gt(clock_wall_ms(), UINT64_C(1700000000000));
}
END_TEST

START_TEST(random_uuids_are_version_4_and_differ)
{
    struct uuid a = uuid_random();
    struct uuid b = uuid_random();
    ck_assert(!uuid_equal(&a, &b));
    ck_assert_int_eq(a.bytes[6] >> 4, 4);
    ck_assert_int_eq(a.bytes[8] >> 6, 2);
    ck_assert(random_seed() != random_seed());
}
END_TEST

START_TEST(boot_id_is_the_same_twice)
{
    struct uuid a;
    struct uuid b;
    ck_assert_int_eq(host_boot_id(&a), ERR_OK);
    ck_assert_int_eq(host_boot_id(&b), ERR_OK);
    ck_assert(uuid_equal(&a, &b));
    ck_assert(!uuid_is_zero(&a));
}
END_TEST

START_TEST(disk_space_is_told_or_an_error)
{
    uint64_t total = 0;
    uint64_t space = 0;
    ck_assert_int_eq(host_disk_space("/tmp", &total, &space), ERR_OK);
    ck_assert_uint_gt(total, 0);
    ck_assert_uint_le(space, total);
    ck_assert_int_eq(host_disk_space("/no/such/place", &total, &space), ERR_IO);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("host");
    TCase *tcase = tcase_create("host");
    tcase_add_test(tcase, clocks_do_not_go_back);
    tcase_add_test(tcase, random_uuids_are_version_4_and_differ);
    tcase_add_test(tcase, boot_id_is_the_same_twice);
    tcase_add_test(tcase, disk_space_is_told_or_an_error);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
