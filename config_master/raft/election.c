/* Elections: time-outs, pre-vote, votes, and the rules under which a vote is refused.
 *
 * Follower --time-out--> Precandidate --a quorum would vote--> Candidate --quorum--> Leader.
 * Any of them falls back to Follower on a higher term or a leader of its own term. */
#include "base/planted.h"
#include "config_master/raft/internal.h"

void raft_election_reset_deadline(struct raft *raft)
{
    raft->election_deadline_us =
        raft->now_us + prng_between(&raft->prng, raft->hold_us, raft->options.election_max_us);
}

static void forget_votes(struct raft *raft)
{
    raft->votes_count = 0;
    raft->is_transfer = false;
}

void raft_become_follower(struct raft *raft, uint64_t term, uint32_t leader)
{
    PRE(term >= raft->term);
    bool was_follower = raft->role == RAFT_FOLLOWER;
    bool was_leader = raft->role == RAFT_LEADER;
    if (term > raft->term) {
        raft->term = term;
        raft->vote = 0;
        raft_storage_write_hard(raft);
        raft->leader = 0;
    }
    raft->role = RAFT_FOLLOWER;
    raft->leader = leader;
    forget_votes(raft);
    if (!was_follower)
        raft_election_reset_deadline(raft);
    if (was_leader) {
        RAFT_TRACE(raft, "term %llu: no leader any more", (unsigned long long)term);
        raft_leader_end(raft);
    }
    raft_emit_role(raft);
}

static uint32_t count_votes(const struct raft *raft)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < raft->votes_count; i++)
        count += raft_is_member(raft, raft->votes[i]) ? 1 : 0;
    return count;
}

static void add_vote(struct raft *raft, uint32_t id)
{
    for (uint32_t i = 0; i < raft->votes_count; i++)
        if (raft->votes[i] == id)
            return;
    if (raft_is_member(raft, id) && raft->votes_count < BOUND_MASTERS)
        raft->votes[raft->votes_count++] = id;
}

static bool has_quorum(const struct raft *raft)
{
    return count_votes(raft) >= raft_quorum_size(raft);
}

static void ask_for_votes(struct raft *raft, bool is_prevote)
{
    for (uint32_t i = 0; i < raft->configuration.count; i++) {
        uint32_t to = raft->configuration.servers[i].id;
        if (to == raft->options.id)
            continue;
        struct wire_message message = {.type = WIRE_RAFT_VOTE};
        message.u.raft_vote = (struct wire_raft_vote){
            .term = is_prevote ? raft->term + 1 : raft->term,
            .sender = raft->options.id,
            .last_index = raft_log_last_index(&raft->log),
            .last_term = raft_log_last_term(&raft->log),
            .is_prevote = is_prevote,
            .is_transfer = raft->is_transfer,
        };
        /* A vote is asked for only when our own is durable: else a crash would let this server ask
         * twice in one term. */
        raft_send_when_stored(raft, raft->hard_token, to, &message);
    }
}

static void start_election(struct raft *raft, bool is_transfer)
{
    raft->term++;
    raft->vote = raft->options.id;
    raft_storage_write_hard(raft);
    raft->role = RAFT_CANDIDATE;
    raft->leader = 0;
    forget_votes(raft);
    raft->is_transfer = is_transfer;
    raft_election_reset_deadline(raft);
    RAFT_TRACE(raft, "term %llu: candidate%s", (unsigned long long)raft->term,
               is_transfer ? " on request of the leader" : "");
    raft_emit_role(raft);
    ask_for_votes(raft, false);
}

void raft_start_transfer_election(struct raft *raft)
{
    start_election(raft, true);
}

static void start_prevote(struct raft *raft)
{
    raft->role = RAFT_PRECANDIDATE;
    raft->leader = 0;
    forget_votes(raft);
    raft_election_reset_deadline(raft);
    RAFT_TRACE(raft, "term %llu: no leader heard, asking for pre-votes",
               (unsigned long long)raft->term);
    raft_emit_role(raft);
    add_vote(raft, raft->options.id);
    if (has_quorum(raft))
        start_election(raft, false);
    else
        ask_for_votes(raft, true);
}

void raft_election_tick(struct raft *raft)
{
    /* A server outside of the configuration (removed, or waiting to be added) starts nothing. */
    if (raft->now_us < raft->election_deadline_us || !raft_is_member(raft, raft->options.id))
        return;
    start_prevote(raft);
}

static void become_leader_with_quorum(struct raft *raft)
{
    if (!has_quorum(raft))
        return;
    RAFT_TRACE(raft, "term %llu: became leader with %u of %u votes", (unsigned long long)raft->term,
               count_votes(raft), raft->configuration.count);
    raft->role = RAFT_LEADER;
    raft->leader = raft->options.id;
    forget_votes(raft);
    raft_emit_role(raft);
    raft_leader_begin(raft);
}

/* The candidate's own vote counts once it is durable. */
void raft_election_stored(struct raft *raft)
{
    PRE(raft->role == RAFT_CANDIDATE);
    if (raft->stored_token < raft->hard_token)
        return;
    add_vote(raft, raft->options.id);
    become_leader_with_quorum(raft);
}

/* Section 5.4.1: the voter denies its vote if its own log is more up-to-date. */
static bool is_up_to_date(const struct raft *raft, const struct wire_raft_vote *vote)
{
    uint64_t term = raft_log_last_term(&raft->log);
    if (vote->last_term != term)
        return vote->last_term > term;
    return vote->last_index >= raft_log_last_index(&raft->log);
}

