/* Named points at which a process dies: kill -9 or power, before and after each, in a given role.
 *
 * The stages of the protocol as a driver sees them: a message received or sent, a batch handed to
 * the disk, a batch reported durable. What happens between those inside one step of a core (look
 * the duplicate up, evaluate the condition, give the lsn) is not observable from outside: a crash
 * there is the crash before the step. */
#include "base/contract.h"
#include "base/text.h"
#include "tests/sim/ledger.h"
#include "tests/sim/workload.h"

enum { ARMED_US = 3000000, COUNTDOWN_MAX = 12 };

enum who { NODES, MASTERS };

/* Bits of roles that can pass it. */
enum {
    H = 1 << LEDGER_HEAD,
    M = 1 << LEDGER_MIDDLE,
    T = 1 << LEDGER_TAIL,
    S = 1 << LEDGER_SINGLE,
    J = 1 << LEDGER_JOINER,
    L = 1 << LEDGER_LEADER,
    F = 1 << LEDGER_FOLLOWER,
    EVERY = H | M | T | S | J,
};

/* What a PUT, DELETE or FORWARD is about, where that matters. */
enum about { ANYTHING, OPENING, PART, COMPLETION, RESTAMP, CLOSING };

struct point {
    enum who who;
    enum sim_way way;
    enum wire_type type;
    unsigned roles;
};

static const struct point points[] = {
    /* Put: body staged, looked up, sequenced; stored, durable; forwarded; marked; acknowledged. */
    {NODES, SIM_RECEIVES, WIRE_STAGE, H | S},
    {NODES, SIM_RECEIVES, WIRE_PUT, H | S},
    {NODES, SIM_RECEIVES, WIRE_DELETE, H | S},
    {NODES, SIM_RECEIVES, WIRE_ABORT, H | S},
    {NODES, SIM_STORES, WIRE_NONE, EVERY},
    {NODES, SIM_STORED, WIRE_NONE, EVERY},
    {NODES, SIM_SENDS, WIRE_FORWARD, H | M | T | S},
    {NODES, SIM_RECEIVES, WIRE_FORWARD, M | T | J},
    {NODES, SIM_SENDS, WIRE_MARK, H | M | T | S},
    {NODES, SIM_RECEIVES, WIRE_MARK, M | T | J},
    {NODES, SIM_SENDS, WIRE_ACK, M | T | J},
    {NODES, SIM_RECEIVES, WIRE_ACK, H | M | T | S},
    {NODES, SIM_SENDS, WIRE_UPDATED, H | S},
    {NODES, SIM_SENDS, WIRE_REFUSED, EVERY},
    /* Reading and listing. */
    {NODES, SIM_RECEIVES, WIRE_GET, T | S},
    {NODES, SIM_SENDS, WIRE_OBJECT, T | S},
    {NODES, SIM_RECEIVES, WIRE_LIST, T | S},
    {NODES, SIM_SENDS, WIRE_LISTED, T | S},
    /* Role changes: map received, suffix asked and resent, removal told. */
    {NODES, SIM_RECEIVES, WIRE_CONFIG, EVERY},
    {NODES, SIM_RECEIVES, WIRE_DECIDED, H | M | T | J},
    {NODES, SIM_RECEIVES, WIRE_BEAT_REPLY, EVERY},
    {NODES, SIM_SENDS, WIRE_HEARTBEAT, EVERY},
    {NODES, SIM_SENDS, WIRE_ROW_ASK, H | M | T | J},
    {NODES, SIM_RECEIVES, WIRE_ROW_ASK, EVERY},
    {NODES, SIM_SENDS, WIRE_ROWS, EVERY},
    {NODES, SIM_RECEIVES, WIRE_ROWS, EVERY},
    /* Join. */
    {NODES, SIM_SENDS, WIRE_SYNC_BEGIN, T | S},
    {NODES, SIM_RECEIVES, WIRE_SYNC_BEGIN, J},
    {NODES, SIM_SENDS, WIRE_SYNC_ITEMS, T | S},
    {NODES, SIM_RECEIVES, WIRE_SYNC_ITEMS, J},
    {NODES, SIM_SENDS, WIRE_SYNC_ACK, J},
    {NODES, SIM_RECEIVES, WIRE_SYNC_ACK, T | S},
    /* Masters: report received, proposed, appended, committed, pushed, snapshot, leadership lost.
     */
    {MASTERS, SIM_RECEIVES, WIRE_HEARTBEAT, L},
    {MASTERS, SIM_RECEIVES, WIRE_OBITUARY, L | F},
    {MASTERS, SIM_RECEIVES, WIRE_ADMIN, L | F},
    {MASTERS, SIM_RECEIVES, WIRE_WATCH, L | F},
    {MASTERS, SIM_STORES, WIRE_NONE, L | F},
    {MASTERS, SIM_STORED, WIRE_NONE, L | F},
    {MASTERS, SIM_SENDS, WIRE_RAFT_APPEND, L},
    {MASTERS, SIM_RECEIVES, WIRE_RAFT_APPEND, F},
    {MASTERS, SIM_SENDS, WIRE_RAFT_APPENDED, F},
    {MASTERS, SIM_RECEIVES, WIRE_RAFT_APPENDED, L},
    {MASTERS, SIM_SENDS, WIRE_RAFT_VOTE, F},
    {MASTERS, SIM_RECEIVES, WIRE_RAFT_VOTE, L | F},
    {MASTERS, SIM_SENDS, WIRE_RAFT_VOTED, L | F},
    {MASTERS, SIM_RECEIVES, WIRE_RAFT_VOTED, F},
    {MASTERS, SIM_SENDS, WIRE_RAFT_SNAPSHOT, L},
    {MASTERS, SIM_RECEIVES, WIRE_RAFT_SNAPSHOT, F},
    {MASTERS, SIM_SENDS, WIRE_RAFT_SNAPSHOT_ACK, F},
    {MASTERS, SIM_RECEIVES, WIRE_RAFT_SNAPSHOT_ACK, L},
    {MASTERS, SIM_SENDS, WIRE_RAFT_TIMEOUT_NOW, L},
    {MASTERS, SIM_RECEIVES, WIRE_RAFT_TIMEOUT_NOW, F},
    {MASTERS, SIM_SENDS, WIRE_BEAT_REPLY, L},
    {MASTERS, SIM_SENDS, WIRE_CONFIG, L | F},
    {MASTERS, SIM_SENDS, WIRE_DECIDED, L},
    {MASTERS, SIM_SENDS, WIRE_OBITUARY_REPLY, L},
    {MASTERS, SIM_SENDS, WIRE_ADMIN_REPLY, L | F},
    /* Multipart uploads, in worlds that have them: the last ones of the list. */
    {NODES, SIM_RECEIVES, WIRE_PUT, H | S},
    {NODES, SIM_RECEIVES, WIRE_PUT, H | S},
    {NODES, SIM_RECEIVES, WIRE_PUT, H | S},
    {NODES, SIM_RECEIVES, WIRE_PUT, H | S},
    {NODES, SIM_RECEIVES, WIRE_DELETE, H | S},
    {NODES, SIM_SENDS, WIRE_FORWARD, H | M | T | S},
    {NODES, SIM_RECEIVES, WIRE_FORWARD, M | T | J},
    {NODES, SIM_SENDS, WIRE_FORWARD, H | M | T | S},
    {NODES, SIM_RECEIVES, WIRE_FORWARD, M | T | J},
    {NODES, SIM_RECEIVES, WIRE_FORWARD, M | T | J},
    {NODES, SIM_RECEIVES, WIRE_PARTS_LIST, T | S},
    {NODES, SIM_SENDS, WIRE_PARTS_LISTED, T | S},
};

