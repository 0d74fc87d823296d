/* PutObject. */
#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"

bool s3_commit(struct s3 *s3, const struct write_conditions *conditions, struct gw_meta *meta,
               struct catena_info *ret_info)
{
    enum catena_status status = CATENA_OK;
    (void)text_format(meta->etag, sizeof meta->etag, "%s", s3->sink.md5_hex);
    enum s3_error error =
        sink_commit(&s3->sink, s3->gateway->client, s3->route.bucket, s3->route.key,
                    s3->route.key_length, conditions, meta, ret_info, &status);
    if (error != S3_OK)
        s3_fail_write(s3, error, status);
    return error == S3_OK;
}

static void respond_put(struct s3 *s3, const struct gw_meta *meta, const struct catena_info *info)
{
    s3_add_etag(s3, meta->etag);
    s3_add_version(s3, info);
    s3_add_checksum(s3, meta);
    s3_add_expiration(s3, info->size, info->mtime_ms, &meta->tags);
    s3_respond_empty(s3, 200);
}

/* All but the ETag. False: the request is answered. */
static bool make_meta(struct s3 *s3, struct gw_meta *meta)
{
    const char *detail = NULL;
    enum s3_error error = gw_meta_from_headers(s3->request, meta);
    if (error == S3_OK)
        error = gw_meta_take_tags(s3->request, meta, &detail);
    meta->checksum_kind = s3->body.checksum_kind;
    (void)text_format(meta->checksum, sizeof meta->checksum, "%s", s3->body.checksum);
    if (error != S3_OK)
        s3_fail(s3, error, detail);
    return error == S3_OK;
}

static void on_put(void *context, const struct catena_result *result)
{
    s3_end_early(context, result);
}

/* A small value without conditions or tags. */
bool op_put_start(struct s3 *s3)
{
    struct gw_meta meta;
    uint8_t blob[GW_META_BYTES_MAX];
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    const struct gw_route *route = &s3->route;
    const struct sink *sink = &s3->sink;
    if (gw_header(s3->request, "if-match") != NULL ||
        gw_header(s3->request, "if-none-match") != NULL ||
        gw_header(s3->request, "x-catena-request-id") != NULL ||
        gw_header(s3->request, "x-amz-tagging") != NULL || sink->stream != NULL)
        return false;
    bool is_answered = !make_meta(s3, &meta);
    (void)text_format(meta.etag, sizeof meta.etag, "%s", sink->md5_hex);
    if (!is_answered && !gw_meta_encode(&meta, blob, &options.meta_length)) {
        s3_fail(s3, S3_MetadataTooLarge, NULL);
        is_answered = true;
    }
    gw_meta_release(&meta);
    options.meta = blob;
    return is_answered ||
           catena_put_async(s3->gateway->client, route->bucket, route->key, route->key_length,
                            sink->small == NULL ? (const void *)"" : sink->small,
                            sink->small_length, &options, on_put, s3) == CATENA_OK;
}

void op_put_resume(struct s3 *s3)
{
    struct gw_meta meta = {.checksum_kind = s3->body.checksum_kind};
    if (s3->early.status != CATENA_OK) {
        s3_fail_status(s3, s3->early.status);
        return;
    }
    (void)text_format(meta.etag, sizeof meta.etag, "%s", s3->sink.md5_hex);
    (void)text_format(meta.checksum, sizeof meta.checksum, "%s", s3->body.checksum);
    const char *detail = NULL;
    (void)gw_meta_take_tags(s3->request, &meta, &detail); /* they were good before */
    respond_put(s3, &meta, &s3->early.info);
    gw_meta_release(&meta);
}

void op_put_object(struct s3 *s3)
{
    struct gw_meta meta;
    struct catena_info info = {0};
    struct write_conditions conditions = s3_write_conditions(s3);
    if (make_meta(s3, &meta) && s3_commit(s3, &conditions, &meta, &info)) {
        respond_put(s3, &meta, &info);
        catena_info_release(&info);
    }
    gw_meta_release(&meta);
}
