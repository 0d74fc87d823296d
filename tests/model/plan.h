/* The planner model: every input of chain_plan for chains of up to so many members, the oracle and
 * the words of the rules as judges. See plan.c for what "every input" varies. */
#ifndef CATENA_TESTS_MODEL_PLAN_H
#define CATENA_TESTS_MODEL_PLAN_H

#include <stdbool.h>
#include <stdint.h>

struct plan_result {
    uint64_t inputs;
    uint64_t healed; /* inputs from which the fair end was run */
    uint64_t steps;  /* of those ends */
    double seconds;
    bool is_complete;
    bool is_violated;
    char why[512];
};

enum { PLAN_MEMBERS_MAX = 5 };

/* budget_seconds 0: none. */
void plan_enumerate(uint32_t length_max, double budget_seconds, struct plan_result *ret_result);

#endif
