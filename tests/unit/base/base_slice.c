#include "base/slice.h"

#include "tests/unit/base/suite.h"

START_TEST(order_is_byte_order_shorter_first)
{
    static const char *const ordered[] = {"", "a", "a\x01", "aa", "b", "\xff"};
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 6; j++) {
            int order = slice_compare(slice_of_text(ordered[i]), slice_of_text(ordered[j]));
            ck_assert_int_eq(order < 0, i < j);
            ck_assert_int_eq(order == 0, i == j);
            ck_assert_int_eq(slice_equal(slice_of_text(ordered[i]), slice_of_text(ordered[j])),
                             i == j);
        }
    }
}
END_TEST

START_TEST(prefix_is_recognised)
{
    ck_assert(slice_starts_with(slice_of_text("photos/1"), slice_of_text("photos/")));
    ck_assert(slice_starts_with(slice_of_text("photos"), slice_of(NULL, 0)));
    ck_assert(slice_starts_with(slice_of(NULL, 0), slice_of(NULL, 0)));
    ck_assert(!slice_starts_with(slice_of_text("photo"), slice_of_text("photos")));
    ck_assert(!slice_starts_with(slice_of_text("photos"), slice_of_text("x")));
}
END_TEST

SUITE_MAIN("base_slice", order_is_byte_order_shorter_first, prefix_is_recognised)
