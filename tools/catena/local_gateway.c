#include "tools/catena/local_gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "tools/catena/local.h"
#include "tools/catena/local_start.h"
#include "tools/catena/progress.h"

enum { MADE_ID_LENGTH = 20 };

/* ---- the access key ---- */

static void make_id(char *id)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned char bytes[MADE_ID_LENGTH];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        abort();
    for (size_t i = 0; i < sizeof bytes; i++)
        id[i] = letters[bytes[i] & 31];
    id[MADE_ID_LENGTH] = '\0';
    memcpy(id, "CATENA", 6);
}

static void take_key(struct local_access_key *key, const struct catena_access_key *from)
{
    memcpy(key->id, from->id, strlen(from->id) + 1);
    memcpy(key->secret, from->secret, strlen(from->secret) + 1);
}

static enum cli_exit find_key(const struct cli *cli, const char *id, struct local_access_key *key)
{
    struct catena_access_keys keys = {0};
    enum cli_exit exit = CLI_NOT_FOUND;
    enum catena_status status = catena_access_keys_get(cli->client, true, 0, &keys);
    if (status != CATENA_OK)
        return cli_status_error(cli, status, NULL, "cannot read the access keys");
    for (size_t i = 0; i < keys.count; i++) {
        if (strcmp(keys.items[i].id, id) != 0)
            continue;
        take_key(key, &keys.items[i]);
        exit = CLI_OK;
    }
    catena_access_keys_release(&keys);
    return exit;
}

static enum cli_exit create_key(const struct cli *cli, struct local_cluster *cluster,
                                struct local_access_key *key)
{
    static const struct catena_grant grant = {.bucket = "*", .right = CATENA_RIGHT_OWNER};
    struct catena_access_key made = {0};
    char id[MADE_ID_LENGTH + 1];
    make_id(id);
    enum catena_status status = catena_access_key_create(cli->client, id, NULL, &grant, 1, &made);
    if (status != CATENA_OK)
        return cli_status_error(cli, status, NULL, "cannot create an access key");
    take_key(key, &made);
    memcpy(cluster->access_key, id, sizeof id);
    catena_access_key_release(&made);
    return local_cluster_write(cli, cluster);
}

enum cli_exit local_gateway_access_key(const struct cli *cli, struct local_cluster *cluster,
                                       struct local_access_key *ret_key)
{
    return cluster->access_key[0] != '\0' ? find_key(cli, cluster->access_key, ret_key)
                                          : create_key(cli, cluster, ret_key);
}

/* ---- starting it ---- */

/* It says "ready ..." there, or ends and thereby closes it. */
static enum cli_exit await_ready(const struct cli *cli, const struct local_process *gateway, int fd,
                                 uint64_t deadline_ms)
{
    char answer[1] = {0};
    for (;;) {
        uint64_t now = clock_ms();
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = poll(&wait, 1, now < deadline_ms ? (int)(deadline_ms - now) : 0);
        if (interrupt_seen())
            return cli_error(cli, CLI_INTERRUPTED, "interrupted: what was started goes on");
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 1 && read(fd, answer, sizeof answer) == 1)
            return CLI_OK;
        enum cli_exit exit =
            ready == 1
                ? cli_error(cli, CLI_FAILED, "gateway 1 (%s) ended at once", gateway->address)
                : cli_error(cli, CLI_UNREACHABLE, "gateway 1 (%s) does not serve yet",
                            gateway->address);
        local_show_log(gateway);
        return exit;
    }
}

/* Options that people want to add. What is given below goes before what is there. */
static enum cli_exit make_configuration(const struct cli *cli, const struct local_process *gateway,
                                        const char *path)
{
    static const char text[] = "# More options of this gateway, NAME = VALUE: see "
                               "catena-gateway(1). Masters and addresses\n"
                               "# come from catena up.\n";
    char *error = NULL;
    struct local_file file;
    if (access(path, F_OK) == 0)
        return CLI_OK;
    bool is_good =
        local_directory_make(gateway->dir, &error) && local_file_open(&file, path, &error);
    if (is_good && !local_file_write(&file, text, sizeof text - 1, &error)) {
        local_file_discard(&file);
        is_good = false;
    }
    is_good = is_good && local_file_commit(&file, true, &error);
    enum cli_exit exit = is_good ? CLI_OK : cli_error(cli, CLI_FAILED, "%s", error);
    free(error);
    return exit;
}

static enum cli_exit launch(const struct cli *cli, const struct local_cluster *cluster,
                            const char *binaries, struct local_process *gateway, int ready_fd)
{
    char *program = cli_format("%s/catena-gateway", binaries);
    char *configuration = cli_format("%s/catena-gateway.conf", gateway->dir);
    char *arguments[] = {program,          "--config",           configuration,
                         "--masters",      cluster->master_list, "--listen",
                         gateway->address, "--admin-listen",     gateway->admin,
                         "--ready-fd",     LOCAL_READY_FD_TEXT,  NULL};
    enum cli_exit exit = make_configuration(cli, gateway, configuration);
    if (exit == CLI_OK)
        exit = local_spawn(cli, gateway, arguments, ready_fd, &gateway->pid);
    free(configuration);
    free(program);
    return exit;
}

enum cli_exit local_gateway_start(const struct cli *cli, struct local_cluster *cluster,
                                  const char *binaries, uint64_t deadline_ms, bool *ret_started)
{
    struct local_process *gateway = local_cluster_gateway(cluster);
    int pipes[2];
    *ret_started = false;
    if (local_process_is_alive(gateway))
        return CLI_OK;
    if (pipe2(pipes, O_CLOEXEC) != 0)
        return cli_error(cli, CLI_FAILED, "cannot make a pipe: %s", strerror(errno));
    enum cli_exit exit = launch(cli, cluster, binaries, gateway, pipes[1]);
    (void)close(pipes[1]);
    if (exit == CLI_OK) {
        *ret_started = true;
        exit = local_cluster_write(cli, cluster);
    }
    if (exit == CLI_OK)
        exit = await_ready(cli, gateway, pipes[0], deadline_ms);
    (void)close(pipes[0]);
    return exit;
}
