/* Bump memory behind decoded and copied messages. */
#include <stdalign.h>

#include "base/contract.h"
#include "wire/messages.h"

struct backing_block {
    struct backing_block *next;
    size_t used;
    size_t size;
    alignas(max_align_t) uint8_t bytes[];
};

struct backing_keep {
    struct backing_keep *next;
    struct buf *buf;
};

/* The backing lives in its own first block, so the common message costs one allocation. */
struct wire_backing {
    struct backing_block *block; /* newest first; the oldest holds this struct */
    struct backing_keep *kept;
};

static struct backing_block *block_new(size_t size, struct backing_block *next)
{
    struct backing_block *block = mem_alloc(sizeof *block + size);
    block->next = next;
    block->used = 0;
    block->size = size;
    return block;
}

static void *block_take(struct backing_block *block, size_t bytes)
{
    const size_t align = alignof(max_align_t);
    size_t rounded = (bytes + align - 1) / align * align;
    if (rounded < bytes || block->size - block->used < rounded)
        return NULL;
    void *memory = block->bytes + block->used;
    block->used += rounded;
    return memory;
}

struct wire_backing *wire_backing_new(size_t bytes_hint)
{
    PRE(bytes_hint < SIZE_MAX / 2);
    const size_t self = sizeof(struct wire_backing) + alignof(max_align_t);
    struct backing_block *block = block_new(self + bytes_hint + alignof(max_align_t), NULL);
    struct wire_backing *backing = block_take(block, sizeof *backing);
    backing->block = block;
    backing->kept = NULL;
    return backing;
}

void *wire_backing_alloc(struct wire_backing *backing, size_t bytes)
{
    PRE(bytes < SIZE_MAX / 4);
    void *memory = block_take(backing->block, bytes);
    if (memory != NULL)
        return memory;
    size_t size = backing->block->size * 2;
    if (size < bytes + alignof(max_align_t))
        size = bytes + alignof(max_align_t);
    backing->block = block_new(size, backing->block);
    return block_take(backing->block, bytes);
}

void wire_backing_keep(struct wire_backing *backing, struct buf *buf)
{
    struct backing_keep *keep = wire_backing_alloc(backing, sizeof *keep);
    keep->next = backing->kept;
    keep->buf = buf_ref(buf);
    backing->kept = keep;
}

void wire_backing_free(struct wire_backing *backing)
{
    if (backing == NULL)
        return;
    for (struct backing_keep *keep = backing->kept; keep != NULL; keep = keep->next)
        buf_unref(keep->buf);
    struct backing_block *block = backing->block;
    while (block != NULL) {
        struct backing_block *next = block->next;
        mem_free(block);
        block = next;
    }
}
