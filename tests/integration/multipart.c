/* Multipart uploads, restamps and tokens against a real cluster; multipart.sh starts it and breaks
 * it. The first argument says what to do:
 *
 *   assemble           parts of all kinds by two clients, replaced, listed, completed, read
 *   many               10,000 parts, each with all the metadata that it may have
 *   uploads            uploads listed by prefix, delimiter and page
 *   restamp            the same bytes under other metadata
 *   race ROUNDS        a conditional completion races a conditional put: exactly one wins
 *   steady KEY SECONDS BYTES
 *                      three parts of that size, completed and read, again and again
 *   token KEY WORD     a put with a token made of WORD; prints the version and the value
 *   begin KEY          begins an upload of one part; prints its id
 *   finish KEY ID      completes what `begin` began
 *   rows DIRECTORY     counts what a stopped node's store holds
 *
 * The masters come from CATENA_MASTERS, the bucket is "parts". Status 0 only if all is well. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "chainnode/core/cn_core.h"
#include "chainnode/io/families.h"
#include "tests/integration/lib/parts.h"
#include "tests/integration/multipart.h"

static void expect_ranges(struct catena_client *client, const char *key, const uint8_t *bytes,
                          size_t length, const size_t *borders, size_t borders_count)
{
    static const size_t around[] = {0, 1, 3, 70000};
    for (size_t i = 0; i < borders_count; i++)
        for (unsigned k = 0; k < 16; k++) {
            size_t at = borders[i] < around[k / 4] ? 0 : borders[i] - around[k / 4];
            size_t wanted = around[k / 4] + around[k % 4];
            size_t rest = at > length ? 0 : length - at;
            void *got = NULL;
            size_t got_length = 0;
            parts_expect(catena_get_range(client, parts_bucket, key, strlen(key), at, wanted, NULL,
                                          &got, &got_length, NULL),
                         CATENA_OK, "get a range");
            CHECK(got_length == (wanted < rest ? wanted : rest));
            CHECK(got_length == 0 || memcmp(got, bytes + at, got_length) == 0);
            free(got);
        }
}

static void expect_stream(struct catena_client *client, const char *key, const uint8_t *bytes,
                          size_t from, size_t to)
{
    struct catena_get_stream *stream = NULL;
    static uint8_t piece[99991];
    size_t length = 1;
    size_t at = from;
    parts_expect(catena_get_stream_open(client, parts_bucket, key, strlen(key), from, to - from,
                                        NULL, &stream, NULL),
                 CATENA_OK, "open a stream");
    while (length > 0) {
        parts_expect(catena_get_stream_read(stream, piece, sizeof piece, &length), CATENA_OK,
                     "read");
        CHECK(at + length <= to && memcmp(piece, bytes + at, length) == 0);
        at += length;
    }
    CHECK(at == to);
    catena_get_stream_close(stream);
}

/* ---- assemble ---- */

enum { FIRST = 5242880, SECOND = 12345, LAST = 3000001, WHOLE = FIRST + SECOND + LAST };

struct errand {
    struct catena_client *client;
    struct catena_upload_id upload;
    const uint8_t *bytes;
    struct catena_version version;
};

static void *put_last(void *argument)
{
    struct errand *errand = argument;
    errand->version = parts_put(errand->client, "film", errand->upload, 10000,
                                errand->bytes + FIRST + SECOND, LAST);
    return NULL;
}

static void expect_parts(struct catena_client *client, struct catena_upload_id upload,
                         const struct catena_version *versions)
{
    static const uint32_t numbers[] = {1, 2, 5, 10000};
    static const uint64_t sizes[] = {FIRST, SECOND, 0, LAST};
    struct catena_parts parts;
    parts_expect(catena_multipart_parts(client, parts_bucket, "film", 4, upload, 0, 0, &parts),
                 CATENA_OK, "list the parts");
    CHECK(parts.count == 4 && !parts.truncated);
    CHECK(parts.meta_length == 9 && memcmp(parts.meta, "type=film", 9) == 0);
    CHECK(parts.created_ms > 1600000000000u);
    for (unsigned i = 0; i < 4; i++) {
        const struct catena_part *part = &parts.items[i];
        char meta[16];
        CHECK(part->number == numbers[i] && part->size == sizes[i]);
        CHECK(part->version.lsn == versions[i].lsn && part->version.epoch == versions[i].epoch);
        CHECK(part->mtime_ms >= parts.created_ms);
        CHECK(part->meta_length == (size_t)snprintf(meta, sizeof meta, "part %u", numbers[i]));
        CHECK(memcmp(part->meta, meta, part->meta_length) == 0);
    }
    catena_parts_release(&parts);
    parts_expect(catena_multipart_parts(client, parts_bucket, "film", 4, upload, 1, 2, &parts),
                 CATENA_OK, "list two parts");
    CHECK(parts.count == 2 && parts.truncated && parts.items[1].number == 5);
    catena_parts_release(&parts);
}

