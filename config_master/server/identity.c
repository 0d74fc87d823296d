/* Which disk each master has: replicated, changed by two commands, carried by snapshots.
 *
 * Snapshot of a master: version u8 (1), count u8, per identity master u32 and disk 16 bytes, then
 * the cluster core's snapshot. Both commands may be applied twice, so it does no harm that the
 * identities in a snapshot may be a few entries newer than its index. */
#include "config_master/server/internal.h"

#include "base/bytes.h"

enum { SNAPSHOT_VERSION = 1, RECORD_BYTES = 20, FORGET_BYTES = 4 };

const struct server_identity *server_identity_find(const struct server_identities *identities,
                                                   uint32_t master)
{
    for (uint32_t i = 0; i < identities->count; i++)
        if (identities->items[i].master == master)
            return &identities->items[i];
    return NULL;
}

static void record(struct server_identities *identities, uint32_t master, const struct uuid *disk)
{
    if (server_identity_find(identities, master) != NULL ||
        identities->count == SERVER_IDENTITIES_MAX)
        return;
    uint32_t at = identities->count++;
    for (; at > 0 && identities->items[at - 1].master > master; at--)
        identities->items[at] = identities->items[at - 1];
    identities->items[at] = (struct server_identity){.master = master, .disk = *disk};
}

static void forget(struct server_identities *identities, uint32_t master)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < identities->count; i++)
        if (identities->items[i].master != master)
            identities->items[kept++] = identities->items[i];
    identities->count = kept;
}

void server_identity_apply(struct server *server, enum server_command command, uint64_t index,
                           struct slice body)
{
    if (command == SERVER_COMMAND_RECORD && body.length >= RECORD_BYTES) {
        struct uuid disk;
        char text[UUID_TEXT_SIZE];
        memcpy(disk.bytes, body.data + 4, sizeof disk.bytes);
        record(&server->identities, bytes_get_u32(body.data), &disk);
        TRACE(&server->options.trace, "master %u has disk %s", bytes_get_u32(body.data),
              uuid_format(&disk, text));
    } else if (command == SERVER_COMMAND_FORGET && body.length >= FORGET_BYTES) {
        forget(&server->identities, bytes_get_u32(body.data));
        server->forget_index = index;
        struct server_peer *peer = server_peer_find(server, bytes_get_u32(body.data));
        if (peer != NULL)
            peer->log_term = 0;
        TRACE(&server->options.trace, "the disk of master %u is forgotten",
              bytes_get_u32(body.data));
    } else {
        server_halt(server, "a committed identity command that cannot be read");
    }
}

/* True if the log goes on, beyond what is applied, with a command that forgets the disk of that
 * master. A master that starts has applied its snapshot only, and learns what is committed from a
 * leader that may need its vote: judged by the snapshot alone, masters that were replaced since
 * would be refused for ever (simulator seed 2195). Letting them through is safe: the command was
 * proposed, so an operator has added that master again; and a disk that lost its log has no votes
 * to give (raft_lost_disk). */
static bool is_about_to_be_forgotten(const struct server *server, uint32_t master)
{
    const struct raft *raft = server->raft;
    uint64_t last = raft_last_index(raft);
    for (uint64_t index = raft_applied_index(raft) + 1; index <= last; index++) {
        struct slice command;
        if (raft_command_at(raft, index, &command) && command.length >= 1 + FORGET_BYTES &&
            command.data[0] == SERVER_COMMAND_FORGET && bytes_get_u32(command.data + 1) == master)
            return true;
    }
    return false;
}

bool server_identity_allows(const struct server *server, uint32_t master, const struct uuid *disk)
{
    if (uuid_is_zero(disk))
        return false;
    const struct server_identity *identity = server_identity_find(&server->identities, master);
    return identity == NULL || uuid_equal(&identity->disk, disk) ||
           is_about_to_be_forgotten(server, master);
}

static void propose_record(struct server *server, uint32_t master, const struct uuid *disk)
{
    uint8_t body[RECORD_BYTES];
    bytes_put_u32(body, master);
    memcpy(body + 4, disk->bytes, sizeof disk->bytes);
    server_propose(server, server_request_id(SERVER_REQUEST_RECORD, master), SERVER_COMMAND_RECORD,
                   slice_of(body, sizeof body));
}

/* Which disk a master has now, its connections' hellos do not tell: one of them may be of a process
 * that died with its disk and whose connection nobody has ended yet. To record that disk would lock
 * the new one out for ever. But who acknowledges entries of our own term, beyond the newest FORGET,
 * is no ghost of before it was added. */
void server_identity_note(struct server *server, struct server_peer *peer, const struct uuid *disk,
                          const struct wire_message *message)
{
    const struct wire_raft_appended *appended = &message->u.raft_appended;
    if (message->type != WIRE_RAFT_APPENDED || raft_role(server->raft) != RAFT_LEADER ||
        appended->term != raft_term(server->raft) || !appended->success ||
        appended->match_index == 0 || appended->match_index < server->forget_index)
        return;
    peer->log_term = appended->term;
    peer->log_disk = *disk;
}

