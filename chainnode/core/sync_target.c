/* The joiner's side of a join (R21, R24, R25).
 *
 * Live entries are applied only up to `as_of` of the newest range received, so a range is never
 * older than what was applied before it and simply replaces what is there: nothing deleted comes
 * back, and no tombstones are needed. An entry older than a copied row leaves that row alone. */
#include "chainnode/core/cn_internal.h"

void cn_target_end(struct cn_core *core, struct cn_chain *chain)
{
    (void)core;
    for (unsigned i = 0; i < CN_SYNC_WINDOW; i++)
        cn_sync_message_release(&chain->target.queue[i]);
    chain->target = (struct cn_target){0};
}

/* Told by an active row that it is to join, and only then, it drops what is undecided (R24): the
 * pending rows go in one batch with the flag that this disk is half-copied. Chunks of dropped
 * entries are overwritten by the copy. */
void cn_target_begin(struct cn_core *core, struct cn_chain *chain)
{
    cn_target_end(core, chain);
    chain->target.state = CN_TARGET_SETTLING;
    chain->is_on_disk = true;
    chain->is_complete = PLANTED(R33_HALF_COPY_COUNTS);
    chain->is_syncing = !PLANTED(R33_HALF_COPY_COUNTS);
    chain->is_reset_wanted = !PLANTED(R24_NOT_DROPPED);
    cn_chain_touch(core, chain);
}

static void send_sync_ack(struct cn_core *core, struct cn_chain *chain)
{
    const struct wire_member *tail = cn_predecessor_of(core, chain);
    if (tail == NULL)
        return;
    struct wire_sync_ack *ack = &cn_send_node(core, tail->node, WIRE_SYNC_ACK)->u.sync_ack;
    ack->chain = chain->id;
    ack->epoch = chain->epoch;
    ack->source_incarnation = tail->incarnation;
    ack->target_incarnation = core->options.incarnation;
    ack->sync = chain->target.sync;
    ack->number = chain->target.durable;
}

/* Everything of before is on disk, the reset included: ranges may be compared with rows. */
void cn_target_ready(struct cn_core *core, struct cn_chain *chain)
{
    if (chain->is_reset_wanted)
        return;
    chain->target.state = CN_TARGET_READY;
    chain->target.ack_due = true;
    cn_chain_touch(core, chain);
}

void cn_target_idle(struct cn_core *core, struct cn_chain *chain)
{
    if (chain->target.state >= CN_TARGET_READY)
        chain->target.ack_due = true;
    cn_chain_touch(core, chain);
}

void cn_target_send(struct cn_core *core, struct cn_chain *chain)
{
    if (chain->target.state < CN_TARGET_READY || !chain->target.ack_due)
        return;
    chain->target.ack_due = false;
    send_sync_ack(core, chain);
}

static bool is_from_source(const struct cn_core *core, const struct cn_chain *chain,
                           const struct cn_event *event, uint64_t source, uint64_t target)
{
    return chain != NULL && chain->role == CN_ROLE_JOINER &&
           cn_event_is_from(event, cn_predecessor_of(core, chain)) &&
           source == event->incarnation && target == core->options.incarnation;
}

void cn_recv_sync_begin(struct cn_core *core, const struct cn_event *event)
{
    const struct wire_sync_begin *begin = &event->message->u.sync_begin;
    struct cn_chain *chain = cn_match_epoch(core, event, begin->chain, begin->epoch);
    if (!is_from_source(core, chain, event, begin->source_incarnation, begin->target_incarnation) ||
        begin->sync == 0 || begin->base.lsn > CN_LSN_MAX)
        return;
    struct cn_target *target = &chain->target;
    chain->predecessor.heard_us = core->now_us;
    if (target->state == CN_TARGET_SETTLING || begin->sync < target->sync)
        return;
    if (target->state != CN_TARGET_READY) {
        if (begin->sync == target->sync) {
            target->ack_due = true;
            cn_chain_touch(core, chain);
            return;
        }
        cn_entries_drop(core, chain); /* the source starts again: so do we */
        cn_target_begin(core, chain);
        return;
    }
    cn_entries_reset(core, chain, begin->base, begin->digest);
    chain->session_floor = PLANTED(R11_FLOOR_NOT_COPIED) ? 0 : begin->session_floor;
    chain->is_state_dirty = true;
    target->state = CN_TARGET_COPYING;
    target->sync = begin->sync;
    target->as_of = begin->base.lsn;
    target->ack_due = true;
    cn_chain_changed(chain);
    cn_chain_touch(core, chain);
    TRACE(&core->options.trace, "chain %u epoch %llu: copy %llu begins at %llu.%llu", chain->id,
          (unsigned long long)chain->epoch, (unsigned long long)begin->sync,
          (unsigned long long)begin->base.epoch, (unsigned long long)begin->base.lsn);
}

