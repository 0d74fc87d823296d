/* One pass over an XML document with expat, for the readers of particular documents: the path of
 * the open elements (without name spaces) and the text of the innermost. A DOCTYPE is refused, so
 * there are no entities to expand; depth and the text of one element are bounded. */
#ifndef CATENA_TOOLS_GATEWAY_XML_DOCUMENT_H
#define CATENA_TOOLS_GATEWAY_XML_DOCUMENT_H

#include "tools/gateway/xml_read.h"

struct gw_xml_reading {
    void *parser;                     /* expat's */
    char path[GW_XML_DEPTH_MAX * 40]; /* "/Delete/Object/Key" */
    unsigned depth;
    char text[GW_XML_TEXT_MAX];
    size_t text_length;
    bool is_bad;
    void (*on_open)(struct gw_xml_reading *reading);  /* NULL: not wanted */
    void (*on_close)(struct gw_xml_reading *reading); /* path and text of what closes */
    void *context;
};

/* Calls on_open and on_close for each element. False: empty, not well-formed, over the bounds, or
 * stopped. */
bool gw_xml_read_document(struct slice document, void (*on_open)(struct gw_xml_reading *reading),
                          void (*on_close)(struct gw_xml_reading *reading), void *context);
/* From a callback: the document is refused. */
void gw_xml_stop(struct gw_xml_reading *reading);
bool gw_xml_is_at(const struct gw_xml_reading *reading, const char *path);

#endif
