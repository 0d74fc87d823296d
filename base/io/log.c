#include "base/io/log.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/contract.h"
#include "base/text.h"

static atomic_int level_now = LOG_LEVEL_INFO;
static atomic_int fd_now = STDERR_FILENO;

static const char *const level_names[] = {"error", "warning", "info", "debug"};

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}

bool log_is_on(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&level_now, memory_order_relaxed);
}

bool log_level_parse(const char *text, enum log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_COUNT(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_set_fd(int fd)
{
    atomic_store_explicit(&fd_now, fd < 0 ? STDERR_FILENO : fd, memory_order_relaxed);
}

const char *log_quote(struct slice value, char *array, size_t size)
{
    enum { ESCAPED_BYTES_MAX = 4, QUOTES_AND_END = 3 };
    static const char digits[] = "0123456789abcdef";
    PRE(size >= QUOTES_AND_END);
    size_t used = 0;
    array[used++] = '"';
    for (size_t i = 0; i < value.length && size - used >= ESCAPED_BYTES_MAX + 2; i++) {
        uint8_t c = value.data[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            array[used++] = (char)c;
        } else {
            array[used++] = '\\';
            array[used++] = 'x';
            array[used++] = digits[c >> 4];
            array[used++] = digits[c & 15];
        }
    }
    array[used++] = '"';
    array[used] = '\0';
    return array;
}

static void append_prefix(struct text *text, enum log_level level, const char *event)
{
    struct timespec now = {0};
    struct tm parts = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    text_append(text, "time=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ level=%s event=%s",
                parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                parts.tm_sec, now.tv_nsec / 1000000, level_names[level], event);
}

/* A value may hold anything: nothing in it may end the line. */
static void flatten(struct text *text)
{
    for (size_t i = 0; i < text->length; i++)
        if ((uint8_t)text->data[i] < 0x20 || text->data[i] == 0x7f)
            text->data[i] = '?';
}

static void put_line(struct text *text)
{
    flatten(text);
    text_append(text, "\n");
    /* A log that cannot be written has nowhere to say so. */
    (void)!write(atomic_load_explicit(&fd_now, memory_order_relaxed), text->data, text->length);
    text_release(text);
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    if (!log_is_on(level))
        return;
    struct text text;
    text_init(&text);
    append_prefix(&text, level, event);
    text_append(&text, " ");
    va_list arguments;
    va_start(arguments, format);
    text_append_v(&text, format, arguments);
    va_end(arguments);
    put_line(&text);
}

void log_event(enum log_level level, const char *event)
{
    if (!log_is_on(level))
        return;
    struct text text;
    text_init(&text);
    append_prefix(&text, level, event);
    put_line(&text);
}
