/* GetObject and HeadObject. */
#include <stdlib.h>

#include "tools/gateway/condition.h"
#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/http_time.h"
#include "tools/gateway/multipart.h"
#include "tools/gateway/range.h"

enum { MOVED_TRIES = 10 };

/* What part of the object is wanted. */
struct wanted {
    bool has_range;
    uint32_t part; /* ?partNumber; 0: none */
    struct gw_range range;
    struct gw_part found; /* of an object that was assembled from parts */
    bool is_found;
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
        if (!gw_parse_u64(part, &number) || number < 1 || number > CATENA_PARTS_MAX)
            return S3_InvalidArgument;
        wanted->part = (uint32_t)number;
        return S3_OK;
    }
    wanted->has_range = header != NULL && gw_range_parse(header, &wanted->range);
    if (!wanted->has_range)
        wanted->range = (struct gw_range){.length = UINT64_MAX};
    return S3_OK;
}

/* Looks the part up and makes it the range. An object that was put in one piece is its own part 1.
 * False: the request is answered. */
static bool find_part(struct s3 *s3, struct wanted *wanted, struct catena_info *info)
{
    struct catena_parts parts = {0};
    enum catena_status status = catena_object_parts(
        s3->gateway->client, s3->route.bucket, s3->route.key, s3->route.key_length, &parts, info);
    if (status != CATENA_OK) {
        s3_fail_status(s3, status);
        return false;
    }
    uint64_t offset = 0;
    wanted->range = (struct gw_range){.length = info->size};
    wanted->is_found = false;
    for (size_t i = 0; i < parts.count && !wanted->is_found; i++) {
        const struct catena_part *part = &parts.items[i];
        wanted->is_found = part->number == wanted->part;
        wanted->range = (struct gw_range){.offset = offset, .length = part->size};
        offset += part->size;
        if (wanted->is_found)
            gw_part_decode(slice_of(part->meta, part->meta_length), part->checksum,
                           part->version.epoch, part->version.lsn, &wanted->found);
    }
    bool is_there = wanted->is_found || (parts.count == 0 && wanted->part == 1);
    catena_parts_release(&parts);
    if (!is_there) {
        s3_fail(s3, S3_InvalidPartNumber, NULL);
        catena_info_release(info);
    }
    return is_there;
}

/* The range is for those who know the rest of this very object (a download that goes on). */
static void apply_if_range(const struct s3 *s3, struct wanted *wanted,
                           const struct catena_info *info)
{
    const char *value = gw_header(s3->request, "if-range");
    struct gw_meta meta;
    if (value == NULL || !wanted->has_range)
        return;
    s3_decode_meta(info, &meta);
    if (!gw_if_range_holds(value, meta.etag, info->mtime_ms)) {
        wanted->has_range = false;
        wanted->range = (struct gw_range){.length = UINT64_MAX};
    }
    gw_meta_release(&meta);
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

/* Of the whole object with the whole object, of a part with the part; none with a range. */
static void add_checksum(struct s3 *s3, const struct wanted *wanted, const struct gw_meta *meta,
                         unsigned status)
{
    const char *mode = gw_header(s3->request, "x-amz-checksum-mode");
    char text[GW_CHECKSUM_TEXT_SIZE];
    if (mode == NULL || !gw_is_equal_ignoring_case(mode, "ENABLED"))
        return;
    if (wanted->is_found && wanted->found.checksum_kind != GW_CHECKSUM_NONE)
        http_add_header(s3->exchange, gw_checksum_header(wanted->found.checksum_kind),
                        gw_part_checksum(&wanted->found, text));
    else if (status == 200)
        s3_add_checksum(s3, meta);
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
    s3_decode_meta(info, &meta);
    *ret_offset = wanted->part != 0 ? wanted->range.offset : 0;
    *ret_length = wanted->part != 0 ? wanted->range.length : info->size;
    unsigned status = wanted->part != 0 && *ret_length > 0 ? 206 : 200;
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
        add_checksum(s3, wanted, &meta, status);
        s3_add_expiration(s3, info->size, info->mtime_ms, &meta.tags);
        if (meta.tags.count > 0)
            s3_add_u64(s3, "x-amz-tagging-count", meta.tags.count);
        if (wanted->part != 0 && info->part_count > 0)
            s3_add_u64(s3, "x-amz-mp-parts-count", info->part_count);
    }
    if (status == 206) {
        char text[80];
        http_add_header(s3->exchange, "Content-Range",
                        text_format(text, sizeof text, "bytes %llu-%llu/%llu",
                                    (unsigned long long)*ret_offset,
                                    (unsigned long long)(*ret_offset + *ret_length - 1),
                                    (unsigned long long)info->size));
    }
    gw_meta_release(&meta);
    return status;
}

