#include <check.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/contract.h"
#include "wire/manifest.h"

static struct wire_part a_part(uint32_t number, uint64_t size, const char *meta)
{
    bool is_empty = size == 0;
    uint32_t chunk_bytes = size < 1000 ? (uint32_t)size : 1000;
    return (struct wire_part){
        .number = number,
        .upload_high = is_empty ? 0 : number + 10,
        .upload_low = is_empty ? 0 : number + 20,
        .chunk_count = is_empty ? 0 : (uint32_t)((size - 1) / chunk_bytes + 1),
        .chunk_bytes = chunk_bytes,
        .size = size,
        .checksum = 0xfedcba9876543210u + number,
        .meta = slice_of_text(meta),
    };
}

/* Three parts: 1 (2,500 bytes), 3 (empty), 10000 (7 bytes). */
static size_t three_parts(uint8_t *out)
{
    struct wire_part parts[] = {a_part(1, 2500, "first"), a_part(3, 0, ""), a_part(10000, 7, "z")};
    size_t length = 0;
    for (unsigned i = 0; i < ARRAY_COUNT(parts); i++)
        length += wire_part_encode(&parts[i], out + length);
    return length;
}

START_TEST(choices_come_back)
{
    uint8_t bytes[2 * WIRE_CHOICE_BYTES];
    struct wire_choice one = {.number = 1};
    struct wire_choice two = {.number = 10000, .version = {.epoch = 7, .lsn = UINT64_MAX}};
    wire_choice_encode(&one, bytes);
    wire_choice_encode(&two, bytes + WIRE_CHOICE_BYTES);
    struct slice choices = slice_of(bytes, sizeof bytes);
    ck_assert_int_eq(wire_choices_check(choices, 2), ERR_OK);
    ck_assert_uint_eq(wire_choice_at(choices, 0).number, 1);
    ck_assert(origin_is_none(wire_choice_at(choices, 0).version));
    ck_assert_uint_eq(wire_choice_at(choices, 1).number, 10000);
    ck_assert_uint_eq(wire_choice_at(choices, 1).version.epoch, 7);
    ck_assert_uint_eq(wire_choice_at(choices, 1).version.lsn, UINT64_MAX);
}
END_TEST

static enum err check_two(uint32_t first, uint32_t second)
{
    uint8_t bytes[2 * WIRE_CHOICE_BYTES];
    wire_choice_encode(&(struct wire_choice){.number = first}, bytes);
    wire_choice_encode(&(struct wire_choice){.number = second}, bytes + WIRE_CHOICE_BYTES);
    return wire_choices_check(slice_of(bytes, sizeof bytes), 2);
}

START_TEST(choices_that_do_not_grow_or_fit_are_refused)
{
    uint8_t bytes[2 * WIRE_CHOICE_BYTES] = {0};
    ck_assert_int_eq(check_two(1, 2), ERR_OK);
    ck_assert_int_eq(check_two(2, 2), ERR_INVALID);
    ck_assert_int_eq(check_two(3, 2), ERR_INVALID);
    ck_assert_int_eq(check_two(0, 2), ERR_INVALID);
    ck_assert_int_eq(check_two(1, BOUND_PARTS + 1), ERR_INVALID);
    bytes[3] = 1;
    ck_assert_int_eq(wire_choices_check(slice_of(bytes, WIRE_CHOICE_BYTES), 1), ERR_OK);
    ck_assert_int_eq(wire_choices_check(slice_of(bytes, WIRE_CHOICE_BYTES), 2), ERR_INVALID);
    ck_assert_int_eq(wire_choices_check(slice_of(bytes, WIRE_CHOICE_BYTES + 1), 1), ERR_INVALID);
    ck_assert_int_eq(wire_choices_check(slice_of(bytes, WIRE_CHOICE_BYTES - 1), 1), ERR_INVALID);
    ck_assert_int_eq(wire_choices_check(slice_of(NULL, 0), 0), ERR_INVALID);
}
END_TEST

START_TEST(a_manifest_comes_back_part_by_part)
{
    uint8_t bytes[3 * WIRE_PART_BYTES_MAX];
    struct slice slice = slice_of(bytes, three_parts(bytes));
    ck_assert_int_eq(wire_manifest_check(slice, 3, 2507), ERR_OK);
    struct wire_manifest manifest = wire_manifest_of(slice);
    struct wire_part part;
    ck_assert_int_eq(wire_manifest_next(&manifest, &part), ERR_OK);
    ck_assert_uint_eq(part.number, 1);
    ck_assert_uint_eq(part.upload_high, 11);
    ck_assert_uint_eq(part.upload_low, 21);
    ck_assert_uint_eq(part.chunk_count, 3);
    ck_assert_uint_eq(part.chunk_bytes, 1000);
    ck_assert_uint_eq(part.size, 2500);
    ck_assert_uint_eq(part.checksum, 0xfedcba9876543211u);
    ck_assert(slice_equal(part.meta, slice_of_text("first")));
    ck_assert_int_eq(wire_manifest_next(&manifest, &part), ERR_OK);
    ck_assert_uint_eq(part.number, 3);
    ck_assert_uint_eq(part.chunk_count, 0);
    ck_assert_int_eq(wire_manifest_next(&manifest, &part), ERR_OK);
    ck_assert_uint_eq(part.number, 10000);
    ck_assert_uint_eq(manifest.size, 2507);
    ck_assert_int_eq(wire_manifest_next(&manifest, &part), ERR_NOT_FOUND);
}
END_TEST

