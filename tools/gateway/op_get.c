/* GetObject and HeadObject. */
#include <stdlib.h>

#include "tools/gateway/condition.h"
#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/http_time.h"
#include "tools/gateway/range.h"

enum { MOVED_TRIES = 10 };

/* What part of the object is wanted. */
struct wanted {
    bool has_range;
    bool is_part; /* ?partNumber=1: the whole object, answered like a range */
    struct gw_range range;
};

static enum s3_error read_wanted(struct s3 *s3, struct wanted *wanted)
{
    const char *header = gw_header(s3->request, "range");
    const char *part = gw_query_get(&s3->query, "partNumber");
    *wanted = (struct wanted){.range = {.length = UINT64_MAX}};
    if (part != NULL) {
        uint64_t number = 0;
        if (header != NULL)
            return S3_InvalidRequest;
        if (!gw_parse_u64(part, &number) || number < 1 || number > 10000)
            return S3_InvalidArgument;
        wanted->is_part = true;
        return number == 1 ? S3_OK : S3_InvalidPartNumber;
    }
    wanted->has_range = header != NULL && gw_range_parse(header, &wanted->range);
    if (!wanted->has_range)
        wanted->range = (struct gw_range){.length = UINT64_MAX};
    return S3_OK;
}

static void add_content_headers(struct s3 *s3, const struct gw_meta *meta)
{
    for (int i = 0; i < GW_CONTENT_COUNT; i++) {
        const char *value = gw_query_get(&s3->query, gw_content_overrides[i]);
        if (value == NULL)
            value = meta->content[i];
        if (value == NULL && i == GW_CONTENT_TYPE)
            value = "binary/octet-stream";
        if (value != NULL)
            http_add_header(s3->exchange, gw_content_headers[i], value);
    }
    for (size_t i = 0; i < meta->user_count; i++) {
        struct text name;
        text_init(&name);
        text_append(&name, "x-amz-meta-%s", meta->user[i].name);
        http_add_header(s3->exchange, text_cstr(&name), meta->user[i].value);
        text_release(&name);
    }
}

static void add_checksum(struct s3 *s3, const struct gw_meta *meta)
{
    const char *mode = gw_header(s3->request, "x-amz-checksum-mode");
    if (mode == NULL || !gw_is_equal_ignoring_case(mode, "ENABLED") ||
        meta->checksum_kind == GW_CHECKSUM_NONE)
        return;
    http_add_header(s3->exchange, gw_checksum_header(meta->checksum_kind), meta->checksum);
    http_add_header(s3->exchange, "x-amz-checksum-type", "FULL_OBJECT");
}

static void fail_range(struct s3 *s3, uint64_t size)
{
    char text[48];
    http_add_header(s3->exchange, "Content-Range",
                    text_format(text, sizeof text, "bytes */%llu", (unsigned long long)size));
    s3_fail(s3, S3_InvalidRange, NULL);
}

/* Conditions and range against what was found. Returns the status, 200 or 206; 0: the request is
 * answered. Headers are added. */
static unsigned decide(struct s3 *s3, const struct wanted *wanted, const struct catena_info *info,
                       uint64_t *ret_offset, uint64_t *ret_length)
{
    struct gw_meta meta;
    char time[GW_TIME_SIZE];
    struct gw_read_conditions conditions = gw_read_conditions_of(s3->request, false);
    gw_meta_decode(slice_of(info->meta, info->meta_length), info->checksum, info->version.epoch,
                   info->version.lsn, &meta);
    *ret_offset = 0;
    *ret_length = info->size;
    unsigned status = wanted->is_part && info->size > 0 ? 206 : 200;
    enum s3_error error = gw_read_conditions_check(&conditions, meta.etag, info->mtime_ms);
    if (error != S3_PreconditionFailed) {
        s3_add_etag(s3, meta.etag);
        http_add_header(s3->exchange, "Last-Modified", gw_http_time_format(info->mtime_ms, time));
        s3_add_version(s3, info);
    }
    if (error != S3_OK) {
        s3_fail(s3, error, NULL);
        status = 0;
    } else if (wanted->has_range &&
               !gw_range_fit(&wanted->range, info->size, ret_offset, ret_length)) {
        fail_range(s3, info->size);
        status = 0;
    } else if (wanted->has_range) {
        status = 206;
    }
    if (status != 0) {
        http_add_header(s3->exchange, "Accept-Ranges", "bytes");
        add_content_headers(s3, &meta);
    }
    if (status == 206) {
        char text[80];
        http_add_header(s3->exchange, "Content-Range",
                        text_format(text, sizeof text, "bytes %llu-%llu/%llu",
                                    (unsigned long long)*ret_offset,
                                    (unsigned long long)(*ret_offset + *ret_length - 1),
                                    (unsigned long long)info->size));
    } else if (status == 200) {
        add_checksum(s3, &meta);
    }
    gw_meta_release(&meta);
    return status;
}

