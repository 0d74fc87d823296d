/* How full the file system is: looked at once a second, and again whenever SPACE_STEP_BYTES more
 * were given to the writer, so that a fast disk cannot run through the reserve between two looks.
 * What the writer still has queued counts as written. Pure: the driver asks the file system. */
#ifndef CATENA_CHAINNODE_IO_SPACE_H
#define CATENA_CHAINNODE_IO_SPACE_H

#include <stdbool.h>
#include <stdint.h>

enum { SPACE_STEP_BYTES = 1 << 20, SPACE_PERIOD_US = 1000000 };

struct space {
    uint64_t reserve_asked_bytes; /* 0: the smaller of 256 MiB and 2 % of the file system */
    uint64_t next_us;
    uint64_t submitted_bytes; /* to the writer, ever */
    uint64_t looked_bytes;    /* submitted_bytes at the last look */
    uint64_t total_bytes;
    uint64_t free_bytes; /* less what is queued */
    bool is_full;        /* free < reserve: puts are refused, deletes still work */
};

void space_init(struct space *space, uint64_t reserve_bytes);
/* A batch of this size goes to the writer. */
void space_submitted(struct space *space, uint64_t bytes);
/* It is time for space_take. */
bool space_wants_look(const struct space *space, uint64_t now_us);
/* What the file system says, and how many of the submitted bytes the writer had written before it
 * was asked. */
void space_take(struct space *space, uint64_t now_us, uint64_t total_bytes, uint64_t free_bytes,
                uint64_t written_bytes);
/* The file system did not answer: the old numbers stand until the next look. */
void space_missed(struct space *space, uint64_t now_us);
uint64_t space_reserve_bytes(const struct space *space);

#endif
