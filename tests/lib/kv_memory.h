/* The store interface over memory, with the failures of a disk: what was not synced can be lost.
 *
 * Batches become visible at once (kv_memory_apply) and durable at a sync point (kv_memory_sync). A
 * crash goes back to the last sync point plus a chosen prefix of the batches after it: exactly what
 * base/kv.h promises of a real store. Snapshots, clones and crashes cost O(1) per family. One
 * thread. */
#ifndef CATENA_TESTS_LIB_KV_MEMORY_H
#define CATENA_TESTS_LIB_KV_MEMORY_H

#include "base/kv.h"

struct kv_memory;

struct kv_memory *kv_memory_new(unsigned families);
void kv_memory_free(struct kv_memory *store);
/* The interface for cores; valid until kv_memory_free(). */
struct kv kv_memory_interface(struct kv_memory *store);

/* Applies the batch: visible to reads, not yet durable. The batch stays the caller's (free it).
 * ERR_OK, or the injected error (then nothing was applied). A SINGLE_DELETE of a key that was put
 * more than once since it was absent is a failed contract: RocksDB would resurrect old values. */
enum err kv_memory_apply(struct kv_memory *store, const struct kv_batch *batch);
/* Everything applied so far is durable. */
void kv_memory_sync(struct kv_memory *store);
/* The same for only the oldest `count` batches that are not durable yet. */
void kv_memory_sync_oldest(struct kv_memory *store, size_t count);
/* Batches applied and not durable. */
size_t kv_memory_unsynced(const struct kv_memory *store);
/* Power loss: keeps the durable state and the first `keep` batches after it (at most all). What is
 * kept is durable afterwards. Iterators that are open keep their snapshots; close them. */
void kv_memory_crash(struct kv_memory *store, size_t keep);
/* An empty disk. */
void kv_memory_wipe(struct kv_memory *store);
/* An independent store with the same visible contents, all durable (a copied disk). */
struct kv_memory *kv_memory_clone(const struct kv_memory *store);
/* The same contents in every family, byte for byte? */
bool kv_memory_equal(const struct kv_memory *a, const struct kv_memory *b);
/* Rows of a family. */
size_t kv_memory_count(const struct kv_memory *store, unsigned family);
/* A hash of all visible rows, for replay checks. */
uint64_t kv_memory_digest(const struct kv_memory *store);

/* The n-th get (1 = the next) answers `err`; the n-th apply fails with `err`. n = 0: none. */
void kv_memory_fail_get(struct kv_memory *store, uint64_t n, enum err err);
void kv_memory_fail_apply(struct kv_memory *store, uint64_t n, enum err err);
/* Flips one bit of the value of a row, durable state included: bit rot. False if absent or empty.
 */
bool kv_memory_corrupt(struct kv_memory *store, unsigned family, struct slice key, size_t bit);
/* The value of a row cannot be read any more, until the row is put again: what a store says whose
 * values have checksums. False if absent. */
bool kv_memory_damage(struct kv_memory *store, unsigned family, struct slice key);
uint64_t kv_memory_gets(const struct kv_memory *store);

#endif
