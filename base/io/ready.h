/* How a daemon tells its launcher that it is ready: the same convention for every daemon.
 *
 * - At start the daemon removes DIR/ready (ready_clear).
 * - When it is ready (a node: registered with the leading master; a master: listening) it writes
 * one line, first to the file descriptor of --ready-fd (if given; it is closed after that, so that
 * a launcher that sees the end of file without a line knows that the daemon died), then to
 * DIR/ready, which appears at once and complete.
 *
 * The line: `ready role=node id=1 pid=12 supervisor=11 address=127.0.0.1:9001 ...`. */
#ifndef CATENA_BASE_IO_READY_H
#define CATENA_BASE_IO_READY_H

#include <stdint.h>

#include "base/err.h"

void ready_clear(const char *directory);
/* ready_fd: 0 = none. ERR_IO when either place cannot be written. */
enum err ready_announce(const char *directory, uint32_t ready_fd, const char *line);

#endif
