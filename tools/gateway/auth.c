/* Who asks, and what that key may do. */
#include <stdlib.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/keys_refresh.h"
#include "tools/gateway/sigv2.h"

struct gw_key_table *gateway_keys_take(struct gateway *gateway, enum gw_key_source source)
{
    pthread_mutex_lock(&gateway->keys_mutex);
    struct gw_key_table *table = gateway->keys[source];
    atomic_fetch_add(&table->references, 1);
    pthread_mutex_unlock(&gateway->keys_mutex);
    return table;
}

void gateway_keys_drop(struct gw_key_table *table)
{
    if (table == NULL || atomic_fetch_sub(&table->references, 1) > 1)
        return;
    gw_signing_keys_free(table->signing_keys);
    gw_keys_free(table->keys);
    free(table);
}

void gateway_keys_replace(struct gateway *gateway, enum gw_key_source source, struct gw_keys *keys)
{
    struct gw_key_table *table = gw_zalloc(sizeof *table);
    atomic_init(&table->references, 1);
    table->keys = keys;
    table->signing_keys = gw_signing_keys_new();
    pthread_mutex_lock(&gateway->keys_mutex);
    struct gw_key_table *old = gateway->keys[source];
    gateway->keys[source] = table;
    pthread_mutex_unlock(&gateway->keys_mutex);
    gateway_keys_drop(old);
}

enum s3_error s3_find_key(struct s3 *s3, const char *name, const char **ret_detail)
{
    for (unsigned source = 0; source < GW_KEY_SOURCES; source++) {
        if (source == GW_KEYS_OF_MASTERS && !gw_keys_are_current(s3->gateway)) {
            *ret_detail = "The masters, who know the access keys, do not answer. Please try again.";
            return S3_ServiceUnavailable;
        }
        gateway_keys_drop(s3->keys);
        s3->keys = gateway_keys_take(s3->gateway, (enum gw_key_source)source);
        s3->key = gw_keys_find(s3->keys->keys, name);
        if (s3->key != NULL)
            return S3_OK;
    }
    return S3_InvalidAccessKeyId;
}

static bool is_signed_with(const struct s3 *s3, const char *secret)
{
    const struct sigv4 *sigv4 = &s3->sigv4;
    struct gw_signing_keys *known = s3->keys->signing_keys;
    uint8_t key[32];
    bool is_known = gw_signing_keys_find(known, secret, sigv4->date, sigv4->region, key);
    if (!is_known)
        sigv4_key(secret, sigv4->date, sigv4->region, key);
    bool is_good = sigv4_verify_with_key(s3->request, sigv4, key);
    if (is_good && !is_known)
        gw_signing_keys_keep(known, secret, sigv4->date, sigv4->region, key);
    explicit_bzero(key, sizeof key);
    return is_good;
}

static enum s3_error authenticate_v4(struct s3 *s3, const char **ret_detail)
{
    enum s3_error error = sigv4_parse(s3->request, &s3->query, (int64_t)(gw_wall_ms() / 1000),
                                      &s3->sigv4, ret_detail);
    if (error != S3_OK)
        return error;
    s3->is_sigv4 = true;
    error = s3_find_key(s3, s3->sigv4.access_key, ret_detail);
    if (error != S3_OK)
        return error;
    bool is_good = false;
    for (unsigned i = 0; !is_good && (s3->secret = gw_key_secret(s3->key, i)) != NULL; i++)
        is_good = is_signed_with(s3, s3->secret);
    if (!is_good)
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
    enum s3_error error = s3_find_key(s3, gw_query_get(&s3->query, "AWSAccessKeyId"), ret_detail);
    if (error != S3_OK)
        return error;
    struct text resource;
    text_init(&resource);
    if (s3->route.is_virtual_host)
        text_append(&resource, "/%s", s3->route.bucket);
    text_append(&resource, "%s", s3->request->path);
    bool is_good = false;
    for (unsigned i = 0; !is_good && (s3->secret = gw_key_secret(s3->key, i)) != NULL; i++)
        is_good = sigv2_verify(s3->request, &s3->query, text_cstr(&resource), s3->secret);
    text_release(&resource);
    return is_good ? S3_OK : S3_SignatureDoesNotMatch;
}

/* What the signature of a URL covers counts as header from here on; only now, because the canonical
 * request has the headers that were sent. One of them makes a put a copy: the route is found again.
 */
static enum s3_error take_headers_of_query(struct s3 *s3, const char **ret_detail)
{
    const char *ignored = NULL; /* the route was found before, or refused */
    if (!gw_query_hoist(&s3->query, s3->request, &s3->presigned)) {
        *ret_detail = "A parameter of the URL has a value that no header can have.";
        return S3_InvalidArgument;
    }
    s3->request = &s3->presigned;
    (void)gw_route(s3->request, &s3->query, s3->gateway->config.domain, &s3->route, &ignored);
    return S3_OK;
}

