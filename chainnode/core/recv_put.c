/* PUT at the head: admission (R6), condition against the newest accepted state, outcome fixed. */
#include "base/hash.h"
#include "base/text.h"
#include "chainnode/core/cn_internal.h"

static void refuse(struct cn_core *core, const struct cn_admission *admission, enum err err,
                   const struct cn_chain *chain, const char *text)
{
    cn_refuse(core, admission->conn, admission->request, err, chain, text);
}

bool cn_admit_key(struct cn_core *core, const struct cn_admission *admission)
{
    struct slice key = admission->f.key;
    enum err err = ERR_OK;
    if (key.length == 0)
        err = ERR_INVALID;
    else if (key.length > BOUND_KEY_BYTES || admission->f.meta.length > BOUND_META_BYTES)
        err = ERR_TOO_LARGE;
    else if (!utf8_is_valid(key))
        err = ERR_BAD_UTF8;
    if (err != ERR_OK)
        refuse(core, admission, err, NULL, NULL);
    return err == ERR_OK;
}

struct cn_chain *cn_admit_chain(struct cn_core *core, const struct cn_admission *admission)
{
    struct cn_chain *chain = cn_chain_get(core, admission->f.chain);
    if (chain == NULL || chain->row.epoch == 0) {
        core->is_beat_wanted = true;
        refuse(core, admission, ERR_NOT_READY, NULL, "this node does not know the chain yet");
        return NULL;
    }
    if (admission->epoch > chain->row.epoch) {
        core->is_beat_wanted = true; /* it tells the master which map is installed here */
        refuse(core, admission, ERR_NOT_READY, NULL, "this node has an older map");
        return NULL;
    }
    if (chain->epoch != chain->row.epoch || admission->epoch < chain->epoch) {
        refuse(core, admission, ERR_WRONG_EPOCH, chain, NULL);
        return NULL;
    }
    if (!cn_is_head(chain)) {
        refuse(core, admission, ERR_WRONG_ROLE, chain, NULL);
        return NULL;
    }
    if (chain->is_halted) {
        refuse(core, admission, ERR_NOT_READY, NULL, "the chain is halted: histories differ");
        return NULL;
    }
    return chain;
}

static enum err room(const struct cn_core *core, const struct cn_chain *chain,
                     const struct cn_admission *admission, bool is_growing)
{
    size_t payload = admission->payload == NULL ? 0 : admission->payload->length;
    /* Peers relay rows but not buckets: with a row that is newer than its map a head does not know
     * which are being deleted, or gone (R37): the master asked the heads of before. */
    if (core->map_version < chain->row.version && !PLANTED(R37_OLDER_MAP_ADMITS))
        return ERR_NOT_READY;
    enum err bucket = cn_bucket_state(core, admission->f.bucket, admission->map_version);
    if (bucket == ERR_NO_BUCKET || bucket == ERR_NOT_READY)
        return bucket;
    bool is_barred = bucket == ERR_BUCKET_DELETING && !PLANTED(R37_PUT_INTO_DELETING);
    if (is_barred && is_growing) /* emptying it must go on (R37) */
        return bucket;
    /* R36, and R23: drained is not taken back. */
    bool is_drained = chain->committed == chain->applied.lsn;
    if (chain->row.frozen && !PLANTED(R36_ADMITS_FROZEN) &&
        !(PLANTED(R23_DRAINED_TAKEN_BACK) && is_drained))
        return ERR_NOT_READY;
    if (chain->row.members_count < chain->row.write_floor && !PLANTED(R6_NO_WRITE_FLOOR))
        return ERR_WRITE_FLOOR;
    if (is_growing && (core->is_full || chain->successor.is_full))
        return ERR_NO_SPACE;
    /* R20: what is inherited goes to the successor before anything new. */
    if (chain->role == CN_ROLE_HEAD && !chain->successor.is_known)
        return ERR_NOT_READY;
    if (chain->applied.lsn - chain->committed >= BOUND_CHAIN_PENDING_ENTRIES ||
        chain->uncommitted_bytes + payload > BOUND_CHAIN_PENDING_BYTES ||
        core->bytes + payload > core->options.pending_bytes_max)
        return ERR_BUSY;
    return ERR_OK;
}

bool cn_admit_room(struct cn_core *core, struct cn_chain *chain,
                   const struct cn_admission *admission, bool is_growing)
{
    enum err err = room(core, chain, admission, is_growing);
    if (err == ERR_OK)
        return true;
    if (err == ERR_NOT_READY)
        core->is_beat_wanted = true;
    refuse(core, admission, err, NULL, NULL);
    return false;
}

