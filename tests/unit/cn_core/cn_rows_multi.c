/* Rows of multipart uploads and of tokens: round trips, order of keys, refusal of every cut. */
#include <check.h>
#include <stdlib.h>

#include "chainnode/core/cn_internal.h"

static struct wire_forward sample(void)
{
    return (struct wire_forward){
        .chain = 3,
        .origin = {.epoch = 8, .lsn = 41},
        .previous = {.epoch = 8, .lsn = 40},
        .kind = WIRE_ENTRY_PART,
        .bucket = 11,
        .key = slice_of_text("key"),
        .size = 6,
        .checksum = 77,
        .mtime_ms = 99,
        .meta = slice_of_text("meta"),
        .upload_high = 5,
        .upload_low = 6,
        .chunk_count = 2,
        .chunk_bytes = 4,
        .multi_high = 1,
        .multi_low = 7,
        .part = 12,
        .token_high = 21,
        .token_low = 22,
        .token_ms = 23,
        .token_floor = 24,
        .map_version = 25,
    };
}

static struct cn_entry *entry_of(const struct wire_forward *f, struct slice payload)
{
    struct buf *bytes = payload.length == 0 ? NULL : buf_copy(payload);
    struct cn_entry *entry = cn_entry_new(f, bytes);
    buf_unref(bytes);
    return entry;
}

static void free_entry(struct cn_entry *entry)
{
    buf_unref(entry->payload);
    mem_free(entry);
}

static struct buf *value_of(const struct kv_op *op)
{
    struct slice more = buf_slice(op->payload);
    struct buf *row = buf_new(op->value.length + more.length);
    memcpy(row->data, op->value.data, op->value.length);
    if (more.length > 0)
        memcpy(row->data + op->value.length, more.data, more.length);
    return row;
}

START_TEST(an_upload_row_round_trips_and_no_part_of_it_is_accepted)
{
    struct wire_forward f = sample();
    struct cn_entry *entry = entry_of(&f, slice_of(NULL, 0));
    struct kv_batch *batch = kv_batch_new();
    cn_multi_row_put(batch, entry);
    struct cn_multi_key key;
    ck_assert(cn_multi_key_decode(batch->ops[0].key, &key));
    ck_assert_uint_eq(key.bucket, 11);
    ck_assert(slice_equal(key.name, f.key));
    ck_assert(key.high == 1 && key.low == 7 && key.number == 0);
    struct buf *row = value_of(&batch->ops[0]);
    struct cn_multi_row decoded;
    ck_assert(cn_multi_row_decode(buf_slice(row), &decoded));
    ck_assert_uint_eq(decoded.version.lsn, 41);
    ck_assert_uint_eq(decoded.mtime_ms, 99);
    ck_assert_uint_eq(decoded.map_version, 25);
    ck_assert(slice_equal(decoded.meta, f.meta));
    for (size_t length = 0; length < row->length; length++)
        ck_assert(!cn_multi_row_decode(slice_of(row->data, length), &decoded));
    row->data[0]++;
    ck_assert(!cn_multi_row_decode(buf_slice(row), &decoded));
    buf_unref(row);
    kv_batch_free(batch);
    free_entry(entry);
}
END_TEST

START_TEST(a_part_row_round_trips_and_no_part_of_it_is_accepted)
{
    struct wire_forward f = sample();
    struct cn_entry *entry = entry_of(&f, slice_of(NULL, 0));
    struct kv_batch *batch = kv_batch_new();
    cn_part_row_put(batch, entry);
    struct cn_multi_key key;
    ck_assert(cn_multi_key_decode(batch->ops[0].key, &key));
    ck_assert_uint_eq(key.number, 12);
    struct buf *row = value_of(&batch->ops[0]);
    struct cn_part decoded;
    ck_assert(cn_part_row_decode(buf_slice(row), &decoded));
    ck_assert_int_eq(origin_compare(decoded.version, f.origin), 0);
    ck_assert(decoded.mtime_ms == 99 && decoded.part.number == 12 && decoded.part.size == 6);
    ck_assert(decoded.part.upload_low == 6 && decoded.part.chunk_count == 2);
    ck_assert(slice_equal(decoded.part.meta, f.meta));
    for (size_t length = 0; length < row->length; length++)
        ck_assert(!cn_part_row_decode(slice_of(row->data, length), &decoded));
    buf_unref(row);
    kv_batch_free(batch);
    free_entry(entry);
}
END_TEST

