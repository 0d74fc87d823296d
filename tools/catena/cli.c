#include "tools/catena/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/catena/json.h"

void *cli_realloc(void *old, size_t bytes)
{
    void *memory = realloc(old, bytes == 0 ? 1 : bytes);
    if (memory == NULL) {
        (void)fprintf(stderr, "catena: out of memory (%zu bytes wanted)\n", bytes);
        _exit(CLI_FAILED);
    }
    return memory;
}

void *cli_alloc(size_t bytes)
{
    return cli_realloc(NULL, bytes);
}

static char *format_v(const char *format, va_list arguments)
{
    va_list copy;
    va_copy(copy, arguments);
    int length = vsnprintf(NULL, 0, format, copy);
    va_end(copy);
    size_t size = length < 0 ? 1 : (size_t)length + 1;
    char *text = cli_alloc(size);
    text[0] = '\0';
    (void)vsnprintf(text, size, format, arguments);
    return text;
}

char *cli_format(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = format_v(format, arguments);
    va_end(arguments);
    return text;
}

static void print_error(const struct cli *cli, const char *code, const char *text)
{
    (void)fflush(stdout);
    if (cli->is_json) {
        struct json json;
        json_begin(&json, stderr);
        json_object(&json, "error");
        json_text(&json, "code", code);
        json_text(&json, "message", text);
        json_end(&json);
        json_finish(&json);
    } else {
        (void)fprintf(stderr, "catena: %s\n", text);
    }
}

static const char *exit_name(enum cli_exit exit)
{
    switch (exit) {
    case CLI_OK:
        return "ok";
    case CLI_FAILED:
        return "failed";
    case CLI_USAGE:
        return "usage";
    case CLI_NOT_FOUND:
        return "not-found";
    case CLI_CONDITION:
        return "condition";
    case CLI_UNKNOWN:
        return "outcome-unknown";
    case CLI_UNREACHABLE:
        return "unreachable";
    case CLI_NO_SPACE:
        return "no-space";
    case CLI_CORRUPT:
        return "corrupt";
    case CLI_DEGRADED:
        return "degraded";
    case CLI_INTERRUPTED:
        return "interrupted";
    }
    return "failed";
}

enum cli_exit cli_error(const struct cli *cli, enum cli_exit exit, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = format_v(format, arguments);
    va_end(arguments);
    print_error(cli, exit_name(exit), text);
    free(text);
    return exit;
}

enum cli_exit cli_status_error(const struct cli *cli, enum catena_status status, const char *text,
                               const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *what = format_v(format, arguments);
    va_end(arguments);
    if (text == NULL)
        text = catena_error_text();
    if (text[0] == '\0')
        text = catena_status_text(status);
    char *line = cli_format("%s: %s", what, text);
    print_error(cli, catena_status_name(status), line);
    free(line);
    free(what);
    return cli_exit_of(status);
}

void cli_note(const struct cli *cli, const char *format, ...)
{
    if (cli->is_quiet)
        return;
    va_list arguments;
    va_start(arguments, format);
    char *text = format_v(format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "catena: %s\n", text);
    free(text);
}

