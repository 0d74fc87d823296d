/* A store with small segments whose values tell what they are, for the tests of large values. */
#ifndef CATENA_TESTS_UNIT_BASE_IO_VALUES_STORE_H
#define CATENA_TESTS_UNIT_BASE_IO_VALUES_STORE_H

#include <check.h>

#include "base/io/kv_rocksdb.h"
#include "base/io/value_log.h"
#include "tests/lib/kv_conformance.h"

enum { SEGMENT_BYTES = 256 << 10, VALUE_BYTES = 20000, CHUNKS = 1, STEP_BYTES = 1 << 20 };

extern char directory[160]; /* of the database */
extern const struct value_log_system *fake_system;
extern const struct kv_rocksdb_family families[KV_CONFORMANCE_FAMILIES];

void new_directory(void);
void remove_directory(void);
enum err open_with(const struct kv_rocksdb_family *list, struct kv_rocksdb **ret_store, char *text,
                   size_t size);
struct kv_rocksdb *must_open(void);

struct slice key_of(unsigned number, char *array);
/* A value of the family CHUNKS: the version, and bytes that number and version decide. */
void batch_put(struct kv_batch *batch, unsigned number, unsigned version, size_t length);
/* Takes the batch. */
void must_write(struct kv_rocksdb *store, struct kv_batch *batch, bool sync);
void put(struct kv_rocksdb *store, unsigned number, unsigned version, size_t length);
void put_many(struct kv_rocksdb *store, unsigned from, unsigned to, unsigned version);
bool is_whole(unsigned number, struct slice found, unsigned *ret_version);
enum err get(struct kv_rocksdb *store, unsigned number, struct buf **ret_value);
void expect(struct kv_rocksdb *store, unsigned number, unsigned version);
void expect_absent(struct kv_rocksdb *store, unsigned number);
void collect_all(struct kv_rocksdb *store);

#endif
