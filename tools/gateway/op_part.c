/* UploadPart and UploadPartCopy. A part may be sent again and replaces what was there; it is
 * visible to the upload as a whole or not at all. */
#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/http_time.h"
#include "tools/gateway/multipart.h"
#include "tools/gateway/range.h"
#include "tools/gateway/xml.h"

_Static_assert((int)GW_PARTS_MAX == (int)CATENA_PARTS_MAX &&
                   (int)GW_PART_BLOB_MAX == (int)CATENA_PART_META_MAX,
               "the bounds of the library");

enum s3_error multipart_read_query(struct s3 *s3, const char **ret_detail)
{
    enum gw_operation operation = s3->route.operation;
    const char *upload = gw_query_get(&s3->query, "uploadId");
    const char *part = gw_query_get(&s3->query, "partNumber");
    uint64_t number = 0;
    bool is_part =
        operation == GW_OPERATION_UPLOAD_PART || operation == GW_OPERATION_UPLOAD_PART_COPY;
    *ret_detail = "This operation does not accept partNumber without uploadId";
    if (operation == GW_OPERATION_PUT_OBJECT && part != NULL)
        return S3_InvalidArgument;
    *ret_detail = "Part number must be an integer between 1 and 10000, inclusive";
    if (is_part &&
        (part == NULL || !gw_parse_u64(part, &number) || number < 1 || number > CATENA_PARTS_MAX))
        return S3_InvalidArgument;
    *ret_detail = NULL;
    s3->part_number = (uint32_t)number;
    bool is_upload = is_part || operation == GW_OPERATION_COMPLETE_UPLOAD ||
                     operation == GW_OPERATION_ABORT_UPLOAD || operation == GW_OPERATION_LIST_PARTS;
    return is_upload && !catena_upload_parse(upload, &s3->upload) ? S3_NoSuchUpload : S3_OK;
}

enum s3_error part_begin(struct s3 *s3, enum catena_status *ret_status)
{
    const struct gw_route *route = &s3->route;
    struct catena_parts parts = {0};
    enum gw_checksum_kind kind = s3->body.checksum_kind;
    /* No part is after the last number: this asks for the upload alone. */
    *ret_status =
        catena_multipart_parts(s3->gateway->client, route->bucket, route->key, route->key_length,
                               s3->upload, CATENA_PARTS_MAX, 1, &parts);
    if (*ret_status != CATENA_OK)
        return s3_error_of_status(*ret_status);
    struct gw_meta meta;
    gw_meta_decode(slice_of(parts.meta, parts.meta_length), 0, 0, 0, &meta);
    enum gw_checksum_kind wanted = meta.checksum_kind;
    gw_meta_release(&meta);
    catena_parts_release(&parts);
    if (wanted != GW_CHECKSUM_NONE && kind != GW_CHECKSUM_NONE && wanted != kind)
        return S3_InvalidRequest;
    sink_release(&s3->sink);
    sink_begin(&s3->sink, wanted != GW_CHECKSUM_NONE ? wanted : kind, s3->body.has_sha256);
    sink_be_part(&s3->sink, s3->upload, s3->part_number);
    s3->has_sink = true;
    return S3_OK;
}

/* Publishes what is in the sink as the part. False: the request is answered. */
static bool commit_part(struct s3 *s3, struct gw_part *part, struct catena_info *ret_info)
{
    struct sink *sink = &s3->sink;
    const struct gw_route *route = &s3->route;
    uint8_t blob[GW_PART_BLOB_MAX];
    memcpy(part->md5, sink->md5_value, sizeof part->md5);
    part->checksum_kind = sink->checksum_kind;
    struct write_conditions conditions = s3_write_conditions(s3);
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    options.meta = blob;
    options.meta_length = gw_part_encode(part, blob);
    options.token_high = conditions.token_high;
    options.token_low = conditions.token_low;
    enum catena_status status = sink_commit_part(sink, s3->gateway->client, route->bucket,
                                                 route->key, route->key_length, &options, ret_info);
    if (status != CATENA_OK)
        s3_fail_status(s3, status);
    return status == CATENA_OK;
}

