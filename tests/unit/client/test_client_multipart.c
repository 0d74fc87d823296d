/* Multipart uploads, restamping and tokens over a real transport, against a cluster in memory. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/include/catena.h"
#include "fake_cluster.h"

enum { PATTERN_BYTES = 6000000 };

static struct fake_cluster *cluster;
static struct fake_knobs *knobs;
static struct catena_client *client;
static uint8_t *pattern;

static void setup(void)
{
    cluster = fake_cluster_new();
    knobs = fake_cluster_knobs(cluster);
    struct catena_options options = CATENA_OPTIONS_INIT;
    options.masters = fake_cluster_address(cluster);
    options.timeout_ms = 20000;
    options.window_bytes = 2 * 1024 * 1024;
    ck_assert_msg(catena_open(&options, &client) == CATENA_OK, "%s", catena_error_text());
    ck_assert_int_eq(catena_bucket_create(client, "photos"), CATENA_OK);
    pattern = malloc(PATTERN_BYTES);
    uint32_t state = 12345;
    for (size_t i = 0; i < PATTERN_BYTES; i++) {
        state = state * 1664525u + 1013904223u;
        pattern[i] = (uint8_t)(state >> 24);
    }
}

static void teardown(void)
{
    catena_close(client);
    fake_cluster_free(cluster);
    free(pattern);
}

static void expect_status(enum catena_status status, enum catena_status expected)
{
    ck_assert_msg(status == expected, "%s instead of %s: %s", catena_status_name(status),
                  catena_status_name(expected), catena_error_text());
}

static void expect_words(const char *words)
{
    ck_assert_msg(strstr(catena_error_text(), words) != NULL, "%s", catena_error_text());
}

static struct catena_upload_id begin(const char *key)
{
    struct catena_upload_id upload = {0};
    expect_status(catena_multipart_create(client, "photos", key, strlen(key), NULL, &upload),
                  CATENA_OK);
    return upload;
}

static struct catena_put_stream *open_part(const char *key, struct catena_upload_id upload,
                                           uint32_t number, const char *meta)
{
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct catena_put_stream *stream = NULL;
    options.meta = meta;
    options.meta_length = strlen(meta);
    expect_status(catena_multipart_part_open(client, "photos", key, strlen(key), upload, number,
                                             &options, &stream),
                  CATENA_OK);
    return stream;
}

/* Bytes [at, at + length) of the pattern become a part. */
static struct catena_version put_part(const char *key, struct catena_upload_id upload,
                                      uint32_t number, size_t at, size_t length)
{
    struct catena_info info;
    struct catena_put_stream *stream = open_part(key, upload, number, "etag");
    for (size_t done = 0; done < length;) {
        size_t piece = length - done < 300000 ? length - done : 300000;
        expect_status(catena_put_stream_write(stream, pattern + at + done, piece), CATENA_OK);
        done += piece;
    }
    expect_status(catena_put_stream_commit(stream, &info), CATENA_OK);
    ck_assert_uint_eq(info.size, length);
    struct catena_version version = info.version;
    catena_info_release(&info);
    return version;
}

static enum catena_status complete(const char *key, struct catena_upload_id upload,
                                   const struct catena_part_choice *choices, size_t count,
                                   const struct catena_op_options *options)
{
    return catena_multipart_complete(client, "photos", key, strlen(key), upload, choices, count,
                                     options, NULL);
}

static const struct catena_part_choice four[] = {
    {.number = 1}, {.number = 2}, {.number = 7}, {.number = 10000}};

/* 100,000 bytes, an empty part, 2,500,000 bytes, 1,048,576 bytes: 3,648,576 of the pattern. */
static struct catena_upload_id put_four_parts(const char *key)
{
    struct catena_upload_id upload = begin(key);
    (void)put_part(key, upload, 10000, 2600000, 1048576);
    (void)put_part(key, upload, 1, 5000, 7); /* replaced below */
    (void)put_part(key, upload, 7, 100000, 2500000);
    (void)put_part(key, upload, 2, 0, 0);
    (void)put_part(key, upload, 1, 0, 100000);
    (void)put_part(key, upload, 8, 0, 10); /* not chosen */
    return upload;
}

enum { FOUR_BYTES = 3648576 };

