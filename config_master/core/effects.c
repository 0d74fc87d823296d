#include "base/buf.h"
#include "base/contract.h"
#include "base/text.h"
#include "config_master/core/leader.h"

void cm_effects_init(struct cm_effects *effects)
{
    *effects = (struct cm_effects){0};
}

void cm_effects_clear(struct cm_effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        wire_message_release(&effects->items[i].message);
        buf_unref(effects->items[i].data);
    }
    effects->count = 0;
}

void cm_effects_release(struct cm_effects *effects)
{
    cm_effects_clear(effects);
    mem_free(effects->items);
    cm_effects_init(effects);
}

struct cm_effect *cm_emit(struct cm_core *core, enum cm_effect_kind kind)
{
    struct cm_effects *effects = core->effects;
    if (effects->count == effects->capacity) {
        effects->capacity = effects->capacity == 0 ? 32 : effects->capacity * 2;
        effects->items = mem_realloc(effects->items, effects->capacity * sizeof effects->items[0]);
    }
    struct cm_effect *effect = &effects->items[effects->count++];
    *effect = (struct cm_effect){.kind = kind};
    return effect;
}

struct wire_message *cm_emit_message(struct cm_core *core, uint64_t conn, enum wire_type type)
{
    struct cm_effect *effect = cm_emit(core, CM_EFFECT_SEND);
    effect->conn = conn;
    effect->message.type = type;
    return &effect->message;
}

void *cm_message_alloc(struct wire_message *message, size_t bytes)
{
    if (message->backing == NULL)
        message->backing = wire_backing_new(bytes);
    return wire_backing_alloc(message->backing, bytes == 0 ? 1 : bytes);
}

struct slice cm_message_format(struct wire_message *message, const char *format, ...)
{
    struct text text;
    text_init(&text);
    va_list arguments;
    va_start(arguments, format);
    text_append_v(&text, format, arguments);
    va_end(arguments);
    size_t length = text.length > 1024 ? 1024 : text.length;
    uint8_t *copy = cm_message_alloc(message, length);
    if (length > 0)
        memcpy(copy, text.data, length);
    text_release(&text);
    return slice_of(copy, length);
}

void cm_refuse_not_leader(struct cm_core *core, uint64_t conn, uint64_t request)
{
    struct wire_message *message = cm_emit_message(core, conn, WIRE_REFUSED);
    struct wire_refused *refused = &message->u.refused;
    refused->request = request;
    refused->err = ERR_NOT_LEADER;
    refused->leader = core->is_leader ? 0 : core->leader;
    for (uint32_t i = 0; i < core->masters_count; i++) {
        if (refused->leader != 0 && core->masters[i].master == refused->leader)
            refused->leader_address = core->masters[i].address;
    }
    refused->text =
        refused->leader == 0
            ? cm_message_format(message, "master %u is not the leader and knows of none; ask again",
                                core->options.id)
            : cm_message_format(message, "master %u is not the leader; ask master %u",
                                core->options.id, refused->leader);
}

uint64_t cm_propose(struct cm_core *core, struct cm_writer *writer)
{
    struct cm_effect *effect = cm_emit(core, CM_EFFECT_PROPOSE);
    effect->id = core->next_id++;
    effect->data = cm_writer_take(writer);
    return effect->id;
}
