/* Sessions and sequence numbers: what makes a retried update run at most once (R11, D4).
 *
 * The master gives session ids. Each chain numbers the updates of a session from 1; a *lane* is
 * that numbering. With each update goes the floor: every number below it has its answer (or was
 * given up), so the chain may forget those outcomes. At most BOUND_SESSION_WINDOW numbers are
 * between floor and next. */
#include "client/core/internal.h"

static struct lane *lane_new(struct cl_core *core, uint32_t chain)
{
    struct lane *lane = mem_calloc(1, sizeof *lane);
    lane->chain = chain;
    lane->session = core->session;
    lane->next_seq = 1;
    lane->is_current = true;
    list_init(&lane->ops);
    list_init(&lane->waiting);
    (void)map_put(&core->lanes, (uint64_t)chain + 1, lane);
    core->lanes_count++;
    return lane;
}

static void lane_free_if_idle(struct cl_core *core, struct lane *lane)
{
    if (lane->is_current || !list_is_empty(&lane->ops) || !list_is_empty(&lane->waiting))
        return;
    core->lanes_count--;
    mem_free(lane);
}

static void want_session(struct cl_core *core)
{
    if (core->session_op != NULL)
        return;
    struct cl_submit ask = {
        .kind = CL_OP_ADMIN,
        .admin_op = WIRE_ADMIN_SESSION_OPEN,
        .deadline_us = core->now_us + CL_INTERNAL_US,
    };
    core->session_op = op_start_internal(core, OP_INTERNAL_SESSION, &ask);
}

static uint64_t lane_floor(const struct lane *lane)
{
    if (list_is_empty(&lane->ops))
        return lane->next_seq;
    return CONTAINER_OF(lane->ops.next, struct op, lane_node)->seq;
}

bool session_number(struct cl_core *core, struct op *op)
{
    if (op->seq != 0)
        return true;
    struct lane *lane = op->lane;
    if (lane != NULL && (!lane->is_current || lane->chain != op->chain)) {
        session_leave(core, op);
        lane = NULL;
    }
    if (lane == NULL)
        lane = map_get(&core->lanes, (uint64_t)op->chain + 1);
    if (lane == NULL) {
        if (core->session == 0) {
            op_wait(op, OP_WAIT_SESSION);
            op_note_reason(op, ERR_NO_LEADER, "the masters have not given a session yet");
            want_session(core);
            return false;
        }
        lane = lane_new(core, op->chain);
    }
    op->lane = lane;
    list_remove(&op->lane_node);
    if (lane->next_seq - lane_floor(lane) >= BOUND_SESSION_WINDOW) {
        list_append(&lane->waiting, &op->lane_node);
        op_wait(op, OP_WAIT_LANE);
        return false;
    }
    op->seq = lane->next_seq++;
    list_append(&lane->ops, &op->lane_node);
    return true;
}

uint64_t session_floor(const struct op *op)
{
    PRE(op->lane != NULL && op->seq != 0);
    return lane_floor(op->lane);
}

static void wake_waiting(struct cl_core *core, struct lane *lane)
{
    uint64_t used = lane->next_seq - lane_floor(lane);
    LIST_FOREACH_SAFE (node, &lane->waiting) {
        if (lane->is_current && used++ >= BOUND_SESSION_WINDOW)
            break;
        op_wake(core, CONTAINER_OF(node, struct op, lane_node));
    }
}

void session_leave(struct cl_core *core, struct op *op)
{
    struct lane *lane = op->lane;
    if (lane == NULL)
        return;
    list_remove(&op->lane_node);
    op->lane = NULL;
    op->seq = 0;
    wake_waiting(core, lane);
    lane_free_if_idle(core, lane);
}

void session_expired(struct cl_core *core, struct lane *lane)
{
    if (!lane->is_current)
        return;
    TRACE(&core->options.trace, "session expired session=%llu chain=%u",
          (unsigned long long)lane->session, lane->chain);
    lane->is_current = false;
    (void)map_remove(&core->lanes, (uint64_t)lane->chain + 1);
    if (core->session == lane->session)
        core->session = 0;
    wake_waiting(core, lane);
    lane_free_if_idle(core, lane);
}

void session_opened(struct cl_core *core, enum err err, const struct wire_admin_reply *reply)
{
    const struct op *asker = core->session_op;
    core->session_op = NULL;
    if (err == ERR_OK && reply != NULL && reply->value != 0) {
        core->session = reply->value;
        core->stats.sessions++;
    }
    LIST_FOREACH_SAFE (node, &core->ops) {
        struct op *op = CONTAINER_OF(node, struct op, node);
        if (op->state != OP_WAIT_SESSION)
            continue;
        if (core->session != 0) {
            op_wake(core, op);
            continue;
        }
        op_note_reason(op, err, "no session: %s", asker->last_reason);
        retry_later(core, op, true);
    }
}

void session_release_all(struct cl_core *core)
{
    size_t cursor = 0;
    struct lane *lane;
    while ((lane = map_next(&core->lanes, &cursor, NULL)) != NULL) {
        core->lanes_count--;
        mem_free(lane);
    }
    map_release(&core->lanes);
    POST(core->lanes_count == 0);
}
