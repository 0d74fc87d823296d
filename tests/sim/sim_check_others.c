/* The two checkers that search nothing: histories known to be bad are refused, good ones pass. */
#include <check.h>
#include <stdlib.h>

#include "tests/sim/check_listing.h"
#include "tests/sim/check_once.h"

static const struct linear_op put_done = {
    .kind = LINEAR_PUT, .outcome = LINEAR_DONE, .value = 1, .call_at = 10, .return_at = 20};

static enum listing_verdict list(const struct linear_op *ops, uint32_t count, uint64_t call_at,
                                 uint64_t return_at, bool is_listed)
{
    struct listing listing = {call_at, return_at, is_listed};
    uint32_t at = 0;
    return listing_check(ops, count, &listing, 1, &at);
}

START_TEST(key_that_was_there_all_the_time_has_to_be_listed)
{
    ck_assert_int_eq(list(&put_done, 1, 30, 40, true), LISTING_GOOD);
    ck_assert_int_eq(list(&put_done, 1, 30, 40, false), LISTING_MISSES);
    /* It began before the put was answered. */
    ck_assert_int_eq(list(&put_done, 1, 15, 40, false), LISTING_GOOD);
}
END_TEST

START_TEST(deletion_beside_a_listing_excuses_either_answer)
{
    struct linear_op ops[] = {
        put_done, {.kind = LINEAR_DELETE, .outcome = LINEAR_DONE, .call_at = 35, .return_at = 50}};
    ck_assert_int_eq(list(ops, 2, 30, 40, false), LISTING_GOOD);
    ck_assert_int_eq(list(ops, 2, 30, 40, true), LISTING_GOOD);
    ck_assert_int_eq(list(ops, 2, 60, 70, true), LISTING_INVENTS);
    ops[1].outcome = LINEAR_UNKNOWN;
    ck_assert_int_eq(list(ops, 2, 60, 70, true), LISTING_GOOD);
    ck_assert_int_eq(list(ops, 2, 60, 70, false), LISTING_GOOD);
}
END_TEST

START_TEST(key_that_nobody_wrote_may_not_be_listed)
{
    ck_assert_int_eq(list(&put_done, 1, 1, 5, true), LISTING_INVENTS);
    ck_assert_int_eq(list(&put_done, 1, 1, 5, false), LISTING_GOOD);
    ck_assert_int_eq(list(&put_done, 1, 1, 15, true), LISTING_GOOD);
}
END_TEST

static enum once_verdict judge(struct origin first, struct origin second, uint32_t second_value)
{
    struct once_sight sights[] = {{1, first, true, 1, 2}, {second_value, second, true, 3, 4}};
    uint32_t value = 0;
    return once_check(sights, 2, &value);
}

START_TEST(second_execution_shared_and_falling_versions_are_seen)
{
    ck_assert_int_eq(judge((struct origin){1, 1}, (struct origin){1, 2}, 2), ONCE_GOOD);
    ck_assert_int_eq(judge((struct origin){1, 1}, (struct origin){1, 2}, 1), ONCE_TWICE);
    ck_assert_int_eq(judge((struct origin){1, 1}, (struct origin){1, 1}, 2), ONCE_SHARED);
    ck_assert_int_eq(judge((struct origin){2, 5}, (struct origin){1, 9}, 2), ONCE_BACKWARDS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check_others");
    TCase *tcase = tcase_create("verdicts");
    tcase_add_test(tcase, key_that_was_there_all_the_time_has_to_be_listed);
    tcase_add_test(tcase, deletion_beside_a_listing_excuses_either_answer);
    tcase_add_test(tcase, key_that_nobody_wrote_may_not_be_listed);
    tcase_add_test(tcase, second_execution_shared_and_falling_versions_are_seen);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
