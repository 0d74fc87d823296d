/* What always holds between steps, restated as assertions. */
#include "config_master/raft/internal.h"

static void check_log(const struct raft *raft)
{
    const struct raft_log *log = &raft->log;
    uint64_t last = raft_log_last_index(log);
    INVARIANT(log->base_index <= raft->snapshot.index);
    INVARIANT(raft->snapshot.index <= raft->applied);
    INVARIANT(raft->applied == raft->commit);
    INVARIANT(raft->commit <= last);
    INVARIANT(raft->durable_index <= last);
    INVARIANT(raft_log_last_term(log) <= raft->term);
    INVARIANT(ERGO(raft->snapshot.index > 0,
                   raft_log_term(log, raft->snapshot.index) == raft->snapshot.term));
    /* The newest entries are those that may be wrong. */
    uint64_t from = log->count > 16 ? last - 16 : log->base_index;
    for (uint64_t index = from + 1; index <= last; index++)
        INVARIANT(raft_log_term(log, index - 1) <= raft_log_term(log, index));
}

static void check_storage(const struct raft *raft)
{
    INVARIANT(raft->batch == NULL);
    INVARIANT(raft->hard_token < raft->next_token);
    INVARIANT(raft->stored_token + raft->writes_count + 1 == raft->next_token);
    for (uint32_t i = 0; i < raft->writes_count; i++) {
        INVARIANT(raft->writes[i].token == raft->stored_token + 1 + i);
        INVARIANT(raft->writes[i].last_index <= raft_log_last_index(&raft->log));
    }
    for (uint32_t i = 0; i < raft->deferred_count; i++)
        INVARIANT(raft->deferred[i].token > raft->stored_token);
}

static void check_role(const struct raft *raft)
{
    uint32_t self = raft->options.id;
    INVARIANT(ERGO(raft->role == RAFT_LEADER, raft->leader == self));
    INVARIANT(ERGO(raft->leader == self, raft->role == RAFT_LEADER));
    INVARIANT(
        ERGO(raft->role == RAFT_CANDIDATE || raft->role == RAFT_PRECANDIDATE, raft->leader == 0));
    INVARIANT(ERGO(raft->role == RAFT_CANDIDATE || raft->role == RAFT_LEADER, raft->vote == self));
    INVARIANT(ERGO(raft->role == RAFT_CANDIDATE || raft->role == RAFT_PRECANDIDATE,
                   raft_is_member(raft, self)));
    INVARIANT(raft->told_role == raft->role && raft->told_leader == raft->leader);
    if (raft->role != RAFT_LEADER) {
        INVARIANT(raft->peers_count == 0 && raft->proposals_count == 0 && raft->reads_count == 0);
        INVARIANT(raft->change.phase == RAFT_CHANGE_NONE && !raft->transfer.active);
    }
}

static void check_leader(const struct raft *raft)
{
    uint64_t last = raft_log_last_index(&raft->log);
    uint32_t members = 0;
    for (uint32_t i = 0; i < raft->peers_count; i++) {
        const struct raft_peer *peer = &raft->peers[i];
        members += peer->is_member ? 1 : 0;
        INVARIANT(peer->id != raft->options.id);
        INVARIANT(peer->match <= last);
        INVARIANT(peer->next > peer->match && peer->next <= last + 1);
        INVARIANT(peer->inflight_count <= raft->options.append_inflight_max);
        INVARIANT(peer->acked_round <= raft->round);
        INVARIANT(ERGO(peer->is_member, raft_is_member(raft, peer->id)));
        INVARIANT(ERGO(peer->flow == RAFT_FLOW_SNAPSHOT, peer->snapshot.data != NULL));
    }
    INVARIANT(members + (raft_is_member(raft, raft->options.id) ? 1 : 0) ==
              raft->configuration.count);
    for (uint32_t i = 0; i < raft->proposals_count; i++) {
        INVARIANT(raft->proposals[i].index > raft->commit && raft->proposals[i].index <= last);
        INVARIANT(ERGO(i > 0, raft->proposals[i].index > raft->proposals[i - 1].index));
    }
    for (uint32_t i = 1; i < raft->reads_count; i++)
        INVARIANT(raft->reads[i].round >= raft->reads[i - 1].round);
    INVARIANT(raft_log_term(&raft->log, last) == raft->term); /* its no-op at least */
    /* Section 5.4.2: nothing of an older term commits but below an entry of this one. */
    INVARIANT(raft->commit == raft->term_start_commit || raft->commit >= raft->term_start_index);
}

void raft_check(const struct raft *raft)
{
    if (raft->halted || !raft->started)
        return;
    check_log(raft);
    check_storage(raft);
    check_role(raft);
    if (raft->role == RAFT_LEADER)
        check_leader(raft);
}
