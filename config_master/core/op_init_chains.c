/* INIT_CHAINS: the cluster's chains, once. The leader generates the orderings (placement); the
 * command carries them as they are, so masters of different software agree. */
#include "base/buf.h"
#include "base/contract.h"
#include "config_master/core/apply.h"
#include "config_master/core/leader.h"
#include "placement/placement.h"

/* Living, registered nodes; returns how many. */
static uint32_t living_nodes(const struct cm_core *core, struct pl_node *ret_nodes,
                             struct wire_member *ret_members)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->state->node_count; i++) {
        const struct cm_node *node = core->state->nodes[i];
        const struct cm_live *live = map_get(&core->lives, node->id);
        if (live == NULL || live->beat_us == 0 || !live->was_alive || node->weight == 0)
            continue;
        ret_nodes[count] = (struct pl_node){
            .id = node->id, .zone = slice_of_text(node->zone), .weight = node->weight};
        ret_members[count] =
            (struct wire_member){.node = node->id, .incarnation = node->incarnation};
        count++;
    }
    return count;
}

/* Node ids -> big-endian u16 positions in `members`. */
static uint8_t *encode_orderings(const uint32_t *ids, size_t ids_count,
                                 const struct wire_member *members, uint32_t members_count)
{
    uint8_t *orderings = mem_alloc(ids_count * 2);
    for (size_t i = 0; i < ids_count; i++) {
        uint32_t position = 0;
        while (position < members_count && members[position].node != ids[i])
            position++;
        INVARIANT(position < members_count);
        orderings[2 * i] = (uint8_t)(position >> 8);
        orderings[2 * i + 1] = (uint8_t)position;
    }
    return orderings;
}

static void propose(struct cm_core *core, struct cm_request *request, const struct pl_node *nodes,
                    struct cm_item *item)
{
    uint32_t chains = item->u.init_chains.chain_count;
    uint32_t each = item->u.init_chains.members_each;
    size_t ids_count = (size_t)chains * each;
    uint32_t *ids = mem_calloc(ids_count, sizeof *ids);
    pl_generate(nodes, item->u.init_chains.nodes_count, each, chains, ids);
    uint8_t *orderings = encode_orderings(ids, ids_count, item->u.init_chains.nodes,
                                          item->u.init_chains.nodes_count);
    item->u.init_chains.orderings = slice_of(orderings, ids_count * 2);
    cm_request_propose(core, request, item);
    mem_free(orderings);
    mem_free(ids);
}

void cm_op_init_chains(struct cm_core *core, struct cm_request *request)
{
    if (core->state->chain_count > 0) {
        cm_request_reply(core, request, ERR_EXISTS, core->state->chain_count, 0,
                         "the cluster has %u chains already; their number is fixed",
                         core->state->chain_count);
        return;
    }
    if (request->a == 0 || request->a > BOUND_CHAINS || request->b == 0 ||
        request->b >= BOUND_CHAIN_MEMBERS) {
        cm_request_reply(core, request, ERR_INVALID, 0, 0,
                         "chains must be 1 to %u and replicas 1 to %u", BOUND_CHAINS,
                         BOUND_CHAIN_MEMBERS - 1);
        return;
    }
    uint64_t floor = cm_state_setting(core->state, "write-floor", 1);
    if (request->b < floor) {
        cm_request_reply(core, request, ERR_INVALID, 0, 0,
                         "write-floor is %u: with %u replicas no chain would take a write",
                         (unsigned)floor, (unsigned)request->b);
        return;
    }
    struct pl_node nodes[BOUND_NODES];
    struct cm_item item = {.kind = CM_ITEM_INIT_CHAINS};
    uint32_t nodes_count = living_nodes(core, nodes, item.u.init_chains.nodes);
    if (nodes_count == 0) {
        cm_request_reply(core, request, ERR_NOT_READY, 0, 0,
                         "no storage node has registered yet; start one and try again");
        return;
    }
    item.u.init_chains.nodes_count = nodes_count;
    item.u.init_chains.chain_count = (uint32_t)request->a;
    item.u.init_chains.replicas = (uint32_t)request->b;
    item.u.init_chains.write_floor = (uint32_t)floor;
    item.u.init_chains.members_each = request->b < nodes_count ? (uint32_t)request->b : nodes_count;
    propose(core, request, nodes, &item);
}

static void init_chain(struct cm_apply *apply, const struct cm_item *item, uint32_t number)
{
    uint32_t each = item->u.init_chains.members_each;
    const uint8_t *ordering = item->u.init_chains.orderings.data + (size_t)number * each * 2;
    struct plan_row row = {
        .chain = number,
        .epoch = 1,
        .members_count = each,
        .write_floor = item->u.init_chains.write_floor,
        .replicas = item->u.init_chains.replicas,
        .serving_count = each,
    };
    for (uint32_t i = 0; i < each; i++) {
        uint32_t position = (uint32_t)(ordering[2 * i] << 8 | ordering[2 * i + 1]);
        row.members[i] = item->u.init_chains.nodes[position];
        row.serving[i] = row.members[i];
    }
    cm_apply_install_row(apply, &apply->state->chains[number], &row);
}

/* What a bad leader could write: a row that names a node twice. Nodes come in ascending order. */
static bool orderings_are_sound(const struct cm_item *item)
{
    uint32_t each = item->u.init_chains.members_each;
    const uint8_t *data = item->u.init_chains.orderings.data;
    for (uint32_t i = 0; i < item->u.init_chains.nodes_count; i++) {
        uint32_t before = i == 0 ? 0 : item->u.init_chains.nodes[i - 1].node;
        if (item->u.init_chains.nodes[i].node <= before)
            return false;
    }
    for (uint32_t chain = 0; chain < item->u.init_chains.chain_count; chain++) {
        const uint8_t *row = data + (size_t)chain * each * 2;
        for (uint32_t i = 0; i < each; i++) {
            for (uint32_t j = i + 1; j < each; j++) {
                if (memcmp(row + 2 * i, row + 2 * j, 2) == 0)
                    return false;
            }
        }
    }
    return true;
}

void cm_apply_init_chains(struct cm_apply *apply, const struct cm_item *item,
                          struct cm_answer *answer)
{
    struct cm_state *state = apply->state;
    if (state->chain_count > 0) {
        cm_answer_refuse(answer, ERR_EXISTS, "the cluster has %u chains already",
                         state->chain_count);
        answer->value = state->chain_count;
        return;
    }
    uint32_t replicas = item->u.init_chains.replicas;
    if (replicas == 0 || replicas >= BOUND_CHAIN_MEMBERS ||
        item->u.init_chains.members_each > replicas || !orderings_are_sound(item)) {
        cm_answer_refuse(answer, ERR_INVALID, "the orderings are not sound");
        return;
    }
    mem_free(state->chains);
    state->chains = NULL;
    cm_state_init_chains(state, item->u.init_chains.chain_count);
    state->replicas = replicas;
    for (uint32_t i = 0; i < state->chain_count; i++)
        init_chain(apply, item, i);
    state->head_version = apply->index;
    answer->value = state->chain_count;
    cm_apply_on_row(apply, 0, 0);
}
