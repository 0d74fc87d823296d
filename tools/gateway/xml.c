#include "tools/gateway/xml.h"

void gw_xml_begin(struct text *out)
{
    text_append(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
}

void gw_xml_open(struct text *out, const char *name)
{
    text_append(out, "<%s>", name);
}

void gw_xml_open_root(struct text *out, const char *name)
{
    gw_xml_begin(out);
    text_append(out, "<%s xmlns=\"" GW_XML_NAMESPACE "\">", name);
}

void gw_xml_close(struct text *out, const char *name)
{
    text_append(out, "</%s>", name);
}

static const char *entity_of(uint8_t c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    default:
        return NULL;
    }
}

/* Names are UTF-8, but a request may hold anything, and answers repeat parts of it: no parser would
 * take a document with such bytes, so each becomes the replacement character. */
void gw_xml_escape(struct text *out, struct slice value)
{
    size_t begin = 0;
    bool has_looked = false;
    bool is_text = true;
    for (size_t i = 0; i < value.length; i++) {
        uint8_t c = value.data[i];
        const char *entity = entity_of(c);
        if (c >= 0x80 && !has_looked) {
            is_text = utf8_is_valid(value);
            has_looked = true;
        }
        if (c >= 0x80 && !is_text)
            entity = "&#65533;";
        if (entity == NULL && c >= 0x20)
            continue;
        if (i > begin)
            text_append_bytes(out, slice_of(value.data + begin, i - begin));
        begin = i + 1;
        if (entity != NULL)
            text_append(out, "%s", entity);
        else
            text_append(out, "&#%u;", (unsigned)c);
    }
    if (value.length > begin)
        text_append_bytes(out, slice_of(value.data + begin, value.length - begin));
}

void gw_xml_element_bytes(struct text *out, const char *name, struct slice value)
{
    gw_xml_open(out, name);
    gw_xml_escape(out, value);
    gw_xml_close(out, name);
}

void gw_xml_element(struct text *out, const char *name, const char *value)
{
    gw_xml_element_bytes(out, name, slice_of_text(value));
}

void gw_xml_element_u64(struct text *out, const char *name, uint64_t value)
{
    text_append(out, "<%s>%llu</%s>", name, (unsigned long long)value, name);
}
