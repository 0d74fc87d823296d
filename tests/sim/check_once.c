#include "tests/sim/check_once.h"

#include <stdlib.h>

#include "base/buf.h"

const char *once_verdict_text(enum once_verdict verdict)
{
    static const char *const texts[] = {"good", "was executed twice: it has two versions",
                                        "shares its version with another value",
                                        "has a version below one that was seen before"};
    return texts[verdict];
}

static int compare_values(const void *left, const void *right)
{
    const struct once_sight *a = left;
    const struct once_sight *b = right;
    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
    return origin_compare(a->version, b->version);
}

static int compare_versions(const void *left, const void *right)
{
    const struct once_sight *a = left;
    const struct once_sight *b = right;
    int order = origin_compare(a->version, b->version);
    return order != 0 ? order : a->value < b->value ? -1 : a->value > b->value;
}

static int compare_calls(const void *left, const void *right)
{
    const struct once_sight *a = left;
    const struct once_sight *b = right;
    return a->call_at < b->call_at ? -1 : a->call_at > b->call_at;
}

static int compare_returns(const void *left, const void *right)
{
    const struct once_sight *a = left;
    const struct once_sight *b = right;
    return a->return_at < b->return_at ? -1 : a->return_at > b->return_at;
}

/* Each call against the largest version that was answered before it. */
static enum once_verdict check_time(struct once_sight *sights, uint32_t count, uint32_t *ret_value)
{
    enum once_verdict verdict = ONCE_GOOD;
    struct once_sight *returns = mem_calloc((size_t)count + 1, sizeof *returns);
    for (uint32_t i = 0; i < count; i++)
        returns[i] = sights[i];
    qsort(sights, count, sizeof *sights, compare_calls);
    qsort(returns, count, sizeof *returns, compare_returns);
    struct origin largest = {0, 0};
    uint32_t answered = 0;
    for (uint32_t i = 0; i < count && verdict == ONCE_GOOD; i++) {
        for (; answered < count && returns[answered].return_at < sights[i].call_at; answered++) {
            if (origin_compare(returns[answered].version, largest) > 0)
                largest = returns[answered].version;
        }
        int order = origin_compare(sights[i].version, largest);
        *ret_value = sights[i].value;
        if (order < 0 || (order == 0 && sights[i].is_put && answered > 0))
            verdict = ONCE_BACKWARDS;
    }
    mem_free(returns);
    return verdict;
}

enum once_verdict once_check(struct once_sight *sights, uint32_t count, uint32_t *ret_value)
{
    qsort(sights, count, sizeof *sights, compare_values);
    for (uint32_t i = 1; i < count; i++) {
        *ret_value = sights[i].value;
        if (sights[i].value == sights[i - 1].value &&
            origin_compare(sights[i].version, sights[i - 1].version) != 0)
            return ONCE_TWICE;
    }
    qsort(sights, count, sizeof *sights, compare_versions);
    for (uint32_t i = 1; i < count; i++) {
        *ret_value = sights[i].value;
        if (sights[i].value != sights[i - 1].value &&
            origin_compare(sights[i].version, sights[i - 1].version) == 0)
            return ONCE_SHARED;
    }
    return check_time(sights, count, ret_value);
}
