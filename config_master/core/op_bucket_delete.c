/* BUCKET_DELETE in three requests (R37). The masters stay off the data path, so the client lists:
 *
 *   a = 0  mark: state deleting in map v; answered when the head of every chain has installed a map
 *          >= v (a node says so only when the puts that it admitted under older maps are decided)
 *          -> client: lists all tails
 *   a = 1  finish: the list was empty. Void when any chain changed its head since the answer to
 *          a = 0: the new head may have admitted a put under an older map. The client begins again.
 *   a = 2  revert: the list was not empty
 *
 * A bucket whose client vanished in between is reverted by the leader. */
#include "base/buf.h"
#include "base/contract.h"
#include "base/planted.h"
#include "config_master/core/apply.h"
#include "config_master/core/leader.h"

enum { HEADS_WAIT_US = 20000000, REVERT_AFTER_US = 30000000 };

static struct cm_deletion *deletion_find(struct cm_core *core, uint64_t bucket)
{
    for (uint32_t i = 0; i < core->deletion_count; i++) {
        if (core->deletions[i].bucket == bucket)
            return &core->deletions[i];
    }
    return NULL;
}

void cm_op_bucket_delete_note(struct cm_core *core, uint64_t id)
{
    if (!core->is_leader)
        return;
    const struct cm_bucket *bucket = cm_state_bucket_by_id(core->state, id);
    struct cm_deletion *deletion = deletion_find(core, id);
    if (bucket == NULL || bucket->state != WIRE_BUCKET_DELETING) {
        if (deletion != NULL)
            *deletion = core->deletions[--core->deletion_count];
        return;
    }
    if (deletion == NULL) {
        if (core->deletion_count == core->deletion_capacity) {
            core->deletion_capacity =
                core->deletion_capacity == 0 ? 8 : core->deletion_capacity * 2;
            core->deletions =
                mem_realloc(core->deletions, core->deletion_capacity * sizeof *core->deletions);
        }
        deletion = &core->deletions[core->deletion_count++];
    }
    *deletion = (struct cm_deletion){.bucket = id,
                                     .marked_version = bucket->version,
                                     .revert_us = core->now_us + REVERT_AFTER_US};
}

void cm_op_bucket_delete_reset(struct cm_core *core)
{
    core->deletion_count = 0;
    for (uint32_t i = 0; i < core->state->bucket_count; i++) {
        if (core->state->buckets[i]->state == WIRE_BUCKET_DELETING)
            cm_op_bucket_delete_note(core, core->state->buckets[i]->id);
    }
}

static void propose_end(struct cm_core *core, struct cm_request *request,
                        const struct cm_deletion *deletion, enum cm_item_kind kind)
{
    struct cm_item item = {.kind = kind};
    item.u.bucket_end.bucket = deletion->bucket;
    item.u.bucket_end.marked_version = deletion->marked_version;
    item.u.bucket_end.agreed_version = deletion->agreed_version;
    cm_request_propose(core, request, &item);
}

void cm_op_bucket_delete(struct cm_core *core, struct cm_request *request)
{
    struct slice name = cm_request_name(request);
    const struct cm_bucket *bucket = cm_state_bucket(core->state, name);
    if (!cm_bucket_name_is_valid(name) || request->a > 2) {
        cm_request_reply(core, request, ERR_INVALID, 0, 0, "not a bucket name, or no such step");
        return;
    }
    if (request->a == 0) {
        struct cm_item item = {.kind = CM_ITEM_BUCKET_MARK};
        item.u.bucket_mark.name = name;
        cm_request_propose(core, request, &item);
        return;
    }
    struct cm_deletion *deletion = bucket == NULL ? NULL : deletion_find(core, bucket->id);
    if (bucket == NULL) {
        cm_request_reply(core, request, ERR_NO_BUCKET, 0, 0, "no such bucket");
    } else if (deletion == NULL) {
        cm_request_reply(core, request, ERR_NOT_READY, bucket->id, 0,
                         "the deletion has been reverted; begin again");
    } else if (request->a == 1 && deletion->agreed_version == 0) {
        cm_request_reply(core, request, ERR_NOT_READY, bucket->id, 0,
                         "the master has changed meanwhile; begin again");
    } else {
        propose_end(core, request, deletion,
                    request->a == 1 ? CM_ITEM_BUCKET_FINISH : CM_ITEM_BUCKET_REVERT);
    }
}

void cm_op_bucket_marked(struct cm_core *core, struct cm_request *request,
                         const struct cm_answer *answer)
{
    struct cm_deletion *deletion = deletion_find(core, answer->value);
    if (deletion == NULL || deletion->marked_version != answer->version) {
        cm_request_reply(core, request, ERR_NOT_READY, answer->value, 0,
                         "that deletion has ended meanwhile; begin again");
        return;
    }
    deletion->revert_us = core->now_us + REVERT_AFTER_US;
    request->stage = CM_STAGE_HEADS;
    request->bucket = answer->value;
    request->marked_version = answer->version;
    request->deadline_us = core->now_us + HEADS_WAIT_US;
    core->heads_due = true;
}

/* The map version that the head of this chain has acknowledged; 0 if it cannot speak for the chain.
 * While a removal is decided the head may have left already: it holds nothing that is undecided any
 * more, but its successor does. And a head counts only once it has entered the row that made it
 * one: before that it does not hold its version back for what it inherited. */
static uint64_t head_version(const struct cm_core *core, const struct cm_chain *chain)
{
    struct wire_member head = chain->active.members[0];
    const struct cm_live *live = map_get(&core->lives, head.node);
    bool is_known = live != NULL && live->beat_us != 0 && live->was_alive &&
                    live->incarnation == head.incarnation;
    if (!is_known || chain->has_decided || live->map_version < chain->active.version)
        return 0;
    return live->map_version;
}

