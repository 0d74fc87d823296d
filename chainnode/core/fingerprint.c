/* One number for what a core knows, for the models that explore its states (tests/model). */
#include "chainnode/core/cn_internal.h"

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash ^= word + 0x9e3779b97f4a7c15u + (hash << 6);
    hash *= 0xd6e8feb86659fd93u;
    hash ^= hash >> 32;
    hash *= 0xd6e8feb86659fd93u;
    return hash ^ hash >> 29;
}

static uint64_t mix_origin(uint64_t hash, struct origin origin)
{
    return mix(mix(hash, origin.epoch), origin.lsn);
}

static uint64_t mix_member(uint64_t hash, const struct wire_member *member)
{
    return mix(mix(hash, member->node), member->incarnation);
}

static uint64_t flag(bool value, unsigned bit)
{
    return value ? (uint64_t)1 << bit : 0;
}

static uint64_t mix_row(uint64_t hash, const struct cn_row *row)
{
    hash = mix(mix(hash, row->epoch), row->members_count);
    for (uint32_t i = 0; i < row->members_count; i++)
        hash = mix_member(hash, &row->members[i]);
    hash = mix_member(hash, &row->joiner);
    return mix(hash, flag(row->frozen, 0) | flag(row->any_replica, 1) |
                         (uint64_t)row->write_floor << 8 | (uint64_t)row->replicas << 16);
}

static uint64_t mix_entry(uint64_t hash, const struct cn_entry *entry)
{
    const struct wire_forward *f = &entry->f;
    hash = mix_origin(hash, f->origin);
    hash = mix(mix(mix(hash, f->kind), f->session), f->seq);
    hash = mix(mix(mix(hash, f->outcome), f->checksum), f->seq_floor);
    hash = mix_origin(hash, f->current);
    hash = mix(mix(mix(hash, f->multi_high), f->multi_low), f->part);
    hash = mix(mix(mix(hash, f->token_high), f->token_low), f->token_floor);
    for (const struct cn_waiter *waiter = entry->waiters; waiter != NULL; waiter = waiter->next)
        hash = mix(mix(hash, waiter->conn), waiter->request);
    return hash;
}

static uint64_t mix_positions(uint64_t hash, const struct cn_chain *chain)
{
    hash = mix_origin(mix_origin(hash, chain->trimmed), chain->settled);
    hash = mix_origin(mix(hash, chain->settled_digest), chain->applied);
    hash = mix(mix(mix(hash, chain->apply_emitted), chain->committed), chain->digest);
    hash = mix(mix(mix(hash, chain->durable), chain->written), chain->inherited);
    hash = mix(hash, chain->predecessor_stable);
    for (uint64_t lsn = chain->trimmed.lsn + 1; lsn <= chain->applied.lsn; lsn++)
        hash = mix_entry(hash, cn_entry_at(chain, lsn));
    return hash;
}

static uint64_t session_state(uint64_t hash, const struct cn_session_state *state)
{
    hash = mix(mix(hash, state->exists ? 1 : 0), state->floor);
    return mix(mix(hash, state->last_lsn), state->max_seq);
}

/* The order of a map depends on its history: a sum does not. */
static uint64_t mix_sessions(uint64_t hash, const struct cn_chain *chain)
{
    uint64_t sum = 0;
    size_t cursor = 0;
    const struct cn_session *session;
    while ((session = map_next(&chain->sessions, &cursor, NULL)) != NULL) {
        uint64_t one = session_state(mix(5, session->id), &session->applied);
        sum += chain->are_sessions_accepted ? session_state(one, &session->accepted) : one;
    }
    hash = mix(mix(hash, sum), flag(chain->are_sessions_accepted, 0));
    return mix(mix(hash, chain->session_floor), chain->session_floor_accepted);
}

static uint64_t mix_neighbours(uint64_t hash, const struct cn_chain *chain)
{
    const struct cn_successor *below = &chain->successor;
    const struct cn_predecessor *above = &chain->predecessor;
    hash = mix_origin(hash, below->acked);
    hash = mix(mix(hash, below->sent), below->marked_stable);
    hash = mix(mix(hash, above->acked_committed), above->acked_durable);
    return mix(hash, flag(below->is_known, 0) | flag(below->is_full, 1) |
                         flag(above->acked_full, 2) | flag(chain->mark_due, 3) |
                         flag(chain->ack_due, 4) | flag(chain->resend_due, 5) |
                         chain->quiet_beats << 8);
}

