/* Replicas: once everything is quiet, the members of a chain hold the same bytes, and nothing is
 * left of uploads that nobody finished. */
#include "base/buf.h"
#include "base/bytes.h"
#include "base/contract.h"
#include "chainnode/core/cn_core.h"
#include "config_master/core/cm_state.h"
#include "tests/lib/chunk_census.h"
#include "tests/sim/sim.h"

/* Compares all rows of one chain in one family. */
static void compare_family(struct world *world, const struct plan_row *row, uint32_t at,
                           unsigned family)
{
    uint8_t from[4];
    uint8_t to[4];
    bytes_put_u32(from, row->chain);
    bytes_put_u32(to, row->chain + 1);
    struct kv stores[2];
    struct kv_iterator *rows[2];
    uint32_t nodes[2] = {row->members[0].node, row->members[at].node};
    for (unsigned i = 0; i < 2; i++) {
        struct sim_process *process = process_find(world, SIM_NODE, nodes[i]);
        stores[i] = kv_memory_interface(disk_store(sim_node_disk(process)));
        rows[i] = kv_iterate(&stores[i], family, slice_of(from, 4), slice_of(to, 4));
    }
    for (uint32_t number = 0;; number++) {
        struct slice keys[2] = {{0}, {0}};
        struct slice values[2] = {{0}, {0}};
        bool more[2];
        for (unsigned i = 0; i < 2; i++)
            more[i] = stores[i].ops->iterator_next(rows[i], &keys[i], &values[i]);
        if (!more[0] && !more[1])
            break;
        if (more[0] == more[1] && slice_equal(keys[0], keys[1]) &&
            slice_equal(values[0], values[1]))
            continue;
        struct text key;
        text_init(&key);
        text_append_escaped(&key, more[0] ? keys[0] : keys[1]);
        world_fail(world, "chain %u: nodes %u and %u differ in family %u at row %u, %s (%s)",
                   row->chain, nodes[0], nodes[1], family, number, text_cstr(&key),
                   !more[0] || !more[1] ? "one has more rows"
                                        : (slice_equal(keys[0], keys[1]) ? "value" : "key"));
        text_release(&key);
        break;
    }
    for (unsigned i = 0; i < 2; i++)
        stores[i].ops->iterator_free(rows[i]);
}

/* What was staged and not published is collected after a while (case 46). */
static void expect_empty(struct world *world, const struct plan_row *row, unsigned family)
{
    uint8_t from[4];
    uint8_t to[4];
    bytes_put_u32(from, row->chain);
    bytes_put_u32(to, row->chain + 1);
    uint32_t node = row->members[0].node;
    struct kv store =
        kv_memory_interface(disk_store(sim_node_disk(process_find(world, SIM_NODE, node))));
    struct kv_iterator *rows = kv_iterate(&store, family, slice_of(from, 4), slice_of(to, 4));
    struct slice key;
    struct slice value;
    if (store.ops->iterator_next(rows, &key, &value))
        world_fail(world, "chain %u: node %u still holds rows of family %u", row->chain, node,
                   family);
    store.ops->iterator_free(rows);
}

/* No chunk is lost, and none is left of what is not there any more. */
static void count_chunks(struct world *world, const struct plan_row *row, uint32_t at)
{
    uint32_t node = row->members[at].node;
    struct kv store =
        kv_memory_interface(disk_store(sim_node_disk(process_find(world, SIM_NODE, node))));
    struct text fault;
    text_init(&fault);
    if (!chunk_census(&store, row->chain, &fault))
        world_fail(world, "chain %u, node %u: %s", row->chain, node, text_cstr(&fault));
    text_release(&fault);
}

void verify_replicas_equal(struct world *world)
{
    static const unsigned families[] = {CN_FAMILY_OBJECTS,  CN_FAMILY_CHUNKS,  CN_FAMILY_UPLOADS,
                                        CN_FAMILY_SESSIONS, CN_FAMILY_PENDING, CN_FAMILY_MULTI,
                                        CN_FAMILY_TOKENS};
    const struct cm_state *state = verify_leader_state(world);
    if (state == NULL)
        world_fail(world, "the masters have no leader");
    for (uint32_t c = 0; !world->failed && c < state->chain_count; c++) {
        const struct plan_row *row = &state->chains[c].active;
        for (uint32_t i = 1; i < row->members_count; i++) {
            for (uint32_t f = 0; f < ARRAY_COUNT(families) && !world->failed; f++)
                compare_family(world, row, i, families[f]);
        }
        for (uint32_t i = 0; i < row->members_count && !world->failed; i++)
            count_chunks(world, row, i);
        if (!world->failed)
            expect_empty(world, row, CN_FAMILY_UPLOADS);
        if (!world->failed)
            expect_empty(world, row, CN_FAMILY_PENDING);
    }
}
