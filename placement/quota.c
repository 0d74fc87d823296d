
#include "base/buf.h"
#include "base/contract.h"
#include "placement/internal.h"

/* a * b / c with c > 0, exact for the sizes at hand (slots < 2^20, weights < 2^32 summed below
 * 2^43). */
static uint64_t share(uint64_t slots, uint64_t weight, uint64_t total)
{
    return slots * weight / total;
}

struct filling {
    const struct pl_node *nodes;
    uint32_t count;
    const uint32_t *domains;
    uint32_t domains_count;
    uint32_t chains;
    uint64_t *domain_weight;
    uint64_t *domain_slots; /* fixed ones: chains */
    bool *domain_is_full;
};

/* Water filling: a domain whose share exceeds one member per chain gets just that; what it leaves
 * is shared by the others. Returns the slots for the domains that are not full and their weight. */
static uint64_t fill_domains(struct filling *f, uint64_t slots, uint64_t *ret_weight)
{
    for (;;) {
        uint64_t weight = 0;
        uint64_t left = slots;
        for (uint32_t d = 0; d < f->domains_count; d++) {
            if (f->domain_is_full[d])
                left -= left < f->chains ? left : f->chains;
            else
                weight += f->domain_weight[d];
        }
        bool changed = false;
        for (uint32_t d = 0; d < f->domains_count && weight > 0; d++) {
            if (!f->domain_is_full[d] && left * f->domain_weight[d] > f->chains * weight) {
                f->domain_is_full[d] = true;
                changed = true;
            }
        }
        if (!changed) {
            *ret_weight = weight;
            return left;
        }
    }
}

/* Room that a node has for one more: its own chains and those of its domain. */
static bool has_room(const struct filling *f, const uint32_t *quota, uint32_t node)
{
    return f->nodes[node].weight > 0 && quota[node] < f->chains &&
           f->domain_slots[f->domains[node]] < f->chains;
}

static void give_remainders(struct filling *f, uint64_t left, const uint64_t *rest,
                            const uint32_t *current, uint32_t *quota)
{
    bool *given = pl_alloc(f->count, sizeof(*given));
    while (left > 0) {
        uint32_t best = PL_NONE;
        for (uint32_t i = 0; i < f->count; i++) {
            if (given[i] || !has_room(f, quota, i))
                continue;
            bool keeps = current != NULL && current[i] > quota[i];
            bool best_keeps = best != PL_NONE && current != NULL && current[best] > quota[best];
            if (best == PL_NONE || (keeps && !best_keeps) ||
                (keeps == best_keeps && rest[i] > rest[best]))
                best = i;
        }
        if (best == PL_NONE) {
            bool any = false; /* everybody has had one; go round again if there is room */
            for (uint32_t i = 0; i < f->count; i++) {
                any = any || has_room(f, quota, i);
                given[i] = false;
            }
            if (!any)
                break;
            continue;
        }
        given[best] = true;
        quota[best]++;
        f->domain_slots[f->domains[best]]++;
        left--;
    }
    mem_free(given);
}

void pl_quota(const struct pl_node *nodes, uint32_t count, const uint32_t *domains,
              uint32_t domains_count, uint64_t slots, uint32_t chains, const uint32_t *current,
              uint32_t *ret_quota)
{
    struct filling f = {nodes, count, domains, domains_count, chains, NULL, NULL, NULL};
    f.domain_weight = pl_alloc(domains_count, sizeof(*f.domain_weight));
    f.domain_slots = pl_alloc(domains_count, sizeof(*f.domain_slots));
    f.domain_is_full = pl_alloc(domains_count, sizeof(*f.domain_is_full));
    uint64_t *rest = pl_alloc(count, sizeof(*rest));
    for (uint32_t i = 0; i < count; i++)
        f.domain_weight[domains[i]] += nodes[i].weight;
    uint64_t open_weight = 0;
    uint64_t open_slots = fill_domains(&f, slots, &open_weight);
    uint64_t given = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool full = f.domain_is_full[domains[i]];
        uint64_t part = full ? chains : open_slots;
        uint64_t weight = full ? f.domain_weight[domains[i]] : open_weight;
        uint64_t exact = weight > 0 ? share(part, nodes[i].weight, weight) : 0;
        ret_quota[i] = (uint32_t)(exact < chains ? exact : chains);
        /* Remainders are compared between domains of different scale: as 32-bit fractions. */
        uint64_t over = weight > 0 ? part * nodes[i].weight - exact * weight : 0;
        rest[i] = weight > 0 ? (over << 20) / weight : 0;
        f.domain_slots[domains[i]] += ret_quota[i];
        given += ret_quota[i];
    }
    give_remainders(&f, slots > given ? slots - given : 0, rest, current, ret_quota);
    mem_free(f.domain_weight);
    mem_free(f.domain_slots);
    mem_free(f.domain_is_full);
    mem_free(rest);
}
