#include "chainnode/io/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io/log.h"
#include "chainnode/io/obituary.h"

enum { OBITUARY_TIMEOUT_US = 3000000, SIGNAL_STATUS_BASE = 128 };
/* Of a worker that is dead and that somebody else waited for: as if it had exited with 1. */
enum { WAIT_STATUS_UNKNOWN = 1 << 8 };

static _Noreturn void worker_enter(const struct node_settings *settings, supervisor_worker *worker,
                                   int report_fd, pid_t supervisor, const sigset_t *mask)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        log_error("supervisor_pdeathsig", "error=\"%s\"", strerror(errno));
        _exit(1);
    }
    /* The supervisor may have died before the line above took effect. */
    if (getppid() != supervisor)
        _exit(1);
    (void)sigprocmask(SIG_SETMASK, mask, NULL);
    exit(worker(settings, report_fd, (uint32_t)supervisor));
}

/* Until the worker is dead. Returns its wait status. */
static int wait_for_worker(pid_t worker, const sigset_t *watched)
{
    for (;;) {
        int status;
        pid_t dead = waitpid(worker, &status, WNOHANG);
        if (dead == worker)
            return status;
        if (dead < 0 && errno == ECHILD)
            return WAIT_STATUS_UNKNOWN;
        int number = sigwaitinfo(watched, NULL);
        if (number == SIGTERM || number == SIGINT || number == SIGHUP) {
            log_info("stop_asked", "signal=%d worker=%d", number, (int)worker);
            (void)kill(worker, SIGTERM);
        }
    }
}

static int exit_status(int wait_status)
{
    return WIFSIGNALED(wait_status) ? SIGNAL_STATUS_BASE + WTERMSIG(wait_status)
                                    : WEXITSTATUS(wait_status);
}

static void log_death(pid_t worker, int wait_status)
{
    if (WIFSIGNALED(wait_status))
        log_error("worker_killed", "pid=%d signal=%d name=\"%s\"", (int)worker,
                  WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
    else
        log_info("worker_exited", "pid=%d status=%d", (int)worker, WEXITSTATUS(wait_status));
}

static int supervise(const struct node_settings *settings, pid_t worker, int report_fd,
                     const sigset_t *watched)
{
    int wait_status = wait_for_worker(worker, watched);
    log_death(worker, wait_status);
    struct worker_report report;
    /* The pipe does not block; no report: the worker died before a master had taken it. */
    if (read(report_fd, &report, sizeof report) == (ssize_t)sizeof report) {
        bool confirmed = obituary_send(settings, &report, OBITUARY_TIMEOUT_US);
        log_info("obituary", "incarnation=%llu confirmed=%s",
                 (unsigned long long)report.incarnation, confirmed ? "true" : "false");
    }
    return exit_status(wait_status);
}

int supervisor_run(const struct node_settings *settings, supervisor_worker *worker)
{
    sigset_t watched;
    sigset_t former;
    (void)sigemptyset(&watched);
    (void)sigaddset(&watched, SIGTERM);
    (void)sigaddset(&watched, SIGINT);
    (void)sigaddset(&watched, SIGHUP);
    (void)sigaddset(&watched, SIGCHLD);
    /* Blocked before the fork, so that no signal is lost between it and the first wait. */
    (void)sigprocmask(SIG_BLOCK, &watched, &former);
    /* Ignored, as whoever started us may have left it, the kernel would wait for the worker. */
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    (void)sigaction(SIGCHLD, &by_default, NULL);
    int report[2];
    if (pipe2(report, O_CLOEXEC | O_NONBLOCK) != 0) {
        log_error("supervisor_pipe", "error=\"%s\"", strerror(errno));
        return 1;
    }
    pid_t supervisor = getpid();
    pid_t child = fork();
    if (child < 0) {
        log_error("supervisor_fork", "error=\"%s\"", strerror(errno));
        return 1;
    }
    if (child == 0) {
        (void)close(report[0]);
        worker_enter(settings, worker, report[1], supervisor, &former);
    }
    (void)close(report[1]);
    if (settings->ready_fd != 0)
        (void)close((int)settings->ready_fd);
    int status = supervise(settings, child, report[0], &watched);
    (void)close(report[0]);
    return status;
}
