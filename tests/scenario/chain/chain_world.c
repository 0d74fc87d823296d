#include "tests/scenario/chain/chain_world.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/contract.h"
#include "base/hash.h"

static const struct uuid cluster = {.bytes = {1, 2, 3}};

static void tell(void *context, const char *line)
{
    struct world_node *node = context;
    if (node->world->is_telling)
        text_append(&node->world->story, "n%u: %s\n", node->id, line);
}

static void hear(void *context, const char *line)
{
    struct world_node *node = context;
    text_append(&node->world->alarms, "n%u: %s\n", node->id, line);
}

static void node_options(struct world_node *node, struct cn_options *options)
{
    *options = (struct cn_options){
        .node = node->id,
        .incarnation = node->incarnation,
        .cluster = cluster,
        .disk = {.bytes = {(uint8_t)node->id}},
        .address = slice_of_text("127.0.0.1:1"),
        .zone = slice_of_text("z"),
        .weight = 1,
        .heartbeat_us = 100000,
        .idle_us = 100000,
        .neighbour_us = 400000,
        .upload_idle_us = 10000000,
        .purge_grace_us = 2000000,
        .token_keep_ms = 20000,
        .trace = {.emit = tell, .context = node},
        .alarm = {.emit = hear, .context = node},
    };
}

void world_start(struct world *world, uint32_t id)
{
    struct world_node *node = &world->nodes[id];
    node->incarnation++;
    node->kv = kv_memory_interface(node->store);
    struct cn_options options;
    node_options(node, &options);
    enum err err = cn_core_new(&options, id, world->now_us, &node->kv, &node->core);
    INVARIANT(err == ERR_OK);
    node->halted = ERR_OK;
    node->map_version = 0;
}

struct world *world_new(uint32_t nodes, uint32_t chains)
{
    struct world *world = mem_calloc(1, sizeof *world);
    world->now_us = 1000000;
    world->chains = chains;
    world->bucket_state = WIRE_BUCKET_ACTIVE;
    world->lease_us = 1000000;
    world->session = 1;
    text_init(&world->story);
    text_init(&world->alarms);
    prng_init(&world->prng, 7);
    for (uint32_t id = 1; id <= nodes; id++) {
        world->nodes[id].id = id;
        world->nodes[id].world = world;
        world->nodes[id].store = kv_memory_new(CN_FAMILY_COUNT);
        world_start(world, id);
    }
    return world;
}

void world_free(struct world *world)
{
    for (uint32_t id = 1; id <= WORLD_NODES; id++) {
        cn_core_free(world->nodes[id].core);
        kv_memory_free(world->nodes[id].store);
    }
    world_lose_messages(world);
    world_forget_replies(world);
    free(world->queue);
    free(world->replies);
    text_release(&world->story);
    text_release(&world->alarms);
    mem_free(world);
}

void world_lose_messages(struct world *world)
{
    for (size_t i = 0; i < world->queue_count; i++)
        wire_message_release(&world->queue[i].message);
    world->queue_count = 0;
}

void world_forget_replies(struct world *world)
{
    for (size_t i = 0; i < world->replies_count; i++)
        wire_message_release(&world->replies[i].message);
    world->replies_count = 0;
}

/* ---- effects ---- */

static void keep_reply(struct world *world, uint64_t conn, const struct wire_message *message)
{
    if (world->replies_count == world->replies_capacity) {
        world->replies_capacity = world->replies_capacity * 2 + 16;
        world->replies =
            mem_realloc(world->replies, world->replies_capacity * sizeof *world->replies);
    }
    struct world_reply *reply = &world->replies[world->replies_count++];
    reply->conn = conn;
    wire_message_copy(message, &reply->message);
}

static void enqueue(struct world *world, const struct world_node *node, uint32_t to,
                    const struct wire_message *message)
{
    if (world->queue_count == world->queue_capacity) {
        world->queue_capacity = world->queue_capacity * 2 + 16;
        world->queue = mem_realloc(world->queue, world->queue_capacity * sizeof *world->queue);
    }
    struct world_message *entry = &world->queue[world->queue_count++];
    entry->from = node->id;
    entry->incarnation = node->incarnation;
    entry->to = to;
    wire_message_copy(message, &entry->message);
}