/* What the last ones are about. */
static const enum about abouts[] = {
    OPENING, PART,       COMPLETION, RESTAMP, CLOSING,  PART,
    PART,    COMPLETION, COMPLETION, CLOSING, ANYTHING, ANYTHING,
};

static enum about about_of(size_t point)
{
    size_t others = ARRAY_COUNT(points) - ARRAY_COUNT(abouts);
    return point < others ? ANYTHING : abouts[point - others];
}

_Static_assert(2 * ARRAY_COUNT(points) <= LEDGER_KILLS_MAX, "the ledger has a line for each");

static enum about about_put(const struct wire_put *put)
{
    static const enum about steps[] = {ANYTHING, OPENING, PART, COMPLETION, RESTAMP};
    return put->step < ARRAY_COUNT(steps) ? steps[put->step] : ANYTHING;
}

static enum about about_forward(const struct wire_forward *forward)
{
    if (forward->kind == WIRE_ENTRY_OPEN)
        return OPENING;
    if (forward->kind == WIRE_ENTRY_PART)
        return PART;
    if (forward->kind == WIRE_ENTRY_CLOSE)
        return CLOSING;
    return forward->kind == WIRE_ENTRY_PUT && forward->part != 0 ? COMPLETION : ANYTHING;
}

static bool is_about(const struct wire_message *message, enum about about)
{
    if (about == ANYTHING || message == NULL)
        return about == ANYTHING;
    if (message->type == WIRE_PUT)
        return about_put(&message->u.put) == about;
    if (message->type == WIRE_FORWARD)
        return about_forward(&message->u.forward) == about;
    return message->type == WIRE_DELETE && about == CLOSING &&
           (message->u.delete.multi_high | message->u.delete.multi_low) != 0;
}

