#include "tests/sim/check_listing.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/contract.h"

/* Something known at an answer (evidence), or possible from a call on (threat). */
struct fact {
    uint64_t at;   /* evidence: the return; threat: the call */
    uint64_t mark; /* evidence: the call; threat: the return */
};

struct facts {
    struct fact *items; /* by `at`; mark: the largest so far */
    uint32_t count;
};

static int compare_facts(const void *left, const void *right)
{
    const struct fact *a = left;
    const struct fact *b = right;
    return a->at < b->at ? -1 : a->at > b->at;
}

static void facts_order(struct facts *facts)
{
    qsort(facts->items, facts->count, sizeof *facts->items, compare_facts);
    for (uint32_t i = 1; i < facts->count; i++) {
        if (facts->items[i].mark < facts->items[i - 1].mark)
            facts->items[i].mark = facts->items[i - 1].mark;
    }
}

/* The largest mark of those before that time; 0: none. */
static uint64_t facts_before(const struct facts *facts, uint64_t at)
{
    uint32_t low = 0;
    uint32_t high = facts->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (facts->items[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? 0 : facts->items[low - 1].mark;
}

static void add(struct facts *facts, uint64_t at, uint64_t mark)
{
    facts->items[facts->count++] = (struct fact){at, mark};
}

struct knowledge {
    struct facts present; /* evidence */
    struct facts absent;
    struct facts puts; /* threats */
    struct facts deletes;
};

static void learn(struct knowledge *known, const struct linear_op *op)
{
    bool is_done = op->outcome == LINEAR_DONE;
    bool is_unknown = op->outcome == LINEAR_UNKNOWN;
    uint64_t end = is_unknown ? UINT64_MAX : op->return_at;
    if (op->kind == LINEAR_READ) {
        if (is_done)
            add(op->value != 0 ? &known->present : &known->absent, op->return_at, op->call_at);
        return;
    }
    if (op->outcome == LINEAR_MISSING)
        add(&known->absent, op->return_at, op->call_at);
    if (!is_done && !is_unknown)
        return;
    bool is_put = op->kind == LINEAR_PUT;
    add(is_put ? &known->puts : &known->deletes, op->call_at, end);
    if (is_done)
        add(is_put ? &known->present : &known->absent, op->return_at, op->call_at);
}

static enum listing_verdict judge(const struct knowledge *known, const struct listing *listing)
{
    /* Present at some moment after the call of the last evidence; and nothing since that could
     * have changed it before the listing returned. */
    uint64_t seen = facts_before(&known->present, listing->call_at);
    if (!listing->is_listed && seen > 0 && facts_before(&known->deletes, listing->return_at) < seen)
        return LISTING_MISSES;
    uint64_t gone = facts_before(&known->absent, listing->call_at);
    /* Absent from the beginning: as if somebody had seen that first of all. */
    uint64_t since = gone > 0 ? gone : 1;
    if (listing->is_listed && facts_before(&known->puts, listing->return_at) < since)
        return LISTING_INVENTS;
    return LISTING_GOOD;
}

enum listing_verdict listing_check(const struct linear_op *ops, uint32_t count,
                                   const struct listing *listings, uint32_t listings_count,
                                   uint32_t *ret_at)
{
    struct knowledge known = {{0}, {0}, {0}, {0}};
    struct facts *all[] = {&known.present, &known.absent, &known.puts, &known.deletes};
    for (size_t i = 0; i < ARRAY_COUNT(all); i++)
        all[i]->items = mem_calloc((size_t)count + 1, sizeof(struct fact));
    for (uint32_t i = 0; i < count; i++)
        learn(&known, &ops[i]);
    for (size_t i = 0; i < ARRAY_COUNT(all); i++)
        facts_order(all[i]);
    enum listing_verdict verdict = LISTING_GOOD;
    for (uint32_t i = 0; i < listings_count && verdict == LISTING_GOOD; i++) {
        verdict = judge(&known, &listings[i]);
        *ret_at = i;
    }
    for (size_t i = 0; i < ARRAY_COUNT(all); i++)
        mem_free(all[i]->items);
    return verdict;
}
