/* The driver of a client: client/core over simulated parts. Links: nodes by id, masters by slot, as
 * the core numbers its peers. */
#include "base/buf.h"
#include "base/contract.h"
#include "client/core/cl_core.h"
#include "tests/sim/sim.h"

struct pending {
    struct list_node node; /* before it is submitted */
    struct cl_submit submit;
    sim_done *done;
    void *context;
};

struct sim_client {
    struct sim_process *process;
    struct cl_core *core;
    struct cl_effects effects;
    struct map pending; /* op -> struct pending, submitted */
    struct list_node queue;
    uint64_t last_op;
};

static void run_effects(struct sim_client *client)
{
    struct sim_process *process = client->process;
    for (uint32_t i = 0; i < client->effects.count; i++) {
        struct cl_effect *effect = &client->effects.items[i];
        switch (effect->kind) {
        case CL_EFFECT_PEER:
            if (effect->address[0] == '\0')
                process_unlink(process, effect->peer);
            else
                process_link(process, effect->peer, effect->address);
            break;
        case CL_EFFECT_SEND:
            (void)process_link_send(process, effect->peer, &effect->message);
            break;
        case CL_EFFECT_DONE: {
            struct pending *pending = map_remove(&client->pending, effect->op);
            PRE(pending != NULL);
            pending->done(pending->context, effect);
            mem_free(pending);
            break;
        }
        }
    }
    cl_effects_clear(&client->effects);
}

static void step(struct sim_client *client, struct cl_event *event)
{
    if (client->process->world->failed)
        return;
    event->now_us = client->process->local_us;
    cl_core_step(client->core, event, &client->effects);
    if (client->process->world->options.check)
        cl_core_check(client->core);
    run_effects(client);
}

void sim_client_submit(struct sim_process *process, const struct cl_submit *submit, sim_done *done,
                       void *context)
{
    struct sim_client *client = process->self;
    struct pending *pending = mem_calloc(1, sizeof *pending);
    pending->submit = *submit;
    pending->submit.op = ++client->last_op;
    pending->submit.deadline_us += process_clock(process);
    pending->done = done;
    pending->context = context;
    list_init(&pending->node);
    list_append(&client->queue, &pending->node);
    process_wake(process, 1);
}

static void client_end(struct sim_process *process)
{
    struct sim_client *client = process->self;
    while (!list_is_empty(&client->queue) && !process->world->failed) {
        struct pending *pending = CONTAINER_OF(client->queue.next, struct pending, node);
        list_remove(&pending->node);
        (void)map_put(&client->pending, pending->submit.op, pending);
        struct cl_event event = {.kind = CL_EVENT_SUBMIT, .submit = &pending->submit};
        step(client, &event);
    }
    struct cl_event tick = {.kind = CL_EVENT_TICK};
    if (cl_core_deadline_us(client->core) <= process->local_us)
        step(client, &tick);
}

static void client_start(struct sim_process *process)
{
    struct sim_client *client = process->self;
    struct world *world = process->world;
    process->hello = (struct wire_hello){
        .wire_version = WIRE_VERSION,
        .cluster = world->cluster,
        .role = WIRE_ROLE_CLIENT,
        .software = slice_of_text("sim"),
    };
    struct slice masters[SIM_MASTERS_MAX];
    for (uint32_t i = 0; i < world->options.masters; i++)
        masters[i] = slice_of_text(process_find(world, SIM_MASTER, i + 1)->address);
    const struct cl_options options = {
        .masters = masters, .masters_count = world->options.masters, .trace = process->trace};
    cl_effects_init(&client->effects);
    map_init(&client->pending);
    client->core = cl_core_new(&options, world_draw(world, 0, UINT64_MAX), process->local_us);
    struct cl_event tick = {.kind = CL_EVENT_TICK};
    step(client, &tick);
}

/* Only at the end of the world: a client that dies would take its history with it. */
static void client_stop(struct sim_process *process)
{
    struct sim_client *client = process->self;
    cl_effects_release(&client->effects);
    cl_core_free(client->core);
    size_t cursor = 0;
    struct pending *pending;
    while ((pending = map_next(&client->pending, &cursor, NULL)) != NULL)
        mem_free(pending);
    map_release(&client->pending);
    while (!list_is_empty(&client->queue)) {
        struct list_node *node = client->queue.next;
        list_remove(node);
        mem_free(CONTAINER_OF(node, struct pending, node));
    }
}

static void client_item(struct sim_process *process, struct sim_item *item)
{
    struct cl_event event = {.peer = item->link};
    switch (item->kind) {
    case SIM_ITEM_UP:
        event.kind = CL_EVENT_PEER_UP;
        break;
    case SIM_ITEM_DOWN:
        event.kind = CL_EVENT_PEER_DOWN;
        event.err = ERR_UNREACHABLE;
        event.text = item->refused ? "connection refused" : "connection lost";
        break;
    case SIM_ITEM_MESSAGE:
        event.kind = CL_EVENT_RECEIVE;
        event.message = &item->message;
        break;
    case SIM_ITEM_ACCEPTED:
    case SIM_ITEM_CLOSED:
    case SIM_ITEM_STORED:
    case SIM_ITEM_REFUSED:
        return;
    }
    step(process->self, &event);
}

static uint64_t client_deadline_us(const struct sim_process *process)
{
    return cl_core_deadline_us(((const struct sim_client *)process->self)->core);
}

static void client_destroy(struct sim_process *process)
{
    mem_free(process->self);
}

static const struct sim_process_ops client_ops = {
    client_start, client_stop, client_item, client_end, client_deadline_us, client_destroy,
};

struct sim_process *sim_client_new(struct world *world, uint32_t id)
{
    struct sim_client *client = mem_calloc(1, sizeof *client);
    client->process = process_new(world, SIM_CLIENT, id, &client_ops, client);
    list_init(&client->queue);
    return client->process;
}
