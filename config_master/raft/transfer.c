/* Leadership transfer (dissertation 3.10): catch the target up, then tell it to stand at once. */
#include "config_master/raft/internal.h"

static uint32_t best_follower(const struct raft *raft)
{
    uint32_t best = 0;
    uint64_t best_match = 0;
    for (uint32_t i = 0; i < raft->peers_count; i++) {
        const struct raft_peer *peer = &raft->peers[i];
        if (peer->is_member && !peer->lost_disk && (best == 0 || peer->match > best_match)) {
            best = peer->id;
            best_match = peer->match;
        }
    }
    return best;
}

void raft_transfer_begin(struct raft *raft, uint64_t id, uint32_t target)
{
    enum err err = ERR_OK;
    if (raft->role != RAFT_LEADER)
        err = ERR_NOT_LEADER;
    else if (raft->transfer.active || raft->change.phase != RAFT_CHANGE_NONE)
        err = ERR_NOT_READY;
    else if (target == 0)
        target = best_follower(raft);
    if (err == ERR_OK && target != raft->options.id) {
        const struct raft_peer *peer = target == 0 ? NULL : raft_peer_find(raft, target);
        if (peer == NULL || !peer->is_member || peer->lost_disk)
            err = ERR_NOT_FOUND;
    }
    if (err != ERR_OK || target == raft->options.id) {
        raft_emit_proposed(raft, id, err, 0);
        return;
    }
    raft->transfer.active = true;
    raft->transfer.id = id;
    raft->transfer.target = target;
    raft->transfer.deadline_us = raft->now_us + raft->options.election_max_us;
    RAFT_TRACE(raft, "term %llu: hands leadership to %u", (unsigned long long)raft->term, target);
}

void raft_send_timeout_now(struct raft *raft, uint32_t to)
{
    /* From here on the target may lead any moment: no lease in this term any more (R31). */
    raft->transfer.sent = true;
    struct wire_message message = {.type = WIRE_RAFT_TIMEOUT_NOW};
    message.u.raft_timeout_now =
        (struct wire_raft_timeout_now){.term = raft->term, .sender = raft->options.id};
    raft_send(raft, to, &message);
}

void raft_transfer_progress(struct raft *raft)
{
    if (!raft->transfer.active || raft->transfer.sent)
        return;
    const struct raft_peer *peer = raft_peer_find(raft, raft->transfer.target);
    if (peer != NULL && peer->match == raft_log_last_index(&raft->log))
        raft_send_timeout_now(raft, raft->transfer.target);
}

void raft_transfer_tick(struct raft *raft)
{
    if (!raft->transfer.active || raft->now_us < raft->transfer.deadline_us)
        return;
    RAFT_TRACE(raft, "term %llu: %u did not take over", (unsigned long long)raft->term,
               raft->transfer.target);
    bool was_sent = raft->transfer.sent;
    raft_transfer_end(raft, ERR_TIMEOUT);
    /* Without leases this term is of no use to anyone: a new one has to begin. */
    if (was_sent)
        raft_become_follower(raft, raft->term, 0);
}

void raft_transfer_end(struct raft *raft, enum err err)
{
    if (!raft->transfer.active)
        return;
    raft->transfer.active = false;
    raft_emit_proposed(raft, raft->transfer.id, err, 0);
}
