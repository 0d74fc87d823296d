/* The core's interface: loading, dispatch of events, effects. */
#include "config_master/raft/raft.h"

#include "base/planted.h"
#include "config_master/raft/internal.h"
#include "wire/schema.h"

void raft_effects_init(struct raft_effects *effects)
{
    *effects = (struct raft_effects){0};
}

void raft_effects_clear(struct raft_effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        struct raft_effect *effect = &effects->items[i];
        wire_message_release(&effect->message);
        kv_batch_free(effect->batch);
        buf_unref(effect->data);
    }
    effects->count = 0;
}

void raft_effects_release(struct raft_effects *effects)
{
    raft_effects_clear(effects);
    mem_free(effects->items);
    raft_effects_init(effects);
}

/* The effect is valid until the next one is emitted. */
struct raft_effect *raft_emit(struct raft *raft, enum raft_effect_kind kind)
{
    struct raft_effects *effects = raft->effects;
    PRE(effects != NULL);
    if (effects->count == effects->capacity) {
        effects->capacity = effects->capacity == 0 ? 16 : effects->capacity * 2;
        effects->items = mem_realloc(effects->items, effects->capacity * sizeof *effects->items);
    }
    struct raft_effect *effect = &effects->items[effects->count++];
    *effect = (struct raft_effect){.kind = kind};
    return effect;
}

void raft_halt(struct raft *raft, const char *text)
{
    if (raft->halted)
        return;
    RAFT_TRACE(raft, "term %llu: halt: %s", (unsigned long long)raft->term, text);
    raft->halted = true;
    raft_emit(raft, RAFT_EFFECT_HALT)->text = text;
}

void raft_emit_role(struct raft *raft)
{
    if (raft->told_role == raft->role && raft->told_leader == raft->leader &&
        raft->told_term == raft->term)
        return;
    raft->told_role = raft->role;
    raft->told_leader = raft->leader;
    raft->told_term = raft->term;
    struct raft_effect *effect = raft_emit(raft, RAFT_EFFECT_ROLE);
    effect->role = raft->role;
    effect->leader = raft->leader;
    effect->term = raft->term;
}

void raft_emit_proposed(struct raft *raft, uint64_t id, enum err err, uint64_t index)
{
    struct raft_effect *effect = raft_emit(raft, RAFT_EFFECT_PROPOSED);
    effect->id = id;
    effect->err = err;
    effect->index = index;
}

void raft_send(struct raft *raft, uint32_t to, const struct wire_message *message)
{
    struct raft_effect *effect = raft_emit(raft, RAFT_EFFECT_SEND);
    effect->to = to;
    effect->message = *message;
}

void raft_send_when_stored(struct raft *raft, uint64_t token, uint32_t to,
                           const struct wire_message *message)
{
    if (token <= raft->stored_token) {
        raft_send(raft, to, message);
        return;
    }
    if (raft->deferred_count == raft->deferred_capacity) {
        raft->deferred_capacity = raft->deferred_capacity == 0 ? 16 : raft->deferred_capacity * 2;
        raft->deferred =
            mem_realloc(raft->deferred, raft->deferred_capacity * sizeof *raft->deferred);
    }
    raft->deferred[raft->deferred_count++] =
        (struct raft_deferred){.token = token, .to = to, .message = *message};
}

static uint64_t message_term(const struct wire_message *message)
{
    if (message->type == WIRE_RAFT_VOTE)
        return message->u.raft_vote.term;
    if (message->type == WIRE_RAFT_VOTED)
        return message->u.raft_voted.term;
    if (message->type == WIRE_RAFT_APPENDED)
        return message->u.raft_appended.term;
    PRE(message->type == WIRE_RAFT_SNAPSHOT_ACK);
    return message->u.raft_snapshot_ack.term;
}

/* Sends what waited for the stored batch. What was said in an older term is said no more: the
 * sender of a request of that term has lost its answer, which is always legal. */
