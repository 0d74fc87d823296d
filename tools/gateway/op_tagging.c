/* Tags of objects. They are part of the object's metadata: changing them is a restamp that keeps
 * ETag and time. */
#include "tools/gateway/gateway.h"

/* Empty when they are deleted. */
static enum s3_error change_tags(void *context, const struct catena_info *info,
                                 struct gw_meta *meta)
{
    const struct gw_tags *tags = context;
    /* Another writer's metadata would be lost. */
    if (info->meta_length > 0 && !gw_meta_is_ours(slice_of(info->meta, info->meta_length)))
        return S3_NotImplemented;
    gw_tags_release(&meta->tags);
    gw_tags_copy(tags, &meta->tags);
    return S3_OK;
}

static void set_tags(struct s3 *s3, struct gw_tags *tags, unsigned answer)
{
    struct write_conditions conditions = s3_write_conditions(s3);
    struct restamp restamp = {
        .conditions = &conditions, .keep_mtime = true, .change = change_tags, .context = tags};
    struct gw_meta meta;
    struct catena_info info;
    enum catena_status status = CATENA_OK;
    enum s3_error error = s3_restamp(s3, &restamp, &meta, &info, &status);
    if (error != S3_OK) {
        s3_fail_write(s3, error, status);
        return;
    }
    s3_add_version(s3, &info);
    s3_respond_empty(s3, answer);
    gw_meta_release(&meta);
    catena_info_release(&info);
}

void op_put_tagging(struct s3 *s3)
{
    struct gw_tags tags;
    const char *detail = NULL;
    enum s3_error error = gw_tags_from_xml(slice_of(s3->document.data, s3->document.length),
                                           GW_TAGS_OBJECT_MAX, &tags, &detail);
    if (error != S3_OK)
        s3_fail(s3, error, detail);
    else
        set_tags(s3, &tags, 200);
    gw_tags_release(&tags);
}

void op_delete_tagging(struct s3 *s3)
{
    struct gw_tags none = {0};
    set_tags(s3, &none, 204);
}

void op_get_tagging(struct s3 *s3)
{
    const struct gw_route *route = &s3->route;
    struct catena_info info = {0};
    enum catena_status status =
        catena_stat(s3->gateway->client, route->bucket, route->key, route->key_length, NULL, &info);
    if (status != CATENA_OK) {
        s3_fail_status(s3, status);
        return;
    }
    struct gw_meta meta;
    struct text out;
    s3_decode_meta(&info, &meta);
    text_init(&out);
    gw_tags_to_xml(&meta.tags, &out);
    s3_add_version(s3, &info);
    gw_meta_release(&meta);
    catena_info_release(&info);
    s3_respond_xml(s3, &out);
}
