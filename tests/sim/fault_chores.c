/* What operators do, badly timed: masters and nodes come and go, disks are mixed up and put right.
 * Each chore asks the cluster again and again until it is told that it is so. */
#include "base/contract.h"
#include "config_master/core/cm_state.h"
#include "config_master/server/server.h"
#include "tests/sim/faults.h"

enum { ASK_AGAIN_US = 200000, ANSWER_US = 1500000, FELT_US = 2000000, MASTERS_LEAST = 3 };

static void chore_step(struct world *world, void *subject, uint64_t number);

static void chore_later(struct chore *chore, uint64_t us)
{
    world_plan(chore->world, us, chore_step, chore, 0);
}

static void answered(void *context, const struct cl_effect *done)
{
    struct chore *chore = context;
    chore->is_asking = false;
    enum err err = done->result.err;
    bool is_so = err == ERR_OK || err == ERR_NOT_FOUND || err == ERR_EXISTS;
    world_trace(chore->world, "operator: %s %s", err_name(err), done->result.text);
    if (is_so && chore->stage == CHORE_MASTER_REMOVE)
        chore->stage = CHORE_MASTER_WAIT;
    else if (is_so && chore->stage == CHORE_MASTER_ADD)
        chore->stage = CHORE_IDLE;
    else if (is_so && chore->stage == CHORE_NODE_REMOVE)
        chore->stage = CHORE_NODE_RETURN;
    if (chore->stage != CHORE_IDLE)
        chore_later(chore, ASK_AGAIN_US);
}

static void ask(struct chore *chore, enum wire_admin_op op, uint32_t a, uint64_t b,
                const char *text)
{
    struct cl_submit submit = {.kind = CL_OP_ADMIN,
                               .admin_op = op,
                               .deadline_us = ANSWER_US,
                               .a = a,
                               .b = b,
                               .text = slice_of_text(text)};
    chore->is_asking = true;
    sim_client_submit(fault_pick(chore->world, SIM_CLIENT), &submit, answered, chore);
}

static const struct server *leader_of_masters(struct world *world)
{
    const struct server *leader = NULL;
    for (uint32_t id = 1; id <= world->options.masters; id++) {
        const struct sim_process *process = process_find(world, SIM_MASTER, id);
        if (!process->is_up)
            continue;
        const struct server *server = sim_master_server(process);
        if (raft_role(server_raft(server)) == RAFT_LEADER &&
            (leader == NULL || raft_term(server_raft(server)) > raft_term(server_raft(leader))))
            leader = server;
    }
    return leader;
}

/* As libcatena does it: the order names the disk that the leader's status shows. */
static void remove_master(struct chore *chore)
{
    const struct server *leader = leader_of_masters(chore->world);
    struct uuid disk = {0};
    if (leader == NULL) {
        chore_later(chore, ASK_AGAIN_US);
        return;
    }
    (void)server_disk(leader, chore->master, &disk);
    ask(chore, WIRE_ADMIN_MASTER_REMOVE, chore->master, uuid_tag(&disk), "");
}

static void node_returns(struct chore *chore)
{
    struct sim_process *node = process_find(chore->world, SIM_NODE, chore->node);
    chore->stage = CHORE_IDLE;
    if (chore->for_ever)
        return;
    node->is_retired = false;
    if (world_once_in(chore->world, 2))
        sim_node_lose_disk(node);
    fault_start_later(process_find(chore->world, SIM_SUPERVISOR, node->id), 500000);
    fault_start_later(node, 500000);
}

static void swap_back(struct chore *chore)
{
    struct sim_process *a = process_find(chore->world, SIM_NODE, chore->node);
    struct sim_process *b = process_find(chore->world, SIM_NODE, chore->second);
    chore->stage = CHORE_IDLE;
    process_kill(a, false); /* it may be about to find out by itself */
    process_kill(b, false);
    sim_node_swap_disks(a, b);
    world_trace(chore->world, "operator: %s and %s have their disks again", a->name, b->name);
    fault_start_later(a, 500000);
    fault_start_later(b, 500000);
}

