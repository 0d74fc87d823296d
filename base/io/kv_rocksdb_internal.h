/* Shared by the files of base/io/kv_rocksdb*; nobody else includes it. */
#ifndef CATENA_BASE_IO_KV_ROCKSDB_INTERNAL_H
#define CATENA_BASE_IO_KV_ROCKSDB_INTERNAL_H

#include <rocksdb/c.h>

#include "base/io/kv_rocksdb.h"
#include "base/io/value_log.h"

struct kv_rocksdb {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *families[KV_FAMILIES_MAX];
    rocksdb_column_family_handle_t *default_family; /* RocksDB insists on one; unused */
    unsigned family_count;
    rocksdb_readoptions_t *read_options;
    rocksdb_writeoptions_t *synced;
    rocksdb_writeoptions_t *unsynced;
    rocksdb_cache_t *cache;
    rocksdb_writebatch_t *batch; /* reused by the one writing thread */
    size_t batch_bytes;          /* about what was put into it */
    struct kv_values *values;    /* NULL: no family has external values */
};

extern const struct kv_ops kv_rocksdb_ops;

/* Translates and frees RocksDB's message; copies it to ret_text (may be NULL). */
enum err kv_rocksdb_take_err(char *message, enum err fallback, char *ret_text, size_t text_size);

/* Writes and clears store->batch. */
enum err kv_rocksdb_write_batch(struct kv_rocksdb *store, bool sync, char *ret_text,
                                size_t text_size);

/* ---- values outside (kv_values*.c) ---- */

/* A row of a family with external values begins with a tag: the value follows, or a pointer. */
enum kv_values_tag { KV_VALUES_PLAIN = 0, KV_VALUES_POINTER = 1 };
enum { KV_VALUES_ROW_BYTES = 29 };

/* What a group of batches changes; see kv_values_group.c. */
struct kv_values_group;

struct kv_values {
    struct value_log *log;
    uint64_t external_min_bytes[KV_FAMILIES_MAX]; /* 0: the family is an ordinary one */
    struct kv_values_group *group;
    bool is_frozen; /* what the rows say is not known: nothing is removed any more */
};

static inline bool kv_values_has(const struct kv_rocksdb *store, unsigned family)
{
    return store->values != NULL && store->values->external_min_bytes[family] > 0;
}

void kv_values_row_encode(const struct value_pointer *pointer, uint8_t *out);
/* ERR_OK and the tag; a plain value is *ret_value, a pointer *ret_pointer. ERR_CORRUPT. */
enum err kv_values_row_decode(struct slice row, enum kv_values_tag *ret_tag,
                              struct slice *ret_value, struct value_pointer *ret_pointer);

/* Checks the format of the rows, counts what they name. Errors as kv_rocksdb_open. */
enum err kv_values_open(struct kv_rocksdb *store, const struct kv_rocksdb_options *options,
                        char *ret_text, size_t text_size);
void kv_values_close(struct kv_values *values);

/* Adds an operation on a family with external values to store->batch. */
enum err kv_values_add(struct kv_rocksdb *store, const struct kv_op *op);
/* Before the batch is written: what it points at is on stable storage. */
enum err kv_values_sync(struct kv_rocksdb *store);
/* After it: counts the change, or forgets it. `err` is the batch's. */
void kv_values_finish(struct kv_rocksdb *store, enum err err, bool has_written, bool was_synced);
/* Payload bytes that the group appended to the log. */
uint64_t kv_values_appended(const struct kv_rocksdb *store);
/* As kv_rocksdb_collect, in the middle of writing. */
enum err kv_values_collect(struct kv_rocksdb *store, uint64_t bytes_max, bool *ret_more,
                           char *ret_text, size_t text_size);
struct kv_values_group *kv_values_group_new(void);
void kv_values_group_free(struct kv_values_group *group);
/* The row of a key, if it is there and a pointer. */
enum err kv_values_look_up(struct kv_rocksdb *store, unsigned family, struct slice key,
                           bool *ret_is_pointer, struct value_pointer *ret_pointer);

#endif
