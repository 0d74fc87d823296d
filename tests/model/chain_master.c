/* The master of the chain model: rows by the shipped planner, leases and removals by R28-R31. */
#include <string.h>

#include "tests/model/chain.h"
#include "tests/model/mix.h"

static const uint64_t lease_ms = 1000000000000u;

static struct wire_member member(uint8_t node, uint8_t incarnation)
{
    return (struct wire_member){.node = node, .incarnation = incarnation};
}

static void expand(const struct small_row *small, struct plan_row *row)
{
    *row = (struct plan_row){
        .chain = CHAIN,
        .epoch = small->epoch,
        .version = small->version,
        .members_count = small->members_count,
        .joiner = member(small->joiner, small->joiner_incarnation),
        .frozen = small->frozen,
        .write_floor = 1,
        .replicas = NODES,
        .serving_count = small->serving_count,
    };
    for (unsigned i = 0; i < NODES; i++) {
        row->members[i] = member(small->members[i], small->incarnations[i]);
        row->serving[i] = member(small->serving[i], small->serving_incarnations[i]);
    }
}

static void shrink(const struct plan_row *row, struct small_row *small)
{
    INVARIANT(row->members_count <= NODES && row->serving_count <= NODES && row->epoch < 255);
    *small = (struct small_row){
        .epoch = (uint8_t)row->epoch,
        .members_count = (uint8_t)row->members_count,
        .serving_count = (uint8_t)row->serving_count,
        .joiner = (uint8_t)row->joiner.node,
        .joiner_incarnation = (uint8_t)row->joiner.incarnation,
        .frozen = row->frozen,
    };
    for (unsigned i = 0; i < row->members_count; i++) {
        small->members[i] = (uint8_t)row->members[i].node;
        small->incarnations[i] = (uint8_t)row->members[i].incarnation;
    }
    for (unsigned i = 0; i < row->serving_count; i++) {
        small->serving[i] = (uint8_t)row->serving[i].node;
        small->serving_incarnations[i] = (uint8_t)row->serving[i].incarnation;
    }
}

bool row_has(const struct small_row *row, uint32_t node, uint64_t incarnation)
{
    for (unsigned i = 0; i < row->members_count; i++)
        if (row->members[i] == node && row->incarnations[i] == incarnation)
            return true;
    return false;
}

static void publish(const struct small_row *row)
{
    struct master *master = &world->master;
    master->active = *row;
    master->active.version = ++master->version;
    master->decided = (struct small_row){0};
    INVARIANT(master->version < ROWS_KEPT);
    master->rows[master->version] = master->active;
}

void master_begin(void)
{
    struct master *master = &world->master;
    struct small_row row = {.epoch = 1, .members_count = (uint8_t)chain_settings.length};
    for (unsigned i = 0; i < chain_settings.length; i++) {
        row.members[i] = row.serving[i] = (uint8_t)(i + 1);
        row.incarnations[i] = row.serving_incarnations[i] = 1;
    }
    row.serving_count = row.members_count;
    publish(&row);
    master->joins_left = (uint8_t)chain_settings.joins;
    for (unsigned node = 1; node <= NODES; node++)
        master->nodes[node].pushed = master->version;
}

static void hear_report(uint32_t node, const struct wire_chain_report *report)
{
    struct master *master = &world->master;
    struct known_node *known = &master->nodes[node];
    known->holds = (report->flags & WIRE_REPORT_HOLDS) != 0;
    known->is_syncing = (report->flags & WIRE_REPORT_SYNCING) != 0;
    if ((report->flags & WIRE_REPORT_SYNCED) != 0) {
        master->synced_epoch = (uint8_t)report->epoch;
        master->synced_node = (uint8_t)node;
    }
    if ((report->flags & WIRE_REPORT_HALTED) != 0)
        model_violation("node %u halted the chain", node);
}

/* R28: a member whose removal is decided gets none, whatever it says. */
static bool may_have_lease(const struct node *node)
{
    const struct master *master = &world->master;
    bool is_leaving = master->decided.epoch != 0 &&
                      row_has(&master->active, node->id, node->incarnation) &&
                      !row_has(&master->decided, node->id, node->incarnation);
    return !is_leaving || PLANTED(R28_LEASE_AFTER_DECISION);
}

