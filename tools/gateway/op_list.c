/* ListObjects (both versions) and ListObjectVersions, which shows each object as its only version.
 *
 * The library lists keys in byte order, complete or not at all, each with its metadata, where the
 * ETag is. */
#include <stdlib.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/http_time.h"
#include "tools/gateway/xml.h"

enum { PAGE_MAX = 1000 };

struct listing {
    const char *prefix;
    const char *delimiter; /* NULL if none */
    const char *marker;    /* marker, start-after or key-marker as sent, or NULL */
    const char *token;     /* as sent, or NULL */
    char *after;           /* where to go on */
    size_t after_length;
    uint64_t max_keys;
    bool is_url_encoded;
    bool has_owner;
    struct catena_list list;
};

/* A token is "1" and the last key, in base64: it needs no server's memory. */
static bool decode_token(struct listing *listing, const char *token)
{
    uint8_t bytes[GW_KEY_BYTES_MAX + 8];
    size_t length = 0;
    if (!gw_base64_decode(token, bytes, sizeof bytes, &length) || length < 2 || bytes[0] != '1')
        return false;
    free(listing->after);
    listing->after = gw_copy_bytes(bytes + 1, length - 1);
    listing->after_length = length - 1;
    return true;
}

static enum s3_error read_parameters(struct s3 *s3, struct listing *listing,
                                     const char **ret_detail)
{
    const struct gw_query *query = &s3->query;
    enum gw_operation operation = s3->route.operation;
    const char *max_keys = gw_query_get(query, "max-keys");
    const char *encoding = gw_query_get(query, "encoding-type");
    const char *prefix = gw_query_get(query, "prefix");
    const char *owner = gw_query_get(query, "fetch-owner");
    listing->prefix = prefix == NULL ? "" : prefix;
    listing->delimiter = gw_query_get(query, "delimiter");
    if (listing->delimiter != NULL && *listing->delimiter == '\0')
        listing->delimiter = NULL;
    listing->marker = gw_query_get(query, operation == GW_OPERATION_LIST_V1   ? "marker"
                                          : operation == GW_OPERATION_LIST_V2 ? "start-after"
                                                                              : "key-marker");
    listing->has_owner =
        operation != GW_OPERATION_LIST_V2 || (owner != NULL && strcmp(owner, "true") == 0);
    listing->max_keys = PAGE_MAX;
    *ret_detail = "Argument max-keys must be an integer between 0 and 2147483647";
    if (max_keys != NULL && *max_keys != '\0' &&
        (!gw_parse_u64(max_keys, &listing->max_keys) || listing->max_keys > INT32_MAX))
        return S3_InvalidArgument;
    if (listing->max_keys > PAGE_MAX)
        listing->max_keys = PAGE_MAX;
    *ret_detail = "Invalid Encoding Method specified in Request";
    listing->is_url_encoded = encoding != NULL && gw_is_equal_ignoring_case(encoding, "url");
    if (encoding != NULL && *encoding != '\0' && !listing->is_url_encoded)
        return S3_InvalidArgument;
    *ret_detail = "The continuation token provided is incorrect";
    if (listing->marker != NULL) {
        listing->after = gw_copy(listing->marker);
        listing->after_length = strlen(listing->marker);
    }
    if (operation == GW_OPERATION_LIST_V2)
        listing->token = gw_query_get(query, "continuation-token");
    if (listing->token != NULL && *listing->token != '\0' && !decode_token(listing, listing->token))
        return S3_InvalidArgument;
    *ret_detail = NULL;
    return S3_OK;
}

static void append_name(const struct listing *listing, struct text *out, const char *element,
                        struct slice name)
{
    if (!listing->is_url_encoded) {
        gw_xml_element_bytes(out, element, name);
        return;
    }
    gw_xml_open(out, element);
    gw_uri_encode(out, name, true);
    gw_xml_close(out, element);
}

static void append_owner(struct text *out)
{
    text_append(out, "<Owner><ID>catena</ID><DisplayName>catena</DisplayName></Owner>");
}

static void append_item(const struct s3 *s3, const struct listing *listing,
                        const struct catena_list_item *item, struct text *out)
{
    bool is_versions = s3->route.operation == GW_OPERATION_LIST_VERSIONS;
    struct gw_meta meta;
    char time[GW_TIME_SIZE];
    gw_meta_decode(slice_of(item->meta, item->meta_length), item->checksum, item->version.epoch,
                   item->version.lsn, &meta);
    gw_xml_open(out, is_versions ? "Version" : "Contents");
    append_name(listing, out, "Key", slice_of(item->key, item->key_length));
    if (is_versions)
        text_append(out, "<VersionId>null</VersionId><IsLatest>true</IsLatest>");
    gw_xml_element(out, "LastModified", gw_iso_time_format(item->mtime_ms, time));
    text_append(out, "<ETag>&quot;%s&quot;</ETag>", meta.etag);
    if (meta.checksum_kind != GW_CHECKSUM_NONE && !is_versions)
        text_append(out, "<ChecksumAlgorithm>%s</ChecksumAlgorithm><ChecksumType>%s</ChecksumType>",
                    gw_checksum_name(meta.checksum_kind),
                    gw_checksum_type_name(meta.checksum_type));
    gw_xml_element_u64(out, "Size", item->size);
    if (listing->has_owner)
        append_owner(out);
    gw_xml_element(out, "StorageClass", "STANDARD");
    gw_xml_close(out, is_versions ? "Version" : "Contents");
    gw_meta_release(&meta);
}

