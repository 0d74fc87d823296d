#include <stdlib.h>

#include "tools/gateway/gateway.h"

enum { WINDOW = 64 };

struct batch {
    pthread_mutex_t mutex;
    pthread_cond_t is_done;
    size_t under_way;
};

struct call {
    struct batch *batch;
    struct batch_item *item;
};

static void on_result(void *context, const struct catena_result *result)
{
    struct call *call = context;
    struct batch *batch = call->batch;
    call->item->status = result->status;
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

void batch_delete(struct catena_client *client, const char *bucket, struct batch_item *items,
                  size_t count)
{
    struct batch batch = {0};
    struct call *calls = malloc((count + 1) * sizeof *calls);
    if (calls == NULL)
        abort();
    pthread_mutex_init(&batch.mutex, NULL);
    pthread_cond_init(&batch.is_done, NULL);
    for (size_t i = 0; i < count; i++) {
        struct batch_item *item = &items[i];
        if (item->is_skipped)
            continue;
        wait_below(&batch, WINDOW);
        calls[i] = (struct call){.batch = &batch, .item = item};
        pthread_mutex_lock(&batch.mutex);
        batch.under_way++;
        pthread_mutex_unlock(&batch.mutex);
        enum catena_status status = catena_delete_async(client, bucket, item->key, item->key_length,
                                                        NULL, on_result, &calls[i]);
        if (status == CATENA_OK)
            continue; /* the callback has set the item's, or will */
        pthread_mutex_lock(&batch.mutex);
        batch.under_way--;
        pthread_mutex_unlock(&batch.mutex);
        /* The library is full: this thread does it itself, which waits for a turn. */
        if (status == CATENA_BUSY)
            status = catena_delete(client, bucket, item->key, item->key_length, NULL, NULL);
        item->status = status;
    }
    wait_below(&batch, 1);
    pthread_cond_destroy(&batch.is_done);
    pthread_mutex_destroy(&batch.mutex);
    free(calls);
}
