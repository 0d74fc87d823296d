/* The tail's side of a join (R21-R23): announce, copy in ranges, live entries, handover, SYNCED. */
#include "chainnode/core/cn_internal.h"

void cn_source_end(struct cn_chain *chain)
{
    for (unsigned i = 0; i < CN_SYNC_WINDOW; i++)
        cn_sync_message_release(&chain->source.window[i]);
    chain->source = (struct cn_source){0};
}

static void send_begin(struct cn_core *core, struct cn_chain *chain)
{
    const struct cn_source *source = &chain->source;
    struct wire_sync_begin *begin =
        &cn_send_node(core, chain->row.joiner.node, WIRE_SYNC_BEGIN)->u.sync_begin;
    begin->chain = chain->id;
    begin->epoch = chain->epoch;
    begin->source_incarnation = core->options.incarnation;
    begin->target_incarnation = chain->row.joiner.incarnation;
    begin->sync = source->sync;
    begin->base = source->base;
    begin->digest = source->base_digest;
    begin->session_floor = source->session_floor;
}

static void set_cursor(struct cn_source *source, struct slice key)
{
    memcpy(source->cursor, key.data, key.length);
    source->cursor_length = key.length;
}

/* The base is what is surely in the rows (settled); all that follows is sent live. */
static void begin_copy(struct cn_core *core, struct cn_chain *chain)
{
    struct cn_source *source = &chain->source;
    bool is_full = source->is_full;
    if (source->is_damaged)
        cn_chain_changed(chain);
    cn_source_end(chain);
    source->is_full = is_full; /* the joiner says otherwise if it has space now */
    source->is_begun = true;
    source->sync = ++core->sync_counter;
    source->base = chain->settled;
    source->base_digest = chain->settled_digest;
    source->session_floor = chain->session_floor;
    source->next_number = 1;
    source->sent = source->base.lsn;
    source->acked = source->base;
    source->durable = source->base.lsn;
    source->progress_us = core->now_us;
    source->range_us = core->now_us;
    struct cn_key first = cn_key_chain(chain->id);
    set_cursor(source, cn_key_slice(&first));
    TRACE(&core->options.trace, "chain %u epoch %llu: copy %llu to node %u begins at %llu.%llu",
          chain->id, (unsigned long long)chain->epoch, (unsigned long long)source->sync,
          chain->row.joiner.node, (unsigned long long)source->base.epoch,
          (unsigned long long)source->base.lsn);
    send_begin(core, chain);
}

static void send_items(struct cn_core *core, const struct cn_chain *chain,
                       const struct cn_sync_message *range)
{
    struct wire_message *message = cn_send_node(core, chain->row.joiner.node, WIRE_SYNC_ITEMS);
    message->u.sync_items = range->items;
    /* The window slot may be reused before the effect is encoded. */
    uint8_t *bounds = cn_arena_alloc(core, range->items.from.length + range->items.to.length);
    memcpy(bounds, range->items.from.data, range->items.from.length);
    memcpy(bounds + range->items.from.length, range->items.to.data, range->items.to.length);
    message->u.sync_items.from = slice_of(bounds, range->items.from.length);
    message->u.sync_items.to = slice_of(bounds + range->items.from.length, range->items.to.length);
    message->payload = buf_ref(range->payload);
}

static void fill_range(struct cn_core *core, const struct cn_chain *chain,
                       struct cn_sync_message *range, struct slice to, bool is_last)
{
    const struct cn_source *source = &chain->source;
    range->bounds = mem_alloc(source->cursor_length + to.length);
    memcpy(range->bounds, source->cursor, source->cursor_length);
    memcpy(range->bounds + source->cursor_length, to.data, to.length);
    range->items = (struct wire_sync_items){
        .chain = chain->id,
        .epoch = chain->epoch,
        .source_incarnation = core->options.incarnation,
        .target_incarnation = chain->row.joiner.incarnation,
        .sync = source->sync,
        .number = source->next_number,
        .family = (uint8_t)cn_sync_family(source->step),
        .from = slice_of(range->bounds, source->cursor_length),
        .to = slice_of(range->bounds + source->cursor_length, to.length),
        .as_of = chain->settled,
        .last = is_last,
    };
}

/* A copy that lacks a row must never count as complete, and the joiner may hold the very row: the
 * copy ends before it, and nothing is kept for the joiner. The chain goes on without it; others are
 * copied. */
static void end_at_damage(struct cn_core *core, struct cn_chain *chain, const struct cn_key *key)
{
    struct cn_source *source = &chain->source;
    unsigned step = source->step;
    cn_source_end(chain);
    source->is_damaged = true;
    cn_chain_changed(chain);
    source->step = step;
    set_cursor(source, cn_key_slice(key));
    cn_entries_trim(core, chain);
    cn_sync_damage(core, chain, cn_sync_family(step), cn_key_slice(key),
                   "the copy to the joiner waits. If the chain has other members, stop this "
                   "node until they have copied, then start it again; else delete or replace "
                   "the object whose reading fails");
}

