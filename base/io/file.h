/* Small files and directories: identity files, configuration. */
#ifndef CATENA_BASE_IO_FILE_H
#define CATENA_BASE_IO_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* The whole file. ERR_NOT_FOUND; ERR_TOO_LARGE beyond bytes_max; ERR_IO. */
enum err file_read(const char *path, size_t bytes_max, struct buf **ret_contents);
/* Replaces the file atomically and durably: written beside it, fsynced, renamed, directory
 * fsynced. ERR_NO_SPACE, ERR_ACCESS, ERR_IO. */
enum err file_write(const char *path, struct slice contents);
/* Makes the directory and its parents (mode 0700), each durable in the one above it; fine if it is
 * there. ERR_ACCESS, ERR_NO_SPACE, ERR_EXISTS when something else has the name, ERR_IO. */
enum err directory_make(const char *path);
/* No entries besides . and .. ? ERR_NOT_FOUND, ERR_IO. */
enum err directory_is_empty(const char *path, bool *ret_is_empty);

/* errno to err: the one place. */
enum err err_of_errno(int number);

#endif
