/* A whole cluster in one thread: masters, nodes, supervisors and clients over simulated time,
 * network and disks. Everything follows from one seed.
 *
 * What it is: drivers for the shipped cores (config_master/server, chainnode/core, client/core)
 * that replace clocks, sockets and disks. What it is not: a model; the cores are the object code
 * that the daemons run. The world owns everything; processes see each other only through
 * connections.
 *
 * Layers: world.c events and trace -> network.c connections -> process.c processes and their links
 * -> disk.c stores -> sim_master.c, sim_node.c, sim_supervisor.c, sim_client.c drivers ->
 * workload.c, faults.c, verify.c. */
#ifndef CATENA_TESTS_SIM_SIM_H
#define CATENA_TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "base/prng.h"
#include "base/text.h"
#include "base/trace.h"
#include "base/uuid.h"
#include "tests/lib/kv_memory.h"
#include "wire/messages.h"

enum {
    SIM_MASTERS_MAX = 5,
    SIM_NODES_MAX = 8,
    SIM_CLIENTS_MAX = 8,
    SIM_PROCESSES_MAX = SIM_MASTERS_MAX + 2 * SIM_NODES_MAX + SIM_CLIENTS_MAX,
    SIM_LINKS_MAX = 64,
    SIM_ADDRESS_BYTES = 32,
    SIM_CHAINS_MAX = 8,
    SIM_DRIFT_PPM = 500, /* of one clock: half of what two may differ by (cm_options.drift_ppm) */
};

struct world;
struct sim_process;

/* ---- world.c ---- */

typedef void sim_action(struct world *world, void *subject, uint64_t number);

struct sim_event {
    uint64_t time_us;
    uint64_t sequence; /* equal times run in the order in which they were planned */
    sim_action *action;
    void *subject;
    uint64_t number;
};

struct sim_options {
    uint64_t seed;
    uint64_t duration_us; /* of the faulty part */
    uint32_t masters;     /* with the spare ones */
    uint32_t founders;    /* masters 1 .. founders begin the cluster */
    uint32_t nodes;
    uint32_t clients;
    uint32_t chains;
    uint32_t replicas;
    uint32_t sessions_max; /* per chain; 0: as shipped */
    bool print;            /* every trace line to standard output */
    bool check;            /* run the cores' own checks after each step */
    uint32_t check_every;  /* the nodes' and masters' deep checks: every so many steps; 0 = 1 */
};

/* How bad the network is at the moment. Probabilities are one in so many, 0 = never. */
struct sim_weather {
    uint64_t latency_min_us;
    uint64_t latency_max_us;
    uint32_t lose_one_in;
    uint32_t double_one_in;
    uint32_t reorder_one_in;
};

/* A death that waits for its moment (kill_points.c). */
struct sim_kill_plan {
    bool is_armed;
    unsigned point;
    bool is_after;
    bool any_role;
    unsigned role;
    uint32_t chain;
    uint32_t countdown;
    bool with_host;
    uint64_t until_us;
};

struct world {
    struct sim_options options;
    uint64_t now_us;
    uint64_t sequence;
    struct sim_event *heap;
    size_t heap_count;
    size_t heap_capacity;
    struct sim_process *runner; /* the first to run, NULL: none is planned */
    struct prng prng;           /* network, disks, faults */
    struct prng work_prng;      /* workload */
    struct sim_process *processes[SIM_PROCESSES_MAX];
    uint32_t processes_count;
    struct sim_weather weather;
    bool blocked[SIM_PROCESSES_MAX][SIM_PROCESSES_MAX]; /* from, to: by host */
    uint64_t clogged_us[SIM_PROCESSES_MAX]
                       [SIM_PROCESSES_MAX]; /* what travels takes so much longer */
    struct network_recorder *recorder;      /* what travelled, for late copies */
    struct sim_kill_plan kill_plan;
    struct agreement *agreement;
    struct ledger *ledger; /* may be NULL */
    struct map conns;
    uint64_t last_conn;
    struct uuid cluster;
    uint64_t trace_hash;
    uint64_t trace_lines;
    uint64_t steps;
    bool failed;
    struct text failure;
    struct workload *workload;
};

