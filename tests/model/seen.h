/* The states that were seen: a table of 64-bit fingerprints, each with how many choices were left.
 */
#ifndef CATENA_TESTS_MODEL_SEEN_H
#define CATENA_TESTS_MODEL_SEEN_H

#include <stdbool.h>
#include <stdint.h>

struct seen;

/* Room for that many; grows up to it. */
struct seen *seen_new(uint64_t states_max);
void seen_free(struct seen *seen);
/* True if the state is new, or was seen only with fewer choices left. Not legal when full. */
bool seen_add(struct seen *seen, uint64_t fingerprint, uint32_t left);
bool seen_has(const struct seen *seen, uint64_t fingerprint);
bool seen_is_full(const struct seen *seen);
uint64_t seen_count(const struct seen *seen);

#endif
