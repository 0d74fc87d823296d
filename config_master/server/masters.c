/* The other masters: connections to and from them, who may speak, membership, status rows. */
#include "config_master/server/internal.h"

struct server_peer *server_peer_find(struct server *server, uint32_t id)
{
    for (uint32_t i = 0; i < SERVER_PEERS_MAX; i++)
        if (server->peers[i].id == id && id != 0)
            return &server->peers[i];
    return NULL;
}

struct server_peer *server_peer_of_conn(struct server *server, uint64_t conn)
{
    for (uint32_t i = 0; i < SERVER_PEERS_MAX; i++)
        if (server->peers[i].id != 0 && server->peers[i].conn == conn)
            return &server->peers[i];
    return NULL;
}

const struct uuid *server_peer_disk(const struct server_peer *peer)
{
    if (peer->is_linked && peer->link_id == peer->id)
        return &peer->link_disk;
    return peer->conn != 0 ? &peer->conn_disk : NULL;
}

/* A slot for that master; NULL when all are taken by connected ones. */
static struct server_peer *make_peer(struct server *server, uint32_t id)
{
    struct server_peer *peer = server_peer_find(server, id);
    for (uint32_t i = 0; peer == NULL && i < SERVER_PEERS_MAX; i++) {
        struct server_peer *slot = &server->peers[i];
        if (slot->id == 0 || (!slot->is_linked && slot->conn == 0 && !slot->is_recording)) {
            *slot = (struct server_peer){.id = id};
            peer = slot;
        }
    }
    return peer;
}

bool server_is_raft_message(const struct wire_message *message)
{
    return message->type >= WIRE_RAFT_VOTE && message->type <= WIRE_RAFT_TIMEOUT_NOW;
}

static void refuse_conn(struct server *server, uint64_t conn, enum err err, const char *text)
{
    struct server_effect *effect = server_emit(server, SERVER_EFFECT_SEND);
    effect->conn = conn;
    effect->message.type = WIRE_REFUSED;
    effect->message.u.refused =
        (struct wire_refused){.err = (uint32_t)err, .text = slice_of_text(text)};
    server_emit(server, SERVER_EFFECT_CLOSE)->conn = conn;
}

static void refuse_disk(struct server *server, uint32_t master, const struct uuid *disk)
{
    struct server_identity *told = &server->refused_told;
    server->refused_disks++;
    if (told->master == master && uuid_equal(&told->disk, disk))
        return;
    *told = (struct server_identity){.master = master, .disk = *disk};
    char text[UUID_TEXT_SIZE];
    TRACE(&server->options.trace,
          "refused master %u: its disk %s is not the one recorded; remove and add it again", master,
          uuid_format(disk, text));
}

static const char WRONG_DISK[] =
    "this master's disk is not the one that the cluster knows under its id; remove the master and "
    "add it again";

void server_master_connected(struct server *server, uint64_t conn, const struct wire_hello *hello)
{
    if (hello->id == 0 || hello->id == server->options.raft.id) {
        server->refused_messages++;
        refuse_conn(server, conn, ERR_DUPLICATE_ID, "that master id is taken by this process");
        return;
    }
    if (!server_identity_allows(server, hello->id, &hello->disk)) {
        refuse_disk(server, hello->id, &hello->disk);
        refuse_conn(server, conn, ERR_WRONG_DISK, WRONG_DISK);
        return;
    }
    struct server_peer *peer = make_peer(server, hello->id);
    if (peer == NULL) {
        server->refused_messages++;
        refuse_conn(server, conn, ERR_BUSY, "too many masters are connected");
        return;
    }
    if (peer->conn != 0)
        server_emit(server, SERVER_EFFECT_CLOSE)->conn = peer->conn;
    peer->conn = conn;
    peer->conn_disk = hello->disk;
    peer->conn_pid = (uint32_t)hello->incarnation;
}

/* True if it was a master's. */
bool server_master_disconnected(struct server *server, uint64_t conn)
{
    struct server_peer *peer = server_peer_of_conn(server, conn);
    if (peer == NULL)
        return false;
    peer->conn = 0;
    return true;
}

void server_master_link(struct server *server, uint32_t master, const struct wire_hello *hello)
{
    struct server_peer *peer =
        hello == NULL ? server_peer_find(server, master) : make_peer(server, master);
    if (peer == NULL)
        return;
    peer->is_linked = hello != NULL;
    if (hello == NULL)
        return;
    peer->link_id = hello->id;
    peer->link_disk = hello->disk;
    peer->link_pid = (uint32_t)hello->incarnation;
    if (hello->id != master || hello->role != WIRE_ROLE_MASTER)
        TRACE(&server->options.trace, "at the address of master %u answers %u: not used", master,
              hello->id);
    else if (!server_identity_allows(server, master, &hello->disk))
        refuse_disk(server, master, &hello->disk);
}

void server_master_receive(struct server *server, struct server_peer *peer, bool on_link,
                           const struct wire_message *message)
{
    bool is_its_own = !on_link || (peer->is_linked && peer->link_id == peer->id);
    if (!server_is_raft_message(message) || raft_message_sender(message) != peer->id ||
        !is_its_own) {
        server->refused_messages++;
        return;
    }
    const struct uuid *disk = on_link ? &peer->link_disk : &peer->conn_disk;
    if (!server_identity_allows(server, peer->id, disk)) {
        refuse_disk(server, peer->id, disk);
        if (!on_link) {
            refuse_conn(server, peer->conn, ERR_WRONG_DISK, WRONG_DISK);
            peer->conn = 0;
        }
        return;
    }
    server_identity_note(server, peer, disk, message);
    struct raft_event event = {.kind = RAFT_EVENT_RECEIVE, .message = message};
    server_step_raft(server, &event);
}

