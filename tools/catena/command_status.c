/* status: masters, nodes, chains, and what is not as it should be. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/catena/cluster_view.h"
#include "tools/catena/commands.h"

enum { STATUS_CHAINS, STATUS_CHECK };

static const struct cli_option options[] = {
    {"chains", 'c', NULL, "list every chain, not only those that are degraded"},
    {"check", 0, NULL, "exit status 9 when anything is degraded or there are no chains yet"},
};

static void print_json(const struct catena_cluster *cluster, const struct view_health *health)
{
    struct json json;
    json_begin(&json, stdout);
    json_text(&json, "cluster", cluster->cluster);
    json_number(&json, "version", cluster->version);
    json_number(&json, "term", cluster->term);
    json_bool(&json, "is_healthy", view_is_healthy(health));
    json_text(&json, "alarms", cluster->alarms == NULL ? "" : cluster->alarms);
    json_object(&json, "degraded");
    json_bool(&json, "has_leader", health->has_leader);
    json_bool(&json, "has_chains", health->has_chains);
    json_number(&json, "masters_unreachable", health->masters_unreachable);
    json_number(&json, "nodes_not_alive", health->nodes_not_alive);
    json_number(&json, "chains_down", health->chains_down);
    json_number(&json, "chains_short", health->chains_short);
    json_number(&json, "chains_joining", health->chains_joining);
    json_number(&json, "chains_frozen", health->chains_frozen);
    json_end(&json);
    json_array(&json, "masters");
    for (size_t i = 0; i < cluster->master_count; i++) {
        const struct catena_master *master = &cluster->masters[i];
        json_object(&json, NULL);
        json_number(&json, "id", master->master);
        json_text(&json, "address", master->address);
        json_number(&json, "pid", master->pid);
        json_bool(&json, "is_leader", master->is_leader);
        json_bool(&json, "is_reachable", master->is_reachable);
        json_end(&json);
    }
    json_end(&json);
    json_array(&json, "nodes");
    for (size_t i = 0; i < cluster->node_count; i++) {
        const struct catena_node *node = &cluster->nodes[i];
        json_object(&json, NULL);
        json_number(&json, "id", node->node);
        json_text(&json, "address", node->address);
        json_text(&json, "zone", node->zone);
        json_text(&json, "state", node->state);
        json_number(&json, "pid", node->pid);
        json_number(&json, "incarnation", node->incarnation);
        json_number(&json, "space_total", node->space_total);
        json_number(&json, "space_free", node->space_free);
        json_end(&json);
    }
    json_end(&json);
    json_array(&json, "chains");
    for (size_t i = 0; i < cluster->chain_count; i++) {
        const struct catena_chain *chain = &cluster->chains[i];
        json_object(&json, NULL);
        json_number(&json, "chain", chain->chain);
        json_number(&json, "epoch", chain->epoch);
        json_number(&json, "replicas", chain->replicas);
        json_bool(&json, "serves", view_chain_serves(cluster, chain));
        json_bool(&json, "is_frozen", chain->is_frozen);
        view_json_members(&json, chain);
        json_end(&json);
    }
    json_finish(&json);
}

static void print_chain(const struct catena_cluster *cluster, const struct catena_chain *chain)
{
    (void)printf("  %5" PRIu32 "  epoch %-6" PRIu64, chain->chain, chain->epoch);
    for (size_t i = 0; i < chain->member_count; i++) {
        const struct catena_member *member = &chain->members[i];
        (void)printf("  %s %" PRIu32, member->role, member->node);
    }
    if (!view_chain_serves(cluster, chain))
        (void)printf("  -- waits: a member is not alive");
    else if (view_serving_count(chain) < chain->replicas)
        (void)printf("  -- %zu of %" PRIu32 " replicas", view_serving_count(chain),
                     chain->replicas);
    if (chain->is_frozen)
        (void)printf("  -- frozen for a swap");
    (void)printf("\n");
}

static void print_degraded(const struct view_health *health)
{
    if (view_is_healthy(health)) {
        (void)printf("health   good: every chain at full length\n");
        return;
    }
    /* Without a leader the master that answered may not know of them. */
    bool is_new = health->has_leader && !health->has_chains;
    (void)printf("health   %s\n", is_new ? "NOT SERVING" : "DEGRADED");
    if (is_new)
        (void)printf("         there are no chains yet, so nothing can be stored: start the nodes, "
                     "then create them\n"
                     "         with catena admin init [--chains N] [--replicas N]\n");
    if (!health->has_leader)
        (void)printf("         no master leads: the map cannot change\n");
    if (health->masters_unreachable > 0)
        (void)printf("         %zu master(s) unreachable\n", health->masters_unreachable);
    if (health->nodes_not_alive > 0)
        (void)printf("         %zu node(s) not alive\n", health->nodes_not_alive);
    if (health->chains_down > 0)
        (void)printf("         %zu chain(s) wait for a member or its replacement\n",
                     health->chains_down);
    if (health->chains_short > 0)
        (void)printf("         %zu chain(s) have fewer replicas than wanted, %zu are copying\n",
                     health->chains_short, health->chains_joining);
    if (health->chains_frozen > 0)
        (void)printf("         %zu chain(s) frozen for a swap\n", health->chains_frozen);
}

