/* Connections: in order and without loss like TCP, as long as they live; in bad weather they lose,
 * double and reorder messages too, which no core may mind; only puts and deletes of clients do not
 * come twice (cl_core.h).
 *
 * A blocked direction holds its messages; they arrive, late, when it opens again, or the connection
 * ends after a while. A connection that breaks ends for who dialed it, and what was under way comes
 * late: after what follows it on the next connection. */
#include "base/buf.h"
#include "base/contract.h"
#include "tests/sim/sim.h"

enum {
    BLOCKED_MAX_US = 2000000, /* then the connection is given up */
    BLOCKED_LOOK_US = 10000,
    DIAL_TIMEOUT_US = 1000000,
    DEAD_HOST_MIN_US = 500000,
    DEAD_HOST_MAX_US = 3000000,
    REORDER_MAX_US = 30000,
    LATE_MAX_US = 2000000, /* a second copy may come long after: in another epoch */
    BREAK_MAX_US = 600000, /* until who dialed a stalled connection gives it up */
    RECORDED = 256,
    RECORD_ONE_IN = 16,
    REPLAYED_MAX = 8,
};

enum packet_kind { PACKET_HELLO, PACKET_MESSAGE, PACKET_CLOSE };

struct packet {
    struct list_node node;
    enum packet_kind kind;
    uint64_t arrival_us;
    struct wire_message message;
    struct conn *conn; /* for packets outside the order */
    unsigned to;
};

struct side {
    struct sim_process *process;
    uint64_t generation;
    struct wire_hello hello; /* as it was when the connection was made */
    bool is_open;            /* this side has not closed it */
    struct list_node coming; /* packets to this side, by arrival */
    uint64_t last_arrival_us;
    uint64_t stalled_until_us; /* nothing that is sent arrives before */
    uint64_t blocked_since_us;
    bool is_pumping;
};

/* Freed when both sides are closed and nothing is under way. */
struct conn {
    uint64_t id;
    struct side sides[2];
    uint32_t link;    /* of the dialing side */
    uint64_t attempt; /* of that link */
    bool is_accepted; /* the accepting process has seen it */
    bool has_lost;    /* a message */
    uint32_t loose;   /* packets outside the order */
};

static struct conn *conn_find(struct world *world, uint64_t id)
{
    return map_get(&world->conns, id);
}

bool network_is_blocked(const struct world *world, const struct sim_process *from,
                        const struct sim_process *to)
{
    return world->blocked[from->host][to->host];
}

/* Something that travelled to an accepting side. */
struct record {
    struct sim_process *from; /* NULL: free */
    struct sim_process *to;
    uint64_t generation; /* of the sender */
    struct wire_hello hello;
    struct wire_message message;
};

struct network_recorder {
    struct record items[RECORDED];
    uint32_t next;
};

static uint64_t latency(struct world *world, const struct sim_process *from,
                        const struct sim_process *to)
{
    uint64_t us = world_draw(world, world->weather.latency_min_us, world->weather.latency_max_us);
    if (world_once_in(world, 50))
        us *= 4;
    return us + world->clogged_us[from->host][to->host];
}

static void packet_free(struct packet *packet)
{
    wire_message_release(&packet->message);
    mem_free(packet);
}

static void conn_collect(struct world *world, struct conn *conn)
{
    for (unsigned s = 0; s < 2; s++) {
        if (conn->sides[s].is_open || conn->sides[s].is_pumping)
            return;
    }
    if (conn->loose > 0)
        return;
    for (unsigned s = 0; s < 2; s++) {
        while (!list_is_empty(&conn->sides[s].coming)) {
            struct list_node *node = conn->sides[s].coming.next;
            list_remove(node);
            packet_free(CONTAINER_OF(node, struct packet, node));
        }
    }
    (void)map_remove(&world->conns, conn->id);
    mem_free(conn);
}

static struct sim_link *link_of(struct conn *conn)
{
    struct side *dialer = &conn->sides[0];
    if (dialer->process->generation != dialer->generation || !dialer->process->is_up)
        return NULL;
    struct sim_link *link = &dialer->process->links[conn->link];
    return link->attempt == conn->attempt ? link : NULL;
}

