/* One configuration master (Raft and cluster core joined) under any events.
 *
 * With one founder it leads itself and the whole path from a request to its answer runs; with three
 * it needs the good will of peers that the bytes invent. The store keeps its contract, restarts
 * begin with what a crash left. */
#include <string.h>

#include "config_master/core/cm_state.h"
#include "config_master/server/server.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/kv_memory.h"

enum { TOKENS_MAX = 8192, STEPS_MAX = 1500, CONNS = 8 };

struct master {
    struct fuzz_input input;
    struct fuzz_domain domain;
    struct kv_memory *disk;
    struct server *server;
    struct server_effects effects;
    uint64_t tokens[TOKENS_MAX];
    uint32_t tokens_count;
    uint64_t now_us;
    uint64_t conns[CONNS]; /* 0: free */
    uint64_t next_conn;
    uint64_t beat;
    bool is_tainted; /* a peer has written to the log */
    bool is_halted;
    bool is_eager; /* stores are reported at once */
    uint32_t steps;
};

static const struct uuid cluster = {{0xca}};
static const struct uuid disk_of_ours = {{0xd1}};

static void start(struct master *master)
{
    struct server_options options = {.raft = {.id = 1,
                                              .election_min_us = 300000,
                                              .election_max_us = 600000,
                                              .heartbeat_us = 100000,
                                              .append_entries_max = 16,
                                              .append_bytes_max = 4096,
                                              .append_inflight_max = 4,
                                              .snapshot_chunk_bytes = 256,
                                              .snapshot_after_entries = 12,
                                              .trace = fuzz_trace()},
                                     .cm = {.id = 1,
                                            .cluster = cluster,
                                            .heartbeat_us = 100000,
                                            .silence_us = 400000,
                                            .lease_us = 1000000,
                                            .election_min_us = 300000,
                                            .drift_ppm = 1000,
                                            .restart_grace_us = 500000,
                                            .readmit_min_us = 500000,
                                            .readmit_max_us = 60000000,
                                            .joins_per_node_max = 2,
                                            .trace = fuzz_trace()},
                                     .disk = disk_of_ours,
                                     .pid = 1,
                                     .trace = fuzz_trace()};
    struct kv kv = kv_memory_interface(master->disk);
    master->tokens_count = 0;
    master->is_halted = false;
    memset(master->conns, 0, sizeof master->conns);
    PRE(server_new(&options, 7, master->now_us, &kv, &master->server) == ERR_OK);
    server_check(master->server);
}

static void forget_conn(struct master *master, uint64_t conn)
{
    for (unsigned i = 0; i < CONNS; i++)
        if (master->conns[i] == conn)
            master->conns[i] = 0;
}

static void take_effects(struct master *master)
{
    struct text text;
    text_init(&text);
    for (uint32_t i = 0; i < master->effects.count; i++) {
        struct server_effect *effect = &master->effects.items[i];
        switch (effect->kind) {
        case SERVER_EFFECT_SEND:
        case SERVER_EFFECT_SEND_MASTER:
            wire_message_print(&effect->message, &text);
            text_clear(&text);
            break;
        case SERVER_EFFECT_CLOSE:
            if (fuzz_below(&master->input, 2) == 0)
                forget_conn(master, effect->conn); /* else its last words still come */
            break;
        case SERVER_EFFECT_STORE:
            PRE(master->tokens_count < TOKENS_MAX);
            PRE(kv_memory_apply(master->disk, effect->batch) == ERR_OK);
            master->tokens[master->tokens_count++] = effect->token;
            break;
        case SERVER_EFFECT_CONFIGURATION:
            PRE(effect->configuration.count <= BOUND_MASTERS);
            break;
        case SERVER_EFFECT_PROBE:
            PRE(memchr(effect->address, '\0', sizeof effect->address) != NULL);
            break;
        case SERVER_EFFECT_HALT:
            PRE(effect->text != NULL && master->is_tainted);
            master->is_halted = true;
            break;
        }
    }
    text_release(&text);
    server_effects_clear(&master->effects);
}

static void step_once(struct master *master, struct server_event *event)
{
    event->now_us = master->now_us;
    server_step(master->server, event, &master->effects);
    take_effects(master);
    server_check(master->server);
    (void)server_deadline_us(master->server);
    master->steps++;
}