static void chore_step(struct world *world, void *subject, uint64_t number)
{
    (void)number;
    struct chore *chore = subject;
    if (faults.world != world || faults.is_over || chore->is_asking)
        return;
    switch (chore->stage) {
    case CHORE_IDLE:
        return;
    case CHORE_MASTER_REMOVE:
        remove_master(chore);
        return;
    case CHORE_MASTER_WAIT:
        chore->stage = CHORE_MASTER_ADD;
        chore_later(chore, world_draw(world, 1000, 1000000));
        return;
    case CHORE_MASTER_ADD:
        text_format(chore->address, sizeof chore->address, "master%u:7000", chore->other);
        ask(chore, WIRE_ADMIN_MASTER_ADD, chore->other, 0, chore->address);
        return;
    case CHORE_NODE_REMOVE:
        ask(chore, WIRE_ADMIN_NODE_REMOVE, chore->node, 0, "");
        return;
    case CHORE_NODE_RETURN:
        node_returns(chore);
        return;
    case CHORE_SWAP_BACK:
        swap_back(chore);
        return;
    }
    IMPOSSIBLE("unknown stage of a chore");
}

static void begin(struct world *world, struct chore *chore, enum chore_stage stage, uint64_t us)
{
    chore->world = world;
    chore->stage = stage;
    chore_later(chore, us);
}

/* ---- masters ---- */

/* NULL unless every member follows: an operator looks at that before taking one away. */
static const struct raft_configuration *whole_configuration(struct world *world)
{
    const struct server *server = leader_of_masters(world);
    if (server == NULL)
        return NULL;
    const struct raft *leader = server_raft(server);
    const struct raft_configuration *masters = raft_configuration(leader);
    if (masters->count < MASTERS_LEAST)
        return NULL;
    for (uint32_t i = 0; i < masters->count; i++) {
        uint32_t id = masters->servers[i].id;
        if (!process_find(world, SIM_MASTER, id)->is_up ||
            raft_match_index(leader, id) < raft_commit_index(leader))
            return NULL;
    }
    return masters;
}

static bool is_member(const struct raft_configuration *masters, uint32_t id)
{
    for (uint32_t i = 0; i < masters->count; i++) {
        if (masters->servers[i].id == id)
            return true;
    }
    return false;
}

/* A member leaves; it or another one comes instead. */
void fault_masters(struct world *world)
{
    const struct raft_configuration *masters = whole_configuration(world);
    struct chore *chore = &faults.masters;
    if (chore->stage != CHORE_IDLE || masters == NULL)
        return;
    *chore = (struct chore){.master = fault_pick(world, SIM_MASTER)->id};
    chore->other = chore->master;
    for (uint32_t id = 1; id <= world->options.masters; id++) {
        if (!is_member(masters, id) && world_once_in(world, 2))
            chore->other = id;
    }
    if (!is_member(masters, chore->master))
        return;
    world_trace(world, "fault: master %u leaves, master %u comes", chore->master, chore->other);
    ledger_fault(world, LEDGER_FAULT_MASTERS, process_find(world, SIM_MASTER, chore->master),
                 FELT_US);
    begin(world, chore, CHORE_MASTER_REMOVE, 1);
}

/* D11: a master without its disk is out until it was removed and added again. */
void fault_lose_master(struct world *world)
{
    const struct raft_configuration *masters = whole_configuration(world);
    struct chore *chore = &faults.masters;
    struct sim_process *master = fault_pick(world, SIM_MASTER);
    if (chore->stage != CHORE_IDLE || masters == NULL || !is_member(masters, master->id))
        return;
    world_trace(world, "fault: %s loses its disk", master->name);
    ledger_fault(world, LEDGER_FAULT_LOSE_MASTER, master, FELT_US);
    process_kill(master, true);
    sim_master_lose_disk(master);
    fault_start_later(master, 1000000);
    *chore = (struct chore){.master = master->id, .other = master->id};
    begin(world, chore, CHORE_MASTER_REMOVE, 500000);
}

