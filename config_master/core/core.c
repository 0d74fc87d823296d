#include "base/buf.h"
#include "base/contract.h"
#include "base/text.h"
#include "config_master/core/leader.h"

enum { CONNS_MAX = 16384, DRIFT_PPM_MAX = 100000 };

enum err cm_options_check(const struct cm_options *options, const char **ret_why)
{
    const char *why = NULL;
    if (options->id == 0)
        why = "the master's id must not be 0";
    else if (uuid_is_zero(&options->cluster))
        why = "the cluster UUID is missing";
    else if (options->heartbeat_us < 1000)
        why = "the heartbeat must be at least 1 ms";
    else if (options->heartbeat_us * 3 > options->silence_us)
        why = "silence must be at least three heartbeats, or one lost message is a failure";
    else if (options->election_min_us == 0 || options->election_min_us >= options->lease_us)
        why = "the election time-out must be shorter than the lease, or a change of leader stops "
              "the data path";
    else if (options->lease_us < 3 * options->heartbeat_us)
        why = "the lease must last at least three heartbeats";
    else if (options->lease_us > 3600000000ull || options->silence_us > 3600000000ull)
        why = "lease and silence must be at most one hour";
    else if (options->drift_ppm > DRIFT_PPM_MAX)
        why = "the clock drift allowed for must be at most 100,000 ppm";
    else if (options->readmit_min_us == 0 || options->readmit_min_us > options->readmit_max_us)
        why = "the re-admission delay must be positive and at most its maximum";
    else if (options->joins_per_node_max == 0)
        why = "at least one copy per node must be allowed";
    if (why != NULL && ret_why != NULL)
        *ret_why = why;
    return why == NULL ? ERR_OK : ERR_INVALID;
}

struct cm_core *cm_core_new(const struct cm_options *options, uint64_t seed, uint64_t now_us)
{
    PRE(cm_options_check(options, NULL) == ERR_OK);
    struct cm_core *core = mem_calloc(1, sizeof *core);
    core->options = *options;
    prng_init(&core->prng, seed);
    core->state = cm_state_new(&options->cluster);
    core->now_us = now_us;
    core->last_step_us = now_us;
    core->next_id = 1;
    core->watch_due_us = UINT64_MAX;
    map_init(&core->lives);
    map_init(&core->conns);
    list_init(&core->requests);
    cm_planner_reset(core);
    return core;
}

static void free_map(struct map *map)
{
    size_t cursor = 0;
    void *value;
    while ((value = map_next(map, &cursor, NULL)) != NULL)
        mem_free(value);
    map_release(map);
}

void cm_core_free(struct cm_core *core)
{
    if (core == NULL)
        return;
    cm_admin_release(core);
    free_map(&core->lives);
    free_map(&core->conns);
    mem_free(core->books);
    mem_free(core->dirty);
    mem_free(core->deletions);
    mem_free(core->swap_plan);
    cm_state_free(core->state);
    mem_free(core);
}

const struct cm_state *cm_core_state(const struct cm_core *core)
{
    return core->state;
}

static void halt(struct cm_core *core, const char *text)
{
    core->is_halted = true;
    cm_emit(core, CM_EFFECT_HALT)->text = text;
}

/* ---- connections ---- */

static void on_connected(struct cm_core *core, const struct cm_event *event)
{
    const struct wire_hello *hello = event->hello;
    PRE(hello != NULL && map_get(&core->conns, event->conn) == NULL);
    bool is_foreign =
        !uuid_is_zero(&hello->cluster) && !uuid_equal(&hello->cluster, &core->options.cluster);
    if (is_foreign || core->conns.count >= CONNS_MAX || hello->role > WIRE_ROLE_MASTER) {
        struct wire_message *message = cm_emit_message(core, event->conn, WIRE_REFUSED);
        message->u.refused.err = is_foreign ? ERR_WRONG_CLUSTER : ERR_BUSY;
        char mine[UUID_TEXT_SIZE];
        char theirs[UUID_TEXT_SIZE];
        message->u.refused.text =
            is_foreign ? cm_message_format(message, "this master is of cluster %s, not of %s",
                                           uuid_format(&core->options.cluster, mine),
                                           uuid_format(&hello->cluster, theirs))
                       : cm_message_format(message, "master %u has too many connections",
                                           core->options.id);
        cm_emit(core, CM_EFFECT_CLOSE)->conn = event->conn;
        return;
    }
    struct cm_conn *conn = mem_calloc(1, sizeof *conn);
    conn->conn = event->conn;
    conn->role = (enum wire_role)hello->role;
    conn->id = hello->id;
    conn->incarnation = hello->incarnation;
    map_put(&core->conns, event->conn, conn);
}

