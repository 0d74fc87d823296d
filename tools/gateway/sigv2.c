#include "tools/gateway/sigv2.h"

#include <stdlib.h>
#include <strings.h>

#include "tools/gateway/checksum.h"
#include "tools/gateway/encode.h"

bool sigv2_is_presigned(const struct gw_query *query)
{
    return gw_query_has(query, "AWSAccessKeyId") && gw_query_has(query, "Signature") &&
           gw_query_has(query, "Expires");
}

/* The parameters that are part of the resource. */
static bool is_part(const char *name)
{
    static const char *const parts[] = {
        "acl",
        "cors",
        "delete",
        "lifecycle",
        "location",
        "logging",
        "notification",
        "partNumber",
        "policy",
        "requestPayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strcmp(parts[i], name) == 0)
            return true;
    }
    return false;
}

static int compare_parameters(const void *a, const void *b)
{
    return strcmp((*(const struct gw_parameter *const *)a)->name,
                  (*(const struct gw_parameter *const *)b)->name);
}

static int compare_headers(const void *a, const void *b)
{
    return strcasecmp((*(const struct gw_header *const *)a)->name,
                      (*(const struct gw_header *const *)b)->name);
}

static void append_lower(const char *name, struct text *out)
{
    for (; *name != '\0'; name++) {
        char c = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;
        text_append_bytes(out, slice_of(&c, 1));
    }
}

enum { AMZ_HEADERS_MAX = 128 };

static void append_amz_headers(const struct gw_request *request, struct text *out)
{
    const struct gw_header *found[AMZ_HEADERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < request->header_count && count < AMZ_HEADERS_MAX; i++) {
        if (gw_starts_with_ignoring_case(request->headers[i].name, "x-amz-"))
            found[count++] = &request->headers[i];
    }
    qsort(found, count, sizeof *found, compare_headers);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && gw_is_equal_ignoring_case(found[i]->name, found[i - 1]->name)) {
            text_append(out, ",%s", found[i]->value);
        } else {
            text_append(out, "%s", i > 0 ? "\n" : "");
            append_lower(found[i]->name, out);
            text_append(out, ":%s", found[i]->value);
        }
    }
    if (count > 0)
        text_append(out, "\n");
}

void sigv2_string_to_sign(const struct gw_request *request, const struct gw_query *query,
                          const char *resource, const char *expires, struct text *out)
{
    const char *md5 = gw_header(request, "content-md5");
    const char *type = gw_header(request, "content-type");
    text_append(out, "%s\n%s\n%s\n%s\n", request->method, md5 == NULL ? "" : md5,
                type == NULL ? "" : type, expires);
    append_amz_headers(request, out);
    text_append(out, "%s", resource);
    const struct gw_parameter *found[GW_PARAMETERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < query->count; i++) {
        if (is_part(query->parameters[i].name))
            found[count++] = &query->parameters[i];
    }
    qsort(found, count, sizeof *found, compare_parameters);
    for (size_t i = 0; i < count; i++)
        text_append(out, "%s%s%s%s", i == 0 ? "?" : "&", found[i]->name,
                    found[i]->has_value ? "=" : "", found[i]->value);
}

bool sigv2_verify(const struct gw_request *request, const struct gw_query *query,
                  const char *resource, const char *secret)
{
    struct text to_sign;
    uint8_t digest[20];
    char base64[32];
    text_init(&to_sign);
    sigv2_string_to_sign(request, query, resource, gw_query_get(query, "Expires"), &to_sign);
    gw_hmac_sha1(slice_of_text(secret), slice_of(to_sign.data, to_sign.length), digest);
    gw_base64_encode(digest, sizeof digest, base64);
    text_release(&to_sign);
    const char *sent = gw_query_get(query, "Signature");
    /* A plus that was not escaped has become a blank. */
    char fixed[64];
    size_t length = strlen(sent);
    if (length >= sizeof fixed)
        return false;
    for (size_t i = 0; i <= length; i++)
        fixed[i] = sent[i] == ' ' ? '+' : sent[i];
    return gw_secret_equal(base64, fixed);
}
