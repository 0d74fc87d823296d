/* Is a listing complete, and nothing but true?
 *
 * A key that was surely there during the whole call is listed; one that was surely absent is not.
 * "Surely" follows from answered operations of the key's history alone, without a search: this
 * checker shares nothing with check_linear.c. */
#ifndef CATENA_TESTS_SIM_CHECK_LISTING_H
#define CATENA_TESTS_SIM_CHECK_LISTING_H

#include "tests/sim/check_linear.h"

struct listing {
    uint64_t call_at;
    uint64_t return_at;
    bool is_listed; /* the key whose history is given */
};

enum listing_verdict { LISTING_GOOD, LISTING_MISSES, LISTING_INVENTS };

/* Any order of ops and listings. On a bad verdict *ret_at is the listing (index). */
enum listing_verdict listing_check(const struct linear_op *ops, uint32_t count,
                                   const struct listing *listings, uint32_t listings_count,
                                   uint32_t *ret_at);

#endif
