/* Rows and configuration: what the master (and peers, R5) say about chains, nodes and buckets. */
#include "chainnode/core/cn_internal.h"

enum { PUSH_GAP_US = 1000 };

static void row_from_wire(const struct wire_row *wire, struct cn_row *row)
{
    *row = (struct cn_row){
        .epoch = wire->epoch,
        .version = wire->version,
        .members_count = wire->members_count,
        .serving_count = wire->serving_count,
        .joiner = wire->joiner,
        .frozen = wire->frozen,
        .any_replica = wire->any_replica,
        .write_floor = wire->write_floor,
        .replicas = wire->replicas,
    };
    for (uint32_t i = 0; i < wire->members_count; i++)
        row->members[i] = wire->members[i];
    for (uint32_t i = 0; i < wire->serving_count; i++)
        row->serving[i] = wire->serving[i];
}

void cn_row_to_wire(struct cn_core *core, const struct cn_chain *chain, struct wire_row *ret_row)
{
    const struct cn_row *row = &chain->row;
    size_t members_bytes = row->members_count * sizeof row->members[0];
    size_t serving_bytes = row->serving_count * sizeof row->serving[0];
    struct wire_member *members = cn_arena_alloc(core, members_bytes);
    struct wire_member *serving = cn_arena_alloc(core, serving_bytes);
    memcpy(members, row->members, members_bytes);
    memcpy(serving, row->serving, serving_bytes);
    *ret_row = (struct wire_row){
        .chain = chain->id,
        .epoch = row->epoch,
        .version = row->version,
        .members = members,
        .members_count = row->members_count,
        .joiner = row->joiner,
        .frozen = row->frozen,
        .any_replica = row->any_replica,
        .write_floor = row->write_floor,
        .replicas = row->replicas,
        .serving = serving,
        .serving_count = row->serving_count,
    };
}

bool cn_member_is_me(const struct cn_core *core, const struct wire_member *member)
{
    if (PLANTED(R4_RESTART_IN_PLACE))
        return member->node == core->options.node;
    return member->node == core->options.node && member->incarnation == core->options.incarnation;
}

int cn_row_my_index(const struct cn_core *core, const struct cn_row *row)
{
    for (uint32_t i = 0; i < row->members_count; i++)
        if (cn_member_is_me(core, &row->members[i]))
            return (int)i;
    return -1;
}

/* A joiner's predecessor is the tail (R21). */
const struct wire_member *cn_predecessor_of(const struct cn_core *core,
                                            const struct cn_chain *chain)
{
    const struct cn_row *row = &chain->row;
    if (chain->role == CN_ROLE_JOINER)
        return row->members_count == 0 ? NULL : &row->members[row->members_count - 1];
    if (chain->role != CN_ROLE_MIDDLE && chain->role != CN_ROLE_TAIL)
        return NULL;
    return &row->members[cn_row_my_index(core, row) - 1];
}

const struct wire_member *cn_successor_of(const struct cn_core *core, const struct cn_chain *chain)
{
    if (chain->role != CN_ROLE_HEAD && chain->role != CN_ROLE_MIDDLE)
        return NULL;
    return &chain->row.members[cn_row_my_index(core, &chain->row) + 1];
}

bool cn_event_is_from(const struct cn_event *event, const struct wire_member *member)
{
    return member != NULL && event->node == member->node &&
           (event->incarnation == member->incarnation || PLANTED(R4_RESTART_IN_PLACE));
}

/* Members are distinct, and neither they nor the joiner are node 0. */
static bool row_is_sane(const struct wire_row *row)
{
    if (row->chain >= BOUND_CHAINS || row->epoch == 0 || row->members_count > BOUND_CHAIN_MEMBERS ||
        row->serving_count > BOUND_CHAIN_MEMBERS)
        return false;
    for (uint32_t i = 0; i < row->members_count; i++) {
        if (row->members[i].node == 0 || row->members[i].node == row->joiner.node)
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (row->members[i].node == row->members[j].node)
                return false;
    }
    return true;
}

static void install_row(struct cn_core *core, const struct wire_row *row)
{
    if (!row_is_sane(row)) {
        core->dropped++;
        return;
    }
    struct cn_chain *chain = cn_chain_make(core, row->chain);
    bool is_back = PLANTED(R5_GOES_BACK) && row->epoch < chain->row.epoch;
    if (row->epoch <= chain->row.epoch && !is_back)
        return;
    if (is_back)
        chain->epoch = row->epoch;
    row_from_wire(row, &chain->row);
    /* A removal that was decided (R28) may be ahead of the active rows: stay out until then. */
    if (row->epoch >= chain->epoch)
        cn_enter_epoch(core, chain);
    core->are_peers_stale = true;
}