static void release_deferred(struct raft *raft)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < raft->deferred_count; i++) {
        struct raft_deferred *deferred = &raft->deferred[i];
        if (deferred->token > raft->stored_token)
            raft->deferred[kept++] = *deferred;
        else if (message_term(&deferred->message) >= raft->term)
            raft_send(raft, deferred->to, &deferred->message);
    }
    raft->deferred_count = kept;
}

void raft_refuse(struct raft *raft, const struct wire_message *message, const char *why)
{
    raft->refused_messages++;
    RAFT_TRACE(raft, "refused %s: %s", wire_type_name(message->type), why);
}

static enum err load(struct raft *raft, const struct kv *kv)
{
    enum err err = raft_storage_load(raft, kv);
    if (err != ERR_OK)
        return err;
    raft->commit = raft->snapshot.index;
    raft->applied = raft->snapshot.index;
    raft_membership_update(raft);
    return ERR_OK;
}

enum err raft_new(const struct raft_options *options, uint64_t seed, uint64_t now_us,
                  const struct kv *kv, struct raft **ret_raft)
{
    PRE(options->id > 0);
    PRE(options->heartbeat_us > 0 && options->heartbeat_us * 2 <= options->election_min_us);
    PRE(options->append_entries_max > 0 && options->append_entries_max <= 4096);
    PRE(options->append_bytes_max > 0 && options->append_bytes_max <= RAFT_APPEND_BYTES_MAX);
    PRE(options->append_inflight_max > 0 && options->append_inflight_max <= RAFT_INFLIGHT_MAX);
    PRE(options->snapshot_chunk_bytes > 0 &&
        options->snapshot_chunk_bytes <= BOUND_FRAME_PAYLOAD_BYTES);
    PRE(options->snapshot_after_entries > 0);
    struct raft *raft = mem_calloc(1, sizeof *raft);
    raft->options = *options;
    prng_init(&raft->prng, seed);
    raft->hold_us = options->election_min_us + options->election_min_us / 64;
    PRE(options->election_max_us > raft->hold_us);
    raft->next_token = 1;
    raft->now_us = now_us;
    raft->no_vote_until_us = now_us + raft->hold_us; /* R31 */
    enum err err = load(raft, kv);
    if (err != ERR_OK) {
        raft_free(raft);
        return err;
    }
    raft_election_reset_deadline(raft);
    RAFT_TRACE(raft, "term %llu: started with log (%llu, %llu], snapshot %llu, %u servers",
               (unsigned long long)raft->term, (unsigned long long)raft->log.base_index,
               (unsigned long long)raft_log_last_index(&raft->log),
               (unsigned long long)raft->snapshot.index, raft->configuration.count);
    *ret_raft = raft;
    return ERR_OK;
}

void raft_free(struct raft *raft)
{
    if (raft == NULL)
        return;
    raft_log_release(&raft->log);
    buf_unref(raft->snapshot.data);
    raft_incoming_release(raft);
    for (uint32_t i = 0; i < raft->peers_count; i++)
        buf_unref(raft->peers[i].snapshot.data);
    kv_batch_free(raft->batch);
    mem_free(raft->writes);
    mem_free(raft->deferred);
    mem_free(raft->proposals);
    mem_free(raft->reads);
    mem_free(raft);
}

static void start(struct raft *raft)
{
    raft->started = true;
    if (raft->snapshot.index > 0) {
        struct raft_effect *effect = raft_emit(raft, RAFT_EFFECT_RESTORE);
        effect->index = raft->snapshot.index;
        effect->term = raft->snapshot.term;
        effect->data = buf_ref(raft->snapshot.data);
    }
    if (raft->configuration.count > 0)
        raft_emit(raft, RAFT_EFFECT_CONFIGURATION)->configuration = raft->configuration;
}