/* "a", "a" and a zero byte, "a" and a one byte, "b"; the longest key of the last character. */
START_TEST(uploads_sort_by_key_and_id_and_parts_follow_their_upload)
{
    static const uint8_t names[][4] = {{'a'}, {'a', 0}, {'a', 0, 0}, {'a', 1}, {'b'}};
    static const size_t lengths[] = {1, 2, 3, 2, 1};
    struct cn_key last = cn_key_chain(3);
    for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
        struct slice name = slice_of(names[i], lengths[i]);
        for (uint64_t id = 1; id <= 2; id++) {
            struct cn_key keys[] = {
                cn_key_multi_name(3, 11, name),
                cn_key_multi(3, 11, name, 0, id),
                cn_key_part(3, 11, name, 0, id, 1),
                cn_key_part(3, 11, name, 0, id, BOUND_PARTS),
                cn_key_part(3, 11, name, 0, id, UINT32_MAX),
            };
            for (unsigned k = id == 1 ? 0 : 1; k < ARRAY_COUNT(keys); k++) {
                ck_assert_int_lt(slice_compare(cn_key_slice(&last), cn_key_slice(&keys[k])), 0);
                last = keys[k];
            }
            struct cn_multi_key decoded;
            ck_assert(cn_multi_key_decode(cn_key_slice(&keys[3]), &decoded));
            ck_assert(slice_equal(decoded.name, name));
            ck_assert_uint_eq(decoded.number, BOUND_PARTS);
        }
    }
    uint8_t longest[BOUND_KEY_BYTES];
    memset(longest, 0xf4, sizeof longest);
    struct cn_key key = cn_key_part(3, 11, slice_of(longest, sizeof longest), 1, 2, 3);
    struct cn_multi_key decoded;
    ck_assert_uint_eq(key.length, CN_KEY_BYTES_MAX);
    ck_assert(cn_multi_key_decode(cn_key_slice(&key), &decoded));
    ck_assert(slice_equal(decoded.name, slice_of(longest, sizeof longest)));
    for (size_t length = 0; length < key.length; length++)
        if (length != key.length - 4) /* that is the upload's own */
            ck_assert(!cn_multi_key_decode(slice_of(key.bytes, length), &decoded));
}
END_TEST

static struct slice manifest_of(uint8_t *bytes)
{
    struct wire_part first = {.number = 1,
                              .upload_low = 100,
                              .chunk_count = 1,
                              .chunk_bytes = 4,
                              .size = 4,
                              .meta = slice_of_text("p")};
    struct wire_part second = {.number = 9};
    size_t length = wire_part_encode(&first, bytes);
    return slice_of(bytes, length + wire_part_encode(&second, bytes + length));
}

START_TEST(an_assembled_object_row_round_trips_and_no_part_of_it_is_accepted)
{
    uint8_t bytes[2 * WIRE_PART_BYTES_MAX];
    struct slice manifest = manifest_of(bytes);
    struct wire_forward f = sample();
    f.kind = WIRE_ENTRY_PUT;
    f.upload_high = f.upload_low = 0;
    f.chunk_count = f.chunk_bytes = 0;
    f.part = 2;
    f.size = 4;
    struct cn_entry *entry = entry_of(&f, manifest);
    struct kv_batch *batch = kv_batch_new();
    cn_object_row_put(batch, entry);
    struct buf *row = value_of(&batch->ops[0]);
    struct cn_object_row decoded;
    ck_assert(cn_object_row_decode(buf_slice(row), &decoded));
    ck_assert(decoded.part_count == 2 && decoded.multi_high == 1 && decoded.multi_low == 7);
    ck_assert(slice_equal(decoded.meta, f.meta));
    ck_assert(slice_equal(
        slice_of(row->data + decoded.value_offset, row->length - decoded.value_offset), manifest));
    /* The manifest itself is judged by who walks it: a row without its last byte may pass. */
    for (size_t length = 0; length < decoded.value_offset; length++)
        ck_assert(!cn_object_row_decode(slice_of(row->data, length), &decoded));
    buf_unref(row);
    kv_batch_free(batch);
    free_entry(entry);
}
END_TEST

static void check_pending(struct wire_forward f, struct slice payload)
{
    struct cn_entry *entry = entry_of(&f, payload);
    struct kv_batch *batch = kv_batch_new();
    cn_pending_row_put(batch, entry);
    struct buf *row = value_of(&batch->ops[0]);
    struct wire_forward decoded;
    size_t offset;
    ck_assert(cn_pending_row_decode(batch->ops[0].key, buf_slice(row), &decoded, &offset));
    ck_assert(decoded.multi_high == f.multi_high && decoded.multi_low == f.multi_low);
    ck_assert_uint_eq(decoded.part, f.part);
    ck_assert(decoded.token_high == 21 && decoded.token_low == 22 && decoded.token_ms == 23);
    ck_assert(decoded.token_floor == 24 && decoded.map_version == 25);
    ck_assert(slice_equal(slice_of(row->data + offset, row->length - offset), payload));
    for (size_t length = 0; length < row->length; length++)
        ck_assert(!cn_pending_row_decode(batch->ops[0].key, slice_of(row->data, length), &decoded,
                                         &offset));
    buf_unref(row);
    kv_batch_free(batch);
    free_entry(entry);
}

