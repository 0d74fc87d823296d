/* A value on its way out: chunks are asked ahead within a window, verified by the core, and handed
 * over in order.
 *
 * The value is a row of *pieces*: the parts of an assembled value, else one. The chunks of all
 * pieces have one numbering, in which the window moves.
 *
 * One version throughout: every chunk is named by an upload that the object's row named at the
 * beginning. If the object is replaced and its chunks are purged meanwhile, reading fails; it never
 * mixes two versions. Whoever reads a whole piece also checks the checksum of the piece.
 *
 * Memory: at most window_bytes of chunks asked or waiting to be read, the one being read (and the
 * one before, while its last bytes are lent), and 56 bytes for each piece. */
#include <stdlib.h>
#include <string.h>

#include "base/contract.h"
#include "base/hash.h"
#include "client/io/client.h"
#include "wire/manifest.h"

enum { WINDOW_CHUNKS_MAX = 1024 };

struct fetch;

struct piece {
    uint64_t begin; /* offset of its first byte in the value */
    uint64_t size;  /* at least 1 */
    uint64_t checksum;
    uint64_t first; /* number of its first chunk */
    uint64_t upload_high;
    uint64_t upload_low;
    uint32_t chunk_bytes; /* 0: inline; `current` holds it */
};

struct download {
    struct catena_client *client;
    char *name; /* "bucket/key", for texts */
    uint32_t timeout_ms;
    uint32_t chain;
    struct piece *pieces;
    uint32_t pieces_count;
    uint64_t size;
    uint64_t offset; /* of the next byte to hand over */
    uint64_t end;
    uint64_t begin;
    uint32_t at;                 /* the piece that holds `offset` */
    struct checksum_stream *sum; /* NULL unless this piece is read from its first byte on */
    struct buf *current;         /* the chunk being read */
    struct buf *lent;            /* the chunk that download_next gave bytes of */
    uint64_t current_offset;     /* of its first byte */
    uint32_t ask_piece;          /* the next chunk to ask for */
    uint32_t ask_index;
    uint32_t window; /* chunks */
    bool is_corrupt;
    /* guarded by client->mutex */
    pthread_cond_t is_changed;
    struct fetch **ring; /* `window` of them: number % window */
    uint32_t under_way;
    enum err err;
    char text[CL_TEXT_BYTES];
    /* asynchronous form, on the engine */
    catena_callback callback;
    void *context;
    uint8_t *value;
    struct catena_info info;
    struct call first;
};

