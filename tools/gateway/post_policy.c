#include "tools/gateway/post_policy.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/http_time.h"

struct check {
    const struct gw_header *fields;
    size_t field_count;
    const char *bucket;
    const char *key;
    bool *are_mentioned; /* of the fields */
    bool is_bucket_mentioned;
    struct gw_post_policy *policy;
    const char *detail;
};

static enum s3_error invalid(struct check *check, const char *detail)
{
    check->detail = detail;
    return S3_InvalidPolicyDocument;
}

/* ---- the document ---- */

static cJSON *parse(const char *policy)
{
    size_t size = strlen(policy) / 4 * 3 + 3;
    size_t length = 0;
    cJSON *root = NULL;
    if (strlen(policy) > GW_POLICY_BYTES_MAX)
        return NULL;
    uint8_t *bytes = gw_zalloc(size + 1);
    if (gw_base64_decode(policy, bytes, size, &length) && utf8_is_valid(slice_of(bytes, length)) &&
        memchr(bytes, '\0', length) == NULL)
        root = cJSON_ParseWithOpts((const char *)bytes, NULL, true);
    free(bytes);
    return root;
}

static enum s3_error check_expiration(struct check *check, const cJSON *root, uint64_t now_ms)
{
    const cJSON *expiration = cJSON_GetObjectItemCaseSensitive(root, "expiration");
    uint64_t end_ms = 0;
    if (!cJSON_IsString(expiration))
        return invalid(check, "Invalid Policy: Policy document must contain an expiration.");
    if (!gw_iso_time_parse(expiration->valuestring, &end_ms))
        return invalid(check, "Invalid Policy: Invalid 'expiration' value.");
    if (end_ms > now_ms)
        return S3_OK;
    check->detail = "Invalid according to Policy: Policy expired.";
    return S3_AccessDenied;
}

/* ---- conditions ---- */

static bool is_held(const char *value, const char *wanted, bool is_prefix)
{
    return is_prefix ? gw_starts_with(value, wanted) : strcmp(value, wanted) == 0;
}

/* Every field of that name, which counts as mentioned, has to hold: some are joined when they are
 * sent twice. The first `key` is the one that counts, with the name of the file in it. A field
 * `bucket` is what some SDKs send along; the bucket is that of the request. */
static bool holds(struct check *check, const char *name, const char *wanted, bool is_prefix)
{
    bool is_bucket = gw_is_equal_ignoring_case(name, "bucket");
    bool is_key = gw_is_equal_ignoring_case(name, "key");
    bool is_there = is_bucket;
    bool is_good = !is_bucket || is_held(check->bucket, wanted, is_prefix);
    check->is_bucket_mentioned = check->is_bucket_mentioned || is_bucket;
    for (size_t i = 0; i < check->field_count; i++) {
        if (!gw_is_equal_ignoring_case(check->fields[i].name, name))
            continue;
        const char *value = is_key && !is_there ? check->key : check->fields[i].value;
        if (is_bucket)
            is_good = is_good && strcmp(value, check->bucket) == 0;
        is_good = is_good && is_held(value, wanted, is_prefix);
        check->are_mentioned[i] = true;
        is_there = true;
    }
    return is_there ? is_good : is_prefix && *wanted == '\0';
}

static enum s3_error hold(struct check *check, const char *name, const char *wanted, bool is_prefix)
{
    if (holds(check, name, wanted, is_prefix))
        return S3_OK;
    check->detail = "Invalid according to Policy: Policy Condition failed.";
    return S3_AccessDenied;
}

static bool read_length(const cJSON *item, uint64_t *ret_length)
{
    if (cJSON_IsString(item))
        return gw_parse_u64(item->valuestring, ret_length);
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble < 1e15))
        return false;
    *ret_length = (uint64_t)item->valuedouble;
    return (double)*ret_length == item->valuedouble;
}

