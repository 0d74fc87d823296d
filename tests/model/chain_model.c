/* The chain model's choices, what they do, and the fair end of every path. */
#include "tests/model/chain_model.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/model/chain.h"
#include "tests/model/mix.h"

enum {
    CHOOSE_DELIVER, /* a: from, b: to */
    CHOOSE_LIMBO,   /* a: index */
    CHOOSE_STORED,  /* a: node */
    CHOOSE_FLUSH,
    CHOOSE_CONFIG, /* a: node, b: the newest map instead of the next */
    CHOOSE_DECIDED,
    CHOOSE_MASTER,
    CHOOSE_CALL,  /* a: client */
    CHOOSE_AGAIN, /* a: client, b: costs a fault */
    CHOOSE_IDLE,  /* a: node */
    CHOOSE_BEAT,
    CHOOSE_START,
    CHOOSE_CRASH, /* a: node, b: batches kept */
    CHOOSE_POWER, /* a: bit per node: it keeps what was not synced */
    CHOOSE_SUSPECT,
    CHOOSE_DELAY,
    CHOOSE_REPEAT,
    CHOOSE_COUNT
};

static const char *const names[CHOOSE_COUNT] = {
    "deliver", "limbo", "stored", "flush", "config", "decided", "master", "call",  "again",
    "idle",    "beat",  "start",  "crash", "power",  "suspect", "delay",  "repeat"};

enum { FINISH_ROUNDS = 400, DELIVERIES_MAX = 2000 };

struct world *world;
bool chain_is_telling;
struct chain_settings chain_settings = {.faults = 1, .length = NODES};

void chain_tell(const char *format, ...)
{
    if (!chain_is_telling)
        return;
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    unsigned before = heap_enter(HEAP_NONE);
    model_say(line);
    heap_return(before);
}

static void tell(bool is_telling)
{
    chain_is_telling = is_telling;
    for (uint32_t id = 1; id <= NODES; id++)
        if (nodes[id]->core != NULL)
            nodes[id]->core->options.trace.emit = is_telling ? chain_trace : NULL;
}

/* ---- moves ---- */

static void hand_over(struct net_message *entry)
{
    uint32_t to = entry->to + 1u;
    if (nodes[to]->core == NULL) {
        net_free(entry);
        return;
    }
    unsigned before = heap_enter(to);
    struct wire_message message;
    net_copy(&entry->message, &message);
    struct cn_event event = {.message = &message};
    if (entry->from < NODES) {
        event.kind = CN_EVENT_RECEIVE_NODE;
        event.node = entry->from + 1u;
        event.incarnation = entry->incarnation;
    } else {
        event.kind = CN_EVENT_RECEIVE_CLIENT;
        event.conn = entry->from - NODES + 1u;
    }
    if (chain_is_telling)
        chain_tell("%s %u > n%u", wire_type_name(message.type), entry->from + 1u, to);
    node_event(to, &event);
    wire_message_release(&message);
    heap_return(before);
    net_free(entry);
}

static void power_cut(unsigned kept)
{
    for (uint32_t id = 1; id <= NODES; id++)
        if (nodes[id]->core != NULL)
            node_crash(id, (kept >> (id - 1) & 1u) != 0 ? nodes[id]->unsynced_count : 0);
}

static void apply(struct choice choice)
{
    unsigned before = heap_enter(0);
    switch (choice.kind) {
    case CHOOSE_DELIVER:
        hand_over(net_take(&world->net, choice.a, choice.b));
        break;
    case CHOOSE_LIMBO:
        hand_over(net_take_limbo(&world->net, choice.a));
        break;
    case CHOOSE_STORED:
        node_stored(choice.a);
        break;
    case CHOOSE_FLUSH:
        node_flush(choice.a);
        break;
    case CHOOSE_CONFIG:
        master_push(choice.a, choice.b != 0);
        break;
    case CHOOSE_DECIDED:
        master_send_decided(choice.a);
        break;
    case CHOOSE_MASTER:
        master_step();
        break;
    case CHOOSE_CALL:
        client_call(choice.a);
        break;
    case CHOOSE_AGAIN:
        world->faults_left = (uint8_t)(world->faults_left - choice.b);
        client_send(choice.a);
        break;
    case CHOOSE_IDLE:
        world->ticks_left = (uint8_t)(world->ticks_left - choice.b);
        node_idle(choice.a);
        break;
    case CHOOSE_BEAT:
        world->ticks_left = (uint8_t)(world->ticks_left - choice.b);
        node_beat(choice.a);
        break;
    case CHOOSE_START:
        node_start(choice.a);
        break;
    case CHOOSE_CRASH:
        world->faults_left--;
        node_crash(choice.a, choice.b);
        break;
    case CHOOSE_POWER:
        world->faults_left--;
        power_cut(choice.a);
        break;
    case CHOOSE_SUSPECT:
        world->faults_left--;
        master_suspect(choice.a);
        break;
    case CHOOSE_DELAY:
        world->faults_left--;
        net_delay(&world->net, choice.a, choice.b);
        break;
    case CHOOSE_REPEAT:
        world->faults_left--;
        net_repeat(&world->net, choice.a, choice.b);
        break;
    default:
        IMPOSSIBLE("every choice is listed above");
    }
    heap_return(before);
}