static void on_disconnected(struct cm_core *core, uint64_t id)
{
    struct cm_conn *conn = map_remove(&core->conns, id);
    if (conn == NULL)
        return;
    cm_watch_forget(core, id);
    cm_admin_forget(core, id);
    if (conn->is_node)
        cm_detector_disconnected(core, conn->id, id);
    mem_free(conn);
}

static void on_receive(struct cm_core *core, const struct cm_event *event)
{
    const struct wire_message *message = event->message;
    struct cm_conn *conn = map_get(&core->conns, event->conn);
    if (conn == NULL)
        return; /* its last words were under way when it was closed */
    if (message->type == WIRE_HEARTBEAT) {
        cm_beat(core, conn, &message->u.heartbeat);
    } else if (message->type == WIRE_OBITUARY) {
        cm_detector_obituary(core, conn->conn, &message->u.obituary);
        const struct cm_node *node = cm_state_node(core->state, message->u.obituary.node);
        if (core->is_leader && node != NULL)
            cm_detector_judge_node(core, node, false);
    } else if (message->type == WIRE_WATCH) {
        cm_watch_start(core, conn, &message->u.watch);
    } else if (message->type == WIRE_ADMIN) {
        cm_admin_start(core, conn->conn, message);
    } else if (message->type != WIRE_REFUSED) {
        struct wire_message *reply = cm_emit_message(core, conn->conn, WIRE_REFUSED);
        reply->u.refused.request = wire_message_request(message);
        reply->u.refused.err = ERR_PROTOCOL;
        reply->u.refused.text = cm_message_format(
            reply, "a master does not take %s; ask a storage node", wire_type_name(message->type));
    }
}

/* ---- the log ---- */

static void on_row(void *context, uint32_t chain, unsigned change_kind)
{
    struct cm_core *core = context;
    if (change_kind != 0) {
        cm_planner_row_changed(core, chain, change_kind);
        return;
    }
    if (core->is_leader)
        TRACE(&core->options.trace, "chains-initialized chains=%u replicas=%u",
              core->state->chain_count, core->state->replicas);
    cm_planner_reset(core);
    cm_planner_mark_all(core);
}

static void on_node(void *context, uint32_t id, bool is_registered)
{
    struct cm_core *core = context;
    const struct cm_node *node = cm_state_node(core->state, id);
    if (!core->is_leader)
        return; /* the story is told once, and not again when the log is read at a start */
    if (node == NULL) {
        TRACE(&core->options.trace, "node-removed node=%u", id);
        return;
    }
    if (is_registered)
        TRACE(&core->options.trace, "node-registered node=%u incarnation=%llu address=%s", id,
              (unsigned long long)node->incarnation, node->address);
    else
        TRACE(&core->options.trace, "node-state node=%u incarnation=%llu state=%s", id,
              (unsigned long long)node->incarnation,
              node->state == WIRE_NODE_ALIVE ? "alive" : "down");
    if (is_registered)
        cm_detector_registered(core, node);
    cm_swap_disturbed(core);
    cm_planner_mark_node(core, id);
    core->short_due = true;
}

static void on_link(void *context, uint32_t link)
{
    struct cm_core *core = context;
    const struct cm_bad_link *bad = &core->state->bad_links[link];
    core->link_learnt_us[link] = core->now_us;
    if (core->is_leader)
        TRACE(&core->options.trace, "link-bad a=%u b=%u strikes=%u", bad->low, bad->high,
              bad->strikes);
}

static void on_setting(void *context)
{
    struct cm_core *core = context;
    if (core->is_leader)
        TRACE(&core->options.trace, "setting-changed replicas=%u", core->state->replicas);
    cm_swap_disturbed(core);
    cm_planner_mark_all(core);
}

static void on_bucket(void *context, uint64_t bucket)
{
    cm_op_bucket_delete_note(context, bucket);
}

