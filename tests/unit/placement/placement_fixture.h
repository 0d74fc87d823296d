/* Nodes 1..n with zones, and one runner, for the tests of placement/. */
#ifndef CATENA_TESTS_UNIT_PLACEMENT_PLACEMENT_FIXTURE_H
#define CATENA_TESTS_UNIT_PLACEMENT_PLACEMENT_FIXTURE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "placement/placement.h"

struct fixture_nodes {
    struct pl_node nodes[BOUND_NODES];
    char zones[BOUND_NODES][32];
    uint32_t count;
};

/* zones 0: none; else node i is in zone "z<i mod zones>". */
static inline void fixture_nodes_init(struct fixture_nodes *f, uint32_t count, uint32_t zones)
{
    memset(f, 0, sizeof(*f));
    f->count = count;
    for (uint32_t i = 0; i < count; i++) {
        f->nodes[i] = (struct pl_node){.id = i + 1, .weight = 100};
        if (zones == 0)
            continue;
        (void)snprintf(f->zones[i], sizeof(f->zones[i]), "z%u", i % zones);
        f->nodes[i].zone = slice_of_text(f->zones[i]);
    }
}

/* No node twice, no hole, only known nodes. */
static inline bool fixture_rows_are_sound(const uint32_t *members, uint32_t chains,
                                          uint32_t replicas, uint32_t length, uint32_t ids_max)
{
    for (uint32_t c = 0; c < chains; c++) {
        const uint32_t *row = members + (size_t)c * replicas;
        for (uint32_t i = 0; i < replicas; i++) {
            if ((i < length) != (row[i] != 0) || row[i] > ids_max)
                return false;
            for (uint32_t j = 0; j < i && i < length; j++) {
                if (row[j] == row[i])
                    return false;
            }
        }
    }
    return true;
}

static inline int fixture_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
