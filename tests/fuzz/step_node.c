/* One chain node's core under any sequence of events that a driver may hand it.
 *
 * Peers, masters and clients send what they like; the store keeps the contract of base/kv.h: every
 * batch reported once and in order, after a crash some prefix. After every step the core checks
 * itself; a start on what a crash left must succeed, unless a peer copied nonsense to the disk. */
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "chainnode/core/cn_core.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/kv_memory.h"
#include "tests/unit/faults/kv_failing.h"
#include "wire/manifest.h"
#include "wire/schema.h"

enum { CHAINS = 3, STORES_MAX = 16, STEPS_MAX = 2000, ME = 1 };

struct store {
    uint64_t token;
    bool sync;
    struct kv_batch *batch; /* NULL: applied already */
};

struct node {
    struct fuzz_input input;
    struct fuzz_domain domain;
    struct kv_memory *disk;
    struct kv_failing reading; /* between the core and the disk */
    struct cn_core *core;
    struct cn_effects effects;
    struct store stores[STORES_MAX];
    uint32_t stores_count;
    uint64_t now_us;
    uint64_t incarnation;
    uint64_t map_version;
    uint64_t epochs[CHAINS];
    uint64_t last_token;
    bool is_lazy;    /* batches become visible only when they are reported */
    bool is_tainted; /* a copy was received: its rows are the peer's */
    bool is_halted;
    uint64_t beat;
    uint64_t sync;         /* of the newest copy that it sends */
    uint64_t sync_number;  /* newest range that it has sent */
    uint64_t acked_number; /* newest range that it has acknowledged */
    uint32_t steps;
};

static const struct uuid cluster = {{0xca}};

static struct kv_memory *disk_new(void)
{
    return kv_memory_new(CN_FAMILY_COUNT);
}

static bool start(struct node *node)
{
    node->reading = (struct kv_failing){.inner = kv_memory_interface(node->disk), .err = ERR_IO};
    struct kv kv = kv_failing_interface(&node->reading);
    struct cn_options options = {.node = ME,
                                 .incarnation = ++node->incarnation,
                                 .cluster = cluster,
                                 .address = slice_of_text("me:1"),
                                 .heartbeat_us = 100000,
                                 .idle_us = 100000,
                                 .neighbour_us = 400000,
                                 .upload_idle_us = 2000000,
                                 .purge_grace_us = 500000,
                                 .pending_bytes_max = 1 << 20,
                                 .trace = fuzz_trace()};
    node->map_version = 0;
    node->is_halted = false;
    node->last_token = 0;
    enum err err = cn_core_new(&options, 7, node->now_us, &kv, &node->core);
    PRE(err == ERR_OK || (node->is_tainted && err == ERR_CORRUPT));
    if (err != ERR_OK)
        node->core = NULL;
    else
        cn_core_check(node->core);
    return err == ERR_OK;
}

static void drop_stores(struct node *node)
{
    for (uint32_t i = 0; i < node->stores_count; i++)
        kv_batch_free(node->stores[i].batch);
    node->stores_count = 0;
}

static void take_store(struct node *node, struct cn_effect *effect)
{
    PRE(node->stores_count < STORES_MAX);
    PRE(effect->token > node->last_token && effect->batch != NULL);
    node->last_token = effect->token;
    struct store *store = &node->stores[node->stores_count++];
    *store = (struct store){.token = effect->token, .sync = effect->sync, .batch = effect->batch};
    effect->batch = NULL;
    if (node->is_lazy)
        return;
    PRE(kv_memory_apply(node->disk, store->batch) == ERR_OK);
    kv_batch_free(store->batch);
    store->batch = NULL;
}

/* What it says decides what makes sense as an answer. */
static void listen_to(struct node *node, const struct wire_message *message)
{
    if (message->type == WIRE_HEARTBEAT)
        node->beat = message->u.heartbeat.beat;
    else if (message->type == WIRE_SYNC_BEGIN)
        node->sync = message->u.sync_begin.sync;
    else if (message->type == WIRE_SYNC_ITEMS)
        node->sync_number = message->u.sync_items.number;
    else if (message->type == WIRE_SYNC_ACK)
        node->acked_number = message->u.sync_ack.number;
}

