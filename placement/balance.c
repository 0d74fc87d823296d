#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "placement/internal.h"

static uint32_t index_of(const struct pl_node *nodes, uint32_t count, uint32_t id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (nodes[i].id == id)
            return i;
    }
    return PL_NONE;
}

static void take(uint32_t value, uint32_t *minimum, uint32_t *maximum)
{
    *minimum = value < *minimum ? value : *minimum;
    *maximum = value > *maximum ? value : *maximum;
}

struct tally {
    uint32_t *heads;
    uint32_t *tails;
    uint32_t *held;
    uint32_t *pairs;
};

static void tally_row(const struct pl_node *nodes, uint32_t count, const uint32_t *row,
                      uint32_t replicas, struct tally *tally, struct pl_balance *balance)
{
    uint32_t at[BOUND_CHAIN_MEMBERS];
    uint32_t length = 0;
    for (uint32_t i = 0; i < replicas && row[i] != 0; i++)
        at[length++] = index_of(nodes, count, row[i]);
    for (uint32_t i = 0; i < length; i++) {
        if (at[i] == PL_NONE)
            continue;
        tally->held[at[i]]++;
        tally->heads[at[i]] += i == 0;
        tally->tails[at[i]] += i + 1 == length;
        for (uint32_t j = 0; j < i; j++) {
            if (at[j] == PL_NONE)
                continue;
            tally->pairs[(size_t)at[i] * count + at[j]]++;
            tally->pairs[(size_t)at[j] * count + at[i]]++;
            balance->zone_conflicts += pl_zone_shared(nodes[at[i]].zone, nodes[at[j]].zone) > 0;
        }
    }
}

void pl_balance(const struct pl_node *nodes, uint32_t count, uint32_t replicas, uint32_t chains,
                const uint32_t *members, struct pl_balance *ret_balance)
{
    struct tally tally = {
        pl_alloc(count, sizeof(uint32_t)),
        pl_alloc(count, sizeof(uint32_t)),
        pl_alloc(count, sizeof(uint32_t)),
        pl_alloc((size_t)count * count, sizeof(uint32_t)),
    };
    *ret_balance = (struct pl_balance){.heads_min = UINT32_MAX,
                                       .tails_min = UINT32_MAX,
                                       .members_min = UINT32_MAX,
                                       .pair_min = UINT32_MAX};
    for (uint32_t c = 0; c < chains; c++)
        tally_row(nodes, count, members + (size_t)c * replicas, replicas, &tally, ret_balance);
    for (uint32_t i = 0; i < count; i++) {
        if (nodes[i].weight == 0)
            continue;
        take(tally.heads[i], &ret_balance->heads_min, &ret_balance->heads_max);
        take(tally.tails[i], &ret_balance->tails_min, &ret_balance->tails_max);
        take(tally.held[i], &ret_balance->members_min, &ret_balance->members_max);
        for (uint32_t j = 0; j < i; j++) {
            if (nodes[j].weight > 0)
                take(tally.pairs[(size_t)i * count + j], &ret_balance->pair_min,
                     &ret_balance->pair_max);
        }
    }
    mem_free(tally.heads);
    mem_free(tally.tails);
    mem_free(tally.held);
    mem_free(tally.pairs);
}