static void expect_object_parts(struct catena_client *client, const uint8_t *bytes,
                                struct catena_upload_id upload)
{
    struct catena_parts parts;
    struct catena_info info;
    parts_expect(catena_object_parts(client, parts_bucket, "film", 4, &parts, &info), CATENA_OK,
                 "the parts of the object");
    CHECK(parts.count == 4 && info.part_count == 4 && info.size == WHOLE);
    CHECK(info.upload.high == upload.high && info.upload.low == upload.low);
    CHECK(info.meta_length == 10 && memcmp(info.meta, "colour=red", 10) == 0);
    size_t at = 0;
    for (unsigned i = 0; i < 4; i++) {
        CHECK(parts.items[i].checksum == checksum_bytes(slice_of(bytes + at, parts.items[i].size)));
        at += parts.items[i].size;
    }
    CHECK(at == WHOLE);
    catena_parts_release(&parts);
    catena_info_release(&info);
}

static void expect_gone(struct catena_client *client, struct catena_upload_id upload)
{
    const struct catena_part_choice choice = {.number = 1};
    struct catena_parts parts;
    parts_expect(parts_complete(client, "film", upload, &choice, 1, NULL, NULL), CATENA_NO_UPLOAD,
                 "complete what is gone");
    parts_expect(parts_try(client, "film", upload, 1, "late", 4, NULL), CATENA_NO_UPLOAD,
                 "put a part of what is gone");
    parts_expect(catena_multipart_parts(client, parts_bucket, "film", 4, upload, 0, 0, &parts),
                 CATENA_NO_UPLOAD, "list the parts of what is gone");
    parts_expect(catena_multipart_abort(client, parts_bucket, "film", 4, upload), CATENA_NO_UPLOAD,
                 "abort what is gone");
}

