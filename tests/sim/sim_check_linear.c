/* The judge of the simulator: good histories pass, known bad ones do not. A checker that accepts
 * everything would make every simulation green. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "tests/sim/check_linear.h"

static struct linear_op ops[64];
static uint32_t count;

static struct linear_op *add(enum linear_kind kind, enum linear_outcome outcome, uint32_t value,
                             uint64_t call_at, uint64_t return_at)
{
    ops[count] = (struct linear_op){.kind = kind,
                                    .outcome = outcome,
                                    .value = value,
                                    .call_at = call_at,
                                    .return_at = return_at};
    return &ops[count++];
}

static void put(uint32_t value, uint64_t call_at, uint64_t return_at)
{
    (void)add(LINEAR_PUT, LINEAR_DONE, value, call_at, return_at);
}

static void read_of(uint32_t value, uint64_t call_at, uint64_t return_at)
{
    (void)add(LINEAR_READ, LINEAR_DONE, value, call_at, return_at);
}

static void lost_put(uint32_t value, uint64_t call_at)
{
    (void)add(LINEAR_PUT, LINEAR_UNKNOWN, value, call_at, 0);
}

static enum linear_verdict verdict(void)
{
    uint32_t stuck = 0;
    return linear_check(ops, count, &stuck);
}

static void setup(void)
{
    memset(ops, 0, sizeof ops);
    count = 0;
}

START_TEST(empty_and_sequential_histories_pass)
{
    ck_assert_int_eq(verdict(), LINEAR_YES);
    read_of(0, 1, 2);
    put(1, 3, 4);
    read_of(1, 5, 6);
    (void)add(LINEAR_DELETE, LINEAR_DONE, 0, 7, 8);
    read_of(0, 9, 10);
    ck_assert_int_eq(verdict(), LINEAR_YES);
}
END_TEST

START_TEST(stale_read_fails)
{
    put(1, 1, 2);
    put(2, 3, 4);
    read_of(1, 5, 6);
    ck_assert_int_eq(verdict(), LINEAR_NO);
}
END_TEST

START_TEST(read_beside_a_write_may_see_either)
{
    put(1, 1, 2);
    put(2, 3, 8);
    read_of(1, 4, 5);
    read_of(2, 6, 7);
    ck_assert_int_eq(verdict(), LINEAR_YES);
}
END_TEST

START_TEST(read_that_goes_back_fails)
{
    put(1, 1, 2);
    put(2, 3, 10);
    read_of(2, 4, 5);
    read_of(1, 6, 7);
    ck_assert_int_eq(verdict(), LINEAR_NO);
}
END_TEST

START_TEST(lost_acknowledged_write_fails)
{
    put(1, 1, 2);
    read_of(0, 3, 4);
    ck_assert_int_eq(verdict(), LINEAR_NO);
}
END_TEST

START_TEST(value_that_nobody_wrote_fails)
{
    put(1, 1, 2);
    read_of(9, 3, 4);
    ck_assert_int_eq(verdict(), LINEAR_NO);
}
END_TEST

START_TEST(deleted_value_that_comes_back_fails)
{
    put(1, 1, 2);
    (void)add(LINEAR_DELETE, LINEAR_DONE, 0, 3, 4);
    read_of(1, 5, 6);
    ck_assert_int_eq(verdict(), LINEAR_NO);
}
END_TEST

START_TEST(unanswered_write_may_happen_late_or_never)
{
    put(1, 1, 2);
    lost_put(2, 3);
    read_of(1, 4, 5);
    read_of(2, 6, 7);
    ck_assert_int_eq(verdict(), LINEAR_YES);
    count = 0;
    put(1, 1, 2);
    lost_put(2, 3);
    read_of(1, 4, 5);
    ck_assert_int_eq(verdict(), LINEAR_YES);
}
END_TEST

START_TEST(unanswered_write_happens_at_most_once_and_not_before_its_call)
{
    lost_put(1, 1);
    read_of(1, 2, 3);
    put(2, 4, 5);
    read_of(1, 6, 7);
    ck_assert_int_eq(verdict(), LINEAR_NO);
    count = 0;
    read_of(1, 1, 2);
    lost_put(1, 3);
    ck_assert_int_eq(verdict(), LINEAR_NO);
}
END_TEST

START_TEST(two_winners_of_a_create_fail)
{
    put(1, 1, 5);
    ops[0].condition = WIRE_CONDITION_ABSENT;
    put(2, 2, 6);
    ops[1].condition = WIRE_CONDITION_ABSENT;
    ck_assert_int_eq(verdict(), LINEAR_NO);
    ops[1].outcome = LINEAR_REFUSED;
    ops[1].current = 1;
    ck_assert_int_eq(verdict(), LINEAR_YES);
    ops[1].current = 7;
    ck_assert_int_eq(verdict(), LINEAR_NO);
}
END_TEST

START_TEST(false_conflict_of_a_retried_create_fails)
{
    put(1, 1, 2);
    ops[0].condition = WIRE_CONDITION_ABSENT;
    ops[0].outcome = LINEAR_REFUSED;
    ops[0].current = 1;
    read_of(0, 3, 4);
    ck_assert_int_eq(verdict(), LINEAR_NO);
}
END_TEST

START_TEST(match_needs_the_value_that_it_names)
{
    put(1, 1, 2);
    put(2, 3, 4);
    ops[1].condition = WIRE_CONDITION_MATCH;
    ops[1].match = 1;
    put(3, 5, 6);
    ops[2].condition = WIRE_CONDITION_MATCH;
    ops[2].match = 1;
    ck_assert_int_eq(verdict(), LINEAR_NO);
    ops[2].outcome = LINEAR_REFUSED;
    ops[2].current = LINEAR_ANY;
    ck_assert_int_eq(verdict(), LINEAR_YES);
}
END_TEST

START_TEST(deleting_nothing_says_so)
{
    (void)add(LINEAR_DELETE, LINEAR_MISSING, 0, 1, 2);
    put(1, 3, 4);
    (void)add(LINEAR_DELETE, LINEAR_MISSING, 0, 5, 6);
    ck_assert_int_eq(verdict(), LINEAR_NO);
    ops[2].outcome = LINEAR_DONE;
    ck_assert_int_eq(verdict(), LINEAR_YES);
}
END_TEST

/* Found by the simulator: a cache of visited configurations whose hash mixed the state with the set
 * of placed operations took a new configuration for a seen one and called this history bad. */
