/* Lifecycle rules from XML and to XML. */
#include <stdlib.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/http_time.h"
#include "tools/gateway/lifecycle.h"
#include "tools/gateway/xml.h"
#include "tools/gateway/xml_document.h"

#define RULE "/LifecycleConfiguration/Rule"

struct reading {
    struct gw_lifecycle *lifecycle;
    enum s3_error error;
    const char *detail;
    /* of the rule that is open */
    bool has_status;
    bool has_prefix; /* the older one, outside of Filter */
    bool has_expiration;
    bool has_abort;
    unsigned filters; /* alternatives inside Filter */
    char *tag_key;
    char *tag_value;
};

static void refuse(struct gw_xml_reading *xml, enum s3_error error, const char *detail)
{
    struct reading *reading = xml->context;
    if (!xml->is_bad) {
        reading->error = error;
        reading->detail = detail;
    }
    gw_xml_stop(xml);
}

static struct gw_lifecycle_rule *current(struct reading *reading)
{
    struct gw_lifecycle *lifecycle = reading->lifecycle;
    return lifecycle->count == 0 ? NULL : &lifecycle->rules[lifecycle->count - 1];
}

static void drop_tag(struct reading *reading)
{
    free(reading->tag_key);
    free(reading->tag_value);
    reading->tag_key = NULL;
    reading->tag_value = NULL;
}

static void begin_rule(struct gw_xml_reading *xml)
{
    struct reading *reading = xml->context;
    struct gw_lifecycle *lifecycle = reading->lifecycle;
    if (lifecycle->count == GW_LIFECYCLE_RULES_MAX) {
        refuse(xml, S3_InvalidRequest, "A lifecycle configuration has at most 1,000 rules.");
        return;
    }
    if ((lifecycle->count & (lifecycle->count - 1)) ==
        0) { /* 0, 1, 2, 4...: room for as many more */
        size_t room = lifecycle->count == 0 ? 1 : 2 * lifecycle->count;
        struct gw_lifecycle_rule *rules = gw_zalloc(room * sizeof *rules);
        if (lifecycle->count > 0)
            memcpy(rules, lifecycle->rules, lifecycle->count * sizeof *rules);
        free(lifecycle->rules);
        lifecycle->rules = rules;
    }
    lifecycle->count++;
    reading->has_status = false;
    reading->has_prefix = false;
    reading->has_expiration = false;
    reading->has_abort = false;
    reading->filters = 0;
}

static void on_open(struct gw_xml_reading *xml)
{
    struct reading *reading = xml->context;
    static const char *const unsupported[] = {
        RULE "/Transition",
        RULE "/NoncurrentVersionExpiration",
        RULE "/NoncurrentVersionTransition",
        RULE "/Expiration/ExpiredObjectDeleteMarker",
    };
    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++) {
        if (gw_xml_is_at(xml, unsupported[i]))
            refuse(xml, S3_NotImplemented,
                   "Of lifecycle actions, only Expiration by Days or Date and "
                   "AbortIncompleteMultipartUpload are implemented.");
    }
    if (gw_xml_is_at(xml, RULE))
        begin_rule(xml);
    else if (gw_xml_is_at(xml, RULE "/Expiration"))
        reading->has_expiration = true;
    else if (gw_xml_is_at(xml, RULE "/AbortIncompleteMultipartUpload"))
        reading->has_abort = true;
    else if (gw_xml_is_at(xml, RULE "/Filter") && current(reading) != NULL)
        current(reading)->has_filter = true;
    else if (gw_xml_is_at(xml, RULE "/Filter/And") && current(reading) != NULL)
        current(reading)->has_and = true;
}

/* ---- values ---- */

static void take_days(struct gw_xml_reading *xml, uint64_t *days, const char *detail)
{
    uint64_t value = 0;
    if (*days != 0)
        refuse(xml, S3_MalformedXML, NULL);
    else if (!gw_parse_u64(xml->text, &value) || value == 0 || value > INT32_MAX)
        refuse(xml, S3_InvalidArgument, detail);
    *days = value;
}