static enum s3_error check_list(struct check *check, const cJSON *condition)
{
    const cJSON *operator= cJSON_GetArrayItem(condition, 0);
    const cJSON *name = cJSON_GetArrayItem(condition, 1);
    const cJSON *value = cJSON_GetArrayItem(condition, 2);
    if (cJSON_GetArraySize(condition) != 3 || !cJSON_IsString(operator))
        return invalid(check, "Invalid Policy: Invalid condition.");
    if (gw_is_equal_ignoring_case(operator->valuestring, "content-length-range")) {
        struct gw_post_policy *policy = check->policy;
        uint64_t least;
        uint64_t most;
        if (!read_length(name, &least) || !read_length(value, &most))
            return invalid(check, "Invalid Policy: Invalid content-length-range.");
        policy->length_min = least > policy->length_min ? least : policy->length_min;
        policy->length_max = most < policy->length_max ? most : policy->length_max;
        return S3_OK;
    }
    bool is_prefix = gw_is_equal_ignoring_case(operator->valuestring, "starts-with");
    if ((!is_prefix && !gw_is_equal_ignoring_case(operator->valuestring, "eq")) ||
        !cJSON_IsString(name) || name->valuestring[0] != '$' || !cJSON_IsString(value))
        return invalid(check, "Invalid Policy: Invalid condition.");
    return hold(check, name->valuestring + 1, value->valuestring, is_prefix);
}

static enum s3_error check_condition(struct check *check, const cJSON *condition)
{
    if (cJSON_IsArray(condition))
        return check_list(check, condition);
    const cJSON *member = cJSON_IsObject(condition) ? condition->child : NULL;
    if (member == NULL || member->next != NULL || !cJSON_IsString(member))
        return invalid(check,
                       "Invalid Policy: Invalid Simple-Condition: Simple-Conditions must have "
                       "exactly one property specified.");
    return hold(check, member->string, member->valuestring, false);
}

static enum s3_error check_conditions(struct check *check, const cJSON *root)
{
    const cJSON *conditions = cJSON_GetObjectItemCaseSensitive(root, "conditions");
    const cJSON *condition = NULL;
    if (!cJSON_IsArray(conditions))
        return invalid(check, "Invalid Policy: Policy document must contain conditions.");
    cJSON_ArrayForEach(condition, conditions)
    {
        enum s3_error error = check_condition(check, condition);
        if (error != S3_OK)
            return error;
    }
    return S3_OK;
}

static bool needs_no_mention(const char *name)
{
    static const char *const names[] = {"file", "policy", "signature", "AWSAccessKeyId",
                                        "x-amz-signature"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (gw_is_equal_ignoring_case(name, names[i]))
            return true;
    }
    return gw_starts_with_ignoring_case(name, "x-ignore-");
}

static enum s3_error check_all_mentioned(struct check *check)
{
    bool is_good = check->is_bucket_mentioned;
    for (size_t i = 0; i < check->field_count; i++)
        is_good = is_good && (check->are_mentioned[i] || needs_no_mention(check->fields[i].name));
    if (is_good)
        return S3_OK;
    check->detail = "Invalid according to Policy: Extra input fields: the policy has no condition "
                    "for the bucket or for a field of the form.";
    return S3_AccessDenied;
}

enum s3_error gw_post_policy_check(const char *policy, const struct gw_header *fields,
                                   size_t field_count, const char *bucket, const char *key,
                                   uint64_t now_ms, struct gw_post_policy *ret_policy,
                                   const char **ret_detail)
{
    *ret_policy = (struct gw_post_policy){.length_max = UINT64_MAX};
    struct check check = {.fields = fields,
                          .field_count = field_count,
                          .bucket = bucket,
                          .key = key,
                          .are_mentioned = gw_zalloc(field_count + 1),
                          .policy = ret_policy};
    cJSON *root = parse(policy);
    enum s3_error error = cJSON_IsObject(root) ? check_expiration(&check, root, now_ms)
                                               : invalid(&check, "Invalid Policy: Invalid JSON.");
    if (error == S3_OK)
        error = check_conditions(&check, root);
    if (error == S3_OK)
        error = check_all_mentioned(&check);
    if (error != S3_OK)
        *ret_detail = check.detail;
    cJSON_Delete(root);
    free(check.are_mentioned);
    return error;
}
