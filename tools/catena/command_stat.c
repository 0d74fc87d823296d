/* stat: what is known of one object or bucket. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/catena/commands.h"
#include "tools/catena/json.h"
#include "tools/catena/name.h"

static enum cli_exit stat_object(struct cli *cli, const struct name *name)
{
    struct catena_info info = {0};
    enum catena_status status =
        catena_stat(cli->client, name->bucket, name->key, name->key_length, NULL, &info);
    if (status != CATENA_OK)
        return cli_status_error(cli, status, NULL, "cannot stat %s/%s", name->bucket, name->key);
    char version[CATENA_VERSION_TEXT_SIZE];
    char checksum[20];
    char time[SHOW_SIZE];
    char amount[SHOW_SIZE];
    (void)catena_version_format(info.version, version);
    (void)snprintf(checksum, sizeof checksum, "%016" PRIx64, info.checksum);
    if (cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_text(&json, "bucket", name->bucket);
        json_bytes(&json, "key", name->key, name->key_length);
        json_number(&json, "size", info.size);
        json_text(&json, "version", version);
        json_number(&json, "mtime_ms", info.mtime_ms);
        json_text(&json, "xxh3", checksum);
        json_number(&json, "meta_length", info.meta_length);
        json_finish(&json);
    } else {
        (void)printf("object   %s/", name->bucket);
        name_print(stdout, name->key, name->key_length);
        (void)printf("\nsize     %" PRIu64 " bytes (%s)\nversion  %s\nmodified %s\nxxh3     %s\n"
                     "meta     %zu bytes\n",
                     info.size, show_bytes(info.size, amount), version,
                     show_time(info.mtime_ms, time), checksum, info.meta_length);
    }
    catena_info_release(&info);
    return CLI_OK;
}

static enum cli_exit stat_bucket(struct cli *cli, const struct name *name)
{
    struct catena_bucket *buckets = NULL;
    size_t count = 0;
    size_t at = 0;
    enum catena_status status = catena_bucket_list(cli->client, &buckets, &count);
    if (status != CATENA_OK)
        return cli_status_error(cli, status, NULL, "cannot stat bucket %s", name->bucket);
    while (at < count && strcmp(buckets[at].name, name->bucket) != 0)
        at++;
    if (at == count) {
        free(buckets);
        return cli_error(cli, CLI_NOT_FOUND, "cannot stat %s: no such bucket", name->bucket);
    }
    if (cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_text(&json, "bucket", name->bucket);
        json_number(&json, "created_ms", buckets[at].created_ms);
        json_finish(&json);
    } else {
        char time[SHOW_SIZE];
        (void)printf("bucket   %s\ncreated  %s\n", name->bucket,
                     show_time(buckets[at].created_ms, time));
    }
    free(buckets);
    return CLI_OK;
}

static enum cli_exit run(struct cli *cli)
{
    struct name name;
    enum cli_exit exit = name_parse(cli, cli->operands[0], false, &name);
    if (exit == CLI_OK)
        exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    return name.key_length > 0 ? stat_object(cli, &name) : stat_bucket(cli, &name);
}

const struct cli_command command_stat = {
    .name = "stat",
    .operands = "BUCKET[/KEY]",
    .summary = "Show an object's size, version, time and checksum",
    .details = "Exit status 3: no such object or bucket.\n",
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
