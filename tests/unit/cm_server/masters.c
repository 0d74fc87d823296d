#include "tests/unit/cm_server/masters.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/contract.h"
#include "base/text.h"

enum { LATENCY_US = 200 };

static void trace_emit(void *context, const char *line)
{
    const struct masters_one *one = context;
    (void)fprintf(stderr, "  %u: %s\n", one->id, line);
}

struct masters_one *masters_get(struct masters *masters, uint32_t id)
{
    PRE(id >= 1 && id <= MASTERS_MAX);
    return &masters->all[id];
}

static struct wire_hello hello_of(const struct masters_one *one)
{
    return (struct wire_hello){.wire_version = WIRE_VERSION,
                               .role = WIRE_ROLE_MASTER,
                               .id = one->id,
                               .incarnation = 1000 + one->id,
                               .disk = one->disk_id};
}

static void push(struct masters *masters, struct masters_packet packet,
                 const struct wire_message *message)
{
    PRE(masters->packets_count < MASTERS_PACKETS);
    packet.at_us = masters->now_us + LATENCY_US;
    packet.lives = masters->lives;
    wire_message_copy(message, &packet.message);
    masters->packets[(masters->packets_start + masters->packets_count++) % MASTERS_PACKETS] =
        packet;
}

static bool wants(const struct masters_one *one, uint32_t other)
{
    for (uint32_t i = 0; i < one->connect.count; i++)
        if (one->connect.servers[i].id == other)
            return true;
    return false;
}

static void link_up(struct masters *masters, uint32_t from, uint32_t to)
{
    struct masters_one *a = masters_get(masters, from);
    struct masters_one *b = masters_get(masters, to);
    a->linked[to] = true;
    a->conn[to] = masters->next_conn++;
    struct wire_hello hello = hello_of(a);
    struct server_event connected = {
        .kind = SERVER_EVENT_CONNECTED, .conn = a->conn[to], .hello = &hello};
    masters_event(masters, to, &connected);
    hello = hello_of(b);
    struct server_event up = {.kind = SERVER_EVENT_LINK_UP, .master = to, .hello = &hello};
    if (a->linked[to])
        masters_event(masters, from, &up);
}

static void link_down(struct masters *masters, uint32_t from, uint32_t to)
{
    struct masters_one *a = masters_get(masters, from);
    struct masters_one *b = masters_get(masters, to);
    if (!a->linked[to])
        return;
    a->linked[to] = false;
    struct server_event down = {.kind = SERVER_EVENT_LINK_DOWN, .master = to};
    struct server_event gone = {.kind = SERVER_EVENT_DISCONNECTED, .conn = a->conn[to]};
    if (a->server != NULL)
        masters_event(masters, from, &down);
    if (b->server != NULL)
        masters_event(masters, to, &gone);
}

static void relink(struct masters *masters)
{
    for (uint32_t from = 1; from <= MASTERS_MAX; from++)
        for (uint32_t to = 1; to <= MASTERS_MAX; to++) {
            const struct masters_one *a = masters_get(masters, from);
            const struct masters_one *b = masters_get(masters, to);
            if (from == to || a->server == NULL || b->server == NULL)
                continue;
            if (wants(a, to) && !a->linked[to])
                link_up(masters, from, to);
            else if (!wants(a, to) && a->linked[to])
                link_down(masters, from, to);
        }
}

static void send_master(struct masters *masters, const struct masters_one *one,
                        const struct server_effect *effect)
{
    struct masters_packet packet = {.to = effect->to};
    if (one->linked[effect->to]) {
        packet.conn = one->conn[effect->to];
    } else if (effect->conn != 0) {
        packet.master = one->id; /* goes back on their connection to us */
        if (masters_get(masters, effect->to)->conn[one->id] != effect->conn)
            return;
    } else {
        return;
    }
    push(masters, packet, &effect->message);
}

static void close_conn(struct masters *masters, uint32_t id, uint64_t conn)
{
    masters->closed_conn = conn;
    for (uint32_t from = 1; from <= MASTERS_MAX; from++) {
        struct masters_one *other = masters_get(masters, from);
        if (other->linked[id] && other->conn[id] == conn) {
            other->linked[id] = false;
            struct server_event down = {.kind = SERVER_EVENT_LINK_DOWN, .master = id};
            if (other->server != NULL)
                masters_event(masters, from, &down);
        }
    }
}

static void take_answer(struct masters *masters, const struct server_effect *effect)
{
    bool is_refusal =
        effect->message.type == WIRE_REFUSED && effect->message.u.refused.request == 0;
    struct wire_message *place = is_refusal ? &masters->refusal : &masters->answer;
    wire_message_release(place);
    wire_message_copy(&effect->message, place);
    if (!is_refusal)
        masters->answer_conn = effect->conn;
}

