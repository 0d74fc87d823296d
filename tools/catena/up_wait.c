/* up: waiting until the cluster serves. */
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/catena/local_start.h"
#include "tools/catena/progress.h"
#include "tools/catena/up.h"

/* A cluster that serves is given this long to bring its chains to full length too: who kills the
 * next process right after `up` should not meet a chain that has one member left. */
enum { POLL_MS = 50, FULL_LENGTH_MS = 10000 };

/* Sleeps a moment, but not past the death of a process that we started. */
static enum cli_exit watch_children(struct up *up)
{
    struct pollfd waits[LOCAL_PROCESSES_MAX];
    nfds_t count = 0;
    for (size_t i = 0; i < up->cluster.count; i++)
        if (up->cluster.processes[i].pidfd >= 0)
            waits[count++] = (struct pollfd){
                .fd = up->cluster.processes[i].pidfd,
                .events = POLLIN,
            };
    (void)poll(waits, count, POLL_MS);
    for (size_t i = 0; i < up->cluster.count; i++) {
        const struct local_process *process = &up->cluster.processes[i];
        pid_t pid = process->role == LOCAL_NODE ? process->supervisor : process->pid;
        int status = 0;
        char name[24];
        if (!process->is_started || waitpid(pid, &status, WNOHANG) != pid)
            continue;
        enum cli_exit exit = cli_error(
            up->cli, CLI_FAILED, "%s ended at once (%s %d)", local_process_name(process, name),
            WIFSIGNALED(status) ? "signal" : "exit status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        local_show_log(process);
        return exit;
    }
    if (interrupt_seen())
        return cli_error(up->cli, CLI_INTERRUPTED,
                         "interrupted: what was started goes on; catena down --dir %s stops it",
                         up->cluster.dir);
    if (clock_ms() < up->deadline_ms)
        return CLI_OK;
    enum cli_exit exit =
        cli_error(up->cli, CLI_UNREACHABLE, "the cluster does not serve yet: waiting for %s%s%s",
                  up->waits_for, catena_error_text()[0] != '\0' ? ": " : "", catena_error_text());
    for (size_t i = 0; i < up->cluster.count; i++)
        if (up->cluster.processes[i].role != LOCAL_GATEWAY &&
            (!local_process_is_alive(&up->cluster.processes[i]) ||
             up->cluster.processes[i].id == 1))
            local_show_log(&up->cluster.processes[i]);
    return exit;
}

void up_wait_for(struct up *up, const char *what)
{
    if (up->waits_for != what && !up->cli->is_quiet && isatty(STDERR_FILENO) == 1) {
        (void)fprintf(stderr, "\r\033[Kwaiting for %s", what);
        (void)fflush(stderr);
        up->is_told = true;
    }
    up->waits_for = what;
}

void up_end_waiting_line(struct up *up)
{
    if (up->is_told)
        (void)fputs("\r\033[K", stderr);
    up->is_told = false;
}

static const char creation[] = "the chains to be created";

/* What is still missing for the cluster to serve; NULL if nothing is. */
static const char *missing_of(const struct up *up, const struct catena_cluster *cluster)
{
    struct view_health health = view_health(cluster);
    size_t alive = 0;
    for (size_t i = 0; i < up->cluster.count; i++) {
        const struct local_process *process = &up->cluster.processes[i];
        const struct catena_node *node = view_node(cluster, process->id);
        /* The pid tells a node that registered now from what the masters remember of one that was
         * killed together with them. */
        alive += process->role == LOCAL_NODE && node != NULL && view_node_is_alive(node) &&
                 local_pid_is_ours((pid_t)node->pid, process->dir);
    }
    if (!health.has_leader)
        return "the masters to elect a leader";
    if (alive < up->cluster.nodes)
        return "the nodes to register";
    if (cluster->chain_count == 0)
        return creation;
    if (health.chains_down > 0)
        return "every chain to serve";
    return NULL;
}

enum cli_exit up_wait_until_it_serves(struct up *up, struct catena_cluster **ret_cluster)
{
    struct catena_options open = CATENA_OPTIONS_INIT;
    open.masters = up->cluster.master_list;
    open.timeout_ms = 2000;
    bool is_asked = false;
    uint64_t serves_since = 0;
    up_wait_for(up, "a master to answer");
    for (;;) {
        enum cli_exit exit = watch_children(up);
        if (exit != CLI_OK)
            return exit;
        if (up->cli->client == NULL && catena_open(&open, &up->cli->client) != CATENA_OK)
            continue;
        struct catena_cluster *cluster = NULL;
        if (catena_cluster_get(up->cli->client, &cluster) != CATENA_OK)
            continue;
        const char *missing = missing_of(up, cluster);
        if (missing == NULL) {
            struct view_health health = view_health(cluster);
            uint64_t now = clock_ms();
            if (serves_since == 0) {
                serves_since = now;
                up->deadline_ms = now + 2 * FULL_LENGTH_MS;
            }
            if (view_is_healthy(&health) || now - serves_since >= FULL_LENGTH_MS) {
                *ret_cluster = cluster;
                return CLI_OK;
            }
            missing = "every chain to have all its replicas";
        }
        up_wait_for(up, missing);
        catena_cluster_free(cluster);
        if (missing != creation || is_asked)
            continue;
        enum catena_status status =
            catena_admin_init_chains(up->cli->client, up->cluster.chains, up->cluster.replicas);
        /* Anything but success may have happened all the same: the next look tells. */
        if (status == CATENA_INVALID)
            return cli_status_error(up->cli, status, NULL, "cannot create the chains");
        is_asked = status == CATENA_OK;
    }
}
