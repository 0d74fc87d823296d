#include "tests/lib/kv_memory.h"

#include "base/contract.h"
#include "base/hash.h"
#include "tests/lib/kv_tree.h"

/* One state of all families. */
struct version {
    struct kv_node *trees[KV_FAMILIES_MAX];
};

struct fault {
    uint64_t countdown; /* 0: none */
    enum err err;
};

struct kv_memory {
    unsigned families;
    struct version durable;
    struct version *unsynced; /* the state after each batch that is not durable, oldest first */
    size_t unsynced_count;
    size_t unsynced_capacity;
    struct fault get_fault;
    struct fault apply_fault;
    uint64_t gets;
};

struct kv_iterator {
    struct kv_node *tree; /* owned snapshot */
    struct buf *from;
    struct buf *to; /* empty: no end */
    struct kv_cursor cursor;
    const struct kv_row *damaged; /* it stopped there */
    enum err err;
};

static struct version version_ref(const struct kv_memory *store, const struct version *version)
{
    struct version copy = {{NULL}};
    for (unsigned i = 0; i < store->families; i++)
        copy.trees[i] = kv_tree_ref(version->trees[i]);
    return copy;
}

static void version_release(struct version *version)
{
    for (unsigned i = 0; i < KV_FAMILIES_MAX; i++) {
        kv_tree_unref(version->trees[i]);
        version->trees[i] = NULL;
    }
}

static const struct version *visible(const struct kv_memory *store)
{
    return store->unsynced_count > 0 ? &store->unsynced[store->unsynced_count - 1]
                                     : &store->durable;
}

static bool fault_hits(struct fault *fault)
{
    return fault->countdown > 0 && --fault->countdown == 0;
}

/* ---- the interface ---- */

static enum err memory_get(void *context, unsigned family, struct slice key, struct buf **ret_value)
{
    struct kv_memory *store = context;
    PRE(family < store->families);
    store->gets++;
    if (fault_hits(&store->get_fault))
        return store->get_fault.err;
    const struct kv_row *row = kv_tree_get(visible(store)->trees[family], key);
    if (row != NULL && row->is_damaged)
        return ERR_CORRUPT;
    *ret_value = row == NULL ? NULL : buf_ref(row->value);
    return ERR_OK;
}

static struct kv_iterator *memory_iterate(void *context, unsigned family, struct slice from,
                                          struct slice to)
{
    struct kv_memory *store = context;
    PRE(family < store->families);
    struct kv_iterator *iterator = mem_alloc(sizeof *iterator);
    iterator->tree = kv_tree_ref(visible(store)->trees[family]);
    iterator->from = buf_copy(from);
    iterator->to = buf_copy(to);
    iterator->damaged = NULL;
    iterator->err = ERR_OK;
    kv_cursor_seek(&iterator->cursor, iterator->tree, from);
    return iterator;
}

static bool memory_next(struct kv_iterator *iterator, struct slice *ret_key,
                        struct slice *ret_value)
{
    if (iterator->err != ERR_OK)
        return false;
    const struct kv_row *row = kv_cursor_next(&iterator->cursor);
    if (row == NULL)
        return false;
    if (iterator->to->length > 0 && slice_compare(kv_row_key(row), buf_slice(iterator->to)) >= 0) {
        iterator->cursor.depth = 0;
        return false;
    }
    if (row->is_damaged) {
        iterator->damaged = row;
        iterator->err = ERR_CORRUPT;
        return false;
    }
    *ret_key = kv_row_key(row);
    *ret_value = buf_slice(row->value);
    return true;
}

static bool memory_pass_damaged(struct kv_iterator *iterator, struct slice *ret_key)
{
    if (iterator->damaged == NULL)
        return false;
    *ret_key = kv_row_key(iterator->damaged);
    iterator->damaged = NULL;
    iterator->err = ERR_OK;
    return true;
}

static void memory_seek(struct kv_iterator *iterator, struct slice key)
{
    struct slice from = buf_slice(iterator->from);
    kv_cursor_seek(&iterator->cursor, iterator->tree, slice_compare(key, from) < 0 ? from : key);
}

