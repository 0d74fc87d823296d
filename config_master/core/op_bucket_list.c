/* BUCKET_LIST: buckets in order of name after a given one, linearizable. */
#include "config_master/core/leader.h"

void cm_op_bucket_list(struct cm_core *core, struct cm_request *request)
{
    cm_request_read(core, request);
}

void cm_op_bucket_list_ready(struct cm_core *core, struct cm_request *request)
{
    const struct cm_state *state = core->state;
    uint32_t from = cm_state_bucket_after(state, cm_request_name(request));
    uint32_t count = state->bucket_count - from;
    bool is_truncated = count > BOUND_ROWS_PER_MESSAGE;
    count = is_truncated ? BOUND_ROWS_PER_MESSAGE : count;
    struct wire_message *message = cm_request_answer(core, request);
    struct wire_bucket_info *infos = cm_message_alloc(message, count * sizeof *infos);
    for (uint32_t i = 0; i < count; i++)
        cm_bucket_to_wire(state->buckets[from + i], &infos[i]);
    message->u.admin_reply.buckets = infos;
    message->u.admin_reply.buckets_count = count;
    message->u.admin_reply.truncated = is_truncated;
}