START_TEST(parts_in_any_order_become_one_object)
{
    struct catena_info info;
    void *got = NULL;
    size_t length = 0;
    struct catena_upload_id upload = put_four_parts("film");
    expect_status(catena_stat(client, "photos", "film", 4, NULL, NULL), CATENA_NO_KEY);
    expect_status(
        catena_multipart_complete(client, "photos", "film", 4, upload, four, 4, NULL, &info),
        CATENA_OK);
    ck_assert_uint_eq(info.part_count, 4);
    ck_assert_uint_eq(info.upload.low, upload.low);
    ck_assert_uint_eq(info.replicas_durable, 2);
    expect_status(catena_get(client, "photos", "film", 4, NULL, &got, &length, &info), CATENA_OK);
    ck_assert_uint_eq(length, FOUR_BYTES);
    ck_assert_int_eq(memcmp(got, pattern, length), 0);
    ck_assert_uint_eq(info.size, FOUR_BYTES);
    ck_assert_uint_eq(info.part_count, 4);
    ck_assert_uint_eq(info.upload.high, upload.high);
    free(got);
    catena_info_release(&info);
    expect_status(catena_stat(client, "photos", "film", 4, NULL, &info), CATENA_OK);
    ck_assert_uint_eq(info.part_count, 4);
    catena_info_release(&info);
}
END_TEST

START_TEST(a_part_is_staged_however_small)
{
    struct catena_upload_id upload = begin("film");
    (void)put_part("film", upload, 1, 0, 10);
    ck_assert_uint_eq(atomic_load(&knobs->stages), 1);
    (void)put_part("film", upload, 2, 0, 0);
    ck_assert_uint_eq(atomic_load(&knobs->stages), 1);
}
END_TEST

START_TEST(an_object_of_empty_parts_is_empty)
{
    struct catena_upload_id upload = begin("film");
    const struct catena_part_choice both[] = {{.number = 1}, {.number = 2}};
    void *got = NULL;
    size_t length = 1;
    (void)put_part("film", upload, 1, 0, 0);
    (void)put_part("film", upload, 2, 0, 0);
    expect_status(complete("film", upload, both, 2, NULL), CATENA_OK);
    expect_status(catena_get(client, "photos", "film", 4, NULL, &got, &length, NULL), CATENA_OK);
    ck_assert_uint_eq(length, 0);
    free(got);
}
END_TEST

START_TEST(ranges_cross_the_borders_of_parts)
{
    static const uint64_t borders[] = {0, 100000, 1148576, 2197152, 2600000, FOUR_BYTES};
    static const uint64_t around[] = {0, 1, 2, 1000};
    struct catena_upload_id upload = put_four_parts("film");
    expect_status(complete("film", upload, four, 4, NULL), CATENA_OK);
    for (unsigned i = 0; i < sizeof borders / sizeof borders[0]; i++) {
        for (unsigned k = 0; k < 16; k++) {
            uint64_t before = around[k / 4];
            uint64_t begin_at = borders[i] < before ? 0 : borders[i] - before;
            uint64_t wanted = before + around[k % 4];
            uint64_t expected = begin_at + wanted > FOUR_BYTES ? FOUR_BYTES - begin_at : wanted;
            void *got = NULL;
            size_t length = 0;
            expect_status(catena_get_range(client, "photos", "film", 4, begin_at, wanted, NULL,
                                           &got, &length, NULL),
                          CATENA_OK);
            ck_assert_uint_eq(length, expected);
            ck_assert(length == 0 || memcmp(got, pattern + begin_at, length) == 0);
            free(got);
        }
    }
}
END_TEST

START_TEST(a_stream_reads_through_the_parts)
{
    struct catena_get_stream *stream = NULL;
    static uint8_t bytes[77777];
    struct catena_upload_id upload = put_four_parts("film");
    expect_status(complete("film", upload, four, 4, NULL), CATENA_OK);
    expect_status(
        catena_get_stream_open(client, "photos", "film", 4, 99999, UINT64_MAX, NULL, &stream, NULL),
        CATENA_OK);
    size_t at = 99999;
    for (;;) {
        size_t length = 0;
        expect_status(catena_get_stream_read(stream, bytes, sizeof bytes, &length), CATENA_OK);
        if (length == 0)
            break;
        ck_assert_int_eq(memcmp(bytes, pattern + at, length), 0);
        at += length;
    }
    ck_assert_uint_eq(at, FOUR_BYTES);
    catena_get_stream_close(stream);
}
END_TEST

