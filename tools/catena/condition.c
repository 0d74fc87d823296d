#include "tools/catena/condition.h"

#include <string.h>

enum cli_exit condition_parse(const struct cli *cli, const char *if_none_match,
                              const char *if_match, struct catena_op_options *options)
{
    if (if_none_match != NULL && if_match != NULL)
        return cli_error(cli, CLI_USAGE, "--if-none-match and --if-match exclude each other");
    if (if_none_match != NULL) {
        if (strcmp(if_none_match, "*") != 0)
            return cli_error(cli, CLI_USAGE,
                             "--if-none-match takes only '*' (quote it for the shell)");
        options->condition = CATENA_IF_ABSENT;
    } else if (if_match != NULL && strcmp(if_match, "*") == 0) {
        options->condition = CATENA_IF_EXISTS;
    } else if (if_match != NULL) {
        if (!catena_version_parse(if_match, &options->version))
            return cli_error(cli, CLI_USAGE,
                             "--if-match %s: not a version; catena stat shows it as EPOCH.LSN",
                             if_match);
        options->condition = CATENA_IF_VERSION;
    }
    return CLI_OK;
}
