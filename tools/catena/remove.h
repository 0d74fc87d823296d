/* Removing many objects, for rm -r and rb --force. */
#ifndef CATENA_TOOLS_CATENA_REMOVE_H
#define CATENA_TOOLS_CATENA_REMOVE_H

#include "tools/catena/name.h"

/* Removes the tree that the name means: the object KEY, if there is one, and everything below KEY/;
 * of KEY/ what is below it; of no key the whole bucket. Never a key that merely begins with the
 * same letters (dir-old/a for dir). Objects below that others remove meanwhile count as removed.
 * Prints the error. */
enum cli_exit remove_tree(struct cli *cli, const struct name *name, uint64_t *ret_removed);

#endif
