/* 128-bit identities of clusters, disks and host boots. Drivers make them; cores only compare. */
#ifndef CATENA_BASE_UUID_H
#define CATENA_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct uuid {
    uint8_t bytes[16];
};

enum { UUID_TEXT_SIZE = 37 };

static inline bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static inline bool uuid_is_zero(const struct uuid *a)
{
    static const struct uuid zero;
    return uuid_equal(a, &zero);
}

/* Enough to tell two of a kind apart; 0 for the zero one. */
static inline uint64_t uuid_tag(const struct uuid *a)
{
    uint64_t tag = 0;
    for (unsigned i = 0; i < 8; i++)
        tag = tag << 8 | a->bytes[i];
    return tag;
}

/* 8-4-4-4-12 hexadecimal digits; out has UUID_TEXT_SIZE bytes. Returns out. */
char *uuid_format(const struct uuid *uuid, char *out);
bool uuid_parse(const char *text, struct uuid *ret_uuid);

#endif
