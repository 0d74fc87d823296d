/* Values of headers, queries and fields: ranges, dates, conditions, tags, metadata, policies,
 * routes.
 */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "tools/gateway/condition.h"
#include "tools/gateway/encode.h"
#include "tools/gateway/http_time.h"
#include "tools/gateway/meta.h"
#include "tools/gateway/post_policy.h"
#include "tools/gateway/range.h"
#include "tools/gateway/route.h"

static void try_range(const char *text)
{
    static const uint64_t sizes[] = {0, 1, 2, 100, 1ull << 40, UINT64_MAX};
    struct gw_range range;
    if (!gw_range_parse(text, &range))
        return;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint64_t offset;
        uint64_t length;
        if (gw_range_fit(&range, sizes[i], &offset, &length))
            PRE(length > 0 && offset < sizes[i] && length <= sizes[i] - offset);
    }
}

/* A time that was read is written, and read again the same. */
static void try_times(const char *text)
{
    int64_t seconds = 0;
    int64_t again = 0;
    uint64_t ms = 0;
    uint64_t ms_again = 0;
    char timestamp[17];
    char out[GW_TIME_SIZE];
    if (gw_http_time_parse(text, &seconds) && seconds >= 0) {
        (void)gw_http_time_format((uint64_t)seconds * 1000, out);
        PRE(gw_http_time_parse(out, &again) && again == seconds);
    }
    if (gw_amz_time_from_any(text, timestamp, &seconds))
        PRE(gw_amz_time_parse(timestamp, &again) && again == seconds);
    if (gw_iso_time_parse(text, &ms)) {
        (void)gw_iso_time_format(ms, out);
        PRE(gw_iso_time_parse(out, &ms_again) && ms_again == ms);
    }
}

static void try_conditions(const char *text)
{
    struct gw_read_conditions conditions = {.if_match = text};
    (void)gw_etag_matches(text, "e");
    (void)gw_read_conditions_check(&conditions, "e", 1000);
    conditions = (struct gw_read_conditions){.if_modified_since = text};
    PRE(gw_read_conditions_check(&conditions, "e", 1000) != S3_PreconditionFailed);
}

static void try_tags(const char *text)
{
    struct gw_tags tags;
    const char *detail = NULL;
    if (gw_tags_from_header(text, GW_TAGS_OBJECT_MAX, &tags, &detail) == S3_OK)
        PRE(tags.count <= GW_TAGS_OBJECT_MAX);
    gw_tags_release(&tags);
}

static void try_query_and_route(const char *text)
{
    struct gw_query query;
    struct gw_route *route = gw_zalloc(sizeof *route);
    const char *detail = NULL;
    char *path = gw_copy(text);
    char *question = strchr(path, '?');
    if (question != NULL)
        *question = '\0';
    const struct gw_header headers[] = {{"Host", "bucket.s3.test"}, {"Origin", text}};
    struct gw_request request = {.method = "GET",
                                 .path = path,
                                 .query = question == NULL ? "" : question + 1,
                                 .headers = headers,
                                 .header_count = 2};
    if (gw_query_parse(request.query, &query) &&
        gw_route(&request, &query, "s3.test", route, &detail) == S3_OK)
        PRE(route->key_length <= GW_KEY_BYTES_MAX && route->key[route->key_length] == '\0' &&
            (route->bucket[0] == '\0' || gw_bucket_name_is_valid(route->bucket)));
    gw_query_release(&query);
    free(path);
    free(route);
}

static void try_policy(const char *text)
{
    static const struct gw_header fields[] = {{"key", "a"}, {"acl", "private"}};
    struct gw_post_policy policy;
    const char *detail = NULL;
    char *base64 = gw_zalloc(4 * (strlen(text) + 2) / 3 + 4);
    gw_base64_encode((const uint8_t *)text, strlen(text), base64);
    enum s3_error error = gw_post_policy_check(base64, fields, 2, "b", "a", 1000, &policy, &detail);
    PRE(error == S3_OK || detail != NULL);
    (void)gw_post_policy_check(text, fields, 2, "b", "a", 1000, &policy, &detail);
    free(base64);
}

/* What we keep with an object comes back as it was, or as foreign. */
static void try_meta(struct slice blob)
{
    struct gw_meta *meta = gw_zalloc(sizeof *meta);
    struct gw_meta *again = gw_zalloc(sizeof *again);
    uint8_t out[GW_META_BYTES_MAX];
    size_t length = 0;
    gw_meta_decode(blob, 1, 2, 3, meta);
    if (gw_meta_encode(meta, out, &length)) {
        gw_meta_decode(slice_of(out, length), 1, 2, 3, again);
        PRE(strcmp(meta->etag, again->etag) == 0 && meta->user_count == again->user_count);
        gw_meta_release(again);
    }
    gw_meta_release(meta);
    free(meta);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = gw_copy_bytes(data, size);
    try_range(text);
    try_times(text);
    try_conditions(text);
    try_tags(text);
    try_query_and_route(text);
    try_policy(text);
    try_meta(slice_of(data, size));
    free(text);
    return 0;
}