void server_identity_record(struct server *server)
{
    /* Only with its own no-op applied does a leader know what is recorded already. */
    if (server->halted || raft_role(server->raft) != RAFT_LEADER ||
        raft_lease_until_us(server->raft) == 0)
        return;
    const struct raft_configuration *configuration = raft_configuration(server->raft);
    for (uint32_t i = 0; i < configuration->count; i++) {
        uint32_t id = configuration->servers[i].id;
        if (server_identity_find(&server->identities, id) != NULL)
            continue;
        if (id == server->options.raft.id) {
            if (!server->is_recording_self) {
                server->is_recording_self = true;
                propose_record(server, id, &server->options.disk);
            }
            continue;
        }
        struct server_peer *peer = server_peer_find(server, id);
        if (peer == NULL || peer->log_term != raft_term(server->raft) || peer->is_recording ||
            raft_lost_disk(server->raft, id))
            continue;
        peer->is_recording = true;
        propose_record(server, id, &peer->log_disk);
    }
}

void server_identity_recorded(struct server *server, uint32_t master)
{
    if (master == server->options.raft.id)
        server->is_recording_self = false;
    struct server_peer *peer = server_peer_find(server, master);
    if (peer != NULL)
        peer->is_recording = false;
}

/* ---- adding a master forgets the disk that an earlier one of that id had ---- */

static void answer_change(struct server *server, uint64_t id, enum err err)
{
    struct cm_event event = {.kind = CM_EVENT_CHANGED, .id = id, .err = err};
    server_step_cm(server, &event);
}

void server_identity_forget_then_add(struct server *server, uint64_t id,
                                     const struct raft_server *joiner)
{
    for (uint32_t i = 0; i < SERVER_CHANGES_MAX; i++) {
        struct server_change *change = &server->changes[i];
        if (change->is_used)
            continue;
        *change = (struct server_change){.is_used = true, .id = id, .server = *joiner};
        uint8_t body[FORGET_BYTES];
        bytes_put_u32(body, joiner->id);
        server_propose(server, server_request_id(SERVER_REQUEST_FORGET, i), SERVER_COMMAND_FORGET,
                       slice_of(body, sizeof body));
        return;
    }
    answer_change(server, id, ERR_BUSY);
}

void server_identity_forgotten(struct server *server, uint64_t number, enum err err)
{
    PRE(number < SERVER_CHANGES_MAX && server->changes[number].is_used);
    struct server_change change = server->changes[number];
    server->changes[number].is_used = false;
    if (err != ERR_OK) {
        /* Whether it is forgotten does not matter: the master is surely not added. */
        answer_change(server, change.id, err == ERR_OUTCOME_UNKNOWN ? ERR_NOT_LEADER : err);
        return;
    }
    struct raft_configuration next = *raft_configuration(server->raft);
    enum err problem = ERR_OK;
    for (uint32_t i = 0; i < next.count; i++)
        if (next.servers[i].id == change.server.id)
            problem = ERR_EXISTS;
    if (next.count == BOUND_MASTERS)
        problem = ERR_TOO_LARGE;
    if (problem != ERR_OK) {
        answer_change(server, change.id, problem);
        return;
    }
    next.servers[next.count++] = change.server;
    struct raft_event event = {.kind = RAFT_EVENT_CHANGE,
                               .id = server_request_id(SERVER_REQUEST_CHANGE, change.id),
                               .configuration = &next};
    server_step_raft(server, &event);
}

/* ---- snapshots ---- */

struct buf *server_snapshot_wrap(const struct server *server, const struct buf *inner)
{
    const struct server_identities *identities = &server->identities;
    size_t head = 2 + (size_t)identities->count * RECORD_BYTES;
    struct buf *data = buf_new(head + inner->length);
    data->data[0] = SNAPSHOT_VERSION;
    data->data[1] = (uint8_t)identities->count;
    for (uint32_t i = 0; i < identities->count; i++) {
        uint8_t *row = data->data + 2 + (size_t)i * RECORD_BYTES;
        bytes_put_u32(row, identities->items[i].master);
        memcpy(row + 4, identities->items[i].disk.bytes, sizeof(struct uuid));
    }
    if (inner->length > 0)
        memcpy(data->data + head, inner->data, inner->length);
    return data;
}

struct buf *server_snapshot_unwrap(struct server *server, struct buf *data)
{
    struct slice bytes = buf_slice(data);
    if (bytes.length < 2 || bytes.data[0] != SNAPSHOT_VERSION ||
        bytes.data[1] > SERVER_IDENTITIES_MAX)
        return NULL;
    size_t head = 2 + (size_t)bytes.data[1] * RECORD_BYTES;
    if (bytes.length < head)
        return NULL;
    server->identities.count = 0;
    for (uint32_t i = 0; i < bytes.data[1]; i++) {
        const uint8_t *row = bytes.data + 2 + (size_t)i * RECORD_BYTES;
        struct uuid disk;
        memcpy(disk.bytes, row + 4, sizeof disk.bytes);
        record(&server->identities, bytes_get_u32(row), &disk);
    }
    return buf_view(data, head, bytes.length - head);
}
