/* put, get, stat, delete of whole objects: blocking and asynchronous. */
#include <stdlib.h>
#include <string.h>

#include "base/contract.h"
#include "base/hash.h"
#include "client/io/client.h"

enum { REPLACED_TRIES = 4 };

enum catena_status check_may_block(const struct catena_client *client)
{
    if (engine_is_this_thread(client))
        return fail_text(CATENA_INVALID,
                         "a callback made a blocking call; use the asynchronous form");
    return CATENA_OK;
}

void info_fill(struct catena_info *info, const struct cl_result *result)
{
    struct origin version = result->err == ERR_CONDITION ? result->current : result->version;
    *info = (struct catena_info){
        .version = {.epoch = version.epoch, .lsn = version.lsn},
        .size = result->size,
        .checksum = result->checksum,
        .mtime_ms = result->mtime_ms,
        .replicas_durable = result->replicas_durable,
    };
    if (result->meta.length > 0) {
        info->meta = mem_alloc(result->meta.length);
        memcpy(info->meta, result->meta.data, result->meta.length);
        info->meta_length = result->meta.length;
    }
}

void catena_info_release(struct catena_info *info)
{
    if (info == NULL)
        return;
    free(info->meta);
    *info = (struct catena_info){0};
}

static void give_info(struct wait *wait, struct catena_info *ret_info)
{
    if (ret_info == NULL)
        return;
    *ret_info = wait->info;
    wait->info = (struct catena_info){0};
}

static enum catena_status check_target(const char *bucket, const void *key, size_t key_length,
                                       const struct catena_op_options *options)
{
    if (bucket == NULL)
        return fail_text(CATENA_INVALID, "the bucket name is NULL");
    if (key == NULL || key_length == 0 || key_length > BOUND_KEY_BYTES)
        return fail_text(CATENA_INVALID, "%s: the key has %zu bytes; it must have 1 to %u", bucket,
                         key_length, BOUND_KEY_BYTES);
    if (!utf8_is_valid(slice_of(key, key_length)))
        return fail_text(CATENA_INVALID, "%s: the key is not valid UTF-8", bucket);
    if (options != NULL && options->struct_size != sizeof *options)
        return fail_text(CATENA_INVALID,
                         "%s: begin options with CATENA_OP_OPTIONS_INIT (struct_size is %zu)",
                         bucket, options->struct_size);
    if (options != NULL && options->meta_length > BOUND_META_BYTES)
        return fail_text(CATENA_TOO_LARGE, "%s: metadata of %zu bytes; the limit is %u", bucket,
                         options->meta_length, BOUND_META_BYTES);
    if (options != NULL && (unsigned)options->condition > CATENA_IF_EXISTS)
        return fail_text(CATENA_INVALID, "%s: unknown condition %d", bucket,
                         (int)options->condition);
    return CATENA_OK;
}

static void *copy_of(const void *bytes, size_t length)
{
    void *copy = mem_alloc(length + 1);
    if (length > 0)
        memcpy(copy, bytes, length);
    ((char *)copy)[length] = '\0';
    return copy;
}

enum catena_status target_make(struct catena_client *client, const char *bucket, const void *key,
                               size_t key_length, const struct catena_op_options *options,
                               struct target *ret_target)
{
    if (client == NULL)
        return fail_text(CATENA_INVALID, "the client is NULL");
    enum catena_status status = check_target(bucket, key, key_length, options);
    if (status != CATENA_OK)
        return status;
    *ret_target = (struct target){
        .bucket = copy_of(bucket, strlen(bucket)),
        .key = copy_of(key, key_length),
        .key_length = key_length,
    };
    if (options != NULL) {
        ret_target->options = *options;
        ret_target->meta = copy_of(options->meta, options->meta_length);
        ret_target->options.meta = ret_target->meta;
    }
    return CATENA_OK;
}

void target_release(struct target *target)
{
    mem_free(target->bucket);
    mem_free(target->key);
    mem_free(target->meta);
    *target = (struct target){0};
}

static enum wire_condition condition_of(enum catena_condition condition)
{
    switch (condition) {
    case CATENA_ALWAYS:
        return WIRE_CONDITION_NONE;
    case CATENA_IF_ABSENT:
        return WIRE_CONDITION_ABSENT;
    case CATENA_IF_VERSION:
        return WIRE_CONDITION_MATCH;
    case CATENA_IF_EXISTS:
        return WIRE_CONDITION_EXISTS;
    }
    return WIRE_CONDITION_NONE;
}

