#include "tools/gateway/route.h"

#include "tests/unit/base/suite.h"

static enum s3_error route_to(const char *method, const char *path, const char *query,
                              const char *host, const struct gw_header *extra,
                              struct gw_route *route)
{
    struct gw_header headers[2] = {{"Host", host}};
    struct gw_request request = {
        .method = method, .path = path, .query = query, .headers = headers, .header_count = 1};
    struct gw_query parsed;
    const char *detail = NULL;
    if (extra != NULL)
        headers[request.header_count++] = *extra;
    ck_assert(gw_query_parse(query, &parsed));
    enum s3_error error = gw_route(&request, &parsed, "s3.test", route, &detail);
    gw_query_release(&parsed);
    return error;
}

static void routes(const char *method, const char *path, const char *query,
                   enum gw_operation operation, const char *bucket, const char *key)
{
    struct gw_route route;
    ck_assert_int_eq(route_to(method, path, query, "localhost", NULL, &route), S3_OK);
    ck_assert_int_eq(route.operation, operation);
    ck_assert_str_eq(route.bucket, bucket);
    ck_assert_str_eq(route.key, key);
    ck_assert_uint_eq(route.key_length, strlen(key));
}

START_TEST(method_path_and_sub_resource_decide)
{
    static const struct {
        const char *method;
        const char *path;
        const char *query;
        enum gw_operation operation;
        const char *bucket;
        const char *key;
    } cases[] = {
        {"GET", "/", "", GW_OPERATION_LIST_BUCKETS, "", ""},
        {"PUT", "/photos", "", GW_OPERATION_CREATE_BUCKET, "photos", ""},
        {"PUT", "/photos/", "", GW_OPERATION_CREATE_BUCKET, "photos", ""},
        {"HEAD", "/photos", "", GW_OPERATION_HEAD_BUCKET, "photos", ""},
        {"DELETE", "/photos", "", GW_OPERATION_DELETE_BUCKET, "photos", ""},
        {"GET", "/photos", "", GW_OPERATION_LIST_V1, "photos", ""},
        {"GET", "/photos", "list-type=2&prefix=a", GW_OPERATION_LIST_V2, "photos", ""},
        {"GET", "/photos", "versions", GW_OPERATION_LIST_VERSIONS, "photos", ""},
        {"GET", "/photos", "location", GW_OPERATION_GET_LOCATION, "photos", ""},
        {"GET", "/photos", "policy", GW_OPERATION_BUCKET_STUB, "photos", ""},
        {"POST", "/photos", "delete", GW_OPERATION_DELETE_OBJECTS, "photos", ""},
        {"GET", "/photos/a", "x-id=GetObject", GW_OPERATION_GET_OBJECT, "photos", "a"},
        {"PUT", "/photos/a", "x-id=PutObject", GW_OPERATION_PUT_OBJECT, "photos", "a"},
        {"HEAD", "/photos/a", "", GW_OPERATION_HEAD_OBJECT, "photos", "a"},
        {"DELETE", "/photos/a", "", GW_OPERATION_DELETE_OBJECT, "photos", "a"},
        {"GET", "/photos/a", "tagging", GW_OPERATION_GET_TAGGING, "photos", "a"},
        {"PUT", "/photos/a", "tagging", GW_OPERATION_PUT_TAGGING, "photos", "a"},
        {"DELETE", "/photos/a", "tagging", GW_OPERATION_DELETE_TAGGING, "photos", "a"},
        {"GET", "/photos/a", "attributes", GW_OPERATION_GET_ATTRIBUTES, "photos", "a"},
        {"GET", "/photos/a", "acl", GW_OPERATION_OBJECT_STUB, "photos", "a"},
        {"PUT", "/photos", "cors", GW_OPERATION_PUT_CORS, "photos", ""},
        {"GET", "/photos", "cors", GW_OPERATION_GET_CORS, "photos", ""},
        {"DELETE", "/photos", "cors", GW_OPERATION_DELETE_CORS, "photos", ""},
        {"PUT", "/photos", "lifecycle", GW_OPERATION_PUT_LIFECYCLE, "photos", ""},
        {"GET", "/photos", "lifecycle", GW_OPERATION_GET_LIFECYCLE, "photos", ""},
        {"DELETE", "/photos", "lifecycle", GW_OPERATION_DELETE_LIFECYCLE, "photos", ""},
        {"PUT", "/photos", "tagging", GW_OPERATION_PUT_BUCKET_TAGGING, "photos", ""},
        {"GET", "/photos", "tagging", GW_OPERATION_GET_BUCKET_TAGGING, "photos", ""},
        {"DELETE", "/photos", "tagging", GW_OPERATION_DELETE_BUCKET_TAGGING, "photos", ""},
        {"POST", "/photos", "", GW_OPERATION_POST_OBJECT, "photos", ""},
        {"POST", "/photos/a", "uploads", GW_OPERATION_CREATE_UPLOAD, "photos", "a"},
        {"POST", "/photos/a", "uploads=&x-id=CreateMultipartUpload", GW_OPERATION_CREATE_UPLOAD,
         "photos", "a"},
        {"PUT", "/photos/a", "uploadId=x&partNumber=1", GW_OPERATION_UPLOAD_PART, "photos", "a"},
        {"PUT", "/photos/a", "partNumber=1&uploadId=x&x-id=UploadPart", GW_OPERATION_UPLOAD_PART,
         "photos", "a"},
        {"GET", "/photos/a", "uploadId=x", GW_OPERATION_LIST_PARTS, "photos", "a"},
        {"POST", "/photos/a", "uploadId=x", GW_OPERATION_COMPLETE_UPLOAD, "photos", "a"},
        {"DELETE", "/photos/a", "uploadId=x", GW_OPERATION_ABORT_UPLOAD, "photos", "a"},
        {"GET", "/photos", "uploads", GW_OPERATION_LIST_UPLOADS, "photos", ""},
        {"GET", "/photos/a", "partNumber=1", GW_OPERATION_GET_OBJECT, "photos", "a"},
        {"GET", "/photos/a", "1764600000", GW_OPERATION_GET_OBJECT, "photos", "a"},
        {"HEAD", "/photos", "anything", GW_OPERATION_HEAD_BUCKET, "photos", ""},
        {"GET", "/photos",
         "prefix=&delimiter=&marker=&max-keys=&encoding-type=", GW_OPERATION_LIST_V1, "photos", ""},
        {"GET", "/photos", "list-type=2&continuation-token=&start-after=&fetch-owner=",
         GW_OPERATION_LIST_V2, "photos", ""},
        {"DELETE", "/photos/a", "versionId=&X-Amz-Security-Token=&x-id", GW_OPERATION_DELETE_OBJECT,
         "photos", "a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        routes(cases[i].method, cases[i].path, cases[i].query, cases[i].operation, cases[i].bucket,
               cases[i].key);
}
END_TEST

START_TEST(preflights_need_origin_and_method)
{
    struct gw_header origin = {"Origin", "http://a"};
    struct gw_header headers[] = {{"Origin", "http://a"}, {"Access-Control-Request-Method", "PUT"}};
    struct gw_request request = {.method = "OPTIONS",
                                 .path = "/photos/a",
                                 .query = "",
                                 .headers = headers,
                                 .header_count = 2};
    struct gw_query none = {0};
    struct gw_route route;
    const char *detail = NULL;
    ck_assert_int_eq(route_to("OPTIONS", "/photos/a", "", "h", NULL, &route), S3_BadRequest);
    ck_assert_int_eq(route_to("OPTIONS", "/photos/a", "", "h", &origin, &route), S3_BadRequest);
    ck_assert_int_eq(gw_route(&request, &none, NULL, &route, &detail), S3_OK);
    ck_assert_int_eq(route.operation, GW_OPERATION_PREFLIGHT);
    request.path = "/";
    ck_assert_int_eq(gw_route(&request, &none, NULL, &route, &detail), S3_AccessForbidden);
}
END_TEST

START_TEST(keys_are_bytes_not_paths)
{
    routes("GET", "/photos//x", "", GW_OPERATION_GET_OBJECT, "photos", "/x");
    routes("GET", "/photos/a//b/../.", "", GW_OPERATION_GET_OBJECT, "photos", "a//b/../.");
    routes("GET", "/photos/..", "", GW_OPERATION_GET_OBJECT, "photos", "..");
    routes("GET", "/photos/a+b%2B%20%2Fc", "", GW_OPERATION_GET_OBJECT, "photos", "a+b+ /c");
    routes("GET", "/photos/%0A", "", GW_OPERATION_GET_OBJECT, "photos", "\n");
}
END_TEST

START_TEST(a_copy_is_told_by_its_header)
{
    struct gw_header copy = {"x-amz-copy-source", "/a/b"};
    struct gw_route route;
    ck_assert_int_eq(route_to("PUT", "/photos/a", "", "h", &copy, &route), S3_OK);
    ck_assert_int_eq(route.operation, GW_OPERATION_COPY_OBJECT);
    ck_assert_int_eq(route_to("PUT", "/photos/a", "uploadId=x&partNumber=1", "h", &copy, &route),
                     S3_OK);
    ck_assert_int_eq(route.operation, GW_OPERATION_UPLOAD_PART_COPY);
}
END_TEST

START_TEST(the_host_may_name_the_bucket)
{
    struct gw_route route;
    ck_assert_int_eq(route_to("GET", "/a/b", "", "photos.S3.test:8333", NULL, &route), S3_OK);
    ck_assert_str_eq(route.bucket, "photos");
    ck_assert_str_eq(route.key, "a/b");
    ck_assert(route.is_virtual_host);
    ck_assert_int_eq(route_to("GET", "/", "", "my.photos.s3.test", NULL, &route), S3_OK);
    ck_assert_str_eq(route.bucket, "my.photos");
    ck_assert_int_eq(route.operation, GW_OPERATION_LIST_V1);
    ck_assert_int_eq(route_to("GET", "/photos/b", "", "s3.test", NULL, &route), S3_OK);
    ck_assert_str_eq(route.bucket, "photos");
    ck_assert(!route.is_virtual_host);
    ck_assert_int_eq(route_to("GET", "/photos/b", "", "xs3.test", NULL, &route), S3_OK);
    ck_assert_str_eq(route.bucket, "photos");
}
END_TEST

START_TEST(what_is_not_there_is_refused)
{
    static const struct {
        const char *method;
        const char *path;
        const char *query;
        enum s3_error error;
    } cases[] = {
        {"PUT", "/photos/a", "uploads", S3_NotImplemented},
        {"HEAD", "/photos/a", "uploadId=x", S3_NotImplemented},
        {"POST", "/photos", "uploads", S3_NotImplemented},
        {"PUT", "/photos", "policy", S3_NotImplemented},
        {"POST", "/photos/a", "tagging", S3_NotImplemented},
        {"GET", "/photos", "inventory", S3_NotImplemented},
        {"DELETE", "/photos", "metadataConfiguration", S3_NotImplemented},
        {"DELETE", "/photos", "abac=", S3_NotImplemented},
        {"PUT", "/photos", "abac", S3_NotImplemented},
        {"GET", "/photos", "abac", S3_NotImplemented},
        {"POST", "/photos", "metadataConfiguration", S3_NotImplemented},
        {"DELETE", "/photos/a", "new-setting", S3_NotImplemented},
        {"PUT", "/photos/a", "x-id=PutNewSetting&new-setting", S3_NotImplemented},
        {"PUT", "/", "", S3_MethodNotAllowed},
        {"PATCH", "/photos/a", "", S3_MethodNotAllowed},
        {"GET", "/ab", "", S3_InvalidBucketName},
        {"GET", "/-abc", "", S3_InvalidBucketName},
        {"GET", "/a..b", "", S3_InvalidBucketName},
        {"GET", "/Photos", "", S3_InvalidBucketName},
        {"GET", "/1.2.3.4", "", S3_InvalidBucketName},
        {"GET", "//a", "", S3_InvalidBucketName},
        {"GET", "photos", "", S3_InvalidURI},
        {"GET", "/photos/%zz", "", S3_InvalidURI},
        {"GET", "/photos/%00", "", S3_InvalidURI},
        {"GET", "/photos/%ff", "", S3_InvalidURI},
        {"OPTIONS", "/photos", "", S3_BadRequest},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gw_route route;
        enum s3_error error =
            route_to(cases[i].method, cases[i].path, cases[i].query, "h", NULL, &route);
        ck_assert_msg(error == cases[i].error, "%s %s?%s: %s", cases[i].method, cases[i].path,
                      cases[i].query, s3_error_code(error));
    }
}
END_TEST

START_TEST(keys_end_at_1024_bytes)
{
    char path[1100] = "/photos/";
    struct gw_route route;
    memset(path + 8, 'k', 1024);
    ck_assert_int_eq(route_to("GET", path, "", "h", NULL, &route), S3_OK);
    ck_assert_uint_eq(route.key_length, 1024);
    path[8 + 1024] = 'k';
    ck_assert_int_eq(route_to("GET", path, "", "h", NULL, &route), S3_KeyTooLongError);
}
END_TEST

SUITE_MAIN("gw_route", method_path_and_sub_resource_decide, keys_are_bytes_not_paths,
           preflights_need_origin_and_method, a_copy_is_told_by_its_header,
           the_host_may_name_the_bucket, what_is_not_there_is_refused, keys_end_at_1024_bytes)
