#include "base/contract.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "tests/unit/base/suite.h"

struct outer {
    int before;
    int member;
};

START_TEST(what_holds_goes_on)
{
    PRE(1 + 1 == 2);
    POST(true);
    INVARIANT(ERGO(false, false) && ERGO(false, true) && ERGO(true, true) && !ERGO(true, false));
}
END_TEST

START_TEST(container_is_found_from_its_member)
{
    struct outer outer = {1, 2};
    int *member = &outer.member;
    ck_assert_ptr_eq(CONTAINER_OF(member, struct outer, member), &outer);
    int array[7];
    ck_assert_uint_eq(ARRAY_COUNT(array), 7);
}
END_TEST

START_TEST(broken_precondition_stops_the_process)
{
    volatile int two = 2;
    PRE(two == 3);
}
END_TEST

START_TEST(impossible_place_stops_the_process)
{
    IMPOSSIBLE("reached by the test");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base_contract");
    TCase *tcase = tcase_create("contract");
    tcase_add_test(tcase, what_holds_goes_on);
    tcase_add_test(tcase, container_is_found_from_its_member);
    tcase_add_test_raise_signal(tcase, broken_precondition_stops_the_process, SIGABRT);
    tcase_add_test_raise_signal(tcase, impossible_place_stops_the_process, SIGABRT);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
