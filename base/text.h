/* Growing text, for traces, status and errors. */
#ifndef CATENA_BASE_TEXT_H
#define CATENA_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct text {
    char *data; /* NUL-terminated once anything was appended */
    size_t length;
    size_t capacity;
};

void text_init(struct text *text);
void text_release(struct text *text);
void text_clear(struct text *text);
void text_append(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_append_v(struct text *text, const char *format, va_list arguments);
/* Room for so many more bytes, so that appending them does not grow it step by step. */
void text_reserve(struct text *text, size_t more);
void text_append_bytes(struct text *text, struct slice bytes);
/* Printable ASCII as it is, everything else as \xNN: keys in logs and traces. */
void text_append_escaped(struct text *text, struct slice bytes);
/* Inside a JSON string: quotes not included; valid UTF-8 passes, other bytes become U+FFFD. */
void text_append_json(struct text *text, struct slice bytes);
/* Never NULL. */
const char *text_cstr(const struct text *text);

/* True if the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool utf8_is_valid(struct slice bytes);
/* snprintf into a caller's array; returns the array. For cores, which include no stdio. */
char *text_format(char *array, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
