#include "base/hash.h"
#include "base/contract.h"
#include "placement/placement.h"

/* High half of a 64 x 32 bit product, without a 128-bit type. */
static uint64_t multiply_high(uint64_t a, uint32_t b)
{
    uint64_t low = (a & 0xffffffffu) * b;
    uint64_t high = (a >> 32) * b;
    return (high + (low >> 32)) >> 32;
}

uint32_t pl_hash(uint64_t bucket, struct slice key, uint32_t chains)
{
    PRE(chains > 0);
    return (uint32_t)multiply_high(hash_bytes(key, bucket), chains);
}
