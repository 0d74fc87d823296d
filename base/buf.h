/* Reference-counted byte buffers: the one currency for payloads.
 *
 * A buffer is written by its creator before it is shared and never changed afterwards, so threads
 * share it freely; only the count is atomic. A *view* shares its parent's memory and keeps the
 * parent alive (a payload inside a received frame needs no copy). */
#ifndef CATENA_BASE_BUF_H
#define CATENA_BASE_BUF_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct buf {
    atomic_uint references;
    struct buf *parent; /* owned reference, or NULL when the bytes follow the header */
    uint8_t *data;
    size_t length;  /* bytes; the creator may lower it before sharing */
    bool is_secret; /* overwritten when it is freed */
};

/* A new buffer of that many bytes, contents undefined, one reference owned by the caller. Never
 * NULL: running out of memory ends the process (the operating system overcommits; a node is
 * bounded). */
struct buf *buf_new(size_t length);
struct buf *buf_copy(struct slice bytes);
/* A view of parent[offset, offset + length). Takes its own reference to parent. */
struct buf *buf_view(struct buf *parent, size_t offset, size_t length);
/* One more reference; returns buf. NULL is allowed and returned. */
struct buf *buf_ref(struct buf *buf);
/* The bytes hold a secret: they are overwritten when the last reference goes (of a view: its part).
 * Before it is shared, or by the only thread that reads it. NULL is allowed. */
void buf_keep_secret(struct buf *buf);
/* One reference fewer; frees at the last. NULL is allowed. */
void buf_unref(struct buf *buf);

static inline struct slice buf_slice(const struct buf *buf)
{
    return buf == NULL ? slice_of(NULL, 0) : slice_of(buf->data, buf->length);
}

/* malloc, calloc and realloc that end the process with a clear line instead of returning NULL. */
void *mem_alloc(size_t bytes);
void *mem_calloc(size_t count, size_t bytes);
void *mem_realloc(void *old, size_t bytes);
void mem_free(void *memory);

#endif
