/* Rows from and to the wire: anything that is no row is refused, never asserted. */
#include <stdlib.h>

#include "tests/unit/plan/plan_fixture.h"

static struct fixture f;

START_TEST(row_survives_the_round_trip)
{
    fixture_init(&f, 3, 4);
    f.active.joiner = fixture_member(5);
    f.active.frozen = true;
    f.active.any_replica = true;
    f.active.version = 99;
    struct wire_row wire = plan_row_to_wire(&f.active);
    struct plan_row back;
    ck_assert_int_eq(plan_row_from_wire(&wire, &back), ERR_OK);
    ck_assert_uint_eq(back.epoch, 7);
    ck_assert_uint_eq(back.version, 99);
    ck_assert_uint_eq(fixture_digits(&back), 123);
    ck_assert_uint_eq(back.joiner.node, 5);
    ck_assert(back.frozen && back.any_replica);
    ck_assert_uint_eq(back.serving_count, 3);
    ck_assert_uint_eq(back.write_floor, 1);
    ck_assert_uint_eq(back.replicas, 4);
}
END_TEST

START_TEST(malformed_rows_are_refused)
{
    struct wire_member many[BOUND_CHAIN_MEMBERS + 1];
    for (uint32_t i = 0; i <= BOUND_CHAIN_MEMBERS; i++)
        many[i] = fixture_member(i + 1);
    struct plan_row back = {.epoch = 1234};
    fixture_init(&f, 3, 3);
    struct wire_row wire = plan_row_to_wire(&f.active);
    wire.epoch = 0;
    ck_assert_int_eq(plan_row_from_wire(&wire, &back), ERR_PROTOCOL);
    wire = plan_row_to_wire(&f.active);
    wire.members = many;
    wire.members_count = BOUND_CHAIN_MEMBERS + 1;
    ck_assert_int_eq(plan_row_from_wire(&wire, &back), ERR_PROTOCOL);
    wire = plan_row_to_wire(&f.active);
    wire.serving = many;
    wire.serving_count = BOUND_CHAIN_MEMBERS + 1;
    ck_assert_int_eq(plan_row_from_wire(&wire, &back), ERR_PROTOCOL);
    wire = plan_row_to_wire(&f.active);
    wire.joiner = fixture_member(2);
    ck_assert_int_eq(plan_row_from_wire(&wire, &back), ERR_PROTOCOL);
    f.active.members[2] = fixture_returned(1);
    wire = plan_row_to_wire(&f.active);
    ck_assert_int_eq(plan_row_from_wire(&wire, &back), ERR_PROTOCOL);
    f.active.members[2] = (struct wire_member){0, 0};
    ck_assert_int_eq(plan_row_from_wire(&wire, &back), ERR_PROTOCOL);
    ck_assert_uint_eq(back.epoch, 1234); /* untouched by failures */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("row");
    TCase *tcase = tcase_create("wire");
    tcase_add_test(tcase, row_survives_the_round_trip);
    tcase_add_test(tcase, malformed_rows_are_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