static void ignored(void *context, const struct cl_effect *done)
{
    (void)context;
    (void)done;
}

void fault_transfer(struct world *world)
{
    struct cl_submit submit = {.kind = CL_OP_ADMIN,
                               .admin_op = WIRE_ADMIN_TRANSFER_LEADER,
                               .deadline_us = 1000000,
                               .a = world_draw(world, 0, world->options.masters)};
    world_trace(world, "fault: leadership goes to master %llu", (unsigned long long)submit.a);
    const struct sim_process *target =
        process_find(world, SIM_MASTER, submit.a == 0 ? 1 : (uint32_t)submit.a);
    ledger_fault(world, LEDGER_FAULT_TRANSFER, target, 500000);
    sim_client_submit(fault_pick(world, SIM_CLIENT), &submit, ignored, NULL);
}

/* R36: heads and tails change places while the cluster works. */
void fault_roles(struct world *world)
{
    struct cl_submit submit = {.kind = CL_OP_ADMIN,
                               .admin_op = WIRE_ADMIN_SETTING_SET,
                               .bucket = slice_of_text("rebalance-roles"),
                               .deadline_us = 1000000,
                               .a = world_draw(world, 0, 3) > 0};
    world_trace(world, "fault: role balance %s", submit.a > 0 ? "on" : "off");
    ledger_fault(world, LEDGER_FAULT_ROLES, NULL, 500000);
    sim_client_submit(fault_pick(world, SIM_CLIENT), &submit, ignored, NULL);
}

/* ---- nodes ---- */

/* For good, or until it was forgotten by the cluster: then it comes again as a stranger. */
void fault_replace_node(struct world *world)
{
    struct chore *chore = &faults.nodes;
    struct sim_process *node = fault_pick(world, SIM_NODE);
    uint32_t left = 0;
    for (uint32_t id = 1; id <= world->options.nodes; id++)
        left += process_find(world, SIM_NODE, id)->is_retired ? 0 : 1;
    if (chore->stage != CHORE_IDLE || left <= world->options.replicas || !node->is_up ||
        node->doomed || !verify_is_whole(world))
        return;
    *chore = (struct chore){.node = node->id, .for_ever = world_once_in(world, 2)};
    world_trace(world, "fault: %s is taken away%s", node->name, chore->for_ever ? " for ever" : "");
    ledger_fault(world, LEDGER_FAULT_REPLACE_NODE, node, FELT_US);
    node->is_retired = true;
    fault_kill_node_for_now(node, world_once_in(world, 2));
    begin(world, chore, CHORE_NODE_REMOVE, 500000);
}

/* Cases 36-39: each finds the identity of the other on its disk and does not start. */
void fault_swap_disks(struct world *world)
{
    struct chore *chore = &faults.swap;
    struct sim_process *a = fault_pick(world, SIM_NODE);
    struct sim_process *b = fault_pick(world, SIM_NODE);
    if (chore->stage != CHORE_IDLE || a == b || !a->is_up || !b->is_up || a->doomed || b->doomed ||
        !verify_is_whole(world))
        return;
    world_trace(world, "fault: the disks of %s and %s are swapped", a->name, b->name);
    ledger_fault(world, LEDGER_FAULT_SWAP_DISKS, a, FELT_US);
    fault_kill_node(a, true, 500000);
    fault_kill_node(b, true, 500000);
    sim_node_swap_disks(a, b);
    *chore = (struct chore){.node = a->id, .second = b->id};
    begin(world, chore, CHORE_SWAP_BACK, world_draw(world, 100000, 2000000));
}

void fault_chores_end(struct world *world)
{
    if (faults.swap.stage == CHORE_SWAP_BACK) {
        faults.swap.world = world;
        swap_back(&faults.swap);
    }
    if (faults.nodes.stage != CHORE_IDLE && !faults.nodes.for_ever)
        process_find(world, SIM_NODE, faults.nodes.node)->is_retired = false;
}
