#include "base/bytes.h"

#include <string.h>

#include "base/prng.h"
#include "tests/unit/base/suite.h"

START_TEST(most_significant_byte_comes_first)
{
    uint8_t out[8];
    bytes_put_u64(out, 0x0102030405060708u);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(out[i], i + 1);
    bytes_put_u32(out, 0xa0b0c0d0u);
    ck_assert_uint_eq(out[0], 0xa0);
    ck_assert_uint_eq(out[3], 0xd0);
}
END_TEST

START_TEST(what_was_put_is_got)
{
    struct prng prng;
    prng_init(&prng, 1);
    uint8_t out[8];
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t value = prng_next(&prng) >> prng_below(&prng, 64);
        bytes_put_u64(out, value);
        ck_assert_uint_eq(bytes_get_u64(out), value);
        bytes_put_u32(out, (uint32_t)value);
        ck_assert_uint_eq(bytes_get_u32(out), (uint32_t)value);
    }
}
END_TEST

START_TEST(byte_order_is_number_order)
{
    struct prng prng;
    prng_init(&prng, 2);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t a = prng_next(&prng) >> prng_below(&prng, 64);
        uint64_t b = prng_next(&prng) >> prng_below(&prng, 64);
        uint8_t left[8];
        uint8_t right[8];
        bytes_put_u64(left, a);
        bytes_put_u64(right, b);
        ck_assert_int_eq(memcmp(left, right, 8) < 0, a < b);
    }
}
END_TEST

SUITE_MAIN("base_bytes", most_significant_byte_comes_first, what_was_put_is_got,
           byte_order_is_number_order)