struct answer {
    pthread_mutex_t mutex;
    pthread_cond_t came;
    bool is_there;
    enum catena_status status;
    size_t length;
    bool is_equal;
    uint32_t part_count;
};

static void on_answer(void *context, const struct catena_result *result)
{
    struct answer *answer = context;
    pthread_mutex_lock(&answer->mutex);
    answer->status = result->status;
    answer->length = result->value_length;
    answer->is_equal =
        result->status == CATENA_OK && memcmp(result->value, pattern, result->value_length) == 0;
    answer->part_count = result->info->part_count;
    answer->is_there = true;
    pthread_cond_signal(&answer->came);
    pthread_mutex_unlock(&answer->mutex);
}

START_TEST(an_assembled_object_is_got_asynchronously_too)
{
    struct answer answer = {.mutex = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
    struct catena_upload_id upload = put_four_parts("film");
    expect_status(complete("film", upload, four, 4, NULL), CATENA_OK);
    expect_status(catena_get_async(client, "photos", "film", 4, NULL, on_answer, &answer),
                  CATENA_OK);
    pthread_mutex_lock(&answer.mutex);
    while (!answer.is_there)
        pthread_cond_wait(&answer.came, &answer.mutex);
    pthread_mutex_unlock(&answer.mutex);
    expect_status(answer.status, CATENA_OK);
    ck_assert_uint_eq(answer.length, FOUR_BYTES);
    ck_assert(answer.is_equal);
    ck_assert_uint_eq(answer.part_count, 4);
}
END_TEST

START_TEST(a_part_that_does_not_match_its_checksum_is_not_passed_over)
{
    void *got = NULL;
    size_t length = 0;
    struct catena_upload_id upload = begin("film");
    const struct catena_part_choice both[] = {{.number = 1}, {.number = 2}};
    atomic_store(&knobs->wrong_sums, 1);
    (void)put_part("film", upload, 1, 0, 1500000);
    (void)put_part("film", upload, 2, 1500000, 500000);
    expect_status(complete("film", upload, both, 2, NULL), CATENA_OK);
    expect_status(catena_get(client, "photos", "film", 4, NULL, &got, &length, NULL),
                  CATENA_CORRUPT);
    expect_words("checksum of its writer");
    expect_status(
        catena_get_range(client, "photos", "film", 4, 1500000, 500000, NULL, &got, &length, NULL),
        CATENA_OK);
    ck_assert_int_eq(memcmp(got, pattern + 1500000, 500000), 0);
    free(got);
}
END_TEST

START_TEST(the_parts_of_an_object_are_told)
{
    struct catena_parts parts;
    struct catena_info info;
    struct catena_upload_id upload = put_four_parts("film");
    expect_status(complete("film", upload, four, 4, NULL), CATENA_OK);
    expect_status(catena_object_parts(client, "photos", "film", 4, &parts, &info), CATENA_OK);
    static const uint64_t sizes[] = {100000, 0, 2500000, 1048576};
    ck_assert_uint_eq(parts.count, 4);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_eq(parts.items[i].number, four[i].number);
        ck_assert_uint_eq(parts.items[i].size, sizes[i]);
        ck_assert_uint_eq(parts.items[i].meta_length, 4);
        ck_assert_int_eq(memcmp(parts.items[i].meta, "etag", 4), 0);
    }
    ck_assert_uint_eq(info.size, FOUR_BYTES);
    catena_parts_release(&parts);
    catena_info_release(&info);
    expect_status(catena_put(client, "photos", "note", 4, "hello", 5, NULL, NULL), CATENA_OK);
    expect_status(catena_object_parts(client, "photos", "note", 4, &parts, NULL), CATENA_OK);
    ck_assert_uint_eq(parts.count, 0);
    expect_status(catena_object_parts(client, "photos", "none", 4, &parts, NULL), CATENA_NO_KEY);
}
END_TEST