/* ---- choices ---- */

struct list {
    struct choice *items;
    uint32_t count;
};

static void offer(struct list *list, unsigned kind, unsigned a, unsigned b)
{
    INVARIANT(list->count < EXPLORE_CHOICES_MAX);
    list->items[list->count++] =
        (struct choice){.kind = (uint8_t)kind, .a = (uint8_t)a, .b = (uint8_t)b};
}

/* Nothing is under way: no message, no write, no flush. */
static bool is_quiet(void)
{
    bool is_busy = world->net.queued > 0;
    for (uint32_t id = 1; id <= NODES; id++)
        is_busy = is_busy || nodes[id]->tokens_count > 0 || nodes[id]->is_flush_due;
    return !is_busy;
}

/* Every member of the row is in its epoch with the same committed history and nothing else: what an
 * idle round repeats is known to everybody, so it changes nothing (R9). */
static bool is_level(void)
{
    const struct master *master = &world->master;
    if (master->active.joiner != 0 || master->decided.epoch != 0)
        return false;
    const struct cn_chain *first = node_chain(master->active.members[0]);
    for (unsigned i = 0; i < master->active.members_count; i++) {
        uint32_t id = master->active.members[i];
        const struct cn_chain *chain = node_chain(id);
        if (chain == NULL || nodes[id]->incarnation != master->active.incarnations[i] ||
            chain->epoch != master->active.epoch || chain->committed != chain->applied.lsn ||
            chain->applied.lsn != first->applied.lsn)
            return false;
        bool is_last = i + 1u == master->active.members_count;
        if (!is_last &&
            (!chain->successor.is_known || chain->successor.acked.lsn != chain->applied.lsn))
            return false;
    }
    return true;
}

static bool has_kind(enum fault fault)
{
    return world->faults_left > 0 && (chain_settings.kinds >> fault & 1u) != 0;
}

static void offer_node(struct list *list, uint32_t id)
{
    const struct node *node = nodes[id];
    const struct known_node *known = &world->master.nodes[id];
    if (node->core == NULL) {
        offer(list, CHOOSE_START, id, 0);
        return;
    }
    if (node->tokens_count > 0)
        offer(list, CHOOSE_STORED, id, 0);
    if (node->is_flush_due)
        offer(list, CHOOSE_FLUSH, id, 0);
    uint64_t has = node->core->map_version;
    if (has < world->master.version) {
        offer(list, CHOOSE_CONFIG, id, 1);
        if (has + 1 < world->master.version && known->pushed < world->master.version)
            offer(list, CHOOSE_CONFIG, id, 0);
    }
    if (known->is_decided_sent)
        offer(list, CHOOSE_DECIDED, id, 0);
}

/* A timer is slow: it comes when nothing else is left to happen, or costs one of the ticks. */
static void offer_timers(struct list *list, bool is_stuck)
{
    bool is_useless = is_level();
    for (uint32_t id = 1; id <= NODES; id++) {
        const struct cn_chain *chain = node_chain(id);
        if (chain != NULL && chain->role != CN_ROLE_NONE && !is_useless)
            offer(list, CHOOSE_IDLE, id, is_stuck ? 0 : 1);
        if (node_is_beat_useful(id))
            offer(list, CHOOSE_BEAT, id, is_stuck ? 0 : 1);
    }
}

