/* The batch that applies an entry: from the pending rows to the state (D1).
 *
 * At a joiner rows may be newer than the entry (R25): they were copied at a position that lies
 * ahead. Every entry up to there is applied too, in order, so writing over such a row would be
 * mended; giving away the chunks that it names would not. */
#include "base/bytes.h"
#include "chainnode/core/cn_internal.h"

enum { DELETED_ONE_BY_ONE = 64 };

/* ---- chunks that nobody names any more ---- */

static void purge_upload(struct cn_core *core, const struct wire_forward *f, uint64_t high,
                         uint64_t low, struct kv_batch *batch)
{
    if ((high | low) == 0)
        return;
    cn_purge_row_put(batch, f->chain, high, low, f->origin.lsn);
    cn_purge_add(core, f->chain, high, low, f->origin.lsn);
}

/* All chunks of a value that is not there any more. */
static void purge_value(struct cn_core *core, const struct wire_forward *f,
                        const struct cn_object_state *value, struct kv_batch *batch)
{
    purge_upload(core, f, value->upload_high, value->upload_low, batch);
    if (value->part_count == 0)
        return;
    struct wire_manifest manifest = wire_manifest_of(buf_slice(value->payload));
    struct wire_part part;
    enum err err;
    while ((err = wire_manifest_next(&manifest, &part)) == ERR_OK)
        purge_upload(core, f, part.upload_high, part.upload_low, batch);
    if (err != ERR_NOT_FOUND)
        cn_disk_failed(core, ERR_CORRUPT);
}

/* Chunks belong to one value of one key, and move on only with all of them (RESTAMP). */
static bool is_same_value(const struct cn_object_state *a, const struct cn_object_state *b)
{
    if (PLANTED(D18_RESTAMP_PURGES) || !a->exists || !b->exists ||
        a->upload_high != b->upload_high || a->upload_low != b->upload_low ||
        a->part_count != b->part_count)
        return false;
    return a->part_count == 0 || slice_equal(buf_slice(a->payload), buf_slice(b->payload));
}

/* ---- multipart uploads ---- */

/* Row by row while they are few: a range that was deleted costs every later scan over it. */
static void delete_rows(const struct wire_forward *f, const struct cn_parts *parts,
                        struct kv_batch *batch)
{
    struct cn_key key = cn_key_multi(f->chain, f->bucket, f->key, f->multi_high, f->multi_low);
    uint32_t count = 0;
    for (uint32_t number = 1; number <= parts->highest; number++)
        count += parts->items[number] != NULL ? 1u : 0u;
    if (count > DELETED_ONE_BY_ONE) {
        struct cn_key to =
            cn_key_part(f->chain, f->bucket, f->key, f->multi_high, f->multi_low, UINT32_MAX);
        kv_batch_delete_range(batch, CN_FAMILY_MULTI, cn_key_slice(&key), cn_key_slice(&to));
        return;
    }
    kv_batch_delete(batch, CN_FAMILY_MULTI, cn_key_slice(&key));
    for (uint32_t number = 1; number <= parts->highest; number++) {
        if (parts->items[number] == NULL)
            continue;
        key = cn_key_part(f->chain, f->bucket, f->key, f->multi_high, f->multi_low, number);
        kv_batch_delete(batch, CN_FAMILY_MULTI, cn_key_slice(&key));
    }
}

/* The upload ends: its rows go, and the chunks of every part that the value does not name. */
static void end_multi(struct cn_core *core, struct cn_chain *chain, const struct cn_entry *entry,
                      struct kv_batch *batch)
{
    const struct wire_forward *f = &entry->f;
    struct cn_parts *parts;
    enum err err = cn_parts_collect(core, chain, f, f->origin.lsn - 1, &parts);
    if (err != ERR_OK) {
        cn_disk_failed(core, err);
        return;
    }
    struct wire_manifest manifest = wire_manifest_of(buf_slice(entry->payload));
    struct wire_part chosen = {0};
    for (uint32_t number = 1; number <= parts->highest; number++) {
        const struct cn_part *part = parts->items[number];
        while (err == ERR_OK && chosen.number < number)
            err = wire_manifest_next(&manifest, &chosen);
        bool is_chosen = err == ERR_OK && part != NULL && chosen.number == number &&
                         chosen.upload_high == part->part.upload_high &&
                         chosen.upload_low == part->part.upload_low;
        if (part != NULL && !is_chosen && part->version.lsn < f->origin.lsn &&
            !PLANTED(D18_UNCHOSEN_KEPT))
            purge_upload(core, f, part->part.upload_high, part->part.upload_low, batch);
    }
    delete_rows(f, parts, batch);
}