/* This side learns that the connection is over. */
static void side_ends(struct conn *conn, unsigned s)
{
    struct side *side = &conn->sides[s];
    if (!side->is_open)
        return;
    side->is_open = false;
    if (s == 0) {
        struct sim_link *link = link_of(conn);
        if (link == NULL)
            return;
        struct sim_item *item = sim_item_new(SIM_ITEM_DOWN);
        item->link = link->peer;
        item->token = conn->attempt;
        process_post(side->process, side->generation, item);
    } else if (conn->is_accepted) {
        struct sim_item *item = sim_item_new(SIM_ITEM_CLOSED);
        item->conn = conn->id;
        process_post(side->process, side->generation, item);
    }
}

static void deliver(struct world *world, struct conn *conn, unsigned to, struct packet *packet)
{
    (void)world;
    struct side *side = &conn->sides[to];
    struct sim_link *link = to == 0 ? link_of(conn) : NULL;
    if (packet->kind == PACKET_CLOSE) {
        side_ends(conn, to);
    } else if (side->is_open && (to == 1 || link != NULL)) {
        struct sim_item *item =
            sim_item_new(packet->kind == PACKET_HELLO ? SIM_ITEM_UP : SIM_ITEM_MESSAGE);
        item->conn = to == 1 ? conn->id : 0;
        item->token = conn->attempt;
        if (link != NULL)
            item->link = link->peer;
        item->hello = conn->sides[1 - to].hello;
        item->message = packet->message;
        packet->message = (struct wire_message){0};
        process_post(side->process, side->generation, item);
    }
    packet_free(packet);
}

static void end_both(struct world *world, struct conn *conn)
{
    side_ends(conn, 0);
    side_ends(conn, 1);
    conn_collect(world, conn);
}

static void pump(struct world *world, void *subject, uint64_t to)
{
    struct conn *conn = subject;
    struct side *side = &conn->sides[to];
    struct side *from = &conn->sides[1 - to];
    side->is_pumping = false;
    if (network_is_blocked(world, from->process, side->process)) {
        if (side->blocked_since_us == 0)
            side->blocked_since_us = world->now_us;
        if (world->now_us - side->blocked_since_us > BLOCKED_MAX_US) {
            end_both(world, conn);
            return;
        }
        side->is_pumping = true;
        world_plan(world, BLOCKED_LOOK_US, pump, conn, to);
        return;
    }
    side->blocked_since_us = 0;
    while (!list_is_empty(&side->coming)) {
        struct packet *packet = CONTAINER_OF(side->coming.next, struct packet, node);
        if (packet->arrival_us > world->now_us) {
            side->is_pumping = true;
            world_plan(world, packet->arrival_us - world->now_us, pump, conn, to);
            return;
        }
        list_remove(&packet->node);
        deliver(world, conn, (unsigned)to, packet);
    }
    conn_collect(world, conn);
}

static struct packet *packet_new(enum packet_kind kind, const struct wire_message *message)
{
    struct packet *packet = mem_calloc(1, sizeof *packet);
    list_init(&packet->node);
    packet->kind = kind;
    if (message != NULL)
        wire_message_copy(message, &packet->message);
    return packet;
}

static void enqueue(struct world *world, struct conn *conn, unsigned to, struct packet *packet)
{
    struct side *side = &conn->sides[to];
    packet->arrival_us = world->now_us + latency(world, conn->sides[1 - to].process, side->process);
    if (packet->arrival_us < side->stalled_until_us)
        packet->arrival_us = side->stalled_until_us;
    if (packet->arrival_us < side->last_arrival_us)
        packet->arrival_us = side->last_arrival_us;
    side->last_arrival_us = packet->arrival_us;
    list_append(&side->coming, &packet->node);
    if (!side->is_pumping) {
        side->is_pumping = true;
        world_plan(world, packet->arrival_us - world->now_us, pump, conn, to);
    }
}

static void arrive_loose(struct world *world, void *subject, uint64_t number)
{
    (void)number;
    struct packet *packet = subject;
    struct conn *conn = packet->conn;
    conn->loose--;
    if (network_is_blocked(world, conn->sides[1 - packet->to].process,
                           conn->sides[packet->to].process))
        packet_free(packet);
    else
        deliver(world, conn, packet->to, packet);
    conn_collect(world, conn);
}

