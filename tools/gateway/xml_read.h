/* XML in: the documents that requests carry, read with expat. A DOCTYPE is refused, so there are no
 * entities to expand; depth and sizes are bounded. */
#ifndef CATENA_TOOLS_GATEWAY_XML_READ_H
#define CATENA_TOOLS_GATEWAY_XML_READ_H

#include "base/io/args.h"

enum {
    GW_XML_BYTES_MAX = 8 << 20,
    GW_XML_DEPTH_MAX = 16,
    GW_XML_TEXT_MAX = 8192,
    GW_DELETE_OBJECTS_MAX = 1000
};

struct gw_delete_object {
    char *key; /* key_length bytes, then NUL */
    size_t key_length;
    char *version_id;         /* NULL if none */
    char *etag;               /* NULL if none: delete only if it matches */
    bool has_other_condition; /* by time or size */
};
struct gw_delete {
    struct gw_delete_object *objects;
    size_t count;
    bool is_quiet;
};
/* <Delete>. False: not well-formed, no objects, more than the maximum, an object without key.
 * Release in every case. */
bool gw_xml_read_delete(struct slice document, struct gw_delete *ret_delete);
void gw_delete_release(struct gw_delete *request);

/* <CreateBucketConfiguration>; location gets the constraint, "" if none; *ret_has_more: something
 * else is asked for. An empty document is good. */
bool gw_xml_read_create_bucket(struct slice document, char *location, size_t size,
                               bool *ret_has_more);

#endif
