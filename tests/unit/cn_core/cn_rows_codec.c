/* Every row format: round trip, and refusal of every truncation and of unknown formats. */
#include <check.h>
#include <stdlib.h>

#include "chainnode/core/cn_internal.h"

/* The one row of a batch as it would be on disk. */
static struct buf *row_of(const struct kv_batch *batch, struct slice *ret_key)
{
    ck_assert_uint_eq(batch->count, 1);
    const struct kv_op *op = &batch->ops[0];
    size_t payload = op->payload == NULL ? 0 : op->payload->length;
    struct buf *row = buf_new(op->value.length + payload);
    memcpy(row->data, op->value.data, op->value.length);
    if (payload > 0)
        memcpy(row->data + op->value.length, op->payload->data, payload);
    if (ret_key != NULL)
        *ret_key = op->key;
    return row;
}

static struct wire_forward sample(void)
{
    return (struct wire_forward){
        .chain = 3,
        .epoch = 9,
        .origin = {.epoch = 8, .lsn = 41},
        .previous = {.epoch = 7, .lsn = 40},
        .kind = WIRE_ENTRY_PUT,
        .session = 5,
        .seq = 6,
        .seq_floor = 2,
        .bucket = 11,
        .key = slice_of_text("key"),
        .size = 5,
        .checksum = 77,
        .mtime_ms = 99,
        .meta = slice_of_text("meta"),
    };
}

static struct cn_entry *sample_entry(const struct wire_forward *f, const char *value)
{
    struct buf *payload = value == NULL ? NULL : buf_copy(slice_of_text(value));
    struct cn_entry *entry = cn_entry_new(f, payload);
    buf_unref(payload);
    return entry;
}

static void free_entry(struct cn_entry *entry)
{
    buf_unref(entry->payload);
    mem_free(entry);
}

START_TEST(an_object_row_round_trips_and_no_part_of_it_is_accepted)
{
    struct wire_forward f = sample();
    struct cn_entry *entry = sample_entry(&f, "value");
    struct kv_batch *batch = kv_batch_new();
    cn_object_row_put(batch, entry);
    struct buf *row = row_of(batch, NULL);
    struct cn_object_row decoded;
    ck_assert(cn_object_row_decode(buf_slice(row), &decoded));
    ck_assert_uint_eq(decoded.version.epoch, 8);
    ck_assert_uint_eq(decoded.version.lsn, 41);
    ck_assert_uint_eq(decoded.size, 5);
    ck_assert_uint_eq(decoded.checksum, 77);
    ck_assert(slice_equal(decoded.meta, slice_of_text("meta")));
    ck_assert_int_eq(memcmp(row->data + decoded.value_offset, "value", 5), 0);
    for (size_t length = 0; length < row->length; length++)
        ck_assert(!cn_object_row_decode(slice_of(row->data, length), &decoded));
    row->data[0] = 3;
    ck_assert(!cn_object_row_decode(buf_slice(row), &decoded));
    row->data[0] = 2; /* parts that are not there */
    ck_assert(!cn_object_row_decode(buf_slice(row), &decoded));
    buf_unref(row);
    kv_batch_free(batch);
    free_entry(entry);
}
END_TEST

START_TEST(a_pending_row_round_trips_and_no_part_of_it_is_accepted)
{
    struct wire_forward f = sample();
    struct cn_entry *entry = sample_entry(&f, "value");
    struct kv_batch *batch = kv_batch_new();
    cn_pending_row_put(batch, entry);
    struct slice key;
    struct buf *row = row_of(batch, &key);
    struct wire_forward decoded;
    size_t offset;
    ck_assert(cn_pending_row_decode(key, buf_slice(row), &decoded, &offset));
    ck_assert_uint_eq(decoded.chain, 3);
    ck_assert_int_eq(origin_compare(decoded.origin, f.origin), 0);
    ck_assert_int_eq(origin_compare(decoded.previous, f.previous), 0);
    ck_assert_uint_eq(decoded.session, 5);
    ck_assert_uint_eq(decoded.seq, 6);
    ck_assert_uint_eq(decoded.seq_floor, 2);
    ck_assert_uint_eq(decoded.bucket, 11);
    ck_assert_uint_eq(decoded.mtime_ms, 99);
    ck_assert(slice_equal(decoded.key, f.key) && slice_equal(decoded.meta, f.meta));
    ck_assert_int_eq(memcmp(row->data + offset, "value", 5), 0);
    for (size_t length = 0; length < row->length; length++)
        ck_assert(!cn_pending_row_decode(key, slice_of(row->data, length), &decoded, &offset));
    for (size_t length = 0; length < key.length; length++)
        ck_assert(
            !cn_pending_row_decode(slice_of(key.data, length), buf_slice(row), &decoded, &offset));
    row->data[1] = WIRE_ENTRY_CLOSE + 1; /* an unknown kind */
    ck_assert(!cn_pending_row_decode(key, buf_slice(row), &decoded, &offset));
    buf_unref(row);
    kv_batch_free(batch);
    free_entry(entry);
}
END_TEST