START_TEST(history_with_a_long_put_passes)
{
    static const uint32_t rows[][8] = {
        /* kind, outcome, condition, match, value, current, call, return */
        {2, 2, 0, 0, 0, 0, 2, 4},       {0, 0, 0, 0, 0, 0, 7, 8},
        {1, 0, 1, 0, 3, 0, 13, 14},     {0, 0, 0, 0, 3, 0, 26, 27},
        {1, 1, 1, 0, 6, 3, 37, 38},     {0, 0, 0, 0, 3, 0, 66, 67},
        {0, 0, 0, 0, 3, 0, 84, 85},     {0, 0, 0, 0, 3, 0, 122, 123},
        {0, 0, 0, 0, 3, 0, 133, 134},   {1, 0, 0, 0, 27, 0, 181, 183},
        {1, 0, 3, 0, 31, 0, 202, 203},  {2, 0, 3, 0, 0, 0, 234, 235},
        {1, 1, 2, 31, 37, 0, 239, 241}, {0, 0, 0, 0, 0, 0, 250, 261},
        {1, 1, 3, 0, 42, 0, 272, 273},  {0, 0, 0, 0, 0, 0, 289, 290},
        {0, 0, 0, 0, 0, 0, 257, 291},   {0, 0, 0, 0, 0, 0, 265, 292},
        {0, 0, 0, 0, 0, 0, 302, 303},   {0, 0, 0, 0, 0, 0, 316, 317},
        {0, 0, 0, 0, 0, 0, 332, 333},   {0, 0, 0, 0, 0, 0, 358, 359},
        {1, 0, 0, 0, 60, 0, 375, 376},  {1, 0, 2, 60, 64, 0, 389, 390},
        {2, 1, 1, 0, 0, 64, 398, 399},  {1, 0, 2, 64, 66, 0, 401, 402},
        {2, 0, 3, 0, 0, 0, 411, 412},   {0, 0, 0, 0, 0, 0, 431, 432},
        {1, 1, 2, 66, 73, 0, 444, 445}, {0, 0, 0, 0, 0, 0, 452, 453},
        {0, 0, 0, 0, 0, 0, 459, 460},   {0, 0, 0, 0, 0, 0, 469, 470},
        {0, 0, 0, 0, 0, 0, 488, 489},   {1, 0, 1, 0, 52, 0, 328, 500},
        {1, 0, 3, 0, 84, 0, 505, 506},  {1, 0, 3, 0, 85, 0, 508, 509},
        {0, 0, 0, 0, 85, 0, 515, 531},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint32_t *row = rows[i];
        ops[count++] = (struct linear_op){.kind = (enum linear_kind)row[0],
                                          .outcome = (enum linear_outcome)row[1],
                                          .condition = (enum wire_condition)row[2],
                                          .match = row[3],
                                          .value = row[4],
                                          .current = row[5],
                                          .call_at = row[6],
                                          .return_at = row[7]};
    }
    ck_assert_int_eq(verdict(), LINEAR_YES);
}
END_TEST

