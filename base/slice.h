/* A borrowed view of bytes. Owns nothing; valid as long as whatever it points into. */
#ifndef CATENA_BASE_SLICE_H
#define CATENA_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data;
    size_t length; /* bytes */
};

static inline struct slice slice_of(const void *data, size_t length)
{
    return (struct slice){.data = data, .length = length};
}

static inline struct slice slice_of_text(const char *text)
{
    return slice_of(text, strlen(text));
}

/* Byte order, shorter first on a tie: <0, 0, >0. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t common = a.length < b.length ? a.length : b.length;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return a.length < b.length ? -1 : (a.length > b.length ? 1 : 0);
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.length >= prefix.length &&
           (prefix.length == 0 || memcmp(s.data, prefix.data, prefix.length) == 0);
}

#endif