START_TEST(only_the_version_that_was_named_is_taken)
{
    struct catena_upload_id upload = begin("film");
    struct catena_version first = put_part("film", upload, 1, 0, 10);
    struct catena_version second = put_part("film", upload, 1, 10, 20);
    struct catena_part_choice choice = {.number = 1, .version = first};
    expect_status(complete("film", upload, &choice, 1, NULL), CATENA_NO_PART);
    expect_words("the upload goes on");
    choice.number = 2;
    choice.version = (struct catena_version){0};
    expect_status(complete("film", upload, &choice, 1, NULL), CATENA_NO_PART);
    choice.number = 1;
    choice.version = second;
    expect_status(complete("film", upload, &choice, 1, NULL), CATENA_OK);
    expect_status(complete("film", upload, &choice, 1, NULL), CATENA_NO_UPLOAD);
    expect_words("complete upload of photos/film");
}
END_TEST

START_TEST(a_completion_obeys_its_condition)
{
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct catena_info info;
    struct catena_upload_id upload = begin("film");
    const struct catena_part_choice choice = {.number = 1};
    (void)put_part("film", upload, 1, 0, 10);
    expect_status(catena_put(client, "photos", "film", 4, "first", 5, NULL, NULL), CATENA_OK);
    options.condition = CATENA_IF_ABSENT;
    expect_status(
        catena_multipart_complete(client, "photos", "film", 4, upload, &choice, 1, &options, &info),
        CATENA_CONDITION_FAILED);
    ck_assert_uint_eq(info.part_count, 0);
    options.condition = CATENA_IF_VERSION;
    options.version = info.version;
    options.meta = "colour=red";
    options.meta_length = 10;
    catena_info_release(&info);
    expect_status(complete("film", upload, &choice, 1, &options), CATENA_OK);
    expect_status(catena_stat(client, "photos", "film", 4, NULL, &info), CATENA_OK);
    ck_assert_uint_eq(info.meta_length, 10);
    catena_info_release(&info);
}
END_TEST

START_TEST(an_aborted_upload_is_gone_for_everyone)
{
    struct catena_upload_id upload = begin("film");
    const struct catena_part_choice choice = {.number = 1};
    struct catena_parts parts;
    struct catena_put_stream *late = open_part("film", upload, 2, "");
    expect_status(catena_put_stream_write(late, pattern, 2000000), CATENA_OK);
    (void)put_part("film", upload, 1, 0, 10);
    expect_status(catena_multipart_abort(client, "photos", "film", 4, upload), CATENA_OK);
    expect_status(catena_put_stream_commit(late, NULL), CATENA_NO_UPLOAD);
    expect_words("put part of photos/film (part 2 of upload ");
    ck_assert_uint_eq(atomic_load(&knobs->aborts), 1); /* its chunks */
    expect_status(complete("film", upload, &choice, 1, NULL), CATENA_NO_UPLOAD);
    expect_status(catena_multipart_parts(client, "photos", "film", 4, upload, 0, 0, &parts),
                  CATENA_NO_UPLOAD);
    expect_status(catena_multipart_abort(client, "photos", "film", 4, upload), CATENA_NO_UPLOAD);
    expect_status(catena_stat(client, "photos", "film", 4, NULL, NULL), CATENA_NO_KEY);
}
END_TEST

START_TEST(an_aborted_part_stream_leaves_nothing)
{
    struct catena_parts parts;
    struct catena_upload_id upload = begin("film");
    struct catena_put_stream *stream = open_part("film", upload, 1, "");
    expect_status(catena_put_stream_write(stream, pattern, 2000000), CATENA_OK);
    catena_put_stream_abort(stream);
    ck_assert_uint_eq(atomic_load(&knobs->aborts), 1);
    expect_status(catena_multipart_parts(client, "photos", "film", 4, upload, 0, 0, &parts),
                  CATENA_OK);
    ck_assert_uint_eq(parts.count, 0);
    catena_parts_release(&parts);
}
END_TEST

