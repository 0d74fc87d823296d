/* The driver of a chain node: chainnode/core over simulated parts. The worker only; its supervisor
 * is sim_supervisor.c. Links: to other nodes by their id, to masters by MASTER_LINK + id. */
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/contract.h"
#include "chainnode/core/cn_core.h"
#include "tests/sim/sim.h"

enum { MASTER_LINK = 1000, HEARTBEAT_US = 100000, CHECKSUM_BYTES = 8 };

struct sim_node {
    struct sim_process *process;
    struct sim_disk *disk;
    struct kv kv;
    struct uuid disk_uuid;
    struct uuid boot_uuid;
    uint64_t incarnation; /* in the identity file: survives */
    uint32_t identity;    /* the id in it */
    bool is_full;
    bool wants_space;  /* the core has to be told */
    bool expects_halt; /* its disk was told to fail */
    bool disk_is_lost;
    uint32_t steps;
    struct cn_core *core;
    struct cn_effects effects;
    struct map accepted; /* conn -> struct accepted */
    /* Which master leads, as chainnode/io/masters.c sees it. */
    uint32_t leader; /* master id, 0 = unknown */
    uint64_t confirmed_until_us;
    struct wire_message last;
    uint32_t last_sent; /* bit per master */
};

struct accepted {
    enum wire_role role;
    uint32_t id;
    uint64_t incarnation;
};

/* ---- to the leading master ---- */

static void pass_to(struct sim_node *node, uint32_t master)
{
    if (node->last.type == WIRE_NONE || (node->last_sent >> master & 1u) != 0)
        return;
    if (process_link_send(node->process, MASTER_LINK + master, &node->last))
        node->last_sent |= 1u << master;
}

static void pass_to_all(struct sim_node *node)
{
    for (uint32_t id = 1; id <= node->process->world->options.masters; id++)
        pass_to(node, id);
}

static void send_master(struct sim_node *node, const struct wire_message *message)
{
    wire_message_release(&node->last);
    wire_message_copy(message, &node->last);
    node->last_sent = 0;
    if (node->leader != 0 && node->process->local_us < node->confirmed_until_us)
        pass_to(node, node->leader);
    if (node->last_sent == 0)
        pass_to_all(node);
}

static void forget_leader(struct sim_node *node, uint32_t master)
{
    if (node->leader != master)
        return;
    node->leader = 0;
    node->confirmed_until_us = 0;
}

/* True if the core should see it. */
static bool hear_master(struct sim_node *node, uint32_t master, const struct wire_message *message)
{
    if (message->type == WIRE_REFUSED &&
        (message->u.refused.err == ERR_NOT_LEADER || message->u.refused.err == ERR_NO_LEADER)) {
        forget_leader(node, master);
        if (message->u.refused.leader != 0)
            pass_to(node, message->u.refused.leader);
        else
            pass_to_all(node);
        return false;
    }
    if (message->type == WIRE_BEAT_REPLY && message->u.beat_reply.err == ERR_OK &&
        message->u.beat_reply.lease) {
        node->leader = master;
        node->confirmed_until_us = node->process->local_us + HEARTBEAT_US * 5 / 2;
    }
    return true;
}

/* ---- effects ---- */

