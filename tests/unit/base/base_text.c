#include "base/text.h"

#include "tests/unit/base/suite.h"

START_TEST(empty_text_is_a_string)
{
    struct text text;
    text_init(&text);
    ck_assert_str_eq(text_cstr(&text), "");
    text_clear(&text);
    text_release(&text);
}
END_TEST

START_TEST(text_grows)
{
    struct text text;
    text_init(&text);
    for (int i = 0; i < 1000; i++)
        text_append(&text, "%04d", i);
    ck_assert_uint_eq(text.length, 4000);
    ck_assert_int_eq(memcmp(text_cstr(&text) + 3996, "0999", 5), 0);
    text_clear(&text);
    text_append_bytes(&text, slice_of_text("again"));
    ck_assert_str_eq(text_cstr(&text), "again");
    text_release(&text);
}
END_TEST

START_TEST(reserved_room_is_not_moved_by_what_fits)
{
    struct text text;
    text_init(&text);
    text_reserve(&text, 500);
    ck_assert_str_eq(text_cstr(&text), "");
    const char *data = text.data;
    for (int i = 0; i < 500; i++)
        text_append_bytes(&text, slice_of_text("x"));
    ck_assert_ptr_eq(text.data, data);
    ck_assert_uint_eq(strlen(text_cstr(&text)), 500);
    text_release(&text);
}
END_TEST

START_TEST(escaped_bytes_are_printable)
{
    struct text text;
    text_init(&text);
    text_append_escaped(&text, slice_of("a \"\\\n\x00\xc3\xa4", 8));
    ck_assert_str_eq(text_cstr(&text), "a \\x22\\x5c\\x0a\\x00\\xc3\\xa4");
    text_release(&text);
}
END_TEST

START_TEST(json_strings_are_escaped_and_valid)
{
    struct text text;
    text_init(&text);
    text_append_json(&text, slice_of("a\"\\\n\x00\x7f\xc3\xa4", 8));
    ck_assert_str_eq(text_cstr(&text), "a\\\"\\\\\\u000a\\u0000\\u007f\xc3\xa4");
    text_clear(&text);
    text_append_json(&text, slice_of_text("\xff-\xed\xa0\x80-\xc3"));
    ck_assert(utf8_is_valid(slice_of_text(text_cstr(&text))));
    ck_assert_str_eq(text_cstr(&text), "\xef\xbf\xbd-\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd-"
                                       "\xef\xbf\xbd");
    text_release(&text);
}
END_TEST

START_TEST(well_formed_utf8_is_accepted)
{
    static const char *const good[] = {
        "",
        "plain",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert(utf8_is_valid(slice_of_text(good[i])));
    ck_assert(utf8_is_valid(slice_of("\0", 1)));
}
END_TEST

START_TEST(malformed_utf8_is_refused)
{
    static const char *const bad[] = {
        "\x80", /* continuation alone */
        "\xc0\x80",
        "\xc1\xbf",     /* overlong */
        "\xe0\x9f\xbf", /* overlong */
        "\xed\xa0\x80",
        "\xed\xbf\xbf",     /* surrogates */
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xf4\x90\x80\x80", /* beyond U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xff", /* never used */
        "\xc2",
        "\xe1\x80", /* cut */
        "\xf1\x80\x80",
        "\xc2g", /* cut */
        "\xe1\x80g",
        "ok\xe1", /* cut */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!utf8_is_valid(slice_of_text(bad[i])), "case %zu", i);
}
END_TEST

START_TEST(format_cuts_at_the_arrays_end)
{
    char array[6];
    ck_assert_str_eq(text_format(array, sizeof array, "%d", 123456789), "12345");
}
END_TEST

SUITE_MAIN("base_text", empty_text_is_a_string, text_grows, reserved_room_is_not_moved_by_what_fits,
           escaped_bytes_are_printable, json_strings_are_escaped_and_valid,
           well_formed_utf8_is_accepted, malformed_utf8_is_refused, format_cuts_at_the_arrays_end)
