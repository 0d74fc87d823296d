/* The Raft model's choices.
 *
 * One clock for all servers moves in quanta of half an election time-out, as a choice with a
 * budget; a server that is not chosen meanwhile is a paused or slow one. So a promise (a held vote,
 * a lease) is as long as it really is, and everything that happens within it may happen in any
 * order.
 *
 * One reduction: the first time-out is server 1's. The first state is the same for each server but
 * for its name, and a core compares names for equality alone, so a path that begins with another
 * server's is one of these with the names exchanged. */
#include "tests/model/raft_model.h"

#include <string.h>

#include "tests/model/mix.h"
#include "tests/model/raft_world.h"

enum {
    QUANTUM_US = 33,
    ELECTION_MIN_US = 64, /* a vote is held for 65, an election starts after 66 */
    ELECTION_US = 66,
    HEARTBEAT_US = 32,
    EFFECTS = 256,
    KEPT_BYTES_MAX = 60000,
    FAIR_ROUNDS = 60,
};

enum {
    CHOOSE_DELIVER,
    CHOOSE_LIMBO,
    CHOOSE_STORED,
    CHOOSE_TICK,
    CHOOSE_TIME,
    CHOOSE_PROPOSE,
    CHOOSE_START,
    CHOOSE_CRASH,
    CHOOSE_DELAY,
    CHOOSE_REPEAT,
    CHOOSE_COUNT
};
enum { KIND_CRASH = 1, KIND_DELAY = 2, KIND_REPEAT = 4 };

static const char *const names[CHOOSE_COUNT] = {"deliver", "limbo", "stored", "tick",  "time",
                                                "propose", "start", "crash",  "delay", "repeat"};

struct raft_settings raft_settings = {.faults = 1, .kinds = 7, .proposals = 1, .quanta = 3};
struct raft_world *raft_world;
struct raft_server_model *raft_servers[RAFT_SERVERS + 1];
static struct raft_effects effects;
static bool is_telling_story;

static void trace(void *context, const char *line)
{
    const struct raft_server_model *server = context;
    struct text text;
    unsigned before = heap_enter(HEAP_NONE);
    text_init(&text);
    text_append(&text, "m%u: %s", server->id, line);
    model_say(text_cstr(&text));
    text_release(&text);
    heap_return(before);
}

static void tell(bool is_telling)
{
    is_telling_story = is_telling;
    for (uint32_t id = 1; id <= RAFT_SERVERS; id++)
        if (raft_servers[id]->raft != NULL)
            raft_servers[id]->raft->options.trace.emit = is_telling ? trace : NULL;
}

/* ---- a server ---- */

static void run_effect(struct raft_server_model *server, struct raft_effect *effect)
{
    unsigned before;
    switch (effect->kind) {
    case RAFT_EFFECT_SEND:
        before = heap_enter(0);
        if (raft_servers[effect->to]->raft != NULL)
            net_send(&raft_world->net, server->id - 1, 0, effect->to - 1, &effect->message);
        heap_return(before);
        break;
    case RAFT_EFFECT_STORE: {
        INVARIANT(server->tokens_count < RAFT_STORES);
        enum err err = kv_memory_apply(server->store, effect->batch);
        INVARIANT(err == ERR_OK);
        server->digests[server->tokens_count] = kv_memory_digest(server->store);
        server->tokens[server->tokens_count++] = effect->token;
        break;
    }
    case RAFT_EFFECT_HALT:
        model_violation("server %u halts: %s", server->id, effect->text);
    case RAFT_EFFECT_APPLY:
    case RAFT_EFFECT_RESTORE:
    case RAFT_EFFECT_PROPOSED:
    case RAFT_EFFECT_READ_READY:
    case RAFT_EFFECT_ROLE:
    case RAFT_EFFECT_CONFIGURATION:
    case RAFT_EFFECT_SNAPSHOT_WANTED:
        break;
    }
}

static void server_event(uint32_t id, struct raft_event *event)
{
    struct raft_server_model *server = raft_servers[id];
    unsigned before = heap_enter(id);
    event->now_us = raft_world->now_us;
    raft_step(server->raft, event, &effects);
    raft_check(server->raft);
    /* Every election time-out is the longest one: shorter ones are as good as a late neighbour. */
    if (server->raft->election_deadline_us == raft_world->now_us + ELECTION_US - 1)
        server->raft->election_deadline_us = raft_world->now_us + ELECTION_US;
    for (uint32_t i = 0; i < effects.count; i++)
        run_effect(server, &effects.items[i]);
    raft_effects_clear(&effects);
    (void)heap_enter(0);
    raft_judge(id);
    heap_return(before);
}

