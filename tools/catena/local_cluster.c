#include "tools/catena/local_cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/io/process.h"
#include "tools/catena/local.h"

const char *local_role_name(enum local_role role)
{
    switch (role) {
    case LOCAL_MASTER:
        return "master";
    case LOCAL_NODE:
        return "node";
    case LOCAL_GATEWAY:
        return "gateway";
    }
    return "?";
}

const char *local_process_name(const struct local_process *process, char text[24])
{
    (void)snprintf(text, 24, "%s %" PRIu32, local_role_name(process->role), process->id);
    return text;
}

void local_process_place(struct local_process *process, const char *cluster_dir)
{
    const char *role = local_role_name(process->role);
    free(process->dir);
    free(process->log);
    process->dir = cli_format("%s/%s-%" PRIu32, cluster_dir, role, process->id);
    process->log = cli_format("%s/log/%s-%" PRIu32 ".log", cluster_dir, role, process->id);
}

static bool is_named(pid_t pid, const char *dir)
{
    char path[64];
    char line[8192];
    if (pid <= 0)
        return false;
    (void)snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, line, sizeof line - 1);
    (void)close(fd);
    if (length <= 0)
        return false; /* a zombie has none */
    line[length] = '\0';
    size_t prefix = strlen(dir);
    for (const char *at = line; at < line + length; at += strlen(at) + 1)
        if (strncmp(at, dir, prefix) == 0 && (at[prefix] == '\0' || at[prefix] == '/'))
            return true;
    return false;
}

bool local_pid_is_ours(pid_t pid, const char *dir)
{
    return is_named(pid, dir) && !process_is_ending(pid);
}

bool local_process_is_alive(const struct local_process *process)
{
    if (process->role != LOCAL_NODE)
        return local_pid_is_ours(process->pid, process->dir);
    return local_pid_is_ours(process->supervisor, process->dir) &&
           (process->pid == 0 || local_pid_is_ours(process->pid, process->dir));
}

bool local_pid_wait(pid_t pid, const char *dir, unsigned wait_ms)
{
    int fd = pidfd_open(pid, 0);
    if (fd < 0 || !is_named(pid, dir)) {
        if (fd >= 0)
            (void)close(fd);
        return true;
    }
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int ready = poll(&wait, 1, (int)wait_ms);
    (void)close(fd);
    return ready == 1;
}

enum cli_exit local_cluster_lock(const struct cli *cli, const char *dir)
{
    char *path = cli_format("%s/lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    enum cli_exit exit = CLI_OK;
    if (fd < 0)
        exit = cli_error(cli, CLI_FAILED, "cannot write %s: %s", path, strerror(errno));
    else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        exit = cli_error(cli, CLI_FAILED, "another catena up or down is at work in %s", dir);
    free(path);
    return exit;
}

/* ---- cluster.json ---- */

void local_cluster_json(struct json *json, const struct local_cluster *cluster)
{
    json_number(json, "format", 1);
    json_text(json, "cluster", cluster->uuid);
    json_text(json, "dir", cluster->dir);
    json_text(json, "masters", cluster->master_list);
    json_number(json, "chains", cluster->chains);
    json_number(json, "replicas", cluster->replicas);
    json_bool(json, "is_founded", cluster->is_founded);
    if (cluster->access_key[0] != '\0')
        json_text(json, "access_key", cluster->access_key);
    json_array(json, "processes");
    for (size_t i = 0; i < cluster->count; i++) {
        const struct local_process *process = &cluster->processes[i];
        json_object(json, NULL);
        json_text(json, "role", local_role_name(process->role));
        json_number(json, "id", process->id);
        json_number(json, "pid", (uint64_t)process->pid);
        if (process->role == LOCAL_NODE)
            json_number(json, "supervisor_pid", (uint64_t)process->supervisor);
        json_text(json, "address", process->address);
        if (process->role == LOCAL_GATEWAY)
            json_text(json, "admin", process->admin);
        json_text(json, "dir", process->dir);
        json_text(json, "log", process->log);
        json_end(json);
    }
    json_end(json);
}

enum cli_exit local_cluster_write(const struct cli *cli, const struct local_cluster *cluster)
{
    char *text = NULL;
    size_t length = 0;
    char *error = NULL;
    struct local_file file;
    struct json json;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL)
        return cli_error(cli, CLI_FAILED, "out of memory");
    json_begin(&json, out);
    local_cluster_json(&json, cluster);
    json_finish(&json);
    (void)fclose(out);
    char *path = cli_format("%s/cluster.json", cluster->dir);
    bool is_good = local_file_open(&file, path, &error);
    if (is_good && !local_file_write(&file, text, length, &error)) {
        local_file_discard(&file);
        is_good = false;
    }
    is_good = is_good && local_file_commit(&file, true, &error);
    free(text);
    free(path);
    if (is_good)
        return CLI_OK;
    enum cli_exit exit = cli_error(cli, CLI_FAILED, "%s", error);
    free(error);
    return exit;
}

struct local_process *local_cluster_gateway(struct local_cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++)
        if (cluster->processes[i].role == LOCAL_GATEWAY)
            return &cluster->processes[i];
    return NULL;
}

void local_cluster_release(struct local_cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++) {
        struct local_process *process = &cluster->processes[i];
        free(process->dir);
        free(process->log);
        if (process->is_started && process->pidfd >= 0)
            (void)close(process->pidfd);
    }
    free(cluster->master_list);
    free(cluster->origin);
    free(cluster->dir);
    *cluster = (struct local_cluster){0};
}

static bool member_number(const struct json_value *object, const char *key, uint64_t maximum,
                          uint64_t *ret_number)
{
    const struct json_value *member = json_member(object, key, JSON_NUMBER);
    if (member == NULL || member->number > maximum)
        return false;
    *ret_number = member->number;
    return true;
}