static void send_loose(struct world *world, struct conn *conn, unsigned to,
                       const struct wire_message *message, uint64_t delay_max_us)
{
    struct packet *packet = packet_new(PACKET_MESSAGE, message);
    packet->conn = conn;
    packet->to = to;
    conn->loose++;
    world_plan(world, world_draw(world, 1, delay_max_us), arrive_loose, packet, 0);
}

/* Some of everything, so that the old and the new are there. */
static void record(struct world *world, const struct conn *conn, const struct wire_message *message)
{
    if (world->recorder == NULL)
        world->recorder = mem_calloc(1, sizeof *world->recorder);
    struct network_recorder *recorder = world->recorder;
    struct record *record = &recorder->items[recorder->next++ % RECORDED];
    wire_message_release(&record->message);
    *record = (struct record){.from = conn->sides[0].process,
                              .to = conn->sides[1].process,
                              .generation = conn->sides[0].generation,
                              .hello = conn->sides[0].hello};
    wire_message_copy(message, &record->message);
}

/* A byte stream delivers each copy of an update at most once; further copies are the client's, on
 * this connection or another, and it counts them: what it calls refused must not come again
 * (cl_core.h). All other messages may come twice. */
static bool may_repeat(const struct sim_process *from, const struct wire_message *message)
{
    return from->kind != SIM_CLIENT || (message->type != WIRE_PUT && message->type != WIRE_DELETE);
}

static bool send_now(struct world *world, uint64_t id, const struct sim_process *from,
                     const struct wire_message *message)
{
    struct conn *conn = conn_find(world, id);
    if (conn == NULL)
        return false;
    unsigned to = conn->sides[0].process == from ? 1 : 0;
    const struct side *mine = &conn->sides[1 - to];
    if (!mine->is_open || mine->generation != from->generation)
        return false;
    if (to == 1 && world_once_in(world, RECORD_ONE_IN) && may_repeat(from, message))
        record(world, conn, message);
    if (world_once_in(world, world->weather.lose_one_in)) {
        conn->has_lost = true;
        return true;
    }
    if (world_once_in(world, world->weather.double_one_in) && may_repeat(from, message))
        send_loose(world, conn, to, message,
                   world_once_in(world, 2) ? LATE_MAX_US : REORDER_MAX_US);
    if (world_once_in(world, world->weather.reorder_one_in))
        send_loose(world, conn, to, message, REORDER_MAX_US);
    else
        enqueue(world, conn, to, packet_new(PACKET_MESSAGE, message));
    return true;
}

/* What a stopped process was about to send. */
struct held {
    struct sim_process *from;
    uint64_t generation;
    uint64_t conn;
    struct wire_message message;
};

static void held_free(struct held *held)
{
    wire_message_release(&held->message);
    mem_free(held);
}

static void send_held(struct world *world, void *subject, uint64_t number)
{
    (void)number;
    struct held *held = subject;
    if (held->from->is_up && held->from->generation == held->generation)
        (void)send_now(world, held->conn, held->from, &held->message);
    held_free(held);
}

bool network_send(struct world *world, uint64_t id, struct sim_process *from,
                  const struct wire_message *message)
{
    if (from->output_held_until_us <= world->now_us)
        return send_now(world, id, from, message);
    struct held *held = mem_calloc(1, sizeof *held);
    held->from = from;
    held->generation = from->generation;
    held->conn = id;
    wire_message_copy(message, &held->message);
    world_plan(world, from->output_held_until_us - world->now_us, send_held, held, 0);
    return true;
}

bool network_accepted(struct world *world, uint64_t id)
{
    struct conn *conn = conn_find(world, id);
    if (conn == NULL || !conn->sides[1].is_open)
        return false;
    conn->is_accepted = true;
    enqueue(world, conn, 0, packet_new(PACKET_HELLO, NULL));
    return true;
}

void network_close(struct world *world, uint64_t id, const struct sim_process *by)
{
    struct conn *conn = conn_find(world, id);
    if (conn == NULL)
        return;
    unsigned s = conn->sides[0].process == by ? 0 : 1;
    if (!conn->sides[s].is_open)
        return;
    conn->sides[s].is_open = false;
    enqueue(world, conn, 1 - s, packet_new(PACKET_CLOSE, NULL));
}

/* ---- connections that break ---- */

