/* Access keys in the state: records in the order of their ids. */
#include "base/buf.h"
#include "base/contract.h"
#include "config_master/core/cm_state.h"

struct slice cm_key_id(const struct cm_key *key)
{
    return slice_of(key->record + 1, key->record[0]);
}

/* Position of the first key whose id is not below (or above, when `after`). */
static uint32_t key_position(const struct cm_state *state, struct slice id, bool after)
{
    uint32_t low = 0;
    uint32_t high = state->key_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = slice_compare(cm_key_id(&state->keys[middle]), id);
        if (order < 0 || (after && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t cm_state_key_after(const struct cm_state *state, struct slice id)
{
    return key_position(state, id, true);
}

const struct cm_key *cm_state_key(const struct cm_state *state, struct slice id)
{
    uint32_t position = key_position(state, id, false);
    if (position == state->key_count || !slice_equal(cm_key_id(&state->keys[position]), id))
        return NULL;
    return &state->keys[position];
}

static void record_free(struct cm_key *key)
{
    explicit_bzero(key->record, key->length);
    mem_free(key->record);
}

static void open_place(struct cm_state *state, uint32_t position)
{
    if (state->key_count == state->key_capacity) {
        state->key_capacity = state->key_capacity == 0 ? 16 : state->key_capacity * 2;
        state->keys = mem_realloc(state->keys, state->key_capacity * sizeof *state->keys);
    }
    struct cm_key *place = &state->keys[position];
    memmove(place + 1, place, (state->key_count - position) * sizeof *place);
    state->key_count++;
}

bool cm_state_put_key(struct cm_state *state, const struct wire_access_key *key, uint64_t index)
{
    PRE(key->id.length > 0 && key->secret.length > 0);
    uint32_t position = key_position(state, key->id, false);
    const struct cm_key *old = cm_state_key(state, key->id);
    uint32_t length = (uint32_t)wire_access_key_size(key);
    uint64_t bytes = state->keys_bytes - (old == NULL ? 0 : old->length) + length;
    if (bytes > BOUND_ACCESS_KEYS_BYTES || (old == NULL && state->key_count == BOUND_ACCESS_KEYS))
        return false;
    /* Made before the old one goes: the slices may point into it. */
    struct cm_key made = {.record = mem_alloc(length), .length = length};
    (void)wire_access_key_put(key, made.record);
    if (old == NULL)
        open_place(state, position);
    else
        record_free(&state->keys[position]);
    state->keys[position] = made;
    state->keys_bytes = bytes;
    state->keys_version = index;
    return true;
}

void cm_state_remove_key(struct cm_state *state, const struct cm_key *key, uint64_t index)
{
    uint32_t position = (uint32_t)(key - state->keys);
    PRE(position < state->key_count);
    struct cm_key *place = &state->keys[position];
    state->keys_bytes -= place->length;
    state->keys_version = index;
    record_free(place);
    state->key_count--;
    memmove(place, place + 1, (state->key_count - position) * sizeof *place);
}

void cm_state_release_keys(struct cm_state *state)
{
    for (uint32_t i = 0; i < state->key_count; i++)
        record_free(&state->keys[i]);
    mem_free(state->keys);
    state->keys = NULL;
    state->key_count = 0;
}
