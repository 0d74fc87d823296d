/* The driver of a configuration master: config_master/server over simulated parts. */
#include "base/buf.h"
#include "base/contract.h"
#include "config_master/server/server.h"
#include "tests/sim/sim.h"

enum { MASTER_FAMILIES = 2 };

struct sim_master {
    struct sim_process *process;
    struct sim_disk *disk;
    struct uuid disk_uuid;
    struct server *server;
    struct server_effects effects;
    uint32_t peers[SIM_MASTERS_MAX];
    uint32_t peers_count;
    bool is_founder; /* else it waits to be added */
    uint32_t steps;
};

static struct server_options options_of(const struct sim_master *master)
{
    const struct sim_process *process = master->process;
    return (struct server_options){
        .raft = {.id = process->id,
                 .election_min_us = 300000,
                 .election_max_us = 600000,
                 .heartbeat_us = 60000,
                 .append_entries_max = 64,
                 .append_bytes_max = 1 << 18,
                 .append_inflight_max = 4,
                 .snapshot_chunk_bytes = 4096,
                 .snapshot_after_entries = 150,
                 .trace = process->trace},
        .cm = {.id = process->id,
               .cluster = process->world->cluster,
               .heartbeat_us = 100000,
               .silence_us = 400000,
               .lease_us = 1000000,
               .election_min_us = 300000,
               .drift_ppm = 1000,
               .restart_grace_us = 500000,
               .readmit_min_us = 100000,
               .readmit_max_us = 2000000,
               .joins_per_node_max = 4,
               .page_rows = process->world->options.seed % 3 == 0 ? 1 : 0,
               .settle_us = 300000,
               .trace = process->trace},
        .disk = master->disk_uuid,
        .pid = process->id,
        .trace = process->trace,
    };
}

static void bootstrap(struct sim_master *master)
{
    struct world *world = master->process->world;
    struct raft_configuration founders = {.count =
                                              master->is_founder ? world->options.founders : 0};
    for (uint32_t i = 0; i < founders.count; i++) {
        founders.servers[i].id = i + 1;
        text_format(founders.servers[i].address, sizeof founders.servers[i].address,
                    "master%u:7000", i + 1);
    }
    struct kv_batch *batch = kv_batch_new();
    server_bootstrap(batch, &founders);
    enum err err = kv_memory_apply(disk_store(master->disk), batch);
    PRE(err == ERR_OK);
    kv_memory_sync(disk_store(master->disk));
    kv_batch_free(batch);
}

static void run_effects(struct sim_master *master);

static void step(struct sim_master *master, struct server_event *event)
{
    struct sim_process *process = master->process;
    struct world *world = process->world;
    bool is_stored = event->kind == SERVER_EVENT_STORED;
    enum sim_way way = is_stored ? SIM_STORED : SIM_RECEIVES;
    bool is_named = is_stored || event->message != NULL;
    if (world->failed || process->doomed)
        return;
    if (is_named && kill_point(process, way, event->message, SIM_BEFORE))
        return;
    event->now_us = master->process->local_us;
    server_step(master->server, event, &master->effects);
    if (world->options.check && master->steps++ % world->options.check_every == 0)
        server_check(master->server);
    run_effects(master);
    if (world->options.check)
        agreement_master(process);
    if (is_named && !process->doomed)
        (void)kill_point(process, way, event->message, SIM_AFTER);
}

static void connect_masters(struct sim_master *master, const struct raft_configuration *wanted)
{
    struct sim_process *process = master->process;
    for (uint32_t i = 0; i < master->peers_count; i++) {
        bool still = false;
        for (uint32_t j = 0; j < wanted->count; j++)
            still = still || wanted->servers[j].id == master->peers[i];
        if (!still)
            process_unlink(process, master->peers[i]);
    }
    master->peers_count = 0;
    for (uint32_t i = 0; i < wanted->count; i++) {
        if (wanted->servers[i].id == process->id)
            continue;
        master->peers[master->peers_count++] = wanted->servers[i].id;
        process_link(process, wanted->servers[i].id, wanted->servers[i].address);
    }
}

static void run_effect(struct sim_master *master, struct server_effect *effect)
{
    struct sim_process *process = master->process;
    switch (effect->kind) {
    case SERVER_EFFECT_SEND:
        if (kill_point(process, SIM_SENDS, &effect->message, SIM_BEFORE))
            return;
        (void)process_reply(process, effect->conn, &effect->message);
        (void)kill_point(process, SIM_SENDS, &effect->message, SIM_AFTER);
        return;
    case SERVER_EFFECT_CLOSE:
        process_close(process, effect->conn);
        return;
    case SERVER_EFFECT_SEND_MASTER:
        if (kill_point(process, SIM_SENDS, &effect->message, SIM_BEFORE))
            return;
        if (!process_link_send(process, effect->to, &effect->message) && effect->conn != 0)
            (void)process_reply(process, effect->conn, &effect->message);
        (void)kill_point(process, SIM_SENDS, &effect->message, SIM_AFTER);
        return;
    case SERVER_EFFECT_STORE:
        if (kill_point(process, SIM_STORES, NULL, SIM_BEFORE))
            return;
        disk_write(master->disk, effect->token, effect->batch, true);
        effect->batch = NULL;
        (void)kill_point(process, SIM_STORES, NULL, SIM_AFTER);
        return;
    case SERVER_EFFECT_CONFIGURATION:
        connect_masters(master, &effect->configuration);
        return;
    case SERVER_EFFECT_PROBE:
        process_probe(process, effect->address, effect->id);
        return;
    case SERVER_EFFECT_HALT:
        world_fail(process->world, "%s halts: %s", process->name, effect->text);
        return;
    }
    IMPOSSIBLE("unknown effect of the server");
}

