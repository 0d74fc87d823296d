/* ls: buckets, or the objects of one. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/catena/commands.h"
#include "tools/catena/json.h"
#include "tools/catena/name.h"

enum { LS_RECURSIVE, LS_LONG, LS_LIMIT, LS_START_AFTER, LS_DELIMITER };
enum { PAGE_ITEMS = 1000 };

static const struct cli_option options[] = {
    {"recursive", 'r', NULL, "every key, not folded at the delimiter"},
    {"long", 'l', NULL, "size, time and version too"},
    {"limit", 0, "NUMBER", "stop after that many lines"},
    {"start-after", 0, "KEY", "begin with the first key after that one"},
    {"delimiter", 0, "TEXT", "fold keys at that (default /)"},
};

struct listing {
    struct cli *cli;
    struct name name;
    struct json json;
    uint64_t limit;
    uint64_t printed;
    bool is_long;
};

static enum cli_exit list_buckets(struct cli *cli)
{
    struct catena_bucket *buckets = NULL;
    size_t count = 0;
    enum catena_status status = catena_bucket_list(cli->client, &buckets, &count);
    if (status != CATENA_OK)
        return cli_status_error(cli, status, NULL, "cannot list the buckets");
    struct json json;
    if (cli->is_json) {
        json_begin(&json, stdout);
        json_array(&json, "buckets");
    }
    for (size_t i = 0; i < count; i++) {
        char time[SHOW_SIZE];
        if (cli->is_json) {
            json_object(&json, NULL);
            json_text(&json, "name", buckets[i].name);
            json_number(&json, "created_ms", buckets[i].created_ms);
            json_end(&json);
        } else if (cli->values[LS_LONG] != NULL) {
            (void)printf("%s  %s\n", show_time(buckets[i].created_ms, time), buckets[i].name);
        } else {
            (void)printf("%s\n", buckets[i].name);
        }
    }
    if (cli->is_json)
        json_finish(&json);
    free(buckets);
    return CLI_OK;
}

static void print_item(struct listing *listing, const struct catena_list_item *item)
{
    char version[CATENA_VERSION_TEXT_SIZE];
    char time[SHOW_SIZE];
    (void)catena_version_format(item->version, version);
    if (listing->cli->is_json) {
        json_object(&listing->json, NULL);
        json_bytes(&listing->json, item->is_prefix ? "prefix" : "key", item->key, item->key_length);
        if (!item->is_prefix) {
            json_number(&listing->json, "size", item->size);
            json_text(&listing->json, "version", version);
            json_number(&listing->json, "mtime_ms", item->mtime_ms);
            char checksum[20];
            (void)snprintf(checksum, sizeof checksum, "%016" PRIx64, item->checksum);
            json_text(&listing->json, "xxh3", checksum);
        }
        json_end(&listing->json);
        return;
    }
    if (listing->is_long && item->is_prefix)
        (void)printf("%14s  %20s  %10s  ", "-", "-", "-");
    else if (listing->is_long)
        (void)printf("%14" PRIu64 "  %s  %10s  ", item->size, show_time(item->mtime_ms, time),
                     version);
    name_print(stdout, item->key, item->key_length);
    (void)fputc('\n', stdout);
}

/* Pages through everything. The error, if any, goes to `ret_status`. */
static enum catena_status list_objects(struct listing *listing, const char *delimiter,
                                       const char *start_after)
{
    const struct name *name = &listing->name;
    char after[NAME_KEY_BYTES_MAX];
    size_t after_length = strlen(start_after);
    memcpy(after, start_after, after_length);
    bool is_more = true;
    while (is_more && listing->printed < listing->limit) {
        struct catena_list list = {0};
        uint64_t rest = listing->limit - listing->printed;
        enum catena_status status = catena_list(
            listing->cli->client, name->bucket, name->key, name->key_length, after, after_length,
            delimiter, rest < PAGE_ITEMS ? (uint32_t)rest : PAGE_ITEMS, &list);
        if (status != CATENA_OK)
            return status;
        for (size_t i = 0; i < list.count && listing->printed < listing->limit; i++) {
            print_item(listing, &list.items[i]);
            listing->printed++;
        }
        if (list.count > 0) {
            const struct catena_list_item *last = &list.items[list.count - 1];
            after_length = last->key_length;
            memcpy(after, last->key, after_length);
        }
        is_more = list.truncated && list.count > 0;
        catena_list_release(&list);
    }
    return CATENA_OK;
}

static enum cli_exit run(struct cli *cli)
{
    struct listing listing = {.cli = cli, .limit = UINT64_MAX};
    const char *start_after = cli->values[LS_START_AFTER];
    const char *delimiter = cli->values[LS_DELIMITER];
    enum cli_exit exit = CLI_OK;
    if (cli->values[LS_LIMIT] != NULL &&
        !cli_parse_u64(cli->values[LS_LIMIT], UINT64_MAX, &listing.limit))
        return cli_error(cli, CLI_USAGE, "--limit %s: not a number", cli->values[LS_LIMIT]);
    if (start_after != NULL && start_after[0] != '\0' &&
        name_key_problem(start_after, strlen(start_after)) != NULL)
        return cli_error(cli, CLI_USAGE, "--start-after: %s",
                         name_key_problem(start_after, strlen(start_after)));
    if (delimiter != NULL && (delimiter[0] == '\0' || strlen(delimiter) > 16))
        return cli_error(cli, CLI_USAGE, "--delimiter: 1 to 16 bytes (see --recursive)");
    bool is_bucket_list = cli->operand_count == 0;
    if (!is_bucket_list)
        exit = name_parse(cli, cli->operands[0], false, &listing.name);
    if (exit == CLI_OK)
        exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    if (is_bucket_list)
        return list_buckets(cli);

    if (delimiter == NULL)
        delimiter = "/";
    if (cli->values[LS_RECURSIVE] != NULL)
        delimiter = NULL;
    listing.is_long = cli->values[LS_LONG] != NULL;
    if (cli->is_json) {
        json_begin(&listing.json, stdout);
        json_text(&listing.json, "bucket", listing.name.bucket);
        json_array(&listing.json, "items");
    }
    enum catena_status status =
        list_objects(&listing, delimiter, start_after != NULL ? start_after : "");
    if (cli->is_json) {
        json_end(&listing.json);
        json_bool(&listing.json, "is_complete", status == CATENA_OK);
        json_finish(&listing.json);
    }
    if (status != CATENA_OK)
        return cli_status_error(cli, status, NULL,
                                listing.printed > 0 ? "the listing of %s is incomplete"
                                                    : "cannot list %s",
                                listing.name.bucket);
    return CLI_OK;
}

const struct cli_command command_ls = {
    .name = "ls",
    .operands = "[BUCKET[/PREFIX]]",
    .summary = "List buckets or objects",
    .details =
        "Without an argument: the buckets. BUCKET: its keys, folded at '/' like directories. "
        "BUCKET/PREFIX: those\nthat begin with PREFIX (BUCKET/photos/ for what is inside photos). "
        "Keys come in byte order, all of\nthem or an error. Control characters and backslashes in "
        "keys are shown as \\xNN; --json is exact.\n",
    .operands_min = 0,
    .operands_max = 1,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
