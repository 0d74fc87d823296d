/* Listings and buckets. */
#include <stdlib.h>
#include <string.h>

#include "base/contract.h"
#include "client/io/client.h"

struct collected {
    struct catena_list_item *items;
    size_t count;
    size_t capacity;
    bool truncated;
};

static void add_item(struct collected *all, const struct wire_list_item *from)
{
    if (all->count == all->capacity) {
        all->capacity = all->capacity == 0 ? 64 : all->capacity * 2;
        all->items = mem_realloc(all->items, all->capacity * sizeof *all->items);
    }
    struct catena_list_item *item = &all->items[all->count++];
    *item = (struct catena_list_item){
        .key = mem_alloc(from->key.length + 1),
        .key_length = from->key.length,
        .size = from->size,
        .version = {.epoch = from->version.epoch, .lsn = from->version.lsn},
        .mtime_ms = from->mtime_ms,
        .checksum = from->checksum,
        .is_prefix = origin_is_none(from->version),
        .part_count = from->part_count,
    };
    memcpy(item->key, from->key.data, from->key.length);
    item->key[from->key.length] = '\0';
    if (from->meta.length > 0) {
        item->meta = bytes_copy(from->meta.data, from->meta.length);
        item->meta_length = from->meta.length;
    }
}

static void take_items(struct wait *wait, const struct call_end *end)
{
    struct collected *all = wait->context;
    for (uint32_t i = 0; i < end->result->items_count; i++)
        add_item(all, &end->result->items[i]);
    all->truncated = end->result->truncated;
}

static enum catena_status list_page(struct catena_client *client, const char *bucket,
                                    struct slice prefix, struct slice after, const char *delimiter,
                                    uint32_t limit, bool want_meta, struct collected *all)
{
    struct wait wait;
    wait_init(&wait, client);
    wait.take = take_items;
    wait.context = all;
    wait.call.submit = (struct cl_submit){
        .kind = CL_OP_LIST,
        .bucket = slice_of_text(bucket),
        .key = prefix,
        .start_after = after,
        .delimiter = delimiter == NULL ? slice_of(NULL, 0) : slice_of_text(delimiter),
        .limit = limit,
        .want_meta = want_meta,
        .deadline_us = deadline_after(client, 0),
    };
    return wait_finish(&wait);
}

static void release_items(struct collected *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->items[i].key);
        free(all->items[i].meta);
    }
    free(all->items);
    *all = (struct collected){0};
}

/* A limit over one reply's maximum takes several pages. */
static enum catena_status list_pages(struct catena_client *client, const char *bucket,
                                     struct slice prefix, struct slice after, const char *delimiter,
                                     uint32_t limit, bool want_meta, struct collected *all)
{
    for (;;) {
        uint32_t rest = limit - (uint32_t)all->count;
        uint32_t page = rest < BOUND_LIST_ITEMS ? rest : BOUND_LIST_ITEMS;
        size_t before = all->count;
        enum catena_status status =
            list_page(client, bucket, prefix, after, delimiter, page, want_meta, all);
        if (status != CATENA_OK)
            return status;
        if (!all->truncated || all->count >= limit)
            return CATENA_OK;
        if (all->count == before)
            return fail_text(CATENA_INTERNAL, "list %s: a page brought nothing", bucket);
        const struct catena_list_item *last = &all->items[all->count - 1];
        after = slice_of(last->key, last->key_length);
    }
}

static enum catena_status run_list(struct catena_client *client, const char *bucket,
                                   struct slice prefix, struct slice after, const char *delimiter,
                                   uint32_t limit, bool want_meta, struct catena_list *ret_list)
{
    if (client == NULL || bucket == NULL || ret_list == NULL)
        return fail_text(CATENA_INVALID, "client, bucket and ret_list must not be NULL");
    *ret_list = (struct catena_list){0};
    enum catena_status status = check_may_block(client);
    if (status != CATENA_OK)
        return status;
    if (!slot_take(client, true, deadline_after(client, 0)))
        return fail_text(CATENA_BUSY, "list %s: %u operations are in flight already", bucket,
                         client->requests_max);
    struct collected all = {0};
    status = list_pages(client, bucket, prefix, after, delimiter,
                        limit == 0 ? BOUND_LIST_ITEMS : limit, want_meta, &all);
    slot_give(client);
    if (status != CATENA_OK) {
        release_items(&all);
        return status;
    }
    ret_list->items = all.items;
    ret_list->count = all.count;
    ret_list->truncated = all.truncated;
    return succeed();
}

enum catena_status catena_list(struct catena_client *client, const char *bucket, const void *prefix,
                               size_t prefix_length, const void *start_after,
                               size_t start_after_length, const char *delimiter, uint32_t limit,
                               struct catena_list *ret_list)
{
    return run_list(client, bucket, slice_of(prefix, prefix_length),
                    slice_of(start_after, start_after_length), delimiter, limit, false, ret_list);
}

enum catena_status catena_list_with_meta(struct catena_client *client, const char *bucket,
                                         const void *prefix, size_t prefix_length,
                                         const void *start_after, size_t start_after_length,
                                         const char *delimiter, uint32_t limit,
                                         struct catena_list *ret_list)
{
    return run_list(client, bucket, slice_of(prefix, prefix_length),
                    slice_of(start_after, start_after_length), delimiter, limit, true, ret_list);
}

void catena_list_release(struct catena_list *list)
{
    if (list == NULL)
        return;
    struct collected all = {.items = list->items, .count = list->count};
    release_items(&all);
    *list = (struct catena_list){0};
}
