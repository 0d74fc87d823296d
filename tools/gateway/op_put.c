/* PutObject and CopyObject. */
#include <stdlib.h>

#include "tools/gateway/condition.h"
#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/http_time.h"
#include "tools/gateway/xml.h"

static struct write_conditions conditions_of(const struct s3 *s3)
{
    return (struct write_conditions){
        .if_match = gw_header(s3->request, "if-match"),
        .if_none_match = gw_header(s3->request, "if-none-match"),
    };
}

/* Publishes what is in the sink. False: the request is answered. */
static bool commit(struct s3 *s3, struct gw_meta *meta, struct catena_info *ret_info)
{
    struct write_conditions conditions = conditions_of(s3);
    enum catena_status status = CATENA_OK;
    (void)text_format(meta->etag, sizeof meta->etag, "%s", s3->sink.md5_hex);
    enum s3_error error =
        sink_commit(&s3->sink, s3->gateway->client, s3->route.bucket, s3->route.key,
                    s3->route.key_length, &conditions, meta, ret_info, &status);
    if (error == S3_OK)
        return true;
    if (status != CATENA_OK)
        s3_fail_status(s3, status);
    else
        s3_fail(s3, error, NULL);
    return false;
}

void op_put_object(struct s3 *s3)
{
    struct gw_meta meta;
    struct catena_info info = {0};
    enum s3_error error = gw_meta_from_headers(s3->request, &meta);
    if (error != S3_OK) {
        s3_fail(s3, error, NULL);
        gw_meta_release(&meta);
        return;
    }
    meta.checksum_kind = s3->body.checksum_kind;
    (void)text_format(meta.checksum, sizeof meta.checksum, "%s", s3->body.checksum);
    if (commit(s3, &meta, &info)) {
        s3_add_etag(s3, meta.etag);
        s3_add_version(s3, &info);
        if (meta.checksum_kind != GW_CHECKSUM_NONE) {
            http_add_header(s3->exchange, gw_checksum_header(meta.checksum_kind), meta.checksum);
            http_add_header(s3->exchange, "x-amz-checksum-type", "FULL_OBJECT");
        }
        s3_respond_empty(s3, 200);
        catena_info_release(&info);
    }
    gw_meta_release(&meta);
}

/* ---- copy ---- */

struct source {
    struct gw_route route;
    bool is_self;
    bool is_replaced; /* metadata from the headers */
    struct catena_get_stream *stream;
    struct catena_info info;
    struct gw_meta meta;
};

/* "/bucket/key?versionId=..", percent-encoded, with or without the first slash. */
static enum s3_error parse_source(struct s3 *s3, struct source *source, const char **ret_detail)
{
    const char *header = gw_header(s3->request, "x-amz-copy-source");
    const char *directive = gw_header(s3->request, "x-amz-metadata-directive");
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
    *ret_detail = "Unknown metadata directive.";
    source->is_replaced = directive != NULL && strcmp(directive, "REPLACE") == 0;
    if (directive != NULL && !source->is_replaced && strcmp(directive, "COPY") != 0)
        return S3_InvalidArgument;
    source->is_self = strcmp(source->route.bucket, s3->route.bucket) == 0 &&
                      source->route.key_length == s3->route.key_length &&
                      memcmp(source->route.key, s3->route.key, s3->route.key_length) == 0;
    *ret_detail = "This copy request is illegal because it is trying to copy an object to itself "
                  "without changing the object's metadata, storage class, website redirect "
                  "location or encryption attributes.";
    if (source->is_self && !source->is_replaced)
        return S3_InvalidRequest;
    *ret_detail = NULL;
    return S3_OK;
}

static void source_release(struct source *source)
{
    catena_get_stream_close(source->stream);
    catena_info_release(&source->info);
    gw_meta_release(&source->meta);
}

