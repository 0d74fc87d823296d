/* Disks of nodes: slow, full, failing, gone, back from the past. */
#include "base/contract.h"
#include "chainnode/core/cn_core.h"
#include "config_master/core/cm_state.h"
#include "tests/sim/faults.h"

enum { FELT_US = 2000000 };

static void fast_disk(struct world *world, void *subject, uint64_t number)
{
    (void)world;
    (void)number;
    disk_set_latency(sim_node_disk(subject), 50, 400);
}

void fault_slow_disk(struct world *world)
{
    struct sim_process *node = fault_pick(world, SIM_NODE);
    world_trace(world, "fault: slow disk of %s", node->name);
    disk_set_latency(sim_node_disk(node), 5000, 120000);
    uint64_t us = world_draw(world, 200000, 3000000);
    ledger_fault(world, LEDGER_FAULT_SLOW_DISK, node, us);
    world_plan(world, us, fast_disk, node, 0);
}

static void disk_is_freed(struct world *world, void *subject, uint64_t number)
{
    (void)number;
    struct sim_process *node = subject;
    world_trace(world, "heal: %s has space again", node->name);
    sim_node_set_full(node, false);
}

/* Case 42: the reserve of one member is reached: puts are refused, deletes work. */
void fault_disk_full(struct world *world)
{
    struct sim_process *node = fault_pick(world, SIM_NODE);
    uint64_t us = world_draw(world, 200000, 3000000);
    world_trace(world, "fault: the disk of %s is full", node->name);
    ledger_fault(world, LEDGER_FAULT_DISK_FULL, node, us);
    sim_node_set_full(node, true);
    if (world_once_in(world, 4))
        sim_node_fail_disk(node, ERR_NO_SPACE); /* in spite of the reserve */
    world_plan(world, us, disk_is_freed, node, 0);
}

/* Only while every chain is whole: two lost disks at once may be the last two copies. */
static struct sim_process *pick_victim(struct world *world)
{
    struct sim_process *node = fault_pick(world, SIM_NODE);
    return node->is_up && !node->doomed && verify_is_whole(world) ? node : NULL;
}

/* Case 40: the worker halts, its disk is not used again: an operator gives it an empty one. */
void fault_fsync(struct world *world)
{
    struct sim_process *node = pick_victim(world);
    if (node == NULL)
        return;
    world_trace(world, "fault: fsync of %s fails", node->name);
    ledger_fault(world, LEDGER_FAULT_FSYNC, node, FELT_US);
    sim_node_fail_disk(node, ERR_IO);
}

void fault_lose_disk(struct world *world)
{
    struct sim_process *node = pick_victim(world);
    if (node == NULL)
        return;
    world_trace(world, "fault: %s loses its disk", node->name);
    ledger_fault(world, LEDGER_FAULT_LOSE_DISK, node, FELT_US);
    fault_kill_node(node, true, 2000000);
    sim_node_lose_disk(node);
}

static uint64_t applied_at(const struct sim_process *node, uint32_t chain)
{
    struct cn_chain_view view;
    return cn_core_view(sim_node_core(node), chain, &view) ? view.applied.lsn : 0;
}

static void note_image(const struct sim_process *node)
{
    for (uint32_t c = 0; c < node->world->options.chains; c++)
        faults.images[node->id][c] = applied_at(node, c);
}

/* Will it be recognised that the disk went back? Not when it lost nothing but what was committed
 * after the last mark: that is the documented exclusion (decision D16). */
static bool is_recognisable(const struct sim_process *node)
{
    const struct cm_state *state = verify_leader_state(node->world);
    for (uint32_t c = 0; c < node->world->options.chains; c++) {
        uint64_t image = faults.images[node->id][c];
        if (applied_at(node, c) != image && state->chains[c].mark <= image)
            return false;
    }
    return true;
}

/* An image is taken now and put back later, under the same disk identity (S13, R34). */
void fault_restore_disk(struct world *world)
{
    struct sim_process *node = pick_victim(world);
    if (node == NULL)
        return;
    struct sim_disk *disk = sim_node_disk(node);
    if (!disk_has_image(disk)) {
        disk_take_image(disk);
        note_image(node);
        return;
    }
    if (!is_recognisable(node))
        return;
    world_trace(world, "fault: the disk of %s goes back in time", node->name);
    ledger_fault(world, LEDGER_FAULT_RESTORE_DISK, node, FELT_US);
    fault_kill_node(node, world_once_in(world, 2), 2000000);
    disk_restore_image(disk);
}

void fault_disks_heal(struct world *world)
{
    for (uint32_t id = 1; id <= world->options.nodes; id++) {
        struct sim_process *node = process_find(world, SIM_NODE, id);
        fast_disk(world, node, 0);
        disk_fail_next(sim_node_disk(node), ERR_OK);
        sim_node_set_full(node, false);
    }
}