static void respond_head(struct s3 *s3, const struct wanted *wanted, const struct catena_info *info)
{
    uint64_t offset = 0;
    uint64_t length = 0;
    unsigned answer = decide(s3, wanted, info, &offset, &length);
    if (answer == 0)
        return;
    s3_add_common_headers(s3);
    http_respond_head(s3->exchange, answer, length);
}

static void on_stat(void *context, const struct catena_result *result)
{
    s3_end_early(context, result);
}

bool op_head_start(struct s3 *s3)
{
    const struct gw_route *route = &s3->route;
    return gw_query_get(&s3->query, "partNumber") == NULL &&
           catena_stat_async(s3->gateway->client, route->bucket, route->key, route->key_length,
                             NULL, on_stat, s3) == CATENA_OK;
}

void op_head_resume(struct s3 *s3)
{
    struct wanted wanted;
    (void)read_wanted(s3, &wanted); /* without a part it cannot fail */
    if (s3->early.status != CATENA_OK) {
        s3_fail_status(s3, s3->early.status);
        return;
    }
    apply_if_range(s3, &wanted, &s3->early.info);
    respond_head(s3, &wanted, &s3->early.info);
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
    if (wanted.part != 0) {
        if (!find_part(s3, &wanted, &info))
            return;
    } else {
        enum catena_status status = catena_stat(s3->gateway->client, s3->route.bucket,
                                                s3->route.key, s3->route.key_length, NULL, &info);
        if (status != CATENA_OK) {
            s3_fail_status(s3, status);
            return;
        }
    }
    apply_if_range(s3, &wanted, &info);
    respond_head(s3, &wanted, &info);
    catena_info_release(&info);
}

static bool is_same_version(const struct catena_info *a, const struct catena_info *b)
{
    return a->version.epoch == b->version.epoch && a->version.lsn == b->version.lsn;
}

/* Looks at the object, if that decides what is read of it. A suffix range needs the size, a part
 * its place, If-Range the ETag. False: the request is answered. */
static bool look(struct s3 *s3, struct wanted *wanted, struct catena_info *seen, bool *ret_looked)
{
    const struct gw_route *route = &s3->route;
    bool has_condition = wanted->has_range && gw_header(s3->request, "if-range") != NULL;
    *ret_looked = wanted->part != 0 || wanted->range.is_suffix || has_condition;
    if (wanted->part != 0)
        return find_part(s3, wanted, seen);
    if (!*ret_looked)
        return true;
    enum catena_status status =
        catena_stat(s3->gateway->client, route->bucket, route->key, route->key_length, NULL, seen);
    if (status != CATENA_OK)
        s3_fail_status(s3, status);
    else
        apply_if_range(s3, wanted, seen);
    return status == CATENA_OK;
}

/* The version that was looked at is then read, or the whole is tried again. False: the request is
 * answered. */
static bool open_download(struct s3 *s3, struct wanted *wanted, struct catena_info *info)
{
    const struct gw_route *route = &s3->route;
    for (int i = 0; i < MOVED_TRIES; i++) {
        struct catena_info seen = {0};
        bool has_looked = false;
        if (!look(s3, wanted, &seen, &has_looked))
            return false;
        uint64_t offset = wanted->range.offset;
        uint64_t length = wanted->range.length;
        if (wanted->range.is_suffix) {
            length = 0;
            (void)gw_range_fit(&wanted->range, seen.size, &offset, &length);
        }
        enum catena_status status =
            catena_get_stream_open(s3->gateway->client, route->bucket, route->key,
                                   route->key_length, offset, length, NULL, &s3->download, info);
        bool is_right = !has_looked || is_same_version(info, &seen);
        catena_info_release(&seen);
        if (status != CATENA_OK) {
            s3_fail_status(s3, status);
            return false;
        }
        if (is_right)
            return true;
        catena_get_stream_close(s3->download);
        s3->download = NULL;
        catena_info_release(info);
        *info = (struct catena_info){0};
    }
    s3_fail(s3, S3_SlowDown, NULL);
    return false;
}

