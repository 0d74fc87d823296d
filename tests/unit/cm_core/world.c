#include "tests/unit/cm_core/world.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/contract.h"

struct uuid world_uuid(uint8_t number)
{
    struct uuid uuid = {{0}};
    uuid.bytes[0] = 0xca;
    uuid.bytes[15] = number;
    return uuid;
}

void world_say(struct world *world, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text_append(&world->story, "%6llu ", (unsigned long long)(world->now_us / 1000));
    text_append_v(&world->story, format, arguments);
    text_append(&world->story, "\n");
    va_end(arguments);
}

static void on_trace(void *context, const char *line)
{
    world_say(context, "%s", line);
}

static struct cm_core *new_core(struct world *world)
{
    return cm_core_new(&world->options, 7, world->now_us);
}

void world_init(struct world *world)
{
    memset(world, 0, sizeof *world);
    world->options = (struct cm_options){
        .id = 1,
        .cluster = world_uuid(99),
        .heartbeat_us = 100000,
        .silence_us = 400000,
        .lease_us = 1000000,
        .election_min_us = 300000,
        .drift_ppm = 1000,
        .restart_grace_us = 500000,
        .readmit_min_us = 500000,
        .readmit_max_us = 60000000,
        .joins_per_node_max = 2,
        .trace = {.emit = on_trace, .context = world},
    };
    world->now_us = 10000000;
    world->grid_us = world->now_us;
    world->index = 1;
    world->next_conn = 100;
    text_init(&world->story);
    cm_effects_init(&world->effects);
    world->core = new_core(world);
}

void world_release(struct world *world)
{
    cm_core_free(world->core);
    cm_effects_release(&world->effects);
    text_release(&world->story);
    for (uint32_t i = 0; i < world->queue_count; i++)
        buf_unref(world->queue[i].data);
    for (size_t i = 0; i < ARRAY_COUNT(world->log); i++)
        buf_unref(world->log[i]);
    buf_unref(world->snapshot);
    wire_message_release(&world->last_reply);
    wire_message_release(&world->last_config);
}

/* ---- what nodes do with what they are told ---- */

static struct world_node *node_of_conn(struct world *world, uint64_t conn)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        if (conn != 0 && world->nodes[i].conn == conn)
            return &world->nodes[i];
    }
    return NULL;
}

static bool is_member(const struct world_node *node, const struct wire_row *row)
{
    for (uint32_t i = 0; i < row->members_count; i++) {
        if (row->members[i].node == node->id && row->members[i].incarnation == node->incarnation)
            return true;
    }
    return row->joiner.node == node->id && row->joiner.incarnation == node->incarnation;
}

static void node_install(struct world_node *node, const struct wire_row *row)
{
    if (row->chain >= WORLD_CHAINS || row->epoch <= node->epochs[row->chain])
        return;
    bool was_in = node->in_chain[row->chain];
    node->in_chain[row->chain] = is_member(node, row);
    if (!was_in && !node->in_chain[row->chain])
        return;
    node->epochs[row->chain] = row->epoch;
    const struct wire_member *tail = &row->members[row->members_count - 1];
    bool is_joiner = row->joiner.node == node->id;
    node->is_tail[row->chain] = node->in_chain[row->chain] && tail->node == node->id;
    node->is_drained[row->chain] =
        node->in_chain[row->chain] && row->frozen && row->members[0].node == node->id;
    if (node->in_chain[row->chain])
        node->is_complete[row->chain] = !is_joiner; /* a joiner's disk is half a copy */
}

