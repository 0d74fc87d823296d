/* catena-sim: whole clusters from a seed.
 *
 *   catena-sim --seed N [--ticks MS] [--trace]   one world; prints what happened and a trace hash
 *   catena-sim --suite SECONDS                   a fixed set of seeds, then fresh ones
 *
 * One tick is one millisecond of simulated time. Exit status 1 and the seed on a failure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/contract.h"
#include "tests/lib/kv_tree.h"
#include "tests/sim/ledger.h"
#include "tests/sim/workload.h"

enum {
    PREPARE_US = 20000000,
    QUIET_US = 90000000,
    SETTLE_US = 8000000,
    FIXED_SEEDS = 12,
    FIXED_SECONDS = 90
};

/* Of everything that this program has run. */
static struct ledger ledger;

/* What the command line says in place of the seed; 0: nothing. */
static struct sim_options wanted;

struct outcome {
    bool failed;
    char failure[512];
    uint64_t trace_hash;
    uint64_t steps;
    uint64_t quiet_after_us;
    struct workload_counts counts;
};

static void populate(struct world *world)
{
    for (uint32_t id = 1; id <= world->options.masters; id++)
        (void)sim_master_new(world, id);
    for (uint32_t id = 1; id <= world->options.nodes; id++)
        (void)sim_node_new(world, id);
    for (uint32_t id = 1; id <= world->options.nodes; id++)
        (void)sim_supervisor_new(world, id);
    for (uint32_t id = 1; id <= world->options.clients; id++)
        (void)sim_client_new(world, id);
    for (uint32_t i = 0; i < world->processes_count; i++)
        process_start(world->processes[i]);
}

/* Runs in small pieces until the condition holds; false when the time is over. */
static bool run_until(struct world *world, bool (*holds)(struct world *), uint64_t max_us)
{
    uint64_t end = world->now_us + max_us;
    while (!world->failed && !holds(world) && world->now_us < end)
        world_run_until(world, world->now_us + 20000);
    return !world->failed && holds(world);
}

static bool is_ready(struct world *world)
{
    return workload_is_ready(world->workload);
}

static bool is_idle(struct world *world)
{
    return workload_is_idle(world->workload);
}

static struct text missing;

static bool is_quiet(struct world *world)
{
    return verify_is_quiet(world, &missing);
}

static void live(struct world *world, struct outcome *outcome)
{
    populate(world);
    world_run_until(world, world->now_us + 2500000);
    workload_prepare(world->workload);
    if (!run_until(world, is_ready, PREPARE_US)) {
        world_fail(world, "the cluster was not ready in time");
        return;
    }
    workload_begin(world->workload);
    world_run_until(world, world->now_us + 500000);
    faults_begin(world);
    world_run_until(world, world->now_us + world->options.duration_us);
    faults_end(world);
    uint64_t healed_at = world->now_us;
    world_run_until(world, world->now_us + 1000000);
    workload_end(world->workload);
    if (!run_until(world, is_idle, QUIET_US)) {
        world_fail(world, "operations are under way for ever");
        return;
    }
    if (!run_until(world, is_quiet, QUIET_US)) {
        world_fail(world, "the cluster does not heal: %s", text_cstr(&missing));
        return;
    }
    outcome->quiet_after_us = world->now_us - healed_at;
    workload_read_all(world->workload);
    if (!run_until(world, is_idle, QUIET_US))
        world_fail(world, "the last reads are under way for ever");
    /* Abandoned uploads and replaced chunks are collected meanwhile. */
    world_run_until(world, world->now_us + SETTLE_US);
    if (!world->failed && !run_until(world, is_quiet, QUIET_US))
        world_fail(world, "the cluster is not quiet any more: %s", text_cstr(&missing));
    if (!world->failed)
        verify_replicas_equal(world);
    if (!world->failed)
        workload_check(world->workload);
}

static struct outcome run_world(const struct sim_options *options)
{
    struct outcome outcome = {0};
    struct world *world = world_new(options);
    world->workload = workload_new(world);
    world->ledger = &ledger;
    agreement_init(world);
    live(world, &outcome);
    ledger_world_ends(world);
    agreement_release(world);
    outcome.failed = world->failed;
    (void)snprintf(outcome.failure, sizeof outcome.failure, "%s", text_cstr(&world->failure));
    outcome.trace_hash = world->trace_hash;
    outcome.steps = world->steps;
    outcome.counts = *workload_counts(world->workload);
    struct workload *workload = world->workload;
    world_free(world);
    workload_free(workload);
    return outcome;
}

