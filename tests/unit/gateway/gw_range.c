#include "tools/gateway/range.h"

#include "tests/unit/base/suite.h"

static void fits(const char *header, uint64_t size, uint64_t offset, uint64_t length)
{
    struct gw_range range;
    uint64_t got_offset = 0;
    uint64_t got_length = 0;
    ck_assert_msg(gw_range_parse(header, &range), "%s", header);
    ck_assert_msg(gw_range_fit(&range, size, &got_offset, &got_length), "%s", header);
    ck_assert_uint_eq(got_offset, offset);
    ck_assert_uint_eq(got_length, length);
}

START_TEST(ranges_are_cut_at_the_end)
{
    fits("bytes=0-9", 100, 0, 10);
    fits("bytes=90-", 100, 90, 10);
    fits("bytes=90-1000", 100, 90, 10);
    fits("bytes=-10", 100, 90, 10);
    fits("bytes=-1000", 100, 0, 100);
    fits("BYTES=0-0", 1, 0, 1);
    fits("bytes=0-18446744073709551615", 5, 0, 5);
}
END_TEST

START_TEST(ranges_beyond_the_end_cannot_be_satisfied)
{
    static const char *const beyond[] = {"bytes=100-", "bytes=100-200", "bytes=-0"};
    uint64_t offset;
    uint64_t length;
    for (size_t i = 0; i < 3; i++) {
        struct gw_range range;
        ck_assert(gw_range_parse(beyond[i], &range));
        ck_assert(!gw_range_fit(&range, 100, &offset, &length));
    }
    struct gw_range range;
    ck_assert(gw_range_parse("bytes=0-", &range));
    ck_assert(!gw_range_fit(&range, 0, &offset, &length));
    ck_assert(gw_range_parse("bytes=-5", &range));
    ck_assert(!gw_range_fit(&range, 0, &offset, &length));
}
END_TEST

START_TEST(malformed_and_multiple_ranges_are_ignored)
{
    static const char *const bad[] = {"",           "bytes",
                                      "bytes=",     "bytes=-",
                                      "bytes=5-4",  "bytes=a-b",
                                      "bytes=0-1,", "bytes=0-1,3-",
                                      "lines=0-1",  "bytes=1",
                                      "bytes=--1",  "bytes=0-1x",
                                      "bytes= 0-1", "bytes=0-99999999999999999999999"};
    struct gw_range range;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!gw_range_parse(bad[i], &range), "%s", bad[i]);
}
END_TEST

SUITE_MAIN("gw_range", ranges_are_cut_at_the_end, ranges_beyond_the_end_cannot_be_satisfied,
           malformed_and_multiple_ranges_are_ignored)
