#include "tools/gateway/xml_read.h"

#include <expat.h>
#include <stdlib.h>

#include "tools/gateway/encode.h"

/* One pass over a document: path of open elements, text of the innermost. */
struct reading {
    XML_Parser parser;
    char path[GW_XML_DEPTH_MAX * 40]; /* "/Delete/Object/Key" */
    unsigned depth;
    char text[GW_XML_TEXT_MAX];
    size_t text_length;
    bool is_bad;
    void (*on_open)(struct reading *reading);
    void (*on_close)(struct reading *reading); /* path and text of what closes */
    void *context;
};

static void stop(struct reading *reading)
{
    reading->is_bad = true;
    (void)XML_StopParser(reading->parser, XML_FALSE);
}

static const char *local_name(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon == NULL ? name : colon + 1;
}

static void on_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct reading *reading = context;
    size_t length = strlen(reading->path);
    const char *local = local_name(name);
    (void)attributes;
    if (reading->depth == GW_XML_DEPTH_MAX || length + 1 + strlen(local) >= sizeof reading->path) {
        stop(reading);
        return;
    }
    reading->depth++;
    (void)text_format(reading->path + length, sizeof reading->path - length, "/%s", local);
    reading->text_length = 0;
    if (reading->on_open != NULL)
        reading->on_open(reading);
}

static void on_end(void *context, const XML_Char *name)
{
    struct reading *reading = context;
    (void)name;
    reading->text[reading->text_length] = '\0';
    reading->on_close(reading);
    char *slash = strrchr(reading->path, '/');
    if (slash != NULL)
        *slash = '\0';
    reading->depth--;
    reading->text_length = 0;
}

static void on_text(void *context, const XML_Char *bytes, int length)
{
    struct reading *reading = context;
    if (reading->text_length + (size_t)length >= sizeof reading->text) {
        stop(reading);
        return;
    }
    memcpy(reading->text + reading->text_length, bytes, (size_t)length);
    reading->text_length += (size_t)length;
}

static void on_doctype(void *context, const XML_Char *name, const XML_Char *system,
                       const XML_Char *public, int has_internal)
{
    (void)name;
    (void)system;
    (void)public;
    (void)has_internal;
    stop(context);
}

static bool read_document(struct slice document, struct reading *reading)
{
    if (document.length == 0 || document.length > (8u << 20))
        return false;
    reading->parser = XML_ParserCreate("UTF-8");
    if (reading->parser == NULL)
        abort();
    XML_SetUserData(reading->parser, reading);
    XML_SetElementHandler(reading->parser, on_start, on_end);
    XML_SetCharacterDataHandler(reading->parser, on_text);
    XML_SetStartDoctypeDeclHandler(reading->parser, on_doctype);
    enum XML_Status status =
        XML_Parse(reading->parser, (const char *)document.data, (int)document.length, XML_TRUE);
    XML_ParserFree(reading->parser);
    return status == XML_STATUS_OK && !reading->is_bad;
}

/* ---- Delete ---- */

static void delete_open(struct reading *reading)
{
    struct gw_delete *request = reading->context;
    if (strcmp(reading->path, "/Delete/Object") != 0)
        return;
    if (request->count == GW_DELETE_OBJECTS_MAX)
        stop(reading);
    else
        request->count++;
}

static void delete_close(struct reading *reading)
{
    struct gw_delete *request = reading->context;
    if (strcmp(reading->path, "/Delete/Quiet") == 0) {
        request->is_quiet = strcmp(reading->text, "true") == 0;
        return;
    }
    if (!gw_starts_with(reading->path, "/Delete/Object") || request->count == 0)
        return;
    struct gw_delete_object *object = &request->objects[request->count - 1];
    char **field = NULL;
    if (strcmp(reading->path, "/Delete/Object/Key") == 0) {
        field = &object->key;
        object->key_length = reading->text_length;
    } else if (strcmp(reading->path, "/Delete/Object/VersionId") == 0) {
        field = &object->version_id;
    } else if (strcmp(reading->path, "/Delete/Object/ETag") == 0) {
        field = &object->etag;
    } else if (strcmp(reading->path, "/Delete/Object") == 0 && object->key_length == 0) {
        stop(reading);
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
    struct reading *reading = gw_zalloc(sizeof *reading);
    reading->on_open = delete_open;
    reading->on_close = delete_close;
    reading->context = ret_delete;
    bool is_good = read_document(document, reading) && ret_delete->count > 0;
    free(reading);
    return is_good;
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
};

static void location_open(struct reading *reading)
{
    struct location *location = reading->context;
    if (strcmp(reading->path, "/CreateBucketConfiguration") == 0)
        location->is_right_root = true;
}

static void location_close(struct reading *reading)
{
    struct location *location = reading->context;
    if (strcmp(reading->path, "/CreateBucketConfiguration/LocationConstraint") != 0)
        return;
    if (reading->text_length >= location->size)
        stop(reading);
    else
        memcpy(location->text, reading->text, reading->text_length + 1);
}

bool gw_xml_read_create_bucket(struct slice document, char *location, size_t size)
{
    struct location target = {.text = location, .size = size};
    location[0] = '\0';
    if (document.length == 0)
        return true;
    struct reading *reading = gw_zalloc(sizeof *reading);
    reading->on_open = location_open;
    reading->on_close = location_close;
    reading->context = &target;
    bool is_good = read_document(document, reading) && target.is_right_root;
    free(reading);
    return is_good;
}
