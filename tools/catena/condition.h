/* The conditions of updates, as options. */
#ifndef CATENA_TOOLS_CATENA_CONDITION_H
#define CATENA_TOOLS_CATENA_CONDITION_H

#include "tools/catena/cli.h"

#define CONDITION_IF_NONE_MATCH                                                                    \
    {                                                                                              \
        "if-none-match", 0, "'*'", "only if the object does not exist yet"                         \
    }
#define CONDITION_IF_MATCH                                                                         \
    {                                                                                              \
        "if-match", 0, "VERSION",                                                                  \
            "only if it has that version (EPOCH.LSN); '*': only if it exists"                      \
    }

/* if_none_match and if_match: values of the options, NULL = not given. Prints the error. */
enum cli_exit condition_parse(const struct cli *cli, const char *if_none_match,
                              const char *if_match, struct catena_op_options *options);

#endif
