/* Placement: which chain a key belongs to, and which servers form a chain.
 *
 * What it is: pure functions over small arrays; equal inputs give equal outputs on every machine.
 * What it is not: the map itself. Chains are rows in the master's state; what is here only
 * generates them, ranks servers for a vacancy and plans moves. Anyone may call it; nothing is kept
 * between calls.
 *
 * A *map* is a flat array of node ids: row c is members[c * replicas .. c * replicas + replicas),
 * head first, 0 = no member (only at the end of a row). A node's *zone* is a path of failure
 * domains, widest first, separated by '/': "room1/rack7". An empty zone shares nothing with any
 * other. Weight 0: the node takes no new member. */
#ifndef CATENA_PLACEMENT_PLACEMENT_H
#define CATENA_PLACEMENT_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bounds.h"
#include "base/slice.h"

struct pl_node {
    uint32_t id; /* > 0, distinct */
    struct slice zone;
    uint32_t weight; /* relative capacity */
};

/* ---- key -> chain (hash.c) ---- */

/* The chain of a key: mulhi64(XXH3_64(key, seed = bucket), chains), 0 <= chain < chains. Bit-exact
 * for ever: test vectors in tests/unit/placement (S15). chains > 0. */
uint32_t pl_hash(uint64_t bucket, struct slice key, uint32_t chains);

/* ---- zones (zone.c) ---- */

/* How many leading components two zone paths share; 0 when either is empty. */
uint32_t pl_zone_shared(struct slice a, struct slice b);

/* ---- base blocks (blocks.c) ---- */

enum { PL_BLOCKS_MAX = 256 };

/* Offsets of rotated rows: block b gives the rows (s + offsets[b][0], s + offsets[b][1], ...) mod
 * nodes for s = 0 .. nodes - 1, in which each server is head, middle and tail exactly once. */
struct pl_blocks {
    uint32_t nodes;
    uint32_t replicas;
    uint32_t count;
    uint16_t offsets[PL_BLOCKS_MAX][BOUND_CHAIN_MEMBERS];
    uint32_t pair_min; /* over all pairs of servers: chains that both are in, per full round of */
    uint32_t pair_max; /* all blocks. Equal: one server's repair is spread over all others */
};

/* Known blocks for 3 replicas, else a bounded deterministic search for at most count_max blocks
 * (1 .. PL_BLOCKS_MAX). 2 <= replicas <= nodes. With modulus > 1 (it divides nodes and is at least
 * replicas) the offsets of a block differ modulo it: servers that stand `modulus` apart share a
 * zone. */
void pl_blocks_find(uint32_t nodes, uint32_t replicas, uint32_t count_max, uint32_t modulus,
                    struct pl_blocks *ret_blocks);

/* ---- generation (generate.c) ---- */

/* Writes chains * replicas ids. Rows have min(replicas, nodes of weight > 0) members. Every role is
 * held equally often by servers of equal weight, to within one; two members of a row never share a
 * zone while there are at least `replicas` zones (else: the next level of the path, and so on).
 * chains, replicas, count > 0; replicas <= BOUND_CHAIN_MEMBERS; count <= BOUND_NODES. All rows
 * are empty when no node has weight. */
void pl_generate(const struct pl_node *nodes, uint32_t count, uint32_t replicas, uint32_t chains,
                 uint32_t *ret_members);

/* What a map reaches. Minimum and maximum over the nodes of weight > 0. */
struct pl_balance {
    uint32_t heads_min, heads_max;
    uint32_t tails_min, tails_max;
    uint32_t members_min, members_max;
    uint32_t pair_min, pair_max; /* chains shared by two nodes */
    uint32_t zone_conflicts;     /* pairs of members of one row that share a zone's first level */
};

void pl_balance(const struct pl_node *nodes, uint32_t count, uint32_t replicas, uint32_t chains,
                const uint32_t *members, struct pl_balance *ret_balance);

/* ---- vacancies (rank.c) ---- */

struct pl_candidate {
    struct pl_node node;
    uint64_t load; /* chains that it is a member or joiner of */
    bool has_data; /* of this chain: it came back and needs only what changed */
};

/* The candidates that are not members, best first: fewest shared zone levels with the members
 * (deepest first), then those that have data, then least load relative to weight, then spread by
 * (chain, node). Nodes of weight 0 are left out. ret_ids has room for count. Returns how many. */
uint32_t pl_rank_candidates(uint32_t chain, const struct pl_candidate *candidates, uint32_t count,
                            const struct pl_node *members, uint32_t members_count,
                            uint32_t *ret_ids);

/* ---- rebalance (rebalance.c) ---- */

enum pl_step_kind {
    PL_STEP_MOVE,  /* the member `from` of the chain is replaced by `to`, which joins as tail */
    PL_STEP_ORDER, /* the members change roles: `order`, head first. No data moves */
};

struct pl_step {
    enum pl_step_kind kind;
    uint32_t chain;
    uint32_t from;
    uint32_t to;
    uint32_t order[BOUND_CHAIN_MEMBERS];
};

/* The next steps towards balance for a map whose rows are full, with the nodes that may hold
 * members (others, and those of weight 0, are emptied): first all moves, then all changes of order.
 * At the end every node holds its share by weight to within one, no zone is shared that need not
 * be, and heads and tails differ by at most one among nodes of equal weight. No plan needs fewer
 * moves than *ret_moves_least (what the counts alone demand); this one needs at most 1.05 times
 * that, rounded up, where zones leave a free choice. Rows that are not full are left alone. Writes
 * up to steps_max steps and returns how many there are in all: a caller that takes a few and asks
 * again gets the rest. */
uint32_t pl_rebalance(const struct pl_node *nodes, uint32_t count, uint32_t replicas,
                      uint32_t chains, const uint32_t *members, struct pl_step *ret_steps,
                      uint32_t steps_max, uint32_t *ret_moves_least);

/* ---- roles (reorder.c) ---- */

/* Changes of order alone (R36; no data moves), for a cluster that is whole: afterwards each node is
 * head of its share of its chains, and tail of the same, to within one (floor or ceiling of
 * memberships / replicas). Nothing is changed while no node is further than one from its share, so
 * small differences cause no unrest. Few rows are changed: never more than one above the least
 * possible in exhaustive tests of small maps. Rows that are not full are left alone. Writes up to
 * steps_max steps, all of kind PL_STEP_ORDER, and returns how many there are in all. */
uint32_t pl_reorder(uint32_t replicas, uint32_t chains, const uint32_t *members,
                    struct pl_step *ret_steps, uint32_t steps_max);

#endif
