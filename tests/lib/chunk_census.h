/* Every chunk on a disk is named by an object, a part or an open upload, and every chunk that these
 * name is there. */
#ifndef CATENA_TESTS_LIB_CHUNK_CENSUS_H
#define CATENA_TESTS_LIB_CHUNK_CENSUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/kv.h"

struct text;

/* Of one chain of a chain node's store. False: *ret_fault says what is wrong. Chunks that wait for
 * their purge are named by that. */
bool chunk_census(const struct kv *kv, uint32_t chain, struct text *ret_fault);

#endif
