/* Removing many objects, for rm -r and rb --force. */
#ifndef CATENA_TOOLS_CATENA_REMOVE_H
#define CATENA_TOOLS_CATENA_REMOVE_H

#include "tools/catena/name.h"

/* Removes every object of the bucket whose key begins with name's key ("" = all). Objects that
 * others remove meanwhile count as removed. Prints the error. */
enum cli_exit remove_prefix(struct cli *cli, const struct name *name, uint64_t *ret_removed);

#endif