static void server_tick(uint32_t id)
{
    struct raft_event event = {.kind = RAFT_EVENT_TICK};
    server_event(id, &event);
}

static void server_start(uint32_t id)
{
    struct raft_server_model *server = raft_servers[id];
    unsigned before = heap_enter(id);
    struct raft_options options = {
        .id = id,
        .election_min_us = ELECTION_MIN_US,
        .election_max_us = ELECTION_US,
        .heartbeat_us = HEARTBEAT_US,
        .append_entries_max = 8,
        .append_bytes_max = 4096,
        .append_inflight_max = 4,
        .snapshot_chunk_bytes = 4096,
        .snapshot_after_entries = 1000,
        .trace = {.emit = is_telling_story ? trace : NULL, .context = server},
    };
    server->kv = kv_memory_interface(server->store);
    heap_set_large(KEPT_BYTES_MAX);
    enum err err = raft_new(&options, id, raft_world->now_us, &server->kv, &server->raft);
    heap_set_large(HEAP_LARGE_BYTES);
    if (err != ERR_OK)
        model_violation("server %u cannot read its own disk: %s", id, err_name(err));
    server->commit = 0;
    server->was_leader = false;
    server_tick(id);
    heap_return(before);
}

static void server_stored(uint32_t id)
{
    struct raft_server_model *server = raft_servers[id];
    unsigned before = heap_enter(id);
    struct raft_event event = {.kind = RAFT_EVENT_STORED, .token = server->tokens[0]};
    kv_memory_sync_oldest(server->store, 1);
    server->durable = server->digests[0];
    server->tokens_count--;
    memmove(server->tokens, server->tokens + 1, server->tokens_count * sizeof server->tokens[0]);
    memmove(server->digests, server->digests + 1, server->tokens_count * sizeof server->digests[0]);
    server_event(id, &event);
    heap_return(before);
}

static void server_crash(uint32_t id, uint32_t keep)
{
    struct raft_server_model *server = raft_servers[id];
    unsigned before = heap_enter(id);
    raft_free(server->raft);
    server->raft = NULL;
    kv_memory_crash(server->store, keep);
    server->durable = keep == 0 ? server->durable : server->digests[keep - 1];
    server->tokens_count = 0;
    (void)heap_enter(0);
    net_cut_to(&raft_world->net, id - 1);
    heap_return(before);
}

static void hand_over(struct net_message *entry)
{
    uint32_t to = entry->to + 1u;
    if (raft_servers[to]->raft != NULL) {
        unsigned before = heap_enter(to);
        struct wire_message message;
        net_copy(&entry->message, &message);
        struct raft_event event = {.kind = RAFT_EVENT_RECEIVE, .message = &message};
        server_event(to, &event);
        wire_message_release(&message);
        heap_return(before);
    }
    net_free(entry);
}

static void propose(uint32_t id)
{
    unsigned before = heap_enter(id);
    uint8_t command = ++raft_world->next_command;
    struct buf *data = buf_copy(slice_of(&command, 1));
    struct raft_event event = {.kind = RAFT_EVENT_PROPOSE, .id = command, .data = data};
    server_event(id, &event);
    buf_unref(data);
    heap_return(before);
}

/* ---- choices ---- */

static void apply(struct choice choice)
{
    struct net *net = &raft_world->net;
    unsigned before = heap_enter(0);
    switch (choice.kind) {
    case CHOOSE_DELIVER:
        hand_over(net_take(net, choice.a, choice.b));
        break;
    case CHOOSE_LIMBO:
        hand_over(net_take_limbo(net, choice.a));
        break;
    case CHOOSE_STORED:
        server_stored(choice.a);
        break;
    case CHOOSE_TICK:
        raft_world->has_ticked = true;
        server_tick(choice.a);
        break;
    case CHOOSE_TIME:
        raft_world->quanta_left--;
        raft_world->now_us += QUANTUM_US;
        break;
    case CHOOSE_PROPOSE:
        raft_world->proposals_left--;
        propose(choice.a);
        break;
    case CHOOSE_START:
        server_start(choice.a);
        break;
    case CHOOSE_CRASH:
        raft_world->faults_left--;
        server_crash(choice.a, choice.b);
        break;
    case CHOOSE_DELAY:
        raft_world->faults_left--;
        net_delay(net, choice.a, choice.b);
        break;
    case CHOOSE_REPEAT:
        raft_world->faults_left--;
        net_repeat(net, choice.a, choice.b);
        break;
    default:
        IMPOSSIBLE("every choice is listed above");
    }
    heap_return(before);
}

