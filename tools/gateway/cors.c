#include "tools/gateway/cors.h"

#include <stdlib.h>
#include <strings.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/xml.h"
#include "tools/gateway/xml_document.h"

#define RULE "/CORSConfiguration/CORSRule"

/* ---- reading ---- */

struct reading {
    struct gw_cors *cors;
    enum s3_error error;
    const char *detail;
};

static void refuse(struct gw_xml_reading *xml, enum s3_error error, const char *detail)
{
    struct reading *reading = xml->context;
    reading->error = error;
    reading->detail = detail;
    gw_xml_stop(xml);
}

static void on_open(struct gw_xml_reading *xml)
{
    struct reading *reading = xml->context;
    struct gw_cors *cors = reading->cors;
    if (!gw_xml_is_at(xml, RULE))
        return;
    if (cors->count == GW_CORS_RULES_MAX) {
        refuse(xml, S3_InvalidRequest, "The number of CORS rules should not exceed 100.");
        return;
    }
    if (cors->rules == NULL)
        cors->rules = gw_zalloc(GW_CORS_RULES_MAX * sizeof *cors->rules);
    cors->count++;
}

static bool has_many_stars(const char *text)
{
    const char *star = strchr(text, '*');
    return star != NULL && strchr(star + 1, '*') != NULL;
}

static void add(struct gw_xml_reading *xml, struct gw_cors_values *values)
{
    if (values->count == GW_CORS_VALUES_MAX || xml->text_length == 0)
        refuse(xml, S3_MalformedXML, NULL);
    else
        values->items[values->count++] = gw_copy(xml->text);
}

static bool is_method(const char *text)
{
    static const char *const methods[] = {"GET", "PUT", "POST", "DELETE", "HEAD"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(text, methods[i]) == 0)
            return true;
    }
    return false;
}

static void end_rule(struct gw_xml_reading *xml, const struct gw_cors_rule *rule)
{
    if (rule->origins.count == 0 || rule->methods.count == 0)
        refuse(xml, S3_MalformedXML, NULL);
}

/* An element inside a rule. */
static void take_value(struct gw_xml_reading *xml, struct gw_cors_rule *rule, const char *name)
{
    if (strcmp(name, "AllowedOrigin") == 0) {
        if (has_many_stars(xml->text))
            refuse(xml, S3_InvalidRequest, "An AllowedOrigin can not have more than one wildcard.");
        else
            add(xml, &rule->origins);
    } else if (strcmp(name, "AllowedMethod") == 0) {
        if (!is_method(xml->text))
            refuse(xml, S3_InvalidRequest, "Found unsupported HTTP method in CORS config.");
        else
            add(xml, &rule->methods);
    } else if (strcmp(name, "AllowedHeader") == 0) {
        if (has_many_stars(xml->text))
            refuse(xml, S3_InvalidRequest, "An AllowedHeader can not have more than one wildcard.");
        else
            add(xml, &rule->headers);
    } else if (strcmp(name, "ExposeHeader") == 0) {
        if (strchr(xml->text, '*') != NULL)
            refuse(xml, S3_InvalidRequest, "An ExposeHeader can not contain a wildcard.");
        else
            add(xml, &rule->exposed);
    } else if (strcmp(name, "MaxAgeSeconds") == 0) {
        if (rule->has_max_age || !gw_parse_u64(xml->text, &rule->max_age_seconds))
            refuse(xml, S3_MalformedXML, NULL);
        rule->has_max_age = true;
    } else if (strcmp(name, "ID") == 0 && rule->id == NULL) {
        if (xml->text_length > GW_CORS_ID_MAX)
            refuse(xml, S3_InvalidRequest, "The ID of a CORS rule has at most 255 characters.");
        rule->id = gw_copy(xml->text);
    } else {
        refuse(xml, S3_MalformedXML, NULL);
    }
}

static bool has_line_end(const char *text)
{
    return strpbrk(text, "\r\n") != NULL; /* values become headers */
}

static void on_close(struct gw_xml_reading *xml)
{
    struct reading *reading = xml->context;
    struct gw_cors *cors = reading->cors;
    if (gw_xml_is_at(xml, "/CORSConfiguration"))
        return;
    if (cors->count == 0)
        refuse(xml, S3_MalformedXML, NULL);
    else if (gw_xml_is_at(xml, RULE))
        end_rule(xml, &cors->rules[cors->count - 1]);
    else if (!gw_starts_with(xml->path, RULE "/") || has_line_end(xml->text))
        refuse(xml, S3_MalformedXML, NULL);
    else
        take_value(xml, &cors->rules[cors->count - 1], xml->path + strlen(RULE "/"));
}