static void on_apply(struct cm_core *core, const struct cm_event *event)
{
    const struct cm_observer observer = {.on_row = on_row,
                                         .on_node = on_node,
                                         .on_link = on_link,
                                         .on_setting = on_setting,
                                         .on_bucket = on_bucket,
                                         .context = core};
    uint64_t before = core->state->version;
    enum err err = cm_state_apply(core->state, event->index, buf_slice(event->data), &observer);
    if (err != ERR_OK) {
        halt(core, "a committed command cannot be decoded: it was written by newer software, or "
                   "the log is corrupt");
        return;
    }
    if (core->state->version != before)
        cm_publish_changed(core);
}

static void on_restore(struct cm_core *core, const struct cm_event *event)
{
    struct cm_state *state = NULL;
    enum err err =
        cm_state_restore(buf_slice(event->data), &core->options.cluster, event->index, &state);
    if (err != ERR_OK) {
        halt(core, err == ERR_WRONG_CLUSTER
                       ? "the snapshot belongs to another cluster"
                       : "the snapshot cannot be decoded: it was written by newer software, or it "
                         "is corrupt");
        return;
    }
    cm_state_free(core->state);
    core->state = state;
    cm_planner_reset(core);
    cm_planner_mark_all(core);
    cm_op_bucket_delete_reset(core);
    size_t cursor = 0;
    struct cm_conn *conn;
    while ((conn = map_next(&core->conns, &cursor, NULL)) != NULL) {
        /* What is half sent begins again: positions in the old state mean nothing. */
        if (conn->stream.is_open)
            conn->stream = (struct cm_stream){
                .is_open = true, .request = conn->stream.request, .version = core->state->version};
    }
    TRACE(&core->options.trace, "restored index=%llu version=%llu",
          (unsigned long long)event->index, (unsigned long long)state->version);
    cm_publish_changed(core);
}

static void on_role(struct cm_core *core, const struct cm_event *event)
{
    bool is_same = core->is_leader == event->is_leader && core->term == event->term;
    core->leader = event->leader;
    if (is_same && !(event->is_leader && core->since_us != event->since_us))
        return;
    TRACE(&core->options.trace, "role leader=%d known=%u term=%llu", event->is_leader ? 1 : 0,
          event->leader, (unsigned long long)event->term);
    bool was_leader = core->is_leader;
    core->term = event->term;
    core->is_leader = event->is_leader;
    if (!was_leader && !core->is_leader)
        return;
    core->since_us = event->is_leader ? event->since_us : 0;
    core->challenges = 1; /* the first, for what is found undecided */
    if (was_leader)
        cm_admin_reset(core);
    cm_detector_reset(core);
    cm_planner_reset(core);
    cm_op_bucket_delete_reset(core);
    core->heads_due = false;
    core->short_due = false;
    size_t cursor = 0;
    struct cm_conn *conn;
    while ((conn = map_next(&core->conns, &cursor, NULL)) != NULL) {
        conn->is_node = false; /* until it sends a heartbeat to this leader */
        if (conn->stream.request == 0)
            conn->stream.is_open = false;
    }
    cm_planner_mark_all(core);
}

static void on_masters(struct cm_core *core, const struct cm_event *event)
{
    PRE(event->masters_count <= BOUND_MASTERS);
    core->masters_count = event->masters_count;
    for (uint32_t i = 0; i < event->masters_count; i++) {
        struct slice address = event->masters[i].address;
        PRE(address.length <= BOUND_ADDRESS_BYTES);
        if (address.length > 0)
            memmove(core->master_addresses[i], address.data, address.length);
        core->masters[i] = event->masters[i];
        core->masters[i].address = slice_of(core->master_addresses[i], address.length);
    }
}

static void on_snapshot_wanted(struct cm_core *core, const struct cm_event *event)
{
    struct cm_effect *effect = cm_emit(core, CM_EFFECT_SNAPSHOT);
    effect->index = event->index != 0 ? event->index : core->state->applied;
    effect->data = cm_state_snapshot(core->state);
}

static void on_tick(struct cm_core *core)
{
    core->last_tick_us = core->now_us;
    if (!core->is_leader)
        return;
    cm_detector_judge(core, true);
    cm_planner_tick(core);
    cm_swap_tick(core);
    cm_marks_tick(core);
    cm_admin_tick(core);
    cm_op_bucket_delete_tick(core);
}

