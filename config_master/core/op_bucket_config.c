/* BUCKET_CONFIG_GET and BUCKET_CONFIG_PUT: a document for each bucket, which means nothing to the
 * masters. It is replaced whole, if it is still the one that its writer had read; it goes with the
 * bucket, and a bucket of the same name begins without one (D20). No map tells of it. */
#include "base/buf.h"
#include "base/contract.h"
#include "base/planted.h"
#include "config_master/core/apply.h"
#include "config_master/core/leader.h"

void cm_op_bucket_config_get(struct cm_core *core, struct cm_request *request)
{
    cm_request_read(core, request);
}

void cm_op_bucket_config_get_ready(struct cm_core *core, struct cm_request *request)
{
    const struct cm_bucket *bucket = cm_state_bucket(core->state, cm_request_name(request));
    if (bucket == NULL) {
        cm_request_reply(core, request, ERR_NO_BUCKET, 0, 0, "no such bucket");
        return;
    }
    struct wire_message *message = cm_request_answer(core, request);
    message->u.admin_reply.value = bucket->config_version;
    if (bucket->config_length > 0)
        message->payload = buf_copy(slice_of(bucket->config, bucket->config_length));
}

void cm_op_bucket_config_put(struct cm_core *core, struct cm_request *request)
{
    struct cm_item item = {.kind = CM_ITEM_BUCKET_CONFIG};
    item.u.bucket_config.name = cm_request_name(request);
    item.u.bucket_config.expected_version = request->a;
    item.u.bucket_config.document = buf_slice(request->payload);
    if (!cm_bucket_name_is_valid(item.u.bucket_config.name))
        cm_request_reply(core, request, ERR_INVALID, 0, 0, "not a bucket name");
    else
        cm_request_propose(core, request, &item);
}

void cm_apply_bucket_config(struct cm_apply *apply, const struct cm_item *item,
                            struct cm_answer *answer)
{
    struct cm_bucket *bucket = cm_state_bucket(apply->state, item->u.bucket_config.name);
    if (bucket == NULL) {
        cm_answer_refuse(answer, ERR_NO_BUCKET, "no such bucket");
    } else if (bucket->state == WIRE_BUCKET_DELETING) {
        cm_answer_refuse(answer, ERR_BUCKET_DELETING, "bucket '%s' is being deleted", bucket->name);
    } else if (bucket->config_version != item->u.bucket_config.expected_version &&
               !PLANTED(D20_CONFIG_NOT_COMPARED)) {
        cm_answer_refuse(answer, ERR_CONDITION,
                         "the configuration of bucket '%s' has changed meanwhile", bucket->name);
    } else if (!cm_state_set_bucket_config(apply->state, bucket, item->u.bucket_config.document,
                                           apply->index)) {
        cm_answer_refuse(answer, ERR_TOO_LARGE,
                         "the configurations of all buckets would be over their limit of %u bytes",
                         BOUND_BUCKET_CONFIGS_BYTES);
    }
    answer->value = bucket == NULL ? 0 : bucket->config_version;
}
