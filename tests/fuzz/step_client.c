/* The client's core under any answers, and callers that keep the rules of cl_core.h.
 *
 * Oracle besides cl_core_check(): every operation ends exactly once; when the clock passes every
 * deadline nothing is left. */
#include <string.h>

#include "client/core/cl_core.h"
#include "tests/fuzz/fuzz.h"

enum { OPS_MAX = 512, PEERS_MAX = 64, STEPS_MAX = 2000 };

struct peer {
    uint32_t id;
    bool is_wanted;
    bool is_up;
};

struct client {
    struct fuzz_input input;
    struct fuzz_domain domain;
    struct cl_core *core;
    struct cl_effects effects;
    struct peer peers[PEERS_MAX];
    uint32_t peers_count;
    bool is_open[OPS_MAX]; /* by number of operation */
    uint64_t next_op;
    uint32_t next_index[4]; /* of the next chunk of each upload */
    uint64_t now_us;
    uint64_t version; /* of the map that an honest master tells */
    uint64_t request; /* the newest seen */
    uint64_t watch;   /* the newest watch's request */
    uint32_t watch_peer;
    uint32_t steps;
};

static const struct uuid cluster = {{0xca}};

static struct peer *peer_of(struct client *client, uint32_t id)
{
    for (uint32_t i = 0; i < client->peers_count; i++)
        if (client->peers[i].id == id)
            return &client->peers[i];
    if (client->peers_count == PEERS_MAX)
        return NULL;
    struct peer *peer = &client->peers[client->peers_count++];
    *peer = (struct peer){.id = id};
    return peer;
}

static void take_effects(struct client *client)
{
    struct text text;
    text_init(&text);
    for (uint32_t i = 0; i < client->effects.count; i++) {
        struct cl_effect *effect = &client->effects.items[i];
        struct peer *peer;
        switch (effect->kind) {
        case CL_EFFECT_PEER:
            peer = peer_of(client, effect->peer);
            if (peer != NULL)
                peer->is_wanted = effect->address[0] != '\0';
            if (peer != NULL && !peer->is_wanted)
                peer->is_up = false;
            break;
        case CL_EFFECT_SEND:
            wire_message_print(&effect->message, &text);
            client->request = wire_message_request(&effect->message);
            if (effect->message.type == WIRE_WATCH) {
                client->watch = client->request;
                client->watch_peer = effect->peer;
            }
            fuzz_hint_number(&client->domain, "request", client->request);
            break;
        case CL_EFFECT_DONE:
            PRE(effect->op < OPS_MAX && client->is_open[effect->op]);
            client->is_open[effect->op] = false;
            PRE(effect->result.text != NULL);
            PRE(effect->result.err == ERR_OK || effect->result.text[0] != '\0');
            for (uint32_t k = 0; k < effect->result.items_count; k++)
                text_append_escaped(&text, effect->result.items[k].key);
            text_append_escaped(&text, effect->result.meta);
            text_append_bytes(&text, buf_slice(effect->message.payload));
            break;
        }
        text_clear(&text);
    }
    text_release(&text);
    cl_effects_clear(&client->effects);
}

static void step(struct client *client, struct cl_event *event)
{
    event->now_us = client->now_us;
    cl_core_step(client->core, event, &client->effects);
    take_effects(client);
    cl_core_check(client->core);
    client->steps++;
}

static void tick(struct client *client, uint64_t now_us)
{
    if (now_us > client->now_us)
        client->now_us = now_us;
    struct cl_event event = {.kind = CL_EVENT_TICK};
    step(client, &event);
}

/* ---- what servers say ---- */

static struct peer *some_peer(struct client *client)
{
    return client->peers_count == 0
               ? NULL
               : &client->peers[fuzz_below(&client->input, client->peers_count)];
}

static void connect(struct client *client)
{
    struct peer *peer = some_peer(client);
    if (peer == NULL || !peer->is_wanted)
        return;
    struct cl_event event = {.kind = CL_EVENT_PEER_UP, .peer = peer->id};
    if (peer->is_up || fuzz_below(&client->input, 4) == 0) {
        event.kind = CL_EVENT_PEER_DOWN;
        event.err = ERR_UNREACHABLE;
        event.text = fuzz_below(&client->input, 2) == 0 ? "connection refused" : NULL;
    }
    peer->is_up = event.kind == CL_EVENT_PEER_UP;
    step(client, &event);
}