static void run_effects(struct sim_master *master)
{
    for (uint32_t i = 0; i < master->effects.count && !master->process->doomed; i++)
        run_effect(master, &master->effects.items[i]);
    server_effects_clear(&master->effects);
}

static void master_start(struct sim_process *process)
{
    struct sim_master *master = process->self;
    struct kv kv = kv_memory_interface(disk_store(master->disk));
    enum err err = ERR_OK;
    if (server_store_is_empty(&kv, &err))
        bootstrap(master);
    PRE(err == ERR_OK);
    process->hello = (struct wire_hello){
        .wire_version = WIRE_VERSION,
        .cluster = process->world->cluster,
        .role = WIRE_ROLE_MASTER,
        .id = process->id,
        .incarnation = process->generation,
        .disk = master->disk_uuid,
        .software = slice_of_text("sim"),
    };
    server_effects_init(&master->effects);
    master->peers_count = 0;
    struct server_options options = options_of(master);
    static struct kv interfaces[SIM_MASTERS_MAX + 1]; /* outlive the core */
    interfaces[process->id] = kv;
    err = server_new(&options, world_draw(process->world, 0, UINT64_MAX), process->local_us,
                     &interfaces[process->id], &master->server);
    if (err != ERR_OK)
        world_fail(process->world, "%s does not start: %s", process->name, err_name(err));
    struct server_event first = {.kind = SERVER_EVENT_TICK};
    if (err == ERR_OK)
        step(master, &first);
}

static void master_stop(struct sim_process *process)
{
    struct sim_master *master = process->self;
    server_effects_release(&master->effects);
    server_free(master->server);
    master->server = NULL;
    disk_crash(master->disk);
}

static void master_item(struct sim_process *process, struct sim_item *item)
{
    struct sim_master *master = process->self;
    struct server_event event = {.conn = item->conn};
    switch (item->kind) {
    case SIM_ITEM_ACCEPTED:
        event.kind = SERVER_EVENT_CONNECTED;
        event.hello = &item->hello;
        break;
    case SIM_ITEM_CLOSED:
        event.kind = SERVER_EVENT_DISCONNECTED;
        break;
    case SIM_ITEM_UP:
        event.kind = SERVER_EVENT_LINK_UP;
        event.master = item->link;
        event.hello = &item->hello;
        break;
    case SIM_ITEM_DOWN:
        event.kind = SERVER_EVENT_LINK_DOWN;
        event.master = item->link;
        break;
    case SIM_ITEM_MESSAGE:
        event.kind = item->conn != 0 ? SERVER_EVENT_RECEIVE : SERVER_EVENT_RECEIVE_LINK;
        event.master = item->link;
        event.message = &item->message;
        break;
    case SIM_ITEM_STORED:
        event.kind = SERVER_EVENT_STORED;
        event.token = item->token;
        break;
    case SIM_ITEM_REFUSED:
        event.kind = SERVER_EVENT_NODE_REFUSED;
        event.id = item->token;
        break;
    }
    step(master, &event);
}

static void master_end(struct sim_process *process)
{
    struct sim_master *master = process->self;
    struct server_event tick = {.kind = SERVER_EVENT_TICK};
    if (server_deadline_us(master->server) <= process->local_us)
        step(master, &tick);
}

static uint64_t master_deadline_us(const struct sim_process *process)
{
    const struct sim_master *master = process->self;
    return server_deadline_us(master->server);
}

static void master_destroy(struct sim_process *process)
{
    struct sim_master *master = process->self;
    disk_free(master->disk);
    mem_free(master);
}

static const struct sim_process_ops master_ops = {
    master_start, master_stop, master_item, master_end, master_deadline_us, master_destroy,
};

struct sim_process *sim_master_new(struct world *world, uint32_t id)
{
    struct sim_master *master = mem_calloc(1, sizeof *master);
    master->process = process_new(world, SIM_MASTER, id, &master_ops, master);
    master->disk = disk_new(master->process, MASTER_FAMILIES);
    master->disk_uuid = world_uuid(world);
    master->is_founder = id <= world->options.founders;
    return master->process;
}

void sim_master_lose_disk(struct sim_process *process)
{
    struct sim_master *master = process->self;
    PRE(!process->is_up);
    disk_wipe(master->disk);
    master->disk_uuid = world_uuid(process->world);
    master->is_founder = false;
}

struct sim_disk *sim_master_disk(const struct sim_process *process)
{
    return ((const struct sim_master *)process->self)->disk;
}

const struct server *sim_master_server(const struct sim_process *process)
{
    return ((const struct sim_master *)process->self)->server;
}