void op_head_object(struct s3 *s3)
{
    struct wanted wanted;
    struct catena_info info = {0};
    enum s3_error error = read_wanted(s3, &wanted);
    if (error != S3_OK) {
        s3_fail(s3, error, NULL);
        return;
    }
    enum catena_status status = catena_stat(s3->gateway->client, s3->route.bucket, s3->route.key,
                                            s3->route.key_length, NULL, &info);
    if (status != CATENA_OK) {
        s3_fail_status(s3, status);
        return;
    }
    uint64_t offset = 0;
    uint64_t length = 0;
    unsigned answer = decide(s3, &wanted, &info, &offset, &length);
    catena_info_release(&info);
    if (answer == 0)
        return;
    s3_add_common_headers(s3);
    http_respond_head(s3->exchange, answer, length);
}

/* A suffix range needs the size before the stream can be opened; the version that had that size is
 * then read, or the whole is tried again. */
static enum catena_status open_at(struct s3 *s3, const struct wanted *wanted,
                                  struct catena_info *info)
{
    struct catena_client *client = s3->gateway->client;
    const struct gw_route *route = &s3->route;
    uint64_t offset = wanted->range.offset;
    uint64_t length = wanted->range.length;
    for (int i = 0; i < MOVED_TRIES; i++) {
        struct catena_info seen = {0};
        enum catena_status status = CATENA_OK;
        if (wanted->range.is_suffix) {
            status = catena_stat(client, route->bucket, route->key, route->key_length, NULL, &seen);
            offset = 0;
            length = 0;
            (void)gw_range_fit(&wanted->range, seen.size, &offset, &length);
        }
        if (status == CATENA_OK)
            status = catena_get_stream_open(client, route->bucket, route->key, route->key_length,
                                            offset, length, NULL, &s3->download, info);
        bool is_same = !wanted->range.is_suffix || (info->version.epoch == seen.version.epoch &&
                                                    info->version.lsn == seen.version.lsn);
        catena_info_release(&seen);
        if (status != CATENA_OK || is_same)
            return status;
        catena_get_stream_close(s3->download);
        s3->download = NULL;
        catena_info_release(info);
    }
    return CATENA_BUSY;
}

/* Reads until the buffer is full or the wanted part is over. */
static enum catena_status read_full(struct s3 *s3, uint8_t *bytes, size_t size, size_t *ret_length)
{
    size_t length = 0;
    while (length < size && s3->download_rest > 0) {
        size_t room = size - length;
        size_t got = 0;
        if (room > s3->download_rest)
            room = (size_t)s3->download_rest;
        enum catena_status status =
            catena_get_stream_read(s3->download, bytes + length, room, &got);
        if (status == CATENA_OK && got == 0)
            status = CATENA_INTERNAL; /* shorter than its own size */
        if (status != CATENA_OK)
            return status;
        length += got;
        s3->download_rest -= got;
    }
    *ret_length = length;
    return CATENA_OK;
}

bool op_get_produce(struct s3 *s3, uint8_t *bytes, size_t size, size_t *ret_length)
{
    size_t rest = s3->first_length - s3->first_offset;
    if (rest == 0)
        return read_full(s3, bytes, size, ret_length) == CATENA_OK;
    *ret_length = rest < size ? rest : size;
    memcpy(bytes, s3->first + s3->first_offset, *ret_length);
    s3->first_offset += *ret_length;
    if (s3->first_offset == s3->first_length) {
        free(s3->first);
        s3->first = NULL;
        s3->first_offset = 0;
        s3->first_length = 0;
    }
    return true;
}

/* The first bytes are read before the answer begins: a failure still gets its own status. */
static void respond_object(struct s3 *s3, unsigned answer, uint64_t length)
{
    size_t first = length < HTTP_BUFFER_BYTES ? (size_t)length : HTTP_BUFFER_BYTES;
    s3->first = gw_zalloc(first);
    s3->download_rest = length;
    enum catena_status status = read_full(s3, s3->first, first, &s3->first_length);
    if (status != CATENA_OK) { /* replaced and purged between two steps: ask again */
        s3_fail(s3, status == CATENA_NO_KEY ? S3_SlowDown : s3_error_of_status(status), NULL);
        return;
    }
    s3_add_common_headers(s3);
    if (s3->download_rest == 0)
        http_respond(s3->exchange, answer, s3->first, s3->first_length);
    else
        http_respond_stream(s3->exchange, answer, length);
}

void op_get_object(struct s3 *s3)
{
    struct wanted wanted;
    struct catena_info info = {0};
    enum s3_error error = read_wanted(s3, &wanted);
    if (error != S3_OK) {
        s3_fail(s3, error, NULL);
        return;
    }
    enum catena_status status = open_at(s3, &wanted, &info);
    if (status != CATENA_OK) {
        s3_fail_status(s3, status);
        return;
    }
    uint64_t offset = 0;
    uint64_t length = 0;
    unsigned answer = decide(s3, &wanted, &info, &offset, &length);
    catena_info_release(&info);
    if (answer != 0)
        respond_object(s3, answer, length);
}
