/* multipart/form-data (RFC 7578) as browsers send it for a POST upload: fields, then one file,
 * whose bytes are passed through and never kept. What follows the file is read and forgotten. Pure.
 *
 * Fed pieces of any length, like aws_chunked.h. */
#ifndef CATENA_TOOLS_GATEWAY_FORM_H
#define CATENA_TOOLS_GATEWAY_FORM_H

#include "tools/gateway/request.h"

enum {
    GW_FORM_BOUNDARY_MAX = 70, /* RFC 2046 */
    GW_FORM_FIELDS_MAX = 100,
    GW_FORM_FIELD_BYTES_MAX = 64 * 1024, /* of all fields together */
    GW_FORM_HEADER_BYTES_MAX = 8 * 1024, /* of one part */
};

enum gw_form_event {
    GW_FORM_MORE, /* all input was used */
    GW_FORM_FILE, /* the file begins: fields and filename are complete */
    GW_FORM_DATA, /* *ret_data: bytes of the file */
    GW_FORM_END,  /* the closing delimiter was read; what follows it is not looked at */
    GW_FORM_BAD,
};

struct gw_form {
    struct gw_header fields[GW_FORM_FIELDS_MAX]; /* names as sent: compare without case; owned */
    size_t field_count;
    char *filename; /* of the file, without directories; NULL before it begins */
    /* private */
    int state;
    char delimiter[GW_FORM_BOUNDARY_MAX + 5]; /* CR LF - - boundary */
    size_t delimiter_length;
    size_t matched; /* bytes of the delimiter that were read */
    struct text line;
    size_t header_bytes;
    size_t field_bytes;
    char *name;          /* of the part that is open; NULL while unknown */
    char *part_filename; /* NULL if it has none */
    struct text value;
    bool is_file;
    bool has_file;
};

/* type: the value of Content-Type. False: not multipart/form-data with a good boundary. Release in
 * every case. */
bool gw_form_init(struct gw_form *form, const char *type);
void gw_form_release(struct gw_form *form);
/* Takes from the front of *input. */
enum gw_form_event gw_form_next(struct gw_form *form, struct slice *input, struct slice *ret_data);
/* NULL if absent. */
const char *gw_form_field(const struct gw_form *form, const char *name);

#endif
