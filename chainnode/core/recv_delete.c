/* DELETE at the head: of an object, or of a multipart upload (D18). Deleting what is not there is
 * an outcome like any other (R10). */
#include "chainnode/core/cn_internal.h"

static enum err decide_object(struct cn_core *core, const struct cn_chain *chain,
                              struct cn_admission *admission)
{
    struct wire_forward *f = &admission->f;
    struct cn_object_state newest;
    enum err err = cn_object_state(core, chain, f->bucket, f->key, UINT64_MAX, &newest);
    if (err != ERR_OK) {
        cn_disk_failed(core, err);
        return err;
    }
    err = cn_condition(admission, &newest);
    if (err == ERR_CONDITION)
        f->current = newest.version;
    else if (!newest.exists)
        err = ERR_NO_KEY;
    cn_object_state_release(&newest);
    return err;
}

static enum err decide_upload(struct cn_core *core, const struct cn_chain *chain,
                              const struct cn_admission *admission)
{
    bool is_open;
    enum err err = cn_multi_is_open(core, chain, &admission->f, &is_open);
    if (err != ERR_OK)
        cn_disk_failed(core, err);
    else if (!is_open)
        err = ERR_UPLOAD_GONE;
    return err;
}

static bool is_well_formed(const struct wire_delete *request)
{
    bool has_multi = (request->multi_high | request->multi_low) != 0;
    return request->session != 0 && request->seq != 0 && request->seq_floor <= request->seq &&
           request->condition <= WIRE_CONDITION_EXISTS &&
           !(has_multi && request->condition != WIRE_CONDITION_NONE);
}

void cn_recv_delete(struct cn_core *core, const struct cn_event *event)
{
    const struct wire_delete *request = &event->message->u.delete;
    bool has_multi = (request->multi_high | request->multi_low) != 0;
    struct cn_admission admission = {
        .conn = event->conn,
        .request = request->request,
        .epoch = request->epoch,
        .map_version = request->map_version,
        .condition = request->condition,
        .match = request->match,
        .f = {.chain = request->chain,
              .kind = has_multi ? WIRE_ENTRY_CLOSE : WIRE_ENTRY_DELETE,
              .session = request->session,
              .seq = request->seq,
              .seq_floor = request->seq_floor,
              .bucket = request->bucket,
              .key = request->key,
              .multi_high = request->multi_high,
              .multi_low = request->multi_low},
    };
    if (!cn_admit_key(core, &admission))
        return;
    if (!is_well_formed(request)) {
        cn_refuse(core, event->conn, request->request, ERR_INVALID, NULL, NULL);
        return;
    }
    struct cn_chain *chain = cn_admit_chain(core, &admission);
    if (chain == NULL || !cn_session_is_new(core, chain, &admission) ||
        !cn_admit_room(core, chain, &admission, false))
        return;
    admission.f.outcome =
        has_multi ? decide_upload(core, chain, &admission) : decide_object(core, chain, &admission);
    if (core->is_dead)
        return;
    cn_admit(core, chain, &admission);
    cn_session_evict(core, chain, request->session);
}
