/* put, get, stat, delete of whole objects: blocking and asynchronous. */
#include <stdlib.h>
#include <string.h>

#include "base/contract.h"
#include "base/hash.h"
#include "client/io/client.h"

enum { REPLACED_TRIES = 4 };

/* ---- blocking ---- */

static enum catena_status put_inline(struct catena_client *client, struct target *target,
                                     const void *value, size_t length, struct catena_info *ret_info)
{
    struct wait wait;
    struct buf *payload = buf_copy(slice_of(value, length));
    wait_init(&wait, client);
    target_prepare(&wait, target, CL_OP_PUT);
    wait.call.submit.payload = payload;
    wait.call.submit.size = length;
    wait.call.submit.checksum = checksum_bytes(buf_slice(payload));
    enum catena_status status = target_run(client, target, &wait, ret_info);
    buf_unref(payload);
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
    enum catena_status status =
        target_begin(client, bucket, key, key_length, options, true, &target);
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
        status = target_begin(client, bucket, key, key_length, options, true, &target);
        if (status != CATENA_OK)
            return status;
        status = download_open(client, &target, offset, length, &download, &info);
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

/* What an operation without a value is. */
struct simple {
    enum cl_op_kind kind;
    enum wire_put_step step;
    bool keep_mtime;
};

static enum catena_status run_simple(struct catena_client *client, struct simple simple,
                                     const char *bucket, const void *key, size_t key_length,
                                     const struct catena_op_options *options,
                                     struct catena_info *ret_info)
{
    struct target target;
    struct wait wait;
    if (ret_info != NULL)
        *ret_info = (struct catena_info){0};
    enum catena_status status =
        target_begin(client, bucket, key, key_length, options, true, &target);
    if (status != CATENA_OK)
        return status;
    wait_init(&wait, client);
    target_prepare(&wait, &target, simple.kind);
    wait.call.submit.step = simple.step;
    wait.call.submit.keep_mtime = simple.keep_mtime;
    return target_run(client, &target, &wait, ret_info);
}

enum catena_status catena_stat(struct catena_client *client, const char *bucket, const void *key,
                               size_t key_length, const struct catena_op_options *options,
                               struct catena_info *ret_info)
{
    return run_simple(client, (struct simple){.kind = CL_OP_STAT}, bucket, key, key_length, options,
                      ret_info);
}

enum catena_status catena_delete(struct catena_client *client, const char *bucket, const void *key,
                                 size_t key_length, const struct catena_op_options *options,
                                 struct catena_info *ret_info)
{
    enum catena_status status = check_no_token(bucket, options);
    if (status != CATENA_OK)
        return status;
    return run_simple(client, (struct simple){.kind = CL_OP_DELETE}, bucket, key, key_length,
                      options, ret_info);
}

enum catena_status catena_restamp(struct catena_client *client, const char *bucket, const void *key,
                                  size_t key_length, bool keep_mtime,
                                  const struct catena_op_options *options,
                                  struct catena_info *ret_info)
{
    struct simple restamp = {.kind = CL_OP_PUT, .step = WIRE_PUT_RESTAMP, .keep_mtime = keep_mtime};
    return run_simple(client, restamp, bucket, key, key_length, options, ret_info);
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
    bool is_chunked =
        object->upload_high != 0 || object->upload_low != 0 || object->part_count != 0;
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
        download_new(async->client, &async->target, object, end->payload, 0, UINT64_MAX);
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
    enum catena_status status =
        target_begin(client, bucket, key, key_length, options, false, &target);
    if (status != CATENA_OK)
        return status;
    call_start_in_batch(client, &async_new(client, &target, kind, callback, context)->call);
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
    enum catena_status status =
        target_begin(client, bucket, key, key_length, options, false, &target);
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
    call_start_in_batch(client, &async->call);
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
    enum catena_status status = check_no_token(bucket, options);
    if (status != CATENA_OK)
        return status;
    return run_async(client, CL_OP_DELETE, bucket, key, key_length, options, callback, context);
}
