/* A value on its way out: chunks are asked ahead within a window, verified by the core, and handed
 * over in order.
 *
 * One version throughout: every chunk is named by the upload that the object's row named at the
 * beginning. If the object is replaced and its chunks are purged meanwhile, reading fails; it never
 * mixes two versions. A reader of the whole value also checks the checksum of the whole.
 *
 * Memory: at most window_bytes of chunks asked or waiting to be read, and the one being read. */
#include <stdlib.h>
#include <string.h>

#include "base/contract.h"
#include "base/hash.h"
#include "client/io/client.h"

struct fetch;

struct download {
    struct catena_client *client;
    char *name; /* "bucket/key", for texts */
    uint32_t timeout_ms;
    uint32_t chain;
    uint64_t upload_high;
    uint64_t upload_low;
    uint64_t size;
    uint64_t checksum;
    uint32_t chunk_bytes;
    uint64_t offset; /* of the next byte to hand over */
    uint64_t end;
    uint64_t begin;
    struct checksum_stream *sum; /* NULL unless the whole value is read */
    struct buf *current;         /* the chunk being read */
    uint64_t current_offset;     /* of its first byte */
    uint32_t next_ask;           /* index */
    uint32_t end_index;          /* one past the last chunk wanted */
    uint32_t window;             /* chunks */
    bool is_whole_checked;
    /* guarded by client->mutex */
    pthread_cond_t is_changed;
    struct fetch **ring; /* `window` of them: index % window */
    uint32_t under_way;
    enum err err;
    char text[CL_TEXT_BYTES];
    /* asynchronous form, on the engine's thread */
    catena_callback callback;
    void *context;
    uint8_t *value;
    struct catena_info info;
    struct call first;
};

struct fetch {
    struct call call;
    struct download *download;
    uint32_t index;
    bool is_done;
    struct buf *bytes;
};

static char *name_of(const struct target *target)
{
    struct text text;
    text_init(&text);
    text_append(&text, "%s/", target->bucket);
    text_append_escaped(&text, slice_of(target->key, target->key_length));
    char *name = mem_alloc(text.length + 1);
    memcpy(name, text_cstr(&text), text.length + 1);
    text_release(&text);
    return name;
}

static void set_range(struct download *download, uint64_t offset, uint64_t length)
{
    download->begin = offset < download->size ? offset : download->size;
    uint64_t rest = download->size - download->begin;
    download->end = download->begin + (length < rest ? length : rest);
    download->offset = download->begin;
    if (download->begin == 0 && download->end == download->size)
        download->sum = checksum_stream_new();
    if (download->chunk_bytes == 0)
        return;
    download->next_ask = (uint32_t)(download->begin / download->chunk_bytes);
    download->end_index = download->end == download->begin
                              ? download->next_ask
                              : (uint32_t)((download->end - 1) / download->chunk_bytes) + 1;
}

struct download *download_new(struct catena_client *client, const struct target *target,
                              const struct cl_result *object, struct buf *inline_value,
                              uint64_t offset, uint64_t length)
{
    struct download *download = mem_calloc(1, sizeof *download);
    bool is_inline = object->upload_high == 0 && object->upload_low == 0;
    download->client = client;
    download->name = name_of(target);
    download->timeout_ms = target->options.timeout_ms;
    download->chain = object->chain;
    download->upload_high = object->upload_high;
    download->upload_low = object->upload_low;
    download->size = object->size;
    download->checksum = object->checksum;
    download->chunk_bytes = is_inline ? 0 : object->chunk_bytes;
    set_range(download, offset, length);
    if (is_inline) {
        download->current = buf_ref(inline_value);
        download->window = 1;
    } else {
        download->window = client->window_bytes / object->chunk_bytes;
        if (download->window == 0)
            download->window = 1;
        if (download->window > 1024)
            download->window = 1024;
    }
    download->ring = mem_calloc(download->window, sizeof *download->ring);
    pthread_cond_init(&download->is_changed, NULL);
    return download;
}

uint64_t download_length(const struct download *download)
{
    return download->end - download->begin;
}

static void fetch_free(struct fetch *fetch)
{
    if (fetch == NULL)
        return;
    buf_unref(fetch->bytes);
    mem_free(fetch);
}

