/* Inside the Raft model: its state, and who judges it. */
#ifndef CATENA_TESTS_MODEL_RAFT_WORLD_H
#define CATENA_TESTS_MODEL_RAFT_WORLD_H

#include "config_master/raft/internal.h"
#include "tests/lib/kv_memory.h"
#include "tests/model/explore.h"
#include "tests/model/heap.h"
#include "tests/model/net.h"

enum { RAFT_SERVERS = 3, RAFT_TERMS = 32, RAFT_INDEXES = 32, RAFT_STORES = 8 };

/* In its own heap. */
struct raft_server_model {
    uint32_t id;
    struct raft *raft; /* NULL: not running */
    struct kv_memory *store;
    struct kv kv;
    uint64_t tokens[RAFT_STORES]; /* one for each batch that is not stored */
    uint64_t digests[RAFT_STORES];
    uint32_t tokens_count;
    uint64_t durable;
    bool was_leader;
    uint64_t commit; /* highest seen of this process */
};

struct raft_committed {
    uint64_t term;    /* of the entry; 0: not committed */
    uint64_t digest;  /* of its kind and data */
    uint64_t in_term; /* of the server that was first to know */
};

/* In heap 0. */
struct raft_world {
    struct net net;
    uint64_t now_us;
    uint8_t faults_left;
    uint8_t proposals_left;
    uint8_t quanta_left;
    uint8_t next_command;
    bool has_ticked; /* some server has had its time-out */
    uint8_t leader_of_term[RAFT_TERMS];
    struct raft_committed committed[RAFT_INDEXES]; /* by index */
};

extern struct raft_world *raft_world;
extern struct raft_server_model *raft_servers[RAFT_SERVERS + 1];

/* raft_check.c: Figure 3 of the paper and R31, after each step of that server. In heap 0. */
void raft_judge(uint32_t id);

#endif
