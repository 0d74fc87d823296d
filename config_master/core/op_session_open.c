/* SESSION_OPEN: the next session number. They grow for ever (R11, D4). */
#include "config_master/core/apply.h"
#include "config_master/core/leader.h"

void cm_op_session_open(struct cm_core *core, struct cm_request *request)
{
    struct cm_item item = {.kind = CM_ITEM_SESSION_OPEN};
    cm_request_propose(core, request, &item);
}

void cm_apply_session_open(struct cm_apply *apply, const struct cm_item *item,
                           struct cm_answer *answer)
{
    (void)item;
    answer->value = ++apply->state->last_session;
}