static void assemble(void)
{
    struct catena_client *one = parts_client();
    struct catena_client *two = parts_client();
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct catena_upload_id upload;
    struct catena_version versions[4];
    uint8_t *bytes = parts_bytes(1, WHOLE);
    pthread_t other;
    options.meta = "type=film";
    options.meta_length = 9;
    parts_expect(catena_multipart_create(one, parts_bucket, "film", 4, &options, &upload),
                 CATENA_OK, "begin");
    /* The last part by another client, at the same time; the second one twice. */
    struct errand errand = {.client = two, .upload = upload, .bytes = bytes};
    CHECK(pthread_create(&other, NULL, put_last, &errand) == 0);
    struct catena_version wrong = parts_put(one, "film", upload, 2, bytes, SECOND + 77);
    versions[0] = parts_put(one, "film", upload, 1, bytes, FIRST);
    versions[1] = parts_put(one, "film", upload, 2, bytes + FIRST, SECOND);
    versions[2] = parts_put(one, "film", upload, 5, bytes, 0);
    CHECK(pthread_join(other, NULL) == 0);
    versions[3] = errand.version;
    expect_parts(two, upload, versions);
    parts_expect(catena_stat(two, parts_bucket, "film", 4, NULL, NULL), CATENA_NO_KEY,
                 "stat before");

    struct catena_part_choice choices[] = {{.number = 1, .version = versions[0]},
                                           {.number = 2, .version = wrong},
                                           {.number = 5},
                                           {.number = 10000, .version = versions[3]}};
    parts_expect(parts_complete(two, "film", upload, choices, 4, NULL, NULL), CATENA_NO_PART,
                 "complete with a version that was replaced");
    choices[1].version = versions[1];
    options.condition = CATENA_IF_EXISTS;
    options.meta = "colour=red";
    options.meta_length = 10;
    parts_expect(parts_complete(two, "film", upload, choices, 4, &options, NULL),
                 CATENA_CONDITION_FAILED, "complete under a condition that does not hold");
    expect_parts(one, upload, versions); /* the upload goes on */
    options.condition = CATENA_IF_ABSENT;
    struct catena_info info;
    parts_expect(parts_complete(one, "film", upload, choices, 4, &options, &info), CATENA_OK,
                 "complete");
    CHECK(info.replicas_durable == 3 && info.part_count == 4);
    parts_expect_value(two, "film", bytes, WHOLE);
    static const size_t borders[] = {0,    1048576, FIRST, FIRST + SECOND, FIRST + SECOND + 1048576,
                                     WHOLE};
    expect_ranges(two, "film", bytes, WHOLE, borders, sizeof borders / sizeof borders[0]);
    expect_stream(one, "film", bytes, 0, WHOLE);
    expect_stream(one, "film", bytes, FIRST - 1, FIRST + SECOND + 1);
    expect_object_parts(two, bytes, upload);
    expect_gone(one, upload);
    struct catena_list list;
    parts_expect(catena_list_with_meta(one, parts_bucket, "film", 4, NULL, 0, NULL, 0, &list),
                 CATENA_OK, "list");
    CHECK(list.count == 1 && list.items[0].part_count == 4 && list.items[0].size == WHOLE);
    CHECK(list.items[0].meta_length == 10);
    catena_list_release(&list);

    /* Aborted: its parts and the bytes under way are gone, the object stays. */
    struct catena_upload_id second = parts_begin(one, "film");
    (void)parts_put(one, "film", second, 1, bytes, 2000000);
    parts_expect(catena_multipart_abort(two, parts_bucket, "film", 4, second), CATENA_OK, "abort");
    expect_gone(two, second);
    parts_expect_value(one, "film", bytes, WHOLE);
    parts_expect(catena_delete(one, parts_bucket, "film", 4, NULL, NULL), CATENA_OK, "delete");
    free(bytes);
    catena_close(one);
    catena_close(two);
    printf("assembled 4 parts of 2 clients: %d bytes\n", WHOLE);
}

/* ---- uploads ---- */

static void expect_uploads(struct catena_client *client, const char *prefix, const char *delimiter,
                           uint32_t limit, const char *const *keys, size_t count)
{
    struct catena_upload_id after = {0};
    char after_key[64] = "";
    size_t at = 0;
    bool is_more = true;
    while (is_more) {
        struct catena_upload_list list;
        parts_expect(catena_multipart_list(client, parts_bucket, prefix, strlen(prefix), after_key,
                                           strlen(after_key), after, delimiter, limit, &list),
                     CATENA_OK, "list uploads");
        for (size_t i = 0; i < list.count; i++, at++) {
            const struct catena_upload_item *item = &list.items[i];
            size_t length = strlen(item->key);
            if (at >= count || strcmp(item->key, keys[at]) != 0)
                test_fail("uploads of \"%s\", limit %u: item %zu is %s", prefix, limit, at,
                          item->key);
            CHECK(item->is_prefix == (delimiter != NULL && item->key[length - 1] == '/'));
            CHECK(item->is_prefix || item->created_ms > 1600000000000u);
            CHECK(item->is_prefix || (item->upload.high | item->upload.low) != 0);
            bool is_same_key = strcmp(item->key, after_key) == 0;
            CHECK(!is_same_key || item->upload.high > after.high ||
                  (item->upload.high == after.high && item->upload.low > after.low));
            after = item->upload;
            (void)snprintf(after_key, sizeof after_key, "%s", item->key);
        }
        is_more = list.truncated;
        catena_upload_list_release(&list);
    }
    CHECK(at == count);
}

