/* What an operator has to know: chains that are halted (R27), disks that went back in time (R34),
 * that are full, or on which something cannot be read (D21). Leader-local: made from what members
 * report now. */
#include "base/contract.h"
#include "base/text.h"
#include "config_master/core/leader.h"

enum { ALARM_BYTES_MAX = 900 }; /* of a status reply's text */

static bool is_member(const struct cm_core *core, uint32_t chain, const struct cm_seen *seen)
{
    const struct plan_row *row = &core->state->chains[chain].active;
    return cm_member_find(row->members, row->members_count, seen->member) < row->members_count;
}

bool cm_chain_is_halted(const struct cm_core *core, uint32_t chain)
{
    if (chain >= core->book_count)
        return false;
    for (uint32_t i = 0; i < CM_SEEN; i++) {
        const struct cm_seen *seen = &core->books[chain].seen[i];
        if ((seen->flags & WIRE_REPORT_HALTED) != 0 && is_member(core, chain, seen))
            return true;
    }
    return false;
}

static bool has_living_member(const struct cm_core *core, const struct plan_row *row)
{
    for (uint32_t i = 0; i < row->members_count; i++) {
        const struct cm_node *node = cm_state_node(core->state, row->members[i].node);
        if (node != NULL && node->incarnation == row->members[i].incarnation &&
            cm_is_alive(core, node->id))
            return true;
    }
    return false;
}

static void print_chain(const struct cm_core *core, uint32_t chain, struct text *text)
{
    const struct cm_chain_book *book = &core->books[chain];
    uint32_t rolled_back = 0;
    for (uint32_t i = 0; i < CM_SEEN; i++) {
        const struct cm_seen *seen = &book->seen[i];
        if ((seen->flags & WIRE_REPORT_HALTED) != 0 && is_member(core, chain, seen))
            text_append(text, "chain %u is halted by node %u: %s. ", chain, seen->member.node,
                        book->alarm);
        if ((seen->flags & WIRE_REPORT_DAMAGED) != 0 && is_member(core, chain, seen))
            text_append(text,
                        "node %u cannot read something of chain %u, so the copy to its new member "
                        "waits: see the log of node %u. ",
                        seen->member.node, chain, seen->member.node);
        if (seen->member.node == 0 || !cm_marks_is_rolled_back(core, chain, seen))
            continue;
        text_append(text, "The disk of node %u went back in time in chain %u and is not believed. ",
                    seen->member.node, chain);
        rolled_back++;
    }
    if (book->alarm[0] != 0 && !cm_chain_is_halted(core, chain))
        text_append(text, "Members of chain %u differ: %s. ", chain, book->alarm);
    if (rolled_back > 0 && !has_living_member(core, &core->state->chains[chain].active))
        text_append(text,
                    "Chain %u waits for a member of its last serving set that still has "
                    "everything; if there is none, chain-restart-from gives it up. ",
                    chain);
}

static void print_node(const struct cm_core *core, uint32_t index, struct text *text)
{
    const struct cm_node *node = core->state->nodes[index];
    const struct cm_live *live = node == NULL ? NULL : map_get(&core->lives, node->id);
    if (live != NULL && live->is_full && cm_is_alive(core, node->id))
        text_append(text,
                    "node %u has reached the reserve of its disk and refuses puts: free space "
                    "there, or delete objects. ",
                    node->id);
}

/* Adds it, or counts it. */
static void add_sentence(struct text *text, const struct text *one, uint32_t *more)
{
    if (text->length + one->length > ALARM_BYTES_MAX)
        (*more)++;
    else
        text_append(text, "%s", text_cstr(one));
}

void cm_alarms_print(const struct cm_core *core, struct text *text)
{
    if (!core->is_leader)
        return;
    struct text one;
    text_init(&one);
    uint32_t more = 0;
    for (uint32_t i = 0; i < core->state->node_count; i++) {
        text_clear(&one);
        print_node(core, i, &one);
        add_sentence(text, &one, &more);
    }
    for (uint32_t i = 0; i < core->book_count; i++) {
        text_clear(&one);
        print_chain(core, i, &one);
        add_sentence(text, &one, &more);
    }
    if (more > 0)
        text_append(text, "And %u more. ", more);
    text_release(&one);
}