static void run_effect(struct sim_node *node, struct cn_effect *effect)
{
    struct sim_process *process = node->process;
    char address[SIM_ADDRESS_BYTES];
    switch (effect->kind) {
    case CN_EFFECT_SEND_NODE:
        if (kill_point(process, SIM_SENDS, &effect->message, SIM_BEFORE))
            return;
        (void)process_link_send(process, effect->node, &effect->message);
        (void)kill_point(process, SIM_SENDS, &effect->message, SIM_AFTER);
        return;
    case CN_EFFECT_SEND_MASTER:
        if (kill_point(process, SIM_SENDS, &effect->message, SIM_BEFORE))
            return;
        send_master(node, &effect->message);
        (void)kill_point(process, SIM_SENDS, &effect->message, SIM_AFTER);
        return;
    case CN_EFFECT_REPLY:
        if (kill_point(process, SIM_SENDS, &effect->message, SIM_BEFORE))
            return;
        (void)process_reply(process, effect->conn, &effect->message);
        (void)kill_point(process, SIM_SENDS, &effect->message, SIM_AFTER);
        return;
    case CN_EFFECT_STORE:
        if (kill_point(process, SIM_STORES, NULL, SIM_BEFORE))
            return;
        disk_write(node->disk, effect->token, effect->batch, effect->sync);
        effect->batch = NULL;
        (void)kill_point(process, SIM_STORES, NULL, SIM_AFTER);
        return;
    case CN_EFFECT_PEER:
        PRE(effect->address.length < sizeof address);
        if (effect->address.length == 0) {
            process_unlink(process, effect->node);
            return;
        }
        memcpy(address, effect->address.data, effect->address.length);
        address[effect->address.length] = '\0';
        process_link(process, effect->node, address);
        return;
    case CN_EFFECT_HALT:
        if (node->expects_halt) {
            world_trace(process->world, "%s halts: %s", process->name, effect->text);
            process_doom(process, false);
            return;
        }
        world_fail(process->world, "%s halts: %s", process->name,
                   effect->text != NULL ? effect->text : err_text(effect->err));
        return;
    }
    IMPOSSIBLE("unknown effect of the node");
}

static void step(struct sim_node *node, struct cn_event *event)
{
    struct world *world = node->process->world;
    bool is_stored = event->kind == CN_EVENT_STORED;
    enum sim_way way = is_stored ? SIM_STORED : SIM_RECEIVES;
    bool is_named = is_stored || event->message != NULL;
    if (world->failed || node->process->doomed)
        return;
    if (is_named && kill_point(node->process, way, event->message, SIM_BEFORE))
        return;
    event->now_us = node->process->local_us;
    event->wall_ms = 1700000000000u + world->now_us / 1000;
    cn_core_step(node->core, event, &node->effects);
    if (world->options.check && node->steps++ % world->options.check_every == 0)
        cn_core_check(node->core);
    for (uint32_t i = 0; i < node->effects.count && !node->process->doomed; i++)
        run_effect(node, &node->effects.items[i]);
    cn_effects_clear(&node->effects);
    if (event->kind == CN_EVENT_FLUSH && world->options.check)
        agreement_node(node->process);
    if (is_named && !node->process->doomed)
        (void)kill_point(node->process, way, event->message, SIM_AFTER);
}

/* ---- life ---- */

static void tell_space(struct sim_node *node)
{
    struct cn_event space = {.kind = CN_EVENT_SPACE,
                             .space_total = 1ull << 40,
                             .space_free = node->is_full ? 1ull << 20 : 1ull << 39,
                             .is_full = node->is_full};
    step(node, &space);
}

static void node_start(struct sim_process *process)
{
    struct sim_node *node = process->self;
    struct world *world = process->world;
    map_init(&node->accepted);
    cn_effects_init(&node->effects);
    node->leader = 0;
    node->confirmed_until_us = 0;
    node->expects_halt = false;
    node->core = NULL;
    if (node->identity != process->id) {
        world_trace(world, "%s does not start: its disk is that of node %u", process->name,
                    node->identity);
        process_doom(process, false);
        return;
    }
    node->incarnation++;
    process->hello = (struct wire_hello){
        .wire_version = WIRE_VERSION,
        .cluster = world->cluster,
        .role = WIRE_ROLE_NODE,
        .id = process->id,
        .incarnation = node->incarnation,
        .disk = node->disk_uuid,
        .software = slice_of_text("sim"),
    };
    const struct cn_options options = {
        .node = process->id,
        .incarnation = node->incarnation,
        .cluster = world->cluster,
        .disk = node->disk_uuid,
        .boot = node->boot_uuid,
        .address = slice_of_text(process->address),
        .weight = 100,
        .pid = process->id,
        .heartbeat_us = HEARTBEAT_US,
        .idle_us = 100000,
        .neighbour_us = 400000,
        .upload_idle_us = 3000000,
        .purge_grace_us = 1000000,
        .pending_bytes_max = BOUND_NODE_PENDING_BYTES,
        .sessions_max = world->options.sessions_max,
        .trace = process->trace,
    };
    node->kv = kv_memory_interface(disk_store(node->disk));
    enum err err = cn_core_new(&options, world_draw(world, 0, UINT64_MAX), process->local_us,
                               &node->kv, &node->core);
    if (err != ERR_OK) {
        world_fail(world, "%s does not start: %s", process->name, err_name(err));
        return;
    }
    for (uint32_t id = 1; id <= world->options.masters; id++)
        process_link(process, MASTER_LINK + id, process_find(world, SIM_MASTER, id)->address);
    tell_space(node);
}

