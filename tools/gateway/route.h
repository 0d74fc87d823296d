/* Which operation a request asks for, on which bucket and key. Pure. */
#ifndef CATENA_TOOLS_GATEWAY_ROUTE_H
#define CATENA_TOOLS_GATEWAY_ROUTE_H

#include "tools/gateway/request.h"
#include "tools/gateway/s3_error.h"

enum { GW_BUCKET_SIZE = 64, GW_KEY_BYTES_MAX = 1024 };

/* X(constant, name in metrics and log) */
#define GW_OPERATIONS(X)                                                                           \
    X(NONE, "none")                                                                                \
    X(LIST_BUCKETS, "ListBuckets")                                                                 \
    X(CREATE_BUCKET, "CreateBucket")                                                               \
    X(DELETE_BUCKET, "DeleteBucket")                                                               \
    X(HEAD_BUCKET, "HeadBucket")                                                                   \
    X(GET_LOCATION, "GetBucketLocation")                                                           \
    X(LIST_V1, "ListObjects")                                                                      \
    X(LIST_V2, "ListObjectsV2")                                                                    \
    X(LIST_VERSIONS, "ListObjectVersions")                                                         \
    X(DELETE_OBJECTS, "DeleteObjects")                                                             \
    X(BUCKET_STUB, "GetBucketConfiguration")                                                       \
    X(PUT_OBJECT, "PutObject")                                                                     \
    X(COPY_OBJECT, "CopyObject")                                                                   \
    X(GET_OBJECT, "GetObject")                                                                     \
    X(HEAD_OBJECT, "HeadObject")                                                                   \
    X(DELETE_OBJECT, "DeleteObject")                                                               \
    X(OBJECT_STUB, "GetObjectConfiguration")                                                       \
    X(PUT_ACL, "PutAcl")                                                                           \
    X(CREATE_UPLOAD, "CreateMultipartUpload")                                                      \
    X(UPLOAD_PART, "UploadPart")                                                                   \
    X(UPLOAD_PART_COPY, "UploadPartCopy")                                                          \
    X(COMPLETE_UPLOAD, "CompleteMultipartUpload")                                                  \
    X(ABORT_UPLOAD, "AbortMultipartUpload")                                                        \
    X(LIST_PARTS, "ListParts")                                                                     \
    X(LIST_UPLOADS, "ListMultipartUploads")                                                        \
    X(GET_ATTRIBUTES, "GetObjectAttributes")                                                       \
    X(GET_TAGGING, "GetObjectTagging")                                                             \
    X(PUT_TAGGING, "PutObjectTagging")                                                             \
    X(DELETE_TAGGING, "DeleteObjectTagging")                                                       \
    X(PREFLIGHT, "Preflight")                                                                      \
    X(POST_OBJECT, "PostObject")                                                                   \
    X(GET_CORS, "GetBucketCors")                                                                   \
    X(PUT_CORS, "PutBucketCors")                                                                   \
    X(DELETE_CORS, "DeleteBucketCors")                                                             \
    X(GET_LIFECYCLE, "GetBucketLifecycleConfiguration")                                            \
    X(PUT_LIFECYCLE, "PutBucketLifecycleConfiguration")                                            \
    X(DELETE_LIFECYCLE, "DeleteBucketLifecycle")                                                   \
    X(GET_BUCKET_TAGGING, "GetBucketTagging")                                                      \
    X(PUT_BUCKET_TAGGING, "PutBucketTagging")                                                      \
    X(DELETE_BUCKET_TAGGING, "DeleteBucketTagging")

enum gw_operation {
#define X(constant, name) GW_OPERATION_##constant,
    GW_OPERATIONS(X)
#undef X
        GW_OPERATION_COUNT
};
const char *gw_operation_name(enum gw_operation operation);

struct gw_route {
    enum gw_operation operation;
    char bucket[GW_BUCKET_SIZE]; /* "" if none */
    char key[GW_KEY_BYTES_MAX + 1];
    size_t key_length;
    const char *sub_resource; /* the parameter that decided; "" if unknown, or NULL */
    bool is_virtual_host;     /* the bucket came from the host name */
};

/* domain: "s3.example.com" for virtual-host requests, or NULL. The bucket's name is checked. */
enum s3_error gw_route(const struct gw_request *request, const struct gw_query *query,
                       const char *domain, struct gw_route *ret_route, const char **ret_detail);
bool gw_bucket_name_is_valid(const char *name);

#endif
