/* Answers: headers that every answer has, XML, errors. */
#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/http_time.h"
#include "tools/gateway/lifecycle_worker.h"
#include "tools/gateway/xml.h"

static const char host_id[] = "catena";

void s3_add_common_headers(struct s3 *s3)
{
    http_add_header(s3->exchange, "Server", "Catena");
    http_add_header(s3->exchange, "x-amz-request-id", s3->request_id);
    http_add_header(s3->exchange, "x-amz-id-2", host_id);
}

void s3_add_u64(struct s3 *s3, const char *name, uint64_t value)
{
    char text[24];
    http_add_header(s3->exchange, name,
                    text_format(text, sizeof text, "%llu", (unsigned long long)value));
}

void s3_add_etag(struct s3 *s3, const char *etag)
{
    char quoted[GW_ETAG_SIZE + 2];
    http_add_header(s3->exchange, "ETag", text_format(quoted, sizeof quoted, "\"%s\"", etag));
}

void s3_add_version(struct s3 *s3, const struct catena_info *info)
{
    char text[CATENA_VERSION_TEXT_SIZE];
    http_add_header(s3->exchange, "x-catena-version", catena_version_format(info->version, text));
    if (info->replicas_durable > 0)
        s3_add_u64(s3, "x-catena-replicas-durable", info->replicas_durable);
}

void s3_add_expiration(struct s3 *s3, uint64_t size, uint64_t mtime_ms, const struct gw_tags *tags)
{
    struct text text;
    text_init(&text);
    if (mtime_ms == 0) /* the library does not say it of an update, which is from just now */
        mtime_ms = gw_wall_ms();
    if (gw_lifecycle_worker_expiration(s3->gateway->lifecycle, s3->route.bucket, s3->route.key,
                                       s3->route.key_length, size, mtime_ms, tags, &text))
        http_add_header(s3->exchange, "x-amz-expiration", text_cstr(&text));
    text_release(&text);
}

void s3_respond_empty(struct s3 *s3, unsigned status)
{
    s3_add_common_headers(s3);
    http_respond(s3->exchange, status, NULL, 0);
}

void s3_respond_xml(struct s3 *s3, struct text *document)
{
    s3_add_common_headers(s3);
    http_add_header(s3->exchange, "Content-Type", "application/xml");
    http_respond(s3->exchange, 200, document->data, document->length);
    text_release(document);
}

void s3_add_checksum(struct s3 *s3, const struct gw_meta *meta)
{
    if (meta->checksum_kind == GW_CHECKSUM_NONE)
        return;
    http_add_header(s3->exchange, gw_checksum_header(meta->checksum_kind), meta->checksum);
    http_add_header(s3->exchange, "x-amz-checksum-type",
                    gw_checksum_type_name(meta->checksum_type));
}

void s3_append_checksum(struct text *out, const struct gw_meta *meta)
{
    char name[32];
    if (meta->checksum_kind == GW_CHECKSUM_NONE)
        return;
    gw_xml_element(out, gw_checksum_element(meta->checksum_kind, name), meta->checksum);
    gw_xml_element(out, "ChecksumType", gw_checksum_type_name(meta->checksum_type));
}

void s3_append_etag(struct text *out, const char *etag)
{
    text_append(out, "<ETag>&quot;%s&quot;</ETag>", etag);
}

void s3_decode_meta(const struct catena_info *info, struct gw_meta *ret_meta)
{
    gw_meta_decode(slice_of(info->meta, info->meta_length), info->checksum, info->version.epoch,
                   info->version.lsn, ret_meta);
}

static void append_error(const struct s3 *s3, enum s3_error error, const char *detail,
                         struct text *out)
{
    const struct gw_route *subject = s3->subject != NULL ? s3->subject : &s3->route;
    gw_xml_begin(out);
    gw_xml_open(out, "Error");
    gw_xml_element(out, "Code", s3_error_code(error));
    if (detail == NULL)
        gw_xml_element(out, "Message", s3_error_message(error));
    else
        gw_xml_element(out, "Message", detail);
    if (error == S3_AuthorizationHeaderMalformed)
        gw_xml_element(out, "Region", s3->gateway->config.region);
    if (subject->bucket[0] != '\0' && s3_error_status(error) == 404)
        gw_xml_element(out, "BucketName", subject->bucket);
    if (error == S3_NoSuchKey)
        gw_xml_element_bytes(out, "Key", slice_of(subject->key, subject->key_length));
    if (error == S3_InvalidAccessKeyId)
        gw_xml_element(out, "AWSAccessKeyId", s3->sigv4.access_key);
    gw_xml_element(out, "Resource", s3->request->path);
    gw_xml_element(out, "RequestId", s3->request_id);
    gw_xml_element(out, "HostId", host_id);
    gw_xml_close(out, "Error");
}

