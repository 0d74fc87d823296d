/* Operations on buckets, and the fixed documents that tools ask for. */
#include <stdlib.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/http_time.h"
#include "tools/gateway/xml.h"
#include "tools/gateway/xml_read.h"

enum { BUCKETS_PAGE_MAX = 10000 };

void s3_append_owner(struct text *out, const char *element)
{
    gw_xml_open(out, element);
    gw_xml_element(out, "ID", "catena");
    gw_xml_element(out, "DisplayName", "catena");
    gw_xml_close(out, element);
}

/* The name after which to go on, from the token; "" from the beginning. */
static bool read_bucket_page(struct s3 *s3, char *after, size_t *ret_limit)
{
    const char *token = gw_query_get(&s3->query, "continuation-token");
    const char *count = gw_query_get(&s3->query, "max-buckets");
    uint64_t limit = BUCKETS_PAGE_MAX;
    size_t length = 0;
    after[0] = '\0';
    if (token != NULL && *token != '\0') {
        if (!gw_base64_decode(token, (uint8_t *)after, GW_BUCKET_SIZE - 1, &length))
            return false;
        after[length] = '\0';
    }
    if (count != NULL && (!gw_parse_u64(count, &limit) || limit < 1 || limit > BUCKETS_PAGE_MAX))
        return false;
    *ret_limit = (size_t)limit;
    return true;
}

static void append_buckets(struct s3 *s3, const struct catena_bucket *buckets, size_t count,
                           const char *after, size_t limit, struct text *out)
{
    const char *prefix = gw_query_get(&s3->query, "prefix");
    const char *last = NULL;
    bool is_truncated = false;
    size_t shown = 0;
    gw_xml_open(out, "Buckets");
    for (size_t i = 0; i < count; i++) {
        const struct catena_bucket *bucket = &buckets[i];
        char time[GW_TIME_SIZE];
        if (strcmp(bucket->name, after) <= 0 || !s3_may(s3, bucket->name, GW_RIGHT_READ) ||
            (prefix != NULL && !gw_starts_with(bucket->name, prefix)))
            continue;
        if (shown == limit) {
            is_truncated = true;
            break;
        }
        gw_xml_open(out, "Bucket");
        gw_xml_element(out, "Name", bucket->name);
        gw_xml_element(out, "CreationDate", gw_iso_time_format(bucket->created_ms, time));
        gw_xml_close(out, "Bucket");
        last = bucket->name;
        shown++;
    }
    gw_xml_close(out, "Buckets");
    if (prefix != NULL)
        gw_xml_element(out, "Prefix", prefix);
    if (is_truncated) {
        char token[GW_BUCKET_SIZE * 2];
        gw_base64_encode((const uint8_t *)last, strlen(last), token);
        gw_xml_element(out, "ContinuationToken", token);
    }
}

void op_list_buckets(struct s3 *s3)
{
    char after[GW_BUCKET_SIZE];
    size_t limit = 0;
    if (!read_bucket_page(s3, after, &limit)) {
        s3_fail(s3, S3_InvalidArgument, "max-buckets or continuation-token is not valid.");
        return;
    }
    struct catena_bucket *buckets = NULL;
    size_t count = 0;
    enum catena_status status = catena_bucket_list(s3->gateway->client, &buckets, &count);
    if (status != CATENA_OK) {
        s3_fail_status(s3, status);
        return;
    }
    struct text out;
    text_init(&out);
    gw_xml_open_root(&out, "ListAllMyBucketsResult");
    s3_append_owner(&out, "Owner");
    append_buckets(s3, buckets, count, after, limit, &out);
    gw_xml_close(&out, "ListAllMyBucketsResult");
    free(buckets);
    s3_respond_xml(s3, &out);
}

/* Making one's own bucket again is a success, as in us-east-1. */
void op_create_bucket(struct s3 *s3)
{
    char location[64];
    bool has_more = false;
    if (!gw_xml_read_create_bucket(slice_of(s3->document.data, s3->document.length), location,
                                   sizeof location, &has_more)) {
        s3_fail(s3, S3_MalformedXML, NULL);
        return;
    }
    if (has_more) {
        s3_fail(s3, S3_NotImplemented,
                "Only LocationConstraint is supported when a bucket is created; its tags are set "
                "by PUT ?tagging.");
        return;
    }
    enum catena_status status = catena_bucket_create(s3->gateway->client, s3->route.bucket);
    if (status == CATENA_OK || status == CATENA_BUCKET_EXISTS)
        status = s3_apply_bucket_acl(s3);
    if (status != CATENA_OK) {
        s3_fail_status(s3, status);
        return;
    }
    char path[GW_BUCKET_SIZE + 1];
    http_add_header(s3->exchange, "Location",
                    text_format(path, sizeof path, "/%s", s3->route.bucket));
    s3_respond_empty(s3, 200);
}

