/* Group commit: one batch for everything that waits, at most two under way (design section 8). */
#include "base/bytes.h"
#include "chainnode/core/cn_internal.h"

static uint64_t apply_limit(const struct cn_core *core, const struct cn_chain *chain)
{
    if (chain->role != CN_ROLE_JOINER)
        return chain->committed;
    /* Ranges are compared with rows on disk, so applying and copying take turns. */
    if (chain->target.is_range_in_flight || cn_target_has_range(core, chain))
        return chain->apply_emitted;
    uint64_t limit = cn_target_apply_limit(chain);
    return limit < chain->committed ? limit : chain->committed;
}

bool cn_has_writes(const struct cn_core *core, const struct cn_chain *chain)
{
    if (chain->is_halted)
        return false;
    return chain->is_reset_wanted || chain->is_state_dirty ||
           (chain->role != CN_ROLE_NONE && (chain->written < chain->applied.lsn ||
                                            apply_limit(core, chain) > chain->apply_emitted)) ||
           (chain->role == CN_ROLE_JOINER && cn_target_has_range(core, chain));
}

void cn_chunk_write(const struct cn_entry *entry, struct kv_batch *batch)
{
    const struct wire_forward *f = &entry->f;
    struct cn_key key = cn_key_chunk(f->chain, f->upload_high, f->upload_low, f->chunk_count);
    uint8_t checksum[8];
    bytes_put_u64(checksum, f->checksum);
    kv_batch_put(batch, CN_FAMILY_CHUNKS, cn_key_slice(&key), slice_of(checksum, sizeof checksum),
                 entry->payload);
}

static void write_pending(struct cn_chain *chain, struct kv_batch *batch)
{
    while (chain->written < chain->applied.lsn) {
        const struct cn_entry *entry = cn_entry_at(chain, ++chain->written);
        cn_pending_row_put(batch, entry);
        if (entry->f.kind == WIRE_ENTRY_STAGE && !PLANTED(R12_CHUNK_NOT_DURABLE))
            cn_chunk_write(entry, batch); /* in the same batch: R12 */
    }
}

static void write_state(struct cn_chain *chain, struct kv_batch *batch)
{
    struct cn_state_row row = {
        .committed = chain->settled,
        .digest = chain->settled_digest,
        .session_floor = chain->session_floor,
        .epoch = chain->epoch,
        .is_complete = chain->is_complete,
        .is_syncing = chain->is_syncing,
    };
    if (chain->apply_emitted > chain->settled.lsn) {
        const struct cn_entry *entry = cn_entry_at(chain, chain->apply_emitted);
        row.committed = entry->f.origin;
        row.digest = entry->digest;
    }
    cn_state_row_put(batch, chain->id, &row);
    chain->is_state_dirty = false;
}

static void write_reset(struct cn_chain *chain, struct kv_batch *batch)
{
    struct cn_key from = cn_key_chain(chain->id);
    struct cn_key to = cn_key_chain(chain->id + 1);
    kv_batch_delete_range(batch, CN_FAMILY_PENDING, cn_key_slice(&from), cn_key_slice(&to));
    chain->is_reset_wanted = false;
    chain->is_state_dirty = true;
}

/* Everything that one chain wants on disk. True if its part must be synced before it is reported.
 */
static bool write_chain(struct cn_core *core, struct cn_chain *chain, struct kv_batch *batch,
                        struct cn_store *store)
{
    bool is_sync =
        chain->is_reset_wanted || chain->is_state_dirty || chain->written < chain->applied.lsn;
    if (chain->is_reset_wanted)
        write_reset(chain, batch);
    uint64_t number = 0;
    if (chain->role == CN_ROLE_JOINER && cn_target_has_range(core, chain)) {
        number = cn_target_write(core, chain, batch);
        is_sync = true;
    }
    uint64_t limit = number != 0 ? chain->apply_emitted : apply_limit(core, chain);
    bool is_applying = limit > chain->apply_emitted;
    while (chain->apply_emitted < limit && !core->is_dead)
        cn_apply(core, chain, cn_entry_at(chain, ++chain->apply_emitted), batch);
    /* After what is older: an ABORT deletes the chunks of its upload, not those that a later STAGE
     * has put there again. */
    write_pending(chain, batch);
    if (is_applying || chain->is_state_dirty)
        write_state(chain, batch);
    if (store->count == store->capacity) {
        store->capacity = store->capacity == 0 ? 16 : store->capacity * 2;
        store->chains = mem_realloc(store->chains, store->capacity * sizeof *store->chains);
    }
    store->chains[store->count++] = (struct cn_store_chain){
        .chain = chain,
        .generation = chain->generation,
        .written = chain->written,
        .apply_emitted = chain->apply_emitted,
        .sync_number = number,
    };
    chain->stores_in_flight++;
    return is_sync;
}

