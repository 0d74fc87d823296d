#include "base/hash.h"

#include "base/prng.h"
#include "tests/unit/base/suite.h"

/* Placement and every stored checksum depend on these values: they may never change. */
START_TEST(vectors_are_those_of_xxh3)
{
    ck_assert_uint_eq(checksum_bytes(slice_of(NULL, 0)), 0x2d06800538d394c2u);
    ck_assert_uint_eq(checksum_bytes(slice_of_text("a")), 0xe6c632b61e964e1fu);
    ck_assert_uint_eq(checksum_bytes(slice_of_text("abc")), 0x78af5f94892f3950u);
    ck_assert_uint_eq(hash_bytes(slice_of_text("abc"), 0), 0x78af5f94892f3950u);
}
END_TEST

START_TEST(seed_changes_the_hash)
{
    struct slice key = slice_of_text("photos/cat.jpg");
    ck_assert_uint_ne(hash_bytes(key, 1), hash_bytes(key, 2));
}
END_TEST

START_TEST(stream_equals_whole_for_every_cut)
{
    uint8_t bytes[4096];
    struct prng prng;
    prng_init(&prng, 3);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)prng_next(&prng);
    for (unsigned round = 0; round < 200; round++) {
        size_t length = prng_between(&prng, 0, sizeof bytes);
        struct checksum_stream *stream = checksum_stream_new();
        for (size_t at = 0; at < length;) {
            size_t piece = prng_between(&prng, 0, length - at);
            checksum_stream_update(stream, slice_of(bytes + at, piece));
            at += piece;
        }
        ck_assert_uint_eq(checksum_stream_value(stream), checksum_bytes(slice_of(bytes, length)));
        checksum_stream_free(stream);
    }
    checksum_stream_free(NULL);
}
END_TEST

START_TEST(one_changed_bit_changes_the_checksum)
{
    uint8_t bytes[64] = {0};
    uint64_t before = checksum_bytes(slice_of(bytes, sizeof bytes));
    for (unsigned bit = 0; bit < 512; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        ck_assert_uint_ne(checksum_bytes(slice_of(bytes, sizeof bytes)), before);
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}
END_TEST

SUITE_MAIN("base_hash", vectors_are_those_of_xxh3, seed_changes_the_hash,
           stream_equals_whole_for_every_cut, one_changed_bit_changes_the_checksum)
