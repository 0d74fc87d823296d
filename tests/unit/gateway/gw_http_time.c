#include "tools/gateway/http_time.h"

#include "tests/unit/base/suite.h"

/* RFC 9110, 5.6.7: one moment in three forms. */
START_TEST(three_forms_of_the_rfc_name_one_moment)
{
    static const char *const forms[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                        "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994"};
    for (size_t i = 0; i < 3; i++) {
        int64_t seconds = 0;
        ck_assert(gw_http_time_parse(forms[i], &seconds));
        ck_assert_int_eq(seconds, 784111777);
    }
}
END_TEST

START_TEST(formats_go_there_and_back)
{
    char text[GW_TIME_SIZE];
    int64_t seconds = 0;
    ck_assert_str_eq(gw_http_time_format(784111777123, text), "Sun, 06 Nov 1994 08:49:37 GMT");
    ck_assert(gw_http_time_parse(text, &seconds) && seconds == 784111777);
    ck_assert_str_eq(gw_iso_time_format(784111777123, text), "1994-11-06T08:49:37.123Z");
    ck_assert_str_eq(gw_iso_time_format(0, text), "1970-01-01T00:00:00.000Z");
    ck_assert_str_eq(gw_iso_time_format(253402300799005, text), "9999-12-31T23:59:59.005Z");
    ck_assert_str_eq(gw_iso_time_format(UINT64_MAX - 615, text), "9999-12-31T23:59:59.000Z");
    ck_assert_str_eq(gw_http_time_format(UINT64_MAX, text), "Fri, 31 Dec 9999 23:59:59 GMT");
}
END_TEST

START_TEST(basic_form_of_amazon_is_read)
{
    int64_t seconds = 0;
    char timestamp[17];
    ck_assert(gw_amz_time_parse("20130524T000000Z", &seconds) && seconds == 1369353600);
    ck_assert(gw_amz_time_from_any("Fri, 24 May 2013 00:00:00 GMT", timestamp, &seconds));
    ck_assert_str_eq(timestamp, "20130524T000000Z");
}
END_TEST

START_TEST(iso_times_are_read)
{
    uint64_t ms = 0;
    ck_assert(gw_iso_time_parse("1994-11-06T08:49:37.123Z", &ms) && ms == 784111777123ull);
    ck_assert(gw_iso_time_parse("1994-11-06T08:49:37Z", &ms) && ms == 784111777000ull);
    ck_assert(gw_iso_time_parse("1994-11-06", &ms) && ms == 784080000000ull);
    ck_assert(!gw_iso_time_parse("1994-11-06T08:49:37", &ms));
    ck_assert(!gw_iso_time_parse("1994-11-06T08:49:37.1Z", &ms));
    ck_assert(!gw_iso_time_parse("1969-11-06", &ms));
    ck_assert(!gw_iso_time_parse("1994-13-06", &ms));
    ck_assert(!gw_iso_time_parse("", &ms));
}
END_TEST

START_TEST(nonsense_is_refused)
{
    static const char *const bad[] = {
        "",
        "Sun",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT+1",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Abc 1994 08:49:37 GMT",
        "20130524T000000",
        "20131324T000000Z",
        "2013-05-24T00:00:00Z",
    };
    int64_t seconds;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert(!gw_http_time_parse(bad[i], &seconds));
        ck_assert(!gw_amz_time_parse(bad[i], &seconds));
    }
}
END_TEST

SUITE_MAIN("gw_http_time", three_forms_of_the_rfc_name_one_moment, formats_go_there_and_back,
           basic_form_of_amazon_is_read, iso_times_are_read, nonsense_is_refused)
