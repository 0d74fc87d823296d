/* Clients: puts with and without conditions, deletes, uploads in chunks, reads and listings, under
 * maps that may be old, with copies that come late. */
#include "base/hash.h"
#include "tests/scenario/chain/random.h"

static void key_name(uint32_t key, char *out)
{
    (void)text_format(out, 16, "key%u", key);
}

static void refresh(struct client_row *row, uint32_t chain)
{
    const struct world *world = h->world;
    *row = (struct client_row){.epoch = world->rows[chain].epoch,
                               .head = world_head(world, chain),
                               .tail = world_tail(world, chain)};
}

void clients_forget_row(uint32_t chain)
{
    for (uint32_t i = 0; i < CLIENTS; i++)
        h->clients[i].rows[chain].epoch = 0;
}

static void fill_put(struct wire_message *message, const struct op *op, struct slice name,
                     const char *value)
{
    message->type = WIRE_PUT;
    struct wire_put *put = &message->u.put;
    *put = (struct wire_put){.session = op->session,
                             .seq = op->seq,
                             .seq_floor = op->seq,
                             .bucket = WORLD_BUCKET,
                             .key = name,
                             .chain = op->chain};
    if (op->kind == OP_CREATE)
        put->condition = WIRE_CONDITION_ABSENT;
    if (op->kind == OP_MATCH) {
        put->condition = WIRE_CONDITION_MATCH;
        put->match = op->match;
    }
    if (op->kind == OP_UPLOAD) {
        put->upload_low = (uint64_t)(op - h->ops);
        put->chunk_count = op->chunks;
        put->chunk_bytes = 8;
        put->size = (uint64_t)op->chunks * 8;
        return;
    }
    message->payload = buf_copy(slice_of_text(value));
    put->size = strlen(value);
    put->checksum = checksum_bytes(slice_of_text(value));
}

static void fill_stage(struct wire_message *message, const struct op *op, struct slice name)
{
    uint32_t index = op->staged;
    char bytes[16];
    (void)text_format(bytes, sizeof bytes, "c%06u%u", (uint32_t)(op - h->ops) % 1000000, index);
    message->type = WIRE_STAGE;
    message->payload = buf_copy(slice_of_text(bytes));
    message->u.stage = (struct wire_stage){.chain = op->chain,
                                           .bucket = WORLD_BUCKET,
                                           .key = name,
                                           .upload_low = (uint64_t)(op - h->ops),
                                           .index = index,
                                           .checksum = checksum_bytes(slice_of_text(bytes))};
}

static void set_request(struct wire_message *message, uint64_t request, uint64_t epoch)
{
    switch ((unsigned)message->type) {
    case WIRE_PUT:
        message->u.put.request = request;
        message->u.put.epoch = epoch;
        break;
    case WIRE_STAGE:
        message->u.stage.request = request;
        message->u.stage.epoch = epoch;
        break;
    case WIRE_DELETE:
        message->u.delete.request = request;
        message->u.delete.epoch = epoch;
        break;
    case WIRE_GET:
        message->u.get.request = request;
        message->u.get.epoch = epoch;
        break;
    default:
        message->u.list.request = request;
        break;
    }
}

static bool is_read(const struct op *op)
{
    return op->kind == OP_GET || op->kind == OP_LIST;
}

static void keep(struct late *late, uint32_t node, const struct wire_message *message)
{
    late->node = node;
    wire_message_copy(message, &late->message);
}

/* At once, late, or late and at once. */
static void dispatch(uint32_t node, struct wire_message *message, bool is_final)
{
    if (!is_final && h->ancient_count < ANCIENT && below(40) == 0)
        keep(&h->ancient[h->ancient_count++], node, message);
    bool is_held = h->world->nodes[node].is_paused; /* in its socket's buffer */
    if (!is_final && h->late_count < LATE && (is_held || once_in(h->weather.late_in))) {
        keep(&h->late[h->late_count++], node, message);
        if (is_held || below(3) != 0) {
            wire_message_release(message);
            return;
        }
    }
    note_arrival(message);
    world_client(h->world, node, 1, message);
}

void send_attempt(uint32_t index, const struct client_row *row, bool is_final)
{
    struct op *op = &h->ops[index];
    struct world *world = h->world;
    if (world->rows[op->chain].epoch == 0 || h->attempts_count == ATTEMPTS)
        return;
    uint32_t node = is_read(op) ? row->tail : row->head;
    if (!is_final && below(30) == 0)
        node = (uint32_t)below(NODES) + 1;
    struct attempt *attempt = &h->attempts[h->attempts_count++];
    *attempt = (struct attempt){.request = ++world->next_request, .op = index, .node = node};
    for (uint32_t key = 0; key < KEYS; key++) {
        attempt->floors[key] = h->keys[op->chain][key].floor;
        attempt->are_absent[key] = h->keys[op->chain][key].is_absent;
    }
    if (!op->is_sent) {
        op->floor = h->keys[op->chain][op->key].floor;
        op->is_floor_absent = h->keys[op->chain][op->key].is_absent;
    }
    op->is_sent = true;
    char name[16];
    key_name(op->key, name);
    char value[32];
    (void)text_format(value, sizeof value, "op%u", index);
    struct slice key = slice_of_text(name);
    struct wire_chain_at at = {.chain = op->chain, .epoch = row->epoch};
    struct wire_message message = {0};
    if (op->kind == OP_GET) {
        message.type = WIRE_GET;
        message.u.get = (struct wire_get){
            .chain = op->chain, .bucket = WORLD_BUCKET, .want_value = true, .key = key};
    } else if (op->kind == OP_LIST) {
        message.type = WIRE_LIST;
        message.u.list =
            (struct wire_list){.bucket = WORLD_BUCKET, .chains = &at, .chains_count = 1};
    } else if (op->kind == OP_DELETE) {
        message.type = WIRE_DELETE;
        message.u.delete = (struct wire_delete){.chain = op->chain,
                                                .session = op->session,
                                                .seq = op->seq,
                                                .seq_floor = op->seq,
                                                .bucket = WORLD_BUCKET,
                                                .key = key};
    } else if (op->kind == OP_UPLOAD && op->staged < op->chunks) {
        attempt->stage = op->staged + 1;
        fill_stage(&message, op, key);
    } else {
        fill_put(&message, op, key, value);
    }
    set_request(&message, attempt->request, row->epoch);
    dispatch(node, &message, is_final);
}

