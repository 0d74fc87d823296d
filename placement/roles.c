#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "placement/internal.h"

/* Equitable roles. For two roles i and j each row is an edge from the node at i to the node at j. A
 * node with (edges out - edges in) >= 2 has a path to one with more in than out (count the edges
 * that leave the set of nodes it reaches: none, so the set's surplus is not positive). Turning that
 * path around exchanges the two roles in each of its rows and changes the counts of its two ends
 * only; the sum of squared role counts falls, so this ends. */
struct roles {
    uint32_t *rows;
    uint32_t chains;
    uint32_t replicas;
    uint32_t nodes_count;
    uint32_t *counts;  /* nodes_count * replicas */
    uint32_t *first;   /* of each node: its part of `by_node`, rows that it is a member of */
    uint32_t *by_node; /* membership never changes here, only roles do */
    uint32_t *came_by; /* search: row by which the node was reached */
    uint32_t *came_from;
    uint32_t *queue;
};

static void roles_init(struct roles *r)
{
    size_t slots = (size_t)r->chains * r->replicas;
    r->counts = pl_alloc((size_t)r->nodes_count * r->replicas, sizeof(uint32_t));
    r->first = pl_alloc((size_t)r->nodes_count + 1, sizeof(uint32_t));
    r->by_node = pl_alloc(slots, sizeof(uint32_t));
    r->came_by = pl_alloc(r->nodes_count, sizeof(uint32_t));
    r->came_from = pl_alloc(r->nodes_count, sizeof(uint32_t));
    r->queue = pl_alloc(r->nodes_count, sizeof(uint32_t));
    for (size_t slot = 0; slot < slots; slot++) {
        uint32_t node = r->rows[slot];
        r->counts[(size_t)node * r->replicas + slot % r->replicas]++;
        r->first[node + 1]++;
    }
    for (uint32_t node = 0; node < r->nodes_count; node++)
        r->first[node + 1] += r->first[node];
    for (size_t slot = slots; slot-- > 0;) {
        uint32_t node = r->rows[slot];
        r->by_node[--r->first[node + 1]] = (uint32_t)(slot / r->replicas);
    }
    /* Each first[node + 1] has moved down to where the node's part begins. */
    for (uint32_t node = 0; node < r->nodes_count; node++)
        r->first[node] = r->first[node + 1];
    r->first[r->nodes_count] = (uint32_t)slots;
}

static void roles_release(struct roles *r)
{
    mem_free(r->counts);
    mem_free(r->first);
    mem_free(r->by_node);
    mem_free(r->came_by);
    mem_free(r->came_from);
    mem_free(r->queue);
}

static int64_t surplus(const struct roles *r, uint32_t node, uint32_t i, uint32_t j)
{
    const uint32_t *counts = r->counts + (size_t)node * r->replicas;
    return (int64_t)counts[i] - (int64_t)counts[j];
}

static void turn_path(struct roles *r, uint32_t start, uint32_t end, uint32_t i, uint32_t j)
{
    for (uint32_t node = end; node != start; node = r->came_from[node]) {
        uint32_t *row = r->rows + (size_t)r->came_by[node] * r->replicas;
        uint32_t member = row[i];
        row[i] = row[j];
        row[j] = member;
    }
    r->counts[(size_t)start * r->replicas + i]--;
    r->counts[(size_t)start * r->replicas + j]++;
    r->counts[(size_t)end * r->replicas + i]++;
    r->counts[(size_t)end * r->replicas + j]--;
}

/* Breadth first from a node with a surplus of i over j: the path is as short as can be. */
static void relieve(struct roles *r, uint32_t start, uint32_t i, uint32_t j)
{
    memset(r->came_from, 0xff, (size_t)r->nodes_count * sizeof(uint32_t));
    uint32_t done = 0;
    uint32_t queued = 0;
    r->queue[queued++] = start;
    r->came_from[start] = start;
    while (done < queued) {
        uint32_t node = r->queue[done++];
        if (surplus(r, node, i, j) < 0) {
            turn_path(r, start, node, i, j);
            return;
        }
        for (uint32_t k = r->first[node]; k < r->first[node + 1]; k++) {
            const uint32_t *row = r->rows + (size_t)r->by_node[k] * r->replicas;
            if (row[i] != node || r->came_from[row[j]] != PL_NONE)
                continue;
            r->came_from[row[j]] = node;
            r->came_by[row[j]] = r->by_node[k];
            r->queue[queued++] = row[j];
        }
    }
    IMPOSSIBLE("a surplus always has somewhere to go");
}

void pl_roles_balance(uint32_t *rows, uint32_t chains, uint32_t replicas, uint32_t nodes_count)
{
    struct roles r = {
        .rows = rows, .chains = chains, .replicas = replicas, .nodes_count = nodes_count};
    roles_init(&r);
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < replicas; i++) {
            for (uint32_t j = 0; j < replicas; j++) {
                for (uint32_t node = 0; node < nodes_count && i != j; node++) {
                    while (surplus(&r, node, i, j) >= 2) {
                        relieve(&r, node, i, j);
                        changed = true;
                    }
                }
            }
        }
    }
    roles_release(&r);
}
