#include "base/io/host.h"

#include <sys/random.h>
#include <sys/statvfs.h>

#include <errno.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/io/file.h"

static void fill_random(void *out, size_t length)
{
    uint8_t *at = out;
    while (length > 0) {
        ssize_t got = getrandom(at, length, 0);
        if (got < 0 && errno == EINTR)
            continue;
        /* Without the kernel's randomness identities would collide: stop. */
        INVARIANT(got > 0);
        at += got;
        length -= (size_t)got;
    }
}

struct uuid uuid_random(void)
{
    struct uuid uuid;
    fill_random(uuid.bytes, sizeof uuid.bytes);
    uuid.bytes[6] = (uint8_t)((uuid.bytes[6] & 0x0f) | 0x40);
    uuid.bytes[8] = (uint8_t)((uuid.bytes[8] & 0x3f) | 0x80);
    return uuid;
}

uint64_t random_seed(void)
{
    uint64_t seed;
    fill_random(&seed, sizeof seed);
    return seed;
}

enum err host_boot_id(struct uuid *ret_boot)
{
    char text[UUID_TEXT_SIZE];
    struct buf *file = NULL;
    enum err err = file_read("/proc/sys/kernel/random/boot_id", 4096, &file);
    if (err != ERR_OK)
        return ERR_IO;
    err = ERR_IO;
    if (file->length >= sizeof text - 1) {
        memcpy(text, file->data, sizeof text - 1);
        text[sizeof text - 1] = '\0';
        if (uuid_parse(text, ret_boot))
            err = ERR_OK;
    }
    buf_unref(file);
    return err;
}

enum err host_disk_space(const char *directory, uint64_t *ret_total, uint64_t *ret_free)
{
    struct statvfs stat;
    if (statvfs(directory, &stat) != 0)
        return ERR_IO;
    *ret_total = (uint64_t)stat.f_blocks * stat.f_frsize;
    *ret_free = (uint64_t)stat.f_bavail * stat.f_frsize;
    return ERR_OK;
}