START_TEST(parts_are_listed_by_number_with_what_is_kept_with_the_upload)
{
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct catena_upload_id upload;
    struct catena_parts parts;
    options.meta = "type=text";
    options.meta_length = 9;
    expect_status(catena_multipart_create(client, "photos", "film", 4, &options, &upload),
                  CATENA_OK);
    for (uint32_t number = 20; number > 0; number--)
        (void)put_part("film", upload, number * 10, number, number);
    atomic_store(&knobs->parts_per_page, 3);
    expect_status(catena_multipart_parts(client, "photos", "film", 4, upload, 0, 0, &parts),
                  CATENA_OK);
    ck_assert_uint_eq(parts.count, 20);
    ck_assert(!parts.truncated);
    ck_assert_uint_eq(parts.created_ms, 4321);
    ck_assert_uint_eq(parts.meta_length, 9);
    ck_assert_int_eq(memcmp(parts.meta, "type=text", 9), 0);
    for (uint32_t i = 0; i < 20; i++) {
        ck_assert_uint_eq(parts.items[i].number, (i + 1) * 10);
        ck_assert_uint_eq(parts.items[i].size, i + 1);
        ck_assert_uint_gt(parts.items[i].version.lsn, 0);
        ck_assert_uint_gt(parts.items[i].mtime_ms, 0);
    }
    catena_parts_release(&parts);
    expect_status(catena_multipart_parts(client, "photos", "film", 4, upload, 55, 5, &parts),
                  CATENA_OK);
    ck_assert_uint_eq(parts.count, 5);
    ck_assert_uint_eq(parts.items[0].number, 60);
    ck_assert(parts.truncated);
    catena_parts_release(&parts);
}
END_TEST

START_TEST(uploads_are_listed_by_key_and_id_page_by_page)
{
    static const char *const keys[] = {"b", "a", "b", "c", "b", "dd"};
    struct catena_upload_id nothing = {0};
    struct catena_upload_list list;
    for (unsigned i = 0; i < 6; i++)
        (void)begin(keys[i]);
    expect_status(
        catena_multipart_list(client, "photos", NULL, 0, NULL, 0, nothing, NULL, 0, &list),
        CATENA_OK);
    ck_assert_uint_eq(list.count, 6);
    struct catena_upload_item last = list.items[5];
    ck_assert_str_eq(last.key, "dd");
    ck_assert_uint_eq(last.created_ms, 4321);
    ck_assert(!last.is_prefix);
    /* The same again, one at a time. */
    const char *after = "";
    struct catena_upload_id after_upload = nothing;
    for (unsigned i = 0; i < 6; i++) {
        struct catena_upload_list page;
        expect_status(catena_multipart_list(client, "photos", NULL, 0, after, strlen(after),
                                            after_upload, NULL, 1, &page),
                      CATENA_OK);
        ck_assert_uint_eq(page.count, 1);
        ck_assert(page.truncated == (i < 5));
        ck_assert_str_eq(page.items[0].key, list.items[i].key);
        ck_assert_uint_eq(page.items[0].upload.low, list.items[i].upload.low);
        after = list.items[i].key;
        after_upload = list.items[i].upload;
        catena_upload_list_release(&page);
    }
    catena_upload_list_release(&list);
    expect_status(catena_multipart_list(client, "photos", NULL, 0, "b", 1, nothing, NULL, 0, &list),
                  CATENA_OK);
    ck_assert_uint_eq(list.count, 2);
    ck_assert_str_eq(list.items[0].key, "c");
    catena_upload_list_release(&list);
}
END_TEST

START_TEST(a_restamp_changes_metadata_and_version_only)
{
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct catena_info before;
    struct catena_info after;
    void *got = NULL;
    size_t length = 0;
    options.meta = "colour=red";
    options.meta_length = 10;
    expect_status(catena_restamp(client, "photos", "film", 4, true, &options, NULL), CATENA_NO_KEY);
    expect_words("restamp photos/film");
    expect_status(catena_put(client, "photos", "film", 4, pattern, 2000000, NULL, NULL), CATENA_OK);
    expect_status(catena_stat(client, "photos", "film", 4, NULL, &before), CATENA_OK);
    expect_status(catena_restamp(client, "photos", "film", 4, true, &options, &after), CATENA_OK);
    ck_assert_uint_gt(after.version.lsn, before.version.lsn);
    expect_status(catena_get(client, "photos", "film", 4, NULL, &got, &length, &after), CATENA_OK);
    ck_assert_uint_eq(length, 2000000);
    ck_assert_int_eq(memcmp(got, pattern, length), 0);
    ck_assert_uint_eq(after.mtime_ms, before.mtime_ms);
    ck_assert_uint_eq(after.meta_length, 10);
    free(got);
    catena_info_release(&after);
    options.condition = CATENA_IF_VERSION;
    options.version = before.version; /* the one before */
    expect_status(catena_restamp(client, "photos", "film", 4, false, &options, NULL),
                  CATENA_CONDITION_FAILED);
    options.condition = CATENA_ALWAYS;
    expect_status(catena_restamp(client, "photos", "film", 4, false, &options, NULL), CATENA_OK);
    expect_status(catena_stat(client, "photos", "film", 4, NULL, &after), CATENA_OK);
    ck_assert_uint_gt(after.mtime_ms, before.mtime_ms);
    catena_info_release(&after);
}
END_TEST