static void take_effects(struct node *node)
{
    struct text text;
    text_init(&text);
    for (uint32_t i = 0; i < node->effects.count; i++) {
        struct cn_effect *effect = &node->effects.items[i];
        switch (effect->kind) {
        case CN_EFFECT_SEND_NODE:
        case CN_EFFECT_SEND_MASTER:
        case CN_EFFECT_REPLY:
            wire_message_print(&effect->message, &text); /* reads all of it */
            text_clear(&text);
            listen_to(node, &effect->message);
            break;
        case CN_EFFECT_STORE:
            take_store(node, effect);
            break;
        case CN_EFFECT_PEER:
            text_append_escaped(&text, effect->address);
            break;
        case CN_EFFECT_HALT:
            PRE(effect->text != NULL && effect->err != ERR_OK);
            node->is_halted = true;
            break;
        }
    }
    text_release(&text);
    cn_effects_clear(&node->effects);
}

static void step(struct node *node, struct cn_event *event)
{
    event->now_us = node->now_us;
    event->wall_ms = node->now_us / 1000;
    cn_core_step(node->core, event, &node->effects);
    take_effects(node);
    PRE(node->is_halted || !node->reading.has_failed); /* no read error is passed over */
    if (!node->is_halted)
        cn_core_check(node->core);
    (void)cn_core_deadline_us(node->core);
    node->steps++;
}

/* Power cut or kill -9: some of what was not synced stays. */
static bool restart(struct node *node)
{
    cn_core_free(node->core);
    node->core = NULL;
    size_t unsynced = kv_memory_unsynced(node->disk);
    kv_memory_crash(node->disk, unsynced == 0 ? 0 : fuzz_below(&node->input, 8) % (unsynced + 1));
    drop_stores(node);
    return start(node);
}

static void stored(struct node *node, bool is_failed)
{
    if (node->stores_count == 0)
        return;
    struct store store = node->stores[0];
    node->stores_count--;
    memmove(node->stores, node->stores + 1, node->stores_count * sizeof *node->stores);
    struct cn_event event = {.kind = CN_EVENT_STORED, .token = store.token};
    if (is_failed) {
        event.err = store.batch != NULL ? ERR_NO_SPACE : ERR_DISK_LOST;
    } else {
        if (store.batch != NULL)
            PRE(kv_memory_apply(node->disk, store.batch) == ERR_OK);
        if (store.sync)
            kv_memory_sync_oldest(node->disk, kv_memory_unsynced(node->disk) -
                                                  (node->is_lazy ? 0 : node->stores_count));
    }
    kv_batch_free(store.batch);
    step(node, &event);
}

/* ---- what the numbers in messages should hit ---- */

static void learn(struct node *node)
{
    struct fuzz_domain *domain = &node->domain;
    static const char *const lsns[] = {"lsn", "stable", "durable", "committed"};
    static const char *const origins[] = {"applied", "origin", "previous", "base",
                                          "as_of",   "match",  "current"};
    for (size_t k = 0; k < ARRAY_COUNT(lsns); k++)
        fuzz_hint_forget(domain, lsns[k]);
    for (size_t k = 0; k < ARRAY_COUNT(origins); k++)
        fuzz_hint_forget(domain, origins[k]);
    fuzz_hint_forget(domain, "epoch");
    fuzz_hint_forget(domain, "beat");
    fuzz_hint_forget(domain, "incarnation");
    fuzz_hint_number(domain, "beat", node->beat);
    fuzz_hint_number(domain, "sync", node->sync);
    fuzz_hint_number(domain, "number", node->sync_number);
    fuzz_hint_number(domain, "number", node->acked_number + 1);
    fuzz_hint_number(domain, "target_incarnation", node->incarnation);
    fuzz_hint_number(domain, "incarnation", node->incarnation);
    fuzz_hint_number(domain, "incarnation", 1);
    for (uint32_t chain = 0; chain < CHAINS; chain++) {
        struct cn_chain_view view;
        if (!cn_core_view(node->core, chain, &view))
            continue;
        struct origin next = {.epoch = view.epoch, .lsn = view.applied.lsn + 1};
        fuzz_hint_number(domain, "epoch", view.epoch);
        for (size_t k = 0; k < ARRAY_COUNT(lsns); k++) {
            fuzz_hint_number(domain, lsns[k], view.applied.lsn);
            fuzz_hint_number(domain, lsns[k], view.committed);
        }
        for (size_t k = 0; k < ARRAY_COUNT(origins); k++) {
            fuzz_hint_origin(domain, origins[k], view.applied);
            fuzz_hint_origin(domain, origins[k], next);
        }
    }
}

