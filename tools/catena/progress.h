/* A progress bar on standard error: only on a terminal, only for what takes longer than a second.
 * Used by the main thread. */
#ifndef CATENA_TOOLS_CATENA_PROGRESS_H
#define CATENA_TOOLS_CATENA_PROGRESS_H

#include "tools/catena/cli.h"

#define PROGRESS_UNKNOWN UINT64_MAX

struct progress {
    const char *what;
    bool is_shown; /* standard error is a terminal and --quiet was not given */
    bool is_drawn;
    uint64_t began_ms;
    uint64_t drawn_ms;
};

void progress_init(struct progress *progress, const struct cli *cli, const char *what);
/* total PROGRESS_UNKNOWN: no bar, only amounts. files 0: not counted. Cheap; draws ten times a
 * second at most. */
void progress_update(struct progress *progress, uint64_t done_bytes, uint64_t total_bytes,
                     uint64_t files);
/* Removes the bar, so that other lines can be printed; the next update draws it again. */
void progress_clear(struct progress *progress);
/* Milliseconds since progress_init, and the clock behind it. */
uint64_t progress_elapsed_ms(const struct progress *progress);
uint64_t clock_ms(void);

#endif
