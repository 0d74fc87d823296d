/* The leader: entries to its peers, their answers, the commit rule, rounds and check-quorum. */
#include "base/planted.h"
#include "config_master/raft/internal.h"

struct raft_peer *raft_peer_find(struct raft *raft, uint32_t id)
{
    for (uint32_t i = 0; i < raft->peers_count; i++)
        if (raft->peers[i].id == id)
            return &raft->peers[i];
    return NULL;
}

void raft_peer_init(struct raft *raft, struct raft_peer *peer, uint32_t id, bool is_member)
{
    *peer = (struct raft_peer){
        .id = id,
        .is_member = is_member,
        .since_round = raft->round,
        .member_since_round = raft->round,
        .next = raft_log_last_index(&raft->log) + 1,
        .flow = RAFT_FLOW_PIPELINE,
        /* Figure 2's optimism: most followers have everything. And a new leader's quorum answered
         * its votes just now, so check-quorum starts from here; leases do not (acked_round 0). */
        .acked_sent_us = 0,
    };
}

static int compare_descending(uint64_t a, uint64_t b)
{
    return a > b ? -1 : (a < b ? 1 : 0);
}

static uint64_t measure_of(const struct raft *raft, uint32_t id, enum raft_measure measure)
{
    if (id == raft->options.id)
        return measure == RAFT_MEASURE_MATCH   ? raft->durable_index
               : measure == RAFT_MEASURE_ROUND ? raft->round
                                               : raft->now_us;
    for (uint32_t i = 0; i < raft->peers_count; i++) {
        const struct raft_peer *peer = &raft->peers[i];
        if (peer->id == id)
            return measure == RAFT_MEASURE_MATCH   ? peer->match
                   : measure == RAFT_MEASURE_ROUND ? peer->acked_round
                                                   : peer->acked_sent_us;
    }
    return 0;
}

uint64_t raft_quorum(const struct raft *raft, enum raft_measure measure)
{
    uint64_t values[BOUND_MASTERS];
    uint32_t count = raft->configuration.count;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t value = measure_of(raft, raft->configuration.servers[i].id, measure);
        uint32_t at = i;
        for (; at > 0 && compare_descending(value, values[at - 1]) < 0; at--)
            values[at] = values[at - 1];
        values[at] = value;
    }
    PRE(count > 0);
    return values[raft_quorum_size(raft) - 1];
}

void raft_begin_round(struct raft *raft)
{
    raft->round++;
    raft->round_sent_us[raft->round % RAFT_ROUNDS_KEPT] = raft->now_us;
}

void raft_peer_note_round(struct raft *raft, struct raft_peer *peer, uint64_t round)
{
    if (round > raft->round || round <= peer->acked_round ||
        round + RAFT_ROUNDS_KEPT <= raft->round)
        return;
    peer->acked_round = round;
    peer->acked_sent_us = raft->round_sent_us[round % RAFT_ROUNDS_KEPT];
}

/* ---- sending ---- */

/* An append of the entries [next, next + count). The message keeps the entries' buffers alive. */
static void send_append(struct raft *raft, const struct raft_peer *peer, uint64_t previous,
                        uint32_t count)
{
    struct wire_message message = {.type = WIRE_RAFT_APPEND};
    struct wire_raft_entry *entries = NULL;
    if (count > 0) {
        message.backing = wire_backing_new(count * sizeof *entries);
        entries = wire_backing_alloc(message.backing, count * sizeof *entries);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct raft_entry *entry = raft_log_at(&raft->log, previous + 1 + i);
        if (entry->data != NULL)
            wire_backing_keep(message.backing, entry->data);
        entries[i] = (struct wire_raft_entry){
            .term = entry->term,
            .kind = (uint8_t)entry->kind,
            .data = buf_slice(entry->data),
        };
    }
    message.u.raft_append = (struct wire_raft_append){
        .term = raft->term,
        .sender = raft->options.id,
        .previous_index = previous,
        .previous_term =
            raft_log_has(&raft->log, previous) ? raft_log_term(&raft->log, previous) : 0,
        .commit = raft->commit,
        .round = raft->round,
        .entries = entries,
        .entries_count = count,
    };
    raft_send(raft, peer->id, &message);
}