static void store(struct world_node *node, struct cn_effect *effect)
{
    INVARIANT(node->tokens_count < WORLD_STORES);
    enum err err = kv_memory_apply(node->store, effect->batch);
    INVARIANT(err == ERR_OK);
    kv_batch_free(effect->batch);
    effect->batch = NULL;
    node->tokens[node->tokens_count] = effect->token;
    node->is_sync[node->tokens_count++] = effect->sync;
}

static void take_report(struct world *world, const struct world_node *node,
                        const struct wire_chain_report *report)
{
    struct world_row *row = &world->rows[report->chain];
    if (report->epoch != row->epoch)
        return;
    if ((report->flags & WIRE_REPORT_SYNCED) != 0 && node->id == world_tail(world, report->chain))
        row->is_synced = true;
    if ((report->flags & WIRE_REPORT_DRAINED) != 0 && node->id == world_head(world, report->chain))
        row->is_drained = true;
    if ((report->flags & WIRE_REPORT_HALTED) != 0)
        row->is_halted = true;
    if (node->id == world_tail(world, report->chain))
        row->is_damaged = (report->flags & WIRE_REPORT_DAMAGED) != 0;
}

static void heartbeat(struct world *world, struct world_node *node,
                      const struct wire_heartbeat *beat)
{
    if (node->is_beat_lost)
        return;
    node->map_version = beat->map_version;
    node->says_full = beat->is_full;
    for (uint32_t i = 0; i < beat->chains_count; i++)
        take_report(world, node, &beat->chains[i]);
    if (beat->links_count > 0) {
        node->links_reported += beat->links_count;
        node->link_reported_peer = beat->links[0].peer;
    }
    if (world->on_beat != NULL && world->on_beat(world, node->id, beat, world->on_beat_context))
        return;
    struct wire_message reply = {.type = WIRE_BEAT_REPLY};
    reply.u.beat_reply = (struct wire_beat_reply){
        .beat = beat->beat,
        .incarnation = beat->incarnation,
        .lease = !world->are_leases_off,
        .lease_ms = world->lease_us / 1000,
        .lease_map_version = world->version,
    };
    if (!world->are_leases_off)
        node->lease_until_us = world->now_us + world->lease_us;
    struct cn_event event = {.kind = CN_EVENT_RECEIVE_MASTER, .message = &reply};
    world_event(world, node->id, &event);
}

static void run_effects(struct world *world, struct world_node *node, struct cn_effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        struct cn_effect *effect = &effects->items[i];
        switch (effect->kind) {
        case CN_EFFECT_SEND_NODE:
            if (effect->message.type == WIRE_SYNC_ITEMS)
                node->syncs_sent++;
            enqueue(world, node, effect->node, &effect->message);
            break;
        case CN_EFFECT_SEND_MASTER:
            if (effect->message.type == WIRE_HEARTBEAT) {
                struct wire_message copy; /* the reply steps the core that owns the original */
                wire_message_copy(&effect->message, &copy);
                heartbeat(world, node, &copy.u.heartbeat);
                wire_message_release(&copy);
            }
            break;
        case CN_EFFECT_REPLY:
            keep_reply(world, effect->conn, &effect->message);
            break;
        case CN_EFFECT_STORE:
            store(node, effect);
            break;
        case CN_EFFECT_PEER:
            break;
        case CN_EFFECT_HALT:
            node->halted = effect->err;
            break;
        }
    }
}

