/* How full the file system is, looked at once a second. */
#ifndef CATENA_CHAINNODE_IO_SPACE_H
#define CATENA_CHAINNODE_IO_SPACE_H

#include <stdbool.h>
#include <stdint.h>

struct space {
    const char *directory;
    uint64_t reserve_asked_bytes; /* 0: the smaller of 256 MiB and 2 % of the file system */
    uint64_t next_us;
    uint64_t total_bytes;
    uint64_t free_bytes;
    bool is_full; /* free < reserve: puts are refused, deletes still work */
};

void space_init(struct space *space, const char *directory, uint64_t reserve_bytes);
/* True when a second has passed and there are new numbers. */
bool space_look(struct space *space, uint64_t now_us);
uint64_t space_reserve_bytes(const struct space *space);

#endif
