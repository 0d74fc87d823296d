/* The cluster as people see it: the leader's status and a map at least as new; and administration.
 */
#include <stdlib.h>
#include <string.h>

#include "base/contract.h"
#include "client/io/client.h"
#include "placement/placement.h"

/* The public struct and the memory of everything it points to. */
struct box {
    struct catena_cluster cluster; /* first */
    struct wire_backing *memory;
};

static char *keep_text(struct box *box, struct slice text)
{
    char *copy = wire_backing_alloc(box->memory, text.length + 1);
    if (text.length > 0)
        memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    return copy;
}

static void take_masters(struct wait *wait, const struct call_end *end)
{
    struct box *box = wait->context;
    const struct wire_admin_reply *reply = end->result->admin;
    if (reply == NULL)
        return;
    struct catena_cluster *cluster = &box->cluster;
    cluster->term = reply->term;
    cluster->version = reply->version;
    if (reply->leader != 0)
        cluster->alarms = keep_text(box, reply->text);
    cluster->master_count = reply->masters_count;
    cluster->masters =
        wire_backing_alloc(box->memory, (reply->masters_count + 1) * sizeof *cluster->masters);
    for (uint32_t i = 0; i < reply->masters_count; i++) {
        const struct wire_master_info *info = &reply->masters[i];
        cluster->masters[i] = (struct catena_master){
            .master = info->master,
            .address = keep_text(box, info->address),
            .is_leader = info->is_leader || (reply->leader != 0 && info->master == reply->leader),
            .is_reachable = info->reachable,
            .pid = info->pid,
        };
    }
}

static const char *state_name(uint8_t state)
{
    static const char *const names[] = {"alive", "suspect", "down"};
    return state < ARRAY_COUNT(names) ? names[state] : "unknown";
}

static int compare_nodes(const void *a, const void *b)
{
    uint32_t x = ((const struct catena_node *)a)->node;
    uint32_t y = ((const struct catena_node *)b)->node;
    return x < y ? -1 : x > y;
}

static void take_nodes(struct box *box, const struct cl_map *map)
{
    struct catena_cluster *cluster = &box->cluster;
    cluster->nodes =
        wire_backing_alloc(box->memory, (map->nodes.count + 1) * sizeof *cluster->nodes);
    size_t cursor = 0;
    const struct cl_node *node;
    while ((node = map_next(&map->nodes, &cursor, NULL)) != NULL)
        cluster->nodes[cluster->node_count++] = (struct catena_node){
            .node = node->node,
            .incarnation = node->incarnation,
            .address = keep_text(box, slice_of_text(node->address)),
            .zone = keep_text(box, slice_of_text(node->zone)),
            .state = state_name(node->state),
            .pid = node->pid,
            .space_total = node->space_total,
            .space_free = node->space_free,
        };
    if (cluster->node_count > 1)
        qsort(cluster->nodes, cluster->node_count, sizeof *cluster->nodes, compare_nodes);
}

static const char *role_of(const struct cl_row *row, uint32_t position)
{
    if (row->members_count == 1)
        return "single";
    if (position == 0)
        return "head";
    return position + 1 == row->members_count ? "tail" : "middle";
}

static struct catena_member member_of(struct box *box, const struct cl_map *map,
                                      const struct wire_member *member, const char *role)
{
    const struct cl_node *node = map_get(&map->nodes, member->node);
    return (struct catena_member){
        .node = member->node,
        .incarnation = member->incarnation,
        .role = role,
        .address = node == NULL ? "" : keep_text(box, slice_of_text(node->address)),
        .pid = node == NULL ? 0 : node->pid,
    };
}

static void take_chains(struct box *box, const struct cl_map *map)
{
    struct catena_cluster *cluster = &box->cluster;
    cluster->chain_count = map->chain_count;
    cluster->chains =
        wire_backing_alloc(box->memory, (map->chain_count + 1) * sizeof *cluster->chains);
    for (uint32_t i = 0; i < map->chain_count; i++) {
        const struct cl_row *row = &map->rows[i];
        struct catena_chain *chain = &cluster->chains[i];
        *chain = (struct catena_chain){
            .chain = i,
            .epoch = row->epoch,
            .replicas = row->replicas,
            .is_frozen = row->frozen,
        };
        chain->members =
            wire_backing_alloc(box->memory, (row->members_count + 1) * sizeof *chain->members);
        for (uint32_t m = 0; m < row->members_count; m++)
            chain->members[chain->member_count++] =
                member_of(box, map, &row->members[m], role_of(row, m));
        if (row->joiner.node != 0)
            chain->members[chain->member_count++] = member_of(box, map, &row->joiner, "joiner");
    }
}

