/* KEY_LIST: access keys in the order of their ids after a given one, linearizable; nothing when the
 * caller has the present version. Pages are bounded in bytes. */
#include "base/buf.h"
#include "base/contract.h"
#include "base/planted.h"
#include "config_master/core/leader.h"

void cm_op_key_list(struct cm_core *core, struct cm_request *request)
{
    if (PLANTED(D20_REVOKED_NOT_ORDERED))
        cm_op_key_list_ready(core, request);
    else
        cm_request_read(core, request);
}

/* The record, or the same without secrets. Returns the end. */
static uint8_t *put_key(const struct cm_key *key, bool with_secrets, uint8_t *out)
{
    if (with_secrets) {
        memcpy(out, key->record, key->length);
        return out + key->length;
    }
    struct wire_access_key shown;
    bool is_readable = wire_access_key_read(slice_of(key->record, key->length), &shown);
    INVARIANT(is_readable);
    shown.secret = slice_of(NULL, 0);
    shown.old_secret = slice_of(NULL, 0);
    return wire_access_key_put(&shown, out);
}

void cm_op_key_list_ready(struct cm_core *core, struct cm_request *request)
{
    const struct cm_state *state = core->state;
    bool with_secrets = request->a != 0;
    uint32_t from = cm_state_key_after(state, cm_request_name(request));
    if (request->b == state->keys_version)
        from = state->key_count; /* the caller knows them */
    uint32_t to = from;
    size_t bytes = 0;
    while (to < state->key_count && bytes + state->keys[to].length <= CM_KEYS_PAGE_BYTES)
        bytes += state->keys[to++].length;
    struct wire_message *message = cm_request_answer(core, request);
    message->u.admin_reply.value = state->keys_version;
    message->u.admin_reply.truncated = to < state->key_count;
    if (bytes == 0)
        return;
    message->payload = buf_new(bytes);
    if (with_secrets)
        buf_keep_secret(message->payload);
    uint8_t *out = message->payload->data;
    for (uint32_t i = from; i < to; i++)
        out = put_key(&state->keys[i], with_secrets, out);
    message->payload->length = (size_t)(out - message->payload->data);
}
