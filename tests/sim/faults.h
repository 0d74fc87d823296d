/* What the files of the faults share. Private to tests/sim/fault*.c.
 *
 * Every fault ends by itself after a while, and faults_end() ends all. A fault that takes a copy of
 * the data away happens only while every chain is whole. */
#ifndef CATENA_TESTS_SIM_FAULTS_H
#define CATENA_TESTS_SIM_FAULTS_H

#include "client/core/cl_core.h"
#include "tests/sim/ledger.h"

/* Steps that somebody takes until each has succeeded: an operator with a runbook. */
enum chore_stage {
    CHORE_IDLE,
    CHORE_MASTER_REMOVE,
    CHORE_MASTER_WAIT,
    CHORE_MASTER_ADD,
    CHORE_NODE_REMOVE,
    CHORE_NODE_RETURN,
    CHORE_SWAP_BACK,
};

struct chore {
    struct world *world;
    enum chore_stage stage;
    bool is_asking;  /* an answer is awaited */
    uint32_t master; /* the one that leaves */
    uint32_t other;  /* the one that comes */
    uint32_t node;
    uint32_t second;
    bool for_ever;
    char address[SIM_ADDRESS_BYTES]; /* lives until the client has run */
};

struct faults {
    struct world *world;
    bool is_over;
    bool is_enabled[LEDGER_FAULTS];
    uint64_t pause_min_us; /* between two faults */
    uint64_t pause_max_us;
    uint64_t images[SIM_NODES_MAX + 1][SIM_CHAINS_MAX]; /* where the disks' images end, at most */
    struct chore masters;
    struct chore nodes;
    struct chore swap;
};

/* One at a time in a program; the world holds no pointer to it. */
extern struct faults faults;

struct sim_process *fault_pick(struct world *world, enum sim_kind kind);
void fault_start_later(struct sim_process *process, uint64_t max_us);

/* fault_deaths.c */
void fault_kill_node(struct sim_process *node, bool with_host, uint64_t down_max_us);
/* Dead until somebody starts it. */
void fault_kill_node_for_now(struct sim_process *node, bool with_host);
void fault_kill_worker(struct world *world);
void fault_kill_host(struct world *world);
void fault_kill_master(struct world *world);
void fault_kill_point(struct world *world);
void fault_power_cut(struct world *world);
void fault_pause(struct world *world);
void fault_pause_in_batch(struct world *world);
void fault_drift(struct world *world);

/* fault_network.c */
void fault_isolate(struct world *world);
void fault_split(struct world *world);
void fault_cut_link(struct world *world);
void fault_cut_one_way(struct world *world);
void fault_clog(struct world *world);
void fault_storm(struct world *world);
void fault_replay(struct world *world);
void fault_break(struct world *world);
void fault_network_heals(struct world *world);

/* fault_disks.c */
void fault_slow_disk(struct world *world);
void fault_disk_full(struct world *world);
void fault_fsync(struct world *world);
void fault_lose_disk(struct world *world);
void fault_restore_disk(struct world *world);
void fault_disks_heal(struct world *world);

/* fault_chores.c */
void fault_swap_disks(struct world *world);
void fault_replace_node(struct world *world);
void fault_transfer(struct world *world);
void fault_masters(struct world *world);
void fault_lose_master(struct world *world);
void fault_roles(struct world *world);
void fault_chores_end(struct world *world);

#endif
