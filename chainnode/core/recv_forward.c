/* FORWARD: one update from the neighbour above (R2, R3, R6). */
#include "base/hash.h"
#include "chainnode/core/cn_internal.h"

static bool is_well_formed(const struct wire_forward *f, const struct buf *payload)
{
    if (f->kind > WIRE_ENTRY_CLOSE || !err_is_valid(f->outcome) ||
        f->origin.lsn != f->previous.lsn + 1 || f->origin.lsn > CN_LSN_MAX || f->origin.lsn == 0 ||
        f->origin.epoch > f->epoch || f->origin.epoch < f->previous.epoch ||
        f->key.length > BOUND_KEY_BYTES || f->meta.length > BOUND_META_BYTES)
        return false;
    return cn_entry_names_are_sound(f) && cn_entry_payload_is_sound(f, buf_slice(payload));
}

static bool is_intact(const struct wire_forward *f, const struct buf *payload)
{
    bool has_bytes = f->kind == WIRE_ENTRY_STAGE ||
                     (f->kind == WIRE_ENTRY_PUT && (f->upload_high | f->upload_low) == 0);
    return !has_bytes || checksum_bytes(buf_slice(payload)) == f->checksum;
}

/* What is held at that lsn, if it is still known. */
static bool is_known_otherwise(const struct cn_chain *chain, struct origin origin)
{
    const struct cn_entry *entry = cn_entry_at(chain, origin.lsn);
    if (entry != NULL)
        return origin_compare(entry->f.origin, origin) != 0;
    return origin.lsn == chain->trimmed.lsn && origin_compare(chain->trimmed, origin) != 0;
}

/* Planted only: goes on as if what is missing had never been (checklist 4). */
static void fill_gap(struct cn_core *core, struct cn_chain *chain, const struct wire_forward *f)
{
    while (chain->applied.lsn < f->previous.lsn) {
        struct wire_forward hole = {
            .chain = f->chain,
            .epoch = f->epoch,
            .kind = WIRE_ENTRY_NOTE,
            .origin = {.epoch = f->previous.epoch, .lsn = chain->applied.lsn + 1},
            .previous = chain->applied,
        };
        cn_entry_append(core, chain, cn_entry_new(&hole, NULL));
    }
}

void cn_recv_forward(struct cn_core *core, const struct cn_event *event)
{
    const struct wire_forward *f = &event->message->u.forward;
    struct buf *payload = event->message->payload;
    struct cn_chain *chain = cn_match_epoch(core, event, f->chain, f->epoch);
    if (chain == NULL || !cn_event_is_from(event, cn_predecessor_of(core, chain)))
        return;
    chain->predecessor.heard_us = core->now_us;
    if (chain->role == CN_ROLE_JOINER && chain->target.state != CN_TARGET_COPYING &&
        chain->target.state != CN_TARGET_DONE)
        return;
    if (!is_well_formed(f, payload) ||
        chain->applied.lsn - chain->trimmed.lsn >= CN_LOG_ENTRIES_MAX ||
        core->bytes > 4 * core->options.pending_bytes_max) {
        core->dropped++;
        return;
    }
    if (f->origin.lsn <= chain->applied.lsn) {
        if (is_known_otherwise(chain, f->origin) || PLANTED(R8_REPEATED_IS_FATAL))
            cn_chain_halt(core, chain, "the predecessor holds another update at this position");
        return;
    }
    if (PLANTED(R6_GAP_IGNORED))
        fill_gap(core, chain, f);
    if (f->previous.lsn > chain->applied.lsn) {
        cn_ask_resend(core, chain);
        return;
    }
    if (origin_compare(f->previous, chain->applied) != 0) {
        cn_chain_halt(core, chain, "the predecessor's history differs");
        return;
    }
    if (!is_intact(f, payload)) {
        core->dropped++;
        TRACE(&core->options.trace, "chain %u epoch %llu: %llu.%llu arrives damaged", chain->id,
              (unsigned long long)chain->epoch, (unsigned long long)f->origin.epoch,
              (unsigned long long)f->origin.lsn);
        cn_ask_resend(core, chain);
        return;
    }
    cn_entry_append(core, chain, cn_entry_new(f, payload));
    cn_forward_pump(core, chain);
}
