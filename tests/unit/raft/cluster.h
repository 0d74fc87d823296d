/* Raft cores in one thread with a simulated network, disks and clocks; everything from one seed.
 *
 * After each step of a server the oracle checks: raft_check(), election safety, state machine
 * safety and leader completeness (Figure 3), reads that never go back, and lease exclusivity
 * (R31). A failed check aborts through contract_fail() after printing the seed. */
#ifndef CATENA_TESTS_UNIT_RAFT_CLUSTER_H
#define CATENA_TESTS_UNIT_RAFT_CLUSTER_H

#include "base/prng.h"
#include "config_master/raft/internal.h"
#include "tests/lib/kv_memory.h"

enum { CLUSTER_SERVERS = 7, CLUSTER_TERMS = 65536 };

struct cluster_store {
    uint64_t token;
    uint64_t done_us; /* real time */
};

struct cluster_server {
    uint32_t id;
    struct raft *raft; /* NULL: down */
    struct kv_memory *disk;
    struct raft_effects effects;
    struct cluster_store *stores; /* under way, in order */
    size_t stores_count;
    size_t stores_capacity;
    int64_t clock_ppm;
    uint64_t clock_offset_us;
    /* The replicated state: how many commands, a hash of them in order, the last. */
    uint64_t applied_index;
    uint64_t commands;
    uint64_t hash;
    bool wiped; /* lost its disk while it was a member */
};

struct cluster_packet {
    uint64_t at_us;
    uint64_t sequence;
    uint32_t to;
    uint32_t from;
    struct wire_message message; /* owned copy */
};

struct cluster_committed {
    uint64_t term;
    uint64_t digest; /* of kind and data */
    bool known;
};

struct cluster {
    uint64_t seed;
    struct prng prng;
    uint64_t now_us; /* real time */
    struct raft_options options;
    struct cluster_server servers[CLUSTER_SERVERS]; /* id - 1 */
    bool cut[CLUSTER_SERVERS][CLUSTER_SERVERS];     /* from, to */
    unsigned loss_percent;
    unsigned duplicate_percent;
    uint64_t delay_max_us;
    uint64_t disk_max_us;
    struct cluster_packet *packets; /* heap by (at_us, sequence) */
    size_t packets_count;
    size_t packets_capacity;
    uint64_t sequence;
    /* Oracle. */
    uint32_t leader_of_term[CLUSTER_TERMS];
    struct cluster_committed *committed; /* by index */
    size_t committed_capacity;
    uint64_t committed_max;
    uint64_t known_index; /* told to some client: later reads may not be older */
    struct {
        uint64_t id;
        uint64_t known_index; /* when it was asked */
    } reads[256];             /* by id % 256 */
    uint64_t next_id;
    struct {
        uint64_t id;
        enum err err;
    } outcomes[256]; /* by id % 256 */
    uint64_t proposed_ok;
    uint64_t proposed_failed;
    uint64_t reads_ok;
    uint64_t changes_ok;
    uint64_t elections;
    uint64_t snapshots_installed;
};

struct cluster *cluster_new(uint64_t seed, uint32_t members);
void cluster_free(struct cluster *cluster);
struct cluster_server *cluster_server(struct cluster *cluster, uint32_t id);
/* Starts a server on its disk; an empty disk waits to be added. */
void cluster_start(struct cluster *cluster, uint32_t id);
/* Loses what was not synced, but a random prefix. */
void cluster_crash(struct cluster *cluster, uint32_t id);
void cluster_wipe(struct cluster *cluster, uint32_t id);
void cluster_cut(struct cluster *cluster, uint32_t a, uint32_t b, bool is_cut); /* both ways */
void cluster_isolate(struct cluster *cluster, uint32_t id, bool is_isolated);
void cluster_heal(struct cluster *cluster);
/* Runs for that long. */
void cluster_run(struct cluster *cluster, uint64_t us);
/* Runs until the condition or the deadline; true if it held. */
bool cluster_run_until(struct cluster *cluster, bool (*condition)(struct cluster *cluster),
                       uint64_t us);
/* The leader of the highest term that is up, or 0. */
uint32_t cluster_leader(struct cluster *cluster);
bool cluster_has_leader(struct cluster *cluster);
/* True if the request was answered; then *ret_err is how. */
bool cluster_is_answered(const struct cluster *cluster, uint64_t id, enum err *ret_err);
/* Ids answered by PROPOSED or READ_READY. */
uint64_t cluster_propose(struct cluster *cluster, uint32_t id);
uint64_t cluster_read(struct cluster *cluster, uint32_t id);
uint64_t cluster_change(struct cluster *cluster, uint32_t id, uint32_t server, bool add);
uint64_t cluster_transfer(struct cluster *cluster, uint32_t id, uint32_t target);
/* Every member of the leader's configuration is up, has the same commit index and state. */
bool cluster_is_converged(struct cluster *cluster);
/* Log Matching (Figure 3) over all pairs that are up. */
void cluster_check_logs(struct cluster *cluster);

#endif
