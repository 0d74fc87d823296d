/* What the writing thread does: records, syncs, and the end of segments. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/contract.h"
#include "base/io/file.h"
#include "base/io/value_log_internal.h"

enum { PIECES_MAX = 8, OWN_PIECES = 2 };

static enum err latch(struct value_log *log)
{
    log->latched = ERR_DISK_LOST;
    return ERR_DISK_LOST;
}

uint64_t value_log_record_bytes(size_t key_length, uint32_t value_length)
{
    return RECORD_HEADER_BYTES + (uint64_t)key_length + value_length;
}

/* ---- segments begin and end ---- */

static enum err seal(struct value_log *log)
{
    enum err err = value_log_sync(log);
    if (err != ERR_OK)
        return err;
    /* The reserved space that was not needed; a failure costs space only. */
    (void)!ftruncate(log->current_fd, (off_t)log->current->bytes);
    close(log->current_fd);
    log->current_fd = -1;
    log->current->state = SEGMENT_FRESH;
    list_append(&log->fresh, &log->current->node);
    log->current = NULL;
    return ERR_OK;
}

static enum err make_room(struct value_log *log, uint64_t record_bytes)
{
    if (log->current != NULL && log->current->bytes > 0 &&
        log->current->bytes + record_bytes > log->segment_bytes) {
        enum err err = seal(log);
        if (err != ERR_OK)
            return err;
    }
    if (log->current != NULL)
        return ERR_OK;
    uint64_t bytes = record_bytes > log->segment_bytes ? record_bytes : log->segment_bytes;
    enum err err = segment_create(log, bytes, log->next_id, &log->current_fd);
    if (err != ERR_OK)
        return err == ERR_NO_SPACE ? err : latch(log);
    log->current = segment_new(log, log->next_id++);
    log->current->state = SEGMENT_CURRENT;
    return ERR_OK;
}

/* ---- records ---- */

static void skip(struct iovec **pieces, int *count, size_t written)
{
    while (*count > 0 && written >= (*pieces)->iov_len) {
        written -= (*pieces)->iov_len;
        (*pieces)++;
        (*count)--;
    }
    if (*count > 0) {
        (*pieces)->iov_base = (uint8_t *)(*pieces)->iov_base + written;
        (*pieces)->iov_len -= written;
    }
}

static enum err write_pieces(struct value_log *log, struct iovec *pieces, int count)
{
    uint64_t offset = log->current->bytes;
    skip(&pieces, &count, 0);
    while (count > 0) {
        ssize_t written = log->system.pwritev(log->current_fd, pieces, count, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        /* Half a record stays behind the end: the next one is written over it. */
        if (written <= 0)
            return written < 0 && err_of_errno(errno) == ERR_NO_SPACE ? ERR_NO_SPACE : latch(log);
        offset += (uint64_t)written;
        skip(&pieces, &count, (size_t)written);
    }
    return ERR_OK;
}

static uint64_t checksum_pieces(const struct slice *pieces, unsigned count)
{
    struct checksum_stream *stream = checksum_stream_new();
    for (unsigned i = 0; i < count; i++)
        checksum_stream_update(stream, pieces[i]);
    uint64_t checksum = checksum_stream_value(stream);
    checksum_stream_free(stream);
    return checksum;
}

static struct iovec iovec_of(struct slice bytes)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)bytes.data, .iov_len = bytes.length};
}

enum err value_log_append(struct value_log *log, unsigned family, struct slice key,
                          const struct slice *pieces, unsigned count,
                          struct value_pointer *ret_pointer)
{
    PRE(count <= PIECES_MAX - OWN_PIECES);
    if (log->latched != ERR_OK)
        return log->latched;
    uint64_t length = 0;
    for (unsigned i = 0; i < count; i++)
        length += pieces[i].length;
    PRE(length <= UINT32_MAX && key.length <= UINT32_MAX);
    uint64_t bytes = value_log_record_bytes(key.length, (uint32_t)length);
    enum err err = make_room(log, bytes);
    if (err != ERR_OK)
        return err;
    const struct record_header header = {
        .family = family,
        .key_length = (uint32_t)key.length,
        .value_length = (uint32_t)length,
        .segment = log->current->id,
        .offset = log->current->bytes,
        .checksum = checksum_pieces(pieces, count),
    };
    uint8_t encoded[RECORD_HEADER_BYTES];
    record_header_encode(&header, key, encoded);
    struct iovec parts[PIECES_MAX] = {iovec_of(slice_of(encoded, sizeof encoded)), iovec_of(key)};
    for (unsigned i = 0; i < count; i++)
        parts[OWN_PIECES + i] = iovec_of(pieces[i]);
    err = write_pieces(log, parts, OWN_PIECES + (int)count);
    if (err != ERR_OK)
        return err;
    /* The disk starts now, while the next record is being copied; the promise is made by the sync.
     */
    (void)sync_file_range(log->current_fd, (off_t)header.offset, (off_t)bytes,
                          SYNC_FILE_RANGE_WRITE);
    log->current->bytes += bytes;
    log->is_dirty = true;
    *ret_pointer = (struct value_pointer){
        .segment = header.segment,
        .offset = header.offset,
        .length = header.value_length,
        .checksum = header.checksum,
    };
    return ERR_OK;
}

enum err value_log_sync(struct value_log *log)
{
    if (log->latched != ERR_OK)
        return log->latched;
    if (!log->is_dirty)
        return ERR_OK;
    if (log->system.fdatasync(log->current_fd) != 0)
        return latch(log);
    log->is_dirty = false;
    return ERR_OK;
}

/* ---- what rows name ---- */

void value_log_live(struct value_log *log, uint64_t id, int64_t bytes)
{
    struct segment *segment = map_get(&log->segments, id);
    if (segment == NULL)
        return; /* a row whose segment was lost */
    INVARIANT(bytes >= 0 || segment->live_bytes >= (uint64_t)-bytes);
    segment->live_bytes += (uint64_t)bytes;
    segment_settle(log, segment);
}

void value_log_counted(struct value_log *log)
{
    LIST_FOREACH_SAFE (node, &log->fresh) {
        struct segment *segment = CONTAINER_OF(node, struct segment, node);
        list_remove(node);
        segment->state = SEGMENT_SEALED;
        segment_settle(log, segment);
    }
}

void value_log_rows_durable(struct value_log *log)
{
    if (list_is_empty(&log->dead))
        return;
    uint64_t ticket = readers_last_ticket(log);
    LIST_FOREACH_SAFE (node, &log->dead) {
        struct segment *segment = CONTAINER_OF(node, struct segment, node);
        list_remove(node);
        list_append(&log->leaving, node);
        segment->state = SEGMENT_LEAVING;
        segment->ticket = ticket;
    }
}

void value_log_unlink(struct value_log *log)
{
    LIST_FOREACH_SAFE (node, &log->leaving) {
        struct segment *segment = CONTAINER_OF(node, struct segment, node);
        if (!readers_are_inside(log, segment->ticket))
            segment_unlink(log, segment);
    }
}

enum err value_log_rest(struct value_log *log)
{
    if (log->latched != ERR_OK)
        return log->latched;
    if (log->current == NULL || log->current->bytes == 0 || log->current->live_bytes > 0)
        return ERR_OK;
    enum err err = seal(log);
    if (err == ERR_OK)
        value_log_counted(log);
    return err;
}

bool value_log_waits_for_rows(const struct value_log *log)
{
    return !list_is_empty(&log->dead);
}

bool value_log_waits(const struct value_log *log)
{
    return !list_is_empty(&log->dead) || !list_is_empty(&log->leaving);
}