enum s3_error s3_authenticate(struct s3 *s3, const char **ret_detail)
{
    const char *header = gw_header(s3->request, "authorization");
    if (sigv4_is_header(s3->request) || (header == NULL && sigv4_is_presigned(&s3->query))) {
        enum s3_error error = authenticate_v4(s3, ret_detail);
        return error == S3_OK && s3->sigv4.is_presigned ? take_headers_of_query(s3, ret_detail)
                                                        : error;
    }
    if (header == NULL && sigv2_is_presigned(&s3->query))
        return authenticate_v2(s3, ret_detail);
    if (header == NULL)
        return S3_OK; /* nobody in particular: s3->key stays NULL */
    if (gw_starts_with(header, "AWS4-ECDSA-P256-SHA256")) {
        *ret_detail = "Signature version 4A is not supported.";
        return S3_NotImplemented;
    }
    *ret_detail = "Only AWS4-HMAC-SHA256 is supported in the Authorization header.";
    return gw_starts_with(header, "AWS ") ? S3_NotImplemented : S3_InvalidArgument;
}

bool s3_may(const struct s3 *s3, const char *bucket, enum gw_right right)
{
    return s3->key != NULL && gw_key_right(s3->key, bucket) >= right;
}

/* What a public bucket offers to everybody, if it is one. */
static bool is_for_everybody(enum gw_operation operation)
{
    return operation == GW_OPERATION_GET_OBJECT || operation == GW_OPERATION_HEAD_OBJECT ||
           operation == GW_OPERATION_LIST_V1 || operation == GW_OPERATION_LIST_V2 ||
           operation == GW_OPERATION_LIST_VERSIONS;
}

/* Headers of the answer that the asker chooses: only for those who sign. */
static bool overrides_headers(const struct s3 *s3)
{
    for (size_t i = 0; i < s3->query.count; i++) {
        if (gw_starts_with(s3->query.parameters[i].name, "response-"))
            return true;
    }
    return false;
}

void s3_check_public(struct s3 *s3)
{
    struct gw_bucket_config *config = NULL;
    enum catena_status status =
        gw_bucket_config_load(s3->gateway, s3->route.bucket, GW_BUCKET_CONFIG_AGE_US, &config);
    if (status != CATENA_OK)
        s3_fail_status(s3, status);
    else if (!gw_bucket_config_is_public(config))
        s3_fail(s3, S3_AccessDenied, NULL);
    gw_bucket_config_drop(config);
}

enum s3_error s3_authorize(struct s3 *s3, const char **ret_detail)
{
    enum gw_right right = GW_RIGHT_OWNER;
    switch (s3->route.operation) {
    case GW_OPERATION_PREFLIGHT:   /* browsers ask without a signature */
    case GW_OPERATION_POST_OBJECT: /* the signature is in the form */
        return S3_OK;
    case GW_OPERATION_LIST_BUCKETS:
        return s3->key != NULL ? S3_OK : S3_AccessDenied; /* shows only what the key may see */
    case GW_OPERATION_HEAD_BUCKET:
    case GW_OPERATION_GET_LOCATION:
    case GW_OPERATION_LIST_V1:
    case GW_OPERATION_LIST_V2:
    case GW_OPERATION_LIST_VERSIONS:
    case GW_OPERATION_BUCKET_STUB:
    case GW_OPERATION_GET_CORS:
    case GW_OPERATION_GET_LIFECYCLE:
    case GW_OPERATION_GET_BUCKET_TAGGING:
    case GW_OPERATION_GET_OBJECT:
    case GW_OPERATION_HEAD_OBJECT:
    case GW_OPERATION_OBJECT_STUB:
    case GW_OPERATION_LIST_UPLOADS:
    case GW_OPERATION_GET_ATTRIBUTES:
    case GW_OPERATION_GET_TAGGING:
        right = GW_RIGHT_READ;
        break;
    case GW_OPERATION_DELETE_OBJECTS:
    case GW_OPERATION_PUT_OBJECT:
    case GW_OPERATION_COPY_OBJECT:
    case GW_OPERATION_DELETE_OBJECT:
    case GW_OPERATION_CREATE_UPLOAD:
    case GW_OPERATION_UPLOAD_PART:
    case GW_OPERATION_UPLOAD_PART_COPY:
    case GW_OPERATION_COMPLETE_UPLOAD:
    case GW_OPERATION_ABORT_UPLOAD:
    case GW_OPERATION_LIST_PARTS: /* the uploader's */
    case GW_OPERATION_PUT_TAGGING:
    case GW_OPERATION_DELETE_TAGGING:
        right = GW_RIGHT_WRITE;
        break;
    case GW_OPERATION_PUT_ACL: /* of a bucket it may make it public */
        right = s3->route.key_length > 0 ? GW_RIGHT_WRITE : GW_RIGHT_OWNER;
        break;
    case GW_OPERATION_CREATE_BUCKET:
    case GW_OPERATION_DELETE_BUCKET:
    case GW_OPERATION_PUT_CORS:
    case GW_OPERATION_DELETE_CORS:
    case GW_OPERATION_PUT_LIFECYCLE:
    case GW_OPERATION_DELETE_LIFECYCLE:
    case GW_OPERATION_PUT_BUCKET_TAGGING:
    case GW_OPERATION_DELETE_BUCKET_TAGGING:
    case GW_OPERATION_NONE:
    case GW_OPERATION_COUNT:
        break;
    }
    if (s3_may(s3, s3->route.bucket, right))
        return S3_OK;
    if (!is_for_everybody(s3->route.operation))
        return S3_AccessDenied;
    if (s3->key == NULL && overrides_headers(s3)) {
        *ret_detail =
            "Request specific response headers cannot be used for anonymous GET requests.";
        return S3_InvalidRequest;
    }
    s3->must_be_public = true; /* a worker asks: s3_check_public */
    return S3_OK;
}
