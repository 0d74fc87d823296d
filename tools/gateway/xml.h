/* XML out: plain building with escaping. */
#ifndef CATENA_TOOLS_GATEWAY_XML_H
#define CATENA_TOOLS_GATEWAY_XML_H

#include "base/io/args.h"

#define GW_XML_NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"

void gw_xml_begin(struct text *out); /* the declaration */
void gw_xml_open(struct text *out, const char *name);
void gw_xml_open_root(struct text *out, const char *name); /* with S3's name space */
void gw_xml_close(struct text *out, const char *name);
/* <name>value</name>. What XML 1.0 cannot carry (control characters other than tab, newline and
 * return) becomes a numeric entity, which lenient parsers read. */
void gw_xml_element(struct text *out, const char *name, const char *value);
void gw_xml_element_bytes(struct text *out, const char *name, struct slice value);
void gw_xml_element_u64(struct text *out, const char *name, uint64_t value);
void gw_xml_escape(struct text *out, struct slice value);

#endif
