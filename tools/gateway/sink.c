/* A value on its way into the cluster: an object, or a part of a multipart upload. An object of up
 * to GW_SMALL_BYTES stays in memory and becomes one put; beyond that, and for parts, it is staged
 * through a stream of the client library. Nothing is visible before sink_commit. */
#include <stdlib.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"

void sink_begin(struct sink *sink, enum gw_checksum_kind kind, bool with_sha256)
{
    *sink = (struct sink){.checksum_kind = kind};
    sink->md5 = gw_checksum_new(GW_CHECKSUM_MD5);
    if (with_sha256)
        sink->sha256 = gw_checksum_new(GW_CHECKSUM_SHA256);
    if (kind != GW_CHECKSUM_NONE)
        sink->checksum = gw_checksum_new(kind);
}

static void hash(struct sink *sink, struct slice bytes)
{
    gw_checksum_update(sink->md5, bytes);
    if (sink->sha256 != NULL)
        gw_checksum_update(sink->sha256, bytes);
    if (sink->checksum != NULL)
        gw_checksum_update(sink->checksum, bytes);
    sink->length += bytes.length;
}

void sink_be_part(struct sink *sink, struct catena_upload_id upload, uint32_t number)
{
    sink->upload = upload;
    sink->part_number = number;
}

static enum catena_status open_stream(struct sink *sink, struct catena_client *client,
                                      const char *bucket, const void *key, size_t key_length)
{
    enum catena_status status =
        sink->part_number == 0
            ? catena_put_stream_open(client, bucket, key, key_length, NULL, &sink->stream)
            : catena_multipart_part_open(client, bucket, key, key_length, sink->upload,
                                         sink->part_number, NULL, &sink->stream);
    if (status == CATENA_OK && sink->small_length > 0)
        status = catena_put_stream_write(sink->stream, sink->small, sink->small_length);
    free(sink->small);
    sink->small = NULL;
    sink->small_length = 0;
    sink->small_capacity = 0;
    sink->was_staged = true;
    return status;
}

/* A short value comes as one piece: then it gets just that much. */
static void keep_small(struct sink *sink, struct slice bytes)
{
    size_t wanted = sink->small_length + bytes.length;
    if (wanted > sink->small_capacity) {
        sink->small_capacity = sink->small == NULL ? wanted : GW_SMALL_BYTES;
        sink->small = realloc(sink->small, sink->small_capacity);
        if (sink->small == NULL)
            abort();
    }
    memcpy(sink->small + sink->small_length, bytes.data, bytes.length);
    sink->small_length = wanted;
}

/* client NULL: the bytes are only hashed. */
enum catena_status sink_write(struct sink *sink, struct catena_client *client, const char *bucket,
                              const void *key, size_t key_length, struct slice bytes)
{
    hash(sink, bytes);
    if (client == NULL)
        return CATENA_OK;
    if (sink->stream == NULL && sink->length <= GW_SMALL_BYTES) {
        keep_small(sink, bytes);
        return CATENA_OK;
    }
    if (sink->stream == NULL) {
        enum catena_status status = open_stream(sink, client, bucket, key, key_length);
        if (status != CATENA_OK)
            return status;
    }
    return catena_put_stream_write(sink->stream, bytes.data, bytes.length);
}

void sink_digest(struct sink *sink)
{
    (void)gw_checksum_final(sink->md5, sink->md5_value);
    gw_hex_encode(sink->md5_value, 16, sink->md5_hex);
}

struct publication {
    struct sink *sink;
    struct catena_client *client;
    const char *bucket;
    const void *key;
    size_t key_length;
};

/* May be called again after a condition failed: what was staged stays. */
static enum catena_status publish(void *context, const struct catena_op_options *options,
                                  struct catena_info *ret_info)
{
    const struct publication *publication = context;
    struct sink *sink = publication->sink;
    if (sink->stream == NULL && sink->was_staged)
        return CATENA_INTERNAL; /* ended by an earlier attempt: nothing is left to publish */
    if (sink->stream == NULL)
        return catena_put(publication->client, publication->bucket, publication->key,
                          publication->key_length,
                          sink->small == NULL ? (const void *)"" : sink->small, sink->small_length,
                          options, ret_info);
    enum catena_status status = catena_put_stream_set_options(sink->stream, options);
    if (status != CATENA_OK)
        return status;
    status = catena_put_stream_publish(sink->stream, ret_info);
    if (status != CATENA_CONDITION_FAILED)
        sink->stream = NULL;
    return status;
}

enum s3_error sink_commit(struct sink *sink, struct catena_client *client, const char *bucket,
                          const void *key, size_t key_length,
                          const struct write_conditions *conditions, const struct gw_meta *meta,
                          struct catena_info *ret_info, enum catena_status *ret_status)
{
    struct publication publication = {
        .sink = sink, .client = client, .bucket = bucket, .key = key, .key_length = key_length};
    struct write_attempt attempt = {.run = publish, .context = &publication};
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    uint8_t blob[GW_META_BYTES_MAX];
    *ret_status = CATENA_OK;
    if (!gw_meta_encode(meta, blob, &options.meta_length))
        return S3_MetadataTooLarge;
    options.meta = blob;
    return write_conditionally(client, bucket, key, key_length, conditions, &attempt, &options,
                               ret_info, ret_status);
}

enum catena_status sink_commit_part(struct sink *sink, struct catena_client *client,
                                    const char *bucket, const void *key, size_t key_length,
                                    const struct catena_op_options *options,
                                    struct catena_info *ret_info)
{
    enum catena_status status = CATENA_OK;
    if (sink->stream == NULL) /* an empty part, or a short one */
        status = open_stream(sink, client, bucket, key, key_length);
    if (status == CATENA_OK)
        status = catena_put_stream_set_options(sink->stream, options);
    if (status != CATENA_OK)
        return status;
    struct catena_put_stream *stream = sink->stream;
    sink->stream = NULL; /* the commit frees it, whatever comes */
    return catena_put_stream_commit(stream, ret_info);
}

void sink_release(struct sink *sink)
{
    catena_put_stream_abort(sink->stream);
    gw_checksum_free(sink->md5);
    gw_checksum_free(sink->sha256);
    gw_checksum_free(sink->checksum);
    free(sink->small);
    *sink = (struct sink){0};
}