/* R28: until it has entered the decided epoch it could use a lease with the older row. */
static void check_lease_is_due(const struct world *world, const struct world_node *node)
{
    const struct cm_state *state = cm_core_state(world->core);
    struct wire_member member = {.node = node->id, .incarnation = node->incarnation};
    for (uint32_t i = 0; i < state->chain_count && i < WORLD_CHAINS; i++) {
        const struct cm_chain *chain = &state->chains[i];
        const struct plan_row *active = &chain->active;
        const struct plan_row *decided = &chain->decided;
        bool is_leaving = chain->has_decided &&
                          cm_member_find(active->members, active->members_count, member) <
                              active->members_count &&
                          cm_member_find(decided->members, decided->members_count, member) ==
                              decided->members_count;
        ck_assert_msg(!is_leaving || node->epochs[i] >= decided->epoch,
                      "node %u gets a lease although its removal from chain %u is decided",
                      node->id, i);
    }
}

static void node_receive(struct world *world, struct world_node *node,
                         const struct wire_message *message)
{
    if (node->is_cut)
        return;
    if (message->type == WIRE_CONFIG) {
        const struct wire_config *config = &message->u.config;
        if (node->deaf)
            return;
        ck_assert_uint_eq(config->page, node->page);
        node->page = config->more ? node->page + 1 : 0;
        if (config->from_version > node->map_version)
            return; /* one before it got lost: the master notices by the next heartbeats */
        for (uint32_t i = 0; i < config->rows_count; i++)
            node_install(node, &config->rows[i]);
        if (!config->more) {
            node->is_beat_due = config->version != node->map_version;
            node->map_version = config->version;
        }
    } else if (message->type == WIRE_DECIDED) {
        world_say(world, "  decided -> node %u: chain %u epoch %llu", node->id,
                  message->u.decided.row.chain, (unsigned long long)message->u.decided.row.epoch);
        ck_assert(!is_member(node, &message->u.decided.row));
        if (!node->deaf)
            node_install(node, &message->u.decided.row);
    } else if (message->type == WIRE_BEAT_REPLY) {
        const struct wire_beat_reply *reply = &message->u.beat_reply;
        if ((enum err)reply->err != node->last_err && reply->err != ERR_OK)
            world_say(world, "  beat-reply -> node %u: %s %.*s", node->id,
                      err_name((enum err)reply->err), (int)reply->text.length,
                      (const char *)reply->text.data);
        if (reply->lease != node->last_lease)
            world_say(world, "  lease -> node %u: %s", node->id,
                      reply->lease ? "granted" : "withheld");
        node->last_err = (enum err)reply->err;
        node->last_lease = reply->lease;
        if (reply->lease)
            check_lease_is_due(world, node);
        if (reply->lease) /* heartbeats and replies take no time here */
            node->lease_until_us = world->now_us + reply->lease_ms * 1000;
        node->last_lease_map_version = reply->lease_map_version;
        node->is_full = reply->want_full_report;
        node->is_beat_due = node->is_beat_due || reply->challenge > node->challenge;
        node->challenge = reply->challenge > node->challenge ? reply->challenge : node->challenge;
        snprintf(node->last_text, sizeof node->last_text, "%.*s", (int)reply->text.length,
                 (const char *)reply->text.data);
    }
}

/* ---- effects ---- */

static void keep(struct wire_message *place, const struct wire_message *message)
{
    wire_message_release(place);
    wire_message_copy(message, place);
}

static void run_send(struct world *world, const struct cm_effect *effect)
{
    struct world_node *node = node_of_conn(world, effect->conn);
    const struct wire_message *message = &effect->message;
    if (message->type == WIRE_ADMIN_REPLY || message->type == WIRE_REFUSED)
        keep(&world->last_reply, message);
    if (message->type == WIRE_CONFIG) {
        keep(&world->last_config, message);
        world->last_config_conn = effect->conn;
        world->configs++;
    }
    if (node != NULL)
        node_receive(world, node, message);
}