/* Deleted, replaced, or readable after all: the copy begins again. */
static void look_at_damage(struct cn_core *core, struct cn_chain *chain)
{
    const struct cn_source *source = &chain->source;
    struct buf *value = NULL;
    enum err err = kv_get(&core->kv, cn_sync_family(source->step),
                          slice_of(source->cursor, source->cursor_length), &value);
    buf_unref(value);
    if (err == ERR_OK)
        begin_copy(core, chain);
    else if (err != ERR_CORRUPT)
        cn_disk_failed(core, err);
}

/* Reads and sends one more range. */
static bool send_next(struct cn_core *core, struct cn_chain *chain)
{
    struct cn_source *source = &chain->source;
    struct cn_key end = cn_key_chain(chain->id + 1);
    struct cn_key next;
    struct buf *rows;
    enum err err = cn_sync_pack(core, cn_sync_family(source->step),
                                slice_of(source->cursor, source->cursor_length), cn_key_slice(&end),
                                &rows, &next);
    if (err == ERR_CORRUPT && next.length > 0) {
        end_at_damage(core, chain, &next);
        return false;
    }
    if (err != ERR_OK) {
        cn_disk_failed(core, err);
        return false;
    }
    bool is_family_done = next.length == 0;
    bool is_last = is_family_done && cn_sync_family(source->step + 1) == CN_FAMILY_COUNT;
    struct cn_sync_message *range = &source->window[source->next_number % CN_SYNC_WINDOW];
    cn_sync_message_release(range);
    fill_range(core, chain, range, is_family_done ? cn_key_slice(&end) : cn_key_slice(&next),
               is_last);
    range->payload = rows;
    send_items(core, chain, range);
    source->next_number++;
    if (is_family_done) {
        struct cn_key first = cn_key_chain(chain->id);
        set_cursor(source, cn_key_slice(&first));
        source->step++;
    } else {
        set_cursor(source, cn_key_slice(&next));
    }
    source->is_all_sent = is_last;
    return true;
}

bool cn_source_is_waiting(const struct cn_chain *chain)
{
    return chain->source.is_full && !chain->source.is_handover;
}

void cn_source_pump(struct cn_core *core, struct cn_chain *chain)
{
    struct cn_source *source = &chain->source;
    while (source->is_accepted && !source->is_all_sent && !core->is_dead && !source->is_full &&
           source->next_number - 1 - source->acked_number < CN_SYNC_WINDOW)
        if (!send_next(core, chain))
            return;
}

static bool is_lagging_too_far(const struct cn_chain *chain)
{
    const struct cn_source *source = &chain->source;
    return !source->is_handover &&
           (chain->settled.lsn > source->durable + CN_SYNC_RETAIN_ENTRIES ||
            (chain->settled.lsn > source->durable &&
             chain->bytes > chain->uncommitted_bytes + CN_SYNC_RETAIN_BYTES));
}

void cn_source_progress(struct cn_core *core, struct cn_chain *chain)
{
    struct cn_source *source = &chain->source;
    if (!source->is_begun)
        return;
    if (is_lagging_too_far(chain)) {
        TRACE(&core->options.trace, "chain %u epoch %llu: the joiner lags, its copy starts again",
              chain->id, (unsigned long long)chain->epoch);
        begin_copy(core, chain);
        cn_entries_trim(core, chain);
        return;
    }
    if (source->is_bulk_durable && !source->is_handover && !source->is_full &&
        chain->committed <= source->durable + CN_SYNC_HANDOVER_ENTRIES) {
        source->is_handover = true;
        TRACE(&core->options.trace,
              "chain %u epoch %llu: handover, committed %llu, joiner durable %llu", chain->id,
              (unsigned long long)chain->epoch, (unsigned long long)chain->committed,
              (unsigned long long)source->durable);
    }
    /* R22: and from then on only a newer epoch ends phase 2 (R23). */
    if (source->is_handover && !source->is_synced && source->durable >= chain->committed &&
        (source->durable >= chain->inherited || PLANTED(R22_SYNCED_TOO_EARLY))) {
        source->is_synced = true;
        cn_chain_changed(chain);
        core->is_beat_wanted = true;
        TRACE(&core->options.trace, "chain %u epoch %llu: joiner synced, durable %llu", chain->id,
              (unsigned long long)chain->epoch, (unsigned long long)source->durable);
    }
    cn_source_pump(core, chain);
}

