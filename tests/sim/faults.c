/* What goes wrong, and when. Each world draws which kinds it suffers and how often. */
#include "tests/sim/faults.h"

#include "base/contract.h"

struct faults faults;

struct sim_process *fault_pick(struct world *world, enum sim_kind kind)
{
    uint32_t count = kind == SIM_MASTER ? world->options.masters
                     : kind == SIM_NODE ? world->options.nodes
                                        : world->options.clients;
    return process_find(world, kind, (uint32_t)world_draw(world, 1, count));
}

static void start_again(struct world *world, void *subject, uint64_t number)
{
    (void)world;
    (void)number;
    struct sim_process *process = subject;
    if (!process->is_up && !process->is_retired)
        process_start(process);
}

void fault_start_later(struct sim_process *process, uint64_t max_us)
{
    world_plan(process->world, world_draw(process->world, 20000, max_us), start_again, process, 0);
}

static void (*const actions[LEDGER_FAULTS])(struct world *world) = {
    [LEDGER_FAULT_KILL_WORKER] = fault_kill_worker,
    [LEDGER_FAULT_KILL_HOST] = fault_kill_host,
    [LEDGER_FAULT_KILL_MASTER] = fault_kill_master,
    [LEDGER_FAULT_KILL_POINT] = fault_kill_point,
    [LEDGER_FAULT_POWER_CUT] = fault_power_cut,
    [LEDGER_FAULT_PAUSE] = fault_pause,
    [LEDGER_FAULT_PAUSE_IN_BATCH] = fault_pause_in_batch,
    [LEDGER_FAULT_DRIFT] = fault_drift,
    [LEDGER_FAULT_ISOLATE] = fault_isolate,
    [LEDGER_FAULT_SPLIT] = fault_split,
    [LEDGER_FAULT_CUT_LINK] = fault_cut_link,
    [LEDGER_FAULT_CUT_ONE_WAY] = fault_cut_one_way,
    [LEDGER_FAULT_CLOG] = fault_clog,
    [LEDGER_FAULT_STORM] = fault_storm,
    [LEDGER_FAULT_REPLAY] = fault_replay,
    [LEDGER_FAULT_BREAK] = fault_break,
    [LEDGER_FAULT_SLOW_DISK] = fault_slow_disk,
    [LEDGER_FAULT_DISK_FULL] = fault_disk_full,
    [LEDGER_FAULT_FSYNC] = fault_fsync,
    [LEDGER_FAULT_LOSE_DISK] = fault_lose_disk,
    [LEDGER_FAULT_RESTORE_DISK] = fault_restore_disk,
    [LEDGER_FAULT_SWAP_DISKS] = fault_swap_disks,
    [LEDGER_FAULT_REPLACE_NODE] = fault_replace_node,
    [LEDGER_FAULT_TRANSFER] = fault_transfer,
    [LEDGER_FAULT_MASTERS] = fault_masters,
    [LEDGER_FAULT_LOSE_MASTER] = fault_lose_master,
    [LEDGER_FAULT_ROLES] = fault_roles,
};

static void next_fault(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    (void)number;
    if (faults.world != world || faults.is_over)
        return;
    uint64_t kind = world_draw(world, 0, LEDGER_FAULTS - 1);
    if (faults.is_enabled[kind])
        actions[kind](world);
    world_plan(world, world_draw(world, faults.pause_min_us, faults.pause_max_us), next_fault, NULL,
               0);
}

void faults_begin(struct world *world)
{
    faults = (struct faults){.world = world};
    for (uint32_t kind = 0; kind < LEDGER_FAULTS; kind++)
        faults.is_enabled[kind] = world_once_in(world, 2);
    faults.is_enabled[world_draw(world, 0, LEDGER_FAULTS - 1)] = true;
    faults.pause_min_us = 20000;
    faults.pause_max_us = world_draw(world, 100000, 1500000);
    next_fault(world, NULL, 0);
}

void faults_end(struct world *world)
{
    faults.is_over = true;
    world->kill_plan.is_armed = false;
    fault_network_heals(world);
    fault_disks_heal(world);
    fault_chores_end(world);
    for (uint32_t i = 0; i < world->processes_count; i++) {
        struct sim_process *process = world->processes[i];
        process->doomed = false;
        if (process->is_up)
            process_resume(process);
        else if (!process->is_retired)
            process_start(process);
    }
}