static struct sim_options options_of(uint64_t seed, uint64_t ticks)
{
    /* The shape of the cluster follows from the seed too. */
    static const uint32_t sessions[] = {0, 0, 0, 4, 2};
    struct sim_options options = {
        .seed = seed,
        .duration_us = ticks * 1000,
        .founders = 3,
        .nodes = 3 + (uint32_t)(seed % 3),
        .clients = 2 + (uint32_t)(seed / 3 % 2),
        .chains = 2 + (uint32_t)(seed / 7 % 3),
        .replicas = seed % 5 == 0 ? 2 : 3,
        .sessions_max = sessions[seed / 11 % 5],
        .check = true,
        .check_every = wanted.check_every == 0 ? 1 : wanted.check_every,
    };
    options.masters = options.founders + (uint32_t)(seed / 5 % 2);
    if (wanted.masters > 0)
        options.masters = options.founders = wanted.masters;
    if (wanted.nodes > 0)
        options.nodes = wanted.nodes;
    if (wanted.clients > 0)
        options.clients = wanted.clients;
    return options;
}

static bool report(const struct sim_options *options, const struct outcome *outcome)
{
    (void)printf(
        "seed=%llu hash=%016llx nodes=%u chains=%u replicas=%u steps=%llu reads=%llu "
        "lists=%llu abandoned=%llu buckets=%llu acknowledged=%llu refused=%llu unknown=%llu "
        "failed=%llu quiet_ms=%llu "
        "%s%s\n",
        (unsigned long long)options->seed, (unsigned long long)outcome->trace_hash, options->nodes,
        options->chains, options->replicas, (unsigned long long)outcome->steps,
        (unsigned long long)outcome->counts.reads, (unsigned long long)outcome->counts.lists,
        (unsigned long long)outcome->counts.abandoned, (unsigned long long)outcome->counts.buckets,
        (unsigned long long)outcome->counts.done, (unsigned long long)outcome->counts.refused,
        (unsigned long long)outcome->counts.unknown, (unsigned long long)outcome->counts.failed,
        (unsigned long long)(outcome->quiet_after_us / 1000), outcome->failed ? "FAILED: " : "ok",
        outcome->failed ? outcome->failure : "");
    (void)fflush(stdout);
    return !outcome->failed;
}

static bool run_seed(uint64_t seed, uint64_t ticks, bool print)
{
    struct sim_options options = options_of(seed, ticks);
    options.print = print;
    struct outcome outcome = run_world(&options);
    return report(&options, &outcome);
}

static uint64_t seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

/* The same seed tells the same story twice. */
static bool replays(uint64_t seed, uint64_t ticks)
{
    struct sim_options options = options_of(seed, ticks);
    struct outcome first = run_world(&options);
    struct outcome second = run_world(&options);
    (void)printf("replay of seed=%llu: %016llx %016llx\n", (unsigned long long)seed,
                 (unsigned long long)first.trace_hash, (unsigned long long)second.trace_hash);
    return first.trace_hash == second.trace_hash;
}

/* Seeds on which a defect was found, in the simulator or in a core: never again. */
static const uint64_t regressions[] = {
    5,      /* a master without a map spun when the watch of a client without one ran out */
    1154,   /* R37: a bucket was deleted while a removal was decided and its head had left */
    2195,   /* D11: a restarted master refused replaced masters by the identities of its snapshot */
    70265,  /* R32: a late copy of an order to remove a master was obeyed while another one was gone
             */
    260518, /* R32: a late copy of an order removed a master that had been added again */
    238991, /* R37: a head that had its row from a peer put into a bucket that was gone */
    64072,  /* D3: an order to purge that came with a copy ran before its entry was applied */
    100002790, /* D14: a dead member's last heartbeat activated the row in which it was alone */
    400003221, /* D16: leaders that followed each other fast left no mark of what was committed */
    400003475, /* a chunk in an undecided entry was deleted before a joiner had been sent it */
    880985416, /* R37: a head that acknowledged an older map than it had got deltas of no use to it
                */
};

/* What every machine tells alike: the regressions, then the seeds from 1, for three quarters of the
 * budget and at most FIXED_SECONDS. */
static bool run_fixed(uint64_t start, uint64_t budget_s, uint64_t ticks)
{
    uint64_t until = start + (budget_s * 3 / 4 < FIXED_SECONDS ? budget_s * 3 / 4 : FIXED_SECONDS);
    bool good = replays(1, ticks / 4);
    for (size_t i = 0; good && i < ARRAY_COUNT(regressions); i++)
        good = run_seed(regressions[i], ticks, false);
    for (uint64_t seed = 1; good && (seed <= FIXED_SEEDS || seconds() < until); seed++)
        good = run_seed(seed, ticks, false);
    return good;
}

