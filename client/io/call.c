/* Calls: from any thread to the engine, and blocking waits for their end. */
#include <string.h>
#include <time.h>

#include "base/contract.h"
#include "client/io/client.h"

/* The batch of a thread that is inside one. */
static _Thread_local struct {
    const struct catena_client *client;
    bool is_due;
} batch;

static void start(struct catena_client *client, struct call *call, bool may_wait)
{
    pthread_mutex_lock(&client->mutex);
    call->number = client->next_number++;
    call->submit.op = call->number;
    list_append(&client->queue, &call->node);
    pthread_mutex_unlock(&client->mutex);
    if (!may_wait)
        engine_submit(client);
}

void call_start(struct catena_client *client, struct call *call)
{
    start(client, call, false);
}

void call_start_in_batch(struct catena_client *client, struct call *call)
{
    bool is_in_batch = batch.client == client;
    batch.is_due = batch.is_due || is_in_batch;
    start(client, call, is_in_batch);
}

void catena_batch_begin(struct catena_client *client)
{
    batch.client = client;
}

void catena_batch_end(struct catena_client *client)
{
    bool is_due = batch.is_due;
    batch.client = NULL;
    batch.is_due = false;
    if (is_due)
        engine_submit(client);
}

void call_cancel(struct catena_client *client, const struct call *call)
{
    pthread_mutex_lock(&client->mutex);
    if (client->cancels_count == client->cancels_capacity) {
        client->cancels_capacity = client->cancels_capacity == 0 ? 8 : client->cancels_capacity * 2;
        client->cancels =
            mem_realloc(client->cancels, client->cancels_capacity * sizeof *client->cancels);
    }
    client->cancels[client->cancels_count++] = call->number;
    pthread_mutex_unlock(&client->mutex);
    engine_submit(client);
}

uint64_t deadline_after(const struct catena_client *client, uint32_t timeout_ms)
{
    uint64_t ms = timeout_ms == 0 ? client->timeout_ms : timeout_ms;
    return engine_now_us() + ms * 1000u;
}

static struct timespec timespec_of(uint64_t us)
{
    return (struct timespec){.tv_sec = (time_t)(us / 1000000u),
                             .tv_nsec = (long)(us % 1000000u) * 1000};
}

bool slot_take(struct catena_client *client, bool may_block, uint64_t deadline_us)
{
    struct timespec until = timespec_of(deadline_us);
    bool is_taken = false;
    pthread_mutex_lock(&client->mutex);
    while (client->slots_used >= client->requests_max && may_block)
        if (pthread_cond_timedwait(&client->slots_freed, &client->mutex, &until) != 0)
            break;
    if (client->slots_used < client->requests_max) {
        client->slots_used++;
        is_taken = true;
    }
    pthread_mutex_unlock(&client->mutex);
    return is_taken;
}

void slot_give(struct catena_client *client)
{
    pthread_mutex_lock(&client->mutex);
    PRE(client->slots_used > 0);
    client->slots_used--;
    pthread_cond_signal(&client->slots_freed);
    pthread_mutex_unlock(&client->mutex);
}

static void wait_done(struct call *call, const struct call_end *end)
{
    struct wait *wait = CONTAINER_OF(call, struct wait, call);
    wait->err = end->result->err;
    (void)text_format(wait->text, sizeof wait->text, "%s", end->result->text);
    info_fill(&wait->info, end->result);
    wait->result = *end->result;
    wait->result.text = NULL;
    wait->result.items = NULL;
    wait->result.parts = NULL;
    wait->result.admin = NULL;
    wait->result.meta = (struct slice){0};
    wait->payload = buf_ref(end->payload);
    if (wait->take != NULL)
        wait->take(wait, end);
    pthread_mutex_lock(&wait->client->mutex);
    wait->is_done = true;
    /* Signalled with the mutex held: the waiter may free the condition as soon as it has it. */
    pthread_cond_signal(&wait->is_done_cond);
    pthread_mutex_unlock(&wait->client->mutex);
}

void wait_init(struct wait *wait, struct catena_client *client)
{
    memset(wait, 0, sizeof *wait);
    wait->client = client;
    wait->call.done = wait_done;
    pthread_cond_init(&wait->is_done_cond, NULL);
}

enum err wait_run(struct wait *wait)
{
    struct catena_client *client = wait->client;
    call_start(client, &wait->call);
    pthread_mutex_lock(&client->mutex);
    while (!wait->is_done)
        pthread_cond_wait(&wait->is_done_cond, &client->mutex);
    pthread_mutex_unlock(&client->mutex);
    return wait->err;
}

enum catena_status wait_status(const struct wait *wait)
{
    if (wait->err == ERR_OK)
        return succeed();
    return fail_text(status_of_call(&wait->call.submit, wait->err), "%s", wait->text);
}

void wait_give_info(struct wait *wait, struct catena_info *ret_info)
{
    if (ret_info == NULL)
        return;
    *ret_info = wait->info;
    wait->info = (struct catena_info){0};
}

void wait_release(struct wait *wait)
{
    catena_info_release(&wait->info);
    buf_unref(wait->payload);
    pthread_cond_destroy(&wait->is_done_cond);
}

enum catena_status wait_finish(struct wait *wait)
{
    (void)wait_run(wait);
    enum catena_status status = wait_status(wait);
    wait_release(wait);
    return status;
}
