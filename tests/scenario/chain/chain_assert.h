/* What the tests of chains ask again and again. */
#ifndef CATENA_TESTS_SCENARIO_CHAIN_CHAIN_ASSERT_H
#define CATENA_TESTS_SCENARIO_CHAIN_CHAIN_ASSERT_H

#include <check.h>

#include "tests/scenario/chain/chain_world.h"

static inline const struct wire_updated *updated(const struct world *world, uint64_t request)
{
    const struct wire_message *reply = world_reply(world, request);
    ck_assert_ptr_nonnull(reply);
    if (reply->type == WIRE_REFUSED)
        ck_abort_msg("refused: %s", err_name((enum err)reply->u.refused.err));
    ck_assert_int_eq(reply->type, WIRE_UPDATED);
    return &reply->u.updated;
}

static inline void assert_outcome(const struct world *world, uint64_t request, enum err err)
{
    ck_assert_str_eq(err_name((enum err)updated(world, request)->outcome), err_name(err));
}

static inline void assert_refused(const struct world *world, uint64_t request, enum err err)
{
    const struct wire_message *reply = world_reply(world, request);
    ck_assert_ptr_nonnull(reply);
    ck_assert_int_eq(reply->type, WIRE_REFUSED);
    ck_assert_str_eq(err_name((enum err)reply->u.refused.err), err_name(err));
}

static inline void assert_no_reply(const struct world *world, uint64_t request)
{
    ck_assert_ptr_null(world_reply(world, request));
}

static inline void assert_value(const struct world *world, uint64_t request, const char *value)
{
    const struct wire_message *reply = world_reply(world, request);
    ck_assert_ptr_nonnull(reply);
    if (reply->type == WIRE_REFUSED)
        ck_abort_msg("refused: %s", err_name((enum err)reply->u.refused.err));
    ck_assert_int_eq(reply->type, WIRE_OBJECT);
    ck_assert(slice_equal(buf_slice(reply->payload), slice_of_text(value)));
}

#endif