/* False: the request is answered. */
static bool open_source(struct s3 *s3, struct source *source)
{
    const struct gw_route *route = &source->route;
    enum catena_status status =
        catena_get_stream_open(s3->gateway->client, route->bucket, route->key, route->key_length, 0,
                               UINT64_MAX, NULL, &source->stream, &source->info);
    if (status != CATENA_OK) {
        s3_fail_status(s3, status);
        return false;
    }
    const struct catena_info *info = &source->info;
    gw_meta_decode(slice_of(info->meta, info->meta_length), info->checksum, info->version.epoch,
                   info->version.lsn, &source->meta);
    struct gw_read_conditions conditions = gw_read_conditions_of(s3->request, true);
    if (gw_read_conditions_check(&conditions, source->meta.etag, info->mtime_ms) != S3_OK) {
        s3_fail(s3, S3_PreconditionFailed, NULL);
        return false;
    }
    if (info->size > GW_OBJECT_BYTES_MAX) {
        s3_fail(s3, S3_InvalidRequest,
                "The specified copy source is larger than the maximum allowable size for a copy "
                "source: 5368709120");
        return false;
    }
    return true;
}

static bool copy_bytes(struct s3 *s3, struct source *source)
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
    if (status != CATENA_OK)
        s3_fail(s3, status == CATENA_NO_KEY ? S3_SlowDown : s3_error_of_status(status), NULL);
    return status == CATENA_OK;
}

static void respond_copied(struct s3 *s3, const struct gw_meta *meta,
                           const struct catena_info *info)
{
    struct text out;
    char time[GW_TIME_SIZE];
    char etag[GW_ETAG_SIZE + 2];
    text_init(&out);
    gw_xml_open_root(&out, "CopyObjectResult");
    gw_xml_element(&out, "LastModified",
                   gw_iso_time_format(info->mtime_ms != 0 ? info->mtime_ms : gw_wall_ms(), time));
    gw_xml_element(&out, "ETag", text_format(etag, sizeof etag, "\"%s\"", meta->etag));
    if (meta->checksum_kind != GW_CHECKSUM_NONE) {
        char name[32];
        gw_xml_element(
            &out,
            text_format(name, sizeof name, "Checksum%s", gw_checksum_name(meta->checksum_kind)),
            meta->checksum);
        gw_xml_element(&out, "ChecksumType", "FULL_OBJECT");
    }
    gw_xml_close(&out, "CopyObjectResult");
    s3_add_version(s3, info);
    s3_respond_xml(s3, &out);
}

/* The copy keeps the source's checksum unless another kind is asked for. */
static void take_checksum(struct s3 *s3, const struct source *source, struct gw_meta *meta)
{
    if (s3->sink.checksum != NULL) {
        uint8_t value[GW_CHECKSUM_BYTES_MAX];
        size_t length = gw_checksum_final(s3->sink.checksum, value);
        meta->checksum_kind = s3->sink.checksum_kind;
        gw_base64_encode(value, length, meta->checksum);
    } else {
        meta->checksum_kind = source->meta.checksum_kind;
        memcpy(meta->checksum, source->meta.checksum, sizeof meta->checksum);
    }
}

static void copy(struct s3 *s3, struct source *source, struct gw_meta *meta)
{
    const char *wanted = gw_header(s3->request, "x-amz-checksum-algorithm");
    enum gw_checksum_kind kind = wanted == NULL ? GW_CHECKSUM_NONE : gw_checksum_by_name(wanted);
    struct catena_info info = {0};
    if (wanted != NULL && kind == GW_CHECKSUM_NONE) {
        s3_fail(s3, S3_InvalidRequest, "Checksum algorithm provided is unsupported.");
        return;
    }
    sink_release(&s3->sink); /* of the empty body */
    sink_begin(&s3->sink, kind, false);
    if (!copy_bytes(s3, source))
        return;
    sink_digest(&s3->sink);
    take_checksum(s3, source, meta);
    if (commit(s3, meta, &info)) {
        respond_copied(s3, meta, &info);
        catena_info_release(&info);
    }
}

void op_copy_object(struct s3 *s3)
{
    struct source source = {0};
    struct gw_meta meta = {0};
    const char *detail = NULL;
    enum s3_error error = parse_source(s3, &source, &detail);
    if (error == S3_OK && source.is_replaced)
        error = gw_meta_from_headers(s3->request, &meta);
    if (error != S3_OK) {
        s3_fail(s3, error, detail);
    } else if (open_source(s3, &source)) {
        if (!source.is_replaced)
            gw_meta_copy(&source.meta, &meta);
        copy(s3, &source, &meta);
    }
    gw_meta_release(&meta);
    source_release(&source);
}
