/* One Raft core on a memory store, fed by hand: for tests of single rules. */
#ifndef CATENA_TESTS_UNIT_RAFT_SINGLE_H
#define CATENA_TESTS_UNIT_RAFT_SINGLE_H

#include "config_master/raft/internal.h"
#include "tests/lib/kv_memory.h"

struct single {
    struct raft *raft;
    struct kv_memory *disk;
    struct raft_effects effects; /* of the last step */
    uint64_t now_us;
    uint64_t tokens[64]; /* STORE effects not reported yet, in order */
    uint32_t tokens_count;
    bool auto_store; /* report each batch at once; its effects are appended to the step's */
    struct raft_options options;
};

/* Server 1 of `members` (ids 1..members; 0: waits to be added), started, past the time in which it
 * grants no vote. */
void single_init(struct single *single, uint32_t members);
void single_release(struct single *single);
/* Power cut and start on what was synced. */
void single_restart(struct single *single);
void single_step(struct single *single, struct raft_event *event);
void single_receive(struct single *single, const struct wire_message *message);
void single_stored(struct single *single); /* the oldest batch */
void single_stored_all(struct single *single);
void single_advance(struct single *single, uint64_t us); /* and TICK */
void single_tick_at_deadline(struct single *single);

/* The n-th effect of that kind in the last step, or NULL. */
const struct raft_effect *single_effect(const struct single *single, enum raft_effect_kind kind,
                                        uint32_t n);
/* The first message of that type sent to `to` (0: anyone) in the last step, or NULL. */
const struct wire_message *single_sent(const struct single *single, enum wire_type type,
                                       uint32_t to);
uint32_t single_count(const struct single *single, enum raft_effect_kind kind);

/* Messages from other servers. */
void single_vote_from(struct single *single, uint32_t sender, uint64_t term, uint64_t last_index,
                      uint64_t last_term);
/* Entries with these terms follow (previous_index, previous_term); data is one byte, the index. */
void single_append_from(struct single *single, uint32_t sender, uint64_t term,
                        uint64_t previous_index, uint64_t previous_term, const uint64_t *terms,
                        uint32_t count, uint64_t commit);
void single_appended_from(struct single *single, uint32_t sender, uint64_t match_index);
void single_rejected_from(struct single *single, uint32_t sender, uint64_t conflict_term,
                          uint64_t conflict_index);
/* Times out, wins pre-vote and vote with server 2's help, its no-op is durable here. */
void single_lead(struct single *single);
void single_propose(struct single *single, uint64_t id);

#endif