static void prepare(struct node *node)
{
    struct fuzz_domain *domain = &node->domain;
    domain->uuids[0] = cluster;
    domain->uuids_count = 1;
    for (uint32_t i = 0; i < CHAINS; i++)
        fuzz_hint_number(domain, "chain", i);
    for (uint32_t i = 1; i <= 4; i++)
        fuzz_hint_number(domain, "node", i);
    static const struct {
        const char *field;
        uint64_t values[4];
    } numbers[] = {
        {"bucket", {1, 1, 2, 0}},
        {"session", {1, 2, 3, 1}},
        {"seq", {1, 2, 3, 4}},
        {"seq_floor", {0, 1, 2, 3}},
        {"upload_high", {0, 0, 1, 0}},
        {"upload_low", {0, 0, 1, 2}},
        {"chunk_count", {0, 1, 2, 3}},
        {"chunk_bytes", {0, 3, 4, 7}},
        {"index", {0, 1, 2, 3}},
        {"size", {0, 3, 7, 4}},
        {"kind", {0, 1, 2, 3}},
        {"condition", {0, 0, 1, 2}},
        {"kind", {6, 7, 8, 0}}, /* WIRE_ENTRY_OPEN, PART, CLOSE */
        {"step", {0, 1, 2, 3}},
        {"step", {0, 2, 3, 4}},
        {"multi_high", {0, 0, 0, 1}},
        {"multi_low", {0, 1, 1, 2}},
        {"part", {0, 1, 1, 2}},
        {"after", {0, 0, 1, 2}},
        {"token_low", {0, 0, 0, 1}},
        {"token_high", {0, 0, 0, 1}},
        {"token_floor", {0, 1, 2, 9}},
        {"outcome", {0, 0, 7, 2}},
        {"err", {0, 0, 0, 31}},
        {"lease_ms", {1000, 1000, 5000, 0}},
        {"sync", {1, 2, 3, 1}},
        {"number", {0, 1, 2, 3}},
        {"source_incarnation", {1, 1, 2, 3}},
        {"target_incarnation", {1, 2, 3, 4}},
        {"family", {1, 2, 3, 4}},
        {"map_version", {0, 0, 1, 2}},
        {"limit", {0, 1, 10, 1000}},
        {"state", {0, 1, 2, 0}},
    };
    for (size_t k = 0; k < ARRAY_COUNT(numbers); k++)
        for (unsigned i = 0; i < 4; i++)
            fuzz_hint_number(domain, numbers[k].field, numbers[k].values[i]);
    static const uint8_t chain_keys[CHAINS + 1][4] = {
        {0, 0, 0, 0}, {0, 0, 0, 1}, {0, 0, 0, 2}, {0, 0, 0, 3}};
    for (uint32_t i = 0; i < CHAINS; i++) {
        fuzz_hint_bytes(domain, "from", slice_of(chain_keys[i], 4));
        fuzz_hint_bytes(domain, "to", slice_of(chain_keys[i + 1], 4));
    }
    fuzz_hint_bytes(domain, "key", slice_of_text("a"));
    fuzz_hint_bytes(domain, "key", slice_of_text("b/c"));
    fuzz_hint_bytes(domain, "address", slice_of_text("host:1"));
}

/* ---- events ---- */

static void receive(struct node *node, enum cn_event_kind kind, struct wire_message *message,
                    uint32_t from)
{
    if (message->type == WIRE_SYNC_ITEMS || message->type == WIRE_SYNC_BEGIN)
        node->is_tainted = true;
    struct cn_event event = {.kind = kind,
                             .message = message,
                             .node = from,
                             .incarnation = 1 + fuzz_below(&node->input, 16) / 15,
                             .conn = 1 + fuzz_below(&node->input, 4)};
    step(node, &event);
    wire_message_release(message);
}