static void stored(struct master *master)
{
    if (master->tokens_count == 0)
        return;
    struct server_event event = {.kind = SERVER_EVENT_STORED, .token = master->tokens[0]};
    master->tokens_count--;
    memmove(master->tokens, master->tokens + 1, master->tokens_count * sizeof *master->tokens);
    kv_memory_sync_oldest(master->disk, 1);
    step_once(master, &event);
}

static void step(struct master *master, struct server_event *event)
{
    step_once(master, event);
    for (unsigned i = 0; i < 64 && master->is_eager && master->tokens_count > 0; i++)
        stored(master);
}

static void restart(struct master *master)
{
    server_free(master->server);
    size_t unsynced = kv_memory_unsynced(master->disk);
    kv_memory_crash(master->disk, fuzz_below(&master->input, 8) % (unsynced + 1));
    start(master);
}

/* ---- messages ---- */

static void prepare(struct master *master)
{
    struct fuzz_domain *domain = &master->domain;
    domain->uuids[0] = cluster;
    domain->uuids[1] = disk_of_ours;
    domain->uuids[2] = (struct uuid){{0xd2}};
    domain->uuids_count = 3;
    static const struct {
        const char *field;
        uint64_t values[4];
    } numbers[] = {
        {"node", {1, 2, 3, 4}},        {"peer", {1, 2, 3, 4}},
        {"incarnation", {1, 1, 2, 3}}, {"chain", {0, 1, 2, 3}},
        {"op", {1, 3, 4, 13}},         {"a", {1, 2, 3, 8}},
        {"b", {1, 2, 3, 0}},           {"role", {0, 1, 2, 1}},
        {"id", {1, 2, 3, 4}},          {"sender", {2, 3, 4, 2}},
        {"flags", {0, 1, 8, 2}},       {"silent_ms", {0, 500, 1000, 5000}},
        {"weight", {1, 1, 2, 100}},    {"wait_ms", {0, 10, 100, 1000}},
        {"nonce", {0, 1, 2, 3}},       {"space_total", {1000, 1000, 0, 1}},
        {"kind", {0, 1, 2, 0}},
    };
    for (size_t k = 0; k < ARRAY_COUNT(numbers); k++)
        for (unsigned i = 0; i < 4; i++)
            fuzz_hint_number(domain, numbers[k].field, numbers[k].values[i]);
    static const char *const names[] = {"bucket-one",  "bucket-two",  "replicas",
                                        "write-floor", "any-replica", "x"};
    for (size_t k = 0; k < ARRAY_COUNT(names); k++)
        fuzz_hint_bytes(domain, "name", slice_of_text(names[k]));
    fuzz_hint_bytes(domain, "address", slice_of_text("host:1"));
    fuzz_hint_bytes(domain, "address", slice_of_text("host:2"));
    fuzz_hint_bytes(domain, "text", slice_of_text("host:3"));
    static const uint8_t founder[] = {1, 1, 0, 0, 0, 1, 1, 'h'};
    fuzz_hint_bytes(domain, "configuration", slice_of(founder, sizeof founder));
}

static void learn(struct master *master)
{
    struct fuzz_domain *domain = &master->domain;
    const struct raft *raft = server_raft(master->server);
    const struct cm_state *state = cm_core_state(server_core(master->server));
    static const char *const indexes[] = {"last_index", "previous_index", "commit", "match_index",
                                          "conflict_index"};
    static const char *const versions[] = {"version", "map_version", "have_version"};
    for (size_t i = 0; i < ARRAY_COUNT(indexes); i++)
        fuzz_hint_number(domain, indexes[i], raft_last_index(raft));
    for (size_t i = 0; i < ARRAY_COUNT(versions); i++)
        fuzz_hint_number(domain, versions[i], state->version);
    fuzz_hint_number(domain, "term", raft_term(raft));
    fuzz_hint_number(domain, "last_term", raft_term(raft));
    fuzz_hint_number(domain, "previous_term", raft_term(raft));
    for (uint32_t i = 0; i < state->chain_count && i < 4; i++)
        fuzz_hint_number(domain, "epoch", state->chains[i].active.epoch);
}

static uint64_t some_conn(struct master *master)
{
    uint64_t conn = master->conns[fuzz_below(&master->input, CONNS)];
    return conn != 0 ? conn : master->next_conn;
}

