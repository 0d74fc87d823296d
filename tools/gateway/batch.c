#include <stdlib.h>

#include "tools/gateway/gateway.h"

enum { WINDOW = 64 };

struct batch {
    pthread_mutex_t mutex;
    pthread_cond_t is_done;
    size_t under_way;
    bool is_stat;
};

struct call {
    struct batch *batch;
    struct batch_item *item;
};

static void on_result(void *context, const struct catena_result *result)
{
    struct call *call = context;
    struct batch_item *item = call->item;
    item->status = result->status;
    if (call->batch->is_stat && result->status == CATENA_OK) {
        item->info = *result->info;
        item->info.meta = NULL;
        if (result->info->meta_length > 0) {
            item->info.meta = malloc(result->info->meta_length);
            if (item->info.meta == NULL)
                abort();
            memcpy(item->info.meta, result->info->meta, result->info->meta_length);
        }
    }
    struct batch *batch = call->batch;
    pthread_mutex_lock(&batch->mutex);
    batch->under_way--;
    pthread_cond_signal(&batch->is_done);
    pthread_mutex_unlock(&batch->mutex);
}

static void wait_below(struct batch *batch, size_t limit)
{
    pthread_mutex_lock(&batch->mutex);
    while (batch->under_way >= limit)
        pthread_cond_wait(&batch->is_done, &batch->mutex);
    pthread_mutex_unlock(&batch->mutex);
}

static enum catena_status start(struct catena_client *client, const char *bucket, bool is_stat,
                                struct call *call)
{
    struct batch_item *item = call->item;
    return is_stat ? catena_stat_async(client, bucket, item->key, item->key_length, NULL, on_result,
                                       call)
                   : catena_delete_async(client, bucket, item->key, item->key_length, NULL,
                                         on_result, call);
}

/* The library is full: this thread does it itself, which waits for a turn. */
static void run_blocking(struct catena_client *client, const char *bucket, bool is_stat,
                         struct batch_item *item)
{
    item->status = is_stat
                       ? catena_stat(client, bucket, item->key, item->key_length, NULL, &item->info)
                       : catena_delete(client, bucket, item->key, item->key_length, NULL, NULL);
}

static void run(struct catena_client *client, const char *bucket, bool is_stat,
                struct batch_item *items, size_t count)
{
    struct batch batch = {.is_stat = is_stat};
    struct call *calls = malloc((count + 1) * sizeof *calls);
    if (calls == NULL)
        abort();
    pthread_mutex_init(&batch.mutex, NULL);
    pthread_cond_init(&batch.is_done, NULL);
    for (size_t i = 0; i < count; i++) {
        if (items[i].is_skipped)
            continue;
        wait_below(&batch, WINDOW);
        calls[i] = (struct call){.batch = &batch, .item = &items[i]};
        pthread_mutex_lock(&batch.mutex);
        batch.under_way++;
        pthread_mutex_unlock(&batch.mutex);
        enum catena_status status = start(client, bucket, is_stat, &calls[i]);
        if (status == CATENA_OK)
            continue;
        pthread_mutex_lock(&batch.mutex);
        batch.under_way--;
        pthread_mutex_unlock(&batch.mutex);
        items[i].status = status;
        if (status == CATENA_BUSY)
            run_blocking(client, bucket, is_stat, &items[i]);
    }
    wait_below(&batch, 1);
    pthread_cond_destroy(&batch.is_done);
    pthread_mutex_destroy(&batch.mutex);
    free(calls);
}

void batch_stat(struct catena_client *client, const char *bucket, struct batch_item *items,
                size_t count)
{
    run(client, bucket, true, items, count);
}

void batch_delete(struct catena_client *client, const char *bucket, struct batch_item *items,
                  size_t count)
{
    run(client, bucket, false, items, count);
}
