#include "chainnode/io/space.h"

#include "base/io/host.h"

enum { PERIOD_US = 1000000 };

#define RESERVE_MAX_BYTES (256ull << 20)

void space_init(struct space *space, const char *directory, uint64_t reserve_bytes)
{
    *space = (struct space){.directory = directory, .reserve_asked_bytes = reserve_bytes};
}

uint64_t space_reserve_bytes(const struct space *space)
{
    if (space->reserve_asked_bytes != 0)
        return space->reserve_asked_bytes;
    uint64_t share = space->total_bytes / 50;
    return share < RESERVE_MAX_BYTES ? share : RESERVE_MAX_BYTES;
}

bool space_look(struct space *space, uint64_t now_us)
{
    if (now_us < space->next_us)
        return false;
    space->next_us = now_us + PERIOD_US;
    if (host_disk_space(space->directory, &space->total_bytes, &space->free_bytes) != ERR_OK)
        return false;
    space->is_full = space->free_bytes < space_reserve_bytes(space);
    return true;
}
