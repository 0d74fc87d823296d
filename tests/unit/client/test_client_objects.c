/* The public calls over a real transport, against a cluster in memory. */
#include <check.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/include/catena.h"
#include "fake_cluster.h"

static struct fake_cluster *cluster;
static struct fake_knobs *knobs;
static struct catena_client *client;

static void setup(void)
{
    cluster = fake_cluster_new();
    knobs = fake_cluster_knobs(cluster);
    struct catena_options options = CATENA_OPTIONS_INIT;
    options.masters = fake_cluster_address(cluster);
    options.timeout_ms = 20000;
    ck_assert_msg(catena_open(&options, &client) == CATENA_OK, "%s", catena_error_text());
    ck_assert_int_eq(catena_bucket_create(client, "photos"), CATENA_OK);
}

static void teardown(void)
{
    catena_close(client);
    fake_cluster_free(cluster);
}

static uint8_t *pattern(size_t length)
{
    uint8_t *bytes = malloc(length + 1);
    uint32_t state = 12345;
    for (size_t i = 0; i < length; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(state >> 24);
    }
    return bytes;
}

static enum catena_status put(const char *key, const void *value, size_t length,
                              struct catena_info *info)
{
    return catena_put(client, "photos", key, strlen(key), value, length, NULL, info);
}

static void expect_value(const char *key, const void *value, size_t length)
{
    void *got = NULL;
    size_t got_length = 0;
    struct catena_info info;
    ck_assert_msg(catena_get(client, "photos", key, strlen(key), NULL, &got, &got_length, &info) ==
                      CATENA_OK,
                  "%s", catena_error_text());
    ck_assert_uint_eq(got_length, length);
    ck_assert_uint_eq(info.size, length);
    ck_assert(length == 0 || memcmp(got, value, length) == 0);
    free(got);
    catena_info_release(&info);
}

START_TEST(values_of_every_size_come_back)
{
    static const size_t sizes[] = {0,       1,       65535,   65536,   65537,   1048575,
                                   1048576, 1048577, 3145728, 5000000, 12582912};
    uint8_t *bytes = pattern(12582912);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct catena_info info;
        ck_assert_msg(put("cat", bytes, sizes[i], &info) == CATENA_OK, "%zu: %s", sizes[i],
                      catena_error_text());
        ck_assert_uint_eq(info.replicas_durable, 2);
        ck_assert_uint_eq(info.size, sizes[i]);
        ck_assert_uint_gt(info.version.lsn, 0);
        catena_info_release(&info);
        expect_value("cat", bytes, sizes[i]);
    }
    free(bytes);
}
END_TEST

START_TEST(ranges_are_cut_at_the_end)
{
    uint8_t *bytes = pattern(3000000);
    static const struct {
        uint64_t offset, length, expected;
    } cases[] = {
        {0, 10, 10},     {1048570, 20, 20},           {2999990, 100, 10},      {3000000, 1, 0},
        {9999999, 1, 0}, {1048576, 1048576, 1048576}, {5, UINT64_MAX, 2999995}};
    ck_assert_int_eq(put("film", bytes, 3000000, NULL), CATENA_OK);
    ck_assert_int_eq(put("note", bytes, 100, NULL), CATENA_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        void *got;
        size_t length;
        ck_assert_int_eq(catena_get_range(client, "photos", "film", 4, cases[i].offset,
                                          cases[i].length, NULL, &got, &length, NULL),
                         CATENA_OK);
        ck_assert_uint_eq(length, cases[i].expected);
        ck_assert(length == 0 || memcmp(got, bytes + cases[i].offset, length) == 0);
        free(got);
    }
    void *got;
    size_t length;
    ck_assert_int_eq(
        catena_get_range(client, "photos", "note", 4, 90, 50, NULL, &got, &length, NULL),
        CATENA_OK);
    ck_assert_uint_eq(length, 10);
    ck_assert_int_eq(memcmp(got, bytes + 90, 10), 0);
    free(got);
    free(bytes);
}
END_TEST

