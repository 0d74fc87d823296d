/* mb and rb: buckets. */
#include <stdio.h>

#include "tools/catena/commands.h"
#include "tools/catena/json.h"
#include "tools/catena/name.h"
#include "tools/catena/remove.h"

static enum cli_exit parse_bucket(const struct cli *cli, const char *text, struct name *name)
{
    enum cli_exit exit = name_parse(cli, text, false, name);
    if (exit == CLI_OK && name->key_length > 0)
        return cli_error(cli, CLI_USAGE, "\"%s\" names a key: a bucket is wanted", text);
    return exit;
}

static void print_done(struct cli *cli, const char *bucket, const char *what)
{
    cli_done(cli, "bucket %s was %s", bucket, what);
    if (cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_text(&json, "bucket", bucket);
        json_text(&json, "result", what);
        json_finish(&json);
    } else if (!cli->is_quiet) {
        (void)printf("%s: %s\n", bucket, what);
    }
}

static enum cli_exit run_mb(struct cli *cli)
{
    struct name name;
    enum cli_exit exit = parse_bucket(cli, cli->operands[0], &name);
    if (exit == CLI_OK)
        exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    enum catena_status status = catena_bucket_create(cli->client, name.bucket);
    if (status != CATENA_OK)
        return cli_status_error(cli, status, NULL, "cannot create bucket %s", name.bucket);
    print_done(cli, name.bucket, "created");
    return CLI_OK;
}

static enum cli_exit run_rb(struct cli *cli)
{
    struct name name;
    bool is_forced = cli->values[0] != NULL;
    enum cli_exit exit = parse_bucket(cli, cli->operands[0], &name);
    if (exit == CLI_OK)
        exit = cli_open(cli);
    if (exit == CLI_OK && is_forced) {
        uint64_t removed = 0;
        exit = remove_tree(cli, &name, &removed);
    }
    if (exit != CLI_OK)
        return exit;
    enum catena_status status = catena_bucket_delete(cli->client, name.bucket);
    if (status != CATENA_OK)
        return cli_status_error(cli, status, NULL, "cannot remove bucket %s", name.bucket);
    print_done(cli, name.bucket, "removed");
    return CLI_OK;
}

const struct cli_command command_mb = {
    .name = "mb",
    .operands = "BUCKET",
    .summary = "Make a bucket",
    .details = "A bucket's name has 3 to 63 of a-z 0-9 . - and begins and ends with a letter or "
               "digit.\nExit status 4: it exists already.\n",
    .operands_min = 1,
    .operands_max = 1,
    .run = run_mb,
};

static const struct cli_option rb_options[] = {
    {"force", 'f', NULL, "remove its objects first"},
};

const struct cli_command command_rb = {
    .name = "rb",
    .operands = "BUCKET",
    .summary = "Remove a bucket",
    .details = "Exit status 4: it still holds objects (see --force); 3: there is none.\n",
    .operands_min = 1,
    .operands_max = 1,
    .options = rb_options,
    .option_count = 1,
    .run = run_rb,
};
