#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/prng.h"
#include "placement/internal.h"

/* The nodes that take members, in an order that does not depend on the caller's. */
struct pool {
    struct pl_node *nodes; /* by id */
    uint32_t count;
    uint32_t *domains;
    uint32_t domains_count;
    uint32_t length; /* of rows */
};

static int compare_nodes(const void *a, const void *b)
{
    const struct pl_node *left = a;
    const struct pl_node *right = b;
    return left->id < right->id ? -1 : left->id > right->id;
}

static void pool_init(struct pool *pool, const struct pl_node *nodes, uint32_t count,
                      uint32_t replicas)
{
    pool->nodes = pl_alloc(count, sizeof(*pool->nodes));
    pool->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        PRE(nodes[i].id > 0);
        if (nodes[i].weight > 0)
            pool->nodes[pool->count++] = nodes[i];
    }
    qsort(pool->nodes, pool->count, sizeof(*pool->nodes), compare_nodes);
    for (uint32_t i = 1; i < pool->count; i++)
        PRE(pool->nodes[i].id != pool->nodes[i - 1].id);
    pool->length = replicas < pool->count ? replicas : pool->count;
    pool->domains = pl_alloc(pool->count, sizeof(uint32_t));
    pool->domains_count = pl_zone_domains(pool->nodes, pool->count, pool->length, pool->domains);
}

static void pool_release(struct pool *pool)
{
    mem_free(pool->nodes);
    mem_free(pool->domains);
}

/* Rotation works when all nodes weigh the same and all domains are of one size: then the ring takes
 * one node of each domain in turn, and offsets that differ modulo the number of domains never meet
 * in one. Returns the ring (indices), or NULL. */
static uint32_t *make_ring(const struct pool *pool)
{
    uint32_t domains = pool->domains_count;
    uint32_t *sizes = pl_alloc(domains, sizeof(uint32_t));
    bool even = pool->count % domains == 0;
    for (uint32_t i = 0; i < pool->count; i++) {
        even = even && pool->nodes[i].weight == pool->nodes[0].weight;
        sizes[pool->domains[i]]++;
    }
    for (uint32_t d = 0; d < domains; d++)
        even = even && sizes[d] == pool->count / domains;
    memset(sizes, 0, domains * sizeof(uint32_t));
    uint32_t *ring = even ? pl_alloc(pool->count, sizeof(uint32_t)) : NULL;
    for (uint32_t i = 0; i < pool->count && even; i++) {
        uint32_t d = pool->domains[i];
        ring[sizes[d]++ * domains + d] = i;
    }
    mem_free(sizes);
    return ring;
}

/* Whole rounds of rotated rows; returns how many rows they make. */
static uint32_t rotate(const struct pool *pool, uint32_t chains, uint32_t *rows)
{
    uint32_t rounds = chains / pool->count;
    if (pool->length < 2 || rounds == 0)
        return 0;
    uint32_t *ring = make_ring(pool);
    if (ring == NULL)
        return 0;
    uint32_t modulus = pool->domains_count < pool->count ? pool->domains_count : 1;
    struct pl_blocks *blocks = pl_alloc(1, sizeof(*blocks));
    pl_blocks_find(pool->count, pool->length, rounds < PL_BLOCKS_MAX ? rounds : PL_BLOCKS_MAX,
                   modulus, blocks);
    for (uint32_t c = 0; c < rounds * pool->count; c++) {
        const uint16_t *offsets = blocks->offsets[(c / pool->count) % blocks->count];
        for (uint32_t i = 0; i < pool->length; i++)
            rows[(size_t)c * pool->length + i] = ring[(c + offsets[i]) % pool->count];
    }
    mem_free(blocks);
    mem_free(ring);
    return rounds * pool->count;
}

/* McNaughton's wrap-around: members listed domain by domain and dealt to the rows in turn. A domain
 * has at most one member per row in the list, and these are consecutive, so no row gets two. */
static void deal(const struct pool *pool, uint32_t chains, uint32_t *rows)
{
    uint32_t *quota = pl_alloc(pool->count, sizeof(uint32_t));
    uint64_t slots = (uint64_t)chains * pool->length;
    pl_quota(pool->nodes, pool->count, pool->domains, pool->domains_count, slots, chains, NULL,
             quota);
    uint64_t dealt = 0;
    for (uint32_t d = 0; d < pool->domains_count; d++) {
        for (uint32_t i = 0; i < pool->count; i++) {
            for (uint32_t k = 0; pool->domains[i] == d && k < quota[i]; k++, dealt++) {
                uint64_t row = dealt % chains;
                /* Turned by the row's number, so that no role falls to one domain. */
                uint64_t role = (dealt / chains + row) % pool->length;
                rows[row * pool->length + role] = i;
            }
        }
    }
    POST(dealt == slots);
    mem_free(quota);
}

struct spread {
    const struct pool *pool;
    uint32_t *rows;
    uint32_t *pairs; /* count * count, both halves */
};