static void set_payload(struct wire_message *message, struct buf *payload)
{
    buf_unref(message->payload);
    message->payload = payload;
}

/* Steps of a multipart upload as a client sends them (D18). */
static void make_step(struct node *node, struct wire_message *message)
{
    struct wire_put *put = &message->u.put;
    set_payload(message, NULL);
    put->multi_high = 0;
    put->multi_low = put->step == WIRE_PUT_RESTAMP ? 0 : 1 + fuzz_below(&node->input, 2);
    if (put->step == WIRE_PUT_PART && put->upload_low != 0) {
        put->size = (uint64_t)put->chunk_count * put->chunk_bytes;
    } else {
        put->size = 0;
        put->upload_high = put->upload_low = 0;
        put->chunk_count = put->chunk_bytes = 0;
    }
    if (put->step != WIRE_PUT_COMPLETE) {
        put->part = put->step == WIRE_PUT_PART ? 1 + fuzz_below(&node->input, 3) : 0;
        return;
    }
    uint8_t choices[2 * WIRE_CHOICE_BYTES];
    put->part = 1 + fuzz_below(&node->input, 2);
    for (uint32_t i = 0; i < put->part; i++) {
        struct wire_choice choice = {.number = 1 + i + fuzz_below(&node->input, 2) * i};
        wire_choice_encode(&choice, choices + i * WIRE_CHOICE_BYTES);
    }
    set_payload(message, buf_copy(slice_of(choices, put->part * WIRE_CHOICE_BYTES)));
    put->checksum = checksum_bytes(buf_slice(message->payload));
}

/* An object of one part, as a predecessor forwards it. */
static void make_assembled(struct wire_message *message)
{
    struct wire_forward *forward = &message->u.forward;
    uint8_t bytes[WIRE_PART_BYTES_MAX];
    const struct wire_part part = {.number = 1,
                                   .upload_low = 1 + (forward->size & 1u),
                                   .chunk_count = 1,
                                   .chunk_bytes = 4,
                                   .size = 4};
    set_payload(message, buf_copy(slice_of(bytes, wire_part_encode(&part, bytes))));
    forward->part = 1;
    forward->size = part.size;
    forward->upload_high = forward->upload_low = 0;
    forward->checksum = checksum_bytes(buf_slice(message->payload));
}

/* Most messages name the epoch that their chain has, and most payloads are whole. */
static void make_plausible(struct node *node, struct wire_message *message)
{
    const struct wire_schema *schema = wire_schema_of(message->type);
    const struct wire_field *chain = NULL;
    const struct wire_field *epoch = NULL;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct wire_field *field = &schema->fields[i];
        if (strcmp(field->name, "chain") == 0)
            chain = field;
        if (strcmp(field->name, "epoch") == 0)
            epoch = field;
    }
    struct cn_chain_view view;
    uint8_t mood = fuzz_u8(&node->input);
    if (chain != NULL && epoch != NULL && mood % 8 != 0 &&
        cn_core_view(node->core, *(uint32_t *)wire_field_at(&message->u, chain), &view))
        *(uint64_t *)wire_field_at(&message->u, epoch) = view.epoch;
    struct slice payload = buf_slice(message->payload);
    uint64_t checksum = checksum_bytes(payload);
    if (mood >= 0xe0)
        return;
    if (message->type == WIRE_PUT && message->u.put.step != WIRE_PUT_VALUE) {
        make_step(node, message);
    } else if (message->type == WIRE_PUT) {
        struct wire_put *put = &message->u.put;
        put->multi_high = put->multi_low = put->part = 0;
        if (put->upload_low == 0) {
            put->size = payload.length;
            put->checksum = checksum;
            put->chunk_count = 0;
            put->chunk_bytes = 0;
        } else {
            buf_unref(message->payload);
            message->payload = NULL;
            put->size = (uint64_t)put->chunk_count * put->chunk_bytes;
        }
    } else if (message->type == WIRE_STAGE) {
        message->u.stage.checksum = checksum;
    } else if (message->type == WIRE_FORWARD) {
        struct wire_forward *forward = &message->u.forward;
        forward->checksum = checksum;
        if (forward->kind == WIRE_ENTRY_PUT && forward->part != 0) {
            make_assembled(message);
        } else if (forward->kind == WIRE_ENTRY_PUT &&
                   (forward->upload_high | forward->upload_low) == 0) {
            forward->size = payload.length;
        } else if (forward->kind != WIRE_ENTRY_STAGE) {
            buf_unref(message->payload);
            message->payload = NULL;
        }
    }
}

