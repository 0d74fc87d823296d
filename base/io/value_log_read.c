/* Reading: open files that are kept, and who is inside. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/contract.h"
#include "base/io/value_log_internal.h"

/* ---- readers ---- */

void value_log_enter(struct value_log *log, struct value_reader *reader)
{
    (void)pthread_mutex_lock(&log->mutex);
    reader->ticket = ++log->last_ticket;
    list_append(&log->readers, &reader->node);
    (void)pthread_mutex_unlock(&log->mutex);
}

void value_log_leave(struct value_log *log, struct value_reader *reader)
{
    (void)pthread_mutex_lock(&log->mutex);
    list_remove(&reader->node);
    (void)pthread_mutex_unlock(&log->mutex);
}

bool readers_are_inside(struct value_log *log, uint64_t ticket)
{
    (void)pthread_mutex_lock(&log->mutex);
    struct list_node *oldest = list_first(&log->readers);
    bool are_inside =
        oldest != NULL && CONTAINER_OF(oldest, struct value_reader, node)->ticket <= ticket;
    (void)pthread_mutex_unlock(&log->mutex);
    return are_inside;
}

uint64_t readers_last_ticket(struct value_log *log)
{
    (void)pthread_mutex_lock(&log->mutex);
    uint64_t ticket = log->last_ticket;
    (void)pthread_mutex_unlock(&log->mutex);
    return ticket;
}

/* ---- files ---- */

static int open_segment(const struct value_log *log, uint64_t id)
{
    char path[SEGMENT_PATH_BYTES];
    return open(segment_path(log, id, path), O_RDONLY | O_CLOEXEC);
}

/* With the mutex held. The file if it is open, else the place that was unused for longest, else
 * NULL: every place is in use. */
static struct segment_file *find_place(struct value_log *log, uint64_t id)
{
    struct segment_file *best = NULL;
    for (unsigned i = 0; i < log->file_count; i++) {
        struct segment_file *file = &log->files[i];
        if (file->fd >= 0 && file->segment == id)
            return file;
        if (file->users == 0 && (best == NULL || file->used_at < best->used_at))
            best = file;
    }
    return best;
}

/* *ret_place is NULL for a file that is to be closed after use. */
static enum err file_take(struct value_log *log, uint64_t id, int *ret_fd,
                          struct segment_file **ret_place)
{
    enum err err = ERR_OK;
    (void)pthread_mutex_lock(&log->mutex);
    struct segment_file *place = find_place(log, id);
    int fd = place != NULL && place->fd >= 0 && place->segment == id ? place->fd : -1;
    if (fd < 0)
        fd = open_segment(log, id);
    if (fd < 0) {
        err = errno == ENOENT ? ERR_CORRUPT : ERR_IO;
    } else if (place != NULL) {
        if (place->fd != fd && place->fd >= 0)
            close(place->fd);
        place->fd = fd;
        place->segment = id;
        place->users++;
        place->used_at = ++log->file_clock;
    }
    (void)pthread_mutex_unlock(&log->mutex);
    *ret_fd = fd;
    *ret_place = place;
    return err;
}

static void file_return(struct value_log *log, int fd, struct segment_file *place)
{
    if (place == NULL) {
        close(fd);
        return;
    }
    (void)pthread_mutex_lock(&log->mutex);
    place->users--;
    (void)pthread_mutex_unlock(&log->mutex);
}

void files_forget(struct value_log *log, uint64_t id)
{
    (void)pthread_mutex_lock(&log->mutex);
    for (unsigned i = 0; i < log->file_count; i++) {
        struct segment_file *file = &log->files[i];
        if (file->fd < 0 || file->segment != id)
            continue;
        INVARIANT(file->users == 0); /* readers that entered before it died have left */
        close(file->fd);
        file->fd = -1;
        file->used_at = 0;
    }
    (void)pthread_mutex_unlock(&log->mutex);
}

static enum err read_all(int fd, uint64_t offset, uint8_t *into, size_t length)
{
    while (length > 0) {
        ssize_t got = pread(fd, into, length, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_IO;
        if (got == 0)
            return ERR_CORRUPT;
        into += got;
        offset += (uint64_t)got;
        length -= (size_t)got;
    }
    return ERR_OK;
}

enum err segment_read(struct value_log *log, uint64_t id, uint64_t offset, uint8_t *into,
                      size_t length)
{
    struct segment_file *place = NULL;
    int fd = -1;
    enum err err = file_take(log, id, &fd, &place);
    if (err != ERR_OK)
        return err;
    err = read_all(fd, offset, into, length);
    file_return(log, fd, place);
    return err;
}

enum err value_log_read(struct value_log *log, const struct value_pointer *pointer,
                        size_t key_length, uint8_t *into)
{
    enum err err =
        segment_read(log, pointer->segment, pointer->offset + RECORD_HEADER_BYTES + key_length,
                     into, pointer->length);
    if (err == ERR_OK && checksum_bytes(slice_of(into, pointer->length)) != pointer->checksum)
        err = ERR_CORRUPT;
    return err;
}
