/* Hashes and checksums. XXH3 (64 bits) from libxxhash: a published, stable function. */
#ifndef CATENA_BASE_HASH_H
#define CATENA_BASE_HASH_H

#include <stdint.h>

#include "base/slice.h"

/* XXH3_64bits_withSeed(bytes, seed). Bit-exact on every machine; placement and in-memory maps use
 * it. */
uint64_t hash_bytes(struct slice bytes, uint64_t seed);
/* The checksum of object payloads: XXH3_64bits (seed 0). The client computes it, every node
 * verifies it. */
uint64_t checksum_bytes(struct slice bytes);

/* The same over a stream of pieces. */
struct checksum_stream;
struct checksum_stream *checksum_stream_new(void);
void checksum_stream_update(struct checksum_stream *stream, struct slice bytes);
uint64_t checksum_stream_value(const struct checksum_stream *stream);
void checksum_stream_free(struct checksum_stream *stream);

#endif
