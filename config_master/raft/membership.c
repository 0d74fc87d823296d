/* Membership: single-server changes (dissertation, chapter 4; R32).
 *
 * A configuration is in use from the moment it is in the log, committed or not, and no longer when
 * its entry is truncated. A server to be added first catches up as a joiner that counts nowhere, so
 * that the log of a member is never empty. */
#include "base/planted.h"
#include "config_master/raft/internal.h"

bool raft_configuration_has(const struct raft_configuration *configuration, uint32_t id)
{
    for (uint32_t i = 0; i < configuration->count; i++)
        if (configuration->servers[i].id == id)
            return true;
    return false;
}

bool raft_is_member(const struct raft *raft, uint32_t id)
{
    return raft_configuration_has(&raft->configuration, id);
}

uint32_t raft_quorum_size(const struct raft *raft)
{
    return raft->configuration.count / 2 + 1;
}

/* The newest configuration in entries (base, to], else the snapshot's. */
static uint64_t find_configuration(const struct raft *raft, uint64_t to,
                                   struct raft_configuration *ret_configuration)
{
    uint64_t floor =
        raft->snapshot.index > raft->log.base_index ? raft->snapshot.index : raft->log.base_index;
    for (uint64_t index = to; index > floor; index--) {
        const struct raft_entry *entry = raft_log_at(&raft->log, index);
        if (entry->kind != RAFT_ENTRY_CONFIGURATION)
            continue;
        bool is_valid = raft_configuration_decode(buf_slice(entry->data), ret_configuration);
        PRE(is_valid); /* checked when it was received or loaded */
        return index;
    }
    *ret_configuration = raft->snapshot.configuration;
    return raft->snapshot.index;
}

void raft_membership_at(const struct raft *raft, uint64_t index,
                        struct raft_configuration *ret_configuration)
{
    PRE(index <= raft->applied);
    (void)find_configuration(raft, index, ret_configuration);
}

static bool same(const struct raft_configuration *a, const struct raft_configuration *b)
{
    uint8_t a_bytes[RAFT_CONFIGURATION_BYTES_MAX];
    uint8_t b_bytes[RAFT_CONFIGURATION_BYTES_MAX];
    return slice_equal(slice_of(a_bytes, raft_configuration_encode(a, a_bytes)),
                       slice_of(b_bytes, raft_configuration_encode(b, b_bytes)));
}

/* The leader's peers become the members of the configuration and the joiner, if any. */
static void update_peers(struct raft *raft)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < raft->peers_count; i++) {
        struct raft_peer *peer = &raft->peers[i];
        bool is_joiner =
            raft->change.phase == RAFT_CHANGE_CATCH_UP && raft->change.joiner.id == peer->id;
        if (!raft_is_member(raft, peer->id) && !is_joiner) {
            buf_unref(peer->snapshot.data);
            continue;
        }
        if (!is_joiner && !peer->is_member) {
            peer->is_member = true;
            peer->member_since_round = raft->round;
        }
        raft->peers[kept] = *peer;
        kept++;
    }
    raft->peers_count = kept;
    for (uint32_t i = 0; i < raft->configuration.count; i++) {
        uint32_t id = raft->configuration.servers[i].id;
        if (id != raft->options.id && raft_peer_find(raft, id) == NULL)
            raft_peer_init(raft, &raft->peers[raft->peers_count++], id, true);
    }
}

void raft_membership_update(struct raft *raft)
{
    struct raft_configuration configuration;
    raft->configuration_index =
        find_configuration(raft, raft_log_last_index(&raft->log), &configuration);
    if (same(&configuration, &raft->configuration))
        return;
    raft->configuration = configuration;
    if (raft->role == RAFT_LEADER)
        update_peers(raft);
    if (raft->effects == NULL)
        return; /* loading: the first step tells */
    RAFT_TRACE(raft, "term %llu: configuration of entry %llu has %u servers",
               (unsigned long long)raft->term, (unsigned long long)raft->configuration_index,
               configuration.count);
    raft_emit(raft, RAFT_EFFECT_CONFIGURATION)->configuration = configuration;
}

/* The one server that differs, and whether it is added; false: none or more than one. */
static bool find_difference(const struct raft_configuration *before,
                            const struct raft_configuration *after, bool *ret_add,
                            struct raft_server *ret_server)
{
    uint32_t added = 0;
    uint32_t removed = 0;
    for (uint32_t i = 0; i < after->count; i++)
        if (!raft_configuration_has(before, after->servers[i].id)) {
            *ret_server = after->servers[i];
            added++;
        }
    for (uint32_t i = 0; i < before->count; i++)
        if (!raft_configuration_has(after, before->servers[i].id)) {
            *ret_server = before->servers[i];
            removed++;
        }
    *ret_add = added == 1;
    return added + removed == 1;
}

static void append_configuration(struct raft *raft, uint64_t id,
                                 const struct raft_configuration *configuration)
{
    uint8_t bytes[RAFT_CONFIGURATION_BYTES_MAX];
    struct buf *data = buf_copy(slice_of(bytes, raft_configuration_encode(configuration, bytes)));
    /* The entry is sent before it is in use here: a server that it removes hears of it, too. */
    raft_leader_propose(raft, id, RAFT_ENTRY_CONFIGURATION, data);
    buf_unref(data);
    raft_membership_update(raft);
}