struct world *world_new(const struct sim_options *options);
void world_free(struct world *world);
void world_plan(struct world *world, uint64_t delay_us, sim_action *action, void *subject,
                uint64_t number);
/* The process runs once, then or, if that was planned, earlier. Costs less than an event. */
void world_plan_run(struct sim_process *process, uint64_t delay_us);
void world_cancel_run(struct sim_process *process);
/* Runs until the time is reached or the world failed. */
void world_run_until(struct world *world, uint64_t time_us);
/* One line of the world's story: hashed, and printed on demand. */
void world_trace(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same for "name: words" of a core. */
void world_trace_core(struct world *world, const char *name, const char *words);
/* The first failure stops the run. */
void world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t world_draw(struct world *world, uint64_t low, uint64_t high);
bool world_once_in(struct world *world, uint64_t of); /* false when of is 0 */
struct uuid world_uuid(struct world *world);

/* ---- process.c ---- */

enum sim_kind { SIM_MASTER, SIM_NODE, SIM_SUPERVISOR, SIM_CLIENT };

enum sim_item_kind {
    SIM_ITEM_ACCEPTED, /* conn, hello */
    SIM_ITEM_CLOSED,   /* conn: an accepted connection ended */
    SIM_ITEM_UP,       /* link, hello */
    SIM_ITEM_DOWN,     /* link, refused */
    SIM_ITEM_MESSAGE,  /* conn (accepted) or link, message */
    SIM_ITEM_STORED,   /* token, err */
    SIM_ITEM_REFUSED,  /* token: the address of that probe refused the connection */
};

struct sim_item {
    struct list_node node;
    enum sim_item_kind kind;
    uint64_t conn;
    uint32_t link; /* peer number; meaningful when conn is 0 */
    bool refused;
    struct wire_hello hello;
    struct wire_message message;
    uint64_t token;
    enum err err;
};

enum sim_link_state { SIM_LINK_IDLE, SIM_LINK_DIALING, SIM_LINK_UP };

/* A connection that a process keeps to a peer of its choice. */
struct sim_link {
    uint32_t peer;
    bool is_wanted;
    char address[SIM_ADDRESS_BYTES];
    enum sim_link_state state;
    uint64_t conn;
    uint64_t attempt; /* tells a late answer from one for this attempt */
};

struct sim_process_ops {
    void (*start)(struct sim_process *process);
    void (*stop)(struct sim_process *process); /* releases the core; the disk stays */
    void (*item)(struct sim_process *process, struct sim_item *item);
    void (*end)(struct sim_process *process);                   /* of a batch of items */
    uint64_t (*deadline_us)(const struct sim_process *process); /* local clock */
    void (*destroy)(struct sim_process *process);
};

struct sim_process {
    struct world *world;
    enum sim_kind kind;
    uint32_t id;
    uint32_t number; /* in world->processes */
    uint32_t host;   /* processes of one host share partitions: number of the first of them */
    char name[16];
    char address[SIM_ADDRESS_BYTES];
    const struct sim_process_ops *ops;
    void *self; /* the driver's own */
    struct wire_hello hello;
    bool is_up;
    bool host_is_down; /* power is off: nobody refuses its connections */
    uint64_t generation;
    uint64_t paused_until_us;
    uint64_t
        stops_in_batch_us; /* > 0: its next batch is done, but what it sends leaves this late */
    uint64_t output_held_until_us;
    struct list_node inbox;
    uint64_t run_at_us;   /* wanted, UINT64_MAX: nothing */
    uint64_t run_time_us; /* planned (world.c), UINT64_MAX: nothing */
    uint64_t run_sequence;
    int64_t clock_ppm;
    uint64_t clock_base_us;  /* world's time at which ... */
    uint64_t clock_local_us; /* ... the local clock showed this */
    uint64_t ran_at_us;
    uint32_t ran_there; /* times at the same moment */
    bool is_retired;    /* does not come back when the faults end */
    bool doomed;        /* dies before it does anything else */
    bool doomed_with_host;
    uint64_t local_us; /* of the batch in progress */
    struct sim_link links[SIM_LINKS_MAX];
    uint32_t links_count;
    struct trace trace; /* for cores */
};

struct sim_process *process_new(struct world *world, enum sim_kind kind, uint32_t id,
                                const struct sim_process_ops *ops, void *self);
void process_free(struct sim_process *process);
/* For world.c: its moment has come. */
void process_run(struct sim_process *process);
struct sim_process *process_find(struct world *world, enum sim_kind kind, uint32_t id);
struct sim_process *process_at(struct world *world, const char *address);
void process_start(struct sim_process *process);
/* kill -9, or the power with it. Connections end: at once when the host lives, by and by when not.
 */
void process_kill(struct sim_process *process, bool with_host);
/* SIGSTOP: between two batches, or, with in_batch, after the clock of a batch was read and before
 * anything that it sends has left. */
void process_pause(struct sim_process *process, uint64_t us, bool in_batch);
void process_resume(struct sim_process *process);
uint64_t process_clock(const struct sim_process *process);
/* From now on its clock runs that much faster than the world's. It stays where it is. */
void process_set_drift(struct sim_process *process, int64_t ppm);
/* It dies as soon as the step in progress ends; effects that were not run yet are lost. */
void process_doom(struct sim_process *process, bool with_host);
/* Takes the item over. Ignored unless the process is up in that generation. */
void process_post(struct sim_process *process, uint64_t generation, struct sim_item *item);
struct sim_item *sim_item_new(enum sim_item_kind kind);
void process_wake(struct sim_process *process, uint64_t delay_us);
/* Links. */
void process_link(struct sim_process *process, uint32_t peer, const char *address);
void process_unlink(struct sim_process *process, uint32_t peer);
bool process_link_is_up(const struct sim_process *process, uint32_t peer);
bool process_link_send(struct sim_process *process, uint32_t peer,
                       const struct wire_message *message);
/* On an accepted connection. */
bool process_reply(struct sim_process *process, uint64_t conn, const struct wire_message *message);
/* ITEM_CLOSED follows. */
void process_close(struct sim_process *process, uint64_t conn);
/* ITEM_REFUSED follows if that address refuses connections. */
void process_probe(struct sim_process *process, const char *address, uint64_t token);

/* The planned arrival of a probe; its subject is freed with the world. */
void process_probe_arrives(struct world *world, void *subject, uint64_t token);

/* ---- network.c ---- */

/* For process.c. Side 0 dialed, side 1 accepted. */
void network_dial(struct sim_process *process, struct sim_link *link);
/* The accepting process has seen it: it answers with its hello. False: it is gone already. */
bool network_accepted(struct world *world, uint64_t conn);
bool network_send(struct world *world, uint64_t conn, struct sim_process *from,
                  const struct wire_message *message);
void network_close(struct world *world, uint64_t conn, const struct sim_process *by);
void network_process_died(struct sim_process *process, bool with_host);
bool network_is_blocked(const struct world *world, const struct sim_process *from,
                        const struct sim_process *to);
/* No stream loses a message and goes on: clients' connections that have end. What nodes and masters
 * lose they have to notice themselves (R9); a client's poll may be patient. */
void network_end_lossy(struct world *world);
void network_release(struct world *world);
/* Some of the connections that the process dialed stall and then end at its side; what it sent on
 * them meanwhile arrives all the same, perhaps after what it sends on the next one. */
void network_break(struct sim_process *process);
/* A copy of something that travelled to a process before reaches it now, on a connection of the
 * sender's past: of an earlier epoch, perhaps of an earlier incarnation. False: none is kept. */
bool network_replay(struct world *world);

/* ---- disk.c ---- */

struct sim_disk;
struct sim_disk *disk_new(struct sim_process *process, unsigned families);
void disk_free(struct sim_disk *disk);
struct kv_memory *disk_store(struct sim_disk *disk);
/* Takes the batch over; ITEM_STORED follows. */
void disk_write(struct sim_disk *disk, uint64_t token, struct kv_batch *batch, bool sync);
/* Loses a suffix of what was not synced. Call when the process dies. */
void disk_crash(struct sim_disk *disk);
void disk_set_latency(struct sim_disk *disk, uint64_t min_us, uint64_t max_us);
/* The next group is not written, or only a part of it: STORED says so. */
void disk_fail_next(struct sim_disk *disk, enum err err);
/* It did, and its process has not noticed yet. */
bool disk_has_failed(const struct sim_disk *disk);
/* The process is down. */
void disk_wipe(struct sim_disk *disk);
void disk_swap(struct sim_disk *a, struct sim_disk *b);
/* An image of what is durable; restoring it takes the disk back in time. */
void disk_take_image(struct sim_disk *disk);
bool disk_has_image(const struct sim_disk *disk);
void disk_restore_image(struct sim_disk *disk);

/* ---- drivers ---- */

struct sim_process *sim_master_new(struct world *world, uint32_t id);
struct sim_process *sim_node_new(struct world *world, uint32_t id);
struct sim_process *sim_supervisor_new(struct world *world, uint32_t id);
struct sim_process *sim_client_new(struct world *world, uint32_t id);

struct sim_disk *sim_master_disk(const struct sim_process *process);
const struct server *sim_master_server(const struct sim_process *process);
struct sim_disk *sim_node_disk(const struct sim_process *process);
const struct cn_core *sim_node_core(const struct sim_process *process);
/* An empty disk with a new identity; the node is down. */
void sim_node_lose_disk(struct sim_process *process);
/* Its disk and identity files, with those of another node: both refuse to start until they are
 * swapped back. Both are down. */
void sim_node_swap_disks(struct sim_process *a, struct sim_process *b);
/* The next write of its disk fails: the worker halts and, unless it was only full, gets an empty
 * disk. */
void sim_node_fail_disk(struct sim_process *process, enum err err);
/* The reserve is reached, or free again (R36, ENOSPC). */
void sim_node_set_full(struct sim_process *process, bool is_full);
/* An empty disk, waiting to be added; the master is down. */
void sim_master_lose_disk(struct sim_process *process);
/* The worker died: the supervisor tells every master until one confirms. */
void sim_supervisor_mourn(struct sim_process *process, const struct wire_hello *worker);

struct cl_submit;
struct cl_effect;
typedef void sim_done(void *context, const struct cl_effect *done);
/* The client process submits at its next step. Slices are copied by the core at once, so they have
 * to live until then: the caller's context owns them. */
void sim_client_submit(struct sim_process *process, const struct cl_submit *submit, sim_done *done,
                       void *context);

/* ---- faults.c ---- */

void faults_begin(struct world *world);
/* Everything up, connected and unpaused; good weather. No fault afterwards. */
void faults_end(struct world *world);
/* A doomed process dies; its host with it if so said. It starts again after a while. */
void faults_bury(struct sim_process *process, bool with_host);

/* ---- kill_points.c ---- */

enum sim_way { SIM_SENDS, SIM_RECEIVES, SIM_STORES, SIM_STORED };
enum sim_moment { SIM_BEFORE, SIM_AFTER };
/* The process passes a named point; type: of the message, or WIRE_NONE for the disk. True: it dies
 * here. */
bool kill_point(struct sim_process *process, enum sim_way way, const struct wire_message *message,
                enum sim_moment moment);
void kill_points_arm(struct world *world);

/* ---- check_heal.c ---- */

struct cm_state;
/* The newest leader's; NULL: there is none. */
const struct cm_state *verify_leader_state(struct world *world);
/* Every chain is of full length and every member serves in its epoch: one copy may be lost. */
bool verify_is_whole(struct world *world);
/* Is every chain of full length, with nothing pending? Says what is missing otherwise. */
bool verify_is_quiet(struct world *world, struct text *ret_missing);

/* ---- check_replicas.c ---- */

/* Members of each chain hold the same bytes; nothing is left of abandoned uploads. Fails the world
 * otherwise. */
void verify_replicas_equal(struct world *world);

/* ---- check_agree.c ---- */

void agreement_init(struct world *world);
void agreement_release(struct world *world);
/* After a step of a node: what it holds to be committed is what everybody held before (S1, S5). */
void agreement_node(struct sim_process *process);
/* After a step of a master: no two may grant leases at once (R31). */
void agreement_master(struct sim_process *process);

#endif
