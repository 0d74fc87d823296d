/* What the Raft model holds the servers to: Figure 3 of the Raft paper, and R31. */
#include "base/hash.h"
#include "tests/model/raft_world.h"

static uint64_t digest_of(const struct raft_entry *entry)
{
    return hash_bytes(buf_slice(entry->data), (uint64_t)entry->kind + 1);
}

/* Election safety: at most one leader in a term. */
static void judge_election(const struct raft_server_model *server)
{
    uint64_t term = raft_term(server->raft);
    if (term >= RAFT_TERMS)
        model_violation("term %llu is beyond the model", (unsigned long long)term);
    uint8_t *leader = &raft_world->leader_of_term[term];
    if (*leader != 0 && *leader != server->id)
        model_violation("servers %u and %u lead in term %llu (election safety)", *leader,
                        server->id, (unsigned long long)term);
    *leader = (uint8_t)server->id;
}

/* Leader completeness: what was committed in an earlier term is in the log of who leads now. */
static void judge_completeness(const struct raft_server_model *server)
{
    const struct raft_log *log = &server->raft->log;
    for (uint64_t index = 1; index < RAFT_INDEXES; index++) {
        const struct raft_committed *committed = &raft_world->committed[index];
        if (committed->term == 0 || committed->in_term >= raft_term(server->raft))
            continue;
        if (index > raft_log_last_index(log) ||
            (raft_log_has(log, index) && raft_log_term(log, index) != committed->term))
            model_violation("the leader of term %llu, server %u, lacks the committed entry %llu "
                            "(leader completeness)",
                            (unsigned long long)raft_term(server->raft), server->id,
                            (unsigned long long)index);
    }
}

/* State machine safety: everybody commits the same entries, and never takes one back. */
static void judge_commit(struct raft_server_model *server)
{
    const struct raft *raft = server->raft;
    if (raft->commit < server->commit)
        model_violation("server %u takes a commit back", server->id);
    server->commit = raft->commit;
    for (uint64_t index = raft->log.base_index + 1; index <= raft->commit; index++) {
        const struct raft_entry *entry = raft_log_at(&raft->log, index);
        if (index >= RAFT_INDEXES)
            model_violation("index %llu is beyond the model", (unsigned long long)index);
        struct raft_committed *committed = &raft_world->committed[index];
        uint64_t digest = digest_of(entry);
        if (committed->term == 0)
            *committed = (struct raft_committed){entry->term, digest, raft->term};
        if (committed->term != entry->term || committed->digest != digest)
            model_violation("server %u commits another entry at %llu (state machine safety)",
                            server->id, (unsigned long long)index);
    }
}

/* Log matching: where two logs have the same term at an index, they are equal up to there. */
static void judge_logs(const struct raft_log *a, const struct raft_log *b)
{
    uint64_t from = a->base_index > b->base_index ? a->base_index : b->base_index;
    uint64_t to = raft_log_last_index(a) < raft_log_last_index(b) ? raft_log_last_index(a)
                                                                  : raft_log_last_index(b);
    bool is_equal_so_far = true;
    for (uint64_t index = from + 1; index <= to; index++) {
        const struct raft_entry *left = raft_log_at(a, index);
        const struct raft_entry *right = raft_log_at(b, index);
        bool is_equal = left->term == right->term;
        if (is_equal && (!is_equal_so_far || digest_of(left) != digest_of(right)))
            model_violation("two logs agree at %llu and differ up to there (log matching)",
                            (unsigned long long)index);
        is_equal_so_far = is_equal_so_far && is_equal;
    }
}

/* R31: while a leader may grant leases nobody else does, and no later leader exists. */
static void judge_leases(void)
{
    uint32_t holder = 0;
    for (uint32_t id = 1; id <= RAFT_SERVERS; id++) {
        const struct raft *raft = raft_servers[id]->raft;
        if (raft == NULL || raft_lease_until_us(raft) <= raft_world->now_us)
            continue;
        if (holder != 0)
            model_violation("servers %u and %u may both grant leases (R31)", holder, id);
        holder = id;
        uint64_t next = raft->applied + 1;
        uint64_t term = next < RAFT_INDEXES ? raft_world->committed[next].term : 0;
        if (term != 0 && term < raft_term(raft))
            model_violation("server %u may grant leases and has not applied entry %llu (R31)", id,
                            (unsigned long long)next);
    }
    for (uint32_t id = 1; holder != 0 && id <= RAFT_SERVERS; id++) {
        const struct raft *raft = raft_servers[id]->raft;
        if (raft != NULL && raft_role(raft) == RAFT_LEADER &&
            raft_term(raft) > raft_term(raft_servers[holder]->raft))
            model_violation("server %u leads while server %u may grant leases (R31)", id, holder);
    }
}

void raft_judge(uint32_t id)
{
    struct raft_server_model *server = raft_servers[id];
    bool is_leader = raft_role(server->raft) == RAFT_LEADER;
    if (is_leader)
        judge_election(server);
    if (is_leader && !server->was_leader)
        judge_completeness(server);
    server->was_leader = is_leader;
    judge_commit(server);
    for (uint32_t other = 1; other <= RAFT_SERVERS; other++)
        if (other != id && raft_servers[other]->raft != NULL)
            judge_logs(&server->raft->log, &raft_servers[other]->raft->log);
    judge_leases();
}
