/* What the master is told about a chain with the heartbeat (R22, R29, R34, R36). */
#include "chainnode/core/cn_internal.h"

bool cn_chain_has_report(const struct cn_chain *chain)
{
    return chain->role != CN_ROLE_NONE || chain->is_on_disk || chain->is_halted;
}

static uint32_t report_flags(const struct cn_chain *chain)
{
    uint32_t flags = 0;
    if (cn_is_tail(chain) && chain->source.is_synced)
        flags |= WIRE_REPORT_SYNCED;
    bool is_drained = chain->committed == chain->applied.lsn || PLANTED(R36_DRAINED_TOO_EARLY);
    if (cn_is_head(chain) && chain->row.frozen && is_drained)
        flags |= WIRE_REPORT_DRAINED;
    if (chain->is_halted)
        flags |= WIRE_REPORT_HALTED;
    if (chain->is_syncing)
        flags |= WIRE_REPORT_SYNCING;
    if (chain->source.is_damaged)
        flags |= WIRE_REPORT_DAMAGED;
    if (chain->role == CN_ROLE_NONE && chain->is_complete && !chain->is_syncing &&
        chain->is_on_disk && !chain->is_halted)
        flags |= WIRE_REPORT_HOLDS;
    return flags;
}

void cn_chain_report(const struct cn_core *core, const struct cn_chain *chain,
                     struct wire_chain_report *ret_report)
{
    (void)core;
    *ret_report = (struct wire_chain_report){
        .chain = chain->id,
        .epoch = chain->epoch,
        .applied = chain->applied,
        .committed = chain->committed,
        .digest = chain->digest,
        .flags = report_flags(chain),
        .alarm = slice_of_text(chain->is_halted ? chain->halt_why : ""),
    };
}
