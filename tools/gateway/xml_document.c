#include "tools/gateway/xml_document.h"

#include <expat.h>
#include <stdlib.h>

#include "tools/gateway/encode.h"

void gw_xml_stop(struct gw_xml_reading *reading)
{
    reading->is_bad = true;
    (void)XML_StopParser(reading->parser, XML_FALSE);
}

bool gw_xml_is_at(const struct gw_xml_reading *reading, const char *path)
{
    return strcmp(reading->path, path) == 0;
}

static const char *local_name(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon == NULL ? name : colon + 1;
}

static void on_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct gw_xml_reading *reading = context;
    size_t length = strlen(reading->path);
    const char *local = local_name(name);
    (void)attributes;
    if (reading->depth == GW_XML_DEPTH_MAX || length + 1 + strlen(local) >= sizeof reading->path) {
        gw_xml_stop(reading);
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
    struct gw_xml_reading *reading = context;
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
    struct gw_xml_reading *reading = context;
    if (reading->text_length + (size_t)length >= sizeof reading->text) {
        gw_xml_stop(reading);
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
    gw_xml_stop(context);
}

static bool parse(struct slice document, struct gw_xml_reading *reading)
{
    XML_Parser parser = XML_ParserCreate("UTF-8");
    if (parser == NULL)
        abort();
    reading->parser = parser;
    XML_SetUserData(parser, reading);
    XML_SetElementHandler(parser, on_start, on_end);
    XML_SetCharacterDataHandler(parser, on_text);
    XML_SetStartDoctypeDeclHandler(parser, on_doctype);
    enum XML_Status status =
        XML_Parse(parser, (const char *)document.data, (int)document.length, XML_TRUE);
    XML_ParserFree(parser);
    return status == XML_STATUS_OK && !reading->is_bad;
}

bool gw_xml_read_document(struct slice document, void (*on_open)(struct gw_xml_reading *reading),
                          void (*on_close)(struct gw_xml_reading *reading), void *context)
{
    if (document.length == 0 || document.length > GW_XML_BYTES_MAX)
        return false;
    struct gw_xml_reading *reading = gw_zalloc(sizeof *reading);
    reading->on_open = on_open;
    reading->on_close = on_close;
    reading->context = context;
    bool is_good = parse(document, reading);
    free(reading);
    return is_good;
}
