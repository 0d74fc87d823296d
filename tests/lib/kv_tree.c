#include "tests/lib/kv_tree.h"

#include "base/contract.h"
#include "base/hash.h"

static bool are_nodes_kept;
static struct kv_node *free_nodes; /* linked by `left` */

void kv_tree_keep_nodes(void)
{
    are_nodes_kept = true;
}

static struct kv_node *node_new(void)
{
    struct kv_node *node = free_nodes;
    if (node == NULL)
        return mem_alloc(sizeof *node);
    free_nodes = node->left;
    return node;
}

static void node_free(struct kv_node *node)
{
    if (!are_nodes_kept) {
        mem_free(node);
        return;
    }
    node->left = free_nodes;
    free_nodes = node;
}

static struct kv_row *row_new(struct slice key, struct buf *value, uint32_t puts)
{
    struct kv_row *row = mem_alloc(sizeof *row + key.length);
    row->references = 1;
    row->value = buf_ref(value);
    row->puts = puts;
    row->is_damaged = false;
    row->key_length = key.length;
    if (key.length > 0)
        memcpy(row->key, key.data, key.length);
    return row;
}

static void row_unref(struct kv_row *row)
{
    if (--row->references > 0)
        return;
    buf_unref(row->value);
    mem_free(row);
}

struct kv_node *kv_tree_ref(struct kv_node *tree)
{
    if (tree != NULL)
        tree->references++;
    return tree;
}

void kv_tree_unref(struct kv_node *tree)
{
    if (tree == NULL || --tree->references > 0)
        return;
    kv_tree_unref(tree->left);
    kv_tree_unref(tree->right);
    row_unref(tree->row);
    node_free(tree);
}

/* The node itself if nobody else sees it, else a copy that may be changed. */
static struct kv_node *own(struct kv_node *node)
{
    if (node->references == 1)
        return node;
    struct kv_node *copy = node_new();
    *copy = *node;
    copy->references = 1;
    kv_tree_ref(copy->left);
    kv_tree_ref(copy->right);
    copy->row->references++;
    node->references--;
    return copy;
}

const struct kv_row *kv_tree_get(const struct kv_node *tree, struct slice key)
{
    while (tree != NULL) {
        int order = slice_compare(key, kv_row_key(tree->row));
        if (order == 0)
            return tree->row;
        tree = order < 0 ? tree->left : tree->right;
    }
    return NULL;
}

/* Consumes tree; *ret_below gets the keys < key, *ret_above those >= key. */
static void split(struct kv_node *tree, struct slice key, struct kv_node **ret_below,
                  struct kv_node **ret_above)
{
    if (tree == NULL) {
        *ret_below = NULL;
        *ret_above = NULL;
        return;
    }
    tree = own(tree);
    if (slice_compare(kv_row_key(tree->row), key) < 0) {
        split(tree->right, key, &tree->right, ret_above);
        *ret_below = tree;
    } else {
        split(tree->left, key, ret_below, &tree->left);
        *ret_above = tree;
    }
}

/* Consumes both; every key of `below` is less than every key of `above`. */
static struct kv_node *merge(struct kv_node *below, struct kv_node *above)
{
    if (below == NULL)
        return above;
    if (above == NULL)
        return below;
    if (below->priority > above->priority) {
        below = own(below);
        below->right = merge(below->right, above);
        return below;
    }
    above = own(above);
    above->left = merge(below, above->left);
    return above;
}

static struct kv_node *insert(struct kv_node *tree, struct kv_node *node)
{
    if (tree == NULL)
        return node;
    if (node->priority > tree->priority) {
        split(tree, kv_row_key(node->row), &node->left, &node->right);
        return node;
    }
    tree = own(tree);
    if (slice_compare(kv_row_key(node->row), kv_row_key(tree->row)) < 0)
        tree->left = insert(tree->left, node);
    else
        tree->right = insert(tree->right, node);
    return tree;
}

/* The key is known to be there. */
static struct kv_node *replace(struct kv_node *tree, struct kv_row *row)
{
    tree = own(tree);
    int order = slice_compare(kv_row_key(row), kv_row_key(tree->row));
    if (order == 0) {
        row_unref(tree->row);
        tree->row = row;
    } else if (order < 0) {
        tree->left = replace(tree->left, row);
    } else {
        tree->right = replace(tree->right, row);
    }
    return tree;
}

struct kv_node *kv_tree_put(struct kv_node *tree, struct slice key, struct buf *value,
                            uint32_t puts)
{
    enum { PRIORITY_SEED = 77 };
    struct kv_row *row = row_new(key, value, puts);
    if (kv_tree_get(tree, key) != NULL)
        return replace(tree, row);
    struct kv_node *node = node_new();
    *node = (struct kv_node){
        .references = 1,
        .priority = hash_bytes(key, PRIORITY_SEED),
        .row = row,
    };
    return insert(tree, node);
}

struct kv_node *kv_tree_damage(struct kv_node *tree, struct slice key)
{
    const struct kv_row *row = kv_tree_get(tree, key);
    if (row == NULL)
        return tree;
    struct kv_row *damaged = row_new(key, row->value, row->puts);
    damaged->is_damaged = true;
    return replace(tree, damaged);
}

static struct kv_node *remove_present(struct kv_node *tree, struct slice key)
{
    tree = own(tree);
    int order = slice_compare(key, kv_row_key(tree->row));
    if (order < 0) {
        tree->left = remove_present(tree->left, key);
        return tree;
    }
    if (order > 0) {
        tree->right = remove_present(tree->right, key);
        return tree;
    }
    struct kv_node *rest = merge(tree->left, tree->right);
    tree->left = NULL;
    tree->right = NULL;
    kv_tree_unref(tree);
    return rest;
}

struct kv_node *kv_tree_remove(struct kv_node *tree, struct slice key)
{
    return kv_tree_get(tree, key) == NULL ? tree : remove_present(tree, key);
}

struct kv_node *kv_tree_remove_range(struct kv_node *tree, struct slice from, struct slice to)
{
    if (slice_compare(from, to) >= 0)
        return tree;
    struct kv_node *below;
    struct kv_node *middle;
    struct kv_node *above;
    split(tree, to, &below, &above);
    split(below, from, &below, &middle);
    kv_tree_unref(middle);
    return merge(below, above);
}

size_t kv_tree_count(const struct kv_node *tree)
{
    return tree == NULL ? 0 : 1 + kv_tree_count(tree->left) + kv_tree_count(tree->right);
}

static void push(struct kv_cursor *cursor, const struct kv_node *node)
{
    INVARIANT(cursor->depth < KV_TREE_DEPTH_MAX);
    cursor->stack[cursor->depth++] = node;
}

void kv_cursor_seek(struct kv_cursor *cursor, const struct kv_node *tree, struct slice from)
{
    cursor->tree = tree;
    cursor->depth = 0;
    while (tree != NULL) {
        if (slice_compare(kv_row_key(tree->row), from) >= 0) {
            push(cursor, tree);
            tree = tree->left;
        } else {
            tree = tree->right;
        }
    }
}

const struct kv_row *kv_cursor_next(struct kv_cursor *cursor)
{
    if (cursor->depth == 0)
        return NULL;
    const struct kv_node *node = cursor->stack[--cursor->depth];
    for (const struct kv_node *next = node->right; next != NULL; next = next->left)
        push(cursor, next);
    return node->row;
}
