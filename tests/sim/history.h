/* What was seen of one key, and whether a linearizable store may show that. */
#ifndef CATENA_TESTS_SIM_HISTORY_H
#define CATENA_TESTS_SIM_HISTORY_H

#include "tests/sim/check_linear.h"
#include "tests/sim/check_listing.h"
#include "tests/sim/sim.h"

struct history {
    char name[16];
    struct linear_op *ops;
    uint32_t count;
    uint32_t capacity;
    struct listing *listings;
    uint32_t listings_count;
    uint32_t listings_capacity;
};

void history_record(struct history *history, const struct linear_op *op);
/* A listing over the key: op->value is what it showed. */
void history_note_listing(struct history *history, const struct linear_op *op);
void history_release(struct history *history);
const char *history_outcome_name(enum linear_outcome outcome);
/* Fails the world unless the history is linearizable, its listings are complete, and every value
 * has one version, which only grow. */
void history_check(struct world *world, const struct history *history,
                   struct origin (*version_of)(const void *context, uint32_t value),
                   const void *context);

#endif
