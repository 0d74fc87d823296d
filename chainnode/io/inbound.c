#include <unistd.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/io/log.h"
#include "base/io/ready.h"
#include "base/text.h"
#include "chainnode/io/node.h"
#include "chainnode/io/obituary.h"

/* Where a message goes, by who sent it: a client's request, a chain neighbour's message, a bulk
 * read. Everything else is refused and counted. */
enum { QUOTED_BYTES = 512 };

enum route { ROUTE_REFUSE, ROUTE_CLIENT, ROUTE_NODE, ROUTE_CHUNK, ROUTE_IGNORE };

static enum route route_client(enum wire_type type)
{
    if (type == WIRE_PUT || type == WIRE_DELETE || type == WIRE_STAGE || type == WIRE_ABORT ||
        type == WIRE_GET || type == WIRE_LIST || type == WIRE_PARTS_LIST)
        return ROUTE_CLIENT;
    return type == WIRE_CHUNK_GET ? ROUTE_CHUNK : ROUTE_REFUSE;
}

static enum route route_node(enum wire_type type)
{
    if (type == WIRE_FORWARD || type == WIRE_MARK || type == WIRE_ACK || type == WIRE_SYNC_BEGIN ||
        type == WIRE_SYNC_ITEMS || type == WIRE_SYNC_ACK || type == WIRE_ROWS ||
        type == WIRE_ROW_ASK)
        return ROUTE_NODE;
    /* A refusal is the last word about one of our messages; answering it would never end. */
    return type == WIRE_REFUSED ? ROUTE_NODE : ROUTE_REFUSE;
}

static enum route route_of(const struct inbound *inbound, enum wire_type type)
{
    switch (inbound->role) {
    case WIRE_ROLE_CLIENT:
        return type == WIRE_REFUSED ? ROUTE_IGNORE : route_client(type);
    case WIRE_ROLE_NODE:
        return route_node(type);
    case WIRE_ROLE_MASTER:
        /* Masters only probe whether we accept connections. */
        return type == WIRE_REFUSED ? ROUTE_IGNORE : ROUTE_REFUSE;
    }
    return ROUTE_REFUSE;
}

static void refuse(struct node *node, uint64_t conn, uint64_t request, enum err err,
                   const char *text)
{
    struct wire_message message = {.type = WIRE_REFUSED};
    message.u.refused.request = request;
    message.u.refused.err = err;
    message.u.refused.text = slice_of_text(text);
    (void)transport_send(node->transport, conn, &message);
}

static void on_chunk_get(struct node *node, uint64_t conn, const struct wire_chunk_get *request)
{
    if (chunk_reader_submit(node->reader, conn, request))
        return;
    node->counters.refused_busy++;
    refuse(node, conn, request->request, ERR_BUSY, "too many chunk reads are queued; try again");
}

static void on_accepted_message(struct node *node, const struct inbound *inbound,
                                const struct wire_message *message)
{
    struct cn_event event = {.conn = inbound->conn,
                             .node = inbound->id,
                             .incarnation = inbound->incarnation,
                             .message = message};
    switch (route_of(inbound, message->type)) {
    case ROUTE_CLIENT:
        event.kind = CN_EVENT_RECEIVE_CLIENT;
        node_step(node, &event);
        return;
    case ROUTE_NODE:
        event.kind = CN_EVENT_RECEIVE_NODE;
        node_step(node, &event);
        return;
    case ROUTE_CHUNK:
        on_chunk_get(node, inbound->conn, &message->u.chunk_get);
        return;
    case ROUTE_IGNORE:
        return;
    case ROUTE_REFUSE:
        node->counters.refused_types++;
        log_warning("message_refused", "type=%s role=%d id=%u", wire_type_name(message->type),
                    (int)inbound->role, inbound->id);
        refuse(node, inbound->conn, wire_message_request(message), ERR_PROTOCOL,
               "a storage node does not take this message from this kind of peer");
        return;
    }
}

/* A peer that claims to be a node must name our cluster; the transport let a zero pass. */
static bool hello_is_acceptable(const struct node *node, const struct wire_hello *hello)
{
    if (hello->role == WIRE_ROLE_CLIENT || hello->role == WIRE_ROLE_MASTER)
        return true;
    return hello->role == WIRE_ROLE_NODE && hello->id != 0 && hello->incarnation != 0 &&
           uuid_equal(&hello->cluster, &node->identity->cluster);
}

static void on_accepted(struct node *node, const struct transport_event *event)
{
    const struct wire_hello *hello = &event->message.u.hello;
    if (!hello_is_acceptable(node, hello)) {
        node->counters.refused_types++;
        refuse(node, event->conn, 0, ERR_PROTOCOL, "the hello is not acceptable");
        transport_close(node->transport, event->conn);
        return;
    }
    struct inbound *inbound = mem_calloc(1, sizeof *inbound);
    inbound->conn = event->conn;
    inbound->role = (enum wire_role)hello->role;
    inbound->id = hello->id;
    inbound->incarnation = hello->incarnation;
    struct inbound *former = map_put(&node->inbound, event->conn, inbound);
    PRE(former == NULL); /* connection numbers are never reused */
}

