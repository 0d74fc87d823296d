/* Who asks, and what that key may do. */
#include <stdlib.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/sigv2.h"

struct gw_key_table *gateway_keys_take(struct gateway *gateway)
{
    pthread_mutex_lock(&gateway->keys_mutex);
    struct gw_key_table *table = gateway->keys;
    atomic_fetch_add(&table->references, 1);
    pthread_mutex_unlock(&gateway->keys_mutex);
    return table;
}

void gateway_keys_drop(struct gw_key_table *table)
{
    if (table == NULL || atomic_fetch_sub(&table->references, 1) > 1)
        return;
    gw_keys_free(table->keys);
    free(table);
}

void gateway_keys_replace(struct gateway *gateway, struct gw_keys *keys)
{
    struct gw_key_table *table = gw_zalloc(sizeof *table);
    atomic_init(&table->references, 1);
    table->keys = keys;
    pthread_mutex_lock(&gateway->keys_mutex);
    struct gw_key_table *old = gateway->keys;
    gateway->keys = table;
    pthread_mutex_unlock(&gateway->keys_mutex);
    gateway_keys_drop(old);
}

static enum s3_error authenticate_v4(struct s3 *s3, const char **ret_detail)
{
    enum s3_error error = sigv4_parse(s3->request, &s3->query, (int64_t)(gw_wall_ms() / 1000),
                                      &s3->sigv4, ret_detail);
    if (error != S3_OK)
        return error;
    s3->is_sigv4 = true;
    s3->key = gw_keys_find(s3->keys->keys, s3->sigv4.access_key);
    if (s3->key == NULL)
        return S3_InvalidAccessKeyId;
    if (!sigv4_verify(s3->request, &s3->sigv4, gw_key_secret(s3->key)))
        return S3_SignatureDoesNotMatch;
    const struct gw_config *config = &s3->gateway->config;
    if (config->is_region_strict && strcmp(s3->sigv4.region, config->region) != 0) {
        *ret_detail = "The authorization header is malformed; the region is wrong.";
        return S3_AuthorizationHeaderMalformed;
    }
    return S3_OK;
}

static enum s3_error authenticate_v2(struct s3 *s3, const char **ret_detail)
{
    uint64_t expires = 0;
    if (!gw_parse_u64(gw_query_get(&s3->query, "Expires"), &expires)) {
        *ret_detail = "Invalid date (should be seconds since epoch)";
        return S3_AccessDenied;
    }
    if (gw_wall_ms() / 1000 > expires) {
        *ret_detail = "Request has expired";
        return S3_AccessDenied;
    }
    s3->key = gw_keys_find(s3->keys->keys, gw_query_get(&s3->query, "AWSAccessKeyId"));
    if (s3->key == NULL)
        return S3_InvalidAccessKeyId;
    struct text resource;
    text_init(&resource);
    if (s3->route.is_virtual_host)
        text_append(&resource, "/%s", s3->route.bucket);
    text_append(&resource, "%s", s3->request->path);
    bool is_good =
        sigv2_verify(s3->request, &s3->query, text_cstr(&resource), gw_key_secret(s3->key));
    text_release(&resource);
    return is_good ? S3_OK : S3_SignatureDoesNotMatch;
}

enum s3_error s3_authenticate(struct s3 *s3, const char **ret_detail)
{
    const char *header = gw_header(s3->request, "authorization");
    s3->keys = gateway_keys_take(s3->gateway);
    if (sigv4_is_header(s3->request) || (header == NULL && sigv4_is_presigned(&s3->query)))
        return authenticate_v4(s3, ret_detail);
    if (header == NULL && sigv2_is_presigned(&s3->query))
        return authenticate_v2(s3, ret_detail);
    if (header == NULL)
        return S3_AccessDenied; /* no anonymous access */
    if (gw_starts_with(header, "AWS4-ECDSA-P256-SHA256")) {
        *ret_detail = "Signature version 4A is not supported.";
        return S3_NotImplemented;
    }
    *ret_detail = "Only AWS4-HMAC-SHA256 is supported in the Authorization header.";
    return gw_starts_with(header, "AWS ") ? S3_NotImplemented : S3_InvalidArgument;
}

bool s3_may(const struct s3 *s3, const char *bucket, enum gw_right right)
{
    return gw_key_right(s3->key, bucket) >= right;
}

enum s3_error s3_authorize(struct s3 *s3)
{
    enum gw_right right = GW_RIGHT_OWNER;
    switch (s3->route.operation) {
    case GW_OPERATION_LIST_BUCKETS:
        return S3_OK; /* shows only what the key may see */
    case GW_OPERATION_HEAD_BUCKET:
    case GW_OPERATION_GET_LOCATION:
    case GW_OPERATION_LIST_V1:
    case GW_OPERATION_LIST_V2:
    case GW_OPERATION_LIST_VERSIONS:
    case GW_OPERATION_BUCKET_STUB:
    case GW_OPERATION_GET_OBJECT:
    case GW_OPERATION_HEAD_OBJECT:
    case GW_OPERATION_OBJECT_STUB:
        right = GW_RIGHT_READ;
        break;
    case GW_OPERATION_DELETE_OBJECTS:
    case GW_OPERATION_PUT_OBJECT:
    case GW_OPERATION_COPY_OBJECT:
    case GW_OPERATION_DELETE_OBJECT:
    case GW_OPERATION_PUT_ACL:
        right = GW_RIGHT_WRITE;
        break;
    case GW_OPERATION_CREATE_BUCKET:
    case GW_OPERATION_DELETE_BUCKET:
    case GW_OPERATION_NONE:
    case GW_OPERATION_COUNT:
        break;
    }
    return s3_may(s3, s3->route.bucket, right) ? S3_OK : S3_AccessDenied;
}