/* Histories made by running operations one at a time at a hidden moment between call and return
 * pass, and fail when one read is changed to a value that was over before it began. */
START_TEST(random_histories_are_told_apart)
{
    struct prng prng;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        prng_init(&prng, seed);
        setup();
        uint32_t state = 0;
        for (uint32_t i = 0; i < 40; i++) {
            uint64_t at = 1000 + i * 10;
            uint64_t call_at = at - prng_below(&prng, 6) * 10 - 3;
            uint64_t return_at = at + prng_below(&prng, 6) * 10 + 4;
            /* Distinct moments. */
            call_at = call_at * 100 + i;
            return_at = return_at * 100 + 50 + i;
            if (prng_once_in(&prng, 2)) {
                read_of(state, call_at, return_at);
            } else {
                put(i + 1, call_at, return_at);
                if (prng_once_in(&prng, 8))
                    ops[count - 1].outcome = LINEAR_UNKNOWN;
                state = i + 1;
            }
        }
        put(100, 1000000, 1000001);
        put(101, 1000002, 1000003);
        read_of(101, 1000004, 1000005);
        ck_assert_int_eq(verdict(), LINEAR_YES);
        ops[count - 1].value = 100;
        ck_assert_int_eq(verdict(), LINEAR_NO);
    }
}
END_TEST

/* Ten thousand operations, every twentieth write without an answer (half of those never happened),
 * up to eight at a time: in seconds, and a stale read at the end is still found. */
START_TEST(long_history_with_lost_answers_is_judged_in_seconds)
{
    enum { LONG = 10000 };
    struct linear_op *history = calloc(LONG + 1, sizeof *history);
    ck_assert_ptr_nonnull(history);
    struct prng prng;
    prng_init(&prng, 7);
    uint32_t state = 0;
    uint32_t older = 0;
    for (uint32_t i = 0; i < LONG; i++) {
        struct linear_op *op = &history[i];
        uint64_t at = 1000 + (uint64_t)i * 10;
        op->call_at = (at - prng_below(&prng, 4) * 10 - 3) * 100000 + i;
        op->return_at = (at + prng_below(&prng, 4) * 10 + 4) * 100000 + 50000 + i;
        op->kind = prng_once_in(&prng, 2) ? LINEAR_READ : LINEAR_PUT;
        op->value = op->kind == LINEAR_READ ? state : i + 1;
        bool is_lost = op->kind == LINEAR_PUT && prng_once_in(&prng, 20);
        if (is_lost)
            op->outcome = LINEAR_UNKNOWN;
        if (op->kind == LINEAR_PUT && !(is_lost && prng_once_in(&prng, 2))) {
            older = state;
            state = i + 1;
        }
    }
    uint64_t end = (uint64_t)(1000 + LONG * 10 + 1000) * 100000;
    history[LONG] = (struct linear_op){
        .kind = LINEAR_READ, .value = state, .call_at = end, .return_at = end + 1};
    uint32_t stuck = 0;
    ck_assert_int_eq(linear_check(history, LONG + 1, &stuck), LINEAR_YES);
    history[LONG].value = older;
    ck_assert_int_eq(linear_check(history, LONG + 1, &stuck), LINEAR_NO);
    free(history);
}
END_TEST