static void run_effects(struct world *world)
{
    struct cm_effects effects = world->effects;
    cm_effects_init(&world->effects);
    for (uint32_t i = 0; i < effects.count; i++) {
        struct cm_effect *effect = &effects.items[i];
        switch (effect->kind) {
        case CM_EFFECT_SEND:
            run_send(world, effect);
            break;
        case CM_EFFECT_CLOSE:
            world_say(world, "  close conn");
            break;
        case CM_EFFECT_PROPOSE:
            ck_assert_uint_lt(world->queue_count, WORLD_QUEUE);
            ck_assert_int_eq(cm_command_check(buf_slice(effect->data)), ERR_OK);
            world->queue[world->queue_count++] =
                (struct world_proposal){.id = effect->id, .data = buf_ref(effect->data)};
            break;
        case CM_EFFECT_READ:
            world->reads[world->reads_count++] = effect->id;
            break;
        case CM_EFFECT_SNAPSHOT:
            buf_unref(world->snapshot);
            world->snapshot = buf_ref(effect->data);
            break;
        case CM_EFFECT_MASTERS_CHANGE:
        case CM_EFFECT_TRANSFER:
            world->change_id = effect->id;
            break;
        case CM_EFFECT_PROBE:
            world_say(world, "  probe node %llu", (unsigned long long)effect->id);
            break;
        case CM_EFFECT_HALT:
            world_say(world, "  halt: %s", effect->text);
            world->is_halted = true;
            break;
        }
    }
    cm_effects_release(&effects);
}

static void step_once(struct world *world, struct cm_event *event)
{
    event->now_us = world->now_us;
    event->lease_until_us = world->is_leader && world->grants ? world->now_us + 300000 : 0;
    cm_core_step(world->core, event, &world->effects);
    cm_core_check(world->core);
    run_effects(world);
}

static void commit_first(struct world *world)
{
    struct world_proposal first = world->queue[0];
    world->queue_count--;
    memmove(&world->queue[0], &world->queue[1], world->queue_count * sizeof first);
    world->index++;
    ck_assert_uint_lt(world->index, ARRAY_COUNT(world->log));
    world->log[world->index] = first.data;
    step_once(world, &(struct cm_event){
                         .kind = CM_EVENT_APPLY, .index = world->index, .data = first.data});
    step_once(world,
              &(struct cm_event){
                  .kind = CM_EVENT_PROPOSED, .id = first.id, .err = ERR_OK, .index = world->index});
}

void world_commit(struct world *world)
{
    while (world->queue_count > 0)
        commit_first(world);
}

static void answer_reads(struct world *world)
{
    while (world->reads_count > 0) {
        uint64_t id = world->reads[--world->reads_count];
        step_once(world, &(struct cm_event){.kind = CM_EVENT_READ_READY, .id = id});
    }
}

/* The first node that has news, if it can tell them. */
static struct world_node *news_of(struct world *world)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct world_node *node = &world->nodes[i];
        if (node->is_beat_due && node->conn != 0 && !node->is_mute && !node->is_cut)
            return node;
    }
    return NULL;
}

void world_step(struct world *world, struct cm_event *event)
{
    step_once(world, event);
    if (!world->holds_log)
        world_commit(world);
    if (!world->holds_reads)
        answer_reads(world);
    struct world_node *node = world->is_beating ? NULL : news_of(world);
    while (node != NULL) {
        world->is_beating = true;
        world->now_us += 50; /* over the network */
        world_beat(world, node);
        node = news_of(world);
        world->is_beating = false;
    }
}

/* ---- leadership ---- */

static void role(struct world *world, bool is_leader)
{
    world->is_leader = is_leader;
    world->grants = is_leader;
    world->term++;
    world_step(world, &(struct cm_event){.kind = CM_EVENT_ROLE,
                                         .is_leader = is_leader,
                                         .leader = is_leader ? world->options.id : 2,
                                         .term = world->term,
                                         .since_us = world->now_us});
}

void world_become_leader(struct world *world)
{
    role(world, true);
}

void world_lose_leader(struct world *world)
{
    role(world, false);
}

