#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/map.h"
#include "placement/internal.h"

/* Only full rows take part; others are repaired first and left alone here. Rows hold indices into
 * `nodes`: the given ones, and after them, with weight 0, those that only the map names. */
struct work {
    struct pl_node *nodes;
    uint32_t count;
    uint32_t *domains;
    uint32_t replicas;
    uint32_t *rows;     /* as planned so far */
    uint32_t *original; /* as given */
    uint32_t *chain_of; /* row -> chain */
    uint32_t rows_count;
    uint32_t *quota;
    uint32_t *held;
    uint32_t *pairs; /* count * count */
    struct pl_step *steps;
    uint32_t steps_max;
    uint32_t steps_count;
    struct pl_step beyond; /* takes the steps that the caller has no room for */
};

static bool row_is_full(const uint32_t *row, uint32_t replicas)
{
    for (uint32_t i = 0; i < replicas; i++) {
        if (row[i] == 0)
            return false;
    }
    return true;
}

static void *as_value(uint32_t index)
{
    return (void *)(uintptr_t)(index + 1);
}

static void work_init(struct work *w, const struct pl_node *nodes, uint32_t count,
                      uint32_t replicas, uint32_t chains, const uint32_t *members)
{
    size_t slots = (size_t)chains * replicas;
    struct map index;
    map_init(&index);
    w->nodes = pl_alloc(count + slots, sizeof(*w->nodes));
    w->rows = pl_alloc(slots, sizeof(uint32_t));
    w->original = pl_alloc(slots, sizeof(uint32_t));
    w->chain_of = pl_alloc(chains, sizeof(uint32_t));
    w->replicas = replicas;
    for (uint32_t i = 0; i < count; i++) {
        w->nodes[w->count] = nodes[i];
        void *before = map_put(&index, nodes[i].id, as_value(w->count++));
        PRE(before == NULL);
    }
    for (uint32_t c = 0; c < chains; c++) {
        const uint32_t *row = members + (size_t)c * replicas;
        if (!row_is_full(row, replicas))
            continue;
        for (uint32_t i = 0; i < replicas; i++) {
            void *known = map_get(&index, row[i]);
            if (known == NULL) {
                w->nodes[w->count] = (struct pl_node){.id = row[i]};
                known = as_value(w->count++);
                (void)map_put(&index, row[i], known);
            }
            w->rows[(size_t)w->rows_count * replicas + i] = (uint32_t)(uintptr_t)known - 1;
        }
        w->chain_of[w->rows_count++] = c;
    }
    map_release(&index);
    memcpy(w->original, w->rows, slots * sizeof(uint32_t));
    w->domains = pl_alloc(w->count, sizeof(uint32_t));
    w->quota = pl_alloc(w->count, sizeof(uint32_t));
    w->held = pl_alloc(w->count, sizeof(uint32_t));
    w->pairs = pl_alloc((size_t)w->count * w->count, sizeof(uint32_t));
}

static void work_release(struct work *w)
{
    mem_free(w->nodes);
    mem_free(w->rows);
    mem_free(w->original);
    mem_free(w->chain_of);
    mem_free(w->domains);
    mem_free(w->quota);
    mem_free(w->held);
    mem_free(w->pairs);
}

static uint32_t *row_at(const struct work *w, uint32_t row)
{
    return w->rows + (size_t)row * w->replicas;
}

static void count_row(struct work *w, const uint32_t *row, int sign)
{
    for (uint32_t i = 0; i < w->replicas; i++) {
        w->held[row[i]] += (uint32_t)sign;
        for (uint32_t j = 0; j < w->replicas; j++) {
            if (i != j)
                w->pairs[(size_t)row[i] * w->count + row[j]] += (uint32_t)sign;
        }
    }
}

static int32_t position_of(const struct work *w, const uint32_t *row, uint32_t node)
{
    for (uint32_t i = 0; i < w->replicas; i++) {
        if (row[i] == node)
            return (int32_t)i;
    }
    return -1;
}

