#include "tools/catena/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static mode_t mode_of_new_files = 0644;

void local_file_prepare(void)
{
    mode_t mask = umask(0);
    (void)umask(mask);
    mode_of_new_files = 0666 & ~mask;
}

static bool failed(char **ret_error, const char *doing, const char *path)
{
    *ret_error = cli_format("cannot %s %s: %s", doing, path, strerror(errno));
    return false;
}

/* The directory part, with its slash; "./" if there is none. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return cli_format("./");
    return cli_format("%.*s", (int)(slash - path + 1), path);
}

bool local_file_open(struct local_file *file, const char *path, char **ret_error)
{
    struct stat status;
    mode_t mode = mode_of_new_files;
    *file = (struct local_file){.fd = -1};
    char *resolved = realpath(path, NULL);
    file->path = cli_format("%s", resolved != NULL ? resolved : path);
    free(resolved);
    if (stat(file->path, &status) == 0) {
        if (S_ISDIR(status.st_mode)) {
            errno = EISDIR;
            goto bad;
        }
        mode = status.st_mode & 07777;
        if (!S_ISREG(status.st_mode)) {
            file->fd = open(file->path, O_WRONLY | O_CLOEXEC);
            if (file->fd < 0)
                goto bad;
            return true;
        }
    }
    char *directory = directory_of(file->path);
    file->temp = cli_format("%s.catena-XXXXXX", directory);
    free(directory);
    file->fd = mkostemp(file->temp, O_CLOEXEC);
    if (file->fd < 0) {
        free(file->temp);
        file->temp = NULL;
        goto bad;
    }
    (void)fchmod(file->fd, mode);
    return true;
bad:
    (void)failed(ret_error, "write", path);
    local_file_discard(file);
    return false;
}

bool local_file_write(struct local_file *file, const void *bytes, size_t length, char **ret_error)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = write(file->fd, at, length);
        if (written < 0 && errno == EINTR && !interrupt_seen())
            continue;
        if (written < 0)
            return failed(ret_error, "write", file->path);
        at += written;
        length -= (size_t)written;
    }
    return true;
}

bool local_file_commit(struct local_file *file, bool sync_directory, char **ret_error)
{
    bool is_good = true;
    if (file->temp != NULL && fsync(file->fd) != 0)
        is_good = failed(ret_error, "make durable", file->path);
    if (close(file->fd) != 0 && is_good)
        is_good = failed(ret_error, "write", file->path);
    file->fd = -1;
    if (is_good && file->temp != NULL && rename(file->temp, file->path) != 0)
        is_good = failed(ret_error, "write", file->path);
    if (is_good) {
        free(file->temp);
        file->temp = NULL;
        if (sync_directory) {
            char *directory = directory_of(file->path);
            local_directory_sync(directory);
            free(directory);
        }
    }
    local_file_discard(file);
    return is_good;
}

void local_file_discard(struct local_file *file)
{
    if (file->fd >= 0)
        (void)close(file->fd);
    if (file->temp != NULL)
        (void)unlink(file->temp);
    free(file->temp);
    free(file->path);
    *file = (struct local_file){.fd = -1};
}

bool local_directory_make(const char *path, char **ret_error)
{
    char *part = cli_format("%s", path);
    for (char *at = part + 1;; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char after = *at;
        *at = '\0';
        struct stat status;
        if (mkdir(part, 0777) != 0 && (errno != EEXIST || stat(part, &status) != 0 ||
                                       (!S_ISDIR(status.st_mode) && (errno = ENOTDIR) != 0))) {
            (void)failed(ret_error, "make directory", part);
            free(part);
            return false;
        }
        *at = after;
        if (after == '\0')
            break;
    }
    free(part);
    return true;
}

static void sync_directory_with(const char *path, int (*sync)(int fd))
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)sync(fd);
    (void)close(fd);
}

void local_directory_sync(const char *path)
{
    sync_directory_with(path, fsync);
}

void local_file_system_sync(const char *path)
{
    sync_directory_with(path, syncfs);
}