/* A leader that surely leads (check-quorum), or a voter that has promised one by hearing it, does
 * not help to depose it: leases rest on this (R31). */
static bool has_recent_leader(const struct raft *raft)
{
    return raft->role == RAFT_LEADER ||
           (raft->leader_heard_us != 0 && raft->now_us < raft->leader_heard_us + raft->hold_us);
}

/* Why this request is not even considered; NULL: it is. */
static const char *hold_off(const struct raft *raft, const struct wire_raft_vote *vote)
{
    if (raft->configuration.count == 0)
        return "this server waits to be added";
    if (raft->now_us < raft->no_vote_until_us && !PLANTED(R31_VOTES_AT_ONCE))
        return "started less than an election time-out ago"; /* R31 */
    if (!vote->is_transfer && has_recent_leader(raft))
        return "a leader is alive";
    return NULL;
}

static void answer_vote(struct raft *raft, const struct wire_raft_vote *vote, bool granted)
{
    struct wire_message reply = {.type = WIRE_RAFT_VOTED};
    reply.u.raft_voted = (struct wire_raft_voted){
        /* A granted pre-vote is for the term asked for, which this server has not entered. */
        .term = granted ? vote->term : raft->term,
        .sender = raft->options.id,
        .granted = granted,
        .is_prevote = vote->is_prevote,
    };
    raft_send_when_stored(raft, raft->hard_token, vote->sender, &reply);
}

static void trace_vote(const struct raft *raft, const struct wire_raft_vote *vote, const char *why)
{
    RAFT_TRACE(raft, "term %llu: %s for %u in term %llu %s%s", (unsigned long long)raft->term,
               vote->is_prevote ? "pre-vote" : "vote", vote->sender, (unsigned long long)vote->term,
               why == NULL ? "granted" : "refused: ", why == NULL ? "" : why);
}

/* Promises nothing and changes nothing: would this server vote? */
static void receive_prevote(struct raft *raft, const struct wire_raft_vote *vote)
{
    const char *why = vote->term <= raft->term ? "its term is not new" : hold_off(raft, vote);
    if (why == NULL && !is_up_to_date(raft, vote))
        why = "its log is behind";
    trace_vote(raft, vote, why);
    answer_vote(raft, vote, why == NULL);
}

/* A considered request of the current term. */
static const char *vote_hindrance(const struct raft *raft, const struct wire_raft_vote *vote)
{
    if (raft->vote != 0 && raft->vote != vote->sender)
        return "voted for another";
    if (raft->leader != 0 && raft->leader != vote->sender)
        return "the term has a leader";
    if (!is_up_to_date(raft, vote))
        return "its log is behind";
    return NULL;
}

void raft_receive_vote(struct raft *raft, const struct wire_message *message)
{
    const struct wire_raft_vote *vote = &message->u.raft_vote;
    if (vote->is_prevote) {
        receive_prevote(raft, vote);
        return;
    }
    /* A request that is held off changes nothing here, not even the term: so a removed or
     * partitioned server cannot depose a leader. */
    const char *why = vote->term < raft->term ? "old term" : hold_off(raft, vote);
    if (why == NULL) {
        if (vote->term > raft->term)
            raft_become_follower(raft, vote->term, 0);
        why = vote_hindrance(raft, vote);
    }
    trace_vote(raft, vote, why);
    if (why == NULL) {
        if (raft->vote == 0) {
            raft->vote = vote->sender;
            raft_storage_write_hard(raft);
        }
        raft_election_reset_deadline(raft);
    }
    answer_vote(raft, vote, why == NULL);
}

void raft_receive_voted(struct raft *raft, const struct wire_message *message)
{
    const struct wire_raft_voted *voted = &message->u.raft_voted;
    bool is_promise = voted->is_prevote && voted->granted;
    if (voted->term > raft->term && !is_promise) {
        raft_become_follower(raft, voted->term, 0);
        return;
    }
    if (!voted->granted)
        return;
    if (voted->is_prevote && raft->role == RAFT_PRECANDIDATE && voted->term == raft->term + 1) {
        add_vote(raft, voted->sender);
        if (has_quorum(raft))
            start_election(raft, false);
    } else if (!voted->is_prevote && raft->role == RAFT_CANDIDATE && voted->term == raft->term) {
        add_vote(raft, voted->sender);
        become_leader_with_quorum(raft);
    }
}

bool raft_accept_leader(struct raft *raft, uint64_t term, uint32_t sender)
{
    PRE(term >= raft->term);
    if (term == raft->term &&
        (raft->role == RAFT_LEADER || (raft->leader != 0 && raft->leader != sender))) {
        raft_halt(raft, "two leaders in one term");
        return false;
    }
    if (term > raft->term || raft->role != RAFT_FOLLOWER || raft->leader != sender) {
        raft_become_follower(raft, term, sender);
        RAFT_TRACE(raft, "term %llu: follows %u", (unsigned long long)term, sender);
    }
    raft->leader_heard_us = raft->now_us;
    raft_election_reset_deadline(raft);
    return true;
}

void raft_receive_timeout_now(struct raft *raft, const struct wire_message *message)
{
    const struct wire_raft_timeout_now *now = &message->u.raft_timeout_now;
    if (now->term != raft->term || raft->role == RAFT_LEADER || raft->leader != now->sender ||
        !raft_is_member(raft, raft->options.id) || raft->now_us < raft->no_vote_until_us) {
        raft_refuse(raft, message, "not of this term's leader, or no voter");
        return;
    }
    start_election(raft, true);
}
