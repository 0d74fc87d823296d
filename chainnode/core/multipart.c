/* Multipart uploads (D18): their newest state, as decided by what is in memory before what is in
 * the rows. An upload is named by (bucket, key, id), as an entry carries it. */
#include "chainnode/core/cn_internal.h"

static struct cn_key upload_key(const struct wire_forward *f)
{
    return cn_key_multi(f->chain, f->bucket, f->key, f->multi_high, f->multi_low);
}

static bool does_end(const struct cn_entry *entry)
{
    return entry->f.kind == WIRE_ENTRY_CLOSE || entry->f.kind == WIRE_ENTRY_PUT;
}

/* Every accepted part proves that the upload was open then: the newest entry tells. */
enum err cn_multi_is_open(struct cn_core *core, const struct cn_chain *chain,
                          const struct wire_forward *f, bool *ret_open)
{
    const struct cn_entry *entry = cn_index_multi(core, chain, f, UINT64_MAX);
    if (entry != NULL) {
        *ret_open = !does_end(entry);
        return ERR_OK;
    }
    struct cn_key key = upload_key(f);
    struct buf *value;
    enum err err = kv_get(&core->kv, CN_FAMILY_MULTI, cn_key_slice(&key), &value);
    *ret_open = err == ERR_OK && value != NULL;
    buf_unref(value);
    return err;
}

enum err cn_part_state(struct cn_core *core, const struct cn_chain *chain,
                       const struct wire_forward *f, uint64_t limit, struct cn_part *ret_part)
{
    const struct cn_entry *entry = cn_index_multi(core, chain, f, limit);
    for (; entry != NULL; entry = cn_index_multi_before(entry)) {
        if (does_end(entry))
            return ERR_NOT_FOUND;
        if (entry->f.kind == WIRE_ENTRY_PART && entry->f.part == f->part) {
            *ret_part = cn_part_of(&entry->f);
            return ERR_OK;
        }
    }
    struct cn_key key =
        cn_key_part(f->chain, f->bucket, f->key, f->multi_high, f->multi_low, f->part);
    struct buf *value;
    enum err err = kv_get(&core->kv, CN_FAMILY_MULTI, cn_key_slice(&key), &value);
    if (err != ERR_OK || value == NULL)
        return err == ERR_OK ? ERR_NOT_FOUND : err;
    err = cn_part_row_decode(buf_slice(value), ret_part) ? ERR_OK : ERR_CORRUPT;
    if (err == ERR_OK)
        ret_part->part.meta = cn_arena_keep(core, ret_part->part.meta);
    buf_unref(value);
    return err;
}

static void parts_add(struct cn_parts *parts, uint32_t number, const struct cn_part *part)
{
    parts->items[number] = part;
    if (number > parts->highest)
        parts->highest = number;
}

/* The parts in rows that nothing newer in memory has replaced. */
static enum err collect_rows(struct cn_core *core, const struct wire_forward *f,
                             struct cn_parts *parts)
{
    struct cn_key from = cn_key_part(f->chain, f->bucket, f->key, f->multi_high, f->multi_low, 0);
    struct cn_key to =
        cn_key_part(f->chain, f->bucket, f->key, f->multi_high, f->multi_low, UINT32_MAX);
    struct kv_iterator *rows =
        kv_iterate(&core->kv, CN_FAMILY_MULTI, cn_key_slice(&from), cn_key_slice(&to));
    struct slice key;
    struct slice value;
    enum err err = ERR_OK;
    while (err == ERR_OK && core->kv.ops->iterator_next(rows, &key, &value)) {
        struct cn_part part;
        if (!cn_part_row_decode(value, &part)) {
            err = ERR_CORRUPT;
            break;
        }
        if (parts->items[part.part.number] != NULL)
            continue;
        struct cn_part *kept = cn_arena_alloc(core, sizeof *kept);
        *kept = part;
        kept->part.meta = cn_arena_keep(core, part.part.meta);
        parts_add(parts, part.part.number, kept);
    }
    if (err == ERR_OK)
        err = core->kv.ops->iterator_err(rows);
    core->kv.ops->iterator_free(rows);
    return err;
}

enum err cn_parts_collect(struct cn_core *core, const struct cn_chain *chain,
                          const struct wire_forward *f, uint64_t limit, struct cn_parts **ret_parts)
{
    struct cn_parts *parts = cn_arena_alloc(core, sizeof *parts);
    memset(parts, 0, sizeof *parts);
    *ret_parts = parts;
    const struct cn_entry *entry = cn_index_multi(core, chain, f, limit);
    for (; entry != NULL; entry = cn_index_multi_before(entry)) {
        if (does_end(entry))
            return ERR_OK; /* what was before it is gone */
        if (entry->f.kind != WIRE_ENTRY_PART || parts->items[entry->f.part] != NULL)
            continue;
        struct cn_part *part = cn_arena_alloc(core, sizeof *part);
        *part = cn_part_of(&entry->f);
        parts_add(parts, entry->f.part, part);
    }
    return collect_rows(core, f, parts);
}

/* ---- uploads of buckets that are gone ---- */

/* A map as new as the one under which it was opened lacks the bucket (ids are never used twice,
 * R37). */
static bool is_bucket_gone(const struct cn_core *core, uint64_t bucket,
                           const struct cn_multi_row *row)
{
    return core->map_version >= row->map_version &&
           cn_bucket_state(core, bucket, core->map_version) == ERR_NO_BUCKET;
}

static void drop_upload(struct cn_core *core, struct cn_chain *chain,
                        const struct cn_multi_key *name)
{
    struct cn_admission admission = {
        .f = {.chain = chain->id,
              .kind = WIRE_ENTRY_CLOSE,
              .bucket = name->bucket,
              .key = name->name,
              .multi_high = name->high,
              .multi_low = name->low},
    };
    if (cn_index_multi(core, chain, &admission.f, UINT64_MAX) != NULL || !cn_may_admit_own(chain))
        return;
    TRACE(&core->options.trace, "chain %u: multipart upload %016llx%016llx goes with its bucket",
          chain->id, (unsigned long long)name->high, (unsigned long long)name->low);
    cn_admit(core, chain, &admission);
}

enum err cn_multi_watch(struct cn_core *core, struct cn_chain *chain)
{
    struct cn_key from = cn_key_chain(chain->id);
    struct cn_key to = cn_key_chain(chain->id + 1);
    struct kv_iterator *rows =
        kv_iterate(&core->kv, CN_FAMILY_MULTI, cn_key_slice(&from), cn_key_slice(&to));
    struct slice key;
    struct slice value;
    enum err err = ERR_OK;
    while (err == ERR_OK && core->kv.ops->iterator_next(rows, &key, &value)) {
        struct cn_multi_key name;
        struct cn_multi_row row;
        if (!cn_multi_key_decode(key, &name) ||
            (name.number == 0 && !cn_multi_row_decode(value, &row))) {
            err = ERR_CORRUPT;
            break;
        }
        if (name.number == 0 && is_bucket_gone(core, name.bucket, &row))
            drop_upload(core, chain, &name);
        struct cn_key next = cn_key_part(chain->id, name.bucket, name.name, name.high, name.low,
                                         UINT32_MAX); /* over its parts */
        core->kv.ops->iterator_seek(rows, cn_key_slice(&next));
    }
    if (err == ERR_OK)
        err = core->kv.ops->iterator_err(rows);
    core->kv.ops->iterator_free(rows);
    return err;
}