void world_event(struct world *world, uint32_t id, struct cn_event *event)
{
    struct world_node *node = &world->nodes[id];
    if (node->core == NULL || node->is_paused)
        return;
    event->now_us = world->now_us;
    event->wall_ms = world->now_us / 1000;
    struct cn_effects effects;
    cn_effects_init(&effects);
    cn_core_step(node->core, event, &effects);
    cn_core_check(node->core);
    if (event->kind != CN_EVENT_FLUSH)
        node->is_flush_due = true;
    /* A heartbeat's reply steps the core again: messages point into its memory, so copies first. */
    struct cn_effects later;
    cn_effects_init(&later);
    for (uint32_t i = 0; i < effects.count; i++) {
        if (effects.items[i].kind != CN_EFFECT_SEND_MASTER)
            continue;
        struct cn_effect effect = effects.items[i];
        wire_message_copy(&effects.items[i].message, &effect.message);
        effects.items[i].message.type = WIRE_NONE;
        later.items = mem_realloc(later.items, (later.count + 1u) * sizeof *later.items);
        later.items[later.count++] = effect;
    }
    run_effects(world, node, &effects);
    cn_effects_release(&effects);
    run_effects(world, node, &later);
    cn_effects_release(&later);
}

static void flush_node(struct world *world, uint32_t id)
{
    if (world->nodes[id].is_paused)
        return;
    struct cn_event event = {.kind = CN_EVENT_FLUSH};
    world->nodes[id].is_flush_due = false;
    world_event(world, id, &event);
}

void world_flush(struct world *world)
{
    for (uint32_t id = 1; id <= WORLD_NODES; id++)
        if (world->nodes[id].is_flush_due)
            flush_node(world, id);
}

void world_complete_store(struct world *world, uint32_t id)
{
    struct world_node *node = &world->nodes[id];
    if (node->core == NULL || node->tokens_count == 0 || node->is_paused)
        return;
    if (node->is_sync[0])
        kv_memory_sync_oldest(node->store,
                              kv_memory_unsynced(node->store) - (node->tokens_count - 1));
    struct cn_event event = {.kind = CN_EVENT_STORED, .token = node->tokens[0]};
    node->tokens_count--;
    for (uint32_t i = 0; i < node->tokens_count; i++) {
        node->tokens[i] = node->tokens[i + 1];
        node->is_sync[i] = node->is_sync[i + 1];
    }
    world_event(world, id, &event);
}

static bool may_move(struct world *world, const struct world_message *entry)
{
    if (world->is_link_cut[entry->from][entry->to])
        return false;
    if (world->loss_in != 0 && prng_once_in(&world->prng, world->loss_in))
        return false;
    return world->filter == NULL || world->filter(world, entry, world->filter_context);
}

static void deliver(struct world *world, const struct world_message *entry)
{
    struct cn_event event = {
        .kind = CN_EVENT_RECEIVE_NODE,
        .node = entry->from,
        .incarnation = entry->incarnation,
        .message = &entry->message,
    };
    world->delivered++;
    world_event(world, entry->to, &event);
}

/* The next message whose receiver takes events now. */
bool world_step_message(struct world *world)
{
    size_t at = 0;
    if (world->is_shuffled && world->queue_count > 1)
        at = (size_t)prng_below(&world->prng, world->queue_count > 8 ? 8 : world->queue_count);
    while (at < world->queue_count && world->nodes[world->queue[at].to].is_paused)
        at++;
    if (at >= world->queue_count)
        return false;
    struct world_message entry = world->queue[at];
    bool is_twice = world->is_shuffled && prng_once_in(&world->prng, 20);
    if (!is_twice) {
        memmove(&world->queue[at], &world->queue[at + 1],
                (world->queue_count - at - 1) * sizeof entry);
        world->queue_count--;
    }
    if (may_move(world, &entry))
        deliver(world, &entry);
    if (!is_twice)
        wire_message_release(&entry.message);
    return true;
}

static bool complete_stores(struct world *world)
{
    bool has_moved = false;
    for (uint32_t id = 1; id <= WORLD_NODES; id++) {
        struct world_node *node = &world->nodes[id];
        if (node->core == NULL || node->are_stores_held || node->is_paused)
            continue;
        if (node->tokens_count > 0) {
            world_complete_store(world, id);
            has_moved = true;
        }
    }
    return has_moved;
}