static bool is_work_waiting(const struct cn_core *core)
{
    if (cn_purge_is_due(core))
        return true;
    LIST_FOREACH (node, &core->dirty) {
        if (cn_has_writes(core, CONTAINER_OF(node, struct cn_chain, dirty)))
            return true;
    }
    return false;
}

static void emit_batch(struct cn_core *core)
{
    if (core->stores_count == CN_STORES_MAX || !is_work_waiting(core))
        return;
    struct cn_store *store = &core->stores[core->stores_count];
    store->token = ++core->next_token;
    store->count = 0;
    struct kv_batch *batch = kv_batch_new();
    bool is_sync = false;
    LIST_FOREACH (node, &core->dirty) {
        struct cn_chain *chain = CONTAINER_OF(node, struct cn_chain, dirty);
        if (cn_has_writes(core, chain) && write_chain(core, chain, batch, store))
            is_sync = true;
    }
    cn_purge_write(core, batch);
    if (core->is_dead) { /* a read failed half-way: nothing of this may be written */
        kv_batch_free(batch);
        return;
    }
    core->stores_count++;
    struct cn_effect *effect = cn_effect_add(core, CN_EFFECT_STORE);
    effect->token = store->token;
    effect->batch = batch;
    effect->sync = is_sync;
}

void cn_flush(struct cn_core *core)
{
    LIST_FOREACH_SAFE (node, &core->dirty) {
        cn_progress(core, CONTAINER_OF(node, struct cn_chain, dirty));
    }
    emit_batch(core);
    LIST_FOREACH_SAFE (node, &core->dirty) {
        struct cn_chain *chain = CONTAINER_OF(node, struct cn_chain, dirty);
        cn_positions_send(core, chain);
        if (!cn_has_writes(core, chain))
            list_remove(&chain->dirty);
    }
    cn_lists_retry(core);
}

static void settle(struct cn_core *core, struct cn_chain *chain, uint64_t lsn)
{
    if (lsn <= chain->settled.lsn)
        return;
    const struct cn_entry *entry = cn_entry_at(chain, lsn);
    INVARIANT(entry != NULL);
    chain->settled = entry->f.origin;
    chain->settled_digest = entry->digest;
    cn_entries_trim(core, chain);
}

static void chain_stored(struct cn_core *core, const struct cn_store_chain *stored)
{
    struct cn_chain *chain = stored->chain;
    INVARIANT(chain->stores_in_flight > 0);
    chain->stores_in_flight--;
    /* R3: what was written before a reset says nothing. */
    if (stored->generation == chain->generation || PLANTED(R3_STORED_BEFORE_RESET)) {
        /* Only what was in this batch and those before it (checklist 41). */
        uint64_t durable = PLANTED(C41_WRITTEN_IS_DURABLE) ? chain->written : stored->written;
        if (durable > chain->durable)
            chain->durable = durable;
        settle(core, chain, stored->apply_emitted);
        if (stored->sync_number != 0)
            cn_target_range_stored(core, chain, stored->sync_number);
    }
    if (chain->stores_in_flight == 0)
        cn_chain_stored(core, chain);
    cn_chain_touch(core, chain);
}

void cn_recv_stored(struct cn_core *core, const struct cn_event *event)
{
    /* A member that cannot store is a member that failed: later batches build on this one, and the
     * reserve (SPACE) refuses puts long before. Its chains go on without it. */
    if (event->err != ERR_OK) {
        cn_halt(core, event->err == ERR_NO_SPACE ? ERR_NO_SPACE : ERR_DISK_LOST,
                event->err == ERR_NO_SPACE
                    ? "the disk is full in spite of its reserve: free space and start again"
                    : "writing the disk failed: it is not used again");
        return;
    }
    PRE(core->stores_count > 0 && core->stores[0].token == event->token);
    struct cn_store store = core->stores[0];
    core->stores_count--;
    for (uint32_t i = 0; i < core->stores_count; i++)
        core->stores[i] = core->stores[i + 1];
    core->stores[core->stores_count] = (struct cn_store){0};
    for (uint32_t i = 0; i < store.count; i++)
        chain_stored(core, &store.chains[i]);
    mem_free(store.chains);
}
