/* Servers: which are dialed, which are up, and what was the matter with those that are not. */
#include "client/core/internal.h"

static struct peer *peer_new(uint32_t id, struct slice address)
{
    struct peer *peer = mem_calloc(1, sizeof *peer);
    peer->id = id;
    memcpy(peer->address, address.data, address.length);
    list_init(&peer->requests);
    return peer;
}

struct peer *peer_find(const struct cl_core *core, uint32_t id)
{
    if ((id & CL_PEER_MASTER) != 0) {
        uint32_t slot = id & ~CL_PEER_MASTER;
        return slot < core->masters_count ? core->masters[slot] : NULL;
    }
    return map_get(&core->peers, id);
}

/* The slot of the master at an address, made if there is room; NULL otherwise. */
struct peer *peer_master_at(struct cl_core *core, struct slice address)
{
    if (address.length == 0 || address.length > BOUND_ADDRESS_BYTES)
        return NULL;
    for (uint32_t i = 0; i < core->masters_count; i++)
        if (slice_equal(slice_of_text(core->masters[i]->address), address))
            return core->masters[i];
    if (core->masters_count == CL_MASTERS_MAX)
        return NULL;
    struct peer *peer = peer_new(CL_PEER_MASTER | core->masters_count, address);
    core->masters[core->masters_count++] = peer;
    core->deadline_us = 0; /* the next tick dials it */
    return peer;
}

struct peer *peer_node(struct cl_core *core, uint32_t node)
{
    struct peer *peer = map_get(&core->peers, node);
    if (peer != NULL)
        return peer;
    const struct cl_node *info = map_get(&core->map.nodes, node);
    if (info == NULL)
        return NULL;
    peer = peer_new(node, slice_of_text(info->address));
    (void)map_put(&core->peers, node, peer);
    return peer;
}

static void announce(struct cl_core *core, struct peer *peer)
{
    struct cl_effect *effect = effect_push(core, CL_EFFECT_PEER);
    effect->peer = peer->id;
    effect->address = peer->address;
}

bool peer_want(struct cl_core *core, struct peer *peer)
{
    if (!peer->is_dialed && peer->address[0] != '\0') {
        peer->is_dialed = true;
        announce(core, peer);
    }
    return peer->is_up;
}

static bool waits_for(const struct cl_core *core, const struct op *op, const struct peer *peer)
{
    if (op_asks_list(op) && op->state == OP_WAIT_ANSWER && (peer->id & CL_PEER_MASTER) == 0)
        return list_has_open(op);
    if (op->in.kind == CL_OP_CHUNK && op->state == OP_WAIT_ANSWER)
        return chunk_wants(core, op, peer);
    if (op->state != OP_WAIT_PEER)
        return false;
    if (op->target != 0)
        return op->target == peer->id;
    return op_asks_leader(op) == ((peer->id & CL_PEER_MASTER) != 0);
}

void peer_up(struct cl_core *core, uint32_t id)
{
    struct peer *peer = peer_find(core, id);
    if (peer == NULL || peer->is_up)
        return;
    peer->is_up = true;
    peer->has_failed = false;
    peer->down_text[0] = '\0';
    LIST_FOREACH (node, &core->ops) {
        struct op *op = CONTAINER_OF(node, struct op, node);
        if (waits_for(core, op, peer))
            op_wake(core, op);
    }
    if ((id & CL_PEER_MASTER) != 0) {
        peer->watch_request = 0;
        peer->watch_next_us = core->now_us;
        timer_note(core, core->now_us);
    }
}

static void lose_requests(struct cl_core *core, struct peer *peer, enum err err)
{
    while (!list_is_empty(&peer->requests))
        retry_lost(core, CONTAINER_OF(peer->requests.next, struct request, by_peer), err);
}

void peer_down(struct cl_core *core, uint32_t id, enum err err, const char *text)
{
    struct peer *peer = peer_find(core, id);
    if (peer == NULL)
        return;
    peer->is_up = false;
    peer->has_failed = true;
    peer->down_err = err;
    text_format(peer->down_text, sizeof peer->down_text, "%s",
                text != NULL && text[0] != '\0' ? text : err_text(err));
    if (core->leader == peer)
        core->leader = NULL;
    if (peer->watch_request != 0) {
        if (core->pages_request == peer->watch_request)
            map_drop_pages(core);
        peer->watch_request = 0;
        timer_note(core, core->now_us); /* another master is asked at once */
    }
    lose_requests(core, peer, err);
}

void peer_readdress(struct cl_core *core)
{
    size_t cursor = 0;
    struct peer *peer;
    while ((peer = map_next(&core->peers, &cursor, NULL)) != NULL) {
        const struct cl_node *info = map_get(&core->map.nodes, peer->id);
        const char *address = info == NULL ? "" : info->address;
        if (strcmp(peer->address, address) == 0)
            continue;
        text_format(peer->address, sizeof peer->address, "%s", address);
        bool was_dialed = peer->is_dialed;
        peer->is_dialed = was_dialed && address[0] != '\0';
        if (was_dialed) {
            announce(core, peer);
            peer_down(core, peer->id, ERR_UNREACHABLE, "the node has moved");
        }
    }
}

char *peer_describe(const struct cl_core *core, uint32_t id, char *text, size_t size)
{
    const struct peer *peer = peer_find(core, id);
    const char *address = peer == NULL ? "address unknown" : peer->address;
    if ((id & CL_PEER_MASTER) != 0)
        return text_format(text, size, "master %s", address);
    return text_format(text, size, "node %u (%s)", id, address);
}

char *cl_core_masters_text(const struct cl_core *core, char *text, size_t size,
                           bool *ret_all_failed)
{
    struct text all;
    text_init(&all);
    bool all_failed = true;
    for (uint32_t i = 0; i < core->masters_count; i++) {
        const struct peer *peer = core->masters[i];
        const char *what = peer->is_up        ? "connected"
                           : peer->has_failed ? peer->down_text
                                              : "no answer yet";
        all_failed = all_failed && !peer->is_up && peer->has_failed;
        text_append(&all, "%s%s: %s", i == 0 ? "" : "; ", peer->address, what);
    }
    text_format(text, size, "%s", text_cstr(&all));
    text_release(&all);
    *ret_all_failed = all_failed;
    return text;
}

void peer_release_all(struct cl_core *core)
{
    for (uint32_t i = 0; i < core->masters_count; i++)
        mem_free(core->masters[i]);
    size_t cursor = 0;
    struct peer *peer;
    while ((peer = map_next(&core->peers, &cursor, NULL)) != NULL)
        mem_free(peer);
    map_release(&core->peers);
}