void target_fill(const struct target *target, struct cl_submit *submit)
{
    submit->bucket = slice_of_text(target->bucket);
    submit->key = slice_of(target->key, target->key_length);
    submit->meta = slice_of(target->options.meta, target->options.meta_length);
    submit->condition = condition_of(target->options.condition);
    submit->match =
        (struct origin){.epoch = target->options.version.epoch, .lsn = target->options.version.lsn};
}

/* Checks, copies, takes a slot. */
static enum catena_status begin(struct catena_client *client, const char *bucket, const void *key,
                                size_t key_length, const struct catena_op_options *options,
                                bool may_block, struct target *ret_target)
{
    enum catena_status status = target_make(client, bucket, key, key_length, options, ret_target);
    if (status != CATENA_OK)
        return status;
    if (may_block)
        status = check_may_block(client);
    if (status == CATENA_OK &&
        !slot_take(client, may_block,
                   may_block ? deadline_after(client, ret_target->options.timeout_ms) : 0))
        status = fail_text(CATENA_BUSY, "%s: %u operations are in flight already; try again later",
                           bucket, client->requests_max);
    if (status != CATENA_OK)
        target_release(ret_target);
    return status;
}

static void end(struct catena_client *client, struct target *target)
{
    target_release(target);
    slot_give(client);
}

static void prepare(struct wait *wait, const struct target *target, enum cl_op_kind kind)
{
    target_fill(target, &wait->call.submit);
    wait->call.submit.kind = kind;
    wait->call.submit.deadline_us = deadline_after(wait->client, target->options.timeout_ms);
}

/* ---- blocking ---- */

static enum catena_status put_inline(struct catena_client *client, struct target *target,
                                     const void *value, size_t length, struct catena_info *ret_info)
{
    struct wait wait;
    struct buf *payload = buf_copy(slice_of(value, length));
    wait_init(&wait, client);
    prepare(&wait, target, CL_OP_PUT);
    wait.call.submit.payload = payload;
    wait.call.submit.size = length;
    wait.call.submit.checksum = checksum_bytes(buf_slice(payload));
    (void)wait_run(&wait);
    give_info(&wait, ret_info);
    enum catena_status status = wait_status(&wait);
    wait_release(&wait);
    buf_unref(payload);
    end(client, target);
    return status;
}

enum catena_status catena_put(struct catena_client *client, const char *bucket, const void *key,
                              size_t key_length, const void *value, size_t value_length,
                              const struct catena_op_options *options, struct catena_info *ret_info)
{
    struct target target;
    if (ret_info != NULL)
        *ret_info = (struct catena_info){0};
    if (value == NULL && value_length > 0)
        return fail_text(CATENA_INVALID, "the value is NULL");
    enum catena_status status = begin(client, bucket, key, key_length, options, true, &target);
    if (status != CATENA_OK)
        return status;
    if (value_length <= BOUND_INLINE_BYTES)
        return put_inline(client, &target, value, value_length, ret_info);
    struct upload *upload = upload_new(client, &target);
    status = upload_write(upload, value, value_length);
    if (status == CATENA_OK)
        return upload_commit(upload, ret_info);
    char text[CL_TEXT_BYTES];
    (void)text_format(text, sizeof text, "%s", catena_error_text());
    upload_abort(upload);
    return fail_text(status, "%s", text);
}

/* Reads the whole range into one block. */
static enum catena_status collect(struct download *download, void **ret_value, size_t *ret_length)
{
    uint64_t length = download_length(download);
    if (length > CLIENT_VALUE_MAX)
        return fail_text(CATENA_TOO_LARGE,
                         "the value has %llu bytes; over %d use catena_get_stream_open",
                         (unsigned long long)length, CLIENT_VALUE_MAX);
    uint8_t *value = mem_alloc(length + 1);
    size_t filled = 0;
    enum catena_status status = CATENA_OK;
    while (status == CATENA_OK && filled < length) {
        size_t got = 0;
        status = download_read(download, value + filled, length - filled, &got);
        filled += got;
    }
    if (status != CATENA_OK) {
        free(value);
        return status;
    }
    value[length] = '\0'; /* a courtesy to those who print it */
    *ret_value = value;
    *ret_length = length;
    return succeed();
}

