#include "tests/sim/check_linear.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/hash.h"
#include "base/map.h"

enum { NO_ENTRY = 0, STEPS_MAX = 20000000 };

/* Calls and returns in time order as a doubly linked list of indices; 0 is the head. */
struct entry {
    uint32_t op;
    bool is_return;
    uint32_t match; /* the other entry of the operation */
    uint32_t next;
    uint32_t previous;
};

struct frame {
    uint32_t entry;
    uint32_t state_before;
    bool is_forced; /* settle(): there is no other choice to try */
};

struct search {
    const struct linear_op *ops;
    uint32_t count;
    struct entry *entries; /* 1 .. 2 count */
    struct frame *stack;
    uint32_t depth;
    uint64_t placed; /* the placed operations' numbers, hashed one by one and joined by XOR */
    uint32_t state;
    uint32_t *needs; /* by value: how many answered operations, not yet placed, happened in it */
    bool *useless;   /* lost writes that explain nothing */
    struct map seen; /* hash of (placed, state) -> itself */
};

struct moment {
    uint64_t at;
    uint32_t op;
    bool is_return;
};

static int compare_moments(const void *left, const void *right)
{
    const struct moment *a = left;
    const struct moment *b = right;
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return a->op < b->op ? -1 : a->op > b->op;
}

static void build_entries(struct search *s)
{
    struct moment *moments = mem_calloc(2 * (size_t)s->count + 1, sizeof *moments);
    uint32_t *call_of = mem_calloc((size_t)s->count + 1, sizeof *call_of);
    for (uint32_t i = 0; i < s->count; i++) {
        bool unknown = s->ops[i].outcome == LINEAR_UNKNOWN;
        moments[2 * i] = (struct moment){s->ops[i].call_at, i, false};
        moments[2 * i + 1] = (struct moment){unknown ? UINT64_MAX : s->ops[i].return_at, i, true};
        PRE(unknown || s->ops[i].return_at > s->ops[i].call_at);
    }
    qsort(moments, 2 * (size_t)s->count, sizeof *moments, compare_moments);
    uint32_t total = 2 * s->count;
    for (uint32_t e = 1; e <= total; e++) {
        const struct moment *moment = &moments[e - 1];
        s->entries[e] = (struct entry){.op = moment->op,
                                       .is_return = moment->is_return,
                                       .next = e < total ? e + 1 : NO_ENTRY,
                                       .previous = e - 1};
        if (!moment->is_return) {
            call_of[moment->op] = e;
        } else {
            s->entries[e].match = call_of[moment->op];
            s->entries[call_of[moment->op]].match = e;
        }
    }
    s->entries[NO_ENTRY].next = total > 0 ? 1 : NO_ENTRY;
    mem_free(moments);
    mem_free(call_of);
}

static void unlink_entry(struct search *s, uint32_t e)
{
    s->entries[s->entries[e].previous].next = s->entries[e].next;
    if (s->entries[e].next != NO_ENTRY)
        s->entries[s->entries[e].next].previous = s->entries[e].previous;
}

static void relink_entry(struct search *s, uint32_t e)
{
    s->entries[s->entries[e].previous].next = e;
    if (s->entries[e].next != NO_ENTRY)
        s->entries[s->entries[e].next].previous = e;
}

static bool condition_holds(const struct linear_op *op, uint32_t state)
{
    switch (op->condition) {
    case WIRE_CONDITION_NONE:
        return true;
    case WIRE_CONDITION_ABSENT:
        return state == 0;
    case WIRE_CONDITION_MATCH:
        return state != 0 && state == op->match;
    case WIRE_CONDITION_EXISTS:
        return state != 0;
    }
    return false;
}

/* May the operation happen in this state? Gives the state after. */
static bool step(const struct linear_op *op, uint32_t state, uint32_t *ret_state)
{
    *ret_state = state;
    if (op->kind == LINEAR_READ)
        return op->outcome == LINEAR_UNKNOWN || op->value == state;
    bool holds = condition_holds(op, state);
    bool is_delete = op->kind == LINEAR_DELETE;
    uint32_t after = is_delete ? 0 : op->value;
    switch (op->outcome) {
    case LINEAR_DONE:
        *ret_state = after;
        return holds && !(is_delete && state == 0);
    case LINEAR_REFUSED:
        return !holds && (op->current == LINEAR_ANY || op->current == state);
    case LINEAR_MISSING:
        return holds && is_delete && state == 0;
    case LINEAR_UNKNOWN:
        *ret_state = holds ? after : state;
        return true;
    }
    return false;
}