void cn_recv_rows(struct cn_core *core, const struct wire_rows *rows)
{
    for (uint32_t i = 0; i < rows->rows_count; i++)
        install_row(core, &rows->rows[i]);
}

void cn_recv_row_ask(struct cn_core *core, uint32_t node, const struct wire_row_ask *ask)
{
    struct cn_chain *chain = cn_chain_get(core, ask->chain);
    if (chain != NULL)
        cn_push_row(core, chain, node);
}

void cn_recv_decided(struct cn_core *core, const struct wire_decided *decided)
{
    const struct wire_row *wire = &decided->row;
    struct cn_chain *chain = cn_chain_get(core, wire->chain);
    if (!row_is_sane(wire) || chain == NULL || wire->epoch <= chain->epoch)
        return;
    struct cn_row row;
    row_from_wire(wire, &row);
    if (cn_row_my_index(core, &row) >= 0 || cn_member_is_me(core, &row.joiner))
        return;
    if (PLANTED(R5_DECIDED_RELAYED))
        chain->row = row;
    cn_leave(core, chain, wire->epoch);
}

/* Peers relay active rows only (R5, R28): what is kept in chain->row is never a decided one. */
void cn_push_row(struct cn_core *core, struct cn_chain *chain, uint32_t node)
{
    if (chain->row.epoch == 0 || node == 0)
        return;
    if (chain->push_us != 0 && core->now_us - chain->push_us < PUSH_GAP_US)
        return;
    chain->push_us = core->now_us;
    struct wire_row *row = cn_arena_alloc(core, sizeof *row);
    cn_row_to_wire(core, chain, row);
    struct wire_rows *rows = &cn_send_node(core, node, WIRE_ROWS)->u.rows;
    rows->rows = row;
    rows->rows_count = 1;
}

void cn_ask_row(struct cn_core *core, struct cn_chain *chain, uint32_t node)
{
    if (chain->ask_us != 0 && core->now_us - chain->ask_us < PUSH_GAP_US)
        return;
    chain->ask_us = core->now_us;
    cn_send_node(core, node, WIRE_ROW_ASK)->u.row_ask.chain = chain->id;
}

/* ---- nodes ---- */

struct cn_peer *cn_peer(struct cn_core *core, uint32_t node)
{
    return map_get(&core->peers, node);
}

static void install_node(struct cn_core *core, const struct wire_node_info *info)
{
    if (info->node == 0 || info->node == core->options.node)
        return;
    struct cn_peer *peer = cn_peer(core, info->node);
    if (peer == NULL) {
        peer = mem_calloc(1, sizeof *peer);
        peer->node = info->node;
        (void)map_put(&core->peers, info->node, peer);
    }
    peer->incarnation = info->incarnation;
    if (slice_equal(slice_of(peer->address, peer->address_length), info->address))
        return;
    mem_free(peer->address);
    peer->address = mem_alloc(info->address.length);
    peer->address_length = info->address.length;
    if (info->address.length > 0)
        memcpy(peer->address, info->address.data, info->address.length);
    peer->is_announced = false;
    core->are_peers_stale = true;
}

static void want_peer(struct cn_core *core, const struct wire_member *member)
{
    struct cn_peer *peer = member->node == 0 ? NULL : cn_peer(core, member->node);
    if (peer != NULL)
        peer->is_wanted = true;
}

/* Neighbours that the driver should reach: the other members of every chain with a role here. */
void cn_peers_refresh(struct cn_core *core)
{
    core->are_peers_stale = false;
    LIST_FOREACH (node, &core->active) {
        const struct cn_row *row = &CONTAINER_OF(node, struct cn_chain, active)->row;
        for (uint32_t i = 0; i < row->members_count; i++)
            want_peer(core, &row->members[i]);
        want_peer(core, &row->joiner);
    }
    size_t cursor = 0;
    struct cn_peer *peer;
    while ((peer = map_next(&core->peers, &cursor, NULL)) != NULL) {
        if (!peer->is_wanted || peer->is_announced)
            continue;
        peer->is_announced = true;
        struct cn_effect *effect = cn_effect_add(core, CN_EFFECT_PEER);
        uint8_t *copy = cn_arena_alloc(core, peer->address_length);
        if (peer->address_length > 0)
            memcpy(copy, peer->address, peer->address_length);
        effect->node = peer->node;
        effect->address = slice_of(copy, peer->address_length);
    }
}