struct wire_beat_reply master_hear(const struct node *node, const struct wire_heartbeat *beat)
{
    struct known_node *known = &world->master.nodes[node->id];
    if (known->incarnation != node->incarnation) {
        known->holds = false;
        known->is_syncing = false;
        known->incarnation = (uint8_t)node->incarnation;
        known->pushed = world->master.version;
        known->is_decided_sent = false;
    }
    known->is_alive = true;
    for (uint32_t i = 0; i < beat->chains_count; i++)
        hear_report(node->id, &beat->chains[i]);
    return (struct wire_beat_reply){
        .beat = beat->beat,
        .incarnation = beat->incarnation,
        .lease = may_have_lease(node),
        .lease_ms = lease_ms,
        .lease_map_version = world->master.version,
    };
}

void master_died(uint32_t node)
{
    struct known_node *known = &world->master.nodes[node];
    known->is_alive = false;
    known->holds = false;
    known->is_syncing = false;
    known->dead_through = known->incarnation;
    known->is_decided_sent = false;
}

/* ---- planning ---- */

static void fill(struct plan_input *input, struct plan_row *active, struct plan_row *decided,
                 struct plan_node *known, uint32_t *candidates)
{
    const struct master *master = &world->master;
    expand(&master->active, active);
    *input = (struct plan_input){
        .active = active,
        .nodes = known,
        .nodes_count = NODES,
        .candidates = candidates,
        .grace_is_over = true,
        .write_floor = 1,
        .replicas = NODES,
    };
    if (master->decided.epoch != 0) {
        expand(&master->decided, decided);
        input->decided = decided;
    }
    for (uint32_t i = 0; i < NODES; i++) {
        const struct known_node *node = &master->nodes[i + 1];
        known[i] = (struct plan_node){
            .node = i + 1,
            .incarnation = node->incarnation,
            .is_alive = node->is_alive,
            .holds = node->holds,
            .is_syncing = node->is_syncing,
            .dead_through = node->dead_through,
        };
        if (node->is_alive)
            candidates[input->candidates_count++] = i + 1;
    }
    if (master->synced_epoch != 0) { /* of whichever epoch: the planner's to judge (R22) */
        uint8_t incarnation = master->nodes[master->synced_node].incarnation;
        input->synced.sender = member(master->synced_node, incarnation);
        input->synced.epoch = master->synced_epoch;
    }
}

enum plan_kind master_plan(struct plan_step *ret_step)
{
    struct plan_input input;
    struct plan_row active;
    struct plan_row decided;
    struct plan_node known[NODES];
    uint32_t candidates[NODES];
    fill(&input, &active, &decided, known, candidates);
    plan_next(&input, ret_step);
    const char *why;
    if (!plan_validate(&input, ret_step, &why))
        model_violation("the planner's step %s is illegal: %s", plan_kind_name(ret_step->kind),
                        why);
    if (ret_step->kind == PLAN_ADD_JOINER && world->master.joins_left == 0 && !world->is_ending)
        return PLAN_NONE;
    return ret_step->kind;
}

static void decide(const struct plan_row *row)
{
    struct master *master = &world->master;
    shrink(row, &master->decided);
    for (unsigned i = 0; i < master->active.members_count; i++) {
        uint8_t node = master->active.members[i];
        struct known_node *known = &master->nodes[node];
        bool is_running =
            nodes[node]->core != NULL && nodes[node]->incarnation == master->active.incarnations[i];
        if (!is_running || row_has(&master->decided, node, master->active.incarnations[i]))
            continue;
        known->is_decided_sent = true;
        known->decided = master->decided;
    }
}

void master_step(void)
{
    struct plan_step step;
    enum plan_kind kind = master_plan(&step);
    INVARIANT(kind != PLAN_NONE);
    chain_tell("master: %s epoch %llu", plan_kind_name(kind), (unsigned long long)step.row.epoch);
    if (kind == PLAN_REMOVE || kind == PLAN_RESTART) {
        decide(&step.row);
        return;
    }
    /* R29: the wait is over for each of them at once. */
    for (uint32_t i = 0; kind == PLAN_ACTIVATE && i < step.fences_count; i++)
        if (nodes[step.fences[i].node]->incarnation == step.fences[i].incarnation &&
            !PLANTED(R29_NO_WAIT))
            node_expire_lease(step.fences[i].node);
    if (kind == PLAN_ADD_JOINER && world->master.joins_left > 0)
        world->master.joins_left--;
    struct small_row row;
    shrink(&step.row, &row);
    publish(&row);
}

