#include "base/io/kv_rocksdb.h"

#include <stdlib.h>

#include "base/contract.h"
#include "base/io/file.h"
#include "base/io/kv_rocksdb_internal.h"
#include "base/text.h"

enum {
    CACHE_BYTES_DEFAULT = 32 << 20,
    WRITE_BUFFER_BYTES_DEFAULT = 16 << 20,
    WAL_BYTES_DEFAULT = 128 << 20,
    OPEN_FILES_DEFAULT = 512,
    BLOCK_BYTES = 16 << 10,
    BLOB_FILE_BYTES = 128 << 20,
    INFO_LOG_BYTES = 1 << 20,
    SYNC_CHUNK_BYTES = 1 << 20,
    CHECKSUM_XXH3 = 4,    /* rocksdb::ChecksumType */
    INFO_LEVEL_FATAL = 4, /* rocksdb::InfoLogLevel */
};

enum err kv_rocksdb_take_err(char *message, enum err fallback, char *ret_text, size_t text_size)
{
    if (message == NULL)
        return ERR_OK;
    enum err err = kv_rocksdb_err(message, fallback);
    if (ret_text != NULL && text_size > 0)
        text_format(ret_text, text_size, "%s", message);
    rocksdb_free(message);
    return err;
}

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
    return value == 0 ? otherwise : value;
}

/* ---- options ---- */

static void set_table_options(rocksdb_options_t *options, const struct kv_rocksdb *store,
                              const struct kv_rocksdb_family *family)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, store->cache);
    rocksdb_block_based_options_set_block_size(table, BLOCK_BYTES);
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_block_based_options_set_checksum(table, CHECKSUM_XXH3);
    /* Indexes and filters count against the cache too: that is what bounds the memory. */
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    if (family->bloom_bits > 0)
        rocksdb_block_based_options_set_filter_policy(
            table, rocksdb_filterpolicy_create_bloom_full((double)family->bloom_bits));
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
}

static rocksdb_options_t *family_options(const struct kv_rocksdb *store,
                                         const struct kv_rocksdb_family *family)
{
    rocksdb_options_t *options = rocksdb_options_create();
    set_table_options(options, store, family);
    rocksdb_options_set_write_buffer_size(
        options, or_default(family->write_buffer_bytes, WRITE_BUFFER_BYTES_DEFAULT));
    rocksdb_options_set_max_write_buffer_number(options, 2);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_compression(options, family->compress ? rocksdb_lz4_compression
                                                              : rocksdb_no_compression);
    if (family->blob_min_bytes > 0) {
        rocksdb_options_set_enable_blob_files(options, 1);
        rocksdb_options_set_min_blob_size(options, family->blob_min_bytes);
        rocksdb_options_set_blob_file_size(options, BLOB_FILE_BYTES);
        rocksdb_options_set_blob_compression_type(options, rocksdb_no_compression);
        /* A compaction would move every live value out of the oldest files, garbage or not; with
         * small tables and large values that is most of the data again and again. Values are moved
         * only by kv_rocksdb_reclaim, when there is garbage. */
        rocksdb_options_set_enable_blob_gc(options, 1);
        rocksdb_options_set_blob_gc_age_cutoff(options, 0);
    }
    return options;
}

/* After an error that it thinks is passing, RocksDB writes again by itself, from a thread of its
 * own: we never do. (For a full disk it cannot be turned off: then it waits for room and writes out
 * what it holds, so a process that was refused a write leaves at once.) Only the parser of options
 * knows this one. */
static rocksdb_options_t *never_resumed(rocksdb_options_t *options)
{
    rocksdb_options_t *result = rocksdb_options_create();
    char *message = NULL;
    rocksdb_get_options_from_string(options, "max_bgerror_resume_count=0", result, &message);
    PRE(message == NULL);
    rocksdb_options_destroy(options);
    return result;
}

static rocksdb_options_t *database_options(const struct kv_rocksdb_options *given)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, given->create);
    rocksdb_options_set_create_missing_column_families(options, 1);
    rocksdb_options_set_paranoid_checks(options, 1);
    rocksdb_options_set_max_total_wal_size(options,
                                           or_default(given->wal_bytes_max, WAL_BYTES_DEFAULT));
    rocksdb_options_set_max_open_files(options, given->open_files_max == 0 ? OPEN_FILES_DEFAULT
                                                                           : given->open_files_max);
    rocksdb_options_set_max_background_jobs(options, 2);
    rocksdb_options_set_bytes_per_sync(options, SYNC_CHUNK_BYTES);
    /* A log torn by a power cut ends the replay at its last whole record: every synced write lies
     * before it. */
    rocksdb_options_set_wal_recovery_mode(options, rocksdb_point_in_time_recovery);
    /* Its own log is a file on the same disk, and a line of it that cannot be written makes the
     * next one abort the process (7.8 with assertions, as packaged). Errors are returned to us
     * anyway. */
    rocksdb_options_set_info_log_level(options, INFO_LEVEL_FATAL);
    rocksdb_options_set_max_log_file_size(options, INFO_LOG_BYTES);
    rocksdb_options_set_keep_log_file_num(options, 2);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_stats_persist_period_sec(options, 0);
    return never_resumed(options);
}

