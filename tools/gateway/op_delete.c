/* DeleteObject and DeleteObjects. */
#include <stdlib.h>

#include "tools/gateway/gateway.h"
#include "tools/gateway/xml.h"
#include "tools/gateway/xml_read.h"

struct deletion {
    struct s3 *s3;
    const char *key;
    size_t key_length;
};

static enum catena_status attempt_delete(void *context, const struct catena_op_options *options,
                                         struct catena_info *ret_info)
{
    const struct deletion *deletion = context;
    return catena_delete(deletion->s3->gateway->client, deletion->s3->route.bucket, deletion->key,
                         deletion->key_length, options, ret_info);
}

/* Under If-Match, exact as a conditional put is. Without, a missing object is a success. */
static enum s3_error delete_one(struct s3 *s3, const char *key, size_t key_length,
                                const struct write_conditions *conditions,
                                struct catena_info *ret_info, enum catena_status *ret_status)
{
    struct deletion deletion = {.s3 = s3, .key = key, .key_length = key_length};
    struct write_attempt attempt = {.run = attempt_delete, .context = &deletion};
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    enum s3_error error =
        write_conditionally(s3->gateway->client, s3->route.bucket, key, key_length, conditions,
                            &attempt, &options, ret_info, ret_status);
    bool is_gone = *ret_status == CATENA_NO_KEY && conditions->if_match == NULL;
    if (is_gone)
        *ret_status = CATENA_OK;
    return is_gone ? S3_OK : error;
}

void op_delete_object(struct s3 *s3)
{
    struct catena_info info = {0};
    enum catena_status status = CATENA_OK;
    struct write_conditions conditions = s3_write_conditions(s3);
    enum s3_error error =
        delete_one(s3, s3->route.key, s3->route.key_length, &conditions, &info, &status);
    if (error == S3_OK && info.version.epoch != 0)
        s3_add_version(s3, &info);
    if (error == S3_OK)
        s3_respond_empty(s3, 204);
    else
        s3_fail_write(s3, error, status);
    catena_info_release(&info);
}

static void append_result(struct text *out, const struct gw_delete_object *object,
                          enum s3_error error, bool is_quiet)
{
    if (error == S3_OK && is_quiet)
        return;
    gw_xml_open(out, error == S3_OK ? "Deleted" : "Error");
    gw_xml_element_bytes(out, "Key", slice_of(object->key, object->key_length));
    if (object->version_id != NULL)
        gw_xml_element(out, "VersionId", object->version_id);
    if (error != S3_OK) {
        gw_xml_element(out, "Code", s3_error_code(error));
        gw_xml_element(out, "Message", s3_error_message(error));
    }
    gw_xml_close(out, error == S3_OK ? "Deleted" : "Error");
}

/* What cannot or must not go with the others: refused objects, and those with a condition. */
static bool is_special(const struct gw_delete_object *object)
{
    return object->etag != NULL || object->has_other_condition ||
           object->key_length > GW_KEY_BYTES_MAX || !s3_version_is_current(object->version_id);
}

static enum s3_error delete_special(struct s3 *s3, const struct gw_delete_object *object)
{
    struct catena_info info = {0};
    enum catena_status status = CATENA_OK;
    struct write_conditions conditions = {.if_match = object->etag};
    if (object->key_length > GW_KEY_BYTES_MAX)
        return S3_KeyTooLongError;
    if (!s3_version_is_current(object->version_id))
        return S3_NoSuchVersion;
    if (object->has_other_condition)
        return S3_NotImplemented;
    enum s3_error error =
        delete_one(s3, object->key, object->key_length, &conditions, &info, &status);
    catena_info_release(&info);
    return error;
}

static void delete_all(struct s3 *s3, const struct gw_delete *request)
{
    struct batch_item *items = calloc(request->count, sizeof *items);
    if (items == NULL)
        abort();
    for (size_t i = 0; i < request->count; i++) {
        items[i].key = request->objects[i].key;
        items[i].key_length = request->objects[i].key_length;
        items[i].is_skipped = is_special(&request->objects[i]);
    }
    batch_delete(s3->gateway->client, s3->route.bucket, items, request->count);
    struct text out;
    bool has_bucket = true;
    text_init(&out);
    gw_xml_open_root(&out, "DeleteResult");
    for (size_t i = 0; i < request->count && has_bucket; i++) {
        enum s3_error error = items[i].is_skipped ? delete_special(s3, &request->objects[i])
                              : items[i].status == CATENA_NO_KEY
                                  ? S3_OK
                                  : s3_error_of_status(items[i].status);
        has_bucket = error != S3_NoSuchBucket;
        append_result(&out, &request->objects[i], error, request->is_quiet);
    }
    gw_xml_close(&out, "DeleteResult");
    free(items);
    if (has_bucket) {
        s3_respond_xml(s3, &out);
    } else {
        text_release(&out);
        s3_fail(s3, S3_NoSuchBucket, NULL);
    }
}

void op_delete_objects(struct s3 *s3)
{
    struct gw_delete request;
    if (s3->document.length == 0)
        s3_fail(s3, S3_MissingRequestBodyError, NULL);
    else if (!gw_xml_read_delete(slice_of(s3->document.data, s3->document.length), &request))
        s3_fail(s3, S3_MalformedXML, NULL);
    else
        delete_all(s3, &request);
    if (s3->document.length > 0)
        gw_delete_release(&request);
}
