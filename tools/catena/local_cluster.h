/* A cluster of processes on this machine, as D/cluster.json describes it.
 *
 * The file is written before the first process is started and replaced atomically with every
 * change, so an interrupted `up` can be repeated. Where D is now is the truth: directories and logs
 * are those below it, whatever the file says (it may have been copied or moved with D). Pids in it
 * are only hints: a pid counts as one of ours only if that process was started with its directory
 * below D. */
#ifndef CATENA_TOOLS_CATENA_LOCAL_CLUSTER_H
#define CATENA_TOOLS_CATENA_LOCAL_CLUSTER_H

#include <sys/types.h>

#include "tools/catena/cli.h"
#include "tools/catena/json.h"

enum { LOCAL_MASTERS_MAX = 7, LOCAL_NODES_MAX = 64, LOCAL_GATEWAYS_MAX = 1 };
enum { LOCAL_PROCESSES_MAX = LOCAL_MASTERS_MAX + LOCAL_NODES_MAX + LOCAL_GATEWAYS_MAX };

enum local_role { LOCAL_MASTER, LOCAL_NODE, LOCAL_GATEWAY };

struct local_process {
    enum local_role role;
    uint32_t id;
    pid_t pid;        /* of the process that serves (a node's worker); 0 = unknown */
    pid_t supervisor; /* nodes: its parent; others: 0 */
    char address[64];
    char admin[64]; /* gateways: health and metrics */
    char *dir;      /* absolute, below the cluster's; so is log */
    char *log;
    bool is_started; /* by this command: a child of ours */
    int pidfd;       /* of what was started, -1 = none */
};

struct local_cluster {
    char *dir;    /* absolute */
    char *origin; /* where cluster.json was written, if that is elsewhere: a copy; else NULL */
    char uuid[37];
    uint32_t masters;
    uint32_t nodes;
    uint32_t gateways;
    uint32_t chains;
    uint32_t replicas;
    char access_key[129]; /* name of the one that `up` created; "" = none yet */
    bool is_founded;      /* it has served: masters are no longer started with --bootstrap */
    char *master_list;    /* "127.0.0.1:1,127.0.0.1:2": for clients */
    struct local_process processes[LOCAL_PROCESSES_MAX]; /* masters, nodes, gateways */
    size_t count;
};

/* "master", "node", "gateway". */
const char *local_role_name(enum local_role role);
/* "master 1", "node 3". */
const char *local_process_name(const struct local_process *process, char text[24]);
/* Sets dir and log of a process, by its role and id, below the directory of its cluster. */
void local_process_place(struct local_process *process, const char *cluster_dir);
/* True if a process with that pid runs and is the one that `dir` names: an argument of it is that
 * directory or a file in it. */
bool local_pid_is_ours(pid_t pid, const char *dir);
bool local_process_is_alive(const struct local_process *process);
/* Waits up to that long for the process to end. */
bool local_pid_wait(pid_t pid, const char *dir, unsigned wait_ms);

/* CLI_OK, CLI_NOT_FOUND (silently) when there is no cluster.json, else prints the error. Release
 * the cluster in every case. */
enum cli_exit local_cluster_read(const struct cli *cli, const char *dir,
                                 struct local_cluster *cluster);
/* Frees what the struct owns. Legal after a failed read or plan too. */
void local_cluster_release(struct local_cluster *cluster);
enum cli_exit local_cluster_write(const struct cli *cli, const struct local_cluster *cluster);
void local_cluster_json(struct json *json, const struct local_cluster *cluster);
/* Fills in identity, addresses and directories of a new one; masters, nodes, gateways, chains and
 * replicas are set. */
enum cli_exit local_cluster_plan(const struct cli *cli, const char *dir,
                                 struct local_cluster *cluster);
/* Adds a gateway to a cluster that has none. */
enum cli_exit local_cluster_add_gateway(const struct cli *cli, struct local_cluster *cluster);
/* NULL if the cluster has none. */
struct local_process *local_cluster_gateway(struct local_cluster *cluster);
/* One `up` or `down` at a time for a directory. Held until the process ends. */
enum cli_exit local_cluster_lock(const struct cli *cli, const char *dir);

#endif
