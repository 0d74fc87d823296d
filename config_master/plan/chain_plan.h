/* chain_plan: old chain + what is known about its nodes -> the next step. The heart of the master.
 *
 * What it is: a pure function, one step at a time. No clock, no memory between calls, no I/O; equal
 * inputs give equal steps. What it is not: the failure detector (which says who is alive), the
 * lease book (which says how long a fence lasts), or the replicated state (which stores the rows).
 * The master's leader calls it whenever something that it depends on has changed, proposes the row
 * that it returns, and calls again once that is applied. `plan_validate` (validate.h) is its
 * oracle.
 *
 * Rows. The *active* row is the one that nodes act on. A row that takes members away is first
 * *decided* (R28): stored, told only to those who leave, and activated when the leases of those who
 * leave have surely run out (R29). All other changes are activated at once: they take no reader
 * away, and nothing commits in the new epoch before every member has entered it (R7).
 *
 * The last serving set, row.serving: the members from which the chain may be started again.
 *   - of an active row: its members;
 *   - of a decided row: those of the active row that it follows.
 * Each of them holds every acknowledged write. Proof, by induction over the steps: a write is
 * acknowledged in epoch e only when it is durable on every member of row e (S3, R7), so the claim
 * holds for the first row. A removal keeps a subset. An append adds a member that the tail has
 * declared synced in exactly this epoch, and from then on the tail commits nothing that it lacks
 * (R21-R23). A restart keeps one member of the serving set and fences the others. A decided row is
 * entered by nobody, so nothing is acknowledged in it, and the active row's members still hold
 * everything: also those that are to leave. Therefore a decided row whose members all die is not
 * activated (PLAN_NONE), and *any* member of the active row may restart the chain, those that
 * remain first: a power cut that the detector sees as one death after the other must not leave a
 * chain that waits for the server that was noticed last (design, promise 5; checklist 9). For the
 * same reason a removal whose remaining members are all dead is decided anew when one that was to
 * go is alive. And a decided row should be activated only when one of its members has been heard
 * since it was decided: a member that died a moment before the others were removed would be the
 * whole serving set.
 *
 * Sequence: fill a plan_input -> plan_next() -> by kind:
 *   PLAN_NONE                 nothing to do now
 *   PLAN_REMOVE, PLAN_RESTART replicate step.row as *decided* (it replaces an older decided row)
 *   PLAN_ACTIVATE             wait for step.fences, then replicate step.row as *active*
 *   all others                replicate step.row as *active*
 * A replicated step must name the active and decided epochs that it was planned from and be ignored
 * when they are no longer the newest. */
#ifndef CATENA_CONFIG_MASTER_PLAN_CHAIN_PLAN_H
#define CATENA_CONFIG_MASTER_PLAN_CHAIN_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bounds.h"
#include "wire/messages.h"

/* struct wire_row with its arrays inside. Members and serving are distinct nodes, head first. */
struct plan_row {
    uint32_t chain;
    uint64_t epoch; /* 0: no row */
    uint64_t version;
    struct wire_member members[BOUND_CHAIN_MEMBERS];
    uint32_t members_count;
    struct wire_member joiner; /* node 0: none */
    bool frozen;
    bool any_replica;
    uint32_t write_floor;
    uint32_t replicas;
    struct wire_member serving[BOUND_CHAIN_MEMBERS];
    uint32_t serving_count;
};

/* ERR_PROTOCOL when a count exceeds its bound, a node is 0 or named twice, the joiner is a member,
 * or the epoch is 0. */
enum err plan_row_from_wire(const struct wire_row *wire, struct plan_row *ret_row);
/* A view: its arrays point into `row`. */
struct wire_row plan_row_to_wire(const struct plan_row *row);

/* What is known about one node with respect to this chain. A node that is not listed is not
 * alive. */
struct plan_node {
    uint32_t node;
    uint64_t incarnation; /* the newest one seen */
    bool is_alive;        /* that one is believed to be alive */
    bool holds;      /* that one reports HOLDS: its disk has the chain complete, it has no role.
                        Never true for a disk that is quarantined, rolled back or halted (S13,
                        R27). A joiner's disk is complete from when its copy is durable, which
                        it notes before the tail may say synced: it may be appended, become
                        the only one left and die before it learns that it is a member */
    bool is_syncing; /* that one reports SYNCING: half a copy; never a starter (R33) */
    uint64_t dead_through; /* incarnations up to this one are proven dead (R4, obituary): no lease
                              of theirs is waited for */
};

/* Two nodes that cannot talk (R35). */
struct plan_link {
    uint32_t a;
    uint32_t b;
    bool is_cut; /* reported now: as chain neighbours they stall the chain, one has to go. Else only
                    remembered: they are not made neighbours by a join */
};

/* A report by one member that is bound to one epoch (R22, R23, R36); node 0: none. */
struct plan_report {
    struct wire_member sender;
    uint64_t epoch;
};

struct plan_input {
    const struct plan_row *active;
    const struct plan_row *decided; /* NULL: none */
    const struct plan_node *nodes;
    uint32_t nodes_count;
    const struct plan_link *links;
    uint32_t links_count;
    const uint32_t *candidates; /* nodes that may become joiner, best first; others never do */
    uint32_t candidates_count;
    struct plan_report synced;  /* from the tail */
    struct plan_report drained; /* from the head */
    bool grace_is_over;         /* R33: the time to gather returners has passed */
    bool cancel_joiner;         /* the joiner is too slow (R23) */
    uint32_t evict;             /* a member that is to be replaced by a joiner, 0: none */
    const uint32_t *order;      /* wanted order of the members, head first: a permutation of them,
                                   else ignored; also NULL. Taking it away while frozen unfreezes */
    uint32_t order_count;
    bool any_replica; /* wanted settings; a difference to the row is a step of its own */
    uint32_t write_floor;
    uint32_t replicas; /* 1 .. BOUND_CHAIN_MEMBERS - 1 */
};

enum plan_kind {
    PLAN_NONE,
    PLAN_REMOVE,        /* decide a row without some members (S8), perhaps without the joiner too */
    PLAN_RESTART,       /* decide a row of one returned member alone (R33) */
    PLAN_ACTIVATE,      /* activate the decided row */
    PLAN_CANCEL_JOINER, /* R23 */
    PLAN_APPEND,        /* the synced joiner becomes the last member (R22) */
    PLAN_ADD_JOINER,
    PLAN_FREEZE,   /* R36 */
    PLAN_PERMUTE,  /* drained members in the wanted order; not frozen any more */
    PLAN_UNFREEZE, /* the same order, not frozen */
    PLAN_SETTINGS, /* any-replica flag, write floor, replicas (R1) */
};

struct plan_step {
    enum plan_kind kind;
    struct plan_row row; /* kind != PLAN_NONE */
    /* REMOVE, RESTART, ACTIVATE: members of the active row that `row` does not name and that are
     * not proven dead; their leases have to run out before `row` may be active (R29). */
    struct wire_member fences[BOUND_CHAIN_MEMBERS];
    uint32_t fences_count;
};

void plan_next(const struct plan_input *input, struct plan_step *ret_step);

/* "REMOVE". */
const char *plan_kind_name(enum plan_kind kind);

#endif
