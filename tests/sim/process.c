/* A process: an inbox that is drained in batches at moments of its own clock, links that are dialed
 * again when they end, pauses (SIGSTOP: the inbox fills, nothing runs) and deaths. */
#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "tests/sim/sim.h"

enum { REDIAL_MIN_US = 20000, REDIAL_MAX_US = 300000, SPINS_MAX = 10000 };

static void core_trace(void *context, const char *line)
{
    struct sim_process *process = context;
    world_trace_core(process->world, process->name, line);
}

struct sim_process *process_new(struct world *world, enum sim_kind kind, uint32_t id,
                                const struct sim_process_ops *ops, void *self)
{
    static const char *const kinds[] = {"master", "node", "supervisor", "client"};
    PRE(world->processes_count < SIM_PROCESSES_MAX);
    struct sim_process *process = mem_calloc(1, sizeof *process);
    process->world = world;
    process->kind = kind;
    process->id = id;
    process->number = world->processes_count;
    process->host = process->number;
    process->ops = ops;
    process->self = self;
    process->clock_ppm = (int64_t)world_draw(world, 0, 2 * SIM_DRIFT_PPM) - SIM_DRIFT_PPM;
    process->clock_base_us = world->now_us;
    process->clock_local_us = world_draw(world, 1000000, 100000000);
    process->run_at_us = UINT64_MAX;
    process->run_time_us = UINT64_MAX;
    process->trace = (struct trace){core_trace, process};
    list_init(&process->inbox);
    text_format(process->name, sizeof process->name, "%s%u", kinds[kind], id);
    text_format(process->address, sizeof process->address, "%s:7000", process->name);
    world->processes[world->processes_count++] = process;
    return process;
}

static void item_free(struct sim_item *item)
{
    wire_message_release(&item->message);
    mem_free(item);
}

static void empty_inbox(struct sim_process *process)
{
    while (!list_is_empty(&process->inbox)) {
        struct list_node *node = process->inbox.next;
        list_remove(node);
        item_free(CONTAINER_OF(node, struct sim_item, node));
    }
}

void process_free(struct sim_process *process)
{
    PRE(!process->is_up);
    empty_inbox(process);
    process->ops->destroy(process);
    mem_free(process);
}

struct sim_process *process_find(struct world *world, enum sim_kind kind, uint32_t id)
{
    for (uint32_t i = 0; i < world->processes_count; i++) {
        if (world->processes[i]->kind == kind && world->processes[i]->id == id)
            return world->processes[i];
    }
    return NULL;
}

struct sim_process *process_at(struct world *world, const char *address)
{
    for (uint32_t i = 0; i < world->processes_count; i++) {
        if (strcmp(world->processes[i]->address, address) == 0)
            return world->processes[i];
    }
    return NULL;
}

uint64_t process_clock(const struct sim_process *process)
{
    int64_t passed = (int64_t)(process->world->now_us - process->clock_base_us);
    return (uint64_t)(passed + passed * process->clock_ppm / 1000000) + process->clock_local_us;
}

void process_set_drift(struct sim_process *process, int64_t ppm)
{
    process->clock_local_us = process_clock(process);
    process->clock_base_us = process->world->now_us;
    process->clock_ppm = ppm;
    process_wake(process, 1);
}

/* The moment at which the local clock shows that time: at or after it. */
static uint64_t world_time(const struct sim_process *process, uint64_t local_us)
{
    if (local_us <= process->clock_local_us)
        return 0;
    int64_t local = (int64_t)(local_us - process->clock_local_us);
    return process->clock_base_us + (uint64_t)(local * 1000000 / (1000000 + process->clock_ppm)) +
           2;
}

struct sim_item *sim_item_new(enum sim_item_kind kind)
{
    struct sim_item *item = mem_calloc(1, sizeof *item);
    item->kind = kind;
    list_init(&item->node);
    return item;
}

/* ---- running ---- */

static void plan_run(struct sim_process *process, uint64_t at_us)
{
    struct world *world = process->world;
    if (at_us >= process->run_at_us)
        return;
    process->run_at_us = at_us;
    world_plan_run(process, at_us > world->now_us ? at_us - world->now_us : 0);
}

static void links_item(struct sim_process *process, struct sim_item *item);

void process_doom(struct sim_process *process, bool with_host)
{
    process->doomed = true;
    process->doomed_with_host = with_host;
    process_wake(process, 1); /* when it was no step of its own that doomed it */
}

/* True: it is dead. */
static bool meets_its_fate(struct sim_process *process)
{
    if (process->is_up && process->doomed)
        faults_bury(process, process->doomed_with_host);
    return !process->is_up;
}