uint32_t raft_message_sender(const struct wire_message *message)
{
    if (message->type == WIRE_RAFT_VOTE)
        return message->u.raft_vote.sender;
    if (message->type == WIRE_RAFT_VOTED)
        return message->u.raft_voted.sender;
    if (message->type == WIRE_RAFT_APPEND)
        return message->u.raft_append.sender;
    if (message->type == WIRE_RAFT_APPENDED)
        return message->u.raft_appended.sender;
    if (message->type == WIRE_RAFT_SNAPSHOT)
        return message->u.raft_snapshot.sender;
    if (message->type == WIRE_RAFT_SNAPSHOT_ACK)
        return message->u.raft_snapshot_ack.sender;
    if (message->type == WIRE_RAFT_TIMEOUT_NOW)
        return message->u.raft_timeout_now.sender;
    return 0;
}

/* The terms of an append's entries are at most its own. */
static bool numbers_are_sane(const struct wire_message *message)
{
    const struct wire_schema *schema = wire_schema_of(message->type);
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct wire_field *field = &schema->fields[i];
        if (field->kind == WIRE_KIND_U64 &&
            *(const uint64_t *)wire_field_const(&message->u, field) > RAFT_NUMBER_MAX)
            return false;
    }
    return true;
}

static void receive(struct raft *raft, const struct wire_message *message)
{
    uint32_t sender = raft_message_sender(message);
    if (sender == 0 || sender == raft->options.id) {
        raft_refuse(raft, message, "no raft message of another server");
        return;
    }
    if (!numbers_are_sane(message)) {
        raft_refuse(raft, message, "a term or index that cannot be");
        return;
    }
    if (message->type == WIRE_RAFT_VOTE)
        raft_receive_vote(raft, message);
    else if (message->type == WIRE_RAFT_VOTED)
        raft_receive_voted(raft, message);
    else if (message->type == WIRE_RAFT_APPEND)
        raft_receive_append(raft, message);
    else if (message->type == WIRE_RAFT_APPENDED)
        raft_receive_appended(raft, message);
    else if (message->type == WIRE_RAFT_SNAPSHOT)
        raft_receive_snapshot(raft, message);
    else if (message->type == WIRE_RAFT_SNAPSHOT_ACK)
        raft_receive_snapshot_ack(raft, message);
    else
        raft_receive_timeout_now(raft, message);
}

static void tick(struct raft *raft)
{
    if (raft->role == RAFT_LEADER)
        raft_leader_tick(raft);
    else
        raft_election_tick(raft);
}

static void stored(struct raft *raft, uint64_t token)
{
    raft_storage_stored(raft, token);
    release_deferred(raft);
    if (raft->role == RAFT_CANDIDATE)
        raft_election_stored(raft);
    else if (raft->role == RAFT_LEADER)
        raft_leader_stored(raft);
}

static void propose(struct raft *raft, uint64_t id, struct buf *data)
{
    enum err err = ERR_OK;
    if (raft->role != RAFT_LEADER || raft->transfer.active)
        err = ERR_NOT_LEADER;
    else if (buf_slice(data).length > RAFT_COMMAND_BYTES_MAX)
        err = ERR_TOO_LARGE;
    else if (raft_log_last_index(&raft->log) - raft->commit >= RAFT_UNCOMMITTED_MAX)
        err = ERR_BUSY;
    if (err != ERR_OK) {
        raft_emit_proposed(raft, id, err, 0);
        return;
    }
    raft_leader_propose(raft, id, RAFT_ENTRY_COMMAND, data);
}

void raft_step(struct raft *raft, const struct raft_event *event, struct raft_effects *effects)
{
    PRE(effects->count == 0);
    if (raft->halted)
        return;
    PRE(event->now_us >= raft->now_us);
    raft->now_us = event->now_us;
    raft->effects = effects;
    if (!raft->started)
        start(raft);
    switch (event->kind) {
    case RAFT_EVENT_TICK:
        tick(raft);
        break;
    case RAFT_EVENT_RECEIVE:
        receive(raft, event->message);
        break;
    case RAFT_EVENT_STORED:
        stored(raft, event->token);
        break;
    case RAFT_EVENT_PROPOSE:
        propose(raft, event->id, event->data);
        break;
    case RAFT_EVENT_READ:
        raft_read_begin(raft, event->id);
        break;
    case RAFT_EVENT_SNAPSHOT_TAKEN:
        raft_snapshot_taken(raft, event->index, event->data);
        break;
    case RAFT_EVENT_CHANGE:
        raft_membership_change(raft, event->id, event->configuration);
        break;
    case RAFT_EVENT_TRANSFER:
        raft_transfer_begin(raft, event->id, event->target);
        break;
    }
    if (raft->role == RAFT_LEADER) {
        raft_membership_progress(raft);
        raft_transfer_progress(raft);
        raft_read_progress(raft);
    }
    raft_emit_role(raft);
    raft_storage_flush(raft);
    raft->effects = NULL;
}

