/* A persistent ordered map of byte keys to buffers: a treap whose nodes are shared between
 * versions.
 *
 * Changing a tree copies only the path to the change, and only where another version still needs
 * it; a snapshot is one reference. Priorities are hashes of the keys, so the shape depends on the
 * contents alone and a simulation replays exactly. One thread. */
#ifndef CATENA_TESTS_LIB_KV_TREE_H
#define CATENA_TESTS_LIB_KV_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* What a key maps to. Shared between versions, never changed. */
struct kv_row {
    uint64_t references;
    struct buf *value; /* owned */
    uint32_t puts;     /* since the key was last absent: SINGLE_DELETE allows one */
    bool is_damaged;   /* the value cannot be read */
    size_t key_length;
    uint8_t key[];
};

/* A node is an edge of some tree: NULL is the empty tree. */
struct kv_node {
    uint64_t references;
    uint64_t priority;
    struct kv_node *left;
    struct kv_node *right;
    struct kv_row *row;
};

static inline struct slice kv_row_key(const struct kv_row *row)
{
    return slice_of(row->key, row->key_length);
}

struct kv_node *kv_tree_ref(struct kv_node *tree);
void kv_tree_unref(struct kv_node *tree);
/* NULL when absent. Borrowed. */
const struct kv_row *kv_tree_get(const struct kv_node *tree, struct slice key);
/* The changing functions consume the reference to `tree` and return the changed tree. */
struct kv_node *kv_tree_put(struct kv_node *tree, struct slice key, struct buf *value,
                            uint32_t puts);
/* The same row with a value that cannot be read, until it is put again. */
struct kv_node *kv_tree_damage(struct kv_node *tree, struct slice key);
struct kv_node *kv_tree_remove(struct kv_node *tree, struct slice key);
/* Removes [from, to). */
struct kv_node *kv_tree_remove_range(struct kv_node *tree, struct slice from, struct slice to);
size_t kv_tree_count(const struct kv_node *tree);
/* From now on nodes that are dropped are kept for the next ones: a simulator makes hundreds of
 * thousands in a second. For programs of one thread that do not put memory back as it was (as
 * tests/model does). */
void kv_tree_keep_nodes(void);

/* In-order walk over one version. The cursor borrows the tree: keep a reference meanwhile. */
enum { KV_TREE_DEPTH_MAX = 256 };
struct kv_cursor {
    const struct kv_node *tree;
    const struct kv_node *stack[KV_TREE_DEPTH_MAX];
    unsigned depth;
};

/* Before the first key >= `from`. */
void kv_cursor_seek(struct kv_cursor *cursor, const struct kv_node *tree, struct slice from);
/* NULL at the end. */
const struct kv_row *kv_cursor_next(struct kv_cursor *cursor);

#endif