static void node_stop(struct sim_process *process)
{
    struct sim_node *node = process->self;
    cn_effects_release(&node->effects);
    cn_core_free(node->core);
    node->core = NULL;
    wire_message_release(&node->last);
    node->last = (struct wire_message){0};
    size_t cursor = 0;
    struct accepted *accepted;
    while ((accepted = map_next(&node->accepted, &cursor, NULL)) != NULL)
        mem_free(accepted);
    map_release(&node->accepted);
    disk_crash(node->disk);
    if (node->disk_is_lost) {
        disk_wipe(node->disk);
        node->disk_uuid = world_uuid(process->world);
        node->disk_is_lost = false;
    }
    if (process->host_is_down)
        node->boot_uuid = world_uuid(process->world);
    struct sim_process *supervisor = process_find(process->world, SIM_SUPERVISOR, process->id);
    if (supervisor != NULL && supervisor->is_up)
        sim_supervisor_mourn(supervisor, &process->hello);
}

/* ---- items ---- */

/* Chunks are read by the driver: they are immutable and need no lease. */
static void serve_chunk(struct sim_node *node, uint64_t conn, const struct wire_chunk_get *get)
{
    uint8_t key[CN_CHUNK_KEY_BYTES];
    cn_chunk_key(get->chain, get->upload_high, get->upload_low, get->index, key);
    struct buf *row = NULL;
    enum err err = kv_get(&node->kv, CN_FAMILY_CHUNKS, slice_of(key, sizeof key), &row);
    PRE(err == ERR_OK);
    struct wire_message reply = {.type = WIRE_CHUNK};
    if (row == NULL) {
        reply.type = WIRE_REFUSED;
        reply.u.refused = (struct wire_refused){.request = get->request, .err = ERR_UPLOAD_GONE};
    } else {
        reply.u.chunk.request = get->request;
        reply.u.chunk.index = get->index;
        reply.u.chunk.checksum = bytes_get_u64(row->data);
        reply.payload = buf_view(row, CHECKSUM_BYTES, row->length - CHECKSUM_BYTES);
    }
    (void)process_reply(node->process, conn, &reply);
    buf_unref(reply.payload);
    buf_unref(row);
}

static void on_accepted_message(struct sim_node *node, struct sim_item *item)
{
    const struct accepted *accepted = map_get(&node->accepted, item->conn);
    if (accepted == NULL)
        return;
    struct cn_event event = {.kind = CN_EVENT_RECEIVE_CLIENT,
                             .conn = item->conn,
                             .node = accepted->id,
                             .incarnation = accepted->incarnation,
                             .message = &item->message};
    if (accepted->role == WIRE_ROLE_NODE)
        event.kind = CN_EVENT_RECEIVE_NODE;
    if (item->message.type == WIRE_CHUNK_GET)
        serve_chunk(node, item->conn, &item->message.u.chunk_get);
    else
        step(node, &event);
}

static void on_link(struct sim_node *node, struct sim_item *item)
{
    struct cn_event event = {.node = item->link, .refused = item->refused};
    if (item->link > MASTER_LINK) {
        uint32_t master = item->link - MASTER_LINK;
        if (item->kind == SIM_ITEM_DOWN)
            forget_leader(node, master);
        if (item->kind == SIM_ITEM_UP && node->process->local_us >= node->confirmed_until_us)
            pass_to(node, master);
        if (item->kind != SIM_ITEM_MESSAGE || !hear_master(node, master, &item->message))
            return;
        event = (struct cn_event){.kind = CN_EVENT_RECEIVE_MASTER, .message = &item->message};
    } else if (item->kind == SIM_ITEM_MESSAGE) {
        return; /* a refusal: nodes answer on their own connections */
    } else {
        event.kind = item->kind == SIM_ITEM_UP ? CN_EVENT_NODE_UP : CN_EVENT_NODE_DOWN;
    }
    step(node, &event);
}

