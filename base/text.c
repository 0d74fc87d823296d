#include "base/text.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/contract.h"

void text_init(struct text *text)
{
    *text = (struct text){0};
}

void text_release(struct text *text)
{
    mem_free(text->data);
    text_init(text);
}

void text_clear(struct text *text)
{
    text->length = 0;
    if (text->data != NULL)
        text->data[0] = '\0';
}

void text_reserve(struct text *text, size_t more)
{
    size_t need = text->length + more + 1;
    if (need <= text->capacity)
        return;
    size_t capacity = text->capacity == 0 ? 64 : text->capacity;
    while (capacity < need)
        capacity *= 2;
    text->data = mem_realloc(text->data, capacity);
    text->data[text->length] = '\0';
    text->capacity = capacity;
}

void text_append_v(struct text *text, const char *format, va_list arguments)
{
    va_list copy;
    size_t room = text->capacity - text->length; /* 0 at first */
    va_copy(copy, arguments);
    int length = vsnprintf(room == 0 ? NULL : text->data + text->length, room, format, copy);
    va_end(copy);
    PRE(length >= 0);
    if ((size_t)length < room) { /* usually: formatted once */
        text->length += (size_t)length;
        return;
    }
    text_reserve(text, (size_t)length);
    (void)vsnprintf(text->data + text->length, (size_t)length + 1, format, arguments);
    text->length += (size_t)length;
}

void text_append(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text_append_v(text, format, arguments);
    va_end(arguments);
}

void text_append_bytes(struct text *text, struct slice bytes)
{
    text_reserve(text, bytes.length);
    if (bytes.length > 0)
        memcpy(text->data + text->length, bytes.data, bytes.length);
    text->length += bytes.length;
    text->data[text->length] = '\0';
}

void text_append_escaped(struct text *text, struct slice bytes)
{
    for (size_t i = 0; i < bytes.length; i++) {
        uint8_t c = bytes.data[i];
        if (c >= 0x20 && c < 0x7f && c != '\\' && c != '"')
            text_append_bytes(text, slice_of(&bytes.data[i], 1));
        else
            text_append(text, "\\x%02x", c);
    }
}

/* Length of the well-formed UTF-8 sequence at the start, 0 if there is none. */
static size_t utf8_sequence_length(struct slice bytes)
{
    if (bytes.length == 0)
        return 0;
    const uint8_t *d = bytes.data;
    if (d[0] < 0x80)
        return 1;
    size_t length = d[0] >= 0xf0 ? 4 : (d[0] >= 0xe0 ? 3 : 2);
    if (d[0] < 0xc2 || d[0] > 0xf4 || bytes.length < length)
        return 0;
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    if (d[0] == 0xe0)
        low = 0xa0;
    else if (d[0] == 0xed)
        high = 0x9f;
    else if (d[0] == 0xf0)
        low = 0x90;
    else if (d[0] == 0xf4)
        high = 0x8f;
    if (d[1] < low || d[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (d[i] < 0x80 || d[i] > 0xbf)
            return 0;
    return length;
}

bool utf8_is_valid(struct slice bytes)
{
    while (bytes.length > 0) {
        size_t length = utf8_sequence_length(bytes);
        if (length == 0)
            return false;
        bytes = slice_of(bytes.data + length, bytes.length - length);
    }
    return true;
}

void text_append_json(struct text *text, struct slice bytes)
{
    while (bytes.length > 0) {
        size_t length = utf8_sequence_length(bytes);
        uint8_t c = bytes.data[0];
        if (length == 0) {
            text_append(text, "\xef\xbf\xbd");
            length = 1;
        } else if (c == '"' || c == '\\') {
            text_append(text, "\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            text_append(text, "\\u%04x", c);
        } else {
            text_append_bytes(text, slice_of(bytes.data, length));
        }
        bytes = slice_of(bytes.data + length, bytes.length - length);
    }
}

const char *text_cstr(const struct text *text)
{
    return text->data == NULL ? "" : text->data;
}

char *text_format(char *array, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(array, size, format, arguments);
    va_end(arguments);
    return array;
}
