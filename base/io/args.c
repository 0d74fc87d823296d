#include "base/io/args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/contract.h"

enum { LINE_BYTES_MAX = 4096 };

struct args_string {
    struct args_string *next;
    char bytes[];
};

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit duration_units[] = {
    {"us", 1},        {"ms", 1000},         {"s", 1000000},
    {"m", 60000000u}, {"h", 3600000000ull}, {"d", 86400000000ull},
};

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"KiB", 1024},
    {"MiB", 1048576},
    {"GiB", 1073741824},
    {"TiB", 1099511627776ull},
    {"kB", 1000},
    {"MB", 1000000},
    {"GB", 1000000000},
    {"TB", 1000000000000ull},
};

/* ---- single values ---- */

/* Decimal digits at the start of text; *ret_rest is what follows them. */
static bool parse_digits(const char *text, uint64_t *ret_value, const char **ret_rest)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (at == text)
        return false;
    *ret_value = value;
    *ret_rest = at;
    return true;
}

static bool parse_with_unit(const char *text, const struct unit *units, size_t unit_count,
                            uint64_t *ret_value)
{
    uint64_t value;
    const char *rest;
    if (!parse_digits(text, &value, &rest))
        return false;
    for (size_t i = 0; i < unit_count; i++) {
        if (strcmp(rest, units[i].name) != 0)
            continue;
        if (value > UINT64_MAX / units[i].factor)
            return false;
        *ret_value = value * units[i].factor;
        return true;
    }
    return false;
}

bool args_parse_u64(const char *text, uint64_t *ret_value)
{
    uint64_t value;
    const char *rest;
    if (!parse_digits(text, &value, &rest) || *rest != '\0')
        return false;
    *ret_value = value;
    return true;
}

bool args_parse_duration(const char *text, uint64_t *ret_us)
{
    if (strcmp(text, "0") == 0) {
        *ret_us = 0;
        return true;
    }
    return parse_with_unit(text, duration_units, ARRAY_COUNT(duration_units), ret_us);
}

bool args_parse_size(const char *text, uint64_t *ret_bytes)
{
    return parse_with_unit(text, size_units, ARRAY_COUNT(size_units), ret_bytes);
}

bool args_parse_bool(const char *text, bool *ret_value)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < ARRAY_COUNT(yes); i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *ret_value = strcmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

/* ---- one option ---- */

static const char *kind_expected(enum args_kind kind)
{
    switch (kind) {
    case ARGS_STRING:
        return "text";
    case ARGS_U32:
    case ARGS_U64:
        return "a number";
    case ARGS_DURATION:
        return "a duration such as 100ms, 1s or 24h";
    case ARGS_SIZE:
        return "a size such as 4096, 64KiB or 64MiB";
    case ARGS_BOOL:
        return "true or false";
    }
    IMPOSSIBLE("unknown kind of option");
}

static const char *kind_value_name(enum args_kind kind)
{
    switch (kind) {
    case ARGS_STRING:
        return "TEXT";
    case ARGS_U32:
    case ARGS_U64:
        return "N";
    case ARGS_DURATION:
        return "TIME";
    case ARGS_SIZE:
        return "SIZE";
    case ARGS_BOOL:
        return NULL;
    }
    IMPOSSIBLE("unknown kind of option");
}

static uint64_t option_maximum(const struct args_option *option)
{
    if (option->maximum != 0)
        return option->maximum;
    return option->kind == ARGS_U32 ? UINT32_MAX : UINT64_MAX;
}

static const char *keep_string(struct args *args, const char *text)
{
    size_t size = strlen(text) + 1;
    struct args_string *string = mem_alloc(sizeof *string + size);
    memcpy(string->bytes, text, size);
    string->next = args->strings;
    args->strings = string;
    return string->bytes;
}

static bool parse_number(const struct args_option *option, const char *text, uint64_t *ret_number)
{
    switch (option->kind) {
    case ARGS_STRING:
        *ret_number = strlen(text);
        return true;
    case ARGS_U32:
    case ARGS_U64:
        return args_parse_u64(text, ret_number);
    case ARGS_DURATION:
        return args_parse_duration(text, ret_number);
    case ARGS_SIZE:
        return args_parse_size(text, ret_number);
    case ARGS_BOOL:
        break;
    }
    IMPOSSIBLE("a bool is no number");
}

