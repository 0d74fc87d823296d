/* Opening, counting what is named, closing. */
#include "base/io/value_log.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/io/file.h"
#include "base/io/host.h"
#include "base/io/value_log_internal.h"
#include "base/text.h"

enum {
    SEGMENT_BYTES_DEFAULT = 64 << 20,
    SEGMENT_BYTES_MIN = 4 << 20,
    SEGMENTS_PER_DISK = 64, /* at least: what one holds back is a small part of the disk */
    OPEN_FILES_DEFAULT = 64,
};

static struct value_log *log_new(const struct value_log_options *options)
{
    struct value_log *log = mem_calloc(1, sizeof *log);
    size_t length = strlen(options->directory) + 1;
    log->directory = mem_alloc(length);
    memcpy(log->directory, options->directory, length);
    log->segment_bytes = options->segment_bytes;
    log->system = options->system != NULL
                      ? *options->system
                      : (struct value_log_system){.pwritev = pwritev, .fdatasync = fdatasync};
    log->current_fd = -1;
    log->next_id = 1;
    map_init(&log->segments);
    map_init(&log->missing);
    list_init(&log->fresh);
    list_init(&log->sparse);
    list_init(&log->dead);
    list_init(&log->leaving);
    list_init(&log->readers);
    log->file_count = options->open_files_max == 0 ? OPEN_FILES_DEFAULT : options->open_files_max;
    log->files = mem_calloc(log->file_count, sizeof *log->files);
    for (unsigned i = 0; i < log->file_count; i++)
        log->files[i].fd = -1;
    int failed = pthread_mutex_init(&log->mutex, NULL);
    PRE(failed == 0);
    return log;
}

/* NNNNNNNNNN.seg; anything else is not ours and left alone. */
static bool segment_number(const char *name, uint64_t *ret_id)
{
    uint64_t id = 0;
    unsigned digits = 0;
    for (; name[digits] >= '0' && name[digits] <= '9' && digits < 19; digits++)
        id = id * 10 + (uint64_t)(name[digits] - '0');
    if (digits < SEGMENT_NAME_DIGITS || strcmp(name + digits, ".seg") != 0)
        return false;
    *ret_id = id;
    return true;
}

static enum err find_segments(struct value_log *log)
{
    DIR *directory = opendir(log->directory);
    if (directory == NULL)
        return err_of_errno(errno);
    errno = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        uint64_t id = 0;
        if (!segment_number(entry->d_name, &id))
            continue;
        struct segment *segment = segment_new(log, id);
        struct stat status;
        if (fstatat(dirfd(directory), entry->d_name, &status, 0) == 0)
            segment->bytes = (uint64_t)status.st_size;
        if (id >= log->next_id)
            log->next_id = id + 1;
    }
    enum err err = errno == 0 ? ERR_OK : ERR_IO;
    closedir(directory);
    return err;
}

static uint64_t segment_bytes_default(const char *directory)
{
    uint64_t total = 0;
    uint64_t available = 0;
    if (host_disk_space(directory, &total, &available) != ERR_OK ||
        total / SEGMENTS_PER_DISK > SEGMENT_BYTES_DEFAULT)
        return SEGMENT_BYTES_DEFAULT;
    uint64_t bytes = total / SEGMENTS_PER_DISK;
    return bytes < SEGMENT_BYTES_MIN ? SEGMENT_BYTES_MIN : bytes;
}

uint64_t value_log_segment_bytes(const struct value_log *log)
{
    return log->segment_bytes;
}

enum err value_log_open(const struct value_log_options *options, struct value_log **ret_log,
                        char *ret_text, size_t text_size)
{
    PRE(strlen(options->directory) + SEGMENT_NAME_DIGITS + 16 < SEGMENT_PATH_BYTES);
    struct value_log *log = log_new(options);
    enum err err = directory_make(options->directory);
    if (err == ERR_OK && log->segment_bytes == 0)
        log->segment_bytes = segment_bytes_default(options->directory);
    if (err == ERR_OK)
        err = find_segments(log);
    if (err != ERR_OK) {
        if (ret_text != NULL)
            text_format(ret_text, text_size, "cannot use the directory of large values %s: %s",
                        options->directory, err_text(err));
        value_log_close(log);
        return err;
    }
    *ret_log = log;
    return ERR_OK;
}

static void release_missing(struct value_log *log)
{
    size_t cursor = 0;
    uint64_t id = 0;
    for (struct lost_segment *lost; (lost = map_next(&log->missing, &cursor, &id)) != NULL;)
        mem_free(lost);
    map_release(&log->missing);
}