/* May `to` replace the member `from` of the row? */
static bool row_accepts(const struct work *w, const uint32_t *row, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < w->replicas; i++) {
        if (row[i] == to)
            return false;
        if (row[i] != from && w->nodes[row[i]].weight > 0 && w->domains[row[i]] == w->domains[to])
            return false;
    }
    return w->nodes[to].weight > 0;
}

/* How much the pair loads suffer: what `to` already shares with those that stay. */
static uint64_t cost_of_move(const struct work *w, const uint32_t *row, uint32_t from, uint32_t to)
{
    uint64_t cost = 0;
    for (uint32_t i = 0; i < w->replicas; i++) {
        if (row[i] != from)
            cost += w->pairs[(size_t)to * w->count + row[i]];
    }
    return cost;
}

static bool is_newcomer(const struct work *w, uint32_t row_number, uint32_t node)
{
    return position_of(w, w->original + (size_t)row_number * w->replicas, node) < 0;
}

/* The new member joins as tail, the others keep their order. */
static void move(struct work *w, uint32_t row_number, uint32_t from, uint32_t to)
{
    uint32_t *row = row_at(w, row_number);
    count_row(w, row, -1);
    int32_t at = position_of(w, row, from);
    INVARIANT(at >= 0);
    for (uint32_t i = (uint32_t)at; i + 1 < w->replicas; i++)
        row[i] = row[i + 1];
    row[w->replicas - 1] = to;
    count_row(w, row, 1);
}

/* By how many moves the plan grows when `to` replaces `from` in the row: a place that was to be
 * filled by this plan may be handed on or given back. */
static int32_t plan_growth(const struct work *w, uint32_t row_number, uint32_t from, uint32_t to)
{
    return (is_newcomer(w, row_number, to) ? 1 : 0) - (is_newcomer(w, row_number, from) ? 1 : 0);
}

/* The row of `from` that takes `to` with the least growth of the plan (at most `growth_max`), then
 * at the least cost; PL_NONE if none does. */
static uint32_t best_row(const struct work *w, uint32_t from, uint32_t to, int32_t growth_max)
{
    uint32_t best = PL_NONE;
    int32_t best_growth = growth_max;
    uint64_t best_cost = UINT64_MAX;
    for (uint32_t r = 0; r < w->rows_count; r++) {
        const uint32_t *row = row_at(w, r);
        if (position_of(w, row, from) < 0 || !row_accepts(w, row, from, to))
            continue;
        int32_t growth = plan_growth(w, r, from, to);
        if (growth > best_growth)
            continue;
        uint64_t cost = cost_of_move(w, row, from, to);
        if (growth < best_growth || cost < best_cost) {
            best_growth = growth;
            best_cost = cost;
            best = r;
        }
    }
    return best;
}

/* The node furthest below its quota that can take a member over from `from`; PL_NONE if none can.
 */
static uint32_t neediest(const struct work *w, uint32_t from, int32_t growth_max)
{
    bool *refused = pl_alloc(w->count, sizeof(*refused));
    uint32_t best = PL_NONE;
    for (;;) {
        best = PL_NONE;
        for (uint32_t to = 0; to < w->count; to++) {
            if (refused[to] || w->held[to] >= w->quota[to])
                continue;
            if (best == PL_NONE || w->quota[to] - w->held[to] > w->quota[best] - w->held[best])
                best = to;
        }
        if (best == PL_NONE || best_row(w, from, best, growth_max) != PL_NONE)
            break;
        refused[best] = true;
    }
    mem_free(refused);
    return best;
}

enum { BUDGET_MAX = 3 };

/* A search for hand-overs from -> x -> ... -> y, y below its quota, that let the plan grow by at
 * most `budget` moves. A state is a node and what is left of the budget on arrival there. */
struct handover_search {
    uint32_t *came_from; /* state -> state */
    uint32_t *queue;
    uint32_t queued;
};