void op_upload_part(struct s3 *s3)
{
    struct gw_part part = {0};
    struct catena_info info = {0};
    char text[GW_CHECKSUM_TEXT_SIZE];
    size_t length = 0;
    if (s3->body.checksum_kind != GW_CHECKSUM_NONE) /* compared with it at the body's end */
        (void)gw_base64_decode(s3->body.checksum, part.checksum, sizeof part.checksum, &length);
    else if (s3->sink.checksum != NULL)
        (void)gw_checksum_final(s3->sink.checksum, part.checksum);
    if (!commit_part(s3, &part, &info))
        return;
    s3_add_etag(s3, s3->sink.md5_hex);
    s3_add_version(s3, &info);
    if (part.checksum_kind != GW_CHECKSUM_NONE)
        http_add_header(s3->exchange, gw_checksum_header(part.checksum_kind),
                        gw_part_checksum(&part, text));
    s3_respond_empty(s3, 200);
    catena_info_release(&info);
}

/* ---- from another object ---- */

static enum s3_error read_range(const struct s3 *s3, struct copy_source *source,
                                const char **ret_detail)
{
    const char *header = gw_header(s3->request, "x-amz-copy-source-range");
    struct gw_range range;
    if (header == NULL)
        return S3_OK;
    *ret_detail = "The x-amz-copy-source-range value must be of the form bytes=first-last where "
                  "first and last are the zero-based offsets of the first and last bytes to copy";
    if (!gw_range_parse(header, &range) || range.is_suffix || range.length == UINT64_MAX)
        return S3_InvalidArgument;
    *ret_detail = NULL;
    source->offset = range.offset;
    source->length = range.length;
    return S3_OK;
}

/* The range has to be within what was found. */
static bool check_range(struct s3 *s3, const struct copy_source *source)
{
    uint64_t size = source->info.size;
    uint64_t length = source->length == UINT64_MAX ? size : source->length;
    char text[80];
    bool is_inside = source->length == UINT64_MAX ||
                     (source->offset < size && source->length <= size - source->offset);
    if (!is_inside)
        s3_fail(s3, S3_InvalidArgument,
                text_format(text, sizeof text,
                            "Range specified is not valid for source object of size: %llu",
                            (unsigned long long)size));
    else if (length > GW_OBJECT_BYTES_MAX)
        s3_fail(s3, S3_InvalidRequest,
                "The specified copy source is larger than the maximum allowable size for a copy "
                "source: 5368709120");
    return is_inside && length <= GW_OBJECT_BYTES_MAX;
}

static void respond_part_copied(struct s3 *s3, const struct gw_part *part,
                                const struct catena_info *info)
{
    struct text out;
    char time[GW_TIME_SIZE];
    char name[32];
    char value[GW_CHECKSUM_TEXT_SIZE];
    text_init(&out);
    gw_xml_open_root(&out, "CopyPartResult");
    gw_xml_element(&out, "LastModified",
                   gw_iso_time_format(info->mtime_ms != 0 ? info->mtime_ms : gw_wall_ms(), time));
    s3_append_etag(&out, s3->sink.md5_hex);
    if (part->checksum_kind != GW_CHECKSUM_NONE)
        gw_xml_element(&out, gw_checksum_element(part->checksum_kind, name),
                       gw_part_checksum(part, value));
    gw_xml_close(&out, "CopyPartResult");
    s3_add_version(s3, info);
    s3_respond_xml(s3, &out);
}

static void copy_part(struct s3 *s3, struct copy_source *source)
{
    struct gw_part part = {0};
    struct catena_info info = {0};
    enum catena_status status = CATENA_OK;
    enum s3_error error = part_begin(s3, &status);
    if (error != S3_OK) {
        s3_fail_write(s3, error, status);
        return;
    }
    if (!copy_source_open(s3, source) || !check_range(s3, source) || !copy_source_read(s3, source))
        return;
    if (s3->sink.checksum != NULL)
        (void)gw_checksum_final(s3->sink.checksum, part.checksum);
    if (commit_part(s3, &part, &info)) {
        respond_part_copied(s3, &part, &info);
        catena_info_release(&info);
    }
}

void op_upload_part_copy(struct s3 *s3)
{
    struct copy_source source = {0};
    const char *detail = NULL;
    enum s3_error error = copy_source_parse(s3, &source, &detail);
    if (error == S3_OK)
        error = read_range(s3, &source, &detail);
    if (error != S3_OK)
        s3_fail(s3, error, detail);
    else
        copy_part(s3, &source);
    copy_source_release(&source);
}