/* ---- open, close ---- */

/* RocksDB would make it too, but not sync its name. */
static enum err make_directory(const char *path, char *ret_text, size_t text_size)
{
    enum err err = directory_make(path);
    if (err != ERR_OK && ret_text != NULL)
        text_format(ret_text, text_size, "cannot make the directory %.200s: %s", path,
                    err_text(err));
    return err == ERR_IO ? ERR_DISK_LOST : err;
}

static enum err open_database(struct kv_rocksdb *store, const struct kv_rocksdb_options *given,
                              char *ret_text, size_t text_size)
{
    const struct kv_rocksdb_family plain = {.name = "default", .write_buffer_bytes = 1 << 20};
    const char *names[KV_FAMILIES_MAX + 1];
    rocksdb_options_t *options[KV_FAMILIES_MAX + 1];
    rocksdb_column_family_handle_t *handles[KV_FAMILIES_MAX + 1];
    unsigned count = given->family_count + 1;
    for (unsigned i = 0; i < count; i++) {
        const struct kv_rocksdb_family *family = i == 0 ? &plain : &given->families[i - 1];
        names[i] = family->name;
        options[i] = family_options(store, family);
    }
    rocksdb_options_t *database = database_options(given);
    char *message = NULL;
    store->db =
        rocksdb_open_column_families(database, given->directory, (int)count, names,
                                     (const rocksdb_options_t *const *)options, handles, &message);
    rocksdb_options_destroy(database);
    for (unsigned i = 0; i < count; i++)
        rocksdb_options_destroy(options[i]);
    if (message != NULL)
        return kv_rocksdb_take_err(message, ERR_DISK_LOST, ret_text, text_size);
    store->default_family = handles[0];
    for (unsigned i = 1; i < count; i++)
        store->families[i - 1] = handles[i];
    return ERR_OK;
}

enum err kv_rocksdb_open(const struct kv_rocksdb_options *options, struct kv_rocksdb **ret_store,
                         char *ret_text, size_t text_size)
{
    PRE(options->family_count > 0 && options->family_count <= KV_FAMILIES_MAX);
    struct kv_rocksdb *store = mem_calloc(1, sizeof *store);
    store->family_count = options->family_count;
    store->cache = rocksdb_cache_create_lru(or_default(options->cache_bytes, CACHE_BYTES_DEFAULT));
    store->read_options = rocksdb_readoptions_create();
    store->synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(store->synced, 1);
    store->unsynced = rocksdb_writeoptions_create();
    store->batch = rocksdb_writebatch_create();
    enum err err =
        options->create ? make_directory(options->directory, ret_text, text_size) : ERR_OK;
    if (err == ERR_OK)
        err = open_database(store, options, ret_text, text_size);
    if (err == ERR_OK)
        err = kv_values_open(store, options, ret_text, text_size);
    if (err != ERR_OK) {
        kv_rocksdb_close(store);
        return err;
    }
    if (store->values != NULL)
        value_log_tell_lost(store->values->log, ret_text, text_size);
    *ret_store = store;
    return ERR_OK;
}

void kv_rocksdb_close(struct kv_rocksdb *store)
{
    if (store == NULL)
        return;
    if (store->db != NULL) {
        for (unsigned i = 0; i < store->family_count; i++)
            rocksdb_column_family_handle_destroy(store->families[i]);
        rocksdb_column_family_handle_destroy(store->default_family);
        rocksdb_cancel_all_background_work(store->db, 1);
        rocksdb_close(store->db);
    }
    kv_values_close(store->values);
    rocksdb_writebatch_destroy(store->batch);
    rocksdb_readoptions_destroy(store->read_options);
    rocksdb_writeoptions_destroy(store->synced);
    rocksdb_writeoptions_destroy(store->unsynced);
    rocksdb_cache_destroy(store->cache);
    mem_free(store);
}

struct kv kv_rocksdb_interface(struct kv_rocksdb *store)
{
    return (struct kv){.ops = &kv_rocksdb_ops, .context = store};
}
