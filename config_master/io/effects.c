#include "base/contract.h"
#include "base/io/log.h"
#include "base/text.h"
#include "config_master/io/master.h"

enum { PROBE_MS = 500 };

/* The first reason wins: it is the cause of the others. */
void master_halt(struct master *master, enum err err, const char *text)
{
    if (master->is_halted)
        return;
    master->is_halted = true;
    master->halt_err = err;
    text_format(master->halt_text, sizeof master->halt_text, "%s",
                text == NULL || text[0] == '\0' ? err_text(err) : text);
}

static bool configuration_has(const struct raft_configuration *configuration, uint32_t id)
{
    for (uint32_t i = 0; i < configuration->count; i++) {
        if (configuration->servers[i].id == id)
            return true;
    }
    return false;
}

/* Connections to all other masters, and to no others. */
static void connect_masters(struct master *master, const struct raft_configuration *wanted)
{
    for (uint32_t i = 0; i < master->linked.count; i++) {
        uint32_t id = master->linked.servers[i].id;
        if (id != master->settings->id && !configuration_has(wanted, id))
            links_remove(master->links, id);
    }
    for (uint32_t i = 0; i < wanted->count; i++) {
        if (wanted->servers[i].id != master->settings->id)
            links_set(master->links, wanted->servers[i].id, wanted->servers[i].address);
    }
    master->linked = *wanted;
}

static void run_effect(struct master *master, struct server_effect *effect)
{
    switch (effect->kind) {
    case SERVER_EFFECT_SEND:
        (void)transport_send(master->transport, effect->conn, &effect->message);
        return;
    case SERVER_EFFECT_CLOSE:
        transport_close(master->transport, effect->conn);
        return;
    case SERVER_EFFECT_SEND_MASTER:
        if (!links_send(master->links, effect->to, &effect->message) && effect->conn != 0)
            (void)transport_send(master->transport, effect->conn, &effect->message);
        return;
    case SERVER_EFFECT_STORE:
        store_writer_submit(master->writer, effect->token, effect->batch, true);
        effect->batch = NULL;
        return;
    case SERVER_EFFECT_CONFIGURATION:
        connect_masters(master, &effect->configuration);
        return;
    case SERVER_EFFECT_PROBE:
        transport_dial(master->transport, effect->address,
                       (uint64_t)MASTER_TAG_PROBES << 32 | (uint32_t)effect->id, PROBE_MS);
        return;
    case SERVER_EFFECT_HALT:
        master_halt(master, ERR_INTERNAL, effect->text);
        return;
    }
    IMPOSSIBLE("unknown effect of the server");
}

static void log_role(struct master *master)
{
    struct server_status status;
    server_status(master->server, &status);
    bool was_leader = master->role == RAFT_LEADER;
    bool is_leader = status.role == RAFT_LEADER;
    if (is_leader && (!was_leader || status.term != master->term))
        log_info("became_leader", "id=%u term=%llu", master->settings->id,
                 (unsigned long long)status.term);
    else if (was_leader && !is_leader)
        log_info("lost_leadership", "id=%u term=%llu", master->settings->id,
                 (unsigned long long)status.term);
    else if (!is_leader && status.leader != 0 && status.leader != master->leader)
        log_info("follows", "leader=%u term=%llu", status.leader, (unsigned long long)status.term);
    master->role = status.role;
    master->term = status.term;
    master->leader = status.leader;
}

void master_step(struct master *master, struct server_event *event)
{
    if (master->is_halted)
        return;
    event->now_us = master->now_us;
    server_step(master->server, event, &master->effects);
    for (uint32_t i = 0; i < master->effects.count; i++)
        run_effect(master, &master->effects.items[i]);
    server_effects_clear(&master->effects);
    log_role(master);
}
