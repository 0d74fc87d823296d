/* Raft as a pure core (Ongaro and Ousterhout, "In search of an understandable consensus algorithm",
 * 2014; Ongaro's dissertation for pre-vote, check-quorum, transfer and single-server changes).
 *
 * What it is: one server's consensus state machine. What it is not: a network, a disk, a clock, or
 * the replicated state machine itself. One owner calls it from one thread. The log, term, vote and
 * snapshot live in rows of a `struct kv`; nothing that depends on a row is sent before the STORED
 * event of its batch (raft_event_kind). Protocol rules R31 and R32 bind it.
 *
 * Sequence: raft_new() loads what the store holds -> raft_step(event, effects) -> the driver runs
 * the effects in order -> raft_step(STORED) ... raft_deadline_us() says when a TICK is due. */
#ifndef CATENA_CONFIG_MASTER_RAFT_RAFT_H
#define CATENA_CONFIG_MASTER_RAFT_RAFT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bounds.h"
#include "base/kv.h"
#include "base/trace.h"
#include "wire/messages.h"

struct raft;

enum raft_family { RAFT_FAMILY_LOG = 0, RAFT_FAMILY_META = 1 };
enum raft_role { RAFT_FOLLOWER, RAFT_PRECANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };
enum raft_entry_kind { RAFT_ENTRY_COMMAND, RAFT_ENTRY_NOOP, RAFT_ENTRY_CONFIGURATION };

struct raft_server {
    uint32_t id; /* > 0 */
    char address[BOUND_ADDRESS_BYTES + 1];
};

struct raft_configuration {
    struct raft_server servers[BOUND_MASTERS];
    uint32_t count;
};

struct raft_options {
    uint32_t id;
    uint64_t election_min_us; /* smallest election time-out; also "one election time-out" in R31 */
    uint64_t election_max_us;
    uint64_t heartbeat_us;
    uint32_t append_entries_max; /* per message */
    uint32_t append_bytes_max;
    uint32_t append_inflight_max; /* messages per follower */
    uint32_t snapshot_chunk_bytes;
    uint64_t snapshot_after_entries; /* ask for a snapshot when the log is this much longer */
    struct trace trace;
};

/* Commands larger than this are refused (TOO_LARGE); append_bytes_max may not exceed the other.
 * Both leave room in a frame's header. */
#define RAFT_COMMAND_BYTES_MAX (BOUND_FRAME_HEADER_BYTES / 2)
#define RAFT_APPEND_BYTES_MAX (BOUND_FRAME_HEADER_BYTES / 4)

/* Writes the rows of a fresh server with that configuration (empty: waits to be added) into batch.
 * Legal only on a store without raft rows: see raft_store_is_empty. Every first server is given the
 * same configuration, in the same order. A server without any configuration grants no vote. */
void raft_bootstrap(struct kv_batch *batch, const struct raft_configuration *configuration);
bool raft_store_is_empty(const struct kv *kv, enum err *ret_err);

enum raft_event_kind {
    RAFT_EVENT_TICK,
    RAFT_EVENT_RECEIVE,        /* message: one of WIRE_RAFT_*, validated by codec only */
    RAFT_EVENT_STORED,         /* token of a STORE effect; in order, each exactly once */
    RAFT_EVENT_PROPOSE,        /* id, data: a command to replicate */
    RAFT_EVENT_READ,           /* id: a linearizable read index is wanted */
    RAFT_EVENT_SNAPSHOT_TAKEN, /* index, data: the state machine's state after applying index */
    RAFT_EVENT_CHANGE,         /* id, configuration: differs by one server (R32); an added one first
                                  catches up (raft_joiner). Answered by PROPOSED */
    RAFT_EVENT_TRANSFER, /* id, target (0 = any up-to-date follower). Answered by PROPOSED: OK =
                            another server's term began; TIMEOUT, NOT_FOUND, NOT_LEADER */
};

struct raft_event {
    enum raft_event_kind kind;
    uint64_t now_us; /* monotonic, never goes back */
    const struct wire_message *message;
    uint64_t token;
    uint64_t id;
    uint64_t index;
    struct buf *data; /* borrowed; the core takes its own reference */
    const struct raft_configuration *configuration;
    uint32_t target;
};

