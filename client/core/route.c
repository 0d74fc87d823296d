/* Where an operation goes under the present map, and the copies that are under way. */
#include "client/core/internal.h"
#include "placement/placement.h"

struct request *request_new(struct cl_core *core, struct op *op, struct peer *peer)
{
    struct request *request = mem_calloc(1, sizeof *request);
    request->id = core->next_request++;
    request->op = op;
    request->peer = peer;
    list_append(&op->requests, &request->by_op);
    list_append(&peer->requests, &request->by_peer);
    (void)map_put(&core->requests, request->id, request);
    return request;
}

void request_free(struct cl_core *core, struct request *request)
{
    list_remove(&request->by_op);
    list_remove(&request->by_peer);
    (void)map_remove(&core->requests, request->id);
    mem_free(request);
}

static void set_request_id(struct wire_message *message, uint64_t id)
{
    switch ((unsigned)message->type) {
    case WIRE_PUT:
        message->u.put.request = id;
        break;
    case WIRE_DELETE:
        message->u.delete.request = id;
        break;
    case WIRE_STAGE:
        message->u.stage.request = id;
        break;
    case WIRE_ABORT:
        message->u.abort.request = id;
        break;
    case WIRE_GET:
        message->u.get.request = id;
        break;
    case WIRE_CHUNK_GET:
        message->u.chunk_get.request = id;
        break;
    case WIRE_PARTS_LIST:
        message->u.parts_list.request = id;
        break;
    case WIRE_LIST:
        message->u.list.request = id;
        break;
    case WIRE_ADMIN:
        message->u.admin.request = id;
        break;
    default:
        IMPOSSIBLE("the client sends no other request");
    }
}

void request_send(struct cl_core *core, struct op *op, struct peer *peer, uint64_t epoch,
                  uint32_t part, struct wire_message *message)
{
    PRE(peer->is_up);
    struct request *request = request_new(core, op, peer);
    request->epoch = epoch;
    request->part = part;
    set_request_id(message, request->id);
    struct cl_effect *effect = effect_push(core, CL_EFFECT_SEND);
    effect->peer = peer->id;
    effect->message = *message;
    op->attempts++;
    op->unsettled++;
    op->target = peer->id;
    op->state = OP_WAIT_ANSWER;
    op->next_us = core->now_us + retry_attempt_us(core, op);
    timer_note(core, op->next_us);
    core->stats.sent++;
}

uint32_t route_target(const struct cl_core *core, const struct op *op)
{
    const struct cl_row *row = op->is_routed ? map_row(core, op->chain) : NULL;
    if (row == NULL)
        return 0;
    return op_is_read(op) ? row->members[row->members_count - 1].node : row->members[0].node;
}

/* No map, no chains, or no row for this chain yet. A cluster without chains is not waited for until
 * the deadline: that can be for ever. */
static void wait_for_map(struct cl_core *core, struct op *op)
{
    op_wait(op, OP_WAIT_MAP);
    bool is_bare = core->map.is_installed && core->map.chain_count == 0;
    if (is_bare)
        op->next_us = op->submitted_us + CL_CHAINS_GRACE_US;
    op_note_reason(op, ERR_NOT_READY, "%s",
                   is_bare                  ? "the cluster has no chains yet"
                   : core->map.is_installed ? "the map does not name the chain's members yet"
                                            : "no map was received yet");
}

static void wait_for_peer(struct cl_core *core, struct op *op, uint32_t target)
{
    char name[BOUND_ADDRESS_BYTES + 64];
    const struct peer *peer = peer_find(core, target);
    op_wait(op, OP_WAIT_PEER);
    op->target = target;
    op_note_reason(op, ERR_UNREACHABLE, "%s: %s", peer_describe(core, target, name, sizeof name),
                   peer != NULL && peer->has_failed ? peer->down_text : "not connected");
}

