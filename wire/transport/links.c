#include "wire/transport/links.h"

#include "base/contract.h"
#include "base/map.h"
#include "base/prng.h"

/* One peer. At most one dial is in flight for it, so a result needs no number of its own: when the
 * address changed or the peer was removed meanwhile, the result is stale and thrown away. */
struct link {
    uint32_t peer;
    char *address; /* NULL: removed, waiting for the result of a dial */
    uint64_t conn; /* 0: down */
    uint64_t up_since_us;
    bool is_dialing;
    bool is_stale; /* the dial in flight goes to an old address */
    uint64_t delay_us;
    uint64_t due_us; /* when to dial next, while down and not dialing */
};

struct links {
    struct transport *transport;
    struct links_options options;
    struct prng prng;
    struct map peers;
};

struct links *links_new(struct transport *transport, const struct links_options *options)
{
    PRE(options->redial_min_ms > 0 && options->redial_min_ms <= options->redial_max_ms);
    struct links *links = mem_calloc(1, sizeof *links);
    links->transport = transport;
    links->options = *options;
    prng_init(&links->prng, options->seed);
    map_init(&links->peers);
    return links;
}

static void link_free(struct link *link)
{
    mem_free(link->address);
    mem_free(link);
}

void links_free(struct links *links)
{
    if (links == NULL)
        return;
    size_t cursor = 0;
    uint64_t key;
    for (struct link *link; (link = map_next(&links->peers, &cursor, &key)) != NULL;) {
        if (link->conn != 0)
            transport_close(links->transport, link->conn);
        link_free(link);
    }
    map_release(&links->peers);
    mem_free(links);
}

static uint64_t tag_of(const struct links *links, uint32_t peer)
{
    return (uint64_t)links->options.tag_base << 32 | peer;
}

static struct link *find(const struct links *links, uint32_t peer)
{
    return map_get(&links->peers, peer);
}

static void dial(struct links *links, struct link *link)
{
    link->is_dialing = true;
    link->is_stale = false;
    transport_dial(links->transport, link->address, tag_of(links, link->peer),
                   links->options.dial_timeout_ms);
}

static void hang_up(struct links *links, struct link *link)
{
    if (link->conn != 0)
        transport_close(links->transport, link->conn);
    link->conn = 0;
    link->is_stale = link->is_dialing;
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(mem_alloc(size), text, size);
}

void links_set(struct links *links, uint32_t peer, const char *address)
{
    struct link *link = find(links, peer);
    if (link == NULL) {
        link = mem_calloc(1, sizeof *link);
        link->peer = peer;
        (void)map_put(&links->peers, peer, link);
    } else if (link->address != NULL && strcmp(link->address, address) == 0) {
        return;
    }
    hang_up(links, link);
    mem_free(link->address);
    link->address = copy_text(address);
    link->delay_us = 0;
    if (!link->is_dialing)
        dial(links, link);
}

void links_remove(struct links *links, uint32_t peer)
{
    struct link *link = find(links, peer);
    if (link == NULL)
        return;
    hang_up(links, link);
    if (link->is_dialing) {
        mem_free(link->address);
        link->address = NULL;
        return;
    }
    (void)map_remove(&links->peers, peer);
    link_free(link);
}

bool links_send(struct links *links, uint32_t peer, const struct wire_message *message)
{
    const struct link *link = find(links, peer);
    return link != NULL && link->conn != 0 && transport_send(links->transport, link->conn, message);
}

bool links_is_up(const struct links *links, uint32_t peer)
{
    return links_conn(links, peer) != 0;
}

uint64_t links_conn(const struct links *links, uint32_t peer)
{
    const struct link *link = find(links, peer);
    return link == NULL ? 0 : link->conn;
}

/* Doubles from the least to the greatest delay; the moment is drawn from its second half, so that
 * processes that lost the same peer together do not return together. */
static void schedule(struct links *links, struct link *link, uint64_t now_us)
{
    uint64_t least_us = (uint64_t)links->options.redial_min_ms * 1000;
    uint64_t most_us = (uint64_t)links->options.redial_max_ms * 1000;
    link->delay_us = link->delay_us == 0 ? least_us : link->delay_us * 2;
    if (link->delay_us > most_us)
        link->delay_us = most_us;
    link->due_us = now_us + prng_between(&links->prng, link->delay_us / 2, link->delay_us);
}

/* The dial that just ended was meant for another address, or for nobody. */
static void drop_stale(struct links *links, struct link *link, const struct transport_event *event)
{
    if (event->kind == TRANSPORT_OPENED)
        transport_close(links->transport, event->conn);
    if (link->address != NULL) {
        dial(links, link);
        return;
    }
    (void)map_remove(&links->peers, link->peer);
    link_free(link);
}

static enum links_change on_opened(struct link *link, const struct transport_event *event,
                                   uint64_t now_us)
{
    link->conn = event->conn;
    link->up_since_us = now_us;
    return LINKS_UP;
}

static enum links_change on_closed(struct links *links, struct link *link,
                                   const struct transport_event *event, uint64_t now_us)
{
    if (link->conn != event->conn)
        return LINKS_NOTHING; /* one that we hung up ourselves */
    link->conn = 0;
    /* A peer that accepts and closes at once must not be redialed in a tight loop: only a
     * connection that lasted forgives earlier failures. */
    if (now_us - link->up_since_us > (uint64_t)links->options.redial_max_ms * 1000)
        link->delay_us = 0;
    schedule(links, link, now_us);
    return LINKS_DOWN;
}

bool links_on_event(struct links *links, const struct transport_event *event, uint64_t now_us,
                    uint32_t *ret_peer, enum links_change *ret_change)
{
    if (!event->is_dialed || event->tag >> 32 != links->options.tag_base)
        return false;
    uint32_t peer = (uint32_t)event->tag;
    struct link *link = find(links, peer);
    *ret_peer = peer;
    *ret_change = LINKS_NOTHING;
    if (link == NULL)
        return true;
    bool is_result = event->kind == TRANSPORT_OPENED || event->kind == TRANSPORT_FAILED;
    if (is_result) {
        link->is_dialing = false;
        if (link->is_stale) {
            drop_stale(links, link, event);
            return true;
        }
    }
    switch (event->kind) {
    case TRANSPORT_OPENED:
        *ret_change = on_opened(link, event, now_us);
        break;
    case TRANSPORT_FAILED:
        schedule(links, link, now_us);
        *ret_change = event->refused ? LINKS_DOWN_REFUSED : LINKS_DOWN;
        break;
    case TRANSPORT_CLOSED:
        *ret_change = on_closed(links, link, event, now_us);
        break;
    case TRANSPORT_MESSAGE:
        break;
    }
    return true;
}

uint64_t links_tick(struct links *links, uint64_t now_us)
{
    uint64_t next_us = UINT64_MAX;
    size_t cursor = 0;
    uint64_t key;
    for (struct link *link; (link = map_next(&links->peers, &cursor, &key)) != NULL;) {
        if (link->conn != 0 || link->is_dialing)
            continue;
        if (link->due_us <= now_us)
            dial(links, link);
        else if (link->due_us < next_us)
            next_us = link->due_us;
    }
    return next_us;
}
