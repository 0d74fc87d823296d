/* Log lines of the daemons: key=value on standard error, one write(2) per line.
 *
 *   log_info("listening", "address=%s node=%u", bound, id);
 *   time=2026-01-31T12:00:00.123Z level=info event=listening address=127.0.0.1:7000 node=3
 *
 * Event and key names are constants without spaces. The line is kept one line whatever the values
 * hold; text that comes from outside goes through log_quote(), so it cannot pose as other keys.
 * Never log payload bytes or secrets. Any thread. Libraries and cores do not log. */
#ifndef CATENA_BASE_IO_LOG_H
#define CATENA_BASE_IO_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines above the level are dropped. Default LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);
/* "error", "warning", "info", "debug"; false for anything else. */
bool log_level_parse(const char *text, enum log_level *ret_level);
/* Where lines go, for tests; -1 is standard error again. */
void log_set_fd(int fd);

/* A line with fields, and one without. */
void log_write(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void log_event(enum log_level level, const char *event);

/* The value in quotes, with quotes, backslashes and everything that is not printable ASCII escaped;
 * cut to fit. Returns the array. */
const char *log_quote(struct slice value, char *array, size_t size);

#define LOG_WRITE(level, ...)                                                                      \
    do {                                                                                           \
        if (log_is_on(level))                                                                      \
            log_write(level, __VA_ARGS__);                                                         \
    } while (0)
#define log_error(...) LOG_WRITE(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) LOG_WRITE(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) LOG_WRITE(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) LOG_WRITE(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
