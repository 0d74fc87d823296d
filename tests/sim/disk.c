/* A disk: batches are written in groups, each synced group takes a while, and what was not synced
 * may be lost, any suffix of it. Batches become visible to reads early or late within what
 * base/kv.h allows. */
#include "base/buf.h"
#include "base/contract.h"
#include "tests/sim/sim.h"

struct disk_write {
    struct list_node node;
    uint64_t token;
    struct kv_batch *batch; /* NULL once applied */
    bool sync;
};

struct sim_disk {
    struct sim_process *process;
    struct kv_memory *store;
    struct list_node queue; /* oldest first */
    uint32_t in_group;      /* of the queue: being written now */
    uint64_t group;         /* number of the group being written */
    uint64_t latency_min_us;
    uint64_t latency_max_us;
    enum err fails; /* what the next group says */
    bool has_failed;
    struct kv_memory *image;
    unsigned families;
};

struct sim_disk *disk_new(struct sim_process *process, unsigned families)
{
    struct sim_disk *disk = mem_calloc(1, sizeof *disk);
    disk->process = process;
    disk->families = families;
    disk->store = kv_memory_new(families);
    list_init(&disk->queue);
    disk_set_latency(disk, 50, 400);
    return disk;
}

static void drop_first(struct sim_disk *disk)
{
    struct disk_write *write = CONTAINER_OF(disk->queue.next, struct disk_write, node);
    list_remove(&write->node);
    kv_batch_free(write->batch);
    mem_free(write);
}

void disk_free(struct sim_disk *disk)
{
    while (!list_is_empty(&disk->queue))
        drop_first(disk);
    kv_memory_free(disk->store);
    kv_memory_free(disk->image);
    mem_free(disk);
}

struct kv_memory *disk_store(struct sim_disk *disk)
{
    return disk->store;
}

void disk_set_latency(struct sim_disk *disk, uint64_t min_us, uint64_t max_us)
{
    disk->latency_min_us = min_us;
    disk->latency_max_us = max_us;
}

void disk_fail_next(struct sim_disk *disk, enum err err)
{
    disk->fails = err;
}

void disk_swap(struct sim_disk *a, struct sim_disk *b)
{
    struct kv_memory *store = a->store;
    a->store = b->store;
    b->store = store;
}

void disk_take_image(struct sim_disk *disk)
{
    kv_memory_free(disk->image);
    disk->image = kv_memory_clone(disk->store);
}

bool disk_has_failed(const struct sim_disk *disk)
{
    return disk->has_failed;
}

void disk_wipe(struct sim_disk *disk)
{
    kv_memory_wipe(disk->store);
    kv_memory_free(disk->image);
    disk->image = NULL;
}

bool disk_has_image(const struct sim_disk *disk)
{
    return disk->image != NULL;
}

void disk_restore_image(struct sim_disk *disk)
{
    PRE(disk->image != NULL && list_is_empty(&disk->queue));
    kv_memory_free(disk->store);
    disk->store = disk->image;
    disk->image = NULL;
}

static void apply(struct sim_disk *disk, struct disk_write *write)
{
    if (write->batch == NULL)
        return;
    enum err err = kv_memory_apply(disk->store, write->batch);
    PRE(err == ERR_OK);
    kv_batch_free(write->batch);
    write->batch = NULL;
}

static void write_group(struct sim_disk *disk);

/* fsync failed: some of it may be there, nobody knows (case 40). */
static void group_failed(struct sim_disk *disk)
{
    struct disk_write *write = CONTAINER_OF(disk->queue.next, struct disk_write, node);
    struct sim_item *item = sim_item_new(SIM_ITEM_STORED);
    item->token = write->token;
    item->err = disk->fails;
    process_post(disk->process, disk->process->generation, item);
    disk->has_failed = true;
    disk->in_group = 0; /* nothing is written any more: the process halts */
    disk->group++;
}

static void group_written(struct world *world, void *subject, uint64_t group)
{
    struct sim_disk *disk = subject;
    if (disk->group != group || disk->in_group == 0)
        return;
    /* A copy that is lost for good has to be one of several. */
    if (disk->fails != ERR_OK && (disk->fails == ERR_NO_SPACE || verify_is_whole(world))) {
        group_failed(disk);
        return;
    }
    disk->fails = ERR_OK;
    bool sync = false;
    uint32_t applied_later = 0;
    uint32_t count = 0;
    struct list_node *node;
    for (node = disk->queue.next; node != &disk->queue; node = node->next, count++) {
        struct disk_write *write = CONTAINER_OF(node, struct disk_write, node);
        if (count < disk->in_group) {
            sync = sync || write->sync;
            apply(disk, write);
        } else if (write->batch == NULL) {
            applied_later++;
        }
    }
    if (sync)
        kv_memory_sync_oldest(disk->store, kv_memory_unsynced(disk->store) - applied_later);
    for (; disk->in_group > 0; disk->in_group--) {
        struct disk_write *write = CONTAINER_OF(disk->queue.next, struct disk_write, node);
        struct sim_item *item = sim_item_new(SIM_ITEM_STORED);
        item->token = write->token;
        process_post(disk->process, disk->process->generation, item);
        drop_first(disk);
    }
    write_group(disk);
}

static void write_group(struct sim_disk *disk)
{
    struct world *world = disk->process->world;
    struct list_node *node;
    for (node = disk->queue.next; node != &disk->queue; node = node->next)
        disk->in_group++;
    if (disk->in_group > 0)
        world_plan(world, world_draw(world, disk->latency_min_us, disk->latency_max_us),
                   group_written, disk, ++disk->group);
}

void disk_write(struct sim_disk *disk, uint64_t token, struct kv_batch *batch, bool sync)
{
    struct disk_write *write = mem_calloc(1, sizeof *write);
    write->token = token;
    write->batch = batch;
    write->sync = sync;
    list_init(&write->node);
    list_append(&disk->queue, &write->node);
    if (world_once_in(disk->process->world, 2)) {
        struct list_node *node;
        for (node = disk->queue.next; node != &disk->queue; node = node->next)
            apply(disk, CONTAINER_OF(node, struct disk_write, node));
    }
    if (disk->in_group == 0 && !disk->has_failed)
        write_group(disk);
}

void disk_crash(struct sim_disk *disk)
{
    disk->fails = ERR_OK;
    disk->has_failed = false;
    struct world *world = disk->process->world;
    struct list_node *node;
    for (node = disk->queue.next; node != &disk->queue && world_once_in(world, 2);
         node = node->next)
        apply(disk, CONTAINER_OF(node, struct disk_write, node));
    while (!list_is_empty(&disk->queue))
        drop_first(disk);
    disk->in_group = 0;
    disk->group++;
    kv_memory_crash(disk->store, world_draw(world, 0, kv_memory_unsynced(disk->store)));
}