START_TEST(a_stream_shows_nothing_before_its_commit)
{
    uint8_t *bytes = pattern(2500000);
    struct catena_put_stream *stream;
    ck_assert_int_eq(catena_put_stream_open(client, "photos", "film", 4, NULL, &stream), CATENA_OK);
    for (size_t at = 0; at < 2500000; at += 100000)
        ck_assert_int_eq(catena_put_stream_write(stream, bytes + at, 100000), CATENA_OK);
    ck_assert_int_eq(catena_stat(client, "photos", "film", 4, NULL, NULL), CATENA_NO_KEY);
    ck_assert_int_eq(catena_put_stream_commit(stream, NULL), CATENA_OK);
    expect_value("film", bytes, 2500000);
    free(bytes);
}
END_TEST

START_TEST(a_small_stream_is_one_put)
{
    struct catena_put_stream *stream;
    ck_assert_int_eq(catena_put_stream_open(client, "photos", "note", 4, NULL, &stream), CATENA_OK);
    ck_assert_int_eq(catena_put_stream_write(stream, "hello", 5), CATENA_OK);
    ck_assert_int_eq(catena_put_stream_commit(stream, NULL), CATENA_OK);
    ck_assert_uint_eq(atomic_load(&knobs->stages), 0);
    expect_value("note", "hello", 5);
}
END_TEST

START_TEST(an_aborted_stream_leaves_nothing)
{
    uint8_t *bytes = pattern(3000000);
    struct catena_put_stream *stream;
    ck_assert_int_eq(catena_put_stream_open(client, "photos", "film", 4, NULL, &stream), CATENA_OK);
    ck_assert_int_eq(catena_put_stream_write(stream, bytes, 3000000), CATENA_OK);
    catena_put_stream_abort(stream);
    ck_assert_uint_eq(atomic_load(&knobs->aborts), 1);
    ck_assert_int_eq(catena_stat(client, "photos", "film", 4, NULL, NULL), CATENA_NO_KEY);
    free(bytes);
}
END_TEST

START_TEST(a_large_put_survives_refusals_and_a_lost_connection)
{
    uint8_t *bytes = pattern(9000000);
    atomic_store(&knobs->busy_stages, 3);
    ck_assert_msg(put("one", bytes, 9000000, NULL) == CATENA_OK, "%s", catena_error_text());
    expect_value("one", bytes, 9000000);
    atomic_store(&knobs->drop_stages, 2);
    ck_assert_msg(put("two", bytes, 9000000, NULL) == CATENA_OK, "%s", catena_error_text());
    expect_value("two", bytes, 9000000);
    free(bytes);
}
END_TEST

START_TEST(a_failed_condition_on_a_large_put_says_what_is_there_and_cleans_up)
{
    uint8_t *bytes = pattern(2000000);
    struct catena_info first, second;
    ck_assert_int_eq(put("film", "small", 5, &first), CATENA_OK);
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    options.condition = CATENA_IF_ABSENT;
    ck_assert_int_eq(catena_put(client, "photos", "film", 4, bytes, 2000000, &options, &second),
                     CATENA_CONDITION_FAILED);
    ck_assert_uint_eq(second.version.lsn, first.version.lsn);
    ck_assert(strstr(catena_error_text(), "put photos/film") != NULL);
    ck_assert_uint_eq(atomic_load(&knobs->aborts), 1);
    expect_value("film", "small", 5);
    free(bytes);
}
END_TEST

