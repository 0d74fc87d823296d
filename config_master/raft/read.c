/* Linearizable reads without log entries (dissertation 6.4): remember the commit index, confirm
 * leadership by a round begun after the read arrived, answer. Reads that arrive while a round is
 * under way share the next one. */
#include "config_master/raft/internal.h"

static void emit_ready(struct raft *raft, uint64_t id, enum err err, uint64_t index)
{
    struct raft_effect *effect = raft_emit(raft, RAFT_EFFECT_READ_READY);
    effect->id = id;
    effect->err = err;
    effect->index = index;
}

void raft_read_begin(struct raft *raft, uint64_t id)
{
    if (raft->role != RAFT_LEADER || raft->transfer.sent) {
        emit_ready(raft, id, ERR_NOT_LEADER, 0);
        return;
    }
    if (raft->reads_count == raft->reads_capacity) {
        raft->reads_capacity = raft->reads_capacity == 0 ? 64 : raft->reads_capacity * 2;
        raft->reads = mem_realloc(raft->reads, raft->reads_capacity * sizeof *raft->reads);
    }
    bool knows_commit = raft->commit >= raft->term_start_index;
    raft->reads[raft->reads_count++] = (struct raft_read){
        .id = id,
        .index = knows_commit ? raft->commit : 0,
        .round = raft->round + 1,
    };
}

/* Answers what is confirmed; begins a round for the rest unless one is under way. */
void raft_read_progress(struct raft *raft)
{
    if (raft->reads_count == 0)
        return;
    uint64_t confirmed = raft_quorum(raft, RAFT_MEASURE_ROUND);
    if (raft->reads[raft->reads_count - 1].round > raft->round && confirmed == raft->round) {
        raft_begin_round(raft);
        raft_broadcast(raft, true);
        confirmed = raft_quorum(raft, RAFT_MEASURE_ROUND); /* a quorum of one has answered */
    }
    if (raft->commit < raft->term_start_index)
        return; /* the commit index is not known before the own-term no-op commits */
    uint32_t done = 0;
    while (done < raft->reads_count && raft->reads[done].round <= confirmed) {
        struct raft_read *read = &raft->reads[done++];
        if (read->index == 0)
            read->index = raft->commit;
        POST(raft->applied >= read->index);
        emit_ready(raft, read->id, ERR_OK, read->index);
    }
    raft->reads_count -= done;
    memmove(raft->reads, raft->reads + done, raft->reads_count * sizeof *raft->reads);
}

void raft_read_abort(struct raft *raft)
{
    for (uint32_t i = 0; i < raft->reads_count; i++)
        emit_ready(raft, raft->reads[i].id, ERR_NOT_LEADER, 0);
    raft->reads_count = 0;
}
