/* A node of the chain model: the shipped core, a memory store, and what its driver does. */
#include <string.h>

#include "tests/model/chain.h"
#include "tests/model/mix.h"

#define FAR_US ((uint64_t)1 << 61)
enum { STEP_US = 1000000, EFFECTS = 512 };

struct node *nodes[NODES + 1];
static struct cn_effects effects; /* in the ordinary heap, emptied after each step */

void chain_trace(void *context, const char *line)
{
    const struct node *node = context;
    if (chain_is_telling)
        chain_tell("n%u: %s", node->id, line);
}

struct cn_chain *node_chain(uint32_t id)
{
    return nodes[id]->core == NULL ? NULL : cn_chain_get(nodes[id]->core, CHAIN);
}

bool node_is_lease_valid(uint32_t id)
{
    const struct node *node = nodes[id];
    return node->core != NULL && node->now_us < node->core->lease_until_us;
}

void node_create(uint32_t id)
{
    unsigned before = heap_enter(id);
    struct node *node = mem_calloc(1, sizeof *node);
    node->id = id;
    node->now_us = STEP_US;
    node->store = kv_memory_new(CN_FAMILY_COUNT);
    node->durable = kv_memory_digest(node->store);
    nodes[id] = node;
    heap_return(before);
    effects.count = 0; /* a violation may have left some behind, in heaps that are no more */
    if (effects.items == NULL) {
        effects.items = mem_calloc(EFFECTS, sizeof *effects.items);
        effects.capacity = EFFECTS;
    }
}

static void note_fingerprint(struct node *node)
{
    uint64_t hash = mix(mix(node->durable, node->unsynced_count), node->is_flush_due ? 1 : 0);
    for (uint32_t i = 0; i < node->unsynced_count; i++)
        hash = mix(hash, node->unsynced[i]);
    for (uint32_t i = 0; i < node->tokens_count; i++)
        hash = mix(hash, node->is_sync[i] ? 2 : 1);
    node->fingerprint =
        node->core == NULL ? mix(hash, node->incarnation) : cn_core_fingerprint(node->core, hash);
}

static void apply_batch(struct node *node, struct cn_effect *effect)
{
    INVARIANT(node->tokens_count < STORES && node->unsynced_count < ARRAY_COUNT(node->unsynced));
    enum err err = kv_memory_apply(node->store, effect->batch);
    INVARIANT(err == ERR_OK);
    kv_batch_free(effect->batch);
    effect->batch = NULL;
    node->unsynced[node->unsynced_count++] = kv_memory_digest(node->store);
    node->tokens[node->tokens_count] = effect->token;
    node->is_sync[node->tokens_count++] = effect->sync;
}

static void run_effect(struct node *node, struct cn_effect *effect, bool *ret_beat,
                       struct wire_beat_reply *ret_reply)
{
    unsigned before;
    switch (effect->kind) {
    case CN_EFFECT_SEND_NODE:
        /* A large one that the core keeps would not be saved whole (heap.h). */
        INVARIANT(buf_slice(effect->message.payload).length < HEAP_LARGE_BYTES / 2);
        before = heap_enter(0);
        if (effect->node <= NODES && nodes[effect->node]->core != NULL)
            net_send(&world->net, node->id - 1, node->incarnation, effect->node - 1,
                     &effect->message);
        heap_return(before);
        break;
    case CN_EFFECT_SEND_MASTER:
        if (effect->message.type != WIRE_HEARTBEAT)
            break;
        before = heap_enter(0);
        *ret_reply = master_hear(node, &effect->message.u.heartbeat);
        *ret_beat = true;
        heap_return(before);
        break;
    case CN_EFFECT_REPLY:
        before = heap_enter(0);
        client_hear((unsigned)effect->conn - 1, node, &effect->message);
        heap_return(before);
        break;
    case CN_EFFECT_STORE:
        apply_batch(node, effect);
        break;
    case CN_EFFECT_PEER:
        break;
    case CN_EFFECT_HALT:
        model_violation("node %u stopped itself: %s", node->id, effect->text);
    }
}

/* One step. True: the master has an answer to a heartbeat. */
static bool step(struct node *node, struct cn_event *event, struct wire_beat_reply *ret_reply)
{
    bool is_beat = false;
    node->now_us += STEP_US;
    event->now_us = node->now_us;
    event->wall_ms = 1;
    cn_core_step(node->core, event, &effects);
    cn_core_check(node->core);
    node->core->next_beat_us = FAR_US; /* beats and idle rounds are choices */
    node->core->next_idle_us = FAR_US;
    struct cn_chain *chain = node_chain(node->id);
    if (chain != NULL)
        chain->quiet_beats = 0;
    node->is_flush_due = event->kind != CN_EVENT_FLUSH;
    for (uint32_t i = 0; i < effects.count; i++)
        run_effect(node, &effects.items[i], &is_beat, ret_reply);
    cn_effects_clear(&effects);
    return is_beat;
}

static void step_and_answer(struct node *node, struct cn_event *event)
{
    struct wire_message reply = {.type = WIRE_BEAT_REPLY};
    bool is_beat = step(node, event, &reply.u.beat_reply);
    while (is_beat) {
        bool was_due = node->is_flush_due;
        struct cn_event answer = {.kind = CN_EVENT_RECEIVE_MASTER, .message = &reply};
        struct wire_message next = {.type = WIRE_BEAT_REPLY};
        is_beat = step(node, &answer, &next.u.beat_reply);
        node->is_flush_due = node->is_flush_due || was_due;
        reply = next;
    }
}

