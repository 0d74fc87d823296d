#include "tools/gateway/route.h"

#include "tools/gateway/encode.h"

const char *gw_operation_name(enum gw_operation operation)
{
    static const char *const names[GW_OPERATION_COUNT] = {
#define X(constant, name) name,
        GW_OPERATIONS(X)
#undef X
    };
    return names[operation];
}

/* Digits and dots in four groups. */
static bool looks_like_address(const char *name)
{
    unsigned dots = 0;
    for (; *name != '\0'; name++) {
        if (*name == '.')
            dots++;
        else if (*name < '0' || *name > '9')
            return false;
    }
    return dots == 3;
}

bool gw_bucket_name_is_valid(const char *name)
{
    size_t length = strlen(name);
    if (length < 3 || length >= GW_BUCKET_SIZE || strstr(name, "..") != NULL ||
        looks_like_address(name))
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        bool is_edge = i == 0 || i + 1 == length;
        if (!is_alnum && (is_edge || (c != '.' && c != '-')))
            return false;
    }
    return true;
}

/* The part of the host name before ".domain", without the port. False: not of that form. */
static bool bucket_of_host(const char *host, const char *domain, char *bucket)
{
    size_t length = strcspn(host, ":");
    size_t suffix = strlen(domain);
    if (length <= suffix + 1 || host[length - suffix - 1] != '.' ||
        !gw_starts_with_ignoring_case(host + length - suffix, domain))
        return false;
    size_t name = length - suffix - 1;
    if (name >= GW_BUCKET_SIZE)
        return false;
    memcpy(bucket, host, name);
    bucket[name] = '\0';
    return true;
}

static enum s3_error take_key(struct slice raw, struct gw_route *route)
{
    struct text key;
    enum s3_error error = S3_OK;
    text_init(&key);
    if (!gw_uri_decode(&key, raw, false))
        error = S3_InvalidURI;
    else if (key.length > GW_KEY_BYTES_MAX)
        error = S3_KeyTooLongError;
    else if (!utf8_is_valid(slice_of(key.data, key.length)) ||
             (key.length > 0 && memchr(key.data, '\0', key.length) != NULL))
        error = S3_InvalidURI;
    if (error == S3_OK && key.length > 0) {
        memcpy(route->key, key.data, key.length);
        route->key_length = key.length;
    }
    text_release(&key);
    return error;
}

static enum s3_error take_bucket(struct slice raw, struct gw_route *route)
{
    struct text bucket;
    text_init(&bucket);
    bool is_good = gw_uri_decode(&bucket, raw, false) && bucket.length > 0 &&
                   bucket.length < sizeof route->bucket &&
                   memchr(bucket.data, '\0', bucket.length) == NULL;
    if (is_good)
        memcpy(route->bucket, bucket.data, bucket.length);
    text_release(&bucket);
    return is_good ? S3_OK : S3_InvalidBucketName;
}

static enum s3_error split(const struct gw_request *request, const char *domain,
                           struct gw_route *route)
{
    const char *path = request->path;
    const char *host = gw_header(request, "host");
    if (*path != '/')
        return S3_InvalidURI;
    path++;
    if (domain != NULL && host != NULL && bucket_of_host(host, domain, route->bucket)) {
        route->is_virtual_host = true;
        return take_key(slice_of_text(path), route);
    }
    size_t length = strcspn(path, "/");
    if (length == 0)
        return *path == '\0' ? S3_OK : S3_InvalidBucketName;
    enum s3_error error = take_bucket(slice_of(path, length), route);
    if (error != S3_OK || path[length] == '\0')
        return error;
    return take_key(slice_of_text(path + length + 1), route);
}

/* Parameters that name something else than the object or the listing. */
static const char *const sub_resources[] = {
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
    "website",
    "renameObject",
    "append",
};

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* Parameters that name nothing, also when they have no value. */
static bool is_modifier(const char *name)
{
    static const char *const names[] = {
        "continuation-token",
        "delimiter",
        "encoding-type",
        "fetch-owner",
        "list-type",
        "marker",
        "max-keys",
        "prefix",
        "start-after",
        "partNumber",
        "versionId",
        "Signature",
        "Expires",
        "AWSAccessKeyId",
    };
    return gw_starts_with_ignoring_case(name, "x-") ||
           is_one_of(name, names, sizeof names / sizeof names[0]);
}

