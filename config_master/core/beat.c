/* Heartbeats: who is admitted under a node's id (R4, checklist 36-39), and what they are granted
 * (R28, R30, R31). */
#include "base/contract.h"
#include "base/planted.h"
#include "config_master/core/leader.h"

enum { SPACE_PERIOD_US = 10000000 };

enum admission {
    ADMISSION_ACCEPT,   /* the registered process */
    ADMISSION_REGISTER, /* a new one, nothing speaks against it */
    ADMISSION_HOLD,     /* not yet: the known one may be alive */
    ADMISSION_REFUSE,   /* an impostor: stop */
};

/* The term above: a number of one leader is never that of another. */
uint64_t cm_challenge_new(struct cm_core *core)
{
    return (core->term << 32) | ++core->challenges;
}

bool cm_has_answered(const struct cm_live *live, uint64_t challenge)
{
    return live->echo >= challenge && live->echo >> 32 == challenge >> 32;
}

static struct wire_message *reply_to(struct cm_core *core, const struct cm_conn *conn,
                                     const struct wire_heartbeat *beat, enum err err)
{
    struct wire_message *message = cm_emit_message(core, conn->conn, WIRE_BEAT_REPLY);
    message->u.beat_reply.beat = beat->beat;
    message->u.beat_reply.incarnation = beat->incarnation;
    message->u.beat_reply.err = (uint32_t)err;
    return message;
}

/* No control characters and no blanks: it goes into logs and command lines as it is. */
static bool text_is_clean(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] <= 0x20 || text.data[i] == 0x7f)
            return false;
    }
    return true;
}

/* What a heartbeat must be before anything is believed. NULL or what is wrong with it. */
static const char *what_is_wrong(const struct cm_conn *conn, const struct wire_heartbeat *beat)
{
    if (conn->role != WIRE_ROLE_NODE || conn->id != beat->node ||
        conn->incarnation != beat->incarnation)
        return "the heartbeat names another node or incarnation than its connection's hello";
    if (beat->node == 0 || beat->incarnation == 0)
        return "node id and incarnation must not be 0";
    if (uuid_is_zero(&beat->disk))
        return "the node names no disk";
    if (beat->address.length == 0 || beat->address.length > BOUND_ADDRESS_BYTES ||
        !text_is_clean(beat->address))
        return "the node's advertised address is missing or not text";
    if (beat->zone.length > BOUND_NAME_BYTES || !text_is_clean(beat->zone))
        return "the node's zone is too long or not text";
    return NULL;
}

/* Whether the registered process may be running now: it was heard a moment ago, or we lead too
 * short a time to know. */
static bool known_may_be_alive(const struct cm_core *core, const struct cm_node *known,
                               const struct cm_live *live)
{
    if (live != NULL && live->obituary == known->incarnation)
        return false;
    if (live == NULL || live->beat_us == 0)
        return known->state == WIRE_NODE_ALIVE &&
               core->now_us < core->since_us + core->options.silence_us;
    return live->conn != 0 && core->now_us < live->beat_us + core->options.silence_us;
}

/* Two processes, or one that was started again and the last words of its life before? Those can
 * come late and in any number: the kernel of a killed process goes on sending what is in its
 * buffers. So only the answer to a challenge that was new when the newer one had spoken shows that
 * the older one lives on beside it; until it comes, or the older one falls silent, the newer one
 * waits. */
static enum admission hold_or_refuse(struct cm_core *core, struct cm_live *live,
                                     const struct wire_heartbeat *beat)
{
    struct cm_pretender *pretender = &live->pretender;
    bool is_new = pretender->incarnation != beat->incarnation ||
                  !uuid_equal(&pretender->disk, &beat->disk) ||
                  core->now_us > pretender->last_us + 10 * core->options.silence_us;
    if (is_new)
        *pretender = (struct cm_pretender){.incarnation = beat->incarnation,
                                           .disk = beat->disk,
                                           .challenge = cm_challenge_new(core)};
    pretender->last_us = core->now_us;
    return cm_has_answered(live, pretender->challenge) ? ADMISSION_REFUSE : ADMISSION_HOLD;
}

