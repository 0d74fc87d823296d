/* Other processes of this host. */
#ifndef CATENA_BASE_IO_PROCESS_H
#define CATENA_BASE_IO_PROCESS_H

#include <stdbool.h>

/* Gone, or killed and on its way out: such a process runs no more code of its own, but keeps its
 * files until the last of its threads has ended (a thread in an fsync ends after it). True for a
 * number without a process here, also when it is one of another container. */
bool process_is_ending(long pid);

#endif