START_TEST(pending_rows_of_every_step_round_trip)
{
    uint8_t bytes[2 * WIRE_PART_BYTES_MAX];
    struct wire_forward f = sample();
    check_pending(f, slice_of(NULL, 0));
    f.kind = WIRE_ENTRY_OPEN;
    check_pending(f, slice_of(NULL, 0));
    f.kind = WIRE_ENTRY_CLOSE;
    check_pending(f, slice_of(NULL, 0));
    f.kind = WIRE_ENTRY_PUT;
    f.upload_high = f.upload_low = 0;
    f.part = 2;
    f.size = 4;
    check_pending(f, manifest_of(bytes));
}
END_TEST

START_TEST(an_entry_that_does_not_name_what_it_needs_is_refused)
{
    struct wire_forward good = sample();
    ck_assert(cn_entry_names_are_sound(&good));
    struct wire_forward f = good;
    f.multi_high = f.multi_low = 0;
    ck_assert(!cn_entry_names_are_sound(&f));
    f = good;
    f.key = slice_of_text("\xff");
    ck_assert(!cn_entry_names_are_sound(&f));
    f = good;
    f.part = BOUND_PARTS + 1;
    ck_assert(!cn_entry_names_are_sound(&f));
    f = good;
    f.chunk_count = 3; /* not as many as the size needs */
    ck_assert(!cn_entry_names_are_sound(&f));
    f = good;
    f.token_floor = f.origin.lsn + 1; /* forgets what has not been */
    ck_assert(!cn_entry_names_are_sound(&f));
    uint8_t meta[BOUND_PART_META_BYTES + 1] = {0};
    f = good;
    f.meta = slice_of(meta, sizeof meta);
    ck_assert(!cn_entry_names_are_sound(&f));
    f = good;
    f.kind = WIRE_ENTRY_PUT; /* parts, and chunks of its own */
    ck_assert(!cn_entry_names_are_sound(&f));
}
END_TEST

START_TEST(token_rows_round_trip_and_no_part_of_them_is_accepted)
{
    struct wire_forward f = sample();
    f.outcome = ERR_CONDITION;
    f.current = (struct origin){.epoch = 2, .lsn = 3};
    struct kv_batch *batch = kv_batch_new();
    cn_token_rows_put(batch, &f);
    ck_assert_uint_eq(batch->count, 2);
    struct buf *row = value_of(&batch->ops[0]);
    struct cn_outcome_row outcome;
    ck_assert(cn_token_row_decode(buf_slice(row), &outcome));
    ck_assert_uint_eq(outcome.outcome, ERR_CONDITION);
    ck_assert(origin_is_none(outcome.version));
    ck_assert_uint_eq(outcome.current.lsn, 3);
    for (size_t length = 0; length < row->length; length++)
        ck_assert(!cn_token_row_decode(slice_of(row->data, length), &outcome));
    memset(row->data + 1, 0xff, 4); /* no such error */
    ck_assert(!cn_token_row_decode(buf_slice(row), &outcome));
    buf_unref(row);
    row = value_of(&batch->ops[1]);
    struct cn_token_age age;
    ck_assert(cn_token_age_decode(batch->ops[1].key, buf_slice(row), &age));
    ck_assert(age.lsn == 41 && age.ms == 23 && age.high == 21 && age.low == 22);
    struct cn_key key = cn_key_token(3, age.high, age.low, age.key_hash, age.lsn);
    ck_assert(slice_equal(cn_key_slice(&key), batch->ops[0].key));
    for (size_t length = 0; length < row->length; length++)
        ck_assert(!cn_token_age_decode(batch->ops[1].key, slice_of(row->data, length), &age));
    ck_assert(!cn_token_age_decode(batch->ops[0].key, buf_slice(row), &age));
    buf_unref(row);
    kv_batch_free(batch);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cn_rows_multi");
    TCase *tests = tcase_create("cn_rows_multi");
    tcase_add_test(tests, an_upload_row_round_trips_and_no_part_of_it_is_accepted);
    tcase_add_test(tests, a_part_row_round_trips_and_no_part_of_it_is_accepted);
    tcase_add_test(tests, uploads_sort_by_key_and_id_and_parts_follow_their_upload);
    tcase_add_test(tests, an_assembled_object_row_round_trips_and_no_part_of_it_is_accepted);
    tcase_add_test(tests, pending_rows_of_every_step_round_trip);
    tcase_add_test(tests, an_entry_that_does_not_name_what_it_needs_is_refused);
    tcase_add_test(tests, token_rows_round_trip_and_no_part_of_them_is_accepted);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
