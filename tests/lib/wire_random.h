/* Random valid messages, from the field lists: for round trips, fuzzing and the simulator. */
#ifndef CATENA_TESTS_LIB_WIRE_RANDOM_H
#define CATENA_TESTS_LIB_WIRE_RANDOM_H

#include "base/prng.h"
#include "wire/messages.h"

/* Fills a message of that type; it owns its backing, release it. Numbers favour edges (0, maximum,
 * powers of two); byte strings and arrays stay within their bounds and are mostly short. `scale`
 * bounds the usual length of both (0: all empty). No payload. */
void wire_random_message(struct prng *prng, enum wire_type type, uint32_t scale,
                         struct wire_message *ret_message);
/* Any type of the list. */
enum wire_type wire_random_type(struct prng *prng);
/* All fields equal, deeply; payloads by bytes. */
bool wire_message_equal(const struct wire_message *a, const struct wire_message *b);

#endif