void op_delete_bucket(struct s3 *s3)
{
    enum catena_status status = catena_bucket_delete(s3->gateway->client, s3->route.bucket);
    if (status != CATENA_OK)
        s3_fail_status(s3, status);
    else
        s3_respond_empty(s3, 204);
}

/* True if the bucket is there; otherwise the request is answered. */
static bool require_bucket(struct s3 *s3)
{
    bool exists = false;
    enum catena_status status = gateway_bucket_exists(s3->gateway, s3->route.bucket, 0, &exists);
    if (status != CATENA_OK)
        s3_fail_status(s3, status);
    else if (!exists)
        s3_fail(s3, S3_NoSuchBucket, NULL);
    return status == CATENA_OK && exists;
}

void op_head_bucket(struct s3 *s3)
{
    if (!require_bucket(s3))
        return;
    http_add_header(s3->exchange, "x-amz-bucket-region", s3->gateway->config.region);
    http_add_header(s3->exchange, "Content-Type", "application/xml");
    s3_respond_empty(s3, 200);
}

void op_get_location(struct s3 *s3)
{
    if (!require_bucket(s3))
        return;
    const char *region = s3->gateway->config.region;
    struct text out;
    text_init(&out);
    gw_xml_begin(&out);
    text_append(&out, "<LocationConstraint xmlns=\"" GW_XML_NAMESPACE "\">");
    if (strcmp(region, "us-east-1") != 0) /* which has no name here, for historical reasons */
        gw_xml_escape(&out, slice_of_text(region));
    gw_xml_close(&out, "LocationConstraint");
    s3_respond_xml(s3, &out);
}

/* ---- fixed documents ---- */

static void respond_root(struct s3 *s3, const char *root, const char *content)
{
    struct text out;
    text_init(&out);
    gw_xml_open_root(&out, root);
    text_append(&out, "%s", content);
    gw_xml_close(&out, root);
    s3_respond_xml(s3, &out);
}

static void respond_bucket_stub(struct s3 *s3, const char *sub)
{
    static const struct {
        const char *sub;
        enum s3_error error; /* S3_OK: a document */
        const char *root;
        const char *content;
    } stubs[] = {
        {"versioning", S3_OK, "VersioningConfiguration", ""},
        {"logging", S3_OK, "BucketLoggingStatus", ""},
        {"notification", S3_OK, "NotificationConfiguration", ""},
        {"accelerate", S3_OK, "AccelerateConfiguration", ""},
        {"requestPayment", S3_OK, "RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>"},
        {"policy", S3_NoSuchBucketPolicy, NULL, NULL},
        {"policyStatus", S3_NoSuchBucketPolicy, NULL, NULL},
        {"object-lock", S3_ObjectLockConfigurationNotFoundError, NULL, NULL},
        {"encryption", S3_ServerSideEncryptionConfigurationNotFoundError, NULL, NULL},
        {"publicAccessBlock", S3_NoSuchPublicAccessBlockConfiguration, NULL, NULL},
        {"ownershipControls", S3_OwnershipControlsNotFoundError, NULL, NULL},
        {"replication", S3_ReplicationConfigurationNotFoundError, NULL, NULL},
        {"website", S3_NoSuchWebsiteConfiguration, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof stubs / sizeof stubs[0]; i++) {
        if (strcmp(sub, stubs[i].sub) != 0)
            continue;
        if (stubs[i].error != S3_OK)
            s3_fail(s3, stubs[i].error, NULL);
        else
            respond_root(s3, stubs[i].root, stubs[i].content);
        return;
    }
    s3_fail(s3, S3_NotImplemented, NULL);
}

/* True if bucket and, for an object's sub-resource, object are there. */
bool s3_require_subject(struct s3 *s3)
{
    if (s3->route.key_length == 0)
        return require_bucket(s3);
    enum catena_status status = catena_stat(s3->gateway->client, s3->route.bucket, s3->route.key,
                                            s3->route.key_length, NULL, NULL);
    if (status != CATENA_OK)
        s3_fail_status(s3, status);
    return status == CATENA_OK;
}

void op_stub(struct s3 *s3)
{
    if (!s3_require_subject(s3))
        return;
    if (strcmp(s3->route.sub_resource, "acl") == 0)
        op_get_acl(s3);
    else
        respond_bucket_stub(s3, s3->route.sub_resource);
}
