/* Values outside of RocksDB: the format of rows, opening, giving space back. */
#include "base/buf.h"
#include "base/bytes.h"
#include "base/contract.h"
#include "base/io/kv_rocksdb_internal.h"
#include "base/text.h"

/* The format of the rows of a family, kept in the default family under "external/NAME". A family
 * without that row has ordinary rows. */
#define FORMAT_POINTERS "1"

/* ---- rows ---- */

void kv_values_row_encode(const struct value_pointer *pointer, uint8_t *out)
{
    out[0] = KV_VALUES_POINTER;
    bytes_put_u64(out + 1, pointer->segment);
    bytes_put_u64(out + 9, pointer->offset);
    bytes_put_u32(out + 17, pointer->length);
    bytes_put_u64(out + 21, pointer->checksum);
}

enum err kv_values_row_decode(struct slice row, enum kv_values_tag *ret_tag,
                              struct slice *ret_value, struct value_pointer *ret_pointer)
{
    if (row.length >= 1 && row.data[0] == KV_VALUES_PLAIN) {
        *ret_tag = KV_VALUES_PLAIN;
        *ret_value = slice_of(row.data + 1, row.length - 1);
        return ERR_OK;
    }
    if (row.length != KV_VALUES_ROW_BYTES || row.data[0] != KV_VALUES_POINTER)
        return ERR_CORRUPT;
    *ret_tag = KV_VALUES_POINTER;
    *ret_pointer = (struct value_pointer){
        .segment = bytes_get_u64(row.data + 1),
        .offset = bytes_get_u64(row.data + 9),
        .length = bytes_get_u32(row.data + 17),
        .checksum = bytes_get_u64(row.data + 21),
    };
    return ERR_OK;
}

/* ---- opening ---- */

static enum err refuse(const char *family, bool is_older, char *ret_text, size_t text_size)
{
    if (ret_text != NULL)
        text_format(ret_text, text_size,
                    "the rows of family %s were written %s; this version cannot read them: start "
                    "with an empty directory",
                    family,
                    is_older ? "by an older version, with large values inside"
                             : "by another version, in another format of large values");
    return ERR_NOT_OURS;
}

static bool family_is_empty(struct kv_rocksdb *store, unsigned family)
{
    rocksdb_iterator_t *rows =
        rocksdb_create_iterator_cf(store->db, store->read_options, store->families[family]);
    rocksdb_iter_seek_to_first(rows);
    bool is_empty = !rocksdb_iter_valid(rows);
    rocksdb_iter_destroy(rows);
    return is_empty;
}

/* The rows of the family have the format that the options ask for; an empty one takes it. */
static enum err check_format(struct kv_rocksdb *store, const struct kv_rocksdb_family *family,
                             unsigned number, char *ret_text, size_t text_size)
{
    char key[128];
    text_format(key, sizeof key, "external/%s", family->name);
    char *message = NULL;
    size_t length = 0;
    char *format = rocksdb_get_cf(store->db, store->read_options, store->default_family, key,
                                  strlen(key), &length, &message);
    if (message != NULL)
        return kv_rocksdb_take_err(message, ERR_IO, ret_text, text_size);
    bool is_marked = format != NULL;
    bool is_known =
        is_marked && slice_equal(slice_of(format, length), slice_of_text(FORMAT_POINTERS));
    rocksdb_free(format);
    if (is_marked != (family->external_min_bytes > 0)) {
        if (is_marked || !family_is_empty(store, number))
            return refuse(family->name, !is_marked, ret_text, text_size);
        rocksdb_put_cf(store->db, store->synced, store->default_family, key, strlen(key),
                       FORMAT_POINTERS, strlen(FORMAT_POINTERS), &message);
        return kv_rocksdb_take_err(message, ERR_DISK_LOST, ret_text, text_size);
    }
    return is_marked && !is_known ? refuse(family->name, false, ret_text, text_size) : ERR_OK;
}

/* Every pointer of the family is counted; values are not read. */
static enum err count_family(struct kv_rocksdb *store, unsigned family)
{
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(options, 0);
    rocksdb_iterator_t *rows =
        rocksdb_create_iterator_cf(store->db, options, store->families[family]);
    enum err err = ERR_OK;
    for (rocksdb_iter_seek_to_first(rows); err == ERR_OK && rocksdb_iter_valid(rows);
         rocksdb_iter_next(rows)) {
        size_t key_length = 0;
        size_t length = 0;
        (void)rocksdb_iter_key(rows, &key_length);
        const char *row = rocksdb_iter_value(rows, &length);
        enum kv_values_tag tag = KV_VALUES_PLAIN;
        struct slice plain;
        struct value_pointer pointer;
        err = kv_values_row_decode(slice_of(row, length), &tag, &plain, &pointer);
        if (err == ERR_OK && tag == KV_VALUES_POINTER)
            value_log_count(store->values->log, &pointer, key_length);
    }
    char *message = NULL;
    rocksdb_iter_get_error(rows, &message);
    if (message != NULL)
        err = kv_rocksdb_take_err(message, ERR_IO, NULL, 0);
    rocksdb_iter_destroy(rows);
    rocksdb_readoptions_destroy(options);
    return err;
}

static enum err open_log(struct kv_rocksdb *store, const struct kv_rocksdb_options *options,
                         char *ret_text, size_t text_size)
{
    struct text path;
    text_init(&path);
    text_append(&path, "%s/values", options->directory);
    const struct value_log_options log = {
        .directory = text_cstr(&path),
        .segment_bytes = options->segment_bytes,
        .system = options->system,
    };
    enum err err = value_log_open(&log, &store->values->log, ret_text, text_size);
    text_release(&path);
    for (unsigned i = 0; err == ERR_OK && i < store->family_count; i++) {
        if (!kv_values_has(store, i))
            continue;
        err = count_family(store, i);
        if (err != ERR_OK && ret_text != NULL)
            text_format(ret_text, text_size, "the rows of family %s cannot be read: %s",
                        options->families[i].name, err_text(err));
    }
    if (err == ERR_OK)
        value_log_settle(store->values->log);
    return err;
}

enum err kv_values_open(struct kv_rocksdb *store, const struct kv_rocksdb_options *options,
                        char *ret_text, size_t text_size)
{
    bool has_external = false;
    for (unsigned i = 0; i < options->family_count; i++) {
        enum err err = check_format(store, &options->families[i], i, ret_text, text_size);
        if (err != ERR_OK)
            return err;
        has_external = has_external || options->families[i].external_min_bytes > 0;
    }
    if (!has_external)
        return ERR_OK;
    store->values = mem_calloc(1, sizeof *store->values);
    store->values->group = kv_values_group_new();
    for (unsigned i = 0; i < options->family_count; i++)
        store->values->external_min_bytes[i] = options->families[i].external_min_bytes;
    return open_log(store, options, ret_text, text_size);
}

void kv_values_close(struct kv_values *values)
{
    if (values == NULL)
        return;
    kv_values_group_free(values->group);
    value_log_close(values->log);
    mem_free(values);
}

struct kv_rocksdb_values kv_rocksdb_values(const struct kv_rocksdb *store)
{
    if (store->values == NULL)
        return (struct kv_rocksdb_values){0};
    struct value_log_stats stats = value_log_stats(store->values->log);
    return (struct kv_rocksdb_values){
        .segments = stats.segments,
        .bytes = stats.bytes,
        .live_bytes = stats.live_bytes,
        .collected_bytes = stats.collected_bytes,
    };
}