static void download_destroy(struct download *download)
{
    PRE(download->under_way == 0);
    for (uint32_t i = 0; i < download->window; i++)
        fetch_free(download->ring[i]);
    mem_free(download->ring);
    buf_unref(download->current);
    checksum_stream_free(download->sum);
    pthread_cond_destroy(&download->is_changed);
    catena_info_release(&download->info);
    mem_free(download->name);
    mem_free(download->value);
    slot_give(download->client);
    mem_free(download);
}

void download_free(struct download *download)
{
    struct catena_client *client = download->client;
    for (uint32_t i = 0; i < download->window; i++) {
        pthread_mutex_lock(&client->mutex);
        struct fetch *fetch = download->ring[i];
        struct call call = {.number = fetch == NULL || fetch->is_done ? 0 : fetch->call.number};
        pthread_mutex_unlock(&client->mutex);
        if (call.number != 0)
            call_cancel(client, &call);
    }
    pthread_mutex_lock(&client->mutex);
    while (download->under_way > 0)
        pthread_cond_wait(&download->is_changed, &client->mutex);
    pthread_mutex_unlock(&client->mutex);
    download_destroy(download);
}

static void async_go_on(struct download *download);

static void note_failure(struct download *download, const struct cl_result *result)
{
    if (download->err != ERR_OK)
        return;
    download->err = result->err;
    if (result->err == ERR_NOT_FOUND) {
        download->err = ERR_NO_KEY;
        (void)text_format(download->text, sizeof download->text,
                          "get %s: the object was replaced or deleted while it was being read; "
                          "read it again",
                          download->name);
    } else {
        (void)text_format(download->text, sizeof download->text, "get %s: %s", download->name,
                          result->text);
    }
}

static void fetch_done(struct call *call, const struct call_end *end)
{
    struct fetch *fetch = CONTAINER_OF(call, struct fetch, call);
    struct download *download = fetch->download;
    bool is_async = download->callback != NULL;
    pthread_mutex_lock(&download->client->mutex);
    fetch->is_done = true;
    fetch->bytes = buf_ref(end->payload);
    if (end->result->err != ERR_OK)
        note_failure(download, end->result);
    download->under_way--;
    pthread_cond_broadcast(&download->is_changed);
    pthread_mutex_unlock(&download->client->mutex);
    if (is_async)
        async_go_on(download);
}

static uint64_t chunk_length(const struct download *download, uint32_t index)
{
    uint64_t start = (uint64_t)index * download->chunk_bytes;
    uint64_t rest = download->size - start;
    return rest < download->chunk_bytes ? rest : download->chunk_bytes;
}

/* Asks for more chunks while slots of the ring are free. */
static void ask_ahead(struct download *download)
{
    while (download->next_ask < download->end_index) {
        struct fetch **slot = &download->ring[download->next_ask % download->window];
        if (*slot != NULL)
            return;
        struct fetch *fetch = mem_calloc(1, sizeof *fetch);
        fetch->download = download;
        fetch->index = download->next_ask++;
        fetch->call.done = fetch_done;
        fetch->call.submit = (struct cl_submit){
            .kind = CL_OP_CHUNK,
            .chain = download->chain,
            .upload_high = download->upload_high,
            .upload_low = download->upload_low,
            .index = fetch->index,
            .size = chunk_length(download, fetch->index),
            .deadline_us = deadline_after(download->client, download->timeout_ms),
        };
        pthread_mutex_lock(&download->client->mutex);
        *slot = fetch;
        download->under_way++;
        pthread_mutex_unlock(&download->client->mutex);
        call_start(download->client, &fetch->call);
    }
}

enum take { TAKE_NOTHING_YET, TAKE_CHUNK, TAKE_FAILED };

/* The chunk that holds `offset` becomes the current one, if it has arrived. */
static enum take take_chunk(struct download *download, bool may_block)
{
    uint32_t index = (uint32_t)(download->offset / download->chunk_bytes);
    enum take taken = TAKE_NOTHING_YET;
    pthread_mutex_lock(&download->client->mutex);
    for (;;) {
        struct fetch **slot = &download->ring[index % download->window];
        if (download->err != ERR_OK) {
            taken = TAKE_FAILED;
            break;
        }
        if (*slot != NULL && (*slot)->is_done) {
            PRE((*slot)->index == index);
            download->current = buf_ref((*slot)->bytes);
            download->current_offset = (uint64_t)index * download->chunk_bytes;
            fetch_free(*slot);
            *slot = NULL;
            taken = TAKE_CHUNK;
            break;
        }
        if (!may_block)
            break;
        pthread_cond_wait(&download->is_changed, &download->client->mutex);
    }
    pthread_mutex_unlock(&download->client->mutex);
    return taken;
}

