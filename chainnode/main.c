/* catena-node: a storage node. See chainnode/io/README.md. */
#include <stdio.h>

#include "base/io/log.h"
#include "chainnode/io/node.h"
#include "chainnode/io/supervisor.h"

int main(int argc, char **argv)
{
    struct node_settings settings;
    struct text text;
    text_init(&text);
    enum args_outcome outcome = node_settings_parse(argc, argv, &settings, &text);
    int status = 0;
    if (outcome == ARGS_RUN) {
        log_set_level(settings.level);
        status = settings.foreground_single ? node_run(&settings, -1, 0)
                                            : supervisor_run(&settings, node_run);
    } else {
        (void)fprintf(outcome == ARGS_HELP ? stdout : stderr, "%s\n", text_cstr(&text));
        status = outcome == ARGS_HELP ? 0 : ARGS_EXIT_USAGE;
    }
    node_settings_release(&settings);
    text_release(&text);
    return status;
}
