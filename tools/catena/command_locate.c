/* locate: which processes hold an object. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/catena/cluster_view.h"
#include "tools/catena/commands.h"

static enum cli_exit run(struct cli *cli)
{
    struct name name;
    struct catena_cluster *cluster = NULL;
    const struct catena_chain *chain = NULL;
    enum cli_exit exit = name_parse(cli, cli->operands[0], true, &name);
    if (exit == CLI_OK)
        exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    enum catena_status status =
        catena_locate(cli->client, name.bucket, name.key, name.key_length, &cluster, &chain);
    if (status != CATENA_OK)
        return cli_status_error(cli, status, NULL, "cannot locate %s/%s", name.bucket, name.key);
    if (cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_text(&json, "bucket", name.bucket);
        json_bytes(&json, "key", name.key, name.key_length);
        json_number(&json, "chain", chain->chain);
        json_number(&json, "epoch", chain->epoch);
        json_number(&json, "replicas", chain->replicas);
        json_bool(&json, "serves", view_chain_serves(cluster, chain));
        view_json_members(&json, chain);
        json_finish(&json);
    } else {
        (void)printf("chain %" PRIu32 ", epoch %" PRIu64 ", %zu of %" PRIu32 " replicas%s\n",
                     chain->chain, chain->epoch, view_serving_count(chain), chain->replicas,
                     view_chain_serves(cluster, chain) ? "" : ", waits: a member is not alive");
        for (size_t i = 0; i < chain->member_count; i++) {
            const struct catena_member *member = &chain->members[i];
            (void)printf("  %-7s  node %-5" PRIu32 "  %-21s  pid %" PRIu32 "\n", member->role,
                         member->node, member->address, member->pid);
        }
    }
    catena_cluster_free(cluster);
    return CLI_OK;
}

const struct cli_command command_locate = {
    .name = "locate",
    .operands = "BUCKET/KEY",
    .summary = "Show the chain that holds an object, and its processes",
    .details = "The object need not exist: its place follows from its bucket and key.\n",
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
