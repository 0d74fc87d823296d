/* Ranges of a copy: packed completely, in pieces of bounded size, and refused when malformed. */
#include <check.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "chainnode/core/cn_internal.h"
#include "tests/lib/kv_memory.h"

static struct kv_memory *store;
static struct kv kv;
static struct cn_core *core;

static void set_up(void)
{
    store = kv_memory_new(CN_FAMILY_COUNT);
    kv = kv_memory_interface(store);
    struct cn_options options = {.node = 1, .incarnation = 1, .heartbeat_us = 1, .idle_us = 1};
    ck_assert_int_eq(cn_core_new(&options, 1, 1, &kv, &core), ERR_OK);
}

static void tear_down(void)
{
    cn_core_free(core);
    kv_memory_free(store);
}

static void put_rows(uint32_t chain, unsigned count, size_t bytes)
{
    struct kv_batch *batch = kv_batch_new();
    struct buf *value = buf_new(bytes);
    memset(value->data, 'v', bytes);
    for (unsigned i = 0; i < count; i++) {
        struct cn_key key = cn_key_chunk(chain, 0, i, 0);
        kv_batch_put(batch, CN_FAMILY_CHUNKS, cn_key_slice(&key), slice_of(NULL, 0), value);
    }
    ck_assert_int_eq(kv_memory_apply(store, batch), ERR_OK);
    kv_batch_free(batch);
    buf_unref(value);
}

static unsigned pack_all(uint32_t chain, unsigned *ret_rows)
{
    struct cn_key from = cn_key_chain(chain);
    struct cn_key end = cn_key_chain(chain + 1);
    unsigned ranges = 0;
    *ret_rows = 0;
    for (bool is_done = false; !is_done;) {
        struct buf *rows;
        struct cn_key next;
        ck_assert_int_eq(cn_sync_pack(core, CN_FAMILY_CHUNKS, cn_key_slice(&from),
                                      cn_key_slice(&end), &rows, &next),
                         ERR_OK);
        ck_assert_uint_le(rows->length, BOUND_FRAME_PAYLOAD_BYTES);
        is_done = next.length == 0;
        struct wire_sync_items items = {.chain = chain,
                                        .family = CN_FAMILY_CHUNKS,
                                        .from = cn_key_slice(&from),
                                        .to = is_done ? cn_key_slice(&end) : cn_key_slice(&next)};
        ck_assert(cn_sync_is_valid(&items, buf_slice(rows)));
        struct cn_sync_cursor cursor = {.rest = buf_slice(rows)};
        struct slice key;
        struct slice value;
        while (cn_sync_next(&cursor, &key, &value))
            (*ret_rows)++;
        buf_unref(rows);
        from = next;
        ranges++;
    }
    return ranges;
}

START_TEST(ranges_cover_every_row_of_the_chain_and_no_other)
{
    put_rows(3, 1000, 2000);
    put_rows(4, 10, 10);
    unsigned rows;
    unsigned ranges = pack_all(3, &rows);
    ck_assert_uint_eq(rows, 1000);
    ck_assert_uint_ge(ranges, 4);
    ck_assert_uint_eq(pack_all(4, &rows), 1);
    ck_assert_uint_eq(rows, 10);
    ck_assert_uint_eq(pack_all(5, &rows), 1);
    ck_assert_uint_eq(rows, 0);
}
END_TEST

START_TEST(a_whole_chunk_travels_alone)
{
    put_rows(3, 3, 8 + BOUND_CHUNK_BYTES);
    unsigned rows;
    ck_assert_uint_eq(pack_all(3, &rows), 3);
    ck_assert_uint_eq(rows, 3);
}
END_TEST

START_TEST(malformed_ranges_are_refused)
{
    put_rows(3, 2, 5);
    struct cn_key from = cn_key_chain(3);
    struct cn_key to = cn_key_chain(4);
    struct buf *rows;
    struct cn_key next;
    ck_assert_int_eq(
        cn_sync_pack(core, CN_FAMILY_CHUNKS, cn_key_slice(&from), cn_key_slice(&to), &rows, &next),
        ERR_OK);
    struct wire_sync_items good = {.chain = 3,
                                   .family = CN_FAMILY_CHUNKS,
                                   .from = cn_key_slice(&from),
                                   .to = cn_key_slice(&to)};
    ck_assert(cn_sync_is_valid(&good, buf_slice(rows)));
    for (size_t length = 1; length < rows->length; length++)
        if (length != rows->length / 2) /* both rows have the same size */
            ck_assert(!cn_sync_is_valid(&good, slice_of(rows->data, length)));
    struct wire_sync_items bad = good;
    bad.family = CN_FAMILY_META;
    ck_assert(!cn_sync_is_valid(&bad, buf_slice(rows)));
    bad.family = CN_FAMILY_PENDING;
    ck_assert(!cn_sync_is_valid(&bad, buf_slice(rows)));
    bad = good;
    bad.chain = 2; /* rows of another chain */
    ck_assert(!cn_sync_is_valid(&bad, buf_slice(rows)));
    bad = good;
    bad.to = bad.from;
    ck_assert(!cn_sync_is_valid(&bad, buf_slice(rows)));
    struct cn_key late = cn_key_chunk(3, 0, 1, 0);
    bad = good;
    bad.from = cn_key_slice(&late); /* the first row is before the range */
    ck_assert(!cn_sync_is_valid(&bad, buf_slice(rows)));
    struct buf *twice = buf_new(rows->length * 2);
    memcpy(twice->data, rows->data, rows->length);
    memcpy(twice->data + rows->length, rows->data, rows->length);
    ck_assert(!cn_sync_is_valid(&good, buf_slice(twice))); /* not ascending */
    buf_unref(twice);
    buf_unref(rows);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cn_sync_rows");
    TCase *tests = tcase_create("cn_sync_rows");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, ranges_cover_every_row_of_the_chain_and_no_other);
    tcase_add_test(tests, a_whole_chunk_travels_alone);
    tcase_add_test(tests, malformed_ranges_are_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
