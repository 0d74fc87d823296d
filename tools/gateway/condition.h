/* Conditional requests: lists of ETags, and the precedence of the four read conditions (RFC 9110,
 * 13.2.2). Pure. */
#ifndef CATENA_TOOLS_GATEWAY_CONDITION_H
#define CATENA_TOOLS_GATEWAY_CONDITION_H

#include "tools/gateway/request.h"
#include "tools/gateway/s3_error.h"

/* True if the list ("a", W/"b", c, or *) names the ETag (given without quotes). */
bool gw_etag_matches(const char *list, const char *etag);

/* The values of the four headers; NULL = absent. */
struct gw_read_conditions {
    const char *if_match;
    const char *if_none_match;
    const char *if_modified_since;
    const char *if_unmodified_since;
};
/* prefix: "" for reads, "x-amz-copy-source-" for the source of a copy. */
struct gw_read_conditions gw_read_conditions_of(const struct gw_request *request, bool is_copy);
/* S3_OK, S3_PreconditionFailed, or S3_NotModified. A date that cannot be read counts as absent. */
enum s3_error gw_read_conditions_check(const struct gw_read_conditions *conditions,
                                       const char *etag, uint64_t mtime_ms);
/* If-Range: an ETag or a date. False: the object is another one than the client knows, or may be;
 * then it gets all of it instead of the range. */
bool gw_if_range_holds(const char *value, const char *etag, uint64_t mtime_ms);

#endif
