#include "tools/catena/cluster_view.h"

#include <string.h>

static bool is_joiner(const struct catena_member *member)
{
    return strcmp(member->role, "joiner") == 0;
}

size_t view_serving_count(const struct catena_chain *chain)
{
    size_t count = 0;
    for (size_t i = 0; i < chain->member_count; i++)
        count += !is_joiner(&chain->members[i]);
    return count;
}

bool view_has_joiner(const struct catena_chain *chain)
{
    return view_serving_count(chain) < chain->member_count;
}

const struct catena_node *view_node(const struct catena_cluster *cluster, uint32_t node)
{
    for (size_t i = 0; i < cluster->node_count; i++)
        if (cluster->nodes[i].node == node)
            return &cluster->nodes[i];
    return NULL;
}

const struct catena_master *view_master(const struct catena_cluster *cluster, uint32_t master)
{
    for (size_t i = 0; i < cluster->master_count; i++)
        if (cluster->masters[i].master == master)
            return &cluster->masters[i];
    return NULL;
}

bool view_node_is_alive(const struct catena_node *node)
{
    return strcmp(node->state, "alive") == 0;
}

bool view_chain_serves(const struct catena_cluster *cluster, const struct catena_chain *chain)
{
    for (size_t i = 0; i < chain->member_count; i++) {
        const struct catena_member *member = &chain->members[i];
        const struct catena_node *node = view_node(cluster, member->node);
        if (is_joiner(member))
            continue;
        if (node == NULL || !view_node_is_alive(node) || node->incarnation != member->incarnation)
            return false;
    }
    return view_serving_count(chain) > 0;
}

struct view_health view_health(const struct catena_cluster *cluster)
{
    struct view_health health = {.has_chains = cluster->chain_count > 0};
    for (size_t i = 0; i < cluster->chain_count; i++) {
        const struct catena_chain *chain = &cluster->chains[i];
        health.chains_down += !view_chain_serves(cluster, chain);
        health.chains_short += view_serving_count(chain) < chain->replicas;
        health.chains_joining += view_has_joiner(chain);
        health.chains_frozen += chain->is_frozen;
    }
    for (size_t i = 0; i < cluster->node_count; i++)
        health.nodes_not_alive += !view_node_is_alive(&cluster->nodes[i]);
    for (size_t i = 0; i < cluster->master_count; i++) {
        health.masters_unreachable += !cluster->masters[i].is_reachable;
        health.has_leader = health.has_leader || cluster->masters[i].is_leader;
    }
    health.has_alarms = cluster->alarms != NULL && cluster->alarms[0] != '\0';
    return health;
}

bool view_is_healthy(const struct view_health *health)
{
    return health->chains_down + health->chains_short + health->chains_frozen +
                   health->nodes_not_alive + health->masters_unreachable ==
               0 &&
           health->has_leader && health->has_chains && !health->has_alarms;
}

void view_json_members(struct json *json, const struct catena_chain *chain)
{
    json_array(json, "members");
    for (size_t i = 0; i < chain->member_count; i++) {
        const struct catena_member *member = &chain->members[i];
        json_object(json, NULL);
        json_number(json, "node", member->node);
        json_text(json, "role", member->role);
        json_text(json, "address", member->address);
        json_number(json, "pid", member->pid);
        json_number(json, "incarnation", member->incarnation);
        json_end(json);
    }
    json_end(json);
}