START_TEST(updates_with_one_token_have_one_effect)
{
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct catena_info first;
    struct catena_info second;
    struct catena_upload_id uploads[2];
    options.token_high = 0x1234;
    options.token_low = 0x5678;
    expect_status(catena_put(client, "photos", "note", 4, "hello", 5, &options, &first), CATENA_OK);
    expect_status(catena_put(client, "photos", "note", 4, "hello", 5, &options, &second),
                  CATENA_OK);
    ck_assert_uint_eq(first.version.lsn, second.version.lsn);
    expect_status(catena_put(client, "photos", "note", 4, "hello", 5, NULL, &second), CATENA_OK);
    ck_assert_uint_gt(second.version.lsn, first.version.lsn);
    /* The chunks of a repeated large put are dropped. */
    options.token_low++;
    for (unsigned i = 0; i < 2; i++) {
        expect_status(catena_put(client, "photos", "large", 5, pattern, 2000000, &options, &second),
                      CATENA_OK);
        ck_assert_uint_eq(atomic_load(&knobs->aborts), i + 1);
        ck_assert(i == 0 || second.version.lsn == first.version.lsn);
        first = second;
    }
    void *got = NULL;
    size_t length = 0;
    expect_status(catena_get(client, "photos", "large", 5, NULL, &got, &length, NULL), CATENA_OK);
    ck_assert_uint_eq(length, 2000000);
    free(got);
    options.token_low++;
    for (int i = 0; i < 2; i++)
        expect_status(catena_multipart_create(client, "photos", "film", 4, &options, &uploads[i]),
                      CATENA_OK);
    ck_assert_uint_eq(uploads[0].high, uploads[1].high);
    ck_assert_uint_eq(uploads[0].low, uploads[1].low);
    expect_status(catena_delete(client, "photos", "note", 4, &options, NULL), CATENA_INVALID);
    expect_words("token");
    expect_status(catena_stat(client, "photos", "note", 4, NULL, NULL), CATENA_OK);
}
END_TEST

START_TEST(metadata_is_listed_when_it_is_asked_for)
{
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct catena_list list;
    struct catena_upload_id upload = put_four_parts("film");
    expect_status(complete("film", upload, four, 4, NULL), CATENA_OK);
    options.meta = "colour=red";
    options.meta_length = 10;
    expect_status(catena_put(client, "photos", "note", 4, "hello", 5, &options, NULL), CATENA_OK);
    expect_status(catena_list_with_meta(client, "photos", NULL, 0, NULL, 0, NULL, 0, &list),
                  CATENA_OK);
    ck_assert_uint_eq(list.count, 2);
    ck_assert_uint_eq(list.items[0].part_count, 4);
    ck_assert_uint_eq(list.items[0].meta_length, 0);
    ck_assert_uint_eq(list.items[1].meta_length, 10);
    ck_assert_int_eq(memcmp(list.items[1].meta, "colour=red", 10), 0);
    catena_list_release(&list);
    expect_status(catena_list(client, "photos", NULL, 0, NULL, 0, NULL, 0, &list), CATENA_OK);
    ck_assert_ptr_null(list.items[1].meta);
    catena_list_release(&list);
}
END_TEST