void world_take_over(struct world *world)
{
    cm_core_free(world->core);
    world->core = new_core(world);
    for (uint32_t i = 0; i < world->queue_count; i++)
        buf_unref(world->queue[i].data);
    world->queue_count = 0;
    world->is_leader = false;
    struct text story = world->story;
    text_init(&world->story); /* what everybody has seen already is not told again */
    for (uint64_t i = 0; i <= world->index; i++) {
        if (world->log[i] != NULL)
            step_once(world, &(struct cm_event){
                                 .kind = CM_EVENT_APPLY, .index = i, .data = world->log[i]});
    }
    text_release(&world->story);
    world->story = story;
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct world_node *node = &world->nodes[i];
        if (node->conn != 0)
            node->conn = world_connect(world, WIRE_ROLE_NODE, node->id, node->incarnation);
    }
}

/* ---- connections and nodes ---- */

uint64_t world_connect(struct world *world, enum wire_role wire_role, uint32_t id,
                       uint64_t incarnation)
{
    struct wire_hello hello = {.wire_version = WIRE_VERSION,
                               .cluster = world->options.cluster,
                               .role = (uint8_t)wire_role,
                               .id = id,
                               .incarnation = incarnation};
    uint64_t conn = world->next_conn++;
    world_step(world,
               &(struct cm_event){.kind = CM_EVENT_CONNECTED, .conn = conn, .hello = &hello});
    return conn;
}

void world_disconnect(struct world *world, uint64_t conn)
{
    world_step(world, &(struct cm_event){.kind = CM_EVENT_DISCONNECTED, .conn = conn});
}

struct world_node *world_node(struct world *world, uint32_t id)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        if (world->nodes[i].id == id)
            return &world->nodes[i];
    }
    ck_abort_msg("no such node");
    return NULL;
}

struct world_node *world_add_node(struct world *world, uint32_t id)
{
    ck_assert_uint_lt(world->node_count, WORLD_NODES);
    struct world_node *node = &world->nodes[world->node_count++];
    *node = (struct world_node){.id = id,
                                .incarnation = 1,
                                .disk = world_uuid((uint8_t)id),
                                .boot = world_uuid(77),
                                .pid = 1000 + id,
                                .is_full = true};
    node->conn = world_connect(world, WIRE_ROLE_NODE, id, 1);
    return node;
}

/* The copy takes no time, but needs both ends; the joiner's disk is complete before the tail says
 * so (R22). */
static bool joiner_is_synced(struct world *world, const struct world_node *tail, uint32_t chain)
{
    if (!tail->syncs || !tail->is_tail[chain] || tail->is_cut ||
        chain >= cm_core_state(world->core)->chain_count)
        return false;
    const struct plan_row *row = world_row(world, chain);
    if (row->joiner.node == 0 || row->epoch != tail->epochs[chain])
        return false;
    struct world_node *joiner = world_node(world, row->joiner.node);
    if (joiner->conn == 0 || joiner->is_cut || joiner->incarnation != row->joiner.incarnation ||
        joiner->epochs[chain] != row->epoch || !joiner->in_chain[chain])
        return false;
    joiner->is_complete[chain] = true;
    joiner->is_unfit[chain] = false;
    joiner->applied[chain] = tail->applied[chain];
    joiner->committed[chain] = tail->committed[chain];
    joiner->digests[chain] = tail->digests[chain];
    return true;
}

