/* The joined master's interface: events in, effects out. */
#include "config_master/server/server.h"

#include "config_master/server/internal.h"

void server_effects_init(struct server_effects *effects)
{
    *effects = (struct server_effects){0};
}

void server_effects_clear(struct server_effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        wire_message_release(&effects->items[i].message);
        kv_batch_free(effects->items[i].batch);
    }
    effects->count = 0;
}

void server_effects_release(struct server_effects *effects)
{
    server_effects_clear(effects);
    mem_free(effects->items);
    server_effects_init(effects);
}

/* Valid until the next one is emitted. */
struct server_effect *server_emit(struct server *server, enum server_effect_kind kind)
{
    struct server_effects *effects = server->effects;
    PRE(effects != NULL);
    if (effects->count == effects->capacity) {
        effects->capacity = effects->capacity == 0 ? 16 : effects->capacity * 2;
        effects->items = mem_realloc(effects->items, effects->capacity * sizeof *effects->items);
    }
    struct server_effect *effect = &effects->items[effects->count++];
    *effect = (struct server_effect){.kind = kind};
    return effect;
}

void server_halt(struct server *server, const char *text)
{
    if (server->halted)
        return;
    server->halted = true;
    TRACE(&server->options.trace, "halt: %s", text);
    server_emit(server, SERVER_EFFECT_HALT)->text = text;
}

bool server_store_is_empty(const struct kv *kv, enum err *ret_err)
{
    return raft_store_is_empty(kv, ret_err);
}

void server_bootstrap(struct kv_batch *batch, const struct raft_configuration *configuration)
{
    raft_bootstrap(batch, configuration);
}

enum err server_new(const struct server_options *options, uint64_t seed, uint64_t now_us,
                    const struct kv *kv, struct server **ret_server)
{
    PRE(options->raft.id == options->cm.id);
    PRE(!uuid_is_zero(&options->disk));
    struct server *server = mem_calloc(1, sizeof *server);
    server->options = *options;
    server->now_us = now_us;
    raft_effects_init(&server->raft_effects);
    cm_effects_init(&server->cm_effects);
    enum err err = raft_new(&options->raft, seed, now_us, kv, &server->raft);
    if (err != ERR_OK) {
        server_free(server);
        return err;
    }
    server->core = cm_core_new(&options->cm, seed ^ UINT64_C(0x9e3779b97f4a7c15), now_us);
    *ret_server = server;
    return ERR_OK;
}

void server_free(struct server *server)
{
    if (server == NULL)
        return;
    PRE(server->queue_count == 0);
    raft_free(server->raft);
    if (server->core != NULL)
        cm_core_free(server->core);
    raft_effects_release(&server->raft_effects);
    cm_effects_release(&server->cm_effects);
    mem_free(server->queue);
    mem_free(server);
}

static void tick(struct server *server)
{
    struct raft_event raft_event = {.kind = RAFT_EVENT_TICK};
    server_step_raft(server, &raft_event);
    server_route(server);
    if (server->halted)
        return;
    struct cm_event cm_event = {.kind = CM_EVENT_TICK};
    server_step_cm(server, &cm_event);
}

static void connected(struct server *server, const struct server_event *event)
{
    if (event->hello->role == WIRE_ROLE_MASTER) {
        server_master_connected(server, event->conn, event->hello);
        return;
    }
    struct cm_event cm_event = {
        .kind = CM_EVENT_CONNECTED, .conn = event->conn, .hello = event->hello};
    server_step_cm(server, &cm_event);
}

static void disconnected(struct server *server, const struct server_event *event)
{
    if (server_master_disconnected(server, event->conn))
        return;
    struct cm_event cm_event = {.kind = CM_EVENT_DISCONNECTED, .conn = event->conn};
    server_step_cm(server, &cm_event);
}

static void receive(struct server *server, const struct server_event *event)
{
    struct server_peer *peer = server_peer_of_conn(server, event->conn);
    if (peer != NULL) {
        server_master_receive(server, peer, false, event->message);
        return;
    }
    if (server_is_raft_message(event->message)) {
        server->refused_messages++; /* of a client, or of a master just refused */
        return;
    }
    /* Status shows how far each follower is: brought up to date when it is asked for. */
    if (event->message->type == WIRE_ADMIN && event->message->u.admin.op == WIRE_ADMIN_STATUS)
        server_masters_update(server, true);
    struct cm_event cm_event = {
        .kind = CM_EVENT_RECEIVE, .conn = event->conn, .message = event->message};
    server_step_cm(server, &cm_event);
}