bool master_may_suspect(uint32_t node)
{
    const struct master *master = &world->master;
    return master->decided.epoch == 0 && master->active.members_count > 1 &&
           master->nodes[node].is_alive &&
           row_has(&master->active, node, master->nodes[node].incarnation);
}

void master_suspect(uint32_t node)
{
    world->master.nodes[node].is_alive = false;
    struct plan_step step;
    if (master_plan(&step) == PLAN_REMOVE)
        master_step();
}

/* ---- messages to nodes ---- */

static void row_to_wire(const struct small_row *small, struct plan_row *row,
                        struct wire_row *ret_wire)
{
    expand(small, row);
    *ret_wire = plan_row_to_wire(row);
}

void master_push(uint32_t id, bool is_newest)
{
    const struct master *master = &world->master;
    uint64_t version = nodes[id]->core->map_version + 1;
    if (version < master->nodes[id].pushed)
        version = master->nodes[id].pushed;
    if (is_newest)
        version = master->version;
    struct plan_row row;
    struct wire_row wire;
    row_to_wire(&master->rows[version], &row, &wire);
    struct wire_node_info infos[NODES];
    for (uint32_t i = 0; i < NODES; i++)
        infos[i] = (struct wire_node_info){.node = i + 1,
                                           .incarnation = master->nodes[i + 1].incarnation,
                                           .address = slice_of_text("a")};
    struct wire_bucket_info bucket = {
        .bucket = BUCKET, .name = slice_of_text("b"), .state = WIRE_BUCKET_ACTIVE};
    struct wire_message message = {.type = WIRE_CONFIG};
    message.u.config = (struct wire_config){
        .version = version,
        .cluster = {.bytes = {1}},
        .chain_count = 1,
        .replicas = NODES,
        .rows = &wire,
        .rows_count = 1,
        .nodes = infos,
        .nodes_count = NODES,
        .buckets = &bucket,
        .buckets_count = 1,
    };
    struct cn_event event = {.kind = CN_EVENT_RECEIVE_MASTER, .message = &message};
    node_event(id, &event);
}

void master_send_decided(uint32_t id)
{
    struct known_node *known = &world->master.nodes[id];
    known->is_decided_sent = false;
    struct plan_row row;
    struct wire_message message = {.type = WIRE_DECIDED};
    row_to_wire(&known->decided, &row, &message.u.decided.row);
    struct cn_event event = {.kind = CN_EVENT_RECEIVE_MASTER, .message = &message};
    node_event(id, &event);
}

/* ---- fingerprint ---- */

static uint64_t mix_row(uint64_t hash, const struct small_row *row)
{
    hash = mix(hash, row->epoch | (uint64_t)row->version << 8 | (uint64_t)row->joiner << 16 |
                         (uint64_t)row->joiner_incarnation << 24 |
                         (uint64_t)row->members_count << 32 | (row->frozen ? 1ull << 40 : 0));
    uint64_t word = 0;
    for (unsigned i = 0; i < row->members_count; i++)
        word = word << 16 | (uint64_t)row->members[i] << 8 | row->incarnations[i];
    return mix(hash, word);
}

uint64_t master_fingerprint(uint64_t hash)
{
    const struct master *master = &world->master;
    hash = mix_row(mix_row(hash, &master->active), &master->decided);
    hash = mix(hash, master->version | (uint64_t)master->joins_left << 8);
    hash = mix(hash, master->synced_epoch | (uint64_t)master->synced_node << 8);
    uint64_t oldest = master->version;
    for (unsigned node = 1; node <= NODES; node++) {
        const struct known_node *known = &master->nodes[node];
        hash =
            mix(hash, known->incarnation | (uint64_t)known->dead_through << 8 |
                          (uint64_t)known->is_alive << 16 | (uint64_t)known->holds << 17 |
                          (uint64_t)known->is_syncing << 18 |
                          (uint64_t)known->is_decided_sent << 19 | (uint64_t)known->pushed << 24);
        if (known->is_decided_sent)
            hash = mix_row(hash, &known->decided);
        uint64_t has = nodes[node]->core == NULL ? master->version : nodes[node]->core->map_version;
        oldest = has < oldest ? has : oldest;
    }
    /* Older rows that a node may still be told. */
    for (uint64_t version = oldest + 1; version < master->version; version++)
        hash = mix_row(hash, &master->rows[version]);
    return hash;
}
