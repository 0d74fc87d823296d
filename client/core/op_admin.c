/* Calls to the leading master: administration, buckets, sessions.
 *
 * The leader is learnt from hints; without one the masters are asked in turn. Every retry carries
 * the same nonce, so a repeated create or delete finds its own first success. */
#include "client/core/internal.h"

enum { STATUS_TRIES = 3 };

static struct peer *next_master(struct cl_core *core)
{
    if (core->leader != NULL && core->leader->is_up)
        return core->leader;
    for (uint32_t i = 0; i < core->masters_count; i++) {
        struct peer *peer = core->masters[core->master_cursor++ % core->masters_count];
        if (peer_want(core, peer))
            return peer;
    }
    return NULL;
}

static uint32_t admin_op_of(const struct op *op)
{
    if (op->in.kind == CL_OP_BUCKET_CREATE)
        return WIRE_ADMIN_BUCKET_CREATE;
    return op->in.kind == CL_OP_BUCKET_DELETE ? WIRE_ADMIN_BUCKET_DELETE : op->in.admin_op;
}

/* BUCKET_DELETE: a = 0 marks, 1 finishes, 2 reverts (R37). */
static uint64_t first_argument_of(const struct op *op)
{
    if (op->in.kind != CL_OP_BUCKET_DELETE)
        return op->in.a;
    return op->stage == STAGE_MARK ? 0 : (op->stage == STAGE_FINISH ? 1 : 2);
}

void admin_advance(struct cl_core *core, struct op *op)
{
    struct peer *peer = next_master(core);
    if (peer == NULL) {
        op_wait(op, OP_WAIT_PEER);
        op->target = 0;
        op_note_reason(op, ERR_UNREACHABLE, "no master is connected");
        return;
    }
    struct wire_message message = {.type = WIRE_ADMIN};
    message.u.admin = (struct wire_admin){
        .op = admin_op_of(op),
        .a = first_argument_of(op),
        .b = op->in.b,
        .name = op->in.bucket,
        .text = op->in.text,
        .nonce = op->nonce,
        .wall_ms = op->in.wall_ms,
    };
    if (op->in.kind == CL_OP_ADMIN)
        message.payload = buf_ref(op->in.payload);
    request_send(core, op, peer, 0, 0, &message);
}

void admin_not_leader(struct cl_core *core, struct peer *peer, uint32_t leader,
                      struct slice leader_address)
{
    struct peer *hint = NULL;
    if (leader_address.length > 0)
        hint = peer_master_at(core, leader_address);
    for (uint32_t i = 0; hint == NULL && leader != 0 && i < core->map.masters_count; i++)
        if (core->map.masters[i].master == leader)
            hint = peer_master_at(core, slice_of_text(core->map.masters[i].address));
    if (hint != NULL)
        core->leader = hint;
    else if (core->leader == peer)
        core->leader = NULL;
}

static void bucket_created(struct cl_core *core, struct op *op,
                           const struct wire_admin_reply *reply)
{
    bucket_put(core, op->in.bucket, reply->value, reply->version);
}

void admin_receive(struct cl_core *core, struct request *request,
                   const struct wire_message *message)
{
    const struct wire_admin_reply *reply = &message->u.admin_reply;
    struct op *op = request->op;
    enum err err = err_is_valid(reply->err) ? (enum err)reply->err : ERR_PROTOCOL;
    bool is_status = op->in.kind == CL_OP_ADMIN && op->in.admin_op == WIRE_ADMIN_STATUS;
    if (err == ERR_NOT_LEADER || err == ERR_NO_LEADER || is_status)
        admin_not_leader(core, request->peer, reply->leader, slice_of(NULL, 0));
    else
        core->leader = request->peer;
    if (is_status && err == ERR_OK && reply->leader != 0 && reply->value != reply->leader &&
        core->leader != NULL && core->leader->is_up && op->tries++ < STATUS_TRIES) {
        request_free(core, request); /* only the leader knows who can be reached */
        op_wake(core, op);
        return;
    }
    if (op->in.kind == CL_OP_BUCKET_DELETE && op->stage == STAGE_FINISH && err == ERR_NO_BUCKET &&
        op->unsettled > 1)
        err = ERR_OK; /* an earlier copy finished it */
    if (err != ERR_OK) {
        retry_refused(core, request, err, reply->text, false);
        return;
    }
    if (reply->version > core->wanted_version)
        core->wanted_version = reply->version;
    if (op->in.kind == CL_OP_BUCKET_DELETE) {
        request_free(core, request);
        bucket_delete_answered(core, op, reply);
        return;
    }
    if (op->in.kind == CL_OP_BUCKET_CREATE)
        bucket_created(core, op, reply);
    struct cl_result result = {.err = ERR_OK, .admin = reply};
    op_end(core, op, &result, message->payload);
}