void cn_object_state_of(const struct cn_entry *entry, struct cn_object_state *ret_state)
{
    const struct wire_forward *f = &entry->f;
    *ret_state = (struct cn_object_state){
        .exists = f->kind == WIRE_ENTRY_PUT,
        .version = f->origin,
        .size = f->size,
        .checksum = f->checksum,
        .mtime_ms = f->mtime_ms,
        .upload_high = f->upload_high,
        .upload_low = f->upload_low,
        .chunk_count = f->chunk_count,
        .chunk_bytes = f->chunk_bytes,
        .part_count = f->part,
        .multi_high = f->multi_high,
        .multi_low = f->multi_low,
        .payload = buf_ref(entry->payload),
    };
}

void cn_object_state_release(struct cn_object_state *state)
{
    buf_unref(state->payload);
    *state = (struct cn_object_state){0};
}

enum err cn_object_state(struct cn_core *core, const struct cn_chain *chain, uint64_t bucket,
                         struct slice key, uint64_t limit, struct cn_object_state *ret_state)
{
    *ret_state = (struct cn_object_state){0};
    const struct cn_entry *entry = cn_index_key(core, chain, bucket, key, limit);
    if (entry != NULL) {
        if (entry->f.kind == WIRE_ENTRY_PUT)
            cn_object_state_of(entry, ret_state);
        return ERR_OK;
    }
    struct cn_key row_key = cn_key_object(chain->id, bucket, key);
    struct buf *value;
    enum err err = kv_get(&core->kv, CN_FAMILY_OBJECTS, cn_key_slice(&row_key), &value);
    if (err != ERR_OK || value == NULL)
        return err;
    struct cn_object_row row;
    if (!cn_object_row_decode(buf_slice(value), &row))
        err = ERR_CORRUPT;
    else
        *ret_state = (struct cn_object_state){
            .exists = true,
            .version = row.version,
            .size = row.size,
            .checksum = row.checksum,
            .mtime_ms = row.mtime_ms,
            .upload_high = row.upload_high,
            .upload_low = row.upload_low,
            .chunk_count = row.chunk_count,
            .chunk_bytes = row.chunk_bytes,
            .part_count = row.part_count,
            .multi_high = row.multi_high,
            .multi_low = row.multi_low,
            .payload = buf_view(value, row.value_offset, value->length - row.value_offset),
        };
    buf_unref(value);
    return err;
}

enum err cn_condition(const struct cn_admission *admission, const struct cn_object_state *newest)
{
    switch ((enum wire_condition)admission->condition) {
    case WIRE_CONDITION_NONE:
        return ERR_OK;
    case WIRE_CONDITION_ABSENT:
        return newest->exists ? ERR_CONDITION : ERR_OK;
    case WIRE_CONDITION_MATCH:
        return newest->exists && origin_compare(newest->version, admission->match) == 0
                   ? ERR_OK
                   : ERR_CONDITION;
    case WIRE_CONDITION_EXISTS:
        return newest->exists ? ERR_OK : ERR_CONDITION;
    }
    return ERR_INVALID;
}

bool cn_may_admit_own(const struct cn_chain *chain)
{
    return !chain->row.frozen && (chain->role != CN_ROLE_HEAD || chain->successor.is_known) &&
           chain->applied.lsn - chain->committed < BOUND_CHAIN_PENDING_ENTRIES;
}

void cn_admit(struct cn_core *core, struct cn_chain *chain, struct cn_admission *admission)
{
    PRE(cn_is_head(chain) && chain->are_sessions_accepted);
    struct wire_forward *f = &admission->f;
    f->chain = chain->id;
    f->epoch = chain->epoch;
    f->origin = (struct origin){.epoch = chain->epoch, .lsn = chain->applied.lsn + 1};
    f->previous = chain->applied;
    f->mtime_ms = admission->mtime_ms != 0 ? admission->mtime_ms : core->wall_ms;
    if (PLANTED(R10_REFUSED_AT_ONCE) && f->outcome != ERR_OK && admission->conn != 0) {
        struct origin none = {0};
        cn_updated(core, chain, admission->conn, admission->request, f->outcome, none, f->current);
        return;
    }
    if (f->outcome != ERR_OK) { /* R10: the refusal itself is ordered */
        f->kind = WIRE_ENTRY_NOTE;
        f->meta = slice_of(NULL, 0);
        admission->payload = NULL;
    }
    cn_token_stamp(core, chain, f);
    struct cn_entry *entry = cn_entry_new(f, admission->payload);
    if (admission->conn != 0)
        cn_entry_add_waiter(entry, admission->conn, admission->request);
    cn_entry_append(core, chain, entry);
    cn_session_accepted(core, chain, f);
    cn_forward_pump(core, chain);
}

