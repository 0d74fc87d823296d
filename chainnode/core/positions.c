/* What goes between neighbours: forwards, marks down, acks up (D5, R6-R9, R20). */
#include "chainnode/core/cn_internal.h"

/* R7. What is known committed is stable whatever the marks of this epoch have said so far. */
uint64_t cn_stable(const struct cn_chain *chain)
{
    uint64_t stable = chain->durable;
    if (!cn_is_head(chain) && chain->predecessor_stable < stable && !PLANTED(R7_OWN_DISK_ENOUGH))
        stable = chain->predecessor_stable;
    return stable > chain->committed ? stable : chain->committed;
}

/* R3: exactly the receiver's epoch. */
static bool is_epoch_taken(const struct cn_chain *chain, enum wire_type type, uint64_t epoch)
{
    if (epoch < chain->epoch && ((PLANTED(R3_OLDER_MARK) && type == WIRE_MARK) ||
                                 (PLANTED(R3_OLDER_ACK) && type == WIRE_ACK) ||
                                 (PLANTED(R3_OLDER_FORWARD) && type == WIRE_FORWARD)))
        return true;
    return epoch == chain->epoch;
}

struct cn_chain *cn_match_epoch(struct cn_core *core, const struct cn_event *event, uint32_t id,
                                uint64_t epoch)
{
    if (id >= BOUND_CHAINS || epoch == 0) {
        core->dropped++;
        return NULL;
    }
    struct cn_chain *chain = cn_chain_make(core, id);
    if (epoch > chain->epoch)
        cn_ask_row(core, chain, event->node);
    else if (epoch < chain->epoch)
        cn_push_row(core, chain, event->node);
    bool is_taken = is_epoch_taken(chain, event->message->type, epoch);
    return is_taken && chain->role != CN_ROLE_NONE && !chain->is_halted ? chain : NULL;
}

void cn_forward_one(struct cn_core *core, struct cn_chain *chain, uint32_t node, uint64_t lsn)
{
    struct cn_entry *entry = cn_entry_at(chain, lsn);
    INVARIANT(entry != NULL);
    struct wire_message *message = cn_send_node(core, node, WIRE_FORWARD);
    message->u.forward = entry->f;
    message->u.forward.epoch = chain->epoch; /* the message's epoch; the origin stays (R2) */
    if (PLANTED(R2_STAMPED_AGAIN))
        message->u.forward.origin.epoch = chain->epoch;
    message->payload = buf_ref(entry->payload);
}

void cn_forward_pump(struct cn_core *core, struct cn_chain *chain)
{
    if (chain->is_halted)
        return;
    /* R20: what was inherited goes without waiting for anything new. */
    if (PLANTED(R20_INHERITED_WAITS) && cn_is_head(chain) && chain->applied.lsn <= chain->inherited)
        return;
    const struct wire_member *successor = cn_successor_of(core, chain);
    while (successor != NULL && chain->successor.is_known &&
           chain->successor.sent < chain->applied.lsn) {
        cn_forward_one(core, chain, successor->node, chain->successor.sent + 1);
        chain->successor.sent++;
    }
    while (chain->source.is_accepted && !cn_source_is_waiting(chain) &&
           chain->source.sent < chain->applied.lsn) {
        cn_forward_one(core, chain, chain->row.joiner.node, chain->source.sent + 1);
        chain->source.sent++;
    }
}

void cn_ask_resend(struct cn_core *core, struct cn_chain *chain)
{
    struct cn_predecessor *predecessor = &chain->predecessor;
    if (predecessor->resend_us != 0 && predecessor->resend_lsn == chain->applied.lsn &&
        core->now_us - predecessor->resend_us < core->options.idle_us / 4)
        return;
    predecessor->resend_us = core->now_us;
    predecessor->resend_lsn = chain->applied.lsn;
    chain->resend_due = true;
    chain->ack_due = true;
    cn_chain_touch(core, chain);
    TRACE(&core->options.trace, "chain %u epoch %llu: asks for what follows %llu.%llu", chain->id,
          (unsigned long long)chain->epoch, (unsigned long long)chain->applied.epoch,
          (unsigned long long)chain->applied.lsn);
}