static void take_map(struct wait *wait, const struct call_end *end)
{
    if (end->result->err != ERR_OK)
        return;
    struct box *box = wait->context;
    (void)uuid_format(&end->map->cluster, box->cluster.cluster);
    box->cluster.version = end->map->version;
    take_nodes(box, end->map);
    take_chains(box, end->map);
}

static struct box *box_new(void)
{
    struct box *box = mem_calloc(1, sizeof *box);
    box->memory = wire_backing_new(4096);
    box->cluster.alarms = "";
    return box;
}

void catena_cluster_free(struct catena_cluster *cluster)
{
    if (cluster == NULL)
        return;
    struct box *box = (struct box *)(void *)cluster;
    wire_backing_free(box->memory);
    mem_free(box);
}

static enum catena_status get_cluster(struct catena_client *client, struct box *box)
{
    struct wait status;
    uint64_t deadline_us = deadline_after(client, 0);
    wait_init(&status, client);
    status.take = take_masters;
    status.context = box;
    status.call.submit = (struct cl_submit){
        .kind = CL_OP_ADMIN, .admin_op = WIRE_ADMIN_STATUS, .deadline_us = deadline_us};
    enum catena_status result = wait_finish(&status);
    if (result != CATENA_OK)
        return result;
    struct wait map;
    wait_init(&map, client);
    map.take = take_map;
    map.context = box;
    map.call.submit = (struct cl_submit){
        .kind = CL_OP_MAP, .version = box->cluster.version, .deadline_us = deadline_us};
    return wait_finish(&map);
}

enum catena_status catena_cluster_get(struct catena_client *client,
                                      struct catena_cluster **ret_cluster)
{
    if (client == NULL || ret_cluster == NULL)
        return fail_text(CATENA_INVALID, "client and ret_cluster must not be NULL");
    enum catena_status status = check_may_block(client);
    if (status != CATENA_OK)
        return status;
    struct box *box = box_new();
    status = get_cluster(client, box);
    if (status != CATENA_OK) {
        catena_cluster_free(&box->cluster);
        return status;
    }
    *ret_cluster = &box->cluster;
    return succeed();
}

static void take_bucket_id(struct wait *wait, const struct call_end *end)
{
    if (end->result->admin != NULL)
        *(uint64_t *)wait->context = end->result->admin->value;
}

enum catena_status catena_locate(struct catena_client *client, const char *bucket, const void *key,
                                 size_t key_length, struct catena_cluster **ret_cluster,
                                 const struct catena_chain **ret_chain)
{
    struct target target;
    enum catena_status status = target_make(client, bucket, key, key_length, NULL, &target);
    if (status != CATENA_OK)
        return status;
    target_release(&target);
    if (ret_cluster == NULL || ret_chain == NULL)
        return fail_text(CATENA_INVALID, "ret_cluster and ret_chain must not be NULL");
    status = check_may_block(client);
    if (status != CATENA_OK)
        return status;
    uint64_t bucket_id = 0;
    struct wait wait;
    wait_init(&wait, client);
    wait.take = take_bucket_id;
    wait.context = &bucket_id;
    wait.call.submit = (struct cl_submit){
        .kind = CL_OP_ADMIN,
        .admin_op = WIRE_ADMIN_BUCKET_GET,
        .bucket = slice_of_text(bucket),
        .deadline_us = deadline_after(client, 0),
    };
    status = wait_finish(&wait);
    if (status != CATENA_OK)
        return status;
    struct catena_cluster *cluster;
    status = catena_cluster_get(client, &cluster);
    if (status != CATENA_OK)
        return status;
    if (cluster->chain_count == 0) {
        catena_cluster_free(cluster);
        return fail_text(CATENA_UNREACHABLE,
                         "locate %s: the cluster has no chains yet; initialise them first", bucket);
    }
    uint32_t chain = pl_hash(bucket_id, slice_of(key, key_length), (uint32_t)cluster->chain_count);
    *ret_cluster = cluster;
    *ret_chain = &cluster->chains[chain];
    return succeed();
}