static void advance_keyed(struct cl_core *core, struct op *op)
{
    if (!op->is_routed) {
        if (!bucket_resolve(core, op))
            return;
        op->chain = pl_hash(op->bucket_id, op->in.key, core->map.chain_count);
        op->is_routed = true;
    }
    const struct cl_row *row = map_row(core, op->chain);
    if (row == NULL) {
        wait_for_map(core, op);
        return;
    }
    if (op_has_session(op) && !session_number(core, op))
        return;
    uint32_t target = route_target(core, op);
    if (op->in.kind == CL_OP_STAGE && !update_may_stage(op, target)) {
        op_wait(op, OP_WAIT_ORDER);
        return;
    }
    struct peer *peer = peer_node(core, target);
    if (peer == NULL || !peer_want(core, peer)) {
        wait_for_peer(core, op, target);
        return;
    }
    struct wire_message message = {0};
    if (op->in.kind == CL_OP_PARTS_LIST)
        parts_fill(core, op, row, &message);
    else if (op_is_read(op))
        get_fill(core, op, row, &message);
    else
        update_fill(core, op, row, &message);
    request_send(core, op, peer, row->epoch, 0, &message);
    if (op->in.kind == CL_OP_STAGE)
        update_release_next_stage(core, op);
}

static void advance_chunk(struct cl_core *core, struct op *op)
{
    const struct cl_row *row = map_row(core, op->chain);
    if (row == NULL) {
        wait_for_map(core, op);
        return;
    }
    struct peer *peer = chunk_choose(core, op, row);
    if (peer == NULL) {
        wait_for_peer(core, op, 0);
        op_note_reason(op, ERR_UNREACHABLE, "no member of chain %u that may have it is connected",
                       op->chain);
        return;
    }
    struct wire_message message = {0};
    get_fill(core, op, row, &message);
    request_send(core, op, peer, row->epoch, 0, &message);
}

static void advance_map(struct cl_core *core, struct op *op)
{
    if (core->map.is_installed && core->map.version >= op->in.version) {
        op_fail(core, op, ERR_OK);
        return;
    }
    op_wait(op, OP_WAIT_MAP);
    if (!core->map.is_installed)
        op->next_us = op->submitted_us + CL_OPEN_GRACE_US;
}

/* The first map: when every master has failed for a while, waiting on would only hide why. */
void route_map_overdue(struct cl_core *core, struct op *op)
{
    char text[8];
    bool all_failed;
    (void)cl_core_masters_text(core, text, sizeof text, &all_failed);
    if (all_failed)
        op_fail(core, op, ERR_UNREACHABLE);
    else
        op->next_us = core->now_us + CL_OPEN_GRACE_US / 8;
}

void op_advance(struct cl_core *core, struct op *op)
{
    if (op->in.kind == CL_OP_MAP) {
        advance_map(core, op);
    } else if (op_asks_leader(op)) {
        admin_advance(core, op);
    } else if (core->map.chain_count == 0) {
        wait_for_map(core, op);
    } else if (op_asks_list(op)) {
        list_advance(core, op);
    } else if (op->in.kind == CL_OP_CHUNK) {
        advance_chunk(core, op);
    } else {
        advance_keyed(core, op);
    }
}

static bool must_move(const struct cl_core *core, const struct op *op)
{
    if (op->state == OP_WAIT_MAP || op->state == OP_WAIT_PEER)
        return true;
    if (op->in.kind == CL_OP_CHUNK)
        return chunk_lost_its_server(core, op);
    if (!op_is_keyed(op) || !op->is_routed)
        return false;
    return (op->state == OP_WAIT_ANSWER || op->state == OP_WAIT_BACKOFF) &&
           op->target != route_target(core, op);
}

void route_map_changed(struct cl_core *core)
{
    LIST_FOREACH (node, &core->ops) {
        struct op *op = CONTAINER_OF(node, struct op, node);
        bool moves = op_asks_list(op) ? list_map_changed(core, op) : must_move(core, op);
        if (!moves)
            continue;
        op->failures = 0;
        op->is_unpaid = false;
        op_wake(core, op);
    }
}
