#include "tests/lib/temp_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/contract.h"
#include "base/slice.h"
#include "base/text.h"

void temp_directory_make(char *path, size_t size)
{
    const char *parent = getenv("TMPDIR");
    text_format(path, size, "%s/catena-test-XXXXXX", parent == NULL ? "/tmp" : parent);
    INVARIANT(mkdtemp(path) != NULL);
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *at)
{
    (void)stat;
    (void)kind;
    (void)at;
    return remove(path);
}

void temp_directory_remove(const char *path)
{
    enum { OPEN_MAX_AT_ONCE = 16 };
    (void)nftw(path, remove_one, OPEN_MAX_AT_ONCE, FTW_DEPTH | FTW_PHYS);
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t length = strlen(name);
    size_t tail = strlen(suffix);
    return length >= tail && strcmp(name + length - tail, suffix) == 0;
}

unsigned temp_directory_damage(const char *path, const char *suffix, long offset)
{
    unsigned damaged = 0;
    DIR *directory = opendir(path);
    INVARIANT(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (!ends_with(entry->d_name, suffix))
            continue;
        int fd = openat(dirfd(directory), entry->d_name, O_WRONLY | O_CLOEXEC);
        INVARIANT(fd >= 0);
        if (pwrite(fd, "XXXX", 4, offset) == 4)
            damaged++;
        close(fd);
    }
    closedir(directory);
    return damaged;
}
