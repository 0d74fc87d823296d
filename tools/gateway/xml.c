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

void gw_xml_escape(struct text *out, struct slice value)
{
    size_t begin = 0;
    for (size_t i = 0; i <= value.length; i++) {
        const char *entity = NULL;
        uint8_t c = i < value.length ? value.data[i] : 'x';
        if (c == '&')
            entity = "&amp;";
        else if (c == '<')
            entity = "&lt;";
        else if (c == '>')
            entity = "&gt;";
        else if (c == '"')
            entity = "&quot;";
        else if (c >= 0x20 && i < value.length)
            continue;
        if (i > begin)
            text_append_bytes(out, slice_of(value.data + begin, i - begin));
        begin = i + 1;
        if (entity != NULL)
            text_append(out, "%s", entity);
        else if (i < value.length)
            text_append(out, "&#%u;", (unsigned)c);
    }
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