/* One try. The download (which takes the slot over) is made only if the object is there. */
static enum catena_status open_download(struct catena_client *client, struct target *target,
                                        uint64_t offset, uint64_t length,
                                        struct download **ret_download,
                                        struct catena_info *ret_info)
{
    struct wait wait;
    wait_init(&wait, client);
    prepare(&wait, target, CL_OP_GET);
    (void)wait_run(&wait);
    enum catena_status status = wait_status(&wait);
    if (status == CATENA_OK) {
        *ret_download = download_new(client, target, &wait.result, wait.payload, offset, length);
        give_info(&wait, ret_info);
    }
    wait_release(&wait);
    return status;
}

enum catena_status catena_get_range(struct catena_client *client, const char *bucket,
                                    const void *key, size_t key_length, uint64_t offset,
                                    uint64_t length, const struct catena_op_options *options,
                                    void **ret_value, size_t *ret_length,
                                    struct catena_info *ret_info)
{
    enum catena_status status = CATENA_NO_KEY;
    if (ret_info != NULL)
        *ret_info = (struct catena_info){0};
    if (ret_value == NULL || ret_length == NULL)
        return fail_text(CATENA_INVALID, "ret_value and ret_length must not be NULL");
    /* An object that is replaced while its chunks are read is read again. */
    for (int try = 0; try < REPLACED_TRIES; try++) {
        struct target target;
        struct download *download = NULL;
        struct catena_info info = {0};
        status = begin(client, bucket, key, key_length, options, true, &target);
        if (status != CATENA_OK)
            return status;
        status = open_download(client, &target, offset, length, &download, &info);
        target_release(&target);
        if (status != CATENA_OK) {
            slot_give(client);
            return status;
        }
        status = collect(download, ret_value, ret_length);
        download_free(download);
        if (status == CATENA_OK && ret_info != NULL)
            *ret_info = info;
        else
            catena_info_release(&info);
        if (status != CATENA_NO_KEY)
            break;
    }
    return status;
}

enum catena_status catena_get(struct catena_client *client, const char *bucket, const void *key,
                              size_t key_length, const struct catena_op_options *options,
                              void **ret_value, size_t *ret_length, struct catena_info *ret_info)
{
    return catena_get_range(client, bucket, key, key_length, 0, UINT64_MAX, options, ret_value,
                            ret_length, ret_info);
}

static enum catena_status run_simple(struct catena_client *client, enum cl_op_kind kind,
                                     const char *bucket, const void *key, size_t key_length,
                                     const struct catena_op_options *options,
                                     struct catena_info *ret_info)
{
    struct target target;
    struct wait wait;
    if (ret_info != NULL)
        *ret_info = (struct catena_info){0};
    enum catena_status status = begin(client, bucket, key, key_length, options, true, &target);
    if (status != CATENA_OK)
        return status;
    wait_init(&wait, client);
    prepare(&wait, &target, kind);
    (void)wait_run(&wait);
    give_info(&wait, ret_info);
    status = wait_status(&wait);
    wait_release(&wait);
    end(client, &target);
    return status;
}

enum catena_status catena_stat(struct catena_client *client, const char *bucket, const void *key,
                               size_t key_length, const struct catena_op_options *options,
                               struct catena_info *ret_info)
{
    return run_simple(client, CL_OP_STAT, bucket, key, key_length, options, ret_info);
}

enum catena_status catena_delete(struct catena_client *client, const char *bucket, const void *key,
                                 size_t key_length, const struct catena_op_options *options,
                                 struct catena_info *ret_info)
{
    return run_simple(client, CL_OP_DELETE, bucket, key, key_length, options, ret_info);
}

/* ---- asynchronous ---- */

struct async {
    struct call call;
    struct catena_client *client;
    struct target target;
    catena_callback callback;
    void *context;
    struct buf *payload;
};

static void async_free(struct async *async)
{
    buf_unref(async->payload);
    target_release(&async->target);
    mem_free(async);
}

static void call_back(struct async *async, const struct call_end *end)
{
    struct catena_info info;
    info_fill(&info, end->result);
    struct slice value = buf_slice(end->payload);
    struct catena_result result = {
        .status = status_of_err(end->result->err),
        .error_text = end->result->text,
        .info = &info,
        .value = value.data,
        .value_length = value.length,
    };
    struct catena_client *client = async->client;
    slot_give(client);
    async->callback(async->context, &result);
    catena_info_release(&info);
    async_free(async);
}

