#include "tests/lib/kv_conformance.h"

#include "base/prng.h"
#include "base/text.h"

static const struct kv_conformance *implementation;
static void *store;
static struct kv kv;

static void setup(void)
{
    store = implementation->open();
    kv = implementation->interface(store);
}

static void teardown(void)
{
    implementation->close(store);
}

static struct slice text(const char *string)
{
    return slice_of_text(string);
}

static void write_and_free(struct kv_batch *batch)
{
    ck_assert_int_eq(implementation->write(store, batch), ERR_OK);
    kv_batch_free(batch);
}

static void put(unsigned family, const char *key, const char *value)
{
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, family, text(key), text(value), NULL);
    write_and_free(batch);
}

static void expect(unsigned family, const char *key, const char *value)
{
    struct buf *found = NULL;
    ck_assert_int_eq(kv_get(&kv, family, text(key), &found), ERR_OK);
    if (value == NULL) {
        ck_assert_ptr_null(found);
        return;
    }
    ck_assert_ptr_nonnull(found);
    ck_assert(slice_equal(buf_slice(found), text(value)));
    buf_unref(found);
}

/* The keys of [from, to) as one text "a b c ". */
static void expect_keys(unsigned family, const char *from, const char *to, const char *keys)
{
    struct text seen;
    text_init(&seen);
    struct kv_iterator *iterator = kv_iterate(&kv, family, text(from), text(to));
    struct slice key;
    struct slice value;
    while (kv.ops->iterator_next(iterator, &key, &value)) {
        text_append_escaped(&seen, key);
        text_append(&seen, " ");
    }
    ck_assert_int_eq(kv.ops->iterator_err(iterator), ERR_OK);
    kv.ops->iterator_free(iterator);
    ck_assert_str_eq(text_cstr(&seen), keys);
    text_release(&seen);
}

START_TEST(absent_key_reads_as_null)
{
    expect(0, "nothing", NULL);
}
END_TEST

START_TEST(put_value_is_read_back)
{
    put(0, "a", "one");
    expect(0, "a", "one");
    put(0, "a", "two");
    expect(0, "a", "two");
}
END_TEST

START_TEST(families_do_not_mix)
{
    put(0, "a", "zero");
    put(1, "a", "one");
    expect(0, "a", "zero");
    expect(1, "a", "one");
    expect(2, "a", NULL);
}
END_TEST

START_TEST(empty_value_is_present)
{
    put(0, "a", "");
    expect(0, "a", "");
}
END_TEST

START_TEST(keys_and_values_may_hold_any_byte)
{
    uint8_t key[256];
    for (unsigned i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(255 - i);
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, 0, slice_of(key, sizeof key), slice_of(key, sizeof key), NULL);
    write_and_free(batch);
    struct buf *found = NULL;
    ck_assert_int_eq(kv_get(&kv, 0, slice_of(key, sizeof key), &found), ERR_OK);
    ck_assert(slice_equal(buf_slice(found), slice_of(key, sizeof key)));
    buf_unref(found);
}
END_TEST

START_TEST(payload_follows_the_value)
{
    struct buf *payload = buf_copy(text("payload"));
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, 0, text("both"), text("head-"), payload);
    kv_batch_put(batch, 0, text("only"), text(""), payload);
    buf_unref(payload);
    write_and_free(batch);
    expect(0, "both", "head-payload");
    expect(0, "only", "payload");
}
END_TEST

START_TEST(large_payload_survives_whole)
{
    struct buf *payload = buf_new(1048576);
    for (size_t i = 0; i < payload->length; i++)
        payload->data[i] = (uint8_t)(i * 7 >> 3);
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, 1, text("big"), text(""), payload);
    write_and_free(batch);
    struct buf *found = NULL;
    ck_assert_int_eq(kv_get(&kv, 1, text("big"), &found), ERR_OK);
    ck_assert(slice_equal(buf_slice(found), buf_slice(payload)));
    buf_unref(found);
    buf_unref(payload);
}
END_TEST