void world_beat(struct world *world, struct world_node *node)
{
    struct wire_chain_report reports[WORLD_CHAINS];
    struct wire_link_report links[WORLD_CHAINS];
    uint32_t reports_count = 0;
    uint32_t links_count = 0;
    const struct cm_state *state = cm_core_state(world->core);
    for (uint32_t i = 0; i < WORLD_CHAINS; i++) {
        if (node->epochs[i] == 0)
            continue;
        uint32_t flags = joiner_is_synced(world, node, i) ? WIRE_REPORT_SYNCED : 0;
        if (node->is_drained[i] && !node->never_drains)
            flags |= WIRE_REPORT_DRAINED;
        if (!node->in_chain[i])
            flags |= node->is_complete[i] ? WIRE_REPORT_HOLDS : WIRE_REPORT_SYNCING;
        if (node->is_halted[i])
            flags |= WIRE_REPORT_HALTED;
        if (node->is_damaged[i])
            flags |= WIRE_REPORT_DAMAGED;
        reports[reports_count++] = (struct wire_chain_report){
            .chain = i,
            .epoch = node->epochs[i],
            .applied = {.epoch = node->applied[i] == 0 ? 0 : 1, .lsn = node->applied[i]},
            .committed = node->committed[i],
            .digest = node->digests[i],
            .flags = flags,
            .alarm = slice_of_text(node->is_halted[i] ? "histories differ" : ""),
        };
        if (node->accuses != 0 && i < state->chain_count && node->in_chain[i])
            links[links_count++] = (struct wire_link_report){
                .chain = i, .epoch = node->epochs[i], .peer = node->accuses, .silent_ms = 500};
    }
    char address[64];
    text_format(address, sizeof address, "host%u:7000", node->id);
    struct wire_message message = {.type = WIRE_HEARTBEAT};
    message.u.heartbeat = (struct wire_heartbeat){
        .node = node->id,
        .incarnation = node->incarnation,
        .disk = node->disk,
        .boot = node->boot,
        .address = slice_of_text(address),
        .weight = 1,
        .pid = node->pid,
        .beat = ++node->beat,
        .map_version = node->map_version,
        .full_report = node->is_full,
        .chains = reports,
        .chains_count = reports_count,
        .links = links,
        .links_count = links_count,
        .echo = node->challenge,
        .is_full = node->has_no_space,
    };
    node->is_beat_due = false;
    world_step(world, &(struct cm_event){
                          .kind = CM_EVENT_RECEIVE, .conn = node->conn, .message = &message});
}

void world_kill(struct world *world, uint32_t id)
{
    struct world_node *node = world_node(world, id);
    uint64_t conn = node->conn;
    world_say(world, "* kill node %u", id);
    node->conn = 0;
    node->lease_until_us = 0;
    memset(node->is_tail, 0, sizeof node->is_tail);
    if (conn != 0)
        world_disconnect(world, conn);
}

void world_restart(struct world *world, uint32_t id)
{
    struct world_node *node = world_node(world, id);
    node->incarnation++;
    node->pid += 100;
    node->is_full = true;
    node->challenge = 0;
    node->page = 0;
    node->map_version = 0;
    node->last_lease = false;
    node->last_err = ERR_OK;
    node->lease_until_us = 0;
    memset(node->in_chain, 0, sizeof node->in_chain);
    memset(node->is_tail, 0, sizeof node->is_tail);
    memset(node->is_drained, 0, sizeof node->is_drained);
    world_say(world, "* start node %u incarnation %llu", id, (unsigned long long)node->incarnation);
    node->conn = world_connect(world, WIRE_ROLE_NODE, id, node->incarnation);
    world_beat(world, node);
}

void world_obituary(struct world *world, uint32_t id)
{
    struct world_node *node = world_node(world, id);
    uint64_t conn = world_connect(world, WIRE_ROLE_NODE, id, node->incarnation);
    struct wire_message message = {.type = WIRE_OBITUARY};
    message.u.obituary =
        (struct wire_obituary){.request = 1, .node = id, .incarnation = node->incarnation};
    world_step(world,
               &(struct cm_event){.kind = CM_EVENT_RECEIVE, .conn = conn, .message = &message});
    world_disconnect(world, conn);
}

void world_refuse(struct world *world, uint32_t id)
{
    world_step(world, &(struct cm_event){.kind = CM_EVENT_NODE_REFUSED, .id = id});
}

void world_run(struct world *world, uint64_t us)
{
    for (uint64_t gone_us = 0; gone_us < us; gone_us += 10000) {
        world->grid_us += 10000;
        world->now_us = world->grid_us > world->now_us ? world->grid_us : world->now_us;
        bool is_beat = world->grid_us % world->options.heartbeat_us == 0;
        for (uint32_t i = 0; is_beat && i < world->node_count; i++) {
            if (world->nodes[i].conn != 0 && !world->nodes[i].is_mute && !world->nodes[i].is_cut)
                world_beat(world, &world->nodes[i]);
        }
        for (int ticks = 0; ticks < 20 && cm_core_deadline_us(world->core) <= world->now_us;
             ticks++)
            world_step(world, &(struct cm_event){.kind = CM_EVENT_TICK});
    }
}

