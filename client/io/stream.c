/* Streaming puts and gets, and the streams of parts. */
#include <string.h>

#include "base/contract.h"
#include "client/io/client.h"

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
    if (ret_stream == NULL)
        return fail_text(CATENA_INVALID, "ret_stream must not be NULL");
    enum catena_status status =
        target_begin(client, bucket, key, key_length, options, true, &target);
    if (status != CATENA_OK)
        return status;
    struct catena_put_stream *stream = mem_calloc(1, sizeof *stream);
    stream->client = client;
    stream->upload = upload_new(client, &target);
    *ret_stream = stream;
    return succeed();
}

enum catena_status catena_multipart_part_open(struct catena_client *client, const char *bucket,
                                              const void *key, size_t key_length,
                                              struct catena_upload_id upload, uint32_t number,
                                              const struct catena_op_options *options,
                                              struct catena_put_stream **ret_stream)
{
    if (number == 0 || number > CATENA_PARTS_MAX)
        return fail_text(CATENA_INVALID, "part number %u; parts are numbered from 1 to %d", number,
                         CATENA_PARTS_MAX);
    enum catena_status status = multi_check(bucket, upload);
    if (status == CATENA_OK)
        status = part_check(bucket, options);
    if (status == CATENA_OK)
        status = catena_put_stream_open(client, bucket, key, key_length, options, ret_stream);
    if (status == CATENA_OK)
        upload_set_part((*ret_stream)->upload, upload, number);
    return status;
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
        target_check(target->bucket, target->key, target->key_length, options);
    if (status == CATENA_OK && upload_part(stream->upload) != 0)
        status = part_check(target->bucket, options);
    if (status != CATENA_OK)
        return status;
    mem_free(target->meta); /* chunks under way do not carry it */
    target->meta = bytes_copy(options->meta, options->meta_length);
    target->options = *options;
    target->options.meta = target->meta;
    return succeed();
}

/* commit: the stream ends in any case. */
static enum catena_status end_stream(struct catena_put_stream *stream, bool is_commit,
                                     struct catena_info *ret_info)
{
    if (stream == NULL)
        return fail_text(CATENA_INVALID, "the stream is NULL");
    if (ret_info != NULL)
        *ret_info = (struct catena_info){0};
    enum catena_status status = stream->failed;
    if (status != CATENA_OK) {
        upload_abort(stream->upload);
        (void)fail_text(status, "%s", stream->text);
    } else if (is_commit) {
        status = upload_commit(stream->upload, ret_info);
    } else {
        status = upload_publish(stream->upload, ret_info);
    }
    if (is_commit || status != CATENA_CONDITION_FAILED)
        mem_free(stream);
    return status;
}

enum catena_status catena_put_stream_publish(struct catena_put_stream *stream,
                                             struct catena_info *ret_info)
{
    return end_stream(stream, false, ret_info);
}

enum catena_status catena_put_stream_commit(struct catena_put_stream *stream,
                                            struct catena_info *ret_info)
{
    return end_stream(stream, true, ret_info);
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
    enum catena_status status =
        target_begin(client, bucket, key, key_length, options, true, &target);
    if (status != CATENA_OK)
        return status;
    struct download *download = NULL;
    status = download_open(client, &target, offset, length, &download, ret_info);
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

struct opening {
    struct call call;
    struct catena_client *client;
    struct target target;
    catena_stream_callback callback;
    void *context;
};

/* On the engine. A stream takes the slot over. */
static void opening_done(struct call *call, const struct call_end *end)
{
    struct opening *opening = CONTAINER_OF(call, struct opening, call);
    struct catena_client *client = opening->client;
    const struct cl_result *object = end->result;
    struct catena_get_stream *stream = NULL;
    struct catena_info info;
    info_fill(&info, object);
    struct catena_result result = {
        .status = status_of_err(object->err),
        .error_text = object->text,
        .info = &info,
    };
    bool is_chunked =
        object->upload_high != 0 || object->upload_low != 0 || object->part_count != 0;
    if (object->err == ERR_OK && is_chunked) {
        stream = mem_calloc(1, sizeof *stream);
        stream->download =
            download_new(client, &opening->target, object, end->payload, 0, UINT64_MAX);
    } else {
        struct slice value = buf_slice(end->payload);
        result.value = value.data;
        result.value_length = value.length;
        slot_give(client);
    }
    opening->callback(opening->context, &result, stream);
    catena_info_release(&info);
    target_release(&opening->target);
    mem_free(opening);
}

enum catena_status catena_get_stream_open_async(struct catena_client *client, const char *bucket,
                                                const void *key, size_t key_length,
                                                const struct catena_op_options *options,
                                                catena_stream_callback callback, void *context)
{
    struct target target;
    if (callback == NULL)
        return fail_text(CATENA_INVALID, "the callback is NULL");
    enum catena_status status =
        target_begin(client, bucket, key, key_length, options, false, &target);
    if (status != CATENA_OK)
        return status;
    struct opening *opening = mem_calloc(1, sizeof *opening);
    opening->client = client;
    opening->target = target;
    opening->callback = callback;
    opening->context = context;
    opening->call.done = opening_done;
    target_fill(&opening->target, &opening->call.submit);
    opening->call.submit.kind = CL_OP_GET;
    opening->call.submit.deadline_us = deadline_after(client, target.options.timeout_ms);
    call_start_in_batch(client, &opening->call);
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

enum catena_status catena_get_stream_next(struct catena_get_stream *stream, size_t size,
                                          const void **ret_bytes, size_t *ret_length)
{
    if (stream == NULL || ret_bytes == NULL || ret_length == NULL || size == 0)
        return fail_text(CATENA_INVALID, "the stream, the place for the bytes or the size is "
                                         "missing");
    *ret_bytes = NULL;
    *ret_length = 0;
    return download_next(stream->download, size, ret_bytes, ret_length);
}

void catena_get_stream_close(struct catena_get_stream *stream)
{
    if (stream == NULL)
        return;
    download_free(stream->download);
    mem_free(stream);
}