static void break_off(struct world *world, void *subject, uint64_t id)
{
    (void)subject;
    struct conn *conn = conn_find(world, id);
    if (conn == NULL || !conn->sides[0].is_open)
        return;
    side_ends(conn, 0);
    enqueue(world, conn, 1, packet_new(PACKET_CLOSE, NULL));
}

void network_break(struct sim_process *process)
{
    struct world *world = process->world;
    size_t cursor = 0;
    struct conn *conn;
    while ((conn = map_next(&world->conns, &cursor, NULL)) != NULL) {
        bool is_chosen = conn->sides[0].process == process && conn->sides[0].is_open &&
                         conn->is_accepted && world_once_in(world, 2);
        if (!is_chosen)
            continue;
        conn->sides[1].stalled_until_us = world->now_us + world_draw(world, 10000, LATE_MAX_US);
        world_plan(world, world_draw(world, 1000, BREAK_MAX_US), break_off, NULL, conn->id);
        world_trace(world, "fault: the connection of %s to %s breaks", process->name,
                    conn->sides[1].process->name);
    }
}

/* ---- dialing ---- */

struct dial {
    struct sim_process *process;
    uint64_t generation;
    uint32_t link;
    uint64_t attempt;
};

static struct sim_link *dial_link(const struct dial *dial)
{
    if (!dial->process->is_up || dial->process->generation != dial->generation)
        return NULL;
    struct sim_link *link = &dial->process->links[dial->link];
    return link->attempt == dial->attempt && link->state == SIM_LINK_DIALING ? link : NULL;
}

static void dial_failed(struct dial *dial, bool refused)
{
    struct sim_link *link = dial_link(dial);
    if (link == NULL)
        return;
    struct sim_item *item = sim_item_new(SIM_ITEM_DOWN);
    item->link = link->peer;
    item->token = dial->attempt;
    item->refused = refused;
    process_post(dial->process, dial->generation, item);
}

/* No hello came back in time. */
static void dial_timeout(struct world *world, void *subject, uint64_t id)
{
    struct dial *dial = subject;
    struct conn *conn = id == 0 ? NULL : conn_find(world, id);
    if (dial_link(dial) != NULL) {
        if (conn != NULL)
            network_close(world, id, dial->process);
        dial_failed(dial, false);
    }
    mem_free(dial);
}

static struct conn *conn_new(struct world *world, const struct dial *dial,
                             struct sim_process *target)
{
    struct conn *conn = mem_calloc(1, sizeof *conn);
    conn->id = ++world->last_conn;
    conn->link = dial->link;
    conn->attempt = dial->attempt;
    conn->sides[0] = (struct side){.process = dial->process, .generation = dial->generation};
    conn->sides[1] = (struct side){.process = target, .generation = target->generation};
    for (unsigned s = 0; s < 2; s++) {
        conn->sides[s].is_open = true;
        conn->sides[s].hello = conn->sides[s].process->hello;
        list_init(&conn->sides[s].coming);
    }
    (void)map_put(&world->conns, conn->id, conn);
    return conn;
}

static void dial_arrives(struct world *world, void *subject, uint64_t number)
{
    (void)number;
    struct dial *dial = subject;
    struct sim_link *link = dial_link(dial);
    if (link == NULL) {
        mem_free(dial);
        return;
    }
    struct sim_process *target = process_at(world, link->address);
    bool is_cut = target == NULL || target->host_is_down ||
                  network_is_blocked(world, dial->process, target) ||
                  network_is_blocked(world, target, dial->process);
    if (!is_cut && !target->is_up) {
        dial_failed(dial, true);
        mem_free(dial);
        return;
    }
    if (is_cut) {
        world_plan(world, DIAL_TIMEOUT_US, dial_timeout, dial, 0);
        return;
    }
    struct conn *conn = conn_new(world, dial, target);
    link->conn = conn->id;
    struct sim_item *item = sim_item_new(SIM_ITEM_ACCEPTED);
    item->conn = conn->id;
    item->hello = dial->process->hello;
    process_post(target, target->generation, item);
    world_plan(world, DIAL_TIMEOUT_US, dial_timeout, dial, conn->id);
}