static void async_done(struct call *call, const struct call_end *end)
{
    call_back(CONTAINER_OF(call, struct async, call), end);
}

/* A large object: its chunks follow; the download takes the slot over. */
static void async_got(struct call *call, const struct call_end *end)
{
    struct async *async = CONTAINER_OF(call, struct async, call);
    const struct cl_result *object = end->result;
    bool is_chunked = object->upload_high != 0 || object->upload_low != 0;
    if (object->err != ERR_OK || !is_chunked) {
        call_back(async, end);
        return;
    }
    if (object->size > CLIENT_VALUE_MAX) {
        struct cl_result refusal = {.err = ERR_TOO_LARGE,
                                    .text = "the value is larger than 256 MiB; use a stream"};
        struct call_end too_large = {.result = &refusal, .map = end->map};
        call_back(async, &too_large);
        return;
    }
    struct catena_info info;
    info_fill(&info, object);
    struct download *download =
        download_new(async->client, &async->target, object, NULL, 0, UINT64_MAX);
    download_run(download, &info, async->callback, async->context);
    async_free(async);
}

static struct async *async_new(struct catena_client *client, struct target *target,
                               enum cl_op_kind kind, catena_callback callback, void *context)
{
    struct async *async = mem_calloc(1, sizeof *async);
    async->client = client;
    async->target = *target;
    async->callback = callback;
    async->context = context;
    async->call.done = kind == CL_OP_GET ? async_got : async_done;
    target_fill(&async->target, &async->call.submit);
    async->call.submit.kind = kind;
    async->call.submit.deadline_us = deadline_after(client, target->options.timeout_ms);
    return async;
}

static enum catena_status run_async(struct catena_client *client, enum cl_op_kind kind,
                                    const char *bucket, const void *key, size_t key_length,
                                    const struct catena_op_options *options,
                                    catena_callback callback, void *context)
{
    struct target target;
    if (callback == NULL)
        return fail_text(CATENA_INVALID, "the callback is NULL");
    enum catena_status status = begin(client, bucket, key, key_length, options, false, &target);
    if (status != CATENA_OK)
        return status;
    call_start(client, &async_new(client, &target, kind, callback, context)->call);
    return succeed();
}

enum catena_status catena_put_async(struct catena_client *client, const char *bucket,
                                    const void *key, size_t key_length, const void *value,
                                    size_t value_length, const struct catena_op_options *options,
                                    catena_callback callback, void *context)
{
    struct target target;
    if (callback == NULL || (value == NULL && value_length > 0))
        return fail_text(CATENA_INVALID, "the callback or the value is NULL");
    enum catena_status status = begin(client, bucket, key, key_length, options, false, &target);
    if (status != CATENA_OK)
        return status;
    if (value_length > BOUND_INLINE_BYTES) {
        upload_run(upload_new(client, &target), value, value_length, callback, context);
        return succeed();
    }
    struct async *async = async_new(client, &target, CL_OP_PUT, callback, context);
    /* Copied: a late duplicate may still be in a queue when the callback runs. */
    async->payload = buf_copy(slice_of(value, value_length));
    async->call.submit.payload = async->payload;
    async->call.submit.size = value_length;
    async->call.submit.checksum = checksum_bytes(buf_slice(async->payload));
    call_start(client, &async->call);
    return succeed();
}

enum catena_status catena_get_async(struct catena_client *client, const char *bucket,
                                    const void *key, size_t key_length,
                                    const struct catena_op_options *options,
                                    catena_callback callback, void *context)
{
    return run_async(client, CL_OP_GET, bucket, key, key_length, options, callback, context);
}

enum catena_status catena_stat_async(struct catena_client *client, const char *bucket,
                                     const void *key, size_t key_length,
                                     const struct catena_op_options *options,
                                     catena_callback callback, void *context)
{
    return run_async(client, CL_OP_STAT, bucket, key, key_length, options, callback, context);
}

enum catena_status catena_delete_async(struct catena_client *client, const char *bucket,
                                       const void *key, size_t key_length,
                                       const struct catena_op_options *options,
                                       catena_callback callback, void *context)
{
    return run_async(client, CL_OP_DELETE, bucket, key, key_length, options, callback, context);
}

