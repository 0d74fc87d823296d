/* Effects between the two cores.
 *
 *   cluster core PROPOSE        -> Raft PROPOSE          Raft APPLY, RESTORE -> cluster core (or
 * identities) cluster core READ           -> Raft READ             Raft READ_READY     -> cluster
 * core READ_READY cluster core MASTERS_CHANGE -> FORGET, Raft CHANGE   Raft PROPOSED       ->
 * cluster core PROPOSED, CHANGED cluster core TRANSFER       -> Raft TRANSFER         Raft ROLE ->
 * cluster core ROLE cluster core SNAPSHOT       -> Raft SNAPSHOT_TAKEN   Raft SNAPSHOT_WANTED->
 * cluster core SNAPSHOT_WANTED Everything else goes out. A core is stepped only from here, its
 * effects are queued and routed first in, first out: so each core sees what the other told in the
 * order in which it was told. */
#include "config_master/server/internal.h"

static struct server_routed *push(struct server *server)
{
    uint32_t end = server->queue_start + server->queue_count;
    if (end == server->queue_capacity) {
        if (server->queue_count > 0)
            memmove(server->queue, server->queue + server->queue_start,
                    server->queue_count * sizeof *server->queue);
        server->queue_start = 0;
        end = server->queue_count;
        if (end * 2 >= server->queue_capacity) {
            server->queue_capacity = server->queue_capacity * 2 + 32;
            server->queue =
                mem_realloc(server->queue, server->queue_capacity * sizeof *server->queue);
        }
    }
    server->queue_count++;
    server->queue[end] = (struct server_routed){0};
    return &server->queue[end];
}

void server_step_raft(struct server *server, struct raft_event *event)
{
    event->now_us = server->now_us;
    raft_step(server->raft, event, &server->raft_effects);
    for (uint32_t i = 0; i < server->raft_effects.count; i++) {
        struct server_routed *routed = push(server);
        routed->is_raft = true;
        routed->raft = server->raft_effects.items[i];
    }
    server->raft_effects.count = 0; /* moved */
}

void server_step_cm(struct server *server, struct cm_event *event)
{
    event->now_us = server->now_us;
    event->lease_until_us = raft_lease_until_us(server->raft);
    cm_core_step(server->core, event, &server->cm_effects);
    for (uint32_t i = 0; i < server->cm_effects.count; i++) {
        struct cm_effect *effect = &server->cm_effects.items[i];
        struct server_routed *routed = push(server);
        routed->cm = *effect;
        buf_ref(effect->data);
        /* The message may point into the core's memory, which its next step changes. */
        routed->cm.message = (struct wire_message){0};
        if (effect->kind == CM_EFFECT_SEND)
            wire_message_copy(&effect->message, &routed->cm.message);
        if (effect->kind == CM_EFFECT_MASTERS_CHANGE || effect->kind == CM_EFFECT_PROBE) {
            struct buf *address = buf_copy(effect->address);
            buf_unref(routed->cm.data);
            routed->cm.data = address;
            routed->cm.address = buf_slice(address);
        }
    }
    cm_effects_clear(&server->cm_effects);
}

uint64_t server_request_id(enum server_request request, uint64_t number)
{
    PRE(number <= UINT64_MAX >> SERVER_REQUEST_BITS);
    return number << SERVER_REQUEST_BITS | (uint64_t)request;
}

void server_propose(struct server *server, uint64_t id, enum server_command command,
                    struct slice body)
{
    struct buf *data = buf_new(1 + body.length);
    data->data[0] = (uint8_t)command;
    if (body.length > 0)
        memcpy(data->data + 1, body.data, body.length);
    struct raft_event event = {.kind = RAFT_EVENT_PROPOSE, .id = id, .data = data};
    server_step_raft(server, &event);
    buf_unref(data);
}

/* ---- from Raft ---- */

static void route_apply(struct server *server, const struct raft_effect *effect)
{
    struct slice command = buf_slice(effect->data);
    if (command.length == 0 || command.data[0] > SERVER_COMMAND_FORGET) {
        server_halt(server, "a committed command of an unknown kind: is this software older than "
                            "that of the other masters?");
        return;
    }
    if (command.data[0] != SERVER_COMMAND_CLUSTER) {
        server_identity_apply(server, (enum server_command)command.data[0], effect->index,
                              slice_of(command.data + 1, command.length - 1));
        return;
    }
    struct buf *data = buf_view(effect->data, 1, command.length - 1);
    struct cm_event event = {.kind = CM_EVENT_APPLY, .index = effect->index, .data = data};
    server_step_cm(server, &event);
    buf_unref(data);
}

static void route_restore(struct server *server, const struct raft_effect *effect)
{
    struct buf *inner = server_snapshot_unwrap(server, effect->data);
    if (inner == NULL) {
        server_halt(server, "the snapshot cannot be read");
        return;
    }
    struct cm_event event = {.kind = CM_EVENT_RESTORE, .index = effect->index, .data = inner};
    server_step_cm(server, &event);
    buf_unref(inner);
}

static void route_proposed(struct server *server, const struct raft_effect *effect)
{
    uint64_t number = effect->id >> SERVER_REQUEST_BITS;
    switch ((enum server_request)(effect->id & ((1u << SERVER_REQUEST_BITS) - 1))) {
    case SERVER_REQUEST_PROPOSE:
    case SERVER_REQUEST_CHANGE: {
        bool is_change = (effect->id & 1) != 0;
        struct cm_event event = {.kind = is_change ? CM_EVENT_CHANGED : CM_EVENT_PROPOSED,
                                 .id = number,
                                 .err = effect->err,
                                 .index = effect->index};
        server_step_cm(server, &event);
        break;
    }
    case SERVER_REQUEST_RECORD:
        server_identity_recorded(server, (uint32_t)number);
        break;
    case SERVER_REQUEST_FORGET:
        server_identity_forgotten(server, number, effect->err);
        break;
    }
}

