/* Failure detector: leader-local, never replicated. It turns evidence into one verdict per node.
 *
 * Evidence against a node: its supervisor's obituary (proof, D6), silence, a refused connection
 * while it has none to us, and the complaints of two or more chain neighbours. For it: heartbeats.
 * A verdict is not a proof of death: what waits for proof asks cm_dead_through() and
 * cm_lease_end_us(). */
#include "base/buf.h"
#include "base/contract.h"
#include "base/planted.h"
#include "config_master/core/leader.h"

struct cm_live *cm_live(struct cm_core *core, uint32_t node)
{
    return map_get(&core->lives, node);
}

struct cm_live *cm_live_add(struct cm_core *core, uint32_t node)
{
    struct cm_live *live = map_get(&core->lives, node);
    if (live != NULL || core->lives.count >= (size_t)2 * BOUND_NODES)
        return live;
    live = mem_calloc(1, sizeof *live);
    live->node = node;
    map_put(&core->lives, node, live);
    return live;
}

uint64_t cm_with_drift(const struct cm_core *core, uint64_t us)
{
    return us + us * core->options.drift_ppm / 1000000 + 1;
}

void cm_detector_reset(struct cm_core *core)
{
    size_t cursor = 0;
    struct cm_live *live;
    while ((live = map_next(&core->lives, &cursor, NULL)) != NULL) {
        /* The obituary is a fact about a process that is gone, whoever leads. */
        struct cm_live kept = {.node = live->node, .obituary = live->obituary};
        const struct cm_node *node = cm_state_node(core->state, live->node);
        *live = kept;
        live->was_alive = node != NULL && node->state == WIRE_NODE_ALIVE;
    }
    core->accusation_count = 0;
    for (uint32_t i = 0; i < CM_BAD_LINKS; i++)
        core->link_learnt_us[i] = core->since_us;
    core->grace_until_us = core->since_us + cm_with_drift(core, core->options.lease_us);
}

/* Whether the newest registered incarnation of that node is believed to be alive. */
static bool judge(const struct cm_core *core, const struct cm_node *node,
                  const struct cm_live *live, bool is_tick)
{
    PRE(live != NULL);
    if (live->obituary == node->incarnation || live->refused || live->accused)
        return false;
    if (live->beat_us == 0 || live->incarnation != node->incarnation)
        return live->was_alive && core->now_us < core->grace_until_us;
    bool is_silent = core->now_us >= live->beat_us + core->options.silence_us;
    if (!is_silent)
        return true;
    /* Only a tick, which comes after every message that was there, and no pause of our own, makes
     * silence a verdict. */
    return live->was_alive && (!is_tick || core->now_us < core->grace_until_us);
}

bool cm_is_alive(const struct cm_core *core, uint32_t node)
{
    const struct cm_live *live = map_get(&core->lives, node);
    const struct cm_node *known = cm_state_node(core->state, node);
    return known != NULL && (live == NULL ? known->state == WIRE_NODE_ALIVE : live->was_alive);
}

static const char *why_dead(const struct cm_core *core, const struct cm_node *node,
                            const struct cm_live *live)
{
    if (live->obituary == node->incarnation)
        return "obituary";
    if (live->refused)
        return "refused";
    if (live->accused)
        return "accused";
    return core->now_us >= core->grace_until_us || live->beat_us != 0 ? "silent" : "unknown";
}

/* Who fails often waits longer before it is given work again (checklist 16). */
static uint64_t readmit_delay_us(const struct cm_core *core, uint32_t failures)
{
    uint64_t delay_us = core->options.readmit_min_us;
    for (uint32_t i = 1; i < failures && delay_us < core->options.readmit_max_us; i++)
        delay_us *= 2;
    return delay_us < core->options.readmit_max_us ? delay_us : core->options.readmit_max_us;
}

