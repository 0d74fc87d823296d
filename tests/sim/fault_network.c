/* Cuts, splits, clogged links, storms, late frames. */
#include <string.h>

#include "base/contract.h"
#include "tests/sim/faults.h"

enum { REPLAYS_MAX = 5, FELT_US = 2000000 };

static void block(struct world *world, uint32_t from, uint32_t to, bool is_blocked)
{
    world->blocked[from][to] = is_blocked;
}

static void heal_network(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    (void)number;
    memset(world->blocked, 0, sizeof world->blocked);
    world_trace(world, "heal: network");
}

static uint64_t heal_network_later(struct world *world)
{
    uint64_t us = world_draw(world, 100000, 3500000);
    world_plan(world, us, heal_network, NULL, 0);
    return us;
}

/* Clients are left out of cuts half of the time: a client that sees nobody finds no fault. */
static uint64_t split(struct world *world, uint64_t halves)
{
    bool clients_too = world_once_in(world, 2);
    world_trace(world, "fault: split %llx", (unsigned long long)halves);
    for (uint32_t a = 0; a < world->processes_count; a++) {
        for (uint32_t b = 0; b < world->processes_count; b++) {
            bool is_client =
                world->processes[a]->kind == SIM_CLIENT || world->processes[b]->kind == SIM_CLIENT;
            if (((halves >> a) & 1u) != ((halves >> b) & 1u) && (clients_too || !is_client))
                block(world, a, b, true);
        }
    }
    return heal_network_later(world);
}

void fault_isolate(struct world *world)
{
    struct sim_process *alone = fault_pick(world, world_once_in(world, 3) ? SIM_MASTER : SIM_NODE);
    uint64_t us = split(world, 1ull << alone->host);
    ledger_fault(world, LEDGER_FAULT_ISOLATE, alone, us);
}

void fault_split(struct world *world)
{
    uint64_t us = split(world, world_draw(world, 0, UINT64_MAX));
    ledger_fault(world, LEDGER_FAULT_SPLIT, NULL, us);
}

/* A node and another node or a master. NULL: the same twice. */
static struct sim_process *pick_two(struct world *world, struct sim_process **ret_other)
{
    struct sim_process *one = fault_pick(world, SIM_NODE);
    *ret_other = fault_pick(world, world_once_in(world, 2) ? SIM_NODE : SIM_MASTER);
    return one == *ret_other ? NULL : one;
}

static void cut(struct world *world, bool one_way)
{
    struct sim_process *b;
    struct sim_process *a = pick_two(world, &b);
    if (a == NULL)
        return;
    world_trace(world, "fault: cut %s - %s%s", a->name, b->name, one_way ? ", one way" : "");
    bool forth = !one_way || world_once_in(world, 2);
    block(world, a->host, b->host, forth);
    block(world, b->host, a->host, !one_way || !forth);
    enum ledger_fault fault = one_way ? LEDGER_FAULT_CUT_ONE_WAY : LEDGER_FAULT_CUT_LINK;
    ledger_fault(world, fault, a, heal_network_later(world));
}

void fault_cut_link(struct world *world)
{
    cut(world, false);
}

void fault_cut_one_way(struct world *world)
{
    cut(world, true);
}

static void unclog(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    world->clogged_us[number / SIM_PROCESSES_MAX][number % SIM_PROCESSES_MAX] = 0;
}

/* One direction is slow beyond every time-out, but loses nothing: only forwards, or only acks, come
 * after the next epoch has begun. */
void fault_clog(struct world *world)
{
    struct sim_process *b;
    struct sim_process *a = pick_two(world, &b);
    if (a == NULL)
        return;
    if (world_once_in(world, 2)) {
        struct sim_process *c = a;
        a = b;
        b = c;
    }
    uint64_t by_us = world_draw(world, 20000, 1500000);
    uint64_t us = world_draw(world, 200000, 3000000);
    world_trace(world, "fault: %s - %s is clogged, %llu us", a->name, b->name,
                (unsigned long long)by_us);
    world->clogged_us[a->host][b->host] = by_us;
    ledger_fault(world, LEDGER_FAULT_CLOG, a->kind == SIM_NODE ? a : b, us + by_us);
    world_plan(world, us, unclog, NULL, (uint64_t)a->host * SIM_PROCESSES_MAX + b->host);
}

static void fair_weather(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    (void)number;
    world->weather = (struct sim_weather){.latency_min_us = 30, .latency_max_us = 300};
    world_trace(world, "heal: weather");
}

void fault_storm(struct world *world)
{
    world->weather = (struct sim_weather){
        .latency_min_us = 30,
        .latency_max_us = world_draw(world, 300, 20000),
        .lose_one_in = (uint32_t)world_draw(world, 0, 2) * (uint32_t)world_draw(world, 10, 200),
        .double_one_in = (uint32_t)world_draw(world, 0, 1) * (uint32_t)world_draw(world, 5, 100),
        .reorder_one_in = (uint32_t)world_draw(world, 0, 1) * (uint32_t)world_draw(world, 5, 100),
    };
    world_trace(world, "fault: storm, latency up to %llu us, lose %u double %u reorder %u",
                (unsigned long long)world->weather.latency_max_us, world->weather.lose_one_in,
                world->weather.double_one_in, world->weather.reorder_one_in);
    uint64_t us = world_draw(world, 200000, 3000000);
    ledger_fault(world, LEDGER_FAULT_STORM, NULL, us);
    world_plan(world, us, fair_weather, NULL, 0);
}

void fault_replay(struct world *world)
{
    uint64_t count = world_draw(world, 1, REPLAYS_MAX);
    for (uint64_t i = 0; i < count; i++) {
        if (network_replay(world))
            ledger_fault(world, LEDGER_FAULT_REPLAY, NULL, 100000);
    }
}

/* Mostly of clients: what counts is whether they know which of their copies may still come. */
void fault_break(struct world *world)
{
    static const enum sim_kind kinds[] = {SIM_CLIENT, SIM_CLIENT, SIM_CLIENT, SIM_NODE, SIM_MASTER};
    struct sim_process *process = fault_pick(world, kinds[world_draw(world, 0, 4)]);
    if (!process->is_up)
        return;
    ledger_fault(world, LEDGER_FAULT_BREAK, process, FELT_US);
    network_break(process);
}

void fault_network_heals(struct world *world)
{
    heal_network(world, NULL, 0);
    fair_weather(world, NULL, 0);
    network_end_lossy(world);
    memset(world->clogged_us, 0, sizeof world->clogged_us);
}
