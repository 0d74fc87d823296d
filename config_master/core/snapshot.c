/* The whole replicated state as bytes. Format: u8 format, then the sections in the order of
 * cm_state_snapshot(); equal states give equal bytes, which tests of determinism compare. */
#include "base/buf.h"
#include "base/contract.h"
#include "base/planted.h"
#include "config_master/core/cm_state.h"
#include "config_master/core/codec.h"

/* 1: without marks (R34). 2: without access keys and bucket configurations; still written while
 * there are none, so that masters of the release before can read it. */
enum { SNAPSHOT_FORMAT = 3 };

static void write_node(struct cm_writer *writer, const struct cm_node *node)
{
    cm_write_u32(writer, node->id);
    cm_write_u64(writer, node->incarnation);
    cm_write_u64(writer, node->dead_below);
    cm_write_u64(writer, node->disk_since);
    cm_write_u64(writer, node->fence_version);
    cm_write_uuid(writer, &node->disk);
    cm_write_uuid(writer, &node->boot);
    cm_write_bytes(writer, slice_of_text(node->address));
    cm_write_bytes(writer, slice_of_text(node->zone));
    cm_write_u32(writer, node->weight);
    cm_write_u32(writer, node->pid);
    cm_write_u8(writer, (uint8_t)node->state);
    cm_write_u64(writer, node->space_total);
    cm_write_u64(writer, node->space_free);
    cm_write_u64(writer, node->version);
}

static void read_text(struct cm_reader *reader, char *out, size_t bytes_max)
{
    struct slice text = cm_read_bytes(reader, bytes_max);
    if (text.length > 0 && memchr(text.data, 0, text.length) != NULL) {
        reader->failed = true;
        return;
    }
    if (text.length > 0)
        memcpy(out, text.data, text.length);
    out[text.length] = 0;
}

static void read_node(struct cm_reader *reader, struct cm_state *state)
{
    uint32_t id = cm_read_u32(reader);
    if (reader->failed || cm_state_node(state, id) != NULL) {
        reader->failed = true;
        return;
    }
    struct cm_node *node = cm_state_add_node(state, id);
    node->incarnation = cm_read_u64(reader);
    node->dead_below = cm_read_u64(reader);
    node->disk_since = cm_read_u64(reader);
    node->fence_version = cm_read_u64(reader);
    node->disk = cm_read_uuid(reader);
    node->boot = cm_read_uuid(reader);
    read_text(reader, node->address, BOUND_ADDRESS_BYTES);
    read_text(reader, node->zone, BOUND_NAME_BYTES);
    node->weight = cm_read_u32(reader);
    node->pid = cm_read_u32(reader);
    uint8_t node_state = cm_read_u8(reader);
    if (node_state > WIRE_NODE_DOWN)
        reader->failed = true;
    node->state = (enum wire_node_state)node_state;
    node->space_total = cm_read_u64(reader);
    node->space_free = cm_read_u64(reader);
    node->version = cm_read_u64(reader);
}

static void write_chain(struct cm_writer *writer, const struct cm_chain *chain)
{
    cm_row_write(writer, &chain->active);
    for (uint32_t i = 0; i < chain->active.members_count; i++)
        cm_write_u64(writer, chain->reader_epochs[i]);
    cm_write_u64(writer, chain->mark);
    cm_write_u64(writer, chain->mark_digest);
    cm_write_u64(writer, chain->mark_since);
    cm_write_u8(writer, chain->has_decided ? 1 : 0);
    if (chain->has_decided)
        cm_row_write(writer, &chain->decided);
}

static void read_chain(struct cm_reader *reader, struct cm_chain *chain, uint32_t number,
                       uint8_t format)
{
    cm_row_read(reader, &chain->active);
    for (uint32_t i = 0; i < chain->active.members_count; i++)
        chain->reader_epochs[i] = cm_read_u64(reader);
    if (format > 1) {
        chain->mark = cm_read_u64(reader);
        chain->mark_digest = cm_read_u64(reader);
        chain->mark_since = cm_read_u64(reader);
    }
    chain->has_decided = cm_read_bool(reader);
    if (chain->has_decided)
        cm_row_read(reader, &chain->decided);
    if (chain->active.chain != number || chain->active.members_count == 0 ||
        chain->active.epoch == 0 ||
        (chain->has_decided &&
         (chain->decided.chain != number || chain->decided.members_count == 0 ||
          chain->decided.epoch <= chain->active.epoch)))
        reader->failed = true;
}