/* Clients that do not know the region ask with HEAD, where an error has no document, and read it
 * from the refusal. It is the same for all buckets, those too that are not there. */
static void add_region(struct s3 *s3, enum s3_error error)
{
    bool is_probe = s3->route.operation == GW_OPERATION_HEAD_BUCKET && s3_error_status(error) < 404;
    if (is_probe || error == S3_AuthorizationHeaderMalformed)
        http_add_header(s3->exchange, "x-amz-bucket-region", s3->gateway->config.region);
}

void s3_fail(struct s3 *s3, enum s3_error error, const char *detail)
{
    unsigned status = s3_error_status(error);
    s3->error = error;
    s3_add_common_headers(s3);
    add_region(s3, error);
    if (status == 503)
        http_add_header(s3->exchange, "Retry-After", "1");
    if (error == S3_MissingContentLength || error == S3_EntityTooLarge)
        http_close_after(s3->exchange);
    if (strcmp(s3->request->method, "HEAD") == 0 || status == 304) {
        http_respond(s3->exchange, status, NULL, 0);
        return;
    }
    struct text text;
    text_init(&text);
    append_error(s3, error, detail, &text);
    http_add_header(s3->exchange, "Content-Type", "application/xml");
    http_respond(s3->exchange, status, text.data, text.length);
    text_release(&text);
}

enum s3_error s3_error_of_status(enum catena_status status)
{
    switch (status) {
    case CATENA_OK:
        return S3_OK;
    case CATENA_INVALID:
        return S3_InvalidArgument;
    case CATENA_NO_KEY:
        return S3_NoSuchKey;
    case CATENA_NO_BUCKET:
        return S3_NoSuchBucket;
    case CATENA_NO_UPLOAD:
        return S3_NoSuchUpload;
    case CATENA_NO_PART:
        return S3_InvalidPart;
    case CATENA_NO_ACCESS_KEY:
        return S3_InvalidAccessKeyId;
    case CATENA_BUCKET_EXISTS:
        return S3_BucketAlreadyOwnedByYou;
    case CATENA_BUCKET_NOT_EMPTY:
        return S3_BucketNotEmpty;
    case CATENA_CONDITION_FAILED:
        return S3_PreconditionFailed;
    case CATENA_TOO_LARGE:
        return S3_EntityTooLarge;
    case CATENA_NO_SPACE:
        return S3_InsufficientStorage;
    case CATENA_TIMEOUT:
    case CATENA_UNREACHABLE:
    case CATENA_BUSY:
        return S3_SlowDown;
    case CATENA_CANCELLED:
    case CATENA_WRONG_CLUSTER:
        return S3_ServiceUnavailable;
    case CATENA_OUTCOME_UNKNOWN:
    case CATENA_CORRUPT:
    case CATENA_IO:
    case CATENA_INTERNAL:
    case CATENA_EXISTS:
        return S3_InternalError;
    case CATENA_UNSUPPORTED:
        return S3_NotImplemented;
    }
    return S3_InternalError;
}

void s3_fail_status(struct s3 *s3, enum catena_status status)
{
    enum s3_error error = s3_error_of_status(status);
    bool is_ours = error == S3_InternalError || error == S3_InvalidArgument;
    s3_fail(s3, error,
            status == CATENA_OUTCOME_UNKNOWN
                ? "The outcome is unknown: the request may or may not have taken effect."
            : is_ours ? catena_status_text(status)
                      : NULL);
}

void s3_fail_write(struct s3 *s3, enum s3_error error, enum catena_status status)
{
    if (status != CATENA_OK)
        s3_fail_status(s3, status);
    else
        s3_fail(s3, error, NULL);
}

bool s3_version_is_current(const char *version_id)
{
    return version_id == NULL || *version_id == '\0' || strcmp(version_id, "null") == 0;
}
