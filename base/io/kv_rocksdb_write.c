#include "base/contract.h"
#include "base/io/kv_rocksdb_internal.h"
#include "base/text.h"

/* A reused batch keeps its memory; one that grew beyond this is given back. */
enum { BATCH_BYTES_KEPT = 4 << 20 };
/* Of one write, so that the writes behind it do not wait long. */
enum { COLLECT_BYTES_MAX = 4 << 20 };
/* Less garbage than this is not worth moving values for. */
enum {
    RECLAIM_BYTES_MIN = 128 << 20,
    BOTTOMMOST_FORCE = 2 /* rocksdb::BottommostLevelCompaction */
};

static const char *chars(struct slice bytes)
{
    return bytes.length == 0 ? "" : (const char *)bytes.data;
}

static void add_put(struct kv_rocksdb *store, const struct kv_op *op)
{
    rocksdb_column_family_handle_t *family = store->families[op->family];
    if (op->payload == NULL) {
        rocksdb_writebatch_put_cf(store->batch, family, chars(op->key), op->key.length,
                                  chars(op->value), op->value.length);
        return;
    }
    const char *key = chars(op->key);
    struct slice payload = buf_slice(op->payload);
    const char *parts[2] = {chars(op->value), chars(payload)};
    const size_t lengths[2] = {op->value.length, payload.length};
    rocksdb_writebatch_putv_cf(store->batch, family, 1, &key, &op->key.length, 2, parts, lengths);
}

static enum err add_op(struct kv_rocksdb *store, const struct kv_op *op)
{
    PRE(op->family < store->family_count);
    if (kv_values_has(store, op->family))
        return kv_values_add(store, op);
    store->batch_bytes += op->key.length + op->value.length + buf_slice(op->payload).length;
    rocksdb_column_family_handle_t *family = store->families[op->family];
    switch (op->kind) {
    case KV_OP_PUT:
        add_put(store, op);
        break;
    case KV_OP_DELETE:
        rocksdb_writebatch_delete_cf(store->batch, family, chars(op->key), op->key.length);
        break;
    case KV_OP_SINGLE_DELETE:
        rocksdb_writebatch_singledelete_cf(store->batch, family, chars(op->key), op->key.length);
        break;
    case KV_OP_DELETE_RANGE:
        /* RocksDB refuses a range whose end comes before its start. */
        if (slice_compare(op->key, op->value) < 0)
            rocksdb_writebatch_delete_range_cf(store->batch, family, chars(op->key), op->key.length,
                                               chars(op->value), op->value.length);
        break;
    }
    return ERR_OK;
}

static void clear_batch(struct kv_rocksdb *store)
{
    if (store->batch_bytes > BATCH_BYTES_KEPT) {
        rocksdb_writebatch_destroy(store->batch);
        store->batch = rocksdb_writebatch_create();
    } else {
        rocksdb_writebatch_clear(store->batch);
    }
    store->batch_bytes = 0;
}

enum err kv_rocksdb_write_batch(struct kv_rocksdb *store, bool sync, char *ret_text,
                                size_t text_size)
{
    char *message = NULL;
    rocksdb_write(store->db, sync ? store->synced : store->unsynced, store->batch, &message);
    clear_batch(store);
    return kv_rocksdb_take_err(message, ERR_DISK_LOST, ret_text, text_size);
}

static enum err add_all(struct kv_rocksdb *store, const struct kv_batch *const *batches,
                        size_t count)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        for (size_t k = 0; k < batches[i]->count && err == ERR_OK; k++)
            err = add_op(store, &batches[i]->ops[k]);
    if (err == ERR_OK && store->values != NULL)
        err = kv_values_sync(store);
    return err;
}

