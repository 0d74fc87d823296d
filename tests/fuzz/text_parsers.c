/* Text that people and files give us: options, sizes, UUIDs, UTF-8, versions, identity, JSON. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io/args.h"
#include "base/io/file.h"
#include "base/io/identity.h"
#include "base/text.h"
#include "base/uuid.h"
#include "client/include/catena.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/temp_directory.h"
#include "tools/catena/json.h"
#include "tools/catena/local_cluster.h"
#include "tools/catena/name.h"

static char directory[256];

static void remove_directory(void)
{
    temp_directory_remove(directory);
}

static void need_directory(void)
{
    if (directory[0] != '\0')
        return;
    temp_directory_make(directory, sizeof directory);
    (void)atexit(remove_directory);
}

static void parse_values(const char *text, struct slice bytes)
{
    uint64_t number;
    bool flag;
    struct uuid uuid;
    (void)args_parse_u64(text, &number);
    (void)args_parse_duration(text, &number);
    (void)args_parse_size(text, &number);
    (void)args_parse_bool(text, &flag);
    if (uuid_parse(text, &uuid)) {
        char out[UUID_TEXT_SIZE];
        struct uuid again;
        PRE(uuid_parse(uuid_format(&uuid, out), &again) && uuid_equal(&uuid, &again));
    }
    struct catena_version version;
    if (catena_version_parse(text, &version)) {
        char out[CATENA_VERSION_TEXT_SIZE];
        struct catena_version again;
        PRE(catena_version_parse(catena_version_format(version, out), &again) &&
            memcmp(&version, &again, sizeof version) == 0);
    }
    /* Two implementations of the same rule, in two layers. */
    PRE(utf8_is_valid(bytes) == utf8_valid(bytes.data, bytes.length));
    struct text json;
    text_init(&json);
    text_append_json(&json, bytes);
    PRE(utf8_is_valid(slice_of(json.data, json.length)));
    text_append_escaped(&json, bytes);
    text_release(&json);
    (void)name_key_problem(text, strlen(text));
    (void)name_last_part(text);
    (void)name_without_mark(text);
}

static void parse_arguments(struct slice bytes, bool is_file)
{
    const char *string = NULL;
    uint32_t number = 0;
    uint64_t duration = 0;
    uint64_t size = 0;
    bool flag = false;
    const struct args_option options[] = {
        {.name = "dir", .kind = ARGS_STRING, .value = &string, .maximum = 32, .help = "a"},
        {.name = "id", .kind = ARGS_U32, .value = &number, .minimum = 1, .help = "b"},
        {.name = "wait-time",
         .kind = ARGS_DURATION,
         .value = &duration,
         .initial = "1s",
         .help = "c"},
        {.name = "size", .kind = ARGS_SIZE, .value = &size, .initial = "64KiB", .help = "d\ne"},
        {.name = "flag", .kind = ARGS_BOOL, .value = &flag, .initial = "false", .help = "f"},
    };
    const struct args_spec spec = {.program = "fuzz",
                                   .version = "0",
                                   .summary = "s",
                                   .operands = "X",
                                   .operands_max = 2,
                                   .has_config = true,
                                   .options = options,
                                   .option_count = ARRAY_COUNT(options)};
    char copy[4097];
    size_t length = bytes.length < sizeof copy - 1 ? bytes.length : sizeof copy - 1;
    if (length > 0)
        memcpy(copy, bytes.data, length);
    copy[length] = '\0';
    char program[] = "fuzz";
    char config[] = "--config";
    char path[64];
    char *argv[12] = {program};
    int argc = 1;
    int fd = -1;
    if (is_file) {
        fd = memfd_create("config", MFD_CLOEXEC);
        PRE(fd >= 0 && write(fd, copy, length) == (ssize_t)length);
        (void)lseek(fd, 0, SEEK_SET);
        text_format(path, sizeof path, "/proc/self/fd/%d", fd);
        argv[argc++] = config;
        argv[argc++] = path;
    } else {
        char *save = NULL;
        for (char *word = strtok_r(copy, "\n", &save); word != NULL && argc < 11;
             word = strtok_r(NULL, "\n", &save))
            argv[argc++] = word;
    }
    struct args args;
    struct text text;
    text_init(&text);
    enum args_outcome outcome = args_parse(&spec, argc, argv, &args, &text);
    PRE(outcome == ARGS_RUN || text.length > 0);
    PRE(outcome != ARGS_RUN || string == NULL || strlen(string) <= 32);
    args_release(&args);
    text_release(&text);
    if (fd >= 0)
        (void)close(fd);
}

static void put_file(const char *name, struct slice bytes)
{
    char path[512];
    text_format(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    PRE(fd >= 0);
    PRE(bytes.length == 0 || write(fd, bytes.data, bytes.length) == (ssize_t)bytes.length);
    (void)close(fd);
}

static void open_identity(struct slice bytes)
{
    need_directory();
    put_file("identity", bytes);
    struct uuid any = {{0}};
    struct identity *identity = NULL;
    char text[1024] = "";
    enum err err = identity_open(directory, "node", 1, &any, &identity, text, sizeof text);
    PRE(err == ERR_OK || text[0] != '\0');
    PRE(err == ERR_OK || err == ERR_NOT_OURS || err == ERR_CORRUPT || err == ERR_TOO_LARGE);
    if (err == ERR_OK)
        PRE(!uuid_is_zero(&identity->cluster));
    if (err == ERR_OK)
        identity_close(identity);
}

/* json_read() and what `up` makes of the document; its error line goes nowhere. */
static void read_cluster(struct slice bytes)
{
    char *text = malloc(bytes.length + 1);
    PRE(text != NULL);
    if (bytes.length > 0)
        memcpy(text, bytes.data, bytes.length);
    text[bytes.length] = '\0';
    json_value_free(json_read(text));
    free(text);

    need_directory();
    put_file("cluster.json", bytes);
    int shown = dup(STDERR_FILENO);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    PRE(shown >= 0 && nowhere >= 0 && dup2(nowhere, STDERR_FILENO) >= 0);
    const struct cli_command command = {.name = "up"};
    struct cli cli = {.command = &command};
    struct local_cluster cluster;
    (void)local_cluster_read(&cli, directory, &cluster);
    local_cluster_release(&cluster);
    (void)fflush(stderr);
    PRE(dup2(shown, STDERR_FILENO) >= 0);
    (void)close(shown);
    (void)close(nowhere);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input_of(data, size);
    uint32_t choice = fuzz_below(&input, 8);
    struct slice bytes = slice_of(input.data, input.length);
    char *text = malloc(bytes.length + 1);
    PRE(text != NULL);
    if (bytes.length > 0)
        memcpy(text, bytes.data, bytes.length);
    text[bytes.length] = '\0';
    if (choice < 3)
        parse_values(text, bytes);
    else if (choice < 5)
        parse_arguments(bytes, choice == 3);
    else if (choice == 5)
        open_identity(bytes);
    else
        read_cluster(bytes);
    free(text);
    return 0;
}