START_TEST(a_staged_chunk_is_named_by_its_pending_row_and_not_in_it)
{
    struct wire_forward f = sample();
    f.kind = WIRE_ENTRY_STAGE;
    f.upload_low = 4;
    f.chunk_count = 2;
    f.chunk_bytes = 5;
    f.size = 15;
    struct cn_entry *entry = sample_entry(&f, "chunk");
    struct kv_batch *batch = kv_batch_new();
    cn_pending_row_put(batch, entry);
    ck_assert_ptr_null(batch->ops[0].payload);
    kv_batch_free(batch);
    batch = kv_batch_new();
    cn_upload_row_put(batch, entry);
    struct buf *row = row_of(batch, NULL);
    struct cn_upload_row decoded;
    ck_assert(cn_upload_row_decode(buf_slice(row), &decoded));
    ck_assert_uint_eq(decoded.count, 3);
    ck_assert_uint_eq(decoded.bytes, 15);
    ck_assert_uint_eq(decoded.chunk_bytes, 5);
    ck_assert_uint_eq(decoded.lsn, 41);
    for (size_t length = 0; length < row->length; length++)
        ck_assert(!cn_upload_row_decode(slice_of(row->data, length), &decoded));
    buf_unref(row);
    kv_batch_free(batch);
    free_entry(entry);
}
END_TEST

START_TEST(session_outcome_state_and_purge_rows_round_trip)
{
    struct kv_batch *batch = kv_batch_new();
    struct cn_session_state session = {.exists = true, .floor = 3, .last_lsn = 9, .max_seq = 12};
    cn_session_row_put(batch, 1, 2, &session);
    struct buf *row = row_of(batch, NULL);
    struct cn_session_state session_back;
    ck_assert(cn_session_row_decode(buf_slice(row), &session_back));
    ck_assert(session_back.exists && session_back.floor == 3 && session_back.last_lsn == 9 &&
              session_back.max_seq == 12);
    ck_assert(!cn_session_row_decode(slice_of(row->data, row->length - 1), &session_back));
    buf_unref(row);
    kv_batch_free(batch);

    struct wire_forward f = sample();
    f.outcome = ERR_CONDITION;
    f.current = (struct origin){.epoch = 1, .lsn = 2};
    struct cn_entry *entry = sample_entry(&f, NULL);
    batch = kv_batch_new();
    cn_outcome_row_put(batch, entry);
    row = row_of(batch, NULL);
    struct cn_outcome_row outcome;
    ck_assert(cn_outcome_row_decode(buf_slice(row), &outcome));
    ck_assert_uint_eq(outcome.outcome, ERR_CONDITION);
    ck_assert(origin_is_none(outcome.version));
    ck_assert_uint_eq(outcome.current.lsn, 2);
    memset(row->data + 1, 0xff, 4); /* no such error */
    ck_assert(!cn_outcome_row_decode(buf_slice(row), &outcome));
    buf_unref(row);
    kv_batch_free(batch);
    free_entry(entry);

    batch = kv_batch_new();
    struct cn_state_row state = {.committed = {.epoch = 4, .lsn = 5},
                                 .digest = 6,
                                 .session_floor = 7,
                                 .epoch = 8,
                                 .is_complete = true};
    cn_state_row_put(batch, 1, &state);
    row = row_of(batch, NULL);
    struct cn_state_row state_back;
    ck_assert(cn_state_row_decode(buf_slice(row), &state_back));
    ck_assert(state_back.committed.lsn == 5 && state_back.digest == 6 &&
              state_back.session_floor == 7 && state_back.epoch == 8 && state_back.is_complete &&
              !state_back.is_syncing);
    for (size_t length = 0; length < row->length; length++)
        ck_assert(!cn_state_row_decode(slice_of(row->data, length), &state_back));
    buf_unref(row);
    kv_batch_free(batch);

    batch = kv_batch_new();
    cn_purge_row_put(batch, 1, 2, 3, 44);
    row = row_of(batch, NULL);
    uint64_t lsn;
    ck_assert(cn_purge_row_decode(buf_slice(row), &lsn));
    ck_assert_uint_eq(lsn, 44);
    ck_assert(!cn_purge_row_decode(slice_of(row->data, 3), &lsn));
    buf_unref(row);
    kv_batch_free(batch);
}
END_TEST

START_TEST(keys_sort_as_their_numbers)
{
    struct cn_key a = cn_key_pending(1, 255);
    struct cn_key b = cn_key_pending(1, 256);
    struct cn_key c = cn_key_pending(2, 0);
    ck_assert_int_lt(slice_compare(cn_key_slice(&a), cn_key_slice(&b)), 0);
    ck_assert_int_lt(slice_compare(cn_key_slice(&b), cn_key_slice(&c)), 0);
    uint8_t chunk[CN_CHUNK_KEY_BYTES];
    cn_chunk_key(1, 2, 3, 4, chunk);
    static const uint8_t expected[] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2,
                                       0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4};
    ck_assert_int_eq(memcmp(chunk, expected, sizeof expected), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cn_rows_codec");
    TCase *tests = tcase_create("cn_rows_codec");
    tcase_add_test(tests, an_object_row_round_trips_and_no_part_of_it_is_accepted);
    tcase_add_test(tests, a_pending_row_round_trips_and_no_part_of_it_is_accepted);
    tcase_add_test(tests, a_staged_chunk_is_named_by_its_pending_row_and_not_in_it);
    tcase_add_test(tests, session_outcome_state_and_purge_rows_round_trip);
    tcase_add_test(tests, keys_sort_as_their_numbers);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
