/* up: starts a cluster in a directory, or what is not running of it, and waits until it serves. */
#include <dirent.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/catena/cluster_view.h"
#include "tools/catena/commands.h"
#include "tools/catena/local.h"
#include "tools/catena/local_start.h"
#include "tools/catena/progress.h"

enum { UP_DIR, UP_MASTERS, UP_NODES, UP_CHAINS, UP_REPLICAS, UP_WAIT, UP_STATUS };
/* A cluster that serves is given this long to bring its chains to full length too: who kills the
 * next process right after `up` should not meet a chain that has one member left. */
enum { POLL_MS = 50, FULL_LENGTH_MS = 10000 };

static const struct cli_option options[] = {
    {"dir", 'd', "DIR", "where the cluster lives: its data, logs and cluster.json"},
    {"masters", 0, "NUMBER", "masters of a new cluster: 1, 3 or 5 (default 3)"},
    {"nodes", 0, "NUMBER", "storage nodes of a new cluster (default 3)"},
    {"chains", 0, "NUMBER", "chains of a new cluster (default 64)"},
    {"replicas", 0, "NUMBER", "replicas of a new cluster (default 3, at most the nodes)"},
    {"wait", 0, "TIME", "how long to wait until it serves (default 60 s)"},
    {"status", 0, NULL, "show what runs and start nothing"},
};

struct up {
    struct cli *cli;
    struct local_cluster cluster;
    char *binaries; /* directory of this program, where the daemons are */
    uint64_t deadline_ms;
    const char *waits_for; /* for the message when time is up, and the line on the terminal */
    bool is_told;          /* a waiting line was printed */
};

/* ---- waiting ---- */

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
        pid_t pid = process->is_node ? process->supervisor : process->pid;
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
        if (!local_process_is_alive(&up->cluster.processes[i]) || up->cluster.processes[i].id == 1)
            local_show_log(&up->cluster.processes[i]);
    return exit;
}

static void wait_for(struct up *up, const char *what)
{
    if (up->waits_for != what && !up->cli->is_quiet && isatty(STDERR_FILENO) == 1) {
        (void)fprintf(stderr, "\r\033[Kwaiting for %s", what);
        (void)fflush(stderr);
        up->is_told = true;
    }
    up->waits_for = what;
}

static void end_waiting_line(struct up *up)
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
        alive += process->is_node && node != NULL && view_node_is_alive(node) &&
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

/* Pids of node workers and the masters' own, as the cluster tells them. */
static bool learn_pids(struct up *up, const struct catena_cluster *cluster)
{
    bool is_changed = false;
    for (size_t i = 0; i < up->cluster.count; i++) {
        struct local_process *process = &up->cluster.processes[i];
        const struct catena_node *node = view_node(cluster, process->id);
        if (!process->is_node || node == NULL || (pid_t)node->pid == process->pid ||
            !local_pid_is_ours((pid_t)node->pid, process->dir))
            continue;
        process->pid = (pid_t)node->pid;
        is_changed = true;
    }
    return is_changed;
}