/* Takes the message over. */
void server_master_send(struct server *server, uint32_t to, struct wire_message *message)
{
    const struct server_peer *peer = server_peer_find(server, to);
    const struct uuid *disk = peer == NULL ? NULL : server_peer_disk(peer);
    bool is_wrong = peer != NULL && peer->is_linked && peer->link_id != to;
    if (is_wrong || (disk != NULL && !server_identity_allows(server, to, disk)))
        return;
    struct server_effect *effect = server_emit(server, SERVER_EFFECT_SEND_MASTER);
    effect->to = to;
    effect->conn = peer == NULL ? 0 : peer->conn;
    effect->message = *message;
    *message = (struct wire_message){0};
}

void server_change_masters(struct server *server, uint64_t id, uint32_t target, bool add,
                           struct slice address)
{
    if (add) {
        struct raft_server joiner = {.id = target};
        if (target == 0 || address.length == 0 || address.length > BOUND_ADDRESS_BYTES ||
            memchr(address.data, '\0', address.length) != NULL) {
            struct cm_event event = {.kind = CM_EVENT_CHANGED, .id = id, .err = ERR_INVALID};
            server_step_cm(server, &event);
            return;
        }
        memcpy(joiner.address, address.data, address.length);
        server_identity_forget_then_add(server, id, &joiner);
        return;
    }
    struct raft_configuration next = {0};
    const struct raft_configuration *before = raft_configuration(server->raft);
    for (uint32_t i = 0; i < before->count; i++)
        if (before->servers[i].id != target)
            next.servers[next.count++] = before->servers[i];
    struct raft_event event = {.kind = RAFT_EVENT_CHANGE,
                               .id = server_request_id(SERVER_REQUEST_CHANGE, id),
                               .configuration = &next};
    server_step_raft(server, &event);
}

uint32_t server_masters_fill(const struct server *server, struct raft_configuration *addresses,
                             struct wire_master_info *masters)
{
    *addresses = *raft_configuration(server->raft);
    for (uint32_t i = 0; i < addresses->count; i++) {
        uint32_t id = addresses->servers[i].id;
        const struct server_peer *peer = NULL;
        for (uint32_t j = 0; j < SERVER_PEERS_MAX; j++)
            if (server->peers[j].id == id)
                peer = &server->peers[j];
        bool is_self = id == server->options.raft.id;
        const struct server_identity *identity = server_identity_find(&server->identities, id);
        const struct uuid *heard = is_self        ? &server->options.disk
                                   : peer != NULL ? server_peer_disk(peer)
                                                  : NULL;
        masters[i] = (struct wire_master_info){
            .master = id,
            .address = slice_of_text(addresses->servers[i].address),
            .is_leader = raft_leader(server->raft) == id,
            .reachable = is_self || (heard != NULL && server_identity_allows(server, id, heard) &&
                                     !raft_lost_disk(server->raft, id)),
            .match_index = raft_match_index(server->raft, id),
            .pid = is_self           ? server->options.pid
                   : peer == NULL    ? 0
                   : peer->is_linked ? peer->link_pid
                   : peer->conn != 0 ? peer->conn_pid
                                     : 0,
        };
        if (identity != NULL)
            masters[i].disk = identity->disk;
        else if (heard != NULL)
            masters[i].disk = *heard;
    }
    return addresses->count;
}

static bool same_servers(const struct raft_configuration *a, const struct raft_configuration *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->servers[i].id != b->servers[i].id ||
            strcmp(a->servers[i].address, b->servers[i].address) != 0)
            return false;
    return true;
}

/* The members, and the joiner while there is one. */
static void update_connect(struct server *server)
{
    struct raft_configuration connect = *raft_configuration(server->raft);
    const struct raft_server *joiner = raft_joiner(server->raft);
    if (joiner != NULL && connect.count < BOUND_MASTERS)
        connect.servers[connect.count++] = *joiner;
    if (same_servers(&connect, &server->connect))
        return;
    server->connect = connect;
    server_emit(server, SERVER_EFFECT_CONFIGURATION)->configuration = connect;
}

/* But for match_index, which changes all the time and is looked up when it is asked for. */
static bool same_master(const struct wire_master_info *a, const struct wire_master_info *b)
{
    return a->master == b->master && slice_equal(a->address, b->address) &&
           uuid_equal(&a->disk, &b->disk) && a->is_leader == b->is_leader &&
           a->reachable == b->reachable && a->pid == b->pid;
}

void server_masters_update(struct server *server, bool always)
{
    if (server->halted)
        return;
    update_connect(server);
    struct raft_configuration addresses;
    struct wire_master_info masters[BOUND_MASTERS];
    uint32_t count = server_masters_fill(server, &addresses, masters);
    bool same = server->masters_told && count == server->masters_count;
    for (uint32_t i = 0; same && i < count; i++)
        same = same_master(&masters[i], &server->masters[i]);
    if (same && !always)
        return;
    server->masters_told = true;
    server->masters_count =
        server_masters_fill(server, &server->masters_addresses, server->masters);
    struct cm_event event = {.kind = CM_EVENT_MASTERS,
                             .masters = server->masters,
                             .masters_count = server->masters_count};
    server_step_cm(server, &event);
}