void world_run(struct world *world)
{
    for (unsigned round = 0; round < 100000; round++) {
        bool has_moved = false;
        size_t count = world->queue_count;
        for (size_t i = 0; i < count; i++)
            has_moved = world_step_message(world) || has_moved;
        world_flush(world);
        has_moved = complete_stores(world) || has_moved;
        world_flush(world);
        if (!has_moved && !world_step_message(world))
            return;
    }
    IMPOSSIBLE("the world does not come to rest");
}

void world_advance(struct world *world, uint64_t us)
{
    uint64_t end = world->now_us + us;
    while (world->now_us < end) {
        world->now_us += end - world->now_us > 10000 ? 10000 : end - world->now_us;
        for (uint32_t id = 1; id <= WORLD_NODES; id++) {
            struct world_node *node = &world->nodes[id];
            if (node->core == NULL || cn_core_deadline_us(node->core) > world->now_us)
                continue;
            struct cn_event event = {.kind = CN_EVENT_TICK};
            world_event(world, id, &event);
        }
        world_run(world);
    }
}

size_t world_count_messages(const struct world *world, enum wire_type type)
{
    size_t count = 0;
    for (size_t i = 0; i < world->queue_count; i++)
        count += world->queue[i].message.type == type ? 1u : 0u;
    return count;
}

void world_crash(struct world *world, uint32_t id, size_t keep)
{
    struct world_node *node = &world->nodes[id];
    cn_core_free(node->core);
    node->core = NULL;
    node->tokens_count = 0;
    node->is_paused = false;
    size_t unsynced = kv_memory_unsynced(node->store);
    kv_memory_crash(node->store, keep < unsynced ? keep : unsynced);
}

void world_restart(struct world *world, uint32_t id)
{
    world_start(world, id);
    world_push(world, id);
}

/* ---- the scripted master ---- */

void world_row(struct world *world, uint32_t chain, const uint32_t *members, uint32_t count,
               uint32_t joiner)
{
    struct world_row *row = &world->rows[chain];
    row->epoch++;
    row->version = ++world->version;
    row->members_count = count;
    row->is_synced = false;
    row->is_drained = false;
    for (uint32_t i = 0; i < count; i++)
        row->members[i] = (struct wire_member){.node = members[i],
                                               .incarnation = world->nodes[members[i]].incarnation};
    row->joiner = (struct wire_member){0};
    if (joiner != 0)
        row->joiner =
            (struct wire_member){.node = joiner, .incarnation = world->nodes[joiner].incarnation};
}

static void fill_row(const struct world *world, uint32_t chain, struct wire_row *wire)
{
    const struct world_row *row = &world->rows[chain];
    *wire = (struct wire_row){
        .chain = chain,
        .epoch = row->epoch,
        .version = row->version,
        .members = row->members,
        .members_count = row->members_count,
        .joiner = row->joiner,
        .frozen = row->frozen,
        .write_floor = row->write_floor,
        .replicas = 3,
        .serving = row->members,
        .serving_count = row->members_count,
    };
}

void world_push(struct world *world, uint32_t id)
{
    if (world->nodes[id].is_deaf)
        return;
    struct wire_row rows[WORLD_CHAINS];
    uint32_t rows_count = 0;
    for (uint32_t chain = 0; chain < world->chains; chain++)
        if (world->rows[chain].epoch != 0)
            fill_row(world, chain, &rows[rows_count++]);
    struct wire_node_info nodes[WORLD_NODES];
    uint32_t nodes_count = 0;
    for (uint32_t i = 1; i <= WORLD_NODES; i++)
        if (world->nodes[i].id != 0)
            nodes[nodes_count++] = (struct wire_node_info){
                .node = i,
                .incarnation = world->nodes[i].incarnation,
                .address = slice_of_text("127.0.0.1:1"),
            };
    struct wire_bucket_info bucket = {
        .bucket = WORLD_BUCKET, .name = slice_of_text("bucket"), .state = world->bucket_state};
    struct wire_message message = {.type = WIRE_CONFIG};
    message.u.config = (struct wire_config){
        .version = world->version,
        .cluster = cluster,
        .chain_count = world->chains,
        .replicas = 3,
        .rows = rows,
        .rows_count = rows_count,
        .nodes = nodes,
        .nodes_count = nodes_count,
        .buckets = &bucket,
        .buckets_count = 1,
    };
    struct cn_event event = {.kind = CN_EVENT_RECEIVE_MASTER, .message = &message};
    world_event(world, id, &event);
}

