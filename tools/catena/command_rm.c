/* rm: deletes objects. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/catena/commands.h"
#include "tools/catena/condition.h"
#include "tools/catena/json.h"
#include "tools/catena/remove.h"

enum { RM_RECURSIVE, RM_FORCE, RM_IF_MATCH };

static const struct cli_option options[] = {
    {"recursive", 'r', NULL, "KEY is a directory: remove everything below it too"},
    {"force", 'f', NULL, "an object that does not exist is no error"},
    CONDITION_IF_MATCH,
};

static enum cli_exit remove_object(struct cli *cli, const struct name *name,
                                   const struct catena_op_options *op, uint64_t *removed)
{
    struct catena_info info = {0};
    enum catena_status status =
        catena_delete(cli->client, name->bucket, name->key, name->key_length, op, &info);
    enum cli_exit exit = CLI_OK;
    if (status == CATENA_OK)
        (*removed)++;
    else if (status != CATENA_NO_KEY || cli->values[RM_FORCE] == NULL)
        exit = cli_status_error(cli, status, NULL, "cannot remove %s/%s", name->bucket, name->key);
    if (status == CATENA_CONDITION_FAILED && !cli->is_json) {
        char version[CATENA_VERSION_TEXT_SIZE];
        cli_note(cli, "its version is %s", catena_version_format(info.version, version));
    }
    catena_info_release(&info);
    return exit;
}

static enum cli_exit run(struct cli *cli)
{
    struct catena_op_options op = CATENA_OP_OPTIONS_INIT;
    bool is_recursive = cli->values[RM_RECURSIVE] != NULL;
    enum cli_exit exit = condition_parse(cli, NULL, cli->values[RM_IF_MATCH], &op);
    if (exit == CLI_OK && is_recursive && cli->values[RM_IF_MATCH] != NULL)
        exit = cli_error(cli, CLI_USAGE, "--recursive and --if-match exclude each other");
    struct name name;
    /* All names are checked before the first object goes. */
    for (int i = 0; i < cli->operand_count && exit == CLI_OK; i++)
        exit = name_parse(cli, cli->operands[i], !is_recursive, &name);
    if (exit == CLI_OK)
        exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    uint64_t removed = 0;
    for (int i = 0; i < cli->operand_count; i++) {
        uint64_t here = 0;
        (void)name_parse(cli, cli->operands[i], !is_recursive, &name);
        enum cli_exit one =
            is_recursive ? remove_tree(cli, &name, &here) : remove_object(cli, &name, &op, &here);
        removed += here;
        if (exit == CLI_OK)
            exit = one;
        if (one == CLI_INTERRUPTED)
            break;
    }
    cli_done(cli, "%" PRIu64 " object%s removed", removed, removed == 1 ? " was" : "s were");
    if (cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_number(&json, "removed", removed);
        json_finish(&json);
    } else if (!cli->is_quiet) {
        (void)printf("removed %" PRIu64 " object%s\n", removed, removed == 1 ? "" : "s");
    }
    return exit;
}

const struct cli_command command_rm = {
    .name = "rm",
    .operands = "BUCKET/KEY...",
    .summary = "Remove objects",
    .details =
        "With --recursive BUCKET/dir removes the object dir, if there is one, and everything below "
        "dir/, BUCKET/dir/ only\nwhat is below dir/, and BUCKET all of the bucket. A directory is "
        "what it is for cp -r: dir-old/a and dir1\nare not in dir. It is no error if nothing is "
        "there.\nExit status 3: an object does not exist; 4: the condition did not hold.\n",
    .operands_min = 1,
    .operands_max = -1,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
