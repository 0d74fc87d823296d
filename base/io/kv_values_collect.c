/* Giving space back: the live records of a segment that is mostly garbage are appended again, their
 * rows are moved in one synced write, and then the segment has no live bytes. */
#include "base/buf.h"
#include "base/contract.h"
#include "base/io/kv_rocksdb_internal.h"
#include "base/text.h"

/* Looking at the row behind a record that turns out to be garbage costs about this much. */
enum { GARBAGE_BYTES_COST = 4096 };

/* The records that a step has moved. */
struct step {
    uint64_t cost;
    uint64_t copied;
    struct value_log_record first; /* its key is not valid */
    struct move {
        uint64_t from;
        uint64_t to;
        uint64_t bytes;
    } * moves;
    size_t count;
    size_t capacity;
};

static struct move *add_move(struct step *step)
{
    if (step->count == step->capacity) {
        step->capacity = step->capacity == 0 ? 16 : step->capacity * 2;
        step->moves = mem_realloc(step->moves, step->capacity * sizeof *step->moves);
    }
    return &step->moves[step->count++];
}

/* Does the row of this record's key still name it? */
static enum err is_named(struct kv_rocksdb *store, const struct value_log_record *record,
                         bool *ret_is_named)
{
    *ret_is_named = false;
    if (record->family >= store->family_count || !kv_values_has(store, record->family))
        return ERR_OK;
    struct value_pointer pointer;
    enum err err = kv_values_look_up(store, record->family, record->key, ret_is_named, &pointer);
    *ret_is_named = err == ERR_OK && *ret_is_named && pointer.segment == record->pointer.segment &&
                    pointer.offset == record->pointer.offset;
    return err;
}

static enum err move(struct kv_rocksdb *store, struct step *step,
                     const struct value_log_record *record)
{
    struct value_log *log = store->values->log;
    struct buf *value = buf_new(record->pointer.length);
    enum err err = value_log_read(log, &record->pointer, record->key.length, value->data);
    if (err != ERR_OK) {
        /* The chain has the value elsewhere; here reading it tells, as it would have. */
        buf_unref(value);
        value_log_collect_damaged(log);
        return ERR_OK;
    }
    const struct slice piece = buf_slice(value);
    struct value_pointer pointer;
    err = value_log_append(log, record->family, record->key, &piece, 1, &pointer);
    buf_unref(value);
    if (err != ERR_OK)
        return err;
    uint8_t row[KV_VALUES_ROW_BYTES];
    kv_values_row_encode(&pointer, row);
    rocksdb_writebatch_put_cf(store->batch, store->families[record->family],
                              (const char *)record->key.data, record->key.length, (const char *)row,
                              sizeof row);
    uint64_t bytes = value_log_record_bytes(record->key.length, pointer.length);
    *add_move(step) =
        (struct move){.from = record->pointer.segment, .to = pointer.segment, .bytes = bytes};
    if (step->count == 1)
        step->first = *record;
    step->copied += bytes;
    step->cost += bytes;
    return ERR_OK;
}

static enum err fill(struct kv_rocksdb *store, struct step *step, uint64_t bytes_max)
{
    struct value_log *log = store->values->log;
    struct value_log_record record;
    while (step->cost < bytes_max && value_log_collect_next(log, &record)) {
        bool named = false;
        enum err err = is_named(store, &record, &named);
        if (err == ERR_OK && named)
            err = move(store, step, &record);
        if (err != ERR_OK) {
            value_log_collect_back(log, step->count > 0 ? &step->first : &record);
            return err;
        }
        step->cost += GARBAGE_BYTES_COST;
    }
    enum err err = step->count > 0 ? value_log_sync(log) : ERR_OK;
    if (err != ERR_OK)
        value_log_collect_back(log, &step->first);
    return err;
}

static enum err move_rows(struct kv_rocksdb *store, const struct step *step, char *ret_text,
                          size_t text_size)
{
    struct value_log *log = store->values->log;
    enum err err = kv_rocksdb_write_batch(store, true, ret_text, text_size);
    if (err != ERR_OK) {
        store->values->is_frozen = true;
        return err == ERR_NO_SPACE ? ERR_OK : err;
    }
    for (size_t i = 0; i < step->count; i++) {
        value_log_live(log, step->moves[i].to, (int64_t)step->moves[i].bytes);
        value_log_live(log, step->moves[i].from, -(int64_t)step->moves[i].bytes);
    }
    value_log_collect_count(log, step->copied);
    value_log_counted(log);
    value_log_rows_durable(log);
    return ERR_OK;
}

static enum err sync_rows(struct kv_rocksdb *store, char *ret_text, size_t text_size)
{
    char *message = NULL;
    rocksdb_flush_wal(store->db, 1, &message);
    if (message != NULL)
        return kv_rocksdb_take_err(message, ERR_DISK_LOST, ret_text, text_size);
    value_log_rows_durable(store->values->log);
    return ERR_OK;
}

static enum err collect_step(struct kv_rocksdb *store, struct step *step, uint64_t bytes_max,
                             char *ret_text, size_t text_size)
{
    struct value_log *log = store->values->log;
    enum err err = fill(store, step, bytes_max);
    if (err != ERR_OK) {
        rocksdb_writebatch_clear(store->batch);
        value_log_counted(log);
        if (ret_text != NULL)
            text_format(ret_text, text_size, "collecting large values: %s", err_text(err));
        return err;
    }
    if (step->count > 0)
        return move_rows(store, step, ret_text, text_size);
    return ERR_OK;
}

enum err kv_values_collect(struct kv_rocksdb *store, uint64_t bytes_max, bool *ret_more,
                           char *ret_text, size_t text_size)
{
    *ret_more = false;
    if (store->values->is_frozen)
        return ERR_OK;
    struct value_log *log = store->values->log;
    struct step step = {0};
    enum err err = ERR_OK;
    /* Moving takes at most half a segment before it gives one back. With less room than a segment
     * only what is garbage as a whole goes: the rest of the disk is for the rows. */
    bool is_full = !value_log_has_space(log, value_log_segment_bytes(log));
    if (!is_full && value_log_can_collect(log))
        err = collect_step(store, &step, bytes_max, ret_text, text_size);
    mem_free(step.moves);
    if (err == ERR_NO_SPACE) {
        is_full = true;
        err = ERR_OK;
    }
    if (err == ERR_OK && value_log_waits_for_rows(log))
        err = sync_rows(store, ret_text, text_size);
    if (err != ERR_OK)
        return err;
    value_log_unlink(log);
    *ret_more = value_log_waits(log) || (!is_full && value_log_can_collect(log));
    return ERR_OK;
}

enum err kv_rocksdb_collect(struct kv_rocksdb *store, uint64_t bytes_max, bool *ret_more,
                            char *ret_text, size_t text_size)
{
    *ret_more = false;
    if (store->values == NULL)
        return ERR_OK;
    enum err err = value_log_rest(store->values->log);
    if (err != ERR_OK) {
        if (ret_text != NULL)
            text_format(ret_text, text_size, "large values: %s", err_text(err));
        return err;
    }
    return kv_values_collect(store, bytes_max, ret_more, ret_text, text_size);
}
