/* Commit at the tail, and what every member does when it learns of it. */
#include "base/bytes.h"
#include "base/hash.h"
#include "chainnode/core/cn_internal.h"

void cn_updated(struct cn_core *core, const struct cn_chain *chain, uint64_t conn, uint64_t request,
                uint32_t outcome, struct origin version, struct origin current)
{
    struct wire_updated *updated = &cn_reply(core, conn, WIRE_UPDATED)->u.updated;
    updated->request = request;
    updated->chain = chain->id;
    updated->epoch = chain->epoch;
    updated->outcome = outcome;
    updated->version = version;
    updated->current = current;
    updated->replicas_durable = chain->row.members_count;
}

/* The digest of a committed history: the same on every member that committed the same (R34). */
static uint64_t digest_after(uint64_t before, const struct wire_forward *f)
{
    uint8_t image[8 * 10];
    size_t length = 8 * 7;
    bytes_put_u64(image, f->origin.epoch);
    bytes_put_u64(image + 8, f->origin.lsn);
    bytes_put_u64(image + 16, ((uint64_t)f->kind << 32) | f->outcome);
    bytes_put_u64(image + 24, f->bucket);
    bytes_put_u64(image + 32, hash_bytes(f->key, 0));
    bytes_put_u64(image + 40, f->checksum);
    bytes_put_u64(image + 48, f->size);
    if ((f->multi_high | f->multi_low) != 0) {
        bytes_put_u64(image + 56, f->multi_high);
        bytes_put_u64(image + 64, f->multi_low);
        bytes_put_u64(image + 72, f->part);
        length = sizeof image;
    }
    return hash_bytes(slice_of(image, length), before);
}

uint64_t cn_digest_at(const struct cn_chain *chain, uint64_t lsn)
{
    PRE(lsn <= chain->durable);
    if (lsn == chain->settled.lsn)
        return chain->settled_digest;
    if (lsn <= chain->committed) {
        const struct cn_entry *entry = cn_entry_at(chain, lsn);
        return entry != NULL ? entry->digest : (lsn == chain->committed ? chain->digest : 0);
    }
    uint64_t digest = chain->digest;
    for (uint64_t at = chain->committed + 1; at <= lsn; at++)
        digest = digest_after(digest, &cn_entry_at(chain, at)->f);
    return digest;
}

static void answer_waiters(struct cn_core *core, struct cn_chain *chain, struct cn_entry *entry)
{
    struct origin none = {0};
    const struct wire_forward *f = &entry->f;
    while (entry->waiters != NULL) {
        struct cn_waiter *waiter = entry->waiters;
        entry->waiters = waiter->next;
        cn_updated(core, chain, waiter->conn, waiter->request, f->outcome,
                   f->outcome == ERR_OK ? f->origin : none, f->current);
        mem_free(waiter);
    }
}

void cn_commit_to(struct cn_core *core, struct cn_chain *chain, uint64_t lsn)
{
    PRE(lsn <= chain->applied.lsn && lsn <= chain->durable);
    if (lsn <= chain->committed)
        return;
    bool was_inherited = chain->committed < chain->inherited;
    while (chain->committed < lsn) {
        struct cn_entry *entry = cn_entry_at(chain, chain->committed + 1);
        INVARIANT(entry != NULL);
        chain->digest = digest_after(chain->digest, &entry->f);
        entry->digest = chain->digest;
        chain->uncommitted_bytes -= entry->bytes;
        chain->committed++;
        answer_waiters(core, chain, entry);
    }
    if (was_inherited && chain->committed >= chain->inherited && chain->role != CN_ROLE_JOINER)
        TRACE(&core->options.trace, "chain %u epoch %llu: all inherited decided, committed %llu",
              chain->id, (unsigned long long)chain->epoch, (unsigned long long)chain->committed);
    if (chain->row.frozen && cn_is_head(chain) && chain->committed == chain->applied.lsn)
        core->is_beat_wanted = true; /* drained (R36) */
    cn_chain_changed(chain);
    cn_chain_touch(core, chain);
}

void cn_waiters_refuse(struct cn_core *core, struct cn_chain *chain)
{
    for (uint64_t lsn = chain->trimmed.lsn + 1; lsn <= chain->applied.lsn; lsn++) {
        struct cn_entry *entry = cn_entry_at(chain, lsn);
        while (entry != NULL && entry->waiters != NULL) {
            struct cn_waiter *waiter = entry->waiters;
            entry->waiters = waiter->next;
            /* The update may commit yet: the client asks the new head with the same (session, seq)
             * and gets its own outcome (R11). */
            cn_refuse(core, waiter->conn, waiter->request, ERR_WRONG_EPOCH, chain, NULL);
            mem_free(waiter);
        }
    }
}

/* What a FLUSH finds possible after the events of a batch. */
void cn_progress(struct cn_core *core, struct cn_chain *chain)
{
    if (chain->is_halted || chain->role == CN_ROLE_NONE)
        return;
    if (chain->role == CN_ROLE_JOINER)
        cn_target_progress(core, chain);
    if (cn_is_tail(chain)) {
        uint64_t limit = cn_stable(chain);
        /* R21: from handover on, nothing commits that the joiner could lose. */
        if (chain->source.is_handover && chain->source.durable < limit &&
            !PLANTED(R21_JOINER_NOT_WAITED_FOR))
            limit = chain->source.durable;
        cn_commit_to(core, chain, limit);
        cn_source_progress(core, chain);
    }
    cn_reads_retry(core, chain);
}
