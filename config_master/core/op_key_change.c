/* KEY_CREATE, KEY_ROTATE, KEY_GRANT, KEY_REVOKE: the four changes of the table of access keys
 * (D20).
 *
 * Each carries a record (wire/access_key.h) with what is new: a secret, grants. The secret comes
 * from the client, so that a repeated request (same nonce) finds its own success and no answer
 * that is kept holds a secret. No text here names more of a key than its id. */
#include "base/buf.h"
#include "base/contract.h"
#include "config_master/core/apply.h"
#include "config_master/core/leader.h"

static bool needs_secret(enum cm_item_kind kind)
{
    return kind == CM_ITEM_KEY_CREATE || kind == CM_ITEM_KEY_ROTATE;
}

/* What is wrong with the request itself, whatever the state: NULL for nothing. */
static const char *item_problem(const struct cm_item *item, struct wire_access_key *ret_record)
{
    *ret_record = (struct wire_access_key){0};
    if (!wire_access_key_id_is_valid(item->u.key.id))
        return "an access key has 3 to 128 characters of A-Z, a-z, 0-9, '.', '_' and '-'";
    if (item->kind == CM_ITEM_KEY_REVOKE)
        return NULL;
    if (!wire_access_key_read(item->u.key.record, ret_record))
        return "not a record of an access key: at most 100 grants to buckets (a name, or the "
               "beginning of one with '*'), a secret of 8 to 128 printable characters";
    if (needs_secret(item->kind) && ret_record->secret.length == 0)
        return "a secret has 8 to 128 printable characters";
    return NULL;
}

static enum cm_item_kind kind_of(enum wire_admin_op op)
{
    if (op == WIRE_ADMIN_KEY_CREATE)
        return CM_ITEM_KEY_CREATE;
    if (op == WIRE_ADMIN_KEY_ROTATE)
        return CM_ITEM_KEY_ROTATE;
    return op == WIRE_ADMIN_KEY_GRANT ? CM_ITEM_KEY_GRANT : CM_ITEM_KEY_REVOKE;
}

void cm_op_key_change(struct cm_core *core, struct cm_request *request)
{
    struct wire_access_key record;
    struct cm_item item = {.kind = kind_of(request->op)};
    item.u.key.id = cm_request_name(request);
    item.u.key.record = buf_slice(request->payload);
    item.u.key.keeps_old = item.kind == CM_ITEM_KEY_ROTATE && request->a != 0;
    const char *problem = item_problem(&item, &record);
    if (problem != NULL)
        cm_request_reply(core, request, ERR_INVALID, 0, 0, "%s", problem);
    else
        cm_request_propose(core, request, &item);
}

/* ---- apply ---- */

static void refuse_full(const struct cm_state *state, struct cm_answer *answer)
{
    if (state->key_count == BOUND_ACCESS_KEYS)
        cm_answer_refuse(answer, ERR_TOO_LARGE,
                         "the cluster has %u access keys, which is the limit", BOUND_ACCESS_KEYS);
    else
        cm_answer_refuse(answer, ERR_TOO_LARGE,
                         "the access keys together would be over their limit of %u bytes",
                         BOUND_ACCESS_KEYS_BYTES);
}

static void create(struct cm_apply *apply, struct slice id, const struct wire_access_key *record,
                   struct cm_answer *answer)
{
    struct wire_access_key key = {
        .id = id, .secret = record->secret, .created_ms = record->created_ms};
    bool fits = wire_grants_merge(&key, record->grants, record->grant_count);
    PRE(fits); /* no more than the record has */
    if (!cm_state_put_key(apply->state, &key, apply->index))
        refuse_full(apply->state, answer);
}

static void rotate(struct cm_apply *apply, struct wire_access_key *key,
                   const struct wire_access_key *record, bool keeps_old, struct cm_answer *answer)
{
    key->old_secret = keeps_old ? key->secret : slice_of(NULL, 0);
    key->secret = record->secret;
    if (!cm_state_put_key(apply->state, key, apply->index))
        refuse_full(apply->state, answer);
}

static void grant(struct cm_apply *apply, struct wire_access_key *key,
                  const struct wire_access_key *record, struct cm_answer *answer)
{
    if (!wire_grants_merge(key, record->grants, record->grant_count))
        cm_answer_refuse(answer, ERR_TOO_LARGE, "an access key has at most %u grants",
                         BOUND_GRANTS);
    else if (!cm_state_put_key(apply->state, key, apply->index))
        refuse_full(apply->state, answer);
}

void cm_apply_key_change(struct cm_apply *apply, const struct cm_item *item,
                         struct cm_answer *answer)
{
    struct wire_access_key record;
    struct wire_access_key present;
    const char *problem = item_problem(item, &record);
    if (problem != NULL) {
        cm_answer_refuse(answer, ERR_INVALID, "%s", problem);
        return;
    }
    const struct cm_key *old = cm_state_key(apply->state, item->u.key.id);
    bool is_readable =
        old == NULL || wire_access_key_read(slice_of(old->record, old->length), &present);
    INVARIANT(is_readable);
    if (item->kind == CM_ITEM_KEY_CREATE && old != NULL) {
        cm_answer_refuse(answer, ERR_EXISTS, "an access key of that name exists already");
    } else if (item->kind == CM_ITEM_KEY_CREATE) {
        create(apply, item->u.key.id, &record, answer);
    } else if (old == NULL) {
        cm_answer_refuse(answer, ERR_NOT_FOUND, "no such access key");
    } else if (item->kind == CM_ITEM_KEY_ROTATE) {
        rotate(apply, &present, &record, item->u.key.keeps_old, answer);
    } else if (item->kind == CM_ITEM_KEY_GRANT) {
        grant(apply, &present, &record, answer);
    } else {
        cm_state_remove_key(apply->state, old, apply->index);
    }
    answer->value = apply->state->keys_version;
}
