#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "placement/internal.h"

/* Difference families and near-families for 3 replicas (design, section 4). */
struct known_blocks {
    uint32_t nodes;
    uint32_t count;
    uint16_t offsets[5][3];
};

static const struct known_blocks known[] = {
    {5, 2, {{0, 1, 2}, {0, 1, 3}}},
    {6, 2, {{0, 1, 2}, {0, 1, 3}}},
    {7, 1, {{0, 1, 3}}},
    {8, 2, {{0, 1, 3}, {0, 1, 4}}},
    {9, 4, {{0, 1, 2}, {0, 1, 4}, {0, 2, 5}, {0, 2, 5}}},
    {10, 2, {{0, 1, 3}, {0, 1, 5}}},
    {11, 5, {{0, 1, 2}, {0, 1, 4}, {0, 2, 6}, {0, 2, 6}, {0, 3, 6}}},
    {12, 3, {{0, 1, 2}, {0, 2, 6}, {0, 3, 7}}},
    {13, 2, {{0, 1, 4}, {0, 2, 7}}},
    {19, 3, {{0, 1, 4}, {0, 2, 9}, {0, 5, 11}}},
    {25, 4, {{0, 1, 3}, {0, 4, 11}, {0, 5, 13}, {0, 6, 15}}},
    {31, 5, {{0, 1, 3}, {0, 4, 11}, {0, 5, 15}, {0, 6, 18}, {0, 8, 17}}},
};

/* Pairs that stand d apart, d = 1 .. nodes / 2: how many chains each such pair shares in one round.
 * A distance of exactly half the ring counts twice, because s and s + d make the same pair. */
struct search {
    uint32_t nodes;
    uint32_t replicas;
    uint32_t modulus;
    uint32_t *load;
};

static uint32_t distance(const struct search *search, uint32_t a, uint32_t b)
{
    uint32_t d = a < b ? b - a : a - b;
    return d > search->nodes - d ? search->nodes - d : d;
}

static uint32_t load_step(const struct search *search, uint32_t d)
{
    return 2 * d == search->nodes ? 2 : 1;
}

static void add_block(struct search *search, const uint16_t *offsets)
{
    for (uint32_t i = 0; i < search->replicas; i++) {
        for (uint32_t j = 0; j < i; j++) {
            uint32_t d = distance(search, offsets[i], offsets[j]);
            search->load[d] += load_step(search, d);
        }
    }
}

static void measure(const struct search *search, struct pl_blocks *blocks)
{
    blocks->pair_min = UINT32_MAX;
    blocks->pair_max = 0;
    for (uint32_t d = 1; d <= search->nodes / 2; d++) {
        uint32_t load = search->load[d];
        blocks->pair_min = load < blocks->pair_min ? load : blocks->pair_min;
        blocks->pair_max = load > blocks->pair_max ? load : blocks->pair_max;
    }
}

static bool fits(const struct search *search, const uint16_t *offsets, uint32_t chosen, uint32_t at)
{
    for (uint32_t i = 0; i < chosen; i++) {
        if (offsets[i] == at)
            return false;
        if (search->modulus > 1 && offsets[i] % search->modulus == at % search->modulus)
            return false;
    }
    return true;
}

/* Growth of the sum of squared loads if the offset `at` joins the chosen ones: low where the
 * distances are rare so far. */
static uint64_t cost_of(const struct search *search, const uint16_t *offsets, uint32_t chosen,
                        uint32_t at)
{
    uint64_t cost = 0;
    uint32_t seen[BOUND_CHAIN_MEMBERS];
    for (uint32_t i = 0; i < chosen; i++) {
        uint32_t d = distance(search, offsets[i], at);
        uint32_t extra = 0; /* the same distance twice in this block */
        for (uint32_t j = 0; j < i; j++)
            extra += seen[j] == d ? load_step(search, d) : 0;
        seen[i] = d;
        uint64_t load = search->load[d] + extra;
        uint64_t step = load_step(search, d);
        cost += 2 * load * step + step * step;
    }
    return cost;
}

/* The greedy block whose second offset is `second`: each further offset is the cheapest that
 * fits. */
