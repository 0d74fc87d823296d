/* xoshiro256** seeded by splitmix64 (Blackman and Vigna, "Scrambled linear pseudorandom number
 * generators", 2018). Deterministic for a seed on every machine. Not for secrets. */
#ifndef CATENA_BASE_PRNG_H
#define CATENA_BASE_PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct prng {
    uint64_t state[4];
};

void prng_init(struct prng *prng, uint64_t seed);
uint64_t prng_next(struct prng *prng);
/* Uniform in [0, bound), bound > 0, without modulo bias. */
uint64_t prng_below(struct prng *prng, uint64_t bound);
/* Uniform in [low, high], low <= high. */
uint64_t prng_between(struct prng *prng, uint64_t low, uint64_t high);
/* True once in `of` draws on average. */
bool prng_once_in(struct prng *prng, uint64_t of);

#endif
