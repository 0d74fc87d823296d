/* The source of CopyObject and UploadPartCopy: named by a header, read as a stream. */
#include <stdlib.h>

#include "tools/gateway/condition.h"
#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"

/* "/bucket/key?versionId=..", percent-encoded, with or without the first slash. */
enum s3_error copy_source_parse(struct s3 *s3, struct copy_source *source, const char **ret_detail)
{
    const char *header = gw_header(s3->request, "x-amz-copy-source");
    const char *version = strstr(header, "?versionId=");
    struct text path;
    text_init(&path);
    if (*header != '/')
        text_append(&path, "/");
    text_append_bytes(
        &path, slice_of(header, version == NULL ? strlen(header) : (size_t)(version - header)));
    struct gw_request request = {.method = "GET", .path = text_cstr(&path), .query = ""};
    struct gw_query none = {0};
    enum s3_error error = gw_route(&request, &none, NULL, &source->route, ret_detail);
    text_release(&path);
    *ret_detail = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
    if (error != S3_OK || source->route.key_length == 0)
        return error == S3_KeyTooLongError ? error : S3_InvalidArgument;
    *ret_detail = NULL;
    if (version != NULL && !s3_version_is_current(version + strlen("?versionId=")))
        return S3_NoSuchVersion;
    if (!s3_may(s3, source->route.bucket, GW_RIGHT_READ))
        return S3_AccessDenied;
    source->length = UINT64_MAX;
    source->is_self = strcmp(source->route.bucket, s3->route.bucket) == 0 &&
                      source->route.key_length == s3->route.key_length &&
                      memcmp(source->route.key, s3->route.key, s3->route.key_length) == 0;
    return S3_OK;
}

enum s3_error copy_source_check(const struct s3 *s3, const struct catena_info *info,
                                const struct gw_meta *meta)
{
    struct gw_read_conditions conditions = gw_read_conditions_of(s3->request, true);
    return gw_read_conditions_check(&conditions, meta->etag, info->mtime_ms) == S3_OK
               ? S3_OK
               : S3_PreconditionFailed;
}

bool copy_source_open(struct s3 *s3, struct copy_source *source)
{
    const struct gw_route *route = &source->route;
    enum catena_status status = catena_get_stream_open(
        s3->gateway->client, route->bucket, route->key, route->key_length, source->offset,
        source->length, NULL, &source->stream, &source->info);
    if (status != CATENA_OK) {
        s3->subject = route; /* it is the source that is not there */
        s3_fail_status(s3, status);
        s3->subject = NULL;
        return false;
    }
    s3_decode_meta(&source->info, &source->meta);
    if (copy_source_check(s3, &source->info, &source->meta) != S3_OK) {
        s3_fail(s3, S3_PreconditionFailed, NULL);
        return false;
    }
    return true;
}

bool copy_source_read(struct s3 *s3, struct copy_source *source)
{
    uint8_t *buffer = gw_zalloc(HTTP_BUFFER_BYTES);
    enum catena_status status = CATENA_OK;
    size_t length = 1;
    while (status == CATENA_OK && length > 0) {
        length = 0;
        status = catena_get_stream_read(source->stream, buffer, HTTP_BUFFER_BYTES, &length);
        if (status == CATENA_OK && length > 0)
            status = sink_write(&s3->sink, s3->gateway->client, s3->route.bucket, s3->route.key,
                                s3->route.key_length, slice_of(buffer, length));
    }
    free(buffer);
    /* CATENA_NO_KEY: replaced, and its bytes are gone: the whole copy has to be made again. */
    if (status == CATENA_NO_KEY)
        s3_fail(s3, S3_SlowDown, NULL);
    else if (status != CATENA_OK)
        s3_fail_status(s3, status);
    else
        sink_digest(&s3->sink);
    return status == CATENA_OK;
}

void copy_source_release(struct copy_source *source)
{
    catena_get_stream_close(source->stream);
    catena_info_release(&source->info);
    gw_meta_release(&source->meta);
}