void world_push_all(struct world *world)
{
    for (uint32_t id = 1; id <= WORLD_NODES; id++)
        if (world->nodes[id].core != NULL)
            world_push(world, id);
}

/* Members as digits, head first: "123". */
void world_row_push(struct world *world, uint32_t chain, const char *members, uint32_t joiner)
{
    uint32_t ids[BOUND_CHAIN_MEMBERS];
    uint32_t count = 0;
    while (members[count] != '\0') {
        ids[count] = (uint32_t)(members[count] - '0');
        count++;
    }
    world_row(world, chain, ids, count, joiner);
    world_push_all(world);
}

void world_decided(struct world *world, uint32_t chain, uint32_t node)
{
    struct wire_message message = {.type = WIRE_DECIDED};
    fill_row(world, chain, &message.u.decided.row);
    struct wire_member members[BOUND_CHAIN_MEMBERS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->rows[chain].members_count; i++)
        if (world->rows[chain].members[i].node != node)
            members[count++] = world->rows[chain].members[i];
    message.u.decided.row.members = members;
    message.u.decided.row.members_count = count;
    message.u.decided.row.epoch++;
    struct cn_event event = {.kind = CN_EVENT_RECEIVE_MASTER, .message = &message};
    world_event(world, node, &event);
}

uint32_t world_head(const struct world *world, uint32_t chain)
{
    return world->rows[chain].members[0].node;
}

uint32_t world_tail(const struct world *world, uint32_t chain)
{
    return world->rows[chain].members[world->rows[chain].members_count - 1].node;
}

/* ---- clients ---- */

void world_client(struct world *world, uint32_t node, uint64_t conn, struct wire_message *message)
{
    struct cn_event event = {.kind = CN_EVENT_RECEIVE_CLIENT, .conn = conn, .message = message};
    world_event(world, node, &event);
    wire_message_release(message);
}

static struct buf *payload_of(const char *value)
{
    return value[0] == '\0' ? NULL : buf_copy(slice_of_text(value));
}

uint64_t world_put_at(struct world *world, uint32_t node, uint32_t chain, uint64_t session,
                      uint64_t seq, const char *key, const char *value, uint8_t condition,
                      struct origin match)
{
    struct wire_message message = {.type = WIRE_PUT, .payload = payload_of(value)};
    message.u.put = (struct wire_put){
        .request = ++world->next_request,
        .chain = chain,
        .epoch = world->rows[chain].epoch,
        .map_version = world->version,
        .session = session,
        .seq = seq,
        .seq_floor = seq > 100 ? seq - 100 : 0,
        .bucket = WORLD_BUCKET,
        .key = slice_of_text(key),
        .condition = condition,
        .match = match,
        .size = strlen(value),
        .checksum = checksum_bytes(slice_of_text(value)),
        .meta = slice_of_text("m"),
    };
    world_client(world, node, 1, &message);
    return world->next_request;
}

uint64_t world_put(struct world *world, uint32_t chain, const char *key, const char *value)
{
    return world_put_at(world, world_head(world, chain), chain, world->session, ++world->seq[chain],
                        key, value, WIRE_CONDITION_NONE, (struct origin){0});
}

uint64_t world_get_at(struct world *world, uint32_t node, uint32_t chain, const char *key)
{
    struct wire_message message = {.type = WIRE_GET};
    message.u.get = (struct wire_get){
        .request = ++world->next_request,
        .chain = chain,
        .epoch = world->rows[chain].epoch,
        .map_version = world->version,
        .bucket = WORLD_BUCKET,
        .key = slice_of_text(key),
        .want_value = true,
    };
    world_client(world, node, 1, &message);
    return world->next_request;
}

uint64_t world_get(struct world *world, uint32_t chain, const char *key)
{
    return world_get_at(world, world_tail(world, chain), chain, key);
}

