/* put: stores one object. */
#include <string.h>
#include <unistd.h>

#include "tools/catena/commands.h"
#include "tools/catena/condition.h"
#include "tools/catena/single.h"

enum { PUT_IF_NONE_MATCH, PUT_IF_MATCH };

static const struct cli_option put_options[] = {
    CONDITION_IF_NONE_MATCH,
    CONDITION_IF_MATCH,
};

/* FILE BUCKET/KEY is the order of cp, BUCKET/KEY FILE that of get: both are understood as long as
 * only one of them can be the file. */
static bool is_swapped(const char *first, const char *second)
{
    if (name_is_marked(first) != name_is_marked(second))
        return name_is_marked(first);
    if (strcmp(first, "-") == 0 || access(first, F_OK) == 0)
        return false;
    return strcmp(second, "-") == 0 || access(second, F_OK) == 0;
}

static enum cli_exit run_put(struct cli *cli)
{
    struct name name;
    int file = is_swapped(cli->operands[0], cli->operands[1]) ? 1 : 0;
    struct catena_op_options op = CATENA_OP_OPTIONS_INIT;
    enum cli_exit exit =
        condition_parse(cli, cli->values[PUT_IF_NONE_MATCH], cli->values[PUT_IF_MATCH], &op);
    if (exit == CLI_OK)
        exit = name_parse(cli, cli->operands[1 - file], true, &name);
    return exit == CLI_OK ? single_up(cli, cli->operands[file], &name, &op) : exit;
}

const struct cli_command command_put = {
    .name = "put",
    .operands = "FILE BUCKET/KEY",
    .summary = "Store a file as an object",
    .details =
        "FILE - is standard input, of any length. BUCKET/KEY may stand first, as in get. When the "
        "command succeeds the object is on disk "
        "at every\nreplica; until then nothing of it is visible, and Ctrl-C leaves nothing.\n"
        "Exit status 4: the condition did not hold; 5: the outcome is unknown (look with stat).\n",
    .operands_min = 2,
    .operands_max = 2,
    .options = put_options,
    .option_count = sizeof put_options / sizeof put_options[0],
    .run = run_put,
};
