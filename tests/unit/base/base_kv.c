#include "base/kv.h"

#include "tests/unit/base/suite.h"

START_TEST(new_batch_is_empty)
{
    struct kv_batch *batch = kv_batch_new();
    ck_assert(kv_batch_is_empty(batch));
    kv_batch_free(batch);
    kv_batch_free(NULL);
}
END_TEST

START_TEST(operations_keep_their_order_and_bytes)
{
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, 1, slice_of_text("a"), slice_of_text("1"), NULL);
    kv_batch_delete(batch, 2, slice_of_text("b"));
    kv_batch_single_delete(batch, 3, slice_of_text("c"));
    kv_batch_delete_range(batch, 4, slice_of_text("d"), slice_of_text("e"));
    ck_assert_uint_eq(batch->count, 4);
    ck_assert_uint_eq(batch->bytes, 6);
    ck_assert_int_eq(batch->ops[0].kind, KV_OP_PUT);
    ck_assert_int_eq(batch->ops[1].kind, KV_OP_DELETE);
    ck_assert_int_eq(batch->ops[2].kind, KV_OP_SINGLE_DELETE);
    ck_assert_int_eq(batch->ops[3].kind, KV_OP_DELETE_RANGE);
    ck_assert_uint_eq(batch->ops[3].family, 4);
    ck_assert(slice_equal(batch->ops[3].key, slice_of_text("d")));
    ck_assert(slice_equal(batch->ops[3].value, slice_of_text("e")));
    kv_batch_free(batch);
}
END_TEST

START_TEST(key_and_value_are_copied)
{
    char key[] = "key";
    char value[] = "value";
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, 0, slice_of_text(key), slice_of_text(value), NULL);
    key[0] = 'x';
    value[0] = 'x';
    ck_assert(slice_equal(batch->ops[0].key, slice_of_text("key")));
    ck_assert(slice_equal(batch->ops[0].value, slice_of_text("value")));
    kv_batch_free(batch);
}
END_TEST

START_TEST(payload_is_referenced_and_counted)
{
    struct buf *payload = buf_copy(slice_of_text("payload"));
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, 0, slice_of_text("k"), slice_of(NULL, 0), payload);
    buf_unref(payload);
    ck_assert_uint_eq(batch->bytes, 8);
    ck_assert_ptr_eq(batch->ops[0].payload, payload);
    ck_assert_uint_eq(batch->ops[0].payload->data[0], 'p');
    kv_batch_free(batch);
}
END_TEST

START_TEST(earlier_slices_survive_growth)
{
    struct kv_batch *batch = kv_batch_new();
    for (uint32_t i = 0; i < 20000; i++)
        kv_batch_put(batch, 0, slice_of(&i, sizeof i), slice_of(&i, sizeof i), NULL);
    struct buf *large = buf_new(100000);
    kv_batch_put(batch, 0, buf_slice(large), slice_of(NULL, 0), NULL);
    buf_unref(large);
    ck_assert_uint_eq(batch->count, 20001);
    for (uint32_t i = 0; i < 20000; i++) {
        ck_assert(slice_equal(batch->ops[i].key, slice_of(&i, sizeof i)));
        ck_assert(slice_equal(batch->ops[i].value, slice_of(&i, sizeof i)));
    }
    ck_assert_uint_eq(batch->ops[20000].key.length, 100000);
    kv_batch_free(batch);
}
END_TEST

static enum err get_fails(void *context, unsigned family, struct slice key, struct buf **ret_value)
{
    (void)context;
    (void)family;
    (void)key;
    (void)ret_value;
    return ERR_IO;
}

START_TEST(after_a_failed_read_there_is_nothing_to_release)
{
    static const struct kv_ops ops = {.get = get_fails};
    struct kv kv = {.ops = &ops};
    struct buf *kept = buf_new(1);
    struct buf *value = kept;
    ck_assert_int_eq(kv_get(&kv, 0, slice_of_text("a"), &value), ERR_IO);
    ck_assert_ptr_null(value);
    buf_unref(kept);
}
END_TEST

SUITE_MAIN("base_kv", new_batch_is_empty, operations_keep_their_order_and_bytes,
           key_and_value_are_copied, payload_is_referenced_and_counted,
           earlier_slices_survive_growth, after_a_failed_read_there_is_nothing_to_release)
