/* CORS: which web pages may use a bucket from a browser. The configuration (PUT ?cors) and the
 * rules of the Fetch standard that a server has to answer by. Pure. */
#ifndef CATENA_TOOLS_GATEWAY_CORS_H
#define CATENA_TOOLS_GATEWAY_CORS_H

#include "base/io/args.h"
#include "tools/gateway/s3_error.h"

enum { GW_CORS_RULES_MAX = 100, GW_CORS_VALUES_MAX = 100, GW_CORS_ID_MAX = 255 };

struct gw_cors_values {
    char *items[GW_CORS_VALUES_MAX];
    size_t count;
};
struct gw_cors_rule {
    char *id;                      /* NULL if none */
    struct gw_cors_values origins; /* at most one * in each */
    struct gw_cors_values methods;
    struct gw_cors_values headers; /* at most one * in each */
    struct gw_cors_values exposed;
    bool has_max_age;
    uint64_t max_age_seconds;
};
struct gw_cors {
    struct gw_cors_rule *rules;
    size_t count;
};

/* <CORSConfiguration>. S3_MalformedXML, S3_InvalidRequest. Release in every case. */
enum s3_error gw_cors_from_xml(struct slice document, struct gw_cors *ret_cors,
                               const char **ret_detail);
void gw_cors_to_xml(const struct gw_cors *cors, struct text *out);
void gw_cors_release(struct gw_cors *cors);

/* What a browser asks: may a page of that origin use that method (with those headers: a list as in
 * Access-Control-Request-Headers; NULL for the request itself, which has no such list)? The first
 * rule that allows it, or NULL. *ret_is_any: every origin may. */
const struct gw_cors_rule *gw_cors_find(const struct gw_cors *cors, const char *origin,
                                        const char *method, const char *headers, bool *ret_is_any);
/* "a, b" */
void gw_cors_join(const struct gw_cors_values *values, struct text *out);

#endif
