/* Walking through a segment whose space is mostly garbage. */
#include "base/buf.h"
#include "base/contract.h"
#include "base/io/value_log_internal.h"

/* Header and key are read together when the key is not longer than this. */
enum { KEY_BYTES_GUESSED = 208 };

bool value_log_can_collect(const struct value_log *log)
{
    return log->collected != NULL || !list_is_empty(&log->sparse);
}

/* Walked through, or damaged: not offered again. It dies when its last row is moved. */
static void put_aside(struct value_log *log)
{
    struct segment *segment = log->collected;
    list_remove(&segment->node);
    segment->state = SEGMENT_SEALED;
    segment->is_damaged = true;
    log->collected = NULL;
}

static void key_room(struct value_log *log, size_t bytes)
{
    if (bytes <= log->key_capacity)
        return;
    log->key_bytes = mem_realloc(log->key_bytes, bytes);
    log->key_capacity = bytes;
}

/* Header and key at the walk's place into log->key_bytes; false: damaged. */
static bool read_header(struct value_log *log, struct record_header *ret_header)
{
    const struct segment *segment = log->collected;
    uint64_t left = segment->bytes - log->collected_offset;
    if (left < RECORD_HEADER_BYTES)
        return false;
    size_t guessed = RECORD_HEADER_BYTES + KEY_BYTES_GUESSED;
    if (guessed > left)
        guessed = (size_t)left;
    key_room(log, guessed);
    if (segment_read(log, segment->id, log->collected_offset, log->key_bytes, guessed) != ERR_OK ||
        !record_header_decode(log->key_bytes, ret_header))
        return false;
    uint64_t bytes = value_log_record_bytes(ret_header->key_length, ret_header->value_length);
    if (ret_header->segment != segment->id || ret_header->offset != log->collected_offset ||
        bytes > left)
        return false;
    size_t wanted = (size_t)RECORD_HEADER_BYTES + ret_header->key_length;
    if (wanted > guessed) {
        key_room(log, wanted);
        if (segment_read(log, segment->id, log->collected_offset, log->key_bytes, wanted) != ERR_OK)
            return false;
    }
    return record_header_is_whole(
        log->key_bytes, slice_of(log->key_bytes + RECORD_HEADER_BYTES, ret_header->key_length));
}

bool value_log_collect_next(struct value_log *log, struct value_log_record *ret_record)
{
    if (log->collected == NULL) {
        struct list_node *first = list_first(&log->sparse);
        if (first == NULL)
            return false;
        log->collected = CONTAINER_OF(first, struct segment, node);
        log->collected_offset = 0;
    }
    struct record_header header;
    if (log->collected_offset >= log->collected->bytes || !read_header(log, &header)) {
        put_aside(log);
        return false;
    }
    log->collected_offset += value_log_record_bytes(header.key_length, header.value_length);
    *ret_record = (struct value_log_record){
        .pointer = {.segment = header.segment,
                    .offset = header.offset,
                    .length = header.value_length,
                    .checksum = header.checksum},
        .family = header.family,
        .key = slice_of(log->key_bytes + RECORD_HEADER_BYTES, header.key_length),
    };
    return true;
}

void value_log_collect_back(struct value_log *log, const struct value_log_record *record)
{
    struct segment *segment = map_get(&log->segments, record->pointer.segment);
    INVARIANT(segment != NULL);
    if (segment->state == SEGMENT_SEALED) {
        segment->is_damaged = false;
        segment->state = SEGMENT_SPARSE;
        list_append(&log->sparse, &segment->node);
    }
    INVARIANT(segment->state == SEGMENT_SPARSE);
    log->collected = segment;
    log->collected_offset = record->pointer.offset;
}

void value_log_collect_damaged(struct value_log *log)
{
    if (log->collected != NULL)
        put_aside(log);
}

void value_log_collect_count(struct value_log *log, uint64_t bytes)
{
    log->collected_bytes += bytes;
}