static void offer_clients(struct list *list, bool is_calm)
{
    for (unsigned client = 0; client < CLIENTS; client++)
        if (client_may_send(client, is_calm))
            offer(list, CHOOSE_AGAIN, client, 0);
}

static void offer_faults(struct list *list)
{
    for (uint32_t id = 1; id <= NODES; id++) {
        if (has_kind(FAULT_CRASH) && nodes[id]->core != NULL)
            for (uint32_t kept = 0; kept <= nodes[id]->unsynced_count; kept++)
                offer(list, CHOOSE_CRASH, id, kept);
        if (has_kind(FAULT_SUSPECT) && nodes[id]->core != NULL && master_may_suspect(id))
            offer(list, CHOOSE_SUSPECT, id, 0);
    }
    for (unsigned client = 0; client < CLIENTS; client++)
        if (has_kind(FAULT_RETRY) && world->clients[client].state == CLIENT_SENT &&
            !client_may_send(client, false))
            offer(list, CHOOSE_AGAIN, client, 1);
}

static void offer_messages(struct list *list)
{
    const struct net *net = &world->net;
    bool has_room = net->limbo_count < NET_LIMBO_MAX;
    for (unsigned from = 0; from < NET_ENDS; from++)
        for (unsigned to = 0; to < NODES; to++) {
            if (net->queues[from][to].count == 0)
                continue;
            offer(list, CHOOSE_DELIVER, from, to);
            if (has_kind(FAULT_DELAY) && has_room)
                offer(list, CHOOSE_DELAY, from, to);
            if (has_kind(FAULT_REPEAT) && has_room)
                offer(list, CHOOSE_REPEAT, from, to);
        }
    for (unsigned i = 0; i < net->limbo_count; i++)
        if (nodes[net->limbo[i]->to + 1]->core != NULL)
            offer(list, CHOOSE_LIMBO, i, 0);
}

/* One bit for each node that has something to lose; the others are the same either way. */
static void offer_power(struct list *list)
{
    unsigned may_lose = 0;
    bool is_any_up = false;
    for (uint32_t id = 1; id <= NODES; id++) {
        is_any_up = is_any_up || nodes[id]->core != NULL;
        if (nodes[id]->unsynced_count > 0)
            may_lose |= 1u << (id - 1);
    }
    for (unsigned kept = 0; is_any_up && kept < 1u << NODES; kept++)
        if ((kept & ~may_lose) == 0)
            offer(list, CHOOSE_POWER, kept, 0);
}

static uint32_t choices(struct choice *items)
{
    struct list list = {.items = items};
    struct plan_step step;
    bool is_calm = is_quiet();
    for (uint32_t id = 1; id <= NODES; id++)
        offer_node(&list, id);
    if (master_plan(&step) != PLAN_NONE)
        offer(&list, CHOOSE_MASTER, 0, 0);
    offer_clients(&list, is_calm);
    bool is_stuck = is_calm && list.count == 0;
    if (is_stuck || world->ticks_left > 0)
        offer_timers(&list, is_stuck);
    for (unsigned client = 0; client < CLIENTS; client++)
        if (client_may_call(client))
            offer(&list, CHOOSE_CALL, client, 0);
    offer_messages(&list);
    offer_faults(&list);
    if (has_kind(FAULT_POWER))
        offer_power(&list);
    return list.count;
}

static uint64_t fingerprint(void)
{
    uint64_t hash = mix(1, world->faults_left | (uint64_t)world->ticks_left << 8 |
                               (uint64_t)world->committed_max << 16);
    for (uint32_t id = 1; id <= NODES; id++)
        hash = mix(hash, nodes[id]->fingerprint);
    hash = mix(hash, world->committed[world->committed_max].digest);
    return net_fingerprint(&world->net, client_fingerprint(master_fingerprint(hash)));
}

static void name_choice(struct choice choice, struct text *text)
{
    INVARIANT(choice.kind < CHOOSE_COUNT);
    text_append(text, "%s.%u.%u", names[choice.kind], choice.a, choice.b);
}

/* ---- the fair end ---- */

void deliver(unsigned from, unsigned to)
{
    if (world->net.queues[from][to].count > 0)
        hand_over(net_take(&world->net, from, to));
}

