/* Commit at the tail, what every member does when it learns of it, and the batch that applies. */
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
    uint8_t image[8 * 7];
    bytes_put_u64(image, f->origin.epoch);
    bytes_put_u64(image + 8, f->origin.lsn);
    bytes_put_u64(image + 16, ((uint64_t)f->kind << 32) | f->outcome);
    bytes_put_u64(image + 24, f->bucket);
    bytes_put_u64(image + 32, hash_bytes(f->key, 0));
    bytes_put_u64(image + 40, f->checksum);
    bytes_put_u64(image + 48, f->size);
    return hash_bytes(slice_of(image, sizeof image), before);
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

/* ---- apply ---- */

static void purge_upload(struct cn_core *core, const struct cn_entry *entry,
                         const struct cn_object_state *before, struct kv_batch *batch)
{
    const struct wire_forward *f = &entry->f;
    bool has_upload = (before->upload_high | before->upload_low) != 0;
    bool is_same = f->kind == WIRE_ENTRY_PUT && before->upload_high == f->upload_high &&
                   before->upload_low == f->upload_low;
    if (!before->exists || !has_upload || is_same)
        return;
    cn_purge_row_put(batch, f->chain, before->upload_high, before->upload_low, f->origin.lsn);
    cn_purge_add(core, f->chain, before->upload_high, before->upload_low);
}

/* A joiner's copy has a newer version than the one that this entry publishes, and was read when the
 * source had collected the chunks of this one: those that came here live belong to nobody. */
static void purge_skipped(struct cn_core *core, const struct cn_entry *entry,
                          const struct cn_object_state *newer, struct kv_batch *batch)
{
    const struct wire_forward *f = &entry->f;
    bool has_upload = f->kind == WIRE_ENTRY_PUT && (f->upload_high | f->upload_low) != 0;
    if (!has_upload || (newer->upload_high == f->upload_high && newer->upload_low == f->upload_low))
        return;
    cn_purge_row_put(batch, f->chain, f->upload_high, f->upload_low, f->origin.lsn);
    cn_purge_add(core, f->chain, f->upload_high, f->upload_low);
}

/* PUT and DELETE. A row that is newer than the entry was copied to a joiner: it stays (R25). */
static void apply_object(struct cn_core *core, struct cn_chain *chain, const struct cn_entry *entry,
                         struct kv_batch *batch)
{
    const struct wire_forward *f = &entry->f;
    struct cn_key upload = cn_key_upload(chain->id, f->upload_high, f->upload_low);
    if (f->kind == WIRE_ENTRY_PUT && (f->upload_high | f->upload_low) != 0)
        kv_batch_delete(batch, CN_FAMILY_UPLOADS, cn_key_slice(&upload));
    struct cn_object_state before;
    enum err err = cn_object_state(core, chain, f->bucket, f->key, f->origin.lsn - 1, &before);
    if (err != ERR_OK) {
        cn_disk_failed(core, err);
        return;
    }
    if (before.exists && origin_compare(before.version, f->origin) >= 0 &&
        !PLANTED(R25_OLDER_WINS)) {
        purge_skipped(core, entry, &before, batch);
        return;
    }
    if (f->kind == WIRE_ENTRY_PUT) {
        cn_object_row_put(batch, entry);
    } else {
        struct cn_key key = cn_key_object(chain->id, f->bucket, f->key);
        kv_batch_delete(batch, CN_FAMILY_OBJECTS, cn_key_slice(&key));
    }
    purge_upload(core, entry, &before, batch);
}

static void apply_stage(struct cn_core *core, const struct cn_entry *entry, struct kv_batch *batch)
{
    const struct wire_forward *f = &entry->f;
    struct cn_key key = cn_key_upload(f->chain, f->upload_high, f->upload_low);
    struct buf *value = NULL;
    struct cn_upload_row row = {0};
    enum err err = kv_get(&core->kv, CN_FAMILY_UPLOADS, cn_key_slice(&key), &value);
    if (err == ERR_OK && value != NULL && !cn_upload_row_decode(buf_slice(value), &row))
        err = ERR_CORRUPT;
    if (err != ERR_OK)
        cn_disk_failed(core, err);
    else if (row.lsn <= f->origin.lsn)
        cn_upload_row_put(batch, entry);
    buf_unref(value);
}

static void apply_abort(const struct cn_entry *entry, struct kv_batch *batch)
{
    const struct wire_forward *f = &entry->f;
    struct cn_key key = cn_key_upload(f->chain, f->upload_high, f->upload_low);
    struct cn_key end = cn_key_chunk(f->chain, f->upload_high, f->upload_low, UINT32_MAX);
    kv_batch_delete(batch, CN_FAMILY_UPLOADS, cn_key_slice(&key));
    kv_batch_delete_range(batch, CN_FAMILY_CHUNKS, cn_key_slice(&key), cn_key_slice(&end));
}

/* One entry moves from the pending rows to the state (D1). The batch is atomic, so object, session
 * outcome and pending row never disagree. */
void cn_apply(struct cn_core *core, struct cn_chain *chain, struct cn_entry *entry,
              struct kv_batch *batch)
{
    switch ((enum wire_entry_kind)entry->f.kind) {
    case WIRE_ENTRY_PUT:
    case WIRE_ENTRY_DELETE:
        if (PLANTED(R25_DELETE_NOT_JOINED) && chain->role == CN_ROLE_JOINER &&
            entry->f.kind == WIRE_ENTRY_DELETE)
            break;
        apply_object(core, chain, entry, batch);
        break;
    case WIRE_ENTRY_STAGE:
        if (PLANTED(R12_CHUNK_NOT_DURABLE) && entry->payload != NULL)
            cn_chunk_write(entry, batch);
        apply_stage(core, entry, batch);
        break;
    case WIRE_ENTRY_ABORT:
        apply_abort(entry, batch);
        break;
    case WIRE_ENTRY_EXPIRE_SESSION:
    case WIRE_ENTRY_NOTE:
        break;
    }
    cn_session_apply(core, chain, entry, batch);
    struct cn_key key = cn_key_pending(chain->id, entry->f.origin.lsn);
    kv_batch_single_delete(batch, CN_FAMILY_PENDING, cn_key_slice(&key));
}
