/* DELETE at the head. Deleting what is not there is an outcome like any other (R10). */
#include "chainnode/core/cn_internal.h"

void cn_recv_delete(struct cn_core *core, const struct cn_event *event)
{
    const struct wire_delete *request = &event->message->u.delete;
    struct cn_admission admission = {
        .conn = event->conn,
        .request = request->request,
        .epoch = request->epoch,
        .map_version = request->map_version,
        .condition = request->condition,
        .match = request->match,
        .f = {.chain = request->chain,
              .kind = WIRE_ENTRY_DELETE,
              .session = request->session,
              .seq = request->seq,
              .seq_floor = request->seq_floor,
              .bucket = request->bucket,
              .key = request->key},
    };
    if (!cn_admit_key(core, &admission))
        return;
    if (request->session == 0 || request->seq == 0 || request->seq_floor > request->seq ||
        request->condition > WIRE_CONDITION_EXISTS) {
        cn_refuse(core, event->conn, request->request, ERR_INVALID, NULL, NULL);
        return;
    }
    struct cn_chain *chain = cn_admit_chain(core, &admission);
    if (chain == NULL || !cn_session_is_new(core, chain, &admission) ||
        !cn_admit_room(core, chain, &admission, false))
        return;
    struct cn_object_state newest;
    enum err err = cn_object_state(core, chain, request->bucket, request->key, UINT64_MAX, &newest);
    if (err != ERR_OK) {
        cn_disk_failed(core, err);
        return;
    }
    err = cn_condition(&admission, &newest);
    if (err == ERR_CONDITION)
        admission.f.current = newest.version;
    else if (!newest.exists)
        err = ERR_NO_KEY;
    admission.f.outcome = err;
    cn_admit(core, chain, &admission);
    cn_session_evict(core, chain, request->session);
}
