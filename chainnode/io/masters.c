#include "chainnode/io/masters.h"

#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/text.h"

enum { PLACES = 2 * BOUND_MASTERS, NOBODY = UINT32_MAX };

struct place {
    char address[BOUND_ADDRESS_BYTES + 1];
    uint32_t id; /* from its hello; 0 = not heard yet */
};

struct masters {
    struct masters_options options;
    struct links *links;
    struct place places[PLACES]; /* peer of links = index + 1 */
    uint32_t count;
    uint32_t leader; /* index, or NOBODY */
    uint64_t confirmed_until_us;
    struct wire_message last; /* heartbeat, for passing on; type NONE before the first */
    uint32_t last_sent;       /* bit per place that had it */
};

static uint32_t find_address(const struct masters *masters, struct slice address)
{
    for (uint32_t i = 0; i < masters->count; i++)
        if (slice_equal(slice_of_text(masters->places[i].address), address))
            return i;
    return NOBODY;
}

static uint32_t find_id(const struct masters *masters, uint32_t id)
{
    for (uint32_t i = 0; id != 0 && i < masters->count; i++)
        if (masters->places[i].id == id)
            return i;
    return NOBODY;
}

static void add(struct masters *masters, struct slice address)
{
    if (masters->count == PLACES || address.length == 0 || address.length > BOUND_ADDRESS_BYTES ||
        find_address(masters, address) != NOBODY)
        return;
    struct place *place = &masters->places[masters->count++];
    memcpy(place->address, address.data, address.length);
    place->address[address.length] = '\0';
    links_set(masters->links, masters->count, place->address);
}

struct masters *masters_new(struct transport *transport, const struct masters_options *options)
{
    struct masters *masters = mem_calloc(1, sizeof *masters);
    masters->options = *options;
    masters->leader = NOBODY;
    /* A master that comes back must be reached fast: a new leader grants leases only when asked. */
    const struct links_options links = {
        .tag_base = options->tag_base,
        .dial_timeout_ms = 1000,
        .redial_min_ms = 20,
        .redial_max_ms = 500,
        .seed = options->seed,
    };
    masters->links = links_new(transport, &links);
    for (uint32_t i = 0; i < options->count; i++)
        add(masters, slice_of_text(options->addresses[i]));
    return masters;
}

void masters_free(struct masters *masters)
{
    if (masters == NULL)
        return;
    wire_message_release(&masters->last);
    links_free(masters->links);
    mem_free(masters);
}

/* At most once to each master. */
static void pass_to(struct masters *masters, uint32_t index)
{
    uint32_t bit = 1u << index;
    if (masters->last.type == WIRE_NONE || (masters->last_sent & bit) != 0)
        return;
    if (links_send(masters->links, index + 1, &masters->last))
        masters->last_sent |= bit;
}

static void pass_to_all(struct masters *masters)
{
    for (uint32_t i = 0; i < masters->count; i++)
        pass_to(masters, i);
}

void masters_send(struct masters *masters, const struct wire_message *message, uint64_t now_us)
{
    wire_message_release(&masters->last);
    wire_message_copy(message, &masters->last);
    masters->last_sent = 0;
    if (masters->leader != NOBODY && now_us < masters->confirmed_until_us)
        pass_to(masters, masters->leader);
    if (masters->last_sent == 0)
        pass_to_all(masters);
}

static void on_not_leader(struct masters *masters, uint32_t from,
                          const struct wire_refused *refused)
{
    if (masters->leader == from) {
        masters->leader = NOBODY;
        masters->confirmed_until_us = 0;
    }
    uint32_t hint = find_id(masters, refused->leader);
    if (hint == NOBODY && refused->leader_address.length > 0) {
        add(masters, refused->leader_address);
        hint = find_address(masters, refused->leader_address);
    }
    if (hint == NOBODY)
        pass_to_all(masters);
    else
        pass_to(masters, hint);
}

static enum masters_news on_message(struct masters *masters, uint32_t from,
                                    const struct wire_message *message, uint64_t now_us)
{
    if (message->type == WIRE_REFUSED) {
        const struct wire_refused *refused = &message->u.refused;
        if (refused->err == ERR_NOT_LEADER || refused->err == ERR_NO_LEADER) {
            on_not_leader(masters, from, refused);
            return MASTERS_NOTHING;
        }
        return refused->err == ERR_WRONG_CLUSTER ? MASTERS_WRONG_CLUSTER : MASTERS_MESSAGE;
    }
    if (message->type == WIRE_BEAT_REPLY && message->u.beat_reply.err == ERR_OK &&
        message->u.beat_reply.lease) {
        masters->leader = from;
        masters->confirmed_until_us = now_us + masters->options.heartbeat_us * 5 / 2;
    }
    if (message->type == WIRE_CONFIG)
        for (uint32_t i = 0; i < message->u.config.masters_count; i++)
            add(masters, message->u.config.masters[i].address);
    return MASTERS_MESSAGE;
}

enum masters_news masters_on_event(struct masters *masters, const struct transport_event *event,
                                   uint64_t now_us)
{
    uint32_t peer = 0;
    enum links_change change = LINKS_NOTHING;
    if (!links_on_event(masters->links, event, now_us, &peer, &change))
        return MASTERS_NOT_OURS;
    PRE(peer >= 1 && peer <= masters->count);
    uint32_t index = peer - 1;
    switch (event->kind) {
    case TRANSPORT_OPENED:
        if (event->message.type == WIRE_HELLO)
            masters->places[index].id = event->message.u.hello.id;
        /* A master that has just come up may be the leader that nobody told us about. */
        if (now_us >= masters->confirmed_until_us)
            pass_to(masters, index);
        return MASTERS_NOTHING;
    case TRANSPORT_MESSAGE:
        return on_message(masters, index, &event->message, now_us);
    case TRANSPORT_CLOSED:
    case TRANSPORT_FAILED:
        if (masters->leader == index) {
            masters->leader = NOBODY;
            masters->confirmed_until_us = 0;
        }
        return event->err == ERR_WRONG_CLUSTER ? MASTERS_WRONG_CLUSTER : MASTERS_NOTHING;
    }
    IMPOSSIBLE("unknown transport event");
}

uint64_t masters_tick(struct masters *masters, uint64_t now_us)
{
    return links_tick(masters->links, now_us);
}

const char *masters_leader(const struct masters *masters)
{
    return masters->leader == NOBODY ? NULL : masters->places[masters->leader].address;
}
