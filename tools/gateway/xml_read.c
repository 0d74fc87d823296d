#include "tools/gateway/xml_document.h"

#include <stdlib.h>

#include "tools/gateway/encode.h"

/* ---- Delete ---- */

static void delete_open(struct gw_xml_reading *reading)
{
    struct gw_delete *request = reading->context;
    if (!gw_xml_is_at(reading, "/Delete/Object"))
        return;
    if (request->count == GW_DELETE_OBJECTS_MAX)
        gw_xml_stop(reading);
    else
        request->count++;
}

static void delete_close(struct gw_xml_reading *reading)
{
    struct gw_delete *request = reading->context;
    if (gw_xml_is_at(reading, "/Delete/Quiet")) {
        request->is_quiet = strcmp(reading->text, "true") == 0;
        return;
    }
    if (!gw_starts_with(reading->path, "/Delete/Object") || request->count == 0)
        return;
    struct gw_delete_object *object = &request->objects[request->count - 1];
    char **field = NULL;
    if (gw_xml_is_at(reading, "/Delete/Object/Key")) {
        field = &object->key;
        object->key_length = reading->text_length;
    } else if (gw_xml_is_at(reading, "/Delete/Object/VersionId")) {
        field = &object->version_id;
    } else if (gw_xml_is_at(reading, "/Delete/Object/ETag")) {
        field = &object->etag;
    } else if (gw_xml_is_at(reading, "/Delete/Object/LastModifiedTime") ||
               gw_xml_is_at(reading, "/Delete/Object/Size")) {
        object->has_other_condition = true;
    } else if (gw_xml_is_at(reading, "/Delete/Object") && object->key_length == 0) {
        gw_xml_stop(reading);
    }
    if (field != NULL) {
        free(*field);
        *field = gw_copy_bytes(reading->text, reading->text_length);
    }
}

bool gw_xml_read_delete(struct slice document, struct gw_delete *ret_delete)
{
    *ret_delete = (struct gw_delete){
        .objects = gw_zalloc(GW_DELETE_OBJECTS_MAX * sizeof(struct gw_delete_object))};
    return gw_xml_read_document(document, delete_open, delete_close, ret_delete) &&
           ret_delete->count > 0;
}

void gw_delete_release(struct gw_delete *request)
{
    for (size_t i = 0; request->objects != NULL && i < request->count; i++) {
        free(request->objects[i].key);
        free(request->objects[i].version_id);
        free(request->objects[i].etag);
    }
    free(request->objects);
    *request = (struct gw_delete){0};
}

/* ---- CreateBucketConfiguration ---- */

struct location {
    char *text;
    size_t size;
    bool is_right_root;
    bool has_more;
};

static void location_open(struct gw_xml_reading *reading)
{
    struct location *location = reading->context;
    if (gw_xml_is_at(reading, "/CreateBucketConfiguration"))
        location->is_right_root = true;
    else if (!gw_xml_is_at(reading, "/CreateBucketConfiguration/LocationConstraint") &&
             !gw_xml_is_at(reading, "/CreateBucketConfiguration/Tags")) /* asks for nothing yet */
        location->has_more = true;
}

static void location_close(struct gw_xml_reading *reading)
{
    struct location *location = reading->context;
    if (!gw_xml_is_at(reading, "/CreateBucketConfiguration/LocationConstraint"))
        return;
    if (reading->text_length >= location->size)
        gw_xml_stop(reading);
    else
        memcpy(location->text, reading->text, reading->text_length + 1);
}

bool gw_xml_read_create_bucket(struct slice document, char *location, size_t size,
                               bool *ret_has_more)
{
    struct location target = {.text = location, .size = size};
    location[0] = '\0';
    *ret_has_more = false;
    if (document.length == 0)
        return true;
    bool is_good = gw_xml_read_document(document, location_open, location_close, &target);
    *ret_has_more = target.has_more;
    return is_good && target.is_right_root;
}
