/* PUT, DELETE, STAGE, ABORT: what is sent to the head, and its answer. */
#include "client/core/internal.h"

static void fill_put(struct cl_core *core, const struct op *op, uint64_t epoch,
                     struct wire_put *put)
{
    *put = (struct wire_put){
        .chain = op->chain,
        .epoch = epoch,
        .map_version = op_map_version(core, op),
        .session = op->lane->session,
        .seq = op->seq,
        .seq_floor = session_floor(op),
        .bucket = op->bucket_id,
        .key = op->in.key,
        .condition = (uint8_t)op->in.condition,
        .match = op->in.match,
        .size = op->in.size,
        .checksum = op->in.checksum,
        .meta = op->in.meta,
        .upload_high = op->in.upload_high,
        .upload_low = op->in.upload_low,
        .chunk_count = op->in.chunk_count,
        .chunk_bytes = op->in.chunk_bytes,
        .step = (uint8_t)op->in.step,
        .multi_high = op->in.multi_high,
        .multi_low = op->in.multi_low,
        .part = op->in.part,
        .keep_mtime = op->in.keep_mtime,
        .token_high = op->in.token_high,
        .token_low = op->in.token_low,
    };
}

static void fill_delete(struct cl_core *core, const struct op *op, uint64_t epoch,
                        struct wire_delete *delete)
{
    *delete = (struct wire_delete){
        .chain = op->chain,
        .epoch = epoch,
        .map_version = op_map_version(core, op),
        .session = op->lane->session,
        .seq = op->seq,
        .seq_floor = session_floor(op),
        .bucket = op->bucket_id,
        .key = op->in.key,
        .condition = (uint8_t)op->in.condition,
        .match = op->in.match,
        .multi_high = op->in.multi_high,
        .multi_low = op->in.multi_low,
    };
}

static void fill_stage(struct cl_core *core, const struct op *op, uint64_t epoch,
                       struct wire_stage *stage)
{
    *stage = (struct wire_stage){
        .chain = op->chain,
        .epoch = epoch,
        .map_version = op_map_version(core, op),
        .bucket = op->bucket_id,
        .key = op->in.key,
        .upload_high = op->in.upload_high,
        .upload_low = op->in.upload_low,
        .index = op->in.index,
        .checksum = op->in.checksum,
    };
}

static void fill_abort(struct cl_core *core, const struct op *op, uint64_t epoch,
                       struct wire_abort *abort)
{
    *abort = (struct wire_abort){
        .chain = op->chain,
        .epoch = epoch,
        .map_version = op_map_version(core, op),
        .bucket = op->bucket_id,
        .key = op->in.key,
        .upload_high = op->in.upload_high,
        .upload_low = op->in.upload_low,
    };
}

void update_fill(struct cl_core *core, struct op *op, const struct cl_row *row,
                 struct wire_message *message)
{
    switch (op->in.kind) {
    case CL_OP_PUT:
        message->type = WIRE_PUT;
        fill_put(core, op, row->epoch, &message->u.put);
        message->payload = buf_ref(op->in.payload);
        break;
    case CL_OP_DELETE:
        message->type = WIRE_DELETE;
        fill_delete(core, op, row->epoch, &message->u.delete);
        break;
    case CL_OP_STAGE:
        message->type = WIRE_STAGE;
        fill_stage(core, op, row->epoch, &message->u.stage);
        message->payload = buf_ref(op->in.payload);
        break;
    case CL_OP_ABORT:
        message->type = WIRE_ABORT;
        fill_abort(core, op, row->epoch, &message->u.abort);
        break;
    case CL_OP_GET:
    case CL_OP_STAT:
    case CL_OP_CHUNK:
    case CL_OP_LIST:
    case CL_OP_PARTS_LIST:
    case CL_OP_BUCKET_CREATE:
    case CL_OP_BUCKET_DELETE:
    case CL_OP_ADMIN:
    case CL_OP_MAP:
        IMPOSSIBLE("not an update");
    }
}

