#include "tools/gateway/form.h"

#include <stdlib.h>

#include "tools/gateway/encode.h"

enum {
    STATE_DATA,      /* of a part, or before the first delimiter */
    STATE_MISMATCH,  /* what looked like a delimiter is data: it is given out */
    STATE_DELIMITER, /* after it: CR LF or two dashes */
    STATE_HEADER,
    STATE_END,
    STATE_BAD,
};

/* ---- parameters of headers: name="value" ---- */

/* Copies a quoted or plain value. Browsers write a quote as %22 or \" and line ends as %0D %0A. */
static char *copy_value(const char *text)
{
    struct text out;
    bool is_quoted = *text == '"';
    text_init(&out);
    for (text += is_quoted; *text != '\0' && *text != (is_quoted ? '"' : ';'); text++) {
        if (!is_quoted && (*text == ' ' || *text == '\t'))
            break;
        char c = *text;
        if (c == '\\' && (text[1] == '"' || text[1] == '\\'))
            c = *++text;
        else if (gw_starts_with(text, "%22"))
            c = '"';
        else if (gw_starts_with_ignoring_case(text, "%0d"))
            c = '\r';
        else if (gw_starts_with_ignoring_case(text, "%0a"))
            c = '\n';
        if (*text == '%' && c != '%')
            text += 2;
        text_append_bytes(&out, slice_of(&c, 1));
    }
    char *copy = gw_copy_bytes(out.data, out.length);
    text_release(&out);
    return copy;
}

/* The end of a quoted string or word. */
static const char *skip_value(const char *text)
{
    if (*text != '"')
        return text + strcspn(text, ";");
    for (text++; *text != '\0' && *text != '"'; text++)
        text += text[0] == '\\' && text[1] != '\0';
    return text + strcspn(text, ";");
}

/* NULL if absent. The caller frees. */
static char *parameter(const char *header, const char *name)
{
    size_t length = strlen(name);
    const char *at = header + strcspn(header, ";");
    while (*at == ';') {
        at += 1 + strspn(at + 1, " \t");
        const char *equals = at + strcspn(at, "=;");
        if (*equals != '=') {
            at = equals;
            continue;
        }
        if ((size_t)(equals - at) == length && gw_starts_with_ignoring_case(at, name))
            return copy_value(equals + 1);
        at = skip_value(equals + 1);
    }
    return NULL;
}

static bool is_boundary(const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length > GW_FORM_BOUNDARY_MAX || text[length - 1] == ' ')
        return false;
    for (; *text != '\0'; text++) {
        bool is_alnum = (*text >= '0' && *text <= '9') || (*text >= 'A' && *text <= 'Z') ||
                        (*text >= 'a' && *text <= 'z');
        if (!is_alnum && strchr("'()+_,-./:=? ", *text) == NULL)
            return false;
    }
    return true;
}

bool gw_form_init(struct gw_form *form, const char *type)
{
    memset(form, 0, sizeof *form);
    text_init(&form->line);
    text_init(&form->value);
    char *boundary = gw_starts_with_ignoring_case(type, "multipart/form-data")
                         ? parameter(type, "boundary")
                         : NULL;
    bool is_good = boundary != NULL && is_boundary(boundary);
    if (is_good) {
        (void)text_format(form->delimiter, sizeof form->delimiter, "\r\n--%s", boundary);
        form->delimiter_length = strlen(form->delimiter);
        form->matched = 2; /* as if a line had ended before the first one */
    } else {
        form->state = STATE_BAD;
    }
    free(boundary);
    return is_good;
}

void gw_form_release(struct gw_form *form)
{
    for (size_t i = 0; i < form->field_count; i++) {
        free((char *)(uintptr_t)form->fields[i].name);
        free((char *)(uintptr_t)form->fields[i].value);
    }
    free(form->filename);
    free(form->name);
    free(form->part_filename);
    text_release(&form->line);
    text_release(&form->value);
    memset(form, 0, sizeof *form);
}

const char *gw_form_field(const struct gw_form *form, const char *name)
{
    for (size_t i = 0; i < form->field_count; i++) {
        if (gw_is_equal_ignoring_case(form->fields[i].name, name))
            return form->fields[i].value;
    }
    return NULL;
}

/* ---- parts ---- */

static enum gw_form_event bad(struct gw_form *form)
{
    form->state = STATE_BAD;
    return GW_FORM_BAD;
}

static bool take_header(struct gw_form *form)
{
    const char *line = text_cstr(&form->line);
    static const char disposition[] = "content-disposition:";
    if (strlen(line) != form->line.length)
        return false; /* a NUL */
    if (!gw_starts_with_ignoring_case(line, disposition))
        return true;
    line += sizeof disposition - 1;
    line += strspn(line, " \t");
    if (form->name != NULL || !gw_starts_with_ignoring_case(line, "form-data"))
        return false;
    form->name = parameter(line, "name");
    form->part_filename = parameter(line, "filename");
    return form->name != NULL;
}

static const char *base_name(const char *path)
{
    const char *base = path;
    for (; *path != '\0'; path++) {
        if (*path == '/' || *path == '\\')
            base = path + 1;
    }
    return base;
}

/* After the empty line. */
static enum gw_form_event begin_part(struct gw_form *form)
{
    if (form->name == NULL)
        return bad(form);
    form->state = STATE_DATA;
    form->is_file = !form->has_file && gw_is_equal_ignoring_case(form->name, "file");
    if (!form->is_file)
        return GW_FORM_MORE;
    form->has_file = true;
    form->filename = gw_copy(form->part_filename == NULL ? "" : base_name(form->part_filename));
    return GW_FORM_FILE;
}

