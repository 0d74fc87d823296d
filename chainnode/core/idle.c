/* What is repeated when nothing happens: a lost last message leaves no gap to notice (R9). */
#include "chainnode/core/cn_internal.h"

enum { QUIET_ROUNDS = 5 }; /* a chain with nothing under way repeats itself less often */

static void note_owed(const struct cn_core *core, struct cn_chain *chain)
{
    struct cn_predecessor *predecessor = &chain->predecessor;
    if (chain->committed == chain->applied.lsn)
        predecessor->owed_since_us = 0;
    else if (predecessor->owed_since_us == 0)
        predecessor->owed_since_us = core->now_us;
}

void cn_idle_chain(struct cn_core *core, struct cn_chain *chain, bool is_forced)
{
    if (chain->is_halted)
        cn_halted_tell(core, chain);
    if (chain->is_halted || chain->role == CN_ROLE_NONE || PLANTED(R9_NOTHING_REPEATED))
        return;
    note_owed(core, chain);
    struct cn_successor *successor = &chain->successor;
    if (successor->acked.lsn >= successor->sent)
        successor->progress_us = core->now_us;
    if (cn_is_quiet(chain))
        successor->heard_us = core->now_us; /* it owes nothing */
    if (cn_is_quiet(chain) && !is_forced) {
        if (++chain->quiet_beats < QUIET_ROUNDS)
            return;
    }
    chain->quiet_beats = 0;
    chain->mark_due = true;
    chain->ack_due = true;
    uint64_t wait_us = is_forced ? 0 : core->options.idle_us;
    if (successor->is_known && successor->acked.lsn < successor->sent &&
        core->now_us - successor->progress_us >= wait_us &&
        core->now_us - successor->resent_us >= wait_us) {
        successor->resent_us = core->now_us;
        successor->sent = successor->acked.lsn; /* perhaps lost: from its last position on */
        cn_forward_pump(core, chain);
    }
    if (cn_is_tail(chain))
        cn_source_idle(core, chain);
    if (chain->role == CN_ROLE_JOINER)
        cn_target_idle(core, chain);
    cn_chain_touch(core, chain);
}

void cn_idle_tick(struct cn_core *core)
{
    if (core->now_us < core->next_idle_us)
        return;
    core->next_idle_us = core->now_us + core->options.idle_us;
    LIST_FOREACH_SAFE (node, &core->active) {
        cn_idle_chain(core, CONTAINER_OF(node, struct cn_chain, active), false);
    }
}