/* The range in the option's own unit, as a person would write it. */
static void append_amount(struct text *text, enum args_kind kind, uint64_t amount)
{
    const struct unit *units = kind == ARGS_DURATION ? duration_units : size_units;
    size_t count = kind == ARGS_DURATION ? 6 : (kind == ARGS_SIZE ? 6 : 0);
    for (size_t i = count; i-- > 0;) {
        if (units[i].factor <= amount && amount % units[i].factor == 0) {
            text_append(text, "%llu%s", (unsigned long long)(amount / units[i].factor),
                        units[i].name);
            return;
        }
    }
    text_append(text, "%llu", (unsigned long long)amount);
}

static void append_range(struct text *text, const struct args_option *option)
{
    text_append(text, "must be between ");
    append_amount(text, option->kind, option->minimum);
    text_append(text, " and ");
    append_amount(text, option->kind, option_maximum(option));
    if (option->kind == ARGS_STRING)
        text_append(text, " bytes long");
}

/* False with the reason appended to text. */
static bool option_set(struct args *args, const struct args_option *option, const char *value,
                       struct text *text)
{
    if (option->kind == ARGS_BOOL) {
        if (args_parse_bool(value, option->value))
            return true;
        text_append(text, "\"%s\" is not %s", value, kind_expected(option->kind));
        return false;
    }
    uint64_t number;
    if (!parse_number(option, value, &number)) {
        text_append(text, "\"%s\" is not %s", value, kind_expected(option->kind));
        return false;
    }
    if (number < option->minimum || number > option_maximum(option)) {
        append_range(text, option);
        text_append(text, ", not \"%s\"", value);
        return false;
    }
    if (option->kind == ARGS_STRING) {
        const char **target = option->value;
        *target = keep_string(args, value);
    } else if (option->kind == ARGS_U32) {
        uint32_t *target = option->value;
        *target = (uint32_t)number;
    } else {
        uint64_t *target = option->value;
        *target = number;
    }
    return true;
}

static size_t option_find(const struct args_spec *spec, const char *name, size_t length)
{
    for (size_t i = 0; i < spec->option_count; i++)
        if (strlen(spec->options[i].name) == length &&
            memcmp(spec->options[i].name, name, length) == 0)
            return i;
    return spec->option_count;
}

/* ---- file ---- */

static char *trim(char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
        length--;
    text[length] = '\0';
    return text;
}

static void cut_comment(char *line)
{
    for (char *at = line; *at != '\0'; at++) {
        if (*at == '#' && (at == line || at[-1] == ' ' || at[-1] == '\t')) {
            *at = '\0';
            return;
        }
    }
}

/* One line of the file. False with the reason in text. */
static bool file_line(const struct args_spec *spec, struct args *args, char *line, uint8_t *seen,
                      struct text *text)
{
    cut_comment(line);
    char *key = trim(line);
    if (*key == '\0')
        return true;
    char *equals = strchr(key, '=');
    if (equals == NULL) {
        text_append(text, "expected \"key = value\", found \"%s\"", key);
        return false;
    }
    *equals = '\0';
    char *value = trim(equals + 1);
    key = trim(key);
    size_t index = option_find(spec, key, strlen(key));
    if (index == spec->option_count) {
        text_append(text, "unknown key \"%s\"", key);
        return false;
    }
    if (seen[index] != 0) {
        text_append(text, "the key \"%s\" stands here a second time", key);
        return false;
    }
    seen[index] = 1;
    size_t before = text->length;
    text_append(text, "%s: ", key);
    if (!option_set(args, &spec->options[index], value, text))
        return false;
    text->length = before;
    text->data[before] = '\0';
    return true;
}

static bool file_read(const struct args_spec *spec, struct args *args, const char *path,
                      uint8_t *seen, struct text *text)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        text_append(text, "%s: cannot read the configuration file %s: %s", spec->program, path,
                    strerror(errno));
        return false;
    }
    bool good = true;
    char line[LINE_BYTES_MAX];
    for (unsigned number = 1; good && fgets(line, sizeof line, file) != NULL; number++) {
        size_t before = text->length;
        text_append(text, "%s: %s:%u: ", spec->program, path, number);
        if (strlen(line) == sizeof line - 1 && line[sizeof line - 2] != '\n') {
            text_append(text, "the line is longer than %d bytes", LINE_BYTES_MAX - 2);
            good = false;
        } else {
            good = file_line(spec, args, line, seen, text);
        }
        if (good) {
            text->length = before;
            text->data[before] = '\0';
        }
    }
    if (good && ferror(file)) {
        text_append(text, "%s: cannot read the configuration file %s: %s", spec->program, path,
                    strerror(errno));
        good = false;
    }
    (void)fclose(file);
    return good;
}

