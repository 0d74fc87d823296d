/* Who may be given a copy of a chain, best first. Internal to the planner. */
#ifndef CATENA_CONFIG_MASTER_CORE_CANDIDATES_H
#define CATENA_CONFIG_MASTER_CORE_CANDIDATES_H

#include "config_master/core/leader.h"

/* Counts memberships and copies under way; once before a planning run. */
void cm_candidates_begin(struct cm_core *core);
/* A copy is about to begin between the row's tail and its joiner. */
void cm_candidates_count_join(struct cm_core *core, const struct plan_row *row);
/* Fills at most `most` nodes; returns how many. */
uint32_t cm_candidates(struct cm_core *core, const struct plan_row *row, uint32_t *ret_nodes,
                       uint32_t most);

#endif