/* S3 gets new sub-resources every year: a name without a value is taken for one. The request would
 * mean the object or the bucket itself otherwise, and DELETE of a setting would delete them. Reads
 * of objects and HEAD harm nothing, and pages add such names to get past caches. */
static bool has_unknown_sub_resource(const struct gw_request *request, const struct gw_query *query,
                                     bool has_key)
{
    if (strcmp(request->method, "HEAD") == 0 || (has_key && strcmp(request->method, "GET") == 0))
        return false;
    for (size_t i = 0; i < query->count; i++) {
        const struct gw_parameter *parameter = &query->parameters[i];
        if (*parameter->value == '\0' && !is_modifier(parameter->name))
            return true;
    }
    return false;
}

static const char *sub_resource_of(const struct gw_request *request, const struct gw_query *query,
                                   bool has_key)
{
    for (size_t i = 0; i < sizeof sub_resources / sizeof sub_resources[0]; i++) {
        if (gw_query_has(query, sub_resources[i]))
            return sub_resources[i];
    }
    return has_unknown_sub_resource(request, query, has_key) ? "" : NULL;
}

/* What is configured for a bucket by an XML document. */
static enum gw_operation section_operation(const char *method, const char *sub)
{
    static const struct {
        const char *sub;
        enum gw_operation get;
        enum gw_operation put;
        enum gw_operation delete;
    } sections[] = {
        {"cors", GW_OPERATION_GET_CORS, GW_OPERATION_PUT_CORS, GW_OPERATION_DELETE_CORS},
        {"lifecycle", GW_OPERATION_GET_LIFECYCLE, GW_OPERATION_PUT_LIFECYCLE,
         GW_OPERATION_DELETE_LIFECYCLE},
        {"tagging", GW_OPERATION_GET_BUCKET_TAGGING, GW_OPERATION_PUT_BUCKET_TAGGING,
         GW_OPERATION_DELETE_BUCKET_TAGGING},
    };
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        if (strcmp(sub, sections[i].sub) != 0)
            continue;
        if (strcmp(method, "GET") == 0)
            return sections[i].get;
        if (strcmp(method, "PUT") == 0)
            return sections[i].put;
        if (strcmp(method, "DELETE") == 0)
            return sections[i].delete;
    }
    return GW_OPERATION_NONE;
}

static enum gw_operation bucket_sub_operation(const char *method, const char *sub)
{
    static const char *const stubs[] = {
        "acl",          "encryption",        "object-lock",  "ownershipControls", "policy",
        "policyStatus", "publicAccessBlock", "replication",  "requestPayment",    "versioning",
        "website",      "logging",           "notification", "accelerate",
    };
    if (strcmp(method, "GET") == 0) {
        if (strcmp(sub, "location") == 0)
            return GW_OPERATION_GET_LOCATION;
        if (strcmp(sub, "versions") == 0)
            return GW_OPERATION_LIST_VERSIONS;
        if (strcmp(sub, "uploads") == 0)
            return GW_OPERATION_LIST_UPLOADS;
        if (is_one_of(sub, stubs, sizeof stubs / sizeof stubs[0]))
            return GW_OPERATION_BUCKET_STUB;
    }
    if (strcmp(method, "POST") == 0 && strcmp(sub, "delete") == 0)
        return GW_OPERATION_DELETE_OBJECTS;
    if (strcmp(method, "PUT") == 0 && strcmp(sub, "acl") == 0)
        return GW_OPERATION_PUT_ACL;
    return section_operation(method, sub);
}

static enum gw_operation object_sub_operation(const struct gw_request *request, const char *sub)
{
    static const struct {
        const char *method;
        const char *sub;
        enum gw_operation operation;
    } operations[] = {
        {"GET", "acl", GW_OPERATION_OBJECT_STUB},
        {"PUT", "acl", GW_OPERATION_PUT_ACL},
        {"GET", "attributes", GW_OPERATION_GET_ATTRIBUTES},
        {"GET", "tagging", GW_OPERATION_GET_TAGGING},
        {"PUT", "tagging", GW_OPERATION_PUT_TAGGING},
        {"DELETE", "tagging", GW_OPERATION_DELETE_TAGGING},
        {"POST", "uploads", GW_OPERATION_CREATE_UPLOAD},
        {"GET", "uploadId", GW_OPERATION_LIST_PARTS},
        {"PUT", "uploadId", GW_OPERATION_UPLOAD_PART},
        {"POST", "uploadId", GW_OPERATION_COMPLETE_UPLOAD},
        {"DELETE", "uploadId", GW_OPERATION_ABORT_UPLOAD},
    };
    enum gw_operation operation = GW_OPERATION_NONE;
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (strcmp(request->method, operations[i].method) == 0 &&
            strcmp(sub, operations[i].sub) == 0)
            operation = operations[i].operation;
    }
    if (operation == GW_OPERATION_UPLOAD_PART && gw_header(request, "x-amz-copy-source") != NULL)
        operation = GW_OPERATION_UPLOAD_PART_COPY;
    return operation;
}

