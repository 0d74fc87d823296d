/* ACK: the successor's positions (R8, R20, R27). */
#include "chainnode/core/cn_internal.h"

/* Is `at` part of this member's history, as far as it still knows it? */
static bool is_in_history(const struct cn_chain *chain, struct origin at)
{
    if (at.lsn == chain->trimmed.lsn)
        return origin_compare(at, chain->trimmed) == 0;
    const struct cn_entry *entry = cn_entry_at(chain, at.lsn);
    return entry != NULL && origin_compare(entry->f.origin, at) == 0;
}

/* R27: what the successor committed is what this member is about to commit, or has. Checked before
 * anybody is answered. */
static bool is_same_history(struct cn_core *core, struct cn_chain *chain,
                            const struct wire_ack *ack)
{
    uint64_t mine = ack->digest == 0 ? 0 : cn_digest_at(chain, ack->committed);
    if (mine == 0 || mine == ack->digest || PLANTED(R27_DIGEST_NOT_COMPARED))
        return true;
    cn_chain_halt(core, chain, "the successor committed another history");
    return false;
}

/* True if the position was new enough to be used. */
static bool take_position(struct cn_core *core, struct cn_chain *chain, const struct wire_ack *ack)
{
    struct cn_successor *successor = &chain->successor;
    if (successor->is_known && ack->applied.lsn < successor->acked.lsn)
        return false; /* overtaken by a later one */
    if (ack->applied.lsn > chain->applied.lsn) {
        if (!PLANTED(R27_AHEAD_IS_TAKEN))
            cn_chain_halt(core, chain, "the successor is ahead");
        return false;
    }
    /* What was trimmed here was committed, so the successor had it: anything else contradicts. */
    if (!is_in_history(chain, ack->applied)) {
        cn_chain_halt(core, chain, "the successor's history differs");
        return false;
    }
    if (!successor->is_known || ack->applied.lsn > successor->acked.lsn)
        successor->progress_us = core->now_us;
    successor->acked = ack->applied;
    return true;
}

static void ack_from_successor(struct cn_core *core, struct cn_chain *chain,
                               const struct wire_ack *ack)
{
    struct cn_successor *successor = &chain->successor;
    successor->heard_us = core->now_us;
    if (ack->halted) {
        cn_chain_halt(core, chain, "the successor has halted it");
        return;
    }
    bool was_known = successor->is_known;
    bool is_new = take_position(core, chain, ack);
    if (chain->is_halted)
        return;
    if (is_new) {
        successor->is_full = ack->full;
        if (!was_known) {
            successor->is_known = true;
            successor->sent = ack->applied.lsn;
            chain->mark_due = true; /* the one sent at entry may have come too early */
            if (ack->applied.lsn < chain->applied.lsn)
                TRACE(&core->options.trace, "chain %u epoch %llu: sends %llu inherited again",
                      chain->id, (unsigned long long)chain->epoch,
                      (unsigned long long)(chain->applied.lsn - ack->applied.lsn));
        } else if (ack->resend || ack->applied.lsn > successor->sent) {
            successor->sent = ack->applied.lsn;
        }
    }
    if (ack->committed > chain->durable) {
        cn_chain_halt(core, chain, "the successor committed what is not durable here");
        return;
    }
    if (!is_same_history(core, chain, ack))
        return;
    if (ack->committed > chain->committed) {
        cn_commit_to(core, chain, ack->committed);
    }
    cn_forward_pump(core, chain);
    cn_chain_touch(core, chain);
}

void cn_recv_ack(struct cn_core *core, const struct cn_event *event)
{
    const struct wire_ack *ack = &event->message->u.ack;
    struct cn_chain *chain = cn_match_epoch(core, event, ack->chain, ack->epoch);
    if (chain == NULL)
        return;
    if (cn_event_is_from(event, cn_successor_of(core, chain)))
        ack_from_successor(core, chain, ack);
    else if (cn_is_tail(chain) && chain->row.joiner.node != 0 &&
             cn_event_is_from(event, &chain->row.joiner))
        cn_source_ack(core, chain, ack);
}