START_TEST(delete_removes_and_is_harmless_on_absent_keys)
{
    put(0, "a", "one");
    struct kv_batch *batch = kv_batch_new();
    kv_batch_delete(batch, 0, text("a"));
    kv_batch_delete(batch, 0, text("never"));
    write_and_free(batch);
    expect(0, "a", NULL);
}
END_TEST

START_TEST(single_delete_removes_a_key_put_once)
{
    put(0, "a", "one");
    struct kv_batch *batch = kv_batch_new();
    kv_batch_single_delete(batch, 0, text("a"));
    write_and_free(batch);
    expect(0, "a", NULL);
    put(0, "a", "again");
    expect(0, "a", "again");
}
END_TEST

START_TEST(delete_range_takes_the_start_and_leaves_the_end)
{
    const char *keys[] = {"a", "b", "ba", "c", "d"};
    for (unsigned i = 0; i < 5; i++)
        put(0, keys[i], "v");
    put(1, "b", "other family");
    struct kv_batch *batch = kv_batch_new();
    kv_batch_delete_range(batch, 0, text("b"), text("d"));
    write_and_free(batch);
    expect_keys(0, "", "", "a d ");
    expect(1, "b", "other family");
    expect(0, "ba", NULL);
}
END_TEST

START_TEST(empty_delete_range_removes_nothing)
{
    put(0, "b", "v");
    struct kv_batch *batch = kv_batch_new();
    kv_batch_delete_range(batch, 0, text("b"), text("b"));
    write_and_free(batch);
    expect(0, "b", "v");
}
END_TEST

START_TEST(later_operations_of_a_batch_win)
{
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, 0, text("a"), text("one"), NULL);
    kv_batch_put(batch, 0, text("a"), text("two"), NULL);
    kv_batch_put(batch, 0, text("b"), text("gone"), NULL);
    kv_batch_delete(batch, 0, text("b"));
    kv_batch_put(batch, 0, text("c"), text("gone"), NULL);
    kv_batch_delete_range(batch, 0, text("c"), text("d"));
    kv_batch_put(batch, 0, text("ca"), text("kept"), NULL);
    write_and_free(batch);
    expect(0, "a", "two");
    expect_keys(0, "", "", "a ca ");
}
END_TEST

START_TEST(iteration_is_ordered_and_bounded)
{
    put(0, "b", "v");
    put(0, "a", "v");
    put(0, "ab", "v");
    put(0, "c", "v");
    expect_keys(0, "", "", "a ab b c ");
    expect_keys(0, "ab", "c", "ab b ");
    expect_keys(0, "aa", "b", "ab ");
    expect_keys(0, "x", "", "");
    expect_keys(0, "", "a", "");
}
END_TEST

START_TEST(prefix_range_is_iterated_and_deleted_exactly)
{
    /* Chain id first in every key: the end of one chain is the start of the next. */
    const uint8_t keys[][3] = {{0, 0, 255}, {0, 1, 0}, {0, 1, 255}, {0, 2, 0}};
    struct kv_batch *batch = kv_batch_new();
    for (unsigned i = 0; i < 4; i++)
        kv_batch_put(batch, 0, slice_of(keys[i], 3), text("v"), NULL);
    write_and_free(batch);
    const uint8_t from[] = {0, 1};
    const uint8_t to[] = {0, 2};
    batch = kv_batch_new();
    kv_batch_delete_range(batch, 0, slice_of(from, 2), slice_of(to, 2));
    write_and_free(batch);
    expect_keys(0, "", "", "\\x00\\x00\\xff \\x00\\x02\\x00 ");
}
END_TEST

