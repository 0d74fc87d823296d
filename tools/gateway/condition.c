#include "tools/gateway/condition.h"

#include "tools/gateway/encode.h"
#include "tools/gateway/http_time.h"

bool gw_etag_matches(const char *list, const char *etag)
{
    size_t wanted = strlen(etag);
    while (*list != '\0') {
        list += strspn(list, " \t,");
        if (*list == '\0')
            return false;
        if (*list == '*')
            return true;
        if (gw_starts_with(list, "W/"))
            list += 2;
        size_t length;
        if (*list == '"') {
            list++;
            length = strcspn(list, "\"");
        } else {
            length = strcspn(list, ", \t");
        }
        if (length == wanted && memcmp(list, etag, length) == 0)
            return true;
        list += length;
        list += *list == '"' ? 1 : 0;
    }
    return false;
}

struct gw_read_conditions gw_read_conditions_of(const struct gw_request *request, bool is_copy)
{
    if (is_copy)
        return (struct gw_read_conditions){
            .if_match = gw_header(request, "x-amz-copy-source-if-match"),
            .if_none_match = gw_header(request, "x-amz-copy-source-if-none-match"),
            .if_modified_since = gw_header(request, "x-amz-copy-source-if-modified-since"),
            .if_unmodified_since = gw_header(request, "x-amz-copy-source-if-unmodified-since"),
        };
    return (struct gw_read_conditions){
        .if_match = gw_header(request, "if-match"),
        .if_none_match = gw_header(request, "if-none-match"),
        .if_modified_since = gw_header(request, "if-modified-since"),
        .if_unmodified_since = gw_header(request, "if-unmodified-since"),
    };
}

enum s3_error gw_read_conditions_check(const struct gw_read_conditions *conditions,
                                       const char *etag, uint64_t mtime_ms)
{
    int64_t date = 0;
    int64_t modified = (int64_t)(mtime_ms / 1000);
    if (conditions->if_match != NULL) {
        if (!gw_etag_matches(conditions->if_match, etag))
            return S3_PreconditionFailed;
    } else if (conditions->if_unmodified_since != NULL &&
               gw_http_time_parse(conditions->if_unmodified_since, &date) && modified > date) {
        return S3_PreconditionFailed;
    }
    if (conditions->if_none_match != NULL) {
        if (gw_etag_matches(conditions->if_none_match, etag))
            return S3_NotModified;
    } else if (conditions->if_modified_since != NULL &&
               gw_http_time_parse(conditions->if_modified_since, &date) && modified <= date) {
        return S3_NotModified;
    }
    return S3_OK;
}

bool gw_if_range_holds(const char *value, const char *etag, uint64_t mtime_ms)
{
    int64_t date = 0;
    size_t length = strlen(etag);
    if (gw_http_time_parse(value, &date))
        return date == (int64_t)(mtime_ms / 1000);
    if (*value == '"' && strncmp(value + 1, etag, length) == 0)
        return strcmp(value + 1 + length, "\"") == 0;
    return strcmp(value, etag) == 0; /* without quotes, as some clients have it; W/ never */
}
