/* The first state of the chain model (enum beginning). */
#include "tests/model/chain.h"

enum { MOVES_MAX = 100 };

static void push_all(void)
{
    for (uint32_t id = 1; id <= NODES; id++)
        master_push(id, true);
}

static void master_takes(enum plan_kind kind)
{
    struct plan_step step;
    INVARIANT(master_plan(&step) == kind);
    master_step();
}

static void register_joiner(void)
{
    world->master.joins_left++;
    master_takes(PLAN_ADD_JOINER);
    push_all();
}

static void hand_over_begins(void)
{
    register_joiner();
    deliver_all();
    const struct cn_chain *tail = node_chain(world->master.active.members[1]);
    INVARIANT(tail->source.is_synced && world->master.synced_epoch == tail->epoch);
}

/* Down the chain, and nothing back up: nobody hears of the commit. */
static void commit_at_tail_only(void)
{
    client_call(0);
    for (unsigned moves = 0; node_chain(NODES)->committed == 0; moves++) {
        INVARIANT(moves < MOVES_MAX);
        deliver(NODES, 0); /* the client's */
        for (uint32_t id = 1; id <= NODES; id++) {
            if (id < NODES)
                deliver(id - 1, id);
            if (nodes[id]->is_flush_due)
                node_flush(id);
            if (nodes[id]->tokens_count > 0)
                node_stored(id);
        }
    }
}

static void tail_returns(void)
{
    commit_at_tail_only();
    node_crash(NODES, nodes[NODES]->unsynced_count);
    master_takes(PLAN_REMOVE);
    master_takes(PLAN_ACTIVATE);
    node_start(NODES);
    register_joiner();
}

/* The copy arrives, and nothing of the chain's own traffic. */
static void copy_arrives(void)
{
    const unsigned tail = NODES - 2;
    const unsigned joiner = NODES - 1;
    const struct cn_chain *source = node_chain(tail + 1);
    for (unsigned moves = 0; !source->source.is_bulk_durable; moves++) {
        INVARIANT(moves < MOVES_MAX);
        deliver(joiner, tail);
        while (world->net.queues[tail][joiner].count > 0) {
            enum wire_type type = world->net.queues[tail][joiner].oldest->message.type;
            if (type == WIRE_FORWARD || type == WIRE_MARK)
                net_free(net_take(&world->net, tail, joiner));
            else
                deliver(tail, joiner);
        }
        for (uint32_t id = tail + 1; id <= joiner + 1; id++)
            if (nodes[id]->tokens_count > 0)
                node_stored(id);
    }
}

void chain_begin(void)
{
    (void)heap_enter(0);
    world = mem_calloc(1, sizeof *world);
    for (uint32_t id = 1; id <= NODES; id++)
        node_create(id);
    master_begin();
    for (uint32_t id = 1; id <= NODES; id++) {
        node_start(id);
        master_push(id, true);
    }
    deliver_all();
    for (uint32_t id = 1; id <= NODES; id++) {
        node_beat(id);
        node_idle(id);
    }
    deliver_all();
    client_begin();
    if (chain_settings.beginning == BEGIN_HANDOVER)
        hand_over_begins();
    else if (chain_settings.beginning != BEGIN_WHOLE)
        tail_returns();
    if (chain_settings.beginning == BEGIN_COPIED)
        copy_arrives();
    world->faults_left = (uint8_t)chain_settings.faults;
    world->ticks_left = (uint8_t)chain_settings.ticks;
    (void)heap_enter(HEAP_NONE);
}