START_TEST(the_options_of_a_stream_may_be_set_before_its_commit)
{
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct catena_put_stream *stream = NULL;
    struct catena_info info;
    static const char meta[CATENA_PART_META_MAX + 1] = {0};
    options.condition = CATENA_IF_EXISTS;
    expect_status(catena_put_stream_open(client, "photos", "film", 4, &options, &stream),
                  CATENA_OK);
    expect_status(catena_put_stream_write(stream, pattern, 3000000), CATENA_OK);
    options.struct_size = 1;
    expect_status(catena_put_stream_set_options(stream, &options), CATENA_INVALID);
    expect_status(catena_put_stream_set_options(stream, NULL), CATENA_INVALID);
    options.struct_size = sizeof options;
    options.condition = CATENA_IF_ABSENT;
    options.meta = "digest=1";
    options.meta_length = 8;
    expect_status(catena_put_stream_set_options(stream, &options), CATENA_OK);
    expect_status(catena_put_stream_write(stream, pattern, 100), CATENA_OK);
    expect_status(catena_put_stream_commit(stream, NULL), CATENA_OK);
    expect_status(catena_stat(client, "photos", "film", 4, NULL, &info), CATENA_OK);
    ck_assert_uint_eq(info.size, 3000100);
    ck_assert_uint_eq(info.meta_length, 8);
    ck_assert_int_eq(memcmp(info.meta, "digest=1", 8), 0);
    catena_info_release(&info);
    /* Of a part. */
    struct catena_parts parts;
    struct catena_upload_id upload = begin("film");
    stream = open_part("film", upload, 1, "");
    options.condition = CATENA_ALWAYS;
    options.meta = meta;
    options.meta_length = sizeof meta;
    expect_status(catena_put_stream_set_options(stream, &options), CATENA_TOO_LARGE);
    options.meta_length = sizeof meta - 1;
    expect_status(catena_put_stream_set_options(stream, &options), CATENA_OK);
    expect_status(catena_put_stream_commit(stream, NULL), CATENA_OK);
    expect_status(catena_multipart_parts(client, "photos", "film", 4, upload, 0, 0, &parts),
                  CATENA_OK);
    ck_assert_uint_eq(parts.items[0].meta_length, CATENA_PART_META_MAX);
    catena_parts_release(&parts);
}
END_TEST

START_TEST(a_stream_survives_a_condition_that_failed)
{
    static const size_t sizes[] = {100, 3000000}; /* inline and chunked */
    for (unsigned i = 0; i < 2; i++) {
        struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
        struct catena_put_stream *stream = NULL;
        struct catena_info info;
        void *got = NULL;
        size_t length = 0;
        expect_status(catena_put(client, "photos", "film", 4, "first", 5, NULL, NULL), CATENA_OK);
        options.condition = CATENA_IF_ABSENT;
        expect_status(catena_put_stream_open(client, "photos", "film", 4, &options, &stream),
                      CATENA_OK);
        expect_status(catena_put_stream_write(stream, pattern, sizes[i]), CATENA_OK);
        expect_status(catena_put_stream_publish(stream, &info), CATENA_CONDITION_FAILED);
        expect_status(catena_put_stream_publish(stream, &info), CATENA_CONDITION_FAILED);
        options.condition = CATENA_IF_VERSION;
        options.version = info.version;
        expect_status(catena_put_stream_set_options(stream, &options), CATENA_OK);
        expect_status(catena_put_stream_publish(stream, &info), CATENA_OK); /* it is freed */
        expect_status(catena_get(client, "photos", "film", 4, NULL, &got, &length, NULL),
                      CATENA_OK);
        ck_assert_uint_eq(length, sizes[i]);
        ck_assert_int_eq(memcmp(got, pattern, length), 0);
        free(got);
    }
    ck_assert_uint_eq(atomic_load(&knobs->aborts), 0);
}
END_TEST

