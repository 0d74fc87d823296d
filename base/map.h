/* Hash map from 64-bit keys to pointers: open addressing, linear probing, backward-shift deletion.
 *
 * Iteration order depends only on the keys and the history of inserts and removes, never on
 * addresses, so cores may iterate it and stay deterministic. For keys that are bytes, hash them
 * and chain the entries that collide through a field of their own. */
#ifndef CATENA_BASE_MAP_H
#define CATENA_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_cell {
    uint64_t key;
    void *value; /* NULL marks a free cell */
};

struct map {
    struct map_cell *cells;
    size_t capacity; /* a power of two, or 0 before the first insert */
    size_t count;
};

void map_init(struct map *map);
void map_release(struct map *map);
/* NULL when absent. */
void *map_get(const struct map *map, uint64_t key);
/* Inserts or replaces; value is not NULL. Returns the value replaced, or NULL. */
void *map_put(struct map *map, uint64_t key, void *value);
/* Returns the value removed, or NULL. */
void *map_remove(struct map *map, uint64_t key);
/* Iteration: *cursor starts at 0; returns the next value, NULL at the end. Do not change the map
 * meanwhile. */
void *map_next(const struct map *map, size_t *cursor, uint64_t *ret_key);

#endif