START_TEST(a_stream_whose_condition_failed_is_published_again_without_its_bytes)
{
    static const size_t sizes[] = {10, 3000000};
    uint8_t *bytes = pattern(3000000);
    for (size_t i = 0; i < 2; i++) {
        struct catena_put_stream *stream = NULL;
        struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
        struct catena_info info;
        ck_assert_int_eq(put("cat", "before", 6, &info), CATENA_OK);
        catena_info_release(&info);
        options.condition = CATENA_IF_ABSENT;
        ck_assert_int_eq(catena_put_stream_open(client, "photos", "cat", 3, &options, &stream),
                         CATENA_OK);
        ck_assert_int_eq(catena_put_stream_write(stream, bytes, sizes[i]), CATENA_OK);
        ck_assert_int_eq(catena_put_stream_publish(stream, &info), CATENA_CONDITION_FAILED);
        expect_value("cat", "before", 6);
        options.condition = CATENA_IF_VERSION;
        options.version = info.version;
        options.version.lsn += 1000;
        catena_info_release(&info);
        ck_assert_int_eq(catena_put_stream_set_options(stream, &options), CATENA_OK);
        ck_assert_int_eq(catena_put_stream_publish(stream, &info), CATENA_CONDITION_FAILED);
        options.version = info.version;
        catena_info_release(&info);
        ck_assert_int_eq(catena_put_stream_set_options(stream, &options), CATENA_OK);
        ck_assert_int_eq(catena_put_stream_publish(stream, &info), CATENA_OK);
        ck_assert_uint_eq(info.size, sizes[i]);
        catena_info_release(&info);
        expect_value("cat", bytes, sizes[i]);
    }
    free(bytes);
}
END_TEST

START_TEST(a_stream_that_stayed_can_be_given_up)
{
    struct catena_put_stream *stream = NULL;
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    uint8_t *bytes = pattern(3000000);
    ck_assert_int_eq(put("cat", "before", 6, NULL), CATENA_OK);
    options.condition = CATENA_IF_ABSENT;
    ck_assert_int_eq(catena_put_stream_open(client, "photos", "cat", 3, &options, &stream),
                     CATENA_OK);
    ck_assert_int_eq(catena_put_stream_write(stream, bytes, 3000000), CATENA_OK);
    ck_assert_int_eq(catena_put_stream_publish(stream, NULL), CATENA_CONDITION_FAILED);
    ck_assert_int_eq(catena_put_stream_commit(stream, NULL), CATENA_CONDITION_FAILED);
    expect_value("cat", "before", 6);
    free(bytes);
}
END_TEST

START_TEST(conditions_and_metadata_travel)
{
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct catena_info info;
    options.condition = CATENA_IF_ABSENT;
    options.meta = "type=cat";
    options.meta_length = 8;
    ck_assert_int_eq(catena_put(client, "photos", "cat", 3, "meow", 4, &options, &info), CATENA_OK);
    struct catena_version version = info.version;
    ck_assert_int_eq(catena_put(client, "photos", "cat", 3, "meow", 4, &options, &info),
                     CATENA_CONDITION_FAILED);
    ck_assert_int_eq(catena_stat(client, "photos", "cat", 3, NULL, &info), CATENA_OK);
    ck_assert_uint_eq(info.meta_length, 8);
    ck_assert_int_eq(memcmp(info.meta, "type=cat", 8), 0);
    catena_info_release(&info);
    options.condition = CATENA_IF_VERSION;
    options.version = (struct catena_version){.epoch = 1, .lsn = version.lsn + 99};
    ck_assert_int_eq(catena_delete(client, "photos", "cat", 3, &options, NULL),
                     CATENA_CONDITION_FAILED);
    options.version = version;
    ck_assert_int_eq(catena_delete(client, "photos", "cat", 3, &options, NULL), CATENA_OK);
    ck_assert_int_eq(catena_delete(client, "photos", "cat", 3, NULL, NULL), CATENA_NO_KEY);
}
END_TEST

START_TEST(an_unanswered_put_is_found_again_by_its_number)
{
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    options.condition = CATENA_IF_ABSENT;
    atomic_store(&knobs->mute_puts, 1);
    ck_assert_int_eq(catena_put(client, "photos", "cat", 3, "meow", 4, &options, NULL),
                     CATENA_OK); /* not a false conflict with itself */
}
END_TEST

START_TEST(a_put_that_stays_unanswered_is_unknown)
{
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    options.timeout_ms = 300;
    atomic_store(&knobs->mute_puts, 100);
    ck_assert_int_eq(catena_put(client, "photos", "cat", 3, "meow", 4, &options, NULL),
                     CATENA_OUTCOME_UNKNOWN);
    ck_assert(strstr(catena_error_text(), "may or may not") != NULL);
    atomic_store(&knobs->mute_puts, 0);
    atomic_store(&knobs->slow_gets, 100);
    ck_assert_int_eq(catena_stat(client, "photos", "cat", 3, &options, NULL), CATENA_TIMEOUT);
}
END_TEST