/* Numbers in the ledger: two for each point, before and after. */
const char *kill_point_name(unsigned number)
{
    static const char *const ways[] = {"sends", "receives", "hands a batch to the disk",
                                       "hears that a batch is durable"};
    static const char *const texts[] = {
        "", " of an opening", " of a part", " of a completion", " of a restamp", " of an abort"};
    static char name[80];
    if (number >= 2 * ARRAY_COUNT(points))
        return NULL;
    const struct point *point = &points[number / 2];
    bool has_type = point->type != WIRE_NONE;
    text_format(name, sizeof name, "%s %s%s%s%s, %s", point->who == MASTERS ? "master" : "node",
                ways[point->way], has_type ? " " : "", has_type ? wire_type_name(point->type) : "",
                texts[about_of(number / 2)], number % 2 == 0 ? "before" : "after");
    return name;
}

bool kill_point_is_of_master(unsigned number)
{
    return points[number / 2].who == MASTERS;
}

bool kill_point_is_possible(unsigned number, enum ledger_role role)
{
    return (points[number / 2].roles >> role & 1u) != 0;
}

void kill_points_arm(struct world *world)
{
    struct sim_kill_plan *plan = &world->kill_plan;
    size_t count = ARRAY_COUNT(points) - (multi_is_on(world) ? 0 : ARRAY_COUNT(abouts));
    *plan = (struct sim_kill_plan){
        .is_armed = true,
        .point = (unsigned)world_draw(world, 0, count - 1),
        .is_after = world_once_in(world, 2),
        .any_role = world_once_in(world, 3),
        .chain = (uint32_t)world_draw(world, 0, world->options.chains - 1),
        .with_host = world_once_in(world, 3),
        .until_us = world->now_us + ARMED_US,
    };
    plan->countdown = world_once_in(world, 2) ? 1 : (uint32_t)world_draw(world, 1, COUNTDOWN_MAX);
    do
        plan->role = (unsigned)world_draw(world, 0, LEDGER_ROLES - 1);
    while ((points[plan->point].roles >> plan->role & 1u) == 0);
}

/* The chain that a message is about; of several, or none, the one that the plan looks at. */
static uint32_t chain_of(const struct wire_message *message, uint32_t otherwise)
{
    if (message == NULL)
        return otherwise;
    switch ((int)message->type) {
    case WIRE_PUT:
        return message->u.put.chain;
    case WIRE_DELETE:
        return message->u.delete.chain;
    case WIRE_STAGE:
        return message->u.stage.chain;
    case WIRE_ABORT:
        return message->u.abort.chain;
    case WIRE_GET:
        return message->u.get.chain;
    case WIRE_PARTS_LIST:
        return message->u.parts_list.chain;
    case WIRE_PARTS_LISTED:
        return message->u.parts_listed.chain;
    case WIRE_FORWARD:
        return message->u.forward.chain;
    case WIRE_MARK:
        return message->u.mark.chain;
    case WIRE_ACK:
        return message->u.ack.chain;
    case WIRE_SYNC_BEGIN:
        return message->u.sync_begin.chain;
    case WIRE_SYNC_ITEMS:
        return message->u.sync_items.chain;
    case WIRE_SYNC_ACK:
        return message->u.sync_ack.chain;
    case WIRE_ROW_ASK:
        return message->u.row_ask.chain;
    default:
        return otherwise;
    }
}

bool kill_point(struct sim_process *process, enum sim_way way, const struct wire_message *message,
                enum sim_moment moment)
{
    struct world *world = process->world;
    struct sim_kill_plan *plan = &world->kill_plan;
    if (process->doomed)
        return true;
    if (!plan->is_armed)
        return false;
    const struct point *point = &points[plan->point];
    enum wire_type type = message == NULL ? WIRE_NONE : message->type;
    bool is_node = process->kind == SIM_NODE;
    if (point->way != way || point->type != type || !is_about(message, about_of(plan->point)) ||
        (point->who == NODES) != is_node || plan->is_after != (moment == SIM_AFTER))
        return false;
    if (world->now_us > plan->until_us) {
        plan->is_armed = false;
        return false;
    }
    enum ledger_role role = ledger_role_of(process, chain_of(message, plan->chain));
    if (plan->any_role ? role == LEDGER_OUTSIDE : role != plan->role)
        return false;
    if (--plan->countdown > 0)
        return false;
    plan->is_armed = false;
    unsigned number = 2 * plan->point + (plan->is_after ? 1 : 0);
    world_trace(world, "fault: %s, %s, dies: %s", process->name, ledger_role_name(role),
                kill_point_name(number));
    ledger_kill(world, number, role);
    ledger_fault(world, LEDGER_FAULT_KILL_POINT, process, 2000000);
    process_doom(process, plan->with_host);
    return true;
}