struct fetch {
    struct call call;
    struct download *download;
    uint64_t number;
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

/* Sums what is read of the current piece, if it is read from its beginning and to its end. */
static void begin_piece(struct download *download)
{
    checksum_stream_free(download->sum);
    download->sum = NULL;
    if (download->at == download->pieces_count)
        return;
    const struct piece *piece = &download->pieces[download->at];
    if (download->offset == piece->begin && piece->size <= download->end - piece->begin)
        download->sum = checksum_stream_new();
}

static void set_range(struct download *download, uint64_t offset, uint64_t length)
{
    download->begin = offset < download->size ? offset : download->size;
    uint64_t rest = download->size - download->begin;
    download->end = download->begin + (length < rest ? length : rest);
    download->offset = download->begin;
    while (download->at < download->pieces_count &&
           download->pieces[download->at].begin + download->pieces[download->at].size <=
               download->begin)
        download->at++;
    begin_piece(download);
    download->ask_piece = download->at;
    if (download->at == download->pieces_count)
        return;
    const struct piece *piece = &download->pieces[download->at];
    if (piece->chunk_bytes != 0)
        download->ask_index = (uint32_t)((download->begin - piece->begin) / piece->chunk_bytes);
}

static uint32_t chunks_of(const struct piece *piece)
{
    return (uint32_t)((piece->size - 1) / piece->chunk_bytes + 1);
}

/* The core has checked the manifest. */
static void take_manifest(struct download *download, uint32_t part_count, struct slice bytes)
{
    struct wire_manifest manifest = wire_manifest_of(bytes);
    struct wire_part part;
    uint64_t begin = 0;
    uint64_t chunks = 0;
    download->pieces = mem_calloc(part_count, sizeof *download->pieces);
    while (wire_manifest_next(&manifest, &part) == ERR_OK) {
        if (part.size == 0)
            continue;
        PRE(download->pieces_count < part_count);
        download->pieces[download->pieces_count++] = (struct piece){
            .begin = begin,
            .size = part.size,
            .checksum = part.checksum,
            .first = chunks,
            .upload_high = part.upload_high,
            .upload_low = part.upload_low,
            .chunk_bytes = part.chunk_bytes,
        };
        begin += part.size;
        chunks += part.chunk_count;
    }
    PRE(begin == download->size);
}

static void take_object(struct download *download, const struct cl_result *object,
                        struct buf *payload)
{
    if (object->part_count != 0) {
        take_manifest(download, object->part_count, buf_slice(payload));
        return;
    }
    bool is_inline = object->upload_high == 0 && object->upload_low == 0;
    if (is_inline)
        download->current = buf_ref(payload);
    if (object->size == 0)
        return;
    download->pieces = mem_calloc(1, sizeof *download->pieces);
    download->pieces_count = 1;
    download->pieces[0] = (struct piece){
        .size = object->size,
        .checksum = object->checksum,
        .upload_high = object->upload_high,
        .upload_low = object->upload_low,
        .chunk_bytes = is_inline ? 0 : object->chunk_bytes,
    };
}

/* How many of the largest chunks fit the window. */
static uint32_t window_of(const struct download *download)
{
    uint32_t chunk_bytes = 1;
    for (uint32_t i = 0; i < download->pieces_count; i++)
        if (download->pieces[i].chunk_bytes > chunk_bytes)
            chunk_bytes = download->pieces[i].chunk_bytes;
    uint32_t window = download->client->window_bytes / chunk_bytes;
    if (window == 0)
        return 1;
    return window > WINDOW_CHUNKS_MAX ? WINDOW_CHUNKS_MAX : window;
}

struct download *download_new(struct catena_client *client, const struct target *target,
                              const struct cl_result *object, struct buf *payload, uint64_t offset,
                              uint64_t length)
{
    struct download *download = mem_calloc(1, sizeof *download);
    download->client = client;
    download->name = name_of(target);
    download->timeout_ms = target->options.timeout_ms;
    download->chain = object->chain;
    download->size = object->size;
    take_object(download, object, payload);
    set_range(download, offset, length);
    download->window = window_of(download);
    download->ring = mem_calloc(download->window, sizeof *download->ring);
    pthread_cond_init(&download->is_changed, NULL);
    return download;
}

/* One try. The download (which takes the slot over) is made only if the object is there. */
enum catena_status download_open(struct catena_client *client, struct target *target,
                                 uint64_t offset, uint64_t length, struct download **ret_download,
                                 struct catena_info *ret_info)
{
    struct wait wait;
    wait_init(&wait, client);
    target_prepare(&wait, target, CL_OP_GET);
    (void)wait_run(&wait);
    enum catena_status status = wait_status(&wait);
    if (status == CATENA_OK) {
        *ret_download = download_new(client, target, &wait.result, wait.payload, offset, length);
        wait_give_info(&wait, ret_info);
    }
    wait_release(&wait);
    return status;
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
    buf_unref(download->lent);
    checksum_stream_free(download->sum);
    mem_free(download->pieces);
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

static uint64_t chunk_length(const struct piece *piece, uint32_t index)
{
    uint64_t rest = piece->size - (uint64_t)index * piece->chunk_bytes;
    return rest < piece->chunk_bytes ? rest : piece->chunk_bytes;
}

static void ask(struct download *download, const struct piece *piece, struct fetch **slot)
{
    struct fetch *fetch = mem_calloc(1, sizeof *fetch);
    fetch->download = download;
    fetch->number = piece->first + download->ask_index;
    fetch->call.done = fetch_done;
    fetch->call.submit = (struct cl_submit){
        .kind = CL_OP_CHUNK,
        .chain = download->chain,
        .upload_high = piece->upload_high,
        .upload_low = piece->upload_low,
        .index = download->ask_index,
        .size = chunk_length(piece, download->ask_index),
        .deadline_us = deadline_after(download->client, download->timeout_ms),
    };
    pthread_mutex_lock(&download->client->mutex);
    *slot = fetch;
    download->under_way++;
    pthread_mutex_unlock(&download->client->mutex);
    call_start(download->client, &fetch->call);
}

/* Asks for more chunks while slots of the ring are free. */
static void ask_ahead(struct download *download)
{
    while (download->ask_piece < download->pieces_count) {
        const struct piece *piece = &download->pieces[download->ask_piece];
        if (piece->chunk_bytes == 0 ||
            piece->begin + (uint64_t)download->ask_index * piece->chunk_bytes >= download->end)
            return;
        uint64_t number = piece->first + download->ask_index;
        struct fetch **slot = &download->ring[number % download->window];
        if (*slot != NULL)
            return;
        ask(download, piece, slot);
        if (++download->ask_index == chunks_of(piece)) {
            download->ask_piece++;
            download->ask_index = 0;
        }
    }
}

enum take { TAKE_NOTHING_YET, TAKE_CHUNK, TAKE_FAILED };

/* The chunk that holds `offset` becomes the current one, if it has arrived. */
static enum take take_chunk(struct download *download, bool may_block)
{
    const struct piece *piece = &download->pieces[download->at];
    uint64_t index = (download->offset - piece->begin) / piece->chunk_bytes;
    uint64_t number = piece->first + index;
    enum take taken = TAKE_NOTHING_YET;
    pthread_mutex_lock(&download->client->mutex);
    for (;;) {
        struct fetch **slot = &download->ring[number % download->window];
        if (download->err != ERR_OK) {
            taken = TAKE_FAILED;
            break;
        }
        if (*slot != NULL && (*slot)->is_done) {
            PRE((*slot)->number == number);
            download->current = buf_ref((*slot)->bytes);
            download->current_offset = piece->begin + index * piece->chunk_bytes;
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

/* S12: at the end of a piece, the checksum that its writer computed. */
static bool piece_is_intact(const struct download *download)
{
    return download->sum == NULL ||
           checksum_stream_value(download->sum) == download->pieces[download->at].checksum;
}

static void note_corrupt(struct download *download)
{
    download->is_corrupt = true;
    pthread_mutex_lock(&download->client->mutex);
    download->err = ERR_CORRUPT;
    (void)text_format(download->text, sizeof download->text,
                      "get %s: the value does not match the checksum of its writer",
                      download->name);
    pthread_mutex_unlock(&download->client->mutex);
}

static void drop_current(struct download *download)
{
    buf_unref(download->current);
    download->current = NULL;
}

/* What can be read of the current chunk, at most size bytes. */
static struct slice available(const struct download *download, size_t size)
{
    struct slice chunk = buf_slice(download->current);
    uint64_t within = download->offset - download->current_offset;
    uint64_t length = chunk.length - within;
    uint64_t wanted = download->end - download->offset;
    if (length > wanted)
        length = wanted;
    return slice_of(chunk.data + within, length > size ? size : length);
}

/* They were read; goes on to the next piece at the end of this one. */
static void pass(struct download *download, struct slice bytes)
{
    if (download->sum != NULL)
        checksum_stream_update(download->sum, bytes);
    download->offset += bytes.length;
    if (download->offset == download->current_offset + download->current->length)
        drop_current(download);
    const struct piece *piece = &download->pieces[download->at];
    if (download->offset == piece->begin + piece->size) {
        if (!piece_is_intact(download))
            note_corrupt(download);
        download->at++;
        begin_piece(download);
    }
}

static size_t copy_out(struct download *download, uint8_t *bytes, size_t size)
{
    struct slice from = available(download, size);
    memcpy(bytes, from.data, from.length);
    pass(download, from);
    return from.length;
}

static enum catena_status download_status(const struct download *download)
{
    return fail_text(status_of_err(download->err), "%s", download->text);
}

/* Gets a chunk to read if there is none, and asks for more. */
static enum take need_chunk(struct download *download, bool may_block)
{
    if (download->current != NULL)
        return TAKE_CHUNK;
    ask_ahead(download);
    enum take taken = take_chunk(download, may_block);
    if (taken == TAKE_CHUNK)
        ask_ahead(download);
    return taken;
}

enum catena_status download_read(struct download *download, void *bytes, size_t size,
                                 size_t *ret_length)
{
    uint8_t *out = bytes;
    size_t filled = 0;
    while (filled < size && download->offset < download->end && !download->is_corrupt) {
        /* Bytes that are there are handed over before anything is waited for. */
        enum take taken = need_chunk(download, filled == 0);
        if (taken == TAKE_FAILED)
            return download_status(download);
        if (taken == TAKE_NOTHING_YET)
            break;
        filled += copy_out(download, out + filled, size - filled);
    }
    if (download->is_corrupt)
        return download_status(download);
    *ret_length = filled;
    return succeed();
}

enum catena_status download_next(struct download *download, size_t size, const void **ret_bytes,
                                 size_t *ret_length)
{
    buf_unref(download->lent);
    download->lent = NULL;
    if (download->offset < download->end && !download->is_corrupt) {
        if (need_chunk(download, true) == TAKE_FAILED)
            return download_status(download);
        struct slice bytes = available(download, size);
        download->lent = buf_ref(download->current);
        pass(download, bytes);
        *ret_bytes = bytes.data;
        *ret_length = bytes.length;
    }
    if (!download->is_corrupt)
        return succeed();
    *ret_bytes = NULL;
    *ret_length = 0;
    return download_status(download);
}

/* ---- asynchronous: driven by completions on the engine ---- */

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
