#include "chainnode/io/space.h"

#define RESERVE_MAX_BYTES (256ull << 20)

void space_init(struct space *space, uint64_t reserve_bytes)
{
    *space = (struct space){.reserve_asked_bytes = reserve_bytes};
}

uint64_t space_reserve_bytes(const struct space *space)
{
    if (space->reserve_asked_bytes != 0)
        return space->reserve_asked_bytes;
    uint64_t share = space->total_bytes / 50;
    return share < RESERVE_MAX_BYTES ? share : RESERVE_MAX_BYTES;
}

void space_submitted(struct space *space, uint64_t bytes)
{
    space->submitted_bytes += bytes;
}

bool space_wants_look(const struct space *space, uint64_t now_us)
{
    return now_us >= space->next_us ||
           space->submitted_bytes - space->looked_bytes >= SPACE_STEP_BYTES;
}

void space_missed(struct space *space, uint64_t now_us)
{
    space->next_us = now_us + SPACE_PERIOD_US;
    space->looked_bytes = space->submitted_bytes;
}

void space_take(struct space *space, uint64_t now_us, uint64_t total_bytes, uint64_t free_bytes,
                uint64_t written_bytes)
{
    uint64_t queued =
        space->submitted_bytes > written_bytes ? space->submitted_bytes - written_bytes : 0;
    space_missed(space, now_us);
    space->total_bytes = total_bytes;
    space->free_bytes = free_bytes > queued ? free_bytes - queued : 0;
    space->is_full = space->free_bytes < space_reserve_bytes(space);
}
