/* One Raft server under any messages, with a store that keeps its contract.
 *
 * Oracle besides raft_check(): committed entries are applied in order without gaps, each proposal,
 * read and change is answered at most once, and what was stored can be loaded again. A hostile
 * leader can make a server stop (it contradicts what is committed), not abort. */
#include <string.h>

#include "config_master/raft/internal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/kv_memory.h"

enum { TOKENS_MAX = 4096, STEPS_MAX = 1500, ANSWERS_MAX = 4096 };

struct server_under_test {
    struct fuzz_input input;
    struct fuzz_domain domain;
    struct kv_memory *disk;
    struct raft *raft;
    struct raft_effects effects;
    uint64_t tokens[TOKENS_MAX];
    uint32_t tokens_count;
    uint64_t now_us;
    uint64_t applied;
    bool is_snapshot_wanted;
    bool is_halted;
    uint64_t next_id;
    bool is_answered[ANSWERS_MAX];
    uint32_t steps;
};

static const struct raft_options options = {.id = 1,
                                            .election_min_us = 300000,
                                            .election_max_us = 600000,
                                            .heartbeat_us = 100000,
                                            .append_entries_max = 4,
                                            .append_bytes_max = 256,
                                            .append_inflight_max = 4,
                                            .snapshot_chunk_bytes = 8,
                                            .snapshot_after_entries = 6};

static void start(struct server_under_test *server)
{
    struct kv kv = kv_memory_interface(server->disk);
    struct raft_options with_trace = options;
    with_trace.trace = fuzz_trace();
    PRE(raft_new(&with_trace, 7, server->now_us, &kv, &server->raft) == ERR_OK);
    raft_check(server->raft);
    server->applied = raft_applied_index(server->raft);
    server->is_snapshot_wanted = false;
}

static void answer(struct server_under_test *server, uint64_t id)
{
    PRE(id < server->next_id && !server->is_answered[id]);
    server->is_answered[id] = true;
}

static void take(struct server_under_test *server, struct raft_effect *effect, struct text *text)
{
    switch (effect->kind) {
    case RAFT_EFFECT_SEND:
        PRE(effect->to != 0 && effect->to != options.id);
        wire_message_print(&effect->message, text);
        break;
    case RAFT_EFFECT_STORE:
        PRE(server->tokens_count < TOKENS_MAX);
        PRE(kv_memory_apply(server->disk, effect->batch) == ERR_OK);
        server->tokens[server->tokens_count++] = effect->token;
        break;
    case RAFT_EFFECT_APPLY:
        PRE(effect->index > server->applied && effect->index <= raft_commit_index(server->raft));
        server->applied = effect->index;
        break;
    case RAFT_EFFECT_RESTORE:
        PRE(effect->index >= server->applied);
        server->applied = effect->index;
        break;
    case RAFT_EFFECT_PROPOSED:
    case RAFT_EFFECT_READ_READY:
        answer(server, effect->id);
        break;
    case RAFT_EFFECT_ROLE:
    case RAFT_EFFECT_CONFIGURATION:
        break;
    case RAFT_EFFECT_SNAPSHOT_WANTED:
        server->is_snapshot_wanted = true;
        break;
    case RAFT_EFFECT_HALT:
        PRE(effect->text != NULL);
        server->is_halted = true;
        break;
    }
}

static void step(struct server_under_test *server, struct raft_event *event)
{
    event->now_us = server->now_us;
    raft_step(server->raft, event, &server->effects);
    struct text text;
    text_init(&text);
    for (uint32_t i = 0; i < server->effects.count; i++) {
        take(server, &server->effects.items[i], &text);
        text_clear(&text);
    }
    text_release(&text);
    raft_effects_clear(&server->effects);
    if (!server->is_halted)
        raft_check(server->raft);
    server->steps++;
}

static void restart(struct server_under_test *server)
{
    raft_free(server->raft);
    size_t unsynced = kv_memory_unsynced(server->disk);
    kv_memory_crash(server->disk, fuzz_below(&server->input, 8) % (unsynced + 1));
    server->tokens_count = 0;
    server->is_halted = false;
    for (uint64_t id = 0; id < server->next_id; id++)
        server->is_answered[id] = true; /* by silence: the process is gone */
    start(server);
}

