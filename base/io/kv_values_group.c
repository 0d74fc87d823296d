/* What a group of batches does to the value log: which records its rows name from now on and which
 * they name no more.
 *
 * RocksDB does not know the group yet while it is filled, so a key that the group has touched is
 * kept here, and the row that RocksDB has is looked up once, at the first touch. */
#include "base/buf.h"
#include "base/contract.h"
#include "base/hash.h"
#include "base/io/kv_rocksdb_internal.h"
#include "base/map.h"

/* A key that the group puts or deletes. */
struct touched {
    struct touched *next; /* with the same hash */
    unsigned family;
    struct slice key; /* of the batch */
    bool is_pointer;
    uint64_t segment;
    uint64_t bytes;
};

struct deleted_range {
    unsigned family;
    struct slice from; /* of the batch */
    struct slice to;
};

struct change {
    uint64_t segment;
    int64_t bytes;
};

struct kv_values_group {
    struct map touched; /* hash of family and key -> struct touched */
    struct deleted_range *ranges;
    size_t range_count;
    size_t range_capacity;
    struct change *changes;
    size_t change_count;
    size_t change_capacity;
    uint64_t appended;
};

struct kv_values_group *kv_values_group_new(void)
{
    struct kv_values_group *group = mem_calloc(1, sizeof *group);
    map_init(&group->touched);
    return group;
}

static void group_clear(struct kv_values_group *group)
{
    size_t cursor = 0;
    uint64_t hash = 0;
    for (struct touched *t; (t = map_next(&group->touched, &cursor, &hash)) != NULL;) {
        while (t != NULL) {
            struct touched *next = t->next;
            mem_free(t);
            t = next;
        }
    }
    map_release(&group->touched);
    map_init(&group->touched);
    group->range_count = 0;
    group->change_count = 0;
    group->appended = 0;
}

void kv_values_group_free(struct kv_values_group *group)
{
    if (group == NULL)
        return;
    group_clear(group);
    map_release(&group->touched);
    mem_free(group->ranges);
    mem_free(group->changes);
    mem_free(group);
}

static void add_change(struct kv_values_group *group, uint64_t segment, int64_t bytes)
{
    if (group->change_count == group->change_capacity) {
        group->change_capacity = group->change_capacity == 0 ? 64 : group->change_capacity * 2;
        group->changes =
            mem_realloc(group->changes, group->change_capacity * sizeof *group->changes);
    }
    group->changes[group->change_count++] = (struct change){.segment = segment, .bytes = bytes};
}

static void add_range(struct kv_values_group *group, unsigned family, struct slice from,
                      struct slice to)
{
    if (group->range_count == group->range_capacity) {
        group->range_capacity = group->range_capacity == 0 ? 16 : group->range_capacity * 2;
        group->ranges = mem_realloc(group->ranges, group->range_capacity * sizeof *group->ranges);
    }
    group->ranges[group->range_count++] =
        (struct deleted_range){.family = family, .from = from, .to = to};
}

static bool is_within(struct slice key, struct slice from, struct slice to)
{
    return slice_compare(key, from) >= 0 && slice_compare(key, to) < 0;
}

static bool is_deleted(const struct kv_values_group *group, unsigned family, struct slice key)
{
    for (size_t i = 0; i < group->range_count; i++) {
        const struct deleted_range *range = &group->ranges[i];
        if (range->family == family && is_within(key, range->from, range->to))
            return true;
    }
    return false;
}

/* ---- keys ---- */

enum err kv_values_look_up(struct kv_rocksdb *store, unsigned family, struct slice key,
                           bool *ret_is_pointer, struct value_pointer *ret_pointer)
{
    char *message = NULL;
    rocksdb_pinnableslice_t *pinned =
        rocksdb_get_pinned_cf(store->db, store->read_options, store->families[family],
                              (const char *)key.data, key.length, &message);
    if (message != NULL)
        return kv_rocksdb_take_err(message, ERR_DISK_LOST, NULL, 0);
    *ret_is_pointer = false;
    if (pinned == NULL)
        return ERR_OK;
    size_t length = 0;
    const char *row = rocksdb_pinnableslice_value(pinned, &length);
    enum kv_values_tag tag = KV_VALUES_PLAIN;
    struct slice plain;
    enum err err = kv_values_row_decode(slice_of(row, length), &tag, &plain, ret_pointer);
    *ret_is_pointer = err == ERR_OK && tag == KV_VALUES_POINTER;
    rocksdb_pinnableslice_destroy(pinned);
    return err;
}