static void run_effect(struct masters *masters, struct masters_one *one,
                       struct server_effect *effect)
{
    switch (effect->kind) {
    case SERVER_EFFECT_SEND:
        take_answer(masters, effect);
        break;
    case SERVER_EFFECT_CLOSE:
        close_conn(masters, one->id, effect->conn);
        break;
    case SERVER_EFFECT_SEND_MASTER:
        send_master(masters, one, effect);
        break;
    case SERVER_EFFECT_STORE:
        PRE(one->tokens_count < MASTERS_TOKENS);
        PRE(kv_memory_apply(one->disk, effect->batch) == ERR_OK);
        one->tokens[one->tokens_count++] = effect->token;
        break;
    case SERVER_EFFECT_CONFIGURATION:
        one->connect = effect->configuration;
        break;
    case SERVER_EFFECT_PROBE:
        break;
    case SERVER_EFFECT_HALT:
        one->halted = effect->text;
        break;
    }
}

void masters_event(struct masters *masters, uint32_t id, struct server_event *event)
{
    struct masters_one *one = masters_get(masters, id);
    struct server_effects effects;
    server_effects_init(&effects);
    event->now_us = masters->now_us;
    server_step(one->server, event, &effects);
    server_check(one->server);
    for (uint32_t i = 0; i < effects.count; i++)
        run_effect(masters, one, &effects.items[i]);
    server_effects_release(&effects);
}

static void deliver(struct masters *masters)
{
    struct masters_packet packet = masters->packets[masters->packets_start];
    masters->packets_start = (masters->packets_start + 1) % MASTERS_PACKETS;
    masters->packets_count--;
    const struct masters_one *to = masters_get(masters, packet.to);
    struct server_event event = {.message = &packet.message};
    if (packet.conn != 0) {
        event.kind = SERVER_EVENT_RECEIVE;
        event.conn = packet.conn;
    } else {
        event.kind = SERVER_EVENT_RECEIVE_LINK;
        event.master = packet.master;
    }
    if (to->server != NULL && packet.lives == masters->lives)
        masters_event(masters, packet.to, &event);
    wire_message_release(&packet.message);
}

static void run_server(struct masters *masters, uint32_t id)
{
    struct masters_one *one = masters_get(masters, id);
    while (one->tokens_count > 0) {
        struct server_event event = {.kind = SERVER_EVENT_STORED, .token = one->tokens[0]};
        one->tokens_count--;
        memmove(one->tokens, one->tokens + 1, one->tokens_count * sizeof one->tokens[0]);
        kv_memory_sync_oldest(one->disk, 1);
        masters_event(masters, id, &event);
    }
    if (server_deadline_us(one->server) <= masters->now_us) {
        struct server_event event = {.kind = SERVER_EVENT_TICK};
        masters_event(masters, id, &event);
    }
}

void masters_run(struct masters *masters, uint64_t us)
{
    uint64_t limit = masters->now_us + us;
    while (masters->now_us < limit) {
        masters->now_us += 100;
        while (masters->packets_count > 0 &&
               masters->packets[masters->packets_start].at_us <= masters->now_us)
            deliver(masters);
        for (uint32_t id = 1; id <= MASTERS_MAX; id++)
            if (masters_get(masters, id)->server != NULL)
                run_server(masters, id);
        if (masters->now_us % 10000 == 0)
            relink(masters);
    }
}

void masters_start(struct masters *masters, uint32_t id)
{
    struct masters_one *one = masters_get(masters, id);
    PRE(one->server == NULL);
    struct kv kv = kv_memory_interface(one->disk);
    enum err err = ERR_OK;
    if (server_store_is_empty(&kv, &err)) {
        struct raft_configuration none = {0};
        struct kv_batch *batch = kv_batch_new();
        server_bootstrap(batch, &none);
        PRE(kv_memory_apply(one->disk, batch) == ERR_OK);
        kv_memory_sync(one->disk);
        kv_batch_free(batch);
    }
    struct server_options options = {
        .raft = {.id = id,
                 .election_min_us = 300000,
                 .election_max_us = 600000,
                 .heartbeat_us = 100000,
                 .append_entries_max = 64,
                 .append_bytes_max = 65536,
                 .append_inflight_max = 8,
                 .snapshot_chunk_bytes = 64,
                 .snapshot_after_entries = masters->snapshot_after_entries},
        .cm = {.id = id,
               .cluster = {{9, 9, 9}},
               .heartbeat_us = 100000,
               .silence_us = 400000,
               .lease_us = 1000000,
               .election_min_us = 300000,
               .drift_ppm = 1000,
               .restart_grace_us = 500000,
               .readmit_min_us = 1000000,
               .readmit_max_us = 60000000,
               .joins_per_node_max = 4},
        .disk = one->disk_id,
        .pid = 1000 + id,
    };
    if (getenv("MASTERS_TRACE") != NULL) {
        options.trace = (struct trace){.emit = trace_emit, .context = one};
        options.raft.trace = options.trace;
        options.cm.trace = options.trace;
    }
    one->halted = NULL;
    one->connect = (struct raft_configuration){0};
    err = server_new(&options, 77 + id + masters->lives, masters->now_us, &kv, &one->server);
    PRE(err == ERR_OK);
}