static void keep_range(struct cn_sync_message *slot, const struct wire_message *message)
{
    const struct wire_sync_items *items = &message->u.sync_items;
    slot->items = *items;
    slot->bounds = mem_alloc(items->from.length + items->to.length);
    memcpy(slot->bounds, items->from.data, items->from.length);
    memcpy(slot->bounds + items->from.length, items->to.data, items->to.length);
    slot->items.from = slice_of(slot->bounds, items->from.length);
    slot->items.to = slice_of(slot->bounds + items->from.length, items->to.length);
    slot->payload = message->payload != NULL ? buf_ref(message->payload) : buf_new(0);
}

void cn_recv_sync_items(struct cn_core *core, const struct cn_event *event)
{
    const struct wire_sync_items *items = &event->message->u.sync_items;
    struct cn_chain *chain = cn_match_epoch(core, event, items->chain, items->epoch);
    if (!is_from_source(core, chain, event, items->source_incarnation, items->target_incarnation))
        return;
    struct cn_target *target = &chain->target;
    chain->predecessor.heard_us = core->now_us;
    if (target->state != CN_TARGET_COPYING && target->state != CN_TARGET_DONE)
        return;
    if (items->sync != target->sync)
        return;
    cn_chain_touch(core, chain);
    if (items->number <= target->durable) {
        target->ack_due = true; /* our ack was lost */
        return;
    }
    if (items->number <= target->received || items->number > target->received + CN_SYNC_WINDOW ||
        target->is_last_received)
        return;
    unsigned slot = (unsigned)(items->number % CN_SYNC_WINDOW);
    if (target->is_queued[slot])
        return;
    if (!cn_sync_is_valid(items, buf_slice(event->message->payload))) {
        core->dropped++;
        return;
    }
    keep_range(&target->queue[slot], event->message);
    target->is_queued[slot] = true;
}

/* With the reserve of space reached, ranges stay where they are: the source's window ends, and goes
 * on by itself when there is space again. */
bool cn_target_has_range(const struct cn_core *core, const struct cn_chain *chain)
{
    const struct cn_target *target = &chain->target;
    unsigned slot = (unsigned)((target->received + 1) % CN_SYNC_WINDOW);
    return target->state == CN_TARGET_COPYING && target->is_queued[slot] && !core->is_full &&
           !target->is_range_in_flight && chain->apply_emitted == chain->settled.lsn;
}

uint64_t cn_target_apply_limit(const struct cn_chain *chain)
{
    bool is_free = chain->target.state == CN_TARGET_DONE || PLANTED(R25_APPLIED_AHEAD);
    return is_free ? UINT64_MAX : chain->target.as_of;
}

/* A chunk that came live after the range was read is not in it, and stays. */
static bool is_live_chunk(const struct cn_core *core, const struct cn_chain *chain, unsigned family,
                          struct slice key)
{
    if (family != CN_FAMILY_CHUNKS || key.length != CN_CHUNK_KEY_BYTES)
        return false;
    for (uint64_t lsn = chain->settled.lsn + 1; lsn <= chain->applied.lsn; lsn++) {
        const struct wire_forward *f = &cn_entry_at(chain, lsn)->f;
        uint8_t live[CN_CHUNK_KEY_BYTES];
        if (f->kind != WIRE_ENTRY_STAGE)
            continue;
        cn_chunk_key(f->chain, f->upload_high, f->upload_low, f->chunk_count, live);
        if (memcmp(live, key.data, sizeof live) == 0)
            return true;
    }
    (void)core;
    return false;
}

struct writer {
    struct cn_core *core;
    struct cn_chain *chain;
    struct kv_batch *batch;
    const struct cn_sync_message *range;
    struct kv_iterator *local;
    bool has_local;
    bool is_damaged; /* the row here cannot be read: it differs from whatever the source has */
    struct slice local_key;
    struct slice local_value;
};

static void next_local(struct writer *writer)
{
    const struct kv *kv = &writer->core->kv;
    writer->has_local =
        kv->ops->iterator_next(writer->local, &writer->local_key, &writer->local_value);
    writer->is_damaged =
        !writer->has_local && kv_iterator_pass_damaged(kv, writer->local, &writer->local_key);
    if (!writer->is_damaged)
        return;
    writer->has_local = true;
    cn_sync_damage(writer->core, writer->chain, writer->range->items.family, writer->local_key,
                   "the copy replaces it; if this happens again, replace the disk");
}