/* ---- streams ---- */

struct catena_put_stream {
    struct upload *upload;
    struct catena_client *client;
    enum catena_status failed; /* a write failed: commit reports it and aborts */
    char text[CL_TEXT_BYTES];
};

enum catena_status catena_put_stream_open(struct catena_client *client, const char *bucket,
                                          const void *key, size_t key_length,
                                          const struct catena_op_options *options,
                                          struct catena_put_stream **ret_stream)
{
    struct target target;
    enum catena_status status = begin(client, bucket, key, key_length, options, true, &target);
    if (status != CATENA_OK)
        return status;
    struct catena_put_stream *stream = mem_calloc(1, sizeof *stream);
    stream->client = client;
    stream->upload = upload_new(client, &target);
    *ret_stream = stream;
    return succeed();
}

enum catena_status catena_put_stream_write(struct catena_put_stream *stream, const void *bytes,
                                           size_t length)
{
    if (stream == NULL || (bytes == NULL && length > 0))
        return fail_text(CATENA_INVALID, "the stream or the bytes are NULL");
    if (stream->failed == CATENA_OK) {
        stream->failed = upload_write(stream->upload, bytes, length);
        if (stream->failed == CATENA_OK)
            return succeed();
        (void)text_format(stream->text, sizeof stream->text, "%s", catena_error_text());
    }
    return fail_text(stream->failed, "%s", stream->text);
}

enum catena_status catena_put_stream_set_options(struct catena_put_stream *stream,
                                                 const struct catena_op_options *options)
{
    if (stream == NULL || options == NULL)
        return fail_text(CATENA_INVALID, "the stream or the options are NULL");
    struct target *target = upload_target(stream->upload);
    enum catena_status status =
        check_target(target->bucket, target->key, target->key_length, options);
    if (status != CATENA_OK)
        return status;
    mem_free(target->meta); /* chunks under way do not carry it */
    target->meta = copy_of(options->meta, options->meta_length);
    target->options = *options;
    target->options.meta = target->meta;
    return succeed();
}

enum catena_status catena_put_stream_commit(struct catena_put_stream *stream,
                                            struct catena_info *ret_info)
{
    if (stream == NULL)
        return fail_text(CATENA_INVALID, "the stream is NULL");
    if (ret_info != NULL)
        *ret_info = (struct catena_info){0};
    enum catena_status status = stream->failed;
    if (status == CATENA_OK) {
        status = upload_commit(stream->upload, ret_info);
    } else {
        upload_abort(stream->upload);
        (void)fail_text(status, "%s", stream->text);
    }
    mem_free(stream);
    return status;
}

void catena_put_stream_abort(struct catena_put_stream *stream)
{
    if (stream == NULL)
        return;
    upload_abort(stream->upload);
    mem_free(stream);
}

struct catena_get_stream {
    struct download *download;
};

enum catena_status catena_get_stream_open(struct catena_client *client, const char *bucket,
                                          const void *key, size_t key_length, uint64_t offset,
                                          uint64_t length, const struct catena_op_options *options,
                                          struct catena_get_stream **ret_stream,
                                          struct catena_info *ret_info)
{
    struct target target;
    if (ret_info != NULL)
        *ret_info = (struct catena_info){0};
    enum catena_status status = begin(client, bucket, key, key_length, options, true, &target);
    if (status != CATENA_OK)
        return status;
    struct download *download = NULL;
    status = open_download(client, &target, offset, length, &download, ret_info);
    target_release(&target);
    if (status != CATENA_OK) {
        slot_give(client);
        return status;
    }
    struct catena_get_stream *stream = mem_calloc(1, sizeof *stream);
    stream->download = download;
    *ret_stream = stream;
    return succeed();
}

enum catena_status catena_get_stream_read(struct catena_get_stream *stream, void *bytes,
                                          size_t size, size_t *ret_length)
{
    if (stream == NULL || bytes == NULL || ret_length == NULL || size == 0)
        return fail_text(CATENA_INVALID, "the stream, the buffer or the length is missing");
    *ret_length = 0;
    return download_read(stream->download, bytes, size, ret_length);
}

void catena_get_stream_close(struct catena_get_stream *stream)
{
    if (stream == NULL)
        return;
    download_free(stream->download);
    mem_free(stream);
}
