#include "tools/gateway/request.h"

#include <stdlib.h>

#include "tools/gateway/encode.h"

/* Many names are asked for in every request: most differ in their first letter already, whose case
 * is one bit. */
static bool is_header(const struct gw_header *header, const char *name)
{
    enum { CASE = 'a' ^ 'A' };
    return ((header->name[0] ^ name[0]) & ~CASE) == 0 &&
           gw_is_equal_ignoring_case(header->name, name);
}

const char *gw_header(const struct gw_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (is_header(&request->headers[i], name))
            return request->headers[i].value;
    }
    return NULL;
}

size_t gw_header_count(const struct gw_request *request, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++)
        count += is_header(&request->headers[i], name) ? 1 : 0;
    return count;
}

static bool decode_part(struct slice raw, char **ret_text)
{
    struct text text;
    text_init(&text);
    bool is_good =
        gw_uri_decode(&text, raw, true) && memchr(text_cstr(&text), '\0', text.length) == NULL;
    if (is_good)
        *ret_text = gw_copy_bytes(text_cstr(&text), text.length);
    text_release(&text);
    return is_good;
}

bool gw_query_parse(const char *raw, struct gw_query *ret_query)
{
    *ret_query = (struct gw_query){0};
    if (*raw == '\0')
        return true;
    ret_query->parameters = gw_zalloc(GW_PARAMETERS_MAX * sizeof(struct gw_parameter));
    while (*raw != '\0') {
        size_t length = strcspn(raw, "&");
        if (length > 0) {
            if (ret_query->count == GW_PARAMETERS_MAX)
                return false;
            struct gw_parameter *parameter = &ret_query->parameters[ret_query->count++];
            const char *equals = memchr(raw, '=', length);
            size_t name_length = equals == NULL ? length : (size_t)(equals - raw);
            parameter->has_value = equals != NULL;
            if (!decode_part(slice_of(raw, name_length), &parameter->name))
                return false;
            struct slice value =
                equals == NULL ? slice_of("", 0) : slice_of(equals + 1, length - name_length - 1);
            if (!decode_part(value, &parameter->value))
                return false;
        }
        raw += length;
        raw += *raw == '&' ? 1 : 0;
    }
    return true;
}

void gw_query_release(struct gw_query *query)
{
    for (size_t i = 0; i < query->count; i++) {
        free(query->parameters[i].name);
        free(query->parameters[i].value);
    }
    free(query->parameters);
    free(query->headers);
    *query = (struct gw_query){0};
}

const char *gw_query_get(const struct gw_query *query, const char *name)
{
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->parameters[i].name, name) == 0)
            return query->parameters[i].value;
    }
    return NULL;
}

bool gw_query_has(const struct gw_query *query, const char *name)
{
    return gw_query_get(query, name) != NULL;
}

/* Parameters of the signature itself, and what says something about a body. */
static bool is_hoisted(const char *name)
{
    static const char checksum[] = "x-amz-checksum-";
    static const char *const others[] = {
        "x-amz-algorithm",      "x-amz-credential", "x-amz-date",
        "x-amz-expires",        "x-amz-signature",  "x-amz-signedheaders",
        "x-amz-content-sha256", "x-amz-trailer",    "x-amz-decoded-content-length",
    };
    if (!gw_starts_with_ignoring_case(name, "x-amz-"))
        return false;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (gw_is_equal_ignoring_case(name, others[i]))
            return false;
    }
    const char *kind = name + strlen(checksum);
    return !gw_starts_with_ignoring_case(name, checksum) ||
           gw_is_equal_ignoring_case(kind, "mode") || gw_is_equal_ignoring_case(kind, "type") ||
           gw_is_equal_ignoring_case(kind, "algorithm");
}

static bool can_be_header(const struct gw_parameter *parameter)
{
    const char *value = parameter->value;
    for (; *value != '\0'; value++) {
        uint8_t c = (uint8_t)*value;
        if (c != '\t' && (c < 0x20 || c == 0x7f))
            return false;
    }
    return gw_is_token(parameter->name);
}

bool gw_query_hoist(struct gw_query *query, const struct gw_request *request,
                    struct gw_request *ret_request)
{
    size_t count = request->header_count;
    struct gw_header *headers = gw_zalloc((count + query->count) * sizeof *headers);
    if (count > 0)
        memcpy(headers, request->headers, count * sizeof *headers);
    free(query->headers);
    query->headers = headers;
    for (size_t i = 0; i < query->count; i++) {
        const struct gw_parameter *parameter = &query->parameters[i];
        if (!is_hoisted(parameter->name) || gw_header(request, parameter->name) != NULL)
            continue;
        if (!can_be_header(parameter))
            return false;
        headers[count++] = (struct gw_header){.name = parameter->name, .value = parameter->value};
    }
    *ret_request = *request;
    ret_request->headers = headers;
    ret_request->header_count = count;
    return true;
}
