#include "base/io/clock.h"
#include "config_master/io/master.h"

enum { EVENTS_MAX = 256, DONE_MAX = 64 };

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void step_stored(struct master *master, const struct store_done *done, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        /* What the disk holds after a failed write is not known: never go on (checklist 40). The
         * server is not asked: it would halt first, and the first reason is the one that is told.
         */
        if (done[i].err != ERR_OK) {
            master_halt(master, done[i].err,
                        done[i].err == ERR_NO_SPACE
                            ? "no space left for the log; free some and start again"
                            : "writing to the store failed: the disk is not trusted any more; "
                              "remove this master and add it again on another disk");
            return;
        }
        struct server_event event = {.kind = SERVER_EVENT_STORED, .token = done[i].token};
        master_step(master, &event);
    }
}

static uint64_t time_to_wait(struct master *master)
{
    uint64_t until_us =
        earlier(server_deadline_us(master->server), links_tick(master->links, master->now_us));
    uint64_t now_us = clock_boot_us();
    return until_us > now_us ? until_us - now_us : 0;
}

/* The clock is read after everything of the batch was received: a pause of this process before that
 * is seen (leases are granted from times that lie in the past, R30, R31), one after it is harmless.
 */
static void batch(struct master *master, struct transport_event *events, uint32_t count)
{
    struct store_done done[DONE_MAX];
    uint32_t done_count = store_writer_take(master->writer, done, DONE_MAX);
    uint64_t now_us = clock_boot_us();
    master->now_us = now_us > master->now_us ? now_us : master->now_us;
    step_stored(master, done, done_count);
    for (uint32_t i = 0; i < count; i++)
        master_on_event(master, &events[i]);
    struct server_event tick = {.kind = SERVER_EVENT_TICK};
    if (server_deadline_us(master->server) <= master->now_us)
        master_step(master, &tick);
    if (master->is_halted)
        return;
    transport_flush(master->transport);
    if (done_count == DONE_MAX)
        transport_wake(master->transport);
}

void master_loop(struct master *master)
{
    static struct transport_event events[EVENTS_MAX];
    while (!master->is_halted && !atomic_load(&master->stop_asked)) {
        uint32_t count =
            transport_wait(master->transport, events, EVENTS_MAX, time_to_wait(master));
        batch(master, events, count);
    }
}