static uint64_t mix_source(uint64_t hash, const struct cn_source *source)
{
    if (!source->is_begun)
        return mix(hash, flag(source->is_damaged, 0));
    hash = mix_origin(mix_origin(mix(hash, source->sync), source->base), source->acked);
    hash = mix(mix(mix(hash, source->next_number), source->acked_number), source->step);
    hash = mix(mix(mix(hash, source->sent), source->durable), source->marked_committed);
    for (unsigned i = 0; i < CN_SYNC_WINDOW; i++)
        hash = mix_origin(hash, source->window[i].items.as_of);
    return mix(hash, flag(source->is_accepted, 0) | flag(source->is_all_sent, 1) |
                         flag(source->is_bulk_durable, 2) | flag(source->is_handover, 3) |
                         flag(source->is_synced, 4) | 32 | flag(source->is_full, 6));
}

static uint64_t mix_target(uint64_t hash, const struct cn_target *target)
{
    hash = mix(mix(hash, target->state), target->sync);
    hash = mix(mix(mix(hash, target->received), target->durable), target->as_of);
    for (unsigned i = 0; i < CN_SYNC_WINDOW; i++)
        hash = mix(hash, target->is_queued[i] ? target->queue[i].items.number : 0);
    return mix(hash, flag(target->is_range_in_flight, 0) | flag(target->is_last_received, 1) |
                         flag(target->ack_due, 2) | target->told_committed << 8);
}

static uint64_t mix_chain(uint64_t hash, const struct cn_chain *chain)
{
    hash = mix_row(mix(mix(hash, chain->id), chain->epoch), &chain->row);
    hash = mix(hash, flag(chain->is_halted, 0) | flag(chain->is_load_wanted, 1) |
                         flag(chain->is_on_disk, 2) | flag(chain->is_complete, 3) |
                         flag(chain->is_syncing, 4) | flag(chain->is_state_dirty, 5) |
                         flag(chain->is_reset_wanted, 6) |
                         flag(chain->report_version != chain->report_acked, 7) |
                         flag(chain->report_sent != chain->report_version, 8) |
                         (uint64_t)chain->role << 16 | (uint64_t)chain->stores_in_flight << 24);
    hash = mix_positions(hash, chain);
    hash = mix_sessions(hash, chain);
    hash = mix_neighbours(hash, chain);
    hash = mix_target(mix_source(hash, &chain->source), &chain->target);
    LIST_FOREACH (node, &chain->parked) {
        const struct cn_read *read = CONTAINER_OF(node, struct cn_read, node);
        hash =
            mix(mix(mix(hash, read->conn), read->message.u.get.request), read->message.u.get.epoch);
    }
    return hash;
}

static uint64_t mix_stores(uint64_t hash, const struct cn_core *core)
{
    for (uint32_t i = 0; i < core->stores_count; i++) {
        const struct cn_store *store = &core->stores[i];
        for (uint32_t k = 0; k < store->count; k++) {
            const struct cn_store_chain *stored = &store->chains[k];
            hash = mix(mix(hash, stored->chain->id), stored->written);
            hash = mix(mix(hash, stored->apply_emitted), stored->sync_number);
            hash = mix(hash, flag(stored->generation == stored->chain->generation, 0) | 2);
        }
        hash = mix(hash, store->count);
    }
    return hash;
}

uint64_t cn_core_fingerprint(const struct cn_core *core, uint64_t seed)
{
    uint64_t hash = mix(mix(seed, core->options.node), core->options.incarnation);
    bool is_waiting = core->lease_waiting_until_us > core->now_us;
    hash = mix(mix(hash, core->map_version), core->map_version_reported);
    hash = mix(hash, flag(core->is_dead, 0) | flag(core->is_full, 1) |
                         flag(core->is_beat_wanted, 2) | flag(core->is_full_report_wanted, 3) |
                         flag(core->now_us < core->lease_until_us, 4) | flag(is_waiting, 5) |
                         core->sync_counter << 8);
    hash = mix(hash, is_waiting ? core->lease_waiting_map : 0);
    uint64_t sum = 0;
    size_t cursor = 0;
    const struct cn_bucket *bucket;
    while ((bucket = map_next(&core->buckets, &cursor, NULL)) != NULL)
        sum += mix(mix(3, bucket->bucket), bucket->state);
    cursor = 0;
    const struct cn_peer *peer;
    while ((peer = map_next(&core->peers, &cursor, NULL)) != NULL)
        sum += mix(mix(4, peer->node), flag(peer->is_up, 0) | flag(peer->is_refused, 1));
    cursor = 0;
    const struct cn_chain *chain;
    while ((chain = map_next(&core->chains, &cursor, NULL)) != NULL)
        sum += mix_chain(6, chain);
    return mix_stores(mix(hash, sum), core);
}
