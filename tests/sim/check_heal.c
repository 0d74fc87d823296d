/* Liveness: what has to be true once everything is healed (L1): full chains, nothing pending. */
#include "base/buf.h"
#include "base/contract.h"
#include "chainnode/core/cn_core.h"
#include "config_master/core/cm_state.h"
#include "config_master/server/server.h"
#include "tests/sim/sim.h"

const struct cm_state *verify_leader_state(struct world *world)
{
    const struct server *leader = NULL;
    uint64_t term = 0;
    for (uint32_t id = 1; id <= world->options.masters; id++) {
        struct sim_process *process = process_find(world, SIM_MASTER, id);
        if (!process->is_up)
            continue;
        const struct server *server = sim_master_server(process);
        const struct raft *raft = server_raft(server);
        if (raft_role(raft) == RAFT_LEADER && raft_term(raft) > term) {
            leader = server;
            term = raft_term(raft);
        }
    }
    return leader == NULL ? NULL : cm_core_state(server_core(leader));
}

static bool member_is_quiet(struct world *world, const struct plan_row *row, uint32_t at,
                            struct text *missing)
{
    const struct wire_member *member = &row->members[at];
    struct sim_process *process = process_find(world, SIM_NODE, member->node);
    struct cn_chain_view view;
    if (process == NULL || !process->is_up || sim_node_core(process) == NULL) {
        text_append(missing, "node %u is down", member->node);
        return false;
    }
    if (!cn_core_view(sim_node_core(process), row->chain, &view)) {
        text_append(missing, "node %u does not know chain %u", member->node, row->chain);
        return false;
    }
    if (view.is_halted || view.epoch != row->epoch || view.pending_count > 0 ||
        view.committed != view.applied.lsn) {
        text_append(missing,
                    "chain %u epoch %llu: node %u is in epoch %llu, pending %u, applied %llu, "
                    "committed %llu%s",
                    row->chain, (unsigned long long)row->epoch, member->node,
                    (unsigned long long)view.epoch, view.pending_count,
                    (unsigned long long)view.applied.lsn, (unsigned long long)view.committed,
                    view.is_halted ? ", halted" : "");
        return false;
    }
    return true;
}

static bool chain_is_quiet(struct world *world, const struct cm_chain *chain, struct text *missing)
{
    const struct plan_row *row = &chain->active;
    if (chain->has_decided || row->members_count != world->options.replicas ||
        row->joiner.node != 0 || row->frozen) {
        text_append(missing, "chain %u epoch %llu: %u members, joiner %u%s%s", row->chain,
                    (unsigned long long)row->epoch, row->members_count, row->joiner.node,
                    chain->has_decided ? ", a decided row" : "", row->frozen ? ", frozen" : "");
        return false;
    }
    for (uint32_t i = 0; i < row->members_count; i++) {
        if (!member_is_quiet(world, row, i, missing))
            return false;
    }
    return true;
}

bool verify_is_quiet(struct world *world, struct text *ret_missing)
{
    text_clear(ret_missing);
    const struct cm_state *state = verify_leader_state(world);
    if (state == NULL) {
        text_append(ret_missing, "the masters have no leader");
        return false;
    }
    if (state->chain_count != world->options.chains) {
        text_append(ret_missing, "there are %u chains", state->chain_count);
        return false;
    }
    for (uint32_t c = 0; c < state->chain_count; c++) {
        if (!chain_is_quiet(world, &state->chains[c], ret_missing))
            return false;
    }
    return true;
}

bool verify_is_whole(struct world *world)
{
    const struct cm_state *state = verify_leader_state(world);
    if (state == NULL || state->chain_count != world->options.chains)
        return false;
    for (uint32_t c = 0; c < state->chain_count; c++) {
        const struct plan_row *row = &state->chains[c].active;
        if (state->chains[c].has_decided || row->members_count != world->options.replicas)
            return false;
        for (uint32_t i = 0; i < row->members_count; i++) {
            struct sim_process *process = process_find(world, SIM_NODE, row->members[i].node);
            struct cn_chain_view view;
            if (!process->is_up || sim_node_core(process) == NULL ||
                disk_has_failed(sim_node_disk(process)) ||
                !cn_core_view(sim_node_core(process), row->chain, &view) || view.is_halted ||
                view.is_syncing || view.epoch != row->epoch || view.role == CN_ROLE_NONE ||
                view.role == CN_ROLE_JOINER) /* started again since: it holds what it holds */
                return false;
        }
    }
    return true;
}