static void receive(struct master *master, enum wire_type type)
{
    learn(master);
    struct wire_message message;
    fuzz_message(&master->input, &master->domain, type, &message);
    struct server_event event = {.kind = SERVER_EVENT_RECEIVE, .message = &message};
    event.conn = some_conn(master);
    if (type >= WIRE_RAFT_VOTE) {
        master->is_tainted = true;
        if (fuzz_below(&master->input, 2) == 0) {
            event.kind = SERVER_EVENT_RECEIVE_LINK;
            event.master = 2 + fuzz_below(&master->input, 3);
        }
    }
    step(master, &event);
    wire_message_release(&message);
}

/* A node that behaves: its heartbeat names every chain with the epoch that it should have. */
static void beat(struct master *master)
{
    const struct cm_state *state = cm_core_state(server_core(master->server));
    uint32_t node = 1 + fuzz_below(&master->input, 4);
    uint8_t mood = fuzz_u8(&master->input);
    struct wire_chain_report reports[8];
    uint32_t count = 0;
    for (uint32_t i = 0; i < state->chain_count && count < ARRAY_COUNT(reports); i++) {
        const struct plan_row *row = &state->chains[i].active;
        reports[count++] = (struct wire_chain_report){
            .chain = i,
            .epoch = row->epoch,
            .flags = (mood & 1u ? WIRE_REPORT_SYNCED : 0u) |
                     (mood & 2u ? WIRE_REPORT_DRAINED : 0u) | (mood & 4u ? WIRE_REPORT_HOLDS : 0u)};
    }
    struct wire_message message = {.type = WIRE_HEARTBEAT};
    message.u.heartbeat = (struct wire_heartbeat){.node = node,
                                                  .incarnation = 1 + (mood >> 6) / 3,
                                                  .disk = {{(uint8_t)(0xe0 + node)}},
                                                  .boot = {{1}},
                                                  .address = slice_of_text("node:1"),
                                                  .zone = slice_of_text("z"),
                                                  .weight = 1,
                                                  .pid = 1,
                                                  .beat = ++master->beat,
                                                  .map_version = state->version,
                                                  .space_total = 1000,
                                                  .space_free = 900,
                                                  .full_report = (mood & 8u) != 0,
                                                  .chains = reports,
                                                  .chains_count = count};
    struct server_event event = {
        .kind = SERVER_EVENT_RECEIVE, .conn = some_conn(master), .message = &message};
    step(master, &event);
}

static void connect(struct master *master)
{
    struct wire_message message;
    fuzz_message(&master->input, &master->domain, WIRE_HELLO, &message);
    struct server_event event = {.hello = &message.u.hello};
    uint32_t place = fuzz_below(&master->input, CONNS);
    if (fuzz_below(&master->input, 4) == 0) {
        event.kind =
            fuzz_below(&master->input, 3) == 0 ? SERVER_EVENT_LINK_DOWN : SERVER_EVENT_LINK_UP;
        event.master = 2 + fuzz_below(&master->input, 3);
        if (fuzz_below(&master->input, 2) == 0) {
            message.u.hello.id = event.master;
            message.u.hello.role = WIRE_ROLE_MASTER;
        }
        step(master, &event);
    } else if (master->conns[place] == 0) {
        event.kind = SERVER_EVENT_CONNECTED;
        event.conn = master->next_conn++;
        master->conns[place] = event.conn;
        step(master, &event);
    } else {
        event.kind = SERVER_EVENT_DISCONNECTED;
        event.conn = master->conns[place];
        master->conns[place] = 0;
        step(master, &event);
    }
    wire_message_release(&message);
}