static uint64_t complete_block(const struct search *search, uint32_t second, uint16_t *offsets)
{
    offsets[0] = 0;
    offsets[1] = (uint16_t)second;
    uint64_t total = cost_of(search, offsets, 1, second);
    for (uint32_t chosen = 2; chosen < search->replicas; chosen++) {
        uint64_t best = UINT64_MAX;
        for (uint32_t at = 1; at < search->nodes; at++) {
            if (!fits(search, offsets, chosen, at))
                continue;
            uint64_t cost = cost_of(search, offsets, chosen, at);
            if (cost < best) {
                best = cost;
                offsets[chosen] = (uint16_t)at;
            }
        }
        INVARIANT(best != UINT64_MAX);
        total += best;
    }
    return total;
}

enum { SECONDS_TRIED_MAX = 96 };

static void search_block(const struct search *search, uint16_t *ret_offsets)
{
    uint64_t best = UINT64_MAX;
    uint32_t tried = 0;
    uint32_t rarest = UINT32_MAX;
    for (uint32_t d = 1; d <= search->nodes / 2; d++)
        rarest = search->load[d] < rarest ? search->load[d] : rarest;
    for (uint32_t level = rarest; best == UINT64_MAX || level == rarest; level++) {
        for (uint32_t d = 1; d <= search->nodes / 2 && tried < SECONDS_TRIED_MAX; d++) {
            uint16_t offsets[BOUND_CHAIN_MEMBERS] = {0};
            if (search->load[d] != level || !fits(search, offsets, 1, d))
                continue;
            tried++;
            uint64_t cost = complete_block(search, d, offsets);
            if (cost < best) {
                best = cost;
                memcpy(ret_offsets, offsets, sizeof(offsets));
            }
        }
    }
}

/* True if the known blocks were taken. */
static bool take_known(struct search *search, uint32_t count_max, struct pl_blocks *blocks)
{
    for (size_t k = 0; k < ARRAY_COUNT(known); k++) {
        if (known[k].nodes != search->nodes || search->replicas != 3 || search->modulus > 1)
            continue;
        for (uint32_t b = 0; b < known[k].count && b < count_max; b++) {
            memcpy(blocks->offsets[b], known[k].offsets[b], sizeof(known[k].offsets[b]));
            add_block(search, blocks->offsets[b]);
            blocks->count++;
        }
        return true;
    }
    return false;
}

void pl_blocks_find(uint32_t nodes, uint32_t replicas, uint32_t count_max, uint32_t modulus,
                    struct pl_blocks *ret_blocks)
{
    PRE(replicas >= 2 && replicas <= BOUND_CHAIN_MEMBERS && replicas <= nodes);
    PRE(nodes <= BOUND_NODES && count_max >= 1 && count_max <= PL_BLOCKS_MAX);
    PRE(modulus <= 1 || (modulus >= replicas && nodes % modulus == 0));
    struct search search = {nodes, replicas, modulus, NULL};
    search.load = pl_alloc(nodes / 2 + 1, sizeof(*search.load));
    memset(ret_blocks, 0, sizeof(*ret_blocks));
    ret_blocks->nodes = nodes;
    ret_blocks->replicas = replicas;
    if (take_known(&search, count_max, ret_blocks)) {
        measure(&search, ret_blocks);
        mem_free(search.load);
        return;
    }
    /* Add blocks while that makes the loads more even; keep the evenest prefix. */
    uint32_t best_count = 0;
    uint64_t best_minimum = 0;
    uint64_t best_maximum = 1;
    for (uint32_t b = 0; b < count_max; b++) {
        search_block(&search, ret_blocks->offsets[b]);
        add_block(&search, ret_blocks->offsets[b]);
        measure(&search, ret_blocks);
        /* pair_min / pair_max > best_minimum / best_maximum */
        bool better = best_count == 0 || (uint64_t)ret_blocks->pair_min * best_maximum >
                                             best_minimum * ret_blocks->pair_max;
        if (better || ret_blocks->pair_min == 0) {
            best_count = b + 1;
            best_minimum = ret_blocks->pair_min;
            best_maximum = ret_blocks->pair_max;
        }
        if (ret_blocks->pair_min == ret_blocks->pair_max)
            break;
    }
    ret_blocks->count = best_count;
    ret_blocks->pair_min = (uint32_t)best_minimum;
    ret_blocks->pair_max = (uint32_t)best_maximum;
    mem_free(search.load);
}
