/* catena-master: a configuration master. See config_master/io/README.md. */
#include <stdio.h>
#include <sys/stat.h>

#include "base/io/log.h"
#include "config_master/io/master.h"

int main(int argc, char **argv)
{
    struct master_settings settings;
    struct text text;
    text_init(&text);
    enum args_outcome outcome = master_settings_parse(argc, argv, &settings, &text);
    int status = 0;
    if (outcome == ARGS_RUN) {
        log_set_level(settings.level);
        (void)umask(0077); /* the store holds the secrets of access keys (D20) */
        status = master_run(&settings);
    } else {
        (void)fprintf(outcome == ARGS_HELP ? stdout : stderr, "%s\n", text_cstr(&text));
        status = outcome == ARGS_HELP ? 0 : ARGS_EXIT_USAGE;
    }
    master_settings_release(&settings);
    text_release(&text);
    return status;
}
