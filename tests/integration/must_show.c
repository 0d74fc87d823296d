/* The promises of Catena shown over real processes. One scenario a run:
 *
 *   must_show BIN kill-roles   kill -9 of head, middle, tail and leading master in turn under load
 *   must_show BIN kill-all     kill -9 of every process at once, start again
 *   must_show BIN race         32 clients race one if-absent put, 200 rounds, a head killed in some
 *   must_show BIN pause-tail   SIGSTOP of the tail for ten seconds while others write and read
 *   must_show BIN swap-roles   a node returns; heads and tails are evened out under load (R36)
 *
 * Each prints its figures and ends with status 0 only if nothing was violated. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/integration/lib/cluster.h"
#include "tests/integration/lib/history.h"
#include "tests/integration/lib/workload.h"

static const char bucket[] = "proof";

static void create_bucket(struct catena_client *client)
{
    if (catena_bucket_create(client, bucket) != CATENA_OK)
        test_fail("create the bucket: %s", catena_error_text());
}

/* Lets the load run until it has made that many more operations. */
static void let_run(struct workload *workload, size_t operations, uint32_t seconds)
{
    uint64_t deadline = now_us() + (uint64_t)seconds * 1000000u;
    struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    (void)pthread_mutex_lock(&workload->history.lock);
    size_t goal = workload->history.count + operations;
    size_t count = goal - operations;
    (void)pthread_mutex_unlock(&workload->history.lock);
    while (count < goal) {
        if (now_us() > deadline)
            test_fail("the load made no %zu operations in %u s", operations, seconds);
        (void)nanosleep(&pause, NULL);
        (void)pthread_mutex_lock(&workload->history.lock);
        count = workload->history.count;
        (void)pthread_mutex_unlock(&workload->history.lock);
    }
}

static void kill_roles(const char *bin)
{
    static const char *const roles[] = {"head", "middle", "tail", "master"};
    struct cluster cluster;
    cluster_start(&cluster, bin, 64);
    struct catena_client *client = cluster_client(&cluster, 30000);
    create_bucket(client);
    cluster_wait_whole(client, 60);
    struct workload workload;
    struct prober prober;
    char key[16];
    workload_start(&workload, client, bucket);
    prober_start(&prober, &workload, 0);
    (void)workload_key(0, key);
    for (unsigned round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
            bool is_master = strcmp(roles[i], "master") == 0;
            cluster_wait_whole(client, 120);
            let_run(&workload, 2000, 60);
            pid_t pid = is_master ? cluster_leader_pid(client)
                                  : cluster_member_pid(client, bucket, key, roles[i], NULL);
            prober_reset(&prober);
            uint64_t killed = now_us();
            kill_and_wait_gone(pid);
            let_run(&workload, 2000, 60);
            uint64_t gap = prober_wait(&prober, killed + 1000000u, 60);
            printf("outage: %s killed: %llu ms without an acknowledged put\n", roles[i],
                   (unsigned long long)(gap / 1000u));
            (void)fflush(stdout);
            cluster_restart_missing(&cluster);
        }
    cluster_wait_whole(client, 120);
    prober_stop(&prober);
    workload_finish(&workload);
    workload_release(&workload);
    catena_close(client);
    cluster_free(&cluster);
}

static void kill_all(const char *bin)
{
    struct cluster cluster;
    cluster_start(&cluster, bin, 64);
    struct catena_client *client = cluster_client(&cluster, 120000);
    create_bucket(client);
    cluster_wait_whole(client, 60);
    struct workload workload;
    workload_start(&workload, client, bucket);
    for (unsigned round = 0; round < 3; round++) {
        let_run(&workload, 3000, 60);
        uint64_t killed = now_us();
        cluster_kill_all(&cluster);
        printf("round %u: everything killed\n", round);
        cluster_restart_missing(&cluster);
        let_run(&workload, 200, 120);
        printf("round %u: serving again after %llu ms, the start of all processes included\n",
               round, (unsigned long long)((now_us() - killed) / 1000u));
        (void)fflush(stdout);
    }
    cluster_wait_whole(client, 120);
    workload_finish(&workload);
    workload_release(&workload);
    catena_close(client);
    cluster_free(&cluster);
}

enum { RACERS = 32, RACE_ROUNDS = 200, RACE_KILL_EVERY = 50 };

struct race {
    struct workload workload; /* only its history and counters are used */
    struct cluster *cluster;
    pthread_barrier_t barrier;
    struct racer {
        struct race *race;
        uint32_t number;
        pthread_t thread;
        struct catena_client *client;
        enum catena_status status[RACE_ROUNDS];
    } racers[RACERS];
};