static void learn(struct server_under_test *server)
{
    struct fuzz_domain *domain = &server->domain;
    const struct raft *raft = server->raft;
    static const char *const indexes[] = {"last_index", "previous_index", "commit", "match_index",
                                          "conflict_index"};
    static const char *const terms[] = {"term", "last_term", "previous_term", "conflict_term"};
    for (size_t i = 0; i < ARRAY_COUNT(indexes); i++) {
        fuzz_hint_number(domain, indexes[i], raft_last_index(raft));
        fuzz_hint_number(domain, indexes[i], raft_commit_index(raft));
    }
    for (size_t i = 0; i < ARRAY_COUNT(terms); i++) {
        fuzz_hint_number(domain, terms[i], raft_term(raft));
        fuzz_hint_number(domain, terms[i], raft_log_last_term(&raft->log));
    }
    fuzz_hint_number(domain, "round", raft->round);
}

static void receive(struct server_under_test *server)
{
    static const enum wire_type types[] = {
        WIRE_RAFT_VOTE,     WIRE_RAFT_VOTED,        WIRE_RAFT_APPEND,      WIRE_RAFT_APPENDED,
        WIRE_RAFT_SNAPSHOT, WIRE_RAFT_SNAPSHOT_ACK, WIRE_RAFT_TIMEOUT_NOW, WIRE_PUT};
    learn(server);
    struct wire_message message;
    fuzz_message(&server->input, &server->domain,
                 types[fuzz_below(&server->input, ARRAY_COUNT(types))], &message);
    struct raft_event event = {.kind = RAFT_EVENT_RECEIVE, .message = &message};
    step(server, &event);
    wire_message_release(&message);
}

/* What a peer that wishes us well would say: a vote, or that it has everything. */
static void agree(struct server_under_test *server)
{
    const struct raft *raft = server->raft;
    uint32_t sender = 2 + fuzz_below(&server->input, 3);
    struct wire_message message = {.type = WIRE_RAFT_VOTED};
    if (raft_role(raft) == RAFT_LEADER) {
        message.type = WIRE_RAFT_APPENDED;
        message.u.raft_appended = (struct wire_raft_appended){.term = raft_term(raft),
                                                              .sender = sender,
                                                              .success = true,
                                                              .match_index = raft_last_index(raft),
                                                              .round = raft->round};
    } else {
        bool is_prevote = raft_role(raft) == RAFT_PRECANDIDATE;
        message.u.raft_voted =
            (struct wire_raft_voted){.term = raft_term(raft) + (is_prevote ? 1 : 0),
                                     .sender = sender,
                                     .granted = true,
                                     .is_prevote = is_prevote};
    }
    struct raft_event event = {.kind = RAFT_EVENT_RECEIVE, .message = &message};
    step(server, &event);
}

/* A leader of ours that sends the next entries. */
static void follow(struct server_under_test *server)
{
    const struct raft *raft = server->raft;
    struct wire_raft_entry entries[4];
    uint32_t count = fuzz_below(&server->input, 5);
    uint64_t term = raft_term(raft) + (fuzz_below(&server->input, 8) == 0 ? 1 : 0);
    uint8_t configuration[RAFT_CONFIGURATION_BYTES_MAX];
    struct raft_configuration next = {.count = 1 + fuzz_below(&server->input, 7)};
    for (uint32_t i = 0; i < next.count; i++)
        next.servers[i] =
            (struct raft_server){.id = i + 1 + fuzz_below(&server->input, 2) * 7, .address = "h:1"};
    size_t length = raft_configuration_encode(&next, configuration);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t kind = (uint8_t)fuzz_below(&server->input, 4);
        entries[i] = (struct wire_raft_entry){.term = term,
                                              .kind = kind,
                                              .data = kind == RAFT_ENTRY_CONFIGURATION
                                                          ? slice_of(configuration, length)
                                                          : slice_of("data", 4)};
    }
    struct wire_message message = {.type = WIRE_RAFT_APPEND};
    message.u.raft_append =
        (struct wire_raft_append){.term = term,
                                  .sender = 2 + fuzz_below(&server->input, 2),
                                  .previous_index = raft_last_index(raft),
                                  .previous_term = raft_log_last_term(&raft->log),
                                  .commit = raft_last_index(raft) + fuzz_below(&server->input, 3),
                                  .round = 1,
                                  .entries = entries,
                                  .entries_count = count};
    struct raft_event event = {.kind = RAFT_EVENT_RECEIVE, .message = &message};
    step(server, &event);
}

static void stored(struct server_under_test *server)
{
    if (server->tokens_count == 0)
        return;
    struct raft_event event = {.kind = RAFT_EVENT_STORED, .token = server->tokens[0]};
    server->tokens_count--;
    memmove(server->tokens, server->tokens + 1, server->tokens_count * sizeof *server->tokens);
    kv_memory_sync_oldest(server->disk, 1);
    step(server, &event);
}

