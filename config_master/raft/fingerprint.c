/* One number for what a server knows, for the models that explore its states (tests/model). */
#include "base/hash.h"
#include "config_master/raft/internal.h"
#include "wire/schema.h"

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash ^= word + 0x9e3779b97f4a7c15u + (hash << 6);
    hash *= 0xd6e8feb86659fd93u;
    hash ^= hash >> 32;
    hash *= 0xd6e8feb86659fd93u;
    return hash ^ hash >> 29;
}

static uint64_t flag(bool value, unsigned bit)
{
    return value ? (uint64_t)1 << bit : 0;
}

/* What is left until then; 0: it is over. */
static uint64_t left(const struct raft *raft, uint64_t until_us)
{
    return until_us > raft->now_us ? until_us - raft->now_us : 0;
}

/* How long ago, as far as it matters to anything. */
static uint64_t age(const struct raft *raft, uint64_t at_us)
{
    uint64_t age_us = raft->now_us - at_us;
    uint64_t longest_us = raft->options.election_max_us + raft->hold_us;
    return at_us == 0 || age_us > longest_us ? longest_us : age_us;
}

static uint64_t mix_log(uint64_t hash, const struct raft *raft)
{
    const struct raft_log *log = &raft->log;
    hash = mix(mix(hash, log->base_index), log->base_term);
    for (uint64_t index = log->base_index + 1; index <= raft_log_last_index(log); index++) {
        const struct raft_entry *entry = raft_log_at(log, index);
        hash = mix(mix(hash, entry->term), entry->kind);
        hash = mix(hash, entry->data == NULL ? 0 : hash_bytes(buf_slice(entry->data), 1));
    }
    return mix(mix(mix(hash, raft->snapshot.index), raft->commit), raft->applied);
}

/* Deferred messages have no slices or arrays: the struct is all there is. */
static uint64_t mix_deferred(uint64_t hash, const struct wire_message *message)
{
    const struct wire_schema *schema = wire_schema_of(message->type);
    hash = mix(hash, message->type);
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const void *at = wire_field_const(&message->u, &schema->fields[i]);
        if (schema->fields[i].kind == WIRE_KIND_U64)
            hash = mix(hash, *(const uint64_t *)at);
        else if (schema->fields[i].kind == WIRE_KIND_U32)
            hash = mix(hash, *(const uint32_t *)at);
        else if (schema->fields[i].kind == WIRE_KIND_BOOL)
            hash = mix(hash, *(const bool *)at ? 1 : 0);
    }
    return hash;
}

static uint64_t mix_storage(uint64_t hash, const struct raft *raft)
{
    hash = mix(mix(hash, raft->next_token - raft->stored_token), raft->durable_index);
    hash = mix(hash,
               raft->hard_token > raft->stored_token ? raft->hard_token - raft->stored_token : 0);
    for (uint32_t i = 0; i < raft->writes_count; i++)
        hash = mix(hash, raft->writes[i].last_index);
    for (uint32_t i = 0; i < raft->deferred_count; i++) {
        const struct raft_deferred *deferred = &raft->deferred[i];
        hash = mix(mix(hash, deferred->token - raft->stored_token), deferred->to);
        hash = mix_deferred(hash, &deferred->message);
    }
    return hash;
}

static uint64_t mix_peer(uint64_t hash, const struct raft *raft, const struct raft_peer *peer)
{
    hash = mix(mix(mix(hash, peer->id), peer->flow), peer->next);
    hash = mix(mix(mix(hash, peer->match), peer->acked_round), age(raft, peer->acked_sent_us));
    hash = mix(hash, flag(peer->is_member, 0) | flag(peer->lost_disk, 1) |
                         flag(peer->probe_sent, 2) | peer->since_round << 8);
    for (uint32_t i = 0; i < peer->inflight_count; i++)
        hash = mix(hash, peer->inflight_last[(peer->inflight_start + i) % RAFT_INFLIGHT_MAX]);
    for (uint64_t round = peer->acked_round + 1; round <= raft->round; round++)
        hash = mix(hash, age(raft, raft->round_sent_us[round % RAFT_ROUNDS_KEPT]));
    return mix(hash, peer->snapshot_acked);
}

static uint64_t mix_leader(uint64_t hash, const struct raft *raft)
{
    hash = mix(mix(hash, age(raft, raft->leader_since_us)), raft->term_start_index);
    hash = mix(mix(hash, raft->round), left(raft, raft->heartbeat_deadline_us));
    for (uint32_t i = 0; i < raft->peers_count; i++)
        hash = mix_peer(hash, raft, &raft->peers[i]);
    for (uint32_t i = 0; i < raft->proposals_count; i++)
        hash = mix(mix(hash, raft->proposals[i].id), raft->proposals[i].index);
    for (uint32_t i = 0; i < raft->reads_count; i++)
        hash = mix(mix(mix(hash, raft->reads[i].id), raft->reads[i].index), raft->reads[i].round);
    return mix(hash, flag(raft->transfer.active, 0) | flag(raft->transfer.sent, 1) |
                         (uint64_t)raft->transfer.target << 8 | (uint64_t)raft->change.phase << 40);
}

uint64_t raft_fingerprint(const struct raft *raft, uint64_t seed)
{
    uint64_t hash = mix(mix(seed, raft->options.id), raft->term);
    hash = mix(hash, flag(raft->halted, 0) | flag(raft->started, 1) | flag(raft->is_transfer, 2) |
                         (uint64_t)raft->role << 8 | (uint64_t)raft->vote << 16 |
                         (uint64_t)raft->leader << 40);
    hash = mix_storage(mix_log(hash, raft), raft);
    hash =
        mix(hash, raft->leader_heard_us == 0 ? UINT64_MAX
                                             : left(raft, raft->leader_heard_us + raft->hold_us));
    hash = mix(mix(hash, left(raft, raft->no_vote_until_us)), raft->configuration.count);
    uint64_t votes = 0;
    for (uint32_t i = 0; i < raft->votes_count; i++)
        votes |= (uint64_t)1 << (raft->votes[i] & 63u);
    hash = mix(hash, votes);
    if (raft->role == RAFT_LEADER)
        return mix_leader(hash, raft);
    return mix(hash, left(raft, raft->election_deadline_us));
}
