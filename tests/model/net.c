#include "tests/model/net.h"

#include "base/contract.h"
#include "base/hash.h"
#include "tests/model/heap.h"
#include "tests/model/mix.h"
#include "wire/schema.h"

void net_copy(const struct wire_message *message, struct wire_message *ret_copy)
{
    struct wire_message flat = *message;
    flat.payload = NULL;
    wire_message_copy(&flat, ret_copy);
    if (message->payload != NULL)
        ret_copy->payload = buf_copy(buf_slice(message->payload));
}

static uint64_t hash_fields(const struct wire_schema *schema, const void *base, uint64_t hash);

static uint64_t hash_array(const struct wire_field *field, const void *base, uint64_t hash)
{
    const struct wire_schema *element = field->type();
    const char *elements = wire_field_elements(base, field);
    uint32_t count = wire_field_count(base, field);
    hash = mix(hash, count);
    for (uint32_t i = 0; i < count; i++)
        hash = hash_fields(element, elements + i * element->size, hash);
    return hash;
}

static uint64_t hash_field(const struct wire_field *field, const void *base, uint64_t hash)
{
    const void *at = wire_field_const(base, field);
    switch (field->kind) {
    case WIRE_KIND_U8:
        return mix(hash, *(const uint8_t *)at);
    case WIRE_KIND_U32:
        return mix(hash, *(const uint32_t *)at);
    case WIRE_KIND_U64:
        return mix(hash, *(const uint64_t *)at);
    case WIRE_KIND_BOOL:
        return mix(hash, *(const bool *)at ? 1u : 0u);
    case WIRE_KIND_UUID:
        return mix(hash, hash_bytes(slice_of(at, sizeof(struct uuid)), 1));
    case WIRE_KIND_ORIGIN:
        return mix(mix(hash, ((const struct origin *)at)->epoch), ((const struct origin *)at)->lsn);
    case WIRE_KIND_BYTES:
        return mix(hash, hash_bytes(*(const struct slice *)at, 2));
    case WIRE_KIND_STRUCT:
        return hash_fields(field->type(), at, hash);
    case WIRE_KIND_ARRAY:
        return hash_array(field, base, hash);
    }
    IMPOSSIBLE("every kind is listed above");
}

static uint64_t hash_fields(const struct wire_schema *schema, const void *base, uint64_t hash)
{
    for (uint32_t i = 0; i < schema->field_count; i++)
        hash = hash_field(&schema->fields[i], base, hash);
    return hash;
}

static uint64_t hash_message(const struct net_message *entry)
{
    uint64_t hash =
        mix(mix(mix(mix(7, entry->message.type), entry->from), entry->to), entry->incarnation);
    hash = hash_fields(wire_schema_of(entry->message.type), &entry->message.u, hash);
    return mix(hash, hash_bytes(buf_slice(entry->message.payload), 3));
}

void net_send(struct net *net, unsigned from, uint64_t incarnation, unsigned to,
              const struct wire_message *message)
{
    struct net_queue *queue = &net->queues[from][to];
    struct net_message *entry = mem_alloc(sizeof *entry);
    *entry =
        (struct net_message){.incarnation = incarnation, .from = (uint8_t)from, .to = (uint8_t)to};
    net_copy(message, &entry->message);
    entry->hash = hash_message(entry);
    struct net_message **end = &queue->oldest;
    while (*end != NULL)
        end = &(*end)->next;
    *end = entry;
    queue->count++;
    net->queued++;
}

void net_free(struct net_message *entry)
{
    wire_message_release(&entry->message);
    mem_free(entry);
}

struct net_message *net_take(struct net *net, unsigned from, unsigned to)
{
    struct net_queue *queue = &net->queues[from][to];
    INVARIANT(queue->count > 0);
    struct net_message *entry = queue->oldest;
    queue->oldest = entry->next;
    entry->next = NULL;
    queue->count--;
    net->queued--;
    return entry;
}

struct net_message *net_take_limbo(struct net *net, unsigned index)
{
    INVARIANT(index < net->limbo_count);
    struct net_message *entry = net->limbo[index];
    net->limbo[index] = net->limbo[--net->limbo_count];
    return entry;
}

void net_delay(struct net *net, unsigned from, unsigned to)
{
    INVARIANT(net->limbo_count < NET_LIMBO_MAX);
    net->limbo[net->limbo_count++] = net_take(net, from, to);
}

void net_repeat(struct net *net, unsigned from, unsigned to)
{
    INVARIANT(net->limbo_count < NET_LIMBO_MAX && net->queues[from][to].count > 0);
    const struct net_message *entry = net->queues[from][to].oldest;
    struct net_message *copy = mem_alloc(sizeof *copy);
    *copy = *entry;
    copy->next = NULL;
    net_copy(&entry->message, &copy->message);
    net->limbo[net->limbo_count++] = copy;
}

void net_cut_to(struct net *net, unsigned to)
{
    for (unsigned from = 0; from < NET_ENDS; from++)
        while (net->queues[from][to].count > 0)
            net_free(net_take(net, from, to));
}

void net_forget_limbo(struct net *net)
{
    while (net->limbo_count > 0)
        net_free(net_take_limbo(net, 0));
}

uint64_t net_fingerprint(const struct net *net, uint64_t hash)
{
    uint64_t limbo = 0;
    for (uint32_t i = 0; i < net->limbo_count; i++)
        limbo += mix(11, net->limbo[i]->hash);
    hash = mix(hash, limbo);
    if (net->queued == 0)
        return hash;
    for (unsigned from = 0; from < NET_ENDS; from++)
        for (unsigned to = 0; to < NET_ENDS; to++)
            for (const struct net_message *entry = net->queues[from][to].oldest; entry != NULL;
                 entry = entry->next)
                hash = mix(hash, entry->hash);
    return hash;
}
