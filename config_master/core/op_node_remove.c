/* NODE_REMOVE: forgets a node that is down and that no chain needs. */
#include "config_master/core/apply.h"
#include "config_master/core/leader.h"

static bool row_names(const struct plan_row *row, uint32_t node)
{
    for (uint32_t i = 0; i < row->members_count; i++) {
        if (row->members[i].node == node)
            return true;
    }
    return row->joiner.node == node;
}

/* How many chains have the node in a row; the first of them in *ret_chain. */
static uint32_t memberships(const struct cm_state *state, uint32_t node, uint32_t *ret_chain)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < state->chain_count; i++) {
        const struct cm_chain *chain = &state->chains[i];
        if (!row_names(&chain->active, node) &&
            !(chain->has_decided && row_names(&chain->decided, node)))
            continue;
        if (count == 0)
            *ret_chain = i;
        count++;
    }
    return count;
}

void cm_op_node_remove(struct cm_core *core, struct cm_request *request)
{
    const struct cm_node *node =
        request->a > UINT32_MAX ? NULL : cm_state_node(core->state, (uint32_t)request->a);
    if (node == NULL) {
        cm_request_reply(core, request, ERR_NOT_FOUND, 0, 0, "the cluster knows no node %llu",
                         (unsigned long long)request->a);
        return;
    }
    if (cm_is_alive(core, node->id)) {
        cm_request_reply(core, request, ERR_BUSY, 0, 0, "node %u is alive; stop its process first",
                         node->id);
        return;
    }
    struct cm_item item = {.kind = CM_ITEM_NODE_REMOVE};
    item.u.node_remove.node = node->id;
    item.u.node_remove.incarnation = node->incarnation;
    cm_request_propose(core, request, &item);
}

void cm_apply_node_remove(struct cm_apply *apply, const struct cm_item *item,
                          struct cm_answer *answer)
{
    struct cm_node *node = cm_state_node(apply->state, item->u.node_remove.node);
    uint32_t chain = 0;
    uint32_t count = node == NULL ? 0 : memberships(apply->state, node->id, &chain);
    if (node == NULL) {
        cm_answer_refuse(answer, ERR_NOT_FOUND, "the cluster knows no node %u",
                         item->u.node_remove.node);
    } else if (node->incarnation != item->u.node_remove.incarnation) {
        cm_answer_refuse(answer, ERR_BUSY, "node %u has been started again", node->id);
    } else if (count > 0) {
        cm_answer_refuse(answer, ERR_BUSY,
                         "node %u holds a copy that chain %u (of %u) cannot do without yet",
                         node->id, chain, count);
    } else {
        cm_state_remove_node(apply->state, node, apply->index);
        cm_apply_on_node(apply, item->u.node_remove.node, false);
    }
}