/* An operation without an answer is placed only for the sake of the one that follows. If that one
 * could happen without it, with the same result, the order without it is as good and leaves more
 * open: without this rule, n lost writes mean 2^n sets to look at. Every order that explains the
 * history can be brought into this form by taking out lost writes that nobody needs. */
static bool is_needless(const struct search *s, const struct linear_op *op, uint32_t after)
{
    if (s->depth == 0)
        return false;
    const struct frame *last = &s->stack[s->depth - 1];
    uint32_t without = 0;
    return s->ops[s->entries[last->entry].op].outcome == LINEAR_UNKNOWN &&
           step(op, last->state_before, &without) && without == after;
}

static uint64_t hash_of(uint64_t number, uint64_t salt)
{
    const uint64_t words[2] = {number, salt};
    return hash_bytes(slice_of(words, sizeof words), 0);
}

/* True the first time that the set with this operation added is reached, in this state. What may
 * follow depends on the operation too, if it was a lost write (is_needless). */
static bool is_new(struct search *s, uint32_t op, uint32_t after, bool is_lost)
{
    const uint64_t words[3] = {s->placed ^ hash_of(op, 1), after, is_lost ? s->state + 1ull : 0};
    return map_put(&s->seen, hash_bytes(slice_of(words, sizeof words), 0), s) == NULL;
}

/* The value that must be there when the operation happens; 0 if none that was written. */
static uint32_t value_needed(const struct linear_op *op)
{
    uint32_t value = 0;
    if (op->kind == LINEAR_READ)
        value = op->value;
    else if (op->outcome == LINEAR_REFUSED)
        value = op->current;
    else if (op->condition == WIRE_CONDITION_MATCH)
        value = op->match;
    return op->outcome == LINEAR_UNKNOWN || value == LINEAR_ANY ? 0 : value;
}

static void place(struct search *s, uint32_t e, uint32_t state, bool is_forced)
{
    uint32_t op = s->entries[e].op;
    s->stack[s->depth++] = (struct frame){e, s->state, is_forced};
    s->state = state;
    unlink_entry(s, e);
    unlink_entry(s, s->entries[e].match);
    s->needs[value_needed(&s->ops[op])]--;
    s->placed ^= hash_of(op, 1);
}

static struct frame take_back(struct search *s)
{
    struct frame frame = s->stack[--s->depth];
    uint32_t op = s->entries[frame.entry].op;
    s->state = frame.state_before;
    s->placed ^= hash_of(op, 1);
    s->needs[value_needed(&s->ops[op])]++;
    relink_entry(s, s->entries[frame.entry].match);
    relink_entry(s, frame.entry);
    return frame;
}

/* A value is written once: when it is gone, whoever still has to see it never will. */
static bool leaves_too_early(const struct search *s, const struct linear_op *op, uint32_t after)
{
    uint32_t itself = value_needed(op) == s->state;
    return s->state != 0 && after != s->state && s->needs[s->state] > itself;
}

static bool try_place(struct search *s, uint32_t e)
{
    uint32_t after = 0;
    uint32_t op = s->entries[e].op;
    if (s->useless[op])
        return false;
    bool is_lost = s->ops[op].outcome == LINEAR_UNKNOWN;
    if (!step(&s->ops[op], s->state, &after) || (is_lost && after == s->state) ||
        is_needless(s, &s->ops[op], after) || leaves_too_early(s, &s->ops[op], after) ||
        !is_new(s, op, after, is_lost))
        return false;
    place(s, e, after, false);
    return true;
}

/* An answered operation that may happen now and changes nothing happens now: whatever order
 * explains the history, it stays one when this operation is moved to the front. Without this rule a
 * read that is answered late is passed over, and missed only hundreds of operations later. */
