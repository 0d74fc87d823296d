#include "base/hash.h"

#include <xxhash.h>

#include "base/contract.h"

uint64_t hash_bytes(struct slice bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.data, bytes.length, seed);
}

uint64_t checksum_bytes(struct slice bytes)
{
    return XXH3_64bits(bytes.data, bytes.length);
}

struct checksum_stream *checksum_stream_new(void)
{
    XXH3_state_t *state = XXH3_createState();
    if (state == NULL || XXH3_64bits_reset(state) != XXH_OK)
        contract_fail("memory", "out of memory", __FILE__, __LINE__);
    return (struct checksum_stream *)state;
}

void checksum_stream_update(struct checksum_stream *stream, struct slice bytes)
{
    if (bytes.length > 0)
        (void)XXH3_64bits_update((XXH3_state_t *)stream, bytes.data, bytes.length);
}

uint64_t checksum_stream_value(const struct checksum_stream *stream)
{
    return XXH3_64bits_digest((const XXH3_state_t *)stream);
}

void checksum_stream_free(struct checksum_stream *stream)
{
    if (stream != NULL)
        (void)XXH3_freeState((XXH3_state_t *)stream);
}
