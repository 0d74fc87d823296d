/* catena: the command-line tool. Finds the subcommand, parses its options, runs it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/catena/commands.h"

static const struct cli_command *const commands[] = {
    &command_up,      &command_down,   &command_mb,     &command_rb,    &command_ls,
    &command_put,     &command_get,    &command_stat,   &command_rm,    &command_cp,
    &command_uploads, &command_status, &command_locate, &command_admin,
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

/* Options of every command. */
enum { OPTION_MASTERS = 1, OPTION_TIMEOUT, OPTION_JSON, OPTION_QUIET, OPTION_HELP, OPTION_OWN };

static const struct cli_option common[] = {
    {"masters", 0, "HOST:PORT,...", "where the masters are; otherwise CATENA_MASTERS"},
    {"timeout", 0, "TIME", "deadline of each operation: 30, 2.5, 500ms, 1m (default 30 s)"},
    {"json", 0, NULL, "print JSON; errors too, on standard error"},
    {"quiet", 'q', NULL, "print results and errors only: no bar, no remarks"},
    {"help", 'h', NULL, "show this"},
};
enum { COMMON_COUNT = sizeof common / sizeof common[0] };

static void print_option(FILE *out, const struct cli_option *option)
{
    char left[64];
    char letter[8] = "    ";
    if (option->letter != 0)
        (void)snprintf(letter, sizeof letter, "-%c, ", option->letter);
    (void)snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name,
                   option->value != NULL ? " " : "", option->value != NULL ? option->value : "");
    (void)fprintf(out, "  %-28s  %s\n", left, option->help);
}