/* ---- buckets ---- */

enum err cn_bucket_state(const struct cn_core *core, uint64_t bucket, uint64_t map_version)
{
    const struct cn_bucket *known = map_get(&core->buckets, bucket);
    if (known == NULL)
        return map_version > core->map_version ? ERR_NOT_READY : ERR_NO_BUCKET;
    return known->state == WIRE_BUCKET_DELETING ? ERR_BUCKET_DELETING : ERR_OK;
}

static void install_bucket(struct cn_core *core, const struct wire_bucket_info *info)
{
    struct cn_bucket *bucket = map_get(&core->buckets, info->bucket);
    if (bucket != NULL && bucket->state == WIRE_BUCKET_DELETING)
        core->buckets_deleting--;
    if (info->state == WIRE_BUCKET_GONE) {
        mem_free(map_remove(&core->buckets, info->bucket));
        core->next_uploads_us = core->now_us; /* its multipart uploads go soon (D18) */
        return;
    }
    if (bucket == NULL) {
        bucket = mem_calloc(1, sizeof *bucket);
        bucket->bucket = info->bucket;
        (void)map_put(&core->buckets, info->bucket, bucket);
    }
    bucket->state = info->state;
    if (bucket->state == WIRE_BUCKET_DELETING)
        core->buckets_deleting++;
}

static void drop_buckets(struct cn_core *core)
{
    size_t cursor = 0;
    struct cn_bucket *bucket;
    while ((bucket = map_next(&core->buckets, &cursor, NULL)) != NULL)
        mem_free(bucket);
    map_release(&core->buckets);
    core->buckets_deleting = 0;
}

/* ---- CONFIG ---- */

void cn_config_pages_drop(struct cn_core *core)
{
    for (uint32_t i = 0; i < core->pages_count; i++)
        wire_message_release(&core->pages[i]);
    mem_free(core->pages);
    core->pages = NULL;
    core->pages_count = 0;
}

static void install_page(struct cn_core *core, const struct wire_config *config)
{
    for (uint32_t i = 0; i < config->buckets_count; i++)
        install_bucket(core, &config->buckets[i]);
    for (uint32_t i = 0; i < config->nodes_count; i++)
        install_node(core, &config->nodes[i]);
    for (uint32_t i = 0; i < config->rows_count; i++)
        install_row(core, &config->rows[i]);
}

/* The one that follows what is kept. Masters that lead one after the other send their pages at the
 * same time, and one of them may come late: half a map is not taken for a whole one. */
static bool is_next_page(const struct cn_core *core, const struct wire_config *config)
{
    if (PLANTED(R30_PAGE_ORDER))
        return true;
    if (core->pages_count == 0 || config->page != core->pages_count)
        return false;
    const struct wire_config *first = &core->pages[0].u.config;
    return first->version == config->version && first->from_version == config->from_version;
}

/* Pages of one version are kept until the last has come: a map is installed whole or not at all,
 * because a lease may count on all of it (R30).
 *
 * A delta from an older version than ours is as good as one from ours: it names all that changed
 * since, as it is now. A master sends such a one to a head that does not acknowledge the map it has
 * (R37): of the puts that it waits for, a newer row may be the only end. */
void cn_recv_config(struct cn_core *core, const struct wire_message *message)
{
    const struct wire_config *config = &message->u.config;
    bool is_delta = config->from_version != 0;
    if (!uuid_equal(&config->cluster, &core->options.cluster) ||
        config->version <= core->map_version || config->from_version > core->map_version) {
        core->dropped++;
        return;
    }
    if (config->page == 0)
        cn_config_pages_drop(core);
    else if (!is_next_page(core, config)) {
        core->dropped++;
        return;
    }
    if (core->pages_count == CN_CONFIG_PAGES) {
        cn_config_pages_drop(core);
        return;
    }
    if (config->more) {
        core->pages = mem_realloc(core->pages, (core->pages_count + 1u) * sizeof *core->pages);
        wire_message_copy(message, &core->pages[core->pages_count++]);
        return;
    }
    if (!is_delta)
        drop_buckets(core);
    for (uint32_t i = 0; i < core->pages_count; i++)
        install_page(core, &core->pages[i].u.config);
    install_page(core, config);
    cn_config_pages_drop(core);
    core->map_version = config->version;
    cn_lease_installed(core);
    core->is_beat_wanted = true;
    core->are_peers_stale = true;
    TRACE(&core->options.trace, "map %llu installed", (unsigned long long)core->map_version);
}
