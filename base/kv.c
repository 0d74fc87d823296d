#include "base/kv.h"

#include "base/contract.h"

/* Most batches are small: of the masters' log, of an idle chain. What an allocator hands out
 * quickly is at most a kilobyte; the blocks after the first are for those that are not small. */
enum { ARENA_FIRST_BYTES = 960, ARENA_BLOCK_BYTES = 16384, OPS_FIRST = 8 };

struct kv_arena {
    struct kv_arena *next;
    size_t used;
    size_t size;
    uint8_t bytes[]; /* keys and values of the batch */
};

struct kv_batch *kv_batch_new(void)
{
    return mem_calloc(1, sizeof(struct kv_batch));
}

void kv_batch_free(struct kv_batch *batch)
{
    if (batch == NULL)
        return;
    for (size_t i = 0; i < batch->count; i++)
        buf_unref(batch->ops[i].payload);
    while (batch->arena != NULL) {
        struct kv_arena *next = batch->arena->next;
        mem_free(batch->arena);
        batch->arena = next;
    }
    mem_free(batch->ops);
    mem_free(batch);
}

bool kv_batch_is_empty(const struct kv_batch *batch)
{
    return batch->count == 0;
}

static struct slice arena_copy(struct kv_batch *batch, struct slice bytes)
{
    if (bytes.length == 0)
        return slice_of(NULL, 0);
    struct kv_arena *arena = batch->arena;
    if (arena == NULL || arena->size - arena->used < bytes.length) {
        size_t usual = arena == NULL ? ARENA_FIRST_BYTES : ARENA_BLOCK_BYTES;
        size_t size = bytes.length > usual ? bytes.length : usual;
        arena = mem_alloc(sizeof *arena + size);
        arena->used = 0;
        arena->size = size;
        arena->next = batch->arena;
        batch->arena = arena;
    }
    uint8_t *copy = arena->bytes + arena->used;
    memcpy(copy, bytes.data, bytes.length);
    arena->used += bytes.length;
    return slice_of(copy, bytes.length);
}

static void append(struct kv_batch *batch, enum kv_op_kind kind, unsigned family, struct slice key,
                   struct slice value, struct buf *payload)
{
    PRE(family < KV_FAMILIES_MAX);
    if (batch->count == batch->capacity) {
        batch->capacity = batch->capacity == 0 ? OPS_FIRST : batch->capacity * 2;
        batch->ops = mem_realloc(batch->ops, batch->capacity * sizeof *batch->ops);
    }
    batch->ops[batch->count++] = (struct kv_op){
        .kind = kind,
        .family = family,
        .key = arena_copy(batch, key),
        .value = arena_copy(batch, value),
        .payload = buf_ref(payload),
    };
    batch->bytes += key.length + value.length + (payload == NULL ? 0 : payload->length);
}

void kv_batch_put(struct kv_batch *batch, unsigned family, struct slice key, struct slice value,
                  struct buf *payload)
{
    append(batch, KV_OP_PUT, family, key, value, payload);
}

void kv_batch_delete(struct kv_batch *batch, unsigned family, struct slice key)
{
    append(batch, KV_OP_DELETE, family, key, slice_of(NULL, 0), NULL);
}

void kv_batch_single_delete(struct kv_batch *batch, unsigned family, struct slice key)
{
    append(batch, KV_OP_SINGLE_DELETE, family, key, slice_of(NULL, 0), NULL);
}

void kv_batch_delete_range(struct kv_batch *batch, unsigned family, struct slice from,
                           struct slice to)
{
    append(batch, KV_OP_DELETE_RANGE, family, from, to, NULL);
}
