/* Snapshots: taking one (log compaction), sending it in chunks, installing a received one. */
#include "config_master/raft/internal.h"

static void set_snapshot(struct raft *raft, const struct raft_snapshot *snapshot)
{
    struct buf *old = raft->snapshot.data;
    raft->snapshot = *snapshot;
    buf_ref(raft->snapshot.data);
    buf_unref(old);
    raft_storage_write_snapshot(raft);
}

void raft_snapshot_taken(struct raft *raft, uint64_t index, struct buf *data)
{
    PRE(index <= raft->applied);
    raft->snapshot_asked = false;
    if (index <= raft->snapshot.index)
        return; /* a newer one was installed meanwhile */
    struct raft_snapshot snapshot = {
        .index = index, .term = raft_log_term(&raft->log, index), .data = data};
    raft_membership_at(raft, index, &snapshot.configuration);
    set_snapshot(raft, &snapshot);
    /* Some entries stay, so that a follower that is a little behind needs no snapshot. */
    uint64_t keep = raft->options.snapshot_after_entries / 2;
    uint64_t base = index > keep ? index - keep : 0;
    if (base > raft->log.base_index) {
        raft_storage_delete_entries(raft, 0, base);
        raft_log_compact(&raft->log, base);
    }
    RAFT_TRACE(raft, "term %llu: took snapshot %llu of %zu bytes, log starts after %llu",
               (unsigned long long)raft->term, (unsigned long long)index, buf_slice(data).length,
               (unsigned long long)raft->log.base_index);
}

/* ---- the leader's side ---- */

void raft_snapshot_begin_send(struct raft *raft, struct raft_peer *peer)
{
    INVARIANT(raft->snapshot.index > 0);
    peer->flow = RAFT_FLOW_SNAPSHOT;
    peer->inflight_count = 0;
    buf_unref(peer->snapshot.data);
    peer->snapshot = raft->snapshot;
    buf_ref(peer->snapshot.data);
    peer->snapshot_acked = 0;
    RAFT_TRACE(raft, "term %llu: sends snapshot %llu to %u", (unsigned long long)raft->term,
               (unsigned long long)peer->snapshot.index, peer->id);
    raft_snapshot_send_chunk(raft, peer);
}

void raft_snapshot_send_chunk(struct raft *raft, struct raft_peer *peer)
{
    const struct raft_snapshot *snapshot = &peer->snapshot;
    uint64_t total = buf_slice(snapshot->data).length;
    uint64_t length = total - peer->snapshot_acked;
    if (length > raft->options.snapshot_chunk_bytes)
        length = raft->options.snapshot_chunk_bytes;
    struct wire_message message = {.type = WIRE_RAFT_SNAPSHOT};
    message.backing = wire_backing_new(RAFT_CONFIGURATION_BYTES_MAX);
    uint8_t *configuration = wire_backing_alloc(message.backing, RAFT_CONFIGURATION_BYTES_MAX);
    size_t configuration_length =
        raft_configuration_encode(&snapshot->configuration, configuration);
    message.u.raft_snapshot = (struct wire_raft_snapshot){
        .term = raft->term,
        .sender = raft->options.id,
        .last_index = snapshot->index,
        .last_term = snapshot->term,
        .configuration = slice_of(configuration, configuration_length),
        .offset = peer->snapshot_acked,
        .total = total,
        .last = peer->snapshot_acked + length == total,
        .round = raft->round,
    };
    if (length > 0)
        message.payload = buf_view(snapshot->data, peer->snapshot_acked, length);
    peer->snapshot_sent_us = raft->now_us;
    raft_send(raft, peer->id, &message);
}

void raft_receive_snapshot_ack(struct raft *raft, const struct wire_message *message)
{
    const struct wire_raft_snapshot_ack *ack = &message->u.raft_snapshot_ack;
    if (ack->term > raft->term) {
        raft_become_follower(raft, ack->term, 0);
        return;
    }
    if (ack->term < raft->term || raft->role != RAFT_LEADER)
        return;
    struct raft_peer *peer = raft_peer_find(raft, ack->sender);
    if (peer == NULL || ack->round <= peer->since_round)
        return;
    raft_peer_note_round(raft, peer, ack->round);
    if (peer->flow != RAFT_FLOW_SNAPSHOT || peer->lost_disk ||
        ack->last_index != peer->snapshot.index)
        return;
    uint64_t total = buf_slice(peer->snapshot.data).length;
    if (ack->received >= total) {
        RAFT_TRACE(raft, "term %llu: %u installed snapshot %llu", (unsigned long long)raft->term,
                   peer->id, (unsigned long long)ack->last_index);
        peer->flow = RAFT_FLOW_PROBE;
        peer->probe_sent = false;
        raft_peer_set_match(raft, peer, ack->last_index);
        raft_leader_advance_commit(raft);
        if (raft->role == RAFT_LEADER)
            raft_send_entries(raft, peer, false);
    } else if (ack->received > peer->snapshot_acked) {
        peer->snapshot_acked = ack->received;
        raft_snapshot_send_chunk(raft, peer);
    } else {
        /* A duplicate, or the receiver started afresh: the timer sends again from there. Answering
         * at once would let each duplicate breed another. */
        peer->snapshot_acked = ack->received;
    }
}

/* ---- the follower's side ---- */