/* Sends nothing that the peer could take as a fitting log: only "I lead". */
static void send_bare_heartbeat(struct raft *raft, const struct raft_peer *peer)
{
    struct wire_message message = {.type = WIRE_RAFT_APPEND};
    message.u.raft_append = (struct wire_raft_append){
        .term = raft->term, .sender = raft->options.id, .round = raft->round};
    raft_send(raft, peer->id, &message);
}

static uint32_t count_to_send(const struct raft *raft, uint64_t next)
{
    uint64_t bytes = 0;
    uint32_t count = 0;
    while (next + count <= raft_log_last_index(&raft->log) &&
           count < raft->options.append_entries_max) {
        bytes += buf_slice(raft_log_at(&raft->log, next + count)->data).length + 16;
        if (count > 0 && bytes > raft->options.append_bytes_max)
            break;
        count++;
    }
    return count;
}

void raft_send_entries(struct raft *raft, struct raft_peer *peer, bool heartbeat)
{
    if (!peer->lost_disk && peer->flow != RAFT_FLOW_SNAPSHOT && peer->next <= raft->log.base_index)
        raft_snapshot_begin_send(raft, peer);
    if (peer->lost_disk || peer->flow == RAFT_FLOW_SNAPSHOT) {
        if (heartbeat)
            send_bare_heartbeat(raft, peer);
        return;
    }
    if (peer->flow == RAFT_FLOW_PROBE) {
        if (heartbeat || !peer->probe_sent)
            send_append(raft, peer, peer->next - 1, 0);
        peer->probe_sent = true;
        return;
    }
    while (peer->inflight_count < raft->options.append_inflight_max) {
        uint32_t count = count_to_send(raft, peer->next);
        if (count == 0)
            break;
        send_append(raft, peer, peer->next - 1, count);
        peer->next += count;
        uint32_t slot = (peer->inflight_start + peer->inflight_count++) % RAFT_INFLIGHT_MAX;
        peer->inflight_last[slot] = peer->next - 1;
        heartbeat = false;
    }
    if (heartbeat)
        send_append(raft, peer, peer->next - 1, 0);
}

void raft_broadcast(struct raft *raft, bool heartbeat)
{
    for (uint32_t i = 0; i < raft->peers_count; i++)
        raft_send_entries(raft, &raft->peers[i], heartbeat);
}

uint64_t raft_leader_append(struct raft *raft, enum raft_entry_kind kind, struct buf *data)
{
    PRE(raft->role == RAFT_LEADER);
    raft_log_push(&raft->log, raft->term, kind, data);
    uint64_t index = raft_log_last_index(&raft->log);
    raft_storage_write_entry(raft, index);
    /* In parallel with our own write (dissertation 10.2.1): we count ourselves in only when it is
     * durable (raft_leader_stored). */
    raft_broadcast(raft, false);
    return index;
}

void raft_leader_propose(struct raft *raft, uint64_t id, enum raft_entry_kind kind,
                         struct buf *data)
{
    uint64_t index = raft_leader_append(raft, kind, data);
    if (raft->proposals_count == raft->proposals_capacity) {
        raft->proposals_capacity =
            raft->proposals_capacity == 0 ? 64 : raft->proposals_capacity * 2;
        raft->proposals =
            mem_realloc(raft->proposals, raft->proposals_capacity * sizeof *raft->proposals);
    }
    raft->proposals[raft->proposals_count++] = (struct raft_proposal){.id = id, .index = index};
}

/* ---- leading ---- */

void raft_leader_begin(struct raft *raft)
{
    raft->leader_since_us = raft->now_us;
    raft->round = 0;
    raft->change = (struct raft_change){0};
    raft->transfer = (struct raft_transfer){0};
    raft->peers_count = 0;
    for (uint32_t i = 0; i < raft->configuration.count; i++) {
        uint32_t id = raft->configuration.servers[i].id;
        if (id != raft->options.id)
            raft_peer_init(raft, &raft->peers[raft->peers_count++], id, true);
    }
    raft_begin_round(raft);
    raft->heartbeat_deadline_us = raft->now_us + raft->options.heartbeat_us;
    /* Entries of older terms commit only below an entry of this one (section 5.4.2). */
    raft->term_start_index = raft_log_last_index(&raft->log) + 1;
    raft->term_start_commit = raft->commit;
    uint64_t index = raft_leader_append(raft, RAFT_ENTRY_NOOP, NULL);
    POST(index == raft->term_start_index);
}