START_TEST(a_corrupt_chunk_is_fetched_again_and_a_lost_one_reported)
{
    uint8_t *bytes = pattern(4000000);
    ck_assert_int_eq(put("film", bytes, 4000000, NULL), CATENA_OK);
    atomic_store(&knobs->corrupt_chunks, 1);
    expect_value("film", bytes, 4000000);
    atomic_store(&knobs->corrupt_chunks, 1000);
    void *got;
    size_t length;
    ck_assert_int_eq(catena_get(client, "photos", "film", 4, NULL, &got, &length, NULL),
                     CATENA_CORRUPT);
    atomic_store(&knobs->corrupt_chunks, 0);
    atomic_store(&knobs->lost_chunks, 2); /* on both replicas: read again from the start */
    expect_value("film", bytes, 4000000);
    free(bytes);
}
END_TEST

START_TEST(a_get_stream_reads_in_pieces_and_may_be_left_early)
{
    uint8_t *bytes = pattern(5000000);
    uint8_t piece[70000];
    struct catena_get_stream *stream;
    struct catena_info info;
    ck_assert_int_eq(put("film", bytes, 5000000, NULL), CATENA_OK);
    ck_assert_int_eq(
        catena_get_stream_open(client, "photos", "film", 4, 0, UINT64_MAX, NULL, &stream, &info),
        CATENA_OK);
    ck_assert_uint_eq(info.size, 5000000);
    catena_info_release(&info);
    size_t at = 0, got;
    do {
        ck_assert_int_eq(catena_get_stream_read(stream, piece, sizeof piece, &got), CATENA_OK);
        ck_assert(memcmp(piece, bytes + at, got) == 0);
        at += got;
    } while (got > 0);
    ck_assert_uint_eq(at, 5000000);
    catena_get_stream_close(stream);
    ck_assert_int_eq(
        catena_get_stream_open(client, "photos", "film", 4, 100, 4000000, NULL, &stream, NULL),
        CATENA_OK);
    ck_assert_int_eq(catena_get_stream_read(stream, piece, 10, &got), CATENA_OK);
    ck_assert_int_eq(memcmp(piece, bytes + 100, got), 0);
    catena_get_stream_close(stream);
    free(bytes);
}
END_TEST

START_TEST(a_get_stream_lends_its_bytes_without_a_copy)
{
    static const size_t sizes[] = {70000, 1, 5000000, 1048576};
    uint8_t *bytes = pattern(5000000);
    struct catena_get_stream *stream;
    const void *lent = bytes;
    size_t got = 1;
    ck_assert_int_eq(put("film", bytes, 5000000, NULL), CATENA_OK);
    ck_assert_int_eq(put("note", bytes, 300, NULL), CATENA_OK);
    for (size_t offset = 0; offset < 3; offset++) {
        uint64_t end = offset == 2 ? 1100000 : 5000000;
        ck_assert_int_eq(catena_get_stream_open(client, "photos", "film", 4, offset, end - offset,
                                                NULL, &stream, NULL),
                         CATENA_OK);
        uint64_t at = offset;
        for (unsigned i = 0; got > 0; i++) {
            size_t size = sizes[i % 4];
            ck_assert_int_eq(catena_get_stream_next(stream, size, &lent, &got), CATENA_OK);
            ck_assert(got <= size);
            ck_assert(got == 0 || memcmp(lent, bytes + at, got) == 0);
            at += got;
        }
        ck_assert_uint_eq(at, end);
        catena_get_stream_close(stream);
        got = 1;
    }
    ck_assert_int_eq(
        catena_get_stream_open(client, "photos", "note", 4, 0, UINT64_MAX, NULL, &stream, NULL),
        CATENA_OK);
    ck_assert_int_eq(catena_get_stream_next(stream, 0, &lent, &got), CATENA_INVALID);
    ck_assert_int_eq(catena_get_stream_next(stream, 1000, &lent, &got), CATENA_OK);
    ck_assert_uint_eq(got, 300);
    ck_assert(memcmp(lent, bytes, 300) == 0);
    ck_assert_int_eq(catena_get_stream_read(stream, bytes, 1000, &got), CATENA_OK);
    ck_assert_uint_eq(got, 0);
    catena_get_stream_close(stream);
    free(bytes);
}
END_TEST

