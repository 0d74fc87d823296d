#include "tests/sim/history.h"

#include "base/buf.h"
#include "tests/sim/check_once.h"

void history_record(struct history *history, const struct linear_op *op)
{
    if (history->count == history->capacity) {
        history->capacity = history->capacity == 0 ? 256 : 2 * history->capacity;
        history->ops = mem_realloc(history->ops, history->capacity * sizeof *history->ops);
    }
    history->ops[history->count++] = *op;
}

void history_note_listing(struct history *history, const struct linear_op *op)
{
    if (history->listings_count == history->listings_capacity) {
        history->listings_capacity =
            history->listings_capacity == 0 ? 64 : 2 * history->listings_capacity;
        history->listings =
            mem_realloc(history->listings, history->listings_capacity * sizeof *history->listings);
    }
    history->listings[history->listings_count++] =
        (struct listing){op->call_at, op->return_at, op->value != 0};
}

void history_release(struct history *history)
{
    mem_free(history->ops);
    mem_free(history->listings);
}

const char *history_outcome_name(enum linear_outcome outcome)
{
    static const char *const names[] = {"done", "refused", "missing", "unknown"};
    return names[outcome];
}

static void tell(struct world *world, const struct history *history)
{
    for (uint32_t i = 0; i < history->count; i++) {
        const struct linear_op *op = &history->ops[i];
        world_trace(world,
                    "history %s #%u: [%llu, %llu] kind=%d outcome=%s value=%u condition=%d "
                    "match=%u current=%u",
                    history->name, i, (unsigned long long)op->call_at,
                    (unsigned long long)op->return_at, (int)op->kind,
                    history_outcome_name(op->outcome), op->value, (int)op->condition, op->match,
                    op->current);
    }
}

static void check_listings(struct world *world, const struct history *history)
{
    uint32_t at = 0;
    enum listing_verdict verdict = listing_check(history->ops, history->count, history->listings,
                                                 history->listings_count, &at);
    if (verdict != LISTING_GOOD)
        world_fail(world, "the listing [%llu, %llu] %s %s",
                   (unsigned long long)history->listings[at].call_at,
                   (unsigned long long)history->listings[at].return_at,
                   verdict == LISTING_MISSES ? "misses" : "invents", history->name);
}

static void check_versions(struct world *world, const struct history *history,
                           struct origin (*version_of)(const void *context, uint32_t value),
                           const void *context)
{
    struct once_sight *sights = mem_calloc((size_t)history->count + 1, sizeof *sights);
    uint32_t count = 0;
    for (uint32_t i = 0; i < history->count; i++) {
        const struct linear_op *op = &history->ops[i];
        bool is_seen = op->outcome == LINEAR_DONE && op->kind != LINEAR_DELETE && op->value != 0;
        if (is_seen && op->value != LINEAR_ANY)
            sights[count++] =
                (struct once_sight){op->value, version_of(context, op->value),
                                    op->kind == LINEAR_PUT, op->call_at, op->return_at};
    }
    uint32_t value = 0;
    enum once_verdict verdict = once_check(sights, count, &value);
    if (verdict != ONCE_GOOD)
        world_fail(world, "value %u of %s %s", value, history->name, once_verdict_text(verdict));
    mem_free(sights);
}

void history_check(struct world *world, const struct history *history,
                   struct origin (*version_of)(const void *context, uint32_t value),
                   const void *context)
{
    check_listings(world, history);
    check_versions(world, history, version_of, context);
    uint32_t stuck = 0;
    enum linear_verdict verdict = linear_check(history->ops, history->count, &stuck);
    if (verdict == LINEAR_YES)
        return;
    tell(world, history);
    world_fail(world, "the history of %s (%u operations) is %s; stuck at #%u", history->name,
               history->count, verdict == LINEAR_NO ? "not linearizable" : "too hard to check",
               stuck);
}
