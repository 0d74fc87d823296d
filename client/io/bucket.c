/* Buckets: rows in the master. */
#include <stdlib.h>
#include <string.h>

#include "base/contract.h"
#include "client/io/client.h"

static enum catena_status run_bucket(struct catena_client *client, enum cl_op_kind kind,
                                     const char *bucket)
{
    if (client == NULL || bucket == NULL)
        return fail_text(CATENA_INVALID, "client and bucket must not be NULL");
    enum catena_status status = check_may_block(client);
    if (status != CATENA_OK)
        return status;
    struct wait wait;
    wait_init(&wait, client);
    wait.call.submit = (struct cl_submit){
        .kind = kind,
        .bucket = slice_of_text(bucket),
        .wall_ms = engine_wall_ms(),
        .deadline_us = deadline_after(client, 0),
    };
    return wait_finish(&wait);
}

enum catena_status catena_bucket_create(struct catena_client *client, const char *bucket)
{
    return run_bucket(client, CL_OP_BUCKET_CREATE, bucket);
}

enum catena_status catena_bucket_delete(struct catena_client *client, const char *bucket)
{
    return run_bucket(client, CL_OP_BUCKET_DELETE, bucket);
}

struct names {
    struct catena_bucket *buckets;
    size_t count;
    bool truncated;
    char last[BOUND_BUCKET_NAME_MAX + 1];
};

/* In name order; those being deleted are not shown. */
static void take_buckets(struct wait *wait, const struct call_end *end)
{
    struct names *all = wait->context;
    const struct wire_admin_reply *reply = end->result->admin;
    if (reply == NULL)
        return;
    all->buckets =
        mem_realloc(all->buckets, (all->count + reply->buckets_count) * sizeof *all->buckets);
    all->truncated = reply->truncated && reply->buckets_count > 0;
    for (uint32_t i = 0; i < reply->buckets_count; i++) {
        const struct wire_bucket_info *info = &reply->buckets[i];
        if (info->name.length > BOUND_BUCKET_NAME_MAX)
            continue;
        memset(all->last, 0, sizeof all->last);
        memcpy(all->last, info->name.data, info->name.length);
        if (info->state != WIRE_BUCKET_ACTIVE)
            continue;
        struct catena_bucket *bucket = &all->buckets[all->count++];
        *bucket = (struct catena_bucket){.created_ms = info->created_ms};
        memcpy(bucket->name, all->last, sizeof all->last);
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct catena_bucket *)a)->name, ((const struct catena_bucket *)b)->name);
}

enum catena_status catena_bucket_list(struct catena_client *client,
                                      struct catena_bucket **ret_buckets, size_t *ret_count)
{
    if (client == NULL || ret_buckets == NULL || ret_count == NULL)
        return fail_text(CATENA_INVALID, "client, ret_buckets and ret_count must not be NULL");
    enum catena_status status = check_may_block(client);
    struct names all = {0};
    do {
        if (status != CATENA_OK)
            break;
        struct wait wait;
        wait_init(&wait, client);
        wait.take = take_buckets;
        wait.context = &all;
        wait.call.submit = (struct cl_submit){
            .kind = CL_OP_ADMIN,
            .admin_op = WIRE_ADMIN_BUCKET_LIST,
            .bucket = slice_of_text(all.last),
            .deadline_us = deadline_after(client, 0),
        };
        all.truncated = false;
        status = wait_finish(&wait);
    } while (status == CATENA_OK && all.truncated);
    if (status != CATENA_OK) {
        free(all.buckets);
        return status;
    }
    if (all.count > 1)
        qsort(all.buckets, all.count, sizeof *all.buckets, compare_names);
    *ret_buckets = all.buckets;
    *ret_count = all.count;
    return succeed();
}