static void count_failure(struct cm_core *core, struct cm_live *live)
{
    uint64_t up_us = core->now_us - live->alive_since_us;
    /* It has behaved for long enough. */
    if (live->alive_since_us != 0 && up_us > 10 * readmit_delay_us(core, live->failures))
        live->failures = 0;
    if (live->failures < 32)
        live->failures++;
}

static void count_return(struct cm_core *core, struct cm_live *live)
{
    live->alive_since_us = core->now_us;
    if (live->failures == 0)
        return;
    live->readmit_us = core->now_us + readmit_delay_us(core, live->failures);
    if (live->readmit_us < core->plan_wake_us)
        core->plan_wake_us = live->readmit_us;
}

void cm_live_begin(struct cm_live *live, uint64_t incarnation)
{
    if (live->incarnation == incarnation)
        return;
    if (live->lease_end_us > live->older_lease_end_us)
        live->older_lease_end_us = live->lease_end_us;
    live->lease_end_us = 0;
    live->incarnation = incarnation;
    live->is_reported = false;
    live->map_version = 0;
    live->echo = 0;
}

/* Complaints about, and by, a process that is gone say nothing about the one that follows it. */
static void forget_accusations(struct cm_core *core, uint32_t node)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < core->accusation_count; i++) {
        struct cm_accusation one = core->accusations[i];
        if (one.from != node && one.to != node)
            core->accusations[kept++] = one;
    }
    core->accusation_count = kept;
}

void cm_detector_registered(struct cm_core *core, const struct cm_node *node)
{
    struct cm_live *live = cm_live_add(core, node->id);
    forget_accusations(core, node->id);
    if (live == NULL || live->obituary == node->incarnation)
        return;
    if (live->was_alive)
        count_failure(core, live); /* it was gone too short a time to be missed */
    cm_live_begin(live, node->incarnation);
    live->pretender = (struct cm_pretender){0};
    live->beat_us = core->now_us;
    live->refused = false;
    live->accused = false;
    live->was_alive = true;
    count_return(core, live);
}

/* Two or more neighbours complain about it, and it about fewer: it is the slow one (checklist 43).
 * A single cut link accuses each end once and is the planner's to decide (checklist 14). */
static void judge_accused(struct cm_core *core)
{
    size_t cursor = 0;
    struct cm_live *live;
    while ((live = map_next(&core->lives, &cursor, NULL)) != NULL) {
        uint32_t accusers = 0;
        uint32_t accuses = 0;
        for (uint32_t i = 0; i < core->accusation_count; i++) {
            const struct cm_accusation *one = &core->accusations[i];
            if (core->now_us < one->first_us + core->options.silence_us)
                continue;
            accusers += one->to == live->node ? 1 : 0;
            accuses += one->from == live->node ? 1 : 0;
        }
        live->accused = accusers >= 2 && accusers > accuses;
    }
}

static void expire_accusations(struct cm_core *core)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < core->accusation_count; i++) {
        struct cm_accusation one = core->accusations[i];
        if (core->now_us < one.last_us + core->options.silence_us)
            core->accusations[kept++] = one;
    }
    core->accusation_count = kept;
}

void cm_detector_judge_node(struct cm_core *core, const struct cm_node *node, bool is_tick)
{
    struct cm_live *live = cm_live(core, node->id);
    if (live == NULL) {
        live = cm_live_add(core, node->id);
        if (live == NULL)
            return;
        /* The verdict of the leaders before us stands until there is evidence. */
        live->was_alive = node->state == WIRE_NODE_ALIVE;
    }
    bool is_alive = judge(core, node, live, is_tick);
    if (is_alive != live->was_alive) {
        live->was_alive = is_alive;
        if (is_alive) {
            TRACE(&core->options.trace, "node-alive node=%u incarnation=%llu", node->id,
                  (unsigned long long)node->incarnation);
            count_return(core, live);
        } else {
            TRACE(&core->options.trace, "node-down node=%u incarnation=%llu why=%s", node->id,
                  (unsigned long long)node->incarnation, why_dead(core, node, live));
            count_failure(core, live);
        }
        cm_swap_disturbed(core);
        cm_planner_mark_node(core, node->id);
        cm_planner_mark_short(core);
    }
    enum wire_node_state wanted = is_alive ? WIRE_NODE_ALIVE : WIRE_NODE_DOWN;
    if (node->state != wanted && live->state_proposal == 0)
        core->nodes_dirty = true;
}