static enum catena_status run_admin_named(struct catena_client *client, uint32_t op,
                                          const char *name, uint64_t a, uint64_t b,
                                          const char *text)
{
    if (client == NULL)
        return fail_text(CATENA_INVALID, "the client is NULL");
    enum catena_status status = check_may_block(client);
    if (status != CATENA_OK)
        return status;
    struct wait wait;
    wait_init(&wait, client);
    wait.call.submit = (struct cl_submit){
        .kind = CL_OP_ADMIN,
        .admin_op = op,
        .bucket = name == NULL ? slice_of(NULL, 0) : slice_of_text(name),
        .a = a,
        .b = b,
        .text = text == NULL ? slice_of(NULL, 0) : slice_of_text(text),
        .wall_ms = engine_wall_ms(),
        .deadline_us = deadline_after(client, 0),
    };
    return wait_finish(&wait);
}

static enum catena_status run_admin(struct catena_client *client, uint32_t op, uint64_t a,
                                    uint64_t b, const char *text)
{
    return run_admin_named(client, op, NULL, a, b, text);
}

enum catena_status catena_admin_set(struct catena_client *client, const char *name, uint64_t value)
{
    if (name == NULL)
        return fail_text(CATENA_INVALID, "the setting has no name");
    return run_admin_named(client, WIRE_ADMIN_SETTING_SET, name, value, 0, NULL);
}

enum catena_status catena_admin_init_chains(struct catena_client *client, uint32_t chains,
                                            uint32_t replicas)
{
    return run_admin(client, WIRE_ADMIN_INIT_CHAINS, chains, replicas, NULL);
}

enum catena_status catena_admin_master_add(struct catena_client *client, uint32_t id,
                                           const char *address)
{
    return run_admin(client, WIRE_ADMIN_MASTER_ADD, id, 0, address);
}

struct master_disk {
    uint32_t master;
    uint64_t tag; /* 0: not a member, or its disk is not known */
};

static void take_disk(struct wait *wait, const struct call_end *end)
{
    struct master_disk *disk = wait->context;
    const struct wire_admin_reply *reply = end->result->admin;
    for (uint32_t i = 0; reply != NULL && i < reply->masters_count; i++)
        if (reply->masters[i].master == disk->master)
            disk->tag = uuid_tag(&reply->masters[i].disk);
}

/* The order names the disk that is meant: a copy of it that arrives late must not remove the master
 * that was added in its place. */
enum catena_status catena_admin_master_remove(struct catena_client *client, uint32_t id)
{
    if (client == NULL)
        return fail_text(CATENA_INVALID, "the client is NULL");
    enum catena_status status = check_may_block(client);
    if (status != CATENA_OK)
        return status;
    struct master_disk disk = {.master = id};
    struct wait wait;
    wait_init(&wait, client);
    wait.take = take_disk;
    wait.context = &disk;
    wait.call.submit = (struct cl_submit){.kind = CL_OP_ADMIN,
                                          .admin_op = WIRE_ADMIN_STATUS,
                                          .deadline_us = deadline_after(client, 0)};
    status = wait_finish(&wait);
    return status != CATENA_OK ? status
                               : run_admin(client, WIRE_ADMIN_MASTER_REMOVE, id, disk.tag, NULL);
}

enum catena_status catena_admin_transfer_leader(struct catena_client *client, uint32_t id)
{
    return run_admin(client, WIRE_ADMIN_TRANSFER_LEADER, id, 0, NULL);
}

enum catena_status catena_admin_node_remove(struct catena_client *client, uint32_t id)
{
    return run_admin(client, WIRE_ADMIN_NODE_REMOVE, id, 0, NULL);
}

enum catena_status catena_admin_chain_restart_from(struct catena_client *client, uint32_t chain,
                                                   uint32_t id)
{
    return run_admin(client, WIRE_ADMIN_CHAIN_FORGET, chain, id, NULL);
}
