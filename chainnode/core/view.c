/* Looking at a core without changing it: views for oracles, and every invariant in one place. */
#include "chainnode/core/cn_internal.h"

bool cn_core_view(const struct cn_core *core, uint32_t id, struct cn_chain_view *ret_view)
{
    const struct cn_chain *chain = cn_chain_get(core, id);
    if (chain == NULL)
        return false;
    *ret_view = (struct cn_chain_view){
        .role = chain->role,
        .epoch = chain->epoch,
        .applied = chain->applied,
        .durable = chain->durable,
        .stable = cn_stable(chain),
        .committed = chain->committed,
        .inherited = chain->inherited,
        .digest = chain->digest,
        .session_floor = chain->session_floor,
        .pending_count = (uint32_t)(chain->applied.lsn - chain->committed),
        .is_halted = chain->is_halted,
        .is_syncing = chain->is_syncing,
    };
    return true;
}

/* The log is one unbroken history (S1, S2) and the byte counts are true. */
static void check_log(const struct cn_core *core, const struct cn_chain *chain)
{
    struct origin last = chain->trimmed;
    uint64_t bytes = 0;
    uint64_t uncommitted = 0;
    for (uint64_t lsn = chain->trimmed.lsn + 1; lsn <= chain->applied.lsn; lsn++) {
        const struct cn_entry *entry = cn_entry_at(chain, lsn);
        INVARIANT(entry != NULL && entry->f.chain == chain->id && entry->f.origin.lsn == lsn);
        INVARIANT(origin_compare(entry->f.previous, last) == 0);
        INVARIANT(origin_compare(entry->f.origin, last) > 0);
        INVARIANT(ERGO(entry->waiters != NULL, lsn > chain->committed && cn_is_head(chain)));
        INVARIANT(ERGO(entry->f.kind == WIRE_ENTRY_STAGE, entry->payload != NULL));
        for (unsigned kind = 0; kind < CN_INDEX_COUNT; kind++)
            INVARIANT(ERGO(entry->is_indexed[kind],
                           map_get(&core->keys[kind], entry->hash[kind]) != NULL));
        bytes += entry->bytes;
        uncommitted += lsn > chain->committed ? entry->bytes : 0;
        last = entry->f.origin;
    }
    INVARIANT(origin_compare(last, chain->applied) == 0);
    INVARIANT(bytes == chain->bytes && uncommitted == chain->uncommitted_bytes);
}

static void check_chain(const struct cn_core *core, const struct cn_chain *chain)
{
    INVARIANT(ERGO(chain->role != CN_ROLE_NONE, chain->epoch == chain->row.epoch));
    INVARIANT((chain->role == CN_ROLE_NONE) == list_is_empty(&chain->active));
    if (chain->role == CN_ROLE_NONE) {
        INVARIANT(chain->bytes == 0 && list_is_empty(&chain->parked));
        return;
    }
    INVARIANT(chain->trimmed.lsn <= chain->settled.lsn);
    INVARIANT(chain->settled.lsn <= chain->apply_emitted);
    INVARIANT(chain->apply_emitted <= chain->committed);
    INVARIANT(chain->committed <= chain->durable);
    INVARIANT(chain->durable <= chain->written);
    INVARIANT(chain->written <= chain->applied.lsn);
    INVARIANT(chain->inherited <= chain->applied.lsn);
    uint64_t stable = cn_stable(chain);
    INVARIANT(chain->committed <= stable && stable <= chain->durable);
    INVARIANT(ERGO(chain->source.is_handover, chain->source.is_bulk_durable));
    INVARIANT(ERGO(chain->source.is_synced, chain->source.is_handover));
    INVARIANT(ERGO(chain->source.is_begun, cn_is_tail(chain)));
    INVARIANT((chain->target.state == CN_TARGET_NONE) == (chain->role != CN_ROLE_JOINER));
    INVARIANT(ERGO(cn_is_serving(chain), chain->is_complete && !chain->is_syncing));
    INVARIANT(ERGO(cn_is_head(chain) && !chain->is_halted, chain->are_sessions_accepted));
    INVARIANT(ERGO(!list_is_empty(&chain->parked), cn_is_tail(chain)));
    if (chain->source.is_handover) /* R21 */
        INVARIANT(chain->committed <= chain->source.durable + CN_SYNC_HANDOVER_ENTRIES);
    check_log(core, chain);
}

void cn_core_check(const struct cn_core *core)
{
    if (core->is_dead)
        return;
    uint64_t bytes = 0;
    size_t cursor = 0;
    const struct cn_chain *chain;
    while ((chain = map_next(&core->chains, &cursor, NULL)) != NULL) {
        check_chain(core, chain);
        bytes += chain->bytes;
    }
    INVARIANT(bytes == core->bytes);
    INVARIANT(core->stores_count <= CN_STORES_MAX);
}