void cm_detector_judge(struct cm_core *core, bool is_tick)
{
    PRE(core->is_leader);
    if (is_tick && core->accusation_count > 0) {
        expire_accusations(core);
        judge_accused(core);
        for (uint32_t i = 0; i < core->accusation_count; i++) {
            if (cm_link_is_cut(core, core->accusations[i].from, core->accusations[i].to))
                cm_planner_mark_node(core, core->accusations[i].to);
        }
    }
    for (uint32_t i = 0; i < core->state->node_count; i++)
        cm_detector_judge_node(core, core->state->nodes[i], is_tick);
}

void cm_detector_refused(struct cm_core *core, uint32_t node)
{
    struct cm_live *live = cm_live(core, node);
    if (!core->is_leader || cm_state_node(core->state, node) == NULL)
        return;
    if (live == NULL)
        live = cm_live_add(core, node);
    /* Its own connection to us says more than its host's refusal. */
    if (live == NULL || live->conn != 0)
        return;
    live->refused = true;
    cm_detector_judge_node(core, cm_state_node(core->state, node), false);
}

void cm_detector_disconnected(struct cm_core *core, uint32_t node, uint64_t conn)
{
    struct cm_live *live = cm_live(core, node);
    const struct cm_node *known = cm_state_node(core->state, node);
    if (live == NULL || live->conn != conn)
        return;
    live->conn = 0;
    if (!core->is_leader || known == NULL || !live->was_alive)
        return;
    struct cm_effect *effect = cm_emit(core, CM_EFFECT_PROBE);
    effect->id = node;
    effect->address = slice_of_text(known->address);
}

void cm_detector_obituary(struct cm_core *core, uint64_t conn, const struct wire_obituary *obituary)
{
    cm_emit_message(core, conn, WIRE_OBITUARY_REPLY)->u.obituary_reply.request = obituary->request;
    if (cm_state_node(core->state, obituary->node) == NULL)
        return;
    struct cm_live *live = cm_live_add(core, obituary->node);
    if (live == NULL || obituary->incarnation <= live->obituary)
        return;
    TRACE(&core->options.trace, "obituary node=%u incarnation=%llu", obituary->node,
          (unsigned long long)obituary->incarnation);
    live->obituary = obituary->incarnation;
    /* A refused connection may have come first: then the removal is decided already and waits for a
     * lease that this proof ends. */
    cm_planner_mark_node(core, obituary->node);
}

/* Neighbours in the active row, or its tail and its joiner. */
static bool are_neighbours(const struct plan_row *row, uint32_t a, uint32_t b)
{
    for (uint32_t i = 0; i < row->members_count; i++) {
        uint32_t next = i + 1 < row->members_count ? row->members[i + 1].node : row->joiner.node;
        uint32_t one = row->members[i].node;
        if (next != 0 && ((one == a && next == b) || (one == b && next == a)))
            return true;
    }
    return false;
}

static bool names_registered_process(const struct cm_core *core, const struct plan_row *row,
                                     uint32_t peer)
{
    const struct cm_node *known = cm_state_node(core->state, peer);
    struct wire_member member = {.node = peer,
                                 .incarnation = known == NULL ? 0 : known->incarnation};
    return cm_member_equal(row->joiner, member) ||
           cm_member_find(row->members, row->members_count, member) < row->members_count;
}

