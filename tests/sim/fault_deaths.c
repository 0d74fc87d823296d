/* Processes that die, stop, or have a clock that runs wrong. */
#include "base/contract.h"
#include "tests/sim/faults.h"

enum {
    DOWN_MAX_US = 2000000,
    HOST_DOWN_MAX_US = 4000000,
    FELT_US = 1500000, /* after a death that took no time */
};

void fault_kill_node_for_now(struct sim_process *node, bool with_host)
{
    struct sim_process *supervisor = process_find(node->world, SIM_SUPERVISOR, node->id);
    if (with_host)
        process_kill(supervisor, true);
    process_kill(node, with_host);
}

void fault_kill_node(struct sim_process *node, bool with_host, uint64_t down_max_us)
{
    if (!node->is_up)
        return;
    fault_kill_node_for_now(node, with_host);
    if (with_host)
        fault_start_later(process_find(node->world, SIM_SUPERVISOR, node->id), down_max_us);
    fault_start_later(node, down_max_us);
}

void faults_bury(struct sim_process *process, bool with_host)
{
    process->doomed = false;
    if (process->kind == SIM_NODE) {
        fault_kill_node(process, with_host, DOWN_MAX_US);
        return;
    }
    process_kill(process, with_host);
    fault_start_later(process, DOWN_MAX_US);
}

static void kill_one(struct world *world, enum ledger_fault fault, bool with_host, uint64_t max_us)
{
    struct sim_process *node = fault_pick(world, SIM_NODE);
    if (node->is_up)
        ledger_fault(world, fault, node, FELT_US);
    fault_kill_node(node, with_host, max_us);
}

void fault_kill_worker(struct world *world)
{
    kill_one(world, LEDGER_FAULT_KILL_WORKER, false, DOWN_MAX_US);
}

void fault_kill_host(struct world *world)
{
    kill_one(world, LEDGER_FAULT_KILL_HOST, true, HOST_DOWN_MAX_US);
}

void fault_kill_master(struct world *world)
{
    struct sim_process *master = fault_pick(world, SIM_MASTER);
    if (!master->is_up)
        return;
    ledger_fault(world, LEDGER_FAULT_KILL_MASTER, master, FELT_US);
    process_kill(master, world_once_in(world, 2));
    fault_start_later(master, DOWN_MAX_US);
}

void fault_kill_point(struct world *world)
{
    kill_points_arm(world);
}

void fault_power_cut(struct world *world)
{
    if (!world_once_in(world, 3))
        return;
    bool masters_too = world_once_in(world, 2);
    world_trace(world, "fault: power cut%s", masters_too ? ", masters too" : "");
    ledger_fault(world, LEDGER_FAULT_POWER_CUT, NULL, FELT_US);
    for (uint32_t id = 1; id <= world->options.nodes; id++)
        fault_kill_node(process_find(world, SIM_NODE, id), world_once_in(world, 2), 2500000);
    for (uint32_t id = 1; masters_too && id <= world->options.masters; id++) {
        struct sim_process *master = process_find(world, SIM_MASTER, id);
        if (!master->is_up)
            continue;
        process_kill(master, true);
        fault_start_later(master, 1000000);
    }
}

static void pause_one(struct world *world, enum ledger_fault fault, bool in_batch)
{
    static const enum sim_kind kinds[] = {SIM_MASTER, SIM_NODE, SIM_NODE, SIM_NODE, SIM_CLIENT};
    struct sim_process *process = fault_pick(world, kinds[world_draw(world, 0, 4)]);
    uint64_t us = world_draw(world, 50000, 3000000);
    if (process->is_up)
        ledger_fault(world, fault, process, us);
    process_pause(process, us, in_batch);
}

void fault_pause(struct world *world)
{
    pause_one(world, LEDGER_FAULT_PAUSE, false);
}

void fault_pause_in_batch(struct world *world)
{
    pause_one(world, LEDGER_FAULT_PAUSE_IN_BATCH, true);
}

void fault_drift(struct world *world)
{
    static const enum sim_kind kinds[] = {SIM_MASTER, SIM_NODE, SIM_NODE, SIM_CLIENT};
    struct sim_process *process = fault_pick(world, kinds[world_draw(world, 0, 3)]);
    static const int64_t rates[] = {-SIM_DRIFT_PPM, -SIM_DRIFT_PPM / 2, 0, SIM_DRIFT_PPM};
    int64_t ppm = rates[world_draw(world, 0, 3)];
    world_trace(world, "fault: the clock of %s runs %lld ppm fast", process->name, (long long)ppm);
    ledger_fault(world, LEDGER_FAULT_DRIFT, process, FELT_US);
    process_set_drift(process, ppm);
}
