/* How the node's families are laid out in RocksDB, and how much memory they may take. */
#ifndef CATENA_CHAINNODE_IO_FAMILIES_H
#define CATENA_CHAINNODE_IO_FAMILIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/io/kv_rocksdb.h"

/* Opens (and on the first start makes) the store in `directory`. cache_bytes: blocks, indexes and
 * filters of all families; write_buffer_bytes: rows in memory, all families and both of RocksDB's
 * buffers of each. Errors as kv_rocksdb_open. */
enum err families_open(const char *directory, uint64_t cache_bytes, uint64_t write_buffer_bytes,
                       struct kv_rocksdb **ret_store, char *ret_text, size_t text_size);

#endif
