/* up: starts a cluster in a directory, or what is not running of it, and waits until it serves. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/catena/commands.h"
#include "tools/catena/local.h"
#include "tools/catena/local_start.h"
#include "tools/catena/progress.h"
#include "tools/catena/up.h"

enum {
    UP_DIR,
    UP_MASTERS,
    UP_NODES,
    UP_CHAINS,
    UP_REPLICAS,
    UP_WAIT,
    UP_STATUS,
    UP_NO_GATEWAY,
    UP_GATEWAY_LISTEN,
};

static const struct cli_option options[] = {
    {"dir", 'd', "DIR", "where the cluster lives: its data, logs and cluster.json"},
    {"masters", 0, "NUMBER", "masters of a new cluster: 1, 3 or 5 (default 3)"},
    {"nodes", 0, "NUMBER", "storage nodes of a new cluster (default 3)"},
    {"chains", 0, "NUMBER", "chains of a new cluster (default 64)"},
    {"replicas", 0, "NUMBER", "replicas of a new cluster (default 3, at most the nodes)"},
    {"wait", 0, "TIME", "how long to wait until it serves (default 60 s)"},
    {"status", 0, NULL, "show what runs and start nothing"},
    {"no-gateway", 0, NULL, "no S3 gateway: a new cluster gets none, an existing one stays down"},
    {"gateway-listen", 0, "HOST:PORT",
     "where the S3 gateway serves (default 127.0.0.1, some port)"},
};

/* Pids of node workers and the masters' own, as the cluster tells them. */
static bool learn_pids(struct up *up, const struct catena_cluster *cluster)
{
    bool is_changed = false;
    for (size_t i = 0; i < up->cluster.count; i++) {
        struct local_process *process = &up->cluster.processes[i];
        const struct catena_node *node = view_node(cluster, process->id);
        if (process->role != LOCAL_NODE || node == NULL || (pid_t)node->pid == process->pid ||
            !local_pid_is_ours((pid_t)node->pid, process->dir))
            continue;
        process->pid = (pid_t)node->pid;
        is_changed = true;
    }
    return is_changed;
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
        exit = number_option(cli, UP_CHAINS, 64, CLI_CHAINS_MAX, &wanted->chains);
    if (exit == CLI_OK)
        exit = number_option(cli, UP_REPLICAS, wanted->nodes < 3 ? wanted->nodes : 3,
                             CLI_REPLICAS_MAX, &wanted->replicas);
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

/* What the options say about the gateway, of a new or a known cluster. */
static enum cli_exit shape_gateway(const struct cli *cli, struct local_cluster *cluster,
                                   bool is_new)
{
    const char *listen = cli->values[UP_GATEWAY_LISTEN];
    enum cli_exit exit = CLI_OK;
    if (listen == NULL)
        return CLI_OK;
    struct local_process *gateway = local_cluster_gateway(cluster);
    if (gateway == NULL && (exit = local_cluster_add_gateway(cli, cluster)) != CLI_OK)
        return exit;
    gateway = local_cluster_gateway(cluster);
    if (strcmp(gateway->address, listen) == 0)
        return CLI_OK;
    if (!is_new && local_process_is_alive(gateway))
        return cli_error(cli, CLI_USAGE,
                         "the gateway serves on %s: catena down --dir %s, before it can serve "
                         "elsewhere",
                         gateway->address, cluster->dir);
    (void)snprintf(gateway->address, sizeof gateway->address, "%s", listen);
    return is_new ? CLI_OK : local_cluster_write(cli, cluster);
}

static enum cli_exit check_gateway_options(const struct cli *cli)
{
    const char *listen = cli->values[UP_GATEWAY_LISTEN];
    const char *colon = listen == NULL ? NULL : strrchr(listen, ':');
    uint64_t port = 0;
    if (listen == NULL)
        return CLI_OK;
    if (cli->values[UP_NO_GATEWAY] != NULL)
        return cli_error(cli, CLI_USAGE, "--no-gateway and --gateway-listen exclude each other");
    if (colon == NULL || colon == listen || strlen(listen) >= 64 ||
        !cli_parse_u64(colon + 1, 65535, &port) || port == 0)
        return cli_error(cli, CLI_USAGE, "--gateway-listen %s: HOST:PORT is wanted", listen);
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

static enum cli_exit plan_new(struct up *up, const char *dir, const struct local_cluster *wanted)
{
    struct cli *cli = up->cli;
    up->cluster = *wanted;
    enum cli_exit exit = local_cluster_plan(cli, dir, &up->cluster);
    if (exit == CLI_OK)
        exit = shape_gateway(cli, &up->cluster, true);
    return exit == CLI_OK ? local_cluster_write(cli, &up->cluster) : exit;
}

static enum cli_exit prepare(struct up *up, const char *dir)
{
    struct cli *cli = up->cli;
    struct local_cluster wanted = {0};
    char *error = NULL;
    enum cli_exit exit = read_sizes(cli, &wanted);
    if (exit == CLI_OK)
        exit = check_gateway_options(cli);
    if (exit != CLI_OK)
        return exit;
    wanted.gateways = cli->values[UP_NO_GATEWAY] == NULL;
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
        exit = check_same(cli, &wanted, &up->cluster);
    else if (exit == CLI_NOT_FOUND)
        return plan_new(up, dir, &wanted);
    if (exit == CLI_OK)
        exit = local_check_origin(cli, &up->cluster);
    return exit == CLI_OK ? shape_gateway(cli, &up->cluster, false) : exit;
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

static bool wants_gateway(struct up *up)
{
    return up->cli->values[UP_NO_GATEWAY] == NULL && local_cluster_gateway(&up->cluster) != NULL;
}

static enum cli_exit bring_up_gateway(struct up *up, size_t *started)
{
    bool is_started = false;
    if (!wants_gateway(up))
        return CLI_OK;
    up->has_gateway = true;
    up_wait_for(up, "the gateway to serve");
    enum cli_exit exit = local_gateway_access_key(up->cli, &up->cluster, &up->access_key);
    up->has_access_key = exit == CLI_OK;
    if (exit == CLI_OK || exit == CLI_NOT_FOUND)
        exit =
            local_gateway_start(up->cli, &up->cluster, up->binaries, up->deadline_ms, &is_started);
    *started += is_started;
    up_end_waiting_line(up);
    return exit;
}

static enum cli_exit bring_up(struct up *up, const char *dir, uint32_t wait_ms)
{
    local_file_prepare();
    enum cli_exit exit = prepare(up, dir);
    if (exit == CLI_OK)
        exit = local_find_binaries(up->cli, wants_gateway(up), &up->binaries);
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
        exit = up_wait_until_it_serves(up, &view);
    up_end_waiting_line(up);
    if (exit != CLI_OK)
        return exit;
    bool is_new = !up->cluster.is_founded;
    up->cluster.is_founded = true;
    if (learn_pids(up, view) || is_new)
        exit = local_cluster_write(up->cli, &up->cluster);
    if (exit == CLI_OK)
        exit = bring_up_gateway(up, &started);
    if (exit == CLI_OK)
        up_print_serving(up, view, started);
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
        return up_show_status(cli, dir);
    if (cli->values[UP_WAIT] != NULL && !cli_parse_duration_ms(cli->values[UP_WAIT], &wait_ms))
        return cli_error(cli, CLI_USAGE, "--wait %s: not a time (60, 500ms, 2m)",
                         cli->values[UP_WAIT]);
    enum cli_exit exit = bring_up(&up, dir, wait_ms);
    /* The client was told where the masters are by a text of the cluster's. */
    catena_close(cli->client);
    cli->client = NULL;
    local_cluster_release(&up.cluster);
    explicit_bzero(&up.access_key, sizeof up.access_key);
    free(up.binaries);
    return exit;
}

const struct cli_command command_up = {
    .name = "up",
    .operands = "",
    .summary = "Start a cluster on this machine, or what is not running of it",
    .details =
        "Starts masters, nodes and an S3 gateway on 127.0.0.1 with their data in DIR, waits until "
        "every chain serves\n(and up to 10 s more for all replicas), prints the addresses and an "
        "access key for S3 and leaves the processes\nrunning. DIR/cluster.json lists "
        "them; DIR/log holds what they say.\nRun it again to start what was stopped or killed, on "
        "the same data and addresses. A cluster "
        "that is stopped may be copied\nor moved with its DIR: what counts is where that is now. "
        "Of "
        "two copies, which have the same addresses,\none can run at a time.\n",
    .operands_min = 0,
    .operands_max = 0,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
