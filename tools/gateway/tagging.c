#include "tools/gateway/tagging.h"

#include <stdlib.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/request.h"
#include "tools/gateway/xml.h"
#include "tools/gateway/xml_document.h"

void gw_tags_add(struct gw_tags *tags, struct slice key, struct slice value)
{
    tags->items = realloc(tags->items, (tags->count + 1) * sizeof *tags->items);
    if (tags->items == NULL)
        abort();
    tags->items[tags->count++] = (struct gw_tag){
        .key = gw_copy_bytes(key.data, key.length),
        .value = gw_copy_bytes(value.data, value.length),
    };
}

void gw_tags_copy(const struct gw_tags *from, struct gw_tags *ret_tags)
{
    *ret_tags = (struct gw_tags){0};
    for (size_t i = 0; i < from->count; i++)
        gw_tags_add(ret_tags, slice_of_text(from->items[i].key),
                    slice_of_text(from->items[i].value));
}

void gw_tags_release(struct gw_tags *tags)
{
    for (size_t i = 0; i < tags->count; i++) {
        free(tags->items[i].key);
        free(tags->items[i].value);
    }
    free(tags->items);
    *tags = (struct gw_tags){0};
}

/* ---- rules ---- */

/* Letters, digits, blanks and + - = . _ : / @; beyond ASCII every letter passes. */
static bool is_tag_text(const char *text, size_t characters_max)
{
    static const char marks[] = " +-=._:/@";
    size_t characters = 0;
    if (!utf8_is_valid(slice_of_text(text)))
        return false;
    for (const char *c = text; *c != '\0'; c++) {
        uint8_t byte = (uint8_t)*c;
        bool is_alnum = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= 'a' && byte <= 'z');
        if (byte < 0x80 && !is_alnum && strchr(marks, byte) == NULL)
            return false;
        if ((byte & 0xc0) != 0x80) /* not a continuation byte */
            characters++;
    }
    return characters <= characters_max;
}

static enum s3_error check(const struct gw_tags *tags, size_t count_max, const char **ret_detail)
{
    if (tags->count > count_max) {
        *ret_detail = count_max == GW_TAGS_OBJECT_MAX ? "Object tags cannot be greater than 10"
                                                      : "Bucket tags cannot be greater than 50";
        return S3_InvalidTag;
    }
    for (size_t i = 0; i < tags->count; i++) {
        const struct gw_tag *tag = &tags->items[i];
        *ret_detail = "The TagKey you have provided is invalid";
        if (tag->key[0] == '\0' || !is_tag_text(tag->key, GW_TAG_KEY_MAX))
            return S3_InvalidTag;
        *ret_detail = "The TagValue you have provided is invalid";
        if (!is_tag_text(tag->value, GW_TAG_VALUE_MAX))
            return S3_InvalidTag;
        *ret_detail = "System tags cannot be added/updated by requester";
        if (gw_starts_with_ignoring_case(tag->key, "aws:"))
            return S3_InvalidTag;
        *ret_detail = "Cannot provide multiple Tags with the same key";
        for (size_t j = 0; j < i; j++) {
            if (strcmp(tags->items[j].key, tag->key) == 0)
                return S3_InvalidTag;
        }
    }
    *ret_detail = NULL;
    return S3_OK;
}

/* ---- in ---- */

enum s3_error gw_tags_from_header(const char *header, size_t count_max, struct gw_tags *ret_tags,
                                  const char **ret_detail)
{
    struct gw_query query;
    *ret_tags = (struct gw_tags){0};
    bool is_good = gw_query_parse(header, &query);
    for (size_t i = 0; is_good && i < query.count; i++)
        gw_tags_add(ret_tags, slice_of_text(query.parameters[i].name),
                    slice_of_text(query.parameters[i].value));
    gw_query_release(&query);
    *ret_detail = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
                  "parameters without tag name duplicates.";
    return is_good ? check(ret_tags, count_max, ret_detail) : S3_InvalidArgument;
}

struct tag_reading {
    struct gw_tags *tags;
    size_t count_max;
    char *key; /* of the open tag; NULL: not seen yet */
    char *value;
    bool has_set;
};

static void drop_open_tag(struct tag_reading *tagging)
{
    free(tagging->key);
    free(tagging->value);
    tagging->key = NULL;
    tagging->value = NULL;
}

static void on_tag_text(struct gw_xml_reading *reading, char **field)
{
    if (*field != NULL || memchr(reading->text, '\0', reading->text_length) != NULL)
        gw_xml_stop(reading);
    else
        *field = gw_copy_bytes(reading->text, reading->text_length);
}

static void tagging_close(struct gw_xml_reading *reading)
{
    struct tag_reading *tagging = reading->context;
    if (gw_xml_is_at(reading, "/Tagging/TagSet/Tag/Key")) {
        on_tag_text(reading, &tagging->key);
    } else if (gw_xml_is_at(reading, "/Tagging/TagSet/Tag/Value")) {
        on_tag_text(reading, &tagging->value);
    } else if (gw_xml_is_at(reading, "/Tagging/TagSet")) {
        if (tagging->has_set)
            gw_xml_stop(reading);
        tagging->has_set = true;
    } else if (gw_xml_is_at(reading, "/Tagging/TagSet/Tag")) {
        if (tagging->key == NULL || tagging->value == NULL)
            gw_xml_stop(reading);
        else if (tagging->tags->count <= tagging->count_max) /* one too many is enough to refuse */
            gw_tags_add(tagging->tags, slice_of_text(tagging->key), slice_of_text(tagging->value));
        drop_open_tag(tagging);
    }
}

enum s3_error gw_tags_from_xml(struct slice document, size_t count_max, struct gw_tags *ret_tags,
                               const char **ret_detail)
{
    struct tag_reading tagging = {.tags = ret_tags, .count_max = count_max};
    *ret_tags = (struct gw_tags){0};
    *ret_detail = NULL;
    bool is_good = gw_xml_read_document(document, NULL, tagging_close, &tagging);
    drop_open_tag(&tagging);
    if (!is_good || !tagging.has_set)
        return S3_MalformedXML;
    return check(ret_tags, count_max, ret_detail);
}

/* ---- out ---- */

void gw_tags_to_xml(const struct gw_tags *tags, struct text *out)
{
    gw_xml_open_root(out, "Tagging");
    gw_xml_open(out, "TagSet");
    for (size_t i = 0; i < tags->count; i++) {
        gw_xml_open(out, "Tag");
        gw_xml_element(out, "Key", tags->items[i].key);
        gw_xml_element(out, "Value", tags->items[i].value);
        gw_xml_close(out, "Tag");
    }
    gw_xml_close(out, "TagSet");
    gw_xml_close(out, "Tagging");
}