static uint32_t state_of(uint32_t node, int32_t budget)
{
    return node * (BUDGET_MAX + 1) + (uint32_t)budget;
}

/* Queues what one hand-over away from the state. Returns the state of a node in need, or PL_NONE.
 */
static uint32_t expand(struct work *w, struct handover_search *search, uint32_t state)
{
    uint32_t node = state / (BUDGET_MAX + 1);
    int32_t budget = (int32_t)(state % (BUDGET_MAX + 1));
    uint32_t end = neediest(w, node, budget);
    for (uint32_t to = 0; to < w->count; to++) {
        if (w->nodes[to].weight == 0 || to == node || (end != PL_NONE && to != end))
            continue;
        uint32_t row = best_row(w, node, to, budget);
        if (row == PL_NONE)
            continue;
        int32_t left = budget - plan_growth(w, row, node, to);
        uint32_t next = state_of(to, left < BUDGET_MAX ? left : BUDGET_MAX);
        if (search->came_from[next] != PL_NONE)
            continue;
        search->came_from[next] = state;
        search->queue[search->queued++] = next;
        if (to == end)
            return next;
    }
    return PL_NONE;
}

/* Carries the hand-overs out from the last to the first. One may have become impossible by a later
 * one in the same row: then what is done stays, and the next search goes on from there. */
static void hand_over(struct work *w, const struct handover_search *search, uint32_t end)
{
    for (uint32_t state = end; search->came_from[state] != state;) {
        uint32_t giver = search->came_from[state];
        uint32_t from = giver / (BUDGET_MAX + 1);
        uint32_t to = state / (BUDGET_MAX + 1);
        uint32_t row = best_row(w, from, to, (int32_t)(giver % (BUDGET_MAX + 1)));
        if (row == PL_NONE)
            return;
        move(w, row, from, to);
        state = giver;
    }
}

/* One member less on `from`. Breadth first: one move when one is enough. */
static bool relieve(struct work *w, uint32_t from, int32_t budget)
{
    size_t states = (size_t)w->count * (BUDGET_MAX + 1);
    struct handover_search search = {pl_alloc(states, sizeof(uint32_t)),
                                     pl_alloc(states, sizeof(uint32_t)), 0};
    memset(search.came_from, 0xff, states * sizeof(uint32_t));
    uint32_t start = state_of(from, budget);
    uint32_t end = PL_NONE;
    search.queue[search.queued++] = start;
    search.came_from[start] = start;
    for (uint32_t done = 0; done < search.queued && end == PL_NONE; done++)
        end = expand(w, &search, search.queue[done]);
    if (end != PL_NONE)
        hand_over(w, &search, end);
    mem_free(search.came_from);
    mem_free(search.queue);
    return end != PL_NONE;
}

/* Two members of one domain: one has to go. Counts as one move that cannot be avoided. */
static uint32_t mend_row(struct work *w, uint32_t row_number)
{
    uint32_t mended = 0;
    for (uint32_t i = 0; i < w->replicas; i++) {
        for (uint32_t j = 0; j < i; j++) {
            const uint32_t *row = row_at(w, row_number);
            uint32_t a = row[i];
            uint32_t b = row[j];
            if (w->domains[a] != w->domains[b] || w->nodes[a].weight == 0 ||
                w->nodes[b].weight == 0)
                continue;
            uint32_t from = w->held[b] > w->quota[b] && w->held[a] <= w->quota[a] ? b : a;
            uint32_t to = PL_NONE;
            for (uint32_t k = 0; k < w->count; k++) {
                if (!row_accepts(w, row, from, k))
                    continue;
                if (to == PL_NONE ||
                    (int64_t)w->quota[k] - w->held[k] > (int64_t)w->quota[to] - w->held[to])
                    to = k;
            }
            if (to == PL_NONE)
                continue;
            move(w, row_number, from, to);
            mended++;
            i = 0; /* the row has changed: look at it again */
            break;
        }
    }
    return mended;
}

