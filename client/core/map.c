/* The map cache: CONFIG messages (complete or delta, in pages) and single rows from refusals. */
#include "client/core/internal.h"

enum { PAGES_MAX = 1024 };

const struct cl_row *map_row(const struct cl_core *core, uint32_t chain)
{
    if (chain >= core->map.chain_count || core->map.rows[chain].epoch == 0)
        return NULL;
    return &core->map.rows[chain];
}

void map_note_epoch(struct cl_core *core, uint32_t chain, uint64_t epoch)
{
    if (chain < core->map.chain_count && epoch > core->map.rows[chain].seen_epoch)
        core->map.rows[chain].seen_epoch = epoch;
}

static bool row_is_valid(const struct wire_row *row)
{
    return row->epoch > 0 && row->members_count > 0 && row->members_count <= BOUND_CHAIN_MEMBERS;
}

/* Never back to an older epoch (R5). */
static bool install_row(struct cl_core *core, const struct wire_row *wire)
{
    if (wire->chain >= core->map.chain_count)
        return false;
    if (!row_is_valid(wire)) {
        core->stats.nonsense++;
        return false;
    }
    struct cl_row *row = &core->map.rows[wire->chain];
    if (wire->epoch <= row->epoch)
        return false;
    row->epoch = wire->epoch;
    row->version = wire->version;
    row->replicas = wire->replicas;
    row->members_count = wire->members_count;
    for (uint32_t i = 0; i < wire->members_count; i++)
        row->members[i] = wire->members[i];
    row->joiner = wire->joiner;
    row->frozen = wire->frozen;
    if (row->seen_epoch < row->epoch)
        row->seen_epoch = row->epoch;
    TRACE(&core->options.trace, "row chain=%u epoch=%llu head=%u tail=%u members=%u", wire->chain,
          (unsigned long long)row->epoch, row->members[0].node,
          row->members[row->members_count - 1].node, row->members_count);
    return true;
}

bool map_install_rows(struct cl_core *core, const struct wire_row *rows, uint32_t count)
{
    bool is_newer = false;
    for (uint32_t i = 0; i < count; i++)
        is_newer |= install_row(core, &rows[i]);
    if (is_newer)
        route_map_changed(core);
    return is_newer;
}

static void copy_text(char *to, size_t size, struct slice from)
{
    size_t length = from.length < size - 1 ? from.length : size - 1;
    if (length > 0)
        memcpy(to, from.data, length);
    to[length] = '\0';
}

static void install_node(struct cl_core *core, const struct wire_node_info *info)
{
    if (info->node == 0 || info->node >= CL_PEER_MASTER ||
        info->address.length > BOUND_ADDRESS_BYTES) {
        core->stats.nonsense++;
        return;
    }
    struct cl_node *node = map_get(&core->map.nodes, info->node);
    if (info->address.length == 0) { /* removed */
        mem_free(map_remove(&core->map.nodes, info->node));
        return;
    }
    if (node == NULL) {
        if (core->map.nodes.count >= BOUND_NODES)
            return;
        node = mem_calloc(1, sizeof *node);
        (void)map_put(&core->map.nodes, info->node, node);
    }
    node->node = info->node;
    node->incarnation = info->incarnation;
    copy_text(node->address, sizeof node->address, info->address);
    copy_text(node->zone, sizeof node->zone, info->zone);
    node->pid = info->pid;
    node->state = info->state;
    node->version = info->version;
    node->space_total = info->space_total;
    node->space_free = info->space_free;
}

static void install_masters(struct cl_core *core, const struct wire_config *config)
{
    if (config->masters_count == 0)
        return;
    core->map.masters_count = 0;
    for (uint32_t i = 0; i < config->masters_count && i < BOUND_MASTERS; i++) {
        const struct wire_master_info *info = &config->masters[i];
        struct cl_master *master = &core->map.masters[core->map.masters_count++];
        master->master = info->master;
        copy_text(master->address, sizeof master->address, info->address);
        master->pid = info->pid;
        master->is_leader = info->is_leader;
        master->is_reachable = info->reachable;
        if (info->address.length == 0)
            continue;
        struct peer *peer = peer_master_at(core, info->address);
        if (info->is_leader && peer != NULL && core->leader == NULL)
            core->leader = peer;
    }
}

static void install_bucket(struct cl_core *core, const struct wire_bucket_info *info)
{
    if (info->state == WIRE_BUCKET_ACTIVE && info->bucket != 0)
        bucket_put(core, info->name, info->bucket, info->version);
    else
        bucket_remove(core, info->name, info->version);
}

