#include "tools/catena/cluster_view.h"

#include "tests/unit/base/suite.h"

/* Two nodes, one chain over both, one leading master. */
struct world {
    struct catena_member members[3];
    struct catena_node nodes[2];
    struct catena_chain chain;
    struct catena_master master;
    struct catena_cluster cluster;
};

static struct world *healthy(void)
{
    static struct world world;
    world = (struct world){
        .members = {{.node = 1, .incarnation = 5, .role = "head", .address = "a"},
                    {.node = 2, .incarnation = 6, .role = "tail", .address = "b"},
                    {.node = 3, .incarnation = 7, .role = "joiner", .address = "c"}},
        .nodes = {{.node = 1, .incarnation = 5, .state = "alive"},
                  {.node = 2, .incarnation = 6, .state = "alive"}},
        .master = {.master = 1, .is_leader = true, .is_reachable = true},
    };
    world.chain = (struct catena_chain){
        .replicas = 2,
        .members = world.members,
        .member_count = 2,
    };
    world.cluster = (struct catena_cluster){
        .masters = &world.master,
        .master_count = 1,
        .nodes = world.nodes,
        .node_count = 2,
        .chains = &world.chain,
        .chain_count = 1,
    };
    return &world;
}

static bool is_healthy(const struct world *world)
{
    struct view_health health = view_health(&world->cluster);
    return view_is_healthy(&health);
}

START_TEST(full_cluster_is_healthy)
{
    struct world *world = healthy();
    ck_assert(is_healthy(world));
    ck_assert(view_chain_serves(&world->cluster, &world->chain));
}
END_TEST

START_TEST(dead_member_means_that_the_chain_waits)
{
    struct world *world = healthy();
    world->nodes[1].state = "down";
    ck_assert(!view_chain_serves(&world->cluster, &world->chain));
    ck_assert(!is_healthy(world));
}
END_TEST

/* A node that restarted is alive, but plays no part in a row that names its earlier incarnation
 * (R4). */
START_TEST(earlier_incarnation_does_not_serve)
{
    struct world *world = healthy();
    world->nodes[0].incarnation = 8;
    ck_assert(!view_chain_serves(&world->cluster, &world->chain));
}
END_TEST

START_TEST(joiner_does_not_count)
{
    struct world *world = healthy();
    world->chain.member_count = 3;
    world->chain.replicas = 3;
    ck_assert_uint_eq(view_serving_count(&world->chain), 2);
    ck_assert(view_has_joiner(&world->chain));
    ck_assert(view_chain_serves(&world->cluster, &world->chain));
    struct view_health health = view_health(&world->cluster);
    ck_assert_uint_eq(health.chains_short, 1);
    ck_assert_uint_eq(health.chains_joining, 1);
    ck_assert(!view_is_healthy(&health));
}
END_TEST

START_TEST(lost_leader_is_degraded)
{
    struct world *world = healthy();
    world->master.is_leader = false;
    ck_assert(!is_healthy(world));
    world->master.is_leader = true;
    world->master.is_reachable = false;
    ck_assert(!is_healthy(world));
}
END_TEST

/* Nothing is wrong in it, but nothing can be stored either. */
START_TEST(cluster_without_chains_is_not_healthy)
{
    struct world *world = healthy();
    world->cluster.chain_count = 0;
    struct view_health health = view_health(&world->cluster);
    ck_assert(!health.has_chains);
    ck_assert(!view_is_healthy(&health));
}
END_TEST

START_TEST(masters_and_nodes_are_found_by_their_ids)
{
    struct world *world = healthy();
    ck_assert_ptr_eq(view_master(&world->cluster, 1), &world->master);
    ck_assert_ptr_null(view_master(&world->cluster, 2));
    ck_assert_ptr_eq(view_node(&world->cluster, 2), &world->nodes[1]);
    ck_assert_ptr_null(view_node(&world->cluster, 3));
}
END_TEST

SUITE_MAIN("cli_view", full_cluster_is_healthy, dead_member_means_that_the_chain_waits,
           earlier_incarnation_does_not_serve, joiner_does_not_count, lost_leader_is_degraded,
           cluster_without_chains_is_not_healthy, masters_and_nodes_are_found_by_their_ids)
