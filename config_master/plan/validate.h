/* The oracle of chain_plan: is this step legal for this input?
 *
 * Written against protocol rules S7, S8, R4, R22, R28, R29, R33 and R36 without calling the
 * planner: it looks at what changed between the rows and asks whether that change is allowed. The
 * master asserts it before it proposes a step; tests ask it about every enumerated input. It judges
 * safety only: that a step is *useful* is shown by the tests of chain_plan. */
#ifndef CATENA_CONFIG_MASTER_PLAN_VALIDATE_H
#define CATENA_CONFIG_MASTER_PLAN_VALIDATE_H

#include "config_master/plan/chain_plan.h"

/* True if legal. Else *ret_why says which rule is broken, in words with static life. */
bool plan_validate(const struct plan_input *input, const struct plan_step *step,
                   const char **ret_why);

#endif
