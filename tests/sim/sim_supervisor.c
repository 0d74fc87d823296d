/* The supervisor of a node's worker: waits for its death and tells the masters (D6). */
#include "base/buf.h"
#include "tests/sim/sim.h"

enum { RESEND_US = 100000 };

struct sim_supervisor {
    struct sim_process *process;
    struct wire_message obituary; /* type NONE: nobody died */
    uint64_t resend_us;
};

void sim_supervisor_mourn(struct sim_process *process, const struct wire_hello *worker)
{
    struct sim_supervisor *supervisor = process->self;
    process->hello = *worker;
    supervisor->obituary = (struct wire_message){.type = WIRE_OBITUARY};
    supervisor->obituary.u.obituary = (struct wire_obituary){
        .request = 1, .node = worker->id, .incarnation = worker->incarnation};
    for (uint32_t id = 1; id <= process->world->options.masters; id++) {
        /* Dialed anew: the hello names the incarnation that died. */
        process_unlink(process, id);
        process_link(process, id, process_find(process->world, SIM_MASTER, id)->address);
    }
    process_wake(process, 1);
}

static void confirmed(struct sim_supervisor *supervisor)
{
    supervisor->obituary.type = WIRE_NONE;
    for (uint32_t id = 1; id <= supervisor->process->world->options.masters; id++)
        process_unlink(supervisor->process, id);
}

static void supervisor_item(struct sim_process *process, struct sim_item *item)
{
    struct sim_supervisor *supervisor = process->self;
    if (supervisor->obituary.type == WIRE_NONE)
        return;
    if (item->kind == SIM_ITEM_UP)
        (void)process_link_send(process, item->link, &supervisor->obituary);
    if (item->kind == SIM_ITEM_MESSAGE && item->message.type == WIRE_OBITUARY_REPLY)
        confirmed(supervisor);
}

static void supervisor_end(struct sim_process *process)
{
    struct sim_supervisor *supervisor = process->self;
    if (supervisor->obituary.type == WIRE_NONE || process->local_us < supervisor->resend_us)
        return;
    supervisor->resend_us = process->local_us + RESEND_US;
    for (uint32_t id = 1; id <= process->world->options.masters; id++)
        (void)process_link_send(process, id, &supervisor->obituary);
}

static void supervisor_start(struct sim_process *process)
{
    struct sim_supervisor *supervisor = process->self;
    supervisor->obituary.type = WIRE_NONE;
    supervisor->resend_us = 0;
}

static void supervisor_stop(struct sim_process *process)
{
    (void)process;
}

static uint64_t supervisor_deadline_us(const struct sim_process *process)
{
    const struct sim_supervisor *supervisor = process->self;
    return supervisor->obituary.type == WIRE_NONE ? UINT64_MAX : supervisor->resend_us;
}

static void supervisor_destroy(struct sim_process *process)
{
    mem_free(process->self);
}

static const struct sim_process_ops supervisor_ops = {
    supervisor_start, supervisor_stop,        supervisor_item,
    supervisor_end,   supervisor_deadline_us, supervisor_destroy,
};

struct sim_process *sim_supervisor_new(struct world *world, uint32_t id)
{
    struct sim_supervisor *supervisor = mem_calloc(1, sizeof *supervisor);
    supervisor->process = process_new(world, SIM_SUPERVISOR, id, &supervisor_ops, supervisor);
    supervisor->process->host = process_find(world, SIM_NODE, id)->host;
    return supervisor->process;
}
