/* One file up or down, with the bar and the line that says what was done: put, get, and cp of one
 * file. */
#ifndef CATENA_TOOLS_CATENA_SINGLE_H
#define CATENA_TOOLS_CATENA_SINGLE_H

#include "tools/catena/name.h"

/* path "-": standard input. Connects. */
enum cli_exit single_up(struct cli *cli, const char *path, const struct name *name,
                        const struct catena_op_options *op);
/* path "-": standard output; NULL: the last part of the key, here. Connects. */
enum cli_exit single_down(struct cli *cli, const struct name *name, const char *path,
                          uint64_t offset, uint64_t length);

#endif