void process_run(struct sim_process *process)
{
    struct world *world = process->world;
    if (!process->is_up)
        return;
    process->run_at_us = UINT64_MAX;
    if (meets_its_fate(process))
        return;
    if (process->paused_until_us > world->now_us) {
        plan_run(process, process->paused_until_us);
        return;
    }
    process->ran_there = process->ran_at_us == world->now_us ? process->ran_there + 1 : 0;
    process->ran_at_us = world->now_us;
    if (process->ran_there > SPINS_MAX) {
        world_fail(world, "%s spins: clock %llu, deadline %llu", process->name,
                   (unsigned long long)process_clock(process),
                   (unsigned long long)process->ops->deadline_us(process));
        return;
    }
    uint64_t generation = process->generation;
    process->local_us = process_clock(process);
    if (process->stops_in_batch_us > 0) {
        process->paused_until_us = world->now_us + process->stops_in_batch_us;
        process->output_held_until_us = process->paused_until_us;
        process->stops_in_batch_us = 0;
    }
    /* Only what was there when the clock was read: the rest is the next batch. */
    struct list_node batch;
    list_init(&batch);
    while (!list_is_empty(&process->inbox)) {
        struct list_node *node = process->inbox.next;
        list_remove(node);
        list_append(&batch, node);
    }
    while (!list_is_empty(&batch)) {
        struct sim_item *item = CONTAINER_OF(batch.next, struct sim_item, node);
        list_remove(&item->node);
        if (process->is_up && process->generation == generation)
            links_item(process, item);
        item_free(item);
        (void)meets_its_fate(process);
    }
    if (!process->is_up || process->generation != generation)
        return;
    process->ops->end(process);
    if (meets_its_fate(process) || process->generation != generation)
        return;
    uint64_t deadline = process->ops->deadline_us(process);
    if (deadline != UINT64_MAX)
        plan_run(process, world_time(process, deadline));
}

void process_wake(struct sim_process *process, uint64_t delay_us)
{
    if (process->is_up)
        plan_run(process, process->world->now_us + delay_us);
}

void process_post(struct sim_process *process, uint64_t generation, struct sim_item *item)
{
    if (!process->is_up || process->generation != generation) {
        item_free(item);
        return;
    }
    list_append(&process->inbox, &item->node);
    process_wake(process, world_draw(process->world, 5, 60));
}

void process_start(struct sim_process *process)
{
    PRE(!process->is_up);
    process->is_up = true;
    process->doomed = false;
    if (process->host_is_down) { /* a boot: its clock begins anew */
        process->clock_base_us = process->world->now_us;
        process->clock_local_us = world_draw(process->world, 1000000, 100000000);
    }
    process->host_is_down = false;
    process->generation++;
    process->paused_until_us = 0;
    process->stops_in_batch_us = 0;
    process->output_held_until_us = 0;
    process->links_count = 0;
    process->local_us = process_clock(process);
    world_trace(process->world, "%s: start", process->name);
    process->ops->start(process);
    process_wake(process, 1);
}

void process_kill(struct sim_process *process, bool with_host)
{
    if (!process->is_up)
        return;
    world_trace(process->world, "%s: killed%s", process->name, with_host ? " with its host" : "");
    network_process_died(process, with_host);
    process->is_up = false;
    process->host_is_down = with_host;
    process->run_at_us = UINT64_MAX;
    world_cancel_run(process);
    process->ops->stop(process);
    empty_inbox(process);
}

void process_pause(struct sim_process *process, uint64_t us, bool in_batch)
{
    if (!process->is_up)
        return;
    world_trace(process->world, "%s: paused for %llu us%s", process->name, (unsigned long long)us,
                in_batch ? ", in a batch" : "");
    if (in_batch)
        process->stops_in_batch_us = us;
    else
        process->paused_until_us = process->world->now_us + us;
}

void process_resume(struct sim_process *process)
{
    process->paused_until_us = 0;
    process->stops_in_batch_us = 0;
    process->run_at_us = UINT64_MAX;
    world_cancel_run(process);
    process_wake(process, 1);
}

/* ---- links ---- */

static struct sim_link *find_link(const struct sim_process *process, uint32_t peer)
{
    for (uint32_t i = 0; i < process->links_count; i++) {
        if (process->links[i].peer == peer)
            return (struct sim_link *)&process->links[i];
    }
    return NULL;
}

static void dial(struct sim_process *process, struct sim_link *link)
{
    link->state = SIM_LINK_DIALING;
    link->conn = 0;
    link->attempt++;
    network_dial(process, link);
}