static void write_bucket(struct cm_writer *writer, const struct cm_bucket *bucket)
{
    cm_write_u64(writer, bucket->id);
    cm_write_bytes(writer, slice_of_text(bucket->name));
    cm_write_u8(writer, (uint8_t)bucket->state);
    cm_write_u64(writer, bucket->created_ms);
    cm_write_u64(writer, bucket->version);
}

static void read_bucket(struct cm_reader *reader, struct cm_state *state)
{
    uint64_t id = cm_read_u64(reader);
    struct slice name = cm_read_bytes(reader, BOUND_BUCKET_NAME_MAX);
    if (reader->failed || name.length == 0 || cm_state_bucket(state, name) != NULL) {
        reader->failed = true;
        return;
    }
    struct cm_bucket *bucket = cm_state_add_bucket(state, name);
    bucket->id = id;
    uint8_t bucket_state = cm_read_u8(reader);
    if (bucket_state > WIRE_BUCKET_DELETING)
        reader->failed = true;
    bucket->state = (enum wire_bucket_state)bucket_state;
    bucket->created_ms = cm_read_u64(reader);
    bucket->version = cm_read_u64(reader);
}

static void write_books(struct cm_writer *writer, const struct cm_state *state)
{
    cm_write_u64(writer, state->tombstone_floor);
    cm_write_u32(writer, state->tombstone_count);
    for (uint32_t i = 0; i < state->tombstone_count; i++) {
        const struct cm_tombstone *tombstone = &state->tombstones[i];
        cm_write_u64(writer, tombstone->version);
        cm_write_u64(writer, tombstone->bucket);
        cm_write_u32(writer, tombstone->node);
        cm_write_bytes(writer, slice_of_text(tombstone->name));
    }
    /* Oldest first, so that the ring's phase is no part of the bytes. */
    cm_write_u32(writer, state->answer_count);
    for (uint32_t i = 0; i < state->answer_count; i++) {
        uint32_t at = (state->answer_next + CM_NONCES - state->answer_count + i) % CM_NONCES;
        const struct cm_answer *answer = &state->answers[at];
        cm_write_u64(writer, answer->nonce);
        cm_write_u32(writer, (uint32_t)answer->err);
        cm_write_u64(writer, answer->value);
        cm_write_u64(writer, answer->version);
        cm_write_bytes(writer, slice_of_text(answer->text));
    }
    cm_write_u32(writer, state->bad_link_count);
    for (uint32_t i = 0; i < state->bad_link_count; i++) {
        cm_write_u32(writer, state->bad_links[i].low);
        cm_write_u32(writer, state->bad_links[i].high);
        cm_write_u32(writer, state->bad_links[i].strikes);
        cm_write_u64(writer, state->bad_links[i].version);
    }
    cm_write_u32(writer, state->setting_count);
    for (uint32_t i = 0; i < state->setting_count; i++) {
        cm_write_bytes(writer, slice_of_text(state->settings[i].name));
        cm_write_u64(writer, state->settings[i].value);
    }
}

static void read_books(struct cm_reader *reader, struct cm_state *state)
{
    state->tombstone_floor = cm_read_u64(reader);
    uint32_t count = cm_read_count(reader, CM_TOMBSTONES, 22);
    for (uint32_t i = 0; i < count; i++) {
        struct cm_tombstone *tombstone = &state->tombstones[i];
        tombstone->version = cm_read_u64(reader);
        tombstone->bucket = cm_read_u64(reader);
        tombstone->node = cm_read_u32(reader);
        read_text(reader, tombstone->name, BOUND_BUCKET_NAME_MAX);
    }
    state->tombstone_count = count;
    count = cm_read_count(reader, CM_NONCES, 30);
    for (uint32_t i = 0; i < count; i++) {
        struct cm_answer *answer = &state->answers[i];
        answer->nonce = cm_read_u64(reader);
        uint32_t err = cm_read_u32(reader);
        if (!err_is_valid(err))
            reader->failed = true;
        answer->err = err_is_valid(err) ? (enum err)err : ERR_INTERNAL;
        answer->value = cm_read_u64(reader);
        answer->version = cm_read_u64(reader);
        read_text(reader, answer->text, CM_ANSWER_TEXT_BYTES - 1);
    }
    state->answer_count = count;
    state->answer_next = count % CM_NONCES;
    count = cm_read_count(reader, CM_BAD_LINKS, 20);
    for (uint32_t i = 0; i < count; i++) {
        state->bad_links[i].low = cm_read_u32(reader);
        state->bad_links[i].high = cm_read_u32(reader);
        state->bad_links[i].strikes = cm_read_u32(reader);
        state->bad_links[i].version = cm_read_u64(reader);
    }
    state->bad_link_count = count;
    count = cm_read_count(reader, CM_SETTINGS, 10);
    for (uint32_t i = 0; i < count; i++) {
        read_text(reader, state->settings[i].name, sizeof state->settings[i].name - 1);
        state->settings[i].value = cm_read_u64(reader);
    }
    state->setting_count = count;
}

