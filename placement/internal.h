/* Shared by the files of placement/ only. Nodes are indices here, not ids. */
#ifndef CATENA_PLACEMENT_INTERNAL_H
#define CATENA_PLACEMENT_INTERNAL_H

#include "placement/placement.h"

/* Index of no node. */
#define PL_NONE UINT32_MAX

void *pl_alloc(size_t count, size_t size); /* zeroed; never NULL */

/* Gives each node the number of its failure domain at the shallowest level of the zone paths that
 * has at least `wanted` domains among nodes of weight > 0; each node its own when no level has.
 * Returns the number of domains. */
uint32_t pl_zone_domains(const struct pl_node *nodes, uint32_t count, uint32_t wanted,
                         uint32_t *ret_domains);

/* How many members each node should hold: `slots` shared by weight, at most `chains` per node and
 * per domain, to within one of the exact share. `current` (may be NULL) decides who gets the
 * remainders: those that hold more than their share already. */
void pl_quota(const struct pl_node *nodes, uint32_t count, const uint32_t *domains,
              uint32_t domains_count, uint64_t slots, uint32_t chains, const uint32_t *current,
              uint32_t *ret_quota);

/* Exchanges members within rows (rows of `replicas` node indices) until, for each node, any two
 * roles differ by at most one. Changes few rows. */
void pl_roles_balance(uint32_t *rows, uint32_t chains, uint32_t replicas, uint32_t nodes_count);

#endif
