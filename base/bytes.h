/* Big-endian integers in row keys and values, so that byte order is number order. */
#ifndef CATENA_BASE_BYTES_H
#define CATENA_BASE_BYTES_H

#include <stdint.h>

static inline void bytes_put_u32(uint8_t *out, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

static inline void bytes_put_u64(uint8_t *out, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

static inline uint32_t bytes_get_u32(const uint8_t *in)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++)
        value = (value << 8) | in[i];
    return value;
}

static inline uint64_t bytes_get_u64(const uint8_t *in)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value = (value << 8) | in[i];
    return value;
}

#endif