static uint32_t excess(const struct work *w)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < w->count; i++)
        sum += w->held[i] > w->quota[i] ? w->held[i] - w->quota[i] : 0;
    return sum;
}

static void plan_moves(struct work *w, uint32_t *ret_moves_least)
{
    uint32_t least = excess(w);
    uint32_t mended = 0;
    for (uint32_t r = 0; r < w->rows_count; r++)
        mended += mend_row(w, r);
    uint32_t rest = excess(w);
    *ret_moves_least = mended + rest > least ? mended + rest : least;
    for (uint32_t i = 0; i < w->count; i++) {
        /* Twice: a chain of moves may fall short once, see relieve. */
        for (uint32_t tries = 2 * excess(w); tries > 0 && w->held[i] > w->quota[i]; tries--) {
            int32_t budget = 1;
            while (budget <= BUDGET_MAX && !relieve(w, i, budget))
                budget++;
            if (budget > BUDGET_MAX)
                break;
        }
    }
}

static struct pl_step *next_step(struct work *w)
{
    uint32_t number = w->steps_count++;
    return number < w->steps_max ? &w->steps[number] : &w->beyond;
}

/* The moves are the difference between the rows as given and as planned. */
static void emit_moves(struct work *w)
{
    for (uint32_t r = 0; r < w->rows_count; r++) {
        const uint32_t *row = row_at(w, r);
        const uint32_t *before = w->original + (size_t)r * w->replicas;
        uint32_t next_new = 0;
        for (uint32_t i = 0; i < w->replicas; i++) {
            if (position_of(w, row, before[i]) >= 0)
                continue;
            while (!is_newcomer(w, r, row[next_new]))
                next_new++;
            struct pl_step *step = next_step(w);
            memset(step, 0, sizeof(*step));
            step->kind = PL_STEP_MOVE;
            step->chain = w->chain_of[r];
            step->from = w->nodes[before[i]].id;
            step->to = w->nodes[row[next_new++]].id;
        }
    }
}

static void plan_order(struct work *w)
{
    size_t slots = (size_t)w->rows_count * w->replicas;
    uint32_t *before = pl_alloc(slots, sizeof(uint32_t));
    if (slots > 0)
        memcpy(before, w->rows, slots * sizeof(uint32_t));
    pl_roles_balance(w->rows, w->rows_count, w->replicas, w->count);
    for (uint32_t r = 0; r < w->rows_count; r++) {
        const uint32_t *row = row_at(w, r);
        if (memcmp(row, before + (size_t)r * w->replicas, w->replicas * sizeof(uint32_t)) == 0)
            continue;
        struct pl_step *step = next_step(w);
        memset(step, 0, sizeof(*step));
        step->kind = PL_STEP_ORDER;
        step->chain = w->chain_of[r];
        for (uint32_t i = 0; i < w->replicas; i++)
            step->order[i] = w->nodes[row[i]].id;
    }
    mem_free(before);
}

uint32_t pl_rebalance(const struct pl_node *nodes, uint32_t count, uint32_t replicas,
                      uint32_t chains, const uint32_t *members, struct pl_step *ret_steps,
                      uint32_t steps_max, uint32_t *ret_moves_least)
{
    PRE(replicas > 0 && replicas <= BOUND_CHAIN_MEMBERS);
    struct work w = {.steps = ret_steps, .steps_max = steps_max};
    work_init(&w, nodes, count, replicas, chains, members);
    for (uint32_t r = 0; r < w.rows_count; r++)
        count_row(&w, row_at(&w, r), 1);
    uint32_t domains = pl_zone_domains(w.nodes, w.count, replicas, w.domains);
    pl_quota(w.nodes, w.count, w.domains, domains, (uint64_t)w.rows_count * replicas, w.rows_count,
             w.held, w.quota);
    plan_moves(&w, ret_moves_least);
    emit_moves(&w);
    plan_order(&w);
    work_release(&w);
    return w.steps_count;
}
