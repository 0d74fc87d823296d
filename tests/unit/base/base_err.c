#include "base/err.h"

#include <string.h>

#include "tests/unit/base/suite.h"

START_TEST(every_error_has_a_name_and_a_sentence)
{
    for (unsigned i = 0; i < ERR_COUNT; i++) {
        ck_assert(err_is_valid(i));
        ck_assert_uint_gt(strlen(err_name((enum err)i)), 0);
        ck_assert_uint_gt(strlen(err_text((enum err)i)), 0);
        for (unsigned j = 0; j < i; j++)
            ck_assert_str_ne(err_name((enum err)i), err_name((enum err)j));
    }
}
END_TEST

START_TEST(number_outside_the_list_is_refused)
{
    ck_assert(!err_is_valid(ERR_COUNT));
    ck_assert(!err_is_valid(0xffffffffu));
    ck_assert_str_eq(err_name((enum err)ERR_COUNT), "UNKNOWN");
    ck_assert_str_eq(err_text((enum err)ERR_COUNT), "unknown error");
}
END_TEST

/* They travel on the wire and are stored with outcomes: an old replica must read them alike. */
START_TEST(numbers_never_change)
{
    ck_assert_uint_eq(ERR_OK, 0);
    ck_assert_uint_eq(ERR_NO_KEY, 2);
    ck_assert_uint_eq(ERR_CONDITION, 7);
    ck_assert_uint_eq(ERR_OUTCOME_UNKNOWN, 12);
    ck_assert_uint_eq(ERR_WRONG_EPOCH, 17);
    ck_assert_uint_eq(ERR_UPLOAD_ORDER, 25);
    ck_assert_uint_eq(ERR_ACCESS, 40);
}
END_TEST

SUITE_MAIN("base_err", every_error_has_a_name_and_a_sentence, number_outside_the_list_is_refused,
           numbers_never_change)