/* The lowest map version that the heads of all chains have installed; 0 if one is unknown. */
static uint64_t heads_version(const struct cm_core *core)
{
    uint64_t lowest = UINT64_MAX;
    uint32_t count = PLANTED(R37_HEADS_NOT_ASKED) ? 0 : core->state->chain_count;
    for (uint32_t i = 0; i < count && lowest > 0; i++) {
        uint64_t version = head_version(core, &core->state->chains[i]);
        lowest = version < lowest ? version : lowest;
    }
    return lowest;
}

void cm_op_bucket_delete_heads(struct cm_core *core)
{
    core->heads_due = false;
    uint64_t lowest = 0;
    bool is_known = false;
    LIST_FOREACH_SAFE (link, &core->requests) {
        struct cm_request *request = CONTAINER_OF(link, struct cm_request, link);
        if (request->stage != CM_STAGE_HEADS)
            continue;
        if (!is_known)
            lowest = heads_version(core);
        is_known = true;
        struct cm_deletion *deletion = deletion_find(core, request->bucket);
        if (deletion == NULL || deletion->marked_version != request->marked_version) {
            cm_request_reply(core, request, ERR_NOT_READY, request->bucket, 0,
                             "that deletion has ended meanwhile; begin again");
        } else if (lowest >= request->marked_version) {
            deletion->agreed_version = core->state->version;
            deletion->revert_us = core->now_us + REVERT_AFTER_US;
            cm_request_reply(core, request, ERR_OK, request->bucket, request->marked_version, "%s",
                             "");
        }
    }
}

void cm_op_bucket_delete_tick(struct cm_core *core)
{
    for (uint32_t i = 0; i < core->deletion_count; i++) {
        struct cm_deletion *deletion = &core->deletions[i];
        if (core->now_us < deletion->revert_us || deletion->proposal != 0)
            continue;
        TRACE(&core->options.trace, "bucket-deletion-abandoned bucket=%llu",
              (unsigned long long)deletion->bucket);
        struct cm_item item = {.kind = CM_ITEM_BUCKET_REVERT};
        item.u.bucket_end.bucket = deletion->bucket;
        item.u.bucket_end.marked_version = deletion->marked_version;
        struct cm_writer writer;
        cm_writer_init(&writer);
        cm_command_begin(&writer);
        cm_command_append(&writer, &item);
        deletion->proposal = cm_propose(core, &writer);
    }
}

void cm_op_bucket_delete_proposed(struct cm_core *core, uint64_t id)
{
    for (uint32_t i = 0; i < core->deletion_count; i++) {
        if (core->deletions[i].proposal == id)
            core->deletions[i].proposal = 0;
    }
}

uint64_t cm_op_bucket_delete_deadline_us(const struct cm_core *core)
{
    uint64_t deadline_us = UINT64_MAX;
    for (uint32_t i = 0; i < core->deletion_count; i++) {
        if (core->deletions[i].proposal == 0 && core->deletions[i].revert_us < deadline_us)
            deadline_us = core->deletions[i].revert_us;
    }
    return deadline_us;
}

/* ---- apply ---- */

void cm_apply_bucket_mark(struct cm_apply *apply, const struct cm_item *item,
                          struct cm_answer *answer)
{
    struct cm_bucket *bucket = cm_state_bucket(apply->state, item->u.bucket_mark.name);
    if (bucket == NULL) {
        cm_answer_refuse(answer, ERR_NO_BUCKET, "no such bucket");
        return;
    }
    if (bucket->state == WIRE_BUCKET_ACTIVE) {
        bucket->state = WIRE_BUCKET_DELETING;
        cm_state_touch_bucket(apply->state, bucket, apply->index);
        cm_apply_on_bucket(apply, bucket->id);
    }
    answer->value = bucket->id;
    answer->version = bucket->version;
}

/* The bucket, if it is still under the mark that the item means. */
static struct cm_bucket *marked_bucket(struct cm_apply *apply, const struct cm_item *item,
                                       struct cm_answer *answer)
{
    struct cm_bucket *bucket = cm_state_bucket_by_id(apply->state, item->u.bucket_end.bucket);
    answer->value = item->u.bucket_end.bucket;
    if (bucket == NULL) {
        cm_answer_refuse(answer, ERR_NO_BUCKET, "no such bucket");
    } else if (bucket->state != WIRE_BUCKET_DELETING ||
               bucket->version != item->u.bucket_end.marked_version) {
        cm_answer_refuse(answer, ERR_NOT_READY, "the deletion has been reverted; begin again");
        bucket = NULL;
    }
    return bucket;
}

void cm_apply_bucket_finish(struct cm_apply *apply, const struct cm_item *item,
                            struct cm_answer *answer)
{
    struct cm_bucket *bucket = marked_bucket(apply, item, answer);
    if (bucket == NULL)
        return;
    if (apply->state->head_version > item->u.bucket_end.agreed_version &&
        !PLANTED(R37_NEW_HEAD_NOT_ASKED)) {
        cm_answer_refuse(answer, ERR_NOT_READY,
                         "a chain has changed its head meanwhile; begin again");
        return;
    }
    cm_state_remove_bucket(apply->state, bucket, apply->index);
    cm_apply_on_bucket(apply, answer->value);
}

void cm_apply_bucket_revert(struct cm_apply *apply, const struct cm_item *item,
                            struct cm_answer *answer)
{
    struct cm_bucket *bucket = marked_bucket(apply, item, answer);
    if (bucket == NULL)
        return;
    bucket->state = WIRE_BUCKET_ACTIVE;
    cm_state_touch_bucket(apply->state, bucket, apply->index);
    cm_apply_on_bucket(apply, bucket->id);
}
