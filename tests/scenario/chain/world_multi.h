/* Clients of the chain world that upload in parts (D18). An upload's id and a staged upload's id
 * are small numbers here. */
#ifndef CATENA_TESTS_SCENARIO_CHAIN_WORLD_MULTI_H
#define CATENA_TESTS_SCENARIO_CHAIN_WORLD_MULTI_H

#include "tests/scenario/chain/chain_world.h"
#include "wire/manifest.h"

/* Sends the put to the chain's head; what is zero in it is filled in: request, session, seq, epoch,
 * map version, bucket. Takes the payload. */
uint64_t world_send_put(struct world *world, uint32_t chain, struct wire_put put,
                        struct buf *payload);
uint64_t world_open(struct world *world, uint32_t chain, const char *key, uint64_t multi);
/* Stages one chunk under `upload` and makes it the part; "" is an empty part. */
uint64_t world_part(struct world *world, uint32_t chain, const char *key, uint64_t multi,
                    uint32_t number, uint64_t upload, const char *bytes);
/* The numbers end with 0; any version. */
uint64_t world_complete(struct world *world, uint32_t chain, const char *key, uint64_t multi,
                        const uint32_t *numbers);
uint64_t world_complete_put(struct world *world, uint32_t chain, struct wire_put put,
                            const struct wire_choice *choices, uint32_t count);
uint64_t world_close(struct world *world, uint32_t chain, const char *key, uint64_t multi);
uint64_t world_restamp(struct world *world, uint32_t chain, const char *key, const char *meta,
                       bool keep_mtime);
uint64_t world_parts(struct world *world, uint32_t chain, const char *key, uint64_t multi,
                     uint32_t after, uint32_t limit);
uint64_t world_list_by(struct world *world, uint32_t node, struct wire_list list);

#endif
