#include "tests/integration/lib/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char parts_bucket[] = "parts";

void parts_expect(enum catena_status status, enum catena_status wanted, const char *what)
{
    if (status != wanted)
        test_fail("%s: %s instead of %s: %s", what, catena_status_name(status),
                  catena_status_name(wanted), catena_error_text());
}

struct catena_client *parts_client(void)
{
    struct catena_options options = CATENA_OPTIONS_INIT;
    struct catena_client *client = NULL;
    options.timeout_ms = 60000;
    parts_expect(catena_open(&options, &client), CATENA_OK, "open");
    return client;
}

double parts_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Bytes that depend on `seed` and position. */
uint8_t *parts_bytes(uint64_t seed, size_t length)
{
    uint8_t *bytes = malloc(length + 1);
    uint64_t state = seed * 2 + 1;
    CHECK(bytes != NULL);
    for (size_t i = 0; i < length; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(state >> 56);
    }
    return bytes;
}

struct catena_upload_id parts_begin(struct catena_client *client, const char *key)
{
    struct catena_upload_id upload;
    parts_expect(catena_multipart_create(client, parts_bucket, key, strlen(key), NULL, &upload),
                 CATENA_OK, "begin an upload");
    return upload;
}

enum catena_status parts_try(struct catena_client *client, const char *key,
                             struct catena_upload_id upload, uint32_t number, const void *bytes,
                             size_t length, struct catena_info *ret_info)
{
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct catena_put_stream *stream = NULL;
    char meta[16];
    options.meta = meta;
    options.meta_length = (size_t)snprintf(meta, sizeof meta, "part %u", number);
    parts_expect(catena_multipart_part_open(client, parts_bucket, key, strlen(key), upload, number,
                                            &options, &stream),
                 CATENA_OK, "open a part");
    for (size_t at = 0; at < length; at += 700000) {
        size_t piece = length - at < 700000 ? length - at : 700000;
        if (catena_put_stream_write(stream, (const char *)bytes + at, piece) != CATENA_OK)
            break; /* the commit says why */
    }
    return catena_put_stream_commit(stream, ret_info);
}

struct catena_version parts_put(struct catena_client *client, const char *key,
                                struct catena_upload_id upload, uint32_t number, const void *bytes,
                                size_t length)
{
    struct catena_info info;
    parts_expect(parts_try(client, key, upload, number, bytes, length, &info), CATENA_OK,
                 "put a part");
    CHECK(info.size == length && info.version.epoch > 0);
    struct catena_version version = info.version;
    catena_info_release(&info);
    return version;
}

enum catena_status parts_complete(struct catena_client *client, const char *key,
                                  struct catena_upload_id upload,
                                  const struct catena_part_choice *choices, size_t count,
                                  const struct catena_op_options *options,
                                  struct catena_info *ret_info)
{
    return catena_multipart_complete(client, parts_bucket, key, strlen(key), upload, choices, count,
                                     options, ret_info);
}

void parts_expect_value(struct catena_client *client, const char *key, const void *bytes,
                        size_t length)
{
    void *got = NULL;
    size_t got_length = 0;
    parts_expect(catena_get(client, parts_bucket, key, strlen(key), NULL, &got, &got_length, NULL),
                 CATENA_OK, "get");
    CHECK(got_length == length);
    CHECK(memcmp(got, bytes, length) == 0);
    free(got);
}
