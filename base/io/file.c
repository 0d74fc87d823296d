#include "base/io/file.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/contract.h"
#include "base/text.h"

enum { PATH_BYTES = 4096 };

enum err err_of_errno(int number)
{
    switch (number) {
    case 0:
        return ERR_OK;
    case ENOENT:
        return ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_ACCESS;
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case EEXIST:
    case ENOTDIR:
        return ERR_EXISTS;
    case EINVAL:
    case ENAMETOOLONG:
        return ERR_INVALID;
    default:
        return ERR_IO;
    }
}

/* ---- reading ---- */

static enum err read_all(int fd, size_t bytes_max, struct buf **ret_contents)
{
    size_t size = 4096;
    size_t used = 0;
    uint8_t *bytes = mem_alloc(size);
    for (;;) {
        if (used == size) {
            size *= 2;
            bytes = mem_realloc(bytes, size);
        }
        ssize_t got = read(fd, bytes + used, size - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || (size_t)got > bytes_max - used) {
            mem_free(bytes);
            return got < 0 ? ERR_IO : ERR_TOO_LARGE;
        }
        if (got == 0)
            break;
        used += (size_t)got;
    }
    *ret_contents = buf_copy(slice_of(bytes, used));
    mem_free(bytes);
    return ERR_OK;
}

enum err file_read(const char *path, size_t bytes_max, struct buf **ret_contents)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_of_errno(errno);
    enum err err = read_all(fd, bytes_max, ret_contents);
    close(fd);
    return err;
}

/* ---- writing ---- */

static enum err write_all(int fd, struct slice bytes)
{
    while (bytes.length > 0) {
        ssize_t put = write(fd, bytes.data, bytes.length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_of_errno(errno);
        bytes = slice_of(bytes.data + put, bytes.length - (size_t)put);
    }
    return fsync(fd) == 0 ? ERR_OK : err_of_errno(errno);
}

static enum err sync_directory_of(const char *path)
{
    char directory[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    if (length >= sizeof directory)
        return ERR_INVALID;
    memcpy(directory, path, length);
    directory[length] = '\0';
    const char *name = slash == NULL ? "." : (length == 0 ? "/" : directory);
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_of_errno(errno);
    enum err err = fsync(fd) == 0 ? ERR_OK : ERR_IO;
    close(fd);
    return err;
}

enum err file_write(const char *path, struct slice contents)
{
    char beside[PATH_BYTES];
    if (strlen(path) + sizeof ".new" > sizeof beside)
        return ERR_INVALID;
    text_format(beside, sizeof beside, "%s.new", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_of_errno(errno);
    enum err err = write_all(fd, contents);
    if (close(fd) != 0 && err == ERR_OK)
        err = ERR_IO;
    if (err == ERR_OK && rename(beside, path) != 0)
        err = err_of_errno(errno);
    if (err != ERR_OK) {
        (void)unlink(beside);
        return err;
    }
    return sync_directory_of(path);
}

/* ---- directories ---- */

static enum err make_one(const char *path)
{
    if (mkdir(path, 0700) == 0)
        return sync_directory_of(path);
    if (errno != EEXIST)
        return err_of_errno(errno);
    struct stat stat_buffer;
    if (stat(path, &stat_buffer) != 0)
        return err_of_errno(errno);
    return S_ISDIR(stat_buffer.st_mode) ? ERR_OK : ERR_EXISTS;
}

enum err directory_make(const char *path)
{
    char part[PATH_BYTES];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part)
        return ERR_INVALID;
    memcpy(part, path, length + 1);
    for (size_t i = 1; i < length; i++) {
        if (part[i] != '/')
            continue;
        part[i] = '\0';
        enum err err = make_one(part);
        if (err != ERR_OK)
            return err;
        part[i] = '/';
    }
    return make_one(part);
}

enum err directory_is_empty(const char *path, bool *ret_is_empty)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return err_of_errno(errno);
    bool is_empty = true;
    errno = 0;
    for (struct dirent *entry; is_empty && (entry = readdir(directory)) != NULL;)
        is_empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    enum err err = errno == 0 ? ERR_OK : ERR_IO;
    closedir(directory);
    if (err == ERR_OK)
        *ret_is_empty = is_empty;
    return err;
}
