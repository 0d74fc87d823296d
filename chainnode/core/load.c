/* From disk to memory: at startup, after a role ended, and when this node starts a chain (R33). */
#include "chainnode/core/cn_internal.h"

#include "base/bytes.h"

static struct slice slice_key(const struct cn_key *key)
{
    return cn_key_slice(key);
}

/* A pending row only names its chunk (D3). The bytes come into memory with the entry, because their
 * row may go before it: an ABORT that follows deletes it, while a joiner has still to be sent both
 * (simulator seed 400003475). */
static enum err load_chunk(const struct cn_core *core, const struct wire_forward *f,
                           struct buf **ret_payload)
{
    struct cn_key key = cn_key_chunk(f->chain, f->upload_high, f->upload_low, f->chunk_count);
    struct buf *row = NULL;
    enum err err = kv_get(&core->kv, CN_FAMILY_CHUNKS, cn_key_slice(&key), &row);
    if (err == ERR_OK && (row == NULL || row->length <= 8))
        err = ERR_CORRUPT;
    if (err == ERR_OK)
        *ret_payload = buf_view(row, 8, row->length - 8);
    buf_unref(row);
    return err;
}

/* Walks the pending rows of a chain; they continue each other without a gap. Appends them when
 * `is_kept`, else only finds the last one. */
static enum err walk_pending(struct cn_core *core, struct cn_chain *chain, struct origin from,
                             bool is_kept, struct origin *ret_last)
{
    struct cn_key first = cn_key_pending(chain->id, from.lsn + 1);
    struct cn_key end = cn_key_chain(chain->id + 1);
    struct kv_iterator *rows =
        kv_iterate(&core->kv, CN_FAMILY_PENDING, slice_key(&first), slice_key(&end));
    struct slice key;
    struct slice value;
    struct origin last = from;
    enum err err = ERR_OK;
    while (err == ERR_OK && core->kv.ops->iterator_next(rows, &key, &value)) {
        struct wire_forward f;
        size_t offset;
        if (!cn_pending_row_decode(key, value, &f, &offset) ||
            origin_compare(f.previous, last) != 0) {
            err = ERR_CORRUPT;
            break;
        }
        last = f.origin;
        if (!is_kept)
            continue;
        struct buf *payload = NULL;
        if (f.kind == WIRE_ENTRY_STAGE)
            err = load_chunk(core, &f, &payload);
        else if (value.length > offset)
            payload = buf_copy(slice_of(value.data + offset, value.length - offset));
        if (err == ERR_OK)
            cn_entry_append(core, chain, cn_entry_new(&f, payload));
        buf_unref(payload);
    }
    if (err == ERR_OK)
        err = core->kv.ops->iterator_err(rows);
    core->kv.ops->iterator_free(rows);
    if (err == ERR_OK)
        *ret_last = last;
    return err;
}

static enum err load_state(struct cn_core *core, struct cn_chain *chain,
                           struct cn_state_row *ret_row)
{
    struct cn_key key = cn_key_state(chain->id);
    struct buf *value;
    enum err err = kv_get(&core->kv, CN_FAMILY_META, slice_key(&key), &value);
    if (err != ERR_OK)
        return err;
    if (value == NULL) {
        *ret_row = (struct cn_state_row){0};
        return ERR_NOT_FOUND;
    }
    bool is_good = cn_state_row_decode(buf_slice(value), ret_row);
    buf_unref(value);
    return is_good ? ERR_OK : ERR_CORRUPT;
}

enum err cn_load_summary(struct cn_core *core, struct cn_chain *chain)
{
    PRE(chain->stores_in_flight == 0);
    struct cn_state_row row;
    enum err err = load_state(core, chain, &row);
    if (err == ERR_NOT_FOUND) { /* it never reached the disk */
        chain->is_on_disk = false;
        return ERR_OK;
    }
    if (err != ERR_OK)
        return err;
    cn_entries_reset(core, chain, row.committed, row.digest);
    chain->session_floor = row.session_floor;
    chain->is_on_disk = true;
    chain->is_complete = row.is_complete;
    chain->is_syncing = row.is_syncing;
    if (row.is_syncing)
        return ERR_OK; /* its pending rows are dropped before they could mean anything (R24) */
    struct origin last;
    err = walk_pending(core, chain, row.committed, false, &last);
    if (err == ERR_OK) { /* for the report; nothing is in memory */
        chain->applied = chain->trimmed = last;
        chain->durable = chain->written = last.lsn;
    }
    return err;
}

/* The starter of a whole chain: its undecided entries in order, all durable here. */
enum err cn_load_log(struct cn_core *core, struct cn_chain *chain)
{
    struct cn_state_row row;
    enum err err = load_state(core, chain, &row);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    cn_entries_reset(core, chain, row.committed, row.digest);
    chain->session_floor = row.session_floor;
    struct origin last;
    if (!PLANTED(R24_DROPPED_AT_START))
        err = walk_pending(core, chain, row.committed, true, &last);
    if (err != ERR_OK)
        return err;
    chain->durable = chain->applied.lsn;
    chain->written = chain->applied.lsn;
    return ERR_OK;
}

static enum err load_chains(struct cn_core *core)
{
    struct slice from = slice_of_text("c/");
    struct slice to = slice_of_text("c0");
    struct kv_iterator *rows = kv_iterate(&core->kv, CN_FAMILY_META, from, to);
    struct slice key;
    struct slice value;
    enum err err = ERR_OK;
    while (err == ERR_OK && core->kv.ops->iterator_next(rows, &key, &value)) {
        uint32_t id = key.length == 6 ? bytes_get_u32(key.data + 2) : BOUND_CHAINS;
        if (id >= BOUND_CHAINS) {
            err = ERR_CORRUPT;
            break;
        }
        err = cn_load_summary(core, cn_chain_make(core, id));
    }
    if (err == ERR_OK)
        err = core->kv.ops->iterator_err(rows);
    core->kv.ops->iterator_free(rows);
    return err;
}

/* Every purge is due a full grace from now: who reads the old version may have come after us. */
static enum err load_purges(struct cn_core *core)
{
    struct slice none = slice_of(NULL, 0);
    struct kv_iterator *rows = kv_iterate(&core->kv, CN_FAMILY_PURGE, none, none);
    struct slice key;
    struct slice value;
    enum err err = ERR_OK;
    while (core->kv.ops->iterator_next(rows, &key, &value)) {
        uint64_t lsn;
        if (key.length != 20 || !cn_purge_row_decode(value, &lsn)) {
            err = ERR_CORRUPT;
            break;
        }
        cn_purge_add(core, bytes_get_u32(key.data), bytes_get_u64(key.data + 4),
                     bytes_get_u64(key.data + 12), lsn);
    }
    if (err == ERR_OK)
        err = core->kv.ops->iterator_err(rows);
    core->kv.ops->iterator_free(rows);
    return err;
}

enum err cn_load(struct cn_core *core)
{
    enum err err = load_chains(core);
    return err == ERR_OK ? load_purges(core) : err;
}
