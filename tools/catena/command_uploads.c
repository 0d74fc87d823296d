/* uploads: multipart uploads that go on, and dropping forgotten ones. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/catena/commands.h"
#include "tools/catena/json.h"
#include "tools/catena/name.h"

enum { UPLOADS_ABORT, UPLOADS_LIMIT };
enum { PAGE_ITEMS = 1000 };

static const struct cli_option options[] = {
    {"abort", 0, NULL, "drop the uploads ID... of BUCKET/KEY and their parts"},
    {"limit", 0, "NUMBER", "stop after that many lines"},
};

struct uploads {
    struct cli *cli;
    struct name name;
    struct json json;
    uint64_t limit;
    uint64_t printed;
    uint64_t now_ms;
};

/* "40s", "12m", "5h", "3d": two digits say enough. */
static char *show_age(uint64_t now_ms, uint64_t created_ms, char *out)
{
    static const struct {
        uint64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    uint64_t age = now_ms > created_ms ? (now_ms - created_ms) / 1000u : 0;
    unsigned at = 0;
    while (at < 3 && age < 2 * units[at].seconds)
        at++;
    (void)snprintf(out, SHOW_SIZE, "%" PRIu64 "%c", age / units[at].seconds, units[at].unit);
    return out;
}

static void print_item(struct uploads *uploads, const struct catena_upload_item *item)
{
    char id[CATENA_UPLOAD_TEXT_SIZE];
    char age[SHOW_SIZE];
    (void)catena_upload_format(item->upload, id);
    if (uploads->cli->is_json) {
        json_object(&uploads->json, NULL);
        json_bytes(&uploads->json, "key", item->key, item->key_length);
        json_text(&uploads->json, "upload", id);
        json_number(&uploads->json, "created_ms", item->created_ms);
        json_end(&uploads->json);
        return;
    }
    (void)printf("%s  %5s  ", id, show_age(uploads->now_ms, item->created_ms, age));
    name_print(stdout, item->key, item->key_length);
    (void)fputc('\n', stdout);
}

static enum catena_status list_all(struct uploads *uploads)
{
    const struct name *name = &uploads->name;
    struct catena_upload_id after = {0};
    char after_key[NAME_KEY_BYTES_MAX];
    size_t after_length = 0;
    bool is_more = true;
    while (is_more && uploads->printed < uploads->limit) {
        struct catena_upload_list list = {0};
        uint64_t rest = uploads->limit - uploads->printed;
        enum catena_status status = catena_multipart_list(
            uploads->cli->client, name->bucket, name->key, name->key_length, after_key,
            after_length, after, NULL, rest < PAGE_ITEMS ? (uint32_t)rest : PAGE_ITEMS, &list);
        if (status != CATENA_OK)
            return status;
        for (size_t i = 0; i < list.count; i++)
            print_item(uploads, &list.items[i]);
        uploads->printed += list.count;
        if (list.count > 0) {
            const struct catena_upload_item *last = &list.items[list.count - 1];
            after = last->upload;
            after_length = last->key_length;
            memcpy(after_key, last->key, after_length);
        }
        is_more = list.truncated && list.count > 0;
        catena_upload_list_release(&list);
    }
    return CATENA_OK;
}

static enum cli_exit run_list(struct cli *cli, struct uploads *uploads)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uploads->now_ms = (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
    if (cli->is_json) {
        json_begin(&uploads->json, stdout);
        json_text(&uploads->json, "bucket", uploads->name.bucket);
        json_array(&uploads->json, "uploads");
    }
    enum catena_status status = list_all(uploads);
    if (cli->is_json) {
        json_end(&uploads->json);
        json_bool(&uploads->json, "is_complete", status == CATENA_OK);
        json_finish(&uploads->json);
    }
    if (status != CATENA_OK)
        return cli_status_error(cli, status, NULL,
                                uploads->printed > 0 ? "the list of uploads in %s is incomplete"
                                                     : "cannot list the uploads in %s",
                                uploads->name.bucket);
    return CLI_OK;
}

static enum cli_exit run_abort(struct cli *cli, const struct name *name)
{
    uint64_t aborted = 0;
    enum cli_exit exit = CLI_OK;
    for (int i = 1; i < cli->operand_count; i++) {
        struct catena_upload_id upload = {0};
        (void)catena_upload_parse(cli->operands[i], &upload); /* checked before */
        enum catena_status status =
            catena_multipart_abort(cli->client, name->bucket, name->key, name->key_length, upload);
        aborted += status == CATENA_OK;
        if (status != CATENA_OK) {
            enum cli_exit one = cli_status_error(cli, status, NULL, "cannot abort %s of %s/%s",
                                                 cli->operands[i], name->bucket, name->key);
            exit = exit == CLI_OK ? one : exit;
        }
    }
    cli_done(cli, "%" PRIu64 " upload%s aborted", aborted, aborted == 1 ? " was" : "s were");
    if (cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_number(&json, "aborted", aborted);
        json_finish(&json);
    } else if (!cli->is_quiet) {
        (void)printf("aborted %" PRIu64 " upload%s\n", aborted, aborted == 1 ? "" : "s");
    }
    return exit;
}

/* All ids are checked before the first upload goes. */
static enum cli_exit check_ids(struct cli *cli)
{
    if (cli->operand_count < 2)
        return cli_error(cli, CLI_USAGE,
                         "--abort wants BUCKET/KEY and at least one ID (see catena "
                         "uploads BUCKET)");
    for (int i = 1; i < cli->operand_count; i++) {
        struct catena_upload_id upload;
        if (!catena_upload_parse(cli->operands[i], &upload))
            return cli_error(cli, CLI_USAGE, "%s: not the id of an upload (32 digits of 0-9 a-f)",
                             cli->operands[i]);
    }
    return CLI_OK;
}

static enum cli_exit run(struct cli *cli)
{
    struct uploads uploads = {.cli = cli, .limit = UINT64_MAX};
    bool is_abort = cli->values[UPLOADS_ABORT] != NULL;
    enum cli_exit exit = name_parse(cli, cli->operands[0], is_abort, &uploads.name);
    if (exit == CLI_OK && is_abort)
        exit = check_ids(cli);
    else if (exit == CLI_OK && cli->operand_count > 1)
        exit = cli_error(cli, CLI_USAGE, "one BUCKET or BUCKET/PREFIX; ids go with --abort");
    if (exit == CLI_OK && cli->values[UPLOADS_LIMIT] != NULL &&
        !cli_parse_u64(cli->values[UPLOADS_LIMIT], UINT64_MAX, &uploads.limit))
        exit = cli_error(cli, CLI_USAGE, "--limit %s: not a number", cli->values[UPLOADS_LIMIT]);
    if (exit == CLI_OK)
        exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    return is_abort ? run_abort(cli, &uploads.name) : run_list(cli, &uploads);
}

const struct cli_command command_uploads = {
    .name = "uploads",
    .operands = "BUCKET[/PREFIX] | --abort BUCKET/KEY ID...",
    .summary = "List multipart uploads, or drop them",
    .details =
        "An upload that was begun (by an S3 client, say) stays until it is completed or aborted, "
        "and its parts\ntake space although no object shows them. Each line: id, age, key. "
        "--abort drops uploads; it does not\ntouch the object under that key. Exit status 3: an "
        "upload does not exist (any more).\n",
    .operands_min = 1,
    .operands_max = -1,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