static bool has_kind(unsigned kind)
{
    return raft_world->faults_left > 0 && (raft_settings.kinds & kind) != 0;
}

static uint32_t choices(struct choice *items)
{
    const struct net *net = &raft_world->net;
    bool has_room = net->limbo_count < NET_LIMBO_MAX;
    uint32_t count = 0;
#define OFFER(kind_, a_, b_)                                                                       \
    items[count++] = (struct choice)                                                               \
    {                                                                                              \
        .kind = (uint8_t)(kind_), .a = (uint8_t)(a_), .b = (uint8_t)(b_)                           \
    }
    for (uint32_t id = 1; id <= RAFT_SERVERS; id++) {
        const struct raft_server_model *server = raft_servers[id];
        if (server->raft == NULL) {
            OFFER(CHOOSE_START, id, 0);
            continue;
        }
        if (server->tokens_count > 0)
            OFFER(CHOOSE_STORED, id, 0);
        bool is_due = raft_deadline_us(server->raft) <= raft_world->now_us;
        if (is_due && (id == 1 || raft_world->has_ticked))
            OFFER(CHOOSE_TICK, id, 0);
        if (raft_role(server->raft) == RAFT_LEADER && raft_world->proposals_left > 0)
            OFFER(CHOOSE_PROPOSE, id, 0);
        for (uint32_t kept = 0; has_kind(KIND_CRASH) && kept <= server->tokens_count; kept++)
            OFFER(CHOOSE_CRASH, id, kept);
    }
    for (unsigned from = 0; from < RAFT_SERVERS; from++)
        for (unsigned to = 0; to < RAFT_SERVERS; to++) {
            if (net->queues[from][to].count == 0)
                continue;
            OFFER(CHOOSE_DELIVER, from, to);
            if (has_kind(KIND_DELAY) && has_room)
                OFFER(CHOOSE_DELAY, from, to);
            if (has_kind(KIND_REPEAT) && has_room)
                OFFER(CHOOSE_REPEAT, from, to);
        }
    for (unsigned i = 0; i < net->limbo_count; i++)
        if (raft_servers[net->limbo[i]->to + 1]->raft != NULL)
            OFFER(CHOOSE_LIMBO, i, 0);
    if (raft_world->quanta_left > 0)
        OFFER(CHOOSE_TIME, 0, 0);
#undef OFFER
    return count;
}

/* A server that has not been stepped since the clock moved has an older one: the true one counts.
 */
static uint64_t server_fingerprint(struct raft_server_model *server, uint64_t hash)
{
    hash = mix(mix(hash, server->durable), server->tokens_count);
    for (uint32_t i = 0; i < server->tokens_count; i++)
        hash = mix(hash, server->digests[i]);
    if (server->raft == NULL)
        return mix(hash, 1);
    uint64_t own_us = server->raft->now_us;
    server->raft->now_us = raft_world->now_us;
    hash = raft_fingerprint(server->raft, hash);
    server->raft->now_us = own_us;
    return hash;
}

static uint64_t fingerprint(void)
{
    uint64_t hash = mix(raft_world->has_ticked ? 3 : 2,
                        raft_world->faults_left | (uint64_t)raft_world->proposals_left << 8 |
                            (uint64_t)raft_world->quanta_left << 16);
    for (uint32_t id = 1; id <= RAFT_SERVERS; id++)
        hash = server_fingerprint(raft_servers[id], hash);
    for (unsigned term = 1; term < RAFT_TERMS; term++)
        if (raft_world->leader_of_term[term] != 0)
            hash = mix(hash, (uint64_t)term << 8 | raft_world->leader_of_term[term]);
    for (unsigned index = 1; index < RAFT_INDEXES && raft_world->committed[index].term != 0;
         index++)
        hash = mix(hash,
                   raft_world->committed[index].term << 32 | raft_world->committed[index].in_term);
    return net_fingerprint(&raft_world->net, hash);
}

static void name_choice(struct choice choice, struct text *text)
{
    INVARIANT(choice.kind < CHOOSE_COUNT);
    text_append(text, "%s.%u.%u", names[choice.kind], choice.a, choice.b);
}

/* ---- the fair end: one leader, one log, everything committed ---- */

static bool is_quiet(void)
{
    bool is_busy = raft_world->net.queued > 0;
    for (uint32_t id = 1; id <= RAFT_SERVERS; id++)
        is_busy = is_busy || raft_servers[id]->tokens_count > 0;
    return !is_busy;
}

