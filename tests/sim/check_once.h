/* The ledger of versions: each update ran at most once, and versions only grow.
 *
 * Every value is written by one operation of a client. Two versions of one value are two executions
 * (S10); a version that is not larger than one that was seen before the call goes back in time (S4,
 * S6). No search is needed: versions say the order. */
#ifndef CATENA_TESTS_SIM_CHECK_ONCE_H
#define CATENA_TESTS_SIM_CHECK_ONCE_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/messages.h"

/* An answer that named a version. */
struct once_sight {
    uint32_t value;
    struct origin version;
    bool is_put; /* the answer of its own put */
    uint64_t call_at;
    uint64_t return_at;
};

enum once_verdict { ONCE_GOOD, ONCE_TWICE, ONCE_SHARED, ONCE_BACKWARDS };

/* Of one key. Sorts the sights. *ret_value: of a value that shows it. */
enum once_verdict once_check(struct once_sight *sights, uint32_t count, uint32_t *ret_value);
const char *once_verdict_text(enum once_verdict verdict);

#endif