static void begin_catch_up(struct raft *raft, uint64_t id,
                           const struct raft_configuration *configuration,
                           const struct raft_server *joiner)
{
    raft->change = (struct raft_change){
        .phase = RAFT_CHANGE_CATCH_UP,
        .id = id,
        .configuration = *configuration,
        .joiner = *joiner,
        .target_index = raft_log_last_index(&raft->log),
        .deadline_us = raft->now_us + RAFT_CATCH_UP_TIMEOUTS * raft->options.election_max_us,
    };
    RAFT_TRACE(raft, "term %llu: server %u catches up before it is added",
               (unsigned long long)raft->term, joiner->id);
    struct raft_peer *peer = &raft->peers[raft->peers_count++];
    raft_peer_init(raft, peer, joiner->id, false);
    peer->flow = RAFT_FLOW_PROBE;
    raft_begin_round(raft); /* the joiner is heard from this round on */
    raft_broadcast(raft, true);
}

/* Would the servers that stay have a leader? Those that do not answer count for nothing. Without
 * one nobody could take the removal back; and the order may be a copy that comes late, after what
 * it was right for (simulator seeds 68306, 70265). */
static bool can_go_on(const struct raft *raft, const struct raft_configuration *next)
{
    uint32_t answering = 0;
    for (uint32_t i = 0; i < next->count; i++)
        answering += raft_is_answering(raft, next->servers[i].id) ? 1u : 0u;
    return answering >= next->count / 2 + 1 || PLANTED(R32_LEAVES_TOO_FEW);
}

void raft_membership_change(struct raft *raft, uint64_t id,
                            const struct raft_configuration *configuration)
{
    bool is_add = false;
    struct raft_server server = {0};
    enum err err = ERR_OK;
    if (raft->role != RAFT_LEADER || raft->transfer.active)
        err = ERR_NOT_LEADER;
    else if ((raft->commit < raft->term_start_index && !PLANTED(R32_BEFORE_OWN_COMMIT)) ||
             (raft->configuration_index > raft->commit && !PLANTED(R32_TWO_AT_ONCE)) ||
             raft->change.phase != RAFT_CHANGE_NONE)
        err = ERR_NOT_READY; /* R32 */
    else if (configuration->count == 0 || configuration->count > BOUND_MASTERS ||
             !find_difference(&raft->configuration, configuration, &is_add, &server) ||
             server.id == 0)
        err = ERR_INVALID;
    if (err != ERR_OK) {
        raft_emit_proposed(raft, id, err, 0);
        return;
    }
    /* The rest of the servers are taken from what is in use: a change changes one server only. */
    struct raft_configuration next = {0};
    for (uint32_t i = 0; i < raft->configuration.count; i++)
        if (is_add || raft->configuration.servers[i].id != server.id)
            next.servers[next.count++] = raft->configuration.servers[i];
    if (is_add) {
        next.servers[next.count++] = server;
        begin_catch_up(raft, id, &next, &server);
    } else if (!can_go_on(raft, &next)) {
        raft_emit_proposed(raft, id, ERR_UNREACHABLE, 0);
    } else {
        RAFT_TRACE(raft, "term %llu: removes server %u", (unsigned long long)raft->term, server.id);
        append_configuration(raft, id, &next);
    }
}

void raft_membership_progress(struct raft *raft)
{
    struct raft_change *change = &raft->change;
    if (change->phase != RAFT_CHANGE_CATCH_UP)
        return;
    struct raft_peer *peer = raft_peer_find(raft, change->joiner.id);
    INVARIANT(peer != NULL);
    if (peer->match > change->best_match || peer->snapshot_acked > change->best_bytes) {
        change->best_match = peer->match;
        change->best_bytes = peer->snapshot_acked;
        change->deadline_us = raft->now_us + RAFT_CATCH_UP_TIMEOUTS * raft->options.election_max_us;
    }
    if (peer->match < change->target_index)
        return;
    RAFT_TRACE(raft, "term %llu: server %u has caught up, adds it", (unsigned long long)raft->term,
               change->joiner.id);
    struct raft_change done = *change;
    *change = (struct raft_change){0};
    append_configuration(raft, done.id, &done.configuration);
}

void raft_membership_tick(struct raft *raft)
{
    if (raft->change.phase == RAFT_CHANGE_CATCH_UP && raft->now_us >= raft->change.deadline_us) {
        RAFT_TRACE(raft, "term %llu: server %u did not catch up, not added",
                   (unsigned long long)raft->term, raft->change.joiner.id);
        raft_membership_abort(raft, ERR_TIMEOUT);
        update_peers(raft);
    }
}

void raft_membership_abort(struct raft *raft, enum err err)
{
    if (raft->change.phase == RAFT_CHANGE_NONE)
        return;
    uint64_t id = raft->change.id;
    raft->change = (struct raft_change){0};
    raft_emit_proposed(raft, id, err, 0);
}

/* Dissertation 4.2.2: a removed leader leads until the entry is committed, counting itself out. */
void raft_membership_committed(struct raft *raft)
{
    if (raft->configuration_index > raft->commit || raft_is_member(raft, raft->options.id))
        return;
    raft_broadcast(raft, true);
    uint32_t successor = 0;
    uint64_t best = 0;
    for (uint32_t i = 0; i < raft->peers_count; i++)
        if (raft->peers[i].is_member && raft->peers[i].match > best) {
            best = raft->peers[i].match;
            successor = raft->peers[i].id;
        }
    RAFT_TRACE(raft, "term %llu: removed, hands over to %u", (unsigned long long)raft->term,
               successor);
    if (successor != 0)
        raft_send_timeout_now(raft, successor);
    raft_become_follower(raft, raft->term, 0);
}