void deliver_late(void)
{
    if (h->late_count == 0)
        return;
    uint32_t at = (uint32_t)below(h->late_count);
    if (h->world->nodes[h->late[at].node].is_paused)
        return;
    struct late late = h->late[at];
    h->late[at] = h->late[--h->late_count];
    note_arrival(&late.message);
    world_client(h->world, late.node, 1, &late.message);
}

/* Copies that were under way for a whole life; to whoever is the head now. */
void deliver_ancient(void)
{
    while (h->ancient_count > 0) {
        struct late late = h->ancient[--h->ancient_count];
        struct wire_message *message = &late.message;
        uint32_t chain = 0;
        switch ((unsigned)message->type) {
        case WIRE_PUT:
            chain = message->u.put.chain;
            break;
        case WIRE_DELETE:
            chain = message->u.delete.chain;
            break;
        case WIRE_STAGE:
            chain = message->u.stage.chain;
            break;
        default:
            wire_message_release(message);
            continue;
        }
        uint64_t request = wire_message_request(message);
        set_request(message, request, h->world->rows[chain].epoch);
        world_client(h->world, world_head(h->world, chain), 1, message);
    }
}

static enum op_kind any_kind(void)
{
    static const enum op_kind kinds[] = {OP_PUT,  OP_PUT,    OP_CREATE, OP_CREATE, OP_MATCH,
                                         OP_GET,  OP_GET,    OP_GET,    OP_GET,    OP_DELETE,
                                         OP_LIST, OP_DELETE, OP_UPLOAD};
    return kinds[below(ARRAY_COUNT(kinds))];
}

static void new_op(struct client *client)
{
    client->op = h->ops_count++;
    struct op *op = &h->ops[client->op];
    *op = (struct op){
        .kind = any_kind(),
        .chain = (uint32_t)below(CHAINS),
        .key = (uint32_t)below(KEYS),
    };
    const struct key_state *key = &h->keys[op->chain][op->key];
    if (op->kind == OP_MATCH && (key->is_absent || origin_is_none(key->floor)))
        op->kind = OP_PUT;
    op->match = key->floor;
    if (h->weather.is_sparse)
        op->kind = OP_PUT;
    if (op->kind == OP_UPLOAD)
        op->chunks = 1 + (uint32_t)below(CHUNKS);
    if (is_read(op))
        return;
    if (client->session == 0 || h->weather.is_flood || below(200) == 0) {
        client->session = ++h->last_session;
        memset(client->seqs, 0, sizeof client->seqs);
    }
    op->session = client->session;
    op->seq = ++client->seqs[op->chain];
}

void client_step(uint32_t index)
{
    struct client *client = &h->clients[index];
    bool is_new = client->op == 0 || h->ops[client->op].is_done;
    if (is_new) {
        client->op = 0;
        if (h->weather.is_sparse && below(200) != 0)
            return;
        if (h->is_calm || h->ops_count >= OPS - 100)
            return;
        new_op(client);
    } else if (h->world->now_us < client->retry_us) {
        return;
    }
    const struct op *op = &h->ops[client->op];
    struct client_row *row = &client->rows[op->chain];
    if (row->epoch == 0 || h->is_calm || !once_in(h->weather.stale_in))
        refresh(row, op->chain);
    client->retry_us = h->world->now_us + 20000 + below(200000);
    if (h->weather.is_sparse && !h->is_calm)
        client->retry_us += below(2000000);
    send_attempt(client->op, row, false);
}

/* Somebody looks once, under a map that is new or as old as some client's. */
void observer_step(void)
{
    if (h->ops_count >= OPS - 100)
        return;
    uint32_t index = h->ops_count++;
    struct op *op = &h->ops[index];
    *op = (struct op){.kind = below(4) == 0 ? OP_LIST : OP_GET,
                      .chain = (uint32_t)below(CHAINS),
                      .key = (uint32_t)below(KEYS)};
    struct client_row row = h->clients[below(CLIENTS)].rows[op->chain];
    if (row.epoch == 0 || below(2) == 0)
        refresh(&row, op->chain);
    send_attempt(index, &row, false);
}

bool clients_are_idle(void)
{
    for (uint32_t i = 0; i < CLIENTS; i++)
        if (h->clients[i].op != 0 && !h->ops[h->clients[i].op].is_done)
            return false;
    return h->late_count == 0;
}