static void stored(struct server *server, const struct server_event *event)
{
    if (event->err != ERR_OK) {
        /* An fsync error is never retried: what is on the disk is unknown from here on. */
        server_halt(server, "the disk failed: this master stops; replace the disk, then remove and "
                            "add the master again");
        return;
    }
    struct raft_event raft_event = {.kind = RAFT_EVENT_STORED, .token = event->token};
    server_step_raft(server, &raft_event);
}

static void receive_link(struct server *server, const struct server_event *event)
{
    struct server_peer *peer = server_peer_find(server, event->master);
    if (peer != NULL && peer->is_linked)
        server_master_receive(server, peer, true, event->message);
    else
        server->refused_messages++;
}

static void dispatch(struct server *server, const struct server_event *event)
{
    switch (event->kind) {
    case SERVER_EVENT_TICK:
        tick(server);
        break;
    case SERVER_EVENT_CONNECTED:
        connected(server, event);
        break;
    case SERVER_EVENT_DISCONNECTED:
        disconnected(server, event);
        break;
    case SERVER_EVENT_RECEIVE:
        receive(server, event);
        break;
    case SERVER_EVENT_LINK_UP:
        server_master_link(server, event->master, event->hello);
        break;
    case SERVER_EVENT_LINK_DOWN:
        server_master_link(server, event->master, NULL);
        break;
    case SERVER_EVENT_RECEIVE_LINK:
        receive_link(server, event);
        break;
    case SERVER_EVENT_STORED:
        stored(server, event);
        break;
    case SERVER_EVENT_NODE_REFUSED: {
        struct cm_event cm_event = {.kind = CM_EVENT_NODE_REFUSED, .id = event->id};
        server_step_cm(server, &cm_event);
        break;
    }
    }
}

void server_step(struct server *server, const struct server_event *event,
                 struct server_effects *effects)
{
    PRE(effects->count == 0);
    PRE(event->now_us >= server->now_us);
    if (server->halted)
        return;
    server->now_us = event->now_us;
    server->effects = effects;
    dispatch(server, event);
    server_route(server);
    /* What follows from what changed: each may change it again, so until quiet, and bounded. */
    for (unsigned i = 0; i < 4 && !server->halted; i++) {
        server_masters_update(server, false);
        server_identity_record(server);
        if (server->queue_count == 0)
            break;
        server_route(server);
    }
    POST(server->queue_count == 0);
    server->effects = NULL;
}

uint64_t server_deadline_us(const struct server *server)
{
    if (server->halted)
        return UINT64_MAX;
    uint64_t raft_us = raft_deadline_us(server->raft);
    uint64_t core_us = cm_core_deadline_us(server->core);
    return raft_us < core_us ? raft_us : core_us;
}

void server_check(const struct server *server)
{
    INVARIANT(server->queue_count == 0 && server->effects == NULL);
    if (server->halted)
        return;
    raft_check(server->raft);
    cm_core_check(server->core);
    for (uint32_t i = 1; i < server->identities.count; i++)
        INVARIANT(server->identities.items[i - 1].master < server->identities.items[i].master);
    for (uint32_t i = 0; i < SERVER_PEERS_MAX; i++)
        for (uint32_t j = i + 1; j < SERVER_PEERS_MAX; j++)
            INVARIANT(server->peers[i].id == 0 || server->peers[i].id != server->peers[j].id);
}

void server_status(const struct server *server, struct server_status *ret_status)
{
    *ret_status = (struct server_status){
        .id = server->options.raft.id,
        .role = raft_role(server->raft),
        .leader = raft_leader(server->raft),
        .term = raft_term(server->raft),
        .commit_index = raft_commit_index(server->raft),
        .applied_index = raft_applied_index(server->raft),
        .last_index = raft_last_index(server->raft),
        .lease_until_us = raft_lease_until_us(server->raft),
        .refused_disks = server->refused_disks,
        .refused_messages = server->refused_messages + raft_refused_messages(server->raft),
    };
    memcpy(ret_status->masters, server->masters, sizeof server->masters);
    ret_status->masters_count = server->masters_count;
    for (uint32_t i = 0; i < server->masters_count; i++)
        ret_status->masters[i].match_index =
            raft_match_index(server->raft, server->masters[i].master);
}

bool server_disk(const struct server *server, uint32_t master, struct uuid *ret_disk)
{
    const struct server_identity *identity = server_identity_find(&server->identities, master);
    if (identity == NULL)
        return false;
    *ret_disk = identity->disk;
    return true;
}

const struct raft *server_raft(const struct server *server)
{
    return server->raft;
}

const struct cm_core *server_core(const struct server *server)
{
    return server->core;
}