enum s3_error gw_cors_from_xml(struct slice document, struct gw_cors *ret_cors,
                               const char **ret_detail)
{
    *ret_cors = (struct gw_cors){0};
    struct reading reading = {.cors = ret_cors, .error = S3_MalformedXML};
    if (gw_xml_read_document(document, on_open, on_close, &reading) && ret_cors->count > 0)
        return S3_OK;
    *ret_detail = reading.detail;
    return reading.error;
}

static void release_values(struct gw_cors_values *values)
{
    for (size_t i = 0; i < values->count; i++)
        free(values->items[i]);
}

void gw_cors_release(struct gw_cors *cors)
{
    for (size_t i = 0; i < cors->count; i++) {
        free(cors->rules[i].id);
        release_values(&cors->rules[i].origins);
        release_values(&cors->rules[i].methods);
        release_values(&cors->rules[i].headers);
        release_values(&cors->rules[i].exposed);
    }
    free(cors->rules);
    *cors = (struct gw_cors){0};
}

/* ---- writing ---- */

static void write_values(struct text *out, const char *name, const struct gw_cors_values *values)
{
    for (size_t i = 0; i < values->count; i++)
        gw_xml_element(out, name, values->items[i]);
}

void gw_cors_to_xml(const struct gw_cors *cors, struct text *out)
{
    gw_xml_open_root(out, "CORSConfiguration");
    for (size_t i = 0; i < cors->count; i++) {
        const struct gw_cors_rule *rule = &cors->rules[i];
        gw_xml_open(out, "CORSRule");
        if (rule->id != NULL)
            gw_xml_element(out, "ID", rule->id);
        write_values(out, "AllowedOrigin", &rule->origins);
        write_values(out, "AllowedMethod", &rule->methods);
        write_values(out, "AllowedHeader", &rule->headers);
        write_values(out, "ExposeHeader", &rule->exposed);
        if (rule->has_max_age)
            gw_xml_element_u64(out, "MaxAgeSeconds", rule->max_age_seconds);
        gw_xml_close(out, "CORSRule");
    }
    gw_xml_close(out, "CORSConfiguration");
}

/* ---- rules ---- */

/* The pattern has at most one *. */
static bool matches(const char *pattern, const char *text, size_t length, bool ignores_case)
{
    int (*compare)(const char *, const char *, size_t) = ignores_case ? strncasecmp : strncmp;
    const char *star = strchr(pattern, '*');
    size_t size = strlen(pattern);
    if (star == NULL)
        return size == length && compare(pattern, text, length) == 0;
    size_t front = (size_t)(star - pattern);
    size_t back = size - front - 1;
    return length >= front + back && compare(pattern, text, front) == 0 &&
           compare(star + 1, text + length - back, back) == 0;
}

static bool any_matches(const struct gw_cors_values *values, const char *text, size_t length,
                        bool ignores_case)
{
    for (size_t i = 0; i < values->count; i++) {
        if (matches(values->items[i], text, length, ignores_case))
            return true;
    }
    return false;
}

/* Every name of the comma-separated list. */
static bool allows_headers(const struct gw_cors_rule *rule, const char *list)
{
    for (;;) {
        list += strspn(list, ", \t");
        if (*list == '\0')
            return true;
        size_t length = strcspn(list, ", \t");
        if (!any_matches(&rule->headers, list, length, true))
            return false;
        list += length;
    }
}

const struct gw_cors_rule *gw_cors_find(const struct gw_cors *cors, const char *origin,
                                        const char *method, const char *headers, bool *ret_is_any)
{
    for (size_t i = 0; i < cors->count; i++) {
        const struct gw_cors_rule *rule = &cors->rules[i];
        if (any_matches(&rule->origins, origin, strlen(origin), false) &&
            any_matches(&rule->methods, method, strlen(method), false) &&
            (headers == NULL || allows_headers(rule, headers))) {
            *ret_is_any = false;
            for (size_t j = 0; j < rule->origins.count; j++) {
                if (strcmp(rule->origins.items[j], "*") == 0)
                    *ret_is_any = true;
            }
            return rule;
        }
    }
    return NULL;
}

void gw_cors_join(const struct gw_cors_values *values, struct text *out)
{
    for (size_t i = 0; i < values->count; i++)
        text_append(out, "%s%s", i == 0 ? "" : ", ", values->items[i]);
}
