#include "tools/catena/local_start.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum { LOG_LINES_SHOWN = 15, REMAINS_MS = 5000, READY_FD = STDERR_FILENO + 1 };

extern char **environ;

enum cli_exit local_find_binaries(const struct cli *cli, bool with_gateway, char **ret_directory)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0)
        return cli_error(cli, CLI_FAILED, "cannot find this program's directory");
    path[length] = '\0';
    *strrchr(path, '/') = '\0';
    static const char *const needed[] = {"catena-master", "catena-node", "catena-gateway"};
    for (size_t i = 0; i < (with_gateway ? 3 : 2); i++) {
        char *program = cli_format("%s/%s", path, needed[i]);
        bool is_there = access(program, X_OK) == 0;
        free(program);
        if (!is_there)
            return cli_error(cli, CLI_FAILED, "%s is missing beside catena in %s", needed[i], path);
    }
    *ret_directory = cli_format("%s", path);
    return CLI_OK;
}

/* "1=127.0.0.1:12001,2=...": how masters name each other. */
static char *numbered_masters(const struct local_cluster *cluster)
{
    char *text = cli_format("%s", "");
    for (size_t i = 0; i < cluster->masters; i++) {
        char *longer = cli_format("%s%s%" PRIu32 "=%s", text, i > 0 ? "," : "",
                                  cluster->processes[i].id, cluster->processes[i].address);
        free(text);
        text = longer;
    }
    return text;
}

static void open_files(posix_spawn_file_actions_t *actions, int log_fd, int ready_fd)
{
    (void)posix_spawn_file_actions_adddup2(actions, log_fd, STDOUT_FILENO);
    (void)posix_spawn_file_actions_adddup2(actions, log_fd, STDERR_FILENO);
    (void)posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (ready_fd >= 0)
        (void)posix_spawn_file_actions_adddup2(actions, ready_fd, READY_FD);
    (void)posix_spawn_file_actions_addclosefrom_np(actions,
                                                   ready_fd >= 0 ? READY_FD + 1 : READY_FD);
    (void)posix_spawn_file_actions_addchdir_np(actions, "/");
}

/* A process of its own session with default signals, so that neither Ctrl-C here nor the end of
 * this terminal reaches it. */
enum cli_exit local_spawn(const struct cli *cli, struct local_process *process,
                          char *const *arguments, int ready_fd, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;
    char name[24];
    /* Opened here and not in the child, so that an error says which file it is about. */
    int log_fd = open(process->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log_fd < 0)
        return cli_error(cli, CLI_FAILED, "cannot start %s: cannot write its log %s: %s",
                         local_process_name(process, name), process->log, strerror(errno));
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attributes);
    open_files(&actions, log_fd, ready_fd);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETSIGDEF);
    int why = posix_spawn(ret_pid, arguments[0], &actions, &attributes, arguments, environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(log_fd);
    if (why != 0)
        return cli_error(cli, CLI_FAILED, "cannot start %s (%s): %s",
                         local_process_name(process, name), arguments[0], strerror(why));
    process->is_started = true;
    process->pidfd = pidfd_open(*ret_pid, 0);
    return CLI_OK;
}

static enum cli_exit start_process(const struct cli *cli, struct local_cluster *cluster,
                                   const char *binaries, struct local_process *process)
{
    char id[16];
    bool is_node = process->role == LOCAL_NODE;
    (void)snprintf(id, sizeof id, "%" PRIu32, process->id);
    char *program = cli_format("%s/catena-%s", binaries, local_role_name(process->role));
    char *masters = is_node ? cli_format("%s", cluster->master_list) : numbered_masters(cluster);
    char *arguments[16] = {program,    "--id",           id,          "--dir",      process->dir,
                           "--listen", process->address, "--cluster", cluster->uuid};
    size_t count = 9;
    /* A master of a cluster that has served and whose directory is empty has lost its disk: it must
     * not found another cluster, so it is not told how to. */
    if (is_node || !cluster->is_founded) {
        arguments[count++] = "--masters";
        arguments[count++] = masters;
    }
    if (!is_node && !cluster->is_founded)
        arguments[count++] = "--bootstrap";
    pid_t pid = 0;
    enum cli_exit exit = local_spawn(cli, process, arguments, -1, &pid);
    if (exit == CLI_OK) {
        process->pid = is_node ? 0 : pid;
        process->supervisor = is_node ? pid : 0;
    }
    free(masters);
    free(program);
    return exit;
}

