/* ListParts and ListMultipartUploads. */
#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/http_time.h"
#include "tools/gateway/multipart.h"
#include "tools/gateway/xml.h"

enum { PAGE_MAX = 1000 };

/* A number from 0 to 2^31 - 1, at most PAGE_MAX of which is served; absent or empty: all of it. */
static bool read_limit(const struct s3 *s3, const char *name, uint64_t *ret_limit)
{
    const char *text = gw_query_get(&s3->query, name);
    *ret_limit = PAGE_MAX;
    if (text == NULL || *text == '\0')
        return true;
    if (!gw_parse_u64(text, ret_limit) || *ret_limit > INT32_MAX)
        return false;
    if (*ret_limit > PAGE_MAX)
        *ret_limit = PAGE_MAX;
    return true;
}

static bool read_encoding(const struct s3 *s3, bool *ret_is_url)
{
    const char *encoding = gw_query_get(&s3->query, "encoding-type");
    *ret_is_url = encoding != NULL && gw_is_equal_ignoring_case(encoding, "url");
    return encoding == NULL || *encoding == '\0' || *ret_is_url;
}

static void append_name(struct text *out, const char *element, struct slice name, bool is_url)
{
    if (!is_url) {
        gw_xml_element_bytes(out, element, name);
        return;
    }
    gw_xml_open(out, element);
    gw_uri_encode(out, name, true);
    gw_xml_close(out, element);
}

static void append_people(struct text *out)
{
    text_append(out, "<Initiator><ID>catena</ID><DisplayName>catena</DisplayName></Initiator>"
                     "<Owner><ID>catena</ID><DisplayName>catena</DisplayName></Owner>"
                     "<StorageClass>STANDARD</StorageClass>");
}

static void append_upload_checksum(struct text *out, const struct gw_meta *meta)
{
    if (meta->checksum_kind == GW_CHECKSUM_NONE)
        return;
    gw_xml_element(out, "ChecksumAlgorithm", gw_checksum_name(meta->checksum_kind));
    gw_xml_element(out, "ChecksumType", gw_checksum_type_name(meta->checksum_type));
}

/* ---- parts ---- */

static void append_part(struct text *out, const struct catena_part *found)
{
    struct gw_part part;
    char time[GW_TIME_SIZE];
    char hex[33];
    char name[32];
    char value[GW_CHECKSUM_TEXT_SIZE];
    gw_part_decode(slice_of(found->meta, found->meta_length), found->checksum, found->version.epoch,
                   found->version.lsn, &part);
    gw_hex_encode(part.md5, sizeof part.md5, hex);
    gw_xml_open(out, "Part");
    gw_xml_element_u64(out, "PartNumber", found->number);
    gw_xml_element(out, "LastModified", gw_iso_time_format(found->mtime_ms, time));
    s3_append_etag(out, hex);
    gw_xml_element_u64(out, "Size", found->size);
    if (part.checksum_kind != GW_CHECKSUM_NONE)
        gw_xml_element(out, gw_checksum_element(part.checksum_kind, name),
                       gw_part_checksum(&part, value));
    gw_xml_close(out, "Part");
}

static void respond_parts(struct s3 *s3, const struct catena_parts *parts, uint64_t after,
                          uint64_t limit, bool is_url)
{
    struct text out;
    struct gw_meta meta;
    char id[CATENA_UPLOAD_TEXT_SIZE];
    bool is_truncated = parts->truncated && parts->count > 0;
    text_init(&out);
    gw_meta_decode(slice_of(parts->meta, parts->meta_length), 0, 0, 0, &meta);
    gw_xml_open_root(&out, "ListPartsResult");
    gw_xml_element(&out, "Bucket", s3->route.bucket);
    append_name(&out, "Key", slice_of(s3->route.key, s3->route.key_length), is_url);
    gw_xml_element(&out, "UploadId", catena_upload_format(s3->upload, id));
    append_people(&out);
    gw_xml_element_u64(&out, "PartNumberMarker", after);
    if (is_truncated)
        gw_xml_element_u64(&out, "NextPartNumberMarker", parts->items[parts->count - 1].number);
    gw_xml_element_u64(&out, "MaxParts", limit);
    if (is_url)
        gw_xml_element(&out, "EncodingType", "url");
    gw_xml_element(&out, "IsTruncated", is_truncated ? "true" : "false");
    append_upload_checksum(&out, &meta);
    for (size_t i = 0; i < parts->count; i++)
        append_part(&out, &parts->items[i]);
    gw_xml_close(&out, "ListPartsResult");
    gw_meta_release(&meta);
    s3_respond_xml(s3, &out);
}

