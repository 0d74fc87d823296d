/* Many seeds of one random life: loss, duplicates, reordering, partitions, crashes that lose what
 * was not synced, wiped disks, membership changes, transfers. The oracle of cluster.h watches every
 * step; then everything heals and the cluster has to converge. RAFT_SEED=n replays one life,
 * RAFT_SEEDS=n runs that many, RAFT_TRACE=1 tells the story. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/raft/cluster.h"

enum { SEEDS_DEFAULT = 400, ACTIONS = 120 };

struct life {
    struct cluster *cluster;
    uint32_t wiped; /* a member that lost its disk and was not re-added yet, or 0 */
    bool wiped_is_removed;
};

static uint32_t any_server(struct cluster *cluster)
{
    return (uint32_t)prng_between(&cluster->prng, 1, CLUSTER_SERVERS);
}

static bool is_up(struct cluster *cluster, uint32_t id)
{
    return id != 0 && cluster_server(cluster, id)->raft != NULL;
}

static void act_on_network(struct cluster *cluster)
{
    uint32_t a = any_server(cluster);
    uint32_t b = any_server(cluster);
    switch (prng_below(&cluster->prng, 8)) {
    case 0:
        cluster_isolate(cluster, a, true);
        break;
    case 1:
        if (a != b)
            cluster->cut[a - 1][b - 1] = true; /* one way only */
        break;
    case 2:
        cluster->loss_percent = (unsigned)prng_below(&cluster->prng, 30);
        cluster->duplicate_percent = (unsigned)prng_below(&cluster->prng, 30);
        break;
    case 3:
        cluster->delay_max_us = prng_between(&cluster->prng, 100, 120000);
        break;
    case 4:
        cluster->disk_max_us = prng_between(&cluster->prng, 100, 60000);
        break;
    default:
        cluster_heal(cluster);
        break;
    }
}

/* One member loses its disk: only where the rest surely holds a quorum, for the sake of liveness.
 */
static void wipe_member(struct life *life)
{
    struct cluster *cluster = life->cluster;
    uint32_t id = any_server(cluster);
    uint32_t leader = cluster_leader(cluster);
    if (life->wiped != 0 || leader == 0 || id == leader || !is_up(cluster, id))
        return;
    const struct raft *raft = cluster_server(cluster, leader)->raft;
    if (raft->configuration.count < 3 || !raft_is_member(raft, id) ||
        raft->configuration_index > raft->commit || raft->change.phase != RAFT_CHANGE_NONE)
        return;
    for (uint32_t other = 1; other <= CLUSTER_SERVERS; other++)
        if (!is_up(cluster, other) ||
            cluster_server(cluster, other)->raft->configuration_index != raft->configuration_index)
            return;
    cluster_crash(cluster, id);
    cluster_wipe(cluster, id);
    cluster_start(cluster, id);
    life->wiped = id;
    life->wiped_is_removed = false;
}

static void act_on_membership(struct life *life)
{
    struct cluster *cluster = life->cluster;
    uint32_t leader = cluster_leader(cluster);
    if (leader == 0)
        return;
    const struct raft *raft = cluster_server(cluster, leader)->raft;
    if (life->wiped != 0) {
        bool is_member = raft_is_member(raft, life->wiped);
        if (!is_member && raft->configuration_index <= raft->commit)
            life->wiped_is_removed = true;
        if (is_member && life->wiped_is_removed && raft->configuration_index <= raft->commit)
            life->wiped = 0;
        else
            (void)cluster_change(cluster, leader, life->wiped, !is_member);
        return;
    }
    uint32_t id = any_server(cluster);
    bool is_member = raft_is_member(raft, id);
    if (is_member && raft->configuration.count <= 2)
        return;
    (void)cluster_change(cluster, leader, id, !is_member);
}

static void reboot(struct cluster *cluster, uint32_t id)
{
    if (is_up(cluster, id))
        cluster_crash(cluster, id);
    cluster_start(cluster, id);
}

/* One follower has not heard the leader for long; then the leader is cut off from the other, which
 * starts again and has forgotten that it heard it: only the silence after a start protects the
 * lease (R31). */
static void act_against_leases(struct cluster *cluster)
{
    uint32_t leader = cluster_leader(cluster);
    if (leader == 0)
        return;
    uint32_t eager = 1 + leader % 3;
    uint32_t forgetful = 1 + eager % 3;
    cluster_heal(cluster);
    cluster_cut(cluster, leader, eager, true);
    cluster_run(cluster, 650000 + prng_below(&cluster->prng, 300000));
    cluster_isolate(cluster, leader, true);
    reboot(cluster, forgetful);
    cluster_run(cluster, 300000);
}

/* The leader hands over and is cut off before it hears of the next one: its lease must have ended
 * with its word (R31). */
static void act_on_leadership(struct cluster *cluster, uint32_t leader, uint32_t target)
{
    (void)cluster_transfer(cluster, leader, target);
    if (prng_below(&cluster->prng, 2) == 0)
        return;
    cluster_run(cluster, prng_below(&cluster->prng, 30000));
    cluster_isolate(cluster, leader, true);
}

