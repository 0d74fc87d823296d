/* key -> chain is a published, bit-exact function (S15): these numbers never change. They were
 * computed with libxxhash and 128-bit multiplication, apart from the code under test. */
#include "base/contract.h"
#include "base/hash.h"
#include "tests/unit/placement/placement_fixture.h"

struct vector {
    uint64_t bucket;
    const char *key;
    size_t length;
    uint32_t chains;
    uint64_t hash; /* XXH3_64bits_withSeed(key, bucket) */
    uint32_t chain;
};

static const struct vector vectors[] = {
    {0u, "", 0, 64, 0x2d06800538d394c2u, 11},
    {1u, "", 0, 64, 0x4dc5b0cc826f6703u, 19},
    {1u, "a", 1, 64, 0xd2f6d0996f37a720u, 52},
    {1u, "hello", 5, 64, 0x74b07ed397a89e92u, 29},
    {2u, "hello", 5, 64, 0x5a9d05d4e0740a68u, 22},
    {1u, "hello", 5, 65536, 0x74b07ed397a89e92u, 29872},
    {1u, "photos/2024/01/cat.jpg", 22, 64, 0x5736db32a7714908u, 21},
    {7u, "photos/2024/01/cat.jpg", 22, 3, 0xe566a9f4d3f3b464u, 2},
    {18446744073709551615u, "hello", 5, 65535, 0x241e5d5372565724u, 9246},
    {42u, "0123456789abcdef", 16, 64, 0xef4ac86fbdf90a2du, 59},
    {42u, "0123456789abcdefg", 17, 64, 0xdefa3e7243122732u, 55},
    {42u, "\xc3\xa4\xc3\xb6\xc3\xbc", 6, 1000, 0x2cd54d11669d69c7u, 175},
    {42u, "a\0b", 3, 1000, 0xded1de69c192a4b0u, 870},
    {3u, "x", 1, 1, 0x6eba333c5183e755u, 0},
};

START_TEST(committed_vectors_hold)
{
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        struct slice key = slice_of(vectors[i].key, vectors[i].length);
        ck_assert_uint_eq(hash_bytes(key, vectors[i].bucket), vectors[i].hash);
        ck_assert_uint_eq(pl_hash(vectors[i].bucket, key, vectors[i].chains), vectors[i].chain);
    }
}
END_TEST

START_TEST(long_keys_take_every_path_of_the_hash)
{
    static const struct {
        size_t length;
        uint64_t hash;
        uint32_t chain; /* of 65,536 in bucket 5 */
    } longs[] = {{128, 0xc3214f2d9f305049u, 49953},
                 {240, 0x206510bb53e74aa5u, 8293},
                 {241, 0xcd2ddaa0f28a1fbbu, 52525},
                 {1024, 0xa548af33d7fcb809u, 42312}};
    char key[1024];
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (char)('a' + i % 26);
    for (size_t i = 0; i < ARRAY_COUNT(longs); i++) {
        struct slice part = slice_of(key, longs[i].length);
        ck_assert_uint_eq(hash_bytes(part, 5), longs[i].hash);
        ck_assert_uint_eq(pl_hash(5, part, 65536), longs[i].chain);
    }
}
END_TEST

/* Values that others publish for XXH3_64bits with seed 0. */
START_TEST(hash_is_the_published_xxh3)
{
    ck_assert_uint_eq(hash_bytes(slice_of_text(""), 0), 0x2d06800538d394c2u);
    ck_assert_uint_eq(hash_bytes(slice_of_text("a"), 0), 0xe6c632b61e964e1fu);
    ck_assert_uint_eq(hash_bytes(slice_of_text("abc"), 0), 0x78af5f94892f3950u);
}
END_TEST

START_TEST(keys_spread_evenly_over_chains)
{
    enum { KEYS = 64000, CHAINS = 64 };
    uint32_t hits[CHAINS] = {0};
    char key[32];
    for (uint32_t i = 0; i < KEYS; i++) {
        (void)snprintf(key, sizeof(key), "file-%06u", i);
        uint32_t chain = pl_hash(9, slice_of_text(key), CHAINS);
        ck_assert_uint_lt(chain, CHAINS);
        hits[chain]++;
    }
    for (uint32_t c = 0; c < CHAINS; c++) {
        /* 1,000 expected, standard deviation about 31. */
        ck_assert_uint_gt(hits[c], 800);
        ck_assert_uint_lt(hits[c], 1200);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hash");
    TCase *tcase = tcase_create("vectors");
    tcase_add_test(tcase, committed_vectors_hold);
    tcase_add_test(tcase, long_keys_take_every_path_of_the_hash);
    tcase_add_test(tcase, hash_is_the_published_xxh3);
    tcase_add_test(tcase, keys_spread_evenly_over_chains);
    suite_add_tcase(suite, tcase);
    return fixture_run(suite);
}
