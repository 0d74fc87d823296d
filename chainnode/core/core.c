/* The interface: one step for each event, and which operation each message is. */
#include "chainnode/core/cn_internal.h"

static struct slice copy_into(uint8_t *at, struct slice bytes)
{
    if (bytes.length > 0)
        memcpy(at, bytes.data, bytes.length);
    return slice_of(at, bytes.length);
}

enum err cn_core_new(const struct cn_options *options, uint64_t seed, uint64_t now_us,
                     const struct kv *kv, struct cn_core **ret_core)
{
    PRE(options->node != 0 && options->incarnation != 0 && options->heartbeat_us > 0 &&
        options->idle_us > 0);
    struct cn_core *core = mem_calloc(1, sizeof *core);
    core->options = *options;
    core->strings = mem_alloc(options->address.length + options->zone.length);
    core->options.address = copy_into(core->strings, options->address);
    core->options.zone = copy_into(core->strings + options->address.length, options->zone);
    if (core->options.pending_bytes_max == 0)
        core->options.pending_bytes_max = BOUND_NODE_PENDING_BYTES;
    core->kv = *kv;
    prng_init(&core->prng, seed);
    list_init(&core->active);
    list_init(&core->dirty);
    list_init(&core->lists);
    list_init(&core->purges);
    map_init(&core->chains);
    map_init(&core->peers);
    map_init(&core->buckets);
    map_init(&core->upload_watches);
    core->now_us = now_us;
    /* Nodes that start together do not beat together. */
    core->next_beat_us = now_us + prng_below(&core->prng, options->heartbeat_us / 10 + 1);
    core->next_idle_us = now_us + prng_below(&core->prng, options->idle_us);
    core->next_uploads_us = now_us + options->upload_idle_us / 4 + 1;
    enum err err = cn_load(core);
    if (err != ERR_OK) {
        cn_core_free(core);
        return err;
    }
    *ret_core = core;
    return ERR_OK;
}

void cn_core_free(struct cn_core *core)
{
    if (core == NULL)
        return;
    struct cn_effects nowhere;
    cn_effects_init(&nowhere);
    core->effects = &nowhere;
    cn_lists_free(core);
    size_t cursor = 0;
    struct cn_chain *chain;
    while ((chain = map_next(&core->chains, &cursor, NULL)) != NULL)
        cn_chain_free(core, chain);
    map_release(&core->chains);
    cn_entries_bury(core);
    for (unsigned kind = 0; kind < CN_INDEX_COUNT; kind++)
        map_release(&core->keys[kind]);
    cursor = 0;
    struct cn_peer *peer;
    while ((peer = map_next(&core->peers, &cursor, NULL)) != NULL) {
        mem_free(peer->address);
        mem_free(peer);
    }
    map_release(&core->peers);
    cursor = 0;
    struct cn_bucket *bucket;
    while ((bucket = map_next(&core->buckets, &cursor, NULL)) != NULL)
        mem_free(bucket);
    map_release(&core->buckets);
    cn_config_pages_drop(core);
    cn_uploads_free(core);
    for (uint32_t i = 0; i < CN_STORES_MAX; i++)
        mem_free(core->stores[i].chains);
    cn_effects_release(&nowhere);
    cn_arena_release(core);
    mem_free(core->strings);
    mem_free(core);
}

static void receive_node(struct cn_core *core, const struct cn_event *event)
{
    unsigned type = event->message->type;
    if (type == WIRE_FORWARD)
        cn_recv_forward(core, event);
    else if (type == WIRE_MARK)
        cn_recv_mark(core, event);
    else if (type == WIRE_ACK)
        cn_recv_ack(core, event);
    else if (type == WIRE_SYNC_BEGIN)
        cn_recv_sync_begin(core, event);
    else if (type == WIRE_SYNC_ITEMS)
        cn_recv_sync_items(core, event);
    else if (type == WIRE_SYNC_ACK)
        cn_recv_sync_ack(core, event);
    else if (type == WIRE_ROWS)
        cn_recv_rows(core, &event->message->u.rows);
    else if (type == WIRE_ROW_ASK)
        cn_recv_row_ask(core, event->node, &event->message->u.row_ask);
    else
        core->dropped++;
}

static void receive_client(struct cn_core *core, const struct cn_event *event)
{
    unsigned type = event->message->type;
    if (type == WIRE_PUT)
        cn_recv_put(core, event);
    else if (type == WIRE_DELETE)
        cn_recv_delete(core, event);
    else if (type == WIRE_STAGE)
        cn_recv_stage(core, event);
    else if (type == WIRE_ABORT)
        cn_recv_abort(core, event);
    else if (type == WIRE_GET)
        cn_recv_get(core, event);
    else if (type == WIRE_LIST || type == WIRE_PARTS_LIST)
        cn_recv_list(core, event);
    else {
        core->dropped++;
        cn_refuse(core, event->conn, wire_message_request(event->message), ERR_UNSUPPORTED, NULL,
                  NULL);
    }
}

