/* The ledger: what was hit by what, and where processes died.
 *
 * A cell counts the operations of a kind that were under way while a fault was, by the role that
 * the victim of the fault had in the chain of the operation's key. Each run adds to one ledger and
 * appends it to a file; files are merged into tables in which the holes can be seen. */
#ifndef CATENA_TESTS_SIM_LEDGER_H
#define CATENA_TESTS_SIM_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/sim.h"

enum ledger_operation {
    LEDGER_GET,
    LEDGER_STAT,
    LEDGER_CHUNK,
    LEDGER_LIST,
    LEDGER_PUT,
    LEDGER_PUT_CONDITION,
    LEDGER_PUT_CHUNKS,
    LEDGER_DELETE,
    LEDGER_DELETE_CONDITION,
    LEDGER_STAGE,
    LEDGER_ABORT,
    LEDGER_OPEN,
    LEDGER_PART,
    LEDGER_COMPLETE,
    LEDGER_CLOSE,
    LEDGER_RESTAMP,
    LEDGER_PUT_TOKEN,
    LEDGER_LIST_UPLOADS,
    LEDGER_PARTS_LIST,
    LEDGER_BUCKET_CREATE,
    LEDGER_BUCKET_DELETE,
    LEDGER_OPERATIONS
};

enum ledger_role {
    LEDGER_HEAD,
    LEDGER_MIDDLE,
    LEDGER_TAIL,
    LEDGER_SINGLE,
    LEDGER_JOINER,
    LEDGER_OUTSIDE, /* a node of other chains */
    LEDGER_LEADER,
    LEDGER_FOLLOWER,
    LEDGER_CLIENT,
    LEDGER_ALL, /* the whole cluster, the network */
    LEDGER_ROLES
};

/* The list is the order in which faults.c knows its actions. */
#define LEDGER_FAULTS_LIST(X)                                                                      \
    X(KILL_WORKER, "kill -9 of a worker")                                                          \
    X(KILL_HOST, "power loss of a host")                                                           \
    X(KILL_MASTER, "death of a master")                                                            \
    X(KILL_POINT, "death at a kill point")                                                         \
    X(POWER_CUT, "power cut of all")                                                               \
    X(PAUSE, "pause")                                                                              \
    X(PAUSE_IN_BATCH, "pause between check and reply")                                             \
    X(DRIFT, "clock rate changes")                                                                 \
    X(ISOLATE, "one host cut off")                                                                 \
    X(SPLIT, "cluster split")                                                                      \
    X(CUT_LINK, "one link cut")                                                                    \
    X(CUT_ONE_WAY, "one link cut one way")                                                         \
    X(CLOG, "link clogged")                                                                        \
    X(STORM, "loss, doubling, reordering")                                                         \
    X(REPLAY, "late frames of the past")                                                           \
    X(BREAK, "connections break, their data comes late")                                           \
    X(SLOW_DISK, "slow disk")                                                                      \
    X(DISK_FULL, "disk full, then freed")                                                          \
    X(FSYNC, "fsync error")                                                                        \
    X(LOSE_DISK, "disk wiped")                                                                     \
    X(RESTORE_DISK, "older disk restored")                                                         \
    X(SWAP_DISKS, "two disks swapped")                                                             \
    X(REPLACE_NODE, "node removed, replaced")                                                      \
    X(TRANSFER, "leadership transferred")                                                          \
    X(MASTERS, "masters added, removed")                                                           \
    X(LOSE_MASTER, "master's disk wiped")                                                          \
    X(ROLES, "role balance switched")

enum ledger_fault {
#define X(name, text) LEDGER_FAULT_##name,
    LEDGER_FAULTS_LIST(X)
#undef X
        LEDGER_FAULTS
};

enum {
    LEDGER_KILLS_MAX = 160,
    LEDGER_INSTANCES = 64,
};

struct ledger_instance {
    enum ledger_fault fault;
    uint64_t begin_us;
    uint64_t end_us;                           /* 0: free */
    enum ledger_role by_chain[SIM_CHAINS_MAX]; /* the victim's */
};

struct ledger {
    uint64_t cells[LEDGER_OPERATIONS][LEDGER_FAULTS][LEDGER_ROLES];
    uint64_t kills[LEDGER_KILLS_MAX][LEDGER_ROLES];
    uint64_t worlds;
    uint64_t simulated_us;
    struct ledger_instance instances[LEDGER_INSTANCES];
    uint32_t next;
};

/* A fault begins that is felt for so long. victim: a process or NULL for all. */
void ledger_fault(struct world *world, enum ledger_fault fault, const struct sim_process *victim,
                  uint64_t us);
/* An operation ended. chain: UINT32_MAX for an operation on all chains. */
void ledger_operation(struct world *world, enum ledger_operation operation, uint32_t chain,
                      uint64_t called_us);
void ledger_kill(struct world *world, unsigned point, enum ledger_role role);
/* A world is over: its faults do not reach into the next one. */
void ledger_world_ends(struct world *world);
enum ledger_role ledger_role_of(const struct sim_process *process, uint32_t chain);
const char *ledger_role_name(enum ledger_role role);
const char *ledger_fault_text(enum ledger_fault fault);

/* Of kill_points.c: "receives FORWARD, before"; NULL beyond the last. */
const char *kill_point_name(unsigned point);
bool kill_point_is_of_master(unsigned point);
/* May a process in that role pass it? */
bool kill_point_is_possible(unsigned point, enum ledger_role role);

/* ---- ledger_file.c ---- */

bool ledger_append(const struct ledger *ledger, const char *path);
/* Adds what a file holds. False: it cannot be read, or is none. */
bool ledger_add_file(struct ledger *ledger, const char *path);
/* The tables in Markdown. */
void ledger_print(const struct ledger *ledger);

#endif
