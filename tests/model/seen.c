#include "tests/model/seen.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/contract.h"

enum { SLOTS_MIN = 1 << 16 };

struct seen {
    uint64_t states_max;
    uint64_t capacity; /* a power of two */
    uint64_t count;
    uint64_t *fingerprints; /* 0: free */
    uint16_t *left;
};

static void allocate(struct seen *seen, uint64_t capacity)
{
    seen->capacity = capacity;
    seen->fingerprints = calloc(capacity, sizeof *seen->fingerprints);
    seen->left = calloc(capacity, sizeof *seen->left);
    INVARIANT(seen->fingerprints != NULL && seen->left != NULL);
}

struct seen *seen_new(uint64_t states_max)
{
    struct seen *seen = calloc(1, sizeof *seen);
    INVARIANT(seen != NULL);
    seen->states_max = states_max;
    allocate(seen, SLOTS_MIN);
    return seen;
}

void seen_free(struct seen *seen)
{
    if (seen == NULL)
        return;
    free(seen->fingerprints);
    free(seen->left);
    free(seen);
}

static uint64_t find(const struct seen *seen, uint64_t fingerprint)
{
    uint64_t at = fingerprint & (seen->capacity - 1);
    while (seen->fingerprints[at] != 0 && seen->fingerprints[at] != fingerprint)
        at = (at + 1) & (seen->capacity - 1);
    return at;
}

static void grow(struct seen *seen)
{
    struct seen old = *seen;
    allocate(seen, old.capacity * 2);
    for (uint64_t i = 0; i < old.capacity; i++) {
        if (old.fingerprints[i] == 0)
            continue;
        uint64_t at = find(seen, old.fingerprints[i]);
        seen->fingerprints[at] = old.fingerprints[i];
        seen->left[at] = old.left[i];
    }
    free(old.fingerprints);
    free(old.left);
}

bool seen_add(struct seen *seen, uint64_t fingerprint, uint32_t left)
{
    fingerprint = fingerprint == 0 ? 1 : fingerprint;
    if ((seen->count + 1) * 4 > seen->capacity * 3)
        grow(seen);
    uint64_t at = find(seen, fingerprint);
    if (seen->fingerprints[at] == 0) {
        seen->fingerprints[at] = fingerprint;
        seen->left[at] = (uint16_t)left;
        seen->count++;
        return true;
    }
    if (left <= seen->left[at])
        return false;
    seen->left[at] = (uint16_t)left;
    return true;
}

bool seen_has(const struct seen *seen, uint64_t fingerprint)
{
    fingerprint = fingerprint == 0 ? 1 : fingerprint;
    return seen->fingerprints[find(seen, fingerprint)] != 0;
}

bool seen_is_full(const struct seen *seen)
{
    return seen->count >= seen->states_max;
}

uint64_t seen_count(const struct seen *seen)
{
    return seen->count;
}
