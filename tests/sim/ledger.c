#include "tests/sim/ledger.h"

#include "base/contract.h"
#include "chainnode/core/cn_core.h"
#include "config_master/server/server.h"

static const char *const role_names[LEDGER_ROLES] = {
    "head", "middle", "tail", "single", "joiner", "outside", "leader", "follower", "client", "all",
};

const char *ledger_role_name(enum ledger_role role)
{
    return role_names[role];
}

const char *ledger_fault_text(enum ledger_fault fault)
{
    static const char *const texts[] = {
#define X(name, text) text,
        LEDGER_FAULTS_LIST(X)
#undef X
    };
    return texts[fault];
}

enum ledger_role ledger_role_of(const struct sim_process *process, uint32_t chain)
{
    static const enum ledger_role of_node[] = {
        [CN_ROLE_NONE] = LEDGER_OUTSIDE,  [CN_ROLE_HEAD] = LEDGER_HEAD,
        [CN_ROLE_MIDDLE] = LEDGER_MIDDLE, [CN_ROLE_TAIL] = LEDGER_TAIL,
        [CN_ROLE_SINGLE] = LEDGER_SINGLE, [CN_ROLE_JOINER] = LEDGER_JOINER,
    };
    struct cn_chain_view view;
    switch (process->kind) {
    case SIM_NODE:
        if (sim_node_core(process) == NULL || !cn_core_view(sim_node_core(process), chain, &view))
            return LEDGER_OUTSIDE;
        return of_node[view.role];
    case SIM_MASTER:
        if (sim_master_server(process) != NULL &&
            raft_role(server_raft(sim_master_server(process))) == RAFT_LEADER)
            return LEDGER_LEADER;
        return LEDGER_FOLLOWER;
    case SIM_SUPERVISOR:
        return LEDGER_OUTSIDE;
    case SIM_CLIENT:
        return LEDGER_CLIENT;
    }
    IMPOSSIBLE("unknown kind of process");
}

void ledger_fault(struct world *world, enum ledger_fault fault, const struct sim_process *victim,
                  uint64_t us)
{
    struct ledger *ledger = world->ledger;
    if (ledger == NULL)
        return;
    struct ledger_instance *instance = &ledger->instances[ledger->next++ % LEDGER_INSTANCES];
    instance->fault = fault;
    instance->begin_us = world->now_us;
    instance->end_us = world->now_us + us;
    for (uint32_t chain = 0; chain < SIM_CHAINS_MAX; chain++)
        instance->by_chain[chain] = victim == NULL ? LEDGER_ALL : ledger_role_of(victim, chain);
}

void ledger_operation(struct world *world, enum ledger_operation operation, uint32_t chain,
                      uint64_t called_us)
{
    struct ledger *ledger = world->ledger;
    if (ledger == NULL)
        return;
    for (uint32_t i = 0; i < LEDGER_INSTANCES; i++) {
        const struct ledger_instance *instance = &ledger->instances[i];
        if (instance->end_us < called_us)
            continue;
        uint32_t from = chain < SIM_CHAINS_MAX ? chain : 0;
        uint32_t to = chain < SIM_CHAINS_MAX ? chain + 1 : world->options.chains;
        uint32_t counted = 0;
        for (uint32_t c = from; c < to; c++) {
            enum ledger_role role = instance->by_chain[c];
            if ((counted >> role & 1u) == 0)
                ledger->cells[operation][instance->fault][role]++;
            counted |= 1u << role;
        }
    }
}

void ledger_kill(struct world *world, unsigned point, enum ledger_role role)
{
    PRE(point < LEDGER_KILLS_MAX);
    if (world->ledger != NULL)
        world->ledger->kills[point][role]++;
}

void ledger_world_ends(struct world *world)
{
    if (world->ledger == NULL)
        return;
    world->ledger->worlds++;
    world->ledger->simulated_us += world->now_us;
    for (uint32_t i = 0; i < LEDGER_INSTANCES; i++)
        world->ledger->instances[i].end_us = 0;
}