static void deliver_all(void)
{
    while (!is_quiet()) {
        for (unsigned from = 0; from < RAFT_SERVERS; from++)
            for (unsigned to = 0; to < RAFT_SERVERS; to++)
                if (raft_world->net.queues[from][to].count > 0)
                    hand_over(net_take(&raft_world->net, from, to));
        for (uint32_t id = 1; id <= RAFT_SERVERS; id++)
            if (raft_servers[id]->tokens_count > 0)
                server_stored(id);
    }
}

static bool is_whole(void)
{
    unsigned leaders = 0;
    for (uint32_t id = 1; id <= RAFT_SERVERS; id++) {
        const struct raft *raft = raft_servers[id]->raft;
        if (raft == NULL || raft->term != raft_servers[1]->raft->term ||
            raft->commit != raft_log_last_index(&raft->log) ||
            raft->commit != raft_servers[1]->raft->commit || raft->leader == 0)
            return false;
        leaders += raft->role == RAFT_LEADER ? 1u : 0u;
    }
    return leaders == 1;
}

static void finish(bool (*is_known)(uint64_t fingerprint))
{
    unsigned before = heap_enter(0);
    raft_world->faults_left = 0;
    raft_world->quanta_left = 0;
    raft_world->proposals_left = 0;
    net_forget_limbo(&raft_world->net);
    for (unsigned round = 0; !is_whole() && !is_known(fingerprint()); round++) {
        if (round == FAIR_ROUNDS)
            model_violation("no leader with a whole log comes about");
        for (uint32_t id = 1; id <= RAFT_SERVERS; id++)
            if (raft_servers[id]->raft == NULL)
                server_start(id);
        deliver_all();
        raft_world->now_us += QUANTUM_US;
        for (uint32_t id = 1; id <= RAFT_SERVERS; id++) {
            if (raft_deadline_us(raft_servers[id]->raft) <= raft_world->now_us)
                server_tick(id);
            deliver_all();
        }
    }
    heap_return(before);
}

/* ---- the first state: three fresh servers, each of which may start an election ---- */

static void create(uint32_t id, const struct raft_configuration *configuration)
{
    unsigned before = heap_enter(id);
    struct raft_server_model *server = mem_calloc(1, sizeof *server);
    server->id = id;
    server->store = kv_memory_new(2);
    struct kv_batch *batch = kv_batch_new();
    raft_bootstrap(batch, configuration);
    enum err err = kv_memory_apply(server->store, batch);
    INVARIANT(err == ERR_OK);
    kv_batch_free(batch);
    kv_memory_sync(server->store);
    server->durable = kv_memory_digest(server->store);
    raft_servers[id] = server;
    heap_return(before);
}

static void elect(void)
{
    raft_world->has_ticked = true;
    server_tick(1);
    deliver_all();
    INVARIANT(raft_role(raft_servers[1]->raft) == RAFT_LEADER);
}

static void begin(void)
{
    static struct raft_configuration configuration;
    effects.count = 0; /* a violation may have left some behind, in heaps that are no more */
    if (effects.items == NULL) {
        effects.items = mem_calloc(EFFECTS, sizeof *effects.items);
        effects.capacity = EFFECTS;
    }
    configuration.count = RAFT_SERVERS;
    for (uint32_t i = 0; i < RAFT_SERVERS; i++) {
        configuration.servers[i].id = i + 1;
        memcpy(configuration.servers[i].address, "a", 2);
    }
    (void)heap_enter(0);
    raft_world = mem_calloc(1, sizeof *raft_world);
    raft_world->now_us = 1000;
    for (uint32_t id = 1; id <= RAFT_SERVERS; id++)
        create(id, &configuration);
    for (uint32_t id = 1; id <= RAFT_SERVERS; id++)
        server_start(id);
    raft_world->now_us += ELECTION_US;
    if (raft_settings.is_elected)
        elect();
    raft_world->faults_left = (uint8_t)raft_settings.faults;
    raft_world->proposals_left = (uint8_t)raft_settings.proposals;
    raft_world->quanta_left = (uint8_t)raft_settings.quanta;
    (void)heap_enter(HEAP_NONE);
}

const struct model raft_model = {
    .name = "raft",
    .begin = begin,
    .choices = choices,
    .apply = apply,
    .fingerprint = fingerprint,
    .is_settled = NULL,
    .finish = finish,
    .name_choice = name_choice,
    .tell = tell,
};
