/* What arrives, by connection: our own ones to the other masters, probes of storage nodes, and the
 * accepted ones, whose every message the server judges. */
#include "base/io/log.h"
#include "config_master/io/master.h"

static void on_link(struct master *master, const struct transport_event *event, uint32_t peer,
                    enum links_change change)
{
    struct server_event out = {.master = peer};
    char quoted[512];
    if (change == LINKS_UP) {
        log_info("master_up", "master=%u", peer);
        out.kind = SERVER_EVENT_LINK_UP;
        out.hello = &event->message.u.hello;
        master_step(master, &out);
    } else if (change == LINKS_DOWN || change == LINKS_DOWN_REFUSED) {
        log_debug("master_down", "master=%u text=%s", peer,
                  log_quote(slice_of_text(event->text), quoted, sizeof quoted));
        out.kind = SERVER_EVENT_LINK_DOWN;
        master_step(master, &out);
    } else if (event->kind == TRANSPORT_MESSAGE) {
        if (event->message.type == WIRE_REFUSED)
            log_warning("refused_by_master", "master=%u text=%s", peer,
                        log_quote(event->message.u.refused.text, quoted, sizeof quoted));
        out.kind = SERVER_EVENT_RECEIVE_LINK;
        out.message = &event->message;
        master_step(master, &out);
    }
}

/* A probe only asks whether its host refuses: the node itself is not disturbed. */
static void on_probe(struct master *master, const struct transport_event *event)
{
    if (event->kind == TRANSPORT_OPENED)
        transport_close(master->transport, event->conn);
    if (event->kind != TRANSPORT_FAILED || !event->refused)
        return;
    struct server_event out = {.kind = SERVER_EVENT_NODE_REFUSED, .id = (uint32_t)event->tag};
    master_step(master, &out);
}

static void on_accepted(struct master *master, const struct transport_event *event)
{
    struct server_event out = {.conn = event->conn};
    switch (event->kind) {
    case TRANSPORT_OPENED:
        out.kind = SERVER_EVENT_CONNECTED;
        out.hello = &event->message.u.hello;
        break;
    case TRANSPORT_MESSAGE:
        out.kind = SERVER_EVENT_RECEIVE;
        out.message = &event->message;
        break;
    case TRANSPORT_CLOSED:
        out.kind = SERVER_EVENT_DISCONNECTED;
        break;
    case TRANSPORT_FAILED:
        return; /* a dial that nobody waits for any more */
    }
    master_step(master, &out);
}

void master_on_event(struct master *master, struct transport_event *event)
{
    uint32_t peer = 0;
    enum links_change change = LINKS_NOTHING;
    if (links_on_event(master->links, event, master->now_us, &peer, &change))
        on_link(master, event, peer, change);
    else if (event->tag >> 32 == MASTER_TAG_PROBES)
        on_probe(master, event);
    else if (event->tag == 0)
        on_accepted(master, event);
    wire_message_release(&event->message);
}