void raft_incoming_release(struct raft *raft)
{
    buf_unref(raft->incoming.data);
    raft->incoming = (struct raft_incoming){0};
}

static bool snapshot_is_valid(const struct wire_message *message)
{
    const struct wire_raft_snapshot *chunk = &message->u.raft_snapshot;
    struct raft_configuration ignored;
    uint64_t length = buf_slice(message->payload).length;
    return chunk->last_index > 0 && chunk->last_term > 0 && chunk->last_term <= chunk->term &&
           chunk->total <= RAFT_SNAPSHOT_BYTES_MAX && chunk->offset <= chunk->total &&
           length <= chunk->total - chunk->offset &&
           chunk->last == (chunk->offset + length == chunk->total) && (length > 0 || chunk->last) &&
           raft_configuration_decode(chunk->configuration, &ignored);
}

static void answer_snapshot(struct raft *raft, uint64_t token,
                            const struct wire_raft_snapshot *chunk, uint64_t received)
{
    struct wire_message reply = {.type = WIRE_RAFT_SNAPSHOT_ACK};
    reply.u.raft_snapshot_ack = (struct wire_raft_snapshot_ack){
        .term = raft->term,
        .sender = raft->options.id,
        .last_index = chunk->last_index,
        .received = received,
        .round = chunk->round,
    };
    raft_send_when_stored(raft, token, chunk->sender, &reply);
}

/* Section 7: what follows a matching entry is kept, everything else is replaced. */
static void install(struct raft *raft, const struct raft_snapshot *snapshot)
{
    PRE(snapshot->index > raft->commit);
    struct raft_log *log = &raft->log;
    uint64_t last = raft_log_last_index(log);
    bool is_prefix =
        raft_log_has(log, snapshot->index) && raft_log_term(log, snapshot->index) == snapshot->term;
    if (is_prefix) {
        raft_storage_delete_entries(raft, 0, snapshot->index);
        raft_log_compact(log, snapshot->index);
    } else {
        raft_storage_delete_entries(raft, 0, last + 1);
        raft_log_reset(log, snapshot->index, snapshot->term);
        if (raft->durable_index > raft->commit)
            raft->durable_index = raft->commit;
        for (uint32_t i = 0; i < raft->writes_count; i++)
            if (raft->writes[i].last_index > raft->commit)
                raft->writes[i].last_index = raft->commit;
    }
    set_snapshot(raft, snapshot);
    raft->commit = snapshot->index;
    raft->applied = snapshot->index;
    raft->snapshot_asked = false;
    struct raft_effect *effect = raft_emit(raft, RAFT_EFFECT_RESTORE);
    effect->index = snapshot->index;
    effect->term = snapshot->term;
    effect->data = buf_ref(snapshot->data);
    raft_membership_update(raft);
    RAFT_TRACE(raft, "term %llu: installed snapshot %llu%s", (unsigned long long)raft->term,
               (unsigned long long)snapshot->index, is_prefix ? ", kept the log after it" : "");
}

/* True if the chunk continues what is being received; false: a gap or a repetition. */
static bool take_chunk(struct raft *raft, const struct wire_message *message)
{
    const struct wire_raft_snapshot *chunk = &message->u.raft_snapshot;
    struct raft_incoming *incoming = &raft->incoming;
    if (incoming->data == NULL || incoming->index != chunk->last_index ||
        incoming->term != chunk->last_term || incoming->total != chunk->total) {
        raft_incoming_release(raft);
        *incoming = (struct raft_incoming){
            .index = chunk->last_index,
            .term = chunk->last_term,
            .total = chunk->total,
            .data = buf_new(chunk->total),
        };
    }
    if (chunk->offset != incoming->received)
        return false;
    struct slice bytes = buf_slice(message->payload);
    if (bytes.length > 0)
        memcpy(incoming->data->data + incoming->received, bytes.data, bytes.length);
    incoming->received += bytes.length;
    return true;
}

void raft_receive_snapshot(struct raft *raft, const struct wire_message *message)
{
    const struct wire_raft_snapshot *chunk = &message->u.raft_snapshot;
    if (!snapshot_is_valid(message)) {
        raft_refuse(raft, message, "malformed chunk");
        return;
    }
    if (chunk->term < raft->term) {
        answer_snapshot(raft, raft->hard_token, chunk, 0);
        return;
    }
    if (!raft_accept_leader(raft, chunk->term, chunk->sender))
        return;
    if (chunk->last_index <= raft->commit) {
        /* Known already; said only when it is durable. */
        raft_incoming_release(raft);
        answer_snapshot(raft, raft_storage_token(raft), chunk, chunk->total);
        return;
    }
    bool is_taken = take_chunk(raft, message);
    if (!is_taken || !chunk->last) {
        answer_snapshot(raft, raft->hard_token, chunk, raft->incoming.received);
        return;
    }
    struct raft_snapshot snapshot = {
        .index = chunk->last_index, .term = chunk->last_term, .data = raft->incoming.data};
    bool is_configuration =
        raft_configuration_decode(chunk->configuration, &snapshot.configuration);
    PRE(is_configuration); /* snapshot_is_valid has decoded it */
    install(raft, &snapshot);
    raft_incoming_release(raft);
    answer_snapshot(raft, raft_storage_token(raft), chunk, chunk->total);
}