START_TEST(seek_skips_ahead_within_the_bounds)
{
    const char *keys[] = {"a", "b", "c", "d", "e"};
    for (unsigned i = 0; i < 5; i++)
        put(0, keys[i], "v");
    struct kv_iterator *iterator = kv_iterate(&kv, 0, text("a"), text("e"));
    struct slice key;
    struct slice value;
    ck_assert(kv.ops->iterator_next(iterator, &key, &value));
    kv.ops->iterator_seek(iterator, text("bb"));
    ck_assert(kv.ops->iterator_next(iterator, &key, &value));
    ck_assert(slice_equal(key, text("c")));
    ck_assert(kv.ops->iterator_next(iterator, &key, &value));
    ck_assert(slice_equal(key, text("d")));
    ck_assert(!kv.ops->iterator_next(iterator, &key, &value));
    kv.ops->iterator_seek(iterator, text("e"));
    ck_assert(!kv.ops->iterator_next(iterator, &key, &value));
    kv.ops->iterator_free(iterator);
}
END_TEST

START_TEST(iterator_sees_one_snapshot)
{
    put(0, "a", "old");
    put(0, "b", "old");
    struct kv_iterator *iterator = kv_iterate(&kv, 0, text(""), text(""));
    put(0, "b", "new");
    put(0, "c", "new");
    struct kv_batch *batch = kv_batch_new();
    kv_batch_delete_range(batch, 0, text("a"), text("b"));
    write_and_free(batch);
    struct slice key;
    struct slice value;
    ck_assert(kv.ops->iterator_next(iterator, &key, &value));
    ck_assert(slice_equal(key, text("a")));
    ck_assert(kv.ops->iterator_next(iterator, &key, &value));
    ck_assert(slice_equal(value, text("old")));
    ck_assert(!kv.ops->iterator_next(iterator, &key, &value));
    kv.ops->iterator_free(iterator);
    expect_keys(0, "", "", "b c ");
}
END_TEST

START_TEST(written_data_is_there_after_reopening)
{
    put(0, "a", "one");
    put(2, "z", "two");
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, 0, text("b"), text("x"), NULL);
    kv_batch_delete(batch, 0, text("a"));
    write_and_free(batch);
    store = implementation->reopen(store);
    kv = implementation->interface(store);
    expect(0, "a", NULL);
    expect(0, "b", "x");
    expect(2, "z", "two");
}
END_TEST

/* ---- against a model: an array indexed by a small key space ---- */

enum { MODEL_KEYS = 64, MODEL_STEPS = 400, MODEL_PAYLOAD_MAX = 3000 };

struct model_cell {
    bool present;
    bool put_once;
    unsigned value;
};

static struct model_cell model[KV_CONFORMANCE_FAMILIES][MODEL_KEYS];

static struct slice model_key(unsigned number, char *array)
{
    return text(text_format(array, 16, "k%03u", number));
}

/* What follows the number in the value: nothing, or up to some thousand bytes that it decides. */
static struct buf *model_payload(unsigned value)
{
    if (value % 3 != 0)
        return NULL;
    struct buf *payload = buf_new(value / 3 % MODEL_PAYLOAD_MAX);
    for (size_t i = 0; i < payload->length; i++)
        payload->data[i] = (uint8_t)((value >> (i & 15)) + i);
    return payload;
}

static void expect_model_value(unsigned number, struct slice found)
{
    struct buf *payload = model_payload(number);
    size_t length = payload == NULL ? 0 : payload->length;
    ck_assert_uint_eq(found.length, sizeof number + length);
    ck_assert(slice_equal(slice_of(found.data, sizeof number), slice_of(&number, sizeof number)));
    ck_assert(slice_equal(slice_of(found.data + sizeof number, length), buf_slice(payload)));
    buf_unref(payload);
}

static void model_step(struct prng *prng, struct kv_batch *batch)
{
    unsigned family = (unsigned)prng_below(prng, KV_CONFORMANCE_FAMILIES);
    unsigned number = (unsigned)prng_below(prng, MODEL_KEYS);
    struct model_cell *cell = &model[family][number];
    char key[16];
    char other[16];
    uint64_t dice = prng_below(prng, 10);
    if (dice < 6) {
        unsigned value = (unsigned)prng_next(prng);
        struct buf *payload = model_payload(value);
        kv_batch_put(batch, family, model_key(number, key), slice_of(&value, sizeof value),
                     payload);
        buf_unref(payload);
        *cell = (struct model_cell){.present = true, .put_once = !cell->present, .value = value};
    } else if (dice < 8) {
        kv_batch_delete(batch, family, model_key(number, key));
        cell->present = false;
    } else if (dice < 9 && cell->present && cell->put_once) {
        kv_batch_single_delete(batch, family, model_key(number, key));
        cell->present = false;
    } else {
        unsigned end = number + (unsigned)prng_below(prng, 8);
        kv_batch_delete_range(batch, family, model_key(number, key), model_key(end, other));
        for (unsigned i = number; i < end && i < MODEL_KEYS; i++)
            model[family][i].present = false;
    }
}