static void take_date(struct gw_xml_reading *xml, struct gw_lifecycle_rule *rule)
{
    if (rule->has_expire_date) {
        refuse(xml, S3_MalformedXML, NULL);
    } else if (!gw_iso_time_parse(xml->text, &rule->expire_date_ms)) {
        refuse(xml, S3_MalformedXML, NULL);
    } else if (rule->expire_date_ms % GW_LIFECYCLE_DAY_MS != 0) {
        refuse(xml, S3_InvalidArgument, "'Date' must be at midnight GMT");
    }
    rule->has_expire_date = true;
}

static void take_prefix(struct gw_xml_reading *xml, struct gw_lifecycle_rule *rule)
{
    if (rule->prefix != NULL)
        refuse(xml, S3_MalformedXML, NULL);
    else if (xml->text_length > GW_LIFECYCLE_PREFIX_MAX)
        refuse(xml, S3_InvalidRequest, "The maximum size of a prefix is 1024.");
    else
        rule->prefix = gw_copy(xml->text);
}

static void take_tag(struct gw_xml_reading *xml, struct gw_lifecycle_rule *rule)
{
    struct reading *reading = xml->context;
    if (reading->tag_key == NULL || reading->tag_value == NULL || reading->tag_key[0] == '\0' ||
        rule->tags.count == GW_TAGS_OBJECT_MAX)
        refuse(xml, S3_MalformedXML, NULL);
    else
        gw_tags_add(&rule->tags, slice_of_text(reading->tag_key),
                    slice_of_text(reading->tag_value));
    drop_tag(reading);
}

static void take_size(struct gw_xml_reading *xml, bool *has, uint64_t *size)
{
    if (*has || !gw_parse_u64(xml->text, size))
        refuse(xml, S3_MalformedXML, NULL);
    *has = true;
}

static void take_tag_text(struct gw_xml_reading *xml, char **text)
{
    if (*text != NULL)
        refuse(xml, S3_MalformedXML, NULL);
    else
        *text = gw_copy(xml->text);
}

/* Inside Filter, or Filter and And. */
static bool take_filter(struct gw_xml_reading *xml, struct gw_lifecycle_rule *rule,
                        const char *name)
{
    struct reading *reading = xml->context;
    if (strcmp(name, "Prefix") == 0)
        take_prefix(xml, rule);
    else if (strcmp(name, "Tag") == 0)
        take_tag(xml, rule);
    else if (strcmp(name, "Tag/Key") == 0)
        take_tag_text(xml, &reading->tag_key);
    else if (strcmp(name, "Tag/Value") == 0)
        take_tag_text(xml, &reading->tag_value);
    else if (strcmp(name, "ObjectSizeGreaterThan") == 0)
        take_size(xml, &rule->has_size_over, &rule->size_over);
    else if (strcmp(name, "ObjectSizeLessThan") == 0)
        take_size(xml, &rule->has_size_under, &rule->size_under);
    else
        return false;
    return true;
}

static void take_id(struct gw_xml_reading *xml, struct gw_lifecycle_rule *rule)
{
    struct reading *reading = xml->context;
    if (rule->id != NULL)
        refuse(xml, S3_MalformedXML, NULL);
    else if (xml->text_length > GW_LIFECYCLE_ID_MAX)
        refuse(xml, S3_InvalidArgument, "ID length should not exceed allowed limit of 255");
    for (size_t i = 0; i + 1 < reading->lifecycle->count; i++) {
        const char *other = reading->lifecycle->rules[i].id;
        if (other != NULL && xml->text_length > 0 && strcmp(other, xml->text) == 0)
            refuse(xml, S3_InvalidArgument,
                   "Rule ID must be unique. Found same ID for more than one rule");
    }
    free(rule->id);
    rule->id = xml->text_length > 0 ? gw_copy(xml->text) : NULL;
}