static int run_suite(uint64_t budget_s, uint64_t ticks, uint64_t first)
{
    uint64_t start = seconds();
    bool good = first > 0 || run_fixed(start, budget_s, ticks);
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = ((uint64_t)now.tv_sec * 1000003u + (uint64_t)now.tv_nsec) % 1000000000u;
    if (first > 0)
        seed = first;
    for (; good && seconds() - start < budget_s; seed++)
        good = run_seed(seed, ticks, false);
    (void)printf("%llu worlds, %llu simulated seconds in %llu s: %s\n",
                 (unsigned long long)ledger.worlds,
                 (unsigned long long)(ledger.simulated_us / 1000000),
                 (unsigned long long)(seconds() - start), good ? "good" : "FAILED");
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* How many seconds of the clusters' lives one second of the processor makes. */
static int run_bench(uint64_t budget_s, uint64_t ticks)
{
    clock_t start = clock();
    uint64_t spent_us = 0;
    bool good = true;
    for (uint64_t seed = 1; good && spent_us < budget_s * 1000000; seed++) {
        good = run_seed(seed, ticks, false);
        spent_us = (uint64_t)(clock() - start) * 1000000 / CLOCKS_PER_SEC;
    }
    (void)printf(
        "%llu worlds, %llu simulated seconds in %llu ms of processor time: %llu per second\n",
        (unsigned long long)ledger.worlds, (unsigned long long)(ledger.simulated_us / 1000000),
        (unsigned long long)(spent_us / 1000),
        (unsigned long long)(ledger.simulated_us / (spent_us == 0 ? 1 : spent_us)));
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int merge(char **paths, int count)
{
    for (int i = 0; i < count; i++) {
        if (!ledger_add_file(&ledger, paths[i])) {
            (void)fprintf(stderr, "catena-sim: %s is not a ledger\n", paths[i]);
            return EXIT_FAILURE;
        }
    }
    ledger_print(&ledger);
    return EXIT_SUCCESS;
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: catena-sim --seed N [--ticks MS] [--trace]\n"
                          "       catena-sim --suite SECONDS [--ticks MS] [--from SEED]\n"
                          "       catena-sim --bench SECONDS [--ticks MS]\n"
                          "       catena-sim --merge-ledgers FILES...\n"
                          "with --masters N --nodes N --clients N: in place of what the seed says\n"
                          "     --check-every K: the cores' deep checks each K steps\n"
                          "     --ledger FILE: append what was hit by what\n");
    return 2;
}

static bool number_of(const char *text, uint64_t *ret_number)
{
    char *end = NULL;
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return false;
    *ret_number = strtoull(text, &end, 10);
    return *end == '\0';
}

enum number { SEED, TICKS, SUITE, BENCH, FROM, MASTERS, NODES, CLIENTS, CHECK_EVERY, NUMBERS };

static int run_program(const uint64_t *numbers, bool print)
{
    wanted.masters = (uint32_t)numbers[MASTERS];
    wanted.nodes = (uint32_t)numbers[NODES];
    wanted.clients = (uint32_t)numbers[CLIENTS];
    wanted.check_every = (uint32_t)numbers[CHECK_EVERY];
    if (wanted.masters > SIM_MASTERS_MAX || wanted.nodes > SIM_NODES_MAX ||
        wanted.clients > SIM_CLIENTS_MAX || (wanted.nodes > 0 && wanted.nodes < 3))
        return usage();
    if (numbers[SUITE] > 0)
        return run_suite(numbers[SUITE], numbers[TICKS], numbers[FROM]);
    if (numbers[BENCH] > 0)
        return run_bench(numbers[BENCH], numbers[TICKS]);
    if (numbers[SEED] == 0)
        return usage();
    return run_seed(numbers[SEED], numbers[TICKS], print) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    kv_tree_keep_nodes();
    static const char *const names[NUMBERS] = {"--seed",  "--ticks",   "--suite",
                                               "--bench", "--from",    "--masters",
                                               "--nodes", "--clients", "--check-every"};
    uint64_t numbers[NUMBERS] = {[TICKS] = 10000};
    const char *ledger_path = NULL;
    bool print = false;
    if (argc > 2 && strcmp(argv[1], "--merge-ledgers") == 0)
        return merge(argv + 2, argc - 2);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        size_t n = 0;
        while (n < NUMBERS && strcmp(argv[i], names[n]) != 0)
            n++;
        if (n < NUMBERS && number_of(value, &numbers[n]))
            i++;
        else if (strcmp(argv[i], "--trace") == 0)
            print = true;
        else if (strcmp(argv[i], "--ledger") == 0 && value != NULL)
            ledger_path = argv[++i];
        else
            return usage();
    }
    int status = run_program(numbers, print);
    if (ledger_path != NULL && !ledger_append(&ledger, ledger_path)) {
        (void)fprintf(stderr, "catena-sim: %s cannot be written\n", ledger_path);
        return EXIT_FAILURE;
    }
    return status;
}
