/* The store interface that cores are given: ordered families of byte keys, atomic batches.
 *
 * A core *reads* synchronously through `struct kv` (metadata only: bulk payload never passes
 * through a core) and *writes* by filling a `struct kv_batch` that it emits as an effect. The
 * driver applies batches in the order they were emitted, each atomically, and reports each as done
 * exactly once and in order. After a crash the surviving state is some prefix of the emitted
 * batches that includes every batch up to the last one reported done with `sync`.
 *
 * Reads see a prefix of the emitted batches: at least those reported done, perhaps more. Two
 * implementations: RocksDB (base/io/kv_rocksdb.h) and memory (tests/lib/kv_memory.h); both pass
 * tests/lib/kv_conformance. */
#ifndef CATENA_BASE_KV_H
#define CATENA_BASE_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum { KV_FAMILIES_MAX = 16 };

struct kv_iterator;

struct kv_ops {
    /* ERR_OK and one reference in *ret_value (NULL there = absent); ERR_CORRUPT or ERR_IO
     * otherwise. */
    enum err (*get)(void *context, unsigned family, struct slice key, struct buf **ret_value);
    /* An iterator over [from, to) of a family, at a consistent snapshot. Empty `to` = no end. */
    struct kv_iterator *(*iterate)(void *context, unsigned family, struct slice from,
                                   struct slice to);
    /* False at the end (or on an error: see iterator_err). Slices valid until the next call. */
    bool (*iterator_next)(struct kv_iterator *iterator, struct slice *ret_key,
                          struct slice *ret_value);
    /* Continue at the first key >= key (still below `to`): for skipping ahead. */
    void (*iterator_seek)(struct kv_iterator *iterator, struct slice key);
    enum err (*iterator_err)(struct kv_iterator *iterator);
    /* NULL: the store has no such rows. See kv_iterator_pass_damaged. */
    bool (*iterator_pass_damaged)(struct kv_iterator *iterator, struct slice *ret_key);
    void (*iterator_free)(struct kv_iterator *iterator);
};

struct kv {
    const struct kv_ops *ops;
    void *context;
};

/* *ret_value is NULL when the key is not there, and after an error. */
static inline enum err kv_get(const struct kv *kv, unsigned family, struct slice key,
                              struct buf **ret_value)
{
    *ret_value = NULL;
    return kv->ops->get(kv->context, family, key, ret_value);
}

static inline struct kv_iterator *kv_iterate(const struct kv *kv, unsigned family,
                                             struct slice from, struct slice to)
{
    return kv->ops->iterate(kv->context, family, from, to);
}

/* After iterator_next was false: true, and its key, if the walk stopped at a row that is there and
 * whose value alone cannot be read (bit rot in a file of values). The row is passed: iterator_next
 * goes on behind it. Who does not ask stays in front of it, with ERR_CORRUPT of iterator_err. */
static inline bool kv_iterator_pass_damaged(const struct kv *kv, struct kv_iterator *iterator,
                                            struct slice *ret_key)
{
    return kv->ops->iterator_pass_damaged != NULL &&
           kv->ops->iterator_pass_damaged(iterator, ret_key);
}

enum kv_op_kind {
    KV_OP_PUT,
    KV_OP_DELETE,
    KV_OP_SINGLE_DELETE, /* only for keys put exactly once since they were last absent */
    KV_OP_DELETE_RANGE,  /* [key, value): the end key travels as the value */
};

struct kv_op {
    enum kv_op_kind kind;
    unsigned family;
    struct slice key;    /* points into the batch's arena */
    struct slice value;  /* points into the batch's arena: the first part of the value */
    struct buf *payload; /* owned reference or NULL: the second part of the value, not copied */
};

/* Filled by one core, handed over, read by one driver, freed by the driver. */
struct kv_batch {
    struct kv_op *ops;
    size_t count;
    size_t capacity;
    size_t bytes; /* keys, values and payloads */
    struct kv_arena *arena;
};

struct kv_batch *kv_batch_new(void);
void kv_batch_free(struct kv_batch *batch);
bool kv_batch_is_empty(const struct kv_batch *batch);
/* Key and value are copied; payload (may be NULL) is referenced and follows the value. */
void kv_batch_put(struct kv_batch *batch, unsigned family, struct slice key, struct slice value,
                  struct buf *payload);
void kv_batch_delete(struct kv_batch *batch, unsigned family, struct slice key);
void kv_batch_single_delete(struct kv_batch *batch, unsigned family, struct slice key);
void kv_batch_delete_range(struct kv_batch *batch, unsigned family, struct slice from,
                           struct slice to);

#endif
