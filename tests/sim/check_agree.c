/* Invariants across processes, after each step. The cores' own check() sees one process only.
 *
 * Of nodes (S1, S5, S11): what one member holds to be committed at a sequence number of a chain is
 * what every other member holds to be committed there, at any time, in any life: the digest of the
 * committed history at (chain, lsn) is written down when it is seen first and never changes.
 * Of masters (R31): never two that may grant leases at the same moment. */
#include "base/buf.h"
#include "base/contract.h"
#include "base/hash.h"
#include "chainnode/core/cn_core.h"
#include "config_master/server/server.h"
#include "tests/sim/sim.h"

struct agreed {
    uint64_t digest;
    uint32_t node; /* the first that said so */
};

struct agreement {
    struct map histories[SIM_CHAINS_MAX];             /* lsn -> struct agreed */
    uint64_t last[SIM_NODES_MAX + 1][SIM_CHAINS_MAX]; /* committed lsn at the last look */
    uint64_t lives[SIM_NODES_MAX + 1];                /* generation at the last look */
};

void agreement_init(struct world *world)
{
    world->agreement = mem_calloc(1, sizeof *world->agreement);
    for (uint32_t c = 0; c < SIM_CHAINS_MAX; c++)
        map_init(&world->agreement->histories[c]);
}

void agreement_release(struct world *world)
{
    for (uint32_t c = 0; c < SIM_CHAINS_MAX; c++) {
        size_t cursor = 0;
        struct agreed *agreed;
        while ((agreed = map_next(&world->agreement->histories[c], &cursor, NULL)) != NULL)
            mem_free(agreed);
        map_release(&world->agreement->histories[c]);
    }
    mem_free(world->agreement);
}

static void compare(struct sim_process *process, uint32_t chain, const struct cn_chain_view *view)
{
    struct world *world = process->world;
    struct map *history = &world->agreement->histories[chain];
    struct agreed *agreed = map_get(history, view->committed);
    if (agreed == NULL) {
        agreed = mem_calloc(1, sizeof *agreed);
        *agreed = (struct agreed){view->digest, process->id};
        (void)map_put(history, view->committed, agreed);
    } else if (agreed->digest != view->digest) {
        world_fail(world, "chain %u at %llu: node %u committed another history than node %u", chain,
                   (unsigned long long)view->committed, process->id, agreed->node);
    }
}

void agreement_node(struct sim_process *process)
{
    struct world *world = process->world;
    struct agreement *agreement = world->agreement;
    bool is_new_life = agreement->lives[process->id] != process->generation;
    agreement->lives[process->id] = process->generation;
    for (uint32_t chain = 0; chain < world->options.chains; chain++) {
        struct cn_chain_view view;
        if (!cn_core_view(sim_node_core(process), chain, &view) || view.is_syncing ||
            view.committed == 0)
            continue;
        uint64_t *last = &agreement->last[process->id][chain];
        if (*last != view.committed || is_new_life)
            compare(process, chain, &view);
        *last = view.committed;
    }
}

void agreement_master(struct sim_process *process)
{
    struct world *world = process->world;
    const struct server *server = sim_master_server(process);
    if (raft_role(server_raft(server)) != RAFT_LEADER ||
        raft_lease_until_us(server_raft(server)) <= process_clock(process))
        return;
    for (uint32_t id = 1; id <= world->options.masters; id++) {
        const struct sim_process *other = process_find(world, SIM_MASTER, id);
        if (other == process || !other->is_up || sim_master_server(other) == NULL)
            continue;
        const struct raft *raft = server_raft(sim_master_server(other));
        if (raft_role(raft) == RAFT_LEADER && raft_lease_until_us(raft) > process_clock(other))
            world_fail(world, "%s and %s may both grant leases", process->name, other->name);
    }
}
