/* The checker is checked: good histories pass, each known kind of bad one is found. */
#include "tests/integration/lib/history.h"

#include <check.h>
#include <stdlib.h>

static struct history_op op(enum history_kind kind, uint64_t start, uint64_t end, uint64_t lsn,
                            uint64_t value)
{
    return (struct history_op){.kind = kind,
                               .key = 1,
                               .start_us = start,
                               .end_us = end,
                               .status = CATENA_OK,
                               .version = {lsn == 0 ? 0 : 1, lsn},
                               .value = value};
}

static size_t check_ops(const struct history_op *ops, size_t count)
{
    struct history history;
    history_init(&history);
    for (size_t i = 0; i < count; i++)
        history_add(&history, &ops[i]);
    size_t violations = history_check(&history);
    history_release(&history);
    return violations;
}

START_TEST(concurrent_operations_in_version_order_pass)
{
    struct history_op ops[] = {
        op(HISTORY_PUT, 0, 10, 1, 100),  op(HISTORY_PUT, 5, 30, 2, 200),
        op(HISTORY_GET, 11, 20, 1, 100), op(HISTORY_GET, 12, 25, 2, 200),
        op(HISTORY_GET, 31, 40, 2, 200),
    };
    ck_assert_uint_eq(check_ops(ops, sizeof ops / sizeof ops[0]), 0);
}
END_TEST

START_TEST(stale_read_is_found)
{
    struct history_op ops[] = {
        op(HISTORY_PUT, 0, 10, 1, 100),
        op(HISTORY_PUT, 11, 20, 2, 200),
        op(HISTORY_GET, 21, 30, 1, 100),
    };
    ck_assert_uint_gt(check_ops(ops, 3), 0);
}
END_TEST

START_TEST(lost_acknowledged_write_is_found)
{
    struct history_op ops[] = {op(HISTORY_PUT, 0, 10, 1, 100), op(HISTORY_GET, 21, 30, 0, 0)};
    ops[1].status = CATENA_NO_KEY;
    ck_assert_uint_gt(check_ops(ops, 2), 0);
}
END_TEST

START_TEST(two_values_of_one_version_are_found)
{
    struct history_op ops[] = {op(HISTORY_PUT, 0, 10, 1, 100), op(HISTORY_GET, 5, 12, 1, 101)};
    ck_assert_uint_gt(check_ops(ops, 2), 0);
}
END_TEST

START_TEST(two_winners_of_one_version_are_found)
{
    struct history_op ops[] = {op(HISTORY_PUT, 0, 10, 1, 100), op(HISTORY_PUT, 0, 10, 1, 100)};
    ck_assert_uint_gt(check_ops(ops, 2), 0);
}
END_TEST

START_TEST(refused_write_that_is_read_is_found)
{
    struct history_op ops[] = {op(HISTORY_PUT_IF_ABSENT, 0, 10, 0, 100),
                               op(HISTORY_GET, 11, 12, 1, 100)};
    ops[0].status = CATENA_CONDITION_FAILED;
    ck_assert_uint_gt(check_ops(ops, 2), 0);
}
END_TEST

START_TEST(conditional_put_over_a_newer_version_is_found)
{
    struct history_op ops[] = {op(HISTORY_PUT, 0, 10, 1, 100), op(HISTORY_PUT, 11, 20, 2, 200),
                               op(HISTORY_PUT_IF_VERSION, 15, 30, 3, 300)};
    ops[2].expected = (struct catena_version){1, 1};
    ck_assert_uint_gt(check_ops(ops, 3), 0);
}
END_TEST

START_TEST(unknown_outcome_may_appear_later_or_never)
{
    struct history_op ops[] = {op(HISTORY_PUT, 0, 10, 1, 100), op(HISTORY_PUT, 11, 20, 0, 200),
                               op(HISTORY_GET, 21, 30, 1, 100), op(HISTORY_GET, 41, 50, 2, 200)};
    ops[1].status = CATENA_OUTCOME_UNKNOWN;
    ck_assert_uint_eq(check_ops(ops, 4), 0);
    ck_assert_uint_eq(check_ops(ops, 3), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("history");
    TCase *tcase = tcase_create("check");
    tcase_add_test(tcase, concurrent_operations_in_version_order_pass);
    tcase_add_test(tcase, stale_read_is_found);
    tcase_add_test(tcase, lost_acknowledged_write_is_found);
    tcase_add_test(tcase, two_values_of_one_version_are_found);
    tcase_add_test(tcase, two_winners_of_one_version_are_found);
    tcase_add_test(tcase, refused_write_that_is_read_is_found);
    tcase_add_test(tcase, conditional_put_over_a_newer_version_is_found);
    tcase_add_test(tcase, unknown_outcome_may_appear_later_or_never);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