/* Found by the simulator (three masters, five nodes, eight clients, seed 39): reads whose answers
 * are late by hundreds of operations. An order that first lets the next write happen is found wrong
 * only when the read returns; every choice between was tried again. */
START_TEST(reads_answered_late_are_judged_in_seconds)
{
    enum { LONG = 4000 };
    struct linear_op *history = calloc(LONG, sizeof *history);
    ck_assert_ptr_nonnull(history);
    struct prng prng;
    prng_init(&prng, 39);
    uint32_t state = 0;
    for (uint32_t i = 0; i < LONG; i++) {
        struct linear_op *op = &history[i];
        uint64_t at = 1000 + (uint64_t)i * 10;
        op->call_at = (at - prng_below(&prng, 6) * 10 - 3) * 100000 + i;
        op->return_at = (at + prng_below(&prng, 6) * 10 + 4) * 100000 + 50000 + i;
        op->kind = prng_once_in(&prng, 2) ? LINEAR_READ : LINEAR_PUT;
        if (op->kind == LINEAR_READ) {
            op->value = state;
            if (prng_once_in(&prng, 4))
                op->return_at += 7000ull * 100000;
        } else {
            op->value = state = i + 1;
        }
    }
    uint32_t stuck = 0;
    ck_assert_int_eq(linear_check(history, LONG, &stuck), LINEAR_YES);
    /* A late answer that shows what was not yet written, or was over, is still found. */
    uint32_t late = LONG / 2;
    while (history[late].kind != LINEAR_READ ||
           history[late].return_at - history[late].call_at < 5000ull * 100000)
        late++;
    uint32_t shown = history[late].value;
    history[late].value = history[late - 100].kind == LINEAR_PUT ? late - 99 : late - 98;
    while (history[history[late].value - 1].kind != LINEAR_PUT)
        history[late].value--;
    ck_assert_int_eq(linear_check(history, LONG, &stuck), LINEAR_NO);
    history[late].value = shown;
    free(history);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check_linear");
    TCase *tcase = tcase_create("histories");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, empty_and_sequential_histories_pass);
    tcase_add_test(tcase, stale_read_fails);
    tcase_add_test(tcase, read_beside_a_write_may_see_either);
    tcase_add_test(tcase, read_that_goes_back_fails);
    tcase_add_test(tcase, lost_acknowledged_write_fails);
    tcase_add_test(tcase, value_that_nobody_wrote_fails);
    tcase_add_test(tcase, deleted_value_that_comes_back_fails);
    tcase_add_test(tcase, unanswered_write_may_happen_late_or_never);
    tcase_add_test(tcase, unanswered_write_happens_at_most_once_and_not_before_its_call);
    tcase_add_test(tcase, two_winners_of_a_create_fail);
    tcase_add_test(tcase, false_conflict_of_a_retried_create_fails);
    tcase_add_test(tcase, match_needs_the_value_that_it_names);
    tcase_add_test(tcase, deleting_nothing_says_so);
    tcase_add_test(tcase, history_with_a_long_put_passes);
    tcase_add_test(tcase, random_histories_are_told_apart);
    tcase_add_test(tcase, long_history_with_lost_answers_is_judged_in_seconds);
    tcase_add_test(tcase, reads_answered_late_are_judged_in_seconds);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
