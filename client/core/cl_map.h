/* The client's copy of the cluster map: chains, nodes, masters.
 *
 * Read-only for everybody but client/core/map.c. Valid until the next step of the core. */
#ifndef CATENA_CLIENT_CORE_CL_MAP_H
#define CATENA_CLIENT_CORE_CL_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "wire/messages.h"

struct cl_row {
    uint64_t epoch; /* 0: not known yet */
    uint64_t version;
    uint64_t seen_epoch; /* highest epoch of this chain in any row or answer (R19); >= epoch */
    uint32_t replicas;
    uint32_t members_count;
    struct wire_member members[BOUND_CHAIN_MEMBERS]; /* head first, tail last */
    struct wire_member joiner;                       /* node 0 = none */
    bool frozen;
};

struct cl_node {
    uint32_t node;
    uint64_t incarnation;
    char address[BOUND_ADDRESS_BYTES + 1];
    char zone[BOUND_NAME_BYTES + 1];
    uint32_t pid;
    uint8_t state; /* enum wire_node_state */
    uint64_t version;
    uint64_t space_total; /* bytes */
    uint64_t space_free;  /* bytes */
};

struct cl_master {
    uint32_t master;
    char address[BOUND_ADDRESS_BYTES + 1];
    uint32_t pid;
    bool is_leader;
    bool is_reachable;
};

struct cl_map {
    bool is_installed; /* a complete map was received */
    uint64_t version;
    struct uuid cluster;
    uint32_t replicas;
    uint32_t chain_count; /* 0: the cluster has no chains yet */
    struct cl_row *rows;  /* chain_count of them */
    struct map nodes;     /* node id -> struct cl_node */
    struct cl_master masters[BOUND_MASTERS];
    uint32_t masters_count;
};

#endif