/* Planted only: R11 wants the session looked up before this (checklist 27). */
static bool is_condition_unmet(struct cn_core *core, const struct cn_chain *chain,
                               const struct cn_admission *admission)
{
    struct cn_object_state newest = {0};
    const struct wire_forward *f = &admission->f;
    enum err err = cn_object_state(core, chain, f->bucket, f->key, UINT64_MAX, &newest);
    bool is_unmet = err == ERR_OK && cn_condition(admission, &newest) == ERR_CONDITION;
    cn_object_state_release(&newest);
    return is_unmet;
}

/* Chunks that the update consumes; no payload then. */
static enum err check_chunks(const struct wire_forward *f)
{
    return f->chunk_count == 0 || f->chunk_count > BOUND_CHUNKS || f->chunk_bytes == 0 ||
                   f->chunk_bytes > BOUND_CHUNK_BYTES
               ? ERR_INVALID
               : ERR_OK;
}

static enum err check_value(const struct wire_forward *f, size_t payload)
{
    if ((f->upload_high | f->upload_low) != 0)
        return payload != 0 ? ERR_INVALID : check_chunks(f);
    if (payload > BOUND_INLINE_BYTES)
        return ERR_TOO_LARGE;
    return payload != f->size || f->chunk_count != 0 || f->chunk_bytes != 0 ? ERR_INVALID : ERR_OK;
}

static enum err check_part(const struct wire_forward *f, size_t payload)
{
    if (f->part == 0 || f->part > BOUND_PARTS || payload != 0)
        return ERR_INVALID;
    if (f->meta.length > BOUND_PART_META_BYTES)
        return ERR_TOO_LARGE;
    if ((f->upload_high | f->upload_low) != 0)
        return check_chunks(f);
    return f->size != 0 || f->chunk_count != 0 || f->chunk_bytes != 0 ? ERR_INVALID : ERR_OK;
}

/* The shape of the request, before anything is looked up. */
static enum err check_shape(const struct cn_admission *admission, unsigned step)
{
    const struct wire_forward *f = &admission->f;
    struct slice payload = buf_slice(admission->payload);
    if (f->session == 0 || f->seq == 0 || f->seq_floor > f->seq ||
        admission->condition > WIRE_CONDITION_EXISTS || step > WIRE_PUT_RESTAMP)
        return ERR_INVALID;
    bool has_multi = (f->multi_high | f->multi_low) != 0;
    bool has_chunks = (f->upload_high | f->upload_low | f->chunk_count | f->chunk_bytes) != 0;
    if (has_multi != (step == WIRE_PUT_OPEN || step == WIRE_PUT_PART || step == WIRE_PUT_COMPLETE))
        return ERR_INVALID;
    switch ((enum wire_put_step)step) {
    case WIRE_PUT_VALUE:
        return f->part != 0 ? ERR_INVALID : check_value(f, payload.length);
    case WIRE_PUT_PART:
        return check_part(f, payload.length);
    case WIRE_PUT_COMPLETE:
        return has_chunks ? ERR_INVALID : wire_choices_check(payload, f->part);
    case WIRE_PUT_OPEN:
    case WIRE_PUT_RESTAMP:
        return has_chunks || f->part != 0 || payload.length != 0 ? ERR_INVALID : ERR_OK;
    }
    return ERR_INVALID;
}

/* Publishing: every chunk is there, and they are the ones that the client means. */
enum err cn_check_upload(struct cn_core *core, const struct cn_chain *chain,
                         const struct wire_forward *f)
{
    struct cn_upload_state upload;
    enum err err = cn_upload_state(core, chain, f->upload_high, f->upload_low, &upload);
    if (err != ERR_OK) {
        cn_disk_failed(core, err);
        return err;
    }
    if (!upload.is_open || upload.bucket != f->bucket || !slice_equal(upload.key, f->key))
        err = ERR_UPLOAD_GONE;
    else if (upload.count != f->chunk_count || upload.bytes != f->size ||
             upload.chunk_bytes != f->chunk_bytes)
        err = ERR_UPLOAD_ORDER;
    cn_upload_state_release(&upload);
    return err;
}

static enum err decide_value(struct cn_core *core, const struct cn_chain *chain,
                             struct cn_admission *admission, const struct cn_object_state *newest)
{
    enum err err = cn_condition(admission, newest);
    bool has_upload = (admission->f.upload_high | admission->f.upload_low) != 0;
    return err == ERR_OK && has_upload ? cn_check_upload(core, chain, &admission->f) : err;
}

