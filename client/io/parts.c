/* Lists of parts: of a multipart upload that goes on, and of an object that was assembled. */
#include <stdlib.h>
#include <string.h>

#include "base/contract.h"
#include "client/io/client.h"
#include "wire/manifest.h"

static struct catena_part *add_part(struct catena_parts *all, uint32_t number, struct slice meta)
{
    if ((all->count & (all->count - 1)) == 0) /* grow at powers of two */
        all->items =
            mem_realloc(all->items, (all->count == 0 ? 1 : all->count * 2) * sizeof *all->items);
    struct catena_part *part = &all->items[all->count++];
    *part = (struct catena_part){.number = number, .meta_length = meta.length};
    PRE(meta.length <= sizeof part->meta);
    if (meta.length > 0)
        memcpy(part->meta, meta.data, meta.length);
    return part;
}

void catena_parts_release(struct catena_parts *parts)
{
    if (parts == NULL)
        return;
    free(parts->items);
    free(parts->meta);
    *parts = (struct catena_parts){0};
}

static void take_parts(struct wait *wait, const struct call_end *end)
{
    struct catena_parts *all = wait->context;
    const struct cl_result *result = end->result;
    if (result->err != ERR_OK)
        return;
    for (uint32_t i = 0; i < result->parts_count; i++) {
        const struct wire_part_item *from = &result->parts[i];
        struct catena_part *part = add_part(all, from->number, from->meta);
        part->size = from->size;
        part->checksum = from->checksum;
        part->version =
            (struct catena_version){.epoch = from->version.epoch, .lsn = from->version.lsn};
        part->mtime_ms = from->mtime_ms;
    }
    all->truncated = result->truncated;
    all->created_ms = result->mtime_ms;
    free(all->meta);
    all->meta =
        result->meta.length == 0 ? NULL : bytes_copy(result->meta.data, result->meta.length);
    all->meta_length = result->meta.length;
}

/* A limit over one reply's maximum takes several pages. */
static enum catena_status list_pages(struct catena_client *client, const struct target *target,
                                     struct catena_upload_id upload, uint32_t after, uint32_t limit,
                                     struct catena_parts *all)
{
    for (;;) {
        size_t rest = limit - all->count;
        struct wait wait;
        wait_init(&wait, client);
        wait.take = take_parts;
        wait.context = all;
        target_prepare(&wait, target, CL_OP_PARTS_LIST);
        wait.call.submit.multi_high = upload.high;
        wait.call.submit.multi_low = upload.low;
        wait.call.submit.part = all->count == 0 ? after : all->items[all->count - 1].number;
        wait.call.submit.limit = rest < BOUND_LIST_ITEMS ? (uint32_t)rest : BOUND_LIST_ITEMS;
        enum catena_status status = wait_finish(&wait);
        if (status != CATENA_OK || !all->truncated || all->count >= limit)
            return status;
    }
}

enum catena_status catena_multipart_parts(struct catena_client *client, const char *bucket,
                                          const void *key, size_t key_length,
                                          struct catena_upload_id upload, uint32_t after,
                                          uint32_t limit, struct catena_parts *ret_parts)
{
    struct target target;
    if (ret_parts == NULL)
        return fail_text(CATENA_INVALID, "ret_parts must not be NULL");
    *ret_parts = (struct catena_parts){0};
    enum catena_status status = multi_check(bucket, upload);
    if (status == CATENA_OK)
        status = target_begin(client, bucket, key, key_length, NULL, true, &target);
    if (status != CATENA_OK)
        return status;
    status = list_pages(client, &target, upload, after, limit == 0 ? BOUND_LIST_ITEMS : limit,
                        ret_parts);
    target_end(client, &target);
    if (status != CATENA_OK)
        catena_parts_release(ret_parts);
    return status;
}

/* The core has checked the manifest. */
static void take_manifest(struct slice bytes, struct catena_parts *all)
{
    struct wire_manifest manifest = wire_manifest_of(bytes);
    struct wire_part from;
    while (wire_manifest_next(&manifest, &from) == ERR_OK) {
        struct catena_part *part = add_part(all, from.number, from.meta);
        part->size = from.size;
        part->checksum = from.checksum;
    }
}

enum catena_status catena_object_parts(struct catena_client *client, const char *bucket,
                                       const void *key, size_t key_length,
                                       struct catena_parts *ret_parts, struct catena_info *ret_info)
{
    struct target target;
    struct wait wait;
    if (ret_info != NULL)
        *ret_info = (struct catena_info){0};
    if (ret_parts == NULL)
        return fail_text(CATENA_INVALID, "ret_parts must not be NULL");
    *ret_parts = (struct catena_parts){0};
    enum catena_status status = target_begin(client, bucket, key, key_length, NULL, true, &target);
    if (status != CATENA_OK)
        return status;
    wait_init(&wait, client);
    target_prepare(&wait, &target, CL_OP_GET);
    if (wait_run(&wait) == ERR_OK && wait.result.part_count != 0)
        take_manifest(buf_slice(wait.payload), ret_parts);
    wait_give_info(&wait, ret_info);
    status = wait_status(&wait);
    wait_release(&wait);
    target_end(client, &target);
    return status;
}