static void print_help(FILE *out)
{
    (void)fputs("usage: catena COMMAND [OPTION...] [ARGUMENT...]\n\n"
                "Stores objects in a Catena cluster and looks after the cluster.\n\n",
                out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        (void)fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
    (void)fputs("\nOptions of every command:\n", out);
    for (size_t i = 0; i < COMMON_COUNT; i++)
        print_option(out, &common[i]);
    (void)fputs(
        "\nObjects are written BUCKET/KEY. `catena COMMAND --help` says more, `catena --version` "
        "the version.\n"
        "Exit status: 0 done, 1 failed, 2 usage, 3 not found, 4 condition did not hold,\n"
        "5 outcome unknown, 6 unreachable or timed out, 7 no space, 8 corrupt, 9 degraded "
        "(status --check),\n130 interrupted.\n",
        out);
}

static const struct cli_command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

struct option_table {
    struct option options[COMMON_COUNT + CLI_OPTIONS_MAX + 1];
    char letters[2 * (COMMON_COUNT + CLI_OPTIONS_MAX) + 2];
};

/* A command may give a common option's name another meaning (up --masters 3). */
static bool is_overridden(const struct cli_command *command, const struct cli_option *option)
{
    for (size_t i = 0; command != NULL && i < command->option_count; i++)
        if (strcmp(command->options[i].name, option->name) == 0)
            return true;
    return false;
}

static void print_command_help(FILE *out, const struct cli_command *command)
{
    (void)fprintf(out, "usage: catena %s [OPTION...]%s%s\n\n%s.\n\n%s\nOptions:\n", command->name,
                  command->operands[0] != '\0' ? " " : "", command->operands, command->summary,
                  command->details);
    for (size_t i = 0; i < command->option_count; i++)
        print_option(out, &command->options[i]);
    for (size_t i = 0; i < COMMON_COUNT; i++)
        if (!is_overridden(command, &common[i]))
            print_option(out, &common[i]);
}

/* What getopt_long wants, for the common options and those of the command (may be NULL). */
static void build_table(struct option_table *table, const struct cli_command *command)
{
    size_t count = 0;
    char *letter = table->letters;
    size_t own = command == NULL ? 0 : command->option_count;
    if (command == NULL)
        *letter++ = '+'; /* before the command's name: stop at it */
    *letter++ = ':';
    for (size_t i = 0; i < COMMON_COUNT + own; i++) {
        const struct cli_option *from =
            i < COMMON_COUNT ? &common[i] : &command->options[i - COMMON_COUNT];
        if (i < COMMON_COUNT && is_overridden(command, from))
            continue;
        table->options[count++] = (struct option){
            .name = from->name,
            .has_arg = from->value != NULL ? required_argument : no_argument,
            .val = (int)i + 256,
        };
        if (from->letter != 0) {
            *letter++ = from->letter;
            if (from->value != NULL)
                *letter++ = ':';
        }
    }
    table->options[count] = (struct option){0};
    *letter = '\0';
}

/* Index of the option with that letter, as build_table() numbered it. */
static int number_of_letter(const struct cli_command *command, int letter)
{
    for (int i = 0; i < COMMON_COUNT; i++)
        if (common[i].letter == letter)
            return i + 256;
    for (int i = 0; command != NULL && i < (int)command->option_count; i++)
        if (command->options[i].letter == letter)
            return i + 256 + COMMON_COUNT;
    return '?';
}

/* One of the command's options. Values of lists are copies, which stay to the end. */
static void take_own(struct cli *cli, int index, const char *value)
{
    const char *before = cli->values[index];
    bool is_list = (cli->command->list_options & 1u << index) != 0;
    if (!is_list) {
        cli->values[index] = value;
        return;
    }
    cli->values[index] =
        before == NULL ? cli_format("%s", value) : cli_format("%s,%s", before, value);
    free((void *)(uintptr_t)before);
}

/* One option found by getopt. *ret_help: --help was asked for. */
static enum cli_exit take_option(struct cli *cli, int number, char **argv, bool *ret_help)
{
    if (number == ':')
        return cli_error(cli, CLI_USAGE, "%s needs a value", argv[optind - 1]);
    if (number > 0 && number < 256 && number != '?')
        number = number_of_letter(cli->command, number);
    if (number == '?')
        return cli_error(cli, CLI_USAGE, "unknown option %s (see catena%s%s --help)",
                         argv[optind - 1], cli->command == NULL ? "" : " ",
                         cli->command == NULL ? "" : cli->command->name);
    switch (number - 256 + 1) {
    case OPTION_MASTERS:
        cli->masters = optarg;
        return CLI_OK;
    case OPTION_TIMEOUT:
        if (!cli_parse_duration_ms(optarg, &cli->timeout_ms))
            return cli_error(cli, CLI_USAGE,
                             "--timeout %s: not a time (30, 2.5, 500ms, 2s, 1m; not zero)", optarg);
        return CLI_OK;
    case OPTION_JSON:
        cli->is_json = true;
        return CLI_OK;
    case OPTION_QUIET:
        cli->is_quiet = true;
        return CLI_OK;
    case OPTION_HELP:
        *ret_help = true;
        return CLI_OK;
    default:
        take_own(cli, number - 256 - COMMON_COUNT, optarg != NULL ? optarg : "");
        return CLI_OK;
    }
}

static enum cli_exit parse(struct cli *cli, int argc, char **argv, bool *ret_help)
{
    struct option_table table;
    build_table(&table, cli->command);
    opterr = 0;
    int number;
    while ((number = getopt_long(argc, argv, table.letters, table.options, NULL)) != -1) {
        enum cli_exit exit = take_option(cli, number, argv, ret_help);
        if (exit != CLI_OK)
            return exit;
    }
    return CLI_OK;
}

static enum cli_exit run(struct cli *cli, int argc, char **argv)
{
    bool wants_help = false;
    /* So that an error in the options themselves is JSON too. */
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            cli->is_json = true;
    enum cli_exit exit = parse(cli, argc, argv, &wants_help);
    if (exit != CLI_OK)
        return exit;
    if (!wants_help && optind < argc && strcmp(argv[optind], "help") == 0) {
        wants_help = true;
        optind++;
    }
    if (optind >= argc) {
        print_help(wants_help ? stdout : stderr);
        return wants_help ? CLI_OK : CLI_USAGE;
    }
    const char *name = argv[optind];
    cli->command = find_command(name);
    if (cli->command == NULL)
        return cli_error(cli, CLI_USAGE, "unknown command \"%s\" (see catena --help)", name);
    argc -= optind;
    argv += optind;
    optind = 0; /* getopt starts afresh */
    exit = parse(cli, argc, argv, &wants_help);
    if (exit != CLI_OK)
        return exit;
    if (wants_help) {
        print_command_help(stdout, cli->command);
        return CLI_OK;
    }
    cli->operands = argv + optind;
    cli->operand_count = argc - optind;
    int most = cli->command->operands_max;
    if (cli->operand_count < cli->command->operands_min || (most >= 0 && cli->operand_count > most))
        return cli_error(cli, CLI_USAGE, "usage: catena %s [OPTION...]%s%s (see catena %s --help)",
                         cli->command->name, cli->command->operands[0] != '\0' ? " " : "",
                         cli->command->operands, cli->command->name);
    return cli->command->run(cli);
}

int main(int argc, char **argv)
{
    static struct cli cli;
    cli.masters = getenv("CATENA_MASTERS");
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        (void)printf("catena %d.%d.%d\n", CATENA_VERSION_MAJOR, CATENA_VERSION_MINOR,
                     CATENA_VERSION_PATCH);
        return CLI_OK;
    }
    enum cli_exit exit = run(&cli, argc, argv);
    catena_close(cli.client);
    return (int)cli_flush(&cli, exit);
}
