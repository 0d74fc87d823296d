/* MARK: how far everything above is durable (R7), or, at a joiner, how far the tail committed. */
#include "chainnode/core/cn_internal.h"

void cn_recv_mark(struct cn_core *core, const struct cn_event *event)
{
    const struct wire_mark *mark = &event->message->u.mark;
    struct cn_chain *chain = cn_match_epoch(core, event, mark->chain, mark->epoch);
    if (chain == NULL || !cn_event_is_from(event, cn_predecessor_of(core, chain)))
        return;
    chain->predecessor.heard_us = core->now_us;
    if (mark->halted) {
        cn_chain_halt(core, chain, "the predecessor has halted it");
        return;
    }
    if (chain->role == CN_ROLE_JOINER) {
        cn_target_mark(core, chain, mark);
        return;
    }
    if (mark->stable > chain->predecessor_stable)
        chain->predecessor_stable = mark->stable;
    else
        chain->ack_due = true; /* it repeats itself: perhaps our last ack was lost (R9) */
    if (mark->applied.lsn > chain->applied.lsn)
        cn_ask_resend(core, chain);
    cn_chain_touch(core, chain);
}
