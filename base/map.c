#include "base/map.h"

#include "base/buf.h"
#include "base/contract.h"

enum { MAP_CAPACITY_MIN = 16 };

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    return x;
}

static size_t home_of(const struct map *map, uint64_t key)
{
    return (size_t)mix(key) & (map->capacity - 1);
}

void map_init(struct map *map)
{
    *map = (struct map){0};
}

void map_release(struct map *map)
{
    mem_free(map->cells);
    map_init(map);
}

/* Index of the key's cell, or of the free cell where it would go. */
static size_t find_cell(const struct map *map, uint64_t key)
{
    size_t i = home_of(map, key);
    while (map->cells[i].value != NULL && map->cells[i].key != key)
        i = (i + 1) & (map->capacity - 1);
    return i;
}

static void grow(struct map *map)
{
    struct map old = *map;
    map->capacity = old.capacity == 0 ? MAP_CAPACITY_MIN : old.capacity * 2;
    map->cells = mem_calloc(map->capacity, sizeof *map->cells);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.cells[i].value != NULL)
            map->cells[find_cell(map, old.cells[i].key)] = old.cells[i];
    mem_free(old.cells);
}

void *map_get(const struct map *map, uint64_t key)
{
    if (map->capacity == 0)
        return NULL;
    return map->cells[find_cell(map, key)].value;
}

void *map_put(struct map *map, uint64_t key, void *value)
{
    PRE(value != NULL);
    if ((map->count + 1) * 4 > map->capacity * 3)
        grow(map);
    struct map_cell *cell = &map->cells[find_cell(map, key)];
    void *before = cell->value;
    if (before == NULL)
        map->count++;
    cell->key = key;
    cell->value = value;
    return before;
}

void *map_remove(struct map *map, uint64_t key)
{
    if (map->capacity == 0)
        return NULL;
    size_t hole = find_cell(map, key);
    void *before = map->cells[hole].value;
    if (before == NULL)
        return NULL;
    size_t mask = map->capacity - 1;
    for (size_t i = (hole + 1) & mask; map->cells[i].value != NULL; i = (i + 1) & mask) {
        size_t home = home_of(map, map->cells[i].key);
        /* The cell may move into the hole only if its home is not between the hole and itself. */
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->cells[hole] = map->cells[i];
            hole = i;
        }
    }
    map->cells[hole].value = NULL;
    map->count--;
    return before;
}

void *map_next(const struct map *map, size_t *cursor, uint64_t *ret_key)
{
    while (*cursor < map->capacity) {
        struct map_cell *cell = &map->cells[(*cursor)++];
        if (cell->value != NULL) {
            if (ret_key != NULL)
                *ret_key = cell->key;
            return cell->value;
        }
    }
    return NULL;
}