static void receive(struct client *client)
{
    static const enum wire_type types[] = {
        WIRE_REFUSED,     WIRE_UPDATED, WIRE_OBJECT,      WIRE_CHUNK,   WIRE_LISTED,
        WIRE_ADMIN_REPLY, WIRE_CONFIG,  WIRE_ADMIN_REPLY, WIRE_UPDATED, WIRE_REFUSED};
    struct peer *peer = some_peer(client);
    if (peer == NULL || !peer->is_up)
        return;
    uint32_t choice = fuzz_below(&client->input, ARRAY_COUNT(types) + 1);
    struct wire_message message;
    fuzz_message(&client->input, &client->domain,
                 choice == ARRAY_COUNT(types) ? fuzz_type(&client->input) : types[choice],
                 &message);
    struct cl_event event = {.kind = CL_EVENT_RECEIVE, .peer = peer->id, .message = &message};
    step(client, &event);
    wire_message_release(&message);
}

/* A map that makes sense: four chains over three nodes, two buckets. */
static void configure(struct client *client)
{
    const struct peer *peer = peer_of(client, client->watch_peer);
    if (peer == NULL || !peer->is_up || client->watch == 0)
        return;
    struct wire_member members[4][3];
    struct wire_row rows[4];
    struct wire_node_info nodes[3];
    static const char *const addresses[] = {"node:1", "node:2", "node:3"};
    client->version++;
    for (uint32_t i = 0; i < 3; i++)
        nodes[i] = (struct wire_node_info){.node = i + 1,
                                           .incarnation = 1,
                                           .address = slice_of_text(addresses[i]),
                                           .version = client->version};
    uint64_t epoch = 1 + fuzz_below(&client->input, 8);
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t k = 0; k < 3; k++)
            members[i][k] = (struct wire_member){.node = (i + k) % 3 + 1, .incarnation = 1};
        rows[i] = (struct wire_row){.chain = i,
                                    .epoch = epoch,
                                    .version = client->version,
                                    .members = members[i],
                                    .members_count = 3,
                                    .replicas = 3};
    }
    struct wire_bucket_info buckets[] = {{.bucket = 1,
                                          .name = slice_of_text("bucket-one"),
                                          .state = WIRE_BUCKET_ACTIVE,
                                          .version = client->version},
                                         {.bucket = 2,
                                          .name = slice_of_text("bucket-two"),
                                          .state = (uint8_t)fuzz_below(&client->input, 3),
                                          .version = client->version}};
    struct wire_message message = {.type = WIRE_CONFIG};
    message.u.config = (struct wire_config){.request = client->watch,
                                            .version = client->version,
                                            .cluster = cluster,
                                            .chain_count = 4,
                                            .replicas = 3,
                                            .rows = rows,
                                            .rows_count = 4,
                                            .nodes = nodes,
                                            .nodes_count = 3,
                                            .buckets = buckets,
                                            .buckets_count = 2};
    struct cl_event event = {
        .kind = CL_EVENT_RECEIVE, .peer = client->watch_peer, .message = &message};
    client->watch = 0;
    step(client, &event);
}

/* ---- what callers want ---- */

static void submit(struct client *client)
{
    static const char *const keys[] = {"a", "b/c", "key", "d/e/f"};
    if (client->next_op == OPS_MAX)
        return;
    struct fuzz_input *input = &client->input;
    uint32_t upload = fuzz_below(input, 4);
    struct cl_submit submit = {
        .kind = (enum cl_op_kind)fuzz_below(input, CL_OP_KINDS),
        .op = client->next_op++,
        .deadline_us = client->now_us + 1000 + fuzz_delay_us(input) * 3,
        .bucket = slice_of_text(fuzz_below(input, 4) == 0 ? "bucket-two" : "bucket-one"),
        .key = slice_of_text(keys[fuzz_below(input, ARRAY_COUNT(keys))]),
        .condition = (enum wire_condition)fuzz_below(input, 4),
        .match = {.epoch = fuzz_below(input, 3), .lsn = fuzz_below(input, 3)},
        .size = fuzz_below(input, 9),
        .checksum = fuzz_u8(input),
        .upload_low = upload,
        .chunk_count = fuzz_below(input, 4),
        .chunk_bytes = fuzz_below(input, 9),
        .chain = fuzz_below(input, 6),
        .limit = fuzz_below(input, 12),
        .admin_op = fuzz_below(input, 15),
        .a = fuzz_below(input, 5),
        .b = fuzz_below(input, 5),
        .version = fuzz_below(input, 16),
        .step = (enum wire_put_step)fuzz_below(input, 6),
        .multi_low = fuzz_below(input, 3),
        .part = fuzz_below(input, 4),
        .token_low = fuzz_below(input, 2),
        .uploads = fuzz_below(input, 2) == 1,
        .want_meta = fuzz_below(input, 2) == 1,
        .after_multi_low = fuzz_below(input, 3),
        .wall_ms = 1};
    if (submit.kind == CL_OP_STAGE) /* the caller's part: in index order */
        submit.index = client->next_index[upload]++;
    else
        submit.index = fuzz_below(input, 4);
    if (submit.kind == CL_OP_PUT || submit.kind == CL_OP_STAGE)
        submit.payload = buf_copy(slice_of("payload!", submit.size < 8 ? submit.size : 8));
    client->is_open[submit.op] = true;
    struct cl_event event = {.kind = CL_EVENT_SUBMIT, .submit = &submit};
    step(client, &event);
    buf_unref(submit.payload);
}

