#include "tests/unit/raft/single.h"

static void start(struct single *single)
{
    struct kv kv = kv_memory_interface(single->disk);
    enum err err = raft_new(&single->options, 7, single->now_us, &kv, &single->raft);
    PRE(err == ERR_OK);
}

void single_init(struct single *single, uint32_t members)
{
    *single = (struct single){.now_us = 1000000, .auto_store = true};
    single->disk = kv_memory_new(2);
    raft_effects_init(&single->effects);
    single->options = (struct raft_options){
        .id = 1,
        .election_min_us = 300000,
        .election_max_us = 600000,
        .heartbeat_us = 100000,
        .append_entries_max = 16,
        .append_bytes_max = 4096,
        .append_inflight_max = 4,
        .snapshot_chunk_bytes = 4,
        .snapshot_after_entries = 8,
    };
    struct raft_configuration configuration = {.count = members};
    for (uint32_t i = 0; i < members; i++)
        configuration.servers[i] = (struct raft_server){.id = i + 1, .address = "host:1"};
    struct kv_batch *batch = kv_batch_new();
    raft_bootstrap(batch, &configuration);
    (void)kv_memory_apply(single->disk, batch);
    kv_memory_sync(single->disk);
    kv_batch_free(batch);
    start(single);
    /* Past the silence after a start (R31), without standing for election. */
    single->raft->no_vote_until_us = 0;
    single_advance(single, 0);
    raft_effects_clear(&single->effects);
}

void single_release(struct single *single)
{
    raft_free(single->raft);
    raft_effects_release(&single->effects);
    kv_memory_free(single->disk);
}

void single_restart(struct single *single)
{
    raft_free(single->raft);
    kv_memory_crash(single->disk, 0);
    single->tokens_count = 0;
    start(single);
}

static void run_stores(struct single *single, uint32_t from)
{
    for (uint32_t i = from; i < single->effects.count; i++) {
        struct raft_effect *effect = &single->effects.items[i];
        if (effect->kind != RAFT_EFFECT_STORE)
            continue;
        enum err err = kv_memory_apply(single->disk, effect->batch);
        PRE(err == ERR_OK);
        PRE(single->tokens_count < ARRAY_COUNT(single->tokens));
        single->tokens[single->tokens_count++] = effect->token;
    }
}

/* Runs one step and appends its effects to those collected. */
static void step_more(struct single *single, struct raft_event *event)
{
    struct raft_effects more;
    raft_effects_init(&more);
    event->now_us = single->now_us;
    raft_step(single->raft, event, &more);
    raft_check(single->raft);
    uint32_t from = single->effects.count;
    struct raft_effects *all = &single->effects;
    all->items = mem_realloc(all->items, (from + more.count + 1) * sizeof *all->items);
    all->capacity = from + more.count + 1;
    for (uint32_t i = 0; i < more.count; i++)
        all->items[all->count++] = more.items[i];
    more.count = 0; /* moved */
    raft_effects_release(&more);
    run_stores(single, from);
}

static void store_oldest(struct single *single)
{
    PRE(single->tokens_count > 0);
    struct raft_event event = {.kind = RAFT_EVENT_STORED, .token = single->tokens[0]};
    single->tokens_count--;
    memmove(single->tokens, single->tokens + 1, single->tokens_count * sizeof single->tokens[0]);
    kv_memory_sync_oldest(single->disk, 1);
    step_more(single, &event);
}

void single_step(struct single *single, struct raft_event *event)
{
    raft_effects_clear(&single->effects);
    step_more(single, event);
    while (single->auto_store && single->tokens_count > 0)
        store_oldest(single);
}

void single_receive(struct single *single, const struct wire_message *message)
{
    struct raft_event event = {.kind = RAFT_EVENT_RECEIVE, .message = message};
    single_step(single, &event);
}

void single_stored(struct single *single)
{
    raft_effects_clear(&single->effects);
    store_oldest(single);
}

void single_stored_all(struct single *single)
{
    raft_effects_clear(&single->effects);
    while (single->tokens_count > 0)
        store_oldest(single);
}

void single_advance(struct single *single, uint64_t us)
{
    single->now_us += us;
    struct raft_event event = {.kind = RAFT_EVENT_TICK};
    single_step(single, &event);
}

void single_tick_at_deadline(struct single *single)
{
    uint64_t deadline_us = raft_deadline_us(single->raft);
    single_advance(single, deadline_us > single->now_us ? deadline_us - single->now_us : 0);
}

