/* admin bucket-public: whether everybody may read a bucket through the gateways. The flag is a
 * section of the bucket's configuration, whose format is the gateway's. */
#include <stdio.h>
#include <string.h>

#include "tools/catena/admin_key.h"
#include "tools/catena/json.h"
#include "tools/shared/bucket_document.h"

enum cli_exit admin_bucket_public_run(struct cli *cli)
{
    static const uint8_t yes = 1;
    const char *wanted = cli->operand_count < 3 ? "" : cli->operands[2];
    bool is_public = strcmp(wanted, "on") == 0;
    if (!is_public && strcmp(wanted, "off") != 0)
        return cli_error(cli, CLI_USAGE, "admin bucket-public: BUCKET and on or off are wanted");
    enum cli_exit exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    enum catena_status status =
        gw_bucket_config_change(cli->client, cli->operands[1], GW_SECTION_PUBLIC_READ,
                                is_public ? &yes : NULL, is_public ? 1 : 0);
    if (status == CATENA_CORRUPT)
        return cli_error(
            cli, CLI_FAILED,
            "the configuration of bucket %s is not in a format that this release knows",
            cli->operands[1]);
    if (status != CATENA_OK)
        return cli_status_error(cli, status, NULL, "admin bucket-public %s", cli->operands[1]);
    const char *result = is_public ? "public" : "private";
    cli_done(cli, "bucket %s is %s", cli->operands[1], result);
    if (cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_text(&json, "bucket", cli->operands[1]);
        json_text(&json, "result", result);
        json_finish(&json);
    } else if (!cli->is_quiet) {
        (void)printf("%s: %s\n", cli->operands[1], result);
    }
    return CLI_OK;
}