static enum cli_exit wait_until_it_serves(struct up *up, struct catena_cluster **ret_cluster)
{
    struct catena_options open = CATENA_OPTIONS_INIT;
    open.masters = up->cluster.master_list;
    open.timeout_ms = 2000;
    bool is_asked = false;
    uint64_t serves_since = 0;
    wait_for(up, "a master to answer");
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
        wait_for(up, missing);
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

/* ---- what it prints ---- */

static void print_processes(const struct local_cluster *cluster, const struct catena_cluster *view)
{
    for (size_t i = 0; i < cluster->count; i++) {
        const struct local_process *process = &cluster->processes[i];
        const char *note = local_process_is_alive(process) ? "" : "  NOT RUNNING";
        if (view != NULL && !process->is_node)
            for (size_t j = 0; j < view->master_count; j++)
                if (view->masters[j].master == process->id && view->masters[j].is_leader)
                    note = "  leads";
        (void)printf("  %-6s %-3" PRIu32 " %-21s  pid %d%s\n", process->is_node ? "node" : "master",
                     process->id, process->address,
                     (int)(process->pid != 0 ? process->pid : process->supervisor), note);
    }
}

static void print_serving(const struct up *up, const struct catena_cluster *view, size_t started)
{
    const struct local_cluster *cluster = &up->cluster;
    if (up->cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_bool(&json, "serves", true);
        json_number(&json, "started", started);
        local_cluster_json(&json, cluster);
        json_finish(&json);
        return;
    }
    struct view_health health = view_health(view);
    (void)printf("The cluster serves: %" PRIu32 " masters, %" PRIu32
                 " nodes, %zu chains of %" PRIu32 " (%zu processes started).\n",
                 cluster->masters, cluster->nodes, view->chain_count, cluster->replicas, started);
    print_processes(cluster, view);
    if (health.chains_short > 0)
        (void)printf("%zu chains are still short of a replica: see catena status.\n",
                     health.chains_short);
    (void)printf("\nexport CATENA_MASTERS=%s\n\nStop it with: catena down --dir %s\n",
                 cluster->master_list, cluster->dir);
}

static enum cli_exit show_status(struct cli *cli, const char *dir)
{
    struct local_cluster cluster;
    enum cli_exit exit = local_cluster_read(cli, dir, &cluster);
    if (exit == CLI_NOT_FOUND)
        return cli_error(cli, exit, "there is no cluster in %s", dir);
    if (exit != CLI_OK)
        return exit;
    size_t alive = 0;
    for (size_t i = 0; i < cluster.count; i++)
        alive += local_process_is_alive(&cluster.processes[i]);
    if (cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_number(&json, "running", alive);
        json_number(&json, "expected", cluster.count);
        local_cluster_json(&json, &cluster);
        json_finish(&json);
    } else {
        (void)printf("%zu of %zu processes run\n", alive, cluster.count);
        print_processes(&cluster, NULL);
        (void)printf("\nexport CATENA_MASTERS=%s\n", cluster.master_list);
    }
    if (alive < cluster.count)
        exit = cli_error(cli, CLI_FAILED,
                         "%zu of %zu processes do not run; catena up --dir %s "
                         "starts them",
                         cluster.count - alive, cluster.count, cluster.dir);
    local_cluster_release(&cluster);
    return exit;
}

/* ---- a new cluster ---- */

static enum cli_exit number_option(const struct cli *cli, int index, uint32_t initial,
                                   uint64_t maximum, uint32_t *ret_value)
{
    uint64_t value = initial;
    if (cli->values[index] != NULL &&
        (!cli_parse_u64(cli->values[index], maximum, &value) || value == 0))
        return cli_error(cli, CLI_USAGE, "--%s %s: a number from 1 to %" PRIu64 " is wanted",
                         options[index].name, cli->values[index], maximum);
    *ret_value = (uint32_t)value;
    return CLI_OK;
}

static enum cli_exit read_sizes(const struct cli *cli, struct local_cluster *wanted)
{
    enum cli_exit exit = number_option(cli, UP_MASTERS, 3, LOCAL_MASTERS_MAX, &wanted->masters);
    if (exit == CLI_OK)
        exit = number_option(cli, UP_NODES, 3, LOCAL_NODES_MAX, &wanted->nodes);
    if (exit == CLI_OK)
        exit = number_option(cli, UP_CHAINS, 64, 65536, &wanted->chains);
    if (exit == CLI_OK)
        exit = number_option(cli, UP_REPLICAS, wanted->nodes < 3 ? wanted->nodes : 3, 8,
                             &wanted->replicas);
    if (exit == CLI_OK && wanted->masters % 2 == 0)
        return cli_error(cli, CLI_USAGE,
                         "--masters %" PRIu32 ": an odd number is wanted (an even one survives no "
                         "more failures)",
                         wanted->masters);
    if (exit == CLI_OK && wanted->replicas > wanted->nodes)
        return cli_error(cli, CLI_USAGE,
                         "%" PRIu32 " replicas need as many nodes; there are %" PRIu32,
                         wanted->replicas, wanted->nodes);
    return exit;
}

static bool differs(const struct cli *cli, int index, uint32_t wanted, uint32_t is)
{
    return cli->values[index] != NULL && wanted != is;
}

static enum cli_exit check_same(const struct cli *cli, const struct local_cluster *wanted,
                                const struct local_cluster *is)
{
    if (differs(cli, UP_MASTERS, wanted->masters, is->masters) ||
        differs(cli, UP_NODES, wanted->nodes, is->nodes) ||
        differs(cli, UP_CHAINS, wanted->chains, is->chains) ||
        differs(cli, UP_REPLICAS, wanted->replicas, is->replicas))
        return cli_error(cli, CLI_USAGE,
                         "the cluster in %s was made with --masters %" PRIu32 " --nodes %" PRIu32
                         " --chains %" PRIu32 " --replicas %" PRIu32
                         "; leave these options out, or choose another directory",
                         is->dir, is->masters, is->nodes, is->chains, is->replicas);
    return CLI_OK;
}

static bool is_empty_directory(const char *dir)
{
    int count = 0;
    struct dirent **entries = NULL;
    int found = scandir(dir, &entries, NULL, NULL);
    for (int i = 0; i < found; i++) {
        count += strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0 &&
                 strcmp(entries[i]->d_name, "lock") != 0 &&
                 strcmp(entries[i]->d_name, "lost+found") != 0;
        free(entries[i]);
    }
    free(entries);
    return found >= 0 && count == 0;
}

static enum cli_exit prepare(struct up *up, const char *dir)
{
    struct cli *cli = up->cli;
    struct local_cluster wanted = {0};
    char *error = NULL;
    enum cli_exit exit = read_sizes(cli, &wanted);
    if (exit != CLI_OK)
        return exit;
    if (!local_directory_make(dir, &error)) {
        exit = cli_error(cli, CLI_FAILED, "%s", error);
        free(error);
        return exit;
    }
    char *file = cli_format("%s/cluster.json", dir);
    bool is_ours = access(file, F_OK) == 0;
    free(file);
    if (!is_ours && !is_empty_directory(dir))
        return cli_error(cli, CLI_FAILED,
                         "%s holds something else (no cluster.json): choose an empty directory",
                         dir);
    exit = local_cluster_lock(cli, dir);
    if (exit != CLI_OK)
        return exit;
    exit = local_cluster_read(cli, dir, &up->cluster);
    if (exit == CLI_OK)
        return check_same(cli, &wanted, &up->cluster);
    if (exit != CLI_NOT_FOUND)
        return exit;
    up->cluster = wanted;
    exit = local_cluster_plan(cli, dir, &up->cluster);
    return exit == CLI_OK ? local_cluster_write(cli, &up->cluster) : exit;
}

static enum cli_exit make_log_directory(const struct up *up)
{
    char *error = NULL;
    char *logs = cli_format("%s/log", up->cluster.dir);
    enum cli_exit exit = CLI_OK;
    if (!local_directory_make(logs, &error))
        exit = cli_error(up->cli, CLI_FAILED, "%s", error);
    free(error);
    free(logs);
    return exit;
}

static enum cli_exit bring_up(struct up *up, const char *dir, uint32_t wait_ms)
{
    local_file_prepare();
    enum cli_exit exit = prepare(up, dir);
    if (exit == CLI_OK)
        exit = local_find_binaries(up->cli, &up->binaries);
    if (exit == CLI_OK)
        exit = make_log_directory(up);
    if (exit != CLI_OK)
        return exit;