static void print_text(const struct catena_cluster *cluster, const struct view_health *health,
                       bool all_chains)
{
    (void)printf("cluster  %s, map version %" PRIu64 ", term %" PRIu64 "\n", cluster->cluster,
                 cluster->version, cluster->term);
    print_degraded(health);
    if (health->has_alarms)
        (void)printf("ALARM    %s\n", cluster->alarms);
    (void)printf("masters\n");
    for (size_t i = 0; i < cluster->master_count; i++) {
        const struct catena_master *master = &cluster->masters[i];
        (void)printf("  %5" PRIu32 "  %-21s  pid %-7" PRIu32 "  %s\n", master->master,
                     master->address, master->pid,
                     master->is_leader ? "leads"
                                       : (master->is_reachable ? "follows" : "UNREACHABLE"));
    }
    (void)printf("nodes\n");
    for (size_t i = 0; i < cluster->node_count; i++) {
        const struct catena_node *node = &cluster->nodes[i];
        char total[SHOW_SIZE];
        char available[SHOW_SIZE];
        (void)printf("  %5" PRIu32 "  %-21s  pid %-7" PRIu32 "  %-7s  %s of %s free%s%s\n",
                     node->node, node->address, node->pid, node->state,
                     show_bytes(node->space_free, available), show_bytes(node->space_total, total),
                     node->zone[0] != '\0' ? "  zone " : "", node->zone);
    }
    (void)printf("chains   %zu\n", cluster->chain_count);
    for (size_t i = 0; i < cluster->chain_count; i++) {
        const struct catena_chain *chain = &cluster->chains[i];
        bool is_odd = !view_chain_serves(cluster, chain) || chain->is_frozen ||
                      view_serving_count(chain) < chain->replicas;
        if (all_chains || is_odd)
            print_chain(cluster, chain);
    }
}

static enum cli_exit run(struct cli *cli)
{
    struct catena_cluster *cluster = NULL;
    enum cli_exit exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    enum catena_status status = catena_cluster_get(cli->client, &cluster);
    if (status != CATENA_OK)
        return cli_status_error(cli, status, NULL, "cannot get the cluster's state");
    struct view_health health = view_health(cluster);
    if (cli->is_json)
        print_json(cluster, &health);
    else
        print_text(cluster, &health, cli->values[STATUS_CHAINS] != NULL);
    catena_cluster_free(cluster);
    return cli->values[STATUS_CHECK] != NULL && !view_is_healthy(&health) ? CLI_DEGRADED : CLI_OK;
}

const struct cli_command command_status = {
    .name = "status",
    .operands = "",
    .summary = "Show masters, nodes, chains, and what is degraded",
    .details = "Chains that are not at full length are listed; --chains lists all.\n",
    .operands_min = 0,
    .operands_max = 0,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