/* ---- requests ---- */

void world_admin(struct world *world, uint64_t conn, enum wire_admin_op op, uint64_t a, uint64_t b,
                 const char *name, uint64_t nonce)
{
    world_admin_payload(world, conn, op, a, b, name, nonce, NULL);
}

void world_admin_payload(struct world *world, uint64_t conn, enum wire_admin_op op, uint64_t a,
                         uint64_t b, const char *name, uint64_t nonce, struct buf *payload)
{
    wire_message_release(&world->last_reply);
    memset(&world->last_reply, 0, sizeof world->last_reply);
    struct wire_message message = {.type = WIRE_ADMIN, .payload = payload};
    message.u.admin = (struct wire_admin){.request = 42,
                                          .op = (uint32_t)op,
                                          .a = a,
                                          .b = b,
                                          .name = slice_of_text(name),
                                          .text = slice_of_text(name),
                                          .nonce = nonce,
                                          .wall_ms = 5};
    world_step(world,
               &(struct cm_event){.kind = CM_EVENT_RECEIVE, .conn = conn, .message = &message});
}

enum err world_reply_err(const struct world *world)
{
    if (world->last_reply.type == WIRE_REFUSED)
        return (enum err)world->last_reply.u.refused.err;
    ck_assert_msg(world->last_reply.type == WIRE_ADMIN_REPLY, "no answer yet");
    return (enum err)world->last_reply.u.admin_reply.err;
}

void world_start(struct world *world, uint32_t nodes, uint32_t chains)
{
    world_become_leader(world);
    for (uint32_t i = 1; i <= nodes; i++)
        world_add_node(world, i);
    world_run(world, 500000);
    uint64_t conn = world_connect(world, WIRE_ROLE_CLIENT, 0, 0);
    world_admin(world, conn, WIRE_ADMIN_INIT_CHAINS, chains, 3, "", 1);
    ck_assert_int_eq(world_reply_err(world), ERR_OK);
    world_run(world, 1500000);
    text_clear(&world->story);
}

const struct plan_row *world_row(const struct world *world, uint32_t chain)
{
    const struct cm_state *state = cm_core_state(world->core);
    ck_assert_uint_lt(chain, state->chain_count);
    return &state->chains[chain].active;
}

const char *world_members(const struct world *world, uint32_t chain, char *out, size_t size)
{
    const struct plan_row *row = world_row(world, chain);
    struct text text;
    text_init(&text);
    for (uint32_t i = 0; i < row->members_count; i++)
        text_append(&text, "%s%u", i == 0 ? "" : " ", row->members[i].node);
    if (row->joiner.node != 0)
        text_append(&text, " +%u", row->joiner.node);
    text_format(out, size, "%s", text_cstr(&text));
    text_release(&text);
    return out;
}

/* ---- golden stories ---- */

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    char *text = calloc(1, 1 << 20);
    size_t length = fread(text, 1, (1 << 20) - 1, file);
    text[length] = 0;
    fclose(file);
    return text;
}

void world_expect_golden(struct world *world, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/golden/%s.txt", CM_CORE_TEST_DIRECTORY, name);
    if (getenv("CATENA_GOLDEN_REWRITE") != NULL) {
        FILE *file = fopen(path, "wb");
        ck_assert_ptr_nonnull(file);
        fwrite(text_cstr(&world->story), 1, world->story.length, file);
        fclose(file);
        return;
    }
    char *wanted = read_whole(path);
    ck_assert_msg(wanted != NULL, "%s is missing: run with CATENA_GOLDEN_REWRITE=1", path);
    ck_assert_str_eq(text_cstr(&world->story), wanted);
    free(wanted);
}
