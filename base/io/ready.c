#include "base/io/ready.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.h"

static enum err write_line(int fd, const char *line)
{
    struct text text;
    text_init(&text);
    text_append(&text, "%s\n", line);
    const char *at = text_cstr(&text);
    size_t left = text.length;
    while (left > 0) {
        ssize_t written = write(fd, at, left);
        if (written <= 0)
            break;
        at += written;
        left -= (size_t)written;
    }
    text_release(&text);
    return left == 0 ? ERR_OK : ERR_IO;
}

static enum err write_file(const char *directory, const char *line)
{
    struct text path;
    struct text temporary;
    text_init(&path);
    text_init(&temporary);
    text_append(&path, "%s/ready", directory);
    text_append(&temporary, "%s/ready.tmp", directory);
    enum err err = ERR_IO;
    int fd = open(text_cstr(&temporary), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd >= 0) {
        err = write_line(fd, line);
        if (close(fd) != 0)
            err = ERR_IO;
        if (err == ERR_OK && rename(text_cstr(&temporary), text_cstr(&path)) != 0)
            err = ERR_IO;
    }
    text_release(&path);
    text_release(&temporary);
    return err;
}

void ready_clear(const char *directory)
{
    struct text path;
    text_init(&path);
    text_append(&path, "%s/ready", directory);
    (void)unlink(text_cstr(&path));
    text_release(&path);
}

enum err ready_announce(const char *directory, uint32_t ready_fd, const char *line)
{
    enum err err = ERR_OK;
    if (ready_fd != 0) {
        err = write_line((int)ready_fd, line);
        (void)close((int)ready_fd);
    }
    enum err file_err = write_file(directory, line);
    return err == ERR_OK ? file_err : err;
}
