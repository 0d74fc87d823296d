#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/map.h"
#include "chainnode/core/cn_core.h"
#include "chainnode/io/chunk_reader.h"

enum { REPLIES_MAX = 64, CHAIN = 7 };

/* A store of one family: chunk index -> row. Holds readers at its door when told to. */
struct fake {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_held;
    uint32_t inside;
    struct map rows;
    enum err get_err;
    struct wire_message replies[REPLIES_MAX];
    uint64_t conns[REPLIES_MAX];
    uint32_t reply_count;
    uint32_t corrupt_count;
};

static struct fake fake;
static struct kv kv;
static struct chunk_reader *reader;

static enum err fake_get(void *context, unsigned family, struct slice key, struct buf **ret_value)
{
    struct fake *f = context;
    uint8_t expected[CN_CHUNK_KEY_BYTES];
    (void)pthread_mutex_lock(&f->mutex);
    f->inside++;
    (void)pthread_cond_broadcast(&f->changed);
    while (f->is_held)
        (void)pthread_cond_wait(&f->changed, &f->mutex);
    enum err err = f->get_err;
    if (err == ERR_OK) {
        ck_assert_uint_eq(family, CN_FAMILY_CHUNKS);
        ck_assert_uint_eq(key.length, CN_CHUNK_KEY_BYTES);
        uint32_t index = bytes_get_u32(key.data + CN_CHUNK_KEY_BYTES - 4);
        cn_chunk_key(CHAIN, 11, 22, index, expected);
        bool is_ours = memcmp(expected, key.data, sizeof expected) == 0;
        *ret_value = is_ours ? buf_ref(map_get(&f->rows, index + 1)) : NULL;
    }
    (void)pthread_mutex_unlock(&f->mutex);
    return err;
}

static const struct kv_ops fake_ops = {.get = fake_get};

static void fake_reply(void *context, uint64_t conn, const struct wire_message *message)
{
    struct fake *f = context;
    (void)pthread_mutex_lock(&f->mutex);
    ck_assert_uint_lt(f->reply_count, REPLIES_MAX);
    f->replies[f->reply_count] = *message;
    f->replies[f->reply_count].payload = buf_ref(message->payload);
    f->conns[f->reply_count] = conn;
    f->reply_count++;
    (void)pthread_cond_broadcast(&f->changed);
    (void)pthread_mutex_unlock(&f->mutex);
}

static void fake_corrupt(void *context, const struct wire_chunk_get *request, enum err err)
{
    struct fake *f = context;
    (void)request;
    (void)err;
    (void)pthread_mutex_lock(&f->mutex);
    f->corrupt_count++;
    (void)pthread_mutex_unlock(&f->mutex);
}

static void start_with(uint32_t threads, uint32_t queue_max)
{
    const struct chunk_reader_options options = {
        .kv = &kv,
        .reply = fake_reply,
        .corrupt = fake_corrupt,
        .context = &fake,
        .threads = threads,
        .queue_max = queue_max,
    };
    reader = chunk_reader_new(&options);
}

static void setup(void)
{
    memset(&fake, 0, sizeof fake);
    (void)pthread_mutex_init(&fake.mutex, NULL);
    (void)pthread_cond_init(&fake.changed, NULL);
    kv = (struct kv){.ops = &fake_ops, .context = &fake};
    start_with(2, 16);
}

static void teardown(void)
{
    chunk_reader_free(reader);
    size_t cursor = 0;
    uint64_t key;
    struct buf *row;
    while ((row = map_next(&fake.rows, &cursor, &key)) != NULL)
        buf_unref(row);
    map_release(&fake.rows);
    for (uint32_t i = 0; i < fake.reply_count; i++)
        buf_unref(fake.replies[i].payload);
}

static void store(uint32_t index, const char *bytes, uint64_t checksum)
{
    size_t length = strlen(bytes);
    struct buf *row = buf_new(8 + length);
    bytes_put_u64(row->data, checksum);
    memcpy(row->data + 8, bytes, length);
    ck_assert_ptr_null(map_put(&fake.rows, index + 1, row));
}

static bool ask(uint64_t conn, uint64_t request, uint32_t chain, uint32_t index)
{
    const struct wire_chunk_get get = {
        .request = request, .chain = chain, .upload_high = 11, .upload_low = 22, .index = index};
    return chunk_reader_submit(reader, conn, &get);
}

static void wait_for_replies(uint32_t count)
{
    (void)pthread_mutex_lock(&fake.mutex);
    while (fake.reply_count < count)
        (void)pthread_cond_wait(&fake.changed, &fake.mutex);
    (void)pthread_mutex_unlock(&fake.mutex);
}

