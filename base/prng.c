#include "base/prng.h"

#include "base/contract.h"

static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

void prng_init(struct prng *prng, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        prng->state[i] = z ^ (z >> 31);
    }
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *prng, uint64_t bound)
{
    PRE(bound > 0);
    uint64_t threshold = (0 - bound) % bound;
    for (;;) {
        uint64_t draw = prng_next(prng);
        if (draw >= threshold)
            return draw % bound;
    }
}

uint64_t prng_between(struct prng *prng, uint64_t low, uint64_t high)
{
    PRE(low <= high);
    if (low == 0 && high == UINT64_MAX)
        return prng_next(prng);
    return low + prng_below(prng, high - low + 1);
}

bool prng_once_in(struct prng *prng, uint64_t of)
{
    return prng_below(prng, of) == 0;
}