void cli_done(struct cli *cli, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    free(cli->done);
    cli->done = format_v(format, arguments);
    va_end(arguments);
    /* A reader that has gone away would end us before the error is printed. */
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

enum cli_exit cli_flush(struct cli *cli, enum cli_exit exit)
{
    bool is_lost = fflush(stdout) != 0 || ferror(stdout) != 0;
    if (is_lost && exit == CLI_OK)
        exit = cli_error(
            cli, CLI_FAILED, "cannot write to standard output%s%s",
            cli->done == NULL ? "" : ", but this was done: ", cli->done == NULL ? "" : cli->done);
    free(cli->done);
    cli->done = NULL;
    return exit;
}

enum cli_exit cli_exit_of(enum catena_status status)
{
    switch (status) {
    case CATENA_OK:
        return CLI_OK;
    case CATENA_INVALID:
    case CATENA_TOO_LARGE:
        return CLI_USAGE;
    case CATENA_NO_KEY:
    case CATENA_NO_BUCKET:
    case CATENA_NO_UPLOAD:
    case CATENA_NO_PART:
    case CATENA_NO_ACCESS_KEY:
        return CLI_NOT_FOUND;
    case CATENA_CONDITION_FAILED:
    case CATENA_BUCKET_EXISTS:
    case CATENA_BUCKET_NOT_EMPTY:
    case CATENA_EXISTS:
        return CLI_CONDITION;
    case CATENA_OUTCOME_UNKNOWN:
        return CLI_UNKNOWN;
    case CATENA_TIMEOUT:
    case CATENA_UNREACHABLE:
    case CATENA_BUSY:
        return CLI_UNREACHABLE;
    case CATENA_NO_SPACE:
        return CLI_NO_SPACE;
    case CATENA_CORRUPT:
        return CLI_CORRUPT;
    case CATENA_CANCELLED:
    case CATENA_WRONG_CLUSTER:
    case CATENA_IO:
    case CATENA_UNSUPPORTED:
    case CATENA_INTERNAL:
        return CLI_FAILED;
    }
    return CLI_FAILED;
}

enum cli_exit cli_open(struct cli *cli)
{
    if (cli->masters == NULL || cli->masters[0] == '\0')
        return cli_error(cli, CLI_USAGE,
                         "no masters given: use --masters HOST:PORT,... or set CATENA_MASTERS "
                         "(catena up prints the line for it)");
    struct catena_options options = CATENA_OPTIONS_INIT;
    options.masters = cli->masters;
    options.timeout_ms = cli->timeout_ms;
    enum catena_status status = catena_open(&options, &cli->client);
    if (status != CATENA_OK)
        return cli_status_error(cli, status, NULL, "cannot connect to %s", cli->masters);
    return CLI_OK;
}

bool cli_parse_u64(const char *text, uint64_t maximum, uint64_t *ret_value)
{
    if (text[0] < '0' || text[0] > '9')
        return false;
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || value > maximum)
        return false;
    *ret_value = value;
    return true;
}

bool cli_parse_duration_ms(const char *text, uint32_t *ret_ms)
{
    uint64_t whole = 0;
    uint64_t thousandths = 0;
    const char *at = text;
    if (*at < '0' || *at > '9')
        return false;
    for (; *at >= '0' && *at <= '9'; at++) {
        whole = whole * 10 + (uint64_t)(*at - '0');
        if (whole > UINT32_MAX)
            return false;
    }
    if (*at == '.') {
        uint64_t place = 100;
        if (at[1] < '0' || at[1] > '9')
            return false;
        for (at++; *at >= '0' && *at <= '9'; at++, place /= 10)
            thousandths += place * (uint64_t)(*at - '0');
    }
    uint64_t value = whole * 1000 + thousandths;
    if (strcmp(at, "ms") == 0)
        value /= 1000;
    else if (strcmp(at, "m") == 0)
        value *= 60;
    else if (strcmp(at, "") != 0 && strcmp(at, "s") != 0)
        return false;
    if (value == 0 || value > UINT32_MAX)
        return false;
    *ret_ms = (uint32_t)value;
    return true;
}

static volatile sig_atomic_t interrupts;
static char partial_path[4096];
static volatile sig_atomic_t has_partial;

static void on_interrupt(int number)
{
    (void)number;
    if (++interrupts < 2)
        return;
    if (has_partial)
        (void)unlink(partial_path);
    _exit(CLI_INTERRUPTED);
}

void interrupt_catch(void)
{
    /* No SA_RESTART: a read from a terminal or pipe ends with EINTR. */
    struct sigaction action = {.sa_handler = on_interrupt};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

bool interrupt_seen(void)
{
    return interrupts != 0;
}

void interrupt_partial_file(const char *partial)
{
    has_partial = 0;
    if (partial == NULL || strlen(partial) >= sizeof partial_path)
        return;
    memcpy(partial_path, partial, strlen(partial) + 1);
    has_partial = 1;
}
