/* What the subcommands of `catena` share: options, errors, exit codes.
 *
 * A subcommand is one struct cli_command (main.c lists them): its options are a table, from which
 * parsing and --help are made. It runs once in a process, may leave memory to the operating system
 * at exit, and returns an enum cli_exit. It knows of Catena only what client/include/catena.h says.
 */
#ifndef CATENA_TOOLS_CATENA_CLI_H
#define CATENA_TOOLS_CATENA_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/include/catena.h"

/* Documented in docs/cli.md and catena(1): never change a number. */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,      /* anything that has no number of its own */
    CLI_USAGE = 2,       /* wrong options or arguments; nothing was done */
    CLI_NOT_FOUND = 3,   /* no such bucket, key, directory */
    CLI_CONDITION = 4,   /* a condition did not hold; a bucket exists or is not empty */
    CLI_UNKNOWN = 5,     /* the update may or may not have happened */
    CLI_UNREACHABLE = 6, /* no server answered in time; nothing happened */
    CLI_NO_SPACE = 7,
    CLI_CORRUPT = 8,
    CLI_DEGRADED = 9,      /* status --check: serving, but not as it should be */
    CLI_INTERRUPTED = 130, /* Ctrl-C: nothing half-done is visible */
};

struct cli_option {
    const char *name;  /* long form, without the dashes */
    char letter;       /* short form, 0 = none */
    const char *value; /* name of its value in --help; NULL: a flag */
    const char *help;
};

enum { CLI_OPTIONS_MAX = 10 };
/* What the masters take. */
enum { CLI_REPLICAS_MAX = 7, CLI_CHAINS_MAX = 65536 };

struct cli {
    const struct cli_command *command;
    const char *masters; /* --masters, else the environment's CATENA_MASTERS; may be NULL */
    uint32_t timeout_ms; /* 0 = the library's */
    bool is_json;
    bool is_quiet;
    const char *values[CLI_OPTIONS_MAX]; /* of the command's options, in its order; flags: "" */
    char **operands;
    int operand_count;
    struct catena_client *client; /* after cli_open() */
    char *done; /* what cannot be undone, in words: said if its result cannot be printed */
};

struct cli_command {
    const char *name;
    const char *operands; /* as the usage shows them */
    const char *summary;  /* one line */
    const char *details;  /* paragraphs of --help */
    int operands_min;
    int operands_max; /* -1 = any number */
    const struct cli_option *options;
    size_t option_count;
    uint32_t list_options; /* bits: options that may be given often, joined with commas */
    enum cli_exit (*run)(struct cli *cli);
};

/* Prints "catena: ..." (with --json an object) to standard error. Returns exit, for `return`. */
enum cli_exit cli_error(const struct cli *cli, enum cli_exit exit, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a failed call of the library; `text` is its error text, NULL = that of the last
 * call. Chooses the exit code. */
enum cli_exit cli_status_error(const struct cli *cli, enum catena_status status, const char *text,
                               const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A remark for people, on standard error; nothing with --quiet. */
void cli_note(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
enum cli_exit cli_exit_of(enum catena_status status);

/* An update happened ("bucket photos was created"): if standard output takes no more, the error
 * says that it did. The last one counts. */
void cli_done(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes out what was printed. A full disk or a closed pipe behind standard output is a failure
 * like any other: prints the error, after a success. */
enum cli_exit cli_flush(struct cli *cli, enum cli_exit exit);

/* Connects; prints the error if it cannot. */
enum cli_exit cli_open(struct cli *cli);

/* Memory that ends the process with a line when there is none. */
void *cli_alloc(size_t bytes);
void *cli_realloc(void *old, size_t bytes);
char *cli_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Decimal number, the whole text, at most `maximum`. */
bool cli_parse_u64(const char *text, uint64_t maximum, uint64_t *ret_value);
/* "30", "2.5", "500ms", "2s", "1m" in milliseconds; a bare number counts seconds. */
bool cli_parse_duration_ms(const char *text, uint32_t *ret_ms);

/* Ctrl-C and SIGTERM: the first sets a flag (and ends a blocked read), the second exits at once.
 * `partial` is removed by that exit; NULL = none. */
void interrupt_catch(void);
bool interrupt_seen(void);
void interrupt_partial_file(const char *partial);

#endif