/* Positions of the joiner, of this very copy. */
void cn_source_ack(struct cn_core *core, struct cn_chain *chain, const struct wire_ack *ack)
{
    struct cn_source *source = &chain->source;
    if (!source->is_accepted || ack->sync != source->sync || ack->applied.lsn < source->acked.lsn)
        return;
    const struct cn_entry *entry = cn_entry_at(chain, ack->applied.lsn);
    bool is_ours = entry != NULL ? origin_compare(entry->f.origin, ack->applied) == 0
                                 : origin_compare(ack->applied, chain->trimmed) == 0 ||
                                       origin_compare(ack->applied, source->acked) == 0;
    if (ack->applied.lsn > chain->applied.lsn || ack->durable > ack->applied.lsn || !is_ours) {
        cn_chain_halt(core, chain, "the joiner's history differs");
        return;
    }
    if (ack->applied.lsn > source->acked.lsn || ack->durable > source->durable)
        source->progress_us = core->now_us;
    source->acked = ack->applied;
    if (ack->full != source->is_full)
        TRACE(&core->options.trace, "chain %u epoch %llu: the joiner %s", chain->id,
              (unsigned long long)chain->epoch, ack->full ? "has no space" : "has space again");
    source->is_full = ack->full;
    if (ack->resend || ack->applied.lsn > source->sent)
        source->sent = ack->applied.lsn;
    if (ack->durable > source->durable)
        source->durable = ack->durable;
    cn_entries_trim(core, chain);
    cn_forward_pump(core, chain);
    cn_chain_touch(core, chain);
}

static void joiner_announced(struct cn_core *core, struct cn_chain *chain)
{
    const struct cn_source *source = &chain->source;
    if (source->is_handover)
        return; /* a late copy: what was handed over cannot be taken back (R23) */
    if (source->is_damaged)
        return; /* cn_source_idle looks again */
    if (source->is_begun && !source->is_accepted)
        send_begin(core, chain);
    else
        begin_copy(core, chain);
    cn_chain_touch(core, chain);
}

void cn_recv_sync_ack(struct cn_core *core, const struct cn_event *event)
{
    const struct wire_sync_ack *ack = &event->message->u.sync_ack;
    struct cn_chain *chain = cn_match_epoch(core, event, ack->chain, ack->epoch);
    if (chain == NULL || !cn_is_tail(chain) || chain->row.joiner.node == 0 ||
        !cn_event_is_from(event, &chain->row.joiner) ||
        ack->source_incarnation != core->options.incarnation ||
        ack->target_incarnation != chain->row.joiner.incarnation)
        return;
    if (ack->sync == 0) {
        joiner_announced(core, chain);
        return;
    }
    struct cn_source *source = &chain->source;
    if (!source->is_begun || ack->sync != source->sync || ack->number >= source->next_number)
        return;
    if (!source->is_accepted) {
        source->is_accepted = true;
        chain->mark_due = true;
    }
    if (ack->number > source->acked_number) {
        source->acked_number = ack->number;
        source->range_us = core->now_us;
    }
    if (source->is_all_sent && source->acked_number + 1 == source->next_number &&
        !source->is_bulk_durable) {
        source->is_bulk_durable = true;
        TRACE(&core->options.trace, "chain %u epoch %llu: every row is durable at the joiner",
              chain->id, (unsigned long long)chain->epoch);
    }
    cn_forward_pump(core, chain);
    cn_source_pump(core, chain);
    cn_chain_touch(core, chain);
}

/* What got no answer is sent again. */
void cn_source_idle(struct cn_core *core, struct cn_chain *chain)
{
    struct cn_source *source = &chain->source;
    uint64_t idle_us = core->options.idle_us;
    if (source->is_damaged)
        look_at_damage(core, chain);
    if (!source->is_begun)
        return;
    bool is_waiting = cn_source_is_waiting(chain);
    if (core->now_us - source->range_us >= idle_us && (!is_waiting || !source->is_accepted)) {
        source->range_us = core->now_us;
        if (!source->is_accepted)
            send_begin(core, chain);
        for (uint64_t number = source->acked_number + 1; number < source->next_number; number++)
            send_items(core, chain, &source->window[number % CN_SYNC_WINDOW]);
    }
    if (source->durable >= chain->applied.lsn || is_waiting)
        source->progress_us = core->now_us;
    if (PLANTED(R23_HANDOVER_ABANDONED) && core->now_us - source->progress_us >= 2 * idle_us)
        source->is_handover = false;
    if (source->acked.lsn < source->sent && core->now_us - source->progress_us >= idle_us &&
        core->now_us - source->resent_us >= idle_us) {
        source->resent_us = core->now_us;
        source->sent = source->acked.lsn;
        cn_forward_pump(core, chain);
    }
}