static void receive_type(struct node *node, enum cn_event_kind kind, const enum wire_type *types,
                         uint32_t count)
{
    learn(node);
    struct wire_message message;
    enum wire_type type = types[fuzz_below(&node->input, count)];
    fuzz_message(&node->input, &node->domain, type, &message);
    make_plausible(node, &message);
    receive(node, kind, &message, 2 + fuzz_below(&node->input, 3));
}

/* A master that does its job: rows with this node somewhere among the members, buckets, a lease. */
static void configure(struct node *node)
{
    uint32_t chain = fuzz_below(&node->input, CHAINS);
    uint8_t shape = fuzz_u8(&node->input);
    struct wire_member members[4];
    struct wire_row row = {.chain = chain,
                           .epoch = ++node->epochs[chain],
                           .version = node->map_version + 1,
                           .members = members,
                           .replicas = 3,
                           .frozen = (shape & 0x80) != 0,
                           .write_floor = (shape & 0x40) != 0 ? 2 : 0};
    uint32_t count = 1 + (shape & 3u) % 3;
    uint32_t mine = (uint32_t)((shape >> 2) & 3u); /* 3: no member, perhaps the joiner */
    struct wire_member me = {.node = ME, .incarnation = node->incarnation};
    for (uint32_t i = 0; i < count; i++)
        members[i] = i == mine % count && mine < 3
                         ? me
                         : (struct wire_member){.node = 2 + i, .incarnation = 1};
    row.members_count = count;
    row.serving = members;
    row.serving_count = count;
    if ((shape & 0x10) != 0)
        row.joiner = mine == 3 ? me : (struct wire_member){.node = 5, .incarnation = 1};
    struct wire_bucket_info buckets[] = {
        {.bucket = 1, .name = slice_of_text("one"), .state = WIRE_BUCKET_ACTIVE},
        {.bucket = 2, .name = slice_of_text("two"), .state = (uint8_t)((shape >> 5) & 1u)}};
    struct wire_message message = {.type = WIRE_CONFIG};
    message.u.config = (struct wire_config){.from_version = node->map_version,
                                            .version = node->map_version + 1,
                                            .cluster = cluster,
                                            .chain_count = CHAINS,
                                            .replicas = 3,
                                            .rows = &row,
                                            .rows_count = 1,
                                            .buckets = buckets,
                                            .buckets_count = 2};
    node->map_version++;
    receive(node, CN_EVENT_RECEIVE_MASTER, &message, 0);
}

static void grant_lease(struct node *node)
{
    struct wire_message message = {.type = WIRE_BEAT_REPLY};
    message.u.beat_reply = (struct wire_beat_reply){
        .beat = node->beat, .incarnation = node->incarnation, .lease = true, .lease_ms = 1000};
    receive(node, CN_EVENT_RECEIVE_MASTER, &message, 0);
}

/* The successor has everything that it was sent; the predecessor says that all is stable. */
static void agree(struct node *node)
{
    uint32_t chain = fuzz_below(&node->input, CHAINS);
    struct cn_chain_view view;
    if (!cn_core_view(node->core, chain, &view))
        return;
    struct wire_message message = {.type = WIRE_ACK};
    uint32_t from = 2 + fuzz_below(&node->input, 4);
    uint32_t choice = fuzz_below(&node->input, 3);
    if (choice == 0)
        message.u.ack = (struct wire_ack){.chain = chain,
                                          .epoch = view.epoch,
                                          .applied = view.applied,
                                          .durable = view.applied.lsn,
                                          .committed = view.applied.lsn,
                                          .sync = from == 5 ? node->sync : 0};
    else if (choice == 1) {
        message.type = WIRE_SYNC_ACK;
        message.u.sync_ack = (struct wire_sync_ack){.chain = chain,
                                                    .epoch = view.epoch,
                                                    .source_incarnation = node->incarnation,
                                                    .target_incarnation = 1,
                                                    .sync = node->sync,
                                                    .number = node->sync_number};
    } else {
        message.type = WIRE_MARK;
        message.u.mark = (struct wire_mark){.chain = chain,
                                            .epoch = view.epoch,
                                            .applied = view.applied,
                                            .stable = view.applied.lsn};
    }
    receive(node, CN_EVENT_RECEIVE_NODE, &message, from);
}

