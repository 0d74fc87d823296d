/* CHAIN_FORGET: the operator declares a chain's last serving set lost for good and goes on from
 * what one living node has (checklist 10). What only the lost members had is gone; the trace and
 * the answer say so. The row is decided like any removal: the old members' leases are waited for.
 */
#include "base/text.h"
#include "config_master/core/apply.h"
#include "config_master/core/leader.h"

void cm_op_chain_forget(struct cm_core *core, struct cm_request *request)
{
    if (request->a >= core->state->chain_count) {
        cm_request_reply(core, request, ERR_NOT_FOUND, 0, 0, "there is no chain %llu",
                         (unsigned long long)request->a);
        return;
    }
    const struct cm_chain *chain = &core->state->chains[request->a];
    const struct cm_node *node =
        request->b > UINT32_MAX ? NULL : cm_state_node(core->state, (uint32_t)request->b);
    if (node == NULL || !cm_is_alive(core, node->id)) {
        cm_request_reply(core, request, ERR_NOT_FOUND, 0, 0, "node %llu is not alive",
                         (unsigned long long)request->b);
        return;
    }
    for (uint32_t i = 0; i < chain->active.members_count; i++) {
        struct wire_member member = chain->active.members[i];
        const struct cm_node *known = cm_state_node(core->state, member.node);
        if (known != NULL && known->incarnation == member.incarnation &&
            cm_is_alive(core, member.node)) {
            cm_request_reply(core, request, ERR_BUSY, 0, 0,
                             "chain %llu has a living member, node %u; nothing needs forgetting",
                             (unsigned long long)request->a, member.node);
            return;
        }
    }
    struct cm_item item = {.kind = CM_ITEM_CHAIN_FORGET};
    struct cm_change *change = &item.u.chain_forget;
    change->kind = CM_CHANGE_DECIDE;
    change->chain = (uint32_t)request->a;
    change->expected_epoch = chain->active.epoch;
    change->expected_decided = chain->has_decided ? chain->decided.epoch : 0;
    change->row = chain->active;
    change->row.epoch = (chain->has_decided ? chain->decided.epoch : chain->active.epoch) + 1;
    memset(change->row.members, 0, sizeof change->row.members);
    change->row.members[0] =
        (struct wire_member){.node = node->id, .incarnation = node->incarnation};
    change->row.members_count = 1;
    change->row.joiner = (struct wire_member){0};
    change->row.frozen = false;
    TRACE(&core->options.trace, "chain-forget chain=%u node=%u epoch=%llu", change->chain, node->id,
          (unsigned long long)change->row.epoch);
    cm_request_propose(core, request, &item);
}

void cm_apply_chain_forget(struct cm_apply *apply, const struct cm_item *item,
                           struct cm_answer *answer)
{
    if (item->u.chain_forget.kind != CM_CHANGE_DECIDE ||
        !cm_apply_change(apply, &item->u.chain_forget)) {
        cm_answer_refuse(answer, ERR_NOT_READY, "the chain has changed meanwhile; look again");
        return;
    }
    /* What the lost members had committed is given up: it is nobody's rollback (R34). */
    struct cm_chain *chain = &apply->state->chains[item->u.chain_forget.chain];
    chain->mark = 0;
    chain->mark_digest = 0;
    chain->mark_since = item->u.chain_forget.row.epoch;
    answer->value = item->u.chain_forget.row.epoch;
    text_format(answer->text, sizeof answer->text,
                "chain %u goes on from node %u; updates that only its lost members had are gone",
                item->u.chain_forget.chain, item->u.chain_forget.row.members[0].node);
}
