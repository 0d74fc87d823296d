/* The engine of cp -r: many objects in flight, bounded memory, failures collected.
 *
 * The main thread walks the source and starts operations; callbacks run on the library's threads
 * and, for files that come down, writer threads finish the work. Only the main thread prints. */
#ifndef CATENA_TOOLS_CATENA_COPY_H
#define CATENA_TOOLS_CATENA_COPY_H

#include "tools/catena/name.h"
#include "tools/catena/pool.h"
#include "tools/catena/progress.h"

/* Larger objects go one at a time, as streams; smaller ones many at a time, as wholes. */
enum { COPY_WHOLE_BYTES = 4194304, COPY_IN_FLIGHT = 256, COPY_IN_FLIGHT_BYTES = 33554432 };

struct copy_message;

struct copy {
    struct cli *cli;
    const struct name *name; /* the remote side: bucket and prefix */
    const char *directory;   /* the local side */
    struct pool pool;
    struct progress progress;
    pthread_mutex_t mutex; /* guards what follows */
    uint64_t files;
    uint64_t bytes;
    uint64_t bytes_total; /* PROGRESS_UNKNOWN: not counted */
    uint64_t failed;
    uint64_t skipped;
    enum cli_exit exit; /* of the first failure */
    bool is_stopped;    /* a failure that the next file would share: start no more */
    struct copy_message *messages;
    struct copy_message **messages_end;
};

void copy_init(struct copy *copy, struct cli *cli, const struct name *name, const char *directory,
               const char *what);
/* One more done. Any thread. */
void copy_done(struct copy *copy, uint64_t bytes);
void copy_moved(void *copy, uint64_t bytes);
/* Any thread; takes text. */
void copy_failed(struct copy *copy, enum cli_exit exit, char *text);
void copy_status_failed(struct copy *copy, enum catena_status status, const char *error,
                        const char *verb, const char *key);
void copy_skipped(struct copy *copy, char *text);
/* Waits for room. False: stopped or interrupted. Main thread. */
bool copy_enter(struct copy *copy, uint64_t bytes);
bool copy_goes_on(struct copy *copy);
/* Prints what threads had to say and the bar. Main thread. */
void copy_pump(struct copy *copy);
void copy_clear(void *copy);
/* Waits for everything in flight, prints the summary. */
enum cli_exit copy_finish(struct copy *copy);

/* Both connect. */
enum cli_exit copy_up(struct cli *cli, const char *directory, const struct name *name);
enum cli_exit copy_down(struct cli *cli, const struct name *name, const char *directory);

#endif
