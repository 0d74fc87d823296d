/* A large value on its way in: cut into chunks that are staged in order with a window, then
 * published by one PUT: as an object, or as a part of a multipart upload. Small values never get
 * here by catena_put; a stream whose value turns out to be small becomes one inline PUT. A part is
 * always staged: an object names its chunks, so that completing copies nothing.
 *
 * Memory: at most window_bytes of chunks under way plus the one being filled. */
#include <stdlib.h>
#include <string.h>

#include "base/contract.h"
#include "base/hash.h"
#include "client/io/client.h"

enum { ABORT_US = 1000000 };

struct upload {
    struct catena_client *client;
    struct target target;
    uint64_t high;
    uint64_t low;
    struct catena_upload_id multi;
    uint32_t part; /* 0: an object */
    /* the writer's (one thread at a time) */
    struct buf *chunk; /* being filled, BOUND_CHUNK_BYTES; length = filled */
    size_t filled;
    uint64_t total;
    uint32_t next_index;
    struct checksum_stream *sum;
    /* guarded by client->mutex */
    pthread_cond_t is_changed;
    struct list_node stages; /* struct stage.node: under way */
    uint64_t bytes_under_way;
    enum err err; /* first failure */
    char text[CL_TEXT_BYTES];
    /* asynchronous form, on the engine */
    catena_callback callback;
    void *context;
    const uint8_t *source;
    size_t source_length;
    size_t source_offset;
    bool is_publishing;
    struct call last; /* publish or abort */
    struct catena_info info;
};

struct stage {
    struct call call;
    struct upload *upload;
    struct list_node node;
    size_t length;
};

struct upload *upload_new(struct catena_client *client, struct target *target)
{
    struct upload *upload = mem_calloc(1, sizeof *upload);
    upload->client = client;
    upload->target = *target;
    upload->high = random_u64();
    upload->low = random_u64() | 1u; /* never both zero: that means inline */
    upload->sum = checksum_stream_new();
    pthread_cond_init(&upload->is_changed, NULL);
    list_init(&upload->stages);
    return upload;
}

void upload_set_part(struct upload *upload, struct catena_upload_id multi, uint32_t number)
{
    upload->multi = multi;
    upload->part = number;
}

uint32_t upload_part(const struct upload *upload)
{
    return upload->part;
}

static void upload_free(struct upload *upload)
{
    PRE(list_is_empty(&upload->stages));
    buf_unref(upload->chunk);
    checksum_stream_free(upload->sum);
    pthread_cond_destroy(&upload->is_changed);
    target_release(&upload->target);
    catena_info_release(&upload->info);
    slot_give(upload->client);
    mem_free(upload);
}

static void async_go_on(struct upload *upload);

static void stage_done(struct call *call, const struct call_end *end)
{
    struct stage *stage = CONTAINER_OF(call, struct stage, call);
    struct upload *upload = stage->upload;
    bool is_async = upload->callback != NULL;
    pthread_mutex_lock(&upload->client->mutex);
    if (end->result->err != ERR_OK && upload->err == ERR_OK) {
        upload->err = end->result->err;
        (void)text_format(upload->text, sizeof upload->text, "%s", end->result->text);
    }
    list_remove(&stage->node);
    upload->bytes_under_way -= stage->length;
    /* With the mutex held: a blocked writer may free the upload right after. */
    pthread_cond_broadcast(&upload->is_changed);
    pthread_mutex_unlock(&upload->client->mutex);
    buf_unref(stage->call.submit.payload);
    mem_free(stage);
    if (is_async)
        async_go_on(upload);
}