static void on_proposed(struct cm_core *core, const struct cm_event *event)
{
    if (cm_admin_proposed(core, event->id, event->err))
        return;
    cm_marks_proposed(core, event->id);
    cm_planner_proposed(core, event->id, event->err);
    cm_op_bucket_delete_proposed(core, event->id);
}

static void dispatch(struct cm_core *core, const struct cm_event *event)
{
    switch (event->kind) {
    case CM_EVENT_TICK:
        on_tick(core);
        break;
    case CM_EVENT_CONNECTED:
        on_connected(core, event);
        break;
    case CM_EVENT_DISCONNECTED:
        on_disconnected(core, event->conn);
        break;
    case CM_EVENT_RECEIVE:
        on_receive(core, event);
        break;
    case CM_EVENT_APPLY:
        on_apply(core, event);
        break;
    case CM_EVENT_RESTORE:
        on_restore(core, event);
        break;
    case CM_EVENT_ROLE:
        on_role(core, event);
        break;
    case CM_EVENT_PROPOSED:
        on_proposed(core, event);
        break;
    case CM_EVENT_READ_READY:
        cm_admin_read_ready(core, event->id, event->err);
        break;
    case CM_EVENT_SNAPSHOT_WANTED:
        on_snapshot_wanted(core, event);
        break;
    case CM_EVENT_MASTERS:
        on_masters(core, event);
        break;
    case CM_EVENT_CHANGED:
        cm_admin_changed(core, event->id, event->err);
        break;
    case CM_EVENT_NODE_REFUSED:
        if (event->id <= UINT32_MAX)
            cm_detector_refused(core, (uint32_t)event->id);
        break;
    }
}

void cm_core_step(struct cm_core *core, const struct cm_event *event, struct cm_effects *effects)
{
    PRE(event->now_us >= core->now_us);
    if (core->is_halted)
        return;
    /* A pause of our own is no silence of theirs: what they sent meanwhile is still under way. */
    if (core->is_leader && event->now_us > core->last_step_us + core->options.silence_us / 2 &&
        core->grace_until_us < event->now_us + core->options.silence_us)
        core->grace_until_us = event->now_us + core->options.silence_us;
    core->effects = effects;
    core->now_us = event->now_us;
    core->last_step_us = event->now_us;
    core->lease_until_us = event->lease_until_us;
    dispatch(core, event);
    if (core->is_leader) {
        if (core->short_due)
            cm_planner_mark_short(core);
        core->short_due = false;
        cm_planner_run(core);
        if (core->heads_due)
            cm_op_bucket_delete_heads(core);
    }
    cm_publish_run(core);
    core->effects = NULL;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t cm_core_deadline_us(const struct cm_core *core)
{
    if (core->is_halted)
        return UINT64_MAX;
    uint64_t deadline_us = cm_publish_deadline_us(core);
    if (!core->is_leader)
        return deadline_us;
    deadline_us = earlier(deadline_us, cm_detector_deadline_us(core));
    deadline_us = earlier(deadline_us, core->plan_wake_us);
    deadline_us = earlier(deadline_us, cm_admin_deadline_us(core));
    return earlier(deadline_us, cm_op_bucket_delete_deadline_us(core));
}

void cm_core_check(const struct cm_core *core)
{
    if (core->is_halted)
        return;
    cm_state_check(core->state);
    INVARIANT(core->book_count == core->state->chain_count);
    INVARIANT(core->dirty_count <= core->book_count);
    INVARIANT(ERGO(!core->is_leader, core->dirty_count == 0));
    INVARIANT(core->swap_count <= CM_SWAPS && core->swap_plan_next <= core->swap_plan_count);
    INVARIANT(core->watch_count <= CM_WATCHES && core->request_count <= CM_REQUESTS);
    uint32_t decided = 0;
    LIST_FOREACH (link, &core->state->decided_chains) {
        INVARIANT(CONTAINER_OF(link, struct cm_chain, decided_link)->has_decided);
        decided++;
    }
    for (uint32_t i = 0; i < core->state->chain_count; i++)
        decided -= core->state->chains[i].has_decided ? 1 : 0;
    INVARIANT(decided == 0);
}
