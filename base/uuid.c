#include "base/uuid.h"

#include <stddef.h>

char *uuid_format(const struct uuid *uuid, char *out)
{
    static const char digits[] = "0123456789abcdef";
    char *at = out;
    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[uuid->bytes[i] >> 4];
        *at++ = digits[uuid->bytes[i] & 15];
    }
    *at = '\0';
    return out;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool uuid_parse(const char *text, struct uuid *ret_uuid)
{
    struct uuid uuid = {{0}};
    if (strlen(text) != UUID_TEXT_SIZE - 1)
        return false;
    unsigned nibble = 0;
    for (unsigned i = 0; i < UUID_TEXT_SIZE - 1; i++) {
        bool is_dash_place = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash_place != (text[i] == '-'))
            return false;
        if (is_dash_place)
            continue;
        int value = digit_value(text[i]);
        if (value < 0)
            return false;
        uuid.bytes[nibble / 2] = (uint8_t)(uuid.bytes[nibble / 2] << 4 | value);
        nibble++;
    }
    *ret_uuid = uuid;
    return true;
}
