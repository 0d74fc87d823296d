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
    routes("GET", "/", "", GW_OPERATION_LIST_BUCKETS, "", "");
    routes("PUT", "/photos", "", GW_OPERATION_CREATE_BUCKET, "photos", "");
    routes("PUT", "/photos/", "", GW_OPERATION_CREATE_BUCKET, "photos", "");
    routes("HEAD", "/photos", "", GW_OPERATION_HEAD_BUCKET, "photos", "");
    routes("DELETE", "/photos", "", GW_OPERATION_DELETE_BUCKET, "photos", "");
    routes("GET", "/photos", "", GW_OPERATION_LIST_V1, "photos", "");
    routes("GET", "/photos", "list-type=2&prefix=a", GW_OPERATION_LIST_V2, "photos", "");
    routes("GET", "/photos", "versions", GW_OPERATION_LIST_VERSIONS, "photos", "");
    routes("GET", "/photos", "location", GW_OPERATION_GET_LOCATION, "photos", "");
    routes("GET", "/photos", "policy", GW_OPERATION_BUCKET_STUB, "photos", "");
    routes("POST", "/photos", "delete", GW_OPERATION_DELETE_OBJECTS, "photos", "");
    routes("GET", "/photos/a", "x-id=GetObject", GW_OPERATION_GET_OBJECT, "photos", "a");
    routes("PUT", "/photos/a", "x-id=PutObject", GW_OPERATION_PUT_OBJECT, "photos", "a");
    routes("HEAD", "/photos/a", "", GW_OPERATION_HEAD_OBJECT, "photos", "a");
    routes("DELETE", "/photos/a", "", GW_OPERATION_DELETE_OBJECT, "photos", "a");
    routes("GET", "/photos/a", "tagging", GW_OPERATION_OBJECT_STUB, "photos", "a");
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
        {"POST", "/photos/a", "uploads", S3_NotImplemented},
        {"PUT", "/photos/a", "uploadId=x&partNumber=1", S3_NotImplemented},
        {"GET", "/photos", "uploads", S3_NotImplemented},
        {"PUT", "/photos", "policy", S3_NotImplemented},
        {"PUT", "/photos/a", "tagging", S3_NotImplemented},
        {"GET", "/photos", "inventory", S3_NotImplemented},
        {"POST", "/photos", "", S3_NotImplemented},
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
           a_copy_is_told_by_its_header, the_host_may_name_the_bucket, what_is_not_there_is_refused,
           keys_end_at_1024_bytes)
