#include "base/buf.h"

#include <stdlib.h>

#include "base/contract.h"

void *mem_alloc(size_t bytes)
{
    void *memory = malloc(bytes == 0 ? 1 : bytes);
    if (memory == NULL)
        contract_fail("memory", "out of memory", __FILE__, __LINE__);
    return memory;
}

void *mem_calloc(size_t count, size_t bytes)
{
    void *memory = calloc(count == 0 ? 1 : count, bytes == 0 ? 1 : bytes);
    if (memory == NULL)
        contract_fail("memory", "out of memory", __FILE__, __LINE__);
    return memory;
}

void *mem_realloc(void *old, size_t bytes)
{
    void *memory = realloc(old, bytes == 0 ? 1 : bytes);
    if (memory == NULL)
        contract_fail("memory", "out of memory", __FILE__, __LINE__);
    return memory;
}

void mem_free(void *memory)
{
    free(memory);
}

struct buf *buf_new(size_t length)
{
    PRE(length < SIZE_MAX - sizeof(struct buf));
    struct buf *buf = mem_alloc(sizeof *buf + length);
    atomic_init(&buf->references, 1u);
    buf->parent = NULL;
    buf->data = (uint8_t *)(buf + 1);
    buf->length = length;
    buf->is_secret = false;
    return buf;
}

struct buf *buf_copy(struct slice bytes)
{
    struct buf *buf = buf_new(bytes.length);
    if (bytes.length > 0)
        memcpy(buf->data, bytes.data, bytes.length);
    return buf;
}

struct buf *buf_view(struct buf *parent, size_t offset, size_t length)
{
    PRE(parent != NULL);
    PRE(offset <= parent->length && length <= parent->length - offset);
    struct buf *buf = mem_alloc(sizeof *buf);
    atomic_init(&buf->references, 1u);
    buf->parent = buf_ref(parent);
    buf->data = parent->data + offset;
    buf->length = length;
    buf->is_secret = false;
    return buf;
}

struct buf *buf_ref(struct buf *buf)
{
    if (buf != NULL) {
        unsigned before = atomic_fetch_add_explicit(&buf->references, 1u, memory_order_relaxed);
        PRE(before > 0);
    }
    return buf;
}

void buf_keep_secret(struct buf *buf)
{
    if (buf != NULL)
        buf->is_secret = true;
}

void buf_unref(struct buf *buf)
{
    while (buf != NULL) {
        unsigned before = atomic_fetch_sub_explicit(&buf->references, 1u, memory_order_acq_rel);
        PRE(before > 0);
        if (before > 1)
            return;
        struct buf *parent = buf->parent;
        if (buf->is_secret)
            explicit_bzero(buf->data, buf->length);
        free(buf);
        buf = parent;
    }
}