enum err kv_rocksdb_write_many(struct kv_rocksdb *store, const struct kv_batch *const *batches,
                               size_t count, bool sync, char *ret_text, size_t text_size)
{
    enum err err = add_all(store, batches, count);
    bool is_added = err == ERR_OK;
    if (is_added) {
        err = kv_rocksdb_write_batch(store, sync, ret_text, text_size);
    } else {
        clear_batch(store);
        if (ret_text != NULL)
            text_format(ret_text, text_size, "large values: %s", err_text(err));
    }
    if (store->values == NULL)
        return err;
    uint64_t appended = kv_values_appended(store);
    kv_values_finish(store, err, is_added, sync);
    if (err != ERR_OK || appended == 0)
        return err;
    /* Whoever writes pays for the space: moving less than it wrote frees more than that. */
    bool has_more = false;
    return kv_values_collect(store, appended < COLLECT_BYTES_MAX ? appended : COLLECT_BYTES_MAX,
                             &has_more, ret_text, text_size);
}

enum err kv_rocksdb_write(struct kv_rocksdb *store, const struct kv_batch *batch, bool sync,
                          char *ret_text, size_t text_size)
{
    return kv_rocksdb_write_many(store, &batch, 1, sync, ret_text, text_size);
}

enum err kv_rocksdb_flush(struct kv_rocksdb *store, char *ret_text, size_t text_size)
{
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(options, 1);
    enum err err = ERR_OK;
    for (unsigned i = 0; i < store->family_count && err == ERR_OK; i++) {
        char *message = NULL;
        rocksdb_flush_cf(store->db, options, store->families[i], &message);
        err = kv_rocksdb_take_err(message, ERR_DISK_LOST, ret_text, text_size);
    }
    rocksdb_flushoptions_destroy(options);
    return err;
}

void kv_rocksdb_compact(struct kv_rocksdb *store, unsigned family, struct slice from,
                        struct slice to)
{
    PRE(family < store->family_count);
    rocksdb_compact_range_cf(store->db, store->families[family],
                             from.length == 0 ? NULL : (const char *)from.data, from.length,
                             to.length == 0 ? NULL : (const char *)to.data, to.length);
}

static void set_age_cutoff(struct kv_rocksdb *store, unsigned family, const char *cutoff)
{
    const char *const names[] = {"blob_garbage_collection_age_cutoff"};
    const char *const values[] = {cutoff};
    char *message = NULL;
    rocksdb_set_options_cf(store->db, store->families[family], 1, names, values, &message);
    /* Not changed: nothing is moved, which costs space and nothing else. */
    rocksdb_free(message);
}

/* Down to the last level, which RocksDB otherwise leaves alone. */
static void compact_all(struct kv_rocksdb *store, unsigned family)
{
    rocksdb_compactoptions_t *options = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_bottommost_level_compaction(options, BOTTOMMOST_FORCE);
    rocksdb_compact_range_cf_opt(store->db, store->families[family], options, NULL, 0, NULL, 0);
    rocksdb_compactoptions_destroy(options);
}

void kv_rocksdb_reclaim(struct kv_rocksdb *store, unsigned family)
{
    PRE(family < store->family_count);
    char *message = NULL;
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(options, 1);
    rocksdb_flush_cf(store->db, options, store->families[family], &message);
    rocksdb_flushoptions_destroy(options);
    rocksdb_free(message); /* a failing disk is met by the next write too */
    /* The first pass drops deleted rows from the tables: only then the garbage is known. */
    compact_all(store, family);
    uint64_t total = kv_rocksdb_property(store, family, "rocksdb.live-blob-file-size");
    uint64_t garbage = kv_rocksdb_property(store, family, "rocksdb.live-blob-file-garbage-size");
    if (garbage < RECLAIM_BYTES_MIN || garbage < total / 2)
        return;
    set_age_cutoff(store, family, "0.5");
    compact_all(store, family);
    set_age_cutoff(store, family, "0.0");
}

uint64_t kv_rocksdb_property(struct kv_rocksdb *store, unsigned family, const char *name)
{
    PRE(family < store->family_count);
    uint64_t value = 0;
    if (rocksdb_property_int_cf(store->db, store->families[family], name, &value) != 0)
        return 0;
    return value;
}