uint64_t raft_deadline_us(const struct raft *raft)
{
    if (raft->halted)
        return UINT64_MAX;
    if (!raft->started)
        return raft->now_us;
    if (raft->role == RAFT_LEADER)
        return raft_leader_deadline_us(raft);
    return raft_is_member(raft, raft->options.id) ? raft->election_deadline_us : UINT64_MAX;
}

enum raft_role raft_role(const struct raft *raft)
{
    return raft->role;
}

uint64_t raft_term(const struct raft *raft)
{
    return raft->term;
}

uint32_t raft_leader(const struct raft *raft)
{
    return raft->leader;
}

uint64_t raft_commit_index(const struct raft *raft)
{
    return raft->commit;
}

uint64_t raft_applied_index(const struct raft *raft)
{
    return raft->applied;
}

uint64_t raft_last_index(const struct raft *raft)
{
    return raft_log_last_index(&raft->log);
}

bool raft_command_at(const struct raft *raft, uint64_t index, struct slice *ret_data)
{
    if (index <= raft->log.base_index || index > raft_log_last_index(&raft->log))
        return false;
    const struct raft_entry *entry = raft_log_at(&raft->log, index);
    if (entry->kind != RAFT_ENTRY_COMMAND)
        return false;
    *ret_data = buf_slice(entry->data);
    return true;
}

const struct raft_configuration *raft_configuration(const struct raft *raft)
{
    return &raft->configuration;
}

const struct raft_server *raft_joiner(const struct raft *raft)
{
    bool is_joining = raft->role == RAFT_LEADER && raft->change.phase == RAFT_CHANGE_CATCH_UP;
    return is_joining ? &raft->change.joiner : NULL;
}

static const struct raft_peer *find_peer(const struct raft *raft, uint32_t id)
{
    for (uint32_t i = 0; raft->role == RAFT_LEADER && i < raft->peers_count; i++)
        if (raft->peers[i].id == id)
            return &raft->peers[i];
    return NULL;
}

uint64_t raft_match_index(const struct raft *raft, uint32_t id)
{
    if (raft->role == RAFT_LEADER && id == raft->options.id)
        return raft->durable_index;
    const struct raft_peer *peer = find_peer(raft, id);
    return peer == NULL ? 0 : peer->match;
}

bool raft_lost_disk(const struct raft *raft, uint32_t id)
{
    const struct raft_peer *peer = find_peer(raft, id);
    return peer != NULL && peer->lost_disk;
}

uint64_t raft_refused_messages(const struct raft *raft)
{
    return raft->refused_messages;
}

uint64_t raft_lease_until_us(const struct raft *raft)
{
    if (raft->role != RAFT_LEADER || raft->halted ||
        (raft->transfer.sent && !PLANTED(R31_LEASE_AFTER_TRANSFER)) ||
        (raft->applied < raft->term_start_index && !PLANTED(R31_LEASE_BEFORE_NOOP)))
        return 0;
    uint64_t sent_us = raft_quorum(raft, RAFT_MEASURE_SENT);
    if (PLANTED(R31_LEASE_WITHOUT_QUORUM))
        sent_us = raft->now_us;
    return sent_us == 0 ? 0 : sent_us + raft->options.election_min_us;
}

uint64_t raft_leader_since_us(const struct raft *raft)
{
    return raft->role == RAFT_LEADER ? raft->leader_since_us : 0;
}
