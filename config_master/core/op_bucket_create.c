/* BUCKET_CREATE: a name, an id that is never used twice (R37). */
#include "config_master/core/apply.h"
#include "config_master/core/leader.h"

bool cm_bucket_name_is_valid(struct slice name)
{
    if (name.length < BOUND_BUCKET_NAME_MIN || name.length > BOUND_BUCKET_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.length; i++) {
        uint8_t c = name.data[i];
        bool is_alphanumeric = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        bool is_inner = i > 0 && i + 1 < name.length && (c == '.' || c == '-');
        if (!is_alphanumeric && !is_inner)
            return false;
    }
    return true;
}

void cm_op_bucket_create(struct cm_core *core, struct cm_request *request)
{
    struct slice name = cm_request_name(request);
    if (!cm_bucket_name_is_valid(name)) {
        cm_request_reply(core, request, ERR_INVALID, 0, 0,
                         "a bucket name has %u to %u characters of a-z, 0-9, '.' and '-', and "
                         "begins and ends with a letter or digit",
                         BOUND_BUCKET_NAME_MIN, BOUND_BUCKET_NAME_MAX);
        return;
    }
    struct cm_item item = {.kind = CM_ITEM_BUCKET_CREATE};
    item.u.bucket_create.name = name;
    item.u.bucket_create.created_ms = request->wall_ms;
    cm_request_propose(core, request, &item);
}

void cm_apply_bucket_create(struct cm_apply *apply, const struct cm_item *item,
                            struct cm_answer *answer)
{
    struct slice name = item->u.bucket_create.name;
    const struct cm_bucket *old = cm_state_bucket(apply->state, name);
    if (!cm_bucket_name_is_valid(name)) {
        cm_answer_refuse(answer, ERR_INVALID, "not a bucket name");
    } else if (old != NULL) {
        bool is_deleting = old->state == WIRE_BUCKET_DELETING;
        cm_answer_refuse(answer, is_deleting ? ERR_BUCKET_DELETING : ERR_BUCKET_EXISTS,
                         is_deleting ? "bucket '%s' is being deleted; try again when it is gone"
                                     : "bucket '%s' exists already",
                         old->name);
        answer->value = old->id;
    } else if (apply->state->bucket_count == BOUND_BUCKETS) {
        cm_answer_refuse(answer, ERR_TOO_LARGE, "the cluster has %u buckets, which is the limit",
                         BOUND_BUCKETS);
    } else {
        struct cm_bucket *bucket = cm_state_add_bucket(apply->state, name);
        bucket->id = ++apply->state->last_bucket;
        bucket->state = WIRE_BUCKET_ACTIVE;
        bucket->created_ms = item->u.bucket_create.created_ms;
        cm_state_touch_bucket(apply->state, bucket, apply->index);
        answer->value = bucket->id;
    }
}
