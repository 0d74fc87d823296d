/* cl_core_check: every documented invariant, asserted after each simulated step. */
#include "client/core/internal.h"

static void check_lane(const struct lane *lane)
{
    uint64_t last = 0;
    LIST_FOREACH (node, &lane->ops) {
        const struct op *op = CONTAINER_OF(node, struct op, lane_node);
        INVARIANT(op->lane == lane);
        INVARIANT(op->seq > last && op->seq < lane->next_seq);
        last = op->seq;
    }
    if (!list_is_empty(&lane->ops)) {
        const struct op *first = CONTAINER_OF(lane->ops.next, struct op, lane_node);
        INVARIANT(lane->next_seq - first->seq <= BOUND_SESSION_WINDOW);
    }
}

static void check_op(const struct cl_core *core, const struct op *op)
{
    INVARIANT(op->state != OP_ENDED);
    INVARIANT(
        ERGO(op->internal == OP_NOT_INTERNAL, map_get(&core->ops_by_number, op->in.op) == op));
    INVARIANT(op->unsettled <= op->attempts);
    INVARIANT(ERGO(op->seq != 0, op->lane != NULL && op_has_session(op)));
    INVARIANT((op->state == OP_READY) == !list_is_empty(&op->ready));
    LIST_FOREACH (node, &op->requests) {
        const struct request *request = CONTAINER_OF(node, struct request, by_op);
        INVARIANT(request->op == op);
        INVARIANT(map_get(&core->requests, request->id) == request);
        INVARIANT(request->peer->is_up);
    }
    /* Nothing waits for ever: every state but READY has a timer or the deadline. */
    INVARIANT(ERGO(op->state != OP_READY, core->deadline_us <= op->in.deadline_us));
    INVARIANT(ERGO(op->state == OP_WAIT_BACKOFF || op->state == OP_WAIT_ANSWER,
                   core->deadline_us <= op->next_us));
}

static void check_uploads(const struct cl_core *core)
{
    size_t cursor = 0;
    const struct upload *upload;
    while ((upload = map_next(&core->uploads, &cursor, NULL)) != NULL) {
        INVARIANT(!list_is_empty(&upload->ops));
        const struct op *before = NULL;
        LIST_FOREACH (node, &upload->ops) {
            const struct op *op = CONTAINER_OF(node, struct op, upload_node);
            INVARIANT(ERGO(before != NULL, before->in.index < op->in.index));
            before = op;
        }
    }
}

void cl_core_check(const struct cl_core *core)
{
    uint32_t count = 0;
    LIST_FOREACH (node, &core->ops) {
        check_op(core, CONTAINER_OF(node, struct op, node));
        count++;
    }
    INVARIANT(count == core->ops_count);
    size_t cursor = 0;
    const struct lane *lane;
    while ((lane = map_next(&core->lanes, &cursor, NULL)) != NULL) {
        INVARIANT(lane->is_current);
        check_lane(lane);
    }
    check_uploads(core);
    /* R5, R19: rows never go back, and what was seen is at least what is installed. */
    for (uint32_t i = 0; i < core->map.chain_count; i++)
        INVARIANT(core->map.rows[i].seen_epoch >= core->map.rows[i].epoch);
    cursor = 0;
    const struct request *request;
    while ((request = map_next(&core->requests, &cursor, NULL)) != NULL)
        INVARIANT(request->id < core->next_request);
}