static void apply_part(struct cn_core *core, struct cn_chain *chain, const struct cn_entry *entry,
                       struct kv_batch *batch)
{
    const struct wire_forward *f = &entry->f;
    struct cn_key upload = cn_key_upload(f->chain, f->upload_high, f->upload_low);
    if ((f->upload_high | f->upload_low) != 0)
        kv_batch_delete(batch, CN_FAMILY_UPLOADS, cn_key_slice(&upload));
    struct cn_part before;
    enum err err = cn_part_state(core, chain, f, f->origin.lsn - 1, &before);
    if (err == ERR_NOT_FOUND) {
        cn_part_row_put(batch, entry);
        return;
    }
    if (err != ERR_OK) {
        cn_disk_failed(core, err);
        return;
    }
    bool is_newer =
        origin_compare(before.version, f->origin) >= 0 && !PLANTED(D18_NEWER_PURGED); /* R25 */
    bool is_same =
        before.part.upload_high == f->upload_high && before.part.upload_low == f->upload_low;
    if (!is_newer)
        cn_part_row_put(batch, entry);
    if (is_same)
        return;
    if (is_newer)
        purge_upload(core, f, f->upload_high, f->upload_low, batch);
    else if (!PLANTED(D18_REPLACED_PART_KEPT))
        purge_upload(core, f, before.part.upload_high, before.part.upload_low, batch);
}

/* ---- objects ---- */

/* PUT and DELETE. A row that is newer than the entry was copied to a joiner: it stays (R25), and so
 * do the chunks that both name; those of this value belong to nobody when it names others. */
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
    struct cn_object_state after;
    cn_object_state_of(entry, &after);
    bool is_same = is_same_value(&before, &after);
    bool is_newer =
        before.exists && origin_compare(before.version, f->origin) >= 0 && !PLANTED(R25_OLDER_WINS);
    if (is_newer) {
        if (!is_same && after.exists)
            purge_value(core, f, &after, batch);
    } else {
        struct cn_key key = cn_key_object(chain->id, f->bucket, f->key);
        if (f->kind == WIRE_ENTRY_PUT)
            cn_object_row_put(batch, entry);
        else
            kv_batch_delete(batch, CN_FAMILY_OBJECTS, cn_key_slice(&key));
        if (!is_same && before.exists)
            purge_value(core, f, &before, batch);
    }
    cn_object_state_release(&before);
    cn_object_state_release(&after);
}

/* ---- uploads ---- */

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

/* One entry moves from the pending rows to the state. The batch is atomic, so object, session
 * outcome and pending row never disagree. */
void cn_apply(struct cn_core *core, struct cn_chain *chain, struct cn_entry *entry,
              struct kv_batch *batch)
{
    switch ((enum wire_entry_kind)entry->f.kind) {
    case WIRE_ENTRY_PUT:
        apply_object(core, chain, entry, batch);
        if (entry->f.part != 0)
            end_multi(core, chain, entry, batch);
        break;
    case WIRE_ENTRY_DELETE:
        if (!PLANTED(R25_DELETE_NOT_JOINED) || chain->role != CN_ROLE_JOINER)
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
    case WIRE_ENTRY_OPEN:
        cn_multi_row_put(batch, entry);
        break;
    case WIRE_ENTRY_PART:
        apply_part(core, chain, entry, batch);
        break;
    case WIRE_ENTRY_CLOSE:
        end_multi(core, chain, entry, batch);
        break;
    case WIRE_ENTRY_EXPIRE_SESSION:
    case WIRE_ENTRY_NOTE:
        break;
    }
    cn_session_apply(core, chain, entry, batch);
    cn_token_apply(core, chain, entry, batch);
    struct cn_key key = cn_key_pending(chain->id, entry->f.origin.lsn);
    kv_batch_single_delete(batch, CN_FAMILY_PENDING, cn_key_slice(&key));
}
