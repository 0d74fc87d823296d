/* The format of a segment, and its file: made, sorted by its live bytes, removed. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/contract.h"
#include "base/io/file.h"
#include "base/io/host.h"
#include "base/io/value_log_internal.h"
#include "base/text.h"

/* Offsets in a header; big-endian. The checksum covers what is before it and the key. */
enum {
    AT_MAGIC = 0,
    AT_FAMILY = 4,
    AT_KEY_LENGTH = 8,
    AT_VALUE_LENGTH = 12,
    AT_SEGMENT = 16,
    AT_OFFSET = 24,
    AT_VALUE_CHECKSUM = 32,
    AT_CHECKSUM = 40,
};

enum { RESERVE_FREE_TIMES = 4 };

#define RECORD_MAGIC 0x43564c31u /* "CVL1" */

_Static_assert(AT_CHECKSUM + 8 == RECORD_HEADER_BYTES, "the header ends with its checksum");

static uint64_t header_checksum(const uint8_t *header, struct slice key)
{
    return hash_bytes(slice_of(header, AT_CHECKSUM), hash_bytes(key, 0));
}

void record_header_encode(const struct record_header *header, struct slice key, uint8_t *out)
{
    bytes_put_u32(out + AT_MAGIC, RECORD_MAGIC);
    bytes_put_u32(out + AT_FAMILY, header->family);
    bytes_put_u32(out + AT_KEY_LENGTH, header->key_length);
    bytes_put_u32(out + AT_VALUE_LENGTH, header->value_length);
    bytes_put_u64(out + AT_SEGMENT, header->segment);
    bytes_put_u64(out + AT_OFFSET, header->offset);
    bytes_put_u64(out + AT_VALUE_CHECKSUM, header->checksum);
    bytes_put_u64(out + AT_CHECKSUM, header_checksum(out, key));
}

bool record_header_decode(const uint8_t *in, struct record_header *ret_header)
{
    if (bytes_get_u32(in + AT_MAGIC) != RECORD_MAGIC)
        return false;
    *ret_header = (struct record_header){
        .family = bytes_get_u32(in + AT_FAMILY),
        .key_length = bytes_get_u32(in + AT_KEY_LENGTH),
        .value_length = bytes_get_u32(in + AT_VALUE_LENGTH),
        .segment = bytes_get_u64(in + AT_SEGMENT),
        .offset = bytes_get_u64(in + AT_OFFSET),
        .checksum = bytes_get_u64(in + AT_VALUE_CHECKSUM),
    };
    return true;
}

bool record_header_is_whole(const uint8_t *in, struct slice key)
{
    return bytes_get_u64(in + AT_CHECKSUM) == header_checksum(in, key);
}

/* ---- the file ---- */

char *segment_path(const struct value_log *log, uint64_t id, char *path)
{
    return text_format(path, SEGMENT_PATH_BYTES, "%s/%0*llu.seg", log->directory,
                       SEGMENT_NAME_DIGITS, (unsigned long long)id);
}

static enum err sync_directory(const struct value_log *log)
{
    int fd = open(log->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ERR_DISK_LOST;
    enum err err = fsync(fd) == 0 ? ERR_OK : ERR_DISK_LOST;
    close(fd);
    return err;
}

/* Space that is there already makes a sync cheaper. Not posix_fallocate: where the file system
 * cannot, that one writes every block. On a disk that gets full nothing is reserved, so that the
 * rows, which deletes need, find what is left. */
static void reserve(const struct value_log *log, int fd, uint64_t bytes)
{
    if (!value_log_has_space(log, RESERVE_FREE_TIMES * bytes))
        return;
    if (fallocate(fd, 0, 0, (off_t)bytes) != 0)
        (void)!ftruncate(fd, 0); /* what it got before it failed; the appends will tell */
}

bool value_log_has_space(const struct value_log *log, uint64_t bytes)
{
    uint64_t total = 0;
    uint64_t available = 0;
    return host_disk_space(log->directory, &total, &available) == ERR_OK && available >= bytes;
}

enum err segment_create(struct value_log *log, uint64_t bytes, uint64_t id, int *ret_fd)
{
    char path[SEGMENT_PATH_BYTES];
    int fd = open(segment_path(log, id, path), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_of_errno(errno) == ERR_NO_SPACE ? ERR_NO_SPACE : ERR_DISK_LOST;
    reserve(log, fd, bytes);
    enum err err = sync_directory(log);
    if (err != ERR_OK) {
        close(fd);
        return err;
    }
    *ret_fd = fd;
    return ERR_OK;
}

struct segment *segment_new(struct value_log *log, uint64_t id)
{
    struct segment *segment = mem_calloc(1, sizeof *segment);
    segment->id = id;
    segment->state = SEGMENT_SEALED;
    list_init(&segment->node);
    (void)map_put(&log->segments, id, segment);
    return segment;
}

void segment_settle(struct value_log *log, struct segment *segment)
{
    if (segment->state != SEGMENT_SEALED && segment->state != SEGMENT_SPARSE)
        return;
    if (segment->live_bytes == 0) {
        if (log->collected == segment)
            log->collected = NULL;
        list_remove(&segment->node);
        list_append(&log->dead, &segment->node);
        segment->state = SEGMENT_DEAD;
    } else if (segment->state == SEGMENT_SEALED && !segment->is_damaged &&
               segment->live_bytes < segment->bytes / 2) {
        list_append(&log->sparse, &segment->node);
        segment->state = SEGMENT_SPARSE;
    }
}

void segment_unlink(struct value_log *log, struct segment *segment)
{
    INVARIANT(segment != log->current && segment != log->collected);
    char path[SEGMENT_PATH_BYTES];
    files_forget(log, segment->id);
    /* Left behind by a failure: the next start finds that no row names it. */
    (void)unlink(segment_path(log, segment->id, path));
    list_remove(&segment->node);
    (void)map_remove(&log->segments, segment->id);
    mem_free(segment);
    log->unlinked++;
}