static void model_compare(struct prng *prng)
{
    unsigned family = (unsigned)prng_below(prng, KV_CONFORMANCE_FAMILIES);
    unsigned from = (unsigned)prng_below(prng, MODEL_KEYS);
    unsigned to = from + (unsigned)prng_below(prng, MODEL_KEYS);
    char array[16];
    char end[16];
    struct kv_iterator *iterator =
        kv_iterate(&kv, family, model_key(from, array), model_key(to, end));
    struct slice key;
    struct slice value;
    for (unsigned i = from; i < to && i < MODEL_KEYS; i++) {
        const struct model_cell *cell = &model[family][i];
        struct buf *found = NULL;
        ck_assert_int_eq(kv_get(&kv, family, model_key(i, array), &found), ERR_OK);
        ck_assert_int_eq(found != NULL, cell->present);
        if (found != NULL)
            expect_model_value(cell->value, buf_slice(found));
        buf_unref(found);
        if (!cell->present)
            continue;
        ck_assert(kv.ops->iterator_next(iterator, &key, &value));
        ck_assert(slice_equal(key, model_key(i, array)));
        expect_model_value(cell->value, value);
    }
    ck_assert(!kv.ops->iterator_next(iterator, &key, &value));
    kv.ops->iterator_free(iterator);
}

START_TEST(random_batches_match_the_model)
{
    struct prng prng;
    prng_init(&prng, (uint64_t)_i + 1);
    memset(model, 0, sizeof model);
    for (unsigned step = 0; step < MODEL_STEPS; step++) {
        struct kv_batch *batch = kv_batch_new();
        uint64_t ops = prng_between(&prng, 1, 12);
        for (uint64_t i = 0; i < ops; i++)
            model_step(&prng, batch);
        write_and_free(batch);
        model_compare(&prng);
        if (prng_once_in(&prng, 100)) {
            store = implementation->reopen(store);
            kv = implementation->interface(store);
        }
    }
}
END_TEST

void kv_conformance_add(Suite *suite, const struct kv_conformance *tested)
{
    implementation = tested;
    TCase *tcase = tcase_create("conformance");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, absent_key_reads_as_null);
    tcase_add_test(tcase, put_value_is_read_back);
    tcase_add_test(tcase, families_do_not_mix);
    tcase_add_test(tcase, empty_value_is_present);
    tcase_add_test(tcase, keys_and_values_may_hold_any_byte);
    tcase_add_test(tcase, payload_follows_the_value);
    tcase_add_test(tcase, large_payload_survives_whole);
    tcase_add_test(tcase, delete_removes_and_is_harmless_on_absent_keys);
    tcase_add_test(tcase, single_delete_removes_a_key_put_once);
    tcase_add_test(tcase, delete_range_takes_the_start_and_leaves_the_end);
    tcase_add_test(tcase, empty_delete_range_removes_nothing);
    tcase_add_test(tcase, later_operations_of_a_batch_win);
    tcase_add_test(tcase, iteration_is_ordered_and_bounded);
    tcase_add_test(tcase, prefix_range_is_iterated_and_deleted_exactly);
    tcase_add_test(tcase, seek_skips_ahead_within_the_bounds);
    tcase_add_test(tcase, iterator_sees_one_snapshot);
    tcase_add_test(tcase, written_data_is_there_after_reopening);
    tcase_add_loop_test(tcase, random_batches_match_the_model, 0, 4);
    suite_add_tcase(suite, tcase);
}
