/* Planted bugs: rules of docs/protocol.md that a test build can break, one at a time, to show that
 * the test suites see it (tests/planted).
 *
 * PLANTED(NAME) stands at the decisive line of a core. It is the constant `false` unless the tree
 * was configured with -DCATENA_PLANTED=ON, so a shipped binary contains none of this (tests/style
 * checks that). In a planted build it asks one global, which a test program sets before its first
 * step and never while cores run; cores never set it.
 *
 * To add one: a line below, PLANTED(NAME) where the rule is kept, a row in tests/planted's table by
 * running it. A bug that no suite finds means that a suite is extended.
 *
 * X(NAME, rule, area, what is broken); the area names the suites that look at random for it. */
#ifndef CATENA_BASE_PLANTED_H
#define CATENA_BASE_PLANTED_H

#include <stdbool.h>

/* clang-format off */
#define PLANTED_BUGS(X)                                                                            \
    X(R1_JOINER_IN_SAME_EPOCH, "R1", "plan", "a joiner is registered without a new epoch")         \
    X(R2_STAMPED_AGAIN, "R2", "chain", "whoever forwards an inherited update stamps it with its own epoch") \
    X(R3_OLDER_MARK, "R3", "chain", "a MARK of an older epoch is believed")                        \
    X(R3_OLDER_ACK, "R3", "chain", "an ACK of an older epoch is believed")                         \
    X(R3_OLDER_FORWARD, "R3, case 30", "chain", "a late FORWARD of an older epoch is accepted")    \
    X(R3_STORED_BEFORE_RESET, "R3", "chain", "a disk completion from before a reset counts")       \
    X(R4_RESTART_IN_PLACE, "R4", "chain", "a restarted process resumes its place in the old row")  \
    X(R4_HIGHER_PROVES_DEATH, "R4", "master", "a higher incarnation proves death whatever its disk and boot") \
    X(R4_OLDER_PROVEN, "R4", "master", "a second restart elsewhere proves a process of the old host dead") \
    X(R5_GOES_BACK, "R5", "chain", "a late older row takes a node back")                           \
    X(R5_DECIDED_RELAYED, "R5, R28", "chain", "peers are told a row that is only decided")         \
    X(R6_NO_WRITE_FLOOR, "R6", "chain", "a head admits below the write floor")                     \
    X(R6_GAP_IGNORED, "R6, case 4", "chain", "an update is accepted although one before it is missing") \
    X(R7_OLD_MARK_KEPT, "R7", "chain", "the predecessor's mark survives a change of epoch")        \
    X(R7_OWN_DISK_ENOUGH, "R7", "chain", "what is durable here is stable whatever the members above say") \
    X(R8_REPEATED_IS_FATAL, "R8, case 6", "chain", "an update that is held already halts the chain") \
    X(R9_NOTHING_REPEATED, "R9", "chain", "marks and acks are not sent unasked")                   \
    X(R10_REFUSED_AT_ONCE, "R10", "chain", "a refused condition is answered without an entry")     \
    X(R10_REFUSAL_FORGOTTEN, "R10", "chain", "a refused condition leaves no outcome behind")       \
    X(R11_IN_MEMORY_ONLY, "R11, case 26", "chain", "outcomes on disk are not looked up")           \
    X(R11_CONDITION_FIRST, "R11, case 27", "chain", "the condition is evaluated before the session is looked up") \
    X(R11_SESSIONS_NOT_COPIED, "R11", "chain", "a copy carries no session rows")                   \
    X(R11_NO_SESSION_FLOOR, "R11", "chain", "an update of a forgotten session is executed")        \
    X(R11_FLOOR_NOT_COPIED, "R11", "chain", "a copy carries no session floor")                     \
    X(R11_LOST_COPY_REFUSED, "R11", "client", "a copy on a connection that broke counts as refused") \
    X(R12_CHUNK_NOT_DURABLE, "R12", "chain", "an entry is durable before the chunk that it names") \
    X(R12_CHUNKS_NOT_COPIED, "R12", "chain", "a copy carries no chunks")                           \
    X(R13_SHOWS_UNDECIDED, "R13", "chain", "the tail shows an update that is not committed")       \
    X(R14_LEASE_NOT_CHECKED, "R14, case 11", "chain", "reads are answered without a lease")        \
    X(R14_EPOCH_NOT_CHECKED, "R14", "chain", "a read that waited is answered in another epoch")    \
    X(R15_DOES_NOT_WAIT, "R15", "chain", "a new tail reads before what it inherited is decided")   \
    X(R15_LIST_DOES_NOT_WAIT, "R15", "chain", "a new tail lists before what it inherited is decided") \
    X(R16_ANSWERED_LATER, "R16", "chain", "a read that waits outlives its lease and is answered under the next") \
    X(R18_NOT_CHECKED_AGAIN, "R18", "chain", "role and lease are not checked after a scan")        \
    X(R18_INCOMPLETE, "R18", "client", "a listing of some of the chains is taken for whole")       \
    X(R19_OLDER_ANSWER, "R19", "client", "a read of an older epoch than one seen is believed")     \
    X(R20_INHERITED_WAITS, "R20, case 8", "chain", "inherited entries are sent only with new ones") \
    X(R21_JOINER_NOT_WAITED_FOR, "R21", "chain", "during handover the tail commits without the joiner") \
    X(R22_SYNCED_TOO_EARLY, "R22", "chain", "synced is said below the inherited position")         \
    X(R22_SYNCED_IN_ANY_EPOCH, "R22", "plan", "synced of another epoch appends the joiner")        \
    X(R23_HANDOVER_ABANDONED, "R23", "chain", "the tail gives a handover up by itself")            \
    X(R23_DRAINED_TAKEN_BACK, "R23", "chain", "the head admits again after it said drained")       \
    X(R23_JOINER_NOT_CANCELLED, "R23", "plan", "a joiner that died is waited for")                 \
    X(R24_NOT_DROPPED, "R24, case 7", "chain", "a returning member keeps its undecided entries")   \
    X(R24_DROPPED_AT_START, "R24", "chain", "undecided entries are dropped when a process starts") \
    X(R25_OLDER_WINS, "R25, case 17", "chain", "a live update overwrites a newer copied row")      \
    X(R25_APPLIED_AHEAD, "R25", "chain", "a joiner applies what the copy has not reached")         \
    X(R25_DELETE_NOT_JOINED, "R25, case 18", "chain", "a joiner does not apply deletions")         \
    X(R26_NOT_DELETED, "R26", "chain", "a copy leaves rows that the source lacks")                 \
    X(R26_OWN_ROW_KEPT, "R26", "chain", "a copy leaves rows that differ from the source")          \
    X(R27_AHEAD_IS_TAKEN, "R27, case 22", "chain", "a successor that is ahead is not an alarm")    \
    X(R27_DIGEST_NOT_COMPARED, "R27", "chain", "committed histories are not compared")             \
    X(R28_LEASE_AFTER_DECISION, "R28", "master", "a member whose removal is decided gets leases")  \
    X(R28_NO_WAIT_OF_NEW_LEADER, "R28", "master", "a new leader does not wait for older leases")   \
    X(R29_NO_WAIT, "R29", "master", "a removal does not wait for the last lease")                  \
    X(R29_TAIL_ONLY, "R29", "master", "only who is the tail now is waited for")                    \
    X(R30_FROM_RECEIPT, "R30", "chain", "a lease counts from its arrival")                         \
    X(R30_PAGE_ORDER, "R30", "chain", "a map is installed although pages of it are missing")        \
    X(R30_ANY_MAP, "R30", "chain", "a lease is used with an older map than it was granted under")  \
    X(R30_ANY_BEAT, "R30", "chain", "a lease counts from the newest heartbeat, not from its own")  \
    X(R31_LEASE_WITHOUT_QUORUM, "R31", "raft", "a leader grants leases without recent answers")    \
    X(R31_VOTES_AT_ONCE, "R31", "raft", "a voter that starts grants votes at once")                \
    X(R31_LEASE_AFTER_TRANSFER, "R31", "raft", "leases are granted after TimeoutNow was sent")     \
    X(R31_LEASE_BEFORE_NOOP, "R31", "raft", "leases are granted before the own-term entry is applied") \
    X(R32_BEFORE_OWN_COMMIT, "R32", "raft", "the masters change before an own-term commit")        \
    X(R32_LEAVES_TOO_FEW, "R32", "raft", "a removal leaves too few servers that answer")           \
    X(R32_LATE_ORDER_OBEYED, "R32", "master", "a late order removes a master that was added again")  \
    X(R32_TWO_AT_ONCE, "R32", "raft", "a second change of the masters begins before the first is committed") \
    X(R33_HALF_COPY_COUNTS, "R33, case 21", "chain", "a disk that is copied in part may start the chain") \
    X(R33_NOT_FENCED, "R33", "plan", "a whole-chain restart does not fence the old members")       \
    X(R34_OLD_DISK_BELIEVED, "R34", "master", "a disk that went back in time may start the chain") \
    X(R34_MARK_NOT_REPLICATED, "R34", "master", "committed marks stay with the leader")            \
    X(R34_OTHER_DISK_BELIEVED, "R34, case 37", "master", "another disk under the same id may start the chain") \
    X(R35_LINK_FORGOTTEN, "R35", "master", "cut links are not remembered")                         \
    X(R36_DRAINED_TOO_EARLY, "R36", "chain", "drained is said with entries pending")               \
    X(R36_ADMITS_FROZEN, "R36", "chain", "a frozen head admits updates")                           \
    X(R37_PUT_INTO_DELETING, "R37", "chain", "a head admits puts into a bucket that is being deleted") \
    X(R37_UNDECIDED_ACKNOWLEDGED, "R37", "chain", "a head acknowledges the map with puts of the bucket undecided") \
    X(R37_OLDER_MAP_ADMITS, "R37", "chain", "a head admits puts with a map that is older than its row") \
    X(R37_HEADS_NOT_ASKED, "R37", "master", "a deletion does not wait for the heads")              \
    X(R37_NEW_HEAD_NOT_ASKED, "R37", "master", "a deletion goes on although a chain has a new head") \
    X(C28_PENDING_IGNORED, "R6, case 28", "chain", "a condition does not see pending updates")     \
    X(C41_WRITTEN_IS_DURABLE, "R8, case 41", "chain", "a later batch counts when an earlier one is stored") \
    X(D3_PURGED_AHEAD, "D3, R33", "chain", "chunks are purged that pending rows on disk still name") \
    X(D14_ANY_BEAT, "D14", "master", "a dead member's late heartbeat activates the row in which it is alone") \
    X(D18_PART_AFTER_THE_END, "D18", "chain", "a part is taken by an upload that has ended")       \
    X(D18_ENDED_TWICE, "D18", "chain", "an upload that has ended is completed again")              \
    X(D18_OTHER_VERSION, "D18", "chain", "a part that was replaced is taken for the chosen one")   \
    X(D18_COMPLETE_IGNORES_CONDITION, "D18, R10", "chain", "an upload is completed whatever its condition") \
    X(D18_PENDING_PART_IGNORED, "D18, case 28", "chain", "a completion does not see pending parts") \
    X(D18_REPLACED_PART_KEPT, "D18", "chain", "the chunks of a replaced part stay for ever")       \
    X(D18_UNCHOSEN_KEPT, "D18", "chain", "the chunks of parts that were not chosen stay for ever") \
    X(D18_RESTAMP_PURGES, "D18", "chain", "new metadata give the chunks away")                     \
    X(D18_LATE_CHUNK_OPENS, "D18", "chain", "a late chunk of a part opens its upload again")       \
    X(D18_NOT_COPIED, "D18, R12", "chain", "a copy carries no multipart uploads")                  \
    X(D18_NEWER_PURGED, "D18, R25", "chain", "an older part gives away the chunks of the copied one") \
    X(D20_CONFIG_NOT_COMPARED, "D20", "master", "a configuration is replaced whatever its version") \
    X(D20_KEYS_NOT_IN_SNAPSHOT, "D20", "master", "a snapshot carries no access keys")              \
    X(D20_REVOKED_NOT_ORDERED, "D20", "master", "keys are listed without confirming leadership")   \
    X(D20_REPLACED_TWICE, "D20", "master", "a repeated rotation takes the new secret for the old one") \
    X(D19_TOKEN_FORGOTTEN, "D19", "chain", "a repeated request is executed again")                 \
    X(D19_PENDING_IGNORED, "D19", "chain", "a repeated request does not see the undecided first one") \
    X(D19_NOT_COPIED, "D19, R12", "chain", "a copy carries no tokens")                             \
    X(RAFT_OLD_TERM_COMMIT, "Raft 5.4.2", "raft", "an entry of an older term is committed by counting")
/* clang-format on */

enum planted_bug {
    PLANTED_NONE,
#define PLANTED_CONSTANT(name, rule, area, what) PLANTED_##name,
    PLANTED_BUGS(PLANTED_CONSTANT)
#undef PLANTED_CONSTANT
        PLANTED_COUNT
};

#ifdef CATENA_PLANTED
/* The one that is broken in this process. Only test programs write it. */
extern enum planted_bug planted_bug;

#define PLANTED(NAME) (planted_bug == PLANTED_##NAME)

/* Selects by name; false when there is none. NULL or "" selects nothing. */
bool planted_select(const char *name);
const char *planted_name(enum planted_bug bug);
const char *planted_rule(enum planted_bug bug);
const char *planted_area(enum planted_bug bug);
const char *planted_text(enum planted_bug bug);
#else
/* The name is checked by the compiler, and nothing is left of it. */
#define PLANTED(NAME) (PLANTED_##NAME == PLANTED_NONE)
#endif

#endif
