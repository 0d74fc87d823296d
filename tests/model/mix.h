/* Fingerprints: words folded into 64 bits, order-sensitive. */
#ifndef CATENA_TESTS_MODEL_MIX_H
#define CATENA_TESTS_MODEL_MIX_H

#include <stdint.h>

static inline uint64_t mix(uint64_t hash, uint64_t word)
{
    hash ^= word + 0x9e3779b97f4a7c15u + (hash << 6);
    hash *= 0xd6e8feb86659fd93u;
    hash ^= hash >> 32;
    hash *= 0xd6e8feb86659fd93u;
    return hash ^ hash >> 29;
}

#endif
