/* What status, locate and up have to say about a cluster's state. */
#ifndef CATENA_TOOLS_CATENA_CLUSTER_VIEW_H
#define CATENA_TOOLS_CATENA_CLUSTER_VIEW_H

#include "tools/catena/json.h"
#include "tools/catena/name.h"

/* Members that serve: without the joiner. */
size_t view_serving_count(const struct catena_chain *chain);
bool view_has_joiner(const struct catena_chain *chain);
/* True if every member is an incarnation that is alive now: the chain can answer. */
bool view_chain_serves(const struct catena_cluster *cluster, const struct catena_chain *chain);
const struct catena_node *view_node(const struct catena_cluster *cluster, uint32_t node);
const struct catena_master *view_master(const struct catena_cluster *cluster, uint32_t master);
bool view_node_is_alive(const struct catena_node *node);

struct view_health {
    size_t chains_down;    /* a member is not alive: no writes until it is replaced */
    size_t chains_short;   /* fewer members than wanted */
    size_t chains_joining; /* a copy is under way */
    size_t chains_frozen;
    size_t nodes_not_alive;
    size_t masters_unreachable;
    bool has_leader;
    bool has_chains; /* false: a new cluster, which stores nothing yet */
    bool has_alarms;
};
struct view_health view_health(const struct catena_cluster *cluster);
bool view_is_healthy(const struct view_health *health);

void view_json_members(struct json *json, const struct catena_chain *chain);

#endif
