#include <stdlib.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/contract.h"
#include "base/hash.h"
#include "placement/internal.h"

struct rated {
    const struct pl_candidate *candidate;
    uint32_t shared_deepest;
    uint32_t shared_sum;
    uint64_t spread;
};

static int order(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_rated(const void *left, const void *right)
{
    const struct rated *a = left;
    const struct rated *b = right;
    int by = order(a->shared_deepest, b->shared_deepest);
    if (by == 0)
        by = order(a->shared_sum, b->shared_sum);
    if (by == 0)
        by = order(b->candidate->has_data, a->candidate->has_data);
    if (by == 0) /* (load + 1) / weight: what it would carry, by capacity */
        by = order((a->candidate->load + 1) * b->candidate->node.weight,
                   (b->candidate->load + 1) * a->candidate->node.weight);
    if (by == 0)
        by = order(a->spread, b->spread);
    return by != 0 ? by : order(a->candidate->node.id, b->candidate->node.id);
}

static bool is_member(const struct pl_node *members, uint32_t members_count, uint32_t id)
{
    for (uint32_t i = 0; i < members_count; i++) {
        if (members[i].id == id)
            return true;
    }
    return false;
}

uint32_t pl_rank_candidates(uint32_t chain, const struct pl_candidate *candidates, uint32_t count,
                            const struct pl_node *members, uint32_t members_count,
                            uint32_t *ret_ids)
{
    struct rated *rated = pl_alloc(count, sizeof(*rated));
    uint32_t rated_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct pl_node *node = &candidates[i].node;
        if (node->weight == 0 || is_member(members, members_count, node->id))
            continue;
        struct rated *one = &rated[rated_count++];
        uint8_t identity[8];
        bytes_put_u32(identity, chain);
        bytes_put_u32(identity + 4, node->id);
        one->candidate = &candidates[i];
        one->spread = hash_bytes(slice_of(identity, sizeof(identity)), 0);
        for (uint32_t m = 0; m < members_count; m++) {
            uint32_t shared = pl_zone_shared(node->zone, members[m].zone);
            one->shared_sum += shared;
            one->shared_deepest = shared > one->shared_deepest ? shared : one->shared_deepest;
        }
    }
    qsort(rated, rated_count, sizeof(*rated), compare_rated);
    for (uint32_t i = 0; i < rated_count; i++)
        ret_ids[i] = rated[i].candidate->node.id;
    mem_free(rated);
    return rated_count;
}
