#include "base/uuid.h"

#include "tests/unit/base/suite.h"

START_TEST(text_and_back)
{
    const char *text = "01234567-89ab-cdef-0011-223344556677";
    char again[UUID_TEXT_SIZE];
    struct uuid uuid;
    ck_assert(uuid_parse(text, &uuid));
    ck_assert_uint_eq(uuid.bytes[0], 0x01);
    ck_assert_uint_eq(uuid.bytes[15], 0x77);
    ck_assert_str_eq(uuid_format(&uuid, again), text);
}
END_TEST

START_TEST(capital_digits_are_understood)
{
    struct uuid lower;
    struct uuid upper;
    ck_assert(uuid_parse("abcdefab-cdef-abcd-efab-cdefabcdefab", &lower));
    ck_assert(uuid_parse("ABCDEFAB-CDEF-ABCD-EFAB-CDEFABCDEFAB", &upper));
    ck_assert(uuid_equal(&lower, &upper));
    ck_assert(!uuid_is_zero(&lower));
}
END_TEST

START_TEST(malformed_text_is_refused_and_changes_nothing)
{
    static const char *const bad[] = {
        "",
        "01234567-89ab-cdef-0011-22334455667",
        "01234567-89ab-cdef-0011-2233445566778",
        "0123456789ab-cdef-0011-22334455667788",
        "01234567-89ab-cdef-0011-22334455667g",
        "-1234567-89ab-cdef-0011-223344556677",
        "01234567+89ab-cdef-0011-223344556677",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct uuid uuid = {{9}};
        ck_assert_msg(!uuid_parse(bad[i], &uuid), "case %zu", i);
        ck_assert_uint_eq(uuid.bytes[0], 9);
    }
}
END_TEST

START_TEST(zero_is_zero)
{
    struct uuid uuid = {{0}};
    ck_assert(uuid_is_zero(&uuid));
    uuid.bytes[15] = 1;
    ck_assert(!uuid_is_zero(&uuid));
}
END_TEST

SUITE_MAIN("base_uuid", text_and_back, capital_digits_are_understood,
           malformed_text_is_refused_and_changes_nothing, zero_is_zero)
