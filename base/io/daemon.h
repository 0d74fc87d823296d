/* What every daemon does with its process: ends on SIGTERM, SIGINT and SIGHUP by setting a flag and
 * waking its loop, ignores SIGPIPE, takes all the file descriptors that it may have. */
#ifndef CATENA_BASE_IO_DAEMON_H
#define CATENA_BASE_IO_DAEMON_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

struct daemon_stop {
    atomic_bool *asked;
    pthread_mutex_t mutex; /* the loop that is woken comes and goes */
    void (*wake)(void *context);
    void *context;
    pthread_t thread;
    sigset_t signals;
};

/* Call it before any other thread is started: they inherit the blocked signals. The first signal
 * sets *asked and wakes; later ones change nothing. */
void daemon_stop_start(struct daemon_stop *stop, atomic_bool *asked);
/* From now on a signal calls wake(context), on the signals' thread. NULL: nothing to wake; after
 * that no call is running any more. A signal that came before is in *asked. */
void daemon_stop_attach(struct daemon_stop *stop, void (*wake)(void *context), void *context);
void daemon_stop_end(struct daemon_stop *stop);

/* The soft limit of open files becomes the hard one. */
void daemon_files_limit_raise(void);

#endif
