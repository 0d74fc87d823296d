/* Lifecycle rules of a bucket (PUT ?lifecycle): which objects end when, and after how long an
 * upload that nobody completes is aborted. Pure. What cannot be done here (transitions, versions)
 * is refused. */
#ifndef CATENA_TOOLS_GATEWAY_LIFECYCLE_H
#define CATENA_TOOLS_GATEWAY_LIFECYCLE_H

#include "tools/gateway/s3_error.h"
#include "tools/gateway/tagging.h"

enum { GW_LIFECYCLE_RULES_MAX = 1000, GW_LIFECYCLE_ID_MAX = 255, GW_LIFECYCLE_PREFIX_MAX = 1024 };
#define GW_LIFECYCLE_DAY_MS (24ull * 60 * 60 * 1000)

struct gw_lifecycle_rule {
    char *id;
    bool is_enabled;
    bool has_filter; /* written as <Filter>, not as the older <Prefix> */
    bool has_and;
    char *prefix; /* NULL: every key */
    struct gw_tags tags;
    bool has_size_over;
    bool has_size_under;
    uint64_t size_over;
    uint64_t size_under;
    uint64_t expire_days; /* 0: not by days */
    bool has_expire_date;
    uint64_t expire_date_ms;
    uint64_t abort_days; /* 0: uploads stay */
};
struct gw_lifecycle {
    struct gw_lifecycle_rule *rules;
    size_t count;
};

/* <LifecycleConfiguration>. S3_MalformedXML, S3_InvalidRequest, S3_InvalidArgument,
 * S3_NotImplemented. Release in every case. */
enum s3_error gw_lifecycle_from_xml(struct slice document, struct gw_lifecycle *ret_lifecycle,
                                    const char **ret_detail);
void gw_lifecycle_to_xml(const struct gw_lifecycle *lifecycle, struct text *out);
void gw_lifecycle_release(struct gw_lifecycle *lifecycle);

struct gw_lifecycle_object {
    const char *key;
    size_t key_length;
    uint64_t size;
    uint64_t mtime_ms;
    const struct gw_tags *tags; /* NULL: none */
};
/* When the object ends by the first rule that ends it, in ms since 1970; UINT64_MAX: never.
 * day_ms: the length of a day. With true days the end is rounded up to midnight UTC, as S3 does.
 * *ret_rule (if not NULL): the rule. */
uint64_t gw_lifecycle_expiry(const struct gw_lifecycle *lifecycle,
                             const struct gw_lifecycle_object *object, uint64_t day_ms,
                             const struct gw_lifecycle_rule **ret_rule);
/* The same for an upload of that key. */
uint64_t gw_lifecycle_abortion(const struct gw_lifecycle *lifecycle, const char *key,
                               size_t key_length, uint64_t created_ms, uint64_t day_ms);
/* Whether any rule that counts does that. */
bool gw_lifecycle_expires(const struct gw_lifecycle *lifecycle);
bool gw_lifecycle_needs_tags(const struct gw_lifecycle *lifecycle);
bool gw_lifecycle_aborts(const struct gw_lifecycle *lifecycle);
/* What all keys begin with that any rule that counts applies to. */
size_t gw_lifecycle_common_prefix(const struct gw_lifecycle *lifecycle, const char **ret_prefix);

#endif