static bool decode_role(const char *text, enum local_role *ret_role)
{
    for (enum local_role role = LOCAL_MASTER; role <= LOCAL_GATEWAY; role++) {
        if (strcmp(text, local_role_name(role)) == 0) {
            *ret_role = role;
            return true;
        }
    }
    return false;
}

static bool decode_process(const struct json_value *value, struct local_process *process)
{
    uint64_t id = 0;
    uint64_t pid = 0;
    uint64_t supervisor = 0;
    const struct json_value *role_text = json_member(value, "role", JSON_TEXT);
    const struct json_value *address = json_member(value, "address", JSON_TEXT);
    if (role_text == NULL || address == NULL || strlen(address->text) >= sizeof process->address ||
        !member_number(value, "id", UINT32_MAX, &id) ||
        !member_number(value, "pid", INT32_MAX, &pid))
        return false;
    enum local_role role = LOCAL_MASTER;
    const struct json_value *admin = json_member(value, "admin", JSON_TEXT);
    if (!decode_role(role_text->text, &role) ||
        (role == LOCAL_NODE && !member_number(value, "supervisor_pid", INT32_MAX, &supervisor)) ||
        (role == LOCAL_GATEWAY && (admin == NULL || strlen(admin->text) >= sizeof process->admin)))
        return false;
    *process = (struct local_process){
        .role = role,
        .id = (uint32_t)id,
        .pid = (pid_t)pid,
        .supervisor = (pid_t)supervisor,
        .pidfd = -1,
    };
    memcpy(process->address, address->text, strlen(address->text) + 1);
    if (role == LOCAL_GATEWAY)
        memcpy(process->admin, admin->text, strlen(admin->text) + 1);
    return true;
}

static bool decode(const struct json_value *root, struct local_cluster *cluster)
{
    uint64_t format = 0;
    uint64_t chains = 0;
    uint64_t replicas = 0;
    const struct json_value *founded = json_member(root, "is_founded", JSON_BOOL);
    const struct json_value *uuid = json_member(root, "cluster", JSON_TEXT);
    const struct json_value *access_key = json_member(root, "access_key", JSON_TEXT);
    const struct json_value *masters = json_member(root, "masters", JSON_TEXT);
    const struct json_value *processes = json_member(root, "processes", JSON_ARRAY);
    const struct json_value *origin = json_member(root, "dir", JSON_TEXT);
    if (!member_number(root, "format", 1, &format) || uuid == NULL || strlen(uuid->text) != 36 ||
        masters == NULL || processes == NULL || founded == NULL ||
        (access_key != NULL && strlen(access_key->text) >= sizeof cluster->access_key) ||
        !member_number(root, "chains", 65536, &chains) ||
        !member_number(root, "replicas", 8, &replicas))
        return false;
    memcpy(cluster->uuid, uuid->text, 37);
    cluster->master_list = cli_format("%s", masters->text);
    cluster->is_founded = founded->number != 0;
    if (access_key != NULL)
        memcpy(cluster->access_key, access_key->text, strlen(access_key->text) + 1);
    cluster->chains = (uint32_t)chains;
    cluster->replicas = (uint32_t)replicas;
    for (const struct json_value *at = processes->first; at != NULL; at = at->next) {
        if (cluster->count == LOCAL_PROCESSES_MAX ||
            !decode_process(at, &cluster->processes[cluster->count]))
            return false;
        enum local_role role = cluster->processes[cluster->count++].role;
        cluster->masters += role == LOCAL_MASTER;
        cluster->nodes += role == LOCAL_NODE;
        cluster->gateways += role == LOCAL_GATEWAY;
    }
    if (origin != NULL)
        cluster->origin = cli_format("%s", origin->text);
    return cluster->masters > 0 && cluster->nodes > 0 && cluster->gateways <= LOCAL_GATEWAYS_MAX;
}

/* Everything is below the directory that was read, wherever the file was written. */
static void place(struct local_cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++)
        local_process_place(&cluster->processes[i], cluster->dir);
    if (cluster->origin == NULL || strcmp(cluster->origin, cluster->dir) != 0)
        return;
    free(cluster->origin);
    cluster->origin = NULL;
}

/* The whole of a small file; NULL when it cannot be read (errno). */
static char *read_text_file(const char *path)
{
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return NULL;
    char *text = NULL;
    size_t size = 0;
    ssize_t length = getdelim(&text, &size, '\0', in);
    (void)fclose(in);
    if (length < 0) {
        free(text);
        text = cli_format("%s", "");
    }
    return text;
}

enum cli_exit local_cluster_read(const struct cli *cli, const char *dir,
                                 struct local_cluster *cluster)
{
    *cluster = (struct local_cluster){0};
    char *path = cli_format("%s/cluster.json", dir);
    char *text = read_text_file(path);
    enum cli_exit exit = CLI_OK;
    if (text == NULL) {
        exit = errno == ENOENT || errno == ENOTDIR
                   ? CLI_NOT_FOUND
                   : cli_error(cli, CLI_FAILED, "cannot read %s: %s", path, strerror(errno));
        goto out;
    }
    struct json_value *root = json_read(text);
    if (root == NULL || !decode(root, cluster))
        exit = cli_error(cli, CLI_FAILED,
                         "%s is damaged or was not written by this version of catena", path);
    json_value_free(root);
    cluster->dir = realpath(dir, NULL);
    if (exit == CLI_OK && cluster->dir == NULL)
        exit = cli_error(cli, CLI_FAILED, "cannot find %s: %s", dir, strerror(errno));
    if (exit == CLI_OK)
        place(cluster);
out:
    free(text);
    free(path);
    return exit;
}