/* Half of a node may be left: a worker whose supervisor is dead ends by itself, and the other way
 * round; the directory is free again when both are gone. */
static enum cli_exit wait_for_remains(const struct cli *cli, const struct local_cluster *cluster,
                                      const struct local_process *process)
{
    char name[24];
    if (local_pid_wait(process->pid, process->dir, REMAINS_MS) &&
        local_pid_wait(process->supervisor, process->dir, REMAINS_MS))
        return CLI_OK;
    return cli_error(cli, CLI_FAILED,
                     "%s runs only in part and does not end: stop it with catena down --dir %s",
                     local_process_name(process, name), cluster->dir);
}

/* The pid if the process runs where the cluster was when cluster.json was written; else 0. */
static pid_t pid_at_origin(const struct local_cluster *cluster, const struct local_process *of)
{
    struct local_process there = {.role = of->role, .id = of->id};
    pid_t pid = 0;
    local_process_place(&there, cluster->origin);
    if (local_pid_is_ours(of->supervisor, there.dir))
        pid = of->supervisor;
    else if (local_pid_is_ours(of->pid, there.dir))
        pid = of->pid;
    free(there.dir);
    free(there.log);
    return pid;
}

enum cli_exit local_check_origin(const struct cli *cli, const struct local_cluster *cluster)
{
    char name[24];
    for (size_t i = 0; cluster->origin != NULL && i < cluster->count; i++) {
        const struct local_process *process = &cluster->processes[i];
        pid_t pid = pid_at_origin(cluster, process);
        if (pid != 0)
            return cli_error(
                cli, CLI_FAILED,
                "%s is the cluster of %s with the same addresses, and %s (pid %d) still runs "
                "there: "
                "stop that one first (catena down --dir %s; kill, if the directory was moved away)",
                cluster->dir, cluster->origin, local_process_name(process, name), (int)pid,
                cluster->origin);
    }
    return CLI_OK;
}

enum cli_exit local_start_missing(const struct cli *cli, struct local_cluster *cluster,
                                  const char *binaries, size_t *ret_started)
{
    enum cli_exit exit = CLI_OK;
    for (size_t i = 0; i < cluster->count && exit == CLI_OK; i++) {
        struct local_process *process = &cluster->processes[i];
        if (process->role == LOCAL_GATEWAY || local_process_is_alive(process))
            continue;
        exit = wait_for_remains(cli, cluster, process);
        if (exit == CLI_OK)
            exit = start_process(cli, cluster, binaries, process);
        *ret_started += exit == CLI_OK;
    }
    if (*ret_started == 0)
        return exit;
    enum cli_exit written = local_cluster_write(cli, cluster);
    return exit != CLI_OK ? exit : written;
}

void local_show_log(const struct local_process *process)
{
    FILE *in = fopen(process->log, "re");
    if (in == NULL)
        return;
    char *lines[LOG_LINES_SHOWN] = {0};
    size_t sizes[LOG_LINES_SHOWN] = {0};
    size_t count = 0;
    while (getline(&lines[count % LOG_LINES_SHOWN], &sizes[count % LOG_LINES_SHOWN], in) > 0)
        count++;
    size_t first = count > LOG_LINES_SHOWN ? count - LOG_LINES_SHOWN : 0;
    (void)fprintf(stderr, "the last lines of %s:\n", process->log);
    for (size_t i = first; i < count; i++)
        (void)fprintf(stderr, "    %s", lines[i % LOG_LINES_SHOWN]);
    for (size_t i = 0; i < LOG_LINES_SHOWN; i++)
        free(lines[i]);
    (void)fclose(in);
}