static enum err decide(struct cn_core *core, const struct cn_chain *chain,
                       struct cn_admission *admission, const struct wire_put *put,
                       const struct cn_object_state *newest, struct buf **ret_manifest)
{
    switch ((enum wire_put_step)put->step) {
    case WIRE_PUT_VALUE:
        return decide_value(core, chain, admission, newest);
    case WIRE_PUT_OPEN:
        return cn_decide_open(core, chain, admission, newest);
    case WIRE_PUT_PART:
        return cn_decide_part(core, chain, admission, newest);
    case WIRE_PUT_COMPLETE:
        return cn_decide_complete(core, chain, admission, newest, ret_manifest);
    case WIRE_PUT_RESTAMP:
        return cn_decide_restamp(admission, newest, put->keep_mtime);
    }
    IMPOSSIBLE("the shape was checked");
}

/* Everything is looked up, and what is looked up is the newest accepted state. */
static void order(struct cn_core *core, struct cn_chain *chain, struct cn_admission *admission,
                  const struct wire_put *put)
{
    struct cn_object_state newest = {0};
    uint64_t limit = PLANTED(C28_PENDING_IGNORED) ? chain->committed : UINT64_MAX;
    enum err err = ERR_OK;
    if (put->condition != WIRE_CONDITION_NONE || put->step == WIRE_PUT_OPEN ||
        put->step == WIRE_PUT_RESTAMP)
        err = cn_object_state(core, chain, put->bucket, put->key, limit, &newest);
    if (err != ERR_OK) {
        cn_disk_failed(core, err);
        return;
    }
    struct buf *manifest = NULL;
    err = decide(core, chain, admission, put, &newest, &manifest);
    if (err == ERR_CONDITION)
        admission->f.current = newest.version;
    if (manifest != NULL)
        admission->payload = manifest;
    admission->f.outcome = err;
    if (!core->is_dead) {
        cn_admit(core, chain, admission);
        cn_session_evict(core, chain, put->session);
    }
    buf_unref(manifest);
    cn_object_state_release(&newest);
}

static uint8_t kind_of(const struct wire_put *put)
{
    if (put->step == WIRE_PUT_OPEN)
        return WIRE_ENTRY_OPEN;
    return put->step == WIRE_PUT_PART ? WIRE_ENTRY_PART : WIRE_ENTRY_PUT;
}

void cn_recv_put(struct cn_core *core, const struct cn_event *event)
{
    const struct wire_put *put = &event->message->u.put;
    struct cn_admission admission = {
        .conn = event->conn,
        .request = put->request,
        .epoch = put->epoch,
        .map_version = put->map_version,
        .condition = put->condition,
        .match = put->match,
        .payload = event->message->payload,
        .f = {.chain = put->chain,
              .kind = kind_of(put),
              .session = put->session,
              .seq = put->seq,
              .seq_floor = put->seq_floor,
              .bucket = put->bucket,
              .key = put->key,
              .size = put->size,
              .checksum = put->checksum,
              .meta = put->meta,
              .upload_high = put->upload_high,
              .upload_low = put->upload_low,
              .chunk_count = put->chunk_count,
              .chunk_bytes = put->chunk_bytes,
              .multi_high = put->multi_high,
              .multi_low = put->multi_low,
              .part = put->part,
              .token_high = put->token_high,
              .token_low = put->token_low},
    };
    if (!cn_admit_key(core, &admission))
        return;
    enum err err = check_shape(&admission, put->step);
    if (err != ERR_OK) {
        refuse(core, &admission, err, NULL, NULL);
        return;
    }
    struct cn_chain *chain = cn_admit_chain(core, &admission);
    if (chain == NULL)
        return;
    bool is_late = PLANTED(R11_CONDITION_FIRST) && is_condition_unmet(core, chain, &admission);
    if ((!is_late && !cn_session_is_new(core, chain, &admission)) ||
        !cn_token_is_new(core, chain, &admission) || !cn_admit_room(core, chain, &admission, true))
        return;
    bool is_inline = put->step == WIRE_PUT_VALUE && (put->upload_high | put->upload_low) == 0;
    if ((is_inline || put->step == WIRE_PUT_COMPLETE) &&
        checksum_bytes(buf_slice(admission.payload)) != put->checksum) {
        refuse(core, &admission, ERR_CORRUPT, NULL, "the value was damaged on its way");
        return;
    }
    order(core, chain, &admission, put);
}