static enum gw_operation plain_operation(const struct gw_request *request,
                                         const struct gw_query *query, const struct gw_route *route)
{
    const char *method = request->method;
    if (route->key_length > 0) {
        if (strcmp(method, "GET") == 0)
            return GW_OPERATION_GET_OBJECT;
        if (strcmp(method, "HEAD") == 0)
            return GW_OPERATION_HEAD_OBJECT;
        if (strcmp(method, "DELETE") == 0)
            return GW_OPERATION_DELETE_OBJECT;
        if (strcmp(method, "PUT") == 0)
            return gw_header(request, "x-amz-copy-source") != NULL ? GW_OPERATION_COPY_OBJECT
                                                                   : GW_OPERATION_PUT_OBJECT;
        return GW_OPERATION_NONE;
    }
    if (strcmp(method, "GET") == 0) {
        const char *type = gw_query_get(query, "list-type");
        return type != NULL && strcmp(type, "2") == 0 ? GW_OPERATION_LIST_V2 : GW_OPERATION_LIST_V1;
    }
    if (strcmp(method, "HEAD") == 0)
        return GW_OPERATION_HEAD_BUCKET;
    if (strcmp(method, "PUT") == 0)
        return GW_OPERATION_CREATE_BUCKET;
    if (strcmp(method, "POST") == 0)
        return GW_OPERATION_POST_OBJECT;
    return strcmp(method, "DELETE") == 0 ? GW_OPERATION_DELETE_BUCKET : GW_OPERATION_NONE;
}

static bool is_known_method(const char *method)
{
    static const char *const methods[] = {"GET", "HEAD", "PUT", "POST", "DELETE"};
    return is_one_of(method, methods, 5);
}

/* What a browser asks before it sends anything that a page could not send without CORS. */
static enum s3_error route_preflight(const struct gw_request *request, struct gw_route *route,
                                     const char **ret_detail)
{
    *ret_detail = "Insufficient information. Origin request header needed.";
    if (gw_header(request, "origin") == NULL)
        return S3_BadRequest;
    *ret_detail = "Invalid Access-Control-Request-Method: null";
    if (gw_header(request, "access-control-request-method") == NULL)
        return S3_BadRequest;
    *ret_detail = NULL;
    route->operation = GW_OPERATION_PREFLIGHT;
    return gw_bucket_name_is_valid(route->bucket) ? S3_OK : S3_AccessForbidden;
}

enum s3_error gw_route(const struct gw_request *request, const struct gw_query *query,
                       const char *domain, struct gw_route *ret_route, const char **ret_detail)
{
    *ret_route = (struct gw_route){0};
    *ret_detail = NULL;
    enum s3_error error = split(request, domain, ret_route);
    if (error != S3_OK)
        return error;
    if (strcmp(request->method, "OPTIONS") == 0)
        return route_preflight(request, ret_route, ret_detail);
    if (!is_known_method(request->method))
        return S3_MethodNotAllowed;
    if (ret_route->bucket[0] == '\0') {
        ret_route->operation = GW_OPERATION_LIST_BUCKETS;
        return strcmp(request->method, "GET") == 0 ? S3_OK : S3_MethodNotAllowed;
    }
    if (!gw_bucket_name_is_valid(ret_route->bucket))
        return S3_InvalidBucketName;
    const char *sub = sub_resource_of(request, query, ret_route->key_length > 0);
    ret_route->sub_resource = sub;
    if (sub == NULL)
        ret_route->operation = plain_operation(request, query, ret_route);
    else if (ret_route->key_length > 0)
        ret_route->operation = object_sub_operation(request, sub);
    else
        ret_route->operation = bucket_sub_operation(request->method, sub);
    return ret_route->operation == GW_OPERATION_NONE ? S3_NotImplemented : S3_OK;
}
