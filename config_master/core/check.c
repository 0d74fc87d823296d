/* What is true of every cluster state: asserted after each step of a test, and asked of a snapshot
 * before it replaces a state, because a snapshot comes from a disk or from another master. */
#include "base/contract.h"
#include "config_master/core/cm_state.h"

/* Names the first fact that does not hold. */
#define FACT(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return #condition;                                                                     \
    } while (0)

static const char *row_problem(const struct plan_row *row, uint32_t number, uint64_t applied)
{
    struct wire_row wire = plan_row_to_wire(row);
    struct plan_row checked;
    FACT(row->chain == number && row->epoch > 0 && row->version <= applied);
    FACT(row->members_count > 0 && row->members_count <= BOUND_CHAIN_MEMBERS);
    FACT(row->serving_count > 0);
    FACT(plan_row_from_wire(&wire, &checked) == ERR_OK);
    return NULL;
}

static const char *chain_problem(const struct cm_chain *chain, uint32_t number, uint64_t applied)
{
    const struct plan_row *row = &chain->active;
    const char *problem = row_problem(row, number, applied);
    if (problem != NULL)
        return problem;
    for (uint32_t i = 0; i < row->members_count; i++)
        FACT(chain->reader_epochs[i] <= row->epoch);
    /* The tail is a reader now. */
    FACT(chain->reader_epochs[row->members_count - 1] == row->epoch);
    if (!chain->has_decided)
        return NULL;
    FACT(chain->decided.epoch > row->epoch);
    return row_problem(&chain->decided, number, applied);
}

static const char *node_problem(const struct cm_state *state, uint32_t position)
{
    const struct cm_node *node = state->nodes[position];
    FACT(node->id > 0 && ERGO(position > 0, state->nodes[position - 1]->id < node->id));
    FACT(node->incarnation > 0 && node->dead_below <= node->incarnation);
    FACT(node->disk_since <= node->incarnation && node->version <= state->version);
    return NULL;
}

static const char *bucket_problem(const struct cm_state *state, uint32_t position)
{
    const struct cm_bucket *bucket = state->buckets[position];
    FACT(bucket->id > 0 && bucket->id <= state->last_bucket);
    FACT(bucket->state != WIRE_BUCKET_GONE && bucket->version <= state->version);
    FACT(bucket->config_version <= state->applied);
    FACT(ERGO(bucket->config_version == 0, bucket->config == NULL && bucket->config_length == 0));
    FACT(ERGO(position > 0, slice_compare(slice_of_text(state->buckets[position - 1]->name),
                                          slice_of_text(bucket->name)) < 0));
    return NULL;
}

static const char *key_problem(const struct cm_state *state, uint32_t position)
{
    const struct cm_key *key = &state->keys[position];
    struct wire_access_key record;
    FACT(wire_access_key_read(slice_of(key->record, key->length), &record));
    FACT(record.id.length > 0 && record.secret.length > 0);
    for (uint32_t i = 0; i < record.grant_count; i++)
        FACT(record.grants[i].right != WIRE_RIGHT_NONE);
    FACT(ERGO(position > 0, slice_compare(cm_key_id(key - 1), record.id) < 0));
    return NULL;
}

/* Totals of what is kept for the gateways. */
static const char *document_problem(const struct cm_state *state)
{
    uint64_t keys_bytes = 0;
    uint64_t configs_bytes = 0;
    for (uint32_t i = 0; i < state->key_count; i++)
        keys_bytes += state->keys[i].length;
    for (uint32_t i = 0; i < state->bucket_count; i++)
        configs_bytes += state->buckets[i]->config_length;
    FACT(state->key_count <= BOUND_ACCESS_KEYS && keys_bytes <= BOUND_ACCESS_KEYS_BYTES);
    FACT(state->keys_bytes == keys_bytes && state->configs_bytes == configs_bytes);
    FACT(configs_bytes <= BOUND_BUCKET_CONFIGS_BYTES && state->keys_version <= state->applied);
    FACT(ERGO(state->key_count > 0, state->keys_version > 0));
    return NULL;
}

static const char *book_problem(const struct cm_state *state)
{
    FACT(state->tombstone_count <= CM_TOMBSTONES && state->answer_count <= CM_NONCES);
    FACT(state->bad_link_count <= CM_BAD_LINKS && state->setting_count <= CM_SETTINGS);
    for (uint32_t i = 0; i < state->bad_link_count; i++)
        FACT(state->bad_links[i].low < state->bad_links[i].high);
    uint64_t replicas = cm_state_setting(state, "replicas", state->replicas);
    FACT(ERGO(state->chain_count > 0, replicas >= 1 && replicas < BOUND_CHAIN_MEMBERS));
    FACT(ERGO(state->chain_count > 0,
              state->replicas >= 1 && state->replicas < BOUND_CHAIN_MEMBERS));
    return NULL;
}

const char *cm_state_problem(const struct cm_state *state)
{
    FACT(state->version <= state->applied);
    const char *problem = book_problem(state);
    for (uint32_t i = 0; problem == NULL && i < state->chain_count; i++)
        problem = chain_problem(&state->chains[i], i, state->applied);
    for (uint32_t i = 0; problem == NULL && i < state->node_count; i++)
        problem = node_problem(state, i);
    for (uint32_t i = 0; problem == NULL && i < state->bucket_count; i++)
        problem = bucket_problem(state, i);
    for (uint32_t i = 0; problem == NULL && i < state->key_count; i++)
        problem = key_problem(state, i);
    return problem == NULL ? document_problem(state) : problem;
}

void cm_state_check(const struct cm_state *state)
{
    const char *problem = cm_state_problem(state);
    if (problem != NULL)
        contract_fail("invariant", problem, __FILE__, __LINE__);
}