void cm_detector_accuse(struct cm_core *core, uint32_t from, const struct wire_link_report *report)
{
    if (report->chain >= core->state->chain_count)
        return;
    const struct plan_row *row = &core->state->chains[report->chain].active;
    /* A member that halted the chain is silent in it by intention (R27). */
    if (cm_chain_is_halted(core, report->chain))
        return;
    /* What was said about another epoch says nothing about this one. */
    if (report->epoch != row->epoch || !are_neighbours(row, from, report->peer))
        return;
    /* Nor does what is said about a process that is gone say anything about the one that came after
     * it: that one has no role in this row and answers nobody (R4). It would never be taken for
     * alive, could not start its chain again (R33), and the complaints would never end. */
    if (!names_registered_process(core, row, report->peer))
        return;
    for (uint32_t i = 0; i < core->accusation_count; i++) {
        struct cm_accusation *one = &core->accusations[i];
        if (one->from == from && one->to == report->peer) {
            one->last_us = core->now_us;
            return;
        }
    }
    if (core->accusation_count == CM_ACCUSATIONS)
        return;
    TRACE(&core->options.trace, "link-reported from=%u to=%u chain=%u refused=%d", from,
          report->peer, report->chain, report->refused ? 1 : 0);
    core->accusations[core->accusation_count++] = (struct cm_accusation){
        .from = from, .to = report->peer, .first_us = core->now_us, .last_us = core->now_us};
    const struct cm_live *peer = cm_live(core, report->peer);
    const struct cm_node *known = cm_state_node(core->state, report->peer);
    if (report->refused && known != NULL && peer != NULL && peer->conn == 0) {
        struct cm_effect *effect = cm_emit(core, CM_EFFECT_PROBE);
        effect->id = report->peer;
        effect->address = slice_of_text(known->address);
    }
}

bool cm_link_is_cut(const struct cm_core *core, uint32_t a, uint32_t b)
{
    for (uint32_t i = 0; i < core->accusation_count; i++) {
        const struct cm_accusation *one = &core->accusations[i];
        bool same = (one->from == a && one->to == b) || (one->from == b && one->to == a);
        if (!same)
            continue;
        /* The accused must have been heard well after the complaint began: else it is dead, not
         * cut off, and the living end must not be the one that goes. */
        const struct cm_live *accused = map_get(&core->lives, one->to);
        if (accused != NULL && accused->was_alive &&
            accused->beat_us >= one->first_us + core->options.silence_us)
            return true;
    }
    return false;
}

bool cm_link_is_remembered(const struct cm_core *core, uint32_t a, uint32_t b)
{
    const struct cm_bad_link *link = cm_state_bad_link(core->state, a, b);
    if (link == NULL || PLANTED(R35_LINK_FORGOTTEN))
        return false;
    /* Times are not replicated: after a change of leader the delay begins again. */
    uint64_t delay_us = readmit_delay_us(core, link->strikes);
    return core->now_us < core->link_learnt_us[link - core->state->bad_links] + delay_us;
}

uint64_t cm_lease_end_us(const struct cm_core *core, struct wire_member member)
{
    /* R31: what the leaders before us granted has run out by then. */
    uint64_t end_us = core->since_us +
                      cm_with_drift(core, core->options.lease_us + core->options.election_min_us);
    if (PLANTED(R28_NO_WAIT_OF_NEW_LEADER))
        end_us = 0;
    const struct cm_live *live = map_get(&core->lives, member.node);
    if (live == NULL)
        return end_us;
    uint64_t own_us =
        live->incarnation == member.incarnation ? live->lease_end_us : live->older_lease_end_us;
    return own_us > end_us ? own_us : end_us;
}

uint64_t cm_dead_through(const struct cm_core *core, struct wire_member member)
{
    const struct cm_live *live = map_get(&core->lives, member.node);
    const struct cm_node *node = cm_state_node(core->state, member.node);
    if (live != NULL && live->obituary == member.incarnation)
        return member.incarnation;
    return node != NULL && node->dead_below > 0 ? node->dead_below - 1 : 0;
}

uint64_t cm_detector_deadline_us(const struct cm_core *core)
{
    if (!core->is_leader || core->state->node_count == 0)
        return UINT64_MAX;
    return core->last_tick_us + core->options.silence_us / 4;
}
