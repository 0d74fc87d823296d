#include "tools/gateway/range.h"

#include <stddef.h>
#include <string.h>

#include "tools/gateway/encode.h"

/* Digits at *cursor, which moves behind them. */
static bool take_number(const char **cursor, uint64_t *ret_value)
{
    char digits[21] = {0};
    size_t length = strspn(*cursor, "0123456789");
    if (length == 0 || length >= sizeof digits)
        return false;
    memcpy(digits, *cursor, length);
    *cursor += length;
    return gw_parse_u64(digits, ret_value);
}

bool gw_range_parse(const char *header, struct gw_range *ret_range)
{
    struct gw_range range = {.length = UINT64_MAX};
    if (!gw_starts_with_ignoring_case(header, "bytes="))
        return false;
    const char *cursor = header + strlen("bytes=");
    if (*cursor == '-') {
        cursor++;
        range.is_suffix = true;
        if (!take_number(&cursor, &range.length) || *cursor != '\0')
            return false;
        *ret_range = range;
        return true;
    }
    if (!take_number(&cursor, &range.offset) || *cursor++ != '-')
        return false;
    if (*cursor != '\0') {
        uint64_t last = 0;
        if (!take_number(&cursor, &last) || *cursor != '\0' || last < range.offset)
            return false;
        range.length = last == UINT64_MAX ? UINT64_MAX : last - range.offset + 1;
    }
    *ret_range = range;
    return true;
}

bool gw_range_fit(const struct gw_range *range, uint64_t size, uint64_t *ret_offset,
                  uint64_t *ret_length)
{
    if (range->is_suffix) {
        uint64_t length = range->length < size ? range->length : size;
        if (length == 0)
            return false;
        *ret_offset = size - length;
        *ret_length = length;
        return true;
    }
    if (range->offset >= size)
        return false;
    uint64_t rest = size - range->offset;
    *ret_offset = range->offset;
    *ret_length = range->length < rest ? range->length : rest;
    return true;
}