static void count_pairs(struct spread *s, uint32_t from, uint32_t to)
{
    for (uint32_t c = from; c < to; c++) {
        const uint32_t *row = s->rows + (size_t)c * s->pool->length;
        for (uint32_t i = 0; i < s->pool->length; i++) {
            for (uint32_t j = 0; j < s->pool->length; j++)
                s->pairs[(size_t)row[i] * s->pool->count + row[j]] += i != j;
        }
    }
}

/* May `node` stand in the row in place of the member at `at`? */
static bool row_accepts(const struct spread *s, const uint32_t *row, uint32_t at, uint32_t node)
{
    for (uint32_t i = 0; i < s->pool->length; i++) {
        if (i != at && s->pool->domains[row[i]] == s->pool->domains[node])
            return false;
    }
    return true;
}

/* Half the change of the sum of squared pair loads when `in` replaces the member at `at`. */
static int64_t cost_of_change(const struct spread *s, const uint32_t *row, uint32_t at, uint32_t in)
{
    int64_t cost = 0;
    for (uint32_t i = 0; i < s->pool->length; i++) {
        if (i == at)
            continue;
        cost += s->pairs[(size_t)in * s->pool->count + row[i]];
        cost -= (int64_t)s->pairs[(size_t)row[at] * s->pool->count + row[i]] - 1;
    }
    return cost;
}

static void change_member(struct spread *s, uint32_t *row, uint32_t at, uint32_t in)
{
    uint32_t n = s->pool->count;
    for (uint32_t i = 0; i < s->pool->length; i++) {
        if (i == at)
            continue;
        s->pairs[(size_t)row[at] * n + row[i]]--;
        s->pairs[(size_t)row[i] * n + row[at]]--;
        s->pairs[(size_t)in * n + row[i]]++;
        s->pairs[(size_t)row[i] * n + in]++;
    }
    row[at] = in;
}

enum { SPREAD_TRIES_PER_MEMBER = 24 };

/* Dealt rows put the same servers together again and again. Exchange members between rows while
 * that spreads the pairs: random tries from a fixed seed, so that the result depends on the input
 * alone. */
static void spread_pairs(const struct pool *pool, uint32_t from, uint32_t chains, uint32_t *rows)
{
    if (chains - from < 2 || pool->length < 2)
        return;
    struct spread s = {pool, rows, NULL};
    s.pairs = pl_alloc((size_t)pool->count * pool->count, sizeof(uint32_t));
    count_pairs(&s, 0, chains);
    struct prng prng;
    prng_init(&prng, 0x706c6163656d656e);
    uint64_t tries = (uint64_t)(chains - from) * pool->length * SPREAD_TRIES_PER_MEMBER;
    for (uint64_t t = 0; t < tries; t++) {
        uint32_t *row_a = rows + prng_between(&prng, from, chains - 1) * pool->length;
        uint32_t *row_b = rows + prng_between(&prng, from, chains - 1) * pool->length;
        uint32_t at_a = (uint32_t)prng_below(&prng, pool->length);
        uint32_t at_b = (uint32_t)prng_below(&prng, pool->length);
        uint32_t a = row_a[at_a];
        uint32_t b = row_b[at_b];
        if (row_a == row_b || a == b || !row_accepts(&s, row_a, at_a, b) ||
            !row_accepts(&s, row_b, at_b, a))
            continue;
        int64_t before = cost_of_change(&s, row_a, at_a, b);
        change_member(&s, row_a, at_a, b);
        if (before + cost_of_change(&s, row_b, at_b, a) < 0)
            change_member(&s, row_b, at_b, a);
        else
            change_member(&s, row_a, at_a, a);
    }
    mem_free(s.pairs);
}

void pl_generate(const struct pl_node *nodes, uint32_t count, uint32_t replicas, uint32_t chains,
                 uint32_t *ret_members)
{
    PRE(count > 0 && count <= BOUND_NODES && replicas > 0 && replicas <= BOUND_CHAIN_MEMBERS);
    PRE(chains > 0 && chains <= BOUND_CHAINS);
    memset(ret_members, 0, (size_t)chains * replicas * sizeof(uint32_t));
    struct pool pool;
    pool_init(&pool, nodes, count, replicas);
    if (pool.count > 0) {
        uint32_t *rows = pl_alloc((size_t)chains * pool.length, sizeof(uint32_t));
        uint32_t rotated = rotate(&pool, chains, rows);
        if (rotated < chains) {
            deal(&pool, chains - rotated, rows + (size_t)rotated * pool.length);
            spread_pairs(&pool, rotated, chains, rows);
            pl_roles_balance(rows, chains, pool.length, pool.count);
        }
        for (uint32_t c = 0; c < chains; c++) {
            for (uint32_t i = 0; i < pool.length; i++)
                ret_members[(size_t)c * replicas + i] =
                    pool.nodes[rows[(size_t)c * pool.length + i]].id;
        }
        mem_free(rows);
    }
    pool_release(&pool);
}