void deliver_all(void)
{
    for (unsigned moves = 0; !is_quiet(); moves++) {
        if (moves > DELIVERIES_MAX)
            model_violation("the nodes never come to rest (%u messages)", world->net.queued);
        for (unsigned from = 0; from < NET_ENDS; from++)
            for (unsigned to = 0; to < NODES; to++)
                deliver(from, to);
        for (uint32_t id = 1; id <= NODES; id++) {
            if (nodes[id]->is_flush_due)
                node_flush(id);
            if (nodes[id]->tokens_count > 0)
                node_stored(id);
        }
    }
}

static bool is_whole(void)
{
    const struct master *master = &world->master;
    bool is_well = master->active.members_count == NODES && master->decided.epoch == 0 &&
                   master->active.joiner == 0 && clients_are_done();
    for (uint32_t id = 1; id <= NODES && is_well; id++) {
        const struct cn_chain *chain = node_chain(id);
        is_well = chain != NULL && chain->epoch == master->active.epoch &&
                  row_has(&master->active, id, nodes[id]->incarnation) && cn_is_serving(chain) &&
                  chain->committed == chain->applied.lsn &&
                  chain->settled.lsn == chain->applied.lsn && node_is_lease_valid(id) &&
                  nodes[id]->core->map_version == master->version;
    }
    if (!is_well)
        return false;
    uint64_t applied = node_chain(1)->applied.lsn;
    return node_chain(2)->applied.lsn == applied && node_chain(3)->applied.lsn == applied;
}

/* A reading by nobody's client: it has to fit behind everything that has returned. */
static void read_at_end(void)
{
    struct op *op = &world->ops[world->ops_count];
    *op = (struct op){.client = CLIENTS, .kind = 'g', .state = OP_CALLED};
    for (unsigned i = 0; i < world->ops_count; i++)
        op->after |= (uint16_t)(1u << i);
    world->ops_count++;
    uint32_t tail = world->master.active.members[NODES - 1];
    unsigned before = heap_enter(tail);
    struct wire_message message;
    client_request(world->ops_count - 1u, &message);
    struct cn_event event = {
        .kind = CN_EVENT_RECEIVE_CLIENT, .conn = CLIENTS + 1, .message = &message};
    node_event(tail, &event);
    heap_return(before);
    if (op->state != OP_RETURNED)
        model_violation("a whole chain does not answer a read");
}

static void fair_round(void)
{
    struct plan_step step;
    for (uint32_t id = 1; id <= NODES; id++)
        if (nodes[id]->core == NULL)
            node_start(id);
    deliver_all();
    for (uint32_t id = 1; id <= NODES; id++)
        if (nodes[id]->core->map_version < world->master.version)
            master_push(id, true);
    deliver_all();
    for (unsigned client = 0; client < CLIENTS; client++) {
        if (client_may_call(client))
            client_call(client);
        else if (client_may_send(client, true))
            client_send(client);
        deliver_all();
    }
    if (master_plan(&step) != PLAN_NONE) {
        master_step();
        return;
    }
    for (uint32_t id = 1; id <= NODES; id++) {
        node_idle(id);
        if (node_is_beat_useful(id))
            node_beat(id);
    }
    deliver_all();
}

/* From here on every process runs, every message in a queue arrives, what is in limbo is lost. The
 * chain has to become whole, every operation has to be answered, replicas have to be equal. */
static void finish(bool (*is_known)(uint64_t fingerprint))
{
    unsigned before = heap_enter(0);
    world->is_ending = true;
    world->faults_left = 0;
    world->ticks_left = 0;
    world->master.joins_left = 0;
    net_forget_limbo(&world->net);
    for (unsigned round = 0; !is_whole(); round++) {
        if (is_known(fingerprint())) {
            heap_return(before);
            return;
        }
        if (round == FINISH_ROUNDS)
            model_violation("the chain does not heal: epoch %u, %u members, decided %u, joiner %u",
                            world->master.active.epoch, world->master.active.members_count,
                            world->master.decided.epoch, world->master.active.joiner);
        fair_round();
    }
    check_healed();
    read_at_end();
    heap_return(before);
}

const struct model chain_model = {
    .name = "chain",
    .begin = chain_begin,
    .choices = choices,
    .apply = apply,
    .fingerprint = fingerprint,
    .is_settled = is_quiet,
    .finish = finish,
    .name_choice = name_choice,
    .tell = tell,
};
