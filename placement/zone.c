#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "placement/internal.h"

void *pl_alloc(size_t count, size_t size)
{
    return mem_calloc(count > 0 ? count : 1, size);
}

/* Length of the first `levels` components of a path, without the separator that follows. */
static size_t prefix_length(struct slice zone, uint32_t levels)
{
    size_t length = 0;
    while (length < zone.length) {
        if (zone.data[length] == '/' && --levels == 0)
            break;
        length++;
    }
    return length;
}

static uint32_t level_count(struct slice zone)
{
    uint32_t levels = zone.length > 0 ? 1 : 0;
    for (size_t i = 0; i < zone.length; i++)
        levels += zone.data[i] == '/';
    return levels;
}

uint32_t pl_zone_shared(struct slice a, struct slice b)
{
    uint32_t most = level_count(a) < level_count(b) ? level_count(a) : level_count(b);
    uint32_t shared = 0;
    while (shared < most) {
        struct slice part_a = slice_of(a.data, prefix_length(a, shared + 1));
        struct slice part_b = slice_of(b.data, prefix_length(b, shared + 1));
        if (!slice_equal(part_a, part_b))
            break;
        shared++;
    }
    return shared;
}

/* Numbers the domains of one level in order of first appearance. */
static uint32_t number_domains(const struct pl_node *nodes, uint32_t count, uint32_t level,
                               uint32_t *ret_domains, uint32_t *ret_weighty)
{
    uint32_t domains = 0;
    uint32_t weighty = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct slice mine = slice_of(nodes[i].zone.data, prefix_length(nodes[i].zone, level));
        ret_domains[i] = PL_NONE;
        bool first_with_weight = nodes[i].weight > 0;
        for (uint32_t j = 0; j < i && mine.length > 0; j++) {
            struct slice other = slice_of(nodes[j].zone.data, prefix_length(nodes[j].zone, level));
            if (!slice_equal(mine, other))
                continue;
            ret_domains[i] = ret_domains[j];
            first_with_weight = first_with_weight && nodes[j].weight == 0;
        }
        if (ret_domains[i] == PL_NONE)
            ret_domains[i] = domains++;
        weighty += first_with_weight;
    }
    *ret_weighty = weighty;
    return domains;
}

uint32_t pl_zone_domains(const struct pl_node *nodes, uint32_t count, uint32_t wanted,
                         uint32_t *ret_domains)
{
    uint32_t deepest = 1;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t levels = level_count(nodes[i].zone);
        deepest = levels > deepest ? levels : deepest;
    }
    for (uint32_t level = 1; level <= deepest; level++) {
        uint32_t weighty = 0;
        uint32_t domains = number_domains(nodes, count, level, ret_domains, &weighty);
        if (weighty >= wanted)
            return domains;
    }
    for (uint32_t i = 0; i < count; i++)
        ret_domains[i] = i;
    return count;
}