static void list_uploads(void)
{
    static const char *const keys[] = {"list/a",   "list/b", "list/b",   "list/b",   "list/c/1",
                                       "list/c/2", "list/d", "list/e/1", "list/e/1", "other"};
    static const char *const folded[] = {"list/a",  "list/b", "list/b", "list/b",
                                         "list/c/", "list/d", "list/e/"};
    struct catena_client *client = parts_client();
    struct catena_upload_id uploads[10];
    for (unsigned i = 0; i < 10; i++)
        uploads[i] = parts_begin(client, keys[i]);
    for (uint32_t limit = 1; limit <= 10; limit++) {
        expect_uploads(client, "", NULL, limit, keys, 10);
        expect_uploads(client, "list/", NULL, limit, keys, 9);
        expect_uploads(client, "list/", "/", limit, folded, 7);
    }
    struct catena_upload_list list;
    struct catena_upload_id none = {0};
    parts_expect(
        catena_multipart_list(client, parts_bucket, NULL, 0, "list/b", 6, none, NULL, 0, &list),
        CATENA_OK, "list after a key");
    CHECK(list.count == 6 && strcmp(list.items[0].key, "list/c/1") == 0);
    catena_upload_list_release(&list);
    for (unsigned i = 0; i < 10; i++)
        parts_expect(
            catena_multipart_abort(client, parts_bucket, keys[i], strlen(keys[i]), uploads[i]),
            CATENA_OK, "abort");
    expect_uploads(client, "", NULL, 0, NULL, 0);
    catena_close(client);
    printf("listed 10 uploads in pages of 1 to 10\n");
}

/* ---- restamp ---- */

static void restamp_one(struct catena_client *client, const char *key, const uint8_t *bytes,
                        size_t length)
{
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct catena_info before;
    struct catena_info after;
    parts_expect(catena_stat(client, parts_bucket, key, strlen(key), NULL, &before), CATENA_OK,
                 "stat");
    options.meta = "colour=green";
    options.meta_length = 12;
    options.condition = CATENA_IF_VERSION;
    options.version = before.version;
    parts_expect(catena_restamp(client, parts_bucket, key, strlen(key), true, &options, &after),
                 CATENA_OK, "restamp");
    parts_expect(catena_restamp(client, parts_bucket, key, strlen(key), true, &options, NULL),
                 CATENA_CONDITION_FAILED, "restamp under an older version");
    parts_expect(catena_stat(client, parts_bucket, key, strlen(key), NULL, &after), CATENA_OK,
                 "stat");
    CHECK(after.mtime_ms == before.mtime_ms && after.size == length);
    CHECK(after.version.lsn != before.version.lsn && after.checksum == before.checksum);
    CHECK(after.part_count == before.part_count && after.upload.low == before.upload.low);
    CHECK(after.meta_length == 12 && memcmp(after.meta, "colour=green", 12) == 0);
    parts_expect_value(client, key, bytes, length);
    catena_info_release(&before);
    catena_info_release(&after);
}

static void restamp(void)
{
    struct catena_client *client = parts_client();
    uint8_t *bytes = parts_bytes(3, 4000000);
    const struct catena_part_choice both[] = {{.number = 1}, {.number = 2}};
    struct catena_upload_id upload = parts_begin(client, "assembled");
    (void)parts_put(client, "assembled", upload, 1, bytes, 1500000);
    (void)parts_put(client, "assembled", upload, 2, bytes + 1500000, 2500000);
    parts_expect(parts_complete(client, "assembled", upload, both, 2, NULL, NULL), CATENA_OK,
                 "complete");
    parts_expect(catena_put(client, parts_bucket, "small", 5, bytes, 100, NULL, NULL), CATENA_OK,
                 "put");
    parts_expect(catena_put(client, parts_bucket, "large", 5, bytes, 4000000, NULL, NULL),
                 CATENA_OK, "put");
    restamp_one(client, "small", bytes, 100);
    restamp_one(client, "large", bytes, 4000000);
    restamp_one(client, "assembled", bytes, 4000000);
    parts_expect(catena_restamp(client, parts_bucket, "absent", 6, false, NULL, NULL),
                 CATENA_NO_KEY, "restamp what is not there");
    free(bytes);
    catena_close(client);
    printf("restamped an inline, a chunked and an assembled object\n");
}

/* ---- small errands for the script ---- */

