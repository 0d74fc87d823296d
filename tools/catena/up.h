/* What the files of `catena up` share. */
#ifndef CATENA_TOOLS_CATENA_UP_H
#define CATENA_TOOLS_CATENA_UP_H

#include "tools/catena/cluster_view.h"
#include "tools/catena/local_gateway.h"

struct up {
    struct cli *cli;
    struct local_cluster cluster;
    char *binaries;   /* directory of this program, where the daemons are */
    bool has_gateway; /* it was to be started */
    bool has_access_key;
    struct local_access_key access_key;
    uint64_t deadline_ms;
    const char *waits_for; /* for the message when time is up, and the line on the terminal */
    bool is_told;          /* a waiting line was printed */
};

/* ---- up_wait.c ---- */

/* The waiting line on the terminal; `what` is a literal. */
void up_wait_for(struct up *up, const char *what);
void up_end_waiting_line(struct up *up);
/* Until every chain serves, and a while longer until all have their replicas. Prints the error. */
enum cli_exit up_wait_until_it_serves(struct up *up, struct catena_cluster **ret_cluster);

/* ---- up_print.c ---- */

void up_print_serving(struct up *up, const struct catena_cluster *view, size_t started);
enum cli_exit up_show_status(struct cli *cli, const char *dir);

#endif