void raft_leader_end(struct raft *raft)
{
    raft_read_abort(raft);
    /* A later term proves that the transfer had its effect, whoever won. */
    raft_transfer_end(raft, raft->transfer.sent ? ERR_OK : ERR_TIMEOUT);
    raft_membership_abort(raft, ERR_NOT_LEADER);
    for (uint32_t i = 0; i < raft->proposals_count; i++)
        raft_emit_proposed(raft, raft->proposals[i].id, ERR_OUTCOME_UNKNOWN,
                           raft->proposals[i].index);
    raft->proposals_count = 0;
    for (uint32_t i = 0; i < raft->peers_count; i++)
        buf_unref(raft->peers[i].snapshot.data);
    raft->peers_count = 0;
    raft->leader_since_us = 0;
    raft->term_start_index = 0;
    raft->transfer = (struct raft_transfer){0};
}

/* Check-quorum (dissertation 6.2): a leader that a quorum does not answer is none. */
static bool has_contact(const struct raft *raft)
{
    uint64_t sent_us = raft_quorum(raft, RAFT_MEASURE_SENT);
    if (sent_us < raft->leader_since_us)
        sent_us = raft->leader_since_us;
    return raft->now_us < sent_us + raft->options.election_max_us;
}

bool raft_is_answering(const struct raft *raft, uint32_t id)
{
    if (id == raft->options.id)
        return true;
    for (uint32_t i = 0; i < raft->peers_count; i++) {
        const struct raft_peer *peer = &raft->peers[i];
        if (peer->id == id)
            return !peer->lost_disk &&
                   raft->now_us < peer->acked_sent_us + raft->options.election_min_us;
    }
    return false;
}

static void resend_snapshots(struct raft *raft)
{
    for (uint32_t i = 0; i < raft->peers_count; i++) {
        struct raft_peer *peer = &raft->peers[i];
        if (peer->flow == RAFT_FLOW_SNAPSHOT && !peer->lost_disk &&
            raft->now_us >= peer->snapshot_sent_us + raft->options.election_min_us)
            raft_snapshot_send_chunk(raft, peer);
    }
}

void raft_leader_tick(struct raft *raft)
{
    if (!has_contact(raft)) {
        RAFT_TRACE(raft, "term %llu: lost contact with a quorum", (unsigned long long)raft->term);
        raft_become_follower(raft, raft->term, 0);
        return;
    }
    if (raft->now_us >= raft->heartbeat_deadline_us) {
        raft_begin_round(raft);
        raft->heartbeat_deadline_us = raft->now_us + raft->options.heartbeat_us;
        raft_broadcast(raft, true);
        resend_snapshots(raft);
    }
    raft_membership_tick(raft);
    raft_transfer_tick(raft);
}

uint64_t raft_leader_deadline_us(const struct raft *raft)
{
    uint64_t deadline_us = raft->heartbeat_deadline_us;
    if (raft->transfer.active && raft->transfer.deadline_us < deadline_us)
        deadline_us = raft->transfer.deadline_us;
    return deadline_us; /* contact and catch-up are looked at with each heartbeat */
}

void raft_leader_stored(struct raft *raft)
{
    raft_leader_advance_commit(raft);
}

/* Figure 2, rules for leaders, last: an N of the current term that a quorum has. Section 5.4.2: an
 * entry of an older term is never committed by counting. */
void raft_leader_advance_commit(struct raft *raft)
{
    uint64_t index = raft_quorum(raft, RAFT_MEASURE_MATCH);
    if (index <= raft->commit)
        return;
    if (raft_log_term(&raft->log, index) != raft->term && !PLANTED(RAFT_OLD_TERM_COMMIT))
        return;
    raft_advance_commit(raft, index);
    raft_membership_committed(raft);
    if (raft->role == RAFT_LEADER)
        raft_broadcast(raft, true); /* followers apply it now, not with the next heartbeat */
}

