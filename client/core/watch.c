/* Long polls for the map.
 *
 * Until a complete map is installed one master at a time is asked. From then on every connected
 * master holds one poll for what is newer than ours: whoever learns of a change first tells us, so
 * neither a dead nor a paused master delays a failover. A poll that brings nothing is not repeated
 * at once. */
#include "client/core/internal.h"

static void poll_master(struct cl_core *core, struct peer *peer)
{
    struct cl_effect *effect = effect_push(core, CL_EFFECT_SEND);
    effect->peer = peer->id;
    effect->message.type = WIRE_WATCH;
    effect->message.u.watch.request = core->next_request;
    effect->message.u.watch.have_version = core->map.is_installed ? core->map.version : 0;
    effect->message.u.watch.wait_ms = core->options.watch_ms;
    peer->watch_request = core->next_request++;
    peer->watch_sent_us = core->now_us;
    peer->watch_have = effect->message.u.watch.have_version;
}

/* How long a poll may stay unanswered before it is given up. */
static uint64_t patience_us(const struct cl_core *core)
{
    if (!core->map.is_installed) {
        /* A master without a map (removed, or refused after it lost its disk) does not answer: the
         * next is asked soon, but not so soon that a slow network never gets to the end. */
        uint32_t doublings = core->fetches_in_vain < 3 ? core->fetches_in_vain : 3;
        bool is_coming = core->pages_count > 0;
        return is_coming ? CL_FETCH_US : (uint64_t)CL_FETCH_US >> (3 - doublings);
    }
    return (uint64_t)core->options.watch_ms * 1000u + 2u * CL_FETCH_US;
}

static bool is_fetching(const struct cl_core *core)
{
    for (uint32_t i = 0; i < core->masters_count; i++)
        if (core->masters[i]->is_up && core->masters[i]->watch_request != 0)
            return true;
    return false;
}

static void give_up_overdue(struct cl_core *core, struct peer *peer)
{
    if (peer->watch_request == 0)
        return;
    uint64_t until_us = peer->watch_sent_us + patience_us(core);
    if (core->now_us < until_us) {
        timer_note(core, until_us);
        return;
    }
    if (core->pages_request == peer->watch_request)
        map_drop_pages(core);
    peer->watch_request = 0;
    peer->watch_next_us = core->now_us + CL_WATCH_GAP_US;
    core->fetches_in_vain++;
}

void watch_tick(struct cl_core *core)
{
    for (uint32_t i = 0; i < core->masters_count; i++) {
        (void)peer_want(core, core->masters[i]);
        if (core->masters[i]->is_up)
            give_up_overdue(core, core->masters[i]);
    }
    for (uint32_t i = 0; i < core->masters_count; i++) {
        struct peer *peer = core->masters[(core->master_cursor + i) % core->masters_count];
        if (!peer->is_up || peer->watch_request != 0)
            continue;
        if (core->now_us < peer->watch_next_us) {
            timer_note(core, peer->watch_next_us);
            continue;
        }
        if (!core->map.is_installed && is_fetching(core))
            continue;
        poll_master(core, peer);
        timer_note(core, peer->watch_sent_us + patience_us(core));
    }
}

void watch_answered(struct cl_core *core, struct peer *peer, bool was_news)
{
    uint64_t quiet_us = core->now_us - peer->watch_sent_us;
    bool was_outdated = peer->watch_have < core->map.version;
    peer->watch_request = 0;
    peer->watch_next_us = core->now_us;
    if (!was_news && !was_outdated && quiet_us < CL_WATCH_GAP_US)
        peer->watch_next_us = core->now_us + CL_WATCH_GAP_US;
    timer_note(core, peer->watch_next_us);
}
