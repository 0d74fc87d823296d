#include "base/io/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static bool names_sigkill(const char *signals)
{
    return (strtoull(signals, NULL, 16) >> (SIGKILL - 1) & 1) != 0;
}

/* From /proc/PID/status (proc(5)). */
bool process_is_ending(long pid)
{
    char path[64];
    char line[256];
    bool has_memory = false;
    bool is_killed = false;
    text_format(path, sizeof path, "/proc/%ld/status", pid);
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return errno == ENOENT;
    while (fgets(line, sizeof line, in) != NULL) {
        has_memory = has_memory || strncmp(line, "VmSize:", 7) == 0;
        is_killed = is_killed ||
                    ((strncmp(line, "SigPnd:", 7) == 0 || strncmp(line, "ShdPnd:", 7) == 0) &&
                     names_sigkill(line + 7)) ||
                    strcmp(line, "CoreDumping:\t1\n") == 0;
    }
    (void)fclose(in);
    return is_killed || !has_memory; /* it gives up its memory before its files */
}
