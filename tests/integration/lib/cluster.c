#include "tests/integration/lib/cluster.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/integration/lib/history.h"

static const struct cluster *running; /* for the message of test_fail */

_Noreturn void test_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fprintf(stderr, "FAILED: ");
    (void)vfprintf(stderr, format, arguments);
    (void)fprintf(stderr, "\n");
    va_end(arguments);
    if (running != NULL) {
        (void)fprintf(stderr, "the cluster's directory is kept: %s\n", running->dir);
        cluster_stop((struct cluster *)(uintptr_t)running);
    }
    exit(1);
}

/* One bounded pause of a polling loop that has a deadline of its own. */
static void poll_pause(void)
{
    struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    (void)nanosleep(&pause, NULL);
}

static int run(const struct cluster *cluster, const char *const arguments[])
{
    char path[600];
    (void)snprintf(path, sizeof path, "%s/%s", cluster->bin, arguments[0]);
    (void)fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        test_fail("fork: %s", strerror(errno));
    if (child == 0) {
        /* The command's talk would drown the test's own lines; failures keep it in the logs. */
        char log[600];
        (void)snprintf(log, sizeof log, "%s/test-commands.log", cluster->dir);
        if (freopen(log, "a", stdout) == NULL || dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
            _exit(126);
        (void)execv(path, (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            test_fail("waitpid: %s", strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static char *read_cluster_json(const struct cluster *cluster)
{
    char path[600];
    (void)snprintf(path, sizeof path, "%s/data/cluster.json", cluster->dir);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        test_fail("%s: %s", path, strerror(errno));
    char *text = calloc(1, 1u << 20);
    if (text == NULL)
        test_fail("out of memory");
    (void)fread(text, 1, (1u << 20) - 1, file);
    (void)fclose(file);
    return text;
}

static void up(struct cluster *cluster, uint32_t chains)
{
    char dir[600];
    char number[16];
    (void)snprintf(dir, sizeof dir, "%s/data", cluster->dir);
    (void)snprintf(number, sizeof number, "%u", chains);
    const char *const first[] = {"catena",       "up",       "--dir", dir,
                                 "--no-gateway", "--chains", number,  NULL};
    const char *const again[] = {"catena", "up", "--dir", dir, NULL};
    int status = run(cluster, chains > 0 ? first : again);
    if (status != 0)
        test_fail("catena up ended with status %d, see %s/test-commands.log", status, cluster->dir);
}

void cluster_start(struct cluster *cluster, const char *bin, uint32_t chains)
{
    *cluster = (struct cluster){0};
    (void)snprintf(cluster->bin, sizeof cluster->bin, "%s", bin);
    const char *base = getenv("TMPDIR");
    (void)snprintf(cluster->dir, sizeof cluster->dir, "%s/catena-test-XXXXXX",
                   base == NULL ? "/tmp" : base);
    if (mkdtemp(cluster->dir) == NULL)
        test_fail("mkdtemp %s: %s", cluster->dir, strerror(errno));
    running = cluster;
    up(cluster, chains);
    char *json = read_cluster_json(cluster);
    const char *at = strstr(json, "\"masters\"");
    at = at == NULL ? NULL : strchr(at + 9, '"');
    if (at == NULL)
        test_fail("cluster.json names no masters");
    (void)snprintf(cluster->masters, sizeof cluster->masters, "%.*s", (int)strcspn(at + 1, "\""),
                   at + 1);
    free(json);
}

void cluster_restart_missing(struct cluster *cluster)
{
    up(cluster, 0);
}

void cluster_stop(struct cluster *cluster)
{
    char dir[600];
    (void)snprintf(dir, sizeof dir, "%s/data", cluster->dir);
    const char *const down[] = {"catena", "down", "--dir", dir, NULL};
    (void)run(cluster, down);
}

void cluster_free(struct cluster *cluster)
{
    cluster_stop(cluster);
    running = NULL;
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)execlp("rm", "rm", "-rf", "--", cluster->dir, (char *)NULL);
        _exit(127);
    }
    if (child > 0)
        (void)waitpid(child, NULL, 0);
}

/* True if the process was started by this cluster: its command line names the directory. */
static bool is_ours(const struct cluster *cluster, pid_t pid)
{
    char path[64];
    char line[8192];
    (void)snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    size_t length = fread(line, 1, sizeof line - 1, file);
    (void)fclose(file);
    for (size_t i = 0; i < length; i++)
        if (line[i] == '\0')
            line[i] = ' ';
    line[length] = '\0';
    return strstr(line, cluster->dir) != NULL;
}

void cluster_kill_all(struct cluster *cluster)
{
    char *json = read_cluster_json(cluster);
    pid_t pids[64];
    size_t count = 0;
    for (const char *at = json; (at = strstr(at, "pid\"")) != NULL && count < 64;) {
        at += 4;
        while (*at == ' ' || *at == ':')
            at++;
        pid_t pid = (pid_t)strtol(at, NULL, 10);
        if (pid > 1 && is_ours(cluster, pid))
            pids[count++] = pid;
    }
    free(json);
    if (count < 6)
        test_fail("cluster.json names only %zu running processes", count);
    for (size_t i = 0; i < count; i++)
        (void)kill(pids[i], SIGKILL);
    for (size_t i = 0; i < count; i++)
        kill_and_wait_gone(pids[i]);
}

struct catena_client *cluster_client(const struct cluster *cluster, uint32_t timeout_ms)
{
    struct catena_options options = CATENA_OPTIONS_INIT;
    options.masters = cluster->masters;
    options.timeout_ms = timeout_ms;
    struct catena_client *client = NULL;
    if (catena_open(&options, &client) != CATENA_OK)
        test_fail("catena_open: %s", catena_error_text());
    return client;
}

pid_t cluster_member_pid(struct catena_client *client, const char *bucket, const char *key,
                         const char *role, uint32_t *ret_chain)
{
    uint64_t deadline = now_us() + 30u * 1000u * 1000u;
    while (now_us() < deadline) {
        struct catena_cluster *map = NULL;
        const struct catena_chain *chain = NULL;
        pid_t pid = 0;
        if (catena_locate(client, bucket, key, strlen(key), &map, &chain) == CATENA_OK) {
            for (size_t i = 0; i < chain->member_count; i++)
                if (strcmp(chain->members[i].role, role) == 0)
                    pid = (pid_t)chain->members[i].pid;
            if (ret_chain != NULL)
                *ret_chain = chain->chain;
            catena_cluster_free(map);
        }
        if (pid > 1)
            return pid;
        poll_pause();
    }
    test_fail("no %s for %s/%s within 30 s", role, bucket, key);
}

pid_t cluster_leader_pid(struct catena_client *client)
{
    uint64_t deadline = now_us() + 30u * 1000u * 1000u;
    while (now_us() < deadline) {
        struct catena_cluster *map = NULL;
        pid_t pid = 0;
        if (catena_cluster_get(client, &map) == CATENA_OK) {
            for (size_t i = 0; i < map->master_count; i++)
                if (map->masters[i].is_leader)
                    pid = (pid_t)map->masters[i].pid;
            catena_cluster_free(map);
        }
        if (pid > 1)
            return pid;
        poll_pause();
    }
    test_fail("no leading master within 30 s");
}

static size_t count_broken(const struct catena_cluster *map)
{
    size_t broken = 0;
    for (size_t i = 0; i < map->chain_count; i++) {
        const struct catena_chain *chain = &map->chains[i];
        bool joins = chain->member_count > 0 &&
                     strcmp(chain->members[chain->member_count - 1].role, "joiner") == 0;
        if (joins || chain->member_count != chain->replicas)
            broken++;
    }
    return map->chain_count == 0 ? 1 : broken;
}

void cluster_wait_whole(struct catena_client *client, uint32_t seconds)
{
    uint64_t deadline = now_us() + (uint64_t)seconds * 1000u * 1000u;
    size_t broken = 1;
    while (now_us() < deadline) {
        struct catena_cluster *map = NULL;
        if (catena_cluster_get(client, &map) == CATENA_OK) {
            broken = count_broken(map);
            catena_cluster_free(map);
            if (broken == 0)
                return;
        }
        poll_pause();
    }
    test_fail("%zu chains are not whole after %u s", broken, seconds);
}

void kill_and_wait_gone(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    uint64_t deadline = now_us() + 10u * 1000u * 1000u;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    while (now_us() < deadline) {
        FILE *file = fopen(path, "r");
        if (file == NULL)
            return;
        char line[512] = "";
        (void)fgets(line, sizeof line, file);
        (void)fclose(file);
        const char *state = strrchr(line, ')');
        if (state != NULL && state[1] != '\0' && state[2] == 'Z')
            return; /* dead, not yet reaped by its parent */
        poll_pause();
    }
    test_fail("process %d is still there 10 s after kill -9", (int)pid);
}