void op_list_parts(struct s3 *s3)
{
    const struct gw_route *route = &s3->route;
    const char *marker = gw_query_get(&s3->query, "part-number-marker");
    uint64_t after = 0;
    uint64_t limit = 0;
    bool is_url = false;
    if (!read_limit(s3, "max-parts", &limit) || !read_encoding(s3, &is_url) ||
        (marker != NULL && *marker != '\0' &&
         (!gw_parse_u64(marker, &after) || after > INT32_MAX))) {
        s3_fail(s3, S3_InvalidArgument,
                "max-parts, part-number-marker or encoding-type is not valid.");
        return;
    }
    struct catena_parts parts = {0};
    bool is_empty = limit == 0 || after >= CATENA_PARTS_MAX; /* the upload is still looked up */
    enum catena_status status = catena_multipart_parts(
        s3->gateway->client, route->bucket, route->key, route->key_length, s3->upload,
        is_empty ? CATENA_PARTS_MAX : (uint32_t)after, is_empty ? 1 : (uint32_t)limit, &parts);
    if (status != CATENA_OK)
        s3_fail_status(s3, status);
    else
        respond_parts(s3, &parts, after, limit, is_url);
    catena_parts_release(&parts);
}

/* ---- uploads ---- */

struct upload_listing {
    const char *prefix;
    const char *delimiter;  /* NULL if none */
    const char *key_marker; /* "" if none */
    const char *id_marker;
    struct catena_upload_id after;
    uint64_t limit;
    bool is_url;
    struct catena_upload_list list;
};

static enum s3_error read_upload_listing(const struct s3 *s3, struct upload_listing *listing,
                                         const char **ret_detail)
{
    const struct gw_query *query = &s3->query;
    const char *prefix = gw_query_get(query, "prefix");
    const char *delimiter = gw_query_get(query, "delimiter");
    const char *key = gw_query_get(query, "key-marker");
    const char *id = gw_query_get(query, "upload-id-marker");
    listing->prefix = prefix == NULL ? "" : prefix;
    listing->delimiter = delimiter == NULL || *delimiter == '\0' ? NULL : delimiter;
    listing->key_marker = key == NULL ? "" : key;
    listing->id_marker = id == NULL || listing->key_marker[0] == '\0' ? "" : id;
    *ret_detail = "Argument max-uploads must be an integer between 0 and 2147483647";
    if (!read_limit(s3, "max-uploads", &listing->limit))
        return S3_InvalidArgument;
    *ret_detail = "Invalid Encoding Method specified in Request";
    if (!read_encoding(s3, &listing->is_url))
        return S3_InvalidArgument;
    *ret_detail = "Invalid uploadId marker";
    if (listing->id_marker[0] != '\0' && !catena_upload_parse(listing->id_marker, &listing->after))
        return S3_InvalidArgument;
    *ret_detail = NULL;
    return S3_OK;
}