static void act(struct life *life)
{
    struct cluster *cluster = life->cluster;
    uint32_t id = any_server(cluster);
    uint32_t leader = cluster_leader(cluster);
    uint64_t choice = prng_below(&cluster->prng, 100);
    if (!is_up(cluster, id) && prng_below(&cluster->prng, 3) == 0) {
        cluster_start(cluster, id);
    } else if (choice < 45) {
        uint32_t to = leader != 0 && choice < 40 ? leader : id;
        for (uint64_t n = prng_below(&cluster->prng, 12); n > 0 && is_up(cluster, to); n--)
            (void)cluster_propose(cluster, to);
    } else if (choice < 47) {
        act_against_leases(cluster);
    } else if (choice < 60) {
        uint32_t to = choice < 55 ? leader : id;
        if (is_up(cluster, to))
            (void)cluster_read(cluster, to);
    } else if (choice < 72) {
        act_on_network(cluster);
    } else if (choice < 82) {
        if (is_up(cluster, id))
            cluster_crash(cluster, id);
        else
            cluster_start(cluster, id);
    } else if (choice < 85) {
        if (is_up(cluster, leader))
            cluster_crash(cluster, leader);
    } else if (choice < 93) {
        act_on_membership(life);
    } else if (choice < 96) {
        wipe_member(life);
    } else if (is_up(cluster, leader)) {
        act_on_leadership(cluster, leader, choice < 98 ? 0 : id);
    }
}

static void fail_life(const struct cluster *cluster, const char *what)
{
    ck_abort_msg("seed %llu: %s", (unsigned long long)cluster->seed, what);
}

static void settle(struct life *life)
{
    struct cluster *cluster = life->cluster;
    cluster_heal(cluster);
    for (uint32_t id = 1; id <= CLUSTER_SERVERS; id++)
        if (!is_up(cluster, id))
            cluster_start(cluster, id);
    for (int tries = 0; life->wiped != 0; tries++) {
        if (tries == 40)
            fail_life(cluster, "the lost server was not re-added");
        cluster_run(cluster, 1000000);
        act_on_membership(life);
    }
    if (!cluster_run_until(cluster, cluster_is_converged, 20000000))
        fail_life(cluster, "no convergence after healing");
    /* A transfer may still be under way. */
    enum err err = ERR_INTERNAL;
    for (int tries = 0; err != ERR_OK && tries < 4; tries++) {
        if (!cluster_run_until(cluster, cluster_has_leader, 5000000))
            fail_life(cluster, "no leader after healing");
        uint64_t request = cluster_propose(cluster, cluster_leader(cluster));
        cluster_run(cluster, 1000000);
        if (!cluster_is_answered(cluster, request, &err))
            fail_life(cluster, "a command without an answer");
    }
    if (err != ERR_OK)
        fail_life(cluster, err_text(err));
    if (!cluster_run_until(cluster, cluster_is_converged, 2000000))
        fail_life(cluster, "no convergence after the last command");
    cluster_check_logs(cluster);
}

struct totals {
    uint64_t committed;
    uint64_t reads;
    uint64_t elections;
    uint64_t installs;
};

static void live(uint64_t seed, struct totals *totals)
{
    struct life life = {.cluster = cluster_new(seed, seed % 3 == 0 ? 5 : (seed % 7 == 0 ? 1 : 3))};
    struct cluster *cluster = life.cluster;
    for (uint32_t id = 1; id <= CLUSTER_SERVERS; id++)
        if (!is_up(cluster, id))
            cluster_start(cluster, id);
    for (unsigned i = 0; i < ACTIONS; i++) {
        act(&life);
        cluster_run(cluster, prng_below(&cluster->prng, 4) == 0
                                 ? prng_below(&cluster->prng, 1000000)
                                 : prng_below(&cluster->prng, 30000));
        if (i % 8 == 0)
            cluster_check_logs(cluster);
    }
    settle(&life);
    totals->committed += cluster->proposed_ok;
    totals->reads += cluster->reads_ok;
    totals->elections += cluster->elections;
    totals->installs += cluster->snapshots_installed;
    cluster_free(cluster);
}

START_TEST(random_lives_are_safe_and_converge)
{
    const char *one = getenv("RAFT_SEED");
    const char *many = getenv("RAFT_SEEDS");
    uint64_t first = one != NULL ? strtoull(one, NULL, 10) : 1;
    uint64_t count = one != NULL ? 1 : (many != NULL ? strtoull(many, NULL, 10) : SEEDS_DEFAULT);
    struct totals totals = {0};
    for (uint64_t seed = first; seed < first + count; seed++)
        live(seed, &totals);
    printf("%llu lives: %llu committed, %llu reads, %llu elections, %llu snapshots restored\n",
           (unsigned long long)count, (unsigned long long)totals.committed,
           (unsigned long long)totals.reads, (unsigned long long)totals.elections,
           (unsigned long long)totals.installs);
    /* A life in which nothing happens proves nothing. */
    if (count >= 20) {
        ck_assert_uint_gt(totals.committed, 20 * count);
        ck_assert_uint_gt(totals.elections, count);
        ck_assert_uint_gt(totals.reads, count);
        ck_assert_uint_gt(totals.installs, count / 2);
    }
}
END_TEST

START_TEST(the_same_seed_gives_the_same_life)
{
    struct totals a = {0};
    struct totals b = {0};
    live(77, &a);
    live(77, &b);
    ck_assert_int_eq(memcmp(&a, &b, sizeof a), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("raft_random");
    TCase *tcase = tcase_create("lives");
    tcase_set_timeout(tcase, 280);
    tcase_add_test(tcase, random_lives_are_safe_and_converge);
    tcase_add_test(tcase, the_same_seed_gives_the_same_life);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
