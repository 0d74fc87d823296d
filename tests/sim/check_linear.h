/* Is the history of one key linearizable?
 *
 * Wing and Gong, "Testing and verifying concurrent objects" (1993), with Lowe's cache of visited
 * configurations ("Testing for linearizability", 2017). The object is a register with conditional
 * writes: absent (0) or the number of the one write that wrote it, all writes being distinct. An
 * operation whose answer was lost may have happened at any later time, or never. */
#ifndef CATENA_TESTS_SIM_CHECK_LINEAR_H
#define CATENA_TESTS_SIM_CHECK_LINEAR_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/messages.h"

#define LINEAR_ANY UINT32_MAX /* of a refusal: what was there is not known */

enum linear_kind { LINEAR_READ, LINEAR_PUT, LINEAR_DELETE };

enum linear_outcome {
    LINEAR_DONE,    /* READ: `value` was there, 0 = absent; PUT, DELETE: took effect */
    LINEAR_REFUSED, /* the condition did not hold: `current` was there */
    LINEAR_MISSING, /* DELETE: nothing was there */
    LINEAR_UNKNOWN, /* no answer: return_at is ignored */
};

struct linear_op {
    enum linear_kind kind;
    enum linear_outcome outcome;
    enum wire_condition condition;
    uint32_t match; /* WIRE_CONDITION_MATCH: the value that has to be there; LINEAR_ANY: none that
                       this history knows, so the condition never holds */
    uint32_t value;
    uint32_t current;
    uint64_t call_at; /* distinct over all calls and returns of a history */
    uint64_t return_at;
    uint32_t tag; /* the caller's */
};

enum linear_verdict { LINEAR_YES, LINEAR_NO, LINEAR_TOO_HARD };

/* On LINEAR_NO, *ret_stuck is the operation (index) that no order explains: the first to return
 * that could not be placed in the search's longest prefix. */
enum linear_verdict linear_check(const struct linear_op *ops, uint32_t count, uint32_t *ret_stuck);

#endif
