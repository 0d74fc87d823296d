/* The parent process of a node (decision D6).
 *
 * It forks the worker before any thread exists, waits for it, and when it is dead, of whatever
 * cause, tells the masters, naming the incarnation; then it ends with the worker's status (128+N
 * after signal N). It does not restart the worker. SIGTERM and SIGINT are passed on. When the
 * supervisor itself dies, the kernel kills the worker (PR_SET_PDEATHSIG): a worker without a
 * supervisor would be a node whose death nobody proves; then no obituary is sent and the master
 * waits for the lease. */
#ifndef CATENA_CHAINNODE_IO_SUPERVISOR_H
#define CATENA_CHAINNODE_IO_SUPERVISOR_H

#include "chainnode/io/settings.h"

/* The worker's whole life; report_fd is where it writes one struct worker_report (-1: nowhere). */
typedef int supervisor_worker(const struct node_settings *settings, int report_fd,
                              uint32_t supervisor_pid);

/* Returns the exit status of the process: in the parent after the worker's death. The worker's
 * process never returns from here. */
int supervisor_run(const struct node_settings *settings, supervisor_worker *worker);

#endif
