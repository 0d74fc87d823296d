/* Bucket names -> ids. Known names come with the map; an unknown one is asked of the leading master
 * (linearizable), once for all operations that wait for it. */
#include "client/core/internal.h"

static uint64_t hash_of(struct slice name)
{
    return hash_bytes(name, 0);
}

static bool has_name(const struct bucket *bucket, struct slice name)
{
    return slice_equal(slice_of_text(bucket->name), name);
}

struct bucket *bucket_find(const struct cl_core *core, struct slice name)
{
    for (struct bucket *b = map_get(&core->buckets, hash_of(name)); b != NULL; b = b->next)
        if (has_name(b, name))
            return b;
    return NULL;
}

void bucket_put(struct cl_core *core, struct slice name, uint64_t id, uint64_t version)
{
    if (name.length == 0 || name.length > BOUND_BUCKET_NAME_MAX || id == 0)
        return;
    struct bucket *bucket = bucket_find(core, name);
    if (bucket == NULL) {
        bucket = mem_calloc(1, sizeof *bucket);
        memcpy(bucket->name, name.data, name.length);
        bucket->next = map_get(&core->buckets, hash_of(name));
        (void)map_put(&core->buckets, hash_of(name), bucket);
    } else if (version < bucket->version) {
        return;
    }
    bucket->id = id;
    bucket->version = version;
}

static void unlink_bucket(struct cl_core *core, struct bucket *bucket)
{
    uint64_t hash = hash_of(slice_of_text(bucket->name));
    struct bucket *first = map_get(&core->buckets, hash);
    if (first == bucket) {
        if (bucket->next == NULL)
            (void)map_remove(&core->buckets, hash);
        else
            (void)map_put(&core->buckets, hash, bucket->next);
    } else {
        while (first->next != bucket)
            first = first->next;
        first->next = bucket->next;
    }
    mem_free(bucket);
}

void bucket_remove(struct cl_core *core, struct slice name, uint64_t version)
{
    struct bucket *bucket = bucket_find(core, name);
    if (bucket != NULL && bucket->version <= version)
        unlink_bucket(core, bucket);
}

void bucket_drop_older(struct cl_core *core, uint64_t version)
{
    struct map old = core->buckets;
    map_init(&core->buckets);
    size_t cursor = 0;
    struct bucket *bucket;
    while ((bucket = map_next(&old, &cursor, NULL)) != NULL) {
        while (bucket != NULL) {
            struct bucket *next = bucket->next;
            if (bucket->version > version) /* learnt from the leader after that map */
                bucket_put(core, slice_of_text(bucket->name), bucket->id, bucket->version);
            mem_free(bucket);
            bucket = next;
        }
    }
    map_release(&old);
}

void bucket_release_all(struct cl_core *core)
{
    bucket_drop_older(core, UINT64_MAX);
    map_release(&core->buckets);
}

static bool is_being_asked(const struct cl_core *core, struct slice name)
{
    LIST_FOREACH (node, &core->ops) {
        const struct op *op = CONTAINER_OF(node, struct op, node);
        if (op->internal == OP_INTERNAL_BUCKET && op->state != OP_ENDED &&
            slice_equal(op->in.bucket, name))
            return true;
    }
    return false;
}

bool bucket_resolve(struct cl_core *core, struct op *op)
{
    struct bucket *bucket = bucket_find(core, op->in.bucket);
    if (bucket != NULL) {
        op->bucket_id = bucket->id;
        op->bucket_version = bucket->version;
        return true;
    }
    op_wait(op, OP_WAIT_BUCKET);
    op_note_reason(op, ERR_NO_LEADER, "the masters have not answered whether the bucket exists");
    if (!is_being_asked(core, op->in.bucket)) {
        struct cl_submit ask = {
            .kind = CL_OP_ADMIN,
            .bucket = op->in.bucket,
            .admin_op = WIRE_ADMIN_BUCKET_GET,
            .deadline_us = core->now_us + CL_INTERNAL_US,
        };
        (void)op_start_internal(core, OP_INTERNAL_BUCKET, &ask);
    }
    return false;
}

/* The leader's word on a name: all who wait for it go on or end. */
void bucket_answered(struct cl_core *core, struct op *asker, enum err err,
                     const struct wire_admin_reply *reply)
{
    bool is_final = err == ERR_NO_BUCKET || err == ERR_INVALID;
    if (err == ERR_OK && reply != NULL)
        bucket_put(core, asker->in.bucket, reply->value, reply->version);
    LIST_FOREACH_SAFE (node, &core->ops) {
        struct op *op = CONTAINER_OF(node, struct op, node);
        if (op->state != OP_WAIT_BUCKET || !slice_equal(op->in.bucket, asker->in.bucket))
            continue;
        if (is_final) {
            op_fail(core, op, err);
            continue;
        }
        if (err != ERR_OK)
            op_note_reason(op, err, "%s", asker->last_reason);
        if (err == ERR_OK)
            op_wake(core, op);
        else
            retry_later(core, op, true);
    }
}