static enum err memory_iterator_err(struct kv_iterator *iterator)
{
    return iterator->err;
}

static void memory_iterator_free(struct kv_iterator *iterator)
{
    if (iterator == NULL)
        return;
    kv_tree_unref(iterator->tree);
    buf_unref(iterator->from);
    buf_unref(iterator->to);
    mem_free(iterator);
}

static const struct kv_ops memory_ops = {
    .get = memory_get,
    .iterate = memory_iterate,
    .iterator_next = memory_next,
    .iterator_seek = memory_seek,
    .iterator_err = memory_iterator_err,
    .iterator_pass_damaged = memory_pass_damaged,
    .iterator_free = memory_iterator_free,
};

struct kv kv_memory_interface(struct kv_memory *store)
{
    return (struct kv){.ops = &memory_ops, .context = store};
}

/* ---- life ---- */

struct kv_memory *kv_memory_new(unsigned families)
{
    PRE(families > 0 && families <= KV_FAMILIES_MAX);
    struct kv_memory *store = mem_calloc(1, sizeof *store);
    store->families = families;
    return store;
}

static void drop_unsynced(struct kv_memory *store)
{
    for (size_t i = 0; i < store->unsynced_count; i++)
        version_release(&store->unsynced[i]);
    store->unsynced_count = 0;
}

void kv_memory_free(struct kv_memory *store)
{
    if (store == NULL)
        return;
    drop_unsynced(store);
    version_release(&store->durable);
    mem_free(store->unsynced);
    mem_free(store);
}

struct kv_memory *kv_memory_clone(const struct kv_memory *store)
{
    struct kv_memory *clone = kv_memory_new(store->families);
    clone->durable = version_ref(store, visible(store));
    return clone;
}

void kv_memory_wipe(struct kv_memory *store)
{
    drop_unsynced(store);
    version_release(&store->durable);
}

/* ---- writing ---- */

static struct buf *value_of(const struct kv_op *op)
{
    if (op->payload == NULL)
        return buf_copy(op->value);
    if (op->value.length == 0)
        return buf_ref(op->payload);
    struct buf *value = buf_new(op->value.length + op->payload->length);
    memcpy(value->data, op->value.data, op->value.length);
    if (op->payload->length > 0)
        memcpy(value->data + op->value.length, op->payload->data, op->payload->length);
    return value;
}

static void apply_op(struct kv_node **tree, const struct kv_op *op)
{
    const struct kv_row *row = NULL;
    if (op->kind != KV_OP_DELETE_RANGE)
        row = kv_tree_get(*tree, op->key);
    switch (op->kind) {
    case KV_OP_PUT: {
        struct buf *value = value_of(op);
        *tree = kv_tree_put(*tree, op->key, value, row == NULL ? 1 : row->puts + 1);
        buf_unref(value);
        break;
    }
    case KV_OP_SINGLE_DELETE:
        INVARIANT(row == NULL || row->puts == 1);
        *tree = kv_tree_remove(*tree, op->key);
        break;
    case KV_OP_DELETE:
        *tree = kv_tree_remove(*tree, op->key);
        break;
    case KV_OP_DELETE_RANGE:
        *tree = kv_tree_remove_range(*tree, op->key, op->value);
        break;
    }
}

enum err kv_memory_apply(struct kv_memory *store, const struct kv_batch *batch)
{
    if (fault_hits(&store->apply_fault))
        return store->apply_fault.err;
    struct version next = version_ref(store, visible(store));
    for (size_t i = 0; i < batch->count; i++) {
        PRE(batch->ops[i].family < store->families);
        apply_op(&next.trees[batch->ops[i].family], &batch->ops[i]);
    }
    if (store->unsynced_count == store->unsynced_capacity) {
        store->unsynced_capacity = store->unsynced_capacity == 0 ? 8 : store->unsynced_capacity * 2;
        store->unsynced =
            mem_realloc(store->unsynced, store->unsynced_capacity * sizeof *store->unsynced);
    }
    store->unsynced[store->unsynced_count++] = next;
    return ERR_OK;
}

