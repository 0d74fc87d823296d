/* Starting the daemons of a local cluster, detached from this terminal. */
#ifndef CATENA_TOOLS_CATENA_LOCAL_START_H
#define CATENA_TOOLS_CATENA_LOCAL_START_H

#include "tools/catena/local_cluster.h"

/* Where a process that is asked to finds the descriptor that it announces itself to. */
#define LOCAL_READY_FD_TEXT "3"

/* The directory of this program, where the daemons that the cluster needs are too. Prints the
 * error. */
enum cli_exit local_find_binaries(const struct cli *cli, bool with_gateway, char **ret_directory);
/* Starts the program arguments[0] with its words in process->log; ready_fd becomes its descriptor 3
 * (-1: none). Marks the process as started. Prints the error. */
enum cli_exit local_spawn(const struct cli *cli, struct local_process *process,
                          char *const *arguments, int ready_fd, pid_t *ret_pid);
/* Refuses a copy of a cluster whose original runs: both have the same addresses and ids. Prints the
 * error. */
enum cli_exit local_check_origin(const struct cli *cli, const struct local_cluster *cluster);
/* Starts masters and nodes that do not run; *ret_started counts. cluster.json follows at once:
 * whatever happens next, `down` finds them. Prints the error. */
enum cli_exit local_start_missing(const struct cli *cli, struct local_cluster *cluster,
                                  const char *binaries, size_t *ret_started);
/* The end of a process's log, on standard error. */
void local_show_log(const struct local_process *process);

#endif