void value_log_close(struct value_log *log)
{
    if (log == NULL)
        return;
    INVARIANT(list_is_empty(&log->readers));
    if (log->current_fd >= 0)
        close(log->current_fd);
    size_t cursor = 0;
    uint64_t id = 0;
    for (struct segment *segment; (segment = map_next(&log->segments, &cursor, &id)) != NULL;)
        mem_free(segment);
    map_release(&log->segments);
    release_missing(log);
    for (unsigned i = 0; i < log->file_count; i++)
        if (log->files[i].fd >= 0)
            close(log->files[i].fd);
    (void)pthread_mutex_destroy(&log->mutex);
    mem_free(log->files);
    mem_free(log->key_bytes);
    mem_free(log->directory);
    mem_free(log);
}

static void count_missing(struct value_log *log, uint64_t id, uint64_t end)
{
    struct lost_segment *lost = map_get(&log->missing, id);
    if (lost == NULL) {
        lost = mem_calloc(1, sizeof *lost);
        *lost = (struct lost_segment){.id = id, .is_missing = true};
        (void)map_put(&log->missing, id, lost);
    }
    if (end > lost->named_end)
        lost->named_end = end;
}

void value_log_count(struct value_log *log, const struct value_pointer *pointer, size_t key_length)
{
    uint64_t bytes = value_log_record_bytes(key_length, pointer->length);
    /* The number of a segment that is gone is not used again either. */
    if (pointer->segment >= log->next_id)
        log->next_id = pointer->segment + 1;
    struct segment *segment = map_get(&log->segments, pointer->segment);
    if (segment == NULL) {
        count_missing(log, pointer->segment, pointer->offset + bytes);
        return;
    }
    segment->live_bytes += bytes;
    if (pointer->offset + bytes > segment->named_end)
        segment->named_end = pointer->offset + bytes;
}

static void note_lost(struct value_log *log, const struct lost_segment *lost)
{
    if (log->lost_count == 0 || lost->id < log->first_lost.id)
        log->first_lost = *lost;
    log->lost_count++;
}

static void note_missing(struct value_log *log)
{
    size_t cursor = 0;
    uint64_t id = 0;
    for (struct lost_segment *lost; (lost = map_next(&log->missing, &cursor, &id)) != NULL;)
        note_lost(log, lost);
    release_missing(log);
}

void value_log_settle(struct value_log *log)
{
    note_missing(log);
    struct list_node unnamed;
    list_init(&unnamed);
    size_t cursor = 0;
    uint64_t id = 0;
    for (struct segment *segment; (segment = map_next(&log->segments, &cursor, &id)) != NULL;) {
        if (segment->live_bytes == 0) {
            list_append(&unnamed, &segment->node);
            continue;
        }
        /* Behind the last named record: a torn record, or space that was reserved. */
        char path[SEGMENT_PATH_BYTES];
        if (segment->bytes < segment->named_end)
            note_lost(log, &(struct lost_segment){
                               .id = id, .bytes = segment->bytes, .named_end = segment->named_end});
        if (segment->bytes > segment->named_end)
            (void)!truncate(segment_path(log, id, path), (off_t)segment->named_end);
        segment->bytes = segment->named_end;
        segment_settle(log, segment);
    }
    LIST_FOREACH_SAFE (node, &unnamed)
        segment_unlink(log, CONTAINER_OF(node, struct segment, node));
    log->unlinked = 0;
}

void value_log_tell_lost(const struct value_log *log, char *ret_text, size_t text_size)
{
    if (log->lost_count == 0 || ret_text == NULL)
        return;
    const struct lost_segment *lost = &log->first_lost;
    char others[64] = "";
    if (log->lost_count > 1)
        text_format(others, sizeof others, " (and %llu more segments are not whole)",
                    (unsigned long long)(log->lost_count - 1));
    text_format(ret_text, text_size,
                "large values are lost: %.200s/%0*llu.seg %s, it has %llu of the %llu bytes that "
                "rows name%s; reading them fails here, the rest is served: check the disk; if "
                "other nodes have replicas, start this node with an empty directory",
                log->directory, SEGMENT_NAME_DIGITS, (unsigned long long)lost->id,
                lost->is_missing ? "is missing" : "is too short", (unsigned long long)lost->bytes,
                (unsigned long long)lost->named_end, others);
}

struct value_log_stats value_log_stats(const struct value_log *log)
{
    struct value_log_stats stats = {
        .segments = log->segments.count,
        .collected_bytes = log->collected_bytes,
        .unlinked = log->unlinked,
    };
    size_t cursor = 0;
    uint64_t id = 0;
    for (struct segment *segment; (segment = map_next(&log->segments, &cursor, &id)) != NULL;) {
        stats.bytes += segment->bytes;
        stats.live_bytes += segment->live_bytes;
    }
    return stats;
}