uint64_t world_stage(struct world *world, uint32_t chain, const char *key, uint64_t upload,
                     uint32_t index, const char *bytes)
{
    struct wire_message message = {.type = WIRE_STAGE, .payload = payload_of(bytes)};
    message.u.stage = (struct wire_stage){
        .request = ++world->next_request,
        .chain = chain,
        .epoch = world->rows[chain].epoch,
        .map_version = world->version,
        .bucket = WORLD_BUCKET,
        .key = slice_of_text(key),
        .upload_low = upload,
        .index = index,
        .checksum = checksum_bytes(slice_of_text(bytes)),
    };
    world_client(world, world_head(world, chain), 1, &message);
    return world->next_request;
}

uint64_t world_abort(struct world *world, uint32_t chain, const char *key, uint64_t upload)
{
    struct wire_message message = {.type = WIRE_ABORT};
    message.u.abort = (struct wire_abort){
        .request = ++world->next_request,
        .chain = chain,
        .epoch = world->rows[chain].epoch,
        .map_version = world->version,
        .bucket = WORLD_BUCKET,
        .key = slice_of_text(key),
        .upload_low = upload,
    };
    world_client(world, world_head(world, chain), 1, &message);
    return world->next_request;
}

const struct wire_message *world_reply(const struct world *world, uint64_t request)
{
    for (size_t i = 0; i < world->replies_count; i++)
        if (wire_message_request(&world->replies[i].message) == request)
            return &world->replies[i].message;
    return NULL;
}

/* ---- looking ---- */

struct cn_chain_view world_view(const struct world *world, uint32_t node, uint32_t chain)
{
    struct cn_chain_view view = {0};
    if (world->nodes[node].core != NULL)
        (void)cn_core_view(world->nodes[node].core, chain, &view);
    return view;
}

static struct kv_iterator *open_rows(const struct world_node *node, unsigned family, uint32_t chain,
                                     struct kv *kv)
{
    uint8_t from[4];
    uint8_t to[4];
    bytes_put_u32(from, chain);
    bytes_put_u32(to, chain + 1);
    *kv = kv_memory_interface(node->store);
    return kv_iterate(kv, family, slice_of(from, 4), slice_of(to, 4));
}

size_t world_rows(const struct world *world, uint32_t node, unsigned family, uint32_t chain)
{
    struct kv kv;
    struct kv_iterator *rows = open_rows(&world->nodes[node], family, chain, &kv);
    struct slice key;
    struct slice value;
    size_t count = 0;
    while (kv.ops->iterator_next(rows, &key, &value))
        count++;
    kv.ops->iterator_free(rows);
    return count;
}

static bool same_family(const struct world *world, unsigned family, uint32_t chain, uint32_t a,
                        uint32_t b)
{
    struct kv kv;
    struct kv_iterator *left = open_rows(&world->nodes[a], family, chain, &kv);
    struct kv_iterator *right = open_rows(&world->nodes[b], family, chain, &kv);
    bool is_same = true;
    bool has_left = true;
    while (is_same && has_left) {
        struct slice key[2];
        struct slice value[2];
        has_left = kv.ops->iterator_next(left, &key[0], &value[0]);
        bool has_right = kv.ops->iterator_next(right, &key[1], &value[1]);
        is_same = has_left == has_right;
        if (is_same && has_left)
            is_same = slice_equal(key[0], key[1]) && slice_equal(value[0], value[1]);
    }
    kv.ops->iterator_free(left);
    kv.ops->iterator_free(right);
    return is_same;
}

bool world_same_rows(const struct world *world, uint32_t chain, uint32_t a, uint32_t b)
{
    return same_family(world, CN_FAMILY_OBJECTS, chain, a, b) &&
           same_family(world, CN_FAMILY_UPLOADS, chain, a, b) &&
           same_family(world, CN_FAMILY_MULTI, chain, a, b) &&
           same_family(world, CN_FAMILY_TOKENS, chain, a, b) &&
           same_family(world, CN_FAMILY_SESSIONS, chain, a, b) &&
           same_family(world, CN_FAMILY_PENDING, chain, a, b);
}
