#include "config_master/core/cm_state.h"

#include "base/buf.h"
#include "base/contract.h"

struct cm_state *cm_state_new(const struct uuid *cluster)
{
    struct cm_state *state = mem_calloc(1, sizeof *state);
    state->cluster = *cluster;
    list_init(&state->chain_changes);
    list_init(&state->node_changes);
    list_init(&state->bucket_changes);
    list_init(&state->decided_chains);
    return state;
}

void cm_state_free(struct cm_state *state)
{
    if (state == NULL)
        return;
    for (uint32_t i = 0; i < state->node_count; i++)
        mem_free(state->nodes[i]);
    for (uint32_t i = 0; i < state->bucket_count; i++) {
        mem_free(state->buckets[i]->config);
        mem_free(state->buckets[i]);
    }
    mem_free(state->buckets);
    cm_state_release_keys(state);
    mem_free(state->chains);
    mem_free(state);
}

/* ---- nodes ---- */

/* Position of the first node whose id is not below. */
static uint32_t node_position(const struct cm_state *state, uint32_t id)
{
    uint32_t low = 0;
    uint32_t high = state->node_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (state->nodes[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t cm_state_node_after(const struct cm_state *state, uint32_t id)
{
    return id == UINT32_MAX ? state->node_count : node_position(state, id + 1);
}

struct cm_node *cm_state_node(const struct cm_state *state, uint32_t id)
{
    uint32_t position = node_position(state, id);
    if (position == state->node_count || state->nodes[position]->id != id)
        return NULL;
    return state->nodes[position];
}

struct cm_node *cm_state_add_node(struct cm_state *state, uint32_t id)
{
    PRE(state->node_count < BOUND_NODES && cm_state_node(state, id) == NULL);
    uint32_t position = node_position(state, id);
    struct cm_node *node = mem_calloc(1, sizeof *node);
    node->id = id;
    list_init(&node->change);
    memmove(&state->nodes[position + 1], &state->nodes[position],
            (state->node_count - position) * sizeof(struct cm_node *));
    state->nodes[position] = node;
    state->node_count++;
    return node;
}

void cm_state_touch_node(struct cm_state *state, struct cm_node *node, uint64_t index)
{
    node->version = index;
    state->version = index;
    list_remove(&node->change);
    list_append(&state->node_changes, &node->change);
}

static struct cm_tombstone *tombstone_add(struct cm_state *state, uint64_t index)
{
    if (state->tombstone_count == CM_TOMBSTONES) {
        state->tombstone_floor = state->tombstones[0].version;
        memmove(&state->tombstones[0], &state->tombstones[1],
                (CM_TOMBSTONES - 1) * sizeof state->tombstones[0]);
        state->tombstone_count--;
    }
    struct cm_tombstone *tombstone = &state->tombstones[state->tombstone_count++];
    *tombstone = (struct cm_tombstone){.version = index};
    state->version = index;
    return tombstone;
}

void cm_state_remove_node(struct cm_state *state, struct cm_node *node, uint64_t index)
{
    tombstone_add(state, index)->node = node->id;
    uint32_t position = node_position(state, node->id);
    list_remove(&node->change);
    mem_free(node);
    state->node_count--;
    memmove(&state->nodes[position], &state->nodes[position + 1],
            (state->node_count - position) * sizeof(struct cm_node *));
}

void cm_node_to_wire(const struct cm_node *node, struct wire_node_info *ret_wire)
{
    *ret_wire = (struct wire_node_info){
        .node = node->id,
        .incarnation = node->incarnation,
        .disk = node->disk,
        .address = slice_of_text(node->address),
        .zone = slice_of_text(node->zone),
        .weight = node->weight,
        .pid = node->pid,
        .state = (uint8_t)node->state,
        .version = node->version,
        .space_total = node->space_total,
        .space_free = node->space_free,
    };
}

/* ---- buckets ---- */

/* Position of the first bucket whose name is not below (or above, when `after`). */
static uint32_t bucket_position(const struct cm_state *state, struct slice name, bool after)
{
    uint32_t low = 0;
    uint32_t high = state->bucket_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = slice_compare(slice_of_text(state->buckets[middle]->name), name);
        if (order < 0 || (after && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct cm_bucket *cm_state_bucket(const struct cm_state *state, struct slice name)
{
    uint32_t position = bucket_position(state, name, false);
    if (position == state->bucket_count ||
        !slice_equal(slice_of_text(state->buckets[position]->name), name))
        return NULL;
    return state->buckets[position];
}

uint32_t cm_state_bucket_after(const struct cm_state *state, struct slice name)
{
    return bucket_position(state, name, true);
}

struct cm_bucket *cm_state_bucket_by_id(const struct cm_state *state, uint64_t id)
{
    for (uint32_t i = 0; i < state->bucket_count; i++) {
        if (state->buckets[i]->id == id)
            return state->buckets[i];
    }
    return NULL;
}

struct cm_bucket *cm_state_add_bucket(struct cm_state *state, struct slice name)
{
    PRE(name.length <= BOUND_BUCKET_NAME_MAX && state->bucket_count < BOUND_BUCKETS);
    PRE(cm_state_bucket(state, name) == NULL);
    if (state->bucket_count == state->bucket_capacity) {
        state->bucket_capacity = state->bucket_capacity == 0 ? 16 : state->bucket_capacity * 2;
        state->buckets =
            mem_realloc(state->buckets, state->bucket_capacity * sizeof(struct cm_bucket *));
    }
    uint32_t position = bucket_position(state, name, false);
    struct cm_bucket *bucket = mem_calloc(1, sizeof *bucket);
    memcpy(bucket->name, name.data, name.length);
    list_init(&bucket->change);
    memmove(&state->buckets[position + 1], &state->buckets[position],
            (state->bucket_count - position) * sizeof(struct cm_bucket *));
    state->buckets[position] = bucket;
    state->bucket_count++;
    return bucket;
}

void cm_state_touch_bucket(struct cm_state *state, struct cm_bucket *bucket, uint64_t index)
{
    bucket->version = index;
    state->version = index;
    list_remove(&bucket->change);
    list_append(&state->bucket_changes, &bucket->change);
}

void cm_state_remove_bucket(struct cm_state *state, struct cm_bucket *bucket, uint64_t index)
{
    struct cm_tombstone *tombstone = tombstone_add(state, index);
    tombstone->bucket = bucket->id;
    memcpy(tombstone->name, bucket->name, sizeof tombstone->name);
    uint32_t position = bucket_position(state, slice_of_text(bucket->name), false);
    list_remove(&bucket->change);
    state->configs_bytes -= bucket->config_length;
    mem_free(bucket->config);
    mem_free(bucket);
    state->bucket_count--;
    memmove(&state->buckets[position], &state->buckets[position + 1],
            (state->bucket_count - position) * sizeof(struct cm_bucket *));
}

bool cm_state_set_bucket_config(struct cm_state *state, struct cm_bucket *bucket,
                                struct slice config, uint64_t index)
{
    PRE(config.length <= BOUND_BUCKET_CONFIG_BYTES);
    uint64_t bytes = state->configs_bytes - bucket->config_length + config.length;
    if (bytes > BOUND_BUCKET_CONFIGS_BYTES)
        return false;
    mem_free(bucket->config);
    bucket->config = mem_alloc(config.length == 0 ? 1 : config.length);
    if (config.length > 0)
        memcpy(bucket->config, config.data, config.length);
    bucket->config_length = (uint32_t)config.length;
    bucket->config_version = index;
    state->configs_bytes = bytes;
    return true;
}

void cm_bucket_to_wire(const struct cm_bucket *bucket, struct wire_bucket_info *ret_wire)
{
    *ret_wire = (struct wire_bucket_info){
        .bucket = bucket->id,
        .name = slice_of_text(bucket->name),
        .state = (uint8_t)bucket->state,
        .created_ms = bucket->created_ms,
        .version = bucket->version,
    };
}

/* ---- chains ---- */

void cm_state_init_chains(struct cm_state *state, uint32_t count)
{
    PRE(state->chain_count == 0 && count <= BOUND_CHAINS);
    state->chains = mem_calloc(count == 0 ? 1 : count, sizeof *state->chains);
    state->chain_count = count;
    for (uint32_t i = 0; i < count; i++) {
        list_init(&state->chains[i].change);
        list_init(&state->chains[i].decided_link);
    }
}

void cm_state_touch_chain(struct cm_state *state, struct cm_chain *chain, uint64_t index)
{
    chain->active.version = index;
    state->version = index;
    list_remove(&chain->change);
    list_append(&state->chain_changes, &chain->change);
}

uint32_t cm_member_find(const struct wire_member *members, uint32_t count,
                        struct wire_member member)
{
    uint32_t i = 0;
    while (i < count && !cm_member_equal(members[i], member))
        i++;
    return i;
}

/* ---- answers, links, settings ---- */

const struct cm_answer *cm_state_answer(const struct cm_state *state, uint64_t nonce)
{
    if (nonce == 0)
        return NULL;
    for (uint32_t i = 0; i < state->answer_count; i++) {
        if (state->answers[i].nonce == nonce)
            return &state->answers[i];
    }
    return NULL;
}

void cm_state_add_answer(struct cm_state *state, const struct cm_answer *answer)
{
    state->answers[state->answer_next] = *answer;
    state->answer_next = (state->answer_next + 1) % CM_NONCES;
    if (state->answer_count < CM_NONCES)
        state->answer_count++;
}

const struct cm_bad_link *cm_state_bad_link(const struct cm_state *state, uint32_t a, uint32_t b)
{
    uint32_t low = a < b ? a : b;
    uint32_t high = a < b ? b : a;
    for (uint32_t i = 0; i < state->bad_link_count; i++) {
        if (state->bad_links[i].low == low && state->bad_links[i].high == high)
            return &state->bad_links[i];
    }
    return NULL;
}

static struct cm_bad_link *bad_link_place(struct cm_state *state)
{
    if (state->bad_link_count < CM_BAD_LINKS)
        return &state->bad_links[state->bad_link_count++];
    struct cm_bad_link *oldest = &state->bad_links[0];
    for (uint32_t i = 1; i < CM_BAD_LINKS; i++) {
        if (state->bad_links[i].version < oldest->version)
            oldest = &state->bad_links[i];
    }
    return oldest;
}

uint32_t cm_state_strike_link(struct cm_state *state, uint32_t a, uint32_t b, uint64_t index)
{
    PRE(a != b);
    struct cm_bad_link *link = NULL;
    const struct cm_bad_link *known = cm_state_bad_link(state, a, b);
    if (known != NULL) {
        link = &state->bad_links[known - state->bad_links];
    } else {
        link = bad_link_place(state);
        *link = (struct cm_bad_link){.low = a < b ? a : b, .high = a < b ? b : a};
    }
    if (link->strikes < UINT32_MAX)
        link->strikes++;
    link->version = index;
    return (uint32_t)(link - state->bad_links);
}

uint64_t cm_state_setting(const struct cm_state *state, const char *name, uint64_t otherwise)
{
    for (uint32_t i = 0; i < state->setting_count; i++) {
        if (strcmp(state->settings[i].name, name) == 0)
            return state->settings[i].value;
    }
    return otherwise;
}

bool cm_state_set_setting(struct cm_state *state, struct slice name, uint64_t value)
{
    struct cm_setting *setting = NULL;
    if (name.length >= sizeof setting->name)
        return false;
    for (uint32_t i = 0; i < state->setting_count && setting == NULL; i++) {
        if (slice_equal(slice_of_text(state->settings[i].name), name))
            setting = &state->settings[i];
    }
    if (setting == NULL) {
        if (state->setting_count == CM_SETTINGS)
            return false;
        setting = &state->settings[state->setting_count++];
        memset(setting, 0, sizeof *setting);
        memcpy(setting->name, name.data, name.length);
    }
    setting->value = value;
    return true;
}
