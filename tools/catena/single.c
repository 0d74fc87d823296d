#include "tools/catena/single.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/catena/json.h"
#include "tools/catena/local.h"
#include "tools/catena/progress.h"
#include "tools/catena/transfer.h"

struct bar {
    struct progress progress;
    uint64_t done;
    uint64_t total;
};

static void on_moved(void *context, uint64_t bytes)
{
    struct bar *bar = context;
    bar->done += bytes;
    progress_update(&bar->progress, bar->done, bar->total, 0);
}

static void on_error(void *context)
{
    struct bar *bar = context;
    progress_clear(&bar->progress);
}

static void print_stored(const struct cli *cli, const struct name *name, uint64_t size,
                         const struct catena_info *info)
{
    char version[CATENA_VERSION_TEXT_SIZE];
    (void)catena_version_format(info->version, version);
    if (cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_text(&json, "bucket", name->bucket);
        json_bytes(&json, "key", name->key, name->key_length);
        json_number(&json, "size", size);
        json_text(&json, "version", version);
        json_number(&json, "replicas_durable", info->replicas_durable);
        json_finish(&json);
    } else if (!cli->is_quiet) {
        char amount[SHOW_SIZE];
        (void)printf("%s/", name->bucket);
        name_print(stdout, name->key, name->key_length);
        (void)printf("  %s  version %s  on disk at %" PRIu32 " replicas\n",
                     show_bytes(size, amount), version, info->replicas_durable);
    }
}

enum cli_exit single_up(struct cli *cli, const char *path, const struct name *name,
                        const struct catena_op_options *op)
{
    struct stat status = {0};
    bool is_standard_input = strcmp(path, "-") == 0;
    int fd = is_standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        int why = errno;
        return cli_error(cli, why == ENOENT ? CLI_NOT_FOUND : CLI_FAILED, "cannot read %s: %s",
                         path, strerror(why));
    }
    if (S_ISDIR(status.st_mode)) {
        (void)close(fd);
        return cli_error(cli, CLI_USAGE, "%s is a directory (see catena cp -r)", path);
    }
    struct catena_info info = {0};
    struct bar bar = {.total = S_ISREG(status.st_mode) && !is_standard_input
                                   ? (uint64_t)status.st_size
                                   : PROGRESS_UNKNOWN};
    enum cli_exit exit = cli_open(cli);
    if (exit != CLI_OK)
        goto out;
    interrupt_catch();
    progress_init(&bar.progress, cli, name_last_part(name->key));
    struct transfer transfer = {
        .cli = cli,
        .name = name,
        .path = is_standard_input ? "standard input" : path,
        .moved = on_moved,
        .before_error = on_error,
        .context = &bar,
    };
    exit = transfer_up(&transfer, fd, op, &info);
    progress_clear(&bar.progress);
    if (exit == CLI_OK) {
        cli_done(cli, "%s/%s was stored", name->bucket, name->key);
        print_stored(cli, name, bar.done, &info);
    }
    catena_info_release(&info);
out:
    if (!is_standard_input)
        (void)close(fd);
    return exit;
}

static void print_fetched(const struct cli *cli, const struct name *name, const char *path,
                          uint64_t size, const struct catena_info *info)
{
    char version[CATENA_VERSION_TEXT_SIZE];
    (void)catena_version_format(info->version, version);
    if (cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_text(&json, "bucket", name->bucket);
        json_bytes(&json, "key", name->key, name->key_length);
        json_text(&json, "file", path);
        json_number(&json, "size", size);
        json_text(&json, "version", version);
        json_finish(&json);
    } else if (!cli->is_quiet) {
        char amount[SHOW_SIZE];
        (void)printf("%s  %s  version %s\n", path, show_bytes(size, amount), version);
    }
}

enum cli_exit single_down(struct cli *cli, const struct name *name, const char *path,
                          uint64_t offset, uint64_t length)
{
    struct stat status;
    struct catena_info info = {0};
    struct bar bar = {.total = PROGRESS_UNKNOWN};
    char *inside = NULL;
    bool is_standard_output = path != NULL && strcmp(path, "-") == 0;
    const char *last = name_last_part(name->key);
    if (path == NULL) {
        path = last;
    } else if (!is_standard_output && stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        inside = cli_format("%s/%s", path, last);
        path = inside;
    }
    if (path != inside && path == last &&
        (last[0] == '\0' || strchr(last, '/') != NULL || strcmp(last, ".") == 0 ||
         strcmp(last, "..") == 0))
        return cli_error(cli, CLI_USAGE, "the key gives no file name: say where to write it");
    enum cli_exit exit = cli_open(cli);
    if (exit != CLI_OK)
        goto out;
    local_file_prepare();
    interrupt_catch();
    progress_init(&bar.progress, cli, last);
    struct transfer transfer = {
        .cli = cli,
        .name = name,
        .path = path,
        .moved = on_moved,
        .before_error = on_error,
        .context = &bar,
    };
    if (bar.progress.is_shown && catena_stat(cli->client, name->bucket, name->key, name->key_length,
                                             NULL, &info) == CATENA_OK) {
        uint64_t rest = info.size > offset ? info.size - offset : 0;
        bar.total = rest < length ? rest : length;
        catena_info_release(&info);
        info = (struct catena_info){0};
    }
    exit = is_standard_output ? transfer_down_fd(&transfer, STDOUT_FILENO, offset, length, &info)
                              : transfer_down_file(&transfer, offset, length, &info);
    progress_clear(&bar.progress);
    if (exit == CLI_OK && !is_standard_output) {
        cli_done(cli, "%s was written", path);
        print_fetched(cli, name, path, bar.done, &info);
    }
    catena_info_release(&info);
out:
    free(inside);
    return exit;
}
