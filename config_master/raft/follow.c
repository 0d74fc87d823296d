/* AppendEntries at a follower (Figure 2), and what every server does with committed entries. */
#include "config_master/raft/internal.h"

void raft_advance_commit(struct raft *raft, uint64_t commit)
{
    if (commit <= raft->commit)
        return;
    PRE(commit <= raft_log_last_index(&raft->log));
    raft->commit = commit;
    while (raft->applied < raft->commit) {
        raft->applied++;
        const struct raft_entry *entry = raft_log_at(&raft->log, raft->applied);
        if (entry->kind == RAFT_ENTRY_COMMAND) {
            struct raft_effect *effect = raft_emit(raft, RAFT_EFFECT_APPLY);
            effect->index = raft->applied;
            effect->term = entry->term;
            effect->data = buf_ref(entry->data);
        }
        while (raft->proposals_count > 0 && raft->proposals[0].index == raft->applied) {
            struct raft_proposal proposal = raft->proposals[0];
            raft->proposals_count--;
            memmove(raft->proposals, raft->proposals + 1,
                    raft->proposals_count * sizeof *raft->proposals);
            raft_emit_proposed(raft, proposal.id, ERR_OK, proposal.index);
        }
    }
    if (!raft->snapshot_asked &&
        raft->applied - raft->snapshot.index >= raft->options.snapshot_after_entries) {
        raft->snapshot_asked = true;
        raft_emit(raft, RAFT_EFFECT_SNAPSHOT_WANTED)->index = raft->applied;
    }
}

/* Drops the entries from index on. What a batch under way has written of them is durable no
 * longer. */
static void truncate(struct raft *raft, uint64_t index)
{
    PRE(index > raft->commit);
    uint64_t last = raft_log_last_index(&raft->log);
    RAFT_TRACE(raft, "term %llu: drops entries %llu to %llu, which the leader lacks",
               (unsigned long long)raft->term, (unsigned long long)index, (unsigned long long)last);
    raft_log_cut(&raft->log, index);
    raft_storage_delete_entries(raft, index, last + 1);
    if (raft->durable_index >= index)
        raft->durable_index = index - 1;
    for (uint32_t i = 0; i < raft->writes_count; i++)
        if (raft->writes[i].last_index >= index)
            raft->writes[i].last_index = index - 1;
    raft_membership_update(raft);
}

static bool append_is_valid(const struct wire_raft_append *append)
{
    if (append->previous_index > UINT64_MAX - append->entries_count - 1 ||
        append->previous_term > append->term)
        return false;
    uint64_t term = append->previous_term;
    for (uint32_t i = 0; i < append->entries_count; i++) {
        const struct wire_raft_entry *entry = &append->entries[i];
        struct raft_configuration ignored;
        if (entry->term < term || entry->term == 0 || entry->term > append->term ||
            entry->kind > RAFT_ENTRY_CONFIGURATION)
            return false;
        if (entry->kind == RAFT_ENTRY_CONFIGURATION &&
            !raft_configuration_decode(entry->data, &ignored))
            return false;
        term = entry->term;
    }
    return true;
}

static void answer_append(struct raft *raft, uint64_t token, const struct wire_raft_append *append,
                          const struct wire_raft_appended *answer)
{
    struct wire_message reply = {.type = WIRE_RAFT_APPENDED};
    reply.u.raft_appended = *answer;
    reply.u.raft_appended.term = raft->term;
    reply.u.raft_appended.sender = raft->options.id;
    reply.u.raft_appended.round = append->round;
    raft_send_when_stored(raft, token, append->sender, &reply);
}

/* Where the leader should try next: the start of the conflicting term, or our end. */
static void answer_conflict(struct raft *raft, const struct wire_raft_append *append)
{
    struct wire_raft_appended answer = {.success = false};
    uint64_t last = raft_log_last_index(&raft->log);
    if (append->previous_index > last) {
        answer.conflict_index = last + 1;
    } else {
        answer.conflict_term = raft_log_term(&raft->log, append->previous_index);
        uint64_t first = append->previous_index;
        while (first > raft->commit + 1 &&
               raft_log_term(&raft->log, first - 1) == answer.conflict_term)
            first--;
        answer.conflict_index = first;
    }
    RAFT_TRACE(raft, "term %llu: entry %llu of the leader does not fit, asks for %llu",
               (unsigned long long)raft->term, (unsigned long long)append->previous_index,
               (unsigned long long)answer.conflict_index);
    answer_append(raft, raft->hard_token, append, &answer);
}

/* Figure 2, steps 3 and 4 of the receiver. False: halted. */
static bool take_entries(struct raft *raft, const struct wire_raft_append *append, bool *ret_wrote)
{
    bool has_configuration = false;
    *ret_wrote = false;
    for (uint32_t i = 0; i < append->entries_count; i++) {
        const struct wire_raft_entry *entry = &append->entries[i];
        uint64_t index = append->previous_index + 1 + i;
        if (index <= raft->log.base_index)
            continue;
        if (index <= raft_log_last_index(&raft->log)) {
            if (raft_log_term(&raft->log, index) == entry->term)
                continue;
            if (index <= raft->commit) {
                raft_halt(raft, "the leader contradicts a committed entry");
                return false;
            }
            truncate(raft, index);
        }
        struct buf *data = buf_copy(entry->data);
        raft_log_push(&raft->log, entry->term, (enum raft_entry_kind)entry->kind, data);
        buf_unref(data);
        raft_storage_write_entry(raft, index);
        has_configuration = has_configuration || entry->kind == RAFT_ENTRY_CONFIGURATION;
        *ret_wrote = true;
    }
    if (has_configuration)
        raft_membership_update(raft);
    return true;
}

void raft_receive_append(struct raft *raft, const struct wire_message *message)
{
    const struct wire_raft_append *append = &message->u.raft_append;
    if (!append_is_valid(append)) {
        raft_refuse(raft, message, "malformed entries");
        return;
    }
    if (append->term < raft->term) {
        struct wire_raft_appended answer = {.success = false};
        answer_append(raft, raft->hard_token, append, &answer);
        return;
    }
    if (!raft_accept_leader(raft, append->term, append->sender))
        return;
    if (append->previous_index > raft->log.base_index ||
        (append->previous_index == raft->log.base_index && append->previous_index > 0)) {
        bool fits = raft_log_has(&raft->log, append->previous_index) &&
                    raft_log_term(&raft->log, append->previous_index) == append->previous_term;
        if (!fits && append->previous_index <= raft->commit) {
            raft_halt(raft, "the leader contradicts a committed entry");
            return;
        }
        if (!fits) {
            answer_conflict(raft, append);
            return;
        }
    }
    bool wrote = false;
    if (!take_entries(raft, append, &wrote))
        return;
    uint64_t match = append->previous_index + append->entries_count;
    struct wire_raft_appended answer = {.success = true, .match_index = match};
    bool is_durable = !wrote && match <= raft->durable_index;
    answer_append(raft, is_durable ? raft->hard_token : raft_storage_token(raft), append, &answer);
    raft_advance_commit(raft, append->commit < match ? append->commit : match);
}
