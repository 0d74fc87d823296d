/* Multipart uploads that go on, listed by key and id. */
#include <stdlib.h>
#include <string.h>

#include "base/contract.h"
#include "client/io/client.h"

static void add_item(struct catena_upload_list *all, const struct wire_list_item *from)
{
    if ((all->count & (all->count - 1)) == 0) /* grow at powers of two */
        all->items =
            mem_realloc(all->items, (all->count == 0 ? 1 : all->count * 2) * sizeof *all->items);
    struct catena_upload_item *item = &all->items[all->count++];
    *item = (struct catena_upload_item){
        .key = bytes_copy(from->key.data, from->key.length),
        .key_length = from->key.length,
        .upload = {.high = from->multi_high, .low = from->multi_low},
        .created_ms = from->mtime_ms,
        .is_prefix = (from->multi_high | from->multi_low) == 0,
    };
    if (from->meta.length > 0) {
        item->meta = bytes_copy(from->meta.data, from->meta.length);
        item->meta_length = from->meta.length;
    }
}

static void take_items(struct wait *wait, const struct call_end *end)
{
    struct catena_upload_list *all = wait->context;
    for (uint32_t i = 0; i < end->result->items_count; i++)
        add_item(all, &end->result->items[i]);
    all->truncated = end->result->truncated;
}

void catena_upload_list_release(struct catena_upload_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].key);
        free(list->items[i].meta);
    }
    free(list->items);
    *list = (struct catena_upload_list){0};
}

/* A limit over one reply's maximum takes several pages. `submit` says what the first one asks. */
static enum catena_status list_pages(struct catena_client *client, struct cl_submit submit,
                                     uint32_t limit, struct catena_upload_list *all)
{
    for (;;) {
        size_t before = all->count;
        size_t rest = limit - before;
        struct wait wait;
        wait_init(&wait, client);
        wait.take = take_items;
        wait.context = all;
        submit.limit = rest < BOUND_LIST_ITEMS ? (uint32_t)rest : BOUND_LIST_ITEMS;
        submit.deadline_us = deadline_after(client, 0);
        wait.call.submit = submit;
        enum catena_status status = wait_finish(&wait);
        if (status != CATENA_OK || !all->truncated || all->count >= limit)
            return status;
        if (all->count == before)
            return fail_text(CATENA_INTERNAL, "list uploads: a page brought nothing");
        const struct catena_upload_item *last = &all->items[all->count - 1];
        submit.start_after = slice_of(last->key, last->key_length);
        submit.after_multi_high = last->upload.high;
        submit.after_multi_low = last->upload.low;
    }
}

enum catena_status catena_multipart_list(struct catena_client *client, const char *bucket,
                                         const void *prefix, size_t prefix_length,
                                         const void *after_key, size_t after_key_length,
                                         struct catena_upload_id after_upload,
                                         const char *delimiter, uint32_t limit,
                                         struct catena_upload_list *ret_list)
{
    if (client == NULL || bucket == NULL || ret_list == NULL)
        return fail_text(CATENA_INVALID, "client, bucket and ret_list must not be NULL");
    *ret_list = (struct catena_upload_list){0};
    enum catena_status status = check_may_block(client);
    if (status != CATENA_OK)
        return status;
    if (!slot_take(client, true, deadline_after(client, 0)))
        return fail_text(CATENA_BUSY, "list uploads in %s: %u operations are in flight already",
                         bucket, client->requests_max);
    struct cl_submit submit = {
        .kind = CL_OP_LIST,
        .uploads = true,
        .want_meta = true,
        .bucket = slice_of_text(bucket),
        .key = slice_of(prefix, prefix_length),
        .start_after = slice_of(after_key, after_key_length),
        .after_multi_high = after_upload.high,
        .after_multi_low = after_upload.low,
        .delimiter = delimiter == NULL ? slice_of(NULL, 0) : slice_of_text(delimiter),
    };
    status = list_pages(client, submit, limit == 0 ? BOUND_LIST_ITEMS : limit, ret_list);
    slot_give(client);
    if (status != CATENA_OK)
        catena_upload_list_release(ret_list);
    return status;
}