/* The one committed outcome of (session, seq): final whichever copy it answers, and whatever the
 * epoch (R19: an acknowledgement of a write may be accepted from an older epoch). */
void update_receive(struct cl_core *core, struct request *request,
                    const struct wire_updated *updated)
{
    struct op *op = request->op;
    enum err outcome = err_is_valid(updated->outcome) ? (enum err)updated->outcome : ERR_PROTOCOL;
    map_note_epoch(core, updated->chain, updated->epoch);
    /* Whether it came too early, or too late, retry.c knows from the chunks before it. */
    bool is_early =
        (outcome == ERR_UPLOAD_ORDER || outcome == ERR_UPLOAD_GONE) && op->in.kind == CL_OP_STAGE;
    if (outcome == ERR_SESSION_EXPIRED || outcome == ERR_OUTCOME_UNKNOWN || is_early) {
        retry_refused(core, request, outcome, slice_of(NULL, 0), false);
        return;
    }
    struct cl_result result = {
        .err = outcome,
        .version = updated->version,
        .current = updated->current,
        .replicas_durable = updated->replicas_durable,
    };
    bool is_value =
        op->in.kind == CL_OP_PUT && (op->in.step == WIRE_PUT_VALUE || op->in.step == WIRE_PUT_PART);
    if (is_value) {
        result.size = op->in.size;
        result.checksum = op->in.checksum;
    } else if (op->in.step == WIRE_PUT_COMPLETE && outcome == ERR_OK) {
        result.part_count = op->in.part;
        result.multi_high = op->in.multi_high;
        result.multi_low = op->in.multi_low;
    }
    op_end(core, op, &result, NULL);
}

/* ---- chunks of one upload keep their order ---- */

static uint64_t upload_key(const struct op *op)
{
    return op->in.upload_high ^ (op->in.upload_low * 0x9e3779b97f4a7c15u);
}

void upload_enter(struct cl_core *core, struct op *op)
{
    uint64_t key = upload_key(op);
    struct upload *upload = map_get(&core->uploads, key);
    if (upload == NULL) {
        upload = mem_calloc(1, sizeof *upload);
        upload->key = key;
        upload->high = op->in.upload_high;
        upload->low = op->in.upload_low;
        list_init(&upload->ops);
        (void)map_put(&core->uploads, key, upload);
    }
    struct list_node *last = list_last(&upload->ops);
    PRE(last == NULL || CONTAINER_OF(last, struct op, upload_node)->in.index < op->in.index);
    op->upload = upload;
    list_append(&upload->ops, &op->upload_node);
}

static struct op *stage_before(const struct op *op)
{
    if (op->upload_node.previous == &op->upload->ops)
        return NULL;
    return CONTAINER_OF(op->upload_node.previous, struct op, upload_node);
}

static struct op *stage_after(const struct op *op)
{
    if (op->upload_node.next == &op->upload->ops)
        return NULL;
    return CONTAINER_OF(op->upload_node.next, struct op, upload_node);
}

void upload_leave(struct cl_core *core, struct op *op)
{
    struct upload *upload = op->upload;
    if (upload == NULL)
        return;
    update_release_next_stage(core, op);
    list_remove(&op->upload_node);
    op->upload = NULL;
    if (list_is_empty(&upload->ops)) {
        (void)map_remove(&core->uploads, upload->key);
        mem_free(upload);
    }
}

bool update_may_stage(const struct op *op, uint32_t target)
{
    const struct op *before = stage_before(op);
    return before == NULL || (before->state == OP_WAIT_ANSWER && before->target == target);
}

/* Go back: the head refuses a gap, so what follows a failed chunk is sent after it, in order. */
void update_hold_later_stages(struct op *op)
{
    if (op->upload == NULL)
        return;
    for (struct op *later = stage_after(op); later != NULL; later = stage_after(later))
        op_wait(later, OP_WAIT_ORDER);
}

void update_release_next_stage(struct cl_core *core, struct op *op)
{
    struct op *next = stage_after(op);
    if (next != NULL && next->state == OP_WAIT_ORDER)
        op_wake(core, next);
}
