/* Tags of objects and buckets: from a request's header or XML, and to XML. Pure. */
#ifndef CATENA_TOOLS_GATEWAY_TAGGING_H
#define CATENA_TOOLS_GATEWAY_TAGGING_H

#include "base/io/args.h"
#include "tools/gateway/s3_error.h"

enum {
    GW_TAGS_OBJECT_MAX = 10,
    GW_TAGS_BUCKET_MAX = 50,
    GW_TAG_KEY_MAX = 128,   /* characters, not bytes */
    GW_TAG_VALUE_MAX = 256, /* may be empty */
};

struct gw_tag {
    char *key;
    char *value;
};
struct gw_tags {
    struct gw_tag *items; /* in the order given */
    size_t count;
};

/* "key=value&key2=value2", percent-encoded: x-amz-tagging. Release in every case. */
enum s3_error gw_tags_from_header(const char *header, size_t count_max, struct gw_tags *ret_tags,
                                  const char **ret_detail);
/* <Tagging><TagSet><Tag>. S3_MalformedXML, S3_InvalidTag. Release in every case. */
enum s3_error gw_tags_from_xml(struct slice document, size_t count_max, struct gw_tags *ret_tags,
                               const char **ret_detail);
/* The whole document. */
void gw_tags_to_xml(const struct gw_tags *tags, struct text *out);

/* Unchecked: for what was stored. */
void gw_tags_add(struct gw_tags *tags, struct slice key, struct slice value);
void gw_tags_copy(const struct gw_tags *from, struct gw_tags *ret_tags);
void gw_tags_release(struct gw_tags *tags);

#endif