static void take_status(struct gw_xml_reading *xml, struct gw_lifecycle_rule *rule)
{
    struct reading *reading = xml->context;
    rule->is_enabled = strcmp(xml->text, "Enabled") == 0;
    if (reading->has_status || (!rule->is_enabled && strcmp(xml->text, "Disabled") != 0))
        refuse(xml, S3_MalformedXML, NULL);
    reading->has_status = true;
}

/* ---- a rule as a whole ---- */

static void end_rule(struct gw_xml_reading *xml, struct gw_lifecycle_rule *rule)
{
    struct reading *reading = xml->context;
    bool has_size = rule->has_size_over || rule->has_size_under;
    bool has_date = rule->has_expire_date;
    if (!reading->has_status || reading->has_prefix == rule->has_filter || reading->filters > 1 ||
        (rule->has_and && reading->filters != 1))
        refuse(xml, S3_MalformedXML, NULL);
    else if (reading->has_expiration && (rule->expire_days > 0) == has_date)
        refuse(xml, S3_MalformedXML, NULL);
    else if (reading->has_abort && rule->abort_days == 0)
        refuse(xml, S3_MalformedXML, NULL);
    else if (!reading->has_expiration && !reading->has_abort)
        refuse(xml, S3_InvalidRequest, "At least one action needs to be specified in a rule");
    else if (reading->has_abort && rule->tags.count > 0)
        refuse(xml, S3_InvalidRequest,
               "AbortIncompleteMultipartUpload cannot be specified with Tags.");
    else if (reading->has_abort && has_size)
        refuse(xml, S3_InvalidRequest,
               "AbortIncompleteMultipartUpload cannot be specified with Object Size.");
    else if (rule->has_size_over && rule->has_size_under && rule->size_under <= rule->size_over)
        refuse(xml, S3_InvalidRequest,
               "ObjectSizeLessThan has to be greater than ObjectSizeGreaterThan.");
    if (rule->id == NULL) {
        char id[40];
        rule->id = gw_copy(
            text_format(id, sizeof id, "rule-%zu", (size_t)(rule - reading->lifecycle->rules) + 1));
    }
}

static void take_value(struct gw_xml_reading *xml, struct gw_lifecycle_rule *rule, const char *name)
{
    struct reading *reading = xml->context;
    bool is_known = true;
    if (strcmp(name, "ID") == 0) {
        take_id(xml, rule);
    } else if (strcmp(name, "Status") == 0) {
        take_status(xml, rule);
    } else if (strcmp(name, "Prefix") == 0) {
        take_prefix(xml, rule);
        reading->has_prefix = true;
    } else if (strcmp(name, "Expiration/Days") == 0) {
        take_days(xml, &rule->expire_days,
                  "'Days' for Expiration action must be a positive integer");
    } else if (strcmp(name, "Expiration/Date") == 0) {
        take_date(xml, rule);
    } else if (strcmp(name, "AbortIncompleteMultipartUpload/DaysAfterInitiation") == 0) {
        take_days(xml, &rule->abort_days,
                  "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a "
                  "positive integer");
    } else if (gw_starts_with(name, "Filter/And/")) {
        is_known = take_filter(xml, rule, name + strlen("Filter/And/"));
    } else if (gw_starts_with(name, "Filter/") && strcmp(name, "Filter/And") != 0) {
        is_known = take_filter(xml, rule, name + strlen("Filter/"));
        reading->filters += strchr(name + strlen("Filter/"), '/') == NULL;
    } else if (strcmp(name, "Filter/And") == 0) {
        reading->filters++;
    } else {
        is_known = strcmp(name, "Filter") == 0 || strcmp(name, "Expiration") == 0 ||
                   strcmp(name, "AbortIncompleteMultipartUpload") == 0;
    }
    if (!is_known)
        refuse(xml, S3_MalformedXML, NULL);
}

