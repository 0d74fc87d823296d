/* The list of subcommands; each is defined in the file of its name (command_put.c ...). */
#ifndef CATENA_TOOLS_CATENA_COMMANDS_H
#define CATENA_TOOLS_CATENA_COMMANDS_H

#include "tools/catena/cli.h"

extern const struct cli_command command_up;
extern const struct cli_command command_down;
extern const struct cli_command command_mb;
extern const struct cli_command command_rb;
extern const struct cli_command command_ls;
extern const struct cli_command command_put;
extern const struct cli_command command_get;
extern const struct cli_command command_stat;
extern const struct cli_command command_rm;
extern const struct cli_command command_cp;
extern const struct cli_command command_uploads;
extern const struct cli_command command_status;
extern const struct cli_command command_locate;
extern const struct cli_command command_admin;

#endif
