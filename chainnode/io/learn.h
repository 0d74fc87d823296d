/* The first start of an empty directory: which cluster is this? */
#ifndef CATENA_CHAINNODE_IO_LEARN_H
#define CATENA_CHAINNODE_IO_LEARN_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/uuid.h"
#include "chainnode/io/settings.h"

/* Connects to the masters until one names its cluster in its hello. Waits as long as it takes:
 * masters may be started after nodes. ERR_CANCELLED when *stop_asked becomes true. */
enum err learn_cluster(const struct node_settings *settings, atomic_bool *stop_asked,
                       struct uuid *ret_cluster);

#endif
