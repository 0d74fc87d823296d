/* What is asked for and not there is refused, never accepted and ignored. */
#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"

enum { REQUEST_ID_MAX = 128 };

/* Beginnings of header names, after x-amz-, whose meaning cannot be fulfilled. */
static const char *const refused_headers[] = {
    "server-side-encryption",
    "copy-source-server-side-encryption",
    "object-lock-",
    "bucket-object-lock-",
    "website-redirect-location",
    "write-offset-bytes",
    "mfa",
    "bypass-governance-retention",
    "if-match-",
    "rename-source",
    "object-ownership",
};

static bool is_canned_acl(const char *acl)
{
    static const char *const names[] = {
        "private",       "public-read",       "public-read-write",  "authenticated-read",
        "aws-exec-read", "bucket-owner-read", "log-delivery-write", "bucket-owner-full-control"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(acl, names[i]) == 0)
            return true;
    }
    return false;
}

/* A canned ACL is accepted and grants nothing (rights are those of keys), or refused; where owners
 * may make buckets public, that of a bucket counts (op_acl.c). */
static enum s3_error check_acl(const struct s3 *s3)
{
    const char *acl = gw_header(s3->request, "x-amz-acl");
    if (acl == NULL)
        return S3_OK;
    if (!is_canned_acl(acl))
        return S3_InvalidArgument;
    bool is_owners = strcmp(acl, "private") == 0 || strcmp(acl, "bucket-owner-full-control") == 0;
    if (s3->gateway->config.is_public_allowed &&
        s3->route.operation == GW_OPERATION_CREATE_BUCKET && !is_owners &&
        strcmp(acl, "public-read") != 0)
        return S3_NotImplemented; /* here ACLs count */
    return s3->gateway->config.is_acl_rejected && !is_owners ? S3_AccessControlListNotSupported
                                                             : S3_OK;
}

/* Conditions of HTTP for a write that nobody would look at. The object would be replaced or deleted
 * whatever they say. If-Match goes before If-Unmodified-Since (RFC 9110, 13.2.2). */
static bool has_lost_condition(const struct s3 *s3)
{
    enum gw_operation operation = s3->route.operation;
    bool is_delete = operation == GW_OPERATION_DELETE_OBJECT;
    bool is_write = is_delete || operation == GW_OPERATION_PUT_OBJECT ||
                    operation == GW_OPERATION_COPY_OBJECT ||
                    operation == GW_OPERATION_COMPLETE_UPLOAD;
    if (is_delete && gw_header(s3->request, "if-none-match") != NULL)
        return true;
    return is_write && gw_header(s3->request, "if-unmodified-since") != NULL &&
           gw_header(s3->request, "if-match") == NULL;
}

enum s3_error op_check_headers(struct s3 *s3, const char **ret_detail)
{
    for (size_t i = 0; i < s3->request->header_count; i++) {
        static const char prefix[] = "x-amz-";
        const char *name = s3->request->headers[i].name;
        if (!gw_starts_with_ignoring_case(name, prefix))
            continue;
        name += sizeof prefix - 1;
        if (gw_starts_with_ignoring_case(name, "grant-"))
            return S3_AccessControlListNotSupported;
        for (size_t j = 0; j < sizeof refused_headers / sizeof refused_headers[0]; j++) {
            if (gw_starts_with_ignoring_case(name, refused_headers[j])) {
                *ret_detail = "A header you provided implies functionality that is not "
                              "implemented.";
                return S3_NotImplemented;
            }
        }
    }
    *ret_detail =
        "Of the conditions, writes know If-Match and If-None-Match, DELETE If-Match alone.";
    if (has_lost_condition(s3))
        return S3_NotImplemented;
    *ret_detail = NULL;
    if (!s3_version_is_current(gw_query_get(&s3->query, "versionId")))
        return S3_NoSuchVersion;
    const char *id = gw_header(s3->request, "x-catena-request-id");
    *ret_detail = "x-catena-request-id has at most 128 characters.";
    if (id != NULL && strlen(id) > REQUEST_ID_MAX)
        return S3_InvalidArgument;
    *ret_detail = "x-catena-request-id is not supported for deletions; use If-Match.";
    if (id != NULL && (s3->route.operation == GW_OPERATION_DELETE_OBJECT ||
                       s3->route.operation == GW_OPERATION_DELETE_OBJECTS))
        return S3_NotImplemented;
    *ret_detail = NULL;
    enum s3_error error = multipart_read_query(s3, ret_detail);
    if (error != S3_OK)
        return error;
    return check_acl(s3);
}
