/* The parts of one multipart upload, by number. */
#include "chainnode/core/cn_internal.h"

static struct kv_iterator *open_rows(const struct cn_core *core, const struct wire_parts_list *list)
{
    uint32_t after = list->after;
    struct cn_key to = cn_key_part(list->chain, list->bucket, list->key, list->multi_high,
                                   list->multi_low, UINT32_MAX);
    struct cn_key from = after >= BOUND_PARTS
                             ? to
                             : cn_key_part(list->chain, list->bucket, list->key, list->multi_high,
                                           list->multi_low, after + 1);
    return kv_iterate(&core->kv, CN_FAMILY_MULTI, cn_key_slice(&from), cn_key_slice(&to));
}

static enum err read_upload(struct cn_core *core, const struct wire_parts_list *list,
                            struct wire_parts_listed *listed)
{
    struct cn_key key =
        cn_key_multi(list->chain, list->bucket, list->key, list->multi_high, list->multi_low);
    struct buf *value;
    struct cn_multi_row row;
    enum err err = kv_get(&core->kv, CN_FAMILY_MULTI, cn_key_slice(&key), &value);
    if (err != ERR_OK || value == NULL)
        return err == ERR_OK ? ERR_UPLOAD_GONE : err;
    if (cn_multi_row_decode(buf_slice(value), &row)) {
        listed->mtime_ms = row.mtime_ms;
        listed->meta = cn_arena_keep(core, row.meta);
    } else {
        err = ERR_CORRUPT;
    }
    buf_unref(value);
    return err;
}

enum err cn_parts_scan(struct cn_core *core, const struct wire_parts_list *list, uint32_t limit,
                       struct wire_parts_listed *ret_listed)
{
    struct wire_part_item *items = cn_arena_alloc(core, limit * sizeof *items);
    *ret_listed = (struct wire_parts_listed){
        .request = list->request, .chain = list->chain, .epoch = list->epoch, .parts = items};
    enum err err = read_upload(core, list, ret_listed);
    if (err != ERR_OK)
        return err;
    struct kv_iterator *rows = open_rows(core, list);
    struct slice key;
    struct slice value;
    while (err == ERR_OK && core->kv.ops->iterator_next(rows, &key, &value)) {
        struct cn_part part;
        if (!cn_part_row_decode(value, &part)) {
            err = ERR_CORRUPT;
        } else if (ret_listed->parts_count == limit) {
            ret_listed->truncated = true;
            break;
        } else {
            items[ret_listed->parts_count++] = (struct wire_part_item){
                .number = part.part.number,
                .size = part.part.size,
                .checksum = part.part.checksum,
                .version = part.version,
                .mtime_ms = part.mtime_ms,
                .meta = cn_arena_keep(core, part.part.meta),
            };
        }
    }
    if (err == ERR_OK)
        err = core->kv.ops->iterator_err(rows);
    core->kv.ops->iterator_free(rows);
    return err;
}