static void one_event(struct master *master)
{
    static const enum wire_type asked[] = {WIRE_HEARTBEAT, WIRE_HEARTBEAT, WIRE_OBITUARY,
                                           WIRE_WATCH,     WIRE_ADMIN,     WIRE_ADMIN};
    static const enum wire_type raft[] = {
        WIRE_RAFT_VOTE,     WIRE_RAFT_VOTED,        WIRE_RAFT_APPEND,     WIRE_RAFT_APPENDED,
        WIRE_RAFT_SNAPSHOT, WIRE_RAFT_SNAPSHOT_ACK, WIRE_RAFT_TIMEOUT_NOW};
    struct server_event event = {.kind = SERVER_EVENT_TICK};
    uint64_t deadline;
    switch (fuzz_below(&master->input, 16)) {
    case 0:
    case 1:
        deadline = server_deadline_us(master->server);
        if (deadline > master->now_us && deadline < master->now_us + 10000000)
            master->now_us = deadline;
        step(master, &event);
        break;
    case 2:
        master->now_us += fuzz_delay_us(&master->input);
        step(master, &event);
        break;
    case 3:
    case 4:
        stored(master);
        break;
    case 5:
        connect(master);
        break;
    case 6:
    case 7:
    case 8:
        receive(master, asked[fuzz_below(&master->input, ARRAY_COUNT(asked))]);
        break;
    case 9:
    case 10:
    case 11:
        master->now_us += 20000;
        beat(master);
        break;
    case 12:
        receive(master, raft[fuzz_below(&master->input, ARRAY_COUNT(raft))]);
        break;
    case 13:
        receive(master, fuzz_type(&master->input));
        break;
    case 14:
        event.kind = SERVER_EVENT_NODE_REFUSED;
        event.id = fuzz_number(&master->input, 64);
        step(master, &event);
        break;
    default:
        if (fuzz_below(&master->input, 8) == 0)
            restart(master);
        break;
    }
}

/* Most inputs begin where it gets interesting: this master leads, four nodes are registered, and
 * there are chains. */
static void settle(struct master *master)
{
    struct server_event event = {.kind = SERVER_EVENT_TICK};
    master->is_eager = true;
    for (unsigned i = 0; i < 40; i++) {
        master->now_us += 100000;
        step(master, &event);
    }
    struct wire_hello hello = {.wire_version = WIRE_VERSION, .cluster = cluster};
    for (uint32_t i = 0; i < 4; i++) {
        hello.role = WIRE_ROLE_NODE;
        hello.id = i + 1;
        hello.incarnation = 1;
        master->conns[i] = master->next_conn++;
        event = (struct server_event){
            .kind = SERVER_EVENT_CONNECTED, .conn = master->conns[i], .hello = &hello};
        step(master, &event);
        struct wire_message message = {.type = WIRE_HEARTBEAT};
        message.u.heartbeat = (struct wire_heartbeat){.node = i + 1,
                                                      .incarnation = 1,
                                                      .disk = {{(uint8_t)(0xe1 + i)}},
                                                      .boot = {{1}},
                                                      .address = slice_of_text("node:1"),
                                                      .zone = slice_of_text("z"),
                                                      .weight = 1,
                                                      .beat = 1,
                                                      .full_report = true};
        event = (struct server_event){
            .kind = SERVER_EVENT_RECEIVE, .conn = master->conns[i], .message = &message};
        step(master, &event);
    }
    hello.role = WIRE_ROLE_CLIENT;
    master->conns[4] = master->next_conn++;
    event = (struct server_event){
        .kind = SERVER_EVENT_CONNECTED, .conn = master->conns[4], .hello = &hello};
    step(master, &event);
    struct wire_message message = {.type = WIRE_ADMIN};
    message.u.admin =
        (struct wire_admin){.request = 1, .op = WIRE_ADMIN_INIT_CHAINS, .a = 4, .b = 3};
    event = (struct server_event){
        .kind = SERVER_EVENT_RECEIVE, .conn = master->conns[4], .message = &message};
    step(master, &event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct master master;
    master = (struct master){.input = fuzz_input_of(data, size),
                             .disk = kv_memory_new(2),
                             .now_us = 1000000,
                             .next_conn = 1,
                             .beat = 1};
    server_effects_init(&master.effects);
    prepare(&master);
    uint8_t shape = fuzz_u8(&master.input);
    struct raft_configuration configuration = {.count = (shape & 3u) == 3 ? 3 : 1};
    for (uint32_t i = 0; i < configuration.count; i++)
        configuration.servers[i] = (struct raft_server){.id = i + 1, .address = "host:1"};
    struct kv_batch *batch = kv_batch_new();
    server_bootstrap(batch, &configuration);
    PRE(kv_memory_apply(master.disk, batch) == ERR_OK);
    kv_batch_free(batch);
    kv_memory_sync(master.disk);
    start(&master);
    if (configuration.count == 1 && (shape & 4u) == 0)
        settle(&master);
    master.is_eager = (shape & 8u) == 0;
    while (!master.is_halted && master.input.length > 0 && master.steps < STEPS_MAX)
        one_event(&master);
    server_free(master.server);
    server_effects_release(&master.effects);
    kv_memory_free(master.disk);
    return 0;
}
