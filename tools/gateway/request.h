/* A request as it came in: what the pure modules see of HTTP. Borrowed strings, nothing decoded. */
#ifndef CATENA_TOOLS_GATEWAY_REQUEST_H
#define CATENA_TOOLS_GATEWAY_REQUEST_H

#include "base/io/args.h"

struct gw_header {
    const char *name; /* as sent: compare without case */
    const char *value;
};

struct gw_request {
    const char *method;
    const char *path;  /* raw, up to '?' */
    const char *query; /* raw, after '?'; "" if none */
    const struct gw_header *headers;
    size_t header_count;
};

/* The first of that name, or NULL. */
const char *gw_header(const struct gw_request *request, const char *name);
size_t gw_header_count(const struct gw_request *request, const char *name);

/* Parameters in the order sent, percent-decoded (a plus is a blank), owned. */
struct gw_parameter {
    char *name;
    char *value;
    bool has_value; /* "name=" or "name=x", not "name" */
};
struct gw_query {
    struct gw_parameter *parameters;
    size_t count;
    struct gw_header *headers; /* of gw_query_hoist */
};
enum { GW_PARAMETERS_MAX = 128 };
/* False: a broken escape, a NUL, too many. Release in every case. */
bool gw_query_parse(const char *raw, struct gw_query *ret_query);
void gw_query_release(struct gw_query *query);
/* NULL if absent. */
const char *gw_query_get(const struct gw_query *query, const char *name);
bool gw_query_has(const struct gw_query *query, const char *name);
/* A presigned request may carry headers of S3 (x-amz-NAME) as parameters, which the signature
 * covers: makes a request that has them as headers too. A header that is there goes before the
 * parameter of its name; checksums of a body stay out, since signers of URLs take them of nothing.
 * *ret_request borrows from both. False: a value that no header can have. */
bool gw_query_hoist(struct gw_query *query, const struct gw_request *request,
                    struct gw_request *ret_request);

#endif
