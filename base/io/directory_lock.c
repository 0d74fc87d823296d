#include "base/io/directory_lock.h"

#include <sys/file.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/contract.h"
#include "base/io/clock.h"
#include "base/io/file.h"
#include "base/io/process.h"
#include "base/text.h"

enum { PATH_BYTES = 4096, LOOK_AGAIN_MS = 20, LOOKS_ALIVE = 3 };

struct directory_lock {
    int fd;
};

static const char *lock_name = "catena.lock";

/* The process whose number the owner left in the file; 0 if there is none. */
static long owner_of(int fd)
{
    char digits[33] = {0};
    if (pread(fd, digits, sizeof digits - 1, 0) <= 0)
        return 0;
    long pid = strtol(digits, NULL, 10);
    return pid > 0 ? pid : 0;
}

static enum err refuse(int fd, const char *directory, char *ret_text, size_t text_size)
{
    long pid = owner_of(fd);
    if (pid > 0)
        text_format(ret_text, text_size,
                    "directory %s is in use by process %ld; stop it or choose another directory",
                    directory, pid);
    else
        text_format(ret_text, text_size,
                    "directory %s is in use by another process; stop it or choose another "
                    "directory",
                    directory);
    return ERR_BUSY;
}

static enum err lock_file(int fd, const char *directory, char *ret_text, size_t text_size)
{
    uint64_t deadline_us = clock_monotonic_us() + DIRECTORY_LOCK_DYING_MS * UINT64_C(1000);
    int looks_alive = 0;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) {
            text_format(ret_text, text_size, "cannot lock %s/%s: %s", directory, lock_name,
                        err_text(ERR_IO));
            return ERR_IO;
        }
        /* One look is not enough: a new owner has not written its number yet, for an instant. */
        long owner = owner_of(fd);
        looks_alive = owner != 0 && process_is_ending(owner) ? 0 : looks_alive + 1;
        if (looks_alive == LOOKS_ALIVE || clock_monotonic_us() >= deadline_us)
            return refuse(fd, directory, ret_text, text_size);
        struct timespec moment = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};
        (void)nanosleep(&moment, NULL);
    }
    return ERR_OK;
}

enum err directory_lock_take(const char *directory, struct directory_lock **ret_lock,
                             char *ret_text, size_t text_size)
{
    char path[PATH_BYTES];
    if (strlen(directory) + strlen(lock_name) + 2 > sizeof path)
        return ERR_INVALID;
    text_format(path, sizeof path, "%s/%s", directory, lock_name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        enum err err = err_of_errno(errno);
        text_format(ret_text, text_size,
                    "cannot open %s: %s; does the directory exist and may "
                    "this user write there?",
                    path, err_text(err));
        return err;
    }
    enum err err = lock_file(fd, directory, ret_text, text_size);
    if (err != ERR_OK) {
        close(fd);
        return err;
    }
    char digits[32];
    text_format(digits, sizeof digits, "%ld\n", (long)getpid());
    /* The number only helps people and those who wait: a failure to write it does not matter. */
    if (ftruncate(fd, 0) == 0)
        (void)!pwrite(fd, digits, strlen(digits), 0);
    struct directory_lock *lock = mem_alloc(sizeof *lock);
    lock->fd = fd;
    *ret_lock = lock;
    return ERR_OK;
}

void directory_lock_free(struct directory_lock *lock)
{
    if (lock == NULL)
        return;
    close(lock->fd);
    mem_free(lock);
}