/* Takes the chunk over. */
static void stage_chunk(struct upload *upload, struct buf *chunk)
{
    struct stage *stage = mem_calloc(1, sizeof *stage);
    stage->upload = upload;
    stage->length = chunk->length;
    stage->call.done = stage_done;
    target_fill(&upload->target, &stage->call.submit);
    stage->call.submit.kind = CL_OP_STAGE;
    stage->call.submit.meta = (struct slice){0};
    stage->call.submit.upload_high = upload->high;
    stage->call.submit.upload_low = upload->low;
    stage->call.submit.index = upload->next_index++;
    stage->call.submit.payload = chunk;
    stage->call.submit.checksum = checksum_bytes(buf_slice(chunk));
    stage->call.submit.deadline_us =
        deadline_after(upload->client, upload->target.options.timeout_ms);
    pthread_mutex_lock(&upload->client->mutex);
    upload->bytes_under_way += chunk->length;
    list_append(&upload->stages, &stage->node);
    pthread_mutex_unlock(&upload->client->mutex);
    call_start(upload->client, &stage->call);
}

/* Copies bytes into the chunk being filled; returns how many it took. */
static size_t fill_chunk(struct upload *upload, const uint8_t *bytes, size_t length)
{
    if (upload->chunk == NULL) {
        upload->chunk = buf_new(BOUND_CHUNK_BYTES);
        upload->filled = 0;
    }
    size_t room = BOUND_CHUNK_BYTES - upload->filled;
    size_t taken = length < room ? length : room;
    memcpy(upload->chunk->data + upload->filled, bytes, taken);
    checksum_stream_update(upload->sum, slice_of(bytes, taken));
    upload->filled += taken;
    upload->total += taken;
    return taken;
}

static void stage_filled(struct upload *upload)
{
    struct buf *chunk = upload->chunk;
    upload->chunk = NULL;
    chunk->length = upload->filled;
    upload->filled = 0;
    stage_chunk(upload, chunk);
}

static bool has_room(const struct upload *upload)
{
    return upload->bytes_under_way == 0 ||
           upload->bytes_under_way + BOUND_CHUNK_BYTES <= upload->client->window_bytes;
}

static enum catena_status upload_status(const struct upload *upload)
{
    return fail_text(status_of_err(upload->err), "%s", upload->text);
}

/* Waits for room (or for everything, or for a failure). */
static enum catena_status await(struct upload *upload, bool for_all)
{
    pthread_mutex_lock(&upload->client->mutex);
    while (upload->err == ERR_OK && (for_all ? !list_is_empty(&upload->stages) : !has_room(upload)))
        pthread_cond_wait(&upload->is_changed, &upload->client->mutex);
    enum err err = upload->err;
    pthread_mutex_unlock(&upload->client->mutex);
    return err == ERR_OK ? CATENA_OK : upload_status(upload);
}

struct target *upload_target(struct upload *upload)
{
    return &upload->target;
}

enum catena_status upload_write(struct upload *upload, const void *bytes, size_t length)
{
    const uint8_t *cursor = bytes;
    while (length > 0) {
        /* A full chunk leaves only when more follows, so that the last one is never empty. */
        if (upload->chunk != NULL && upload->filled == BOUND_CHUNK_BYTES) {
            enum catena_status status = await(upload, false);
            if (status != CATENA_OK)
                return status;
            if (upload->next_index + 1 >= BOUND_CHUNKS)
                return fail_text(CATENA_TOO_LARGE, "put %s: larger than %u chunks of %u bytes",
                                 upload->target.bucket, BOUND_CHUNKS, BOUND_CHUNK_BYTES);
            stage_filled(upload);
        }
        size_t taken = fill_chunk(upload, cursor, length);
        cursor += taken;
        length -= taken;
    }
    return CATENA_OK;
}

static bool is_inline(const struct upload *upload)
{
    return upload->part == 0 && upload->next_index == 0 && upload->total <= BOUND_INLINE_BYTES;
}

/* The PUT that makes the value visible, or a part of its upload. The payload, if any, stays the
 * upload's. */