static void on_accepted_event(struct node *node, const struct transport_event *event)
{
    if (event->kind == TRANSPORT_OPENED) {
        on_accepted(node, event);
        return;
    }
    if (event->kind == TRANSPORT_MESSAGE) {
        const struct inbound *inbound = map_get(&node->inbound, event->conn);
        if (inbound != NULL)
            on_accepted_message(node, inbound, &event->message);
        return;
    }
    struct inbound *inbound = map_remove(&node->inbound, event->conn);
    if (inbound != NULL && inbound->role == WIRE_ROLE_CLIENT) {
        struct cn_event gone = {.kind = CN_EVENT_CLIENT_GONE, .conn = event->conn};
        node_step(node, &gone);
    }
    mem_free(inbound);
}

/* ---- connections that we dialed ---- */

static void on_peer_event(struct node *node, const struct transport_event *event, uint32_t peer,
                          enum links_change change)
{
    char quoted[QUOTED_BYTES];
    struct cn_event told = {.node = peer};
    if (change == LINKS_UP) {
        log_info("peer_up", "node=%u", peer);
        told.kind = CN_EVENT_NODE_UP;
        node_step(node, &told);
    } else if (change == LINKS_DOWN || change == LINKS_DOWN_REFUSED) {
        log_debug("peer_down", "node=%u refused=%s text=%s", peer,
                  change == LINKS_DOWN_REFUSED ? "true" : "false",
                  log_quote(slice_of_text(event->text), quoted, sizeof quoted));
        told.kind = CN_EVENT_NODE_DOWN;
        told.refused = change == LINKS_DOWN_REFUSED;
        node_step(node, &told);
    }
    if (event->kind == TRANSPORT_MESSAGE && event->message.type == WIRE_REFUSED)
        log_warning("peer_refused", "node=%u err=%u text=%s", peer, event->message.u.refused.err,
                    log_quote(event->message.u.refused.text, quoted, sizeof quoted));
}

/* From here on our death is worth an obituary. Not earlier: a process that no master has taken (a
 * copy of a disk, a second process with our id) must not declare dead an incarnation that the
 * rightful one will use. */
static void tell_supervisor(struct node *node)
{
    const struct worker_report report = {
        .pid = node->worker_pid,
        .incarnation = node->identity->incarnation,
        .cluster = node->identity->cluster,
        .disk = node->identity->disk,
    };
    if (node->report_fd >= 0 &&
        write(node->report_fd, &report, sizeof report) != (ssize_t)sizeof report)
        log_warning("supervisor_not_told", "supervisor=%u", node->supervisor_pid);
}

static void announce_ready(struct node *node)
{
    struct text line;
    text_init(&line);
    text_append(&line, "ready role=node id=%u incarnation=%llu pid=%u supervisor=%u address=%s",
                node->settings->id, (unsigned long long)node->identity->incarnation,
                node->worker_pid, node->supervisor_pid, node->address);
    log_info("ready", "master=%s address=%s", masters_leader(node->masters), node->address);
    if (ready_announce(node->settings->directory, node->settings->ready_fd, text_cstr(&line)) !=
        ERR_OK)
        log_warning("ready_not_announced", "dir=%s", node->settings->directory);
    text_release(&line);
}

static void on_master_message(struct node *node, const struct wire_message *message)
{
    if (message->type != WIRE_BEAT_REPLY && message->type != WIRE_CONFIG &&
        message->type != WIRE_DECIDED && message->type != WIRE_REFUSED) {
        node->counters.refused_types++;
        log_warning("message_refused", "type=%s from=master", wire_type_name(message->type));
        return;
    }
    struct cn_event told = {.kind = CN_EVENT_RECEIVE_MASTER, .message = message};
    node_step(node, &told);
    if (!node->is_ready && !node->is_halted && message->type == WIRE_BEAT_REPLY &&
        message->u.beat_reply.err == ERR_OK && message->u.beat_reply.lease) {
        node->is_ready = true;
        tell_supervisor(node);
        announce_ready(node);
    }
}

/* Before a master has taken us, a master of another cluster means that --masters or --dir is wrong;
 * later it is one lost master's problem. */
static void on_wrong_cluster(struct node *node, const struct transport_event *event)
{
    char text[400];
    char quoted[QUOTED_BYTES];
    char ours[UUID_TEXT_SIZE];
    text_format(text, sizeof text,
                "the directory %s belongs to cluster %s and a master of --masters to another one "
                "(%s)",
                node->settings->directory, uuid_format(&node->identity->cluster, ours),
                event->text);
    if (node->is_ready)
        log_error("wrong_cluster", "text=%s",
                  log_quote(slice_of_text(text), quoted, sizeof quoted));
    else
        node_halt(node, ERR_WRONG_CLUSTER, text);
}

void node_on_event(struct node *node, struct transport_event *event)
{
    uint32_t peer = 0;
    enum links_change change = LINKS_NOTHING;
    enum masters_news news = masters_on_event(node->masters, event, node->now_us);
    if (news == MASTERS_MESSAGE)
        on_master_message(node, &event->message);
    else if (news == MASTERS_WRONG_CLUSTER)
        on_wrong_cluster(node, event);
    else if (news == MASTERS_NOT_OURS &&
             links_on_event(node->peers, event, node->now_us, &peer, &change))
        on_peer_event(node, event, peer, change);
    else if (news == MASTERS_NOT_OURS && !event->is_dialed)
        on_accepted_event(node, event);
    if (event->kind == TRANSPORT_OPENED || event->kind == TRANSPORT_MESSAGE)
        wire_message_release(&event->message);
}

void node_inbound_release(struct node *node)
{
    size_t cursor = 0;
    uint64_t conn;
    struct inbound *inbound;
    while ((inbound = map_next(&node->inbound, &cursor, &conn)) != NULL)
        mem_free(inbound);
    map_release(&node->inbound);
}
