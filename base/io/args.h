/* Options of daemons and tools: one declarative table, read from a configuration file and flags.
 *
 * A table row names an option once; the same name is the flag (--name VALUE, --name=VALUE) and the
 * key in the file (name = value). Order of precedence: default, file (--config FILE), flags. Within
 * the flags the last one wins; in a file a key may stand only once.
 *
 * File syntax: one `key = value` per line; `#` at the start of a line or after a blank begins a
 * comment; blanks around key and value are dropped. Unknown keys and bad values are errors that
 * name file and line.
 *
 * A bool flag takes no separate value: --flag is true, --flag=false is false.
 *
 * What it is not: no global state, nothing is printed, nothing exits. The caller prints the text
 * and exits: 0 after ARGS_HELP (text to standard output), 2 after ARGS_BAD (text to standard
 * error). */
#ifndef CATENA_BASE_IO_ARGS_H
#define CATENA_BASE_IO_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum args_kind {
    ARGS_STRING,   /* value: const char **; minimum and maximum bound its length in bytes */
    ARGS_U32,      /* value: uint32_t * */
    ARGS_U64,      /* value: uint64_t * */
    ARGS_DURATION, /* value: uint64_t *, microseconds; "250us" "100ms" "1s" "5m" "24h" "7d" */
    ARGS_SIZE,     /* value: uint64_t *, bytes; "4096" "64KiB" "64MiB" "2GiB" "1TiB" */
    ARGS_BOOL,     /* value: bool *; "true" "false" (also yes no on off 1 0) */
};

enum { ARGS_EXIT_USAGE = 2 };

struct args_option {
    const char *name; /* lower case, words joined by '-' */
    enum args_kind kind;
    void *value;
    const char *initial;    /* the default, as it would be written; NULL: *value is left as it is */
    uint64_t minimum;       /* in the unit of *value */
    uint64_t maximum;       /* 0 = what the kind can hold */
    bool is_required;       /* must come from the file or a flag */
    const char *value_name; /* in the usage: "ID", "HOST:PORT"; NULL: from the kind */
    const char *help;       /* one line or more, separated by '\n' */
};

struct args_spec {
    const char *program;  /* "catena-node" */
    const char *version;  /* "0.1.0" */
    const char *summary;  /* first line of the usage, after the program's name */
    const char *operands; /* in the usage: "BUCKET/KEY FILE"; NULL if none are allowed */
    const char *footer;   /* last lines of the usage, may be NULL */
    uint32_t operands_max;
    bool has_config; /* adds --config FILE */
    const struct args_option *options;
    size_t option_count;
};

enum args_outcome {
    ARGS_RUN,  /* all values are set */
    ARGS_HELP, /* --help or --version: text to standard output, exit 0 */
    ARGS_BAD,  /* text (one line, no newline) to standard error, exit ARGS_EXIT_USAGE */
};

struct args_string;

struct args {
    const char **operands; /* point into argv */
    uint32_t operand_count;
    const char *config;          /* the file that was read, or NULL */
    struct args_string *strings; /* owns what ARGS_STRING values point to */
};

/* Parses argv[1 .. argc). text receives the usage or the error. Release args in every case; string
 * values live as long as it does (defaults: for ever). */
enum args_outcome args_parse(const struct args_spec *spec, int argc, char *const *argv,
                             struct args *ret_args, struct text *text);
void args_release(struct args *args);
void args_print_usage(const struct args_spec *spec, struct text *text);

/* The parsers of single values, for operands and tests. False: not well-formed or overflow. */
bool args_parse_u64(const char *text, uint64_t *ret_value);
bool args_parse_duration(const char *text, uint64_t *ret_us);
bool args_parse_size(const char *text, uint64_t *ret_bytes);
bool args_parse_bool(const char *text, bool *ret_value);

#endif