void network_dial(struct sim_process *process, struct sim_link *link)
{
    struct dial *dial = mem_calloc(1, sizeof *dial);
    *dial = (struct dial){process, process->generation, (uint32_t)(link - process->links),
                          link->attempt};
    struct sim_process *target = process_at(process->world, link->address);
    world_plan(process->world, latency(process->world, process, target == NULL ? process : target),
               dial_arrives, dial, 0);
}

bool network_replay(struct world *world)
{
    if (world->recorder == NULL)
        return false;
    uint32_t kept = world->recorder->next < RECORDED ? world->recorder->next : RECORDED;
    if (kept == 0)
        return false;
    const struct record *chosen = &world->recorder->items[world_draw(world, 0, kept - 1)];
    if (!chosen->to->is_up)
        return false;
    /* A connection that the sender opened long ago and has forgotten. */
    const struct dial dial = {chosen->from, chosen->generation, 0, 0};
    struct conn *conn = conn_new(world, &dial, chosen->to);
    conn->sides[0].hello = chosen->hello;
    conn->sides[0].is_open = false;
    struct sim_item *item = sim_item_new(SIM_ITEM_ACCEPTED);
    item->conn = conn->id;
    item->hello = chosen->hello;
    process_post(chosen->to, chosen->to->generation, item);
    uint32_t count = 0;
    for (uint32_t i = 0; i < kept && count < REPLAYED_MAX; i++) {
        const struct record *record = &world->recorder->items[(world->recorder->next + i) % kept];
        if (record->from != chosen->from || record->to != chosen->to ||
            record->generation != chosen->generation)
            continue;
        enqueue(world, conn, 1, packet_new(PACKET_MESSAGE, &record->message));
        count++;
    }
    enqueue(world, conn, 1, packet_new(PACKET_CLOSE, NULL));
    world_trace(world, "fault: %u late messages of %s in its life %llu reach %s", count,
                chosen->from->name, (unsigned long long)chosen->generation, chosen->to->name);
    return true;
}

/* ---- death ---- */

static void peer_notices(struct world *world, void *subject, uint64_t id)
{
    (void)subject;
    struct conn *conn = conn_find(world, id);
    if (conn != NULL)
        end_both(world, conn);
}

/* A killed process's kernel closes its connections, after what was sent already. A dead host says
 * nothing: the other end finds out after a while. */
void network_process_died(struct sim_process *process, bool with_host)
{
    struct world *world = process->world;
    size_t cursor = 0;
    struct conn *conn;
    while ((conn = map_next(&world->conns, &cursor, NULL)) != NULL) {
        for (unsigned s = 0; s < 2; s++) {
            struct side *side = &conn->sides[s];
            if (side->process != process || !side->is_open)
                continue;
            side->is_open = false;
            if (with_host)
                world_plan(world, world_draw(world, DEAD_HOST_MIN_US, DEAD_HOST_MAX_US),
                           peer_notices, NULL, conn->id);
            else
                enqueue(world, conn, 1 - s, packet_new(PACKET_CLOSE, NULL));
        }
    }
}

void network_end_lossy(struct world *world)
{
    size_t cursor = 0;
    struct conn *conn;
    while ((conn = map_next(&world->conns, &cursor, NULL)) != NULL) {
        if (conn->has_lost && conn->sides[0].process->kind == SIM_CLIENT)
            world_plan(world, 1, peer_notices, NULL, conn->id);
    }
}

void network_release(struct world *world)
{
    for (uint32_t i = 0; world->recorder != NULL && i < RECORDED; i++)
        wire_message_release(&world->recorder->items[i].message);
    mem_free(world->recorder);
    for (size_t i = 0; i < world->heap_count; i++) {
        struct sim_event *event = &world->heap[i];
        if (event->action == arrive_loose)
            packet_free(event->subject);
        else if (event->action == send_held)
            held_free(event->subject);
        else if (event->action == dial_arrives || event->action == dial_timeout ||
                 event->action == process_probe_arrives)
            mem_free(event->subject);
    }
    size_t cursor = 0;
    struct conn *conn;
    while ((conn = map_next(&world->conns, &cursor, NULL)) != NULL) {
        for (unsigned s = 0; s < 2; s++) {
            while (!list_is_empty(&conn->sides[s].coming)) {
                struct list_node *node = conn->sides[s].coming.next;
                list_remove(node);
                packet_free(CONTAINER_OF(node, struct packet, node));
            }
        }
        mem_free(conn);
    }
}