static void route_role(struct server *server, const struct raft_effect *effect)
{
    struct cm_event event = {
        .kind = CM_EVENT_ROLE,
        .is_leader = effect->role == RAFT_LEADER,
        .leader = effect->leader,
        .term = effect->term,
        .since_us = effect->role == RAFT_LEADER ? raft_leader_since_us(server->raft) : 0,
    };
    server_step_cm(server, &event);
}

static void route_raft(struct server *server, struct raft_effect *effect)
{
    switch (effect->kind) {
    case RAFT_EFFECT_SEND:
        server_master_send(server, effect->to, &effect->message);
        break;
    case RAFT_EFFECT_STORE: {
        struct server_effect *out = server_emit(server, SERVER_EFFECT_STORE);
        out->token = effect->token;
        out->batch = effect->batch;
        effect->batch = NULL;
        break;
    }
    case RAFT_EFFECT_APPLY:
        route_apply(server, effect);
        break;
    case RAFT_EFFECT_RESTORE:
        route_restore(server, effect);
        break;
    case RAFT_EFFECT_PROPOSED:
        route_proposed(server, effect);
        break;
    case RAFT_EFFECT_READ_READY: {
        struct cm_event event = {.kind = CM_EVENT_READ_READY, .id = effect->id, .err = effect->err};
        server_step_cm(server, &event);
        break;
    }
    case RAFT_EFFECT_ROLE:
        route_role(server, effect);
        break;
    case RAFT_EFFECT_CONFIGURATION:
        break; /* looked at after the step: server_masters_update */
    case RAFT_EFFECT_SNAPSHOT_WANTED: {
        /* Everything up to this index was routed before, so the answer describes it. */
        server->snapshot_wanted_index = effect->index;
        struct cm_event event = {.kind = CM_EVENT_SNAPSHOT_WANTED, .index = effect->index};
        server_step_cm(server, &event);
        break;
    }
    case RAFT_EFFECT_HALT:
        server_halt(server, effect->text);
        break;
    }
}

/* ---- from the cluster core ---- */

static void route_snapshot(struct server *server, const struct cm_effect *effect)
{
    uint64_t index = server->snapshot_wanted_index;
    server->snapshot_wanted_index = 0;
    if (index == 0 || effect->data == NULL)
        return; /* not asked for */
    struct buf *data = server_snapshot_wrap(server, effect->data);
    struct raft_event event = {.kind = RAFT_EVENT_SNAPSHOT_TAKEN, .index = index, .data = data};
    server_step_raft(server, &event);
    buf_unref(data);
}

static void route_cm(struct server *server, struct cm_effect *effect)
{
    switch (effect->kind) {
    case CM_EFFECT_SEND: {
        struct server_effect *out = server_emit(server, SERVER_EFFECT_SEND);
        out->conn = effect->conn;
        out->message = effect->message;
        effect->message = (struct wire_message){0};
        break;
    }
    case CM_EFFECT_CLOSE:
        server_emit(server, SERVER_EFFECT_CLOSE)->conn = effect->conn;
        break;
    case CM_EFFECT_PROPOSE:
        server_propose(server, server_request_id(SERVER_REQUEST_PROPOSE, effect->id),
                       SERVER_COMMAND_CLUSTER, buf_slice(effect->data));
        break;
    case CM_EFFECT_READ: {
        struct raft_event event = {.kind = RAFT_EVENT_READ, .id = effect->id};
        server_step_raft(server, &event);
        break;
    }
    case CM_EFFECT_SNAPSHOT:
        route_snapshot(server, effect);
        break;
    case CM_EFFECT_MASTERS_CHANGE:
        server_change_masters(server, effect->id, effect->target, effect->add, effect->address);
        break;
    case CM_EFFECT_TRANSFER: {
        struct raft_event event = {.kind = RAFT_EVENT_TRANSFER,
                                   .id = server_request_id(SERVER_REQUEST_CHANGE, effect->id),
                                   .target = effect->target};
        server_step_raft(server, &event);
        break;
    }
    case CM_EFFECT_PROBE: {
        struct server_effect *out = server_emit(server, SERVER_EFFECT_PROBE);
        out->id = effect->id;
        size_t length = effect->address.length;
        if (length > BOUND_ADDRESS_BYTES)
            length = BOUND_ADDRESS_BYTES;
        if (length > 0)
            memcpy(out->address, effect->address.data, length);
        break;
    }
    case CM_EFFECT_HALT:
        server_halt(server, effect->text);
        break;
    }
}

static void release(struct server_routed *routed)
{
    wire_message_release(routed->is_raft ? &routed->raft.message : &routed->cm.message);
    buf_unref(routed->is_raft ? routed->raft.data : routed->cm.data);
    if (routed->is_raft)
        kv_batch_free(routed->raft.batch);
}

void server_route(struct server *server)
{
    uint32_t routed_count = 0;
    while (server->queue_count > 0) {
        struct server_routed routed = server->queue[server->queue_start];
        server->queue_start++;
        server->queue_count--;
        INVARIANT(++routed_count < SERVER_ROUTED_MAX);
        /* After a HALT nothing more is said or done. */
        if (!server->halted && routed.is_raft)
            route_raft(server, &routed.raft);
        else if (!server->halted)
            route_cm(server, &routed.cm);
        release(&routed);
    }
    server->queue_start = 0;
}
