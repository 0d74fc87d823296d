/* The policy of a POST upload: a JSON document that the owner of a key signed, and that says what
 * the form may contain. Pure; the signature is checked elsewhere. */
#ifndef CATENA_TOOLS_GATEWAY_POST_POLICY_H
#define CATENA_TOOLS_GATEWAY_POST_POLICY_H

#include "tools/gateway/request.h"
#include "tools/gateway/s3_error.h"

enum { GW_POLICY_BYTES_MAX = 64 * 1024 };

struct gw_post_policy {
    uint64_t length_min; /* of the file: content-length-range */
    uint64_t length_max; /* UINT64_MAX: no limit */
};

/* policy: as in the form (base64). fields: of the form; the policy has to mention all of them but
 * those that carry the signature, `file`, `policy` and x-ignore-*. key: as it will be, with the
 * file's name put in. S3_OK: *ret_policy is what the file has to obey. S3_InvalidPolicyDocument,
 * S3_AccessDenied (expired, or a condition that does not hold). */
enum s3_error gw_post_policy_check(const char *policy, const struct gw_header *fields,
                                   size_t field_count, const char *bucket, const char *key,
                                   uint64_t now_ms, struct gw_post_policy *ret_policy,
                                   const char **ret_detail);

#endif