START_TEST(a_good_chunk_is_served_with_its_checksum)
{
    store(3, "hello", checksum_bytes(slice_of_text("hello")));
    ck_assert(ask(9, 42, CHAIN, 3));
    wait_for_replies(1);
    const struct wire_message *reply = &fake.replies[0];
    ck_assert_int_eq(reply->type, WIRE_CHUNK);
    ck_assert_uint_eq(fake.conns[0], 9);
    ck_assert_uint_eq(reply->u.chunk.request, 42);
    ck_assert_uint_eq(reply->u.chunk.index, 3);
    ck_assert_uint_eq(reply->u.chunk.checksum, checksum_bytes(slice_of_text("hello")));
    ck_assert(slice_equal(buf_slice(reply->payload), slice_of_text("hello")));
    ck_assert_uint_eq(chunk_reader_stats(reader).served, 1);
    ck_assert_uint_eq(chunk_reader_stats(reader).bytes, 5);
}
END_TEST

static void assert_refused(uint64_t request, enum err err)
{
    wait_for_replies(1);
    ck_assert_int_eq(fake.replies[0].type, WIRE_REFUSED);
    ck_assert_uint_eq(fake.replies[0].u.refused.request, request);
    ck_assert_str_eq(err_name((enum err)fake.replies[0].u.refused.err), err_name(err));
    ck_assert_ptr_null(fake.replies[0].payload);
}

START_TEST(a_chunk_that_does_not_match_its_checksum_never_leaves)
{
    store(3, "hellO", checksum_bytes(slice_of_text("hello")));
    ck_assert(ask(9, 42, CHAIN, 3));
    assert_refused(42, ERR_CORRUPT);
    ck_assert_uint_eq(chunk_reader_stats(reader).corrupt, 1);
    ck_assert_uint_eq(fake.corrupt_count, 1);
}
END_TEST

START_TEST(a_row_too_short_for_a_checksum_is_corrupt)
{
    struct buf *row = buf_copy(slice_of_text("short"));
    (void)map_put(&fake.rows, 4, row);
    ck_assert(ask(9, 42, CHAIN, 3));
    assert_refused(42, ERR_CORRUPT);
}
END_TEST

START_TEST(a_missing_chunk_is_gone)
{
    ck_assert(ask(9, 42, CHAIN, 3));
    assert_refused(42, ERR_UPLOAD_GONE);
    ck_assert_uint_eq(chunk_reader_stats(reader).missing, 1);
    ck_assert_uint_eq(fake.corrupt_count, 0);
}
END_TEST

START_TEST(another_chain_has_other_chunks)
{
    store(3, "hello", checksum_bytes(slice_of_text("hello")));
    ck_assert(ask(9, 42, CHAIN + 1, 3));
    assert_refused(42, ERR_UPLOAD_GONE);
}
END_TEST

START_TEST(a_read_error_is_told_and_counted)
{
    fake.get_err = ERR_IO;
    ck_assert(ask(9, 42, CHAIN, 3));
    assert_refused(42, ERR_IO);
    ck_assert_uint_eq(fake.corrupt_count, 1);
}
END_TEST

START_TEST(the_queue_is_bounded)
{
    chunk_reader_free(reader);
    start_with(1, 4);
    fake.is_held = true;
    store(0, "x", checksum_bytes(slice_of_text("x")));
    ck_assert(ask(1, 1, CHAIN, 0));
    (void)pthread_mutex_lock(&fake.mutex);
    while (fake.inside == 0)
        (void)pthread_cond_wait(&fake.changed, &fake.mutex);
    (void)pthread_mutex_unlock(&fake.mutex);
    for (uint64_t i = 2; i <= 5; i++)
        ck_assert(ask(1, i, CHAIN, 0));
    ck_assert(!ask(1, 6, CHAIN, 0));
    ck_assert_uint_eq(chunk_reader_stats(reader).busy, 1);
    (void)pthread_mutex_lock(&fake.mutex);
    fake.is_held = false;
    (void)pthread_cond_broadcast(&fake.changed);
    (void)pthread_mutex_unlock(&fake.mutex);
    wait_for_replies(5);
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_uint_eq(fake.replies[i].u.chunk.request, i + 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chunk_reader");
    TCase *tcase = tcase_create("chunk_reader");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_good_chunk_is_served_with_its_checksum);
    tcase_add_test(tcase, a_chunk_that_does_not_match_its_checksum_never_leaves);
    tcase_add_test(tcase, a_row_too_short_for_a_checksum_is_corrupt);
    tcase_add_test(tcase, a_missing_chunk_is_gone);
    tcase_add_test(tcase, another_chain_has_other_chunks);
    tcase_add_test(tcase, a_read_error_is_told_and_counted);
    tcase_add_test(tcase, the_queue_is_bounded);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