static void settle(struct node *node)
{
    while (node->is_flush_due && !chain_settings.is_lazy) {
        struct cn_event flush = {.kind = CN_EVENT_FLUSH};
        step_and_answer(node, &flush);
        if (!node->core->is_beat_wanted && list_is_empty(&node->core->dirty))
            node->is_flush_due = false; /* an answered heartbeat leaves nothing to flush */
    }
    note_fingerprint(node);
    check_node(node->id);
}

void node_event(uint32_t id, struct cn_event *event)
{
    struct node *node = nodes[id];
    INVARIANT(node->core != NULL);
    unsigned before = heap_enter(id);
    step_and_answer(node, event);
    settle(node);
    heap_return(before);
}

void node_flush(uint32_t id)
{
    struct cn_event event = {.kind = CN_EVENT_FLUSH};
    node_event(id, &event);
}

void node_stored(uint32_t id)
{
    struct node *node = nodes[id];
    INVARIANT(node->tokens_count > 0);
    unsigned before = heap_enter(id);
    if (node->is_sync[0]) {
        uint32_t done = node->unsynced_count - (node->tokens_count - 1);
        kv_memory_sync_oldest(node->store, done);
        node->durable = node->unsynced[done - 1];
        node->unsynced_count -= done;
        memmove(node->unsynced, node->unsynced + done,
                node->unsynced_count * sizeof node->unsynced[0]);
    }
    struct cn_event event = {.kind = CN_EVENT_STORED, .token = node->tokens[0]};
    node->tokens_count--;
    for (uint32_t i = 0; i < node->tokens_count; i++) {
        node->tokens[i] = node->tokens[i + 1];
        node->is_sync[i] = node->is_sync[i + 1];
    }
    step_and_answer(node, &event);
    settle(node);
    heap_return(before);
}

void node_idle(uint32_t id)
{
    unsigned before = heap_enter(id);
    nodes[id]->core->next_idle_us = 0;
    struct cn_chain *chain = node_chain(id);
    if (chain != NULL)
        chain->quiet_beats = 100;
    struct cn_event event = {.kind = CN_EVENT_TICK};
    node_event(id, &event);
    heap_return(before);
}

void node_beat(uint32_t id)
{
    unsigned before = heap_enter(id);
    nodes[id]->core->next_beat_us = 0;
    struct cn_event event = {.kind = CN_EVENT_TICK};
    node_event(id, &event);
    heap_return(before);
}

/* Does the master know less of this node than its planner asks for, or the node want a lease? News
 * that are urgent leave without this: the core asks for a beat itself. */
bool node_is_beat_useful(uint32_t id)
{
    const struct node *node = nodes[id];
    const struct cn_chain *chain = node_chain(id);
    const struct known_node *known = &world->master.nodes[id];
    if (node->core == NULL)
        return false;
    bool is_lease_waiting = node->core->lease_waiting_until_us > node->now_us;
    if ((!node_is_lease_valid(id) && !is_lease_waiting) || !known->is_alive)
        return true;
    if (chain == NULL || !cn_chain_has_report(chain))
        return false;
    struct wire_chain_report report;
    cn_chain_report(node->core, chain, &report);
    return ((report.flags & WIRE_REPORT_HOLDS) != 0) != known->holds ||
           ((report.flags & WIRE_REPORT_SYNCING) != 0) != known->is_syncing;
}

void node_expire_lease(uint32_t id)
{
    struct node *node = nodes[id];
    if (node->core == NULL)
        return;
    unsigned before = heap_enter(id);
    uint64_t until = node->core->lease_until_us;
    if (node->core->lease_waiting_until_us > until)
        until = node->core->lease_waiting_until_us;
    if (until >= node->now_us) {
        node->now_us = until + 1;
        /* So that the core's own clock, which the fingerprint asks, is past it too. */
        node->core->now_us = node->now_us;
    }
    note_fingerprint(node);
    heap_return(before);
}

static void options_of(struct node *node, struct cn_options *options)
{
    *options = (struct cn_options){
        .node = node->id,
        .incarnation = node->incarnation,
        .cluster = {.bytes = {1}},
        .disk = {.bytes = {(uint8_t)node->id}},
        .address = slice_of_text("a"),
        .zone = slice_of_text("z"),
        .weight = 1,
        .heartbeat_us = 20,
        .idle_us = 1,
        .neighbour_us = FAR_US,
        .upload_idle_us = FAR_US,
        .purge_grace_us = FAR_US,
        .trace = {.emit = chain_is_telling ? chain_trace : NULL, .context = node},
    };
}

void node_start(uint32_t id)
{
    struct node *node = nodes[id];
    INVARIANT(node->core == NULL);
    unsigned before = heap_enter(id);
    node->incarnation++;
    node->now_us += STEP_US;
    node->kv = kv_memory_interface(node->store);
    struct cn_options options;
    options_of(node, &options);
    enum err err = cn_core_new(&options, id, node->now_us, &node->kv, &node->core);
    if (err != ERR_OK)
        model_violation("node %u cannot read its own disk: %s", id, err_name(err));
    node->core->next_idle_us = FAR_US;
    node_beat(id);
    heap_return(before);
}

void node_crash(uint32_t id, size_t keep)
{
    struct node *node = nodes[id];
    unsigned before = heap_enter(id);
    cn_core_free(node->core);
    node->core = NULL;
    kv_memory_crash(node->store, keep);
    node->durable = keep == 0 ? node->durable : node->unsynced[keep - 1];
    node->unsynced_count = 0;
    node->tokens_count = 0;
    node->is_flush_due = false;
    note_fingerprint(node);
    (void)heap_enter(0);
    net_cut_to(&world->net, id - 1);
    master_died(id);
    heap_return(before);
}