static void redial(struct world *world, void *subject, uint64_t number)
{
    (void)world;
    struct sim_process *process = subject;
    struct sim_link *link = &process->links[number & 0xffff];
    if (process->is_up && process->generation == number >> 16 && link->is_wanted &&
        link->state == SIM_LINK_IDLE)
        dial(process, link);
}

static void link_is_down(struct sim_process *process, struct sim_link *link)
{
    link->state = SIM_LINK_IDLE;
    link->conn = 0;
    link->attempt++;
    uint64_t index = (uint64_t)(link - process->links);
    if (link->is_wanted)
        world_plan(process->world, world_draw(process->world, REDIAL_MIN_US, REDIAL_MAX_US), redial,
                   process, process->generation << 16 | index);
}

/* Keeps the links' books, then lets the driver see the item. */
static void links_item(struct sim_process *process, struct sim_item *item)
{
    if (item->kind == SIM_ITEM_ACCEPTED && !network_accepted(process->world, item->conn))
        return;
    bool is_of_link = item->kind == SIM_ITEM_UP || item->kind == SIM_ITEM_DOWN ||
                      (item->kind == SIM_ITEM_MESSAGE && item->conn == 0);
    if (is_of_link) {
        struct sim_link *link = find_link(process, item->link);
        /* Of an earlier connection: it is gone. */
        if (link == NULL || link->attempt != item->token || !link->is_wanted)
            return;
        if (item->kind == SIM_ITEM_UP)
            link->state = SIM_LINK_UP;
        if (item->kind == SIM_ITEM_MESSAGE && link->state != SIM_LINK_UP)
            return;
        if (item->kind == SIM_ITEM_DOWN)
            link_is_down(process, link);
    }
    process->ops->item(process, item);
}

void process_link(struct sim_process *process, uint32_t peer, const char *address)
{
    struct sim_link *link = find_link(process, peer);
    if (link == NULL) {
        PRE(process->links_count < SIM_LINKS_MAX);
        link = &process->links[process->links_count++];
        uint64_t attempt = link->attempt; /* grows over lives: late answers are not ours */
        *link = (struct sim_link){.peer = peer, .attempt = attempt};
    }
    if (link->is_wanted && strcmp(link->address, address) == 0)
        return;
    if (link->state != SIM_LINK_IDLE)
        process_unlink(process, peer);
    link->is_wanted = true;
    text_format(link->address, sizeof link->address, "%s", address);
    dial(process, link);
}

void process_unlink(struct sim_process *process, uint32_t peer)
{
    struct sim_link *link = find_link(process, peer);
    if (link == NULL)
        return;
    link->is_wanted = false;
    if (link->conn != 0)
        network_close(process->world, link->conn, process);
    link->state = SIM_LINK_IDLE;
    link->conn = 0;
    link->attempt++;
}

bool process_link_is_up(const struct sim_process *process, uint32_t peer)
{
    const struct sim_link *link = find_link(process, peer);
    return link != NULL && link->state == SIM_LINK_UP;
}

bool process_link_send(struct sim_process *process, uint32_t peer,
                       const struct wire_message *message)
{
    const struct sim_link *link = find_link(process, peer);
    return link != NULL && link->state == SIM_LINK_UP &&
           network_send(process->world, link->conn, process, message);
}

bool process_reply(struct sim_process *process, uint64_t conn, const struct wire_message *message)
{
    return network_send(process->world, conn, process, message);
}

void process_close(struct sim_process *process, uint64_t conn)
{
    network_close(process->world, conn, process);
    struct sim_item *item = sim_item_new(SIM_ITEM_CLOSED);
    item->conn = conn;
    process_post(process, process->generation, item);
}

struct probe {
    struct sim_process *process;
    uint64_t generation;
    char address[SIM_ADDRESS_BYTES];
};

void process_probe_arrives(struct world *world, void *subject, uint64_t token)
{
    struct probe *probe = subject;
    struct sim_process *target = process_at(world, probe->address);
    if (target != NULL && !target->is_up && !target->host_is_down &&
        !network_is_blocked(world, probe->process, target) &&
        !network_is_blocked(world, target, probe->process)) {
        struct sim_item *item = sim_item_new(SIM_ITEM_REFUSED);
        item->token = token;
        process_post(probe->process, probe->generation, item);
    }
    mem_free(probe);
}

void process_probe(struct sim_process *process, const char *address, uint64_t token)
{
    struct probe *probe = mem_calloc(1, sizeof *probe);
    probe->process = process;
    probe->generation = process->generation;
    text_format(probe->address, sizeof probe->address, "%s", address);
    world_plan(process->world, world_draw(process->world, 50, 500), process_probe_arrives, probe,
               token);
}
