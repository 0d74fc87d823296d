/* get: fetches one object. */
#include "tools/catena/commands.h"
#include "tools/catena/single.h"

enum { GET_OFFSET, GET_LENGTH };

static const struct cli_option get_options[] = {
    {"offset", 0, "BYTES", "begin there; at or past the end of the object is an error"},
    {"length", 0, "BYTES", "that many bytes at most"},
};

static enum cli_exit run_get(struct cli *cli)
{
    uint64_t offset = 0;
    uint64_t length = UINT64_MAX;
    struct name name;
    if (cli->values[GET_OFFSET] != NULL &&
        !cli_parse_u64(cli->values[GET_OFFSET], UINT64_MAX - 1, &offset))
        return cli_error(cli, CLI_USAGE, "--offset %s: not a number", cli->values[GET_OFFSET]);
    if (cli->values[GET_LENGTH] != NULL &&
        !cli_parse_u64(cli->values[GET_LENGTH], UINT64_MAX - 1, &length))
        return cli_error(cli, CLI_USAGE, "--length %s: not a number", cli->values[GET_LENGTH]);
    enum cli_exit exit = name_parse(cli, cli->operands[0], true, &name);
    if (exit != CLI_OK)
        return exit;
    return single_down(cli, &name, cli->operand_count > 1 ? cli->operands[1] : NULL, offset,
                       length);
}

const struct cli_command command_get = {
    .name = "get",
    .operands = "BUCKET/KEY [FILE]",
    .summary = "Fetch an object into a file",
    .details = "FILE - is standard output; a directory receives a file with the last part of the "
               "key, and so does\nthe current directory when FILE is left out. The file appears "
               "under its name when it is complete\nand on disk. Exit status 3: no such object.\n",
    .operands_min = 1,
    .operands_max = 2,
    .options = get_options,
    .option_count = sizeof get_options / sizeof get_options[0],
    .run = run_get,
};