static void settle(struct search *s)
{
    uint32_t e = s->entries[NO_ENTRY].next;
    while (e != NO_ENTRY && !s->entries[e].is_return) {
        const struct linear_op *op = &s->ops[s->entries[e].op];
        uint32_t after = 0;
        uint32_t next = s->entries[e].next;
        if (op->outcome != LINEAR_UNKNOWN && step(op, s->state, &after) && after == s->state &&
            !is_needless(s, op, after)) {
            if (next == s->entries[e].match)
                next = s->entries[next].next;
            place(s, e, after, true);
        }
        e = next;
    }
}

/* The next choice to try after the one that led here; NO_ENTRY if there is none. */
static uint32_t go_back(struct search *s)
{
    while (s->depth > 0) {
        struct frame frame = take_back(s);
        if (!frame.is_forced)
            return s->entries[frame.entry].next;
    }
    return NO_ENTRY;
}

static enum linear_verdict search(struct search *s, uint32_t *ret_stuck)
{
    uint32_t deepest = 0;
    settle(s);
    uint32_t e = s->entries[NO_ENTRY].next;
    for (uint64_t steps = 0; steps < STEPS_MAX; steps++) {
        if (e == NO_ENTRY)
            return LINEAR_YES;
        if (!s->entries[e].is_return) {
            bool is_placed = try_place(s, e);
            if (is_placed)
                settle(s);
            e = s->entries[is_placed ? NO_ENTRY : e].next;
            continue;
        }
        /* Everything that was answered is placed: the rest may never have happened. */
        if (s->ops[s->entries[e].op].outcome == LINEAR_UNKNOWN)
            return LINEAR_YES;
        if (s->depth >= deepest) {
            deepest = s->depth;
            *ret_stuck = s->entries[e].op;
        }
        e = go_back(s);
        if (e == NO_ENTRY)
            return LINEAR_NO; /* after a call there is always an entry: its return */
    }
    return LINEAR_TOO_HARD;
}

/* Does it ask only whether something is there, or name something that this history does not know?
 * Then any write may be what it saw. */
static bool asks_for_anything(const struct linear_op *op)
{
    if (op->kind == LINEAR_READ)
        return op->value == LINEAR_ANY;
    return op->kind == LINEAR_DELETE || op->condition != WIRE_CONDITION_NONE;
}

/* A write without an answer whose value nobody saw may as well never have happened, unless there is
 * somebody to whom any value would do. */
static void find_useless(struct search *s)
{
    bool any = false;
    struct map seen; /* value + 1 -> anything */
    map_init(&seen);
    for (uint32_t i = 0; i < s->count; i++) {
        any = any || asks_for_anything(&s->ops[i]);
        if (s->ops[i].kind == LINEAR_READ)
            (void)map_put(&seen, (uint64_t)s->ops[i].value + 1, s);
    }
    for (uint32_t i = 0; i < s->count && !any; i++) {
        const struct linear_op *op = &s->ops[i];
        s->useless[i] = op->outcome == LINEAR_UNKNOWN && op->kind == LINEAR_PUT &&
                        map_get(&seen, (uint64_t)op->value + 1) == NULL;
    }
    map_release(&seen);
}

static void count_needs(struct search *s)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t needed = value_needed(&s->ops[i]);
        uint32_t written = s->ops[i].kind == LINEAR_PUT ? s->ops[i].value : 0;
        most = needed > most ? needed : most;
        most = written > most ? written : most;
    }
    s->needs = mem_calloc((size_t)most + 1, sizeof *s->needs);
    for (uint32_t i = 0; i < s->count; i++)
        s->needs[value_needed(&s->ops[i])]++;
}

enum linear_verdict linear_check(const struct linear_op *ops, uint32_t count, uint32_t *ret_stuck)
{
    struct search s = {.ops = ops, .count = count};
    s.entries = mem_calloc(2 * (size_t)count + 1, sizeof *s.entries);
    s.stack = mem_calloc((size_t)count + 1, sizeof *s.stack);
    map_init(&s.seen);
    s.useless = mem_calloc((size_t)count + 1, sizeof *s.useless);
    build_entries(&s);
    find_useless(&s);
    count_needs(&s);
    *ret_stuck = 0;
    enum linear_verdict verdict = search(&s, ret_stuck);
    map_release(&s.seen);
    mem_free(s.entries);
    mem_free(s.useless);
    mem_free(s.needs);
    mem_free(s.stack);
    return verdict;
}
