/* CORS: the preflight request of a browser, and the headers of the answers to what it then sends.
 * The browser enforces; nothing here replaces a signature. */
#include "tools/gateway/cors.h"
#include "tools/gateway/gateway.h"

/* False: the bucket has no rules (or is not there). *ret_status says if that is known. */
static bool load(struct s3 *s3, struct gw_cors *cors, enum catena_status *ret_status)
{
    struct gw_bucket_config *config = NULL;
    const char *detail = NULL;
    *cors = (struct gw_cors){0};
    *ret_status =
        gw_bucket_config_load(s3->gateway, s3->route.bucket, GW_BUCKET_CONFIG_AGE_US, &config);
    if (*ret_status != CATENA_OK)
        return false;
    struct slice bytes = gw_bucket_config_section(config, GW_SECTION_CORS);
    bool is_good = bytes.data != NULL && gw_cors_from_xml(bytes, cors, &detail) == S3_OK;
    gw_bucket_config_drop(config);
    return is_good;
}

static void add_joined(struct s3 *s3, const char *name, const struct gw_cors_values *values)
{
    struct text text;
    if (values->count == 0)
        return;
    text_init(&text);
    gw_cors_join(values, &text);
    http_add_header(s3->exchange, name, text_cstr(&text));
    text_release(&text);
}

static void add_headers(struct s3 *s3, const struct gw_cors_rule *rule, const char *origin,
                        bool is_any)
{
    http_add_header(s3->exchange, "Access-Control-Allow-Origin", is_any ? "*" : origin);
    if (!is_any)
        http_add_header(s3->exchange, "Access-Control-Allow-Credentials", "true");
    add_joined(s3, "Access-Control-Allow-Methods", &rule->methods);
    add_joined(s3, "Access-Control-Expose-Headers", &rule->exposed);
    if (rule->has_max_age)
        s3_add_u64(s3, "Access-Control-Max-Age", rule->max_age_seconds);
    http_add_header(s3->exchange, "Vary",
                    "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
}

void s3_add_cors(struct s3 *s3)
{
    const struct gw_request *request = http_request(s3->exchange);
    const char *origin = gw_header(request, "origin");
    struct gw_cors cors;
    enum catena_status status;
    bool is_any = false;
    if (origin == NULL || s3->has_cors || s3->route.bucket[0] == '\0')
        return;
    s3->has_cors = true;
    if (!load(s3, &cors, &status))
        return;
    const struct gw_cors_rule *rule = gw_cors_find(&cors, origin, request->method, NULL, &is_any);
    if (rule != NULL)
        add_headers(s3, rule, origin, is_any);
    gw_cors_release(&cors);
}

void op_preflight(struct s3 *s3)
{
    const char *origin = gw_header(s3->request, "origin");
    const char *method = gw_header(s3->request, "access-control-request-method");
    const char *headers = gw_header(s3->request, "access-control-request-headers");
    struct gw_cors cors;
    enum catena_status status;
    bool is_any = false;
    s3->has_cors = true;
    if (!load(s3, &cors, &status)) { /* strangers do not learn which buckets are there */
        if (status == CATENA_OK || status == CATENA_NO_BUCKET)
            s3_fail(s3, S3_AccessForbidden, "CORSResponse: CORS is not enabled for this bucket.");
        else
            s3_fail_status(s3, status);
        return;
    }
    const struct gw_cors_rule *rule =
        gw_cors_find(&cors, origin, method, headers == NULL ? "" : headers, &is_any);
    if (rule == NULL) {
        s3_fail(s3, S3_AccessForbidden,
                "CORSResponse: This CORS request is not allowed. No rule of the bucket allows this "
                "combination of Origin, Access-Control-Request-Method and "
                "Access-Control-Request-Headers.");
    } else {
        add_headers(s3, rule, origin, is_any);
        if (headers != NULL)
            http_add_header(s3->exchange, "Access-Control-Allow-Headers", headers);
        s3_respond_empty(s3, 200);
    }
    gw_cors_release(&cors);
}