static void one_event(struct client *client)
{
    struct cl_event event = {.kind = CL_EVENT_CANCEL};
    uint64_t deadline;
    switch (fuzz_below(&client->input, 12)) {
    case 0:
    case 1:
        deadline = cl_core_deadline_us(client->core);
        tick(client, deadline < client->now_us + 10000000 ? deadline : client->now_us);
        break;
    case 2:
        tick(client, client->now_us + fuzz_delay_us(&client->input));
        break;
    case 3:
    case 4:
        connect(client);
        break;
    case 5:
    case 6:
    case 7:
        receive(client);
        break;
    case 8:
        configure(client);
        break;
    case 9:
    case 10:
        submit(client);
        break;
    default:
        event.op = fuzz_u8(&client->input);
        step(client, &event);
        break;
    }
}

/* Every operation has a deadline: with time alone all of them end. */
static void finish(struct client *client)
{
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t deadline = cl_core_deadline_us(client->core);
        bool is_open = false;
        for (uint64_t op = 0; op < client->next_op && !is_open; op++)
            is_open = client->is_open[op];
        if (!is_open)
            return;
        PRE(deadline != UINT64_MAX);
        tick(client, deadline > client->now_us ? deadline : client->now_us + 1);
    }
    IMPOSSIBLE("operations do not end");
}

static void prepare(struct client *client)
{
    struct fuzz_domain *domain = &client->domain;
    domain->uuids[0] = cluster;
    domain->uuids_count = 1;
    static const struct {
        const char *field;
        uint64_t values[6];
    } numbers[] = {
        {"chain", {0, 1, 2, 3, 4, 0}},       {"epoch", {1, 2, 3, 8, 9, 1}},
        {"node", {1, 2, 3, 4, 1, 2}},        {"outcome", {0, 0, 2, 7, 14, 26}},
        {"err", {0, 15, 16, 17, 20, 23}},    {"bucket", {1, 2, 3, 1, 1, 2}},
        {"version", {1, 2, 3, 4, 5, 6}},     {"from_version", {0, 0, 1, 2, 3, 4}},
        {"chain_count", {4, 4, 4, 0, 5, 4}}, {"value", {1, 2, 3, 0, 5, 6}},
        {"index", {0, 1, 2, 3, 0, 1}},       {"size", {0, 8, 7, 3, 1, 2}},
        {"state", {0, 0, 1, 2, 3, 0}},       {"leader", {0, 1, 2, 3, 0, 1}},
        {"chunk_count", {0, 1, 2, 3, 0, 0}},
    };
    for (size_t k = 0; k < ARRAY_COUNT(numbers); k++)
        for (unsigned i = 0; i < 6; i++)
            fuzz_hint_number(domain, numbers[k].field, numbers[k].values[i]);
    fuzz_hint_bytes(domain, "key", slice_of_text("a"));
    fuzz_hint_bytes(domain, "key", slice_of_text("b/c"));
    fuzz_hint_bytes(domain, "key", slice_of_text("key"));
    fuzz_hint_bytes(domain, "name", slice_of_text("bucket-one"));
    fuzz_hint_bytes(domain, "name", slice_of_text("bucket-two"));
    fuzz_hint_bytes(domain, "address", slice_of_text("node:1"));
    fuzz_hint_bytes(domain, "leader_address", slice_of_text("master:3"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct client client;
    struct slice masters[] = {slice_of_text("master:1"), slice_of_text("master:2")};
    struct cl_options options = {.masters = masters,
                                 .masters_count = ARRAY_COUNT(masters),
                                 .ops_max = 64,
                                 .retries_burst = 50,
                                 .trace = fuzz_trace()};
    client = (struct client){.input = fuzz_input_of(data, size),
                             .core = cl_core_new(&options, 7, 1000000),
                             .now_us = 1000000,
                             .next_op = 1};
    cl_effects_init(&client.effects);
    prepare(&client);
    tick(&client, client.now_us);
    while (client.input.length > 0 && client.steps < STEPS_MAX)
        one_event(&client);
    finish(&client);
    char text[CL_TEXT_BYTES];
    bool is_failed;
    (void)cl_core_masters_text(client.core, text, sizeof text, &is_failed);
    cl_core_free(client.core);
    cl_effects_release(&client.effects);
    return 0;
}