/* The next entry of a chain, of a kind and with fields that the bytes choose. */
static void forward(struct node *node)
{
    uint32_t chain = fuzz_below(&node->input, CHAINS);
    struct cn_chain_view view;
    if (!cn_core_view(node->core, chain, &view))
        return;
    learn(node);
    struct wire_message message;
    fuzz_message(&node->input, &node->domain, WIRE_FORWARD, &message);
    make_plausible(node, &message);
    message.u.forward.chain = chain;
    message.u.forward.epoch = view.epoch;
    message.u.forward.origin = (struct origin){.epoch = view.epoch, .lsn = view.applied.lsn + 1};
    message.u.forward.previous = view.applied;
    receive(node, CN_EVENT_RECEIVE_NODE, &message, 2 + fuzz_below(&node->input, 3));
}

/* The next range of a copy to this node: no rows, or one whose value the bytes choose. */
static void copy_range(struct node *node)
{
    static const uint8_t families[] = {CN_FAMILY_OBJECTS, CN_FAMILY_UPLOADS, CN_FAMILY_SESSIONS,
                                       CN_FAMILY_PURGE,   CN_FAMILY_CHUNKS,  CN_FAMILY_MULTI,
                                       CN_FAMILY_TOKENS};
    uint32_t chain = fuzz_below(&node->input, CHAINS);
    struct cn_chain_view view;
    if (!cn_core_view(node->core, chain, &view))
        return;
    struct wire_message message = {.type = WIRE_SYNC_BEGIN};
    uint8_t mood = fuzz_u8(&node->input);
    if (mood < 0x40) {
        message.u.sync_begin = (struct wire_sync_begin){.chain = chain,
                                                        .epoch = view.epoch,
                                                        .source_incarnation = 1,
                                                        .target_incarnation = node->incarnation,
                                                        .sync = 1 + (mood & 1u),
                                                        .base = {.epoch = 1, .lsn = mood & 6u},
                                                        .session_floor = mood & 1u};
        receive(node, CN_EVENT_RECEIVE_NODE, &message, 2 + fuzz_below(&node->input, 3));
        return;
    }
    uint8_t from[4];
    uint8_t to[4];
    uint8_t row[8 + 4 + 8 + 2 + 64];
    bytes_put_u32(from, chain);
    bytes_put_u32(to, chain + 1);
    size_t length = 0;
    if (mood >= 0x80) {
        struct slice value = fuzz_bytes(&node->input, fuzz_below(&node->input, 65));
        size_t key = 4 + 8 + (mood & 1u);
        bytes_put_u32(row, (uint32_t)key);
        bytes_put_u32(row + 4, (uint32_t)value.length);
        bytes_put_u32(row + 8, chain);
        bytes_put_u64(row + 12, 1);
        row[20] = 'a';
        if (value.length > 0)
            memcpy(row + 8 + key, value.data, value.length);
        length = 8 + key + value.length;
    }
    message.type = WIRE_SYNC_ITEMS;
    message.u.sync_items = (struct wire_sync_items){
        .chain = chain,
        .epoch = view.epoch,
        .source_incarnation = 1,
        .target_incarnation = node->incarnation,
        .sync = 1 + (mood & 1u),
        .number = node->acked_number + 1,
        .family = families[fuzz_below(&node->input, ARRAY_COUNT(families))],
        .from = slice_of(from, 4),
        .to = slice_of(to, 4),
        .as_of = view.applied,
        .last = (mood & 0x10u) != 0};
    message.payload = length == 0 ? NULL : buf_copy(slice_of(row, length));
    receive(node, CN_EVENT_RECEIVE_NODE, &message, 2 + fuzz_below(&node->input, 3));
}