START_TEST(what_cannot_be_meant_is_refused_at_once)
{
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct catena_upload_id upload = begin("film");
    struct catena_upload_id nothing = {0};
    struct catena_put_stream *stream = NULL;
    struct catena_parts parts;
    const struct catena_part_choice backwards[] = {{.number = 2}, {.number = 1}};
    const struct catena_part_choice twice[] = {{.number = 2}, {.number = 2}};
    const struct catena_part_choice beyond = {.number = 10001};
    expect_status(catena_multipart_part_open(client, "photos", "film", 4, upload, 0, NULL, &stream),
                  CATENA_INVALID);
    expect_status(
        catena_multipart_part_open(client, "photos", "film", 4, upload, 10001, NULL, &stream),
        CATENA_INVALID);
    expect_status(
        catena_multipart_part_open(client, "photos", "film", 4, nothing, 1, NULL, &stream),
        CATENA_INVALID);
    options.condition = CATENA_IF_ABSENT;
    expect_status(
        catena_multipart_part_open(client, "photos", "film", 4, upload, 1, &options, &stream),
        CATENA_INVALID);
    expect_words("no condition");
    expect_status(catena_multipart_create(client, "photos", "film", 4, &options, &nothing),
                  CATENA_INVALID);
    ck_assert_ptr_null(stream);
    expect_status(complete("film", upload, backwards, 2, NULL), CATENA_INVALID);
    expect_words("part 1 was chosen after part 2");
    expect_status(complete("film", upload, twice, 2, NULL), CATENA_INVALID);
    expect_status(complete("film", upload, &beyond, 1, NULL), CATENA_INVALID);
    expect_status(complete("film", upload, NULL, 0, NULL), CATENA_INVALID);
    nothing = (struct catena_upload_id){0};
    expect_status(complete("film", nothing, backwards, 2, NULL), CATENA_INVALID);
    expect_status(catena_multipart_abort(client, "photos", "film", 4, nothing), CATENA_INVALID);
    expect_status(catena_multipart_parts(client, "photos", "film", 4, nothing, 0, 0, &parts),
                  CATENA_INVALID);
}
END_TEST

START_TEST(ten_thousand_choices_are_one_message)
{
    struct catena_upload_id upload = begin("film");
    struct catena_part_choice *choices = calloc(CATENA_PARTS_MAX + 1, sizeof *choices);
    for (uint32_t i = 0; i <= CATENA_PARTS_MAX; i++)
        choices[i].number = i + 1;
    expect_status(complete("film", upload, choices, CATENA_PARTS_MAX, NULL), CATENA_NO_PART);
    expect_status(complete("film", upload, choices, CATENA_PARTS_MAX + 1, NULL), CATENA_INVALID);
    free(choices);
}
END_TEST

START_TEST(upload_ids_are_written_and_read)
{
    static const char *const bad[] = {"",
                                      "0",
                                      "00000000000000000000000000000000",
                                      "0123456789abcdef0123456789abcde",
                                      "0123456789abcdef0123456789abcdef0",
                                      "0123456789ABCDEF0123456789ABCDEF",
                                      "0123456789abcdef 123456789abcdef",
                                      "0x23456789abcdef0123456789abcdef"};
    char text[CATENA_UPLOAD_TEXT_SIZE];
    struct catena_upload_id upload = {.high = 0x0123456789abcdef, .low = 0xf};
    ck_assert_str_eq(catena_upload_format(upload, text), "0123456789abcdef000000000000000f");
    struct catena_upload_id read = {0};
    ck_assert(catena_upload_parse(text, &read));
    ck_assert_uint_eq(read.high, upload.high);
    ck_assert_uint_eq(read.low, upload.low);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!catena_upload_parse(bad[i], &read), "%s", bad[i]);
    ck_assert(!catena_upload_parse(NULL, &read));
    ck_assert_uint_eq(read.low, upload.low);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        parts_in_any_order_become_one_object,
        a_part_is_staged_however_small,
        an_object_of_empty_parts_is_empty,
        ranges_cross_the_borders_of_parts,
        a_stream_reads_through_the_parts,
        an_assembled_object_is_got_asynchronously_too,
        a_part_that_does_not_match_its_checksum_is_not_passed_over,
        the_parts_of_an_object_are_told,
        only_the_version_that_was_named_is_taken,
        a_completion_obeys_its_condition,
        an_aborted_upload_is_gone_for_everyone,
        an_aborted_part_stream_leaves_nothing,
        parts_are_listed_by_number_with_what_is_kept_with_the_upload,
        uploads_are_listed_by_key_and_id_page_by_page,
        a_restamp_changes_metadata_and_version_only,
        updates_with_one_token_have_one_effect,
        metadata_is_listed_when_it_is_asked_for,
        the_options_of_a_stream_may_be_set_before_its_commit,
        a_stream_survives_a_condition_that_failed,
        what_cannot_be_meant_is_refused_at_once,
        ten_thousand_choices_are_one_message,
        upload_ids_are_written_and_read,
    };
    Suite *suite = suite_create("client_multipart");
    TCase *cases = tcase_create("client_multipart");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 60);
    for (unsigned i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