/* Copies from the current chunk. */
static size_t copy_out(struct download *download, uint8_t *bytes, size_t size)
{
    struct slice chunk = buf_slice(download->current);
    uint64_t within = download->offset - download->current_offset;
    uint64_t available = chunk.length - within;
    uint64_t wanted = download->end - download->offset;
    if (wanted > available)
        wanted = available;
    if (wanted > size)
        wanted = size;
    memcpy(bytes, chunk.data + within, wanted);
    if (download->sum != NULL)
        checksum_stream_update(download->sum, slice_of(chunk.data + within, wanted));
    download->offset += wanted;
    if (download->chunk_bytes != 0 && within + wanted == chunk.length) {
        buf_unref(download->current);
        download->current = NULL;
    }
    return wanted;
}

/* S12: at the end of the whole value, the checksum that its writer computed. */
static bool whole_is_intact(const struct download *download)
{
    return download->sum == NULL || download->offset < download->end ||
           checksum_stream_value(download->sum) == download->checksum;
}

static void note_corrupt(struct download *download)
{
    pthread_mutex_lock(&download->client->mutex);
    download->err = ERR_CORRUPT;
    (void)text_format(download->text, sizeof download->text,
                      "get %s: the value does not match the checksum of its writer",
                      download->name);
    pthread_mutex_unlock(&download->client->mutex);
}

static enum catena_status download_status(const struct download *download)
{
    return fail_text(status_of_err(download->err), "%s", download->text);
}

enum catena_status download_read(struct download *download, void *bytes, size_t size,
                                 size_t *ret_length)
{
    uint8_t *out = bytes;
    size_t filled = 0;
    while (filled < size && download->offset < download->end) {
        if (download->current == NULL) {
            ask_ahead(download);
            /* Bytes that are there are handed over before anything is waited for. */
            enum take taken = take_chunk(download, filled == 0);
            if (taken == TAKE_FAILED)
                return download_status(download);
            if (taken == TAKE_NOTHING_YET)
                break;
            ask_ahead(download);
        }
        filled += copy_out(download, out + filled, size - filled);
    }
    if (!whole_is_intact(download)) {
        note_corrupt(download);
        return download_status(download);
    }
    *ret_length = filled;
    return succeed();
}

/* ---- asynchronous: driven by completions on the engine's thread ---- */

static void async_finish(struct download *download)
{
    struct catena_result result = {
        .status = status_of_err(download->err),
        .error_text = download->text,
        .info = &download->info,
    };
    if (download->err == ERR_OK) {
        result.value = download->value;
        result.value_length = download_length(download);
    }
    download->callback(download->context, &result);
    download_destroy(download);
}

static void async_go_on(struct download *download)
{
    uint64_t length = download_length(download);
    while (download->err == ERR_OK && download->offset < download->end) {
        if (download->current == NULL) {
            ask_ahead(download);
            if (take_chunk(download, false) != TAKE_CHUNK)
                break;
        }
        uint64_t done = download->offset - download->begin;
        (void)copy_out(download, download->value + done, length - done);
    }
    bool is_over = download->err != ERR_OK || download->offset == download->end;
    if (!is_over || download->under_way > 0)
        return;
    if (download->err == ERR_OK && !whole_is_intact(download))
        note_corrupt(download);
    async_finish(download);
}

static void async_begun(struct call *call, const struct call_end *end)
{
    (void)end;
    async_go_on(CONTAINER_OF(call, struct download, first));
}

void download_run(struct download *download, const struct catena_info *info,
                  catena_callback callback, void *context)
{
    download->info = *info;
    download->callback = callback;
    download->context = context;
    download->value = mem_alloc(download_length(download));
    download->first = (struct call){.done = async_begun};
    download->first.submit.kind = CL_OP_MAP;
    download->first.submit.deadline_us = deadline_after(download->client, download->timeout_ms);
    call_start(download->client, &download->first);
}