/* ---- flags ---- */

struct flag {
    const char *name; /* after the dashes, not terminated */
    size_t name_length;
    const char *value; /* after '=', or NULL */
};

static struct flag flag_split(const char *argument)
{
    struct flag flag = {.name = argument + 2};
    const char *equals = strchr(flag.name, '=');
    flag.name_length = equals == NULL ? strlen(flag.name) : (size_t)(equals - flag.name);
    flag.value = equals == NULL ? NULL : equals + 1;
    return flag;
}

static bool flag_is(const struct flag *flag, const char *name)
{
    return flag->name_length == strlen(name) && memcmp(flag->name, name, flag->name_length) == 0;
}

enum pass { PASS_CONFIG, PASS_VALUES };

struct flags {
    const struct args_spec *spec;
    struct args *args;
    uint8_t *seen;
    struct text *text;
    int argc;
    char *const *argv;
};

static enum args_outcome flags_bad(const struct flags *flags, const char *format,
                                   const struct flag *flag)
{
    text_append(flags->text, "%s: ", flags->spec->program);
    text_append_bytes(flags->text, slice_of_text(format));
    text_append(flags->text, " --%.*s; see %s --help", (int)flag->name_length, flag->name,
                flags->spec->program);
    return ARGS_BAD;
}

/* The value of a flag: after '=', or the next argument (which *at then skips). */
static const char *flag_value(const struct flags *flags, const struct flag *flag, int *at)
{
    if (flag->value != NULL)
        return flag->value;
    if (*at + 1 >= flags->argc)
        return NULL;
    *at += 1;
    return flags->argv[*at];
}

static enum args_outcome flag_apply(struct flags *flags, const struct flag *flag, int *at,
                                    enum pass pass)
{
    const struct args_spec *spec = flags->spec;
    if (spec->has_config && flag_is(flag, "config")) {
        const char *path = flag_value(flags, flag, at);
        if (path == NULL)
            return flags_bad(flags, "a file name is missing after", flag);
        flags->args->config = path;
        return ARGS_RUN;
    }
    size_t index = option_find(spec, flag->name, flag->name_length);
    if (index == spec->option_count)
        return flags_bad(flags, "unknown option", flag);
    const struct args_option *option = &spec->options[index];
    const char *value = option->kind == ARGS_BOOL ? (flag->value == NULL ? "true" : flag->value)
                                                  : flag_value(flags, flag, at);
    if (value == NULL)
        return flags_bad(flags, "a value is missing after", flag);
    if (pass == PASS_CONFIG)
        return ARGS_RUN;
    size_t before = flags->text->length;
    text_append(flags->text, "%s: --%s: ", spec->program, option->name);
    if (!option_set(flags->args, option, value, flags->text))
        return ARGS_BAD;
    flags->text->length = before;
    flags->seen[index] = 1;
    return ARGS_RUN;
}

static enum args_outcome operand_add(struct flags *flags, const char *operand, enum pass pass)
{
    if (pass == PASS_CONFIG)
        return ARGS_RUN;
    if (flags->args->operand_count == flags->spec->operands_max) {
        text_append(flags->text, "%s: unexpected argument \"%s\"; see %s --help",
                    flags->spec->program, operand, flags->spec->program);
        return ARGS_BAD;
    }
    flags->args->operands[flags->args->operand_count++] = operand;
    return ARGS_RUN;
}

/* The flags are walked twice: the first time only for --help, --version and --config, so that the
 * file is read before the flags that win over it. */
static enum args_outcome flags_walk(struct flags *flags, enum pass pass)
{
    bool only_operands = false;
    for (int at = 1; at < flags->argc; at++) {
        const char *argument = flags->argv[at];
        enum args_outcome outcome;
        if (only_operands || argument[0] != '-' || strcmp(argument, "-") == 0) {
            outcome = operand_add(flags, argument, pass);
        } else if (strcmp(argument, "--") == 0) {
            only_operands = true;
            continue;
        } else if (strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0) {
            args_print_usage(flags->spec, flags->text);
            return ARGS_HELP;
        } else if (strcmp(argument, "--version") == 0) {
            text_append(flags->text, "%s %s\n", flags->spec->program, flags->spec->version);
            return ARGS_HELP;
        } else if (strncmp(argument, "--", 2) != 0) {
            text_append(flags->text, "%s: unknown option %s; see %s --help", flags->spec->program,
                        argument, flags->spec->program);
            return ARGS_BAD;
        } else {
            struct flag flag = flag_split(argument);
            outcome = flag_apply(flags, &flag, &at, pass);
        }
        if (outcome != ARGS_RUN)
            return outcome;
    }
    return ARGS_RUN;
}