struct opened {
    atomic_bool has_ended;
    enum catena_status status;
    uint64_t size;
    uint8_t value[70000];
    size_t value_length;
    struct catena_get_stream *stream;
};

static void on_opened(void *context, const struct catena_result *result,
                      struct catena_get_stream *stream)
{
    struct opened *opened = context;
    opened->status = result->status;
    opened->stream = stream;
    opened->size = result->info->size;
    opened->value_length = result->value_length;
    if (result->value_length > 0)
        memcpy(opened->value, result->value, result->value_length);
    atomic_store(&opened->has_ended, true);
}

static struct opened *open_without_waiting(const char *key)
{
    static struct opened opened;
    opened = (struct opened){0};
    ck_assert_int_eq(
        catena_get_stream_open_async(client, "photos", key, strlen(key), NULL, on_opened, &opened),
        CATENA_OK);
    for (int i = 0; i < 20000 && !atomic_load(&opened.has_ended); i++)
        (void)poll(NULL, 0, 1);
    ck_assert(atomic_load(&opened.has_ended));
    return &opened;
}

START_TEST(a_stream_opened_without_waiting_brings_a_short_value_at_once)
{
    uint8_t *bytes = pattern(5000000);
    ck_assert_int_eq(put("short", bytes, 60000, NULL), CATENA_OK);
    ck_assert_int_eq(put("empty", bytes, 0, NULL), CATENA_OK);
    ck_assert_int_eq(put("film", bytes, 5000000, NULL), CATENA_OK);
    struct opened *opened = open_without_waiting("short");
    ck_assert_int_eq(opened->status, CATENA_OK);
    ck_assert_ptr_null(opened->stream);
    ck_assert_uint_eq(opened->value_length, 60000);
    ck_assert_int_eq(memcmp(opened->value, bytes, 60000), 0);
    opened = open_without_waiting("empty");
    ck_assert_int_eq(opened->status, CATENA_OK);
    ck_assert_ptr_null(opened->stream);
    ck_assert_uint_eq(opened->size, 0);
    opened = open_without_waiting("missing");
    ck_assert_int_eq(opened->status, CATENA_NO_KEY);
    ck_assert_ptr_null(opened->stream);
    opened = open_without_waiting("film");
    ck_assert_int_eq(opened->status, CATENA_OK);
    ck_assert_ptr_nonnull(opened->stream);
    ck_assert_uint_eq(opened->size, 5000000);
    uint8_t *got = pattern(5000000);
    memset(got, 0, 5000000);
    size_t at = 0, length = 1;
    while (length > 0 && at < 5000000) {
        ck_assert_int_eq(catena_get_stream_read(opened->stream, got + at, 5000000 - at, &length),
                         CATENA_OK);
        at += length;
    }
    ck_assert_int_eq(memcmp(got, bytes, 5000000), 0);
    catena_get_stream_close(opened->stream);
    ck_assert_int_eq(catena_get_stream_open_async(client, "photos", "film", 4, NULL, NULL, NULL),
                     CATENA_INVALID);
    free(got);
    free(bytes);
}
END_TEST