static uint32_t count_configs(const struct cm_state *state)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < state->bucket_count; i++)
        count += state->buckets[i]->config_version != 0 ? 1 : 0;
    return count;
}

static void write_documents(struct cm_writer *writer, const struct cm_state *state)
{
    cm_write_u64(writer, state->keys_version);
    uint32_t key_count = PLANTED(D20_KEYS_NOT_IN_SNAPSHOT) ? 0 : state->key_count;
    cm_write_u32(writer, key_count);
    for (uint32_t i = 0; i < key_count; i++)
        cm_write_bytes(writer, slice_of(state->keys[i].record, state->keys[i].length));
    cm_write_u32(writer, count_configs(state));
    for (uint32_t i = 0; i < state->bucket_count; i++) {
        const struct cm_bucket *bucket = state->buckets[i];
        if (bucket->config_version == 0)
            continue;
        cm_write_bytes(writer, slice_of_text(bucket->name));
        cm_write_u64(writer, bucket->config_version);
        cm_write_long_bytes(writer, slice_of(bucket->config, bucket->config_length));
    }
}

static void read_documents(struct cm_reader *reader, struct cm_state *state)
{
    uint64_t version = cm_read_u64(reader);
    uint32_t count = cm_read_count(reader, BOUND_ACCESS_KEYS, 2);
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        struct wire_access_key key;
        struct slice record = cm_read_bytes(reader, CM_KEY_RECORD_BYTES);
        if (reader->failed || !wire_access_key_read(record, &key) || key.id.length == 0 ||
            key.secret.length == 0 || cm_state_key(state, key.id) != NULL ||
            !cm_state_put_key(state, &key, version))
            reader->failed = true;
    }
    state->keys_version = version;
    count = cm_read_count(reader, BOUND_BUCKETS, 14);
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        struct cm_bucket *bucket =
            cm_state_bucket(state, cm_read_bytes(reader, BOUND_BUCKET_NAME_MAX));
        uint64_t config_version = cm_read_u64(reader);
        struct slice config = cm_read_long_bytes(reader, BOUND_BUCKET_CONFIG_BYTES);
        if (reader->failed || bucket == NULL || bucket->config_version != 0 ||
            config_version == 0 ||
            !cm_state_set_bucket_config(state, bucket, config, config_version))
            reader->failed = true;
    }
}

struct buf *cm_state_snapshot(const struct cm_state *state)
{
    bool has_documents = state->keys_version != 0 || count_configs(state) > 0;
    struct cm_writer writer;
    cm_writer_init(&writer);
    cm_write_u8(&writer, has_documents ? SNAPSHOT_FORMAT : SNAPSHOT_FORMAT - 1);
    cm_write_uuid(&writer, &state->cluster);
    cm_write_u64(&writer, state->applied);
    cm_write_u64(&writer, state->version);
    cm_write_u64(&writer, state->head_version);
    cm_write_u32(&writer, state->replicas);
    cm_write_u64(&writer, state->last_bucket);
    cm_write_u64(&writer, state->last_session);
    cm_write_u32(&writer, state->node_count);
    for (uint32_t i = 0; i < state->node_count; i++)
        write_node(&writer, state->nodes[i]);
    cm_write_u32(&writer, state->chain_count);
    for (uint32_t i = 0; i < state->chain_count; i++)
        write_chain(&writer, &state->chains[i]);
    cm_write_u32(&writer, state->bucket_count);
    for (uint32_t i = 0; i < state->bucket_count; i++)
        write_bucket(&writer, state->buckets[i]);
    write_books(&writer, state);
    if (has_documents)
        write_documents(&writer, state);
    return cm_writer_take(&writer);
}

/* One element of a change list, for sorting. */
struct placed {
    uint64_t version;
    uint32_t position; /* ties keep the order of position */
    struct list_node *node;
};