/* The number of chains is fixed at their creation, so rows are only ever allocated once. */
static void set_chain_count(struct cl_core *core, uint32_t chain_count)
{
    if (chain_count == core->map.chain_count)
        return;
    if (core->map.chain_count != 0 || chain_count > BOUND_CHAINS) {
        core->stats.nonsense++;
        return;
    }
    core->map.chain_count = chain_count;
    core->map.rows = mem_calloc(chain_count, sizeof *core->map.rows);
}

static void install_page(struct cl_core *core, const struct wire_config *config)
{
    for (uint32_t i = 0; i < config->rows_count; i++)
        (void)install_row(core, &config->rows[i]);
    for (uint32_t i = 0; i < config->nodes_count; i++)
        install_node(core, &config->nodes[i]);
    for (uint32_t i = 0; i < config->buckets_count; i++)
        install_bucket(core, &config->buckets[i]);
    install_masters(core, config);
}

static void drop_nodes(struct cl_core *core)
{
    size_t cursor = 0;
    struct cl_node *node;
    while ((node = map_next(&core->map.nodes, &cursor, NULL)) != NULL)
        mem_free(node);
    map_release(&core->map.nodes);
}

static void install_pages(struct cl_core *core)
{
    const struct wire_config *last = &core->pages[core->pages_count - 1].u.config;
    set_chain_count(core, last->chain_count);
    if (last->from_version == 0) {
        drop_nodes(core);
        bucket_drop_older(core, last->version);
    }
    for (uint32_t i = 0; i < core->pages_count; i++)
        install_page(core, &core->pages[i].u.config);
    core->map.is_installed = true;
    core->map.version = last->version;
    core->map.cluster = last->cluster;
    core->map.replicas = last->replicas;
    TRACE(&core->options.trace, "map version=%llu chains=%u nodes=%llu",
          (unsigned long long)last->version, core->map.chain_count,
          (unsigned long long)core->map.nodes.count);
    map_drop_pages(core);
    peer_readdress(core);
    route_map_changed(core);
}

void map_drop_pages(struct cl_core *core)
{
    for (uint32_t i = 0; i < core->pages_count; i++)
        wire_message_release(&core->pages[i]);
    core->pages_count = 0;
    core->pages_request = 0;
}

static bool keep_page(struct cl_core *core)
{
    if (core->pages_count == PAGES_MAX)
        return false;
    if (core->pages_count == core->pages_capacity) {
        core->pages_capacity = core->pages_capacity == 0 ? 4 : core->pages_capacity * 2;
        core->pages = mem_realloc(core->pages, core->pages_capacity * sizeof *core->pages);
    }
    wire_message_copy(core->message, &core->pages[core->pages_count++]);
    return true;
}

static bool config_fits(const struct cl_core *core, const struct wire_config *config)
{
    if (core->map.is_installed && !uuid_equal(&config->cluster, &core->map.cluster))
        return false;
    return config->chain_count <= BOUND_CHAINS;
}

/* The one that follows what is kept: several masters may answer at the same time, and one of them
 * may begin anew. */
static bool is_next_page(const struct cl_core *core, const struct wire_config *config)
{
    return core->pages_count > 0 && core->pages_request == config->request &&
           config->page == core->pages_count && core->pages[0].u.config.version == config->version;
}

/* A page is kept until the last one of its version has come (nothing of a half-received map is ever
 * used). Only answers to our own outstanding poll count. */
void map_receive_config(struct cl_core *core, struct peer *peer, const struct wire_config *config)
{
    if (peer->watch_request == 0 || config->request != peer->watch_request)
        return;
    if (!config_fits(core, config)) {
        core->stats.nonsense++;
        watch_answered(core, peer, false);
        return;
    }
    /* A delta can be applied to any map between its two ends; anything else is old news. */
    bool is_news = !core->map.is_installed || config->version > core->map.version;
    bool is_usable = config->from_version == 0 ||
                     (core->map.is_installed && config->from_version <= core->map.version);
    if (!is_news || !is_usable) {
        if (!config->more)
            watch_answered(core, peer, false);
        return;
    }
    if (config->page == 0) {
        map_drop_pages(core);
        core->pages_request = config->request;
    } else if (!is_next_page(core, config)) {
        if (!config->more) /* asked again */
            watch_answered(core, peer, false);
        return;
    }
    if (!keep_page(core)) {
        core->stats.nonsense++;
        map_drop_pages(core);
        watch_answered(core, peer, false);
        return;
    }
    if (config->more)
        return;
    install_pages(core);
    watch_answered(core, peer, true);
}

void map_release_all(struct cl_core *core)
{
    map_drop_pages(core);
    mem_free(core->pages);
    drop_nodes(core);
    mem_free(core->map.rows);
}