/* Rows here below `key` (all, when NULL) are not at the source. */
static void drop_below(struct writer *writer, const struct slice *key)
{
    unsigned family = writer->range->items.family;
    while (writer->has_local && (key == NULL || slice_compare(writer->local_key, *key) < 0)) {
        if (!is_live_chunk(writer->core, writer->chain, family, writer->local_key) &&
            !PLANTED(R26_NOT_DELETED))
            kv_batch_delete(writer->batch, family, writer->local_key);
        next_local(writer);
    }
}

static void put_row(struct writer *writer, struct slice key, struct slice value)
{
    unsigned family = writer->range->items.family;
    struct buf *payload = writer->range->payload;
    struct buf *view = buf_view(payload, (size_t)(value.data - payload->data), value.length);
    kv_batch_put(writer->batch, family, key, slice_of(NULL, 0), view);
    buf_unref(view);
}

static void write_rows(struct writer *writer)
{
    struct cn_sync_cursor cursor = {.rest = buf_slice(writer->range->payload)};
    struct slice key;
    struct slice value;
    next_local(writer);
    while (cn_sync_next(&cursor, &key, &value)) {
        drop_below(writer, &key);
        bool is_here = writer->has_local && slice_equal(writer->local_key, key);
        if (!is_here || writer->is_damaged ||
            (!slice_equal(writer->local_value, value) && !PLANTED(R26_OWN_ROW_KEPT)))
            put_row(writer, key, value);
        if (is_here)
            next_local(writer);
    }
    drop_below(writer, NULL);
}

static void note_purges(struct cn_core *core, const struct cn_sync_message *range)
{
    struct cn_sync_cursor cursor = {.rest = buf_slice(range->payload)};
    struct slice key;
    struct slice value;
    while (cn_sync_next(&cursor, &key, &value)) {
        uint64_t high;
        uint64_t low;
        uint64_t lsn;
        if (cn_purge_key(key, &high, &low) && cn_purge_row_decode(value, &lsn))
            cn_purge_add(core, range->items.chain, high, low, lsn);
    }
}

uint64_t cn_target_write(struct cn_core *core, struct cn_chain *chain, struct kv_batch *batch)
{
    PRE(cn_target_has_range(core, chain));
    struct cn_target *target = &chain->target;
    uint64_t number = ++target->received;
    unsigned slot = (unsigned)(number % CN_SYNC_WINDOW);
    struct cn_sync_message *range = &target->queue[slot];
    struct writer writer = {.core = core, .chain = chain, .batch = batch, .range = range};
    writer.local = kv_iterate(&core->kv, range->items.family, range->items.from, range->items.to);
    write_rows(&writer);
    enum err err = core->kv.ops->iterator_err(writer.local);
    core->kv.ops->iterator_free(writer.local);
    if (err != ERR_OK)
        cn_disk_failed(core, err);
    if (range->items.family == CN_FAMILY_SESSIONS)
        cn_sessions_clear(chain); /* the rows say more than what was applied here */
    if (range->items.family == CN_FAMILY_PURGE)
        note_purges(core, range);
    if (range->items.as_of.lsn > target->as_of)
        target->as_of = range->items.as_of.lsn;
    if (range->items.last) {
        /* In the batch of the last rows: this disk holds the chain complete from here on. */
        target->is_last_received = true;
        chain->is_complete = true;
        chain->is_syncing = false;
        chain->is_state_dirty = true;
    }
    target->is_range_in_flight = true;
    target->is_queued[slot] = false;
    cn_sync_message_release(range);
    return number;
}

void cn_target_range_stored(struct cn_core *core, struct cn_chain *chain, uint64_t number)
{
    struct cn_target *target = &chain->target;
    target->durable = number;
    target->is_range_in_flight = false;
    target->ack_due = true;
    if (target->is_last_received && target->durable == target->received) {
        target->state = CN_TARGET_DONE;
        cn_chain_changed(chain);
        TRACE(&core->options.trace, "chain %u epoch %llu: copy %llu complete", chain->id,
              (unsigned long long)chain->epoch, (unsigned long long)target->sync);
    }
}

void cn_target_mark(struct cn_core *core, struct cn_chain *chain, const struct wire_mark *mark)
{
    struct cn_target *target = &chain->target;
    if (target->state != CN_TARGET_COPYING && target->state != CN_TARGET_DONE)
        return;
    if (mark->stable > target->told_committed)
        target->told_committed = mark->stable;
    else
        chain->ack_due = true;
    if (mark->applied.lsn > chain->applied.lsn)
        cn_ask_resend(core, chain);
    cn_chain_touch(core, chain);
}

/* The tail may have committed what is not durable here yet (phase 1). */
void cn_target_progress(struct cn_core *core, struct cn_chain *chain)
{
    uint64_t limit = chain->target.told_committed;
    if (chain->durable < limit)
        limit = chain->durable;
    if (limit > chain->committed)
        cn_commit_to(core, chain, limit);
}