    interrupt_catch();
    size_t started = 0;
    struct catena_cluster *view = NULL;
    up->deadline_ms = clock_ms() + wait_ms;
    exit = local_start_missing(up->cli, &up->cluster, up->binaries, &started);
    if (exit == CLI_OK)
        exit = wait_until_it_serves(up, &view);
    end_waiting_line(up);
    if (exit != CLI_OK)
        return exit;
    bool is_new = !up->cluster.is_founded;
    up->cluster.is_founded = true;
    if (learn_pids(up, view) || is_new)
        exit = local_cluster_write(up->cli, &up->cluster);
    if (exit == CLI_OK)
        print_serving(up, view, started);
    catena_cluster_free(view);
    return exit;
}

static enum cli_exit run(struct cli *cli)
{
    struct up up = {.cli = cli};
    uint32_t wait_ms = 60000;
    const char *dir = cli->values[UP_DIR];
    if (dir == NULL || dir[0] == '\0')
        return cli_error(cli, CLI_USAGE, "--dir DIR is missing");
    if (cli->values[UP_STATUS] != NULL)
        return show_status(cli, dir);
    if (cli->values[UP_WAIT] != NULL && !cli_parse_duration_ms(cli->values[UP_WAIT], &wait_ms))
        return cli_error(cli, CLI_USAGE, "--wait %s: not a time (60, 500ms, 2m)",
                         cli->values[UP_WAIT]);
    enum cli_exit exit = bring_up(&up, dir, wait_ms);
    /* The client was told where the masters are by a text of the cluster's. */
    catena_close(cli->client);
    cli->client = NULL;
    local_cluster_release(&up.cluster);
    free(up.binaries);
    return exit;
}

const struct cli_command command_up = {
    .name = "up",
    .operands = "",
    .summary = "Start a cluster on this machine, or what is not running of it",
    .details =
        "Starts masters and nodes on 127.0.0.1 with their data in DIR, waits until every chain "
        "serves (and up to\n10 s more for all replicas), prints the addresses and leaves the "
        "processes running. DIR/cluster.json lists "
        "them; DIR/log holds what they say.\nRun it again to start what was stopped or killed, on "
        "the same data and addresses.\n",
    .operands_min = 0,
    .operands_max = 0,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
