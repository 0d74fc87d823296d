/* A local file that appears complete under its name or not at all. */
#ifndef CATENA_TOOLS_CATENA_LOCAL_H
#define CATENA_TOOLS_CATENA_LOCAL_H

#include <sys/types.h>

#include "tools/catena/cli.h"

struct local_file {
    int fd;
    char *path; /* the final name, symbolic links resolved */
    char *temp; /* NULL: not a regular file (/dev/null, a pipe), written directly */
};

/* Opens a new file beside `path`. False: *ret_error is a sentence (free it). Call
 * local_file_prepare() once before, from the main thread. */
void local_file_prepare(void);
bool local_file_open(struct local_file *file, const char *path, char **ret_error);
bool local_file_write(struct local_file *file, const void *bytes, size_t length, char **ret_error);
/* Makes it durable and gives it its name; the directory's entry is durable too if `sync_directory`.
 * Releases the file, whatever the outcome; on failure nothing is left. */
bool local_file_commit(struct local_file *file, bool sync_directory, char **ret_error);
void local_file_discard(struct local_file *file);

/* Directory and those above it. */
bool local_directory_make(const char *path, char **ret_error);
/* Makes a directory's entries durable. */
void local_directory_sync(const char *path);
/* The same for everything on the file system of a directory. */
void local_file_system_sync(const char *path);

#endif
