#include "base/contract.h"
#include "base/io/kv_rocksdb_internal.h"

struct kv_iterator {
    rocksdb_iterator_t *iterator;
    rocksdb_readoptions_t *options; /* keeps the bounds below */
    struct buf *from;
    struct buf *to;
    bool is_fresh; /* positioned, not yet returned */

    struct value_log *log;      /* NULL: the family has no external values */
    struct value_reader reader; /* inside for the iterator's life: it sees old pointers */
    uint8_t *value;             /* the value that was read last */
    size_t value_capacity;
    enum err err;    /* of reading one */
    bool is_damaged; /* `err` is of the value that the row names, not of the row */
};

/* The value that a row of a family with external values stands for, in a buffer. */
static enum err value_of_row(struct kv_rocksdb *store, struct slice key, struct slice row,
                             struct buf **ret_value)
{
    enum kv_values_tag tag = KV_VALUES_PLAIN;
    struct slice plain;
    struct value_pointer pointer;
    enum err err = kv_values_row_decode(row, &tag, &plain, &pointer);
    if (err != ERR_OK)
        return err;
    if (tag == KV_VALUES_PLAIN) {
        *ret_value = buf_copy(plain);
        return ERR_OK;
    }
    struct buf *value = buf_new(pointer.length);
    err = value_log_read(store->values->log, &pointer, key.length, value->data);
    if (err != ERR_OK) {
        buf_unref(value);
        return err;
    }
    *ret_value = value;
    return ERR_OK;
}

static enum err get_row(struct kv_rocksdb *store, unsigned family, struct slice key,
                        struct buf **ret_value)
{
    char *message = NULL;
    /* Pinned: the value is copied once, from the block cache or the memtable to the buffer. */
    rocksdb_pinnableslice_t *pinned =
        rocksdb_get_pinned_cf(store->db, store->read_options, store->families[family],
                              (const char *)key.data, key.length, &message);
    if (message != NULL)
        return kv_rocksdb_take_err(message, ERR_IO, NULL, 0);
    if (pinned == NULL) {
        *ret_value = NULL;
        return ERR_OK;
    }
    size_t length = 0;
    const char *bytes = rocksdb_pinnableslice_value(pinned, &length);
    struct slice row = slice_of(bytes, length);
    enum err err = ERR_OK;
    if (kv_values_has(store, family))
        err = value_of_row(store, key, row, ret_value);
    else
        *ret_value = buf_copy(row);
    rocksdb_pinnableslice_destroy(pinned);
    return err;
}

static enum err rocksdb_ops_get(void *context, unsigned family, struct slice key,
                                struct buf **ret_value)
{
    struct kv_rocksdb *store = context;
    PRE(family < store->family_count);
    if (!kv_values_has(store, family))
        return get_row(store, family, key, ret_value);
    /* Inside before the row is read: what the row names then stays until we leave. */
    struct value_reader reader;
    value_log_enter(store->values->log, &reader);
    enum err err = get_row(store, family, key, ret_value);
    value_log_leave(store->values->log, &reader);
    return err;
}

static struct kv_iterator *rocksdb_ops_iterate(void *context, unsigned family, struct slice from,
                                               struct slice to)
{
    struct kv_rocksdb *store = context;
    PRE(family < store->family_count);
    struct kv_iterator *iterator = mem_calloc(1, sizeof *iterator);
    if (kv_values_has(store, family)) {
        iterator->log = store->values->log;
        value_log_enter(iterator->log, &iterator->reader);
    }
    iterator->from = buf_copy(from);
    iterator->to = buf_copy(to);
    iterator->options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_iterate_lower_bound(
        iterator->options, (const char *)iterator->from->data, iterator->from->length);
    if (to.length > 0)
        rocksdb_readoptions_set_iterate_upper_bound(
            iterator->options, (const char *)iterator->to->data, iterator->to->length);
    iterator->iterator =
        rocksdb_create_iterator_cf(store->db, iterator->options, store->families[family]);
    /* RocksDB does not define a walk whose bounds cross: such a range is empty. */
    if (to.length > 0 && slice_compare(from, to) >= 0)
        return iterator;
    rocksdb_iter_seek(iterator->iterator, (const char *)iterator->from->data,
                      iterator->from->length);
    iterator->is_fresh = true;
    return iterator;
}