static void node_item(struct sim_process *process, struct sim_item *item)
{
    struct sim_node *node = process->self;
    struct cn_event event = {0};
    switch (item->kind) {
    case SIM_ITEM_ACCEPTED: {
        struct accepted *accepted = mem_calloc(1, sizeof *accepted);
        accepted->role = (enum wire_role)item->hello.role;
        accepted->id = item->hello.id;
        accepted->incarnation = item->hello.incarnation;
        (void)map_put(&node->accepted, item->conn, accepted);
        return;
    }
    case SIM_ITEM_CLOSED: {
        struct accepted *accepted = map_remove(&node->accepted, item->conn);
        if (accepted != NULL && accepted->role == WIRE_ROLE_CLIENT) {
            event.kind = CN_EVENT_CLIENT_GONE;
            event.conn = item->conn;
            step(node, &event);
        }
        mem_free(accepted);
        return;
    }
    case SIM_ITEM_UP:
    case SIM_ITEM_DOWN:
        on_link(node, item);
        return;
    case SIM_ITEM_MESSAGE:
        if (item->conn != 0)
            on_accepted_message(node, item);
        else
            on_link(node, item);
        return;
    case SIM_ITEM_STORED:
        event.kind = CN_EVENT_STORED;
        event.token = item->token;
        event.err = item->err;
        node->expects_halt = node->expects_halt || item->err != ERR_OK;
        node->disk_is_lost = item->err != ERR_OK && item->err != ERR_NO_SPACE;
        step(node, &event);
        return;
    case SIM_ITEM_REFUSED:
        return;
    }
}

static void node_end(struct sim_process *process)
{
    struct sim_node *node = process->self;
    if (node->wants_space) {
        node->wants_space = false;
        tell_space(node);
    }
    struct cn_event tick = {.kind = CN_EVENT_TICK};
    if (cn_core_deadline_us(node->core) <= process->local_us)
        step(node, &tick);
    struct cn_event flush = {.kind = CN_EVENT_FLUSH};
    step(node, &flush);
}

static uint64_t node_deadline_us(const struct sim_process *process)
{
    return cn_core_deadline_us(((const struct sim_node *)process->self)->core);
}

static void node_destroy(struct sim_process *process)
{
    struct sim_node *node = process->self;
    disk_free(node->disk);
    mem_free(node);
}

static const struct sim_process_ops node_ops = {
    node_start, node_stop, node_item, node_end, node_deadline_us, node_destroy,
};

struct sim_process *sim_node_new(struct world *world, uint32_t id)
{
    struct sim_node *node = mem_calloc(1, sizeof *node);
    node->process = process_new(world, SIM_NODE, id, &node_ops, node);
    node->disk = disk_new(node->process, CN_FAMILY_COUNT);
    node->disk_uuid = world_uuid(world);
    node->boot_uuid = world_uuid(world);
    node->identity = id;
    return node->process;
}

struct sim_disk *sim_node_disk(const struct sim_process *process)
{
    return ((const struct sim_node *)process->self)->disk;
}

void sim_node_lose_disk(struct sim_process *process)
{
    struct sim_node *node = process->self;
    PRE(!process->is_up);
    disk_wipe(node->disk);
    node->disk_uuid = world_uuid(process->world);
}

void sim_node_swap_disks(struct sim_process *a, struct sim_process *b)
{
    struct sim_node *left = a->self;
    struct sim_node *right = b->self;
    PRE(!a->is_up && !b->is_up);
    disk_swap(left->disk, right->disk);
    const struct sim_node before = *left;
    left->disk_uuid = right->disk_uuid;
    left->incarnation = right->incarnation;
    left->identity = right->identity;
    right->disk_uuid = before.disk_uuid;
    right->incarnation = before.incarnation;
    right->identity = before.identity;
}

void sim_node_fail_disk(struct sim_process *process, enum err err)
{
    struct sim_node *node = process->self;
    disk_fail_next(node->disk, err);
}

void sim_node_set_full(struct sim_process *process, bool is_full)
{
    struct sim_node *node = process->self;
    node->is_full = is_full;
    node->wants_space = true;
    process_wake(process, 1);
}

const struct cn_core *sim_node_core(const struct sim_process *process)
{
    return ((const struct sim_node *)process->self)->core;
}
