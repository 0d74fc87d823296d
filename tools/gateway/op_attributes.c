/* GetObjectAttributes. */
#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/http_time.h"
#include "tools/gateway/multipart.h"
#include "tools/gateway/xml.h"

enum { PAGE_MAX = 1000 };

enum attribute {
    ATTRIBUTE_ETAG,
    ATTRIBUTE_CHECKSUM,
    ATTRIBUTE_PARTS,
    ATTRIBUTE_CLASS,
    ATTRIBUTE_SIZE,
    ATTRIBUTE_COUNT
};

struct attributes {
    bool are_wanted[ATTRIBUTE_COUNT];
    uint64_t part_limit;
    uint64_t part_marker;
};

/* One name of the list. */
static bool take_name(const char *name, size_t length, struct attributes *attributes)
{
    static const char *const names[ATTRIBUTE_COUNT] = {"ETag", "Checksum", "ObjectParts",
                                                       "StorageClass", "ObjectSize"};
    for (size_t i = 0; i < ATTRIBUTE_COUNT; i++) {
        if (strlen(names[i]) == length && memcmp(name, names[i], length) == 0) {
            attributes->are_wanted[i] = true;
            return true;
        }
    }
    return false;
}

/* The header may be sent once with commas, or several times. */
static bool take_names(const struct gw_request *request, struct attributes *attributes)
{
    bool is_any = false;
    for (size_t i = 0; i < request->header_count; i++) {
        if (!gw_is_equal_ignoring_case(request->headers[i].name, "x-amz-object-attributes"))
            continue;
        for (const char *cursor = request->headers[i].value; *cursor != '\0';) {
            cursor += strspn(cursor, ", \t");
            size_t length = strcspn(cursor, ", \t");
            if (length > 0 && !take_name(cursor, length, attributes))
                return false;
            is_any = is_any || length > 0;
            cursor += length;
        }
    }
    return is_any;
}

static bool read_number(const struct gw_request *request, const char *name, uint64_t *value)
{
    const char *header = gw_header(request, name);
    return header == NULL || (gw_parse_u64(header, value) && *value <= INT32_MAX);
}

static enum s3_error read_attributes(const struct s3 *s3, struct attributes *attributes,
                                     const char **ret_detail)
{
    *attributes = (struct attributes){.part_limit = PAGE_MAX};
    *ret_detail = "Invalid attribute name specified.";
    if (!take_names(s3->request, attributes))
        return S3_InvalidArgument;
    *ret_detail = "x-amz-max-parts or x-amz-part-number-marker is not valid.";
    if (!read_number(s3->request, "x-amz-max-parts", &attributes->part_limit) ||
        !read_number(s3->request, "x-amz-part-number-marker", &attributes->part_marker))
        return S3_InvalidArgument;
    if (attributes->part_limit > PAGE_MAX)
        attributes->part_limit = PAGE_MAX;
    *ret_detail = NULL;
    return S3_OK;
}

static void append_part(struct text *out, const struct catena_part *found)
{
    struct gw_part part;
    char name[32];
    char value[GW_CHECKSUM_TEXT_SIZE];
    gw_part_decode(slice_of(found->meta, found->meta_length), found->checksum, found->version.epoch,
                   found->version.lsn, &part);
    gw_xml_open(out, "Part");
    if (part.checksum_kind != GW_CHECKSUM_NONE)
        gw_xml_element(out, gw_checksum_element(part.checksum_kind, name),
                       gw_part_checksum(&part, value));
    gw_xml_element_u64(out, "PartNumber", found->number);
    gw_xml_element_u64(out, "Size", found->size);
    gw_xml_close(out, "Part");
}

static void append_parts(struct text *out, const struct attributes *attributes,
                         const struct catena_parts *parts)
{
    size_t first = 0;
    while (first < parts->count && parts->items[first].number <= attributes->part_marker)
        first++;
    size_t end = first;
    while (end < parts->count && end - first < attributes->part_limit)
        end++;
    uint64_t next = end > first ? parts->items[end - 1].number : attributes->part_marker;
    gw_xml_open(out, "ObjectParts");
    gw_xml_element_u64(out, "PartsCount", parts->count);
    gw_xml_element_u64(out, "PartNumberMarker", attributes->part_marker);
    gw_xml_element_u64(out, "NextPartNumberMarker", next);
    gw_xml_element_u64(out, "MaxParts", attributes->part_limit);
    gw_xml_element(out, "IsTruncated", end < parts->count ? "true" : "false");
    for (size_t i = first; i < end; i++)
        append_part(out, &parts->items[i]);
    gw_xml_close(out, "ObjectParts");
}

static void respond_attributes(struct s3 *s3, const struct attributes *attributes,
                               const struct catena_info *info, const struct catena_parts *parts)
{
    struct gw_meta meta;
    struct text out;
    char time[GW_TIME_SIZE];
    s3_decode_meta(info, &meta);
    text_init(&out);
    gw_xml_open_root(&out, "GetObjectAttributesResponse");
    if (attributes->are_wanted[ATTRIBUTE_ETAG]) /* here, and only here, without quotes */
        gw_xml_element(&out, "ETag", meta.etag);
    if (attributes->are_wanted[ATTRIBUTE_CHECKSUM] && meta.checksum_kind != GW_CHECKSUM_NONE) {
        gw_xml_open(&out, "Checksum");
        s3_append_checksum(&out, &meta);
        gw_xml_close(&out, "Checksum");
    }
    if (attributes->are_wanted[ATTRIBUTE_PARTS] && parts->count > 0)
        append_parts(&out, attributes, parts);
    if (attributes->are_wanted[ATTRIBUTE_CLASS])
        gw_xml_element(&out, "StorageClass", "STANDARD");
    if (attributes->are_wanted[ATTRIBUTE_SIZE])
        gw_xml_element_u64(&out, "ObjectSize", info->size);
    gw_xml_close(&out, "GetObjectAttributesResponse");
    gw_meta_release(&meta);
    http_add_header(s3->exchange, "Last-Modified", gw_http_time_format(info->mtime_ms, time));
    s3_add_version(s3, info);
    s3_respond_xml(s3, &out);
}

void op_get_attributes(struct s3 *s3)
{
    const struct gw_route *route = &s3->route;
    struct attributes attributes;
    const char *detail = NULL;
    enum s3_error error = read_attributes(s3, &attributes, &detail);
    if (error != S3_OK) {
        s3_fail(s3, error, detail);
        return;
    }
    struct catena_parts parts = {0};
    struct catena_info info = {0};
    enum catena_status status =
        attributes.are_wanted[ATTRIBUTE_PARTS]
            ? catena_object_parts(s3->gateway->client, route->bucket, route->key, route->key_length,
                                  &parts, &info)
            : catena_stat(s3->gateway->client, route->bucket, route->key, route->key_length, NULL,
                          &info);
    if (status != CATENA_OK)
        s3_fail_status(s3, status);
    else
        respond_attributes(s3, &attributes, &info, &parts);
    catena_parts_release(&parts);
    catena_info_release(&info);
}