static void put_with_token(const char *key, const char *word)
{
    struct catena_client *client = parts_client();
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct catena_info info;
    char text[CATENA_VERSION_TEXT_SIZE];
    void *value = NULL;
    size_t length = 0;
    options.token_high = checksum_bytes(slice_of_text(word));
    options.token_low = 1;
    char own[64]; /* differs from process to process */
    int own_length = snprintf(own, sizeof own, "by process %ld", (long)getpid());
    parts_expect(catena_put(client, parts_bucket, key, strlen(key), own, (size_t)own_length,
                            &options, &info),
                 CATENA_OK, "put with a token");
    parts_expect(catena_get(client, parts_bucket, key, strlen(key), NULL, &value, &length, NULL),
                 CATENA_OK, "get");
    printf("%s %.*s\n", catena_version_format(info.version, text), (int)length,
           (const char *)value);
    free(value);
    catena_info_release(&info);
    catena_close(client);
}

static void begin_one(const char *key)
{
    struct catena_client *client = parts_client();
    char text[CATENA_UPLOAD_TEXT_SIZE];
    struct catena_upload_id upload = parts_begin(client, key);
    (void)parts_put(client, key, upload, 1, "forgotten", 9);
    printf("%s\n", catena_upload_format(upload, text));
    catena_close(client);
}

static void finish_one(const char *key, const char *id)
{
    struct catena_client *client = parts_client();
    const struct catena_part_choice choice = {.number = 1};
    struct catena_upload_id upload;
    CHECK(catena_upload_parse(id, &upload));
    parts_expect(parts_complete(client, key, upload, &choice, 1, NULL, NULL), CATENA_OK,
                 "complete");
    parts_expect_value(client, key, "forgotten", 9);
    catena_close(client);
}

/* "uploads 0 chunks 12 multi 0 purge 0 objects 3" */
static void count_rows(const char *directory)
{
    static const struct {
        const char *name;
        enum cn_family family;
    } families[] = {{"uploads", CN_FAMILY_UPLOADS},
                    {"chunks", CN_FAMILY_CHUNKS},
                    {"multi", CN_FAMILY_MULTI},
                    {"purge", CN_FAMILY_PURGE},
                    {"objects", CN_FAMILY_OBJECTS}};
    struct kv_rocksdb *store = NULL;
    char text[256];
    if (families_open(directory, 8 << 20, 8 << 20, &store, text, sizeof text) != ERR_OK)
        test_fail("%s: %s", directory, text);
    struct kv kv = kv_rocksdb_interface(store);
    struct slice all = slice_of(NULL, 0);
    for (unsigned i = 0; i < sizeof families / sizeof families[0]; i++) {
        struct kv_iterator *rows = kv_iterate(&kv, families[i].family, all, all);
        struct slice key;
        struct slice value;
        unsigned count = 0;
        while (kv.ops->iterator_next(rows, &key, &value))
            count++;
        CHECK(kv.ops->iterator_err(rows) == ERR_OK);
        kv.ops->iterator_free(rows);
        printf("%s%s %u", i == 0 ? "" : " ", families[i].name, count);
    }
    printf("\n");
    kv_rocksdb_close(store);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "assemble") == 0)
        assemble();
    else if (strcmp(what, "many") == 0)
        parts_many();
    else if (strcmp(what, "uploads") == 0)
        list_uploads();
    else if (strcmp(what, "restamp") == 0)
        restamp();
    else if (strcmp(what, "race") == 0 && argc == 3)
        parts_race((unsigned)strtoul(argv[2], NULL, 10));
    else if (strcmp(what, "steady") == 0 && argc == 5)
        parts_steady(argv[2], strtod(argv[3], NULL), strtoul(argv[4], NULL, 10));
    else if (strcmp(what, "token") == 0 && argc == 4)
        put_with_token(argv[2], argv[3]);
    else if (strcmp(what, "begin") == 0 && argc == 3)
        begin_one(argv[2]);
    else if (strcmp(what, "finish") == 0 && argc == 4)
        finish_one(argv[2], argv[3]);
    else if (strcmp(what, "rows") == 0 && argc == 3)
        count_rows(argv[2]);
    else
        test_fail("usage: multipart assemble | many | uploads | restamp | race ROUNDS | steady KEY "
                  "SECONDS "
                  "BYTES | "
                  "token KEY WORD | begin KEY | finish KEY ID | rows DIRECTORY");
    return 0;
}