static bool one_event(struct node *node)
{
    static const enum wire_type peers[] = {WIRE_FORWARD,    WIRE_MARK,       WIRE_ACK,
                                           WIRE_SYNC_BEGIN, WIRE_SYNC_ITEMS, WIRE_SYNC_ACK,
                                           WIRE_ROWS,       WIRE_ROW_ASK};
    static const enum wire_type clients[] = {WIRE_PUT,   WIRE_PUT, WIRE_DELETE, WIRE_STAGE,
                                             WIRE_ABORT, WIRE_GET, WIRE_LIST,   WIRE_PARTS_LIST};
    static const enum wire_type masters[] = {WIRE_BEAT_REPLY, WIRE_CONFIG, WIRE_DECIDED,
                                             WIRE_REFUSED};
    struct cn_event event = {.kind = CN_EVENT_TICK};
    uint64_t deadline;
    switch (fuzz_below(&node->input, 26)) {
    case 0:
        deadline = cn_core_deadline_us(node->core);
        if (deadline > node->now_us && deadline < node->now_us + 10000000)
            node->now_us = deadline;
        step(node, &event);
        break;
    case 1:
        node->now_us += fuzz_delay_us(&node->input);
        step(node, &event);
        break;
    case 2:
    case 3:
    case 4:
        event.kind = CN_EVENT_FLUSH;
        step(node, &event);
        break;
    case 5:
    case 6:
    case 7:
        stored(node, false);
        break;
    case 8:
        receive_type(node, CN_EVENT_RECEIVE_NODE, peers, ARRAY_COUNT(peers));
        break;
    case 9:
    case 10:
    case 11:
        receive_type(node, CN_EVENT_RECEIVE_CLIENT, clients, ARRAY_COUNT(clients));
        break;
    case 12:
        receive_type(node, CN_EVENT_RECEIVE_MASTER, masters, ARRAY_COUNT(masters));
        break;
    case 13:
        event.kind = CN_EVENT_CLIENT_GONE;
        event.conn = 1 + fuzz_below(&node->input, 4);
        step(node, &event);
        break;
    case 14:
        event.kind = fuzz_below(&node->input, 2) == 0 ? CN_EVENT_NODE_UP : CN_EVENT_NODE_DOWN;
        event.node = fuzz_below(&node->input, 6);
        event.refused = fuzz_below(&node->input, 2) == 0;
        step(node, &event);
        break;
    case 15:
        event.kind = CN_EVENT_SPACE;
        event.space_total = 1000;
        event.is_full = fuzz_below(&node->input, 2) == 0;
        step(node, &event);
        break;
    case 16:
        return restart(node);
    case 17: {
        struct wire_message message;
        learn(node);
        fuzz_message(&node->input, &node->domain, fuzz_type(&node->input), &message);
        receive(node, (enum cn_event_kind)(CN_EVENT_RECEIVE_NODE + fuzz_below(&node->input, 3)),
                &message, fuzz_below(&node->input, 6));
        break;
    }
    case 18:
        configure(node);
        break;
    case 19:
        grant_lease(node);
        break;
    case 20:
    case 21:
        agree(node);
        break;
    case 22:
        forward(node);
        break;
    case 23:
    case 24:
        copy_range(node);
        break;
    default:
        switch (fuzz_below(&node->input, 16)) {
        case 0:
            stored(node, true);
            break;
        case 1:
            node->reading.fail_at = node->reading.reads + 1 + fuzz_below(&node->input, 4);
            break;
        default:
            break;
        }
        break;
    }
    return !node->is_halted || restart(node);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct node node;
    node = (struct node){.input = fuzz_input_of(data, size), .disk = disk_new(), .now_us = 1000000};
    cn_effects_init(&node.effects);
    prepare(&node);
    node.is_lazy = fuzz_below(&node.input, 2) == 0;
    bool is_running = start(&node);
    while (is_running && node.input.length > 0 && node.steps < STEPS_MAX)
        is_running = one_event(&node);
    cn_core_free(node.core);
    drop_stores(&node);
    cn_effects_release(&node.effects);
    kv_memory_free(node.disk);
    return 0;
}