/* Merge sort, bottom up: stable, no recursion, n log n for 65,536 chains. */
static void sort_placed(struct placed *items, uint32_t count)
{
    struct placed *other = mem_alloc((count == 0 ? 1 : count) * sizeof *other);
    for (uint32_t width = 1; width < count; width *= 2) {
        for (uint32_t low = 0; low < count; low += 2 * width) {
            uint32_t middle = low + width < count ? low + width : count;
            uint32_t high = low + 2 * width < count ? low + 2 * width : count;
            uint32_t a = low;
            uint32_t b = middle;
            for (uint32_t out = low; out < high; out++) {
                bool left = a < middle && (b == high || items[a].version <= items[b].version);
                other[out] = left ? items[a++] : items[b++];
            }
        }
        memcpy(items, other, count * sizeof *items);
    }
    mem_free(other);
}

static void list_placed(struct list_node *list, struct placed *items, uint32_t count)
{
    sort_placed(items, count);
    for (uint32_t i = 0; i < count; i++)
        list_append(list, items[i].node);
}

/* The change lists are not stored: versions say them. Decided rows go by their own version. */
static void rebuild_lists(struct cm_state *state)
{
    uint32_t most =
        state->chain_count > state->bucket_count ? state->chain_count : state->bucket_count;
    most = most > state->node_count ? most : state->node_count;
    struct placed *items = mem_alloc((most + 1) * sizeof *items);
    for (uint32_t i = 0; i < state->chain_count; i++)
        items[i] = (struct placed){state->chains[i].active.version, i, &state->chains[i].change};
    list_placed(&state->chain_changes, items, state->chain_count);
    for (uint32_t i = 0; i < state->node_count; i++)
        items[i] = (struct placed){state->nodes[i]->version, i, &state->nodes[i]->change};
    list_placed(&state->node_changes, items, state->node_count);
    for (uint32_t i = 0; i < state->bucket_count; i++)
        items[i] = (struct placed){state->buckets[i]->version, i, &state->buckets[i]->change};
    list_placed(&state->bucket_changes, items, state->bucket_count);
    uint32_t decided = 0;
    for (uint32_t i = 0; i < state->chain_count; i++) {
        if (state->chains[i].has_decided)
            items[decided++] = (struct placed){state->chains[i].decided.version, i,
                                               &state->chains[i].decided_link};
    }
    list_placed(&state->decided_chains, items, decided);
    mem_free(items);
}

static void read_sections(struct cm_reader *reader, struct cm_state *state, uint8_t format)
{
    state->applied = cm_read_u64(reader);
    state->version = cm_read_u64(reader);
    state->head_version = cm_read_u64(reader);
    state->replicas = cm_read_u32(reader);
    state->last_bucket = cm_read_u64(reader);
    state->last_session = cm_read_u64(reader);
    uint32_t nodes = cm_read_count(reader, BOUND_NODES, 98);
    for (uint32_t i = 0; i < nodes && !reader->failed; i++)
        read_node(reader, state);
    uint32_t chains = cm_read_count(reader, BOUND_CHAINS, 44);
    if (reader->failed)
        return;
    cm_state_init_chains(state, chains);
    for (uint32_t i = 0; i < chains && !reader->failed; i++)
        read_chain(reader, &state->chains[i], i, format);
    uint32_t buckets = cm_read_count(reader, BOUND_BUCKETS, 27);
    for (uint32_t i = 0; i < buckets && !reader->failed; i++)
        read_bucket(reader, state);
    read_books(reader, state);
    if (format > 2 && !reader->failed)
        read_documents(reader, state);
}

enum err cm_state_restore(struct slice bytes, const struct uuid *cluster, uint64_t index,
                          struct cm_state **ret_state)
{
    struct cm_reader reader;
    cm_reader_init(&reader, bytes);
    uint8_t format = cm_read_u8(&reader);
    if (format == 0 || format > SNAPSHOT_FORMAT)
        return reader.failed ? ERR_CORRUPT : ERR_UNSUPPORTED;
    struct uuid stored = cm_read_uuid(&reader);
    if (reader.failed)
        return ERR_CORRUPT;
    if (!uuid_equal(&stored, cluster))
        return ERR_WRONG_CLUSTER;
    struct cm_state *state = cm_state_new(cluster);
    read_sections(&reader, state, format);
    if (!cm_reader_is_done(&reader) || state->applied > index || cm_state_problem(state) != NULL) {
        cm_state_free(state);
        return ERR_CORRUPT;
    }
    rebuild_lists(state);
    *ret_state = state;
    return ERR_OK;
}
