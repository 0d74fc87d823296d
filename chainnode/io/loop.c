#include "base/contract.h"
#include "base/io/clock.h"
#include "base/io/host.h"
#include "base/io/log.h"
#include "chainnode/io/node.h"

enum { EVENTS_MAX = 256, DONE_MAX = 256 };

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* How long the loop may sleep, by the clock of the last batch. */
static uint64_t time_to_wait(struct node *node)
{
    uint64_t until_us = cn_core_deadline_us(node->core);
    until_us = earlier(until_us, masters_tick(node->masters, node->now_us));
    until_us = earlier(until_us, links_tick(node->peers, node->now_us));
    until_us = earlier(until_us, node->space.next_us);
    uint64_t now_us = clock_boot_us();
    return until_us > now_us ? until_us - now_us : 0;
}

static void step_stored(struct node *node, const struct store_done *done, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct cn_event event = {
            .kind = CN_EVENT_STORED, .token = done[i].token, .err = done[i].err};
        node_step(node, &event);
        /* What the disk holds after a failed write is not known: never go on (checklist 40). */
        if (done[i].err != ERR_OK)
            node_halt(node, done[i].err, "writing to the store failed");
    }
}

static void step_space(struct node *node)
{
    struct space *space = &node->space;
    bool was_full = space->is_full;
    uint64_t total_bytes;
    uint64_t free_bytes;
    if (!space_wants_look(space, node->now_us))
        return;
    /* Before the file system is asked: what is written in between counts twice, not never. */
    uint64_t written_bytes = store_writer_stats(node->writer).bytes;
    if (host_disk_space(node->settings->directory, &total_bytes, &free_bytes) != ERR_OK) {
        space_missed(space, node->now_us);
        return;
    }
    space_take(space, node->now_us, total_bytes, free_bytes, written_bytes);
    if (was_full != space->is_full)
        log_warning("space", "is_full=%s free_bytes=%llu reserve_bytes=%llu",
                    space->is_full ? "true" : "false", (unsigned long long)space->free_bytes,
                    (unsigned long long)space_reserve_bytes(space));
    struct cn_event event = {
        .kind = CN_EVENT_SPACE,
        .space_total = space->total_bytes,
        .space_free = space->free_bytes,
        .is_full = space->is_full,
    };
    node_step(node, &event);
}

/* R14: the clock is read after everything of the batch was received. If the process was paused
 * before that, the lease is seen to be over and nothing of the batch is answered from it; if it is
 * paused after, the answers are those of a moment at which the lease was valid. Reading the clock
 * before the receive would let a request that arrived during a long pause be answered under a lease
 * that another member has long taken over. */
static void batch(struct node *node, struct transport_event *events, uint32_t count)
{
    struct store_done done[DONE_MAX];
    uint32_t done_count = store_writer_take(node->writer, done, DONE_MAX);
    node->now_us = clock_boot_us();
    node->wall_ms = clock_wall_ms();
    step_stored(node, done, done_count);
    step_space(node);
    for (uint32_t i = 0; i < count; i++)
        node_on_event(node, &events[i]);
    struct cn_event tick = {.kind = CN_EVENT_TICK};
    if (cn_core_deadline_us(node->core) <= node->now_us)
        node_step(node, &tick);
    struct cn_event flush = {.kind = CN_EVENT_FLUSH};
    node_step(node, &flush);
    if (node->is_halted)
        return;
    transport_flush(node->transport);
    /* More reports than fit: come back at once. */
    if (done_count == DONE_MAX)
        transport_wake(node->transport);
}

void node_loop(struct node *node)
{
    static struct transport_event events[EVENTS_MAX];
    while (!node->is_halted && !atomic_load(&node->stop_asked)) {
        uint32_t count = transport_wait(node->transport, events, EVENTS_MAX, time_to_wait(node));
        batch(node, events, count);
    }
}
