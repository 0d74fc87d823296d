#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/map.h"
#include "placement/internal.h"

/* Heads and tails in their places with few rows changed. A node with m memberships has a share of
 * m / replicas of each role; a count within its floor and ceiling costs nothing, each step outside
 * costs one. Best rows first: one row can pay up to four (a head and a tail taken away from who has
 * too many, given to who has too few). Where no single row pays any more, paths of rows do
 * (roles.c), which always ends at cost 0; then what turned out to be needless is put back. */
struct reorder {
    uint32_t *rows;     /* node indices, as planned so far */
    uint32_t *original; /* as given */
    uint32_t *chain_of; /* row -> chain */
    uint32_t rows_count;
    uint32_t replicas;
    uint32_t *ids;   /* node index -> id */
    uint32_t *held;  /* memberships in full rows */
    uint32_t *heads; /* as planned so far */
    uint32_t *tails;
    uint32_t nodes_count;
};

enum { GAIN_MAX = 4 };

static uint32_t index_of(struct reorder *r, struct map *index, uint32_t id)
{
    uintptr_t known = (uintptr_t)map_get(index, id);
    if (known == 0) {
        r->ids[r->nodes_count++] = id;
        known = r->nodes_count;
        (void)map_put(index, id, (void *)known);
    }
    return (uint32_t)known - 1;
}

static bool is_full(const uint32_t *row, uint32_t replicas)
{
    for (uint32_t i = 0; i < replicas; i++) {
        if (row[i] == 0)
            return false;
    }
    return true;
}

static void count_roles(struct reorder *r)
{
    memset(r->heads, 0, r->nodes_count * sizeof(uint32_t));
    memset(r->tails, 0, r->nodes_count * sizeof(uint32_t));
    for (uint32_t n = 0; n < r->rows_count; n++) {
        const uint32_t *row = r->rows + (size_t)n * r->replicas;
        r->heads[row[0]]++;
        r->tails[row[r->replicas - 1]]++;
    }
}

static void reorder_init(struct reorder *r, uint32_t chains, const uint32_t *members)
{
    size_t slots = (size_t)chains * r->replicas;
    struct map index;
    map_init(&index);
    r->rows = pl_alloc(slots, sizeof(uint32_t));
    r->original = pl_alloc(slots, sizeof(uint32_t));
    r->chain_of = pl_alloc(chains, sizeof(uint32_t));
    r->ids = pl_alloc(slots, sizeof(uint32_t));
    r->held = pl_alloc(slots, sizeof(uint32_t));
    r->heads = pl_alloc(slots, sizeof(uint32_t));
    r->tails = pl_alloc(slots, sizeof(uint32_t));
    for (uint32_t c = 0; c < chains; c++) {
        const uint32_t *row = members + (size_t)c * r->replicas;
        if (!is_full(row, r->replicas))
            continue;
        for (uint32_t i = 0; i < r->replicas; i++) {
            uint32_t node = index_of(r, &index, row[i]);
            r->rows[(size_t)r->rows_count * r->replicas + i] = node;
            r->held[node]++;
        }
        r->chain_of[r->rows_count++] = c;
    }
    map_release(&index);
    memcpy(r->original, r->rows, (size_t)r->rows_count * r->replicas * sizeof(uint32_t));
    count_roles(r);
}

static void reorder_release(struct reorder *r)
{
    mem_free(r->rows);
    mem_free(r->original);
    mem_free(r->chain_of);
    mem_free(r->ids);
    mem_free(r->held);
    mem_free(r->heads);
    mem_free(r->tails);
}

/* How far outside the floor and ceiling of the share. */
static uint32_t excess(const struct reorder *r, uint32_t node, uint32_t count)
{
    uint32_t low = r->held[node] / r->replicas;
    uint32_t high = (r->held[node] + r->replicas - 1) / r->replicas;
    return count > high ? count - high : (count < low ? low - count : 0);
}

static uint32_t node_cost(const struct reorder *r, uint32_t node)
{
    return excess(r, node, r->heads[node]) + excess(r, node, r->tails[node]);
}

static uint32_t row_cost(const struct reorder *r, const uint32_t *row)
{
    uint32_t cost = 0;
    for (uint32_t i = 0; i < r->replicas; i++)
        cost += node_cost(r, row[i]);
    return cost;
}

static uint32_t total_cost(const struct reorder *r)
{
    uint32_t cost = 0;
    for (uint32_t node = 0; node < r->nodes_count; node++)
        cost += node_cost(r, node);
    return cost;
}

static void move_roles(struct reorder *r, uint32_t head, uint32_t tail, uint32_t new_head,
                       uint32_t new_tail)
{
    r->heads[head]--;
    r->heads[new_head]++;
    r->tails[tail]--;
    r->tails[new_tail]++;
}

