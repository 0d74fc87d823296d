/* What lifecycle rules say about an object or an upload. */
#include "tools/gateway/lifecycle.h"

static bool is_expiring(const struct gw_lifecycle_rule *rule)
{
    return rule->is_enabled && (rule->expire_days > 0 || rule->has_expire_date);
}

static bool is_aborting(const struct gw_lifecycle_rule *rule)
{
    return rule->is_enabled && rule->abort_days > 0;
}

static bool has_prefix(const struct gw_lifecycle_rule *rule, const char *key, size_t key_length)
{
    return rule->prefix == NULL ||
           slice_starts_with(slice_of(key, key_length), slice_of_text(rule->prefix));
}

static bool has_tag(const struct gw_tags *tags, const struct gw_tag *wanted)
{
    for (size_t i = 0; tags != NULL && i < tags->count; i++) {
        if (strcmp(tags->items[i].key, wanted->key) == 0 &&
            strcmp(tags->items[i].value, wanted->value) == 0)
            return true;
    }
    return false;
}

static bool applies(const struct gw_lifecycle_rule *rule, const struct gw_lifecycle_object *object)
{
    if (!has_prefix(rule, object->key, object->key_length) ||
        (rule->has_size_over && object->size <= rule->size_over) ||
        (rule->has_size_under && object->size >= rule->size_under))
        return false;
    for (size_t i = 0; i < rule->tags.count; i++) {
        if (!has_tag(object->tags, &rule->tags.items[i]))
            return false;
    }
    return true;
}

static uint64_t after_days(uint64_t from_ms, uint64_t days, uint64_t day_ms)
{
    uint64_t end = from_ms + days * day_ms;
    if (day_ms != GW_LIFECYCLE_DAY_MS)
        return end;
    return (end + GW_LIFECYCLE_DAY_MS - 1) / GW_LIFECYCLE_DAY_MS * GW_LIFECYCLE_DAY_MS;
}

uint64_t gw_lifecycle_expiry(const struct gw_lifecycle *lifecycle,
                             const struct gw_lifecycle_object *object, uint64_t day_ms,
                             const struct gw_lifecycle_rule **ret_rule)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < lifecycle->count; i++) {
        const struct gw_lifecycle_rule *rule = &lifecycle->rules[i];
        if (!is_expiring(rule) || !applies(rule, object))
            continue;
        uint64_t end = rule->has_expire_date
                           ? rule->expire_date_ms
                           : after_days(object->mtime_ms, rule->expire_days, day_ms);
        if (end < first) {
            first = end;
            if (ret_rule != NULL)
                *ret_rule = rule;
        }
    }
    return first;
}

uint64_t gw_lifecycle_abortion(const struct gw_lifecycle *lifecycle, const char *key,
                               size_t key_length, uint64_t created_ms, uint64_t day_ms)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < lifecycle->count; i++) {
        const struct gw_lifecycle_rule *rule = &lifecycle->rules[i];
        if (!is_aborting(rule) || !has_prefix(rule, key, key_length))
            continue;
        uint64_t end = after_days(created_ms, rule->abort_days, day_ms);
        first = end < first ? end : first;
    }
    return first;
}

bool gw_lifecycle_expires(const struct gw_lifecycle *lifecycle)
{
    for (size_t i = 0; i < lifecycle->count; i++) {
        if (is_expiring(&lifecycle->rules[i]))
            return true;
    }
    return false;
}

bool gw_lifecycle_needs_tags(const struct gw_lifecycle *lifecycle)
{
    for (size_t i = 0; i < lifecycle->count; i++) {
        if (is_expiring(&lifecycle->rules[i]) && lifecycle->rules[i].tags.count > 0)
            return true;
    }
    return false;
}

bool gw_lifecycle_aborts(const struct gw_lifecycle *lifecycle)
{
    for (size_t i = 0; i < lifecycle->count; i++) {
        if (is_aborting(&lifecycle->rules[i]))
            return true;
    }
    return false;
}

size_t gw_lifecycle_common_prefix(const struct gw_lifecycle *lifecycle, const char **ret_prefix)
{
    const char *common = NULL;
    size_t length = 0;
    *ret_prefix = "";
    for (size_t i = 0; i < lifecycle->count; i++) {
        const struct gw_lifecycle_rule *rule = &lifecycle->rules[i];
        if (!is_expiring(rule) && !is_aborting(rule))
            continue;
        if (rule->prefix == NULL)
            return 0;
        if (common == NULL) {
            common = rule->prefix;
            length = strlen(common);
        }
        size_t same = 0;
        while (same < length && rule->prefix[same] == common[same])
            same++;
        length = same;
    }
    if (common != NULL)
        *ret_prefix = common;
    return length;
}