static void append_upload(struct text *out, const struct catena_upload_item *item, bool is_url)
{
    struct gw_meta meta;
    char id[CATENA_UPLOAD_TEXT_SIZE];
    char time[GW_TIME_SIZE];
    gw_meta_decode(slice_of(item->meta, item->meta_length), 0, 0, 0, &meta);
    gw_xml_open(out, "Upload");
    append_name(out, "Key", slice_of(item->key, item->key_length), is_url);
    gw_xml_element(out, "UploadId", catena_upload_format(item->upload, id));
    append_people(out);
    gw_xml_element(out, "Initiated", gw_iso_time_format(item->created_ms, time));
    append_upload_checksum(out, &meta);
    gw_xml_close(out, "Upload");
    gw_meta_release(&meta);
}

static void append_upload_markers(const struct upload_listing *listing, bool is_truncated,
                                  struct text *out)
{
    bool is_url = listing->is_url;
    append_name(out, "KeyMarker", slice_of_text(listing->key_marker), is_url);
    gw_xml_element(out, "UploadIdMarker", listing->id_marker);
    if (!is_truncated)
        return;
    const struct catena_upload_item *last = &listing->list.items[listing->list.count - 1];
    char id[CATENA_UPLOAD_TEXT_SIZE];
    append_name(out, "NextKeyMarker", slice_of(last->key, last->key_length), is_url);
    gw_xml_element(out, "NextUploadIdMarker",
                   last->is_prefix ? "" : catena_upload_format(last->upload, id));
}

static void respond_uploads(struct s3 *s3, const struct upload_listing *listing)
{
    const struct catena_upload_list *list = &listing->list;
    bool is_truncated = list->truncated && list->count > 0;
    struct text out;
    text_init(&out);
    gw_xml_open_root(&out, "ListMultipartUploadsResult");
    gw_xml_element(&out, "Bucket", s3->route.bucket);
    append_upload_markers(listing, is_truncated, &out);
    append_name(&out, "Prefix", slice_of_text(listing->prefix), listing->is_url);
    if (listing->delimiter != NULL)
        append_name(&out, "Delimiter", slice_of_text(listing->delimiter), listing->is_url);
    if (listing->is_url)
        gw_xml_element(&out, "EncodingType", "url");
    gw_xml_element_u64(&out, "MaxUploads", listing->limit);
    gw_xml_element(&out, "IsTruncated", is_truncated ? "true" : "false");
    for (size_t i = 0; i < list->count; i++) {
        if (!list->items[i].is_prefix)
            append_upload(&out, &list->items[i], listing->is_url);
    }
    for (size_t i = 0; i < list->count; i++) {
        if (!list->items[i].is_prefix)
            continue;
        gw_xml_open(&out, "CommonPrefixes");
        append_name(&out, "Prefix", slice_of(list->items[i].key, list->items[i].key_length),
                    listing->is_url);
        gw_xml_close(&out, "CommonPrefixes");
    }
    gw_xml_close(&out, "ListMultipartUploadsResult");
    s3_respond_xml(s3, &out);
}

void op_list_uploads(struct s3 *s3)
{
    struct upload_listing listing = {0};
    const char *detail = NULL;
    enum s3_error error = read_upload_listing(s3, &listing, &detail);
    if (error != S3_OK) {
        s3_fail(s3, error, detail);
        return;
    }
    size_t prefix = strlen(listing.prefix);
    size_t marker = strlen(listing.key_marker);
    bool exists = true;
    enum catena_status status = CATENA_OK;
    if (listing.limit == 0 || prefix > GW_KEY_BYTES_MAX) /* no key is that long */
        status = gateway_bucket_exists(s3->gateway, s3->route.bucket, 0, &exists);
    else
        status = catena_multipart_list(
            s3->gateway->client, s3->route.bucket, listing.prefix, prefix, listing.key_marker,
            marker > GW_KEY_BYTES_MAX ? GW_KEY_BYTES_MAX : marker, listing.after, listing.delimiter,
            (uint32_t)listing.limit, &listing.list);
    if (status != CATENA_OK)
        s3_fail_status(s3, status);
    else if (!exists)
        s3_fail(s3, S3_NoSuchBucket, NULL);
    else
        respond_uploads(s3, &listing);
    catena_upload_list_release(&listing.list);
}