/* ---- all ---- */

static void defaults_set(const struct args_spec *spec, struct args *args, struct text *text)
{
    for (size_t i = 0; i < spec->option_count; i++) {
        const struct args_option *option = &spec->options[i];
        if (option->initial == NULL)
            continue;
        bool good = option_set(args, option, option->initial, text);
        PRE(good); /* a default that its own option refuses */
    }
}

static enum args_outcome required_check(const struct args_spec *spec, const uint8_t *seen,
                                        struct text *text)
{
    for (size_t i = 0; i < spec->option_count; i++) {
        if (!spec->options[i].is_required || seen[i] != 0)
            continue;
        text_append(text, "%s: --%s is required; see %s --help", spec->program,
                    spec->options[i].name, spec->program);
        return ARGS_BAD;
    }
    return ARGS_RUN;
}

enum args_outcome args_parse(const struct args_spec *spec, int argc, char *const *argv,
                             struct args *ret_args, struct text *text)
{
    PRE(argc >= 0);
    *ret_args = (struct args){0};
    ret_args->operands = mem_calloc((size_t)argc + 1, sizeof *ret_args->operands);
    uint8_t *seen = mem_calloc(spec->option_count + 1, 1);
    uint8_t *seen_in_file = mem_calloc(spec->option_count + 1, 1);
    struct flags flags = {spec, ret_args, seen, text, argc, argv};
    defaults_set(spec, ret_args, text);
    enum args_outcome outcome = flags_walk(&flags, PASS_CONFIG);
    if (outcome == ARGS_RUN && ret_args->config != NULL &&
        !file_read(spec, ret_args, ret_args->config, seen_in_file, text))
        outcome = ARGS_BAD;
    if (outcome == ARGS_RUN)
        outcome = flags_walk(&flags, PASS_VALUES);
    for (size_t i = 0; i < spec->option_count; i++)
        seen[i] |= seen_in_file[i];
    if (outcome == ARGS_RUN)
        outcome = required_check(spec, seen, text);
    if (outcome == ARGS_RUN)
        text_clear(text);
    mem_free(seen);
    mem_free(seen_in_file);
    return outcome;
}

void args_release(struct args *args)
{
    while (args->strings != NULL) {
        struct args_string *next = args->strings->next;
        mem_free(args->strings);
        args->strings = next;
    }
    mem_free(args->operands);
    *args = (struct args){0};
}

static void usage_option(struct text *text, const char *name, const char *value_name,
                         const char *help, const char *initial)
{
    size_t start = text->length;
    text_append(text, "  --%s", name);
    if (value_name != NULL)
        text_append(text, " %s", value_name);
    if (text->length - start > 27)
        text_append(text, "\n%30s", "");
    else
        text_append(text, "%*s", (int)(30 - (text->length - start)), "");
    for (const char *at = help; *at != '\0'; at++) {
        text_append_bytes(text, slice_of(at, 1));
        if (*at == '\n')
            text_append(text, "%30s", "");
    }
    if (initial != NULL && *initial != '\0')
        text_append(text, " (default %s)", initial);
    text_append(text, "\n");
}

void args_print_usage(const struct args_spec *spec, struct text *text)
{
    text_append(text, "%s: %s\n\nusage: %s [OPTION]...%s%s\n\noptions:\n", spec->program,
                spec->summary, spec->program, spec->operands == NULL ? "" : " ",
                spec->operands == NULL ? "" : spec->operands);
    for (size_t i = 0; i < spec->option_count; i++) {
        const struct args_option *option = &spec->options[i];
        const char *value_name = option->kind == ARGS_BOOL    ? NULL
                                 : option->value_name == NULL ? kind_value_name(option->kind)
                                                              : option->value_name;
        usage_option(text, option->name, value_name, option->help,
                     option->kind == ARGS_BOOL ? NULL : option->initial);
    }
    if (spec->has_config)
        usage_option(
            text, "config", "FILE",
            "read `key = value` lines; a key is an option's name;\nflags win over the file", NULL);
    usage_option(text, "help", NULL, "print this and exit", NULL);
    usage_option(text, "version", NULL, "print the version and exit", NULL);
    if (spec->footer != NULL)
        text_append(text, "\n%s\n", spec->footer);
}