void masters_crash(struct masters *masters, uint32_t id)
{
    struct masters_one *one = masters_get(masters, id);
    server_free(one->server);
    one->server = NULL;
    one->tokens_count = 0;
    kv_memory_crash(one->disk, 0);
    masters->lives++;
    for (uint32_t other = 1; other <= MASTERS_MAX; other++) {
        if (other == id)
            continue;
        link_down(masters, id, other);
        link_down(masters, other, id);
    }
}

void masters_wipe(struct masters *masters, uint32_t id)
{
    struct masters_one *one = masters_get(masters, id);
    kv_memory_wipe(one->disk);
    one->disk_id.bytes[1]++;
}

struct masters *masters_new(uint32_t founding)
{
    struct masters *masters = mem_calloc(1, sizeof *masters);
    masters->now_us = 5000000;
    masters->next_conn = 1;
    masters->snapshot_after_entries = 1000;
    struct raft_configuration configuration = {.count = founding};
    for (uint32_t i = 0; i < founding; i++) {
        configuration.servers[i].id = i + 1;
        (void)text_format(configuration.servers[i].address, BOUND_ADDRESS_BYTES, "127.0.0.1:%u",
                          7000 + i + 1);
    }
    for (uint32_t id = 1; id <= MASTERS_MAX; id++) {
        struct masters_one *one = masters_get(masters, id);
        one->id = id;
        one->disk_id.bytes[0] = (uint8_t)id;
        one->disk = kv_memory_new(2);
        if (id > founding)
            continue;
        struct kv_batch *batch = kv_batch_new();
        server_bootstrap(batch, &configuration);
        PRE(kv_memory_apply(one->disk, batch) == ERR_OK);
        kv_memory_sync(one->disk);
        kv_batch_free(batch);
        masters_start(masters, id);
    }
    return masters;
}

void masters_free(struct masters *masters)
{
    for (uint32_t id = 1; id <= MASTERS_MAX; id++) {
        server_free(masters->all[id].server);
        kv_memory_free(masters->all[id].disk);
    }
    while (masters->packets_count > 0) {
        wire_message_release(&masters->packets[masters->packets_start].message);
        masters->packets_start = (masters->packets_start + 1) % MASTERS_PACKETS;
        masters->packets_count--;
    }
    wire_message_release(&masters->answer);
    wire_message_release(&masters->refusal);
    mem_free(masters);
}

uint32_t masters_leader(struct masters *masters)
{
    uint64_t term = 0;
    uint32_t leader = 0;
    for (uint32_t id = 1; id <= MASTERS_MAX; id++) {
        struct server_status status;
        if (masters->all[id].server == NULL)
            continue;
        server_status(masters->all[id].server, &status);
        if (status.role == RAFT_LEADER && status.term > term && status.lease_until_us > 0) {
            term = status.term;
            leader = id;
        }
    }
    return leader;
}

uint32_t masters_wait_leader(struct masters *masters)
{
    for (int i = 0; i < 1000 && masters_leader(masters) == 0; i++)
        masters_run(masters, 10000);
    return masters_leader(masters);
}

uint64_t masters_client(struct masters *masters, uint32_t id)
{
    struct wire_hello hello = {.wire_version = WIRE_VERSION, .role = WIRE_ROLE_CLIENT};
    struct server_event event = {
        .kind = SERVER_EVENT_CONNECTED, .conn = masters->next_conn++, .hello = &hello};
    masters_event(masters, id, &event);
    return event.conn;
}

bool masters_ask(struct masters *masters, uint32_t id, uint64_t conn,
                 const struct wire_admin *admin, enum err *ret_err, uint64_t *ret_value)
{
    struct wire_message message = {.type = WIRE_ADMIN};
    message.u.admin = *admin;
    message.u.admin.request = masters->next_conn++;
    masters->answer_conn = 0;
    struct server_event event = {.kind = SERVER_EVENT_RECEIVE, .conn = conn, .message = &message};
    masters_event(masters, id, &event);
    for (int i = 0; i < 1500; i++) {
        const struct wire_message *answer = &masters->answer;
        if (masters->answer_conn == conn && answer->type == WIRE_ADMIN_REPLY &&
            answer->u.admin_reply.request == message.u.admin.request) {
            *ret_err = (enum err)answer->u.admin_reply.err;
            *ret_value = answer->u.admin_reply.value;
            return true;
        }
        if (masters->answer_conn == conn && answer->type == WIRE_REFUSED &&
            answer->u.refused.request == message.u.admin.request) {
            *ret_err = (enum err)answer->u.refused.err;
            return true;
        }
        masters_run(masters, 10000);
    }
    return false;
}
