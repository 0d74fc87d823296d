/* Starting the daemons of a local cluster, detached from this terminal. */
#ifndef CATENA_TOOLS_CATENA_LOCAL_START_H
#define CATENA_TOOLS_CATENA_LOCAL_START_H

#include "tools/catena/local_cluster.h"

/* The directory of this program, where the daemons are too. Prints the error. */
enum cli_exit local_find_binaries(const struct cli *cli, char **ret_directory);
/* Starts what does not run; *ret_started counts. cluster.json follows at once: whatever happens
 * next, `down` finds them. Prints the error. */
enum cli_exit local_start_missing(const struct cli *cli, struct local_cluster *cluster,
                                  const char *binaries, size_t *ret_started);
/* The end of a process's log, on standard error. */
void local_show_log(const struct local_process *process);

#endif