/* The next bytes of the wanted part. */
static enum catena_status read_next(struct s3 *s3, const uint8_t **ret_bytes, size_t *ret_length)
{
    const void *bytes = NULL;
    enum catena_status status =
        catena_get_stream_next(s3->download, HTTP_BUFFER_BYTES, &bytes, ret_length);
    if (status == CATENA_OK && (*ret_length == 0 || *ret_length > s3->download_rest))
        status = CATENA_INTERNAL; /* not as long as its own size */
    if (status != CATENA_OK)
        return status;
    *ret_bytes = bytes;
    s3->download_rest -= *ret_length;
    return CATENA_OK;
}

bool op_get_produce(struct s3 *s3, const uint8_t **ret_bytes, size_t *ret_length)
{
    if (s3->first_length == 0)
        return read_next(s3, ret_bytes, ret_length) == CATENA_OK;
    *ret_bytes = s3->first;
    *ret_length = s3->first_length;
    s3->first_length = 0;
    return true;
}

/* The first bytes are read before the answer begins: a failure still gets its own status. */
static void respond_object(struct s3 *s3, unsigned answer, uint64_t length)
{
    enum catena_status status = CATENA_OK;
    s3->download_rest = length;
    if (length > 0)
        status = read_next(s3, &s3->first, &s3->first_length);
    if (status != CATENA_OK) {            /* replaced and purged between two steps: ask again */
        http_clear_headers(s3->exchange); /* the object's: an error has its own */
        s3_fail(s3, status == CATENA_NO_KEY ? S3_SlowDown : s3_error_of_status(status), NULL);
        return;
    }
    s3_add_common_headers(s3);
    if (s3->download_rest == 0)
        http_respond(s3->exchange, answer, s3->first, s3->first_length);
    else
        http_respond_stream(s3->exchange, answer, length);
}

static void on_opened(void *context, const struct catena_result *result,
                      struct catena_get_stream *stream)
{
    struct s3 *s3 = context;
    s3->download = stream;
    if (result->status == CATENA_OK && stream == NULL) {
        s3->value = (uint8_t *)gw_copy_bytes(result->value, result->value_length);
        s3->value_length = result->value_length;
    }
    s3_end_early(s3, result);
}

/* Of a whole object. */
bool op_get_start(struct s3 *s3)
{
    const struct gw_route *route = &s3->route;
    return gw_header(s3->request, "range") == NULL &&
           gw_query_get(&s3->query, "partNumber") == NULL &&
           catena_get_stream_open_async(s3->gateway->client, route->bucket, route->key,
                                        route->key_length, NULL, on_opened, s3) == CATENA_OK;
}

/* A value that came with the answer. */
static void respond_value(struct s3 *s3)
{
    struct wanted wanted;
    uint64_t offset = 0;
    uint64_t length = 0;
    (void)read_wanted(s3, &wanted); /* without a part it cannot fail */
    unsigned answer = decide(s3, &wanted, &s3->early.info, &offset, &length);
    if (answer == 0)
        return;
    s3_add_common_headers(s3);
    http_respond_owned(s3->exchange, answer, s3->value, s3->value_length);
    s3->value = NULL;
}

bool op_get_resume(struct s3 *s3)
{
    if (s3->early.status != CATENA_OK)
        s3_fail_status(s3, s3->early.status);
    else if (s3->download != NULL)
        return false; /* its bytes have to be waited for */
    else
        respond_value(s3);
    return true;
}

void op_get_object(struct s3 *s3)
{
    struct wanted wanted;
    struct catena_info opened = {0};
    enum s3_error error = read_wanted(s3, &wanted);
    if (error != S3_OK) {
        s3_fail(s3, error, NULL);
        return;
    }
    bool is_open = s3->early.has_ended;
    if (!is_open && !open_download(s3, &wanted, &opened))
        return;
    uint64_t offset = 0;
    uint64_t length = 0;
    unsigned answer = decide(s3, &wanted, is_open ? &s3->early.info : &opened, &offset, &length);
    catena_info_release(&opened);
    if (answer != 0)
        respond_object(s3, answer, length);
}
