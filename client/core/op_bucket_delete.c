/* Deleting a bucket in three steps (R37).
 *
 *   MARK    the master marks it *deleting* and answers when the head of every chain has that map
 *           and all earlier puts of the bucket are decided: from now on nothing can be added
 *   LOOK    a listing over all tails
 *   FINISH  empty: removed;  REVERT  not empty: the mark is taken back
 *
 * Each step has a nonce of its own, so that its retries are recognised and it is not taken for the
 * step before. When the master says that what we know is void (a chain has another head, another
 * master leads, somebody reverted), the deletion begins again. */
#include "client/core/internal.h"

static void begin_stage(struct cl_core *core, struct op *op, enum op_stage stage)
{
    while (!list_is_empty(&op->requests))
        request_free(core, CONTAINER_OF(op->requests.next, struct request, by_op));
    list_release(op);
    op->stage = stage;
    op->nonce = prng_next(&core->prng);
    op->unsettled = 0;
    op->failures = 0;
    op_wake(core, op);
}

void bucket_delete_answered(struct cl_core *core, struct op *op,
                            const struct wire_admin_reply *reply)
{
    struct cl_result result = {.err = ERR_OK};
    switch (op->stage) {
    case STAGE_MARK:
        bucket_remove(core, op->in.bucket, UINT64_MAX);
        op->bucket_id = reply->value;
        op->bucket_version = reply->version;
        begin_stage(core, op, STAGE_LOOK);
        break;
    case STAGE_FINISH:
        bucket_remove(core, op->in.bucket, UINT64_MAX);
        op_end(core, op, &result, NULL);
        break;
    case STAGE_REVERT:
        op_fail(core, op, op->verdict);
        break;
    case STAGE_LOOK:
    case STAGE_ONLY:
        IMPOSSIBLE("no master is asked in this stage");
    }
}

void bucket_delete_listed(struct cl_core *core, struct op *op, bool is_empty)
{
    op->verdict = is_empty ? ERR_OK : ERR_BUCKET_NOT_EMPTY;
    begin_stage(core, op, is_empty ? STAGE_FINISH : STAGE_REVERT);
}

void bucket_delete_void(struct cl_core *core, struct op *op)
{
    if (op->stage == STAGE_REVERT) { /* reverted already */
        op_fail(core, op, op->verdict);
        return;
    }
    begin_stage(core, op, STAGE_MARK);
    retry_later(core, op, true);
}

/* Without this the bucket would stay marked until somebody deletes it again. */
void bucket_delete_give_up(struct cl_core *core, struct op *op)
{
    bool may_be_marked = op->stage == STAGE_LOOK || (op->stage == STAGE_MARK && op->unsettled > 0);
    if (!may_be_marked)
        return;
    op->stage = STAGE_REVERT;
    op->verdict = ERR_TIMEOUT;
    op->nonce = prng_next(&core->prng);
    op->unsettled = 0;
    admin_advance(core, op);
}
