#include "tools/catena/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/catena/local.h"

static void moved(const struct transfer *transfer, uint64_t bytes)
{
    if (transfer->moved != NULL)
        transfer->moved(transfer->context, bytes);
}

static void before_error(const struct transfer *transfer)
{
    if (transfer->before_error != NULL)
        transfer->before_error(transfer->context);
}

static enum cli_exit interrupted(const struct transfer *transfer, const char *what)
{
    before_error(transfer);
    return cli_error(transfer->cli, CLI_INTERRUPTED, "interrupted: %s", what);
}

static enum cli_exit local_error(const struct transfer *transfer, char *text)
{
    before_error(transfer);
    enum cli_exit exit = cli_error(transfer->cli, CLI_FAILED, "%s", text);
    free(text);
    return exit;
}

static enum cli_exit status_error(const struct transfer *transfer, enum catena_status status,
                                  const char *verb)
{
    before_error(transfer);
    return cli_status_error(transfer->cli, status, NULL, "cannot %s %s/%s", verb,
                            transfer->name->bucket, transfer->name->key);
}

/* Reads until the buffer is full or the end. False: *ret_exit says why. */
static bool fill(const struct transfer *transfer, int fd, char *buffer, size_t *ret_length,
                 enum cli_exit *ret_exit)
{
    size_t length = 0;
    while (length < TRANSFER_PIECE_BYTES) {
        if (interrupt_seen()) {
            *ret_exit = interrupted(transfer, "nothing was stored");
            return false;
        }
        ssize_t got = read(fd, buffer + length, TRANSFER_PIECE_BYTES - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            *ret_exit = local_error(transfer, cli_format("cannot read %s: %s; nothing was stored",
                                                         transfer->path, strerror(errno)));
            return false;
        }
        if (got == 0)
            break;
        length += (size_t)got;
    }
    *ret_length = length;
    return true;
}

/* The value is longer than the piece in buffer: a stream. */
static enum cli_exit stream_up(const struct transfer *transfer, int fd, char *buffer,
                               const struct catena_op_options *op, struct catena_info *ret_info)
{
    const struct name *name = transfer->name;
    struct catena_put_stream *stream = NULL;
    enum cli_exit exit = CLI_OK;
    size_t length = TRANSFER_PIECE_BYTES;
    enum catena_status status = catena_put_stream_open(transfer->cli->client, name->bucket,
                                                       name->key, name->key_length, op, &stream);
    if (status != CATENA_OK)
        return status_error(transfer, status, "store");
    while (length > 0) {
        status = catena_put_stream_write(stream, buffer, length);
        if (status != CATENA_OK) {
            exit = status_error(transfer, status, "store");
            break;
        }
        moved(transfer, length);
        if (!fill(transfer, fd, buffer, &length, &exit))
            break;
    }
    if (exit == CLI_OK && interrupt_seen())
        exit = interrupted(transfer, "nothing was stored");
    if (exit != CLI_OK) {
        catena_put_stream_abort(stream);
        return exit;
    }
    status = catena_put_stream_commit(stream, ret_info);
    return status == CATENA_OK ? CLI_OK : status_error(transfer, status, "store");
}

enum cli_exit transfer_up(const struct transfer *transfer, int fd,
                          const struct catena_op_options *op, struct catena_info *ret_info)
{
    const struct name *name = transfer->name;
    enum cli_exit exit = CLI_OK;
    size_t length = 0;
    char *buffer = cli_alloc(TRANSFER_PIECE_BYTES);
    if (!fill(transfer, fd, buffer, &length, &exit))
        goto out;
    if (length == TRANSFER_PIECE_BYTES) {
        exit = stream_up(transfer, fd, buffer, op, ret_info);
        goto out;
    }
    enum catena_status status = catena_put(transfer->cli->client, name->bucket, name->key,
                                           name->key_length, buffer, length, op, ret_info);
    if (status != CATENA_OK)
        exit = status_error(transfer, status, "store");
    else
        moved(transfer, length);
out:
    free(buffer);
    return exit;
}

static enum cli_exit pump_down(const struct transfer *transfer, struct catena_get_stream *stream,
                               struct local_file *file)
{
    char *error = NULL;
    enum cli_exit exit = CLI_OK;
    char *buffer = cli_alloc(TRANSFER_PIECE_BYTES);
    for (;;) {
        size_t length = 0;
        if (interrupt_seen()) {
            exit = interrupted(transfer, "the copy is incomplete");
            break;
        }
        enum catena_status status =
            catena_get_stream_read(stream, buffer, TRANSFER_PIECE_BYTES, &length);
        if (status != CATENA_OK) {
            exit = status_error(transfer, status, "fetch");
            break;
        }
        if (length == 0)
            break;
        if (!local_file_write(file, buffer, length, &error)) {
            if (interrupt_seen()) {
                free(error);
                exit = interrupted(transfer, "the copy is incomplete");
            } else {
                exit = local_error(transfer, error);
            }
            break;
        }
        moved(transfer, length);
    }
    free(buffer);
    return exit;
}

static enum cli_exit open_stream(const struct transfer *transfer, uint64_t offset, uint64_t length,
                                 struct catena_get_stream **ret_stream,
                                 struct catena_info *ret_info)
{
    const struct name *name = transfer->name;
    enum catena_status status =
        catena_get_stream_open(transfer->cli->client, name->bucket, name->key, name->key_length,
                               offset, length, NULL, ret_stream, ret_info);
    if (status != CATENA_OK)
        return status_error(transfer, status, "fetch");
    if (offset == 0 || offset < ret_info->size)
        return CLI_OK;
    catena_get_stream_close(*ret_stream);
    before_error(transfer);
    return cli_error(transfer->cli, CLI_USAGE,
                     "cannot fetch %s/%s from byte %" PRIu64 ": out of range, it has %" PRIu64
                     " bytes",
                     name->bucket, name->key, offset, ret_info->size);
}

enum cli_exit transfer_down_fd(const struct transfer *transfer, int fd, uint64_t offset,
                               uint64_t length, struct catena_info *ret_info)
{
    struct catena_get_stream *stream = NULL;
    enum cli_exit exit = open_stream(transfer, offset, length, &stream, ret_info);
    if (exit != CLI_OK)
        return exit;
    char path[] = "standard output";
    struct local_file file = {.fd = fd, .path = path};
    exit = pump_down(transfer, stream, &file);
    catena_get_stream_close(stream);
    return exit;
}

enum cli_exit transfer_down_file(const struct transfer *transfer, uint64_t offset, uint64_t length,
                                 struct catena_info *ret_info)
{
    struct catena_get_stream *stream = NULL;
    struct local_file file;
    char *error = NULL;
    /* The object first: a missing one must not disturb the directory. */
    enum cli_exit exit = open_stream(transfer, offset, length, &stream, ret_info);
    if (exit != CLI_OK)
        return exit;
    if (!local_file_open(&file, transfer->path, &error)) {
        catena_get_stream_close(stream);
        return local_error(transfer, error);
    }
    interrupt_partial_file(file.temp);
    exit = pump_down(transfer, stream, &file);
    catena_get_stream_close(stream);
    if (exit != CLI_OK)
        local_file_discard(&file);
    else if (!local_file_commit(&file, true, &error))
        exit = local_error(transfer, error);
    interrupt_partial_file(NULL);
    return exit;
}