static void append_items(const struct s3 *s3, const struct listing *listing, struct text *out)
{
    const struct catena_list *list = &listing->list;
    for (size_t i = 0; i < list->count; i++)
        if (!list->items[i].is_prefix)
            append_item(s3, listing, &list->items[i], out);
    for (size_t i = 0; i < list->count; i++) {
        const struct catena_list_item *item = &list->items[i];
        if (!item->is_prefix)
            continue;
        gw_xml_open(out, "CommonPrefixes");
        append_name(listing, out, "Prefix", slice_of(item->key, item->key_length));
        gw_xml_close(out, "CommonPrefixes");
    }
}

/* Markers of this page and of the next. */
static void append_markers(const struct s3 *s3, const struct listing *listing, struct text *out)
{
    const struct catena_list *list = &listing->list;
    bool has_next = list->truncated && list->count > 0;
    struct slice next = {0};
    if (has_next)
        next = slice_of(list->items[list->count - 1].key, list->items[list->count - 1].key_length);
    struct slice marker = slice_of_text(listing->marker == NULL ? "" : listing->marker);
    if (s3->route.operation == GW_OPERATION_LIST_V1) {
        append_name(listing, out, "Marker", marker);
        if (has_next && listing->delimiter != NULL)
            append_name(listing, out, "NextMarker", next);
    } else if (s3->route.operation == GW_OPERATION_LIST_VERSIONS) {
        append_name(listing, out, "KeyMarker", marker);
        gw_xml_element(out, "VersionIdMarker", "");
        if (has_next) {
            append_name(listing, out, "NextKeyMarker", next);
            gw_xml_element(out, "NextVersionIdMarker", "null");
        }
    } else {
        if (listing->marker != NULL && *listing->marker != '\0')
            append_name(listing, out, "StartAfter", marker);
        if (listing->token != NULL)
            gw_xml_element(out, "ContinuationToken", listing->token);
        if (has_next) {
            uint8_t bytes[GW_KEY_BYTES_MAX + 8] = {'1'};
            char token[2 * sizeof bytes];
            memcpy(bytes + 1, next.data, next.length);
            gw_base64_encode(bytes, next.length + 1, token);
            gw_xml_element(out, "NextContinuationToken", token);
        }
    }
}

static void respond_listing(struct s3 *s3, const struct listing *listing)
{
    struct text out;
    bool is_versions = s3->route.operation == GW_OPERATION_LIST_VERSIONS;
    const char *root = is_versions ? "ListVersionsResult" : "ListBucketResult";
    text_init(&out);
    gw_xml_open_root(&out, root);
    gw_xml_element(&out, "Name", s3->route.bucket);
    append_name(listing, &out, "Prefix", slice_of_text(listing->prefix));
    append_markers(s3, listing, &out);
    if (s3->route.operation == GW_OPERATION_LIST_V2)
        gw_xml_element_u64(&out, "KeyCount", listing->list.count);
    gw_xml_element_u64(&out, "MaxKeys", listing->max_keys);
    if (listing->delimiter != NULL)
        append_name(listing, &out, "Delimiter", slice_of_text(listing->delimiter));
    if (listing->is_url_encoded)
        gw_xml_element(&out, "EncodingType", "url");
    gw_xml_element(&out, "IsTruncated", listing->list.truncated ? "true" : "false");
    append_items(s3, listing, &out);
    gw_xml_close(&out, root);
    s3_respond_xml(s3, &out);
}

static void run_listing(struct s3 *s3, struct listing *listing)
{
    bool exists = true;
    enum catena_status status = CATENA_OK;
    bool is_hopeless = strlen(listing->prefix) > GW_KEY_BYTES_MAX; /* no key is that long */
    if (listing->max_keys == 0 || is_hopeless)
        status = gateway_bucket_exists(s3->gateway, s3->route.bucket, 0, &exists);
    else
        status = catena_list_with_meta(
            s3->gateway->client, s3->route.bucket, listing->prefix, strlen(listing->prefix),
            listing->after,
            listing->after_length > GW_KEY_BYTES_MAX ? GW_KEY_BYTES_MAX : listing->after_length,
            listing->delimiter, (uint32_t)listing->max_keys, &listing->list);
    if (status != CATENA_OK)
        s3_fail_status(s3, status);
    else if (!exists)
        s3_fail(s3, S3_NoSuchBucket, NULL);
    else
        respond_listing(s3, listing);
}

void op_list(struct s3 *s3)
{
    struct listing listing = {0};
    const char *detail = NULL;
    enum s3_error error = read_parameters(s3, &listing, &detail);
    if (error != S3_OK)
        s3_fail(s3, error, detail);
    else
        run_listing(s3, &listing);
    catena_list_release(&listing.list);
    free(listing.after);
}