enum raft_effect_kind {
    RAFT_EFFECT_SEND,            /* to, message */
    RAFT_EFFECT_STORE,           /* token, batch: apply and fsync, then STORED */
    RAFT_EFFECT_APPLY,           /* index, term, data: committed command, in order, no gaps */
    RAFT_EFFECT_RESTORE,         /* index, data: replace the state machine's state (at init too) */
    RAFT_EFFECT_PROPOSED,        /* id, err, index: OK = committed (follows its APPLY); NOT_LEADER,
                                    TOO_LARGE, BUSY = surely not in the log; OUTCOME_UNKNOWN =
                                    leadership was lost. A CHANGE also: INVALID, NOT_READY (R32: another
                                    is under way or no own-term commit yet), TIMEOUT (the joiner did
                                    not catch up) */
    RAFT_EFFECT_READ_READY,      /* id, err, index: state applied up to index answers the read */
    RAFT_EFFECT_ROLE,            /* role, leader (0 unknown), term changed */
    RAFT_EFFECT_CONFIGURATION,   /* configuration in use changed (or at init) */
    RAFT_EFFECT_SNAPSHOT_WANTED, /* answer with SNAPSHOT_TAKEN at the applied index */
    RAFT_EFFECT_HALT,            /* text: the process must stop (store corrupt, safety violated) */
};

struct raft_effect {
    enum raft_effect_kind kind;
    uint32_t to;
    struct wire_message message; /* SEND: see struct wire_message on validity */
    uint64_t token;
    struct kv_batch *batch; /* owned by the effect until the driver takes it and sets NULL */
    uint64_t id;
    uint64_t index;
    uint64_t term;
    enum err err;
    struct buf *data; /* owned reference */
    enum raft_role role;
    uint32_t leader;
    struct raft_configuration configuration;
    const char *text;
};

struct raft_effects {
    struct raft_effect *items;
    uint32_t count;
    uint32_t capacity;
};

void raft_effects_init(struct raft_effects *effects);
/* Releases what the items own; keeps the capacity. Call after running them, before the next step.
 */
void raft_effects_clear(struct raft_effects *effects);
void raft_effects_release(struct raft_effects *effects);

/* Loads from kv. ERR_OK and *ret_raft; ERR_CORRUPT with the row named in the trace; ERR_NOT_FOUND:
 * not bootstrapped. The first
 * step (a TICK) emits RESTORE and CONFIGURATION when there is a snapshot or configuration. A voter
 * that starts grants no vote for one election time-out (R31). */
enum err raft_new(const struct raft_options *options, uint64_t seed, uint64_t now_us,
                  const struct kv *kv, struct raft **ret_raft);
void raft_free(struct raft *raft);
void raft_step(struct raft *raft, const struct raft_event *event, struct raft_effects *effects);
/* Time of the next TICK that matters. */
uint64_t raft_deadline_us(const struct raft *raft);
/* Asserts every documented invariant; cheap enough for after each step. */
void raft_check(const struct raft *raft);
/* A number for everything that decides what the core does next, disk excepted: for models that
 * explore states (tests/model). Times count as what is left of them or how long ago they were, as
 * far as that matters. Joiners that catch up and snapshots under way are not in it. */
uint64_t raft_fingerprint(const struct raft *raft, uint64_t seed);

enum raft_role raft_role(const struct raft *raft);
uint64_t raft_term(const struct raft *raft);
uint32_t raft_leader(const struct raft *raft); /* 0 = unknown */
uint64_t raft_commit_index(const struct raft *raft);
uint64_t raft_applied_index(const struct raft *raft);
uint64_t raft_last_index(const struct raft *raft);
/* The command at that index of the log, whether it is committed or not. False: compacted, beyond
 * the end, or not a command. *ret_data is valid until the next step. */
bool raft_command_at(const struct raft *raft, uint64_t index, struct slice *ret_data);
const struct raft_configuration *raft_configuration(const struct raft *raft);
/* Leader only: the server that catches up before it is added, else NULL. Connect to it too. */
const struct raft_server *raft_joiner(const struct raft *raft);
/* Leader only: that member reports an empty log. A member's log is never empty (bootstrap writes
 * its first entry, an added server catches up before), so its disk was lost: nothing is sent to it
 * that would hide this until it is removed and added again. */
bool raft_lost_disk(const struct raft *raft, uint32_t id);
/* Messages refused as malformed or impossible. */
uint64_t raft_refused_messages(const struct raft *raft);
/* Sender named in a WIRE_RAFT_* message; 0 for other messages. */
uint32_t raft_message_sender(const struct wire_message *message);
/* Leader only: highest index known durable at that server; 0 unknown. */
uint64_t raft_match_index(const struct raft *raft, uint32_t id);
/* R31: the latest instant for which leadership is certain to be exclusive: send time of the newest
 * round that a quorum answered, plus election_min_us. 0 when not leader, when the own-term no-op is
 * not applied, or after TimeoutNow was sent in this term. */
uint64_t raft_lease_until_us(const struct raft *raft);
/* When this server became leader of the current term; 0 when not leader. */
uint64_t raft_leader_since_us(const struct raft *raft);

#endif