static void *run_racer(void *argument)
{
    struct racer *racer = argument;
    struct race *race = racer->race;
    for (uint32_t round = 0; round < RACE_ROUNDS; round++) {
        char key[16];
        char bytes[WORKLOAD_VALUE_BYTES];
        struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
        options.condition = CATENA_IF_ABSENT;
        (void)workload_key(round, key);
        workload_fill(1 + racer->number, bytes);
        (void)pthread_barrier_wait(&race->barrier);
        racer->status[round] = catena_put(racer->client, bucket, key, strlen(key), bytes,
                                          sizeof bytes, &options, NULL);
        if (racer->status[round] != CATENA_OK && racer->status[round] != CATENA_CONDITION_FAILED)
            printf("note: racer %u round %u: %s: %s\n", racer->number, round,
                   catena_status_name(racer->status[round]), catena_error_text());
        (void)pthread_barrier_wait(&race->barrier);
    }
    return NULL;
}

static void judge_round(struct race *race, struct catena_client *client, uint32_t round)
{
    char key[16];
    void *bytes = NULL;
    size_t length = 0;
    uint64_t winner = 0;
    unsigned winners = 0;
    unsigned unknown = 0;
    for (uint32_t i = 0; i < RACERS; i++) {
        enum catena_status status = race->racers[i].status[round];
        if (status == CATENA_OK) {
            winners++;
            winner = 1 + i;
        } else if (status != CATENA_CONDITION_FAILED) {
            unknown++;
        }
    }
    (void)workload_key(round, key);
    if (catena_get(client, bucket, key, strlen(key), NULL, &bytes, &length, NULL) != CATENA_OK)
        test_fail("round %u: read the winner: %s", round, catena_error_text());
    uint64_t value = workload_parse(bytes, length);
    free(bytes);
    if (winners != 1 || unknown != 0 || value != winner)
        test_fail("round %u: %u winners, %u without an answer, stored value is of racer %llu, "
                  "winner is %llu",
                  round, winners, unknown, (unsigned long long)value, (unsigned long long)winner);
}

static void race(const char *bin)
{
    struct cluster cluster;
    struct race *race = calloc(1, sizeof *race);
    if (race == NULL)
        test_fail("out of memory");
    cluster_start(&cluster, bin, 16);
    struct catena_client *client = cluster_client(&cluster, 60000);
    create_bucket(client);
    race->cluster = &cluster;
    (void)pthread_barrier_init(&race->barrier, NULL, RACERS + 1);
    for (uint32_t i = 0; i < RACERS; i++) {
        race->racers[i].race = race;
        race->racers[i].number = i;
        race->racers[i].client = cluster_client(&cluster, 60000);
        if (pthread_create(&race->racers[i].thread, NULL, run_racer, &race->racers[i]) != 0)
            test_fail("pthread_create");
    }
    unsigned kills = 0;
    for (uint32_t round = 0; round < RACE_ROUNDS; round++) {
        char key[16];
        bool kills_head = round % RACE_KILL_EVERY == RACE_KILL_EVERY - 1;
        pid_t pid = 0;
        if (kills_head) {
            cluster_wait_whole(client, 120);
            pid = cluster_member_pid(client, bucket, workload_key(round, key), "head", NULL);
        }
        (void)pthread_barrier_wait(&race->barrier);
        if (kills_head) {
            struct timespec moment = {.tv_nsec = (long)(round % 7u) * 500 * 1000};
            (void)nanosleep(&moment, NULL); /* a different moment of the race each time */
            kill_and_wait_gone(pid);
            kills++;
        }
        (void)pthread_barrier_wait(&race->barrier);
        judge_round(race, client, round);
        if (kills_head)
            cluster_restart_missing(&cluster);
    }
    printf("race: %d rounds of %d clients, %u with the head killed: one winner each\n", RACE_ROUNDS,
           RACERS, kills);
    for (uint32_t i = 0; i < RACERS; i++) {
        (void)pthread_join(race->racers[i].thread, NULL);
        catena_close(race->racers[i].client);
    }
    (void)pthread_barrier_destroy(&race->barrier);
    free(race);
    catena_close(client);
    cluster_free(&cluster);
}

