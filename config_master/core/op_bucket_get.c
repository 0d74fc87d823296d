/* BUCKET_GET: the id behind a name, linearizable: leadership is confirmed before it is read. */
#include "config_master/core/leader.h"

void cm_op_bucket_get(struct cm_core *core, struct cm_request *request)
{
    cm_request_read(core, request);
}

void cm_op_bucket_get_ready(struct cm_core *core, struct cm_request *request)
{
    const struct cm_bucket *bucket = cm_state_bucket(core->state, cm_request_name(request));
    if (bucket == NULL) {
        cm_request_reply(core, request, ERR_NO_BUCKET, 0, 0,
                         "no such bucket; `catena mb` makes one");
        return;
    }
    struct wire_message *message = cm_request_answer(core, request);
    struct wire_bucket_info *info = cm_message_alloc(message, sizeof *info);
    cm_bucket_to_wire(bucket, info);
    message->u.admin_reply.value = bucket->id;
    message->u.admin_reply.buckets = info;
    message->u.admin_reply.buckets_count = 1;
}