static void send_mark(struct cn_core *core, struct cn_chain *chain, uint32_t node, uint64_t stable)
{
    struct wire_mark *mark = &cn_send_node(core, node, WIRE_MARK)->u.mark;
    mark->chain = chain->id;
    mark->epoch = chain->epoch;
    mark->applied = chain->applied;
    mark->stable = stable;
}

static void send_marks(struct cn_core *core, struct cn_chain *chain)
{
    const struct wire_member *successor = cn_successor_of(core, chain);
    uint64_t stable = cn_stable(chain);
    if (successor != NULL && (chain->mark_due || stable > chain->successor.marked_stable)) {
        send_mark(core, chain, successor->node, stable);
        chain->successor.marked_stable = stable;
    }
    /* To a joiner, `stable` is what the tail has committed: it applies live entries up to there.
     * One whose copy waits for a damaged row hears that its source lives. */
    if ((chain->source.is_accepted || chain->source.is_damaged) &&
        (chain->mark_due || chain->committed > chain->source.marked_committed)) {
        send_mark(core, chain, chain->row.joiner.node, chain->committed);
        chain->source.marked_committed = chain->committed;
    }
    chain->mark_due = false;
}

static void send_ack(struct cn_core *core, struct cn_chain *chain)
{
    const struct wire_member *above = cn_predecessor_of(core, chain);
    struct cn_predecessor *predecessor = &chain->predecessor;
    bool is_full = core->is_full || chain->successor.is_full;
    bool is_due = chain->ack_due || chain->committed > predecessor->acked_committed ||
                  is_full != predecessor->acked_full;
    if (chain->role == CN_ROLE_JOINER)
        is_due = is_due || chain->durable > predecessor->acked_durable;
    if (above == NULL || !is_due)
        return;
    struct wire_ack *ack = &cn_send_node(core, above->node, WIRE_ACK)->u.ack;
    ack->chain = chain->id;
    ack->epoch = chain->epoch;
    ack->applied = chain->applied;
    ack->durable = chain->durable;
    ack->committed = chain->committed;
    ack->digest = chain->digest;
    ack->resend = chain->resend_due;
    ack->full = is_full;
    ack->sync = chain->role == CN_ROLE_JOINER ? chain->target.sync : 0;
    predecessor->acked_committed = chain->committed;
    predecessor->acked_durable = chain->durable;
    predecessor->acked_full = is_full;
    chain->ack_due = false;
    chain->resend_due = false;
}

void cn_halted_tell(struct cn_core *core, struct cn_chain *chain)
{
    const struct wire_member *above = cn_predecessor_of(core, chain);
    const struct wire_member *below = cn_successor_of(core, chain);
    if (above != NULL) {
        struct wire_ack *ack = &cn_send_node(core, above->node, WIRE_ACK)->u.ack;
        ack->chain = chain->id;
        ack->epoch = chain->epoch;
        ack->halted = true;
    }
    if (below != NULL) {
        struct wire_mark *mark = &cn_send_node(core, below->node, WIRE_MARK)->u.mark;
        mark->chain = chain->id;
        mark->epoch = chain->epoch;
        mark->halted = true;
    }
}

void cn_positions_send(struct cn_core *core, struct cn_chain *chain)
{
    if (chain->role == CN_ROLE_NONE || chain->is_halted)
        return;
    if (chain->role == CN_ROLE_JOINER) {
        cn_target_send(core, chain);
        if (chain->target.state != CN_TARGET_COPYING && chain->target.state != CN_TARGET_DONE)
            return;
    }
    send_marks(core, chain);
    send_ack(core, chain);
}

bool cn_is_quiet(const struct cn_chain *chain)
{
    if (chain->role == CN_ROLE_JOINER || chain->row.joiner.node != 0 ||
        chain->committed != chain->applied.lsn)
        return false;
    bool has_successor = chain->role == CN_ROLE_HEAD || chain->role == CN_ROLE_MIDDLE;
    return !has_successor ||
           (chain->successor.is_known && chain->successor.acked.lsn == chain->applied.lsn);
}
