#include "base/io/daemon.h"

#include <sys/resource.h>

#include "base/contract.h"

static void *run(void *argument)
{
    struct daemon_stop *stop = argument;
    int number = 0;
    if (sigwait(&stop->signals, &number) != 0)
        return NULL;
    atomic_store(stop->asked, true);
    (void)pthread_mutex_lock(&stop->mutex);
    if (stop->wake != NULL)
        stop->wake(stop->context);
    (void)pthread_mutex_unlock(&stop->mutex);
    return NULL;
}

void daemon_stop_start(struct daemon_stop *stop, atomic_bool *asked)
{
    stop->asked = asked;
    stop->wake = NULL;
    stop->context = NULL;
    (void)sigemptyset(&stop->signals);
    (void)sigaddset(&stop->signals, SIGTERM);
    (void)sigaddset(&stop->signals, SIGINT);
    (void)sigaddset(&stop->signals, SIGHUP);
    int failed = pthread_sigmask(SIG_BLOCK, &stop->signals, NULL);
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    failed |= pthread_mutex_init(&stop->mutex, NULL);
    failed |= pthread_create(&stop->thread, NULL, run, stop);
    PRE(failed == 0);
}

void daemon_stop_attach(struct daemon_stop *stop, void (*wake)(void *context), void *context)
{
    (void)pthread_mutex_lock(&stop->mutex);
    stop->wake = wake;
    stop->context = context;
    (void)pthread_mutex_unlock(&stop->mutex);
}

void daemon_stop_end(struct daemon_stop *stop)
{
    (void)pthread_kill(stop->thread, SIGTERM);
    (void)pthread_join(stop->thread, NULL);
    (void)pthread_mutex_destroy(&stop->mutex);
}

void daemon_files_limit_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}