START_TEST(listings_of_any_length_are_complete)
{
    char key[32];
    for (int i = 0; i < 2500; i++) {
        (void)snprintf(key, sizeof key, "dir/%05d", i);
        ck_assert_int_eq(put(key, "x", 1, NULL), CATENA_OK);
    }
    struct catena_list list;
    ck_assert_int_eq(catena_list(client, "photos", "dir/", 4, NULL, 0, NULL, 10000, &list),
                     CATENA_OK);
    ck_assert_uint_eq(list.count, 2500);
    ck_assert(!list.truncated);
    for (size_t i = 0; i < list.count; i++) {
        (void)snprintf(key, sizeof key, "dir/%05zu", i);
        ck_assert_str_eq(list.items[i].key, key);
    }
    catena_list_release(&list);
    ck_assert_int_eq(catena_list(client, "photos", NULL, 0, "dir/00009", 9, NULL, 3, &list),
                     CATENA_OK);
    ck_assert_uint_eq(list.count, 3);
    ck_assert_str_eq(list.items[0].key, "dir/00010");
    ck_assert(list.truncated);
    catena_list_release(&list);
    ck_assert_int_eq(catena_list(client, "nobody", NULL, 0, NULL, 0, NULL, 0, &list),
                     CATENA_NO_BUCKET);
}
END_TEST

START_TEST(buckets_come_and_go)
{
    struct catena_bucket *buckets;
    size_t count;
    ck_assert_int_eq(catena_bucket_create(client, "music"), CATENA_OK);
    ck_assert_int_eq(catena_bucket_create(client, "music"), CATENA_BUCKET_EXISTS);
    ck_assert_int_eq(catena_bucket_create(client, "No"), CATENA_INVALID);
    ck_assert_int_eq(catena_bucket_list(client, &buckets, &count), CATENA_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(buckets[0].name, "music");
    ck_assert_str_eq(buckets[1].name, "photos");
    free(buckets);
    ck_assert_int_eq(put("cat", "x", 1, NULL), CATENA_OK);
    ck_assert_int_eq(catena_bucket_delete(client, "photos"), CATENA_BUCKET_NOT_EMPTY);
    ck_assert_int_eq(catena_delete(client, "photos", "cat", 3, NULL, NULL), CATENA_OK);
    ck_assert_int_eq(catena_bucket_delete(client, "photos"), CATENA_OK);
    ck_assert_int_eq(catena_stat(client, "photos", "cat", 3, NULL, NULL), CATENA_NO_BUCKET);
}
END_TEST

START_TEST(the_cluster_is_described_and_keys_are_located)
{
    struct catena_cluster *view;
    const struct catena_chain *chain;
    ck_assert_int_eq(catena_locate(client, "photos", "cat", 3, &view, &chain), CATENA_OK);
    ck_assert_uint_eq(view->chain_count, 4);
    ck_assert_uint_eq(view->node_count, 2);
    ck_assert_uint_eq(view->nodes[1].node, 2);
    ck_assert_uint_eq(view->master_count, 1);
    ck_assert(view->masters[0].is_leader);
    ck_assert_uint_eq(chain->member_count, 2);
    ck_assert_str_eq(chain->members[0].role, "head");
    ck_assert_str_eq(chain->members[1].role, "tail");
    ck_assert_uint_eq(chain->members[1].pid, 42);
    catena_cluster_free(view);
    ck_assert_int_eq(catena_admin_node_remove(client, 3), CATENA_UNSUPPORTED);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        values_of_every_size_come_back,
        ranges_are_cut_at_the_end,
        a_stream_shows_nothing_before_its_commit,
        a_small_stream_is_one_put,
        an_aborted_stream_leaves_nothing,
        a_large_put_survives_refusals_and_a_lost_connection,
        a_failed_condition_on_a_large_put_says_what_is_there_and_cleans_up,
        a_stream_whose_condition_failed_is_published_again_without_its_bytes,
        a_stream_that_stayed_can_be_given_up,
        conditions_and_metadata_travel,
        an_unanswered_put_is_found_again_by_its_number,
        a_put_that_stays_unanswered_is_unknown,
        a_corrupt_chunk_is_fetched_again_and_a_lost_one_reported,
        a_get_stream_reads_in_pieces_and_may_be_left_early,
        a_get_stream_lends_its_bytes_without_a_copy,
        a_stream_opened_without_waiting_brings_a_short_value_at_once,
        listings_of_any_length_are_complete,
        buckets_come_and_go,
        the_cluster_is_described_and_keys_are_located,
    };
    Suite *suite = suite_create("client_objects");
    TCase *cases = tcase_create("client_objects");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