const struct raft_effect *single_effect(const struct single *single, enum raft_effect_kind kind,
                                        uint32_t n)
{
    for (uint32_t i = 0; i < single->effects.count; i++)
        if (single->effects.items[i].kind == kind && n-- == 0)
            return &single->effects.items[i];
    return NULL;
}

uint32_t single_count(const struct single *single, enum raft_effect_kind kind)
{
    uint32_t count = 0;
    while (single_effect(single, kind, count) != NULL)
        count++;
    return count;
}

const struct wire_message *single_sent(const struct single *single, enum wire_type type,
                                       uint32_t to)
{
    for (uint32_t i = 0; i < single->effects.count; i++) {
        const struct raft_effect *effect = &single->effects.items[i];
        if (effect->kind == RAFT_EFFECT_SEND && effect->message.type == type &&
            (to == 0 || effect->to == to))
            return &effect->message;
    }
    return NULL;
}

void single_vote_from(struct single *single, uint32_t sender, uint64_t term, uint64_t last_index,
                      uint64_t last_term)
{
    struct wire_message message = {.type = WIRE_RAFT_VOTE};
    message.u.raft_vote = (struct wire_raft_vote){
        .term = term, .sender = sender, .last_index = last_index, .last_term = last_term};
    single_receive(single, &message);
}

void single_append_from(struct single *single, uint32_t sender, uint64_t term,
                        uint64_t previous_index, uint64_t previous_term, const uint64_t *terms,
                        uint32_t count, uint64_t commit)
{
    struct wire_raft_entry entries[16];
    uint8_t bytes[16];
    PRE(count <= ARRAY_COUNT(entries));
    for (uint32_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(previous_index + 1 + i);
        entries[i] = (struct wire_raft_entry){
            .term = terms[i], .kind = RAFT_ENTRY_COMMAND, .data = slice_of(&bytes[i], 1)};
    }
    struct wire_message message = {.type = WIRE_RAFT_APPEND};
    message.u.raft_append = (struct wire_raft_append){
        .term = term,
        .sender = sender,
        .previous_index = previous_index,
        .previous_term = previous_term,
        .commit = commit,
        .round = 1,
        .entries = entries,
        .entries_count = count,
    };
    single_receive(single, &message);
}

void single_appended_from(struct single *single, uint32_t sender, uint64_t match_index)
{
    struct wire_message message = {.type = WIRE_RAFT_APPENDED};
    message.u.raft_appended = (struct wire_raft_appended){
        .term = raft_term(single->raft),
        .sender = sender,
        .success = true,
        .match_index = match_index,
        .round = single->raft->round,
    };
    single_receive(single, &message);
}

void single_rejected_from(struct single *single, uint32_t sender, uint64_t conflict_term,
                          uint64_t conflict_index)
{
    struct wire_message message = {.type = WIRE_RAFT_APPENDED};
    message.u.raft_appended = (struct wire_raft_appended){
        .term = raft_term(single->raft),
        .sender = sender,
        .conflict_term = conflict_term,
        .conflict_index = conflict_index,
        .round = single->raft->round,
    };
    single_receive(single, &message);
}

static void voted_from(struct single *single, uint32_t sender, bool is_prevote)
{
    struct wire_message message = {.type = WIRE_RAFT_VOTED};
    message.u.raft_voted = (struct wire_raft_voted){
        .term = raft_term(single->raft) + (is_prevote ? 1 : 0),
        .sender = sender,
        .granted = true,
        .is_prevote = is_prevote,
    };
    single_receive(single, &message);
}

void single_lead(struct single *single)
{
    bool auto_store = single->auto_store;
    single->auto_store = true;
    for (int tries = 0; raft_role(single->raft) != RAFT_PRECANDIDATE &&
                        raft_role(single->raft) != RAFT_LEADER && tries < 4;
         tries++)
        single_tick_at_deadline(single);
    if (raft_role(single->raft) == RAFT_PRECANDIDATE)
        for (uint32_t id = 2; raft_role(single->raft) == RAFT_PRECANDIDATE && id < 9; id++)
            voted_from(single, id, true);
    for (uint32_t id = 2; raft_role(single->raft) == RAFT_CANDIDATE && id < 9; id++)
        voted_from(single, id, false);
    PRE(raft_role(single->raft) == RAFT_LEADER);
    single->auto_store = auto_store;
}

void single_propose(struct single *single, uint64_t id)
{
    struct buf *data = buf_copy(slice_of_text("command"));
    struct raft_event event = {.kind = RAFT_EVENT_PROPOSE, .id = id, .data = data};
    single_step(single, &event);
    buf_unref(data);
}
