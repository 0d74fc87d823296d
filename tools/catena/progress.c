#include "tools/catena/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "tools/catena/name.h"

enum { SHOW_AFTER_MS = 1000, DRAW_EVERY_MS = 100, BAR_CELLS = 24 };

uint64_t clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void progress_init(struct progress *progress, const struct cli *cli, const char *what)
{
    *progress = (struct progress){
        .what = what,
        .is_shown = !cli->is_quiet && isatty(STDERR_FILENO) == 1,
        .began_ms = clock_ms(),
    };
}

uint64_t progress_elapsed_ms(const struct progress *progress)
{
    return clock_ms() - progress->began_ms;
}

static size_t terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
        return size.ws_col - 1u;
    return 79;
}

static void draw(struct progress *progress, uint64_t done, uint64_t total, uint64_t files)
{
    char line[512];
    char amount[SHOW_SIZE];
    char rate[SHOW_SIZE];
    size_t at = 0;
    uint64_t elapsed = progress_elapsed_ms(progress);
    uint64_t per_second = done * 1000 / elapsed;
    (void)show_bytes(done, amount);
    (void)show_bytes(per_second, rate);
    if (total != PROGRESS_UNKNOWN && total > 0) {
        uint64_t share = done >= total ? 1000 : done * 1000 / total;
        char bar[BAR_CELLS + 1];
        memset(bar, '.', BAR_CELLS);
        memset(bar, '#', (size_t)(share * BAR_CELLS / 1000));
        bar[BAR_CELLS] = '\0';
        at +=
            (size_t)snprintf(line + at, sizeof line - at, "[%s] %3" PRIu64 "%%  ", bar, share / 10);
    }
    if (files > 0)
        at += (size_t)snprintf(line + at, sizeof line - at, "%" PRIu64 " files  ", files);
    at += (size_t)snprintf(line + at, sizeof line - at, "%s  %s/s", amount, rate);
    if (total != PROGRESS_UNKNOWN && total > done && per_second > 0) {
        uint64_t left = (total - done) / per_second;
        at += (size_t)snprintf(line + at, sizeof line - at, "  %" PRIu64 ":%02" PRIu64 " left",
                               left / 60, left % 60);
    }
    size_t columns = terminal_columns();
    size_t room = columns > at + 2 ? columns - at - 2 : 0;
    (void)fprintf(stderr, "\r\033[K%.*s  %s", (int)room, progress->what, line);
    (void)fflush(stderr);
    progress->is_drawn = true;
}

void progress_update(struct progress *progress, uint64_t done_bytes, uint64_t total_bytes,
                     uint64_t files)
{
    if (!progress->is_shown)
        return;
    uint64_t now = clock_ms();
    if (now - progress->began_ms < SHOW_AFTER_MS || now - progress->drawn_ms < DRAW_EVERY_MS)
        return;
    progress->drawn_ms = now;
    draw(progress, done_bytes, total_bytes, files);
}

void progress_clear(struct progress *progress)
{
    if (!progress->is_drawn)
        return;
    (void)fputs("\r\033[K", stderr);
    (void)fflush(stderr);
    progress->is_drawn = false;
    progress->drawn_ms = 0;
}