START_TEST(every_cut_of_a_manifest_is_refused)
{
    uint8_t bytes[3 * WIRE_PART_BYTES_MAX + 1] = {0};
    size_t length = three_parts(bytes);
    for (size_t cut = 0; cut < length; cut++)
        ck_assert_int_eq(wire_manifest_check(slice_of(bytes, cut), 3, 2507), ERR_CORRUPT);
    ck_assert_int_eq(wire_manifest_check(slice_of(bytes, length + 1), 3, 2507), ERR_CORRUPT);
}
END_TEST

START_TEST(counts_and_sums_must_agree)
{
    uint8_t bytes[3 * WIRE_PART_BYTES_MAX];
    struct slice slice = slice_of(bytes, three_parts(bytes));
    ck_assert_int_eq(wire_manifest_check(slice, 2, 2507), ERR_CORRUPT);
    ck_assert_int_eq(wire_manifest_check(slice, 4, 2507), ERR_CORRUPT);
    ck_assert_int_eq(wire_manifest_check(slice, 3, 2506), ERR_CORRUPT);
    ck_assert_int_eq(wire_manifest_check(slice_of(NULL, 0), 0, 0), ERR_CORRUPT);
}
END_TEST

static enum err check_one(const struct wire_part *part)
{
    uint8_t bytes[WIRE_PART_BYTES_MAX];
    size_t length = wire_part_encode(part, bytes);
    return wire_manifest_check(slice_of(bytes, length), 1, part->size);
}

START_TEST(a_part_that_contradicts_its_chunks_is_refused)
{
    struct wire_part part = a_part(1, 2500, "");
    ck_assert_int_eq(check_one(&part), ERR_OK);
    part.chunk_count = 2;
    ck_assert_int_eq(check_one(&part), ERR_CORRUPT);
    part.chunk_count = 4;
    ck_assert_int_eq(check_one(&part), ERR_CORRUPT);
    part = a_part(1, 2500, "");
    part.chunk_bytes = 0;
    ck_assert_int_eq(check_one(&part), ERR_CORRUPT);
    part.chunk_bytes = BOUND_CHUNK_BYTES + 1;
    part.chunk_count = 1;
    ck_assert_int_eq(check_one(&part), ERR_CORRUPT);
    part = a_part(1, 0, "");
    part.upload_low = 1; /* names chunks although it has none */
    ck_assert_int_eq(check_one(&part), ERR_CORRUPT);
    part = a_part(1, 2500, "");
    part.upload_high = part.upload_low = 0;
    ck_assert_int_eq(check_one(&part), ERR_CORRUPT);
    part = a_part(1, (uint64_t)BOUND_CHUNK_BYTES * BOUND_CHUNKS, "");
    part.chunk_bytes = BOUND_CHUNK_BYTES;
    part.chunk_count = BOUND_CHUNKS;
    ck_assert_int_eq(check_one(&part), ERR_OK);
    part.size++;
    part.chunk_count++;
    ck_assert_int_eq(check_one(&part), ERR_CORRUPT);
}
END_TEST

START_TEST(metadata_over_the_limit_is_refused)
{
    uint8_t bytes[WIRE_PART_FIXED_BYTES + 255] = {0};
    struct wire_part part = a_part(1, 5, "");
    (void)wire_part_encode(&part, bytes);
    bytes[44] = BOUND_PART_META_BYTES;
    struct slice most = slice_of(bytes, WIRE_PART_FIXED_BYTES + BOUND_PART_META_BYTES);
    ck_assert_int_eq(wire_manifest_check(most, 1, 5), ERR_OK);
    bytes[44] = BOUND_PART_META_BYTES + 1;
    struct slice over = slice_of(bytes, WIRE_PART_FIXED_BYTES + BOUND_PART_META_BYTES + 1);
    ck_assert_int_eq(wire_manifest_check(over, 1, 5), ERR_CORRUPT);
}
END_TEST

START_TEST(numbers_that_do_not_grow_are_refused)
{
    static const uint32_t pairs[][2] = {{2, 2}, {3, 2}, {0, 1}, {1, BOUND_PARTS + 1}};
    for (unsigned i = 0; i < ARRAY_COUNT(pairs); i++) {
        uint8_t bytes[2 * WIRE_PART_BYTES_MAX];
        struct wire_part first = a_part(pairs[i][0], 5, "");
        struct wire_part second = a_part(pairs[i][1], 5, "");
        size_t length = wire_part_encode(&first, bytes);
        length += wire_part_encode(&second, bytes + length);
        ck_assert_int_eq(wire_manifest_check(slice_of(bytes, length), 2, 10), ERR_CORRUPT);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("manifest");
    TCase *cases = tcase_create("manifest");
    tcase_add_test(cases, choices_come_back);
    tcase_add_test(cases, choices_that_do_not_grow_or_fit_are_refused);
    tcase_add_test(cases, a_manifest_comes_back_part_by_part);
    tcase_add_test(cases, every_cut_of_a_manifest_is_refused);
    tcase_add_test(cases, counts_and_sums_must_agree);
    tcase_add_test(cases, a_part_that_contradicts_its_chunks_is_refused);
    tcase_add_test(cases, metadata_over_the_limit_is_refused);
    tcase_add_test(cases, numbers_that_do_not_grow_are_refused);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