static void pause_tail(const char *bin)
{
    struct cluster cluster;
    cluster_start(&cluster, bin, 64);
    struct catena_client *client = cluster_client(&cluster, 30000);
    create_bucket(client);
    cluster_wait_whole(client, 60);
    struct workload workload;
    struct prober prober;
    char key[16];
    workload_start(&workload, client, bucket);
    prober_start(&prober, &workload, 0);
    let_run(&workload, 2000, 60);
    pid_t pid = cluster_member_pid(client, bucket, workload_key(0, key), "tail", NULL);
    prober_reset(&prober);
    uint64_t start = now_us();
    if (kill(pid, SIGSTOP) != 0)
        test_fail("SIGSTOP of the tail");
    uint64_t gap = prober_wait(&prober, start + 1500000u, 60);
    struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    while (now_us() < start + 10u * 1000u * 1000u)
        (void)nanosleep(&pause, NULL);
    (void)kill(pid, SIGCONT);
    let_run(&workload, 5000, 60);
    printf("pause: tail stopped for 10 s: %llu ms without an acknowledged put\n",
           (unsigned long long)(gap / 1000u));
    cluster_restart_missing(&cluster);
    cluster_wait_whole(client, 120);
    prober_stop(&prober);
    workload_finish(&workload);
    workload_release(&workload);
    catena_close(client);
    cluster_free(&cluster);
}

/* Every node is head, and tail, of its share of the chains to within one. */
static bool roles_are_even(struct catena_client *client)
{
    struct catena_cluster *cluster = NULL;
    if (catena_cluster_get(client, &cluster) != CATENA_OK)
        return false;
    bool even = true;
    for (size_t i = 0; i < cluster->node_count; i++) {
        size_t held = 0;
        size_t heads = 0;
        size_t tails = 0;
        for (size_t j = 0; j < cluster->chain_count; j++) {
            const struct catena_chain *chain = &cluster->chains[j];
            even = even && !chain->is_frozen && chain->member_count == 3;
            for (size_t k = 0; k < chain->member_count; k++) {
                bool is_it = chain->members[k].node == cluster->nodes[i].node;
                held += is_it;
                heads += is_it && k == 0;
                tails += is_it && k + 1 == chain->member_count;
            }
        }
        even = even && heads >= held / 3 && heads <= (held + 2) / 3 && tails >= held / 3 &&
               tails <= (held + 2) / 3;
    }
    catena_cluster_free(cluster);
    return even;
}

static void swap_roles(const char *bin)
{
    enum { PROBERS = 4, GAP_MAX_US = 1000000 };
    struct cluster cluster;
    cluster_start(&cluster, bin, 64);
    struct catena_client *client = cluster_client(&cluster, 30000);
    create_bucket(client);
    cluster_wait_whole(client, 60);
    struct workload workload;
    struct prober probers[PROBERS];
    char key[16];
    workload_start(&workload, client, bucket);
    for (uint32_t i = 0; i < PROBERS; i++)
        prober_start(&probers[i], &workload, i);
    let_run(&workload, 1000, 60);
    kill_and_wait_gone(cluster_member_pid(client, bucket, workload_key(0, key), "head", NULL));
    cluster_restart_missing(&cluster);
    cluster_wait_whole(client, 120);
    if (roles_are_even(client))
        test_fail("the returned node is no tail of all: nothing to show");
    for (uint32_t i = 0; i < PROBERS; i++)
        prober_reset(&probers[i]);
    uint64_t start = now_us();
    struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    while (!roles_are_even(client)) {
        if (now_us() > start + 90u * 1000000u)
            test_fail("roles are not even after 90 s");
        (void)nanosleep(&pause, NULL);
    }
    uint64_t even = now_us();
    uint64_t gap = 0;
    for (uint32_t i = 0; i < PROBERS; i++) {
        uint64_t one = prober_wait(&probers[i], even, 60);
        gap = one > gap ? one : gap;
    }
    printf("swap: roles even %llu ms after full length, settling included; longest time without an "
           "acknowledged put %llu ms\n",
           (unsigned long long)((even - start) / 1000u), (unsigned long long)(gap / 1000u));
    if (gap > GAP_MAX_US)
        test_fail("writes paused for longer than a second");
    for (uint32_t i = 0; i < PROBERS; i++)
        prober_stop(&probers[i]);
    workload_finish(&workload);
    workload_release(&workload);
    catena_close(client);
    cluster_free(&cluster);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const char *bin);
    } scenarios[] = {
        {"kill-roles", kill_roles}, {"kill-all", kill_all},     {"race", race},
        {"pause-tail", pause_tail}, {"swap-roles", swap_roles},
    };
    for (size_t i = 0; argc == 3 && i < sizeof scenarios / sizeof scenarios[0]; i++)
        if (strcmp(argv[2], scenarios[i].name) == 0) {
            scenarios[i].run(argv[1]);
            printf("ok: %s\n", argv[2]);
            return 0;
        }
    (void)fprintf(stderr, "usage: must_show BIN kill-roles|kill-all|race|pause-tail|swap-roles\n");
    return 2;
}