static enum admission admit(struct cm_core *core, const struct wire_heartbeat *beat,
                            const char **ret_why, enum err *ret_err)
{
    const struct cm_node *known = cm_state_node(core->state, beat->node);
    *ret_err = ERR_DUPLICATE_ID;
    if (known == NULL)
        return ADMISSION_REGISTER;
    struct cm_live *live = cm_live(core, beat->node);
    bool same_disk = uuid_equal(&known->disk, &beat->disk);
    if (beat->incarnation < known->incarnation) {
        *ret_err = same_disk ? ERR_DUPLICATE_ID : ERR_WRONG_DISK;
        *ret_why = same_disk ? "a newer process of this node has registered; if this disk was "
                               "restored from an older copy, start again with an empty directory"
                             : "the cluster knows this id with another disk and a higher "
                               "incarnation; remove the node first, or use another id";
        return ADMISSION_REFUSE;
    }
    if (beat->incarnation == known->incarnation) {
        bool same_process =
            same_disk && uuid_equal(&known->boot, &beat->boot) && known->pid == beat->pid;
        *ret_why = "another process with the same id and incarnation has registered; if the "
                   "directory was copied, give one of them another id and an empty directory";
        return same_process ? ADMISSION_ACCEPT : ADMISSION_REFUSE;
    }
    if (!known_may_be_alive(core, known, live))
        return ADMISSION_REGISTER;
    *ret_why = same_disk ? "a process on a copy of this disk is alive; stop one of them"
                         : "another process with this id is alive on another disk; give one of "
                           "them another id";
    if (live == NULL)
        live = cm_live_add(core, beat->node);
    return live == NULL ? ADMISSION_HOLD : hold_or_refuse(core, live, beat);
}

static void propose_registration(struct cm_core *core, const struct wire_heartbeat *beat)
{
    struct cm_live *live = cm_live_add(core, beat->node);
    if (live == NULL ||
        (live->registering != 0 && live->registering_incarnation >= beat->incarnation))
        return;
    struct cm_writer writer;
    cm_writer_init(&writer);
    cm_command_begin(&writer);
    struct cm_item item = {.kind = CM_ITEM_REGISTER_NODE};
    item.u.register_node.node = beat->node;
    item.u.register_node.incarnation = beat->incarnation;
    item.u.register_node.disk = beat->disk;
    item.u.register_node.boot = beat->boot;
    item.u.register_node.address = beat->address;
    item.u.register_node.zone = beat->zone;
    item.u.register_node.weight = beat->weight == 0 ? 1 : beat->weight;
    item.u.register_node.pid = beat->pid;
    cm_command_append(&writer, &item);
    live->registering = cm_propose(core, &writer);
    live->registering_incarnation = beat->incarnation;
}

/* R28: as long as a decided removal of this member is not acknowledged by it, no lease is granted
 * to it at all: it could use it with the older row. Tells it again. */
static bool removal_is_unacknowledged(struct cm_core *core, struct wire_member member)
{
    bool found = false;
    LIST_FOREACH (link, &core->state->decided_chains) {
        const struct cm_chain *chain = CONTAINER_OF(link, struct cm_chain, decided_link);
        const struct plan_row *active = &chain->active;
        const struct plan_row *decided = &chain->decided;
        if (cm_member_find(active->members, active->members_count, member) ==
                active->members_count ||
            cm_member_find(decided->members, decided->members_count, member) <
                decided->members_count)
            continue;
        if (cm_planner_acknowledged(core, active->chain, member) >= decided->epoch)
            continue;
        cm_send_decided(core, chain, member.node);
        found = true;
    }
    return found;
}

/* Every master can tell about how full the nodes are: written down when it has changed by a
 * hundredth of the disk, not with each heartbeat. */
static void note_space(struct cm_core *core, struct cm_live *live, const struct cm_node *node)
{
    uint64_t free = live->space_free;
    uint64_t known = node->space_free;
    uint64_t change = free > known ? free - known : known - free;
    if (live->space_total == 0 || core->now_us < live->space_due_us ||
        (live->space_total == node->space_total && change <= live->space_total / 100))
        return;
    live->space_due_us = core->now_us + SPACE_PERIOD_US;
    struct cm_item item = {.kind = CM_ITEM_NODE_SPACE};
    item.u.node_space.node = node->id;
    item.u.node_space.total = live->space_total;
    item.u.node_space.free = free;
    struct cm_writer writer;
    cm_writer_init(&writer);
    cm_command_begin(&writer);
    cm_command_append(&writer, &item);
    cm_propose(core, &writer);
}

