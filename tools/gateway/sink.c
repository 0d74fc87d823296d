/* A value on its way into the cluster. Up to GW_SMALL_BYTES it stays in memory and becomes one put;
 * beyond that it is staged through a stream of the client library. Nothing is visible before
 * sink_commit.
 *
 * Conditions by ETag are exact: the ETag is compared in an object that was just read, and the put
 * carries the version of that object, so the head of the chain refuses it if anything came between.
 * Then the comparison is made again. */
#include <stdlib.h>

#include "tools/gateway/condition.h"
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

static enum catena_status open_stream(struct sink *sink, struct catena_client *client,
                                      const char *bucket, const void *key, size_t key_length)
{
    enum catena_status status =
        catena_put_stream_open(client, bucket, key, key_length, NULL, &sink->stream);
    if (status == CATENA_OK && sink->small_length > 0)
        status = catena_put_stream_write(sink->stream, sink->small, sink->small_length);
    free(sink->small);
    sink->small = NULL;
    sink->small_length = 0;
    return status;
}

/* client NULL: the bytes are only hashed. */
enum catena_status sink_write(struct sink *sink, struct catena_client *client, const char *bucket,
                              const void *key, size_t key_length, struct slice bytes)
{
    hash(sink, bytes);
    if (client == NULL)
        return CATENA_OK;
    if (sink->stream == NULL && sink->length <= GW_SMALL_BYTES) {
        if (sink->small == NULL)
            sink->small = gw_zalloc(GW_SMALL_BYTES);
        memcpy(sink->small + sink->small_length, bytes.data, bytes.length);
        sink->small_length += bytes.length;
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

enum s3_error write_condition_resolve(struct catena_client *client, const char *bucket,
                                      const void *key, size_t key_length,
                                      const struct write_conditions *conditions,
                                      struct catena_op_options *options,
                                      enum catena_status *ret_status)
{
    const char *match = conditions->if_match;
    const char *none = conditions->if_none_match;
    *ret_status = CATENA_OK;
    options->condition = CATENA_ALWAYS;
    if (match == NULL && none == NULL)
        return S3_OK;
    if (match == NULL && strcmp(none, "*") == 0) {
        options->condition = CATENA_IF_ABSENT;
        return S3_OK;
    }
    if (none == NULL && strcmp(match, "*") == 0) {
        options->condition = CATENA_IF_EXISTS;
        return S3_OK;
    }
    struct catena_info info = {0};
    enum catena_status status = catena_stat(client, bucket, key, key_length, NULL, &info);
    if (status == CATENA_NO_KEY) {
        options->condition = CATENA_IF_ABSENT;
        return match != NULL ? S3_NoSuchKey : S3_OK;
    }
    if (status != CATENA_OK) {
        *ret_status = status;
        return s3_error_of_status(status);
    }
    struct gw_meta meta;
    gw_meta_decode(slice_of(info.meta, info.meta_length), info.checksum, info.version.epoch,
                   info.version.lsn, &meta);
    bool is_refused = (match != NULL && !gw_etag_matches(match, meta.etag)) ||
                      (none != NULL && gw_etag_matches(none, meta.etag));
    options->condition = CATENA_IF_VERSION;
    options->version = info.version;
    gw_meta_release(&meta);
    catena_info_release(&info);
    return is_refused ? S3_PreconditionFailed : S3_OK;
}

/* What a refused condition means, when the library decided it and no comparison is to be repeated.
 */
static enum s3_error refusal(enum catena_condition condition)
{
    return condition == CATENA_IF_EXISTS ? S3_NoSuchKey : S3_PreconditionFailed;
}

static bool is_plain(const struct write_conditions *conditions)
{
    const char *match = conditions->if_match;
    const char *none = conditions->if_none_match;
    return (match == NULL || none == NULL) && (match == NULL || strcmp(match, "*") == 0) &&
           (none == NULL || strcmp(none, "*") == 0);
}

static enum catena_status publish(struct sink *sink, struct catena_client *client,
                                  const char *bucket, const void *key, size_t key_length,
                                  const struct catena_op_options *options,
                                  struct catena_info *ret_info)
{
    if (sink->stream == NULL)
        return catena_put(client, bucket, key, key_length,
                          sink->small == NULL ? (const void *)"" : sink->small, sink->small_length,
                          options, ret_info);
    struct catena_put_stream *stream = sink->stream;
    sink->stream = NULL; /* the commit frees it, whatever comes */
    enum catena_status status = catena_put_stream_set_options(stream, options);
    if (status != CATENA_OK) {
        catena_put_stream_abort(stream);
        return status;
    }
    return catena_put_stream_commit(stream, ret_info);
}

enum s3_error sink_commit(struct sink *sink, struct catena_client *client, const char *bucket,
                          const void *key, size_t key_length,
                          const struct write_conditions *conditions, const struct gw_meta *meta,
                          struct catena_info *ret_info, enum catena_status *ret_status)
{
    uint8_t blob[GW_META_BYTES_MAX];
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    bool was_stream = sink->stream != NULL;
    *ret_status = CATENA_OK;
    if (!gw_meta_encode(meta, blob, &options.meta_length))
        return S3_MetadataTooLarge;
    options.meta = blob;
    for (int i = 0; i < GW_CONDITION_TRIES; i++) {
        enum s3_error error = write_condition_resolve(client, bucket, key, key_length, conditions,
                                                      &options, ret_status);
        if (error != S3_OK)
            return error;
        *ret_info = (struct catena_info){0};
        enum catena_status status =
            publish(sink, client, bucket, key, key_length, &options, ret_info);
        if (status == CATENA_OK)
            return S3_OK;
        catena_info_release(ret_info);
        bool has_moved = status == CATENA_CONDITION_FAILED ||
                         (status == CATENA_NO_KEY && options.condition != CATENA_ALWAYS);
        if (!has_moved) {
            *ret_status = status;
            return s3_error_of_status(status);
        }
        if (is_plain(conditions))
            return refusal(options.condition);
        if (was_stream) { /* the staged bytes are gone; only the answer can be made exact */
            error = write_condition_resolve(client, bucket, key, key_length, conditions, &options,
                                            ret_status);
            return error != S3_OK ? error : S3_ConditionalRequestConflict;
        }
    }
    return S3_ConditionalRequestConflict;
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
