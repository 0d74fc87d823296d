/* cp: files and directory trees, both ways. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/catena/commands.h"
#include "tools/catena/condition.h"
#include "tools/catena/copy.h"
#include "tools/catena/single.h"

enum { CP_RECURSIVE, CP_IF_NONE_MATCH };

static const struct cli_option options[] = {
    {"recursive", 'r', NULL, "a directory and everything below it"},
    CONDITION_IF_NONE_MATCH,
};

static enum cli_exit copy_file_up(struct cli *cli, const char *path, const char *remote)
{
    struct name name;
    struct catena_op_options op = CATENA_OP_OPTIONS_INIT;
    enum cli_exit exit = condition_parse(cli, cli->values[CP_IF_NONE_MATCH], NULL, &op);
    if (exit != CLI_OK)
        return exit;
    /* catena:BUCKET, catena:BUCKET/ and catena:BUCKET/dir/ take the file's own name. */
    remote = name_without_mark(remote);
    bool has_slash = strchr(remote, '/') != NULL;
    bool is_open = !has_slash || remote[strlen(remote) - 1] == '/';
    if (is_open && strcmp(path, "-") == 0)
        return cli_error(cli, CLI_USAGE, "%s: standard input needs a key", remote);
    char *full =
        cli_format("%s%s%s", remote, has_slash ? "" : "/", is_open ? name_last_part(path) : "");
    exit = name_parse(cli, full, true, &name);
    if (exit == CLI_OK)
        exit = single_up(cli, path, &name, &op);
    free(full);
    return exit;
}

/* catena:BUCKET/DIRECTORY; *ret_key as name_make_directory() says. */
static enum cli_exit parse_tree(struct cli *cli, const char *remote, struct name *ret_name,
                                char **ret_key)
{
    enum cli_exit exit = name_parse(cli, remote, false, ret_name);
    if (exit == CLI_OK)
        name_make_directory(ret_name, ret_key);
    return exit;
}

static enum cli_exit copy_tree_up(struct cli *cli, const char *from, const char *to,
                                  const struct name *name)
{
    struct stat status;
    if (stat(from, &status) != 0)
        return cli_error(cli, errno == ENOENT ? CLI_NOT_FOUND : CLI_FAILED, "cannot read %s: %s",
                         from, strerror(errno));
    return S_ISDIR(status.st_mode) ? copy_up(cli, from, name) : copy_file_up(cli, from, to);
}

static enum cli_exit copy_tree(struct cli *cli, const char *from, const char *to)
{
    struct name name;
    char *key = NULL;
    bool is_down = name_is_marked(from);
    enum cli_exit exit = parse_tree(cli, is_down ? from : to, &name, &key);
    if (exit == CLI_OK && cli->values[CP_IF_NONE_MATCH] != NULL)
        exit = cli_error(cli, CLI_USAGE, "--recursive and --if-none-match exclude each other");
    if (exit == CLI_OK)
        exit = is_down ? copy_down(cli, &name, to) : copy_tree_up(cli, from, to, &name);
    free(key);
    return exit;
}

static enum cli_exit run(struct cli *cli)
{
    const char *from = cli->operands[0];
    const char *to = cli->operands[1];
    bool is_down = name_is_marked(from);
    if (is_down == name_is_marked(to))
        return cli_error(cli, CLI_USAGE,
                         is_down ? "cp copies between here and the cluster: one side must be local"
                                 : "mark the side in the cluster: " NAME_MARK "BUCKET/KEY");
    if (cli->values[CP_RECURSIVE] != NULL)
        return copy_tree(cli, from, to);
    if (!is_down)
        return copy_file_up(cli, from, to);
    struct name name;
    if (cli->values[CP_IF_NONE_MATCH] != NULL)
        return cli_error(cli, CLI_USAGE, "--if-none-match is for copies into the cluster");
    enum cli_exit exit = name_parse(cli, from, true, &name);
    return exit == CLI_OK ? single_down(cli, &name, to, 0, UINT64_MAX) : exit;
}

const struct cli_command command_cp = {
    .name = "cp",
    .operands = "FROM TO",
    .summary = "Copy a file or, with -r, a directory tree into the cluster or out of it",
    .details =
        "The side in the cluster is written " NAME_MARK
        "BUCKET/KEY or //BUCKET/KEY, the other is a path.\n"
        "  catena cp -r photos " NAME_MARK "backup/photos   what is inside photos goes below "
        "photos/\n"
        "  catena cp -r " NAME_MARK "backup/photos again    and comes back, byte by byte\n"
        "A directory in the cluster is what keys have before a '/': " NAME_MARK
        "backup/photos, like " NAME_MARK "backup/photos/,\nmeans the keys that begin with photos/ "
        "and no others (not photos-old/a).\n"
        "Symbolic links, pipes, sockets and devices are skipped with a remark; an empty directory "
        "is kept as an\nempty object whose key ends with '/'; names that are not UTF-8 are errors "
        "(the rest is copied). Modes,\nowners and times are not kept. Every file that comes down "
        "is "
        "complete and on disk before it gets its name.\n",
    .operands_min = 2,
    .operands_max = 2,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