static void fill_publish(struct upload *upload, struct cl_submit *submit)
{
    target_fill(&upload->target, submit);
    submit->kind = CL_OP_PUT;
    submit->size = upload->total;
    submit->checksum = checksum_stream_value(upload->sum);
    submit->deadline_us = deadline_after(upload->client, upload->target.options.timeout_ms);
    if (upload->part != 0) {
        submit->step = WIRE_PUT_PART;
        submit->multi_high = upload->multi.high;
        submit->multi_low = upload->multi.low;
        submit->part = upload->part;
    }
    if (upload->next_index == 0) {
        if (upload->chunk != NULL)
            upload->chunk->length = upload->filled;
        submit->payload = upload->chunk;
        return;
    }
    submit->upload_high = upload->high;
    submit->upload_low = upload->low;
    submit->chunk_count = upload->next_index;
    submit->chunk_bytes =
        upload->total < BOUND_CHUNK_BYTES ? (uint32_t)upload->total : BOUND_CHUNK_BYTES;
}

static void fill_abort(struct upload *upload, struct cl_submit *submit)
{
    target_fill(&upload->target, submit);
    submit->kind = CL_OP_ABORT;
    submit->meta = (struct slice){0};
    submit->upload_high = upload->high;
    submit->upload_low = upload->low;
    submit->deadline_us = engine_now_us() + ABORT_US;
}

static void cancel_stages(struct upload *upload)
{
    uint64_t *numbers = NULL;
    uint32_t count = 0;
    pthread_mutex_lock(&upload->client->mutex);
    LIST_FOREACH (node, &upload->stages) {
        numbers = mem_realloc(numbers, (count + 1) * sizeof *numbers);
        numbers[count++] = CONTAINER_OF(node, struct stage, node)->call.number;
    }
    pthread_mutex_unlock(&upload->client->mutex);
    for (uint32_t i = 0; i < count; i++) {
        struct call call = {.number = numbers[i]};
        call_cancel(upload->client, &call);
    }
    mem_free(numbers);
}

void upload_abort(struct upload *upload)
{
    if (upload->next_index > 0) {
        cancel_stages(upload);
        pthread_mutex_lock(&upload->client->mutex);
        while (!list_is_empty(&upload->stages))
            pthread_cond_wait(&upload->is_changed, &upload->client->mutex);
        pthread_mutex_unlock(&upload->client->mutex);
        struct wait wait;
        wait_init(&wait, upload->client);
        fill_abort(upload, &wait.call.submit);
        (void)wait_run(&wait); /* what is left behind is collected by the nodes (R12) */
        wait_release(&wait);
    }
    upload_free(upload);
}

/* Everything is staged; what fits inline stays in the chunk. */
static enum catena_status finish_staging(struct upload *upload)
{
    if (!is_inline(upload) && upload->chunk != NULL) {
        enum catena_status status = await(upload, false);
        if (status == CATENA_OK)
            stage_filled(upload);
    }
    return await(upload, true);
}

/* The abort's own text must not replace the thread's. */
static enum catena_status give_up(struct upload *upload, enum catena_status status)
{
    char text[CL_TEXT_BYTES];
    (void)text_format(text, sizeof text, "%s", catena_error_text());
    upload_abort(upload);
    return fail_text(status, "%s", text);
}

/* An earlier request with the same token may have had the effect: then these chunks were not used
 * (D19). If they were, there is no such upload any more, and aborting it does nothing. */
static bool may_be_unused(const struct upload *upload)
{
    const struct catena_op_options *options = &upload->target.options;
    return upload->next_index > 0 && (options->token_high | options->token_low) != 0;
}

enum catena_status upload_publish(struct upload *upload, struct catena_info *ret_info)
{
    enum catena_status status = finish_staging(upload);
    struct wait wait;
    wait_init(&wait, upload->client);
    bool may_be_published = false;
    if (status == CATENA_OK) {
        fill_publish(upload, &wait.call.submit);
        enum err err = wait_run(&wait);
        status = wait_status(&wait);
        may_be_published = err == ERR_OK || err == ERR_OUTCOME_UNKNOWN;
        if (ret_info != NULL) {
            *ret_info = wait.info;
            wait.info = (struct catena_info){0};
        }
    }
    wait_release(&wait);
    if (status == CATENA_CONDITION_FAILED)
        return status;
    if (status == CATENA_OK && may_be_unused(upload)) {
        upload_abort(upload);
        return succeed();
    }
    if (may_be_published) {
        upload_free(upload);
        return status;
    }
    return give_up(upload, status);
}

