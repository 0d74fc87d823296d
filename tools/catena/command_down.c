/* down: stops the cluster of a directory. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tools/catena/commands.h"
#include "tools/catena/local_cluster.h"
#include "tools/catena/progress.h"

enum { DOWN_DIR, DOWN_WAIT };

static const struct cli_option options[] = {
    {"dir", 'd', "DIR", "where the cluster lives"},
    {"wait", 0, "TIME", "how long they may take before they are killed (default 20 s)"},
};

enum outcome { WAS_NOT_RUNNING, STOPPED, KILLED, STILL_RUNS };

static const char *outcome_text(enum outcome outcome)
{
    switch (outcome) {
    case WAS_NOT_RUNNING:
        return "was not running";
    case STOPPED:
        return "stopped";
    case KILLED:
        return "killed: it did not stop in time";
    case STILL_RUNS:
        return "STILL RUNS";
    }
    return "?";
}

/* The process to signal: a node's supervisor passes SIGTERM on; a worker alone is told itself. */
static pid_t main_pid(const struct local_process *process)
{
    if (process->role == LOCAL_NODE && local_pid_is_ours(process->supervisor, process->dir))
        return process->supervisor;
    return local_pid_is_ours(process->pid, process->dir) ? process->pid : 0;
}

static bool wait_until(const struct local_process *process, pid_t pid, uint64_t deadline_ms)
{
    uint64_t now = clock_ms();
    return local_pid_wait(pid, process->dir, now < deadline_ms ? (unsigned)(deadline_ms - now) : 0);
}

static void signal_group(const struct local_cluster *cluster, enum local_role role, pid_t *pids)
{
    for (size_t i = 0; i < cluster->count; i++) {
        if (cluster->processes[i].role != role)
            continue;
        pids[i] = main_pid(&cluster->processes[i]);
        if (pids[i] > 0)
            (void)kill(pids[i], SIGTERM);
    }
}

static void await_group(const struct local_cluster *cluster, enum local_role role,
                        const pid_t *pids, uint64_t deadline_ms, enum outcome *outcomes)
{
    for (size_t i = 0; i < cluster->count; i++) {
        const struct local_process *process = &cluster->processes[i];
        if (process->role != role)
            continue;
        outcomes[i] = WAS_NOT_RUNNING;
        if (pids[i] == 0)
            continue;
        outcomes[i] = STOPPED;
        if (wait_until(process, pids[i], deadline_ms) &&
            (process->pid == 0 || wait_until(process, process->pid, deadline_ms)))
            continue;
        outcomes[i] = KILLED;
        pid_t both[] = {process->pid, process->supervisor};
        for (size_t j = 0; j < 2; j++) {
            if (local_pid_is_ours(both[j], process->dir))
                (void)kill(both[j], SIGKILL);
            if (!local_pid_wait(both[j], process->dir, 5000))
                outcomes[i] = STILL_RUNS;
        }
    }
}

static enum cli_exit bring_down(const struct cli *cli, const char *dir, uint32_t wait_ms,
                                struct local_cluster *cluster)
{
    pid_t pids[LOCAL_PROCESSES_MAX] = {0};
    enum outcome outcomes[LOCAL_PROCESSES_MAX] = {WAS_NOT_RUNNING};
    enum cli_exit exit = local_cluster_read(cli, dir, cluster);
    if (exit == CLI_NOT_FOUND)
        return cli_error(cli, exit, "there is no cluster in %s", dir);
    if (exit == CLI_OK)
        exit = local_cluster_lock(cli, dir);
    if (exit != CLI_OK)
        return exit;

    /* The gateway ends what is under way while there are nodes; nodes hand over to masters that
     * still listen. */
    static const enum local_role order[] = {LOCAL_GATEWAY, LOCAL_NODE, LOCAL_MASTER};
    uint64_t deadline_ms = clock_ms() + wait_ms;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        signal_group(cluster, order[i], pids);
        await_group(cluster, order[i], pids, deadline_ms, outcomes);
    }
    struct json json;
    if (cli->is_json) {
        json_begin(&json, stdout);
        json_array(&json, "processes");
    }
    for (size_t i = 0; i < cluster->count; i++) {
        const struct local_process *process = &cluster->processes[i];
        char name[24];
        (void)local_process_name(process, name);
        if (outcomes[i] == STILL_RUNS)
            exit = CLI_FAILED;
        if (cli->is_json) {
            json_object(&json, NULL);
            json_text(&json, "role", local_role_name(process->role));
            json_number(&json, "id", process->id);
            json_text(&json, "result", outcome_text(outcomes[i]));
            json_end(&json);
        } else if (!cli->is_quiet || outcomes[i] == STILL_RUNS) {
            (void)printf("%-10s %s\n", name, outcome_text(outcomes[i]));
        }
    }
    if (cli->is_json)
        json_finish(&json);
    else if (!cli->is_quiet)
        (void)printf("The data stays in %s; catena up --dir %s starts it again.\n", cluster->dir,
                     cluster->dir);
    return exit;
}

static enum cli_exit run(struct cli *cli)
{
    struct local_cluster cluster;
    uint32_t wait_ms = 20000;
    const char *dir = cli->values[DOWN_DIR];
    if (dir == NULL || dir[0] == '\0')
        return cli_error(cli, CLI_USAGE, "--dir DIR is missing");
    if (cli->values[DOWN_WAIT] != NULL && !cli_parse_duration_ms(cli->values[DOWN_WAIT], &wait_ms))
        return cli_error(cli, CLI_USAGE, "--wait %s: not a time (20, 500ms, 2m)",
                         cli->values[DOWN_WAIT]);
    enum cli_exit exit = bring_down(cli, dir, wait_ms, &cluster);
    local_cluster_release(&cluster);
    return exit;
}

const struct cli_command command_down = {
    .name = "down",
    .operands = "",
    .summary = "Stop the cluster of a directory",
    .details = "Asks every process to stop (SIGTERM), waits, and says what happened. Data, "
               "addresses and logs stay.\n",
    .operands_min = 0,
    .operands_max = 0,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
