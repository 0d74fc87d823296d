/* A real cluster for tests: started and stopped through the shipped `catena` command, broken by
 * signals.
 *
 * Processes are found through the cluster itself (status, locate), so only processes of the test's
 * own cluster are ever signalled. */
#ifndef CATENA_TESTS_INTEGRATION_CLUSTER_H
#define CATENA_TESTS_INTEGRATION_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/include/catena.h"

struct cluster {
    char bin[512];      /* directory of the binaries */
    char dir[512];      /* the cluster's own temporary directory */
    char masters[1024]; /* for catena_options.masters */
};

/* Starts `catena up` in a new temporary directory; ends the test program with a message on failure.
 * The directory is kept (and named) when the program fails, removed by cluster_free otherwise. */
void cluster_start(struct cluster *cluster, const char *bin, uint32_t chains);
/* `catena up` again: starts what is not running, on the same data. */
void cluster_restart_missing(struct cluster *cluster);
void cluster_stop(struct cluster *cluster);
void cluster_free(struct cluster *cluster);
/* kill -9 of every process of the cluster, supervisors included, at once. */
void cluster_kill_all(struct cluster *cluster);

struct catena_client *cluster_client(const struct cluster *cluster, uint32_t timeout_ms);
/* Pid of the member with that role in the chain of bucket/key; waits until there is one. */
pid_t cluster_member_pid(struct catena_client *client, const char *bucket, const char *key,
                         const char *role, uint32_t *ret_chain);
pid_t cluster_leader_pid(struct catena_client *client);
/* Waits until every chain has its full length and no joiner; fails after the deadline. */
void cluster_wait_whole(struct catena_client *client, uint32_t seconds);
void kill_and_wait_gone(pid_t pid);
/* Prints the message and where the logs are, and exits with 1. */
_Noreturn void test_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
