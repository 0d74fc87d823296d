/* The steps of a multipart upload, and metadata without bytes: what a PUT that is not plain does to
 * the newest accepted state (D18). The outcome is fixed here and ordered like every other (R10). */
#include "base/hash.h"
#include "chainnode/core/cn_internal.h"

/* OK: the upload is open. */
static enum err check_open(struct cn_core *core, const struct cn_chain *chain,
                           const struct wire_forward *f)
{
    bool is_open;
    enum err err = cn_multi_is_open(core, chain, f, &is_open);
    if (err != ERR_OK)
        cn_disk_failed(core, err);
    else if (!is_open)
        err = ERR_UPLOAD_GONE;
    return err;
}

/* Opening what is open changes nothing. An id is used once: what the object came from is over. */
enum err cn_decide_open(struct cn_core *core, const struct cn_chain *chain,
                        struct cn_admission *admission, const struct cn_object_state *newest)
{
    struct wire_forward *f = &admission->f;
    enum err err = cn_condition(admission, newest);
    if (err != ERR_OK)
        return err;
    if (newest->exists && newest->part_count != 0 && newest->multi_high == f->multi_high &&
        newest->multi_low == f->multi_low)
        return ERR_UPLOAD_GONE;
    err = check_open(core, chain, f);
    if (err == ERR_OK) {
        f->kind = WIRE_ENTRY_NOTE;
        f->meta = slice_of(NULL, 0);
    }
    f->size = 0;
    f->checksum = 0;
    f->map_version = core->map_version;
    return err == ERR_UPLOAD_GONE ? ERR_OK : err;
}

enum err cn_decide_part(struct cn_core *core, const struct cn_chain *chain,
                        const struct cn_admission *admission, const struct cn_object_state *newest)
{
    const struct wire_forward *f = &admission->f;
    enum err err = PLANTED(D18_PART_AFTER_THE_END) ? ERR_OK : check_open(core, chain, f);
    if (err == ERR_OK)
        err = cn_condition(admission, newest);
    if (err == ERR_OK && (f->upload_high | f->upload_low) != 0)
        err = cn_check_upload(core, chain, f);
    return err;
}

/* The chosen parts as the object will name them; NULL: one is not there, or not in that version. */
static struct buf *build_manifest(const struct cn_parts *parts, struct slice choices,
                                  uint32_t count, uint64_t *ret_size)
{
    struct buf *manifest = buf_new((size_t)count * WIRE_PART_BYTES_MAX);
    size_t used = 0;
    *ret_size = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct wire_choice choice = wire_choice_at(choices, i);
        const struct cn_part *part = parts->items[choice.number];
        bool is_any = origin_is_none(choice.version) || PLANTED(D18_OTHER_VERSION);
        if (part == NULL || (!is_any && origin_compare(part->version, choice.version) != 0)) {
            buf_unref(manifest);
            return NULL;
        }
        used += wire_part_encode(&part->part, manifest->data + used);
        *ret_size += part->part.size;
    }
    struct buf *exact = buf_copy(slice_of(manifest->data, used));
    buf_unref(manifest);
    return exact;
}

enum err cn_decide_complete(struct cn_core *core, const struct cn_chain *chain,
                            struct cn_admission *admission, const struct cn_object_state *newest,
                            struct buf **ret_manifest)
{
    struct wire_forward *f = &admission->f;
    enum err err = PLANTED(D18_ENDED_TWICE) ? ERR_OK : check_open(core, chain, f);
    if (err == ERR_OK && !PLANTED(D18_COMPLETE_IGNORES_CONDITION))
        err = cn_condition(admission, newest);
    if (err != ERR_OK)
        return err;
    struct cn_parts *parts;
    uint64_t limit = PLANTED(D18_PENDING_PART_IGNORED) ? chain->committed : UINT64_MAX;
    err = cn_parts_collect(core, chain, f, limit, &parts);
    if (err != ERR_OK) {
        cn_disk_failed(core, err);
        return err;
    }
    *ret_manifest = build_manifest(parts, buf_slice(admission->payload), f->part, &f->size);
    if (*ret_manifest == NULL)
        return ERR_NO_PART;
    f->checksum = checksum_bytes(buf_slice(*ret_manifest));
    return ERR_OK;
}

/* The same bytes under a new version: the entry names what the newest accepted one names. */
enum err cn_decide_restamp(struct cn_admission *admission, const struct cn_object_state *newest,
                           bool keep_mtime)
{
    struct wire_forward *f = &admission->f;
    enum err err = cn_condition(admission, newest);
    if (err != ERR_OK || !newest->exists)
        return err == ERR_OK ? ERR_NO_KEY : err;
    f->size = newest->size;
    f->checksum = newest->checksum;
    f->upload_high = newest->upload_high;
    f->upload_low = newest->upload_low;
    f->chunk_count = newest->chunk_count;
    f->chunk_bytes = newest->chunk_bytes;
    f->part = newest->part_count;
    f->multi_high = newest->multi_high;
    f->multi_low = newest->multi_low;
    admission->payload = newest->payload;
    if (keep_mtime)
        admission->mtime_ms = newest->mtime_ms;
    return ERR_OK;
}