enum catena_status upload_commit(struct upload *upload, struct catena_info *ret_info)
{
    enum catena_status status = upload_publish(upload, ret_info);
    return status == CATENA_CONDITION_FAILED ? give_up(upload, status) : status;
}

/* ---- asynchronous: driven by completions on the engine ---- */

static void async_finish(struct upload *upload)
{
    struct catena_result result = {
        .status = status_of_err(upload->err),
        .error_text = upload->text,
        .info = &upload->info,
    };
    catena_callback callback = upload->callback;
    void *context = upload->context;
    callback(context, &result);
    upload_free(upload);
}

static void async_aborted(struct call *call, const struct call_end *end)
{
    (void)end;
    async_finish(CONTAINER_OF(call, struct upload, last));
}

static void async_published(struct call *call, const struct call_end *end)
{
    struct upload *upload = CONTAINER_OF(call, struct upload, last);
    upload->err = end->result->err;
    (void)text_format(upload->text, sizeof upload->text, "%s", end->result->text);
    info_fill(&upload->info, end->result);
    bool may_be_published = upload->err == ERR_OK || upload->err == ERR_OUTCOME_UNKNOWN;
    bool is_unused = upload->err == ERR_OK && may_be_unused(upload);
    if ((may_be_published && !is_unused) || upload->next_index == 0) {
        async_finish(upload);
        return;
    }
    upload->last = (struct call){.done = async_aborted};
    fill_abort(upload, &upload->last.submit);
    call_start(upload->client, &upload->last);
}

static void async_end(struct upload *upload)
{
    upload->is_publishing = true;
    upload->last = (struct call){.done = async_published};
    if (upload->err == ERR_OK) {
        fill_publish(upload, &upload->last.submit);
    } else {
        upload->last.done = async_aborted;
        fill_abort(upload, &upload->last.submit);
    }
    call_start(upload->client, &upload->last);
}

/* Stages what the window allows; publishes when all is staged; aborts after a failure. */
static void async_go_on(struct upload *upload)
{
    if (upload->is_publishing)
        return;
    pthread_mutex_lock(&upload->client->mutex);
    bool may_stage = has_room(upload) && upload->err == ERR_OK;
    pthread_mutex_unlock(&upload->client->mutex);
    while (may_stage && upload->source_offset < upload->source_length) {
        upload->source_offset += fill_chunk(upload, upload->source + upload->source_offset,
                                            upload->source_length - upload->source_offset);
        stage_filled(upload);
        pthread_mutex_lock(&upload->client->mutex);
        may_stage = has_room(upload) && upload->err == ERR_OK;
        pthread_mutex_unlock(&upload->client->mutex);
    }
    pthread_mutex_lock(&upload->client->mutex);
    bool is_idle = list_is_empty(&upload->stages);
    bool is_over = upload->err != ERR_OK || upload->source_offset == upload->source_length;
    pthread_mutex_unlock(&upload->client->mutex);
    if (is_idle && is_over)
        async_end(upload);
}

static void async_begun(struct call *call, const struct call_end *end)
{
    (void)end;
    async_go_on(CONTAINER_OF(call, struct upload, last));
}

/* The first step is taken on the engine too (a MAP call that is done at once), so that the
 * fields above need no lock. */
void upload_run(struct upload *upload, const void *value, size_t length, catena_callback callback,
                void *context)
{
    PRE(length > BOUND_INLINE_BYTES);
    upload->source = value;
    upload->source_length = length;
    upload->callback = callback;
    upload->context = context;
    upload->last = (struct call){.done = async_begun};
    upload->last.submit.kind = CL_OP_MAP;
    upload->last.submit.deadline_us =
        deadline_after(upload->client, upload->target.options.timeout_ms);
    call_start(upload->client, &upload->last);
}
