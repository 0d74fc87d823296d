#include "tools/gateway/checksum.h"

#include "tests/unit/base/suite.h"
#include "tools/gateway/encode.h"

static void check_value(enum gw_checksum_kind kind, const char *text, const char *wanted_hex)
{
    struct gw_checksum *sum = gw_checksum_new(kind);
    uint8_t value[GW_CHECKSUM_BYTES_MAX];
    char hex[2 * GW_CHECKSUM_BYTES_MAX + 1];
    gw_checksum_update(sum, slice_of_text(text));
    size_t length = gw_checksum_final(sum, value);
    gw_checksum_free(sum);
    ck_assert_uint_eq(length, gw_checksum_bytes(kind));
    gw_hex_encode(value, length, hex);
    ck_assert_str_eq(hex, wanted_hex);
}

/* The check values of the published catalogues, and of RFC 1321, FIPS 180. */
START_TEST(published_check_values)
{
    check_value(GW_CHECKSUM_CRC32, "123456789", "cbf43926");
    check_value(GW_CHECKSUM_CRC32C, "123456789", "e3069283");
    check_value(GW_CHECKSUM_CRC64NVME, "123456789", "ae8b14860a799888");
    check_value(GW_CHECKSUM_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
    check_value(GW_CHECKSUM_SHA256, "abc",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_value(GW_CHECKSUM_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72");
    check_value(GW_CHECKSUM_CRC32, "", "00000000");
    check_value(GW_CHECKSUM_CRC64NVME, "", "0000000000000000");
}
END_TEST

/* The tables by eights against one byte at a time. */
START_TEST(pieces_of_any_length_give_the_same_value)
{
    uint8_t bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + i / 7);
    for (int kind = GW_CHECKSUM_CRC32; kind <= GW_CHECKSUM_MD5; kind++) {
        uint8_t whole[GW_CHECKSUM_BYTES_MAX];
        for (size_t step = 1; step <= 1000; step = step * 3 + 1) {
            struct gw_checksum *sum = gw_checksum_new((enum gw_checksum_kind)kind);
            uint8_t value[GW_CHECKSUM_BYTES_MAX];
            for (size_t at = 0; at < sizeof bytes; at += step)
                gw_checksum_update(
                    sum, slice_of(bytes + at, sizeof bytes - at < step ? sizeof bytes - at : step));
            size_t length = gw_checksum_final(sum, value);
            gw_checksum_free(sum);
            if (step == 1)
                memcpy(whole, value, length);
            ck_assert_mem_eq(value, whole, length);
        }
    }
}
END_TEST

static void value_of(enum gw_checksum_kind kind, const uint8_t *bytes, size_t length,
                     uint8_t value[GW_CHECKSUM_BYTES_MAX])
{
    struct gw_checksum *sum = gw_checksum_new(kind);
    gw_checksum_update(sum, slice_of(bytes, length));
    (void)gw_checksum_final(sum, value);
    gw_checksum_free(sum);
}

START_TEST(values_of_pieces_make_that_of_the_whole)
{
    static uint8_t bytes[100000];
    static const size_t cuts[] = {0, 1, 7, 8, 255, 4096, 65537, 99999, 100000};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 251);
    for (int i = GW_CHECKSUM_CRC32; i <= GW_CHECKSUM_CRC64NVME; i++) {
        enum gw_checksum_kind kind = (enum gw_checksum_kind)i;
        uint8_t whole[GW_CHECKSUM_BYTES_MAX];
        value_of(kind, bytes, sizeof bytes, whole);
        ck_assert(gw_checksum_is_linear(kind));
        for (size_t j = 0; j < sizeof cuts / sizeof cuts[0]; j++) {
            uint8_t first[GW_CHECKSUM_BYTES_MAX];
            uint8_t second[GW_CHECKSUM_BYTES_MAX];
            value_of(kind, bytes, cuts[j], first);
            value_of(kind, bytes + cuts[j], sizeof bytes - cuts[j], second);
            gw_checksum_combine(kind, first, second, sizeof bytes - cuts[j]);
            ck_assert_mem_eq(first, whole, gw_checksum_bytes(kind));
        }
    }
    ck_assert(!gw_checksum_is_linear(GW_CHECKSUM_SHA1));
    ck_assert(!gw_checksum_is_linear(GW_CHECKSUM_NONE));
}
END_TEST

/* 48 TiB at once and in two steps: all bits of the length count. */
START_TEST(combining_is_associative_over_huge_lengths)
{
    for (int i = GW_CHECKSUM_CRC32; i <= GW_CHECKSUM_CRC64NVME; i++) {
        enum gw_checksum_kind kind = (enum gw_checksum_kind)i;
        uint8_t a[GW_CHECKSUM_BYTES_MAX];
        uint8_t b[GW_CHECKSUM_BYTES_MAX];
        uint8_t c[GW_CHECKSUM_BYTES_MAX];
        uint8_t left[GW_CHECKSUM_BYTES_MAX];
        value_of(kind, (const uint8_t *)"a", 1, a);
        value_of(kind, (const uint8_t *)"b", 1, b); /* as if of a piece that long */
        value_of(kind, (const uint8_t *)"c", 1, c);
        memcpy(left, a, sizeof left);
        gw_checksum_combine(kind, left, b, 5ull << 40);
        gw_checksum_combine(kind, left, c, 43ull << 40);
        gw_checksum_combine(kind, b, c, 43ull << 40);
        gw_checksum_combine(kind, a, b, 48ull << 40);
        ck_assert_mem_eq(left, a, gw_checksum_bytes(kind));
    }
}
END_TEST

START_TEST(names_and_headers_find_their_kind)
{
    for (int i = GW_CHECKSUM_CRC32; i <= GW_CHECKSUM_LAST_NAMED; i++) {
        enum gw_checksum_kind kind = (enum gw_checksum_kind)i;
        ck_assert_int_eq(gw_checksum_by_name(gw_checksum_name(kind)), kind);
        ck_assert_int_eq(gw_checksum_by_header(gw_checksum_header(kind)), kind);
    }
    ck_assert_int_eq(gw_checksum_by_name("crc32c"), GW_CHECKSUM_CRC32C);
    ck_assert_int_eq(gw_checksum_by_name("XXHASH3"), GW_CHECKSUM_NONE);
    ck_assert_int_eq(gw_checksum_by_header("x-amz-checksum-mode"), GW_CHECKSUM_NONE);
}
END_TEST

SUITE_MAIN("gw_checksum", published_check_values, pieces_of_any_length_give_the_same_value,
           values_of_pieces_make_that_of_the_whole, combining_is_associative_over_huge_lengths,
           names_and_headers_find_their_kind)
