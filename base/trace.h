/* Decision traces: one readable line for each decision that a core takes.
 *
 * A core never logs. It tells its story to a sink that its owner supplies; golden tests compare the
 * story, the simulator hashes it, drivers may print it. With no sink (emit == NULL) nothing is
 * formatted. Lines carry names, numbers and escaped keys, never payload bytes or secrets. */
#ifndef CATENA_BASE_TRACE_H
#define CATENA_BASE_TRACE_H

#include <stddef.h>

struct trace {
    void (*emit)(void *context, const char *line);
    void *context;
};

/* Formats one line (no newline) into the sink; cut at 1,023 bytes. */
void trace_line(const struct trace *trace, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define TRACE(trace_pointer, ...)                                                                  \
    do {                                                                                           \
        if ((trace_pointer)->emit != NULL)                                                         \
            trace_line((trace_pointer), __VA_ARGS__);                                              \
    } while (0)

#endif
