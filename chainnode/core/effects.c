/* The effects of a step, and the memory that emitted messages point at until the next step. */
#include "chainnode/core/cn_internal.h"

enum { ARENA_BLOCK_BYTES = 65536 };

struct cn_arena {
    struct cn_arena *next;
    size_t used;
    size_t size;
    uint8_t bytes[] __attribute__((aligned(16)));
};

void *cn_arena_alloc(struct cn_core *core, size_t bytes)
{
    bytes = (bytes + 15u) & ~(size_t)15u;
    struct cn_arena *arena = core->arena;
    if (arena == NULL || arena->size - arena->used < bytes) {
        size_t size = bytes > ARENA_BLOCK_BYTES ? bytes : ARENA_BLOCK_BYTES;
        arena = mem_alloc(sizeof *arena + size);
        arena->size = size;
        arena->used = 0;
        arena->next = core->arena;
        core->arena = arena;
    }
    void *memory = arena->bytes + arena->used;
    arena->used += bytes;
    return memory;
}

struct slice cn_arena_keep(struct cn_core *core, struct slice bytes)
{
    uint8_t *copy = cn_arena_alloc(core, bytes.length);
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    return slice_of(copy, bytes.length);
}

/* Keeps one block of the usual size, so that a busy core does not allocate in every step. */
void cn_arena_reset(struct cn_core *core)
{
    struct cn_arena *kept = NULL;
    while (core->arena != NULL) {
        struct cn_arena *next = core->arena->next;
        if (kept == NULL && core->arena->size == ARENA_BLOCK_BYTES) {
            kept = core->arena;
            kept->next = NULL;
            kept->used = 0;
        } else {
            mem_free(core->arena);
        }
        core->arena = next;
    }
    core->arena = kept;
}

void cn_arena_release(struct cn_core *core)
{
    cn_arena_reset(core);
    mem_free(core->arena);
    core->arena = NULL;
}

void cn_effects_init(struct cn_effects *effects)
{
    *effects = (struct cn_effects){0};
}

void cn_effects_clear(struct cn_effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        wire_message_release(&effects->items[i].message);
        kv_batch_free(effects->items[i].batch);
    }
    effects->count = 0;
}

void cn_effects_release(struct cn_effects *effects)
{
    cn_effects_clear(effects);
    mem_free(effects->items);
    cn_effects_init(effects);
}

struct cn_effect *cn_effect_add(struct cn_core *core, enum cn_effect_kind kind)
{
    struct cn_effects *effects = core->effects;
    if (effects->count == effects->capacity) {
        effects->capacity = effects->capacity == 0 ? 64 : effects->capacity * 2;
        effects->items = mem_realloc(effects->items, effects->capacity * sizeof *effects->items);
    }
    struct cn_effect *effect = &effects->items[effects->count++];
    *effect = (struct cn_effect){.kind = kind};
    return effect;
}

struct wire_message *cn_send_node(struct cn_core *core, uint32_t node, enum wire_type type)
{
    struct cn_effect *effect = cn_effect_add(core, CN_EFFECT_SEND_NODE);
    effect->node = node;
    effect->message.type = type;
    return &effect->message;
}

struct wire_message *cn_send_master(struct cn_core *core, enum wire_type type)
{
    struct cn_effect *effect = cn_effect_add(core, CN_EFFECT_SEND_MASTER);
    effect->message.type = type;
    return &effect->message;
}

struct wire_message *cn_reply(struct cn_core *core, uint64_t conn, enum wire_type type)
{
    struct cn_effect *effect = cn_effect_add(core, CN_EFFECT_REPLY);
    effect->conn = conn;
    effect->message.type = type;
    return &effect->message;
}

void cn_refuse(struct cn_core *core, uint64_t conn, uint64_t request, enum err err,
               const struct cn_chain *chain, const char *text)
{
    struct wire_row *row = NULL;
    if (chain != NULL && chain->row.epoch != 0) {
        row = cn_arena_alloc(core, sizeof *row);
        cn_row_to_wire(core, chain, row);
    }
    struct wire_refused *refused = &cn_reply(core, conn, WIRE_REFUSED)->u.refused;
    refused->request = request;
    refused->err = err;
    refused->text = slice_of_text(text != NULL ? text : err_text(err));
    refused->rows = row;
    refused->rows_count = row == NULL ? 0 : 1;
}

void cn_halt(struct cn_core *core, enum err err, const char *text)
{
    TRACE(&core->options.trace, "halts: %s: %s", err_name(err), text);
    struct cn_effect *effect = cn_effect_add(core, CN_EFFECT_HALT);
    size_t length = strlen(text);
    char *copy = cn_arena_alloc(core, length + 1);
    memcpy(copy, text, length + 1);
    effect->err = err;
    effect->text = copy;
    core->is_dead = true;
}

void cn_alarm(const struct cn_core *core, const struct cn_chain *chain, const char *kind,
              const char *what)
{
    const struct trace *sinks[] = {&core->options.trace, &core->options.alarm};
    for (unsigned i = 0; i < ARRAY_COUNT(sinks); i++)
        TRACE(sinks[i], "chain %u epoch %llu: %s: %s", chain->id, (unsigned long long)chain->epoch,
              kind, what);
}

void cn_disk_failed(struct cn_core *core, enum err err)
{
    if (!core->is_dead)
        cn_halt(core, ERR_DISK_LOST,
                err == ERR_CORRUPT ? "a row on disk cannot be decoded: check the disk, and start "
                                     "again with an empty directory (the cluster copies the data)"
                                   : "reading the disk failed: replace it, and start again with an "
                                     "empty directory (the cluster copies the data)");
}
