/* STAGE and ABORT at the head (D3): chunks of an upload in index order, idempotent by index. */
#include "base/hash.h"
#include "chainnode/core/cn_internal.h"

/* The chunk is accepted already: wait with it, or it is committed. */
static void answer_staged(struct cn_core *core, struct cn_chain *chain,
                          const struct cn_admission *admission)
{
    const struct wire_forward *f = &admission->f;
    struct origin none = {0};
    struct cn_entry *entry =
        cn_index_stage(core, chain, f->upload_high, f->upload_low, f->chunk_count);
    if (entry != NULL && entry->f.origin.lsn > chain->committed)
        cn_entry_add_waiter(entry, admission->conn, admission->request);
    else
        cn_updated(core, chain, admission->conn, admission->request, ERR_OK, none, none);
}

/* A late copy of a chunk whose upload was published, as an object or as a part, must not open the
 * upload again: collecting that one would take the chunks with it. An upload that is not open and
 * still has the chunk was published (or is being purged: nobody needs the copy then). */
static bool is_published(struct cn_core *core, const struct cn_chain *chain,
                         const struct wire_forward *f)
{
    struct cn_key key = cn_key_chunk(chain->id, f->upload_high, f->upload_low, f->chunk_count);
    struct buf *chunk = NULL;
    enum err err = kv_get(&core->kv, CN_FAMILY_CHUNKS, cn_key_slice(&key), &chunk);
    /* A chunk that is here and cannot be read is here. */
    if (err != ERR_OK && err != ERR_CORRUPT)
        cn_disk_failed(core, err);
    bool is_here = (chunk != NULL || err == ERR_CORRUPT) && !PLANTED(D18_LATE_CHUNK_OPENS);
    buf_unref(chunk);
    return is_here;
}

/* Fixes the outcome. True: an entry is to be ordered; false: answered already. */
static bool decide_stage(struct cn_core *core, struct cn_chain *chain,
                         struct cn_admission *admission)
{
    struct wire_forward *f = &admission->f;
    struct cn_upload_state upload;
    enum err err = cn_upload_state(core, chain, f->upload_high, f->upload_low, &upload);
    if (err != ERR_OK) {
        cn_disk_failed(core, err);
        return false;
    }
    uint64_t length = admission->payload->length;
    f->outcome = ERR_OK;
    bool is_new = true;
    if (upload.is_open && f->chunk_count < upload.count) {
        is_new = false;
    } else if (upload.is_open) {
        bool is_same = upload.bucket == f->bucket && slice_equal(upload.key, f->key);
        f->chunk_bytes = upload.chunk_bytes;
        f->size = upload.bytes + length;
        /* All chunks but the last have the first one's size. */
        bool is_regular = upload.bytes == (uint64_t)upload.count * upload.chunk_bytes &&
                          length <= upload.chunk_bytes;
        if (!is_same)
            f->outcome = ERR_UPLOAD_GONE;
        else if (f->chunk_count > upload.count || !is_regular)
            f->outcome = ERR_UPLOAD_ORDER;
    } else if (upload.is_published || is_published(core, chain, f)) {
        is_new = false;
    } else if (f->chunk_count != 0) {
        f->outcome = ERR_UPLOAD_GONE;
    } else {
        f->chunk_bytes = (uint32_t)length;
        f->size = length;
    }
    cn_upload_state_release(&upload);
    if (!is_new && !core->is_dead)
        answer_staged(core, chain, admission);
    return is_new && !core->is_dead;
}

void cn_recv_stage(struct cn_core *core, const struct cn_event *event)
{
    const struct wire_stage *stage = &event->message->u.stage;
    struct cn_admission admission = {
        .conn = event->conn,
        .request = stage->request,
        .epoch = stage->epoch,
        .map_version = stage->map_version,
        .payload = event->message->payload,
        .f = {.chain = stage->chain,
              .kind = WIRE_ENTRY_STAGE,
              .bucket = stage->bucket,
              .key = stage->key,
              .checksum = stage->checksum,
              .upload_high = stage->upload_high,
              .upload_low = stage->upload_low,
              .chunk_count = stage->index},
    };
    if (!cn_admit_key(core, &admission))
        return;
    size_t length = admission.payload == NULL ? 0 : admission.payload->length;
    if (length == 0 || (stage->upload_high | stage->upload_low) == 0 ||
        stage->index >= BOUND_CHUNKS || length > BOUND_CHUNK_BYTES) {
        cn_refuse(core, event->conn, stage->request,
                  length > BOUND_CHUNK_BYTES ? ERR_TOO_LARGE : ERR_INVALID, NULL, NULL);
        return;
    }
    struct cn_chain *chain = cn_admit_chain(core, &admission);
    if (chain == NULL || !cn_admit_room(core, chain, &admission, true))
        return;
    if (checksum_bytes(buf_slice(admission.payload)) != stage->checksum) {
        cn_refuse(core, event->conn, stage->request, ERR_CORRUPT, NULL,
                  "the chunk was damaged on its way");
        return;
    }
    if (decide_stage(core, chain, &admission))
        cn_admit(core, chain, &admission);
}

void cn_recv_abort(struct cn_core *core, const struct cn_event *event)
{
    const struct wire_abort *request = &event->message->u.abort;
    struct cn_admission admission = {
        .conn = event->conn,
        .request = request->request,
        .epoch = request->epoch,
        .map_version = request->map_version,
        .f = {.chain = request->chain,
              .kind = WIRE_ENTRY_ABORT,
              .bucket = request->bucket,
              .key = request->key,
              .upload_high = request->upload_high,
              .upload_low = request->upload_low},
    };
    if (!cn_admit_key(core, &admission))
        return;
    if ((request->upload_high | request->upload_low) == 0) {
        cn_refuse(core, event->conn, request->request, ERR_INVALID, NULL, NULL);
        return;
    }
    struct cn_chain *chain = cn_admit_chain(core, &admission);
    if (chain == NULL || !cn_admit_room(core, chain, &admission, false))
        return;
    struct cn_upload_state upload;
    enum err err = cn_upload_state(core, chain, request->upload_high, request->upload_low, &upload);
    if (err != ERR_OK) {
        cn_disk_failed(core, err);
        return;
    }
    if (!upload.is_open)
        admission.f.outcome = ERR_UPLOAD_GONE; /* published, aborted or never begun */
    cn_upload_state_release(&upload);
    cn_admit(core, chain, &admission);
}