static void receive_master(struct cn_core *core, const struct cn_event *event)
{
    unsigned type = event->message->type;
    if (type == WIRE_BEAT_REPLY)
        cn_recv_beat_reply(core, &event->message->u.beat_reply);
    else if (type == WIRE_CONFIG)
        cn_recv_config(core, event->message);
    else if (type == WIRE_DECIDED)
        cn_recv_decided(core, &event->message->u.decided);
    else if (type != WIRE_REFUSED) /* the driver looks for another master */
        core->dropped++;
}

static bool is_neighbour(const struct cn_chain *chain, uint32_t node)
{
    for (uint32_t i = 0; i < chain->row.members_count; i++)
        if (chain->row.members[i].node == node)
            return true;
    return chain->row.joiner.node == node;
}

/* R9: what was sent while the connection was down is lost; both sides say where they are. */
static void node_up(struct cn_core *core, uint32_t node)
{
    struct cn_peer *peer = cn_peer(core, node);
    if (peer != NULL) {
        peer->is_up = true;
        peer->is_refused = false;
    }
    LIST_FOREACH_SAFE (link, &core->active) {
        struct cn_chain *chain = CONTAINER_OF(link, struct cn_chain, active);
        if (is_neighbour(chain, node))
            cn_idle_chain(core, chain, true);
    }
}

static void node_down(struct cn_core *core, uint32_t node, bool is_refused)
{
    struct cn_peer *peer = cn_peer(core, node);
    if (peer == NULL)
        return;
    peer->is_up = false;
    if (is_refused && !peer->is_refused)
        core->is_beat_wanted = true;
    peer->is_refused = is_refused;
}

static void space(struct cn_core *core, const struct cn_event *event)
{
    core->space_total = event->space_total;
    core->space_free = event->space_free;
    if (core->is_full == event->is_full)
        return;
    core->is_full = event->is_full;
    TRACE(&core->options.trace, "disk reserve %s", core->is_full ? "reached" : "free again");
    LIST_FOREACH (node, &core->active) {
        cn_chain_touch(core, CONTAINER_OF(node, struct cn_chain, active));
    }
}

static void tick(struct cn_core *core)
{
    cn_idle_tick(core);
    cn_reads_expire(core);
    cn_uploads_tick(core);
    cn_heartbeat_tick(core);
}

void cn_core_step(struct cn_core *core, const struct cn_event *event, struct cn_effects *effects)
{
    cn_arena_reset(core);
    cn_entries_bury(core);
    if (core->is_dead)
        return;
    core->effects = effects;
    core->now_us = event->now_us;
    if (event->wall_ms != 0)
        core->wall_ms = event->wall_ms;
    switch (event->kind) {
    case CN_EVENT_TICK:
        tick(core);
        break;
    case CN_EVENT_RECEIVE_NODE:
        receive_node(core, event);
        break;
    case CN_EVENT_RECEIVE_CLIENT:
        receive_client(core, event);
        break;
    case CN_EVENT_RECEIVE_MASTER:
        receive_master(core, event);
        break;
    case CN_EVENT_CLIENT_GONE:
        cn_entries_forget_conn(core, event->conn);
        cn_reads_forget_conn(core, event->conn);
        cn_lists_forget_conn(core, event->conn);
        break;
    case CN_EVENT_NODE_UP:
        node_up(core, event->node);
        break;
    case CN_EVENT_NODE_DOWN:
        node_down(core, event->node, event->refused);
        break;
    case CN_EVENT_STORED:
        cn_recv_stored(core, event);
        break;
    case CN_EVENT_SPACE:
        space(core, event);
        break;
    case CN_EVENT_FLUSH:
        cn_flush(core);
        cn_heartbeat_tick(core);
        break;
    }
    if (core->are_peers_stale && !core->is_dead)
        cn_peers_refresh(core);
}

uint64_t cn_core_deadline_us(const struct cn_core *core)
{
    if (core->is_dead)
        return UINT64_MAX;
    uint64_t deadline = core->next_beat_us;
    if (core->next_idle_us < deadline)
        deadline = core->next_idle_us;
    if (core->next_uploads_us < deadline)
        deadline = core->next_uploads_us;
    const struct list_node *purge = list_first(&core->purges);
    if (purge != NULL && core->stores_count < CN_STORES_MAX &&
        CONTAINER_OF(purge, struct cn_purge, node)->due_us < deadline)
        deadline = CONTAINER_OF(purge, struct cn_purge, node)->due_us;
    if (core->parked_count > 0 && core->lease_until_us < deadline)
        deadline = core->lease_until_us;
    return deadline;
}