/* The best pair of positions for head and tail; returns what it saves. */
static uint32_t best_change(struct reorder *r, const uint32_t *row, uint32_t *ret_head,
                            uint32_t *ret_tail)
{
    uint32_t last = r->replicas - 1;
    uint32_t before = row_cost(r, row);
    uint32_t best = 0;
    for (uint32_t i = 0; i <= last && before > 0; i++) {
        for (uint32_t j = 0; j <= last; j++) {
            if (i == j || (i == 0 && j == last))
                continue;
            move_roles(r, row[0], row[last], row[i], row[j]);
            uint32_t after = row_cost(r, row);
            move_roles(r, row[i], row[j], row[0], row[last]);
            if (after >= before || before - after <= best)
                continue;
            best = before - after;
            *ret_head = i;
            *ret_tail = j;
        }
    }
    return best;
}

/* Who is neither keeps its place among the others. */
static void change_row(struct reorder *r, uint32_t *row, uint32_t head, uint32_t tail)
{
    uint32_t last = r->replicas - 1;
    uint32_t changed[BOUND_CHAIN_MEMBERS];
    uint32_t at = 1;
    for (uint32_t i = 0; i <= last; i++) {
        if (i != head && i != tail)
            changed[at++] = row[i];
    }
    changed[0] = row[head];
    changed[last] = row[tail];
    move_roles(r, row[0], row[last], changed[0], changed[last]);
    memcpy(row, changed, r->replicas * sizeof(uint32_t));
}

static bool change_rows(struct reorder *r, uint32_t gain_min)
{
    bool any = false;
    for (uint32_t n = 0; n < r->rows_count; n++) {
        uint32_t *row = r->rows + (size_t)n * r->replicas;
        uint32_t head = 0;
        uint32_t tail = 0;
        if (best_change(r, row, &head, &tail) < gain_min)
            continue;
        change_row(r, row, head, tail);
        any = true;
    }
    return any;
}

static void put_back(struct reorder *r)
{
    uint32_t last = r->replicas - 1;
    for (uint32_t n = 0; n < r->rows_count; n++) {
        uint32_t *row = r->rows + (size_t)n * r->replicas;
        const uint32_t *before = r->original + (size_t)n * r->replicas;
        move_roles(r, row[0], row[last], before[0], before[last]);
        if (row_cost(r, row) == 0)
            memcpy(row, before, r->replicas * sizeof(uint32_t));
        else
            move_roles(r, before[0], before[last], row[0], row[last]);
    }
}

/* Further than one from the share, up or down. */
static bool is_far(uint32_t count, uint32_t held, uint32_t replicas)
{
    int64_t distance = (int64_t)count * replicas - held;
    return distance > (int64_t)replicas || -distance > (int64_t)replicas;
}

static bool is_wanted(const struct reorder *r)
{
    for (uint32_t node = 0; node < r->nodes_count; node++) {
        if (is_far(r->heads[node], r->held[node], r->replicas) ||
            is_far(r->tails[node], r->held[node], r->replicas))
            return true;
    }
    return false;
}

static uint32_t emit(const struct reorder *r, struct pl_step *steps, uint32_t steps_max)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < r->rows_count; n++) {
        const uint32_t *row = r->rows + (size_t)n * r->replicas;
        const uint32_t *before = r->original + (size_t)n * r->replicas;
        if (memcmp(row, before, r->replicas * sizeof(uint32_t)) == 0)
            continue;
        if (count < steps_max) {
            struct pl_step *step = &steps[count];
            memset(step, 0, sizeof *step);
            step->kind = PL_STEP_ORDER;
            step->chain = r->chain_of[n];
            for (uint32_t i = 0; i < r->replicas; i++)
                step->order[i] = r->ids[row[i]];
        }
        count++;
    }
    return count;
}

uint32_t pl_reorder(uint32_t replicas, uint32_t chains, const uint32_t *members,
                    struct pl_step *ret_steps, uint32_t steps_max)
{
    PRE(replicas > 0 && replicas <= BOUND_CHAIN_MEMBERS);
    struct reorder r = {.replicas = replicas};
    uint32_t count = 0;
    reorder_init(&r, chains, members);
    if (replicas > 1 && is_wanted(&r)) {
        for (bool any = true; any;) {
            any = false;
            for (uint32_t gain = GAIN_MAX; gain > 0; gain--)
                any = change_rows(&r, gain) || any;
        }
        if (total_cost(&r) > 0) {
            pl_roles_balance(r.rows, r.rows_count, replicas, r.nodes_count);
            count_roles(&r);
        }
        INVARIANT(total_cost(&r) == 0);
        put_back(&r);
        count = emit(&r, ret_steps, steps_max);
    }
    reorder_release(&r);
    return count;
}
