/* The clients of the chain model: short scripts on one key, one operation at a time each. */
#include <string.h>

#include "base/hash.h"
#include "tests/model/chain.h"
#include "tests/model/mix.h"

void client_begin(void)
{
    world->ops_count = 0;
    for (unsigned client = 0; client < CLIENTS; client++) {
        const char *script = chain_settings.scripts[client];
        for (unsigned i = 0; i < CLIENT_OPS && script[i] != '\0'; i++) {
            world->ops[world->ops_count] = (struct op){
                .client = (uint8_t)client,
                .kind = script[i],
                .value = script[i] == 'g' ? 0 : (uint8_t)(world->ops_count + 1),
            };
            world->ops_count++;
            world->clients[client].count++;
        }
    }
}

/* Index of the client's current operation. */
static unsigned op_of(unsigned client)
{
    unsigned at = 0;
    for (unsigned before = 0; before < client; before++)
        at += world->clients[before].count;
    return at + world->clients[client].next;
}

void client_request(unsigned index, struct wire_message *ret_message)
{
    const struct op *op = &world->ops[index];
    const struct small_row *row = &world->master.active;
    struct wire_message message = {.type = WIRE_GET};
    uint64_t seq = index + 1; /* grows with each client's operations; that holes exist is legal */
    if (op->kind == 'g') {
        message.u.get = (struct wire_get){
            .request = index + 1,
            .chain = CHAIN,
            .epoch = row->epoch,
            .map_version = world->master.version,
            .bucket = BUCKET,
            .key = slice_of_text("k"),
            .want_value = true,
        };
    } else if (op->kind == 'd') {
        message.type = WIRE_DELETE;
        message.u.delete = (struct wire_delete){
            .request = index + 1,
            .chain = CHAIN,
            .epoch = row->epoch,
            .map_version = world->master.version,
            .session = op->client + 1u,
            .seq = seq,
            .seq_floor = seq,
            .bucket = BUCKET,
            .key = slice_of_text("k"),
        };
    } else {
        message.type = WIRE_PUT;
        message.payload = buf_copy(slice_of(&op->value, 1));
        message.u.put = (struct wire_put){
            .request = index + 1,
            .chain = CHAIN,
            .epoch = row->epoch,
            .map_version = world->master.version,
            .session = op->client + 1u,
            .seq = seq,
            .seq_floor = seq,
            .bucket = BUCKET,
            .key = slice_of_text("k"),
            .condition = op->kind == 'c' ? WIRE_CONDITION_ABSENT : WIRE_CONDITION_NONE,
            .size = 1,
            .checksum = checksum_bytes(buf_slice(message.payload)),
        };
    }
    *ret_message = message;
}

/* To the head or the tail of the newest active row, if it runs. */
void client_send(unsigned index)
{
    struct client *client = &world->clients[index];
    const struct small_row *row = &world->master.active;
    unsigned op = op_of(index);
    bool is_read = world->ops[op].kind == 'g';
    uint8_t target = row->members[is_read ? row->members_count - 1 : 0];
    client->state = CLIENT_SENT;
    client->target = target;
    client->epoch = row->epoch;
    client->target_incarnation = (uint8_t)nodes[target]->incarnation;
    if (nodes[target]->core == NULL)
        return;
    struct wire_message message;
    client_request(op, &message);
    net_send(&world->net, NODES + index, 1, target - 1u, &message);
    wire_message_release(&message);
}

bool client_may_call(unsigned index)
{
    const struct client *client = &world->clients[index];
    return client->state == CLIENT_READY && client->next < client->count;
}

void client_call(unsigned index)
{
    struct op *op = &world->ops[op_of(index)];
    op->state = OP_CALLED;
    for (unsigned i = 0; i < world->ops_count; i++)
        if (world->ops[i].state == OP_RETURNED)
            op->after |= (uint16_t)(1u << i);
    chain_tell("client %u calls %c%u", index, op->kind, op->value);
    client_send(index);
}

/* Refused and there is a newer row, or the process that was asked is gone, or nothing is under way
 * that could answer. */
bool client_may_send(unsigned index, bool is_quiet)
{
    const struct client *client = &world->clients[index];
    if (client->state == CLIENT_REFUSED)
        return is_quiet || client->epoch != world->master.active.epoch;
    if (client->state != CLIENT_SENT)
        return false;
    const struct node *target = nodes[client->target];
    return is_quiet || target->core == NULL || target->incarnation != client->target_incarnation;
}

bool clients_are_done(void)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        if (world->clients[i].next < world->clients[i].count)
            return false;
    return true;
}

static void op_returned(unsigned index, unsigned client, const struct node *node, uint8_t err)
{
    struct op *op = &world->ops[index];
    op->state = OP_RETURNED;
    op->err = err;
    if (client < CLIENTS) {
        world->clients[client].next++;
        world->clients[client].state = CLIENT_READY;
    }
    chain_tell("client %u: %c returns %u, %s", client, op->kind, op->value, err_name(err));
    if (op->kind == 'g')
        check_read_reply(node, op);
    else
        check_update_reply(node, op);
    check_history();
}

void client_hear(unsigned client, const struct node *node, const struct wire_message *reply)
{
    uint64_t request = wire_message_request(reply);
    unsigned index = (unsigned)request - 1;
    if (request == 0 || request > world->ops_count || world->ops[index].state != OP_CALLED)
        return; /* a repeated answer */
    struct op *op = &world->ops[index];
    if (reply->type == WIRE_UPDATED) {
        op_returned(index, client, node, (uint8_t)reply->u.updated.outcome);
    } else if (reply->type == WIRE_OBJECT) {
        if (reply->payload == NULL || reply->payload->length != 1 ||
            checksum_bytes(buf_slice(reply->payload)) != reply->u.object.checksum)
            model_violation("a read returned damaged bytes (S12)");
        op->value = reply->payload->data[0];
        op_returned(index, client, node, ERR_OK);
    } else if (reply->type == WIRE_REFUSED && reply->u.refused.err == ERR_NO_KEY) {
        op->value = 0;
        op_returned(index, client, node, op->kind == 'g' ? ERR_OK : ERR_NO_KEY);
    } else if (reply->type == WIRE_REFUSED) {
        if (reply->u.refused.err == ERR_OUTCOME_UNKNOWN)
            model_violation("a client with an open session is told that the outcome is unknown");
        if (client < CLIENTS)
            world->clients[client].state = CLIENT_REFUSED;
        chain_tell("client %u refused: %s", client, err_name((enum err)reply->u.refused.err));
    }
}

uint64_t client_fingerprint(uint64_t hash)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        const struct client *client = &world->clients[i];
        uint64_t word = client->state | (uint64_t)client->next << 8;
        if (client->state != CLIENT_READY)
            word |= (uint64_t)client->epoch << 32;
        if (client->state == CLIENT_SENT)
            word |= (uint64_t)client->target << 16 | (uint64_t)client->target_incarnation << 24;
        hash = mix(hash, word);
    }
    for (unsigned i = 0; i < world->ops_count; i++) {
        const struct op *op = &world->ops[i];
        hash = mix(hash, op->state | (uint64_t)op->value << 8 | (uint64_t)op->err << 16 |
                             (uint64_t)op->after << 32);
    }
    return hash;
}