/* ---- answers ---- */

void raft_peer_set_match(struct raft *raft, struct raft_peer *peer, uint64_t match)
{
    if (match > peer->match)
        peer->match = match;
    while (peer->inflight_count > 0 && peer->inflight_last[peer->inflight_start] <= match) {
        peer->inflight_start = (peer->inflight_start + 1) % RAFT_INFLIGHT_MAX;
        peer->inflight_count--;
    }
    bool has_base = peer->match >= raft->log.base_index;
    if (peer->flow == RAFT_FLOW_PROBE || (peer->flow == RAFT_FLOW_SNAPSHOT && has_base)) {
        peer->flow = RAFT_FLOW_PIPELINE;
        peer->inflight_count = 0;
        peer->next = peer->match + 1;
        buf_unref(peer->snapshot.data);
        peer->snapshot = (struct raft_snapshot){0};
    }
    if (peer->next <= peer->match)
        peer->next = peer->match + 1;
}

static void note_lost_disk(struct raft *raft, struct raft_peer *peer)
{
    peer->lost_disk = true;
    peer->flow = RAFT_FLOW_PROBE;
    peer->inflight_count = 0;
    raft->refused_messages++;
    RAFT_TRACE(raft,
               "term %llu: server %u has an empty log, so it lost its disk: refused until it is "
               "removed and added again",
               (unsigned long long)raft->term, peer->id);
}

static uint64_t next_after_conflict(const struct raft *raft,
                                    const struct wire_raft_appended *answer)
{
    if (answer->conflict_term == 0)
        return answer->conflict_index;
    /* Our last entry of that term, if we have one; else skip the follower's whole term. */
    uint64_t index = raft_log_last_index(&raft->log);
    while (index > raft->log.base_index && raft_log_term(&raft->log, index) > answer->conflict_term)
        index--;
    bool has_term =
        index > raft->log.base_index && raft_log_term(&raft->log, index) == answer->conflict_term;
    return has_term ? index + 1 : answer->conflict_index;
}

static void receive_failure(struct raft *raft, struct raft_peer *peer,
                            const struct wire_raft_appended *answer)
{
    bool is_empty = answer->conflict_term == 0 && answer->conflict_index == 1;
    if (is_empty && peer->is_member && answer->round > peer->member_since_round) {
        if (!peer->lost_disk)
            note_lost_disk(raft, peer);
        return;
    }
    if (peer->flow == RAFT_FLOW_SNAPSHOT || answer->conflict_index == 0 || peer->lost_disk)
        return;
    uint64_t next = next_after_conflict(raft, answer);
    if (next >= peer->next)
        next = peer->next - 1;
    if (next <= peer->match)
        next = peer->match + 1;
    if (next >= peer->next && peer->flow == RAFT_FLOW_PROBE)
        return; /* a late answer to a question already settled */
    peer->flow = RAFT_FLOW_PROBE;
    peer->inflight_count = 0;
    peer->next = next;
    peer->probe_sent = false;
    raft_send_entries(raft, peer, false);
}

void raft_receive_appended(struct raft *raft, const struct wire_message *message)
{
    const struct wire_raft_appended *answer = &message->u.raft_appended;
    if (answer->term > raft->term) {
        raft_become_follower(raft, answer->term, 0);
        return;
    }
    if (answer->term < raft->term || raft->role != RAFT_LEADER)
        return;
    struct raft_peer *peer = raft_peer_find(raft, answer->sender);
    if (peer == NULL || answer->round <= peer->since_round)
        return;
    if (answer->match_index > raft_log_last_index(&raft->log)) {
        raft_refuse(raft, message, "claims entries that do not exist");
        return;
    }
    raft_peer_note_round(raft, peer, answer->round);
    if (!answer->success) {
        receive_failure(raft, peer, answer);
        return;
    }
    raft_peer_set_match(raft, peer, answer->match_index);
    raft_leader_advance_commit(raft);
    if (raft->role == RAFT_LEADER)
        raft_send_entries(raft, peer, false);
}
