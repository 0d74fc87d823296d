#include "base/trace.h"

#include <stdarg.h>
#include <stdio.h>

void trace_line(const struct trace *trace, const char *format, ...)
{
    if (trace->emit == NULL)
        return;
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    trace->emit(trace->context, line);
}
