#include "tools/gateway/log.h"

#include <unistd.h>

#include "tools/gateway/encode.h"

static _Thread_local struct {
    char bytes[GW_LOG_HELD_BYTES];
    size_t length;
    bool is_holding;
} held;

static void put(const void *bytes, size_t length)
{
    ssize_t written = write(STDERR_FILENO, bytes, length);
    (void)written; /* a log that cannot be written stops no request */
}

static void flush(void)
{
    if (held.length > 0)
        put(held.bytes, held.length);
    held.length = 0;
}

void gw_log_hold(void)
{
    held.is_holding = true;
}

void gw_log_release(void)
{
    flush();
    held.is_holding = false;
}

void gw_log_write(struct slice line)
{
    if (line.length > sizeof held.bytes - held.length)
        flush();
    if (!held.is_holding || line.length > sizeof held.bytes) {
        put(line.data, line.length);
        return;
    }
    memcpy(held.bytes + held.length, line.data, line.length);
    held.length += line.length;
}

void gw_log_quote(struct text *line, const char *value, size_t max)
{
    size_t length = strnlen(value, max);
    size_t begin = 0; /* of a run that stays as it is */
    for (size_t i = 0; i < length; i++) {
        bool is_plain = value[i] >= 0x20 && value[i] < 0x7f && value[i] != '\\' && value[i] != '"';
        if (is_plain)
            continue;
        text_append_bytes(line, slice_of(value + begin, i - begin));
        if (value[i] == '"')
            text_append_bytes(line, slice_of_text("%22"));
        else
            text_append_escaped(line, slice_of(value + i, 1));
        begin = i + 1;
    }
    text_append_bytes(line, slice_of(value + begin, length - begin));
}
