/* The S3 gateway of a local cluster: its access key, and starting it. */
#ifndef CATENA_TOOLS_CATENA_LOCAL_GATEWAY_H
#define CATENA_TOOLS_CATENA_LOCAL_GATEWAY_H

#include "tools/catena/local_cluster.h"

enum { LOCAL_ACCESS_KEY_SIZE = 129, LOCAL_SECRET_SIZE = 129 };

struct local_access_key {
    char id[LOCAL_ACCESS_KEY_SIZE];
    char secret[LOCAL_SECRET_SIZE];
};

/* The key that the cluster was given when it was new (cluster->access_key names it), or now: with
 * owner's rights on every bucket. The masters keep it; its secret is in no file. CLI_NOT_FOUND,
 * silently: it was revoked since. Prints other errors. */
enum cli_exit local_gateway_access_key(const struct cli *cli, struct local_cluster *cluster,
                                       struct local_access_key *ret_key);
/* Starts it unless it runs, and waits until it serves. The masters answer already. Prints the
 * error. */
enum cli_exit local_gateway_start(const struct cli *cli, struct local_cluster *cluster,
                                  const char *binaries, uint64_t deadline_ms, bool *ret_started);

#endif