static struct touched *find_touched(const struct kv_values_group *group, unsigned family,
                                    struct slice key, uint64_t hash)
{
    struct touched *t = map_get(&group->touched, hash);
    while (t != NULL && (t->family != family || !slice_equal(t->key, key)))
        t = t->next;
    return t;
}

/* The row names nothing any more. */
static void drop(struct kv_values_group *group, struct touched *touched)
{
    if (touched->is_pointer)
        add_change(group, touched->segment, -(int64_t)touched->bytes);
    touched->is_pointer = false;
}

static enum err touch(struct kv_rocksdb *store, unsigned family, struct slice key,
                      struct touched **ret_touched)
{
    struct kv_values_group *group = store->values->group;
    uint64_t hash = hash_bytes(key, family);
    struct touched *touched = find_touched(group, family, key, hash);
    if (touched == NULL) {
        bool is_pointer = false;
        struct value_pointer pointer = {0};
        if (!is_deleted(group, family, key)) {
            enum err err = kv_values_look_up(store, family, key, &is_pointer, &pointer);
            if (err != ERR_OK)
                return err;
        }
        touched = mem_calloc(1, sizeof *touched);
        *touched = (struct touched){
            .next = map_get(&group->touched, hash),
            .family = family,
            .key = key,
            .is_pointer = is_pointer,
            .segment = pointer.segment,
            .bytes = value_log_record_bytes(key.length, pointer.length),
        };
        (void)map_put(&group->touched, hash, touched);
    }
    drop(group, touched);
    *ret_touched = touched;
    return ERR_OK;
}

/* Rows that RocksDB has in the range and the group did not touch before. */
static enum err drop_rows(struct kv_rocksdb *store, unsigned family, struct slice from,
                          struct slice to)
{
    struct kv_values_group *group = store->values->group;
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_iterate_upper_bound(options, (const char *)to.data, to.length);
    rocksdb_iterator_t *rows =
        rocksdb_create_iterator_cf(store->db, options, store->families[family]);
    enum err err = ERR_OK;
    for (rocksdb_iter_seek(rows, (const char *)from.data, from.length);
         err == ERR_OK && rocksdb_iter_valid(rows); rocksdb_iter_next(rows)) {
        size_t length = 0;
        const char *bytes = rocksdb_iter_key(rows, &length);
        struct slice key = slice_of(bytes, length);
        if (find_touched(group, family, key, hash_bytes(key, family)) != NULL ||
            is_deleted(group, family, key))
            continue;
        bytes = rocksdb_iter_value(rows, &length);
        enum kv_values_tag tag = KV_VALUES_PLAIN;
        struct slice plain;
        struct value_pointer pointer;
        err = kv_values_row_decode(slice_of(bytes, length), &tag, &plain, &pointer);
        if (err == ERR_OK && tag == KV_VALUES_POINTER)
            add_change(group, pointer.segment,
                       -(int64_t)value_log_record_bytes(key.length, pointer.length));
    }
    char *message = NULL;
    rocksdb_iter_get_error(rows, &message);
    if (message != NULL)
        err = kv_rocksdb_take_err(message, ERR_DISK_LOST, NULL, 0);
    rocksdb_iter_destroy(rows);
    rocksdb_readoptions_destroy(options);
    return err;
}

static enum err touch_range(struct kv_rocksdb *store, unsigned family, struct slice from,
                            struct slice to)
{
    struct kv_values_group *group = store->values->group;
    enum err err = drop_rows(store, family, from, to);
    if (err != ERR_OK)
        return err;
    size_t cursor = 0;
    uint64_t hash = 0;
    for (struct touched *t; (t = map_next(&group->touched, &cursor, &hash)) != NULL;)
        for (; t != NULL; t = t->next)
            if (t->family == family && is_within(t->key, from, to))
                drop(group, t);
    add_range(group, family, from, to);
    return ERR_OK;
}

/* ---- operations ---- */

