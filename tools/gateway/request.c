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