/* As value_of_row, but kept by the iterator. */
static enum err resolve(struct kv_iterator *iterator, struct slice key, struct slice row,
                        struct slice *ret_value)
{
    enum kv_values_tag tag = KV_VALUES_PLAIN;
    struct value_pointer pointer;
    enum err err = kv_values_row_decode(row, &tag, ret_value, &pointer);
    if (err != ERR_OK || tag == KV_VALUES_PLAIN)
        return err;
    if (pointer.length > iterator->value_capacity) {
        mem_free(iterator->value);
        iterator->value = mem_alloc(pointer.length);
        iterator->value_capacity = pointer.length;
    }
    err = value_log_read(iterator->log, &pointer, key.length, iterator->value);
    iterator->is_damaged = err == ERR_CORRUPT;
    *ret_value = slice_of(iterator->value, pointer.length);
    return err;
}

static bool rocksdb_ops_next(struct kv_iterator *iterator, struct slice *ret_key,
                             struct slice *ret_value)
{
    if (iterator->err != ERR_OK)
        return false;
    if (!iterator->is_fresh && rocksdb_iter_valid(iterator->iterator))
        rocksdb_iter_next(iterator->iterator);
    iterator->is_fresh = false;
    if (!rocksdb_iter_valid(iterator->iterator))
        return false;
    size_t length = 0;
    const char *key = rocksdb_iter_key(iterator->iterator, &length);
    *ret_key = slice_of(key, length);
    const char *value = rocksdb_iter_value(iterator->iterator, &length);
    *ret_value = slice_of(value, length);
    if (iterator->log != NULL)
        iterator->err = resolve(iterator, *ret_key, *ret_value, ret_value);
    return iterator->err == ERR_OK;
}

/* RocksDB's iterator still stands on the row: the next step goes behind it. */
static bool rocksdb_ops_pass_damaged(struct kv_iterator *iterator, struct slice *ret_key)
{
    if (!iterator->is_damaged)
        return false;
    iterator->is_damaged = false;
    iterator->err = ERR_OK;
    size_t length = 0;
    const char *key = rocksdb_iter_key(iterator->iterator, &length);
    *ret_key = slice_of(key, length);
    return true;
}

static void rocksdb_ops_seek(struct kv_iterator *iterator, struct slice key)
{
    struct slice from = buf_slice(iterator->from);
    struct slice to = buf_slice(iterator->to);
    if (to.length > 0 && slice_compare(from, to) >= 0)
        return;
    if (slice_compare(key, from) < 0)
        key = from;
    rocksdb_iter_seek(iterator->iterator, (const char *)key.data, key.length);
    iterator->is_fresh = true;
}

static enum err rocksdb_ops_iterator_err(struct kv_iterator *iterator)
{
    if (iterator->err != ERR_OK)
        return iterator->err;
    char *message = NULL;
    rocksdb_iter_get_error(iterator->iterator, &message);
    return kv_rocksdb_take_err(message, ERR_IO, NULL, 0);
}

static void rocksdb_ops_iterator_free(struct kv_iterator *iterator)
{
    if (iterator == NULL)
        return;
    rocksdb_iter_destroy(iterator->iterator);
    if (iterator->log != NULL)
        value_log_leave(iterator->log, &iterator->reader);
    mem_free(iterator->value);
    rocksdb_readoptions_destroy(iterator->options);
    buf_unref(iterator->from);
    buf_unref(iterator->to);
    mem_free(iterator);
}

const struct kv_ops kv_rocksdb_ops = {
    .get = rocksdb_ops_get,
    .iterate = rocksdb_ops_iterate,
    .iterator_next = rocksdb_ops_next,
    .iterator_seek = rocksdb_ops_seek,
    .iterator_err = rocksdb_ops_iterator_err,
    .iterator_pass_damaged = rocksdb_ops_pass_damaged,
    .iterator_free = rocksdb_ops_iterator_free,
};