static const char *chars(struct slice bytes)
{
    return bytes.length == 0 ? "" : (const char *)bytes.data;
}

static enum err put_external(struct kv_rocksdb *store, const struct kv_op *op,
                             struct touched *touched)
{
    struct kv_values_group *group = store->values->group;
    const struct slice pieces[] = {op->value, buf_slice(op->payload)};
    struct value_pointer pointer;
    enum err err = value_log_append(store->values->log, op->family, op->key, pieces, 2, &pointer);
    if (err != ERR_OK)
        return err;
    uint64_t bytes = value_log_record_bytes(op->key.length, pointer.length);
    touched->is_pointer = true;
    touched->segment = pointer.segment;
    touched->bytes = bytes;
    add_change(group, pointer.segment, (int64_t)bytes);
    group->appended += bytes;
    uint8_t row[KV_VALUES_ROW_BYTES];
    kv_values_row_encode(&pointer, row);
    rocksdb_writebatch_put_cf(store->batch, store->families[op->family], chars(op->key),
                              op->key.length, (const char *)row, sizeof row);
    store->batch_bytes += op->key.length + sizeof row;
    return ERR_OK;
}

static void put_plain(struct kv_rocksdb *store, const struct kv_op *op)
{
    const char tag = KV_VALUES_PLAIN;
    struct slice payload = buf_slice(op->payload);
    const char *key = chars(op->key);
    const char *parts[] = {&tag, chars(op->value), chars(payload)};
    const size_t lengths[] = {1, op->value.length, payload.length};
    rocksdb_writebatch_putv_cf(store->batch, store->families[op->family], 1, &key, &op->key.length,
                               3, parts, lengths);
    store->batch_bytes += op->key.length + 1 + op->value.length + payload.length;
}

static enum err add_put(struct kv_rocksdb *store, const struct kv_op *op, struct touched *touched)
{
    if (op->payload != NULL && op->payload->length >= store->values->external_min_bytes[op->family])
        return put_external(store, op, touched);
    put_plain(store, op);
    return ERR_OK;
}

enum err kv_values_add(struct kv_rocksdb *store, const struct kv_op *op)
{
    rocksdb_column_family_handle_t *family = store->families[op->family];
    struct touched *touched = NULL;
    enum err err = ERR_OK;
    if (op->kind == KV_OP_DELETE_RANGE) {
        if (slice_compare(op->key, op->value) >= 0)
            return ERR_OK;
        err = touch_range(store, op->family, op->key, op->value);
    } else {
        err = touch(store, op->family, op->key, &touched);
    }
    if (err != ERR_OK)
        return err;
    store->batch_bytes += op->key.length;
    switch (op->kind) {
    case KV_OP_PUT:
        return add_put(store, op, touched);
    case KV_OP_DELETE:
    case KV_OP_SINGLE_DELETE:
        /* Collection puts a row again when it moves its value: a key is never put only once. */
        rocksdb_writebatch_delete_cf(store->batch, family, chars(op->key), op->key.length);
        break;
    case KV_OP_DELETE_RANGE:
        rocksdb_writebatch_delete_range_cf(store->batch, family, chars(op->key), op->key.length,
                                           chars(op->value), op->value.length);
        break;
    }
    return ERR_OK;
}

enum err kv_values_sync(struct kv_rocksdb *store)
{
    return value_log_sync(store->values->log);
}

uint64_t kv_values_appended(const struct kv_rocksdb *store)
{
    return store->values->group->appended;
}

void kv_values_finish(struct kv_rocksdb *store, enum err err, bool has_written, bool was_synced)
{
    struct kv_values *values = store->values;
    struct kv_values_group *group = values->group;
    /* After a failed write of the rows it is not known which of them a restart will find. */
    if (err != ERR_OK && has_written)
        values->is_frozen = true;
    for (size_t i = 0; err == ERR_OK && i < group->change_count; i++)
        value_log_live(values->log, group->changes[i].segment, group->changes[i].bytes);
    group_clear(group);
    if (values->is_frozen)
        return;
    value_log_counted(values->log);
    if (err != ERR_OK || !was_synced)
        return;
    value_log_rows_durable(values->log);
    value_log_unlink(values->log);
}