static void ask(struct server_under_test *server)
{
    if (server->next_id == ANSWERS_MAX)
        return;
    struct raft_configuration configuration = *raft_configuration(server->raft);
    struct raft_event event = {.id = server->next_id++};
    switch (fuzz_below(&server->input, 8)) {
    case 0:
        event.kind = RAFT_EVENT_READ;
        break;
    case 1:
        event.kind = RAFT_EVENT_TRANSFER;
        event.target = fuzz_below(&server->input, 5);
        break;
    case 2:
    case 3: {
        uint32_t id = 1 + fuzz_below(&server->input, 9);
        event.kind = RAFT_EVENT_CHANGE;
        event.configuration = &configuration;
        uint32_t kept = 0;
        for (uint32_t i = 0; i < configuration.count; i++)
            if (configuration.servers[i].id != id)
                configuration.servers[kept++] = configuration.servers[i];
        if (kept == configuration.count && kept < BOUND_MASTERS)
            configuration.servers[kept++] = (struct raft_server){.id = id, .address = "new:1"};
        configuration.count = kept;
        break;
    }
    default:
        event.kind = RAFT_EVENT_PROPOSE;
        event.data = buf_copy(fuzz_bytes(&server->input, 4));
        break;
    }
    step(server, &event);
    buf_unref(event.data);
}

static void take_snapshot(struct server_under_test *server)
{
    if (!server->is_snapshot_wanted)
        return;
    server->is_snapshot_wanted = false;
    struct raft_event event = {.kind = RAFT_EVENT_SNAPSHOT_TAKEN,
                               .index = raft_applied_index(server->raft),
                               .data = buf_copy(slice_of_text("state of the machine"))};
    step(server, &event);
    buf_unref(event.data);
}

static void one_event(struct server_under_test *server)
{
    struct raft_event event = {.kind = RAFT_EVENT_TICK};
    uint64_t deadline;
    switch (fuzz_below(&server->input, 16)) {
    case 0:
    case 1:
        deadline = raft_deadline_us(server->raft);
        if (deadline > server->now_us && deadline < server->now_us + 10000000)
            server->now_us = deadline;
        step(server, &event);
        break;
    case 2:
        server->now_us += fuzz_delay_us(&server->input);
        step(server, &event);
        break;
    case 3:
    case 4:
    case 5:
        stored(server);
        break;
    case 6:
    case 7:
    case 8:
        receive(server);
        break;
    case 9:
    case 10:
        agree(server);
        break;
    case 11:
        follow(server);
        break;
    case 12:
    case 13:
        ask(server);
        break;
    case 14:
        take_snapshot(server);
        break;
    default:
        if (fuzz_below(&server->input, 8) == 0)
            restart(server);
        break;
    }
    if (server->is_halted)
        restart(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct server_under_test server;
    server = (struct server_under_test){
        .input = fuzz_input_of(data, size), .disk = kv_memory_new(2), .now_us = 1000000};
    raft_effects_init(&server.effects);
    struct raft_configuration configuration = {.count = fuzz_below(&server.input, 4)};
    for (uint32_t i = 0; i < configuration.count; i++)
        configuration.servers[i] = (struct raft_server){.id = i + 1, .address = "host:1"};
    struct kv_batch *batch = kv_batch_new();
    raft_bootstrap(batch, &configuration);
    PRE(kv_memory_apply(server.disk, batch) == ERR_OK);
    kv_batch_free(batch);
    kv_memory_sync(server.disk);
    for (uint32_t i = 2; i <= 4; i++)
        fuzz_hint_number(&server.domain, "sender", i);
    fuzz_hint_number(&server.domain, "total", 8);
    fuzz_hint_number(&server.domain, "total", 3);
    fuzz_hint_number(&server.domain, "offset", 0);
    fuzz_hint_number(&server.domain, "offset", 3);
    fuzz_hint_number(&server.domain, "kind", 0);
    fuzz_hint_number(&server.domain, "kind", 1);
    static const uint8_t one[] = {1, 1, 0, 0, 0, 2, 1, 'h'};
    static const uint8_t none[] = {1, 0};
    fuzz_hint_bytes(&server.domain, "configuration", slice_of(one, sizeof one));
    fuzz_hint_bytes(&server.domain, "configuration", slice_of(none, sizeof none));
    start(&server);
    while (server.input.length > 0 && server.steps < STEPS_MAX)
        one_event(&server);
    raft_free(server.raft);
    raft_effects_release(&server.effects);
    kv_memory_free(server.disk);
    return 0;
}