static void note_beat(struct cm_core *core, struct cm_conn *conn, struct cm_live *live,
                      const struct wire_heartbeat *beat)
{
    cm_live_begin(live, beat->incarnation);
    if (!conn->is_node) {
        conn->is_node = true;
        conn->sent_version = beat->map_version;
        core->push_due = true;
    }
    live->conn = conn->conn;
    live->beat_us = core->now_us;
    live->refused = false;
    if (live->map_version != beat->map_version)
        core->heads_due = true;
    live->map_version = beat->map_version;
    live->space_total = beat->space_total;
    live->space_free = beat->space_free;
    live->is_full = beat->is_full;
    if (beat->echo > live->echo)
        live->echo = beat->echo;
    /* A push got lost with a connection, or the node came back: again, not with every heartbeat. */
    if (beat->map_version >= conn->sent_version || conn->stream.is_open) {
        live->behind_since_us = 0;
    } else if (live->behind_since_us == 0) {
        live->behind_since_us = core->now_us;
    } else if (core->now_us >= live->behind_since_us + 5 * core->options.heartbeat_us) {
        live->behind_since_us = core->now_us;
        conn->sent_version = beat->map_version;
        core->push_due = true;
    }
}

static void accept(struct cm_core *core, struct cm_conn *conn, const struct wire_heartbeat *beat)
{
    struct cm_live *live = cm_live_add(core, beat->node);
    const struct cm_node *node = cm_state_node(core->state, beat->node);
    if (live == NULL || live->obituary == beat->incarnation)
        return; /* a last word that was under way when its process died */
    note_beat(core, conn, live, beat);
    note_space(core, live, node);
    struct wire_member member = {.node = beat->node, .incarnation = beat->incarnation};
    cm_planner_heard(core, member);
    for (uint32_t i = 0; i < beat->chains_count; i++)
        cm_planner_report(core, member, &beat->chains[i]);
    if (beat->full_report && !live->is_reported) {
        live->is_reported = true;
        cm_planner_mark_node(core, beat->node);
    }
    for (uint32_t i = 0; i < beat->links_count; i++)
        cm_detector_accuse(core, beat->node, &beat->links[i]);
    cm_detector_judge_node(core, node, false);

    bool is_fenced = removal_is_unacknowledged(core, member);
    struct wire_message *message = reply_to(core, conn, beat, ERR_OK);
    struct wire_beat_reply *reply = &message->u.beat_reply;
    reply->want_full_report = !live->is_reported;
    reply->challenge = (core->term << 32) | core->challenges;
    /* R31: only while this leader surely leads. */
    if (core->now_us < core->lease_until_us && (!is_fenced || PLANTED(R28_LEASE_AFTER_DECISION))) {
        reply->lease = true;
        reply->lease_ms = core->options.lease_us / 1000;
        reply->lease_map_version = node->fence_version;
        /* It counts from when the heartbeat was sent (R30): before now. */
        live->lease_end_us = core->now_us + cm_with_drift(core, core->options.lease_us);
    }
}

void cm_beat(struct cm_core *core, struct cm_conn *conn, const struct wire_heartbeat *beat)
{
    if (!core->is_leader) {
        cm_refuse_not_leader(core, conn->conn, 0);
        return;
    }
    const char *why = what_is_wrong(conn, beat);
    if (why != NULL) {
        struct wire_message *message = cm_emit_message(core, conn->conn, WIRE_REFUSED);
        message->u.refused.err = ERR_PROTOCOL;
        message->u.refused.text = slice_of_text(why);
        cm_emit(core, CM_EFFECT_CLOSE)->conn = conn->conn;
        return;
    }
    enum err err = ERR_OK;
    switch (admit(core, beat, &why, &err)) {
    case ADMISSION_ACCEPT:
        accept(core, conn, beat);
        break;
    case ADMISSION_REGISTER:
        if (cm_state_node(core->state, beat->node) == NULL &&
            core->state->node_count == BOUND_NODES) {
            struct wire_message *message = reply_to(core, conn, beat, ERR_BUSY);
            message->u.beat_reply.text =
                cm_message_format(message, "node %u: the cluster has %u nodes, which is the limit",
                                  beat->node, BOUND_NODES);
            break;
        }
        propose_registration(core, beat);
        reply_to(core, conn, beat, ERR_OK);
        break;
    case ADMISSION_HOLD: {
        struct wire_message *message = reply_to(core, conn, beat, ERR_NOT_READY);
        message->u.beat_reply.text = cm_message_format(
            message, "node %u: waiting for the process that is known under this id to fall silent",
            beat->node);
        break;
    }
    case ADMISSION_REFUSE: {
        struct cm_live *live = cm_live(core, beat->node);
        if (live == NULL || !live->pretender.is_refused)
            TRACE(&core->options.trace, "node-refused node=%u incarnation=%llu err=%s", beat->node,
                  (unsigned long long)beat->incarnation, err_name(err));
        if (live != NULL)
            live->pretender.is_refused = live->pretender.incarnation == beat->incarnation;
        struct wire_message *message = reply_to(core, conn, beat, err);
        message->u.beat_reply.text = cm_message_format(message, "node %u: %s", beat->node, why);
        break;
    }
    }
}