void kv_memory_sync_oldest(struct kv_memory *store, size_t count)
{
    if (count > store->unsynced_count)
        count = store->unsynced_count;
    if (count == 0)
        return;
    version_release(&store->durable);
    for (size_t i = 0; i + 1 < count; i++)
        version_release(&store->unsynced[i]);
    store->durable = store->unsynced[count - 1];
    store->unsynced_count -= count;
    memmove(store->unsynced, store->unsynced + count,
            store->unsynced_count * sizeof *store->unsynced);
}

void kv_memory_sync(struct kv_memory *store)
{
    kv_memory_sync_oldest(store, store->unsynced_count);
}

size_t kv_memory_unsynced(const struct kv_memory *store)
{
    return store->unsynced_count;
}

void kv_memory_crash(struct kv_memory *store, size_t keep)
{
    kv_memory_sync_oldest(store, keep);
    drop_unsynced(store);
}

/* ---- looking ---- */

static bool trees_equal(const struct kv_node *a, const struct kv_node *b)
{
    if (a == b)
        return true;
    struct kv_cursor at_a;
    struct kv_cursor at_b;
    kv_cursor_seek(&at_a, a, slice_of(NULL, 0));
    kv_cursor_seek(&at_b, b, slice_of(NULL, 0));
    for (;;) {
        const struct kv_row *row_a = kv_cursor_next(&at_a);
        const struct kv_row *row_b = kv_cursor_next(&at_b);
        if (row_a == NULL || row_b == NULL)
            return row_a == row_b;
        if (!slice_equal(kv_row_key(row_a), kv_row_key(row_b)) ||
            row_a->is_damaged != row_b->is_damaged ||
            !slice_equal(buf_slice(row_a->value), buf_slice(row_b->value)))
            return false;
    }
}

bool kv_memory_equal(const struct kv_memory *a, const struct kv_memory *b)
{
    bool equal = a->families == b->families;
    for (unsigned i = 0; i < a->families && equal; i++)
        equal = trees_equal(visible(a)->trees[i], visible(b)->trees[i]);
    return equal;
}

size_t kv_memory_count(const struct kv_memory *store, unsigned family)
{
    PRE(family < store->families);
    return kv_tree_count(visible(store)->trees[family]);
}

uint64_t kv_memory_digest(const struct kv_memory *store)
{
    uint64_t digest = 0;
    for (unsigned i = 0; i < store->families; i++) {
        struct kv_cursor cursor;
        kv_cursor_seek(&cursor, visible(store)->trees[i], slice_of(NULL, 0));
        digest = digest * 31 + i;
        for (const struct kv_row *row; (row = kv_cursor_next(&cursor)) != NULL;) {
            digest = hash_bytes(kv_row_key(row), digest);
            digest = hash_bytes(buf_slice(row->value), digest);
        }
    }
    return digest;
}

uint64_t kv_memory_gets(const struct kv_memory *store)
{
    return store->gets;
}

/* ---- faults ---- */

void kv_memory_fail_get(struct kv_memory *store, uint64_t n, enum err err)
{
    store->get_fault = (struct fault){.countdown = n, .err = err};
}

void kv_memory_fail_apply(struct kv_memory *store, uint64_t n, enum err err)
{
    store->apply_fault = (struct fault){.countdown = n, .err = err};
}

bool kv_memory_corrupt(struct kv_memory *store, unsigned family, struct slice key, size_t bit)
{
    PRE(family < store->families);
    const struct kv_row *row = kv_tree_get(visible(store)->trees[family], key);
    if (row == NULL || row->value->length == 0)
        return false;
    struct buf *value = buf_copy(buf_slice(row->value));
    value->data[bit / 8 % value->length] ^= (uint8_t)(1u << bit % 8);
    uint32_t puts = row->puts;
    kv_memory_sync(store);
    store->durable.trees[family] = kv_tree_put(store->durable.trees[family], key, value, puts);
    buf_unref(value);
    return true;
}

bool kv_memory_damage(struct kv_memory *store, unsigned family, struct slice key)
{
    PRE(family < store->families);
    if (kv_tree_get(visible(store)->trees[family], key) == NULL)
        return false;
    kv_memory_sync(store);
    store->durable.trees[family] = kv_tree_damage(store->durable.trees[family], key);
    return true;
}