static void end_part(struct gw_form *form)
{
    if (form->name != NULL && !form->has_file) {
        form->fields[form->field_count++] = (struct gw_header){
            .name = gw_copy(form->name),
            .value = gw_copy_bytes(form->value.data, form->value.length),
        };
    }
    free(form->name);
    free(form->part_filename);
    form->name = NULL;
    form->part_filename = NULL;
    form->is_file = false;
    form->header_bytes = 0;
    text_clear(&form->value);
    text_clear(&form->line);
}

/* ---- bytes ---- */

static struct slice rest_of(struct slice input, size_t taken)
{
    return slice_of(input.data + taken, input.length - taken);
}

static enum gw_form_event take_header_byte(struct gw_form *form, char c)
{
    if (++form->header_bytes > GW_FORM_HEADER_BYTES_MAX)
        return bad(form);
    text_append_bytes(&form->line, slice_of(&c, 1));
    size_t length = form->line.length;
    if (c != '\n')
        return GW_FORM_MORE;
    if (length < 2 || form->line.data[length - 2] != '\r')
        return bad(form);
    if (length == 2) {
        text_clear(&form->line);
        return begin_part(form);
    }
    form->line.length -= 2;
    form->line.data[form->line.length] = '\0';
    bool is_good = take_header(form);
    text_clear(&form->line);
    return is_good ? GW_FORM_MORE : bad(form);
}

static enum gw_form_event take_after_delimiter(struct gw_form *form, char c)
{
    text_append_bytes(&form->line, slice_of(&c, 1));
    if (form->line.length < 2)
        return c == '\r' || c == '-' ? GW_FORM_MORE : bad(form);
    bool is_next = memcmp(form->line.data, "\r\n", 2) == 0;
    bool is_last = memcmp(form->line.data, "--", 2) == 0;
    text_clear(&form->line);
    if (!is_next && !is_last)
        return bad(form);
    if (is_next && form->field_count == GW_FORM_FIELDS_MAX && !form->has_file)
        return bad(form);
    form->state = is_next ? STATE_HEADER : STATE_END;
    return is_next ? GW_FORM_MORE : GW_FORM_END;
}

/* Data of a part: to the caller, to the field's value, or nowhere. */
static enum gw_form_event give(struct gw_form *form, struct slice bytes, struct slice *ret_data)
{
    if (form->is_file) {
        *ret_data = bytes;
        return GW_FORM_DATA;
    }
    if (form->name == NULL)
        return bad(form); /* something before the first delimiter */
    if (form->has_file)
        return GW_FORM_MORE;
    form->field_bytes += bytes.length;
    if (form->field_bytes > GW_FORM_FIELD_BYTES_MAX ||
        (bytes.length > 0 && memchr(bytes.data, '\0', bytes.length) != NULL))
        return bad(form);
    text_append_bytes(&form->value, bytes);
    return GW_FORM_MORE;
}

/* CR stands at the beginning of the delimiter and nowhere else in it: after a mismatch the search
 * begins anew with the byte that did not fit. */
static enum gw_form_event take_data(struct gw_form *form, struct slice *input,
                                    struct slice *ret_data)
{
    if (form->matched == 0) {
        const uint8_t *start = memchr(input->data, '\r', input->length);
        size_t plain = start == NULL ? input->length : (size_t)(start - input->data);
        struct slice data = slice_of(input->data, plain);
        *input = rest_of(*input, plain);
        if (plain > 0)
            return give(form, data, ret_data);
    }
    while (input->length > 0 && form->matched < form->delimiter_length) {
        if (*input->data != (uint8_t)form->delimiter[form->matched]) {
            form->state = STATE_MISMATCH;
            return GW_FORM_MORE;
        }
        form->matched++;
        *input = rest_of(*input, 1);
    }
    if (form->matched == form->delimiter_length) {
        form->matched = 0;
        end_part(form);
        form->state = STATE_DELIMITER;
    }
    return GW_FORM_MORE;
}

static enum gw_form_event take_mismatch(struct gw_form *form, struct slice *ret_data)
{
    size_t length = form->matched;
    form->matched = 0;
    form->state = STATE_DATA;
    return give(form, slice_of(form->delimiter, length), ret_data);
}

enum gw_form_event gw_form_next(struct gw_form *form, struct slice *input, struct slice *ret_data)
{
    while (input->length > 0) {
        enum gw_form_event event = GW_FORM_MORE;
        char c = (char)*input->data;
        switch (form->state) {
        case STATE_DATA:
            event = take_data(form, input, ret_data);
            break;
        case STATE_MISMATCH:
            event = take_mismatch(form, ret_data);
            break;
        case STATE_DELIMITER:
            *input = rest_of(*input, 1);
            event = take_after_delimiter(form, c);
            break;
        case STATE_HEADER:
            *input = rest_of(*input, 1);
            event = take_header_byte(form, c);
            break;
        case STATE_END:
            *input = rest_of(*input, input->length);
            return GW_FORM_END;
        default:
            return GW_FORM_BAD;
        }
        if (event != GW_FORM_MORE)
            return event;
    }
    return form->state == STATE_END ? GW_FORM_END : GW_FORM_MORE;
}
