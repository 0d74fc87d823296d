/* The store interface of base/kv.h over RocksDB.
 *
 * Reads (the interface, iterators) from any thread; kv_rocksdb_write from one thread at a time.
 * Memory is bounded by the options: cache_bytes for blocks, twice the sum of the families' write
 * buffers, and open_files_max table readers. Every block, blob and log record carries a checksum
 * that is verified on reading. RocksDB's error strings become `enum err` in kv_rocksdb_err.c.
 *
 * A family with external_min_bytes keeps its large values outside of RocksDB, in a value log
 * (base/io/value_log.h) in the directory "values" of the database: such a value is written once,
 * its row holds a pointer. Nobody above notices. */
#ifndef CATENA_BASE_IO_KV_ROCKSDB_H
#define CATENA_BASE_IO_KV_ROCKSDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/kv.h"

struct kv_rocksdb;
struct value_log_system;

struct kv_rocksdb_family {
    const char *name;
    unsigned bloom_bits;         /* per key; 0 = no filter (families that are only scanned) */
    uint64_t blob_min_bytes;     /* values from this size live in blob files; 0 = none do */
    uint64_t write_buffer_bytes; /* 0 = 16 MiB */
    bool compress;               /* LZ4 for tables; blobs are never compressed */
    /* Puts with a payload from this size go to the value log; 0 = none do, and the rows have
     * another format: a family keeps its choice between 0 and not 0 for ever. */
    uint64_t external_min_bytes;
};

struct kv_rocksdb_options {
    const char *directory;                    /* of the database; its parent exists */
    const struct kv_rocksdb_family *families; /* index = family number of the interface */
    unsigned family_count;                    /* at most KV_FAMILIES_MAX */
    bool create;                              /* make it if absent; else ERR_NOT_FOUND */
    uint64_t cache_bytes;                     /* shared block cache; 0 = 32 MiB */
    uint64_t wal_bytes_max;                   /* write-ahead logs on disk; 0 = 128 MiB */
    int open_files_max;                       /* 0 = 512 */
    uint64_t segment_bytes;                   /* of the value log; 0 = as value_log.h */
    const struct value_log_system *system;    /* of the value log; NULL = the kernel */
};

/* ERR_OK; ERR_BUSY: another process has it open; ERR_NOT_OURS: it has other families, or rows in
 * another format;
 * ERR_NOT_FOUND, ERR_CORRUPT, ERR_NO_SPACE, ERR_ACCESS, ERR_DISK_LOST. ret_text says more (may be
 * NULL); with ERR_OK it is left as it is, or says which large values are lost. */
enum err kv_rocksdb_open(const struct kv_rocksdb_options *options, struct kv_rocksdb **ret_store,
                         char *ret_text, size_t text_size);
/* Iterators and slices are gone before. Flushes nothing: what was not synced may be lost. */
void kv_rocksdb_close(struct kv_rocksdb *store);
/* Valid until closed. A get error that is not corruption is ERR_IO. */
struct kv kv_rocksdb_interface(struct kv_rocksdb *store);

/* Applies the batches in order as one atomic write; with `sync` it is on stable storage when this
 * returns ERR_OK. The batches stay the caller's. ERR_NO_SPACE: nothing was applied, deletes may
 * free space. Any other error (ERR_DISK_LOST, ERR_CORRUPT): never retried, the process stops. */
enum err kv_rocksdb_write_many(struct kv_rocksdb *store, const struct kv_batch *const *batches,
                               size_t count, bool sync, char *ret_text, size_t text_size);
enum err kv_rocksdb_write(struct kv_rocksdb *store, const struct kv_batch *batch, bool sync,
                          char *ret_text, size_t text_size);
/* Gives space of the value log back, in steps: removes segments that nobody needs, and moves at
 * most about bytes_max bytes of live values out of segments that are mostly garbage. For the
 * writing thread when it has nothing to write (a write that appends to the value log makes a step
 * itself). *ret_more: call again, now or later. Errors as for writing, but never ERR_NO_SPACE. */
enum err kv_rocksdb_collect(struct kv_rocksdb *store, uint64_t bytes_max, bool *ret_more,
                            char *ret_text, size_t text_size);
struct kv_rocksdb_values {
    uint64_t segments;
    uint64_t bytes;
    uint64_t live_bytes;
    uint64_t collected_bytes; /* copied by collection since the start */
};
/* Of the value log; zeros without one. For the writing thread. */
struct kv_rocksdb_values kv_rocksdb_values(const struct kv_rocksdb *store);

/* Moves what is in memory to table files (a start then reads no log). Errors as for writing. */
enum err kv_rocksdb_flush(struct kv_rocksdb *store, char *ret_text, size_t text_size);
/* Compacts the range of a family now (empty slices: all of it): reclaims deleted ranges. */
void kv_rocksdb_compact(struct kv_rocksdb *store, unsigned family, struct slice from,
                        struct slice to);
/* Gives the space of deleted rows back: drops them from the tables and, when half of the family's
 * blob bytes are garbage, moves the live values out of the older half of its blob files. Slow; for
 * a thread of its own, after deletes. */
void kv_rocksdb_reclaim(struct kv_rocksdb *store, unsigned family);
/* An integer property such as "rocksdb.estimate-num-keys"; 0 when RocksDB does not know it. */
uint64_t kv_rocksdb_property(struct kv_rocksdb *store, unsigned family, const char *name);

/* The translation of RocksDB's error strings: the one place. `fallback` is what an input or output
 * error means for the caller (ERR_DISK_LOST for writes, ERR_IO for reads). */
enum err kv_rocksdb_err(const char *message, enum err fallback);

#endif