static void on_close(struct gw_xml_reading *xml)
{
    struct reading *reading = xml->context;
    struct gw_lifecycle_rule *rule = current(reading);
    if (gw_xml_is_at(xml, "/LifecycleConfiguration"))
        return;
    if (rule == NULL)
        refuse(xml, S3_MalformedXML, NULL);
    else if (gw_xml_is_at(xml, RULE))
        end_rule(xml, rule);
    else if (gw_starts_with(xml->path, RULE "/"))
        take_value(xml, rule, xml->path + strlen(RULE "/"));
    else
        refuse(xml, S3_MalformedXML, NULL);
}

enum s3_error gw_lifecycle_from_xml(struct slice document, struct gw_lifecycle *ret_lifecycle,
                                    const char **ret_detail)
{
    *ret_lifecycle = (struct gw_lifecycle){0};
    struct reading reading = {.lifecycle = ret_lifecycle, .error = S3_MalformedXML};
    bool is_good = gw_xml_read_document(document, on_open, on_close, &reading);
    drop_tag(&reading);
    if (is_good && ret_lifecycle->count > 0)
        return S3_OK;
    *ret_detail = reading.detail;
    return reading.error;
}

void gw_lifecycle_release(struct gw_lifecycle *lifecycle)
{
    for (size_t i = 0; i < lifecycle->count; i++) {
        free(lifecycle->rules[i].id);
        free(lifecycle->rules[i].prefix);
        gw_tags_release(&lifecycle->rules[i].tags);
    }
    free(lifecycle->rules);
    *lifecycle = (struct gw_lifecycle){0};
}

/* ---- writing ---- */

static void write_filter_values(const struct gw_lifecycle_rule *rule, struct text *out)
{
    if (rule->prefix != NULL)
        gw_xml_element(out, "Prefix", rule->prefix);
    for (size_t i = 0; i < rule->tags.count; i++) {
        gw_xml_open(out, "Tag");
        gw_xml_element(out, "Key", rule->tags.items[i].key);
        gw_xml_element(out, "Value", rule->tags.items[i].value);
        gw_xml_close(out, "Tag");
    }
    if (rule->has_size_over)
        gw_xml_element_u64(out, "ObjectSizeGreaterThan", rule->size_over);
    if (rule->has_size_under)
        gw_xml_element_u64(out, "ObjectSizeLessThan", rule->size_under);
}

static void write_rule(const struct gw_lifecycle_rule *rule, struct text *out)
{
    char date[GW_TIME_SIZE];
    gw_xml_open(out, "Rule");
    gw_xml_element(out, "ID", rule->id);
    if (rule->has_filter)
        gw_xml_open(out, "Filter");
    if (rule->has_and)
        gw_xml_open(out, "And");
    write_filter_values(rule, out);
    if (rule->has_and)
        gw_xml_close(out, "And");
    if (rule->has_filter)
        gw_xml_close(out, "Filter");
    gw_xml_element(out, "Status", rule->is_enabled ? "Enabled" : "Disabled");
    if (rule->expire_days > 0 || rule->has_expire_date) {
        gw_xml_open(out, "Expiration");
        if (rule->has_expire_date)
            gw_xml_element(out, "Date", gw_iso_time_format(rule->expire_date_ms, date));
        else
            gw_xml_element_u64(out, "Days", rule->expire_days);
        gw_xml_close(out, "Expiration");
    }
    if (rule->abort_days > 0) {
        gw_xml_open(out, "AbortIncompleteMultipartUpload");
        gw_xml_element_u64(out, "DaysAfterInitiation", rule->abort_days);
        gw_xml_close(out, "AbortIncompleteMultipartUpload");
    }
    gw_xml_close(out, "Rule");
}

void gw_lifecycle_to_xml(const struct gw_lifecycle *lifecycle, struct text *out)
{
    gw_xml_open_root(out, "LifecycleConfiguration");
    for (size_t i = 0; i < lifecycle->count; i++)
        write_rule(&lifecycle->rules[i], out);
    gw_xml_close(out, "LifecycleConfiguration");
}
